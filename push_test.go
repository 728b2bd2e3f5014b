package oneseat_test

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

func TestAPushThatBreaksIsTakenUpAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard safeBuffer
		store := memstore.New()
		f := &faulty{Store: store}
		f.wake = func(context.Context, func(int), wakeFunc) error { return errDown }
		a := newNode(t, store, oneseat.Config{})
		r := node{newRegistry(t, f, oneseat.Config{MaxStale: time.Minute, Logger: slog.New(slog.NewTextHandler(&heard, nil))}), f}
		synctest.Wait()
		if !strings.Contains(heard.String(), "the store's push is broken") || !strings.Contains(heard.String(), errDown.Error()) {
			t.Errorf("the log says %s", heard.String())
		}
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		wantLive(t, r, g)
		r.up()
		time.Sleep(time.Second)
		synctest.Wait()
		signIn(t, a, "ada", oneseat.SignInRequest{})
		synctest.Wait() // without waiting for the next look on time, in 15 seconds
		wantEnded(t, r, g, oneseat.ReasonDisplaced)
	})
}

// Each try may be a failed login in the log of the store's server.
func TestAPushThatStaysBrokenIsTriedSeldomAndOneThatWorkedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard safeBuffer
		f := &faulty{Store: memstore.New()}
		var tries atomic.Int64
		var works atomic.Bool
		f.wake = func(_ context.Context, wake func(int), _ wakeFunc) error {
			tries.Add(1)
			if works.Load() {
				wake(0)
			}
			return errDown
		}
		newRegistry(t, f, oneseat.Config{Logger: slog.New(slog.NewTextHandler(&heard, nil))})
		in := func(d time.Duration) int64 {
			before := tries.Load()
			time.Sleep(d)
			synctest.Wait()
			return tries.Load() - before
		}
		in(0)
		for pause := time.Second; pause <= time.Hour; pause *= 2 {
			if n := in(min(pause, time.Minute)); n != 1 {
				t.Errorf("after %v it is tried %d times", pause, n)
			}
		}
		if n := in(time.Hour); n != 60 {
			t.Errorf("in an hour it is tried %d times", n)
		}
		if lines := strings.Count(heard.String(), "the store's push is broken"); lines > 70 {
			t.Errorf("%d lines in an hour and some minutes", lines)
		}
		works.Store(true)
		in(time.Minute)
		if n := in(time.Second); n != 1 {
			t.Errorf("in the second after it had worked it was tried %d times", n)
		}
	})
}
