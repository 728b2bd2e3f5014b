package oneseat_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

func TestTheSweepRecordsTimeoutsAndErasesWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		r := newNode(t, store, oneseat.Config{Idle: time.Hour, KeepEndings: 2 * time.Hour, MaxStale: time.Minute, Limit: 2})
		const accounts = 250 // more than two pages of the sweep
		var some []oneseat.Grant
		for i := range accounts {
			some = append(some, signIn(t, r, fmt.Sprint("account ", i), oneseat.SignInRequest{}))
		}
		keeper := signIn(t, r, "keeper", oneseat.SignInRequest{})
		time.Sleep(58 * time.Minute)
		wantLive(t, r, keeper)
		time.Sleep(4 * time.Minute) // a sweep comes every minute and a half at most
		for _, g := range some {
			v := stored(t, store, g.Session.Account)
			if len(v.Roster.Seats) != 0 || v.Roster.Endings[0].Reason != oneseat.ReasonIdleTimeout {
				t.Fatalf("%s: %+v", g.Session.Account, v.Roster)
			}
		}
		if n := count(logged(t, store, some[7].Session.Account), oneseat.EventSessionEnded); n != 1 {
			t.Errorf("%d events", n)
		}
		wantEnded(t, r, some[7], oneseat.ReasonIdleTimeout)
		time.Sleep(30 * time.Minute)
		wantLive(t, r, keeper)

		ended := stored(t, store, some[0].Session.Account).Roster.Endings[0].At.Time
		time.Sleep(2*time.Hour - tick - time.Since(ended))
		wantEnded(t, r, some[0], oneseat.ReasonIdleTimeout)
		time.Sleep(4 * time.Minute)
		for _, g := range some {
			if v := stored(t, store, g.Session.Account); v.Roster != nil {
				t.Fatalf("%s: %+v", g.Session.Account, v.Roster)
			}
		}
		_, err := r.Check(t.Context(), string(some[0].Token))
		wantError(t, err, oneseat.ErrNoSession) // as if it had never been
		if stored(t, store, "").Roster == nil {
			t.Error("the control record was swept away")
		}
		if keys, err := store.Due(t.Context(), realm, 10); err != nil || len(keys) > 1 {
			t.Errorf("still due: %v, %v", keys, err)
		}
		// An account that comes back is as good as new.
		wantLive(t, r, signIn(t, r, some[0].Session.Account, oneseat.SignInRequest{}))
	})
}

// A store may call a roster due too early, or one that has gone since: then
// there is nothing to do, and the sweep comes to an end.
func TestASweepOfWhatIsNotDueComesToAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{MaxStale: time.Minute})
		keys := []oneseat.Key{oneseat.KeyOf(realm, ""), oneseat.KeyOf(realm, "nobody")}
		var all []oneseat.Grant
		for i := range 120 {
			g := signIn(t, r, fmt.Sprint("account ", i), oneseat.SignInRequest{})
			all = append(all, g)
			keys = append(keys, oneseat.KeyOf(realm, g.Session.Account))
		}
		var asked atomic.Int64
		r.set(func() {
			r.due = func(_ context.Context, _ string, limit int) ([]oneseat.Key, error) {
				if asked.Add(1) > 1000 {
					return nil, nil
				}
				return keys[:min(limit, len(keys))], nil
			}
		})
		writes := r.writes.Load()
		time.Sleep(10 * time.Minute)
		if n := asked.Load(); n > 40 {
			t.Errorf("it asked %d times in ten minutes", n)
		}
		if n := r.writes.Load() - writes; n != 0 {
			t.Errorf("%d writes", n)
		}
		for _, g := range all {
			wantLive(t, r, g)
		}
	})
}

