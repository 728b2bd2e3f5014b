package oneseat_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

const maxStale = time.Second // the default

// fromMemory fails the test unless the token checks without a read.
func fromMemory(t testing.TB, r node, g oneseat.Grant) {
	t.Helper()
	loads := r.loads.Load()
	wantLive(t, r, g)
	if n := r.loads.Load() - loads; n != 0 {
		t.Fatalf("%d reads, want none", n)
	}
}

// fromStore fails the test unless the token checks by a read.
func fromStore(t testing.TB, r node, g oneseat.Grant) {
	t.Helper()
	loads := r.loads.Load()
	wantLive(t, r, g)
	if n := r.loads.Load() - loads; n != 1 {
		t.Fatalf("%d reads, want one", n)
	}
}

func TestAWorkingLogKeepsMemoryBelievable(t *testing.T) {
	for name, heard := range map[string]func(node){"push": func(node) {}, "no push": node.mute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newNode(t, memstore.New(), oneseat.Config{})
				heard(r)
				synctest.Wait()
				g := signIn(t, r, "ada", oneseat.SignInRequest{})
				for range 59 * 4 {
					fromMemory(t, r, g)
					time.Sleep(maxStale / 4)
				}
				if s := r.Stats(); s.Cached != 59*4 || s.Checks != s.Cached || s.LogLag < 0 || s.LogLag > maxStale/4 {
					t.Errorf("stats: %+v", s)
				}
			})
		})
	}
}

// P4: with the log broken a yes is never older than MaxStale, and may be as old.
func TestAYesIsNeverOlderThanMaxStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{})
		b.deaf()
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		time.Sleep(10 * time.Second)
		fromStore(t, b, g)
		time.Sleep(tick)
		signIn(t, a, "ada", oneseat.SignInRequest{})
		wantEnded(t, a, g, oneseat.ReasonDisplaced) // at once on the node that served it
		time.Sleep(maxStale - tick)
		fromMemory(t, b, g)
		time.Sleep(time.Nanosecond)
		wantEnded(t, b, g, oneseat.ReasonDisplaced)
	})
}

// P4: as soon as the news arrives, and then for good.
func TestAnEndIsKnownEverywhereAsSoonAsTheNewsArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		a, b, c := newNode(t, store, oneseat.Config{}), newNode(t, store, oneseat.Config{}), newNode(t, store, oneseat.Config{})
		c.mute()
		synctest.Wait()
		time.Sleep(maxStale) // c is deaf to pushes from its next call on
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		for _, r := range []node{a, b, c} {
			wantLive(t, r, g)
		}
		signIn(t, a, "ada", oneseat.SignInRequest{})
		wantEnded(t, a, g, oneseat.ReasonDisplaced)
		synctest.Wait()
		wantEnded(t, b, g, oneseat.ReasonDisplaced)
		time.Sleep(maxStale / 4) // the longest that c waits between two looks
		synctest.Wait()
		wantEnded(t, c, g, oneseat.ReasonDisplaced)
	})
}

// P2: a no is always confirmed. Node b has an older roster in memory.
func TestASignInElsewhereIsAcceptedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{Limit: 3})
		program := oneseat.SignInRequest{Device: oneseat.Device{Class: oneseat.ClassAPI}} // its first use is not written, for which a node reads
		first := signIn(t, a, "ada", program)
		b.deaf()
		time.Sleep(2 * maxStale)
		fromStore(t, b, first)
		second := signIn(t, a, "ada", program)
		fromStore(t, b, second)
		fromMemory(t, b, second)
		s, err := b.CheckID(t.Context(), "ada", second.Session.ID)
		if err != nil || s.ID != second.Session.ID {
			t.Error(s, err)
		}
	})
}

func TestFreshAlwaysReadsEveryTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{MaxStale: oneseat.FreshAlways})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		for range 10 {
			fromStore(t, a, g)
			fromStore(t, b, g)
		}
		b.deaf()
		signIn(t, a, "ada", oneseat.SignInRequest{})
		wantEnded(t, b, g, oneseat.ReasonDisplaced)
		if s := b.Stats(); s.Cached != 0 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestCheckFreshReadsWhateverMemoryMaySay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		fromStore(t, b, g)
		fromMemory(t, b, g)
		if s, err := b.CheckFresh(t.Context(), string(g.Token)); err != nil || s.ID != g.Session.ID {
			t.Error(s, err)
		}
		b.deaf()
		signIn(t, a, "ada", oneseat.SignInRequest{})
		fromMemory(t, b, g) // it has not heard
		_, err := b.CheckFresh(t.Context(), string(g.Token))
		if over, ok := errors.AsType[*oneseat.EndedError](err); !ok || over.Ending.Reason != oneseat.ReasonDisplaced {
			t.Error(err)
		}
		for _, token := range []string{"", "no token", string(g.Token)[:20], string(g.Token[:len(g.Token)-1]) + "~"} {
			_, err := b.CheckFresh(t.Context(), token)
			wantError(t, err, oneseat.ErrNoSession)
		}
	})
}

