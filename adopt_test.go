package oneseat_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// adopting is a registry that adopts older sessions for another day.
func adopting(t *testing.T, c oneseat.Config) *oneseat.Registry {
	t.Helper()
	c.AdoptUntil = time.Now().Add(24 * time.Hour)
	c.MaxStale = time.Minute // or the day would be hundreds of thousands of looks at the log
	return newRegistry(t, memstore.New(), c)
}

func TestAnOlderSessionGetsASeatThroughTheDoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seats := adopting(t, oneseat.Config{})
		issued := time.Now().Add(-time.Hour)
		g, err := seats.Adopt(t.Context(), "ada", issued, oneseat.SignInRequest{})
		if err != nil || !g.Session.Created.Equal(issued) {
			t.Fatal(g.Session, err)
		}
		if s, err := seats.Check(t.Context(), string(g.Token)); err != nil || s.Account != "ada" {
			t.Fatal(s, err)
		}
	})
}

func TestAnAdoptedSessionNeverDisplacesALaterSignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seats := adopting(t, oneseat.Config{})
		issued := time.Now()
		time.Sleep(time.Second) // virtual
		later, err := seats.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
		if err != nil {
			t.Fatal(err)
		}
		for _, since := range []time.Time{issued, {}, later.Session.Created} {
			if _, err := seats.Adopt(t.Context(), "ada", since, oneseat.SignInRequest{}); !errors.Is(err, oneseat.ErrNoSession) {
				t.Fatalf("issued %v: %v", since, err)
			}
		}
		if _, err := seats.Check(t.Context(), string(later.Token)); err != nil {
			t.Fatal(err)
		}
	})
}

// A request of that browser comes again and again: an event for each would fill the log.
func TestAnAdoptionThatIsRefusedIsNoEvent(t *testing.T) {
	store := memstore.New()
	seats := newRegistry(t, store, oneseat.Config{AdoptUntil: time.Now().Add(time.Hour)})
	signIn(t, seats, "ada", oneseat.SignInRequest{})
	before := len(logged(t, store, "ada"))
	if _, err := seats.Adopt(t.Context(), "ada", time.Time{}, oneseat.SignInRequest{}); !errors.Is(err, oneseat.ErrNoSession) {
		t.Fatal(err)
	}
	if events := logged(t, store, "ada")[before:]; len(events) > 0 {
		t.Errorf("events: %+v", events)
	}
}

func TestOfTwoOlderSessionsTheNewerHasTheSeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		seats := adopting(t, oneseat.Config{})
		old, err := seats.Adopt(t.Context(), "ada", now.Add(-2*time.Hour), oneseat.SignInRequest{})
		if err != nil {
			t.Fatal(err)
		}
		newer, err := seats.Adopt(t.Context(), "ada", now.Add(-time.Hour), oneseat.SignInRequest{})
		if err != nil || len(newer.Displaced) != 1 || newer.Displaced[0].Session != old.Session.ID {
			t.Fatalf("%+v, %v", newer.Displaced, err)
		}
		over, ok := errors.AsType[*oneseat.EndedError](func() error { _, err := seats.Check(t.Context(), string(old.Token)); return err }())
		if !ok || over.Ending.Reason != oneseat.ReasonDisplaced {
			t.Fatal(over)
		}
		// Something of the account has ended since: nobody older gets in any more.
		if _, err := seats.Adopt(t.Context(), "ada", now.Add(-time.Minute), oneseat.SignInRequest{}); !errors.Is(err, oneseat.ErrNoSession) {
			t.Fatal(err)
		}
	})
}

func TestAnEndingIsFinalForOlderSessionsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seats := adopting(t, oneseat.Config{Limit: 5, KeepEndings: time.Minute, Absolute: 100 * 24 * time.Hour})
		issued := time.Now()
		time.Sleep(time.Second)
		g, err := seats.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if err := seats.SignOut(t.Context(), string(g.Token)); err != nil {
			t.Fatal(err)
		}
		for _, wait := range []time.Duration{0, time.Hour, 12 * time.Hour} { // also once the ending is forgotten and swept
			time.Sleep(wait)
			synctest.Wait()
			for _, since := range []time.Time{issued, {}} {
				if _, err := seats.Adopt(t.Context(), "ada", since, oneseat.SignInRequest{}); !errors.Is(err, oneseat.ErrNoSession) {
					t.Fatalf("after %v, issued %v: %v", wait, since, err)
				}
			}
		}
	})
}

func TestAdoptionEndsOnItsDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seats := adopting(t, oneseat.Config{})
		time.Sleep(24 * time.Hour)
		if _, err := seats.Adopt(t.Context(), "ada", time.Now().Add(-time.Hour), oneseat.SignInRequest{}); !errors.Is(err, oneseat.ErrNoSession) {
			t.Fatal(err)
		}
		never, err := oneseat.New(memstore.New(), oneseat.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer never.Close()
		if _, err := never.Adopt(t.Context(), "ada", time.Now().Add(-time.Hour), oneseat.SignInRequest{}); !errors.Is(err, oneseat.ErrNoSession) {
			t.Fatal(err)
		}
	})
}

func TestAnOlderSessionThatHasTimedOutGetsNoSeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seats := adopting(t, oneseat.Config{Absolute: time.Hour})
		if _, err := seats.Adopt(t.Context(), "ada", time.Now().Add(-time.Hour), oneseat.SignInRequest{}); !errors.Is(err, oneseat.ErrNoSession) {
			t.Fatal(err)
		}
		if _, err := seats.Adopt(t.Context(), "ada", time.Now().Add(-59*time.Minute), oneseat.SignInRequest{}); err != nil {
			t.Fatal(err)
		}
	})
}

// A session that is to last no longer than it is old gets no seat, and nobody goes for it.
func TestAnOlderSessionThatWouldBeOverAtOnceGetsNoSeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seats := adopting(t, oneseat.Config{})
		there, err := seats.Adopt(t.Context(), "ada", time.Now().Add(-2*time.Hour), oneseat.SignInRequest{})
		if err != nil {
			t.Fatal(err)
		}
		issued, from := time.Now().Add(-time.Hour), oneseat.SignInRequest{Lifetime: oneseat.Lifetime{Absolute: time.Hour}}
		if _, err := seats.Adopt(t.Context(), "ada", issued, from); !errors.Is(err, oneseat.ErrNoSession) {
			t.Error(err)
		}
		if _, err := seats.Check(t.Context(), string(there.Token)); err != nil {
			t.Error(err)
		}
		from.Lifetime = oneseat.Lifetime{Idle: time.Minute, Absolute: time.Hour + time.Second}
		if _, err := seats.Adopt(t.Context(), "ada", issued, from); err != nil {
			t.Error(err)
		}
	})
}

// A browser that comes twice with the same older session (two tabs, say) has
// one seat, and the second time does not end the first.
func TestAnOlderSessionIsAdoptedOnce(t *testing.T) {
	for _, ago := range []time.Duration{0, time.Hour, time.Hour + 789*time.Nanosecond} {
		synctest.Test(t, func(t *testing.T) {
			seats := adopting(t, oneseat.Config{})
			var issued time.Time // not known
			if ago > 0 {
				issued = time.Now().Add(-ago)
			}
			first, err := seats.Adopt(t.Context(), "ada", issued, oneseat.SignInRequest{})
			if err != nil {
				t.Fatal(err)
			}
			_, err = seats.Adopt(t.Context(), "ada", issued, oneseat.SignInRequest{})
			wantError(t, err, oneseat.ErrNoSession)
			wantLive(t, seats, first)
		})
	}
}

// The application's clock may be ahead of the store's: that must not make an
// older session newer than a sign-in, or than an ending.
func TestAnOlderSessionFromTheFutureDisplacesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seats := adopting(t, oneseat.Config{})
		later := signIn(t, seats, "ada", oneseat.SignInRequest{})
		if _, err := seats.Adopt(t.Context(), "ada", time.Now().Add(time.Minute), oneseat.SignInRequest{}); err == nil {
			t.Error("it displaced a sign-in")
		}
		wantLive(t, seats, later)
		if err := seats.SignOut(t.Context(), string(later.Token)); err != nil {
			t.Fatal(err)
		}
		if _, err := seats.Adopt(t.Context(), "ada", time.Now().Add(time.Minute), oneseat.SignInRequest{}); err == nil {
			t.Error("it was seated after an ending")
		}
	})
}

// Until AdoptUntil nothing is erased, because absence would let an older session
// in. Afterwards everything is erased, and the sweep comes to an end.
func TestRostersAreErasedOnceNobodyIsAdoptedAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		r := newNode(t, store, oneseat.Config{MaxStale: time.Minute, KeepEndings: time.Minute, AdoptUntil: time.Now().Add(time.Hour)})
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		if err := r.SignOut(t.Context(), string(g.Token)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour - time.Microsecond)
		if v := stored(t, store, "ada"); v.Roster == nil || len(v.Roster.Endings) != 0 {
			t.Fatalf("before the day: %+v", v.Roster)
		}
		time.Sleep(5 * time.Minute)
		if v := stored(t, store, "ada"); v.Roster != nil {
			t.Errorf("after the day: %+v", v.Roster)
		}
		if keys, err := store.Due(t.Context(), realm, 10); err != nil || len(keys) != 0 {
			t.Errorf("due for ever: %v, %v", keys, err)
		}
	})
}

