package oneseat_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

const tick = time.Microsecond // what a store's time is made of

func peek(t testing.TB, r node, g oneseat.Grant) error {
	t.Helper()
	_, err := r.Peek(t.Context(), string(g.Token))
	return err
}

func TestASessionIdlesOutExactlyAtItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{Idle: 100 * time.Second})
		g := signIn(t, a, "ada", oneseat.Client{Device: laptop})
		time.Sleep(100*time.Second - tick)
		for _, r := range []node{a, b} {
			if err := peek(t, r, g); err != nil {
				t.Fatalf("before the deadline: %v", err)
			}
		}
		time.Sleep(tick)
		ending := wantEnded(t, a, g, oneseat.IdleTimeout)
		if !ending.At.Equal(time.Now()) || ending.Device != laptop || ending.By != "" {
			t.Errorf("the ending is %+v", ending)
		}
		// It was recorded before it was answered: every node says the same.
		if stored(t, store, "ada").Roster.Endings[0].Ending != ending {
			t.Error("it is not recorded")
		}
		time.Sleep(time.Second)
		if again := wantEnded(t, b, g, oneseat.IdleTimeout); again != ending {
			t.Errorf("another node says %+v, want %+v", again, ending)
		}
	})
}

func TestATouchMovesTheIdleDeadlineAndNotTheAbsoluteOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{Idle: time.Hour, Absolute: 3 * time.Hour, MaxStale: time.Minute})
		g := signIn(t, r, "ada", oneseat.Client{})
		signedIn := time.Now()
		for time.Since(signedIn) < 3*time.Hour-tick {
			wantLive(t, r, g)
			time.Sleep(min(50*time.Minute, 3*time.Hour-tick-time.Since(signedIn)))
		}
		wantLive(t, r, g)
		time.Sleep(tick)
		wantEnded(t, r, g, oneseat.AbsoluteTimeout)

		// To sign in again begins anew.
		g = signIn(t, r, "ada", oneseat.Client{Token: string(g.Token)})
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

func TestNothingTimesOutWhereNothingIsSaidTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var clock skewed
		store := memstore.NewAt(clock.now)
		r := newNode(t, store, oneseat.Config{Idle: oneseat.NoTimeout, Absolute: oneseat.NoTimeout})
		g := signIn(t, r, "ada", oneseat.Client{})
		clock.move(20 * 365 * 24 * time.Hour)
		time.Sleep(2 * time.Second)
		wantLive(t, r, g)
		if due := stored(t, store, "ada").Roster.Due; !due.IsZero() {
			t.Errorf("due at %v", due)
		}
	})
}

func TestTheDefaultsAreTwoWeeksAndNinetyDays(t *testing.T) {
	const day = 24 * time.Hour
	synctest.Test(t, func(t *testing.T) {
		var clock skewed
		r := newNode(t, memstore.NewAt(clock.now), oneseat.Config{})
		pass := func(d time.Duration) { // more than a minute of it on the node, so that it asks the store again
			synctest.Wait()
			clock.move(d - 2*time.Minute)
			time.Sleep(2 * time.Minute)
		}
		g := signIn(t, r, "ada", oneseat.Client{})
		pass(14*day - time.Second)
		wantLive(t, r, g)
		pass(14 * day)
		wantEnded(t, r, g, oneseat.IdleTimeout)

		g = signIn(t, r, "ada", oneseat.Client{})
		for range 8 {
			pass(10 * day)
			wantLive(t, r, g)
		}
		pass(10*day - 3*time.Minute)
		wantLive(t, r, g)
		pass(3*time.Minute + time.Second)
		wantEnded(t, r, g, oneseat.AbsoluteTimeout)
	})
}

// TMO-04: what a page does by itself keeps nobody signed in.
func TestAPeekIsNoActivity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{Idle: time.Hour, MaxStale: time.Minute})
		g := signIn(t, r, "ada", oneseat.Client{})
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
		wantEnding(t, peek(t, r, g), g.Session.ID, oneseat.IdleTimeout)
	})
}