// A page that is full and has something new is followed by another, and no other
// page is.
func TestASweepEndsWithAPageOfNothingNew(t *testing.T) {
	for name, tt := range map[string]struct {
		due  func(limit int) int // how often the one key is said to be due
		want []int               // the limits of the pages of a sweep
	}{
		"full pages of one key": {func(limit int) int { return limit }, []int{100, 199}},
		"a page of one key":     {func(int) int { return 1 }, []int{100}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newNode(t, memstore.New(), oneseat.Config{MaxStale: time.Minute})
				var mu sync.Mutex // of sweeps
				sweeps := map[time.Time][]int{}
				r.set(func() {
					r.due = func(_ context.Context, _ string, limit int) ([]oneseat.Key, error) {
						mu.Lock()
						defer mu.Unlock()
						sweeps[time.Now()] = append(sweeps[time.Now()], limit)
						if len(sweeps[time.Now()]) > 100 {
							return nil, nil
						}
						return slices.Repeat([]oneseat.Key{oneseat.KeyOf(realm, "nobody")}, tt.due(limit)), nil
					}
				})
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				if len(sweeps) < 5 {
					t.Errorf("%d sweeps", len(sweeps))
				}
				for _, pages := range sweeps {
					if !slices.Equal(pages, tt.want) {
						t.Errorf("a sweep asked for %v, want %v", pages, tt.want)
					}
				}
			})
		})
	}
}

func TestASweepThatFailsGoesOnLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard safeBuffer
		store := memstore.New()
		f := &faulty{Store: store}
		r := node{newRegistry(t, f, oneseat.Config{Idle: time.Hour, MaxStale: time.Minute, Logger: slog.New(slog.NewTextHandler(&heard, nil))}), f}
		signIn(t, r, "ada", oneseat.SignInRequest{})
		time.Sleep(time.Hour)
		for _, broken := range []func(){r.unreadable, r.unwritable, func() {
			r.set(func() {
				r.due = func(context.Context, string, int) ([]oneseat.Key, error) { return nil, errDown }
			})
		}} {
			broken()
			heard.Reset()
			time.Sleep(2 * time.Minute)
			if len(stored(t, store, "ada").Roster.Seats) != 1 {
				t.Fatal("it was swept")
			}
			if !strings.Contains(heard.String(), "sweeping stopped") {
				t.Errorf("the log says %q", heard.String())
			}
			r.up()
		}
		time.Sleep(4 * time.Minute)
		if len(stored(t, store, "ada").Roster.Seats) != 0 {
			t.Error("it was not swept")
		}
	})
}

// A row that cannot be read is left alone, and the others are swept all the same.
func TestOneBadRosterDoesNotStopTheSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		r := newNode(t, store, oneseat.Config{Idle: time.Hour, MaxStale: time.Minute})
		bad := oneseat.KeyOf(realm, "ada")
		signIn(t, r, "ada", oneseat.SignInRequest{})
		time.Sleep(time.Second)
		const others = 250 // more than two pages of the sweep
		for i := range others {
			signIn(t, r, fmt.Sprint("account ", i), oneseat.SignInRequest{})
		}
		var tries atomic.Int64
		r.set(func() {
			r.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
				if k == bad {
					tries.Add(1)
					return oneseat.View{}, &oneseat.FormatError{Problem: "it is damaged"}
				}
				return next(ctx, k, c)
			}
		})
		time.Sleep(time.Hour + 5*time.Minute)
		for i := range others {
			if len(stored(t, store, fmt.Sprint("account ", i)).Roster.Seats) != 0 {
				t.Fatalf("account %d was not swept", i)
			}
		}
		if n := tries.Load(); n > 10 {
			t.Errorf("it was tried %d times in five minutes", n)
		}
	})
}

// safeBuffer is a log that a test reads while it is written.
type safeBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *safeBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func (s *safeBuffer) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.b.Reset()
}

// A sweep settles by the realm's epoch: a session that ended with the realm is not
// recorded as idled out.
func TestTheSweepKnowsOfTheRealmsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		r := newNode(t, store, oneseat.Config{Idle: time.Hour, MaxStale: time.Minute})
		signIn(t, r, "ada", oneseat.SignInRequest{})
		time.Sleep(time.Minute)
		endRealm(t, r, "")
		time.Sleep(time.Hour + 2*time.Minute)
		endings := stored(t, store, "ada").Roster.Endings
		if len(endings) != 1 || endings[0].Reason != oneseat.ReasonRealmEnded {
			t.Errorf("endings: %+v", endings)
		}
	})
}