func TestAFreshCheckReadsByTokenAndByIDAndMayBeNoActivity(t *testing.T) {
	for name, request := range map[string]func(g oneseat.Grant) oneseat.CheckRequest{
		"token": func(g oneseat.Grant) oneseat.CheckRequest { return oneseat.CheckRequest{Token: string(g.Token)} },
		"ID": func(g oneseat.Grant) oneseat.CheckRequest {
			return oneseat.CheckRequest{Account: "ada", Session: g.Session.ID}
		},
	} {
		for _, background := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", background ", background), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a, b, _ := following(t, oneseat.Config{Idle: time.Hour})
					g := signIn(t, a, "ada", oneseat.SignInRequest{})
					time.Sleep(50 * time.Minute)
					q := request(g)
					q.Fresh, q.Background = true, background
					if f, err := b.CheckWith(t.Context(), q); err != nil || f.Session.ID != g.Session.ID || f.Rotated {
						t.Fatal(f, err)
					}
					time.Sleep(11 * time.Minute)
					if err := peek(t, b, g); background {
						wantEnding(t, err, g.Session.ID, oneseat.ReasonIdleTimeout)
					} else if err != nil {
						t.Error(err)
					}

					g = signIn(t, a, "ada", oneseat.SignInRequest{})
					q = request(g)
					if _, err := b.CheckWith(t.Context(), q); err != nil {
						t.Fatal(err)
					}
					b.deaf()
					signIn(t, a, "ada", oneseat.SignInRequest{})
					q.Background = background
					if _, err := b.CheckWith(t.Context(), q); err != nil { // it has not heard
						t.Error(err)
					}
					q.Fresh = true
					_, err := b.CheckWith(t.Context(), q)
					wantEnding(t, err, g.Session.ID, oneseat.ReasonDisplaced)
				})
			})
		}
	}
	r := newRegistry(t, memstore.New(), oneseat.Config{})
	for _, fresh := range []bool{false, true} {
		_, err := r.CheckWith(t.Context(), oneseat.CheckRequest{Fresh: fresh})
		wantError(t, err, oneseat.ErrNoSession)
		if _, err = r.CheckWith(t.Context(), oneseat.CheckRequest{Session: "x", Fresh: fresh}); !errors.As(err, new(*oneseat.AccountError)) {
			t.Error(err)
		}
	}
}

func TestEachFormOfACheckReturnsTheSession(t *testing.T) {
	r := newRegistry(t, memstore.New(), oneseat.Config{Limit: 2})
	signIn(t, r, "ada", oneseat.SignInRequest{})
	g := signIn(t, r, "ada", oneseat.SignInRequest{Data: "mine"})
	for name, check := range map[string]func() (oneseat.Session, error){
		"Check":      func() (oneseat.Session, error) { return r.Check(t.Context(), string(g.Token)) },
		"Peek":       func() (oneseat.Session, error) { return r.Peek(t.Context(), string(g.Token)) },
		"CheckFresh": func() (oneseat.Session, error) { return r.CheckFresh(t.Context(), string(g.Token)) },
		"CheckID":    func() (oneseat.Session, error) { return r.CheckID(t.Context(), "ada", g.Session.ID) },
		"PeekID":     func() (oneseat.Session, error) { return r.PeekID(t.Context(), "ada", g.Session.ID) },
	} {
		for range 2 { // from the store, and from memory
			if s, err := check(); err != nil || s != g.Session {
				t.Errorf("%s: %+v, %v; want %+v", name, s, err, g.Session)
			}
		}
	}
	// A token is a proof, and an ID is none: where both are said the token counts.
	both := oneseat.CheckRequest{Token: string(g.Token[:len(g.Token)-1]) + "x", Account: "ada", Session: g.Session.ID}
	_, err := r.CheckWith(t.Context(), both)
	wantError(t, err, oneseat.ErrNoSession)
}

// Somebody may have deleted rows without an entry in the log.
func TestHoweverWellProvenMemoryIsLoadedAnewAfterAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{})
		synctest.Wait()
		g, other := signIn(t, r, "ada", oneseat.SignInRequest{}), signIn(t, r, "grace", oneseat.SignInRequest{})
		time.Sleep(time.Second)
		deleteRow(t, r.Store, "ada")
		time.Sleep(time.Minute - time.Second)
		fromMemory(t, r, g)
		fromMemory(t, r, other)
		time.Sleep(time.Nanosecond)
		_, err := r.Check(t.Context(), string(g.Token))
		wantError(t, err, oneseat.ErrNoSession)
		wantLive(t, r, other)
		time.Sleep(59 * time.Second)
		fromMemory(t, r, other)
	})
}

// A roster that nobody asks for leaves memory again.
func TestMemoryIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{})
		for i := range 100 {
			signIn(t, r, fmt.Sprint("account ", i), oneseat.SignInRequest{})
		}
		if n := r.Stats().Accounts; n != 101 { // and the control record
			t.Fatalf("%d in memory", n)
		}
		time.Sleep(59 * time.Second)
		if n := r.Stats().Accounts; n != 101 {
			t.Fatalf("%d in memory", n)
		}
		time.Sleep(30 * time.Second)
		if n := r.Stats().Accounts; n > 1 { // the sweep reads the control record
			t.Errorf("%d in memory", n)
		}
	})
}