func TestCheckIDIsActivity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{Idle: time.Hour, MaxStale: time.Minute})
		g := signIn(t, r, "ada", oneseat.Client{})
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
		wantEnding(t, err, g.Session.ID, oneseat.IdleTimeout)
	})
}

// TMO-09: an interval is five minutes here.
func TestASessionInUseIsWrittenOnceInATouchInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{Limit: 2, Idle: time.Hour, TouchEvery: 5 * time.Minute})
		one, two := signIn(t, a, "ada", oneseat.Client{}), signIn(t, a, "ada", oneseat.Client{})
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
		if s := a.Stats(); s.Touches == 0 || s.Touches > 2 {
			t.Errorf("stats: %+v", s)
		}
	})
}

// Near the deadline the touch comes before the answer; where it cannot be
// written, the answer is no.
func TestNearTheDeadlineNoTouchMeansNo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{Idle: 100 * time.Second}) // an interval is ten
		g := signIn(t, r, "ada", oneseat.Client{})
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
		g := signIn(t, r, "ada", oneseat.Client{})
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

// Timeout against touch: whoever commits first decides, for everybody.
func TestATouchThatCameFirstKeepsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{Idle: 100 * time.Second, MaxStale: oneseat.FreshAlways})
		g := signIn(t, a, "ada", oneseat.Client{})
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
		late := true
		b.set(func() {
			b.load = func(ctx context.Context, keys []oneseat.Key, next loadFunc) ([]oneseat.View, error) {
				views, err := next(ctx, keys...)
				if late {
					late = false
					for i := range views { // the clock of the read is ahead
						views[i].Now = views[i].Now.Add(time.Hour)
					}
				}
				return views, err
			}
		})
		wantLive(t, b, g)
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
		g := signIn(t, r, "ada", oneseat.Client{})
		time.Sleep(99 * time.Second)
		hold(func() { time.Sleep(time.Second) })
		wantEnded(t, r, g, oneseat.IdleTimeout)

		r.up()
		g = signIn(t, r, "ada", oneseat.Client{})
		time.Sleep(99 * time.Second)
		hold(func() { deleteRow(t, store, "ada") })
		_, err := r.Check(t.Context(), string(g.Token))
		wantError(t, err, oneseat.ErrNoSession)
		if v := stored(t, store, "ada"); v.Roster != nil {
			t.Errorf("the touch made %+v", v.Roster)
		}

		r.up()
		g = signIn(t, r, "ada", oneseat.Client{})
		time.Sleep(99 * time.Second)
		hold(func() {
			deleteRow(t, store, "ada")
			other := newNode(t, store, oneseat.Config{})
			signIn(t, other, "ada", oneseat.Client{})
		})
		_, err = r.Check(t.Context(), string(g.Token))
		wantError(t, err, oneseat.ErrNoSession)
	})
}

// P3: a touch in the background that reaches the store after the deadline does
// not bring the session back.
func TestABackgroundTouchThatComesTooLateDoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		r := newNode(t, store, oneseat.Config{Idle: 100 * time.Second})
		g := signIn(t, r, "ada", oneseat.Client{})
		time.Sleep(50 * time.Second)
		r.set(func() {
			r.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
				time.Sleep(50 * time.Second)
				return next(context.WithoutCancel(ctx), k, c)
			}
		})
		wantLive(t, r, g)
		synctest.Wait()
		r.up()
		time.Sleep(50 * time.Second)
		synctest.Wait()
		wantEnded(t, r, g, oneseat.IdleTimeout)
	})
}

// P3: a sign-out that finds the session timed out has recorded that when it
// returns, so that a touch that was under way comes too late.
func TestASignOutRecordsThatTheSessionHadTimedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		r := newNode(t, store, oneseat.Config{Idle: time.Hour})
		g := signIn(t, r, "ada", oneseat.Client{})
		time.Sleep(time.Hour)
		if err := signOut(t, r, g); err != nil {
			t.Fatal(err)
		}
		ro := stored(t, store, "ada").Roster
		if len(ro.Seats) != 0 || len(ro.Endings) != 1 || ro.Endings[0].Reason != oneseat.IdleTimeout {
			t.Errorf("the roster is %+v", ro)
		}
	})
}

