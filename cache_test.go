package oneseat_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
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
				g := signIn(t, r, "ada", oneseat.Client{})
				for range 59 * 4 {
					fromMemory(t, r, g)
					time.Sleep(maxStale / 4)
				}
				if s := r.Stats(); s.Cached != 59*4 || s.Checks != s.Cached || s.Behind < 0 || s.Behind > maxStale/4 {
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
		g := signIn(t, a, "ada", oneseat.Client{})
		time.Sleep(10 * time.Second)
		fromStore(t, b, g)
		time.Sleep(tick)
		signIn(t, a, "ada", oneseat.Client{})
		wantEnded(t, a, g, oneseat.Displaced) // at once on the node that served it
		time.Sleep(maxStale - tick)
		fromMemory(t, b, g)
		time.Sleep(time.Nanosecond)
		wantEnded(t, b, g, oneseat.Displaced)
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
		g := signIn(t, a, "ada", oneseat.Client{})
		for _, r := range []node{a, b, c} {
			wantLive(t, r, g)
		}
		signIn(t, a, "ada", oneseat.Client{})
		wantEnded(t, a, g, oneseat.Displaced)
		synctest.Wait()
		wantEnded(t, b, g, oneseat.Displaced)
		time.Sleep(maxStale / 4) // the longest that c waits between two looks
		synctest.Wait()
		wantEnded(t, c, g, oneseat.Displaced)
	})
}

// P2: a no is always confirmed. Node b has an older roster in memory.
func TestASignInElsewhereIsAcceptedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{Limit: 3})
		first := signIn(t, a, "ada", oneseat.Client{})
		b.deaf()
		time.Sleep(2 * maxStale)
		fromStore(t, b, first)
		second := signIn(t, a, "ada", oneseat.Client{})
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
		g := signIn(t, a, "ada", oneseat.Client{})
		for range 10 {
			fromStore(t, a, g)
			fromStore(t, b, g)
		}
		b.deaf()
		signIn(t, a, "ada", oneseat.Client{})
		wantEnded(t, b, g, oneseat.Displaced)
		if s := b.Stats(); s.Cached != 0 {
			t.Errorf("stats: %+v", s)
		}
	})
}

// delayed makes a node's next read of an account take place at once, and its
// reply come when it is released.
func delayed(r node, account string) (read <-chan struct{}, release func()) {
	done, hold := make(chan struct{}), make(chan struct{})
	first := true
	r.set(func() {
		r.load = func(ctx context.Context, keys []oneseat.Key, next loadFunc) ([]oneseat.View, error) {
			views, err := next(ctx, keys...)
			mine := false
			for _, k := range keys {
				mine = mine || k == oneseat.KeyOf(realm, account)
			}
			r.mu.Lock()
			mine, first = mine && first, first && !mine
			r.mu.Unlock()
			if mine {
				close(done)
				<-hold
			}
			return views, err
		}
	})
	return done, func() { close(hold) }
}

// A load that a change overtakes answers who asked before, and is not kept.
func TestAnOvertakenLoadIsNotCached(t *testing.T) {
	for _, here := range []bool{true, false} {
		t.Run(fmt.Sprint("by an update of this node ", here), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b, _ := following(t, oneseat.Config{})
				g := signIn(t, b, "ada", oneseat.Client{})
				synctest.Wait()
				read, release := delayed(a, "ada")
				a.set(func() {
					a.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
						<-read
						return next(ctx, k, c)
					}
				})
				if here {
					a.deaf()
				}
				by, done := b, make(chan struct{})
				if here {
					by = a
				}
				end := func() {
					if n, err := by.EndAll(t.Context(), "ada", oneseat.Cause{}); n != 1 || err != nil {
						t.Error(n, err)
					}
					close(done)
				}
				if here {
					go end() // and it waits for the load to be on its way back
					synctest.Wait()
				}
				var late error
				checked := make(chan struct{})
				go func() {
					_, late = a.Check(t.Context(), string(g.Token))
					close(checked)
				}()
				<-read
				if !here {
					end()
				}
				<-done
				synctest.Wait() // the news arrives
				release()
				<-checked
				if late != nil {
					t.Errorf("it began before: %v", late)
				}
				wantEnded(t, a, g, oneseat.Revoked)
			})
		})
	}
}

