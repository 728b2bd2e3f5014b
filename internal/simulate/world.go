package simulate

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/canaries"
)

// realm is the realm of every history.
const realm = "default"

// world is one history: the store and all nodes over it, the clients, and the truth. It
// lives within one bubble.
type world struct {
	plan  plan
	start time.Time
	seq   atomic.Int64
	quiet atomic.Bool    // nothing goes wrong any more
	later sync.WaitGroup // updates that arrive late
	nodes []*node
	ups   []*up

	mu         sync.Mutex // guards everything below, and what belongs to it; it is never held during a call
	plans      dice       // of the application's answers
	offset     time.Duration
	store      *store
	ledger     *ledger
	calls      []*call
	holds      []*hold
	made       uint64    // attempts
	repeatable [][]*call // by account: what may be repeated
	violations []Violation
	troubled   map[string]int
	deeds      map[string]int
}

// up is a node while its registry runs. After a restart it is another.
type up struct {
	*node
	*link
	*oneseat.Registry
	closing moment // when Close was called
	dead    moment // when the process crashed; its answers reach nobody
}

// These are the promises, and the timeouts.
const (
	p1       = "P1 limit"
	p2       = "P2 winner"
	p3       = "P3 final"
	p4       = "P4 prompt"
	p5       = "P5 closed"
	timeouts = "timeouts"
	blocks   = "block"
)

// Violation is a promise that was broken.
type Violation struct {
	Promise string
	What    string
	call    *call // the call that showed it; nil: something in the background
	at      time.Duration
}

// Result is the result of one history.
type Result struct {
	Seed       uint64
	Violations []Violation
	Undecided  []string       // accounts for which porcupine found no answer, and why
	Linear     int            // the number of accounts for which it found an order
	Calls      int            // operations of clients
	Answers    map[string]int // by what they said
	Done       map[string]int // by what was asked and said
	Met        map[string]int // troubles, by name

	world *world
}

// Run runs the history of a seed.
func Run(t *testing.T, seed uint64) Result {
	w := &world{plan: draw(seed), plans: dice{stream(seed, streamPlans)}, troubled: make(map[string]int), deeds: make(map[string]int)}
	synctest.Test(t, func(*testing.T) { w.run() })
	r := Result{Seed: seed, Violations: w.violations, Calls: len(w.calls), Met: w.troubled, Answers: make(map[string]int), Done: make(map[string]int), world: w}
	for _, c := range w.calls {
		r.Answers[c.said]++
		r.Done[c.what+": "+c.said]++
	}
	add(&r.Done, w.deeds)
	w.linearize(&r)
	return r
}

// run is the life of a history: the workload, and then a quiet time, at whose end every
// node is asked for every session.
func (w *world) run() {
	w.start = time.Now()
	w.store = newStore(w.plan.partitions, func() time.Time { return time.Now().Add(w.offset) })
	w.ledger = newLedger(w)
	w.ups, w.repeatable = make([]*up, w.plan.nodes), make([][]*call, w.plan.accounts)
	for i := range w.plan.nodes {
		w.nodes = append(w.nodes, &node{w: w, machine: w.plan.machines[i], number: i})
		w.boot(i, 0)
	}
	var workload, troubles sync.WaitGroup
	troubles.Go(w.mishaps)
	for i, m := range w.plan.machines {
		for g, c := range m.crashes {
			troubles.Go(func() { w.crash(i, g+1, c) })
		}
	}
	book := newBook(w)
	for a := range w.plan.accounts {
		for c := range w.plan.clients {
			workload.Go(func() { newClient(w, book, a, a*w.plan.clients+c).run() })
		}
	}
	workload.Wait()
	troubles.Wait()
	w.quiet.Store(true)
	w.later.Wait()
	time.Sleep(max(0, w.plan.calm()-w.now()))
	book.askAll()
	w.mu.Lock()
	w.lastLook()
	w.mu.Unlock()
	for _, u := range w.ups {
		w.close(u)
	}
	w.later.Wait()
}

// calm returns when the last trouble is over, and long enough ago that memory does not
// go back to it.
func (p *plan) calm() time.Duration {
	end := p.span
	for _, m := range p.machines {
		for _, q := range m.pauses {
			end = max(end, q.to)
		}
		for _, o := range m.outages {
			end = max(end, o.to)
		}
	}
	return end + max(0, p.config.MaxStale) + 200*time.Millisecond
}

