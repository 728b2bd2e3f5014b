package oneseat_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

func endRealm(t testing.TB, r node, actor string) {
	t.Helper()
	if err := r.EndRealm(t.Context(), actor); err != nil {
		t.Fatal(err)
	}
}

func TestEndRealmEndsEverythingBeforeAndNothingAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{Limit: 2})
		var before []oneseat.Grant
		for _, account := range []string{"ada", "ada", "grace"} {
			g := signIn(t, a, account, oneseat.SignInRequest{Device: laptop})
			wantLive(t, a, g)
			wantLive(t, b, g)
			before = append(before, g)
		}
		other, err := oneseat.New(store, oneseat.Config{Realm: "another"})
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		theirs := signIn(t, other, "ada", oneseat.SignInRequest{})

		time.Sleep(time.Second)
		endRealm(t, a, "support\x00 desk"+strings.Repeat("!", 200))
		at := time.Now()
		for _, g := range before {
			ending := wantEnded(t, a, g, oneseat.ReasonRealmEnded) // at once where it was done
			if !ending.At.Equal(at) || ending.Device != laptop {
				t.Errorf("the ending is %+v", ending)
			}
		}
		after := signIn(t, a, "ada", oneseat.SignInRequest{})
		wantLive(t, a, after)
		wantLive(t, b, after)
		synctest.Wait() // the news arrives
		for _, g := range before {
			wantEnded(t, b, g, oneseat.ReasonRealmEnded)
		}
		wantLive(t, b, after)
		wantLive(t, other, theirs)
		if live, err := b.Sessions(t.Context(), "ada"); err != nil || len(live) != 1 || live[0].ID != after.Session.ID {
			t.Errorf("live: %+v, %v", live, err)
		}
		if live, err := b.Sessions(t.Context(), "grace"); err != nil || len(live) != 0 {
			t.Errorf("live: %+v, %v", live, err)
		}
		events := logged(t, store, "")
		if n := count(events, oneseat.EventRealmEnded); n != 1 {
			t.Fatalf("%d events", n)
		}
		for _, e := range events {
			if want := "support desk" + strings.Repeat("!", 36); e.Type == oneseat.EventRealmEnded && (e.Actor != want || e.Account != "") {
				t.Errorf("the event is %+v", e)
			}
		}
	})
}

// P4 where the news does not arrive.
func TestEndRealmIsKnownWithinMaxStaleWhereTheLogIsBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		b.deaf()
		time.Sleep(2 * time.Second)
		wantLive(t, b, g)
		time.Sleep(time.Second / 2)
		endRealm(t, a, "")
		after := signIn(t, a, "grace", oneseat.SignInRequest{})
		wantLive(t, b, after) // though its control record is stale
		own := signIn(t, b, "alan", oneseat.SignInRequest{})
		wantLive(t, b, own)
		wantLive(t, a, own)
		time.Sleep(time.Second + tick)
		wantEnded(t, b, g, oneseat.ReasonRealmEnded)
	})
}

func TestWhatTheRealmsEndTookIsNeitherRotatedNorCounted(t *testing.T) {
	a, b, store := newSystem(t, oneseat.Config{Limit: 5})
	var g []oneseat.Grant
	for range 4 {
		g = append(g, signIn(t, a, "ada", oneseat.SignInRequest{}))
	}
	endRealm(t, a, "")
	_, err := a.Rotate(t.Context(), string(g[0].Token))
	if over, ok := errors.AsType[*oneseat.EndedError](err); !ok || over.Ending.Reason != oneseat.ReasonRealmEnded {
		t.Errorf("rotation: %v", err)
	}
	wantEnding(t, a.SignOut(t.Context(), string(g[1].Token)), g[1].Session.ID, oneseat.ReasonRealmEnded)
	if n, err := a.End(t.Context(), "ada", oneseat.EndOptions{}, g[2].Session.ID); n != 0 || err != nil {
		t.Errorf("%d were ended, %v", n, err)
	}
	if n, err := a.EndAll(t.Context(), "ada", oneseat.EndOptions{}); n != 0 || err != nil {
		t.Errorf("%d were ended, %v", n, err)
	}
	for i := range g {
		_, err := b.Check(t.Context(), string(g[i].Token))
		if over, ok := errors.AsType[*oneseat.EndedError](err); !ok || over.Ending.Reason != oneseat.ReasonRealmEnded {
			t.Errorf("session %d: %v, want realm_ended: P3, an ending is final", i, err)
		}
	}
	if n := count(logged(t, store, "ada"), oneseat.EventSessionRotated); n != 0 {
		t.Errorf("%d were rotated", n)
	}
}

func TestEndRealmTwiceEndsTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{})
		first := signIn(t, a, "ada", oneseat.SignInRequest{})
		endRealm(t, a, "")
		second := signIn(t, a, "grace", oneseat.SignInRequest{})
		endRealm(t, b, "")
		third := signIn(t, a, "alan", oneseat.SignInRequest{})
		synctest.Wait()
		for _, r := range []node{a, b} {
			wantEnded(t, r, first, oneseat.ReasonRealmEnded)
			wantEnded(t, r, second, oneseat.ReasonRealmEnded)
			wantLive(t, r, third)
		}
	})
}

// A user that signs in between a lost reply of EndRealm and its retry stays signed in.
func TestEndRealmWhoseReplyWasLostEndsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{})
		before := signIn(t, a, "ada", oneseat.SignInRequest{})
		time.Sleep(time.Second)
		var between oneseat.Grant
		a.loseReplies(oneseat.KeyOf(realm, ""), 1, func() { between = signIn(t, b, "grace", oneseat.SignInRequest{}) })
		endRealm(t, a, "")
		wantEnded(t, a, before, oneseat.ReasonRealmEnded)
		wantLive(t, a, between)
		wantLive(t, b, between)
		if n := count(logged(t, store, ""), oneseat.EventRealmEnded); n != 1 {
			t.Errorf("%d events, want one", n)
		}

		// An older end of the realm is not taken for this call's own, which got lost.
		lost := true
		a.set(func() {
			a.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
				if lost {
					lost = false
					return oneseat.View{}, oneseat.ErrUnknownOutcome
				}
				return next(ctx, k, c)
			}
		})
		endRealm(t, a, "")
		wantEnded(t, a, between, oneseat.ReasonRealmEnded)

		a.loseReplies(oneseat.KeyOf(realm, ""), 99, nil)
		wantError(t, a.EndRealm(t.Context(), ""), oneseat.ErrUnknownOutcome)
		a.down()
		wantError(t, a.EndRealm(t.Context(), ""), oneseat.ErrStoreUnavailable)
	})
}

// P4: what is in flight on the node that served it is cut before it returns,
// although its own event never came back.
func TestEndRealmWhoseReplyWasLostCutsWhatIsHeldHere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, _ := following(t, oneseat.Config{})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		ctx, stop := a.Hold(t.Context(), g.Session)
		defer stop()
		a.deaf()
		a.loseReplies(oneseat.KeyOf(realm, ""), 1, nil)
		endRealm(t, a, "")
		wantEnding(t, context.Cause(ctx), g.Session.ID, oneseat.ReasonRealmEnded)
	})
}

// A restore may take the realm's end back. A node that has it in memory still
// must not end what is signed in after the restore.
func TestAnEpochThatTheStoreHasLostEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{Limit: 2, Idle: time.Hour, MaxStale: time.Minute})
		used := signIn(t, a, "ada", oneseat.SignInRequest{})
		before := stored(t, store, "")
		if err := signOut(t, a, used); err != nil {
			t.Fatal(err)
		}
		endRealm(t, a, "")
		_, err := store.Update(t.Context(), before.Key, func(oneseat.View) (oneseat.Change, error) {
			return oneseat.Change{Roster: before.View.Roster}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		g := signIn(t, b, "ada", oneseat.SignInRequest{})
		wantEnded(t, a, used, oneseat.ReasonSignedOut) // its use is noted
		synctest.Wait()
		if v := stored(t, store, "ada"); len(v.Roster.Seats) != 1 {
			t.Fatalf("the roster is %+v", v.Roster)
		}
		wantLive(t, a, g)
	})
}

