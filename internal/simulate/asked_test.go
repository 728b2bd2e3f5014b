package simulate

import (
	"context"
	"flag"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/canaries"
)

var (
	nodes   = flag.Int("nodes", 4, "of TestWhatNodesAskOfAStore: how many nodes there are")
	signIns = flag.Int("signins", 200, "of TestWhatNodesAskOfAStore: how many a second, on all nodes together")
	trip    = flag.Duration("trip", time.Millisecond, "of TestWhatNodesAskOfAStore: how long a call of the store takes")
)

// shared is one store for many nodes. Nothing goes wrong.
type shared struct {
	mu    sync.Mutex // guards both
	store *store
	wakes []chan int // by node; each has room for what one tells while others sleep
}

// asking is the store as one node has it, with its own announcer, and counts what the
// node asks.
type asking struct {
	*shared
	node int
	trip time.Duration
	// pause is how long the announcer waits after it has told of this many commits.
	pause func(told int) time.Duration
	news  chan int // partitions; its reader ends with Wake

	loads, updates, reads, entries, told, woken atomic.Int64
}

func (a *asking) travel(ctx context.Context) error {
	select {
	case <-time.After(a.trip):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *asking) Load(ctx context.Context, keys ...oneseat.Key) ([]oneseat.View, error) {
	a.loads.Add(1)
	if err := a.travel(ctx); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	views := make([]oneseat.View, len(keys))
	for i, k := range keys {
		views[i] = a.store.view(k)
	}
	return views, nil
}

// Update takes two trips, as on Redis, which is the one with many partitions.
func (a *asking) Update(ctx context.Context, key oneseat.Key, change func(oneseat.View) (oneseat.Change, error)) (oneseat.View, error) {
	a.updates.Add(1)
	for {
		if err := a.travel(ctx); err != nil {
			return oneseat.View{}, err
		}
		a.mu.Lock()
		v := a.store.view(key)
		a.mu.Unlock()
		c, err := change(v)
		if err != nil || c.Roster == nil && !c.Erase {
			return v, err
		}
		time.Sleep(a.trip)
		a.mu.Lock()
		after, ok := a.store.write(v, c)
		a.mu.Unlock()
		if ok {
			a.news <- key.Partition(a.Partitions())
			return after, nil
		}
	}
}

func (a *asking) Partitions() int { return len(a.store.logs) }

func (a *asking) Changes(ctx context.Context, partition int, after oneseat.Cursor) (oneseat.Tail, error) {
	a.reads.Add(1)
	if err := a.travel(ctx); err != nil {
		return oneseat.Tail{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.store.changes(partition, after, 512, 0)
	a.entries.Add(int64(len(t.Entries)))
	return t, nil
}

func (a *asking) Due(context.Context, string, int) ([]oneseat.Key, error) { return nil, nil }

// Wake also announces what this node commits, until it is done.
func (a *asking) Wake(ctx context.Context, wake func(partition int)) error {
	var announcer sync.WaitGroup
	announcer.Go(func() { a.announce(ctx) })
	defer announcer.Wait()
	for {
		select {
		case fresh := <-a.wakes[a.node]:
			a.woken.Add(1)
			for p := range a.Partitions() {
				if fresh&(1<<p) != 0 {
					wake(p)
				}
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (a *asking) announce(ctx context.Context) {
	for {
		fresh, told := 0, 0
		select {
		case p := <-a.news:
			fresh, told = 1<<p, 1
		case <-ctx.Done():
			return
		}
		for more := true; more; {
			select {
			case p := <-a.news:
				fresh, told = fresh|1<<p, told+1
			default:
				more = false
			}
		}
		time.Sleep(a.trip)
		a.told.Add(1)
		for _, w := range a.wakes {
			select {
			case w <- fresh:
			default: // a node that is as far behind as this is woken anyway
			}
		}
		time.Sleep(a.pause(told))
	}
}

// load is what one node asks of a store in a second.
type load struct{ loads, updates, reads, entries, announcements, woken float64 }

// ask runs nodes over one store in virtual time, and counts for a second.
func ask(t *testing.T, nodes, partitions, signIns int, trip time.Duration, pause func(told int) time.Duration) (each load) {
	synctest.Test(t, func(t *testing.T) {
		all := &shared{store: newStore(partitions, time.Now)}
		var stores []*asking
		var seats []*oneseat.Registry
		for i := range nodes {
			all.wakes = append(all.wakes, make(chan int, 1024))
			stores = append(stores, &asking{shared: all, node: i, trip: trip, pause: pause, news: make(chan int, 1024)})
		}
		for _, s := range stores {
			r, err := oneseat.New(s, oneseat.Config{Logger: canaries.Logger(nil)})
			if err != nil {
				t.Fatal(err)
			}
			seats = append(seats, r)
		}
		work, stop := context.WithCancel(t.Context())
		var workers sync.WaitGroup
		for i := range nodes {
			if signIns == 0 {
				break
			}
			workers.Go(func() {
				every := time.Duration(nodes) * time.Second / time.Duration(signIns)
				time.Sleep(every * time.Duration(i) / time.Duration(nodes))
				for n := 0; work.Err() == nil; n++ {
					workers.Go(func() {
						if _, err := seats[i].SignIn(context.WithoutCancel(work), fmt.Sprintf("%d of node %d", n, i), oneseat.SignInRequest{}); err != nil {
							t.Error(err)
						}
					})
					time.Sleep(every)
				}
			})
		}
		of := func() (sum load) {
			for _, s := range stores {
				sum.loads += float64(s.loads.Load())
				sum.updates += float64(s.updates.Load())
				sum.reads += float64(s.reads.Load())
				sum.entries += float64(s.entries.Load())
				sum.announcements += float64(s.told.Load())
				sum.woken += float64(s.woken.Load())
			}
			return sum
		}
		time.Sleep(1100 * time.Millisecond) // until all have begun, and not when they look by the clock
		before := of()
		time.Sleep(time.Second)
		after := of()
		stop()
		workers.Wait()
		for _, r := range seats {
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
		n := float64(nodes)
		each = load{(after.loads - before.loads) / n, (after.updates - before.updates) / n, (after.reads - before.reads) / n,
			(after.entries - before.entries) / n, (after.announcements - before.announcements) / n, (after.woken - before.woken) / n}
	})
	return each
}

// TestWhatNodesAskOfAStore counts in virtual time what a node asks of a store in a second,
// while nothing happens, and while accounts sign in on all nodes. The figures for more
// nodes, in docs/performance.md, are those of
//
//	go test ./internal/simulate -count=1 -v -run '^TestWhatNodesAskOfAStore$' -nodes=100 -signins=20000
func TestWhatNodesAskOfAStore(t *testing.T) {
	for _, on := range []struct {
		name       string
		partitions int
		pause      func(told int) time.Duration
	}{
		{"one partition, as on PostgreSQL", 1, func(int) time.Duration { return 2 * time.Millisecond }},
		{"16 partitions, as on Redis", 16, func(told int) time.Duration {
			if told <= 4 {
				return 0
			}
			return min(time.Duration(told)*100*time.Microsecond, 5*time.Millisecond)
		}},
	} {
		idle := ask(t, *nodes, on.partitions, 0, *trip, on.pause)
		busy := ask(t, *nodes, on.partitions, *signIns, *trip, on.pause)
		t.Logf("%s, %d nodes, a call takes %v: what a node asks in a second\n  idle: %+v\n  %d sign-ins a second: %+v", on.name, *nodes, *trip, idle, *signIns, busy)
		if pulse := float64(4 * on.partitions); idle.reads != pulse || idle.loads+idle.updates+idle.announcements != 0 {
			t.Errorf("an idle node asks %+v, and should read the log %v times", idle, pulse)
		}
		if most := float64(on.partitions) / trip.Seconds(); busy.reads > most {
			t.Errorf("a node reads the log %v times, more than one read at a time allows: %v", busy.reads, most)
		}
		if want := float64(*signIns); busy.entries < want*0.98 || busy.entries > want*1.02 {
			t.Errorf("a node reads %v entries of %v", busy.entries, want)
		}
	}
}
