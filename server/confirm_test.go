package server_test

import (
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
)

// N1, N3: a session has the lifetime that its sign-in asked for, until its user proves
// again who they are.
func TestASessionMayBeConfirmedAndGetALifetime(t *testing.T) {
	w := newWorld(t, oneseat.Config{Idle: 24 * time.Hour, Absolute: 48 * time.Hour})
	var g api.Granted
	w.want(201, api.PathSignIn, `{"account":"ada","lifetime":{"idle":1800,"until_closed":true}}`, &g)
	if l := g.Session.Lifetime; l != (api.Lifetime{Idle: 1800, UntilClosed: true}) || !g.NewDevice || strings.Contains(g.SetCookie, "Max-Age") ||
		g.Session.Expires.Sub(g.Session.LastSeen) != 30*time.Minute || g.Session.Proved.IsZero() {
		t.Errorf("%+v", g)
	}
	var c api.Checked
	w.want(200, api.PathCheck, `{"token":"`+g.Token+`"}`, &c)
	if c.Lifetime != g.Session.Lifetime || !c.Proved.Equal(g.Session.Proved) || c.Left == nil || *c.Left > 30*60*1000 {
		t.Errorf("%+v", c)
	}
	body := `{"account":"ada","session":"` + g.Session.ID + `"`
	var s api.Session
	if w.want(200, api.PathConfirm, body+`}`, &s); s.Lifetime != g.Session.Lifetime || s.Proved.Before(g.Session.Proved) {
		t.Errorf("the lifetime stays: %+v", s)
	}
	s = api.Session{}
	if w.want(200, api.PathConfirm, body+`,"lifetime":{}}`, &s); s.Lifetime != (api.Lifetime{}) || s.Expires.Sub(s.LastSeen) != 24*time.Hour {
		t.Errorf("as for others: %+v", s)
	}
	for lifetime, want := range map[string]string{
		`{"idle":86401}`: "bad-lifetime", `{"absolute":1e300}`: "bad-lifetime", `{"idle":-1}`: "bad-lifetime", `{"idle":0.5}`: "bad-lifetime",
		`{"idle":"1h"}`: "bad-json", `{"Idle":60}`: "bad-json", `7`: "bad-json",
	} {
		for path, body := range map[string]string{api.PathSignIn: `{"account":"ada"`, api.PathConfirm: body} {
			if _, answer := w.ask("all", path, body+`,"lifetime":`+lifetime+`}`); problem(answer) != want {
				t.Errorf("%s %s: %s", path, lifetime, answer)
			}
		}
	}
	if _, answer := w.ask("all", api.PathConfirm, `{"account":"","session":"x"}`); problem(answer) != "bad-account" {
		t.Errorf("%s", answer)
	}
	w.want(404, api.PathConfirm, `{"account":"ada","session":"nobody"}`, &api.Problem{})
	w.signIn("ada")
	var p api.Problem
	if w.want(410, api.PathConfirm, body+`}`, &p); p.Ending == nil || p.Ending.Reason != "displaced" {
		t.Errorf("%+v", p)
	}
	var events api.Events
	w.want(200, api.PathEvents, `{"account":"ada"}`, &events)
	confirmed := 0
	for _, e := range events.Events {
		if e.Type == "session_confirmed" && e.Session == g.Session.ID {
			confirmed++
		}
	}
	if confirmed != 2 {
		t.Errorf("%d confirmations in %+v", confirmed, events.Events)
	}
}
