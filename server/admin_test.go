package server_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
	"github.com/oneseat/oneseat/server"
)

func TestAnAccountCanBeReadAndItsLimitsAreWhatWasWritten(t *testing.T) {
	w := newWorld(t, oneseat.Config{})
	w.signIn("ada")
	w.signIn("ada")
	var a api.AccountState
	w.want(200, api.PathAccount, `{"account":"ada"}`, &a)
	if len(a.Sessions) != 1 || len(a.Endings) != 1 || a.Endings[0].Reason != "displaced" || a.Limits != nil || a.Block != nil || len(a.InForce) == 0 || a.InForce[0].Max != 1 {
		t.Errorf("%+v", a)
	}
	w.want(200, api.PathLimit, `{"account":"ada","limits":{"total":3,"classes":{"tv":1},"streams":"unlimited"},"actor":"support"}`, &struct{}{})
	w.want(200, api.PathAccount, `{"account":"ada"}`, &a)
	if l := a.Limits; l == nil || *l.Total != 3 || l.Classes["tv"] != 1 || *l.Streams != api.Unlimited {
		t.Errorf("%+v", a.Limits)
	}
	w.signIn("ada")
	w.want(200, api.PathAccount, `{"account":"ada"}`, &a)
	if len(a.Sessions) != 2 {
		t.Errorf("%+v", a.Sessions)
	}
	for body, want := range map[string]string{
		`{"account":"ada","limits":{"total":0}}`:                        "bad-limits",
		`{"account":"ada","limits":{"total":-2}}`:                       "bad-limits",
		`{"account":"ada","limits":{"total":-1}}`:                       "bad-limits", // "unlimited" is the word for it
		`{"account":"ada","limits":{"total":257}}`:                      "bad-limits",
		`{"account":"ada","limits":{"classes":{"tv":1}}}`:               "bad-limits", // they stand under a total
		`{"account":"ada","limits":{"total":1,"classes":{"fridge":1}}}`: "bad-limits",
		`{"account":"ada","limits":{"total":1.5}}`:                      "bad-json",
		`{"account":"ada","limits":{"total":"many"}}`:                   "bad-json",
		`{"account":"ada","limits":{"total":null}}`:                     "bad-json",
		`{"account":"ada","limits":{"Total":1}}`:                        "bad-json",
		`{"account":null,"limits":null}`:                                "bad-json",
		`{"account":"ada"}`:                                             "bad-json",
		`{"account":"","limits":null}`:                                  "bad-account",
	} {
		if _, answer := w.ask("all", api.PathLimit, body); problem(answer) != want {
			t.Errorf("%s: %s", body, answer)
		}
	}
	w.want(200, api.PathLimit, `{"account":"ada","limits":null}`, &struct{}{})
	var after api.AccountState
	if w.want(200, api.PathAccount, `{"account":"ada"}`, &after); after.Limits != nil || len(after.Sessions) != 1 { // the one for everybody is in force again
		t.Errorf("%+v", after)
	}
	if w.want(200, api.PathAccount, `{"account":"nobody"}`, &after); len(after.Sessions) != 0 || after.Sessions == nil {
		t.Errorf("an account that is not known: %+v", after)
	}
}

func TestABlockedAccountIsOutUntilItIsLetIn(t *testing.T) {
	w := newWorld(t, oneseat.Config{})
	g := w.signIn("ada")
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	w.want(200, api.PathBlock, fmt.Sprintf(`{"account":"ada","until":%q,"actor":"support"}`, until.Format(time.RFC3339)), &struct{}{})
	var p api.Problem
	if w.want(410, api.PathCheck, token(g), &p); p.Ending.Reason != "account_blocked" || p.Ending.Actor != "support" {
		t.Errorf("%+v", p.Ending)
	}
	if w.want(409, api.PathSignIn, `{"account":"ada"}`, &p); p.Type != api.ProblemPrefix+"account-blocked" || !p.Until.Equal(until) {
		t.Errorf("%+v", p)
	}
	var a api.AccountState
	if w.want(200, api.PathAccount, `{"account":"ada"}`, &a); a.Block == nil || a.Block.Actor != "support" || !a.Block.Until.Equal(until) {
		t.Errorf("%+v", a.Block)
	}
	var is api.Explained
	if w.want(200, api.PathExplain, `{"account":"ada"}`, &is); is.Outcome != "blocked" {
		t.Errorf("%+v", is)
	}
	w.want(200, api.PathUnblock, `{"account":"ada","actor":"support"}`, &struct{}{})
	w.signIn("ada")
}