// A pause of the process, or a suspension of the machine, shows in at least one clock.
// A clock that was set back proves nothing any more.
func TestAProcessThatWasSuspendedComesBackDoubting(t *testing.T) {
	for name, jump := range map[string]func(*clocks){
		"the wall clock went on":         func(c *clocks) { c.wall.Add(int64(maxStale + tick)) },
		"the monotonic clock went on":    func(c *clocks) { c.mono.Add(int64(maxStale + tick)) },
		"both went on":                   func(c *clocks) { c.wall.Add(int64(maxStale + tick)); c.mono.Add(int64(maxStale + tick)) },
		"the wall clock was set back":    func(c *clocks) { c.wall.Add(-int64(time.Second)) },
		"the wall clock was set far off": func(c *clocks) { c.wall.Add(int64(10 * 365 * 24 * time.Hour)) },
		"the monotonic clock began anew": func(c *clocks) { c.mono.Add(-int64(time.Hour)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newClocks()
				store := memstore.New()
				a, b := newNode(t, store, oneseat.Config{}), newNode(t, store, oneseat.Config{Clock: c.read})
				synctest.Wait()
				g, other := signIn(t, a, "ada", oneseat.SignInRequest{}), signIn(t, a, "grace", oneseat.SignInRequest{})
				time.Sleep(time.Second)
				for _, g := range []oneseat.Grant{g, other} {
					wantLive(t, b, g)
				}
				time.Sleep(5 * time.Second)
				fromMemory(t, b, g)
				b.deaf() // nothing arrives while it is suspended
				signIn(t, a, "ada", oneseat.SignInRequest{})
				jump(c)
				wantEnded(t, b, g, oneseat.ReasonDisplaced)
				fromStore(t, b, other)
				b.up()
				time.Sleep(5 * time.Second)
				wantLive(t, b, other)
				time.Sleep(5 * time.Second)
				fromMemory(t, b, other) // by its new clocks
			})
		})
	}
}

// What was just seen by clocks that agree is believed. So the test above does not pass
// only because nothing is ever believed.
func TestASmallStepOfAClockIsNoDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClocks()
		r := newNode(t, memstore.New(), oneseat.Config{Clock: c.read})
		synctest.Wait()
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		r.deaf()
		c.wall.Add(int64(maxStale))
		fromMemory(t, r, g)
		c.mono.Add(int64(maxStale))
		fromMemory(t, r, g)
	})
}

// Forged tokens cost one bounded read and leave nothing in memory; what is there
// stays there.
func TestForgedTokensCacheNothingAndEvictNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{})
		synctest.Wait()
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		cold := signIn(t, newNode(t, r.Store, oneseat.Config{}), "grace", oneseat.SignInRequest{})
		accounts, updates := r.Stats().Accounts, r.updates.Load()
		forgeries := func(n int) []string {
			var out []string
			for i := range n {
				out = append(out, forged([]string{"ada", "grace", fmt.Sprint("nobody ", i)}[i%3]))
			}
			return out
		}
		for _, token := range forgeries(30) {
			loads, keys := r.loads.Load(), r.keys.Load()
			_, err := r.Check(t.Context(), token)
			wantError(t, err, oneseat.ErrNoSession)
			if n, k := r.loads.Load()-loads, r.keys.Load()-keys; n != 1 || k > 2 {
				t.Fatalf("%d reads of %d keys", n, k)
			}
		}
		// A thousand at once are few reads, one after the other.
		under, most := 0, 0
		r.set(func() {
			r.load = func(ctx context.Context, keys []oneseat.Key, next loadFunc) ([]oneseat.View, error) {
				r.set(func() { under++; most = max(most, under) })
				defer r.set(func() { under-- })
				if len(keys) > 257 {
					t.Errorf("%d keys in one read", len(keys))
				}
				time.Sleep(time.Millisecond)
				return next(ctx, keys...)
			}
		})
		loads := r.loads.Load()
		var wg sync.WaitGroup
		for _, token := range forgeries(1000) {
			wg.Go(func() {
				_, err := r.Check(t.Context(), token)
				if !errors.Is(err, oneseat.ErrNoSession) {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		for range 10 {
			fromMemory(t, r, g) // does not wait for them
		}
		wg.Wait()
		if n := r.loads.Load() - loads; n > 8 || most != 1 {
			t.Errorf("%d reads, %d at once", n, most)
		}
		for _, token := range forgeries(9) {
			wantError(t, r.SignOut(t.Context(), token), oneseat.ErrNoSession)
			_, err := r.Rotate(t.Context(), token)
			wantError(t, err, oneseat.ErrNoSession)
		}
		if s := r.Stats(); s.Accounts != accounts {
			t.Errorf("%d in memory, want %d as before", s.Accounts, accounts)
		}
		if r.writes.Load() != 2 { // the control record and ada
			t.Errorf("%d writes, %d updates (%d before)", r.writes.Load(), r.updates.Load(), updates)
		}
		fromMemory(t, r, g)
		fromStore(t, r, cold)
		fromMemory(t, r, cold)
	})
}
