package client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/client"
	"github.com/oneseat/oneseat/internal/canaries"
	"github.com/oneseat/oneseat/server"
	"github.com/oneseat/oneseat/store/memstore"
)

// node is one server over a store, reached without a network, so that time can be
// virtual.
type node struct {
	*oneseat.Registry
	server *server.Server
	log    atomic.Int32 // 0: the log is read; 1: its reading gets no answer
	store  *memstore.Store
}

// deaf has the node hear nothing of what others do.
func (n *node) deaf(yes bool) { n.log.Store(map[bool]int32{true: 1}[yes]) }

// view is the store as a node sees it.
type view struct {
	*memstore.Store
	n *node
}

func (v view) Changes(ctx context.Context, p int, after oneseat.Cursor) (oneseat.Tail, error) {
	if v.n.log.Load() == 1 {
		<-ctx.Done()
		return oneseat.Tail{}, ctx.Err()
	}
	return v.Store.Changes(ctx, p, after)
}

// world are nodes over one store, and a key that may do all.
type world struct {
	t     *testing.T
	store *memstore.Store
	key   string
	nodes []*node
}

func newWorld(t *testing.T, c oneseat.Config, nodes int) *world {
	t.Helper()
	return newWorldOn(t, memstore.New(), c, nodes)
}

func newWorldOn(t *testing.T, store *memstore.Store, c oneseat.Config, nodes int) *world {
	t.Helper()
	w := &world{t: t, store: store}
	secret, key := server.NewKey("members", server.ScopeCheck, server.ScopeSessions, server.ScopeAdmin)
	w.key, c.Realm, c.Logger = secret, "members", canaries.Logger(nil)
	for range nodes {
		n := &node{store: w.store}
		r, err := oneseat.New(view{w.store, n}, c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Close() })
		n.Registry = r
		if n.server, err = server.New(server.Config{Realms: map[string]*oneseat.Registry{"members": r}, Keys: []server.Key{key}, Logger: c.Logger}); err != nil {
			t.Fatal(err)
		}
		w.nodes = append(w.nodes, n)
	}
	synctest.Wait()
	return w
}

// way is how a client reaches servers. What happens on it is the test's.
type way struct {
	to    func(path string) *node
	calls sync.Map                                                                  // by path: *atomic.Int64
	on    func(r *http.Request, next func() *http.Response) (*http.Response, error) // nil: every call arrives, and its answer
	mu    sync.Mutex
}

