package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
	"github.com/oneseat/oneseat/internal/canaries"
	"github.com/oneseat/oneseat/server"
	"github.com/oneseat/oneseat/store/memstore"
)

// world is a server of two realms over one store, with a key for each set of scopes.
type world struct {
	t      *testing.T
	url    string
	server *server.Server
	seats  map[string]*oneseat.Registry
	keys   map[string]string // secrets: "check", "sessions", "admin", "all", and "other" of the other realm
	store  *away
	log    *journal
	ahead  *atomic.Int64 // by how much the world's clock is ahead of the machine's
}

// now is what the world's clock shows.
func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

// pass lets time pass.
func (w *world) pass(d time.Duration) { w.ahead.Add(int64(d)) }

// away is a store that does not answer when it is told so.
type away struct {
	*memstore.Store
	mu   sync.Mutex
	gone bool
	lost bool // replies to updates are

	counts func() // called by Count; set before the store is asked
}

func (a *away) answers() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone {
		return errors.New("the store has gone away")
	}
	return nil
}

func (a *away) set(gone bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gone = gone
}

// lose has what is written from then on be done, and its reply lost.
func (a *away) lose(yes bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lost = yes
}

func (a *away) loses() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lost
}

func (a *away) Rosters(ctx context.Context, q oneseat.RosterQuery) ([]oneseat.View, error) {
	if err := a.answers(); err != nil {
		return nil, err
	}
	return a.Store.Rosters(ctx, q)
}

func (a *away) Events(ctx context.Context, q oneseat.EventQuery) ([]oneseat.Record, error) {
	if err := a.answers(); err != nil {
		return nil, err
	}
	return a.Store.Events(ctx, q)
}

func (a *away) Count(ctx context.Context, realm string, epoch uint64) (oneseat.Count, error) {
	if a.counts != nil {
		a.counts()
	}
	if err := a.answers(); err != nil {
		return oneseat.Count{}, err
	}
	return a.Store.Count(ctx, realm, epoch)
}

func (a *away) Load(ctx context.Context, keys ...oneseat.Key) ([]oneseat.View, error) {
	if err := a.answers(); err != nil {
		return nil, err
	}
	return a.Store.Load(ctx, keys...)
}

func (a *away) Update(ctx context.Context, k oneseat.Key, c func(oneseat.View) (oneseat.Change, error)) (oneseat.View, error) {
	if err := a.answers(); err != nil {
		return oneseat.View{}, err
	}
	v, err := a.Store.Update(ctx, k, func(v oneseat.View) (oneseat.Change, error) {
		did, err := c(v)
		canaries.Seen("event", did.Events)
		canaries.Stored(did.Roster, err)
		return did, err
	})
	if err == nil && a.loses() {
		return oneseat.View{}, oneseat.ErrUnknownOutcome
	}
	return v, err
}

// journal is a log that a test reads.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func newWorld(t *testing.T, c oneseat.Config) *world {
	t.Helper()
	return newWorldOf(t, 0, c, server.Config{})
}

// newWorldOf makes a world whose clock is ahead of the machine's, and whose server has a
// configuration.
func newWorldOf(t *testing.T, ahead time.Duration, c oneseat.Config, of server.Config) *world {
	t.Helper()
	w := newWorldWithin(t, ahead, c, of)
	for _, r := range w.seats {
		for r.LogLag() < 0 { // the first look at the log is a gap for whoever asks for changes
			runtime.Gosched()
		}
	}
	h := httptest.NewServer(w.server)
	t.Cleanup(h.Close)
	w.url = h.URL
	return w
}

