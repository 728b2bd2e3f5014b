package oneseat_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// What an operation rests on has to be read first. So a store that cannot be read gets
// no write.
func TestWithoutARealmThatCanBeReadNothingIsWritten(t *testing.T) {
	for name, op := range map[string]func(r node, g oneseat.Grant) error{
		"SignIn": func(r node, _ oneseat.Grant) error {
			_, err := r.SignIn(context.Background(), "ada", oneseat.SignInRequest{})
			return err
		},
		"SetLimit": func(r node, _ oneseat.Grant) error {
			return r.SetLimit(context.Background(), "ada", oneseat.Limits{Total: 2}, "")
		},
		"RefreshLimits": func(r node, _ oneseat.Grant) error { return r.RefreshLimits(context.Background(), "ada") },
		"EndAll": func(r node, _ oneseat.Grant) error {
			_, err := r.EndAll(context.Background(), "ada", oneseat.EndOptions{})
			return err
		},
		"Block": func(r node, _ oneseat.Grant) error { return r.Block(context.Background(), "ada", time.Time{}, "") },
		"Rotate": func(r node, g oneseat.Grant) error {
			_, err := r.Rotate(context.Background(), string(g.Token))
			return err
		},
		"SignOut": func(r node, g oneseat.Grant) error { return r.SignOut(context.Background(), string(g.Token)) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newNode(t, memstore.New(), oneseat.Config{})
			g := signIn(t, r, "ada", oneseat.SignInRequest{})
			r.unreadable()
			writes := r.writes.Load()
			wantError(t, op(r, g), oneseat.ErrStoreUnavailable)
			if n := r.writes.Load() - writes; n != 0 {
				t.Errorf("%d writes", n)
			}
		})
	}
}

// The application is not asked for limits while the revision of stored limits cannot be
// read.
func TestTheApplicationIsNotAskedAboutARosterThatCannotBeRead(t *testing.T) {
	asked := 0
	r := newNode(t, memstore.New(), oneseat.Config{LimitFor: func(context.Context, string) (oneseat.Limits, error) {
		asked++
		return oneseat.Limits{Total: 3}, nil
	}})
	signIn(t, r, "ada", oneseat.SignInRequest{})
	asked = 0
	r.set(func() {
		r.load = func(ctx context.Context, keys []oneseat.Key, next loadFunc) ([]oneseat.View, error) {
			if slices.Contains(keys, oneseat.KeyOf(realm, "ada")) {
				return nil, errDown
			}
			return next(ctx, keys...)
		}
	})
	_, err := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
	wantError(t, err, oneseat.ErrStoreUnavailable)
	if asked != 0 {
		t.Errorf("it was asked %d times", asked)
	}
}

// The limits that the application returned count as they were: it may change its map
// afterwards.
func TestLimitsCountAsTheApplicationSaidThem(t *testing.T) {
	classes := map[oneseat.Class]int{"tv": 1}
	r := newNode(t, memstore.New(), oneseat.Config{WhenFull: oneseat.PolicyRefuse, LimitFor: func(context.Context, string) (oneseat.Limits, error) {
		return oneseat.Limits{Total: 9, Classes: classes}, nil
	}})
	tv := oneseat.SignInRequest{Device: oneseat.Device{Class: "tv"}}
	signIn(t, r, "ada", tv)
	r.set(func() {
		r.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
			classes["tv"] = 9
			return next(ctx, k, c)
		}
	})
	_, err := r.SignIn(t.Context(), "ada", tv)
	if _, full := errors.AsType[*oneseat.LimitError](err); !full {
		t.Errorf("got %v", err)
	}
}

// A change of limits records, as every operation does, which sessions the realm's end
// has ended.
func TestAChangeOfLimitsKnowsOfTheRealmsEnd(t *testing.T) {
	store := memstore.New()
	r := newNode(t, store, oneseat.Config{})
	signIn(t, r, "ada", oneseat.SignInRequest{})
	endRealm(t, r, "")
	if err := r.SetLimit(t.Context(), "ada", oneseat.Limits{Total: 2}, ""); err != nil {
		t.Fatal(err)
	}
	if e := stored(t, store, "ada").Roster.Endings; len(e) != 1 || e[0].Reason != oneseat.ReasonRealmEnded {
		t.Errorf("endings: %+v", e)
	}
}

// A lost reply is asked for again after 20 ms, and 20 ms more each time.
func TestLostRepliesAreAskedForLessAndLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{})
		signIn(t, r, "ada", oneseat.SignInRequest{})
		var tries []time.Duration
		began := time.Now()
		r.set(func() {
			r.update = func(context.Context, oneseat.Key, change, updateFunc) (oneseat.View, error) {
				tries = append(tries, time.Since(began))
				return oneseat.View{}, oneseat.ErrUnknownOutcome
			}
		})
		wantError(t, r.Block(t.Context(), "ada", time.Time{}, ""), oneseat.ErrUnknownOutcome)
		const ms = time.Millisecond
		if want := []time.Duration{0, 20 * ms, 60 * ms, 120 * ms, 200 * ms}; !slices.Equal(tries, want) {
			t.Errorf("it was tried after %v", tries)
		}
	})
}

// The sign-out of a forged token changes nothing, in memory either: the roster that it
// read is not cached.
func TestWhatAForgedSignOutReadsIsNotCached(t *testing.T) {
	store := memstore.New()
	signIn(t, newNode(t, store, oneseat.Config{}), "ada", oneseat.SignInRequest{})
	r := newNode(t, store, oneseat.Config{})
	signIn(t, r, "grace", oneseat.SignInRequest{})
	accounts := r.Stats().Accounts
	wantError(t, r.SignOut(t.Context(), forged("ada")), oneseat.ErrNoSession)
	if n := r.Stats().Accounts; n != accounts {
		t.Errorf("%d accounts in memory, want %d", n, accounts)
	}
}