// during sets what happens to calls.
func (w *way) during(on func(r *http.Request, next func() *http.Response) (*http.Response, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.on = on
}

// leads sets which node answers calls of a path.
func (w *way) leads(to func(path string) *node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.to = to
}

func (w *way) count(path string) int64 {
	n, _ := w.calls.LoadOrStore(path, new(atomic.Int64))
	return n.(*atomic.Int64).Load()
}

func (w *way) RoundTrip(r *http.Request) (*http.Response, error) {
	n, _ := w.calls.LoadOrStore(r.URL.Path, new(atomic.Int64))
	n.(*atomic.Int64).Add(1)
	next := func() *http.Response {
		body, _ := io.ReadAll(r.Body) // what is missing the server notices
		canaries.Request(r.Header, string(body))
		in := httptest.NewRequestWithContext(r.Context(), r.Method, r.URL.Path, bytes.NewReader(body))
		for name, values := range r.Header {
			if len(values) > 0 {
				in.Header[name] = values
			}
		}
		out := httptest.NewRecorder()
		w.mu.Lock()
		n := w.to(r.URL.Path)
		w.mu.Unlock()
		n.server.ServeHTTP(out, in)
		canaries.Answer(out.Header(), out.Body.String())
		return out.Result()
	}
	w.mu.Lock()
	on := w.on
	w.mu.Unlock()
	if on == nil {
		on = func(_ *http.Request, next func() *http.Response) (*http.Response, error) { return next(), nil }
	}
	resp, err := on(r, next)
	if err == nil {
		err = r.Context().Err()
	}
	if err != nil {
		return nil, err
	}
	return resp, nil
}

var errCut = errors.New("the wire was cut")

// cut has no call arrive.
func cut(*http.Request, func() *http.Response) (*http.Response, error) { return nil, errCut }

// hang has every call get no answer.
func hang(r *http.Request, _ func() *http.Response) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// of has something happen to the calls of a path. All others arrive.
func of(path string, happens func(*http.Request, func() *http.Response) (*http.Response, error)) func(*http.Request, func() *http.Response) (*http.Response, error) {
	return func(r *http.Request, next func() *http.Response) (*http.Response, error) {
		if r.URL.Path == path {
			return happens(r, next)
		}
		return next(), nil
	}
}

// loseFirst has the first call of a path arrive, and its answer be lost.
func loseFirst(path string) func(r *http.Request, next func() *http.Response) (*http.Response, error) {
	var lost atomic.Bool
	return func(r *http.Request, next func() *http.Response) (*http.Response, error) {
		resp := next()
		if r.URL.Path == path && lost.CompareAndSwap(false, true) {
			_, _ = io.Copy(io.Discard, resp.Body)
			return nil, errCut
		}
		return resp, nil
	}
}

// client returns a client of the first node, and its way there.
func (w *world) client(c client.Config) (*client.Client, *way) {
	w.t.Helper()
	return w.clientOf(c, func(string) *node { return w.nodes[0] })
}

func (w *world) clientOf(c client.Config, to func(path string) *node) (*client.Client, *way) {
	w.t.Helper()
	on := &way{to: to}
	c.URL, c.Key, c.Transport = "http://oneseat", w.key, on
	c.Logger = canaries.Logger(c.Logger)
	k, err := client.New(w.t.Context(), c)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = k.Close() })
	return k, on
}

// in runs a test in virtual time, with servers over one store.
func in(t *testing.T, c oneseat.Config, nodes int, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newWorld(t, c, nodes)) })
}

func (w *world) signIn(k interface {
	SignIn(context.Context, string, oneseat.SignInRequest) (oneseat.Grant, error)
}, account string) oneseat.Grant {
	w.t.Helper()
	g, err := k.SignIn(w.t.Context(), account, oneseat.SignInRequest{Device: oneseat.Device{Label: "Firefox on Linux", Class: oneseat.ClassDesktop}})
	if err != nil {
		w.t.Fatal(err)
	}
	return g
}

func wantEnded(t *testing.T, err error, id oneseat.SessionID, reason oneseat.Reason) {
	t.Helper()
	canaries.Seen("error", err)
	over, ok := errors.AsType[*oneseat.EndedError](err)
	if !ok || over.Ending.Session != id || over.Ending.Reason != reason {
		t.Errorf("%v, want the end of %s: %s", err, id, reason)
	}
}

func wantIs(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("%v, want %v", err, target)
	}
}

// told is a watcher that remembers.
type told struct {
	cause chan error
	at    time.Time
}

func watcher() *told { return &told{cause: make(chan error, 2)} }

func (w *told) SessionEnded(cause error) {
	w.at = time.Now()
	w.cause <- cause
}

// yet returns what the watcher was told, or nil.
func (w *told) yet() error {
	select {
	case err := <-w.cause:
		return err
	default:
		return nil
	}
}

// aServer stands for "oneseat serve" in the example.
func aServer() (url, key string, stop func()) {
	seats, _ := oneseat.New(memstore.New(), oneseat.Config{})
	secret, k := server.NewKey("default", server.ScopeCheck, server.ScopeSessions)
	s, _ := server.New(server.Config{Realms: map[string]*oneseat.Registry{"default": seats}, Keys: []server.Key{k}, Logger: canaries.Logger(nil)})
	h := httptest.NewServer(s)
	return h.URL, secret, func() { h.Close(); _ = seats.Close() }
}