// The realm is ended between the reading of its epoch and the admission.
func TestASignInDuringEndRealmIsOfOneEpochOrTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{Limit: 3})
		signIn(t, a, "ada", oneseat.SignInRequest{})
		var other oneseat.Grant
		between := func(do func()) {
			first := true
			a.set(func() {
				a.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
					if first {
						first = false
						do()
					}
					return next(ctx, k, c)
				}
			})
		}
		// Somebody was admitted under the new epoch: so is this one.
		between(func() {
			endRealm(t, b, "")
			other = signIn(t, b, "ada", oneseat.SignInRequest{})
		})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		for _, r := range []node{a, b} {
			wantLive(t, r, g)
			wantLive(t, r, other)
		}
		synctest.Wait() // their first uses are written
		// Nobody was: this one counts as before the end.
		between(func() { endRealm(t, b, "") })
		g = signIn(t, a, "ada", oneseat.SignInRequest{})
		synctest.Wait()
		wantEnded(t, a, g, oneseat.ReasonRealmEnded)
		wantEnded(t, b, g, oneseat.ReasonRealmEnded)
	})
}

// Losing the control record ends everything that was issued before.
func TestWithoutTheControlRecordNothingIssuedBeforeIsAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{})
		old := signIn(t, a, "ada", oneseat.SignInRequest{})
		deleteRow(t, store, "")
		time.Sleep(time.Minute + time.Second) // nothing is believed longer without a read
		for _, r := range []node{a, b} {
			_, err := r.Check(t.Context(), string(old.Token))
			wantError(t, err, oneseat.ErrNoSession)
			if live, err := r.Sessions(t.Context(), "ada"); err != nil || len(live) != 0 {
				t.Errorf("live: %+v, %v", live, err)
			}
		}
		events := len(logged(t, store, ""))
		g := signIn(t, a, "grace", oneseat.SignInRequest{}) // makes it anew
		if n := len(logged(t, store, "")) - events; n != 1 {
			t.Errorf("%d events: the making of a control record is none", n)
		}
		for _, r := range []node{a, b} {
			wantLive(t, r, g)
			wantEnded(t, r, old, oneseat.ReasonRealmEnded)
		}
	})
}

// A heartbeat says no where a check does.
func TestWithoutTheControlRecordNoStreamIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, store := following(t, oneseat.Config{MaxStale: oneseat.FreshAlways})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		stream := play(t, a, g.Session, "p")
		deleteRow(t, store, "")
		before := stored(t, store, "ada").Version
		time.Sleep(30 * time.Second)
		_, err := a.CheckStream(t.Context(), g.Session, stream.ID)
		wantError(t, err, oneseat.ErrNoSession)
		wantError(t, a.Heartbeat(t.Context(), g.Session, stream.ID), oneseat.ErrNoSession)
		if v := stored(t, store, "ada"); v.Version != before {
			t.Errorf("the heartbeat wrote %+v", v.Roster)
		}
	})
}

