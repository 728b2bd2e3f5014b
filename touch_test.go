package oneseat_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

func TestATouchMovesTheIdleDeadlineAndNotTheAbsoluteOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{Idle: time.Hour, Absolute: 3 * time.Hour, MaxStale: time.Minute})
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		signedIn := time.Now()
		for time.Since(signedIn) < 3*time.Hour-tick {
			wantLive(t, r, g)
			time.Sleep(min(50*time.Minute, 3*time.Hour-tick-time.Since(signedIn)))
		}
		wantLive(t, r, g)
		time.Sleep(tick)
		wantEnded(t, r, g, oneseat.ReasonAbsoluteTimeout)

		// To sign in again begins anew.
		g = signIn(t, r, "ada", oneseat.SignInRequest{Token: string(g.Token)})
		time.Sleep(time.Hour - tick)
		s := wantLive(t, r, g)
		if !s.LastSeen.Equal(time.Now()) {
			t.Errorf("near its deadline a session was last seen at %v, want now: the touch comes before the answer", s.LastSeen)
		}
		if s.Created != g.Session.Created {
			t.Errorf("a touch moved Created to %v", s.Created)
		}
		time.Sleep(time.Hour - tick)
		wantLive(t, r, g)
	})
}

// TMO-04: requests that a page makes by itself keep no session from idling.
func TestAPeekIsNoActivity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{Idle: time.Hour, MaxStale: time.Minute})
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		updates := r.updates.Load()
		for range 59 {
			time.Sleep(time.Minute)
			if err := peek(t, r, g); err != nil {
				t.Fatal(err)
			}
		}
		if n := r.updates.Load() - updates; n != 0 {
			t.Errorf("%d updates", n)
		}
		time.Sleep(time.Minute)
		wantEnding(t, peek(t, r, g), g.Session.ID, oneseat.ReasonIdleTimeout)
	})
}

func TestEveryCheckIsActivity(t *testing.T) {
	for name, check := range map[string]func(t *testing.T, r node, g oneseat.Grant) (oneseat.Session, error){
		"Check": func(t *testing.T, r node, g oneseat.Grant) (oneseat.Session, error) {
			return r.Check(t.Context(), string(g.Token))
		},
		"CheckFresh": func(t *testing.T, r node, g oneseat.Grant) (oneseat.Session, error) {
			return r.CheckFresh(t.Context(), string(g.Token))
		},
		"CheckID": func(t *testing.T, r node, g oneseat.Grant) (oneseat.Session, error) {
			return r.CheckID(t.Context(), "ada", g.Session.ID)
		},
		"CheckAndWatch": func(t *testing.T, r node, g oneseat.Grant) (oneseat.Session, error) {
			var w oneseat.Watch
			defer w.Stop()
			s, err := r.CheckAndWatch(t.Context(), string(g.Token), true, &w, oneseat.WatcherFunc(func(error) {}))
			if err != nil {
				return oneseat.Session{}, err
			}
			return *s, nil
		},
	} {
		for _, memory := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", from memory: ", memory), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newNode(t, memstore.New(), oneseat.Config{Idle: time.Hour, MaxStale: time.Minute})
					synctest.Wait()
					g := signIn(t, r, "ada", oneseat.SignInRequest{})
					time.Sleep(10 * time.Minute)
					if memory {
						if _, err := r.Peek(t.Context(), string(g.Token)); err != nil {
							t.Fatal(err)
						}
					}
					if s, err := check(t, r, g); err != nil || s.ID != g.Session.ID {
						t.Fatal(s, err)
					}
					synctest.Wait()
					if at := stored(t, r.Store, "ada").Roster.Seats[0].LastSeen; !at.Equal(time.Now()) {
						t.Errorf("last seen %v ago", time.Since(at.Time))
					}
				})
			})
		}
	}
}

