package oneseat_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// L1: the session that was unused for longest goes, exactly to ten seconds, on
// whichever node each was used.
func TestTheOrderOfUseIsExactToTenSecondsOnEveryNode(t *testing.T) {
	for _, order := range []oneseat.DisplaceOrder{oneseat.DisplaceIdlest, oneseat.DisplaceSameClass} {
		synctest.Test(t, func(t *testing.T) {
			a, b, _ := following(t, oneseat.Config{Limit: 2, DisplaceOrder: order})
			one := signIn(t, a, "ada", oneseat.SignInRequest{})
			time.Sleep(time.Second)
			two := signIn(t, a, "ada", oneseat.SignInRequest{})
			time.Sleep(10 * time.Second)
			wantLive(t, a, one) // so now the other is the idlest
			synctest.Wait()
			third := signIn(t, b, "ada", oneseat.SignInRequest{})
			wantEnded(t, b, two, oneseat.ReasonDisplaced)
			wantLive(t, b, one)
			wantLive(t, b, third)
		})
	}
}

// A touch writes no log entry, so another node's view may be old: a session may look
// like the newest there although it is not.
func TestANodeWithAnOldViewDoesNotTakeASessionForTheNewest(t *testing.T) {
	for _, first := range []time.Duration{0, 5 * time.Second, 9 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			a, b, _ := following(t, oneseat.Config{Limit: 2})
			one, two := signIn(t, a, "ada", oneseat.SignInRequest{}), signIn(t, a, "ada", oneseat.SignInRequest{})
			time.Sleep(first)
			for range 10 { // each on a node of its own, the second one a little later
				wantLive(t, a, one)
				synctest.Wait()
				time.Sleep(time.Second)
				wantLive(t, b, two)
				synctest.Wait()
				time.Sleep(10 * time.Second)
			}
			for range 11 { // from here on only the first
				wantLive(t, a, one)
				synctest.Wait()
				time.Sleep(time.Second)
			}
			signIn(t, b, "ada", oneseat.SignInRequest{})
			wantEnded(t, b, two, oneseat.ReasonDisplaced)
			wantLive(t, b, one)
		})
	}
}

// A request that goes on counts at its start, at its end and once a minute, however
// many nodes there are. It does not keep the session from idling.
func TestARequestThatGoesOnCountsForTheOrderAndNotAgainstIdling(t *testing.T) {
	for name, hold := range map[string]func(*testing.T, node, oneseat.Grant) (stop func()){
		"a request": func(t *testing.T, r node, g oneseat.Grant) func() {
			w := new(oneseat.Watch)
			if _, err := r.CheckAndWatch(t.Context(), string(g.Token), true, w, oneseat.WatcherFunc(func(error) {})); err != nil {
				t.Fatal(err)
			}
			return w.Stop
		},
		"a hold": func(t *testing.T, r node, g oneseat.Grant) func() {
			_, cancel := r.Hold(t.Context(), g.Session)
			return cancel
		},
	} {
		t.Run(name, func(t *testing.T) {
			for lasts, after := range map[time.Duration]time.Duration{
				30 * time.Second: 0, 59 * time.Second: 0, 2 * time.Hour: 0, // it has just ended
				2*time.Hour + time.Second: -90 * time.Second, // it still goes on
			} {
				synctest.Test(t, func(t *testing.T) {
					a, b, store := following(t, oneseat.Config{Limit: 2})
					watching := signIn(t, a, "ada", oneseat.SignInRequest{})
					stop := hold(t, a, watching)
					defer stop()
					other := signIn(t, b, "ada", oneseat.SignInRequest{})
					time.Sleep(lasts + after - 11*time.Second)
					wantLive(t, b, other)
					synctest.Wait()
					time.Sleep(11*time.Second - after)
					if after == 0 {
						stop()
					}
					synctest.Wait()
					signIn(t, b, "ada", oneseat.SignInRequest{})
					wantEnded(t, b, other, oneseat.ReasonDisplaced)
					if seen := stored(t, store, "ada").Roster.Seats[0].LastSeen; !seen.Equal(watching.Session.Created) {
						t.Errorf("it was last seen at %v, and signed in at %v", seen, watching.Session.Created)
					}
				})
			}
		})
	}
}