// Sweeps of all nodes come at times of their own, once a minute or so, and ask for
// a hundred rosters at a time.
func TestASweepComesOnceAMinuteAndReadsPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{MaxStale: time.Minute})
		var sweeps atomic.Int64
		r.set(func() {
			r.due = func(_ context.Context, _ string, limit int) ([]oneseat.Key, error) {
				if sweeps.Add(1); limit != 100 {
					t.Errorf("it asked for %d", limit)
				}
				return nil, nil
			}
		})
		time.Sleep(10 * time.Hour)
		if n := sweeps.Load(); n < 500 || n > 700 {
			t.Errorf("%d sweeps in 600 minutes", n)
		}
	})
}

// Rosters that stay due, as those that cannot be read, are passed over: the same
// sweep reaches all that are behind them.
func TestASweepReadsPastWhatStaysDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		r := newNode(t, store, oneseat.Config{Idle: time.Hour, MaxStale: time.Minute})
		const accounts = 500
		for i := range accounts {
			signIn(t, r, fmt.Sprint("account ", i), oneseat.SignInRequest{})
		}
		var stay []oneseat.Key
		for i := range 50 {
			stay = append(stay, oneseat.KeyOf(realm, fmt.Sprint("nobody ", i)))
		}
		r.set(func() {
			r.due = func(ctx context.Context, realm string, limit int) ([]oneseat.Key, error) {
				keys, err := store.Due(ctx, realm, limit)
				keys = append(slices.Clip(stay), keys...)
				return keys[:min(limit, len(keys))], err
			}
		})
		time.Sleep(time.Hour + 91*time.Second) // three sweeps at most
		for i := range accounts {
			if v := stored(t, store, fmt.Sprint("account ", i)); len(v.Roster.Seats) != 0 {
				t.Fatalf("account %d is still seated", i)
			}
		}
	})
}

// What stops a sweep, and what does not, is in the operator's log: rosters that
// cannot be read are named at its end, and absent ones are nothing to report.
func TestTheOperatorHearsWhatASweepFound(t *testing.T) {
	damaged := &oneseat.FormatError{Problem: "it is damaged"}
	for name, tt := range map[string]struct {
		fails map[string]error // by account
		due   error
		told  []string // in this order; none: nothing is said
		swept bool     // whether the last account is reached
	}{
		"nothing":             {swept: true},
		"an absent roster":    {fails: map[string]error{"a": oneseat.ErrNoSession}, swept: true},
		"two damaged rosters": {fails: map[string]error{"a": damaged, "b": damaged}, told: []string{"it is damaged", "it is damaged"}, swept: true},
		"a store that fails":  {fails: map[string]error{"a": errDown}, told: []string{"the store is down"}},
		"a list that fails":   {due: errDown, told: []string{"the store did not answer", "the store is down"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var heard safeBuffer
				store := memstore.New()
				f := &faulty{Store: store}
				r := node{newRegistry(t, f, oneseat.Config{MaxStale: time.Minute, Logger: slog.New(slog.NewTextHandler(&heard, nil))}), f}
				for _, account := range []string{"a", "b", "c"} {
					signIn(t, r, account, oneseat.SignInRequest{})
				}
				heard.Reset()
				var reached atomic.Bool
				r.set(func() {
					r.due = func(context.Context, string, int) ([]oneseat.Key, error) {
						return []oneseat.Key{oneseat.KeyOf(realm, "a"), oneseat.KeyOf(realm, "b"), oneseat.KeyOf(realm, "c")}, tt.due
					}
					r.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
						for account, err := range tt.fails {
							if k == oneseat.KeyOf(realm, account) {
								return oneseat.View{}, err
							}
						}
						reached.Store(true)
						return next(ctx, k, c)
					}
				})
				time.Sleep(91 * time.Second)
				r.up()
				said := "" // of the first sweep
				for line := range strings.Lines(heard.String()) {
					if said == "" && strings.Contains(line, "sweeping stopped") {
						said = line
					}
				}
				if len(tt.told) == 0 && said != "" {
					t.Errorf("it says %s", said)
				}
				rest := said
				for _, words := range tt.told {
					_, after, ok := strings.Cut(rest, words)
					if !ok {
						t.Errorf("it says %s", said)
					}
					rest = after
				}
				if reached.Load() != tt.swept {
					t.Errorf("the last account was reached: %v", reached.Load())
				}
			})
		})
	}
}
