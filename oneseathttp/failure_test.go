package oneseathttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/store/memstore"
)

// failing is a store that a test breaks.
type failing struct {
	oneseat.Store
	mu   sync.Mutex
	load error
	up   error // of updates
}

func (f *failing) fail(load, update error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.load, f.up = load, update
}

func (f *failing) Load(ctx context.Context, keys ...oneseat.Key) ([]oneseat.View, error) {
	f.mu.Lock()
	err := f.load
	f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return f.Store.Load(ctx, keys...)
}

func (f *failing) Update(ctx context.Context, key oneseat.Key, c func(oneseat.View) (oneseat.Change, error)) (oneseat.View, error) {
	f.mu.Lock()
	err := f.up
	f.mu.Unlock()
	if err != nil {
		return oneseat.View{}, err
	}
	return f.Store.Update(ctx, key, c)
}

// logbook is a log that a test reads while it is written.
type logbook struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A browser that is refused for a failure gets the reason of that failure, keeps its
// cookie, and is not sent to sign in. The operator finds the failure in the log.
func TestEachFailureHasAReasonOfItsOwnAndALineInTheLog(t *testing.T) {
	const account = "ada@example.com"
	down := errors.New("the disk is on fire")
	var plans sync.Map
	for name, tt := range map[string]struct {
		breaks   func(s *site, f *failing)
		method   string
		path     string
		as       string // who the application says it is; "": account
		status   int
		reason   string
		says     string
		noRetry  bool
		forSight bool // a person gets a page
	}{
		"a limit that is not known": {
			breaks: func(*site, *failing) {
				plans.Store("fail", fmt.Errorf("GET /plans?of=%s (%s): %w", url.QueryEscape(account), account, oneseat.ErrNoSession))
			},
			method: "POST", path: "/enter", status: 503, reason: "limit_unknown", says: "Config.LimitFor gave no limit",
		},
		"a limit that is not known, at an adoption": {
			breaks: func(*site, *failing) { plans.Store("fail", errors.New("no plans")) },
			method: "GET", path: "/me", as: "bob", status: 503, reason: "limit_unknown", says: "Config.LimitFor gave no limit",
		},
		"no account": {
			method: "POST", path: "/enter?account=", status: 400, reason: "bad_account", says: "the application named an account that cannot be one", noRetry: true, forSight: true,
		},
		"an account that is too long": {
			method: "POST", path: "/enter?account=" + strings.Repeat("a", 257), status: 400, reason: "bad_account", says: "the application named an account that cannot be one", noRetry: true, forSight: true,
		},
		"the application says that a browser with a session is nobody possible": {
			method: "GET", path: "/me", as: account + "\n", status: 500, reason: "bad_account", says: "the application named an account that cannot be one", noRetry: true,
		},
		"a store that is not read": {
			breaks: func(_ *site, f *failing) { f.fail(down, nil) },
			method: "GET", path: "/me", status: 503, reason: "store_unavailable", says: "the store did not answer",
		},
		"a store that is not written": {
			breaks: func(_ *site, f *failing) { f.fail(nil, down) },
			method: "POST", path: "/enter", status: 503, reason: "store_unavailable", says: "the store did not answer",
		},
		"a reply that is lost": {
			breaks: func(_ *site, f *failing) { f.fail(nil, oneseat.ErrUnknownOutcome) },
			method: "POST", path: "/enter", status: 503, reason: "outcome_unknown", says: "a reply of the store was lost",
		},
		"a record that is damaged": {
			breaks: func(_ *site, f *failing) { f.fail(&oneseat.FormatError{Problem: "it is damaged"}, nil) },
			method: "GET", path: "/me", status: 503, reason: "record_unreadable", says: "a stored roster cannot be read", noRetry: true,
		},
	} {
		for _, accept := range []string{program, page} {
			t.Run(name+", for "+accept, func(t *testing.T) {
				plans.Delete("fail")
				log := &logbook{}
				f := &failing{Store: memstore.New()}
				as := account
				s := unstartedOn(t, f, oneseat.Config{
					MaxStale: oneseat.FreshAlways, AdoptUntil: time.Now().Add(time.Hour), Logger: slog.New(slog.NewTextHandler(log, nil)),
					LimitFor: func(context.Context, string) (oneseat.Limits, error) {
						if err, ok := plans.Load("fail"); ok {
							return oneseat.Limits{}, err.(error)
						}
						return oneseat.Limits{}, nil
					},
				}, oneseathttp.Config{Account: func(*http.Request) string { return as }})
				s.mux.HandleFunc("POST /enter", func(w http.ResponseWriter, r *http.Request) {
					who := account
					if q := r.URL.Query(); q.Has("account") {
						who = q.Get("account")
					}
					_, err := s.guard.SignIn(w, r, who)
					s.guard.RefuseSignIn(w, r, err, "")
				})
				handler := s.guard.Wrap(s.mux)
				ask := func(method, path string, cookies []*http.Cookie) *http.Response {
					r := httptest.NewRequestWithContext(t.Context(), method, "https://members.test"+path, nil)
					r.Header.Set("Accept", accept)
					for _, c := range cookies {
						r.AddCookie(c)
					}
					w := httptest.NewRecorder()
					handler.ServeHTTP(w, r)
					return w.Result()
				}
				cookies := ask("POST", "/login?account="+account, nil).Cookies()
				if tt.as != "" {
					if as = tt.as; as == "bob" {
						cookies = nil
					}
				}
				if tt.breaks != nil {
					tt.breaks(s, f)
				}
				tries := 20
				if tt.reason == "outcome_unknown" {
					tries = 2 // each takes a while, because the registry tries again
				}
				for range tries {
					resp := ask(tt.method, tt.path, cookies)
					for _, c := range resp.Cookies() {
						if c.Name == hostName {
							t.Error("the cookie was touched")
						}
					}
					if (resp.Header.Get("Retry-After") == "") != tt.noRetry {
						t.Errorf("Retry-After: %q", resp.Header.Get("Retry-After"))
					}
					if tt.forSight && accept == page {
						if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != tt.status || !strings.Contains(string(body), "cannot be signed in") {
							t.Fatalf("%v %s %s", err, resp.Status, body)
						}
						continue
					}
					wantProblem(t, name, resp, tt.status, tt.reason, refused)
				}
				said := log.String()
				if n := strings.Count(said, "msg=\""+tt.says); n != 1 {
					t.Errorf("%d lines: %s", n, said)
				}
				for _, private := range []string{"ada@", "ada%40", oneseat.TokenPrefix} {
					if strings.Contains(said, private) {
						t.Errorf("the log holds %q: %s", private, said)
					}
				}
			})
		}
	}
}