// Whether a time is to come is judged by the store's clock, not by the server's.
func TestAnAccountThatIsForgottenLeavesNothing(t *testing.T) {
	w := newWorld(t, oneseat.Config{})
	g := w.signIn("ada")
	w.want(200, api.PathBlock, `{"account":"ada"}`, &struct{}{})
	w.want(200, api.PathForget, `{"account":"ada"}`, &struct{}{})
	w.want(200, api.PathForget, `{"account":"ada"}`, &struct{}{})
	var p api.Problem
	if w.want(404, api.PathCheck, token(g), &p); p.Type != api.ProblemPrefix+"no-session" {
		t.Errorf("%+v", p)
	}
	var a api.AccountState
	if w.want(200, api.PathAccount, `{"account":"ada"}`, &a); len(a.Sessions)+len(a.Endings) > 0 || a.Block != nil {
		t.Errorf("%+v", a)
	}
	var all api.Accounts
	if w.want(200, api.PathAccounts, `{}`, &all); len(all.Accounts) > 0 {
		t.Errorf("%+v", all)
	}
	var events api.Events
	if w.want(200, api.PathEvents, `{"account":"ada"}`, &events); len(events.Events) > 0 {
		t.Errorf("%+v", events)
	}
	if _, answer := w.ask("all", api.PathForget, `{"account":""}`); problem(answer) != "bad-account" {
		t.Errorf("%s", answer)
	}
	if status, answer := w.ask("sessions", api.PathForget, `{"account":"ada"}`); status != 403 {
		t.Errorf("without the scope: %d %s", status, answer)
	}
}

func TestABlockThatWouldBeOverIsRefused(t *testing.T) {
	w := newWorldOf(t, -2*time.Hour, oneseat.Config{}, server.Config{})
	for until, want := range map[string]string{
		"2020-01-01T00:00:00+02:00":                              "bad-time",
		w.now().UTC().Add(-time.Minute).Format(time.RFC3339):     "bad-time",
		time.Now().UTC().Add(-time.Hour).Format(time.RFC3339):    "", // to come, by the store's clock
		time.Now().Add(-time.Hour).Format("2006-01-02T15:04:05"): "bad-json",
	} {
		if status, answer := w.ask("all", api.PathBlock, `{"account":"ada","until":`+quoted(until)+`}`); problem(answer) != want {
			t.Errorf("until %s: %d %s", until, status, answer)
		}
	}
}

func TestASignInIsExplainedAndNotMade(t *testing.T) {
	w := newWorld(t, oneseat.Config{})
	g := w.signIn("ada")
	var is api.Explained
	w.want(200, api.PathExplain, `{"account":"ada"}`, &is)
	if is.Outcome != "admitted" || !slices.Equal(is.Displaces, []string{g.Session.ID}) || is.Full != "total" || is.Limit != 1 || is.From == "" {
		t.Errorf("%+v", is)
	}
	w.want(200, api.PathExplain, fmt.Sprintf(`{"account":"ada","previous":{"account":"ada","session":%q}}`, g.Session.ID), &is)
	w.want(200, api.PathCheck, token(g), &struct{}{})
}

func TestAccountsAndEventsComeInPages(t *testing.T) {
	w := newWorld(t, oneseat.Config{})
	var want []string
	for i := range 7 {
		name := fmt.Sprintf("member %d", i)
		w.signIn(name)
		want = append(want, name)
	}
	w.signIn("other")
	var names []string
	for after := ""; ; {
		var page api.Accounts
		w.want(200, api.PathAccounts, fmt.Sprintf(`{"prefix":"member ","after":%q,"limit":3}`, after), &page)
		for _, a := range page.Accounts {
			names = append(names, a.Account)
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
	var seen []string
	for before := ""; ; {
		var page api.Events
		w.want(200, api.PathEvents, fmt.Sprintf(`{"before":%q,"limit":3}`, before), &page)
		for _, e := range page.Events {
			if e.Type == "session_created" {
				seen = append(seen, e.Account)
			}
		}
		if before = page.Next; before == "" {
			break
		}
	}
	slices.Reverse(want)
	if !slices.Equal(seen, append([]string{"other"}, want...)) {
		t.Errorf("%q", seen)
	}
	for path, bodies := range map[string][]string{api.PathEvents: {`{"before":"x"}`, `{"limit":-1}`, `{"limit":1001}`}, api.PathAccounts: {`{"limit":-1}`, `{"limit":1001}`}} {
		for _, body := range bodies {
			if _, answer := w.ask("all", path, body); problem(answer) != "bad-selector" {
				t.Errorf("%s %s: %s", path, body, answer)
			}
		}
	}
}

func TestTheEndOfARealmHasToNameIt(t *testing.T) {
	w := newWorld(t, oneseat.Config{})
	g := w.signIn("ada")
	for _, realm := range []string{"staff", "", "Members"} {
		if _, answer := w.ask("all", api.PathEndRealm, `{"realm":`+quoted(realm)+`}`); problem(answer) != "bad-realm" {
			t.Errorf("%q: %s", realm, answer)
		}
	}
	w.want(200, api.PathCheck, token(g), &struct{}{})
	w.want(200, api.PathEndRealm, `{"realm":"members","actor":"support"}`, &struct{}{})
	var p api.Problem
	if w.want(410, api.PathCheck, token(g), &p); p.Ending.Reason != "realm_ended" {
		t.Errorf("%+v", p.Ending)
	}
	if strings.Contains(w.log.String(), g.Token) {
		t.Error("a secret is in the log")
	}
}
