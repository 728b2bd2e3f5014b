package server_test

import (
	"encoding/json"
	"net/url"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
)

// post sends a form with a key, and returns the status and the answer.
func (w *world) post(key, path string, form url.Values) (int, string) {
	w.t.Helper()
	resp, answer := w.send("POST", path, form.Encode(), "Authorization", "Bearer "+w.keys[key], "Content-Type", "application/x-www-form-urlencoded")
	return resp.StatusCode, answer
}

func TestAProgramThatKnowsOAuthAsksAboutATokenAndEveryNoIsTheSame(t *testing.T) { // API-03, API-04
	w := newWorld(t, oneseat.Config{Idle: time.Hour})
	first := w.signIn("ada")
	status, answer := w.post("check", api.PathIntrospect, url.Values{"token": {first.Token}, "token_type_hint": {"access_token"}})
	var is api.Introspection
	if err := json.Unmarshal([]byte(answer), &is); status != 200 || err != nil {
		t.Fatal(status, answer, err)
	}
	if !is.Active || is.Subject != "ada" || is.Session != first.Session.ID || is.Issuer != "urn:oneseat:realm:members" || is.IssuedAt == 0 || is.Expires != first.Session.LastSeen.Add(time.Hour).Unix() {
		t.Errorf("%+v", is)
	}
	w.signIn("ada")
	for name, token := range map[string]string{"displaced": first.Token, "unknown": "oneseat_x", "empty": "", "malformed": "\x00"} {
		if status, answer := w.post("check", api.PathIntrospect, url.Values{"token": {token}}); status != 200 || answer != `{"active":false}` {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	if status, answer := w.post("other", api.PathIntrospect, url.Values{"token": {first.Token}}); status != 200 || answer != `{"active":false}` {
		t.Errorf("another realm's: %d %s", status, answer)
	}
	w.store.set(true)
	if status, answer := w.post("check", api.PathIntrospect, url.Values{"token": {first.Token + "x"}}); status != 200 || answer != `{"active":false}` {
		t.Errorf("what needs no store: %d %s", status, answer)
	}
}

// RFC 9470: a resource that wants a fresh proof goes by auth_time.
func TestAuthTimeIsThatOfTheLastProof(t *testing.T) {
	w := newWorld(t, oneseat.Config{Programs: oneseat.Programs{Limit: 1}, AdoptUntil: time.Now().Add(time.Hour)})
	var program, adopted api.Granted
	w.want(201, api.PathSignIn, `{"account":"ada","program":true}`, &program)
	w.want(201, api.PathSignIn, `{"account":"eve","adopt":{}}`, &adopted)
	person := w.signIn("grace")
	times := func(g api.Granted) (is api.Introspection) {
		t.Helper()
		status, answer := w.post("check", api.PathIntrospect, url.Values{"token": {g.Token}})
		if err := json.Unmarshal([]byte(answer), &is); status != 200 || err != nil || !is.Active {
			t.Fatal(status, answer, err)
		}
		return is
	}
	if is := times(person); is.AuthTime != person.Session.Created.Unix() || is.IssuedAt != is.AuthTime {
		t.Errorf("signed in: %+v", is)
	}
	w.pass(time.Minute)
	var s api.Session
	w.want(200, api.PathConfirm, `{"account":"grace","session":"`+person.Session.ID+`"}`, &s)
	if is := times(person); is.AuthTime != s.Proved.Unix() || is.AuthTime < is.IssuedAt+60 {
		t.Errorf("confirmed a minute later: %+v", is)
	}
	for name, g := range map[string]api.Granted{"a program": program, "adopted": adopted} {
		if is := times(g); is.AuthTime != 0 {
			t.Errorf("%s proved nothing: %+v", name, is)
		}
	}
}

func TestAProgramThatKnowsOAuthRevokesAToken(t *testing.T) { // API-05
	w := newWorld(t, oneseat.Config{})
	g := w.signIn("ada")
	for _, token := range []string{g.Token, g.Token, "oneseat_x", ""} {
		if status, answer := w.post("sessions", api.PathRevoke, url.Values{"token": {token}}); status != 200 || answer != "{}" {
			t.Errorf("%d %s", status, answer)
		}
	}
	var p api.Problem
	if w.want(410, api.PathCheck, token(g), &p); p.Ending.Reason != "signed_out" {
		t.Errorf("%+v", p.Ending)
	}
	for _, form := range []url.Values{{}, {"token": {"a", "b"}}} {
		if status, answer := w.post("sessions", api.PathRevoke, form); status != 400 || problem(answer) != "bad-form" {
			t.Errorf("%v: %d %s", form, status, answer)
		}
	}
}
