package faults

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	"github.com/oneseat/oneseat"
)

const (
	nodesOfRound = 3
	acts         = 2500 * time.Millisecond // how long clients call
)

// fault is something that goes wrong for a while.
type fault struct {
	at, lasts time.Duration
	what      string
	node      int           // which node, or which server
	step      time.Duration // of its clock
}

func (f fault) String() string {
	text := fmt.Sprintf("at %v for %v: %s", f.at.Round(time.Millisecond), f.lasts.Round(time.Millisecond), f.what)
	if f.step != 0 {
		text += fmt.Sprintf(" by %v", f.step)
	}
	return fmt.Sprintf("%s (%d)", text, f.node)
}

// plan is what happens in a round.
type plan struct {
	seed   uint64
	limit  int
	policy oneseat.Policy
	stale  time.Duration
	faults []fault
}

// These are the faults of nodes, of their ways to a server, and of a server.
var (
	ofNodes   = []string{"the node is killed", "the node is stopped", "the node's clock is set"}
	ofWays    = []string{"the node is cut off", "its way is slow", "its way is half-open", "its replies are lost"}
	ofServers = []string{"the store is killed", "the store is stopped"}
)

// These are the faults of a cluster. A failover loses what was acknowledged. When slots
// move, the keys of an account are on two servers for a while.
const (
	failover   = "a master is killed"
	resharding = "every slot moves"
)

// newPlan returns what a seed chooses, for a store with this server, or without one. A
// fault of a node is twice as likely as a fault of the server.
func newPlan(seed uint64, s *server) plan {
	choices := rand.New(rand.NewPCG(seed, 0)) // a test may choose at random
	p := plan{seed: seed, limit: 1, policy: oneseat.PolicyDisplace, stale: oneseat.FreshAlways}
	switch choices.IntN(4) {
	case 1:
		p.limit = 2
	case 2:
		p.limit, p.policy = 2, oneseat.PolicyRefuse
	case 3:
		p.stale = time.Second
	}
	all := ofNodes
	if s.part != nil {
		all = slices.Concat(ofNodes, ofWays, ofNodes, ofWays, s.faults)
	}
	for range 2 + choices.IntN(4) {
		f := fault{
			at:    time.Duration(choices.Int64N(int64(acts * 3 / 4))),
			lasts: time.Duration(50+choices.IntN(1900)) * time.Millisecond,
			what:  all[choices.IntN(len(all))],
			node:  choices.IntN(nodesOfRound),
		}
		if f.what == "the node's clock is set" {
			f.step = time.Duration(choices.IntN(7200)-3600) * time.Second
		}
		p.faults = append(p.faults, f)
	}
	if s.move != nil { // in every round, beside everything else
		p.faults = append(p.faults, fault{
			at: time.Duration(choices.Int64N(int64(acts / 2))), lasts: time.Duration(200+choices.IntN(1300)) * time.Millisecond, what: resharding,
		})
	}
	// A failover happens once, after everything else.
	if i := slices.IndexFunc(p.faults, func(f fault) bool { return f.what == failover }); i >= 0 {
		last := p.faults[i]
		last.at, last.lasts = acts*2/3, 4*time.Second
		p.faults = append(slices.DeleteFunc(p.faults, func(f fault) bool { return f.what == failover }), last)
	}
	return p
}

// do makes the fault happen, lets it last, and ends it. It returns an error if it could
// not end the fault.
func (f fault) do(nodes []*node, s *server) error {
	n := nodes[f.node]
	wait := func() { time.Sleep(f.lasts) }
	during := func(w weather) {
		n.way.set(w)
		wait()
		n.way.set(fair)
	}
	switch f.what {
	case "the node is killed":
		n.kill()
		wait()
		return n.restart()
	case "the node is stopped":
		n.signal(syscall.SIGSTOP)
		wait()
		n.signal(syscall.SIGCONT)
	case "the node's clock is set":
		if p := n.now(); p != nil {
			p.tell(request{What: "step", Step: f.step})
		}
	case "the node is cut off":
		during(cut)
	case "its way is slow":
		during(slow)
	case "its way is half-open":
		during(silent)
	case "its replies are lost":
		during(deaf)
	case "the store is killed", failover:
		hit := s.part(f.node)
		hit.Kill()
		wait()
		hit.Start()
		s.await()
	case "the store is stopped":
		hit := s.part(f.node)
		hit.Pause()
		wait()
		hit.Continue()
		s.await()
	case resharding:
		return s.move(f.lasts)
	default:
		return fmt.Errorf("there is no fault %q", f.what)
	}
	return nil
}