// A lower version never replaces a higher one, whichever arrives last: here the
// watch over a held request and a check read at the same time.
func TestALateLoadNeverReplacesANewerOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{})
		g := signIn(t, a, "ada", oneseat.Client{})
		b.deaf()
		time.Sleep(time.Second)
		wantLive(t, b, g)
		hold(t, b, g)
		read, release := delayed(b, "ada")
		<-read // by the watch
		signIn(t, a, "ada", oneseat.Client{})
		time.Sleep(maxStale / 2)
		wantEnded(t, b, g, oneseat.Displaced) // a read, because memory is too old
		release()
		synctest.Wait()
		wantEnded(t, b, g, oneseat.Displaced)
	})
}

// On the node that served it an end is known at once, also where the reply was
// lost and only the retry had one; and so to its requests in flight.
func TestAnEndWhoseReplyWasLostIsKnownAtOnceWhereItWasServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, _ := following(t, oneseat.Config{Limit: 3})
		end := map[string]func(g oneseat.Grant) error{
			"ada":   func(g oneseat.Grant) error { return signOut(t, a, g) },
			"grace": func(g oneseat.Grant) error { return second(a.EndAll(t.Context(), "grace", oneseat.Cause{})) },
			"alan": func(g oneseat.Grant) error {
				return second(a.SignIn(t.Context(), "alan", oneseat.Client{Token: string(g.Token)}))
			},
		}
		for account, end := range end {
			g := signIn(t, a, account, oneseat.Client{})
			synctest.Wait()
			a.deaf()
			wantLive(t, a, g)
			q := hold(t, a, g)
			a.loseReplies(oneseat.KeyOf(realm, account), 1, nil)
			if err := end(g); err != nil {
				t.Fatal(err)
			}
			if _, err := a.Check(t.Context(), string(g.Token)); err == nil {
				t.Errorf("%s: it still checks", account)
			}
			if _, ok := errors.AsType[*oneseat.EndedError](q.cause(t)); !ok {
				t.Errorf("%s: its request goes on: %v", account, q.cause(t))
			}
			a.up()
			time.Sleep(time.Minute)
		}
	})
}

// The same, where a read that saw it live is still on its way.
func TestALostReplyDoesNotLetAnOlderReadIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{})
		g := signIn(t, b, "ada", oneseat.Client{})
		synctest.Wait()
		a.deaf()
		read, release := delayed(a, "ada")
		lost := false
		a.set(func() {
			a.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
				<-read
				v, err := next(ctx, k, c)
				if !lost {
					lost = true
					return oneseat.View{}, oneseat.ErrUnknownOutcome
				}
				return v, err
			}
		})
		ended := make(chan error)
		go func() { ended <- second(a.EndAll(t.Context(), "ada", oneseat.Cause{})) }()
		synctest.Wait()
		checked := make(chan struct{})
		go func() { _, _ = a.Check(t.Context(), string(g.Token)); close(checked) }()
		<-read
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		release()
		<-checked
		wantEnded(t, a, g, oneseat.Revoked)
	})
}

// A proof vouches only for what was in memory before its call began.
func TestAProofDoesNotVouchForWhatWasCachedAfterItBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{})
		b.mute()
		time.Sleep(2 * maxStale)
		g := signIn(t, a, "ada", oneseat.Client{})
		slow := make(chan struct{}, 1) // a call is under way, from now to then
		then := make(chan struct{})
		b.set(func() {
			b.changes = func(ctx context.Context, p int, after oneseat.Cursor, next tailFunc) (oneseat.Tail, error) {
				tail, err := next(ctx, p, after)
				select {
				case slow <- struct{}{}:
					<-then
				default:
					<-ctx.Done() // and afterwards none is answered any more
					return oneseat.Tail{}, ctx.Err()
				}
				return tail, err
			}
		})
		time.Sleep(maxStale / 4)
		synctest.Wait()
		if len(slow) != 1 {
			t.Fatal("no call is under way")
		}
		fromStore(t, b, g) // cached while the call is under way
		time.Sleep(maxStale / 2)
		close(then)
		synctest.Wait()
		deleteRow(t, store, "ada")
		time.Sleep(maxStale / 2)
		fromMemory(t, b, g) // as of its own load
		time.Sleep(tick)
		_, err := b.Check(t.Context(), string(g.Token))
		wantError(t, err, oneseat.ErrNoSession)
	})
}

