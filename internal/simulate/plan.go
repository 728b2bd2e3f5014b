package simulate

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/oneseat/oneseat"
)

// plan is everything that a seed decides in advance. What is decided on the way, as the
// delay and fate of each call and the choices of each client, comes from streams of the
// same seed. There is one stream for each kind of call of a node, and one for each
// client, so that they depend on each other as little as possible.
type plan struct {
	seed       uint64
	nodes      int
	accounts   int
	clients    int // of each account
	partitions int
	config     oneseat.Config
	span       time.Duration // of the workload

	holds    bool // the clients hold more than they check
	plays    bool // the clients play streams
	blocks   bool // accounts are blocked and unblocked
	limits   bool // accounts get limits of their own
	plans    bool // the application says what the limits are, and changes its mind
	devices  bool // the clients' devices have ids
	adopts   bool // sessions of the application's own are adopted
	attempts bool // sign-ins and rotations are repeated, as attempts
	crowded  bool // there are many sign-ins, so that endings are forgotten
	forgets  int  // percent of the sign-ins after which the browser has lost its token
	tempo    int  // how many times slower the clients are
	orderly  bool // see makeOrderly

	pace  pace
	apart bool // a change runs, and is committed some time later if no other comes before
	split bool // the keys of one read are read at different moments

	// These are in percent of the calls.
	lost    int // a reply or a request is lost, or the request arrives late
	unread  int // a read fails
	unheard int // a reading of the log fails
	gaps    int // a reading of the log skips to the end, and says so
	repeats int // a reading of the log returns a cursor from which some entries come again
	pieces  int // a reading of the log does not reach the end
	drops   int // a wake is dropped, late, or comes twice

	machines []machine   // by node
	store    []storeFate // in the order of time
}

// pace is how long a call is on its way, in each direction.
type pace struct {
	usual, rare time.Duration // at most
	slow        int           // percent of the calls that take the rare time
}

// machine is what happens to one node.
type machine struct {
	pauses  []pause
	steps   []step
	outages []outage
	crashes []crash
	deaf    bool // no wake ever arrives
}

// pause is a time in which nothing of a node runs.
type pause struct {
	from, to time.Duration
	stands   stands
}

// stands says which clock of a machine does not see a pause. One of them always sees
// it: a pause that neither clock shows cannot be known.
type stands int

const (
	neither stands = iota // as of a process that was stopped
	mono                  // as of a machine that was suspended
	wall                  // as of a machine whose wall clock lost time
)

// step sets a wall clock, of a node or of the store.
type step struct {
	at, by time.Duration
}

// outage is a time in which some calls of a node are not answered.
type outage struct {
	from, to time.Duration
	calls    calls
	hangs    bool // and not refused either
}

type calls int

const (
	everything calls = iota
	theLog
	reads
	writes
)

// crash ends a process, and begins a new one.
type crash struct {
	at, back time.Duration
	closed   bool // the process was asked to end, and closed its registry
}

// storeFate is what happens to the store itself.
type storeFate struct {
	at   time.Duration
	what mishap
	by   time.Duration // of a step of its clock
	pick int           // of a deletion: whose row; of a trim: how many entries stay
	stop bool          // of a restore: the nodes are stopped for it, and the log keeps its name
}

type mishap int

const (
	clockStep mishap = iota
	trimmed          // the older entries of the log are gone
	renamed          // the log has another incarnation and is empty
	deleted          // a row is deleted behind the log's back
	saved            // a backup is made
	restored         // and restored
)

func (m mishap) String() string {
	return [...]string{"store clock set", "log trimmed", "log renamed", "row deleted", "backup made", "backup restored"}[m]
}

// These are the streams of one seed.
const (
	streamPlan   = 1
	streamPlans  = 2       // of the application
	streamLink   = 1 << 8  // + node, generation and kind of call
	streamClient = 1 << 20 // + client
)

func stream(seed, n uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, n)) // choices, no secrets
}

// dice make draws.
type dice struct{ *rand.Rand }

func (d dice) percent(p int) bool { return d.IntN(100) < p }

// upTo returns a time between 0 and most, in whole microseconds.
func (d dice) upTo(most time.Duration) time.Duration {
	if most < time.Microsecond {
		return 0
	}
	return time.Duration(d.Int64N(int64(most/time.Microsecond))) * time.Microsecond
}

func (d dice) between(least, most time.Duration) time.Duration { return least + d.upTo(most-least) }

func oneOf[T any](d dice, of ...T) T { return of[d.IntN(len(of))] }