func TestATimeoutThatCannotBeRecordedIsNotAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{Idle: 100 * time.Second})
		g := signIn(t, a, "ada", oneseat.Client{})
		time.Sleep(100 * time.Second)
		a.unwritable()
		for _, ask := range []func(context.Context, string) (oneseat.Session, error){a.Check, a.Peek} {
			_, err := ask(t.Context(), string(g.Token))
			wantError(t, err, oneseat.ErrStoreUnavailable)
		}
		ending := wantEnded(t, b, g, oneseat.IdleTimeout)
		a.up()
		if again := wantEnded(t, a, g, oneseat.IdleTimeout); again != ending {
			t.Errorf("two endings: %+v and %+v", again, ending)
		}
	})
}

// LIM-11: what has timed out frees its seat though no sweep ran, and is in no
// list.
func TestATimedOutSessionHoldsNoSeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		r := newNode(t, store, oneseat.Config{Idle: 100 * time.Second, WhenFull: oneseat.Refuse})
		r.set(func() { r.due = func(context.Context, string, int) ([]oneseat.Key, error) { return nil, nil } })
		old := signIn(t, r, "ada", oneseat.Client{})
		time.Sleep(100 * time.Second)
		if live, err := r.Sessions(t.Context(), "ada"); err != nil || len(live) != 0 {
			t.Errorf("live: %+v, %v", live, err)
		}
		if len(stored(t, store, "ada").Roster.Seats) != 1 {
			t.Error("somebody swept")
		}
		g := signIn(t, r, "ada", oneseat.Client{})
		wantLive(t, r, g)
		wantEnded(t, r, old, oneseat.IdleTimeout)
		if n, err := r.EndOthers(t.Context(), "ada", g.Session.ID, oneseat.Cause{}); n != 0 || err != nil {
			t.Error(n, err)
		}
	})
}

func TestTheSweepRecordsTimeoutsAndErasesWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		r := newNode(t, store, oneseat.Config{Idle: time.Hour, KeepEndings: 2 * time.Hour, MaxStale: time.Minute, Limit: 2})
		const accounts = 250 // more than two pages of the sweep
		var some []oneseat.Grant
		for i := range accounts {
			some = append(some, signIn(t, r, fmt.Sprint("account ", i), oneseat.Client{}))
		}
		keeper := signIn(t, r, "keeper", oneseat.Client{})
		time.Sleep(58 * time.Minute)
		wantLive(t, r, keeper)
		time.Sleep(4 * time.Minute) // a sweep comes every minute and a half at most
		for _, g := range some {
			v := stored(t, store, g.Session.Account)
			if len(v.Roster.Seats) != 0 || v.Roster.Endings[0].Reason != oneseat.IdleTimeout {
				t.Fatalf("%s: %+v", g.Session.Account, v.Roster)
			}
		}
		if n := count(logged(t, store, some[7].Session.Account), oneseat.SessionEnded); n != 1 {
			t.Errorf("%d events", n)
		}
		wantEnded(t, r, some[7], oneseat.IdleTimeout)
		time.Sleep(30 * time.Minute)
		wantLive(t, r, keeper)

		ended := stored(t, store, some[0].Session.Account).Roster.Endings[0].At
		time.Sleep(2*time.Hour - tick - time.Since(ended))
		wantEnded(t, r, some[0], oneseat.IdleTimeout)
		time.Sleep(4 * time.Minute)
		for _, g := range some {
			if v := stored(t, store, g.Session.Account); v.Roster != nil {
				t.Fatalf("%s: %+v", g.Session.Account, v.Roster)
			}
		}
		_, err := r.Check(t.Context(), string(some[0].Token))
		wantError(t, err, oneseat.ErrNoSession) // as if it had never been
		if stored(t, store, "").Roster == nil {
			t.Error("the control record was swept away")
		}
		if keys, err := store.Due(t.Context(), realm, 10); err != nil || len(keys) > 1 {
			t.Errorf("still due: %v, %v", keys, err)
		}
		// An account that comes back is as good as new.
		wantLive(t, r, signIn(t, r, some[0].Session.Account, oneseat.Client{}))
	})
}