// A reply that comes late must not be believed because of what is proven after
// a gap: the change that overtook it may have been in the gap. Nor must it be at
// the start, when the log's end is found after the load was answered.
func TestWhatWasReadBeforeAGapIsNeverProven(t *testing.T) {
	for _, start := range []bool{true, false} {
		t.Run(fmt.Sprint("at the start ", start), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := memstore.New()
				a := newNode(t, store, oneseat.Config{})
				g := signIn(t, a, "ada", oneseat.Client{})
				f := &faulty{Store: store}
				called, answer := make(chan struct{}), make(chan struct{})
				first := true
				gap := func(ctx context.Context, p int, after oneseat.Cursor, next tailFunc) (oneseat.Tail, error) {
					if !first {
						return next(ctx, p, after)
					}
					first = false
					if !start {
						after = "lost.1"
					}
					close(called)
					<-answer
					return next(ctx, p, after)
				}
				if start {
					f.changes = gap
				}
				b := node{newRegistry(t, f, oneseat.Config{}), f}
				if !start {
					synctest.Wait()
					f.set(func() { f.changes = gap })
				}
				<-called
				read, release := delayed(b, "ada")
				checked := make(chan struct{})
				go func() { _, _ = b.Check(t.Context(), string(g.Token)); close(checked) }()
				<-read
				signIn(t, a, "ada", oneseat.Client{}) // its entry is before where the log is found to end
				release()                             // the old roster is cached
				<-checked
				close(answer)
				time.Sleep(maxStale + tick)
				wantEnded(t, b, g, oneseat.Displaced)
			})
		})
	}
}

// A gap suspends what was cached: it counts as of its own load only.
func TestAGapSuspendsWhatWasCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{})
		g, other := signIn(t, a, "ada", oneseat.Client{}), signIn(t, a, "grace", oneseat.Client{})
		wantLive(t, b, g)
		wantLive(t, b, other)
		time.Sleep(5 * time.Second)
		fromMemory(t, b, g)
		deleteRow(t, store, "ada") // something that the log does not tell
		b.set(func() {
			b.changes = func(ctx context.Context, p int, _ oneseat.Cursor, next tailFunc) (oneseat.Tail, error) {
				b.set(func() { b.changes = nil })
				return next(ctx, p, "trimmed.1")
			}
		})
		time.Sleep(maxStale / 4)
		synctest.Wait()
		_, err := b.Check(t.Context(), string(g.Token))
		wantError(t, err, oneseat.ErrNoSession)
		fromStore(t, b, other)
		for range 8 { // and is then proven as ever
			time.Sleep(maxStale / 4)
			fromMemory(t, b, other)
		}
	})
}

// A log that is longer than one answer proves nothing before its end.
func TestOnlyTheEndOfTheLogIsAProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{})
		g := signIn(t, a, "ada", oneseat.Client{})
		wantLive(t, b, g)
		b.mute()
		var calls atomic.Int64
		b.set(func() {
			b.changes = func(ctx context.Context, p int, after oneseat.Cursor, next tailFunc) (oneseat.Tail, error) {
				calls.Add(1)
				time.Sleep(maxStale / 20)
				return oneseat.Tail{Cursor: after}, nil // there is more
			}
		})
		time.Sleep(3 * maxStale)
		if n := calls.Load(); n < 10 {
			t.Fatalf("%d calls: it does not go on at once", n)
		}
		fromStore(t, b, g)
		b.up()
		time.Sleep(3 * maxStale)
		fromMemory(t, b, g)
	})
}

// Somebody may have deleted rows behind the log's back.
func TestHoweverWellProvenMemoryIsLoadedAnewAfterAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{})
		synctest.Wait()
		g, other := signIn(t, r, "ada", oneseat.Client{}), signIn(t, r, "grace", oneseat.Client{})
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

// What nobody asks for leaves memory again.
func TestMemoryIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{})
		for i := range 100 {
			signIn(t, r, fmt.Sprint("account ", i), oneseat.Client{})
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

// A process that was paused, or a machine that slept, shows in one clock at
// least; and a clock that was set back says nothing any more.
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
				g, other := signIn(t, a, "ada", oneseat.Client{}), signIn(t, a, "grace", oneseat.Client{})
				time.Sleep(time.Second)
				for _, g := range []oneseat.Grant{g, other} {
					wantLive(t, b, g)
				}
				time.Sleep(5 * time.Second)
				fromMemory(t, b, g)
				b.deaf() // nothing arrives while it is suspended
				signIn(t, a, "ada", oneseat.Client{})
				jump(c)
				wantEnded(t, b, g, oneseat.Displaced)
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

// What was just seen by clocks that agree is believed: the test above does not
// pass for want of any belief.
func TestASmallStepOfAClockIsNoDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClocks()
		r := newNode(t, memstore.New(), oneseat.Config{Clock: c.read})
		synctest.Wait()
		g := signIn(t, r, "ada", oneseat.Client{})
		r.deaf()
		c.wall.Add(int64(maxStale))
		fromMemory(t, r, g)
		c.mono.Add(int64(maxStale))
		fromMemory(t, r, g)
	})
}