// draw makes the plan of a seed. Each kind of trouble is in some histories only,
// because one trouble often does harm only where another one is absent.
func draw(seed uint64) plan {
	d := dice{stream(seed, streamPlan)}
	p := plan{
		seed:       seed,
		nodes:      oneOf(d, 2, 2, 2, 3, 3, 4),
		accounts:   oneOf(d, 1, 1, 2, 3),
		clients:    oneOf(d, 1, 2, 2, 3),
		partitions: oneOf(d, 1, 1, 1, 2, 3),
		span:       d.between(time.Second, oneOf(d, 3*time.Second, 3*time.Second, 8*time.Second)),
	}
	p.config = oneseat.Config{
		Limit:    oneOf(d, 1, 1, 2, 3),
		WhenFull: oneOf(d, oneseat.PolicyDisplace, oneseat.PolicyDisplace, oneseat.PolicyDisplace, oneseat.PolicyRefuse, oneseat.PolicyAsk, oneseat.PolicyAsk),

		DisplaceOrder: oneOf(d, oneseat.DisplaceIdlest, oneseat.DisplaceIdlest, oneseat.DisplaceSameClass, oneseat.DisplaceOldest),
		Streams:       oneOf(d, 1, 1, 2),
		StreamIdle:    oneOf(d, time.Second, time.Second, 2*time.Second, 5*time.Second),
		Idle:          oneOf(d, 2*time.Second, 3*time.Second, 10*time.Second, oneseat.NoTimeout),
		Absolute:      oneOf(d, oneseat.NoTimeout, oneseat.NoTimeout, 10*time.Second, 20*time.Second),
		KeepEndings:   time.Minute,
		MaxStale:      oneOf(d, time.Second, time.Second, oneseat.FreshAlways),
		HoldGrace:     oneOf(d, time.Second, 5*time.Second),
	}
	if d.percent(2) { // long enough for what is done once a minute
		p.span = d.between(60*time.Second, 150*time.Second)
		p.nodes, p.accounts, p.clients = 2, 1, oneOf(d, 1, 2)
	}
	p.forgets, p.tempo = oneOf(d, 0, 20), 1
	if d.percent(15) {
		p.linger(d)
	}
	p.pace = pace{
		usual: oneOf(d, 0, 2*time.Millisecond, 20*time.Millisecond, 100*time.Millisecond),
		rare:  oneOf(d, 300*time.Millisecond, 900*time.Millisecond, 1800*time.Millisecond),
		slow:  oneOf(d, 0, 4, 15),
	}
	p.plays, p.blocks, p.limits, p.plans, p.devices, p.adopts = d.percent(35), d.percent(20), d.percent(20), d.percent(25), d.percent(40), d.percent(10)
	p.attempts = d.percent(40)
	p.apart, p.split = d.percent(50), d.percent(30)
	p.lost = oneOf(d, 0, 0, 5, 25)
	p.unread = oneOf(d, 0, 0, 0, 5)
	p.unheard = oneOf(d, 0, 0, 5, 40)
	p.gaps = oneOf(d, 0, 0, 0, 2, 10)
	p.repeats = oneOf(d, 0, 20)
	p.pieces = oneOf(d, 0, 20)
	p.drops = oneOf(d, 0, 20, 60)
	p.machines = make([]machine, p.nodes)
	for i := range p.machines {
		p.machines[i] = p.machine(d)
	}
	p.storeTroubles(d)
	switch chance := d.IntN(100); {
	case chance < 15:
		p.unheardOf(d)
	case chance < 27:
		p.makeOrderly(d)
	case chance < 33:
		p.crowd(d)
	}
	if p.adopts {
		p.config.AdoptUntil = time.Now().Add(time.Hour)
	}
	return p
}

// linger makes the history long enough for sessions to give way because they were never
// used. Its clients lose their tokens now and then.
func (p *plan) linger(d dice) {
	p.span, p.forgets, p.tempo = d.between(12*time.Second, 30*time.Second), 35, 4
	c := &p.config
	c.Limit, c.Idle, c.Absolute = oneOf(d, 1, 1, 2), oneOf(d, oneseat.NoTimeout, oneseat.NoTimeout, 30*time.Second), oneseat.NoTimeout
	c.WhenFull = oneOf(d, oneseat.PolicyDisplace, oneseat.PolicyRefuse, oneseat.PolicyRefuse, oneseat.PolicyAsk)
}

