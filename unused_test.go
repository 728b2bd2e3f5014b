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

// uses are all ways in which a session is used, by its token or by an id that the
// application vouches for.
var uses = map[string]func(*testing.T, node, oneseat.Grant){
	"check": func(t *testing.T, r node, g oneseat.Grant) { wantLive(t, r, g) },
	"peek": func(t *testing.T, r node, g oneseat.Grant) {
		if _, err := r.Peek(t.Context(), string(g.Token)); err != nil {
			t.Error(err)
		}
	},
	"check fresh": func(t *testing.T, r node, g oneseat.Grant) {
		if _, err := r.CheckFresh(t.Context(), string(g.Token)); err != nil {
			t.Error(err)
		}
	},
	"check by id": func(t *testing.T, r node, g oneseat.Grant) {
		if _, err := r.CheckID(t.Context(), "ada", g.Session.ID); err != nil {
			t.Error(err)
		}
	},
	"enter": func(t *testing.T, r node, g oneseat.Grant) {
		var w oneseat.Watch
		if _, err := r.CheckAndWatch(t.Context(), string(g.Token), false, &w, oneseat.WatcherFunc(func(error) {})); err != nil {
			t.Error(err)
		}
		w.Stop()
	},
	"hold": func(t *testing.T, r node, g oneseat.Grant) {
		ctx, cancel := r.Hold(t.Context(), g.Session)
		defer cancel()
		if ctx.Err() != nil {
			t.Error(context.Cause(ctx))
		}
	},
	"watch": func(t *testing.T, r node, g oneseat.Grant) {
		r.AfterEnd(t.Context(), g.Session, func(err error) { t.Error(err) })()
	},
	"stream": func(t *testing.T, r node, g oneseat.Grant) { play(t, r, g.Session, "player") },
	"rotate": func(t *testing.T, r node, g oneseat.Grant) {
		if _, err := r.Rotate(t.Context(), string(g.Token)); err != nil {
			t.Error(err)
		}
	},
	"end others": func(t *testing.T, r node, g oneseat.Grant) {
		if _, err := r.EndOthers(t.Context(), "ada", g.Session.ID, oneseat.EndOptions{}); err != nil {
			t.Error(err)
		}
	},
	"end, on its authority": func(t *testing.T, r node, g oneseat.Grant) {
		if _, err := r.End(t.Context(), "ada", oneseat.EndOptions{As: g.Session.ID}, "nobody"); err != nil {
			t.Error(err)
		}
	},
}

// W6, L2: a sign-in whose answer was lost, or whose browser keeps no cookie, keeps
// nobody out for longer than ten seconds.
func TestASessionThatWasNeverUsedGivesWayAfterTenSeconds(t *testing.T) {
	for _, policy := range []oneseat.Policy{oneseat.PolicyRefuse, oneseat.PolicyAsk} {
		synctest.Test(t, func(t *testing.T) {
			a, b, _ := following(t, oneseat.Config{WhenFull: policy})
			lost := signIn(t, a, "ada", oneseat.SignInRequest{})
			time.Sleep(10*time.Second - time.Microsecond)
			full := refused(t, b, "ada", oneseat.SignInRequest{})
			time.Sleep(time.Microsecond)
			if full.Ticket != "" { // a newcomer that was asked may come back as well
				if d, err := b.Redeem(t.Context(), full.Ticket, oneseat.SignInRequest{}); err != nil {
					t.Errorf("redeem: %+v, %v", d, err)
				}
			} else {
				signIn(t, b, "ada", oneseat.SignInRequest{})
			}
			if e := wantEnded(t, a, lost, oneseat.ReasonDisplaced); e.SameDevice {
				t.Errorf("the ending is %+v", e)
			}
		})
	}
}

// No session that was answered yes gives way as unused, on whichever node that was.
func TestASessionThatWasAnsweredYesNeverGivesWayAsUnused(t *testing.T) {
	for name, use := range uses {
		t.Run(name, func(t *testing.T) {
			for _, policy := range []oneseat.Policy{oneseat.PolicyRefuse, oneseat.PolicyAsk} {
				synctest.Test(t, func(t *testing.T) {
					a, b, store := following(t, oneseat.Config{WhenFull: policy})
					there := signIn(t, a, "ada", oneseat.SignInRequest{})
					use(t, b, there)
					if stored(t, store, "ada").Roster.Seats[0].Unused {
						t.Error("it is stored as unused")
					}
					time.Sleep(time.Minute)
					refused(t, a, "ada", oneseat.SignInRequest{})
					refused(t, b, "ada", oneseat.SignInRequest{})
				})
			}
		})
	}
}

// Where the first use cannot be written, the answer is not yes.
func TestAFirstUseThatCannotBeWrittenIsNoYes(t *testing.T) {
	for name, use := range map[string]func(*testing.T, node, oneseat.Grant) error{
		"check": func(t *testing.T, r node, g oneseat.Grant) error {
			_, err := r.Check(t.Context(), string(g.Token))
			return err
		},
		"peek": func(t *testing.T, r node, g oneseat.Grant) error {
			_, err := r.Peek(t.Context(), string(g.Token))
			return err
		},
		"check by id": func(t *testing.T, r node, g oneseat.Grant) error {
			_, err := r.CheckID(t.Context(), "ada", g.Session.ID)
			return err
		},
		"hold": func(t *testing.T, r node, g oneseat.Grant) error {
			ctx, cancel := r.Hold(t.Context(), g.Session)
			defer cancel()
			return context.Cause(ctx)
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newNode(t, memstore.New(), oneseat.Config{WhenFull: oneseat.PolicyRefuse})
			synctest.Wait()
			there := signIn(t, r, "ada", oneseat.SignInRequest{})
			r.set(func() {
				r.update = func(context.Context, oneseat.Key, change, updateFunc) (oneseat.View, error) {
					return oneseat.View{}, errDown
				}
			})
			if err := use(t, r, there); !errors.Is(err, oneseat.ErrStoreUnavailable) {
				t.Errorf("%s: %v", name, err)
			}
			r.up()
			wantLive(t, r, there)
		})
	}
}

