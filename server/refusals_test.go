package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
	"github.com/oneseat/oneseat/server"
)

// refuses makes a call with the key that may do all, and wants a problem (API-01).
func (w *world) refuses(status int, name, path, body string, headers ...string) {
	w.t.Helper()
	contentType := "application/json"
	if paths[path].form {
		contentType = "application/x-www-form-urlencoded"
	}
	var resp *http.Response
	var answer string
	for range 20 { // a call has a second or two, which is little on a machine that is busy
		resp, answer = w.sendOnce("POST", path, body, append([]string{"Authorization", "Bearer " + w.keys["all"], "Content-Type", contentType}, headers...)...)
		if resp.StatusCode != http.StatusServiceUnavailable || problem(answer) == name {
			break
		}
	}
	var p api.Problem
	if err := json.Unmarshal([]byte(answer), &p); err != nil || resp.StatusCode != status || p.Type != api.ProblemPrefix+name || p.Status != status || p.Title == "" || p.Detail == "" || p.Instance != resp.Header.Get("X-Request-Id") {
		w.t.Errorf("%s %s: %d %s, want %d %s", path, body, resp.StatusCode, answer, status, name)
	}
	if got := resp.Header.Get("Content-Type"); got != "application/problem+json; charset=utf-8" {
		w.t.Errorf("%s: Content-Type %q", path, got)
	}
}

func TestWhatCannotBeIsRefusedByName(t *testing.T) { // API-01
	w := newWorld(t, oneseat.Config{})
	for _, path := range []string{api.PathSignIn, api.PathSessions, api.PathAccount, api.PathBlock, api.PathUnblock, api.PathForget, api.PathExplain} {
		w.refuses(422, "bad-account", path, `{"account":"a\u0000b"}`)
	}
	for _, path := range []string{api.PathCheck, api.PathSignOut} {
		w.refuses(422, "bad-account", path, `{"account":"a\u0000b","session":"X"}`)
	}
	w.refuses(422, "bad-account", api.PathEnd, `{"account":"","all":true}`)
	for _, path := range []string{api.PathSignIn, api.PathExplain} {
		w.refuses(422, "bad-device", path, `{"account":"ada","device":{"id":"short"}}`)
		w.refuses(422, "bad-account", path, `{"account":"ada","previous":{"account":"","session":"X"}}`)
		for _, previous := range []string{`{}`, `{"account":"ada"}`, `{"session":"X"}`} {
			w.refuses(400, "bad-json", path, `{"account":"ada","previous":`+previous+`}`)
		}
	}
	w.refuses(422, "idempotency-key-bad", api.PathSignIn, `{"account":"ada"}`, api.IdempotencyKey, "x")
	var is api.Explained
	for _, k := range [][]string{{api.IdempotencyKey, "x"}, attempt(w.now().Add(-time.Hour))} { // a call that does nothing is not repeated
		if w.want(200, api.PathExplain, `{"account":"ada"}`, &is, k...); is.Outcome != "admitted" {
			t.Errorf("%+v", is)
		}
	}
	w.refuses(422, "bad-time", api.PathChanges, `{"wait_ms":30001}`)
	w.refuses(422, "bad-time", api.PathChanges, `{"wait_ms":-1}`)
	w.refuses(405, "method", api.PathOpenAPI, "")
}

func TestTheDescriptionOfTheAPIIsServedWithoutAKey(t *testing.T) { // API-13
	w := newWorld(t, oneseat.Config{})
	resp, answer := w.send("GET", api.PathOpenAPI, "")
	if resp.StatusCode != 200 || answer != api.OpenAPI() || resp.Header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("%s, %d bytes, %v", resp.Status, len(answer), resp.Header)
	}
	if resp, answer := w.send("HEAD", api.PathOpenAPI, ""); resp.StatusCode != 200 || answer != "" {
		t.Errorf("HEAD: %s, %d bytes", resp.Status, len(answer))
	}
}

