package server_test

import (
	"strings"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
)

// N6: over HTTP a program is a session of its account, beside those of people.
func TestAProgramIsASessionBesideThoseOfPeople(t *testing.T) {
	w := newWorld(t, oneseat.Config{Programs: oneseat.Programs{Limit: 1}})
	var program api.Granted
	w.want(201, api.PathSignIn, `{"account":"ada","program":true,"device":{"label":"backup"}}`, &program)
	person := w.signIn("ada")
	for token, is := range map[string]bool{program.Token: true, person.Token: false} {
		var c api.Checked
		if w.want(200, api.PathCheck, `{"token":"`+token+`"}`, &c); c.Program != is || c.Proved.IsZero() != is {
			t.Errorf("%+v", c)
		}
	}
	var p api.Problem
	if w.want(409, api.PathSignIn, `{"account":"ada","program":true}`, &p); p.Full != "programs" || p.Limit != 1 || len(p.Live) != 1 || !p.Live[0].Program {
		t.Errorf("%+v", p)
	}
	if _, answer := w.ask("all", api.PathSignIn, `{"account":"ada","program":true,"token":"`+person.Token+`"}`); problem(answer) != "bad-program" {
		t.Errorf("%s", answer)
	}
	w.want(200, api.PathLimit, `{"account":"ada","limits":{"streams":3,"stream_classes":{"tv":1},"programs":2}}`, &struct{}{})
	w.want(201, api.PathSignIn, `{"account":"ada","program":true}`, &struct{}{})
	var a api.AccountState
	w.want(200, api.PathAccount, `{"account":"ada"}`, &a)
	if l := a.Limits; len(a.Sessions) != 3 || l == nil || *l.Streams != 3 || l.StreamClasses["tv"] != 1 || *l.Programs != 2 || l.Total != nil {
		t.Errorf("%+v", a)
	}
	var names []string
	for _, b := range a.InForce {
		names = append(names, b.Of)
	}
	if len(names) != 4 || names[0] != "total" || names[1] != "programs" || names[2] != "streams_tv" || names[3] != "streams" {
		t.Errorf("in force are %v", names)
	}
	var events api.Events
	w.want(200, api.PathEvents, `{"account":"ada"}`, &events)
	for _, e := range events.Events {
		if e.Type == string(oneseat.EventSignInRefused) && (e.Bound == nil || *e.Bound != api.InForce{Of: "programs", Max: 1, From: "Config"}) {
			t.Errorf("%+v", e)
		}
	}
	for body, want := range map[string]string{`"program":true,"token":"x"`: "bad-program", `"lifetime":{"idle":0.5}`: "bad-lifetime", `"data":"\xff"`: "bad-json", `"data":` + quoted(strings.Repeat("x", oneseat.MaxData+1)): "bad-data"} {
		if _, answer := w.ask("all", api.PathExplain, `{"account":"ada",`+body+`}`); problem(answer) != want {
			t.Errorf("explained, %s: %s", body, answer)
		}
	}
	if _, answer := newWorld(t, oneseat.Config{}).ask("all", api.PathSignIn, `{"account":"ada","program":true}`); problem(answer) != "bad-program" {
		t.Errorf("%s", answer)
	}
}
