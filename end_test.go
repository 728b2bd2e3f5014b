package oneseat_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/oneseat/oneseat"
)

func TestEndEndsSomeAndCountsThem(t *testing.T) {
	a, b, store := newSystem(t, oneseat.Config{Limit: 5})
	var g []oneseat.Grant
	for i := range 5 {
		g = append(g, signIn(t, a, "ada", oneseat.SignInRequest{Device: oneseat.Device{Label: fmt.Sprint("device ", i)}}))
	}
	other := signIn(t, a, "grace", oneseat.SignInRequest{})

	// By and Actor are for the record; ids that are not the account's are ignored.
	cause := oneseat.EndOptions{By: g[0].Session.ID, Actor: "ada\x00 herself" + strings.Repeat("!", 200)}
	n, err := a.End(t.Context(), "ada", cause, g[1].Session.ID, other.Session.ID, "x")
	if n != 1 || err != nil {
		t.Fatal(n, err)
	}
	ending := wantEnded(t, a, g[1], oneseat.ReasonRevoked)
	if ending.By != g[0].Session.ID || ending.ByDevice.Label != "device 0" || ending.Device.Label != "device 1" {
		t.Errorf("the ending is %+v", ending)
	}
	if want := "ada herself" + strings.Repeat("!", 37); ending.Actor != want {
		t.Errorf("actor %q (%d)", ending.Actor, len(ending.Actor))
	}
	if n, err := a.End(t.Context(), "ada", cause, g[1].Session.ID); n != 0 || err != nil {
		t.Error("again:", n, err)
	}
	mine, gone := signIn(t, a, "own", oneseat.SignInRequest{Device: laptop}), signIn(t, a, "own", oneseat.SignInRequest{})
	if n, err := a.End(t.Context(), "own", oneseat.EndOptions{As: mine.Session.ID}, gone.Session.ID); n != 1 || err != nil {
		t.Error("as a session:", n, err)
	}
	if e := wantEnded(t, a, gone, oneseat.ReasonRevoked); e.By != mine.Session.ID || e.ByDevice != mine.Session.Device {
		t.Errorf("the session on whose authority it ended is not in %+v", e)
	}
	if n, err := a.End(t.Context(), "ada", cause); n != 0 || err != nil {
		t.Error("nobody:", n, err)
	}
	wantLive(t, a, other)
	wantLive(t, a, g[2])

	n, err = a.EndOthers(t.Context(), "ada", g[2].Session.ID, oneseat.EndOptions{Reason: oneseat.ReasonCredentialsChanged})
	if n != 3 || err != nil {
		t.Fatal(n, err)
	}
	wantLive(t, a, g[2])
	wantEnded(t, a, g[0], oneseat.ReasonCredentialsChanged)
	wantEnded(t, a, g[4], oneseat.ReasonCredentialsChanged)

	n, err = b.EndAll(t.Context(), "ada", oneseat.EndOptions{Reason: oneseat.ReasonSignedOut})
	if n != 1 || err != nil {
		t.Fatal(n, err)
	}
	wantEnded(t, b, g[2], oneseat.ReasonSignedOut)
	if n, err := b.EndAll(t.Context(), "ada", oneseat.EndOptions{}); n != 0 || err != nil {
		t.Error("again:", n, err)
	}
	if n, err := b.EndAll(t.Context(), "nobody", oneseat.EndOptions{}); n != 0 || err != nil {
		t.Error("nobody:", n, err)
	}
	if got := count(logged(t, store, "ada"), oneseat.EventSessionEnded); got != 5 {
		t.Errorf("%d events", got)
	}

	c := newNode(t, store, oneseat.Config{}) // with nothing to note in the background
	for _, why := range []oneseat.Reason{oneseat.ReasonDisplaced, oneseat.ReasonRenewed, oneseat.ReasonIdleTimeout, oneseat.ReasonRealmEnded, "bored"} {
		if n, err := c.EndAll(t.Context(), "grace", oneseat.EndOptions{Reason: why}); n != 0 || err == nil {
			t.Errorf("%s is a reason to give: %d, %v", why, n, err)
		}
	}
	if n := c.updates.Load(); n != 0 {
		t.Errorf("the store was asked %d times", n)
	}
	wantLive(t, c, other)
}

