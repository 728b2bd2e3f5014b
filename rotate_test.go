package oneseat_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

func rotate(t testing.TB, r node, g oneseat.Grant) oneseat.Grant {
	t.Helper()
	next, err := r.Rotate(t.Context(), string(g.Token))
	if err != nil {
		t.Fatalf("rotation: %v", err)
	}
	if next.Token == g.Token || next.Session.ID != g.Session.ID || next.Session.Created != g.Session.Created {
		t.Fatalf("it made %+v of %+v", next.Session, g.Session)
	}
	return next
}

const grace = 10 * time.Second // as documented at Rotate

func TestTheOldSecretChecksForTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{WhenFull: oneseat.PolicyRefuse, MaxStale: time.Minute})
		old := signIn(t, a, "ada", oneseat.SignInRequest{})
		time.Sleep(time.Minute)
		next := rotate(t, a, old)
		if !next.Session.LastSeen.Equal(time.Now()) {
			t.Errorf("last seen at %v: a rotation is activity", next.Session.LastSeen)
		}
		for _, wait := range []time.Duration{0, grace - time.Microsecond} {
			time.Sleep(wait)
			for _, r := range []node{a, b} {
				wantLive(t, r, old)
				wantLive(t, r, next)
				_, err := r.Rotate(t.Context(), string(old.Token))
				wantError(t, err, oneseat.ErrRotated)
				if _, err := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{Token: string(old.Token)}); !isLimit(err) {
					t.Errorf("it renews: %v", err)
				}
			}
		}
		time.Sleep(time.Microsecond)
		for range 100 {
			for _, r := range []node{a, b} {
				_, err := r.Check(t.Context(), string(old.Token))
				wantError(t, err, oneseat.ErrNoSession)
				_, err = r.Rotate(t.Context(), string(old.Token))
				wantError(t, err, oneseat.ErrNoSession)
				wantError(t, r.SignOut(t.Context(), string(old.Token)), oneseat.ErrNoSession)
				wantLive(t, r, next)
			}
		}
		synctest.Wait()
		events := logged(t, store, "ada")
		if n := count(events, oneseat.EventSessionUsedAfterEnd); n != 1 {
			t.Errorf("%d events say so, want one", n)
		}
		if n := count(events, oneseat.EventSessionRotated); n != 1 {
			t.Errorf("%d events tell of rotations, want one", n)
		}
		time.Sleep(time.Hour)
		_, err := a.Check(t.Context(), string(old.Token))
		wantError(t, err, oneseat.ErrNoSession)
		synctest.Wait()
		if n := count(logged(t, store, "ada"), oneseat.EventSessionUsedAfterEnd); n != 2 {
			t.Errorf("an hour later %d events say so, want two", n)
		}
	})
}

func TestTheSecretBeforeTheLastTwoRotationsIsForgotten(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{})
	first := signIn(t, r, "ada", oneseat.SignInRequest{})
	second := rotate(t, r, first)
	third := rotate(t, r, second)
	_, err := r.Check(t.Context(), string(first.Token))
	wantError(t, err, oneseat.ErrNoSession)
	wantLive(t, r, second)
	wantLive(t, r, third)
}

func TestARotationIsKnownOnOtherNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{})
		old := signIn(t, a, "ada", oneseat.SignInRequest{})
		wantLive(t, b, old)
		next := rotate(t, a, old)
		wantLive(t, b, next) // at once: a no from memory is confirmed
		synctest.Wait()
		time.Sleep(grace)
		_, err := b.Check(t.Context(), string(old.Token))
		wantError(t, err, oneseat.ErrNoSession)
	})
}

func TestWhatHasEndedIsNotRotated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		r := newNode(t, store, oneseat.Config{Idle: 100 * time.Second})
		gone := signIn(t, r, "ada", oneseat.SignInRequest{})
		signIn(t, r, "ada", oneseat.SignInRequest{})
		_, err := r.Rotate(t.Context(), string(gone.Token))
		wantEnding(t, err, gone.Session.ID, oneseat.ReasonDisplaced)

		for _, token := range []string{"", "x", forged("ada"), forged("nobody"), tokenOf(oneseat.KeyOf(realm, ""), [32]byte{1})} {
			writes := r.writes.Load()
			_, err = r.Rotate(t.Context(), token)
			wantError(t, err, oneseat.ErrNoSession)
			if r.writes.Load() != writes {
				t.Error("it wrote")
			}
		}

		idler := signIn(t, r, "grace", oneseat.SignInRequest{})
		time.Sleep(100 * time.Second)
		_, err = r.Rotate(t.Context(), string(idler.Token))
		wantEnding(t, err, idler.Session.ID, oneseat.ReasonIdleTimeout)
		if n := count(logged(t, store, "grace"), oneseat.EventSessionEnded); n != 1 {
			t.Errorf("%d endings are recorded", n)
		}
	})
}

func TestARotationWhoseReplyWasLostHappensOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{})
		old := signIn(t, a, "ada", oneseat.SignInRequest{})
		a.loseReplies(oneseat.KeyOf(realm, "ada"), 2, nil)
		next := rotate(t, a, old)
		wantLive(t, a, next)
		wantLive(t, b, next)
		if n := count(logged(t, store, "ada"), oneseat.EventSessionRotated); n != 1 {
			t.Errorf("%d rotations", n)
		}

		// No reply at all leaves the one or the other in force, not both.
		a.loseReplies(oneseat.KeyOf(realm, "ada"), 99, nil)
		_, err := a.Rotate(t.Context(), string(next.Token))
		wantError(t, err, oneseat.ErrUnknownOutcome)
		time.Sleep(grace)
		_, err = b.Check(t.Context(), string(next.Token))
		wantError(t, err, oneseat.ErrNoSession)
	})
}

func TestARotationLosesTheRaceAgainstAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{})
		old := signIn(t, a, "ada", oneseat.SignInRequest{})
		a.loseReplies(oneseat.KeyOf(realm, "ada"), 1, func() {
			if _, err := b.EndAll(t.Context(), "ada", oneseat.EndOptions{}); err != nil {
				t.Error(err)
			}
		})
		if g, err := a.Rotate(t.Context(), string(old.Token)); err == nil {
			t.Fatalf("it granted %+v", g.Session)
		}
		if live, err := b.Sessions(t.Context(), "ada"); err != nil || len(live) != 0 {
			t.Errorf("live: %+v, %v", live, err)
		}
	})
}