// An ending is dropped where others of its account are kept.
func TestAnEndingIsToldAsLongAsItIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{KeepEndings: time.Hour, MaxStale: time.Minute})
		first := signIn(t, r, "ada", oneseat.Client{})
		second := signIn(t, r, "ada", oneseat.Client{})
		time.Sleep(30 * time.Minute)
		third := signIn(t, r, "ada", oneseat.Client{})
		time.Sleep(30*time.Minute - tick)
		wantEnded(t, r, first, oneseat.Displaced)
		time.Sleep(3 * time.Minute)
		_, err := r.Check(t.Context(), string(first.Token))
		wantError(t, err, oneseat.ErrNoSession)
		wantEnded(t, r, second, oneseat.Displaced)
		wantLive(t, r, third)
	})
}

// REV-08: once an hour and session, not once a request.
func TestUseAfterTheEndIsReportedOnceAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{MaxStale: time.Minute})
		old := signIn(t, a, "ada", oneseat.Client{Device: laptop})
		signIn(t, a, "ada", oneseat.Client{})
		time.Sleep(time.Second)
		use := func() {
			for range 50 {
				for _, r := range []node{a, b} {
					wantEnded(t, r, old, oneseat.Displaced)
				}
			}
			synctest.Wait()
		}
		used := func() (n int) { return count(logged(t, store, "ada"), oneseat.SessionUsedAfterEnd) }
		use()
		if n := used(); n != 1 {
			t.Fatalf("%d events, want one", n)
		}
		events := logged(t, store, "ada")
		if e := events[len(events)-1]; e.Session != old.Session.ID || e.Reason != oneseat.Displaced || e.Device != laptop {
			t.Errorf("the event is %+v", e)
		}
		time.Sleep(time.Hour - tick)
		use()
		if n := used(); n != 1 {
			t.Fatalf("%d events within the hour, want one", n)
		}
		time.Sleep(tick)
		use()
		if n := used(); n != 2 {
			t.Fatalf("%d events after an hour, want two", n)
		}
		// An id is not a secret that was copied: its use tells nothing.
		time.Sleep(time.Hour)
		_, err := a.CheckID(t.Context(), "ada", old.Session.ID)
		wantEnding(t, err, old.Session.ID, oneseat.Displaced)
		synctest.Wait()
		if n := used(); n != 2 {
			t.Errorf("%d events after an id was used, want two", n)
		}
	})
}

// A session that was ended while its use was on its way to be noted.
func TestANoteOfUseMakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		r := newNode(t, store, oneseat.Config{})
		old := signIn(t, r, "ada", oneseat.Client{})
		signIn(t, r, "ada", oneseat.Client{})
		r.set(func() {
			r.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
				deleteRow(t, store, "ada")
				return next(ctx, k, c)
			}
		})
		wantEnded(t, r, old, oneseat.Displaced)
		synctest.Wait()
		if v := stored(t, store, "ada"); v.Roster != nil {
			t.Errorf("it made %+v", v.Roster)
		}
	})
}

// One clock decides: the store's. A node whose own is wrong by hours is wrong
// about nothing.
func TestANodesOwnClockDecidesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		fast, slow := newClocks(), newClocks()
		fast.wall.Store(int64(5 * time.Hour))
		slow.wall.Store(-int64(5 * time.Hour))
		for account, c := range map[string]*clocks{"ada": fast, "grace": slow} {
			r := newNode(t, store, oneseat.Config{Idle: 100 * time.Second, Clock: c.read})
			g := signIn(t, r, account, oneseat.Client{})
			if !g.Session.Created.Equal(time.Now()) {
				t.Errorf("signed in at %v", g.Session.Created)
			}
			time.Sleep(100*time.Second - tick)
			if err := peek(t, r, g); err != nil {
				t.Fatal(err)
			}
			time.Sleep(tick)
			wantEnding(t, peek(t, r, g), g.Session.ID, oneseat.IdleTimeout)
		}
	})
}