// P5: no answer from the store means no, but within MaxStale.
func TestNoAnswerFromTheStoreMeansNo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{Limit: 2})
		gone, g := signIn(t, a, "ada", oneseat.Client{}), signIn(t, a, "ada", oneseat.Client{})
		if err := a.SignOut(t.Context(), string(gone.Token)); err != nil {
			t.Fatal(err)
		}
		other := signIn(t, a, "grace", oneseat.Client{})
		wantLive(t, b, g)
		b.down()
		time.Sleep(maxStale)
		if err := peek(t, b, g); err != nil {
			t.Errorf("within MaxStale: %v", err)
		}
		time.Sleep(tick)
		for range 3 {
			for _, token := range []string{string(g.Token), string(other.Token), forged("ada")} {
				_, err := b.Check(t.Context(), token)
				wantError(t, err, oneseat.ErrStoreUnavailable)
				wantError(t, err, errDown)
			}
			wantEnded(t, b, gone, oneseat.SignedOut) // recorded is final, however old the news
			_, err := b.SignIn(t.Context(), "ada", oneseat.Client{})
			wantError(t, err, oneseat.ErrStoreUnavailable)
			_, err = b.Rotate(t.Context(), string(g.Token))
			wantError(t, err, oneseat.ErrStoreUnavailable)
			_, err = b.Sessions(t.Context(), "ada")
			wantError(t, err, oneseat.ErrStoreUnavailable)
			_, err = b.EndAll(t.Context(), "ada", oneseat.Cause{})
			wantError(t, err, oneseat.ErrStoreUnavailable)
			wantError(t, b.SignOut(t.Context(), string(g.Token)), oneseat.ErrStoreUnavailable)
			wantError(t, b.Ping(t.Context()), oneseat.ErrStoreUnavailable)
			time.Sleep(time.Second)
		}
		_, err := b.Check(t.Context(), "oneseat_x")
		wantError(t, err, oneseat.ErrNoSession)

		b.up() // nothing was lost, and nothing has to be done
		wantLive(t, b, g)
		wantLive(t, b, other)
		if err := b.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Second)
		wantLive(t, b, g)
		fromMemory(t, b, g)
		wantEnded(t, b, gone, oneseat.SignedOut)
	})
}

func TestAReadThatNeverComesBackIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{})
		g := signIn(t, a, "ada", oneseat.Client{})
		b.set(func() {
			b.load = func(ctx context.Context, _ []oneseat.Key, _ loadFunc) ([]oneseat.View, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
		})
		began := time.Now()
		_, err := b.Check(t.Context(), string(g.Token))
		wantError(t, err, oneseat.ErrStoreUnavailable)
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("it took %v", took)
		}
		// Who cannot wait so long need not, and holds up nobody else.
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		began = time.Now()
		_, err = b.Check(ctx, string(g.Token))
		wantError(t, err, context.DeadlineExceeded)
		if took := time.Since(began); took != time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

func TestAStoreThatLeavesViewsOutHasNotAnswered(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{MaxStale: oneseat.FreshAlways})
	g := signIn(t, r, "ada", oneseat.Client{})
	r.set(func() {
		r.load = func(ctx context.Context, keys []oneseat.Key, next loadFunc) ([]oneseat.View, error) {
			views, err := next(ctx, keys...)
			return views[:1], err
		}
	})
	_, err := r.Check(t.Context(), string(g.Token))
	wantError(t, err, oneseat.ErrStoreUnavailable)
}

