package oneseat_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// "Nothing was done" is said only where that is certain: not when the first
// reply was lost and the store went down then.
func TestALostReplyBeforeAnOutageIsStillUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{})
		for name, do := range map[string]func(oneseat.Grant) error{
			"SignIn":  func(oneseat.Grant) error { return second(a.SignIn(t.Context(), "ada", oneseat.SignInRequest{})) },
			"SignOut": func(g oneseat.Grant) error { return a.SignOut(t.Context(), string(g.Token)) },
			"Rotate":  func(g oneseat.Grant) error { return second(a.Rotate(t.Context(), string(g.Token))) },
			"EndAll":  func(oneseat.Grant) error { return second(a.EndAll(t.Context(), "ada", oneseat.EndOptions{})) },
		} {
			g := signIn(t, b, "ada", oneseat.SignInRequest{})
			a.loseReplies(oneseat.KeyOf(realm, "ada"), 1, a.unwritable)
			err := do(g)
			if !errors.Is(err, oneseat.ErrUnknownOutcome) || errors.Is(err, oneseat.ErrStoreUnavailable) {
				t.Errorf("%s: %v", name, err)
			}
			a.up()
		}
	})
}

// P1 and P2 when the store's replies are lost.
func TestASignInWhoseReplyWasLostAdmitsOnce(t *testing.T) {
	for lost := 1; lost <= 4; lost++ {
		synctest.Test(t, func(t *testing.T) {
			a, b, store := following(t, oneseat.Config{Limit: 3})
			signIn(t, b, "ada", oneseat.SignInRequest{})
			a.loseReplies(oneseat.KeyOf(realm, "ada"), lost, nil)
			g := signIn(t, a, "ada", oneseat.SignInRequest{})
			wantLive(t, a, g)
			wantLive(t, b, g)
			if live, _ := a.Sessions(t.Context(), "ada"); len(live) != 2 {
				t.Errorf("%d lost: %d live", lost, len(live))
			}
			if n := count(logged(t, store, "ada"), oneseat.EventSessionCreated); n != 2 {
				t.Errorf("%d lost: %d created", lost, n)
			}
		})
	}
}

func TestASignInWithoutAnyReplyIsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{})
		before := signIn(t, a, "ada", oneseat.SignInRequest{})
		wantLive(t, a, before)
		a.loseReplies(oneseat.KeyOf(realm, "ada"), 99, nil)
		began := time.Now()
		_, err := a.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
		wantError(t, err, oneseat.ErrUnknownOutcome)
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %v", took)
		}
		if n := count(logged(t, store, "ada"), oneseat.EventSessionCreated); n != 2 {
			t.Errorf("%d created", n)
		}
		// What this node had cached is not believed any more.
		wantEnded(t, a, before, oneseat.ReasonDisplaced)
		wantEnded(t, b, before, oneseat.ReasonDisplaced)
	})
}

func TestASignInThatWasEndedBeforeItsReplyCameSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{})
		var last oneseat.Grant
		a.loseReplies(oneseat.KeyOf(realm, "ada"), 1, func() { last = signIn(t, b, "ada", oneseat.SignInRequest{}) })
		_, err := a.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
		over, ok := errors.AsType[*oneseat.EndedError](err)
		if !ok || over.Ending.Reason != oneseat.ReasonDisplaced || over.Ending.By != last.Session.ID {
			t.Fatalf("got %v", err)
		}
		wantLive(t, a, last)
	})
}

// The first try was committed and ended, and so many have ended since that the
// roster cannot tell any more: to admit again could admit twice.
func TestARetryThatTheRosterHasForgottenStaysUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{})
		a.loseReplies(oneseat.KeyOf(realm, "ada"), 1, func() {
			for range oneseat.MaxEndings + 1 {
				time.Sleep(time.Millisecond)
				signIn(t, b, "ada", oneseat.SignInRequest{})
			}
		})
		before := len(logged(t, store, "ada"))
		_, err := a.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
		wantError(t, err, oneseat.ErrUnknownOutcome)
		if n := len(logged(t, store, "ada")) - before; n != 1+2*(oneseat.MaxEndings+1) {
			t.Errorf("%d events: the retry changed something", n)
		}
	})
}

// The same, where the roster itself was erased in between.
func TestARetryAfterTheRosterWasErasedStaysUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, store := following(t, oneseat.Config{})
		a.loseReplies(oneseat.KeyOf(realm, "ada"), 1, func() { deleteRow(t, store, "ada") })
		_, err := a.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
		wantError(t, err, oneseat.ErrUnknownOutcome)
		if v := stored(t, store, "ada"); v.Roster != nil {
			t.Errorf("the retry wrote %+v", v.Roster)
		}
	})
}

