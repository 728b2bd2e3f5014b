package histories_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
	"github.com/oneseat/oneseat/client"
	"github.com/oneseat/oneseat/internal/canaries"
	"github.com/oneseat/oneseat/internal/histories"
	"github.com/oneseat/oneseat/internal/model"
	"github.com/oneseat/oneseat/internal/testservers"
	"github.com/oneseat/oneseat/server"
	"github.com/oneseat/oneseat/store/memstore"
	"github.com/oneseat/oneseat/store/pgstore"
	"github.com/oneseat/oneseat/store/redisstore"
	"github.com/oneseat/oneseat/store/sqlitestore"
)

var (
	rounds = flag.Uint64("rounds", 2, "histories of each setting on each store")
	seed   = flag.Uint64("seed", rand.Uint64(), "of the choices")
	bug    = flag.String("bug", "", "of the stores: a name in bugs")
)

// stores open a handle for each server on one new database.
var stores = map[string]func(t *testing.T) (open func() oneseat.Store){
	"memory": func(*testing.T) func() oneseat.Store {
		s := memstore.New()
		return func() oneseat.Store { return s }
	},
	"sqlite": func(t *testing.T) func() oneseat.Store {
		file := filepath.Join(t.TempDir(), "oneseat.db")
		return func() oneseat.Store {
			s, err := sqlitestore.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			return s
		}
	},
	"postgres": func(t *testing.T) func() oneseat.Store {
		url := testservers.StartPostgres(t, "fsync=off").URL
		return func() oneseat.Store {
			pool, err := pgxpool.New(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(pool.Close)
			s, err := pgstore.Open(t.Context(), pool, pgstore.Options{Logger: quiet})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			return s
		}
	},
	"redis": func(t *testing.T) func() oneseat.Store {
		url := testservers.StartRedis(t).URL
		return func() oneseat.Store {
			s, err := redisstore.Open(t.Context(), url, redisstore.Options{Timeout: patience, Logger: quiet})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			return s
		}
	},
}

const patience = time.Minute

var quiet = canaries.Logger(nil)

// over are the settings that can be had over HTTP. A sign-out by a token says there only
// whether it ended a session, and streams are not known.
func over() (settings []histories.Setting) {
	for _, s := range histories.Settings {
		if s.Calls = slices.DeleteFunc(slices.Clone(s.Calls), func(c string) bool { return c == "sign out" }); !slices.Contains(s.Calls, "play") {
			settings = append(settings, s)
		}
	}
	return settings
}

// losing loses the answers to a call, as its context says. What may be asked for again
// goes to any of the servers each time.
type losing struct {
	http.RoundTripper
	servers *[]string
}

// way is what happens to one call.
type way struct{ lose, tries atomic.Int32 }

type wayKey struct{}

func (l losing) RoundTrip(r *http.Request) (*http.Response, error) {
	if len(r.Header[api.IdempotencyKey]) > 0 {
		at, _ := url.Parse((*l.servers)[rand.IntN(len(*l.servers))]) // it is a server's of httptest
		r = r.Clone(r.Context())
		r.URL.Host, r.Host = at.Host, ""
	}
	resp, err := l.RoundTripper.RoundTrip(r)
	if on, _ := r.Context().Value(wayKey{}).(*way); on != nil && on.tries.Add(1) <= on.lose.Load() && err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return nil, errors.New("the answer was lost")
	}
	return resp, err
}

// Three servers over one store, and eight clients that reach each by HTTP: there is an
// order in which all that they are told is right. One in four of the answers that may be
// asked for again is lost.
func TestWhatSeveralServersAnswerHasAnOrder(t *testing.T) {
	for name, fresh := range stores {
		t.Run(name, func(t *testing.T) {
			inOrder(t, fresh(t), *rounds)
		})
	}
}

// old is a store with a bug: of one read in four the answer is an old one.
type old struct {
	oneseat.Store
	mu    *sync.Mutex
	first map[oneseat.Key]oneseat.View
}

func (o old) Load(ctx context.Context, keys ...oneseat.Key) ([]oneseat.View, error) {
	views, err := o.Store.Load(ctx, keys...)
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, v := range views {
		if _, ok := o.first[v.Key]; !ok {
			o.first[v.Key] = v
		} else if rand.N(4) == 0 {
			views[i] = o.first[v.Key]
		}
	}
	return views, err
}

// forgets is a store with a bug: one update in ten is acknowledged, and not made.
type forgets struct {
	oneseat.Store
	updates *atomic.Int64
}