// Under displace a session that nobody uses goes before one that is in use, however
// old that is.
func TestUnderDisplaceTheUnusedGoFirst(t *testing.T) {
	for _, order := range []oneseat.DisplaceOrder{oneseat.DisplaceIdlest, oneseat.DisplaceOldest, oneseat.DisplaceSameClass} {
		synctest.Test(t, func(t *testing.T) {
			a, b, _ := following(t, oneseat.Config{Limit: 3, DisplaceOrder: order})
			phone := oneseat.SignInRequest{Device: oneseat.Device{Class: oneseat.ClassMobile}}
			used := signIn(t, a, "ada", phone)
			wantLive(t, a, used) // alone, so that this need not be written
			time.Sleep(time.Hour)
			never := signIn(t, a, "ada", oneseat.SignInRequest{})
			also := signIn(t, a, "ada", oneseat.SignInRequest{})
			wantLive(t, b, also)
			wantLive(t, b, used)
			synctest.Wait()
			time.Sleep(10 * time.Second)
			signIn(t, b, "ada", phone)
			wantEnded(t, b, never, oneseat.ReasonDisplaced)
			wantLive(t, b, used)
			wantLive(t, b, also)
		})
	}
}

// A lone session of DisplaceSameClass is used as any other.
func TestALoneSessionThatIsUsedIsNotTakenForUnused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{Limit: 2, DisplaceOrder: oneseat.DisplaceSameClass})
		synctest.Wait()
		desktop := signIn(t, r, "ada", oneseat.SignInRequest{Device: oneseat.Device{Class: oneseat.ClassDesktop}})
		wantLive(t, r, desktop)
		synctest.Wait()
		time.Sleep(time.Minute)
		phone := oneseat.SignInRequest{Device: oneseat.Device{Class: oneseat.ClassMobile}}
		first := signIn(t, r, "ada", phone)
		wantLive(t, r, first)
		synctest.Wait()
		time.Sleep(time.Minute)
		signIn(t, r, "ada", phone)
		wantLive(t, r, desktop)
		wantEnded(t, r, first, oneseat.ReasonDisplaced)
	})
}

// A program's session and an adopted one never give way as unused. No session gives way
// as unused to an adoption or to a stream.
func TestWhatNeverCountsAsUnused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := oneseat.Config{WhenFull: oneseat.PolicyRefuse, AdoptUntil: time.Now().Add(24 * time.Hour)}
		r := newNode(t, memstore.New(), config)
		program := signIn(t, r, "a program", oneseat.SignInRequest{Device: oneseat.Device{Class: oneseat.ClassAPI}})
		adopted, err := r.Adopt(t.Context(), "an older session", time.Now().Add(-time.Hour), oneseat.SignInRequest{})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		for _, g := range []oneseat.Grant{program, adopted} {
			refused(t, r, g.Session.Account, oneseat.SignInRequest{})
			wantLive(t, r, g)
		}
		unused := signIn(t, r, "unused", oneseat.SignInRequest{})
		time.Sleep(time.Hour)
		if _, err := r.Adopt(t.Context(), "unused", time.Now().Add(-time.Minute), oneseat.SignInRequest{}); !errors.Is(err, oneseat.ErrNoSession) {
			t.Errorf("adopted: %v", err)
		}
		wantLive(t, r, unused)
	})
}

// A rotation does not bring the mark back, and a renewal starts anew.
func TestARotatedSessionIsUsedAndARenewedOneIsNot(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{WhenFull: oneseat.PolicyRefuse})
	unused := func(want bool) {
		t.Helper()
		if got := stored(t, r.Store, "ada").Roster.Seats[0].Unused; got != want {
			t.Errorf("unused: %v", got)
		}
	}
	g := signIn(t, r, "ada", oneseat.SignInRequest{})
	unused(true)
	wantLive(t, r, g)
	unused(false)
	g, err := r.Rotate(t.Context(), string(g.Token))
	if err != nil {
		t.Fatal(err)
	}
	unused(false)
	signIn(t, r, "ada", oneseat.SignInRequest{Token: string(g.Token)})
	unused(true)
}

// A double click on the first sign-in: the second one finds its own device, or, from
// ten seconds on, a seat that nobody used.
func TestADoubleClickUnderRefuseLocksNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{WhenFull: oneseat.PolicyRefuse})
		browser := oneseat.SignInRequest{DeviceID: deviceID("laptop")}
		signIn(t, r, "ada", browser)
		wantLive(t, r, signIn(t, r, "ada", browser))
		signIn(t, r, "grace", oneseat.SignInRequest{})
		refused(t, r, "grace", oneseat.SignInRequest{})
		time.Sleep(10 * time.Second)
		wantLive(t, r, signIn(t, r, "grace", oneseat.SignInRequest{}))
	})
}