// boot starts a registry on a node.
func (w *world) boot(i, generation int) {
	c := w.plan.config
	n := w.nodes[i]
	c.Logger, c.Clock = canaries.Logger(nil), n.clock
	if w.plan.plans {
		c.LimitFor = w.limitFor
	}
	l := newLink(n, generation)
	r, err := oneseat.New(l, c)
	if err != nil {
		panic(err) // the plan is wrong
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.troubled["node's clock set"] += len(n.steps)
	w.ups[i] = &up{node: n, link: l, Registry: r}
}

func (w *world) close(u *up) {
	if u == nil {
		return
	}
	w.mu.Lock()
	u.closing = w.stamp()
	w.mu.Unlock()
	_ = u.Close()
}

// take takes a node down.
func (w *world) take(i int) *up {
	w.mu.Lock()
	defer w.mu.Unlock()
	u := w.ups[i]
	w.ups[i] = nil
	return u
}

// crash ends the process of a node and starts another.
func (w *world) crash(i, generation int, c crash) {
	time.Sleep(c.at)
	u := w.take(i)
	if !c.closed {
		u.link.mu.Lock()
		u.link.dead = true
		u.link.mu.Unlock()
		w.mu.Lock()
		u.dead = w.stamp()
		w.mu.Unlock()
		_ = w.met("process crashed", nil)
	}
	w.close(u)
	time.Sleep(max(0, c.back-w.now()))
	w.boot(i, generation)
}

// mishaps makes the plan's faults of the store happen.
func (w *world) mishaps() {
	for _, f := range w.plan.store {
		time.Sleep(max(0, f.at-w.now()))
		if f.what == restored && f.stop {
			for i := range w.plan.nodes {
				w.close(w.take(i))
			}
		}
		w.mishap(f)
		if f.what == restored && f.stop {
			for i := range w.plan.nodes {
				w.boot(i, len(w.plan.machines[i].crashes)+1)
			}
		}
	}
}

func (w *world) mishap(f storeFate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.troubled[f.what.String()]++
	switch f.what {
	case clockStep:
		w.offset += f.by
	case trimmed:
		w.store.trim(f.pick)
	case renamed:
		w.store.rename()
	case saved:
		w.store.save()
	case deleted:
		k := oneseat.KeyOf(realm, "")
		if f.pick < w.plan.accounts {
			k = oneseat.KeyOf(realm, accountName(f.pick))
		}
		delete(w.store.rows, k)
		w.ledger.rowLost(k)
	case restored:
		w.store.restore(f.stop)
		w.ledger.restored(w.store.rows)
	}
}

func (w *world) now() time.Duration { return time.Since(w.start) }

// stamp returns a new moment, after all before.
func (w *world) stamp() moment { return moment{w.seq.Add(1), w.now()} }

func (w *world) view(k oneseat.Key) oneseat.View {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.store.view(k)
}

func (w *world) changes(partition int, after oneseat.Cursor, most, again int) oneseat.Tail {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.store.changes(partition, after, most, again)
}

// commit commits a change, notes it in the ledger and wakes the nodes.
func (w *world) commit(v oneseat.View, c oneseat.Change, by *call) (oneseat.View, bool) {
	w.mu.Lock()
	was := w.store.rows[v.Key]
	after, ok := w.store.write(v, c)
	if !ok || c.Roster == nil && !c.Erase {
		w.mu.Unlock()
		return after, ok
	}
	w.ledger.committed(was, w.store.rows[v.Key], after, v.Now, c, by)
	var ups []*up
	if len(c.Events) > 0 {
		ups = append(ups, w.ups...)
	}
	w.mu.Unlock()
	for _, u := range ups {
		if u != nil {
			u.push(v.Key.Partition(w.plan.partitions))
		}
	}
	return after, true
}

// met counts a trouble and returns its error.
func (w *world) met(what string, err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.troubled[what]++
	return err
}

// violate notes that a promise was broken. The caller holds the lock.
func (w *world) violate(promise string, by *call, format string, args ...any) {
	w.violations = append(w.violations, Violation{promise, fmt.Sprintf(format, args...), by, w.now()})
}

type callKey struct{}

// callOf returns the client's operation under whose context something is done, or nil.
func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}