func TestAdoptionGoesThroughTheRulesOfTheDoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seats := adopting(t, oneseat.Config{Limit: 2, WhenFull: oneseat.PolicyRefuse})
		issued := time.Now().Add(-time.Minute)
		one, err := seats.Adopt(t.Context(), "ada", issued, oneseat.SignInRequest{Device: laptop, DeviceID: deviceID("d")})
		if err != nil || one.Session.Device != laptop {
			t.Fatal(one, err)
		}
		if _, err := seats.Adopt(t.Context(), "ada", issued, oneseat.SignInRequest{}); err != nil {
			t.Fatal(err)
		}
		_, err = seats.Adopt(t.Context(), "ada", issued, oneseat.SignInRequest{})
		wantError(t, err, oneseat.ErrNoSession)
		if s := seats.Stats(); s.SignIns != 0 || s.Refused != 0 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestAnAdoptionWhoseReplyWasLostAdmitsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		c := oneseat.Config{Limit: 3, AdoptUntil: time.Now().Add(time.Hour)}
		a, b := newNode(t, store, c), newNode(t, store, c)
		a.loseReplies(oneseat.KeyOf(realm, "ada"), 1, nil)
		g, err := a.Adopt(t.Context(), "ada", time.Time{}, oneseat.SignInRequest{})
		if err != nil {
			t.Fatal(err)
		}
		wantLive(t, b, g)
		if n := count(logged(t, store, "ada"), oneseat.EventSessionCreated); n != 1 {
			t.Errorf("%d created", n)
		}
		a.loseReplies(oneseat.KeyOf(realm, "grace"), 1, func() { _, _ = b.EndAll(t.Context(), "grace", oneseat.EndOptions{}) })
		_, err = a.Adopt(t.Context(), "grace", time.Time{}, oneseat.SignInRequest{})
		if over, ok := errors.AsType[*oneseat.EndedError](err); !ok || over.Ending.Reason != oneseat.ReasonRevoked {
			t.Errorf("got %v", err)
		}
		a.down()
		_, err = a.Adopt(t.Context(), "alan", time.Time{}, oneseat.SignInRequest{})
		wantError(t, err, oneseat.ErrStoreUnavailable)
	})
}

// What ended before an older session was issued says nothing about that session;
// what ended at that moment might.
func TestAnOlderSessionMayHaveBeenIssuedAfterAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seats := adopting(t, oneseat.Config{Limit: 5})
		g := signIn(t, seats, "ada", oneseat.SignInRequest{})
		if err := seats.SignOut(t.Context(), string(g.Token)); err != nil {
			t.Fatal(err)
		}
		ended := time.Now()
		time.Sleep(time.Minute)
		_, err := seats.Adopt(t.Context(), "ada", ended, oneseat.SignInRequest{})
		wantError(t, err, oneseat.ErrNoSession)
		if _, err := seats.Adopt(t.Context(), "ada", ended.Add(time.Microsecond), oneseat.SignInRequest{}); err != nil {
			t.Errorf("issued after the end: %v", err)
		}
	})
}

// An adoption is no sign-in: nobody has given a password. So neither a token of the
// same browser nor an Override makes room for it.
func TestAnOlderSessionTakesNoSeatByATokenOrByTakingOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seats := adopting(t, oneseat.Config{WhenFull: oneseat.PolicyRefuse})
		g := signIn(t, seats, "ada", oneseat.SignInRequest{})
		time.Sleep(time.Minute)
		for _, from := range []oneseat.SignInRequest{{Token: string(g.Token)}, {Override: true}} {
			_, err := seats.Adopt(t.Context(), "ada", time.Now().Add(-time.Second), from)
			wantError(t, err, oneseat.ErrNoSession)
		}
		wantLive(t, seats, g)
	})
}

// Where no session is adopted, an attempt to adopt one costs nothing.
func TestWithoutADayNobodyAsksTheStore(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{MaxStale: time.Minute})
	signIn(t, r, "ada", oneseat.SignInRequest{})
	loads, updates := r.loads.Load(), r.updates.Load()
	_, err := r.Adopt(t.Context(), "ada", time.Now(), oneseat.SignInRequest{})
	wantError(t, err, oneseat.ErrNoSession)
	if r.loads.Load() != loads || r.updates.Load() != updates {
		t.Error("the store was asked")
	}
}
