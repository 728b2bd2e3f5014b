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

// N2: a ticket does not get more into an account than fits.
func TestATicketBringsNoMoreDataThanFits(t *testing.T) {
	most := oneseat.MaxAccountData / oneseat.MaxData
	w := newWorld(t, oneseat.Config{Limit: most + 1, WhenFull: oneseat.PolicyAsk})
	full := quoted(strings.Repeat("x", oneseat.MaxData))
	for range most - 1 {
		w.want(201, api.PathSignIn, `{"account":"ada","data":`+full+`}`, &struct{}{})
	}
	one, two := w.signIn("ada"), w.signIn("ada")
	var p api.Problem
	w.want(409, api.PathSignIn, `{"account":"ada","data":`+full+`}`, &p)
	w.want(200, api.PathData, `{"account":"ada","session":"`+one.Session.ID+`","data":`+full+`}`, &struct{}{})
	redeem := `{"ticket":` + quoted(p.Ticket) + `,"end":["`
	if _, answer := w.ask("all", api.PathRedeem, redeem+two.Session.ID+`"]}`); problem(answer) != "bad-data" {
		t.Errorf("%s", answer)
	}
	w.want(201, api.PathRedeem, redeem+one.Session.ID+`"]}`, &struct{}{})
}

// N2: what the site keeps with a session comes with every check, and is in no event.
func TestASessionCarriesDataOfTheSite(t *testing.T) {
	w := newWorld(t, oneseat.Config{})
	var g api.Granted
	w.want(201, api.PathSignIn, `{"account":"ada","data":"canary \"1\""}`, &g)
	var c api.Checked
	if w.want(200, api.PathCheck, `{"token":"`+g.Token+`"}`, &c); g.Session.Data != `canary "1"` || c.Data != g.Session.Data {
		t.Errorf("%+v %+v", g.Session, c)
	}
	body := `{"account":"ada","session":"` + g.Session.ID + `","data":`
	w.want(200, api.PathData, body+`"canary 2"}`, &struct{}{})
	if w.want(200, api.PathCheck, `{"token":"`+g.Token+`"}`, &c); c.Data != "canary 2" {
		t.Errorf("%+v", c)
	}
	long := quoted(strings.Repeat("x", oneseat.MaxData+1))
	for path, body := range map[string]string{api.PathSignIn: `{"account":"ada","data":` + long + `}`, api.PathData: body + long + `}`} {
		if _, answer := w.ask("all", path, body); problem(answer) != "bad-data" {
			t.Errorf("%s: %s", path, answer)
		}
	}
	if _, answer := w.ask("all", api.PathData, `{"account":"","session":"x","data":""}`); problem(answer) != "bad-account" {
		t.Errorf("%s", answer)
	}
	w.want(404, api.PathData, `{"account":"ada","session":"nobody","data":""}`, &api.Problem{})
	w.signIn("ada")
	w.want(410, api.PathData, body+`""}`, &api.Problem{})
	if _, answer := w.ask("all", api.PathEvents, `{}`); !strings.Contains(string(answer), "session_data_changed") || strings.Contains(string(answer), "canary") {
		t.Errorf("%s", answer)
	}
}