func TestATicketOrARotationIsRefusedByName(t *testing.T) { // API-01
	w := newWorld(t, oneseat.Config{WhenFull: oneseat.PolicyAsk})
	first := w.signIn("ada")
	ticket := func() string {
		t.Helper()
		var p api.Problem
		w.want(409, api.PathSignIn, `{"account":"ada"}`, &p)
		return p.Ticket
	}
	redeem := func(ticket, end string) string { return fmt.Sprintf(`{"ticket":%q,"end":[%q]}`, ticket, end) }
	full := ticket()
	w.refuses(409, "account-full", api.PathRedeem, redeem(full, "NOBODY"))
	w.refuses(422, "bad-device", api.PathRedeem, fmt.Sprintf(`{"ticket":%q,"end":[],"device":{"id":"short"}}`, full))
	now, old := attempt(w.now()), attempt(w.now().Add(-time.Hour))
	for path, body := range map[string]string{api.PathRedeem: redeem(full, first.Session.ID), api.PathRotate: token(first)} {
		w.refuses(422, "idempotency-key-bad", path, body, api.IdempotencyKey, "x")
		w.refuses(422, "idempotency-key-expired", path, body, old...)
	}
	var g, rotated api.Granted
	w.want(201, api.PathRedeem, redeem(full, first.Session.ID), &g, now...)
	w.refuses(422, "idempotency-key-reused", api.PathRedeem, redeem(full, "NOBODY"), now...)
	w.want(200, api.PathRotate, token(g), &rotated)
	w.refuses(410, "token-rotated", api.PathRotate, token(g))
	w.refuses(410, "token-rotated", api.PathRedeem, redeem(full, first.Session.ID), now...)
	w.want(200, api.PathEnd, `{"account":"ada","all":true}`, &struct{}{})
	w.refuses(410, "session-ended", api.PathRotate, token(rotated))
	w.refuses(410, "session-ended", api.PathRedeem, redeem(full, first.Session.ID), now...)

	last := attempt(w.now().Add(time.Second))
	w.signIn("ada", last...)
	blocked := ticket()
	w.want(200, api.PathBlock, `{"account":"ada"}`, &struct{}{})
	w.refuses(410, "bad-ticket", api.PathRedeem, redeem(blocked, first.Session.ID))
	w.refuses(409, "account-blocked", api.PathSignIn, `{"account":"ada"}`)
	w.refuses(410, "session-ended", api.PathSignIn, `{"account":"ada"}`, last...)
}

// bodies are calls that are right, with a token and IDs of a session.
func bodies(g api.Granted) map[string]string {
	all := map[string]string{}
	for path, c := range paths {
		all[path] = c.body
	}
	for _, path := range []string{api.PathCheck, api.PathRotate, api.PathSignOut} {
		all[path] = token(g)
	}
	for _, path := range []string{api.PathIntrospect, api.PathRevoke} {
		all[path] = "token=" + g.Token
	}
	all[api.PathData] = `{"account":"ada","session":"` + g.Session.ID + `","data":"tenant"}`
	all[api.PathConfirm] = `{"account":"ada","session":"` + g.Session.ID + `"}`
	return all
}

func TestEachCallSaysThatTheStoreDidNotAnswer(t *testing.T) { // API-10
	w := newWorld(t, oneseat.Config{MaxStale: oneseat.FreshAlways, WhenFull: oneseat.PolicyAsk})
	all := bodies(w.signIn("ada"))
	var p api.Problem
	w.want(409, api.PathSignIn, `{"account":"ada"}`, &p)
	all[api.PathRedeem] = fmt.Sprintf(`{"ticket":%q,"end":[]}`, p.Ticket)
	delete(all, api.PathChanges) // what it tells is in memory
	w.store.set(true)
	for path, body := range all {
		w.refuses(503, "no-answer", path, body)
	}
	w.store.set(false)
	_ = w.seats["members"].Close()
	w.refuses(503, "no-answer", api.PathChanges, `{}`)
}

