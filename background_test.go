package oneseat_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// REV-08: once an hour and session, not once a request.
func TestUseAfterTheEndIsReportedOnceAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{MaxStale: time.Minute})
		old := signIn(t, a, "ada", oneseat.SignInRequest{Device: laptop})
		signIn(t, a, "ada", oneseat.SignInRequest{})
		time.Sleep(time.Second)
		use := func() {
			for range 50 {
				for _, r := range []node{a, b} {
					wantEnded(t, r, old, oneseat.ReasonDisplaced)
				}
			}
			synctest.Wait()
		}
		used := func() (n int) { return count(logged(t, store, "ada"), oneseat.EventSessionUsedAfterEnd) }
		use()
		if n := used(); n != 1 {
			t.Fatalf("%d events, want one", n)
		}
		sent := a.updates.Load() + b.updates.Load()
		use()
		if n := a.updates.Load() + b.updates.Load() - sent; n != 0 {
			t.Errorf("%d updates for what is reported already", n)
		}
		events := logged(t, store, "ada")
		if e := events[len(events)-1]; e.Session != old.Session.ID || e.Reason != oneseat.ReasonDisplaced || e.Device != laptop {
			t.Errorf("the event is %+v", e)
		}
		time.Sleep(time.Hour - tick)
		use()
		if n := used(); n != 1 {
			t.Fatalf("%d events within the hour, want one", n)
		}
		time.Sleep(tick)
		use()
		if n := used(); n != 2 {
			t.Fatalf("%d events after an hour, want two", n)
		}
		// An id is no secret, so its use after the end does not show that one was copied.
		time.Sleep(time.Hour)
		updates := a.updates.Load()
		_, err := a.CheckID(t.Context(), "ada", old.Session.ID)
		wantEnding(t, err, old.Session.ID, oneseat.ReasonDisplaced)
		synctest.Wait()
		if n := a.updates.Load() - updates; n != 0 {
			t.Errorf("%d updates for the use of an id", n)
		}
		if n := used(); n != 2 {
			t.Errorf("%d events after an id was used, want two", n)
		}
	})
}

// A session that was ended while its use was on its way to be noted.
func TestANoteOfUseMakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		r := newNode(t, store, oneseat.Config{})
		old := signIn(t, r, "ada", oneseat.SignInRequest{})
		signIn(t, r, "ada", oneseat.SignInRequest{})
		r.set(func() {
			r.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
				deleteRow(t, store, "ada")
				return next(ctx, k, c)
			}
		})
		wantEnded(t, r, old, oneseat.ReasonDisplaced)
		synctest.Wait()
		if v := stored(t, store, "ada"); v.Roster != nil {
			t.Errorf("it made %+v", v.Roster)
		}
	})
}

func TestABackgroundUpdateThatFailsIsAskedForAgain(t *testing.T) {
	for name, broken := range map[string]func(node){"unwritable": func(r node) { r.unwritable() }, "unreadable": func(r node) { r.unreadable() }} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var heard safeBuffer
				store := memstore.New()
				f := &faulty{Store: store}
				r := node{newRegistry(t, f, oneseat.Config{Idle: time.Hour, MaxStale: time.Minute, Logger: slog.New(slog.NewTextHandler(&heard, nil))}), f}
				g := signIn(t, r, "ada", oneseat.SignInRequest{})
				time.Sleep(5 * time.Minute)
				if _, err := r.Peek(t.Context(), string(g.Token)); err != nil { // the check is from memory
					t.Fatal(err)
				}
				broken(r)
				wantLive(t, r, g)
				synctest.Wait()
				_, line, ok := strings.Cut(heard.String(), "a background update failed")
				if line, _, _ = strings.Cut(line, "\n"); !ok || !strings.Contains(line, "account_key="+oneseat.KeyOf(realm, "ada").String()) {
					t.Errorf("the log says %q", heard.String())
				}
				r.up()
				wantLive(t, r, g)
				synctest.Wait()
				if at := stored(t, store, "ada").Roster.Seats[0].LastSeen; !at.Equal(time.Now()) {
					t.Errorf("last seen at %v", at)
				}
			})
		})
	}
}

// That a session was used after its end is recorded later, if it could not be at once.
func TestAUseAfterTheEndThatCannotBeWrittenIsWrittenWithTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard safeBuffer
		store := memstore.New()
		r := newNode(t, store, oneseat.Config{MaxStale: time.Minute, Logger: slog.New(slog.NewTextHandler(&heard, nil))})
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		signIn(t, r, "ada", oneseat.SignInRequest{})
		r.unwritable()
		wantEnded(t, r, g, oneseat.ReasonDisplaced)
		synctest.Wait()
		if !strings.Contains(heard.String(), "a background update failed") {
			t.Errorf("the log says %q", heard.String())
		}
		r.up()
		wantEnded(t, r, g, oneseat.ReasonDisplaced)
		synctest.Wait()
		if n := count(logged(t, store, "ada"), oneseat.EventSessionUsedAfterEnd); n != 1 {
			t.Errorf("%d events, want one", n)
		}
	})
}

