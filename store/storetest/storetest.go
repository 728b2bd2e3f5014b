// Package storetest is the suite that every [oneseat.Store] passes. [Run] tests what
// the comments of that interface say, and what the rules need of a store.
//
// A store of your own proves itself with one test:
//
//	func TestStoreContract(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) func() oneseat.Store {
//			database := newEmptyDatabase(t)
//			return func() oneseat.Store { return open(t, database) } // and closes it with t.Cleanup
//		})
//	}
//
// The package owns no rule and imports no backend. No test is optional, and none asks
// which store it tests: what is a fault in one store is a fault in all. A failure names
// the promise that was broken. The suite's own tests show that it can fail: they plant
// bugs in a store and see each one caught.
package storetest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
)

// Factory makes an empty database for one test, and returns a function that opens
// another node's handle on it. What has to be closed is closed with t.Cleanup. One test
// may make several databases, and tests run in parallel.
//
// A handle is also a [oneseat.History].
type Factory func(t *testing.T) (open func() oneseat.Store)

// Run runs the whole suite against the store that fresh makes. It takes some ten
// seconds on a fast store, and half a minute on a slow one with the race detector.
//
// A failure says how to repeat what was chosen at random: with the flags of rapid
// (-rapid.seed, -rapid.failfile), or with ONESEAT_STORETEST_SEED in the environment,
// which makes the same choices in the histories of Linearizable.
// ONESEAT_STORETEST_ROUNDS makes one race of Contention long: how often a session is
// displaced while it ends all others.
func Run(t *testing.T, fresh Factory) {
	for _, g := range []struct {
		name     string
		promises []promise
	}{
		{"Views", views},
		{"Versions", versions},
		{"Updates", updates},
		{"Groups", groups},
		{"Time", times},
		{"Due", due},
		{"Log", logs},
		{"Cancellation", cancellation},
		{"Strings", hostile},
		{"History", history},
		{"Counts", counts},
		{"EventsSince", since},
		{"Forgetting", forgetting},
		{"Expiry", expiry},
		{"Applications", applications},
		{"LostReplies", lostReplies},
		{"Contention", contention},
		{"Rules", rules},
		{"Linearizable", linearizable},
	} {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			for _, p := range g.promises {
				t.Run(p.name, func(t *testing.T) {
					t.Parallel()
					p.test(t, fresh)
				})
			}
		})
	}
}

// promise is one test. Its name says what it proves.
type promise struct {
	name string
	test func(t *testing.T, fresh Factory)
}

// patience is how long a test waits for a condition that should come true soon. Only a
// test that fails waits as long as that, because a busy machine may be slow.
const patience = 2 * time.Minute

// backend is what a store has to be.
type backend interface {
	oneseat.Store
	oneseat.History
}

// node is one node's handle.
type node struct {
	oneseat.Store
	oneseat.History
}

// nodes opens n handles on a fresh database.
func nodes(t *testing.T, fresh Factory, n int) []node {
	t.Helper()
	open := fresh(t)
	ns := make([]node, n)
	for i := range ns {
		s := open()
		h, ok := s.(oneseat.History)
		if !ok {
			t.Fatalf("%T does not implement oneseat.History", s)
		}
		ns[i] = node{patient{s, h}, patient{s, h}}
	}
	return ns
}

// load returns the view of one key.
func (n node) load(t *testing.T, k oneseat.Key) oneseat.View {
	t.Helper()
	vs, err := n.Load(t.Context(), k)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	if len(vs) != 1 {
		t.Fatalf("Load of one key returned %d views", len(vs))
	}
	return vs[0]
}

// update is Update, which has to succeed.
func (n node) update(t *testing.T, k oneseat.Key, change changeFunc) oneseat.View {
	t.Helper()
	v, err := n.Update(t.Context(), k, change)
	if err != nil {
		t.Fatalf("Update: %v", err)
	}
	return v
}

// put stores ro under its account.
func (n node) put(t *testing.T, ro *oneseat.Roster, events ...oneseat.Event) oneseat.View {
	t.Helper()
	return n.update(t, oneseat.KeyOf(ro.Realm, ro.Account), func(oneseat.View) (oneseat.Change, error) {
		return oneseat.Change{Roster: ro, Events: events}, nil
	})
}

// erase removes a roster.
func (n node) erase(t *testing.T, k oneseat.Key) oneseat.View {
	t.Helper()
	return n.update(t, k, func(oneseat.View) (oneseat.Change, error) { return oneseat.Change{Erase: true}, nil })
}

// registry opens a registry of the test's realm on a handle. Unless c says otherwise,
// every check reads the store.
func registry(t *testing.T, s backend, c oneseat.Config) *oneseat.Registry {
	t.Helper()
	if c.Realm == "" {
		c.Realm = realm
	}
	if c.MaxStale == 0 {
		c.MaxStale = oneseat.FreshAlways
	}
	c.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	r, err := oneseat.New(unhurried{s}, c)
	if err != nil {
		t.Fatalf("oneseat.New: %v", err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("Registry.Close: %v", err)
		}
	})
	return r
}

// signIn signs in, which has to succeed.
func signIn(t *testing.T, r *oneseat.Registry, account string, from oneseat.SignInRequest) oneseat.Grant {
	t.Helper()
	g, err := r.SignIn(t.Context(), account, from)
	if err != nil {
		t.Fatalf("SignIn: %v", err)
	}
	return g
}

// live returns an account's live sessions.
func live(t *testing.T, r *oneseat.Registry, account string) []oneseat.Session {
	t.Helper()
	s, err := r.Sessions(t.Context(), account)
	if err != nil {
		t.Fatalf("Sessions: %v", err)
	}
	return s
}

// await waits for done, and fails the test if it is not closed in time.
func await(t *testing.T, done <-chan struct{}, what string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case <-done:
	case <-ctx.Done():
		t.Fatalf("waited %v in vain for %s", patience, what)
	}
}