func TestACallWhoseReplyWasLostSaysThatItMayHaveBeenDone(t *testing.T) { // API-09, API-10
	for path := range paths {
		w := newWorld(t, oneseat.Config{MaxStale: oneseat.FreshAlways, WhenFull: oneseat.PolicyAsk, Idle: time.Hour})
		all := bodies(w.signIn("ada"))
		var p api.Problem
		w.want(409, api.PathSignIn, `{"account":"ada"}`, &p)
		all[api.PathRedeem] = fmt.Sprintf(`{"ticket":%q,"end":[]}`, p.Ticket)
		switch path {
		case api.PathAbout, api.PathSessions, api.PathAccount, api.PathAccounts, api.PathExplain, api.PathEvents, api.PathChanges: // they write nothing
			continue
		}
		w.store.lose(true)
		switch path {
		case api.PathCheck, api.PathIntrospect: // they write when a session has timed out, which is not what was asked for
			w.pass(2 * time.Hour)
			w.refuses(503, "no-answer", path, all[path])
		default:
			w.refuses(503, "outcome-unknown", path, all[path])
		}
	}
}

// reached is a world whose members are served by another registry and server.
func (w *world) reached(store oneseat.Store, c oneseat.Config) *world {
	w.t.Helper()
	c.Realm, c.Logger = "members", w.seats["members"].Config().Logger
	r, err := oneseat.New(store, c)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = r.Close() })
	k, err := server.KeyOf(w.keys["all"], "members", server.ScopeCheck, server.ScopeSessions, server.ScopeAdmin)
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := server.New(server.Config{Realms: map[string]*oneseat.Registry{"members": r}, Keys: []server.Key{k}, Logger: c.Logger})
	if err != nil {
		w.t.Fatal(err)
	}
	h := httptest.NewServer(s)
	w.t.Cleanup(h.Close)
	other := *w
	other.url, other.server, other.seats = h.URL, s, map[string]*oneseat.Registry{"members": r}
	return &other
}

func TestAStoreWithoutAHistoryIsSaid(t *testing.T) {
	w := newWorld(t, oneseat.Config{})
	plain := w.reached(struct{ oneseat.Store }{w.store}, oneseat.Config{})
	plain.refuses(501, "no-history", api.PathAccounts, `{}`)
	plain.refuses(501, "no-history", api.PathEvents, `{}`)
}

func TestAPanicIsAProblemAndTheServerGoesOn(t *testing.T) { // API-01
	w := newWorld(t, oneseat.Config{})
	panics := w.reached(w.store, oneseat.Config{LimitFor: func(_ context.Context, account string) (oneseat.Limits, error) {
		if account == "ada" {
			panic("a secret of the program")
		}
		return oneseat.Limits{}, fmt.Errorf("the plan is not known: %w", &oneseat.AccountError{Problem: "of another house"})
	}})
	for _, path := range []string{api.PathSignIn, api.PathExplain, api.PathAccount} {
		panics.refuses(http.StatusInternalServerError, "internal", path, `{"account":"ada"}`)
		panics.refuses(http.StatusServiceUnavailable, "no-answer", path, `{"account":"eve"}`) // whatever the error wraps, it is not about the call
	}
	if _, answer := panics.sendOnce("POST", api.PathSignIn, `{"account":"ada"}`, "Authorization", "Bearer "+w.keys["all"], "Content-Type", "application/json"); problem(answer) != "internal" || strings.Contains(answer, "a secret") {
		t.Errorf("the caller is told: %s", answer)
	}
	panics.want(200, api.PathAbout, `{}`, &struct{}{})
	if log := w.log.String(); !strings.Contains(log, "a call panicked") {
		t.Errorf("the log does not say so: %s", log)
	}
}

func TestABodyThatDoesNotEndIsRefusedByName(t *testing.T) { // API-01
	w := newWorld(t, oneseat.Config{})
	const half = `{"account":`
	r := httptest.NewRequestWithContext(t.Context(), "POST", api.PathSignIn, io.MultiReader(strings.NewReader(half), iotest.ErrReader(os.ErrDeadlineExceeded)))
	r.Header.Set("Authorization", "Bearer "+w.keys["all"])
	r.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	w.server.ServeHTTP(answer, r)
	noteRecorded(t, r, half, answer)
	if answer.Code != http.StatusRequestTimeout || problem(answer.Body.String()) != "too-slow" {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
}
