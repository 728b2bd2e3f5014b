package oneseat_test

import (
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// An account that was used while the store's clock was ahead does not idle until the
// clock has caught up (A10). Nobody would see why.
func TestAClockThatIsSetBackIsSaidAndIdlingGoesOnWhenItHasCaughtUp(t *testing.T) {
	for _, ask := range []struct {
		name string
		by   func(t *testing.T, r *oneseat.Registry, g oneseat.Grant) oneseat.Grant
	}{
		{"by a check", func(t *testing.T, r *oneseat.Registry, g oneseat.Grant) oneseat.Grant {
			wantLive(t, r, g)
			return g
		}},
		{"by a list", func(t *testing.T, r *oneseat.Registry, g oneseat.Grant) oneseat.Grant {
			if _, err := r.Sessions(t.Context(), "ada"); err != nil {
				t.Error(err)
			}
			return g
		}},
		{"by a sign-in", func(t *testing.T, r *oneseat.Registry, g oneseat.Grant) oneseat.Grant {
			return signIn(t, r, "ada", oneseat.SignInRequest{Token: string(g.Token)})
		}},
	} {
		t.Run(ask.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ahead atomic.Int64
				store := memstore.NewAt(func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) })
				var log safeBuffer
				r := newRegistry(t, store, oneseat.Config{
					Limit: 2, Idle: 10 * time.Minute, MaxStale: oneseat.FreshAlways, Logger: slog.New(slog.NewTextHandler(&log, nil)),
				})
				said := func() int { return strings.Count(log.String(), "the clock of the store is behind") }

				for lines, by := range []time.Duration{2 * time.Second, 2*time.Second + time.Microsecond} {
					ahead.Store(int64(by))
					signIn(t, r, "grace", oneseat.SignInRequest{})
					ahead.Store(0)
					signIn(t, r, "grace", oneseat.SignInRequest{})
					if said() != lines {
						t.Errorf("a clock that is put back by %v is said in %d lines: %s", by, said(), log.String())
					}
				}

				time.Sleep(time.Minute) // then the next line is due
				first := said()
				ahead.Store(int64(time.Hour))
				idle, used := signIn(t, r, "ada", oneseat.SignInRequest{}), signIn(t, r, "ada", oneseat.SignInRequest{})
				ahead.Store(0)
				for range 50 { // minutes
					used = ask.by(t, r, used)
					time.Sleep(time.Minute)
				}
				if n := said() - first; n == 0 || n > 50 || !strings.Contains(log.String(), `error="it is 1h0m0s behind"`) {
					t.Errorf("it was said %d times: %s", n, log.String())
				}
				wantLive(t, r, idle)
				time.Sleep(21 * time.Minute)
				wantEnded(t, r, idle, oneseat.ReasonIdleTimeout)
				before := said()
				signIn(t, r, "ada", oneseat.SignInRequest{})
				if said() != before {
					t.Errorf("it has caught up: %s", log.String())
				}
			})
		})
	}
}