// The end of a request counts once, if it comes ten seconds or more after the beginning.
// It costs nothing where there is no order, or no session any more.
func TestTheEndOfALongRequestIsAUse(t *testing.T) {
	for _, stale := range []time.Duration{time.Minute, oneseat.FreshAlways} {
		synctest.Test(t, func(t *testing.T) {
			r := newNode(t, memstore.New(), oneseat.Config{Limit: 2, Idle: time.Hour, MaxStale: stale})
			time.Sleep(7 * time.Second) // what is done at intervals is done at other times
			alone := signIn(t, r, "grace", oneseat.SignInRequest{})
			watching, other := signIn(t, r, "ada", oneseat.SignInRequest{}), signIn(t, r, "ada", oneseat.SignInRequest{})
			for range 2 {
				wantLive(t, r, watching)
				synctest.Wait()
				time.Sleep(time.Second)
				wantLive(t, r, other)
				synctest.Wait()
			}
			request := func(g oneseat.Grant) *oneseat.Watch {
				w := new(oneseat.Watch)
				if _, err := r.CheckAndWatch(t.Context(), string(g.Token), true, w, oneseat.WatcherFunc(func(error) {})); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				return w
			}
			stop := func(w *oneseat.Watch) (updates, loads int64) {
				u, l := r.updates.Load(), r.loads.Load()
				w.Stop()
				synctest.Wait()
				return r.updates.Load() - u, r.loads.Load() - l
			}
			time.Sleep(5 * time.Second)
			w := request(watching)
			time.Sleep(10*time.Second - tick)
			if n, _ := stop(w); n != 0 {
				t.Errorf("the end of a short request is written")
			}
			if stale == oneseat.FreshAlways { // a request looks twice, and may have both of the writes
				return
			}
			w = request(watching)
			time.Sleep(5 * time.Second)
			wantLive(t, r, other)
			synctest.Wait()
			time.Sleep(5 * time.Second)
			if n, _ := stop(w); n != 1 {
				t.Errorf("the end of a long request is written %d times", n)
			}
			time.Sleep(20 * time.Second)
			wantLive(t, r, other) // or the one that was held would be the newest, which need not be written
			synctest.Wait()
			time.Sleep(20 * time.Second)
			if n, _ := stop(w); n != 0 {
				t.Errorf("a request ends twice")
			}
			w = request(alone)
			time.Sleep(20 * time.Second)
			if updates, loads := stop(w); updates != 0 || loads != 0 {
				t.Errorf("of a session that is alone: %d updates, %d reads", updates, loads)
			}
			w = request(watching)
			time.Sleep(time.Hour)
			if updates, loads := stop(w); updates != 0 || loads != 0 {
				t.Errorf("of a session that has timed out: %d updates, %d reads", updates, loads)
			}
		})
	}
}

// A hold counts for the order when it begins, and never against idling, though
// nothing of the account is in memory when it ends.
func TestAHoldIsAUseWhenItBeginsAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{Limit: 2, Idle: time.Hour, MaxStale: time.Minute})
		held, other := signIn(t, a, "ada", oneseat.SignInRequest{}), signIn(t, a, "ada", oneseat.SignInRequest{})
		used := func(what string, now bool) {
			t.Helper()
			synctest.Wait()
			s := stored(t, store, "ada").Roster.Seats[0]
			if !s.LastSeen.Equal(held.Session.Created) || (time.Since(s.LastUsed.Time).Abs() < time.Second) != now {
				t.Errorf("%s: last seen %v and used %v ago", what, time.Since(s.LastSeen.Time), time.Since(s.LastUsed.Time))
			}
		}
		for _, g := range []oneseat.Grant{held, other} {
			wantLive(t, a, g)
		}
		synctest.Wait()
		time.Sleep(10 * time.Minute)
		wantLive(t, a, other)
		a.AfterEnd(t.Context(), held.Session, func(error) {})()
		used("what only watches", false)
		_, release := a.Hold(t.Context(), held.Session)
		used("a hold that begins", true)
		for range 10 {
			time.Sleep(time.Minute - time.Second)
			wantLive(t, a, other)
		}
		synctest.Wait()
		if err := b.SetLimit(t.Context(), "ada", oneseat.Limits{Total: 3}, ""); err != nil { // memory is of no use now
			t.Fatal(err)
		}
		synctest.Wait()
		release()
		used("a hold that ends", true)
		for range 2 { // where nothing is in memory
			time.Sleep(10 * time.Minute)
			wantLive(t, a, other)
			used("what is not held", false)
			_, release = b.Hold(t.Context(), held.Session)
			used("a hold that begins on another node", true)
			release()
		}
	})
}

