package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// push measures how soon after a sign-in on node a has returned node b refuses
// the session that it ended, and tells that session's browser, beside the bare
// operation by which the store tells its clients of something.
func push(name string, bare func(), a, b *oneseat.Registry) {
	const times = 1000
	ctx := context.Background()
	onB := newSite(b)
	defer onB.CloseClientConnections()
	var alone, refused, told []time.Duration
	for range times {
		began := time.Now()
		bare()
		alone = append(alone, time.Since(began))

		old := must(a.SignIn(ctx, "pushed", oneseat.SignInRequest{}))
		held, release := b.Hold(ctx, must(b.Check(ctx, string(old.Token))))
		events, conn := onB.open("/oneseat/events", string(old.Token))
		var last time.Time
		var browser sync.WaitGroup
		browser.Go(func() { ended(events); last = time.Now() })
		must(a.SignIn(ctx, "pushed", oneseat.SignInRequest{}))
		began = time.Now()
		<-held.Done()
		if _, err := b.Check(ctx, string(old.Token)); err == nil {
			must(0, errors.New("a session whose work was cut is still good"))
		}
		refused = append(refused, time.Since(began))
		browser.Wait()
		told = append(told, max(0, last.Sub(began)))
		release()
		_ = conn.Close()
	}
	fmt.Printf("From a sign-in's return on node A, %d times\n", times)
	for _, row := range []struct {
		name string
		x    []time.Duration
	}{{"a bare " + name + " until it is heard", alone}, {"until node B refuses the other session", refused}, {"until the event is in a browser on B", told}} {
		fmt.Printf("  %-38s p50 %8v  p99 %8v  %5.2f times its p99\n", row.name, quantile(row.x, .5).Round(time.Microsecond),
			quantile(row.x, .99).Round(time.Microsecond), float64(quantile(row.x, .99))/float64(quantile(alone, .99)))
	}
}

// contest signs one account in from 64 callers on several nodes at once.
func contest(nodes ...*oneseat.Registry) {
	const callers, turn = 64, 10 * time.Second
	took := make([][]time.Duration, callers)
	var all sync.WaitGroup
	began := time.Now()
	for c := range callers {
		all.Go(func() {
			for time.Since(began) < turn {
				start := time.Now()
				must(nodes[c%len(nodes)].SignIn(context.Background(), "contested", oneseat.SignInRequest{}))
				took[c] = append(took[c], time.Since(start))
			}
		})
	}
	all.Wait()
	least, most := len(slices.MinFunc(took, byLen)), len(slices.MaxFunc(took, byLen))
	every := slices.Concat(took...)
	live := len(must(nodes[0].Sessions(context.Background(), "contested")))
	fmt.Printf("One account, %d callers on %d nodes, %v\n", callers, len(nodes), turn)
	fmt.Printf("  %.0f sign-ins a second, %d to %d by a caller; p50 %v, p99 %v; %d live at the end\n", float64(len(every))/turn.Seconds(), least, most,
		quantile(every, .5).Round(time.Microsecond), quantile(every, .99).Round(time.Microsecond), live)
}

func byLen(a, b []time.Duration) int { return len(a) - len(b) }

// deaf is a store that counts what is read, and whose log can be broken.
type deaf struct {
	*memstore.Store
	broken      atomic.Bool
	reads, keys atomic.Int64
}

func (d *deaf) Load(ctx context.Context, keys ...oneseat.Key) ([]oneseat.View, error) {
	d.reads.Add(1)
	d.keys.Add(int64(len(keys)))
	return d.Store.Load(ctx, keys...)
}

func (d *deaf) Changes(ctx context.Context, partition int, after oneseat.Cursor) (oneseat.Tail, error) {
	if d.broken.Load() {
		return oneseat.Tail{}, errors.New("the log cannot be read")
	}
	return d.Store.Changes(ctx, partition, after)
}

// brokenFeed counts what a node reads while many sessions are active, before,
// while and after the log cannot be read.
func brokenFeed() {
	const n, callers, turn = 10_000, 64, 5 * time.Second
	d := &deaf{Store: memstore.New()}
	seats := must(oneseat.New(d, oneseat.Config{Logger: quiet}))
	defer seats.Close()
	tokens := make([]string, n)
	each(callers, n, func(i int) {
		tokens[i] = string(must(seats.SignIn(context.Background(), account(i), oneseat.SignInRequest{})).Token)
	})
	fmt.Printf("A node's reads a second, %d sessions active, each several times a second, MaxStale 1 s\n", n)
	var next atomic.Int64
	for _, phase := range []struct {
		name   string
		broken bool
	}{{"the log is read", false}, {"the log is broken", true}, {"the log is read again", false}} {
		d.broken.Store(phase.broken)
		reads, keys := d.reads.Load(), d.keys.Load()
		checks := perSecond(callers, turn, func() {
			must(seats.Check(context.Background(), tokens[next.Add(1)%n]))
		})
		perKey := float64(d.keys.Load()-keys) / turn.Seconds()
		fmt.Printf("  %-24s %8.0f checks  %6.0f reads of %7.0f rosters: %5.2f times each session's\n", phase.name, checks,
			float64(d.reads.Load()-reads)/turn.Seconds(), perKey, perKey/n)
	}
}
