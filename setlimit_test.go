package oneseat_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// plans is an application's function whose answer a test can change, or interrupt.
func setLimit(t testing.TB, r node, l oneseat.Limits) {
	t.Helper()
	if err := r.SetLimit(t.Context(), "ada", l, "staff"); err != nil {
		t.Fatal(err)
	}
}

// signInAll signs an account in so often, each a second after the other.
func signInAll(t testing.TB, r node, n int) []oneseat.Grant {
	t.Helper()
	var g []oneseat.Grant
	for range n {
		g = append(g, signIn(t, r, "ada", oneseat.SignInRequest{}))
		time.Sleep(time.Second)
	}
	return g
}

func idsOf(grants ...oneseat.Grant) []oneseat.SessionID {
	var ids []oneseat.SessionID
	for _, g := range grants {
		ids = append(ids, g.Session.ID)
	}
	return ids
}

// LIM-09: a stored limit that is lowered trims in the same update, the idlest
// first, and each is told why.
func TestALoweredStoredLimitTrimsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := newSystem(t, oneseat.Config{Limit: 4, MaxStale: time.Minute})
		g := signInAll(t, a, 4)
		g[0] = rotate(t, a, g[0]) // the idlest is another
		before := len(logged(t, store, "ada"))
		setLimit(t, a, oneseat.Limits{Total: 2})
		for _, gone := range g[1:3] {
			if e := wantEnded(t, a, gone, oneseat.ReasonLimitLowered); e.Actor != "staff" || e.By != "" {
				t.Errorf("the ending is %+v", e)
			}
			wantEnded(t, b, gone, oneseat.ReasonLimitLowered)
		}
		wantIDs(t, store, "ada", idsOf(g[0], g[3])...)
		synctest.Wait()
		events := logged(t, store, "ada")[before:]
		version := stored(t, store, "ada").Roster.Revision
		var told []string
		for _, e := range events {
			if e.Type != oneseat.EventSessionUsedAfterEnd {
				told = append(told, fmt.Sprint(e.Type, " ", e.Session, " ", e.Actor, " ", e.Version == version, " ", e.Limits != nil && e.Limits.Total == 2))
			}
		}
		if want := []string{
			"limit_changed  staff true true",
			fmt.Sprintf("session_ended %s staff true false", g[1].Session.ID), fmt.Sprintf("session_ended %s staff true false", g[2].Session.ID),
		}; !slices.Equal(told, want) {
			t.Errorf("events: %q, want %q", told, want)
		}

		// The same again is no news.
		writes := a.writes.Load()
		setLimit(t, a, oneseat.Limits{Total: 2})
		if a.writes.Load() != writes {
			t.Error("nothing changed, and it was written")
		}
		five := signIn(t, b, "ada", oneseat.SignInRequest{})
		wantIDs(t, store, "ada", idsOf(g[0], five)...)
		setLimit(t, a, oneseat.Limits{Total: 3})
		six := signIn(t, b, "ada", oneseat.SignInRequest{})
		wantIDs(t, store, "ada", idsOf(g[0], five, six)...)
		setLimit(t, a, oneseat.Limits{}) // the configuration's four
		seven := signIn(t, b, "ada", oneseat.SignInRequest{})
		wantIDs(t, store, "ada", idsOf(g[0], five, six, seven)...)
		last := logged(t, store, "ada")
		if e := last[len(last)-2]; e.Type != oneseat.EventLimitChanged || e.Limits == nil || !e.Limits.IsZero() {
			t.Errorf("the limit taken away is told as %+v", e)
		}
	})
}

