package oneseat_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// The whole of it at once: nodes whose reads, updates and looks at the log take
// their time, whose log has gaps, whose push is broken, whose replies are lost.
// What every check must hold to: a yes is not older than MaxStale, and on the
// node that ended a session there is none; a session that was granted and not
// ended is accepted; an ending stays.
func TestChecksHoldTheirBoundsUnderAllLatencies(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { simulate(t, seed) })
		})
	}
}

func simulate(t *testing.T, seed uint64) {
	const nodes, accounts, steps = 3, 4, 150
	store := memstore.New()
	w := newWorld()
	all := make([]node, nodes)
	for i := range all {
		f := &faulty{Store: store}
		w.slow(f, rand.New(rand.NewPCG(seed, uint64(i))), i)
		all[i] = node{newRegistry(t, f, oneseat.Config{}), f}
	}
	var wg sync.WaitGroup
	for who := range accounts {
		rng := rand.New(rand.NewPCG(seed, uint64(100+who)))
		account := fmt.Sprint("account ", who)
		wg.Go(func() {
			var now oneseat.Grant
			for range steps / 5 {
				n := rng.IntN(nodes)
				g, err := all[n].SignIn(t.Context(), account, oneseat.SignInRequest{})
				switch {
				case err == nil:
					w.granted(g, now, n)
					now = g
				case errors.Is(err, oneseat.ErrUnknownOutcome):
					w.doubtful(now)
					now = oneseat.Grant{}
				default:
					if _, ok := errors.AsType[*oneseat.EndedError](err); !ok { // before the reply came
						t.Errorf("sign-in: %v", err)
					}
				}
				time.Sleep(time.Duration(rng.IntN(3000)) * time.Millisecond)
			}
			w.over.Add(1)
		})
	}
	wg.Go(func() {
		rng := rand.New(rand.NewPCG(seed, 300))
		for w.over.Load() < accounts {
			time.Sleep(time.Duration(rng.IntN(20)) * time.Second)
			if n := rng.IntN(nodes); all[n].EndRealm(t.Context(), "") == nil {
				w.realmEnded(n)
			}
		}
	})
	for who := range 2 * nodes {
		rng := rand.New(rand.NewPCG(seed, uint64(200+who)))
		wg.Go(func() {
			for w.over.Load() < accounts {
				time.Sleep(time.Duration(rng.IntN(300)) * time.Millisecond)
				g, ok := w.pick(rng)
				if !ok {
					continue
				}
				n := rng.IntN(nodes)
				began := w.now(g.Session.ID)
				_, err := all[n].Check(t.Context(), string(g.Token))
				w.judge(t, n, g, began, err)
			}
		})
	}
	wg.Wait()
}

// P4 for requests in flight, under all latencies: see
// TestChecksHoldTheirBoundsUnderAllLatencies. A request may outlive its session
// by MaxStale and the time that reads take here.
func TestHoldsKeepTheirBoundUnderAllLatencies(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { simulateHolds(t, seed) })
		})
	}
}

func simulateHolds(t *testing.T, seed uint64) {
	const nodes, accounts, slowest = 3, 4, 4 * time.Second // two slow reads
	store := memstore.New()
	w := newWorld()
	all := make([]node, nodes)
	for i := range all {
		f := &faulty{Store: store}
		w.slow(f, rand.New(rand.NewPCG(seed, uint64(i))), i)
		all[i] = node{newRegistry(t, f, oneseat.Config{}), f}
	}
	var wg sync.WaitGroup
	for who := range accounts {
		rng := rand.New(rand.NewPCG(seed, uint64(100+who)))
		account := fmt.Sprint("account ", who)
		wg.Go(func() {
			for range 20 {
				g, err := all[rng.IntN(nodes)].SignIn(t.Context(), account, oneseat.SignInRequest{})
				if err != nil {
					continue // without a reply
				}
				for n := range nodes {
					ctx, stop := all[n].Hold(t.Context(), g.Session)
					wg.Go(func() {
						defer stop()
						<-ctx.Done()
						ended := w.now(g.Session.ID).committed
						over, ok := errors.AsType[*oneseat.EndedError](context.Cause(ctx))
						switch late := time.Since(ended); {
						case ended.IsZero() || !ok:
							t.Errorf("node %d cut a live session's request: %v", n, context.Cause(ctx))
						case over.Ending.Session != g.Session.ID:
							t.Errorf("node %d cut it with another's ending: %v", n, over)
						case late > maxStale+slowest:
							t.Errorf("node %d cut it %v late", n, late)
						}
					})
				}
				time.Sleep(time.Duration(rng.IntN(3000)) * time.Millisecond)
			}
			w.over.Add(1)
		})
	}
	wg.Go(func() {
		rng := rand.New(rand.NewPCG(seed, 300))
		for last := false; ; { // the last one ends what is left
			time.Sleep(time.Duration(rng.IntN(20)) * time.Second)
			if err := all[rng.IntN(nodes)].EndRealm(t.Context(), ""); err == nil && last {
				return
			}
			last = w.over.Load() == accounts
		}
	})
	wg.Wait()
}

// What a read found is as old as the read's beginning, however long its answer took.
func TestAYesCountsFromTheBeginningOfItsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{})
		g := signIn(t, b, "ada", oneseat.SignInRequest{})
		a.deaf() // else the log proves more than the read
		time.Sleep(time.Minute)
		began := time.Now()
		a.set(func() {
			a.load = func(ctx context.Context, keys []oneseat.Key, next loadFunc) ([]oneseat.View, error) {
				views, err := next(ctx, keys...)
				time.Sleep(600 * time.Millisecond)
				return views, err
			}
		})
		time.AfterFunc(10*time.Millisecond, func() {
			if _, err := b.End(t.Context(), "ada", oneseat.EndOptions{}, g.Session.ID); err != nil {
				t.Error(err)
			}
		})
		wantLive(t, a, g) // it was read before the end
		time.Sleep(time.Until(began.Add(1010 * time.Millisecond)))
		wantEnded(t, a, g, oneseat.ReasonRevoked)
	})
}