func (f forgets) Update(ctx context.Context, key oneseat.Key, change func(oneseat.View) (oneseat.Change, error)) (oneseat.View, error) {
	views, err := f.Load(ctx, key)
	if err != nil || views[0].Roster == nil || views[0].Roster.Account == "" || f.updates.Add(1)%10 != 0 {
		return f.Store.Update(ctx, key, change)
	}
	v := views[0]
	c, err := oneseat.RunChange(change, v)
	if err == nil && c.Roster != nil {
		v.Roster, v.Version = c.Roster, v.Next()
	}
	return v, err
}

var bugs = map[string]func(oneseat.Store) oneseat.Store{
	"": func(s oneseat.Store) oneseat.Store { return s },
	"old": func(s oneseat.Store) oneseat.Store {
		return old{s, new(sync.Mutex), make(map[oneseat.Key]oneseat.View)}
	},
	"forgets": func(s oneseat.Store) oneseat.Store { return forgets{s, new(atomic.Int64)} },
}

func TestABugOfAStoreIsSeenThroughTheServers(t *testing.T) {
	for name := range stores {
		for bug := range bugs {
			if bug == "" {
				continue
			}
			t.Run(name+", "+bug, func(t *testing.T) {
				out, err := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestWhatSeveralServersAnswerHasAnOrder$/^"+name+"$", "-bug", bug, "-rounds", "50").CombinedOutput()
				if err == nil || !bytes.Contains(out, []byte("there is no order in which all answers are right")) {
					t.Errorf("%v\n%s", err, out)
				}
			})
		}
	}
}

func inOrder(t *testing.T, open func() oneseat.Store, rounds uint64) {
	var handles []oneseat.Store
	for range 3 {
		handles = append(handles, bugs[*bug](open()))
	}
	for i, setting := range over() {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel() // most of the time is spent waiting to ask again
			ofSetting(t, handles, i, setting, rounds)
		})
	}
}

// ofSetting runs the histories of one setting.
func ofSetting(t *testing.T, handles []oneseat.Store, i int, setting histories.Setting, rounds uint64) {
	secret, key := server.NewKey("x", server.ScopeCheck, server.ScopeSessions, server.ScopeAdmin)
	var lost atomic.Int64
	realm := fmt.Sprint("histories ", i)
	key.Realm = realm
	var nodes []histories.Seats
	var servers []string
	for _, s := range handles {
		r, err := oneseat.New(s, oneseat.Config{
			Realm: realm, Limit: setting.Limit, WhenFull: setting.Policy, DisplaceOrder: oneseat.DisplaceOldest, MaxStale: oneseat.FreshAlways, Logger: quiet,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Close() })
		handler, err := server.New(server.Config{Realms: map[string]*oneseat.Registry{realm: r}, Keys: []server.Key{key}, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		h := httptest.NewServer(handler)
		t.Cleanup(h.Close)
		servers = append(servers, h.URL)
		k, err := client.New(t.Context(), client.Config{URL: h.URL, Key: secret, Transport: losing{&http.Transport{MaxIdleConnsPerHost: 16}, &servers}, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = k.Close() })
		nodes = append(nodes, patient{k})
	}
	for round := range rounds {
		h := &histories.History{
			Test: t, Nodes: nodes, Setting: setting, Clients: 8, Each: 6,
			Seed: *seed + uint64(i)*rounds + round, Again: fmt.Sprint("-seed ", *seed),
			Meets: func(ctx context.Context, choices *rand.Rand, c model.Call) (context.Context, func(error) (bool, bool)) {
				on := new(way)
				if slices.Contains([]string{"sign in", "redeem", "rotate"}, c.What) && choices.IntN(4) == 0 {
					on.lose.Store(1 + int32(choices.IntN(2)))
				}
				return context.WithValue(ctx, wayKey{}, on), func(err error) (unsure, nothing bool) {
					tries := on.tries.Load()
					if on.lose.Load() > 0 && tries > 1 {
						lost.Add(1)
					}
					_, said := model.ReplyOf(err)
					return tries > 1, !said && errors.Is(err, oneseat.ErrStoreUnavailable)
				}
			},
		}
		if !h.Run() {
			return
		}
	}
	if lost.Load() == 0 {
		t.Error("no answer was lost")
	}
}

// patient asks again where a server said that it had no time, and that nothing was done.
type patient struct{ *client.Client }

func (p patient) Check(ctx context.Context, token string) (s oneseat.Session, err error) {
	for range 20 {
		if s, err = p.Client.Check(ctx, token); !errors.Is(err, oneseat.ErrStoreUnavailable) {
			break
		}
	}
	return s, err
}
