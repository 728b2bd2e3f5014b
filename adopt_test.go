package oneseat_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// adopting is a registry that adopts older sessions for another week.
func adopting(t *testing.T, c oneseat.Config) *oneseat.Registry {
	t.Helper()
	c.AdoptUntil = time.Now().Add(7 * 24 * time.Hour)
	c.MaxStale = time.Minute // or the week would be millions of looks at the log
	seats, err := oneseat.New(memstore.New(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = seats.Close() })
	return seats
}

func TestAnOlderSessionGetsASeatThroughTheDoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seats := adopting(t, oneseat.Config{})
		issued := time.Now().Add(-time.Hour)
		g, err := seats.Adopt(t.Context(), "ada", issued, oneseat.Client{})
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
		later, err := seats.SignIn(t.Context(), "ada", oneseat.Client{})
		if err != nil {
			t.Fatal(err)
		}
		for _, since := range []time.Time{issued, {}, later.Session.Created} {
			if _, err := seats.Adopt(t.Context(), "ada", since, oneseat.Client{}); !errors.Is(err, oneseat.ErrNoSession) {
				t.Fatalf("issued %v: %v", since, err)
			}
		}
		if _, err := seats.Check(t.Context(), string(later.Token)); err != nil {
			t.Fatal(err)
		}
	})
}

func TestOfTwoOlderSessionsTheNewerHasTheSeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		seats := adopting(t, oneseat.Config{})
		old, err := seats.Adopt(t.Context(), "ada", now.Add(-2*time.Hour), oneseat.Client{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := seats.Adopt(t.Context(), "ada", now.Add(-time.Hour), oneseat.Client{}); err != nil {
			t.Fatal(err)
		}
		over, ok := errors.AsType[*oneseat.EndedError](func() error { _, err := seats.Check(t.Context(), string(old.Token)); return err }())
		if !ok || over.Ending.Reason != oneseat.Displaced {
			t.Fatal(over)
		}
		// Something of the account has ended since: nobody older gets in any more.
		if _, err := seats.Adopt(t.Context(), "ada", now.Add(-time.Minute), oneseat.Client{}); !errors.Is(err, oneseat.ErrNoSession) {
			t.Fatal(err)
		}
	})
}

func TestAnEndingIsFinalForOlderSessionsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seats := adopting(t, oneseat.Config{Limit: 5, KeepEndings: time.Minute, Absolute: 100 * 24 * time.Hour})
		issued := time.Now()
		time.Sleep(time.Second)
		g, err := seats.SignIn(t.Context(), "ada", oneseat.Client{})
		if err != nil {
			t.Fatal(err)
		}
		if err := seats.SignOut(t.Context(), string(g.Token)); err != nil {
			t.Fatal(err)
		}
		for _, wait := range []time.Duration{0, time.Hour, 24 * time.Hour} { // also once the ending is forgotten and swept
			time.Sleep(wait)
			synctest.Wait()
			for _, since := range []time.Time{issued, {}} {
				if _, err := seats.Adopt(t.Context(), "ada", since, oneseat.Client{}); !errors.Is(err, oneseat.ErrNoSession) {
					t.Fatalf("after %v, issued %v: %v", wait, since, err)
				}
			}
		}
	})
}

func TestAdoptionEndsOnItsDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seats := adopting(t, oneseat.Config{})
		time.Sleep(7 * 24 * time.Hour)
		if _, err := seats.Adopt(t.Context(), "ada", time.Now().Add(-time.Hour), oneseat.Client{}); !errors.Is(err, oneseat.ErrNoSession) {
			t.Fatal(err)
		}
		never, err := oneseat.New(memstore.New(), oneseat.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer never.Close()
		if _, err := never.Adopt(t.Context(), "ada", time.Now().Add(-time.Hour), oneseat.Client{}); !errors.Is(err, oneseat.ErrNoSession) {
			t.Fatal(err)
		}
	})
}

func TestAnOlderSessionThatHasTimedOutGetsNoSeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seats := adopting(t, oneseat.Config{Absolute: time.Hour})
		if _, err := seats.Adopt(t.Context(), "ada", time.Now().Add(-time.Hour), oneseat.Client{}); !errors.Is(err, oneseat.ErrNoSession) {
			t.Fatal(err)
		}
		if _, err := seats.Adopt(t.Context(), "ada", time.Now().Add(-59*time.Minute), oneseat.Client{}); err != nil {
			t.Fatal(err)
		}
	})
}