func TestDangerouslyAllowedMemoryGoesOnWhileTheStoreIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{DangerouslyAllowWhenStoreIsDown: true, Idle: 100 * time.Second, Absolute: 200 * time.Second})
		g := signIn(t, a, "ada", oneseat.Client{})
		unseen := signIn(t, a, "grace", oneseat.Client{})
		time.Sleep(10*time.Second - time.Second/2)
		wantLive(t, b, g)
		b.down()
		time.Sleep(time.Second / 2) // a touch is due, which fails
		for range 5 {
			wantLive(t, b, g)
			synctest.Wait()
			time.Sleep(15 * time.Second)
		}
		_, err := b.Check(t.Context(), string(unseen.Token))
		wantError(t, err, oneseat.ErrStoreUnavailable)
		_, err = b.Check(t.Context(), forged("ada"))
		wantError(t, err, oneseat.ErrStoreUnavailable)
		_, err = b.SignIn(t.Context(), "ada", oneseat.Client{})
		wantError(t, err, oneseat.ErrStoreUnavailable)

		// The switch is no reason to doubt what the store says when it answers.
		signIn(t, a, "ada", oneseat.Client{})
		wantLive(t, b, g)
		b.up()
		wantEnded(t, b, g, oneseat.Displaced)

		// Nor does it outlive a timeout.
		b.down()
		time.Sleep(200 * time.Second)
		_, err = b.Check(t.Context(), string(unseen.Token))
		wantError(t, err, oneseat.ErrStoreUnavailable)
	})
}

func TestWithoutTheSwitchAFailedUpdateForgetsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{})
		gone := signIn(t, a, "ada", oneseat.Client{})
		g := signIn(t, a, "ada", oneseat.Client{})
		wantLive(t, b, g)
		b.down()
		_, err := b.SignIn(t.Context(), "ada", oneseat.Client{Token: string(g.Token)})
		wantError(t, err, oneseat.ErrStoreUnavailable)
		wantError(t, b.SignOut(t.Context(), string(g.Token)), oneseat.ErrStoreUnavailable)
		time.Sleep(10 * time.Second)
		wantEnded(t, b, gone, oneseat.Displaced) // only an unknown outcome drops what is known
	})
}

// Forged tokens cost one bounded read and leave nothing in memory; what is there
// stays there.
func TestForgedTokensCacheNothingAndEvictNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{})
		synctest.Wait()
		g := signIn(t, r, "ada", oneseat.Client{})
		cold := signIn(t, newNode(t, r.Store, oneseat.Config{}), "grace", oneseat.Client{})
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

// Checks of one account share a read, but never one that began before them.
func TestAReadServesOnlyChecksThatBeganBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{MaxStale: oneseat.FreshAlways})
		old := signIn(t, a, "ada", oneseat.Client{})
		read, release := delayed(b, "ada")
		go func() { _, _ = b.Check(t.Context(), string(old.Token)) }()
		<-read
		signIn(t, a, "ada", oneseat.Client{})
		loads := b.loads.Load()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				_, err := b.Check(t.Context(), string(old.Token))
				if _, ok := errors.AsType[*oneseat.EndedError](err); !ok {
					t.Errorf("got %v", err)
				}
			})
		}
		synctest.Wait()
		if b.loads.Load() != loads {
			t.Error("two reads at a time")
		}
		release()
		wg.Wait()
		if n := b.loads.Load() - loads; n != 1 {
			t.Errorf("%d reads, want one for all", n)
		}
	})
}

// A row that cannot be read is that account's trouble only.
func TestOneBadRosterDoesNotFailTheOthersOfItsBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{MaxStale: oneseat.FreshAlways})
		bad, good := signIn(t, a, "ada", oneseat.Client{}), signIn(t, a, "grace", oneseat.Client{})
		b.set(func() {
			b.load = func(ctx context.Context, keys []oneseat.Key, next loadFunc) ([]oneseat.View, error) {
				time.Sleep(time.Millisecond)
				for _, k := range keys {
					if k == oneseat.KeyOf(realm, "ada") {
						return nil, &oneseat.FormatError{Problem: "it is damaged"}
					}
				}
				return next(ctx, keys...)
			}
		})
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := b.Check(t.Context(), string(bad.Token)); err == nil {
					t.Error("a damaged roster was believed")
				}
			})
			wg.Go(func() {
				if _, err := b.Check(t.Context(), string(good.Token)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}

func TestTheOperatorHearsOfABrokenLogOnceAndOfItsReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard safeBuffer
		f := &faulty{Store: memstore.New()}
		r := node{newRegistry(t, f, oneseat.Config{Logger: slog.New(slog.NewTextHandler(&heard, nil))}), f}
		synctest.Wait()
		g := signIn(t, r, "ada", oneseat.Client{})
		var calls atomic.Int64
		r.set(func() {
			r.changes = func(context.Context, int, oneseat.Cursor, tailFunc) (oneseat.Tail, error) {
				calls.Add(1)
				return oneseat.Tail{}, errDown
			}
		})
		time.Sleep(time.Minute)
		if n := strings.Count(heard.String(), "the log cannot be read"); n != 1 {
			t.Errorf("it was told %d times: %s", n, heard.String())
		}
		if n := calls.Load(); n < 59 || n > 80 {
			t.Errorf("%d tries in a minute", n)
		}
		if b := r.Stats().Behind; b < 59*time.Second {
			t.Errorf("behind by %v", b)
		}
		wantLive(t, r, g)
		r.up()
		time.Sleep(time.Second)
		if !strings.Contains(heard.String(), "the log can be read again") {
			t.Errorf("the log says %s", heard.String())
		}
		if b := r.Stats().Behind; b > maxStale/4 {
			t.Errorf("behind by %v", b)
		}
		time.Sleep(maxStale)
		wantLive(t, r, g)
		fromMemory(t, r, g)
	})
}

func TestAPushThatBreaksIsTakenUpAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard safeBuffer
		store := memstore.New()
		f := &faulty{Store: store}
		f.wake = func(context.Context, func(int), wakeFunc) error { return errDown }
		a := newNode(t, store, oneseat.Config{})
		r := node{newRegistry(t, f, oneseat.Config{MaxStale: time.Minute, Logger: slog.New(slog.NewTextHandler(&heard, nil))}), f}
		synctest.Wait()
		if !strings.Contains(heard.String(), "the store's push is broken") {
			t.Errorf("the log says %s", heard.String())
		}
		g := signIn(t, a, "ada", oneseat.Client{})
		wantLive(t, r, g)
		r.up()
		time.Sleep(time.Second)
		synctest.Wait()
		signIn(t, a, "ada", oneseat.Client{})
		synctest.Wait() // without waiting for the next look on time, in 15 seconds
		wantEnded(t, r, g, oneseat.Displaced)
	})
}

// The whole of it at once: nodes whose reads, updates and looks at the log take
// their time, whose log has gaps, whose push is broken, whose replies are lost.
// What every check must hold to: a yes is not older than MaxStale, and on the
// node that ended a session there is none; a session that was granted and not
// ended is accepted; an ending stays.
func TestChecksHoldTheirBoundsUnderAllLatencies(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { simulate(t, seed) })
		})
	}
}

func simulate(t *testing.T, seed uint64) {
	const nodes, accounts, steps = 3, 4, 150
	store := memstore.New()
	w := newWorld()
	all := make([]node, nodes)
	for i := range all {
		f := &faulty{Store: store}
		w.slow(f, rand.New(rand.NewPCG(seed, uint64(i))), i)
		all[i] = node{newRegistry(t, f, oneseat.Config{}), f}
	}
	var wg sync.WaitGroup
	for who := range accounts {
		rng := rand.New(rand.NewPCG(seed, uint64(100+who)))
		account := fmt.Sprint("account ", who)
		wg.Go(func() {
			var now oneseat.Grant
			for range steps / 5 {
				n := rng.IntN(nodes)
				g, err := all[n].SignIn(t.Context(), account, oneseat.Client{})
				switch {
				case err == nil:
					w.granted(g, now, n)
					now = g
				case errors.Is(err, oneseat.ErrUnknownOutcome):
					w.doubtful(now)
					now = oneseat.Grant{}
				default:
					if _, ok := errors.AsType[*oneseat.EndedError](err); !ok { // before the reply came
						t.Errorf("sign-in: %v", err)
					}
				}
				time.Sleep(time.Duration(rng.IntN(3000)) * time.Millisecond)
			}
			w.over.Add(1)
		})
	}
	wg.Go(func() {
		rng := rand.New(rand.NewPCG(seed, 300))
		for w.over.Load() < accounts {
			time.Sleep(time.Duration(rng.IntN(20)) * time.Second)
			if n := rng.IntN(nodes); all[n].EndRealm(t.Context(), "") == nil {
				w.realmEnded(n)
			}
		}
	})
	for who := range 2 * nodes {
		rng := rand.New(rand.NewPCG(seed, uint64(200+who)))
		wg.Go(func() {
			for w.over.Load() < accounts {
				time.Sleep(time.Duration(rng.IntN(300)) * time.Millisecond)
				g, ok := w.pick(rng)
				if !ok {
					continue
				}
				n := rng.IntN(nodes)
				began := w.now(g.Session.ID)
				_, err := all[n].Check(t.Context(), string(g.Token))
				w.judge(t, n, g, began, err)
			}
		})
	}
	wg.Wait()
}