func TestASetLimitIsNobodyElsesToChange(t *testing.T) {
	a, _, store := newSystem(t, oneseat.Config{})
	set := func(classes, streams map[oneseat.Class]int) oneseat.Limits {
		return oneseat.Limits{Total: 2, Classes: classes, Streams: 2, StreamClasses: streams}
	}
	tv := func() map[oneseat.Class]int { return map[oneseat.Class]int{"tv": 1} }
	classes, streams := tv(), tv()
	setLimit(t, a, set(classes, streams))
	classes["tv"], streams["tv"] = 9, 9
	if got := stored(t, store, "ada").Roster.Limits; !got.Equal(set(tv(), tv())) {
		t.Errorf("stored is %+v", got)
	}
	updates := a.updates.Load()
	err := a.SetLimit(t.Context(), "ada", oneseat.Limits{Total: -3}, "")
	if e, ok := errors.AsType[*oneseat.ConfigError](err); !ok || e.Field != "Total" {
		t.Errorf("an impossible limit: %v", err)
	}
	for _, err := range []error{a.SetLimit(t.Context(), "", oneseat.Limits{Total: 1}, ""), a.RefreshLimits(t.Context(), "")} {
		if _, ok := errors.AsType[*oneseat.AccountError](err); !ok {
			t.Errorf("an account without a name: %v", err)
		}
	}
	if a.updates.Load() != updates {
		t.Error("the store was asked")
	}
	if err := a.SetLimit(t.Context(), "ada", oneseat.Limits{Total: 3}, strings.Repeat("\x00€", 60)); err != nil {
		t.Fatal(err)
	}
	events := logged(t, store, "ada")
	if e := events[len(events)-1]; len(e.Actor) > 48 || strings.Contains(e.Actor, "\x00") {
		t.Errorf("the actor is kept as %q", e.Actor)
	}
	if err := a.SetLimit(t.Context(), "nobody", oneseat.Limits{}, ""); err != nil || stored(t, store, "nobody").Roster != nil {
		t.Errorf("no limit for nobody made %+v, %v", stored(t, store, "nobody").Roster, err)
	}
}

// The record of an account with limits of its own is kept. It is erased a minute after
// the limits were removed.
func TestLimitsOfAnAccountAreKeptAsLongAsItHasThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{Idle: time.Hour, KeepEndings: time.Hour, MaxStale: time.Minute})
		signIn(t, r, "grace", oneseat.SignInRequest{}) // the realm's record
		setLimit(t, r, oneseat.Limits{Total: 2})
		one, two := signIn(t, r, "ada", oneseat.SignInRequest{}), signIn(t, r, "ada", oneseat.SignInRequest{})
		time.Sleep(24 * time.Hour)
		if ro := stored(t, r.Store, "ada").Roster; ro == nil || len(ro.Seats)+len(ro.Endings) > 0 || ro.Limits.Total != 2 {
			t.Fatalf("kept is %+v", ro)
		}
		for _, g := range []oneseat.Grant{one, two} {
			_, err := r.Check(t.Context(), string(g.Token))
			wantError(t, err, oneseat.ErrNoSession)
		}
		setLimit(t, r, oneseat.Limits{})
		if stored(t, r.Store, "ada").Roster == nil {
			t.Error("forgotten at once")
		}
		time.Sleep(3 * time.Minute)
		if ro := stored(t, r.Store, "ada").Roster; ro != nil {
			t.Errorf("kept is %+v", ro)
		}
	})
}

// LIM-09: a limit that is lowered in the configuration, or by the application,
// trims at the next sign-in under each policy, or when RefreshLimits is called.
func TestALoweredConfiguredLimitTrimsAtTheNextSignInOrRefresh(t *testing.T) {
	for _, policy := range []oneseat.Policy{oneseat.PolicyDisplace, oneseat.PolicyRefuse, oneseat.PolicyAsk} {
		t.Run(string(policy), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &plans{said: oneseat.Limits{Total: 4, Streams: 3}}
				r := newNode(t, memstore.New(), oneseat.Config{WhenFull: policy, LimitFor: p.limitFor, MaxStale: time.Minute, StreamIdle: time.Hour})
				g := signInAll(t, r, 4)
				var streams []oneseat.SessionID
				for i := range 3 {
					streams = append(streams, play(t, r, g[3].Session, fmt.Sprint(i)).ID)
				}
				p.say(oneseat.Limits{Total: 2, Streams: 1})
				if live := liveIDs(t, r.Store, "ada"); len(live) != 7 {
					t.Fatalf("live are %v", live)
				}
				newest, err := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
				if policy == oneseat.PolicyDisplace {
					wantIDs(t, r.Store, "ada", g[3].Session.ID, streams[2], newest.Session.ID)
					for _, gone := range g[:3] {
						wantEnded(t, r, gone, oneseat.ReasonDisplaced)
					}
				} else {
					if full, ok := errors.AsType[*oneseat.LimitError](err); !ok || full.Limit != 2 || len(full.Live) != 2 {
						t.Errorf("it says %v", err)
					}
					wantIDs(t, r.Store, "ada", g[2].Session.ID, g[3].Session.ID, streams[2])
					for _, gone := range g[:2] {
						wantEnded(t, r, gone, oneseat.ReasonLimitLowered)
					}
				}
				for _, id := range streams[:2] {
					wantEnding(t, r.Heartbeat(t.Context(), g[3].Session, id), id, oneseat.ReasonLimitLowered)
				}

				p.say(oneseat.Limits{Total: 1})
				if err := r.RefreshLimits(t.Context(), "ada"); err != nil {
					t.Fatal(err)
				}
				if ids := liveIDs(t, r.Store, "ada"); len(ids) != 1 && policy == oneseat.PolicyDisplace || len(ids) != 2 && policy != oneseat.PolicyDisplace {
					t.Errorf("live are %v", ids)
				}
				idlest := g[2]
				if policy == oneseat.PolicyDisplace {
					idlest = g[3]
				}
				if e := wantEnded(t, r, idlest, oneseat.ReasonLimitLowered); e.Actor != "" {
					t.Errorf("the ending is %+v", e)
				}
			})
		})
	}
}