// A store's clock that is set back does not undo time for a roster.
func TestTheStoresClockSetBackRevivesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var clock skewed
		r := newNode(t, memstore.NewAt(clock.now), oneseat.Config{Idle: 100 * time.Second})
		old := signIn(t, r, "ada", oneseat.Client{})
		time.Sleep(100 * time.Second)
		ending := wantEnded(t, r, old, oneseat.IdleTimeout)
		clock.move(-3 * time.Hour)
		time.Sleep(2 * time.Minute)
		if again := wantEnded(t, r, old, oneseat.IdleTimeout); again != ending {
			t.Errorf("got %+v, want %+v", again, ending)
		}
		g := signIn(t, r, "ada", oneseat.Client{})
		if g.Session.Created.Before(ending.At) {
			t.Errorf("signed in at %v, before the ending", g.Session.Created)
		}
		wantLive(t, r, g)
	})
}

// A store may call a roster due too early, or one that has gone since: then
// there is nothing to do, and the sweep comes to an end.
func TestASweepOfWhatIsNotDueComesToAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{MaxStale: time.Minute})
		keys := []oneseat.Key{oneseat.KeyOf(realm, ""), oneseat.KeyOf(realm, "nobody")}
		var all []oneseat.Grant
		for i := range 120 {
			g := signIn(t, r, fmt.Sprint("account ", i), oneseat.Client{})
			all = append(all, g)
			keys = append(keys, oneseat.KeyOf(realm, g.Session.Account))
		}
		var asked atomic.Int64
		r.set(func() {
			r.due = func(_ context.Context, _ string, limit int) ([]oneseat.Key, error) {
				if asked.Add(1) > 1000 {
					return nil, nil
				}
				return keys[:min(limit, len(keys))], nil
			}
		})
		writes := r.writes.Load()
		time.Sleep(10 * time.Minute)
		if n := asked.Load(); n > 40 {
			t.Errorf("it asked %d times in ten minutes", n)
		}
		if n := r.writes.Load() - writes; n != 0 {
			t.Errorf("%d writes", n)
		}
		for _, g := range all {
			wantLive(t, r, g)
		}
	})
}

// What the realm's end took stays that, whoever settles the roster first.
func TestATimeoutDoesNotTakeWhatTheRealmsEndHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{Limit: 2, Idle: time.Hour, MaxStale: time.Minute})
		for _, r := range []node{a, b} {
			r.set(func() { r.due = func(context.Context, string, int) ([]oneseat.Key, error) { return nil, nil } })
		}
		g, other := signIn(t, a, "ada", oneseat.Client{}), signIn(t, a, "ada", oneseat.Client{})
		if err := signOut(t, a, other); err != nil {
			t.Fatal(err)
		}
		endRealm(t, a, "")
		time.Sleep(time.Second)
		wantEnded(t, b, g, oneseat.RealmEnded)
		time.Sleep(time.Hour)
		wantEnded(t, b, other, oneseat.SignedOut) // its use is noted, and the roster settled
		synctest.Wait()
		wantEnded(t, b, g, oneseat.RealmEnded)
	})
}

func TestASweepThatFailsGoesOnLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard safeBuffer
		store := memstore.New()
		f := &faulty{Store: store}
		r := node{newRegistry(t, f, oneseat.Config{Idle: time.Hour, MaxStale: time.Minute, Logger: slog.New(slog.NewTextHandler(&heard, nil))}), f}
		signIn(t, r, "ada", oneseat.Client{})
		time.Sleep(time.Hour)
		for _, broken := range []func(){r.unreadable, r.unwritable, func() {
			r.set(func() {
				r.due = func(context.Context, string, int) ([]oneseat.Key, error) { return nil, errDown }
			})
		}} {
			broken()
			heard.Reset()
			time.Sleep(2 * time.Minute)
			if len(stored(t, store, "ada").Roster.Seats) != 1 {
				t.Fatal("it was swept")
			}
			if !strings.Contains(heard.String(), "sweeping stopped") {
				t.Errorf("the log says %q", heard.String())
			}
			r.up()
		}
		time.Sleep(4 * time.Minute)
		if len(stored(t, store, "ada").Roster.Seats) != 0 {
			t.Error("it was not swept")
		}
	})
}

// A row that cannot be read is left alone, and is no reason to leave the others
// unswept.
func TestOneBadRosterDoesNotStopTheSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		r := newNode(t, store, oneseat.Config{Idle: time.Hour, MaxStale: time.Minute})
		bad := oneseat.KeyOf(realm, "ada")
		signIn(t, r, "ada", oneseat.Client{})
		time.Sleep(time.Second)
		const others = 250 // more than two pages of the sweep
		for i := range others {
			signIn(t, r, fmt.Sprint("account ", i), oneseat.Client{})
		}
		var tries atomic.Int64
		r.set(func() {
			r.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
				if k == bad {
					tries.Add(1)
					return oneseat.View{}, &oneseat.FormatError{Problem: "it is damaged"}
				}
				return next(ctx, k, c)
			}
		})
		time.Sleep(time.Hour + 5*time.Minute)
		for i := range others {
			if len(stored(t, store, fmt.Sprint("account ", i)).Roster.Seats) != 0 {
				t.Fatalf("account %d was not swept", i)
			}
		}
		if n := tries.Load(); n > 10 {
			t.Errorf("it was tried %d times in five minutes", n)
		}
	})
}

func TestABackgroundUpdateThatFailsIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard safeBuffer
		store := memstore.New()
		f := &faulty{Store: store}
		r := node{newRegistry(t, f, oneseat.Config{Idle: time.Hour, Logger: slog.New(slog.NewTextHandler(&heard, nil))}), f}
		g := signIn(t, r, "ada", oneseat.Client{})
		time.Sleep(5 * time.Minute)
		r.unwritable()
		wantLive(t, r, g)
		synctest.Wait()
		if !strings.Contains(heard.String(), "a background update failed") {
			t.Errorf("the log says %q", heard.String())
		}
		r.up()
		wantLive(t, r, g)
		synctest.Wait()
		if at := stored(t, store, "ada").Roster.Seats[0].LastSeen; !at.Equal(time.Now()) {
			t.Errorf("last seen at %v", at)
		}
	})
}

// When more is to be noted than can be queued, checks do not wait.
func TestAFullQueueOfChoresHoldsUpNoCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		r := newNode(t, store, oneseat.Config{Idle: time.Hour, MaxStale: time.Minute})
		const n = 1100
		var all []oneseat.Grant
		for i := range n {
			all = append(all, signIn(t, r, fmt.Sprint("account ", i), oneseat.Client{}))
		}
		time.Sleep(5 * time.Minute)
		release := make(chan struct{})
		r.set(func() {
			r.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
				<-release
				return next(ctx, k, c)
			}
		})
		began := time.Now()
		for _, g := range all {
			wantLive(t, r, g)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the checks took %v", took)
		}
		writes := r.writes.Load()
		close(release)
		synctest.Wait()
		if got := r.writes.Load() - writes; got < 1024 || got >= n {
			t.Errorf("%d were written", got)
		}
		for _, g := range all {
			wantLive(t, r, g)
		}
		synctest.Wait()
		if got := r.writes.Load() - writes; got != n {
			t.Errorf("%d were written in the end, want all %d", got, n)
		}
	})
}

// safeBuffer is a log that a test reads while it is written.
type safeBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *safeBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func (s *safeBuffer) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.b.Reset()
}
