package oneseat_test

import (
	"context"
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
		g := signIn(t, a, "ada", oneseat.SignInRequest{Device: laptop})
		time.Sleep(100*time.Second - tick)
		for _, r := range []node{a, b} {
			if err := peek(t, r, g); err != nil {
				t.Fatalf("before the deadline: %v", err)
			}
		}
		time.Sleep(tick)
		ending := wantEnded(t, a, g, oneseat.ReasonIdleTimeout)
		if !ending.At.Equal(time.Now()) || ending.Device != laptop || ending.By != "" {
			t.Errorf("the ending is %+v", ending)
		}
		// It was recorded before it was answered: every node says the same.
		if stored(t, store, "ada").Roster.Endings[0].Ending() != ending {
			t.Error("it is not recorded")
		}
		time.Sleep(time.Second)
		if again := wantEnded(t, b, g, oneseat.ReasonIdleTimeout); again != ending {
			t.Errorf("another node says %+v, want %+v", again, ending)
		}
	})
}

func TestNothingTimesOutWhereNothingIsSaidTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var clock skewed
		store := memstore.NewAt(clock.now)
		r := newNode(t, store, oneseat.Config{Idle: oneseat.NoTimeout, Absolute: oneseat.NoTimeout})
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
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
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		pass(14*day - time.Second)
		wantLive(t, r, g)
		pass(14 * day)
		wantEnded(t, r, g, oneseat.ReasonIdleTimeout)

		g = signIn(t, r, "ada", oneseat.SignInRequest{})
		for range 8 {
			pass(10 * day)
			wantLive(t, r, g)
		}
		pass(10*day - 3*time.Minute)
		wantLive(t, r, g)
		pass(3*time.Minute + time.Second)
		wantEnded(t, r, g, oneseat.ReasonAbsoluteTimeout)
	})
}

// P3: a touch in the background that reaches the store after the deadline does
// not bring the session back.
func TestABackgroundTouchThatComesTooLateDoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		r := newNode(t, store, oneseat.Config{Idle: 100 * time.Second})
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
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
		wantEnded(t, r, g, oneseat.ReasonIdleTimeout)
	})
}

// P3: a sign-out that finds the session timed out has recorded that when it
// returns, so that a touch that was under way comes too late.
func TestASignOutRecordsThatTheSessionHadTimedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		r := newNode(t, store, oneseat.Config{Idle: time.Hour})
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		time.Sleep(time.Hour)
		wantEnding(t, signOut(t, r, g), g.Session.ID, oneseat.ReasonIdleTimeout)
		ro := stored(t, store, "ada").Roster
		if len(ro.Seats) != 0 || len(ro.Endings) != 1 || ro.Endings[0].Reason != oneseat.ReasonIdleTimeout {
			t.Errorf("the roster is %+v", ro)
		}
	})
}

func TestATimeoutThatCannotBeRecordedIsNotAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{Idle: 100 * time.Second})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		time.Sleep(100 * time.Second)
		a.unwritable()
		for _, ask := range []func(context.Context, string) (oneseat.Session, error){a.Check, a.Peek} {
			_, err := ask(t.Context(), string(g.Token))
			wantError(t, err, oneseat.ErrStoreUnavailable)
		}
		ending := wantEnded(t, b, g, oneseat.ReasonIdleTimeout)
		a.up()
		if again := wantEnded(t, a, g, oneseat.ReasonIdleTimeout); again != ending {
			t.Errorf("two endings: %+v and %+v", again, ending)
		}
	})
}

// LIM-11: what has timed out frees its seat though no sweep ran, and is in no
// list.
func TestATimedOutSessionHoldsNoSeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		r := newNode(t, store, oneseat.Config{Idle: 100 * time.Second, WhenFull: oneseat.PolicyRefuse})
		r.set(func() { r.due = func(context.Context, string, int) ([]oneseat.Key, error) { return nil, nil } })
		old := signIn(t, r, "ada", oneseat.SignInRequest{})
		time.Sleep(100 * time.Second)
		if live, err := r.Sessions(t.Context(), "ada"); err != nil || len(live) != 0 {
			t.Errorf("live: %+v, %v", live, err)
		}
		if len(stored(t, store, "ada").Roster.Seats) != 1 {
			t.Error("somebody swept")
		}
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		wantLive(t, r, g)
		wantEnded(t, r, old, oneseat.ReasonIdleTimeout)
		if n, err := r.EndOthers(t.Context(), "ada", g.Session.ID, oneseat.EndOptions{}); n != 0 || err != nil {
			t.Error(n, err)
		}
	})
}

// An ending is dropped where others of its account are kept.
func TestAnEndingIsToldAsLongAsItIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{KeepEndings: time.Hour, MaxStale: time.Minute})
		first := signIn(t, r, "ada", oneseat.SignInRequest{})
		second := signIn(t, r, "ada", oneseat.SignInRequest{})
		time.Sleep(30 * time.Minute)
		third := signIn(t, r, "ada", oneseat.SignInRequest{})
		time.Sleep(30*time.Minute - tick)
		wantEnded(t, r, first, oneseat.ReasonDisplaced)
		time.Sleep(3 * time.Minute)
		_, err := r.Check(t.Context(), string(first.Token))
		wantError(t, err, oneseat.ErrNoSession)
		wantEnded(t, r, second, oneseat.ReasonDisplaced)
		wantLive(t, r, third)
	})
}