func TestTheControlRecordIsMadeOnce(t *testing.T) {
	a, b, store := newSystem(t, oneseat.Config{})
	all := make([]oneseat.Grant, 32)
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			var err error
			if all[i], err = []node{a, b}[i%2].SignIn(t.Context(), fmt.Sprint("account ", i), oneseat.SignInRequest{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, g := range all {
		wantLive(t, a, g)
		wantLive(t, b, g)
	}
	if n := count(logged(t, store, ""), oneseat.EventRealmEnded); n != 0 {
		t.Errorf("%d events say that the realm was ended", n)
	}
}

// The tries of a sign-in are for limits that change: ends of the realm use up none.
func TestASignInDuringEndsOfTheRealmIsNoPartialRestore(t *testing.T) {
	store := memstore.New()
	r, other := newNode(t, store, oneseat.Config{}), newNode(t, store, oneseat.Config{})
	ends := 0
	r.set(func() {
		r.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
			if k == oneseat.KeyOf(realm, "ada") && ends < 3 {
				ends++
				if err := other.EndRealm(ctx, ""); err != nil {
					t.Error(err)
				}
				signIn(t, other, "ada", oneseat.SignInRequest{})
			}
			return next(ctx, k, c)
		}
	})
	wantLive(t, other, signIn(t, r, "ada", oneseat.SignInRequest{}))
}

// A restore that brought back an older control record beside newer rosters.
func TestAPartialRestoreIsNoticedAndMendedByEndRealm(t *testing.T) {
	a, b, store := newSystem(t, oneseat.Config{})
	signIn(t, a, "grace", oneseat.SignInRequest{})
	old := stored(t, store, "").View.Roster
	endRealm(t, a, "")
	g := signIn(t, a, "ada", oneseat.SignInRequest{})
	_, err := store.Update(t.Context(), oneseat.KeyOf(realm, ""), func(oneseat.View) (oneseat.Change, error) {
		return oneseat.Change{Roster: old, Events: []oneseat.Event{{Type: oneseat.EventRealmEnded, Realm: realm}}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	c := newNode(t, store, oneseat.Config{})
	_, err = c.Check(t.Context(), string(g.Token))
	wantError(t, err, oneseat.ErrNoSession)
	_, err = c.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
	if format, ok := errors.AsType[*oneseat.FormatError](err); !ok || !strings.Contains(format.Problem, "EndRealm") {
		t.Fatalf("got %v", err)
	}
	endRealm(t, b, "after the restore")
	wantEnded(t, c, g, oneseat.ReasonRealmEnded)
	wantLive(t, c, signIn(t, c, "ada", oneseat.SignInRequest{}))
}

// A row under the wrong key belongs to no account.
func TestARosterOfAnotherAccountIsNotBelieved(t *testing.T) {
	store := memstore.New()
	r := newNode(t, store, oneseat.Config{})
	g := signIn(t, r, "ada", oneseat.SignInRequest{})
	grace := signIn(t, r, "grace", oneseat.SignInRequest{})
	swapped := stored(t, store, "ada").View.Roster
	_, err := store.Update(t.Context(), oneseat.KeyOf(realm, "grace"), func(oneseat.View) (oneseat.Change, error) {
		return oneseat.Change{Roster: swapped}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	fresh := newNode(t, store, oneseat.Config{})
	for _, token := range []string{string(grace.Token), tokenLike(g, oneseat.KeyOf(realm, "grace"))} {
		_, err = fresh.Check(t.Context(), token)
		wantError(t, err, oneseat.ErrNoSession)
	}
	_, err = fresh.CheckID(t.Context(), "grace", g.Session.ID)
	wantError(t, err, oneseat.ErrNoSession)
	_, err = fresh.SignIn(t.Context(), "grace", oneseat.SignInRequest{})
	if _, ok := errors.AsType[*oneseat.FormatError](err); !ok {
		t.Errorf("got %v", err)
	}
	wantLive(t, fresh, g)
}

// tokenLike is a token with the secret of one and the key of another account.
func tokenLike(g oneseat.Grant, key oneseat.Key) string {
	raw, _ := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(string(g.Token), oneseat.TokenPrefix))
	return tokenOf(key, [32]byte(raw[16:48]))
}

// The key of the control record is no secret: a forged token with that key gives
// nothing, and changes nothing.
func TestNobodyReachesTheControlRecordWithAToken(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{})
	g := signIn(t, r, "ada", oneseat.SignInRequest{})
	before, writes := stored(t, r.Store, ""), r.writes.Load()
	for range 3 {
		token := forged("")
		_, err := r.Check(t.Context(), token)
		wantError(t, err, oneseat.ErrNoSession)
		_, err = r.Rotate(t.Context(), token)
		wantError(t, err, oneseat.ErrNoSession)
		wantError(t, r.SignOut(t.Context(), token), oneseat.ErrNoSession)
	}
	if after := stored(t, r.Store, ""); after.Roster == nil || after.Version != before.Version || r.writes.Load() != writes {
		t.Errorf("the control record is %+v", after.Roster)
	}
	wantLive(t, newNode(t, r.Store, oneseat.Config{}), g)
}

func TestRealmsDoNotShareSessions(t *testing.T) {
	store := memstore.New()
	one := newRegistry(t, store, oneseat.Config{Realm: "one"})
	two := newRegistry(t, store, oneseat.Config{Realm: "two"})
	g := signIn(t, one, "ada", oneseat.SignInRequest{})
	_, err := two.Check(t.Context(), string(g.Token))
	wantError(t, err, oneseat.ErrNoSession)
	_, err = two.CheckID(t.Context(), "ada", g.Session.ID)
	wantError(t, err, oneseat.ErrNoSession)
	wantError(t, two.SignOut(t.Context(), string(g.Token)), oneseat.ErrNoSession)
	_, err = two.Rotate(t.Context(), string(g.Token))
	if err == nil {
		t.Error("it was rotated from another realm")
	}
	signIn(t, two, "ada", oneseat.SignInRequest{Token: string(g.Token)})
	wantLive(t, one, g)
}

// A yes needs both: the log may go on for the account, and be broken where the
// realm's control record is.
func TestEndRealmIsKnownWithinMaxStaleWhereOnlyItsPartOfTheLogIsBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newPartitioned(8)
		a, b := newNode(t, store, oneseat.Config{}), newNode(t, store, oneseat.Config{})
		synctest.Wait()
		control := oneseat.KeyOf(realm, "").Partition(8)
		account := "ada"
		for i := 0; oneseat.KeyOf(realm, account).Partition(8) == control; i++ {
			account = fmt.Sprint("account ", i)
		}
		g := signIn(t, a, account, oneseat.SignInRequest{})
		wantLive(t, b, g)
		b.set(func() {
			b.changes = func(ctx context.Context, p int, after oneseat.Cursor, next tailFunc) (oneseat.Tail, error) {
				if p == control {
					return oneseat.Tail{}, errDown
				}
				return next(ctx, p, after)
			}
		})
		if err := a.EndRealm(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		time.Sleep(maxStale + tick)
		wantEnded(t, b, g, oneseat.ReasonRealmEnded)
	})
}

// An end of the realm that another overtakes ends the realm once more: somebody
// may have signed in between.
func TestAnEndOfTheRealmThatIsOvertakenEndsItToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{})
		signIn(t, b, "grace", oneseat.SignInRequest{})
		var between oneseat.Grant
		a.set(func() {
			a.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
				if between.Token == "" {
					endRealm(t, b, "")
					between = signIn(t, b, "ada", oneseat.SignInRequest{})
				}
				return next(ctx, k, c)
			}
		})
		endRealm(t, a, "")
		wantEnded(t, a, between, oneseat.ReasonRealmEnded)
	})
}

// EndRealm compares with the epoch of before to find out whether a try without a reply
// was committed. If it cannot read that epoch, it ends nothing.
func TestWithoutARecordToReadTheRealmIsNotEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, _ := following(t, oneseat.Config{})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		a.unreadable()
		wantError(t, a.EndRealm(t.Context(), ""), oneseat.ErrStoreUnavailable)
		a.up()
		wantLive(t, a, g)
	})
}
