package server_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
	"github.com/oneseat/oneseat/server"
)

func TestASignInSaysTheLimitsOfItsPlan(t *testing.T) {
	w := newWorld(t, oneseat.Config{LimitFor: server.LimitFor})
	const plan = `{"account":"ada","limits":{"total":3,"classes":{"tv":1}}}`
	all := make([]api.Granted, 4)
	for i := range all {
		w.want(201, api.PathSignIn, plan, &all[i])
	}
	if got := all[3].Displaced; len(got) != 1 || got[0].ID != all[0].Session.ID || len(all[2].Displaced) != 0 {
		t.Errorf("the fourth of three displaced %+v, the third %+v", got, all[2].Displaced)
	}
	var is api.Explained
	if w.want(200, api.PathExplain, plan, &is); is.Limit != 3 || len(is.Displaces) != 1 {
		t.Errorf("%+v", is)
	}
	if w.want(200, api.PathExplain, `{"account":"ada"}`, &is); is.Limit != 1 || len(is.Displaces) != 3 {
		t.Errorf("without limits: %+v", is)
	}

	// They hold at that sign-in only, and what is stored comes first.
	w.want(201, api.PathSignIn, `{"account":"ada","limits":{"total":"unlimited"}}`, &all[0])
	var list api.Sessions
	if w.want(200, api.PathSessions, `{"account":"ada"}`, &list); len(list.Sessions) != 4 {
		t.Errorf("%d sessions", len(list.Sessions))
	}
	if g := w.signIn("ada"); len(g.Displaced) != 4 {
		t.Errorf("%+v", g.Displaced)
	}
	w.want(200, api.PathLimit, `{"account":"ada","limits":{"total":1}}`, &struct{}{})
	if w.want(201, api.PathSignIn, plan, &all[0]); len(all[0].Displaced) != 1 {
		t.Errorf("against a stored limit: %+v", all[0].Displaced)
	}
	for limits, want := range map[string]string{
		`{"total":0}`: "bad-limits", `{"total":-1}`: "bad-limits", `{"total":-2}`: "bad-limits", `{"total":257}`: "bad-limits", `{"classes":{"tv":1}}`: "bad-limits",
		`{"total":3,"classes":{"fridge":1}}`: "bad-limits", `{"total":3,"classes":{"tv":0}}`: "bad-limits", `{"streams":65}`: "bad-limits",
		`{"total":1.5}`: "bad-json", `{"total":"all"}`: "bad-json", `null`: "bad-json", `{"total":null}`: "bad-json", `{"Total":1}`: "bad-json", `3`: "bad-json",
	} {
		for _, path := range []string{api.PathSignIn, api.PathExplain} {
			if status, answer := w.ask("all", path, `{"account":"ada","limits":`+limits+`}`); problem(answer) != want || status != map[string]int{"bad-limits": 422, "bad-json": 400}[want] {
				t.Errorf("%s %s: %d %s", path, limits, status, answer)
			}
		}
		if _, answer := w.ask("all", api.PathRedeem, `{"ticket":"x","end":[],"limits":`+limits+`}`); problem(answer) != want {
			t.Errorf("%s: %s", limits, answer)
		}
	}
	if w.want(200, api.PathSessions, `{"account":"ada"}`, &list); len(list.Sessions) != 1 || list.Sessions[0].ID != all[0].Session.ID {
		t.Errorf("what was refused changed something: %+v", list)
	}
	plain := newWorld(t, oneseat.Config{})
	if status, answer := plain.ask("all", api.PathSignIn, plan); status != 422 || problem(answer) != "bad-limits" {
		t.Errorf("where nobody would look at them: %d %s", status, answer)
	}
}

func TestATicketIsRedeemedUnderTheLimitsOfItsPlan(t *testing.T) {
	w := newWorld(t, oneseat.Config{LimitFor: server.LimitFor, WhenFull: oneseat.PolicyAsk})
	const limits = `"limits":{"total":2}`
	var first, g api.Granted
	w.want(201, api.PathSignIn, `{"account":"ada",`+limits+`}`, &first)
	w.want(201, api.PathSignIn, `{"account":"ada",`+limits+`}`, &g)
	var p api.Problem
	if w.want(409, api.PathSignIn, `{"account":"ada",`+limits+`}`, &p); p.Limit != 2 {
		t.Errorf("%+v", p)
	}
	w.want(201, api.PathRedeem, fmt.Sprintf(`{"ticket":%q,"end":[%q],%s}`, p.Ticket, first.Session.ID, limits), &g)
	var list api.Sessions
	if w.want(200, api.PathSessions, `{"account":"ada"}`, &list); len(list.Sessions) != 2 {
		t.Errorf("%+v", list)
	}
}

// When a session of the site's own was issued is judged by the store's clock.
func TestASessionFromTheFutureIsNotAdopted(t *testing.T) {
	w := newWorldOf(t, -2*time.Hour, oneseat.Config{AdoptUntil: time.Now().Add(24 * time.Hour)}, server.Config{})
	for _, c := range []struct {
		issued string
		status int
	}{
		{time.Now().Add(-time.Hour).UTC().Format(time.RFC3339), 422}, // past, by the server's clock
		{time.Now().Add(time.Hour).UTC().Format(time.RFC3339), 422},
		{"9999-12-31T23:59:59Z", 422},
		{w.now().Add(-time.Minute).Format("2006-01-02T15:04:05.999-07:00"), 201},
	} {
		status, answer := w.ask("all", api.PathSignIn, `{"account":"ada","adopt":{"issued":`+quoted(c.issued)+`}}`)
		if status != c.status || status == 422 && problem(answer) != "bad-time" {
			t.Errorf("%s: %d %s", c.issued, status, answer)
		}
	}
	if status, answer := w.ask("all", api.PathSignIn, `{"account":"eve","adopt":{}}`); status != 201 {
		t.Errorf("not known when: %d %s", status, answer)
	}
}