// crowd makes the history one with this many sign-ins that endings are forgotten.
func (p *plan) crowd(d dice) {
	p.crowded, p.attempts, p.holds, p.plays, p.accounts, p.clients = true, true, false, false, 1, 3
	p.span = d.between(5*time.Second, 10*time.Second)
	p.config.WhenFull, p.config.Limit = oneOf(d, oneseat.PolicyDisplace, oneseat.PolicyDisplace, oneseat.PolicyAsk), oneOf(d, 1, 1, 2)
	p.pace.usual = oneOf(d, 0, 2*time.Millisecond, 20*time.Millisecond)
}

// unheardOf makes the history one in which a node gets nothing from the log, has slow
// reads and work in flight, and believes its memory for long.
func (p *plan) unheardOf(d dice) {
	p.config.MaxStale, p.config.Limit = oneOf(d, time.Second, 5*time.Second, 5*time.Second), oneOf(d, 1, 2)
	p.pace = pace{usual: 20 * time.Millisecond, rare: 1800 * time.Millisecond, slow: 30}
	p.accounts, p.holds = 1, true
	p.span = d.between(3*time.Second, 12*time.Second)
	m := &p.machines[0]
	m.pauses, m.steps, m.crashes = nil, nil, nil
	m.outages = []outage{{from: d.upTo(time.Second), to: p.span, calls: theLog}}
}

func (p *plan) machine(d dice) (m machine) {
	m.deaf = d.percent(25)
	// One machine never has both. A clock that is set back by as much as the other
	// clock had stood still would hide that from both.
	switch d.IntN(4) {
	case 0:
		kind := oneOf(d, neither, mono, wall)
		for range 1 + d.IntN(2) {
			from := d.upTo(p.span)
			m.pauses = append(m.pauses, pause{from, from + d.between(50*time.Millisecond, oneOf(d, 800*time.Millisecond, 3*time.Second)), kind})
		}
		if slices.SortFunc(m.pauses, func(a, b pause) int { return cmp.Compare(a.from, b.from) }); len(m.pauses) > 1 {
			m.pauses[1].from = max(m.pauses[1].from, m.pauses[0].to)
			m.pauses[1].to = max(m.pauses[1].to, m.pauses[1].from)
		}
	case 1:
		for range 1 + d.IntN(2) {
			m.steps = append(m.steps, step{d.upTo(p.span), d.between(-3*time.Second, 3*time.Second)})
		}
	}
	for range oneOf(d, 0, 0, 1, 2) {
		from := d.upTo(p.span)
		m.outages = append(m.outages, outage{
			from, from + d.between(100*time.Millisecond, oneOf(d, time.Second, 2*time.Second, p.span)),
			oneOf(d, everything, theLog, theLog, reads, writes), d.percent(30),
		})
	}
	if d.percent(12) {
		at := d.upTo(p.span)
		m.crashes = append(m.crashes, crash{at, at + d.upTo(2*time.Second), d.percent(40)})
	}
	return m
}

func (p *plan) storeTroubles(d dice) {
	add := func(chance int, f storeFate) bool {
		f.at = d.upTo(p.span)
		met := d.percent(chance)
		if met {
			p.store = append(p.store, f)
		}
		return met
	}
	for range 3 {
		add(15, storeFate{what: trimmed, pick: d.IntN(3)})
	}
	add(8, storeFate{what: renamed})
	lost := add(6, storeFate{what: deleted, pick: d.IntN(p.accounts + 1)})
	at, age, stop := d.upTo(p.span), d.between(100*time.Millisecond, 3*time.Second), d.percent(50)
	if d.percent(5) {
		lost = true
		p.store = append(p.store, storeFate{what: saved, at: at}, storeFate{what: restored, at: at + age, stop: stop})
		for i := range p.machines {
			p.machines[i].crashes = nil // stopping the nodes is enough
		}
	}
	// A version that the store has lost can be made again only after the clock was set
	// back. That would be two faults at once, and the ledger could not say what is
	// right.
	for range 2 {
		add(8, storeFate{what: clockStep, by: d.between(map[bool]time.Duration{false: -4 * time.Second}[lost], 4*time.Second)})
	}
	slices.SortStableFunc(p.store, func(a, b storeFate) int { return cmp.Compare(a.at, b.at) })
}

// mishaps reports whether the plan has one of these.
func (p *plan) mishaps(of ...mishap) bool {
	return slices.ContainsFunc(p.store, func(f storeFate) bool { return slices.Contains(of, f.what) })
}