func TestCheckIDIsActivity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{Idle: time.Hour, MaxStale: time.Minute})
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		for range 10 {
			time.Sleep(50 * time.Minute)
			if s, err := r.CheckID(t.Context(), "ada", g.Session.ID); err != nil || s.ID != g.Session.ID {
				t.Fatal(s, err)
			}
			synctest.Wait()
		}
		_, err := r.CheckID(t.Context(), "ada", "another")
		wantError(t, err, oneseat.ErrNoSession)
		_, err = r.CheckID(t.Context(), "grace", g.Session.ID)
		wantError(t, err, oneseat.ErrNoSession)
		time.Sleep(time.Hour)
		_, err = r.CheckID(t.Context(), "ada", g.Session.ID)
		wantEnding(t, err, g.Session.ID, oneseat.ReasonIdleTimeout)
	})
}

// TMO-09: an interval is five minutes here.
func TestASessionInUseIsWrittenOnceInATouchInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{Limit: 2, DisplaceOrder: oneseat.DisplaceOldest, Idle: time.Hour, TouchEvery: 5 * time.Minute})
		one, two := signIn(t, a, "ada", oneseat.SignInRequest{}), signIn(t, a, "ada", oneseat.SignInRequest{})
		wantLive(t, a, one) // its first use is written in any case
		wantLive(t, a, two)
		writes := func() int64 { synctest.Wait(); return a.writes.Load() + b.writes.Load() }
		checks := func(n int) {
			var wg sync.WaitGroup
			for i := range n {
				r := []node{a, b}[i%2]
				wg.Go(func() { wantLive(t, r, one) })
			}
			wg.Wait()
		}
		signedIn, before, events := time.Now(), writes(), len(logged(t, store, ""))
		for range 99 {
			checks(10)
			time.Sleep(3 * time.Second)
		}
		time.Sleep(3*time.Second - tick)
		checks(10)
		if n := writes() - before; n != 0 {
			t.Errorf("%d writes within the interval", n)
		}
		time.Sleep(tick)
		checks(1000)
		if n := writes() - before; n != 1 {
			t.Errorf("%d writes, want one", n)
		}
		seats := stored(t, store, "ada").Roster.Seats
		if !seats[0].LastSeen.Equal(signedIn.Add(5*time.Minute)) || !seats[1].LastSeen.Equal(signedIn) {
			t.Errorf("last seen: %v and %v", seats[0].LastSeen, seats[1].LastSeen)
		}
		for range 99 { // the next interval
			time.Sleep(3 * time.Second)
			checks(10)
		}
		if n := writes() - before; n != 1 {
			t.Errorf("%d writes, want one", n)
		}
		if n := len(logged(t, store, "")) - events; n != 0 {
			t.Errorf("%d events tell of touches", n)
		}
		// Both nodes know of the touch, so neither asks for it on every check.
		asked := a.updates.Load() + b.updates.Load()
		checks(100)
		synctest.Wait()
		if n := a.updates.Load() + b.updates.Load() - asked; n != 0 {
			t.Errorf("%d updates were asked for", n)
		}
		wantLive(t, a, two)
		if s := a.Stats(); s.Touches == 0 {
			t.Errorf("stats: %+v", s)
		}
	})
}

// Near the deadline the touch comes before the answer; where it cannot be
// written, the answer is no.
func TestNearTheDeadlineNoTouchMeansNo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{Idle: 100 * time.Second}) // an interval is ten
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		time.Sleep(89 * time.Second)
		if err := peek(t, r, g); err != nil {
			t.Fatal(err)
		}
		r.unwritable()
		time.Sleep(time.Second - tick)
		wantLive(t, r, g)
		time.Sleep(tick)
		_, err := r.Check(t.Context(), string(g.Token))
		wantError(t, err, oneseat.ErrStoreUnavailable)
		if err := peek(t, r, g); err != nil {
			t.Errorf("a peek needs no touch: %v", err)
		}
		r.up()
		s := wantLive(t, r, g)
		if !s.LastSeen.Equal(time.Now()) {
			t.Errorf("last seen at %v, want now", s.LastSeen)
		}
		writes := r.writes.Load()
		wantLive(t, r, g)
		synctest.Wait()
		if n := r.writes.Load() - writes; n != 0 {
			t.Errorf("%d more writes", n)
		}
	})
}