// An ending that was forgotten before the first try leaves no doubt about that try.
func TestARetryOnARosterThatForgotLongAgoIsAdmitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{})
		for range oneseat.MaxEndings + 2 {
			signIn(t, b, "ada", oneseat.SignInRequest{})
		}
		if stored(t, store, "ada").Roster.Forgotten.IsZero() {
			t.Fatal("nothing was forgotten")
		}
		time.Sleep(time.Second)
		first := true
		a.set(func() {
			a.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
				if first && k == oneseat.KeyOf(realm, "ada") { // the request was lost, not the reply
					first = false
					return oneseat.View{}, oneseat.ErrUnknownOutcome
				}
				return next(ctx, k, c)
			}
		})
		wantLive(t, b, signIn(t, a, "ada", oneseat.SignInRequest{}))
	})
}

func TestTheReplyThatNeverComesIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{})
		r.set(func() {
			r.update = func(ctx context.Context, _ oneseat.Key, _ change, _ updateFunc) (oneseat.View, error) {
				<-ctx.Done()
				return oneseat.View{}, ctx.Err()
			}
		})
		began := time.Now()
		_, err := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
		wantError(t, err, oneseat.ErrStoreUnavailable)
		if took := time.Since(began); took != 6*time.Second {
			t.Errorf("it took %v", took)
		}

		// Unknown outcomes are not tried again when the caller has gone.
		r.set(func() {
			r.update = func(ctx context.Context, _ oneseat.Key, _ change, _ updateFunc) (oneseat.View, error) {
				<-ctx.Done()
				return oneseat.View{}, oneseat.ErrUnknownOutcome
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began, updates := time.Now(), r.updates.Load()
		_, err = r.SignIn(ctx, "ada", oneseat.SignInRequest{})
		wantError(t, err, oneseat.ErrUnknownOutcome)
		if took, n := time.Since(began), r.updates.Load()-updates; took != time.Second || n != 1 {
			t.Errorf("%d tries in %v", n, took)
		}
	})
}

func TestACallerThatGoesAwayGetsItsContextsError(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{})
	g := signIn(t, r, "ada", oneseat.SignInRequest{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := r.SignIn(ctx, "grace", oneseat.SignInRequest{})
	wantError(t, err, context.Canceled)
	wantError(t, r.SignOut(ctx, string(g.Token)), context.Canceled)
	_, err = r.Rotate(ctx, string(g.Token))
	wantError(t, err, context.Canceled)
	_, err = r.Sessions(ctx, "ada")
	wantError(t, err, context.Canceled)
	wantError(t, r.Ping(ctx), context.Canceled)
	wantError(t, r.EndRealm(ctx, ""), context.Canceled)
	wantLive(t, r, g)
}

// The same where the limits changed after the reply was lost, so that they are
// asked for again, and the store is down then. If a retry finds its session committed,
// it returns that, whatever the limits are.
func TestALostReplyBeforeLimitsChangeIsStillUnknown(t *testing.T) {
	key := oneseat.KeyOf(realm, "ada")
	for name, do := range map[string]func(r node) error{
		"SignIn":   func(r node) error { return second(r.SignIn(t.Context(), "ada", oneseat.SignInRequest{})) },
		"SetLimit": func(r node) error { return r.SetLimit(t.Context(), "ada", oneseat.Limits{Total: 5}, "") },
		"Refresh":  func(r node) error { return r.RefreshLimits(t.Context(), "ada") },
	} {
		for _, committed := range []bool{false, true} {
			store := memstore.New()
			p := &plans{said: oneseat.Limits{Total: 2}}
			r, other := newNode(t, store, oneseat.Config{LimitFor: p.limitFor}), newNode(t, store, oneseat.Config{LimitFor: p.limitFor})
			signIn(t, r, "ada", oneseat.SignInRequest{})
			first := true
			r.set(func() {
				r.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
					if k != key || !first {
						return next(ctx, k, c)
					}
					first = false
					if committed {
						if _, err := next(ctx, k, c); err != nil {
							t.Error(err)
						}
					}
					if err := other.RefreshLimits(ctx, "ada"); err != nil {
						t.Error(err)
					}
					r.unreadable()
					return oneseat.View{}, oneseat.ErrUnknownOutcome
				}
			})
			err := do(r)
			if known := name == "SignIn" && committed; known && err != nil || !known && !errors.Is(err, oneseat.ErrUnknownOutcome) || errors.Is(err, oneseat.ErrStoreUnavailable) {
				t.Errorf("%s, committed %t: %v", name, committed, err)
			}
		}
	}
}

// The outcome for the account is unknown, so memory answers nothing about it any more.
func TestAfterAnUnknownOutcomeTheStoreIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{})
		r.deaf()
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		fromMemory(t, r, g)
		r.loseReplies(oneseat.KeyOf(realm, "ada"), 10, nil)
		_, err := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
		wantError(t, err, oneseat.ErrUnknownOutcome)
		wantEnded(t, r, g, oneseat.ReasonDisplaced)
	})
}