// LIM-06: the newcomer's own browser is renewed although the limit was lowered, and
// other sessions may have to end for that.
func TestARenewalOverALoweredLimitIsNotRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		g := signInAll(t, newNode(t, store, oneseat.Config{Limit: 3, MaxStale: time.Minute}), 3)
		r := newNode(t, store, oneseat.Config{Limit: 2, WhenFull: oneseat.PolicyRefuse, MaxStale: time.Minute})
		again := signIn(t, r, "ada", oneseat.SignInRequest{Token: string(g[0].Token)})
		wantEnded(t, r, g[0], oneseat.ReasonRenewed)
		wantEnded(t, r, g[1], oneseat.ReasonDisplaced)
		wantIDs(t, store, "ada", idsOf(g[2], again)...)
	})
}

// LIM-02, LIM-14: plans, tiers and staff. An account is unlimited only if the
// application says Unlimited. If the application says nothing of an account, the
// configuration counts.
func TestAnExemptAccountIsUnlimitedByNameOnly(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{WhenFull: oneseat.PolicyRefuse, LimitFor: func(_ context.Context, account string) (oneseat.Limits, error) {
		switch account {
		case "staff":
			return oneseat.Limits{Total: oneseat.Unlimited}, nil
		case "family":
			return oneseat.Limits{Total: 3, Classes: map[oneseat.Class]int{"tv": 1}}, nil
		case "tv only":
			return oneseat.Limits{Streams: 2}, nil
		}
		return oneseat.Limits{}, nil
	}})
	for range 5 {
		signIn(t, r, "staff", oneseat.SignInRequest{})
	}
	tv := oneseat.SignInRequest{Device: oneseat.Device{Class: "tv"}}
	signIn(t, r, "family", tv)
	if full := refused(t, r, "family", tv); full.Bound != "tv" || full.Limit != 1 || len(full.Live) != 1 {
		t.Errorf("it says %+v", full)
	}
	signIn(t, r, "family", oneseat.SignInRequest{})
	signIn(t, r, "family", oneseat.SignInRequest{})
	if full := refused(t, r, "family", oneseat.SignInRequest{}); full.Bound != "total" || full.Limit != 3 || len(full.Live) != 3 {
		t.Errorf("it says %+v", full)
	}
	for _, account := range []string{"ada", "tv only"} {
		signIn(t, r, account, oneseat.SignInRequest{})
		refused(t, r, account, oneseat.SignInRequest{})
	}
}

// Whoever reads an event may change what it holds: that changes no limit.
func TestTheLimitsOfAnEventAreTheReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{})
		synctest.Wait() // the log was read once
		sub := r.Subscribe("ada")
		defer sub.Close()
		if err := r.SetLimit(t.Context(), "ada", oneseat.Limits{Total: 2, Classes: map[oneseat.Class]int{"tv": 1}}, ""); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		(<-sub.Events()).Limits.Classes["tv"] = 9
		if a, err := r.Account(t.Context(), "ada"); err != nil || a.Limits.Classes["tv"] != 1 {
			t.Errorf("the limits are %+v, %v", a.Limits, err)
		}
	})
}