// One clock decides: the store's. A node whose own clock is wrong by hours still answers
// right.
func TestANodesOwnClockDecidesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		fast, slow := newClocks(), newClocks()
		fast.wall.Store(int64(5 * time.Hour))
		slow.wall.Store(-int64(5 * time.Hour))
		for account, c := range map[string]*clocks{"ada": fast, "grace": slow} {
			r := newNode(t, store, oneseat.Config{Idle: 100 * time.Second, Clock: c.read})
			g := signIn(t, r, account, oneseat.SignInRequest{})
			if !g.Session.Created.Equal(time.Now()) {
				t.Errorf("signed in at %v", g.Session.Created)
			}
			time.Sleep(100*time.Second - tick)
			if err := peek(t, r, g); err != nil {
				t.Fatal(err)
			}
			time.Sleep(tick)
			wantEnding(t, peek(t, r, g), g.Session.ID, oneseat.ReasonIdleTimeout)
		}
	})
}

// A store's clock that is set back does not undo time for a roster.
func TestTheStoresClockSetBackRevivesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var clock skewed
		r := newNode(t, memstore.NewAt(clock.now), oneseat.Config{Idle: 100 * time.Second})
		old := signIn(t, r, "ada", oneseat.SignInRequest{})
		time.Sleep(100 * time.Second)
		ending := wantEnded(t, r, old, oneseat.ReasonIdleTimeout)
		clock.move(-3 * time.Hour)
		time.Sleep(2 * time.Minute)
		if again := wantEnded(t, r, old, oneseat.ReasonIdleTimeout); again != ending {
			t.Errorf("got %+v, want %+v", again, ending)
		}
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		if g.Session.Created.Before(ending.At) {
			t.Errorf("signed in at %v, before the ending", g.Session.Created)
		}
		wantLive(t, r, g)
	})
}

// A session that ended with the realm has that reason, whichever operation settles the
// roster first.
func TestATimeoutDoesNotTakeWhatTheRealmsEndHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{Limit: 2, Idle: time.Hour, MaxStale: time.Minute})
		for _, r := range []node{a, b} {
			r.set(func() { r.due = func(context.Context, string, int) ([]oneseat.Key, error) { return nil, nil } })
		}
		g, other := signIn(t, a, "ada", oneseat.SignInRequest{}), signIn(t, a, "ada", oneseat.SignInRequest{})
		if err := signOut(t, a, other); err != nil {
			t.Fatal(err)
		}
		endRealm(t, a, "")
		time.Sleep(time.Second)
		wantEnded(t, b, g, oneseat.ReasonRealmEnded)
		time.Sleep(time.Hour)
		wantEnded(t, b, other, oneseat.ReasonSignedOut) // its use is noted, and the roster settled
		synctest.Wait()
		wantEnded(t, b, g, oneseat.ReasonRealmEnded)
	})
}

// How long a session lasts is said by the store's clock too.
func TestTimeLeftIsSaidByTheStoresClockAndByTheLatestUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrong := newClocks()
		wrong.wall.Store(int64(5 * time.Hour))
		r := newNode(t, memstore.New(), oneseat.Config{Idle: time.Hour, Absolute: 3 * time.Hour, TouchEvery: time.Minute, Clock: wrong.read})
		want := func(s oneseat.Session, idle, absolute time.Duration) {
			t.Helper()
			if i, a := r.TimeLeft(s); i != idle || a != absolute {
				t.Errorf("%v and %v are left, want %v and %v", i, a, idle, absolute)
			}
		}
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		want(g.Session, time.Hour, 3*time.Hour)
		time.Sleep(10 * time.Minute)
		if err := peek(t, r, g); err != nil {
			t.Fatal(err)
		}
		want(g.Session, 50*time.Minute, 170*time.Minute)
		wantLive(t, r, g) // a use, which is written in the background
		synctest.Wait()
		want(g.Session, time.Hour, 170*time.Minute)
		newer := g.Session
		newer.LastSeen = newer.LastSeen.Add(30 * time.Minute) // later than what is in memory
		want(newer, 80*time.Minute, 170*time.Minute)
		time.Sleep(time.Second)
		want(g.Session, time.Hour-time.Second, 170*time.Minute-time.Second)

		g.Session.Created, g.Session.LastSeen = time.Now(), time.Now()
		r = newNode(t, memstore.New(), oneseat.Config{Idle: time.Hour})
		want(g.Session, time.Hour, 90*24*time.Hour) // nothing of it is in memory
		time.Sleep(2 * time.Hour)
		want(g.Session, 0, 90*24*time.Hour-2*time.Hour)

		r = newNode(t, memstore.New(), oneseat.Config{Idle: oneseat.NoTimeout, Absolute: oneseat.NoTimeout})
		want(signIn(t, r, "ada", oneseat.SignInRequest{}).Session, oneseat.NoTimeout, oneseat.NoTimeout)
	})
}