// A hold may be the first use of a session. It counts for the order at once.
func TestAHoldMayBeTheFirstUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{Limit: 2, WhenFull: oneseat.PolicyRefuse}) // a first use is written before the answer
		held := signIn(t, a, "ada", oneseat.SignInRequest{})
		other := signIn(t, a, "ada", oneseat.SignInRequest{})
		wantLive(t, a, other)
		time.Sleep(time.Minute + 100*time.Millisecond) // what is done at intervals is done at other times
		_, release := a.Hold(t.Context(), held.Session)
		defer release()
		signIn(t, b, "ada", oneseat.SignInRequest{Override: true})
		wantEnded(t, b, other, oneseat.ReasonDisplaced)
		wantLive(t, b, held)
	})
}

// While a request holds a session, its use is written once a minute, by the first
// recheck after that minute.
func TestWhatIsHeldIsWrittenOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{Limit: 2, MaxStale: time.Minute}) // which looks every 15 seconds
		other, held := signIn(t, b, "ada", oneseat.SignInRequest{}), signIn(t, b, "ada", oneseat.SignInRequest{})
		time.Sleep(time.Second)
		_, release := a.Hold(t.Context(), held.Session)
		defer release()
		synctest.Wait()
		touches := a.Stats().Touches
		for range 60 {
			time.Sleep(10 * time.Second)
			wantLive(t, b, other) // or the other one would be the newest, which need not be written
			synctest.Wait()
		}
		if n := a.Stats().Touches - touches; n != 8 { // every 75 seconds
			t.Errorf("written %d times in ten minutes", n)
		}
	})
}

// A session that is only watched is not in use, as by our event stream in a page that
// was left open.
func TestWhatOnlyWatchesIsNoUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{Limit: 2})
		left := signIn(t, a, "ada", oneseat.SignInRequest{})
		wantLive(t, a, left)
		var w oneseat.Watch
		if _, err := a.CheckAndWatch(t.Context(), string(left.Token), false, &w, oneseat.WatcherFunc(func(error) {})); err != nil {
			t.Fatal(err)
		}
		defer w.Stop()
		defer a.AfterEnd(t.Context(), left.Session, func(error) {})()
		other := signIn(t, b, "ada", oneseat.SignInRequest{})
		wantLive(t, b, other)
		synctest.Wait()
		time.Sleep(time.Hour)
		signIn(t, b, "ada", oneseat.SignInRequest{})
		wantEnded(t, b, left, oneseat.ReasonDisplaced)
	})
}

// A television whose player sends heartbeats is in use, and idles all the same.
func TestAHeartbeatCountsForTheOrderOfItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{Limit: 2})
		tv := signIn(t, a, "ada", oneseat.SignInRequest{})
		stream := play(t, a, tv.Session, "player")
		phone := signIn(t, b, "ada", oneseat.SignInRequest{})
		wantLive(t, b, phone)
		for range 2 * 60 * 6 {
			time.Sleep(10 * time.Second)
			beat(t, a, tv.Session, stream)
		}
		if seen := stored(t, store, "ada").Roster.Seats[0].LastSeen; !seen.Equal(tv.Session.Created) {
			t.Errorf("its session was last seen at %v", seen)
		}
		signIn(t, b, "ada", oneseat.SignInRequest{})
		wantEnded(t, b, phone, oneseat.ReasonDisplaced)
	})
}