// The application may change its maps of limits: that changes no decision.
func TestLimitsAreAsTheyWereWhenTheyWereAskedFor(t *testing.T) {
	plan := map[oneseat.Class]int{"tv": 1}
	tv := oneseat.SignInRequest{Device: oneseat.Device{Class: "tv"}}
	for name, c := range map[string]oneseat.Config{
		"of the configuration": {Limit: 3, ClassLimits: plan},
		"of LimitFor": {LimitFor: func(context.Context, string) (oneseat.Limits, error) {
			return oneseat.Limits{Total: 3, Classes: plan}, nil
		}},
	} {
		plan["tv"] = 1
		c.WhenFull = oneseat.PolicyRefuse
		r := newNode(t, memstore.New(), c)
		signIn(t, r, "ada", tv)
		r.set(func() {
			r.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
				plan["tv"] = 9
				return next(ctx, k, c)
			}
		})
		if full := refused(t, r, "ada", tv); full.Bound != "tv" || full.Limit != 1 {
			t.Errorf("%s: %+v", name, full)
		}
	}
}

// LIM-10: no class, known or made up, gets past the total.
func TestNoClassGetsPastTheTotal(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{Limit: 3, ClassLimits: map[oneseat.Class]int{"other": 2, "tv": oneseat.Unlimited}})
	for i := range 50 {
		signIn(t, r, "ada", oneseat.SignInRequest{Device: oneseat.Device{Class: oneseat.Class(fmt.Sprint("class ", i))}})
		if n := len(liveIDs(t, r.Store, "ada")); n > 2 {
			t.Fatalf("%d live of a class of 2", n)
		}
	}
	for _, class := range append(oneseat.Classes(), oneseat.Classes()...) {
		signIn(t, r, "ada", oneseat.SignInRequest{Device: oneseat.Device{Class: class}})
		if n := len(liveIDs(t, r.Store, "ada")); n > 3 {
			t.Fatalf("%d live of 3", n)
		}
	}
}

// LIM-12: under refuse and under ask, a session that nobody uses any more does not lock
// its owner out. A session in use does.
func TestAClosedLaptopDoesNotLockItsOwnerOut(t *testing.T) {
	for _, policy := range []oneseat.Policy{oneseat.PolicyRefuse, oneseat.PolicyAsk} {
		synctest.Test(t, func(t *testing.T) {
			r := newNode(t, memstore.New(), oneseat.Config{WhenFull: policy, SeatIdle: time.Hour, MaxStale: time.Minute})
			closed := signIn(t, r, "ada", oneseat.SignInRequest{})
			time.Sleep(30 * time.Minute)
			wantLive(t, r, closed)
			synctest.Wait() // it is seen
			time.Sleep(time.Hour - time.Microsecond)
			refused(t, r, "ada", oneseat.SignInRequest{})
			time.Sleep(time.Microsecond)
			owner := signIn(t, r, "ada", oneseat.SignInRequest{Device: phone})
			if e := wantEnded(t, r, closed, oneseat.ReasonDisplaced); e.ByDevice != phone {
				t.Errorf("the ending is %+v", e)
			}
			wantLive(t, r, owner)
		})
	}
	// Without a SeatIdle it stays, and it stays where there is room.
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{WhenFull: oneseat.PolicyRefuse, MaxStale: time.Minute})
		there := signIn(t, r, "ada", oneseat.SignInRequest{})
		wantLive(t, r, there)
		time.Sleep(24 * time.Hour)
		refused(t, r, "ada", oneseat.SignInRequest{})
		wantLive(t, r, there)
	})
	// Nor does a stream lose its seat before it lapses.
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{TouchEvery: time.Second, SeatIdle: 2 * time.Second, MaxStale: time.Minute})
		there := signIn(t, r, "ada", oneseat.SignInRequest{})
		playing := play(t, r, there.Session, "p")
		time.Sleep(44 * time.Second)
		fullOfStreams(t, r, there.Session, "q")
		beat(t, r, there.Session, playing)
	})
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{Limit: 2, WhenFull: oneseat.PolicyRefuse, SeatIdle: time.Hour, MaxStale: time.Minute})
		there := signIn(t, r, "ada", oneseat.SignInRequest{})
		time.Sleep(24 * time.Hour)
		signIn(t, r, "ada", oneseat.SignInRequest{})
		wantLive(t, r, there)
	})
}

// A change of limits admits nobody, so it works too while the control record is lost.
func TestLimitsAreSetWithoutTheControlRecord(t *testing.T) {
	store := memstore.New()
	r := newRegistry(t, store, oneseat.Config{})
	signIn(t, r, "ada", oneseat.SignInRequest{})
	deleteRow(t, store, "")
	if err := r.SetLimit(t.Context(), "ada", oneseat.Limits{Total: 2}, "support"); err != nil {
		t.Error(err)
	}
	if v := stored(t, store, ""); v.Roster != nil {
		t.Errorf("that made the record %+v", v.Roster)
	}
}