func TestSignOutEndsItsOwnSessionOnly(t *testing.T) {
	a, b, _ := newSystem(t, oneseat.Config{Limit: 2})
	mine, other := signIn(t, a, "ada", oneseat.SignInRequest{}), signIn(t, a, "ada", oneseat.SignInRequest{})
	if err := a.SignOut(t.Context(), string(mine.Token)); err != nil {
		t.Fatal(err)
	}
	ending := wantEnded(t, a, mine, oneseat.ReasonSignedOut)
	if ending.By != mine.Session.ID {
		t.Errorf("the ending is %+v", ending)
	}
	wantLive(t, a, other)
	wantEnding(t, b.SignOut(t.Context(), string(mine.Token)), mine.Session.ID, oneseat.ReasonSignedOut) // again: nothing was ended
	for _, token := range []string{"", "oneseat_x", forged("ada"), forged("nobody"), string(mine.Session.ID)} {
		wantError(t, a.SignOut(t.Context(), token), oneseat.ErrNoSession)
	}
	a.unwritable()
	wantError(t, a.SignOut(t.Context(), string(other.Token)), oneseat.ErrStoreUnavailable)
	n, err := a.EndAll(t.Context(), "ada", oneseat.EndOptions{})
	wantError(t, err, oneseat.ErrStoreUnavailable)
	if n != 0 {
		t.Errorf("%d were ended", n)
	}
	wantLive(t, b, other)
}

// What a retry counts is what the call ended, not what was left for it.
func TestEndWhoseReplyWasLostCountsWhatItEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{Limit: 5})
		for range 3 {
			signIn(t, b, "ada", oneseat.SignInRequest{})
		}
		a.loseReplies(oneseat.KeyOf(realm, "ada"), 2, func() { signIn(t, b, "ada", oneseat.SignInRequest{}) })
		n, err := a.EndAll(t.Context(), "ada", oneseat.EndOptions{Actor: "support"})
		if n != 5 || err != nil {
			t.Errorf("%d were ended, %v, want three, and two that came in between", n, err)
		}
		if got := count(logged(t, store, "ada"), oneseat.EventSessionEnded); got != 5 {
			t.Errorf("%d events", got)
		}
	})
}

// The sessions that an earlier try of an end has ended count, although its reply was
// lost: but only those that this very end has ended.
func TestAnEndCountsWhatItEndedItself(t *testing.T) {
	for name, other := range map[string]oneseat.EndOptions{
		"the same":       {Reason: oneseat.ReasonRevoked, Actor: "support"},
		"another reason": {Reason: oneseat.ReasonCredentialsChanged, Actor: "support"},
		"another actor":  {Reason: oneseat.ReasonRevoked, Actor: "somebody"},
		"another author": {Reason: oneseat.ReasonRevoked, Actor: "support", By: "x"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b, store := following(t, oneseat.Config{})
				g := signIn(t, a, "ada", oneseat.SignInRequest{})
				tries := 0
				a.set(func() {
					a.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
						if tries++; tries > 1 {
							return next(ctx, k, c)
						}
						// It decides, and is not committed; somebody else is quicker.
						views, err := store.Load(ctx, k)
						if err != nil {
							return oneseat.View{}, err
						}
						_, _ = c(views[0])
						if _, err := b.End(ctx, "ada", other, g.Session.ID); err != nil {
							return oneseat.View{}, err
						}
						return oneseat.View{}, oneseat.ErrUnknownOutcome
					}
				})
				n, err := a.End(t.Context(), "ada", oneseat.EndOptions{Reason: oneseat.ReasonRevoked, Actor: "support"}, g.Session.ID)
				want := 0
				if name == "the same" {
					want = 1 // nobody can tell the two apart
				}
				if n != want || err != nil {
					t.Errorf("got %d, %v, want %d", n, err, want)
				}
			})
		})
	}
}

// A change may run again because somebody else was quicker. The first run is then no
// lost try, and what it would have ended does not count.
func TestAnEndThatIsDecidedAgainHasNoEarlierTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		first := true
		a.set(func() {
			a.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
				if first {
					first = false
					views, err := store.Load(ctx, k)
					if err != nil {
						return oneseat.View{}, err
					}
					_, _ = c(views[0])
					if _, err := b.End(ctx, "ada", oneseat.EndOptions{}, g.Session.ID); err != nil {
						return oneseat.View{}, err
					}
				}
				return next(ctx, k, c)
			}
		})
		if n, err := a.End(t.Context(), "ada", oneseat.EndOptions{}, g.Session.ID); n != 0 || err != nil {
			t.Errorf("got %d, %v, want none", n, err)
		}
	})
}
