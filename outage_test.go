package oneseat_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
)

// P5: no answer from the store means no, but within MaxStale.
func TestNoAnswerFromTheStoreMeansNo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{Limit: 2})
		gone, g := signIn(t, a, "ada", oneseat.SignInRequest{}), signIn(t, a, "ada", oneseat.SignInRequest{})
		if err := a.SignOut(t.Context(), string(gone.Token)); err != nil {
			t.Fatal(err)
		}
		other := signIn(t, a, "grace", oneseat.SignInRequest{})
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
			wantEnded(t, b, gone, oneseat.ReasonSignedOut) // recorded is final, however old the news
			_, err := b.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
			wantError(t, err, oneseat.ErrStoreUnavailable)
			_, err = b.Rotate(t.Context(), string(g.Token))
			wantError(t, err, oneseat.ErrStoreUnavailable)
			_, err = b.Confirm(t.Context(), g.Session, oneseat.Lifetime{})
			wantError(t, err, oneseat.ErrStoreUnavailable)
			_, err = b.StartStream(t.Context(), g.Session, oneseat.Player{ID: deviceID("player")})
			wantError(t, err, oneseat.ErrStoreUnavailable)
			_, err = b.Explain(t.Context(), "ada", oneseat.SignInRequest{})
			wantError(t, err, oneseat.ErrStoreUnavailable)
			wantError(t, b.SetData(t.Context(), g.Session, "new"), oneseat.ErrStoreUnavailable)
			wantError(t, b.Block(t.Context(), "ada", time.Time{}, ""), oneseat.ErrStoreUnavailable)
			wantError(t, b.SetLimit(t.Context(), "ada", oneseat.Limits{Total: 1}, ""), oneseat.ErrStoreUnavailable)
			_, err = b.Sessions(t.Context(), "ada")
			wantError(t, err, oneseat.ErrStoreUnavailable)
			_, err = b.EndAll(t.Context(), "ada", oneseat.EndOptions{})
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
		wantEnded(t, b, gone, oneseat.ReasonSignedOut)
	})
}

func TestDangerouslyAllowedMemoryGoesOnWhileTheStoreIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{DangerouslyAllowWhenStoreIsDown: true, Idle: 100 * time.Second, Absolute: 200 * time.Second})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		unseen := signIn(t, a, "grace", oneseat.SignInRequest{})
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
		_, err = b.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
		wantError(t, err, oneseat.ErrStoreUnavailable)

		// The switch is no reason to doubt what the store says when it answers.
		signIn(t, a, "ada", oneseat.SignInRequest{})
		wantLive(t, b, g)
		b.up()
		wantEnded(t, b, g, oneseat.ReasonDisplaced)

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
		gone := signIn(t, a, "ada", oneseat.SignInRequest{})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		wantLive(t, b, g)
		b.down()
		_, err := b.SignIn(t.Context(), "ada", oneseat.SignInRequest{Token: string(g.Token)})
		wantError(t, err, oneseat.ErrStoreUnavailable)
		wantError(t, b.SignOut(t.Context(), string(g.Token)), oneseat.ErrStoreUnavailable)
		time.Sleep(10 * time.Second)
		wantEnded(t, b, gone, oneseat.ReasonDisplaced) // only an unknown outcome drops what is known
	})
}

// The switch named Dangerously is for a store that does not answer. An answer of the
// store counts as always.
func TestANoOfTheStoreIsNoWhateverTheSwitch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{DangerouslyAllowWhenStoreIsDown: true})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		wantLive(t, b, g)
		b.deaf()
		time.Sleep(2 * maxStale)
		deleteRow(t, store, "ada")
		_, err := b.Check(t.Context(), string(g.Token))
		wantError(t, err, oneseat.ErrNoSession)
	})
}