// newWorldWithin makes a world whose server listens nowhere: calls are made within the
// process. So it may be in a bubble of synctest, where no call is ever too late.
func newWorldWithin(t *testing.T, ahead time.Duration, c oneseat.Config, of server.Config) *world {
	t.Helper()
	w := &world{t: t, seats: map[string]*oneseat.Registry{}, keys: map[string]string{}, log: new(journal), ahead: new(atomic.Int64)}
	w.pass(ahead)
	began := w.now()
	w.store = &away{Store: memstore.NewAt(w.now)}
	c.Clock = func() (time.Time, time.Duration) { return w.now(), w.now().Sub(began) }
	c.Logger = canaries.Logger(slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	of.Store = server.Measure(w.store)
	for _, realm := range []string{"members", "staff"} {
		c.Realm = realm
		r, err := oneseat.New(of.Store.Store(), c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Close() })
		w.seats[realm] = r
	}
	var keys []server.Key
	for name, k := range map[string]struct {
		realm  string
		scopes []server.Scope
	}{
		"check": {"members", []server.Scope{server.ScopeCheck}}, "sessions": {"members", []server.Scope{server.ScopeSessions}},
		"admin": {"members", []server.Scope{server.ScopeAdmin}}, "none": {"members", nil},
		"all":   {"members", []server.Scope{server.ScopeCheck, server.ScopeSessions, server.ScopeAdmin}},
		"other": {"staff", []server.Scope{server.ScopeCheck, server.ScopeSessions, server.ScopeAdmin}},
	} {
		secret, key := server.NewKey(k.realm, k.scopes...)
		w.keys[name], keys = secret, append(keys, key)
	}
	of.Realms, of.Keys, of.Logger = w.seats, keys, c.Logger
	s, err := server.New(of)
	if err != nil {
		t.Fatal(err)
	}
	w.server = s
	return w
}

// send sends a request as it is, and again if it had no answer: a call has a second or
// two, which is little on a machine that is busy.
func (w *world) send(method, path, body string, headers ...string) (resp *http.Response, answer string) {
	w.t.Helper()
	for range 20 {
		resp, answer = w.sendOnce(method, path, body, headers...)
		if resp.StatusCode != http.StatusServiceUnavailable || w.store.answers() != nil {
			break
		}
	}
	return resp, answer
}

func (w *world) sendOnce(method, path, body string, headers ...string) (*http.Response, string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	canaries.Request(r.Header, body)
	if w.url == "" {
		answer := httptest.NewRecorder()
		w.server.ServeHTTP(answer, r)
		canaries.Answer(answer.Header(), answer.Body.String())
		noteRecorded(w.t, r, body, answer)
		wantHeaders(w.t, method+" "+path, answer.Code, answer.Header())
		return answer.Result(), answer.Body.String()
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	wantHeaders(w.t, method+" "+path, resp.StatusCode, resp.Header)
	canaries.Answer(resp.Header, string(b))
	note(w.t, exchange{w.t.Name(), method, path, r.Header, []byte(body), resp.StatusCode, resp.Header, b})
	return resp, string(b)
}

// ask makes a call with a key.
func (w *world) ask(key, path, body string, headers ...string) (status int, answer string) {
	w.t.Helper()
	resp, b := w.send("POST", path, body, append([]string{"Authorization", "Bearer " + w.keys[key], "Content-Type", "application/json"}, headers...)...)
	return resp.StatusCode, b
}

// want makes a call with the key that may do all, and reads its answer.
func (w *world) want(status int, path, body string, to any, headers ...string) {
	w.t.Helper()
	got, answer := w.ask("all", path, body, headers...)
	if got != status {
		w.t.Fatalf("%s %s: %d %s", path, body, got, answer)
	}
	if err := json.Unmarshal([]byte(answer), to); err != nil {
		w.t.Fatalf("%s: %v in %s", path, err, answer)
	}
}

func (w *world) signIn(account string, headers ...string) (g api.Granted) {
	w.t.Helper()
	w.want(201, api.PathSignIn, `{"account":`+quoted(account)+`}`, &g, headers...)
	return g
}

func quoted(s string) string {
	b, _ := json.Marshal(s) // a string can always be encoded
	return string(b)
}

func token(g api.Granted) string { return `{"token":` + quoted(g.Token) + `}` }

// problem is the name of a problem in an answer.
func problem(answer string) string {
	var p api.Problem
	if json.Unmarshal([]byte(answer), &p) != nil {
		return answer
	}
	return strings.TrimPrefix(p.Type, api.ProblemPrefix)
}