// A use that need not be noted any more is no failure.
func TestABackgroundUpdateThatIsNotNeededAnyMoreIsNotLogged(t *testing.T) {
	for name, overtake := range map[string]func(t *testing.T, r node, g oneseat.Grant, store oneseat.Store){
		"the session has ended": func(t *testing.T, r node, g oneseat.Grant, store oneseat.Store) {
			r.mute() // else this node would know
			if _, err := newRegistry(t, store, oneseat.Config{}).End(t.Context(), "ada", oneseat.EndOptions{}, g.Session.ID); err != nil {
				t.Fatal(err)
			}
			wantLive(t, r, g)
		},
		"the registry is closed": func(t *testing.T, r node, g oneseat.Grant, _ oneseat.Store) {
			letGo := r.holdUpdates(t)
			wantLive(t, r, g)
			synctest.Wait()
			go letGo()
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var heard safeBuffer
				store := memstore.New()
				r := newNode(t, store, oneseat.Config{Idle: time.Hour, MaxStale: time.Minute, Logger: slog.New(slog.NewTextHandler(&heard, nil))})
				g := signIn(t, r, "ada", oneseat.SignInRequest{})
				wantLive(t, r, g)
				time.Sleep(5 * time.Minute)
				if _, err := r.Peek(t.Context(), string(g.Token)); err != nil { // the check is from memory
					t.Fatal(err)
				}
				touches := r.Stats().Touches
				overtake(t, r, g, store)
				synctest.Wait()
				if said := heard.String(); said != "" {
					t.Errorf("the log says %q", said)
				}
				if name == "the registry is closed" && r.Stats().Touches == touches {
					t.Error("nothing was under way")
				}
			})
		})
	}
}

// When more is to be noted than can be queued, checks do not wait.
func TestAFullQueueOfChoresHoldsUpNoCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		r := newNode(t, store, oneseat.Config{Idle: time.Hour, MaxStale: time.Minute})
		const n = 1100
		var all []oneseat.Grant
		for i := range n {
			all = append(all, signIn(t, r, fmt.Sprint("account ", i), oneseat.SignInRequest{}))
		}
		time.Sleep(5 * time.Minute)
		release := r.holdUpdates(t)
		began := time.Now()
		for _, g := range all {
			wantLive(t, r, g)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the checks took %v", took)
		}
		writes := r.writes.Load()
		release()
		synctest.Wait()
		if got := r.writes.Load() - writes; got < 1024 || got >= n {
			t.Errorf("%d were written", got)
		}
		for _, g := range all {
			wantLive(t, r, g)
		}
		synctest.Wait()
		if got := r.writes.Load() - writes; got != n {
			t.Errorf("%d were written in the end, want all %d", got, n)
		}
	})
}

// However many checks come while a touch waits for the store, there is one touch.
func TestATouchIsQueuedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{Idle: time.Hour, MaxStale: time.Minute})
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		time.Sleep(5 * time.Minute)
		wantLive(t, r, g) // from the store: what is cached is a minute old
		synctest.Wait()
		time.Sleep(5 * time.Minute)
		release := r.holdUpdates(t)
		updates, loads := r.updates.Load(), r.loads.Load()
		for range 10 {
			wantLive(t, r, g)
			synctest.Wait()
		}
		release()
		synctest.Wait()
		if u, l := r.updates.Load()-updates, r.loads.Load()-loads; u != 1 || l > 2 { // the touch's, and one that watches cause
			t.Errorf("%d updates and %d reads, want one", u, l)
		}
	})
}

// Where no session idles out, no check waits for a touch.
func TestWithoutAnIdleTimeoutACheckWaitsForNoTouch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{Idle: oneseat.NoTimeout, Absolute: oneseat.NoTimeout})
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		time.Sleep(time.Hour)
		r.unwritable()
		wantLive(t, r, g)
	})
}

// Writes in the background take two of the store's connections at most, and are
// counted.
func TestBackgroundWritesAreTwoAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{Idle: time.Hour, MaxStale: time.Minute})
		var all []oneseat.Grant
		for i := range 10 {
			all = append(all, signIn(t, r, fmt.Sprint("account ", i), oneseat.SignInRequest{}))
		}
		time.Sleep(5 * time.Minute)
		letGo := r.holdUpdates(t)
		updates, touches := r.updates.Load(), r.Stats().Touches
		for _, g := range all {
			wantLive(t, r, g)
		}
		synctest.Wait()
		if n := r.Stats().Touches - touches; n != 2 {
			t.Errorf("%d touches under way, want two", n)
		}
		if n := r.Stats().Pending; n != 10 {
			t.Errorf("%d are pending, want ten", n)
		}
		letGo()
		synctest.Wait()
		if n := r.Stats().Pending; n != 0 {
			t.Errorf("%d are still pending", n)
		}
		if n, touched := r.updates.Load()-updates, r.Stats().Touches-touches; n != 10 || touched != 10 {
			t.Errorf("%d updates, %d touches, want ten", n, touched)
		}
	})
}

// The report of a use after the end is no touch.
func TestAReportIsNoTouch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{MaxStale: time.Minute})
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		signIn(t, r, "ada", oneseat.SignInRequest{})
		touches, updates := r.Stats().Touches, r.updates.Load()
		wantEnded(t, r, g, oneseat.ReasonDisplaced)
		synctest.Wait()
		if n := r.updates.Load() - updates; n != 1 || r.Stats().Touches != touches {
			t.Errorf("%d updates, %d touches", n, r.Stats().Touches-touches)
		}
	})
}