// A session that is the only busy one is the newest already, so nothing is written for
// it. To make sure that it still is the newest costs a read every ten seconds.
func TestTheNewestSessionIsNotWrittenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{Limit: 2, MaxStale: time.Minute})
		left, busy := signIn(t, a, "ada", oneseat.SignInRequest{}), signIn(t, a, "ada", oneseat.SignInRequest{})
		for _, g := range []oneseat.Grant{left, busy} {
			wantLive(t, a, g)
			synctest.Wait()
		}
		time.Sleep(15 * time.Second)
		wantLive(t, a, busy)
		synctest.Wait()
		time.Sleep(15 * time.Second)
		before, writes := a.Stats(), a.writes.Load()
		for range 100 {
			wantLive(t, a, busy)
			synctest.Wait()
			time.Sleep(time.Second)
		}
		if n := a.writes.Load() - writes; n != 0 {
			t.Errorf("%d writes", n)
		}
		if n := a.Stats().Loads - before.Loads; n > 20 { // of 100 checks; sweeps read as well
			t.Errorf("%d reads", n)
		}
		wantLive(t, b, left) // on another node it is the newest now, and there the other one is written again
		synctest.Wait()
		time.Sleep(11 * time.Second)
		wantLive(t, a, busy)
		synctest.Wait()
		seats := stored(t, store, "ada").Roster.Seats
		if !seats[1].LastUsed.After(seats[0].LastUsed.Time) {
			t.Errorf("last used: %v and %v", seats[0].LastUsed, seats[1].LastUsed)
		}
	})
}

// A use that is dropped, because the account has had its two writes for the order, is
// counted once: whether the use waits in the queue at that moment or comes later.
func TestUsesThatAreNotWrittenAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{Limit: 32, MaxStale: time.Minute})
		synctest.Wait()
		several := func(account string, n int) (all []oneseat.Grant) {
			for range n {
				all = append(all, signIn(t, r, account, oneseat.SignInRequest{}))
				wantLive(t, r, all[len(all)-1])
			}
			return all[1 : n-1] // without the first, of which a use is written for certain, and the newest, of which none has to be
		}
		all := several("ada", 32)
		others := append(several("grace", 3), several("alan", 3)...)
		synctest.Wait()
		time.Sleep(11 * time.Second)
		use := func(some []oneseat.Grant) {
			for _, g := range some {
				wantLive(t, r, g)
			}
			synctest.Wait()
		}
		letGo := r.holdUpdates(t)
		use(others) // which keeps all that write in the background busy
		use(all)
		if n := r.Stats().UsesDropped; n != 0 {
			t.Errorf("%d uses were dropped before it was known that they would be", n)
		}
		letGo()
		synctest.Wait()
		if n := r.Stats().UsesDropped; n != 28 {
			t.Errorf("%d of 30 uses were dropped", n)
		}
		use(all)
		if n := r.Stats().UsesDropped; n != 28+28 {
			t.Errorf("%d of 30 and 28 uses were dropped", n)
		}
	})
}

// The order costs an account two writes in ten seconds at most, on each node, however
// many of its sessions are busy. A session that is alone, or the oldest of which goes,
// costs none.
func TestTheOrderOfUseIsCheap(t *testing.T) {
	for _, tt := range []struct {
		sessions int
		order    oneseat.DisplaceOrder
		most     uint64 // writes in 100 seconds, on a node
		dropped  bool
	}{
		{1, oneseat.DisplaceIdlest, 0, false}, {2, oneseat.DisplaceOldest, 0, false},
		{2, oneseat.DisplaceIdlest, 20, false}, {64, oneseat.DisplaceIdlest, 20, true},
	} {
		t.Run(fmt.Sprint(tt.sessions, " sessions, ", tt.order), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newNode(t, memstore.New(), oneseat.Config{Limit: 64, DisplaceOrder: tt.order, MaxStale: time.Minute})
				synctest.Wait()
				var all []oneseat.Grant
				for range tt.sessions {
					all = append(all, signIn(t, r, "ada", oneseat.SignInRequest{}))
					wantLive(t, r, all[len(all)-1])
				}
				for _, g := range all {
					wantLive(t, r, g)
				}
				synctest.Wait()
				before := r.Stats()
				for range 100 {
					for _, g := range all {
						wantLive(t, r, g)
					}
					synctest.Wait()
					time.Sleep(time.Second)
				}
				got := r.Stats()
				if n := got.Touches - before.Touches; n > tt.most || tt.most > 0 && n == 0 {
					t.Errorf("%d writes", n)
				}
				if n := got.Loads - before.Loads; n > 2000 { // of 6400 checks: a use that is not written causes no read
					t.Errorf("%d reads", n)
				}
				if n := got.UsesDropped - before.UsesDropped; (n > 0) != tt.dropped {
					t.Errorf("%d uses were dropped", n)
				}
			})
		})
	}
}