// The errors of Check are those that it documents, whatever the store says.
func TestAReplyLostNearTheDeadlineIsAStoreWithoutAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{Idle: 100 * time.Second})
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		time.Sleep(95 * time.Second)
		r.set(func() {
			r.update = func(context.Context, oneseat.Key, change, updateFunc) (oneseat.View, error) {
				return oneseat.View{}, oneseat.ErrUnknownOutcome
			}
		})
		_, err := r.Check(t.Context(), string(g.Token))
		wantError(t, err, oneseat.ErrStoreUnavailable)
		time.Sleep(5 * time.Second)
		_, err = r.Check(t.Context(), string(g.Token))
		wantError(t, err, oneseat.ErrStoreUnavailable)
	})
}

// Timeout against touch: the first commit decides, for every node.
func TestATouchThatCameFirstKeepsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{Idle: 100 * time.Second, MaxStale: oneseat.FreshAlways})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		time.Sleep(99 * time.Second)
		a.set(func() { // a's touch and a's settling are under way for two seconds
			a.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
				v, err := next(ctx, k, c)
				time.Sleep(2 * time.Second)
				return v, err
			}
		})
		done := make(chan oneseat.Session)
		go func() { done <- wantLive(t, a, g) }()
		synctest.Wait()
		time.Sleep(2 * time.Second)
		if s := <-done; !s.LastSeen.Equal(time.Now().Add(-2 * time.Second)) {
			t.Errorf("last seen at %v", s.LastSeen)
		}
		wantLive(t, b, g)

		// The other way round: a read sees it expired, and a touch of another
		// node is in between.
		time.Sleep(90 * time.Second)
		var late atomic.Bool
		late.Store(true)
		b.set(func() {
			b.load = func(ctx context.Context, keys []oneseat.Key, next loadFunc) ([]oneseat.View, error) {
				views, err := next(ctx, keys...)
				if late.Swap(false) {
					for i := range views { // the clock of the read is ahead
						views[i].Now = views[i].Now.Add(time.Hour)
					}
				}
				return views, err
			}
		})
		wantLive(t, b, g)
		late.Store(true)
		if cause := hold(t, b, g).cause(t); cause != nil || late.Load() {
			t.Errorf("a request was told %v", cause)
		}
	})
}

func TestWhatTouchesTooLateIsToldOfTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		r := newNode(t, store, oneseat.Config{Idle: 100 * time.Second})
		hold := func(after func()) {
			r.set(func() {
				r.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
					after()
					return next(ctx, k, c)
				}
			})
		}
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		time.Sleep(99 * time.Second)
		hold(func() { time.Sleep(time.Second) })
		wantEnded(t, r, g, oneseat.ReasonIdleTimeout)

		r.up()
		g = signIn(t, r, "ada", oneseat.SignInRequest{})
		time.Sleep(99 * time.Second)
		hold(func() { deleteRow(t, store, "ada") })
		_, err := r.Check(t.Context(), string(g.Token))
		wantError(t, err, oneseat.ErrNoSession)
		if v := stored(t, store, "ada"); v.Roster != nil {
			t.Errorf("the touch made %+v", v.Roster)
		}

		r.up()
		g = signIn(t, r, "ada", oneseat.SignInRequest{})
		time.Sleep(99 * time.Second)
		hold(func() {
			deleteRow(t, store, "ada")
			other := newNode(t, store, oneseat.Config{})
			signIn(t, other, "ada", oneseat.SignInRequest{})
		})
		_, err = r.Check(t.Context(), string(g.Token))
		wantError(t, err, oneseat.ErrNoSession)
	})
}
