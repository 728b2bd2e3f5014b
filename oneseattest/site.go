package oneseattest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/store/memstore"
)

// Site is what an application runs on: a registry, with the store and the clock
// beneath it.
type Site struct {
	Seats *oneseat.Registry
	Store oneseat.Store
	Clock *Clock

	t   testing.TB
	log *slog.Logger
}

// New returns a site over memory, with its own clock. Its registry closes when the
// test ends. What the registry logs goes to the test's output, unless c has a Logger.
// An impossible configuration fails the test.
func New(t testing.TB, c oneseat.Config) *Site {
	t.Helper()
	clock := NewClock()
	return NewOver(t, memstore.NewAt(clock.Now), clock, c)
}

// NewOver is New over a store of the test's own: one that fails when told to, or that
// of another site, to have two nodes. The clock has to be the store's. For a store that
// reads the machine's clock, pass a NewClock that the test does not move. NewOver does
// not close the store.
func NewOver(t testing.TB, store oneseat.Store, clock *Clock, c oneseat.Config) *Site {
	t.Helper()
	c.Clock = clock.Read
	c.Logger = cmp.Or(c.Logger, slog.New(slog.NewTextHandler(t.Output(), nil)))
	seats, err := oneseat.New(store, c)
	if err != nil {
		t.Fatal(err)
	}
	s := &Site{Seats: seats, Store: store, Clock: clock, t: t, log: c.Logger}
	clock.add(seats)
	t.Cleanup(s.close)
	return s
}

// close may be called twice.
func (s *Site) close() {
	s.Clock.drop(s.Seats)
	_ = s.Seats.Close()
}

// Guard returns a guard over the site's registry. An impossible configuration fails
// the test. A guard with the same configuration as the application's own guard finds the
// same sessions.
func (s *Site) Guard(c oneseathttp.Config) *oneseathttp.Guard {
	s.t.Helper()
	guard, err := oneseathttp.New(s.Seats, c)
	if err != nil {
		s.t.Fatal(err)
	}
	return guard
}

// Serve serves a handler over a real network until the test ends: for answers without
// an end, and for answers that are cut. Then the registry closes first, because that
// ends the requests which the server would wait for.
func (s *Site) Serve(h http.Handler) *httptest.Server {
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = slog.NewLogLogger(s.log.Handler(), slog.LevelInfo)
	server.Start()
	s.t.Cleanup(func() {
		s.close()
		server.CloseClientConnections()
		server.Close()
	})
	return server
}

// Reason returns why a guard refused a request: a [oneseat.Reason] if the session of
// the request has ended, "no_session" if there was none, or another word of a
// refusal's. It returns "" for an answer that is no refusal. It understands both what
// programs get, and the way to the sign-in page that browsers get. The body can still
// be read.
func Reason(answer *http.Response) oneseat.Reason {
	if answer.StatusCode == http.StatusSeeOther {
		to, err := url.Parse(answer.Header.Get("Location"))
		if err != nil {
			return ""
		}
		return oneseat.Reason(to.Query().Get("reason"))
	}
	if answer.StatusCode < http.StatusBadRequest {
		return ""
	}
	body, err := io.ReadAll(answer.Body)
	answer.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), failing{err}))
	var said struct {
		Reason oneseat.Reason `json:"reason"`
	}
	if json.Unmarshal(body, &said) != nil { // a page of somebody else's
		return ""
	}
	return said.Reason
}

// failing repeats the error that ended a body.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, cmp.Or(f.err, io.EOF) }
