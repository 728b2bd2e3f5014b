package faults

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/oneseat/oneseat"
)

// part is one server of a store.
type part interface {
	Kill()
	Start()
	Pause()
	Continue()
}

// server is what a store runs on: a server, a cluster, or a file, which has only a url.
type server struct {
	url    string
	faults []string // the faults that it can have
	part   func(i int) part
	move   func(lasts time.Duration) error // moves every slot, key by key, for about that time
	await  func()                          // returns when all of it answers
}

// Result is what came of a round.
type Result struct {
	Seed       uint64
	Calls      int
	Faults     []string
	Undecided  []string
	Violations []string
	history    *history
}

// recovers is how long a node may take to answer again after the last fault has ended.
// Only a node that never answers takes as long as that, because a busy machine may be
// slow.
const recovers = 2 * time.Minute

// run runs one round. An error says that the harness could not do its work.
func run(p plan, s *server) (Result, error) {
	r := Result{Seed: p.seed}
	h := &history{
		seed: p.seed, limit: p.limit, policy: p.policy, stale: p.stale, began: time.Now(),
		realm: fmt.Sprintf("round %d of %d", p.seed, time.Now().UnixNano()),
	}
	r.history = h
	nodes := make([]*node, nodesOfRound)
	for i := range nodes {
		way, err := newProxy()
		if err != nil {
			return r, err
		}
		defer way.close()
		nodes[i] = &node{number: i, way: way, config: nodeConfig{s.url, way.addr(), h.realm, p.limit, p.policy, p.stale}}
		defer nodes[i].kill()
	}
	if err := together(nodes, func(n *node) error { return n.start() }); err != nil {
		return r, err
	}
	// One sign-in makes the realm's control record. Otherwise the first sign-ins on
	// several nodes would make it together.
	for end := time.Now().Add(recovers); len(h.tokens[0]) == 0; {
		if h.call(clients, nodes[0], 0, "sign in", token{}, 0); time.Now().After(end) {
			return r, errors.New("nobody can sign in")
		}
	}

	until := time.Duration(1<<63 - 1)
	var faults sync.WaitGroup
	var mu sync.Mutex
	var failed error
	turns := make([]sync.Mutex, nodesOfRound+1) // the faults of one node, or of the store, come one after the other
	for _, f := range p.faults {
		r.Faults = append(r.Faults, f.String())
		turn := &turns[f.node]
		if strings.Contains(f.what, "store") || f.what == failover || f.what == resharding {
			turn = &turns[nodesOfRound]
		}
		faults.Go(func() {
			time.Sleep(f.at)
			turn.Lock()
			defer turn.Unlock()
			if f.what == failover {
				mu.Lock()
				until = min(until, time.Since(h.began)-time.Second)
				mu.Unlock()
			}
			if err := f.do(nodes, s); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = errors.Join(failed, err)
			}
		})
	}
	h.act(nodes, acts)
	faults.Wait()
	if failed != nil {
		return r, failed
	}
	kept, shut, err := open(context.Background(), s.url, straight, recovers)
	if err != nil {
		return r, err
	}
	defer shut()
	if err := h.recovered(nodes); err != nil {
		r.Violations = append(r.Violations, err.Error())
		return r, nil
	}
	after := h
	if until != 1<<63-1 {
		if after, err = h.anew(nodes); err != nil {
			r.Violations = append(r.Violations, err.Error())
		}
		after.act(nodes, acts/2)
	}
	after.look(nodes)
	v := h.judge(until)
	if after != h {
		w := after.judge(1<<63 - 1)
		v.calls += w.calls
		v.violations, v.undecided = append(v.violations, w.violations...), append(v.undecided, w.undecided...)
	} else {
		v.violations = append(v.violations, h.audit(kept)...)
	}
	v.violations = append(v.violations, after.uncut(nodes, kept)...)
	v.violations = append(v.violations, h.miscounted(kept)...)
	r.Calls, r.Undecided, r.Violations = v.calls, v.undecided, append(r.Violations, v.violations...)
	return r, nil
}

// together does something with all nodes at once.
func together(nodes []*node, f func(*node) error) error {
	errs := make([]error, len(nodes))
	var all sync.WaitGroup
	for i, n := range nodes {
		all.Go(func() { errs[i] = f(n) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// recovered waits until every node answers again, by itself.
func (h *history) recovered(nodes []*node) error {
	return together(nodes, func(n *node) error {
		p := n.now()
		if p == nil {
			return fmt.Errorf("node %d is down", n.number)
		}
		var last string
		for end := time.Now().Add(recovers); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			a, err := p.ask(request{What: "sign in", Account: fmt.Sprint("probe ", n.number)}, nil)
			if err != nil {
				return fmt.Errorf("node %d ended by itself: %s", n.number, p.errors.String())
			}
			if last = a.Failed; a.Reply.Said == "yes" {
				return nil
			}
		}
		return fmt.Errorf("node %d has not recovered %v after the last fault: %s", n.number, recovers, last)
	})
}

// anew does what an operator does after a failover that may have lost what was
// acknowledged: it ends everything that was issued before, on every node. It returns a
// history that begins there.
func (h *history) anew(nodes []*node) (*history, error) {
	after := &history{
		seed: h.seed + 1<<32, realm: h.realm, limit: h.limit, policy: h.policy, stale: h.stale, began: h.began, number: 1 << 20,
	}
	for end := time.Now().Add(recovers); ; {
		a, err := nodes[0].now().ask(request{What: "end realm"}, nil)
		if err == nil && a.Reply.Said == "yes" {
			break
		}
		if err != nil || a.Failed == "" && a.Reply.Said != "unknown" || time.Now().After(end) {
			return after, fmt.Errorf("EndRealm: %+v, %w", a, err)
		}
	}
	if h.stale != oneseat.FreshAlways {
		time.Sleep(h.stale)
	}
	for i := range accounts {
		for _, t := range h.tokens[i] {
			for _, n := range nodes {
				a, err := n.now().ask(request{What: "check", Account: h.account(i), Token: t.text}, nil)
				if err != nil || a.Wrong != "" || a.Reply.Said == "yes" {
					return after, fmt.Errorf("after EndRealm a token of before is answered %+v on node %d: %w", a, n.number, err)
				}
			}
		}
	}
	return after, nil
}
