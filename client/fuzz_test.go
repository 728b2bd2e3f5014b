package client_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
	"github.com/oneseat/oneseat/client"
	"github.com/oneseat/oneseat/internal/canaries"
)

// answers gives one answer to every call, except to that of New.
type answers struct {
	status int
	body   string
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body := a.status, a.body
	if r.URL.Path == api.PathAbout {
		status, body = http.StatusOK, `{"realm":"members","limit":1,"when_full":"displace","now":"2026-03-01T00:00:00Z"}`
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// Whatever stands at the server's address and answers: a session is one that the answer
// names, with its account, and everything else is a typed error without token and key.
func FuzzAnswer(f *testing.F) {
	for _, s := range []struct {
		status int
		body   string
	}{
		{200, `{"id":"S","account":"ada","device":{"label":"x","class":"tv"},"created":"2026-03-01T00:00:00Z","last_seen":"2026-03-01T00:00:00Z","left_ms":1}`},
		{200, `{}`}, {200, ``}, {200, `null`}, {200, `[]`}, {200, `<html>`}, {200, `{"account":"ada"}`}, {200, `{"id":"S"}`}, {201, `{"id":"S","account":"ada"}`}, {204, ``}, {302, ``}, {503, ``},
		{410, `{"type":"` + api.ProblemPrefix + `session-ended","status":410,"ending":{"session":"S","reason":"displaced"}}`}, {410, `{"type":"` + api.ProblemPrefix + `session-ended"}`},
		{404, `{"type":"` + api.ProblemPrefix + `no-session"}`}, {409, `{"type":"` + api.ProblemPrefix + `token-rotated"}`}, {429, `{"type":"` + api.ProblemPrefix + `too-many"}`},
		{409, `{"type":"` + api.ProblemPrefix + `account-full","limit":1,"live":[{"id":"S"}],"ticket":"oneseat_ticket_x"}`}, {422, `{"type":"` + api.ProblemPrefix + `bad-device","detail":"DeviceID: x"}`}, {200, `{"type":"` + api.ProblemPrefix + `no-session"}`},
	} {
		f.Add(s.status, s.body)
	}
	const key, token = "oneseat_key_canary", "oneseat_canary"
	a := &answers{}
	k, err := client.New(f.Context(), client.Config{URL: "http://oneseat", Key: key, Transport: a, Logger: canaries.Logger(nil)})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = k.Close() })
	f.Fuzz(func(t *testing.T, status int, body string) {
		a.status, a.body = status, body
		isJSON := json.Valid([]byte(body))
		s, err := k.Check(t.Context(), token)
		if err == nil && (s.ID == "" || s.Account == "" || status != http.StatusOK && status != http.StatusCreated || !isJSON) {
			t.Errorf("%d %q lets in %+v", status, body, s)
		}
		var no error
		if !errors.Is(err, oneseat.ErrStoreUnavailable) || len(body) == 2 { // a sign-in that is lost is repeated, which takes its time
			var g oneseat.Grant
			if g, no = k.SignIn(t.Context(), "ada", oneseat.SignInRequest{}); no == nil && (g.Session.ID == "" || g.Session.Account == "" || g.Token == "") {
				t.Errorf("%d %q admits %+v", status, body, g)
			}
		}
		for _, err := range []error{err, no} {
			if err == nil {
				continue
			}
			if strings.Contains(err.Error(), key) || strings.Contains(err.Error(), token) && !strings.Contains(body, token) {
				t.Errorf("%d %q: a secret is in %v", status, body, err)
			}
			if !typed(err) {
				t.Errorf("%d %q: %T %v", status, body, err, err)
			}
		}
	})
}

// typed says whether an error is one of those that a registry returns.
func typed(err error) bool {
	for _, is := range []error{oneseat.ErrStoreUnavailable, oneseat.ErrUnknownOutcome, oneseat.ErrNoSession, oneseat.ErrRotated, oneseat.ErrAttemptReused, oneseat.ErrAttemptExpired} {
		if errors.Is(err, is) {
			return true
		}
	}
	for _, is := range []bool{as[*oneseat.EndedError](err), as[*oneseat.LimitError](err), as[*oneseat.TicketError](err), as[*oneseat.BlockedError](err), as[*oneseat.AccountError](err), as[*oneseat.TimeError](err), as[*oneseat.ConfigError](err), as[*oneseat.DataError](err)} {
		if is {
			return true
		}
	}
	return false
}

func as[E error](err error) bool {
	_, is := errors.AsType[E](err)
	return is
}
