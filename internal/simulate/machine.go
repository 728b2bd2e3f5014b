package simulate

import (
	"math/rand/v2"
	"time"
)

// node is a place where a registry runs: its clocks, and whether it runs at all. Both
// depend on the time and on the plan only.
type node struct {
	w *world
	machine
	number int
}

// stopped returns until when the node is paused, or zero if it is not.
func (n *node) stopped(now time.Duration) time.Duration {
	for _, p := range n.pauses {
		if p.from <= now && now < p.to {
			return p.to
		}
	}
	return 0
}

// pass returns when the node is not paused. Everything that runs on a node calls it
// before and after it asks the store, and when it reads the clock.
func (n *node) pass() {
	for len(n.pauses) > 0 {
		now := n.w.now()
		until := n.stopped(now)
		if until == 0 {
			return
		}
		_ = n.w.met("node paused", nil)
		time.Sleep(until - now)
	}
}

// read reads the node's clocks.
func (n *node) read() (time.Time, time.Duration) {
	now := n.w.now()
	m, wl := now, now
	for _, p := range n.pauses {
		stood := min(max(now-p.from, 0), p.to-p.from)
		switch p.stands {
		case mono:
			m -= stood
		case wall:
			wl -= stood
		}
	}
	for _, s := range n.steps {
		if s.at <= now {
			wl += s.by
		}
	}
	return n.w.start.Add(wl), m
}

// clock is the registry's Config.Clock. A pause may begin right before the clock is
// read, or right after.
func (n *node) clock() (time.Time, time.Duration) {
	if len(n.pauses) == 0 || n.stopped(n.w.now()) == 0 {
		return n.read()
	}
	if rand.IntN(2) == 0 { // as arbitrary as the scheduling
		n.pass()
		return n.read()
	}
	t, m := n.read()
	n.pass()
	return t, m
}

// pausedIn returns how long the node was paused between two moments.
func (n *node) pausedIn(from, to time.Duration) time.Duration {
	var sum time.Duration
	for _, p := range n.pauses {
		sum += max(0, min(to, p.to)-max(from, p.from))
	}
	return sum
}

// out returns the outage that a call meets now, or nil.
func (n *node) out(c calls) *outage {
	if len(n.outages) == 0 {
		return nil
	}
	now := n.w.now()
	for i := range n.outages {
		if o := &n.outages[i]; o.from <= now && now < o.to && (o.calls == everything || o.calls == c) {
			return o
		}
	}
	return nil
}
