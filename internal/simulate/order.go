package simulate

import (
	"sync"
	"time"

	"github.com/oneseat/oneseat"
)

const (
	orderEvery = 10 * time.Second // how exact the order of use is
	orderSlack = 2 * time.Second  // how long it may take to write a use, or for news to arrive
	holdEvery  = time.Minute      // how often it is noted that work goes on
)

// use is a use of a session: when it began and when it ended. It is sure if it was
// answered yes.
type use struct {
	from, to time.Duration
	sure     bool
}

// makeOrderly makes the history one in which nothing goes wrong, long enough for the
// order in which sessions were used to matter.
func (p *plan) makeOrderly(d dice) {
	p.orderly = true
	p.nodes, p.accounts, p.clients, p.span = oneOf(d, 2, 2, 3), 1, oneOf(d, 3, 3, 3, 4), d.between(60*time.Second, 180*time.Second)
	c := &p.config
	c.Limit, c.MaxStale = oneOf(d, 2, 2, 2, 3), oneOf(d, time.Second, time.Second, 5*time.Second, 5*time.Second, oneseat.FreshAlways)
	c.WhenFull = oneOf(d, oneseat.PolicyDisplace, oneseat.PolicyDisplace, oneseat.PolicyDisplace, oneseat.PolicyDisplace, oneseat.PolicyRefuse)
	c.DisplaceOrder = oneOf(d, oneseat.DisplaceIdlest, oneseat.DisplaceIdlest, oneseat.DisplaceSameClass)
	c.Idle, c.Absolute, c.StreamIdle = oneOf(d, oneseat.NoTimeout, oneseat.NoTimeout, oneseat.NoTimeout, 10*time.Minute, 40*time.Second), oneseat.NoTimeout, 15*time.Second
	p.pace = pace{usual: oneOf(d, 0, 2*time.Millisecond, 20*time.Millisecond)}
	p.blocks, p.limits, p.plans, p.adopts, p.holds = false, false, false, false, false
	p.lost, p.unread, p.unheard, p.gaps, p.drops = 0, 0, 0, 0, 0
	p.machines, p.store = make([]machine, p.nodes), nil
}

// workOrderly works as one browser on one account. The browser has a session of its
// own, is mostly on one node, and does nothing for some of the time.
func (c *client) workOrderly() {
	home := c.dice.IntN(maxNodes)
	var own *pass
	patient := c.dice.percent(15)                  // what it holds goes on for long
	roams := oneOf(c.dice, 0, 0, 3, 15)            // in percent: it comes to another node
	viewer := c.w.plan.plays && c.dice.percent(50) // it plays a film for most of the time
	newcomer := c.number >= c.w.plan.config.Limit  // the others are there when it comes
	for n := range 400 {
		switch {
		case own == nil && n == 0 && !newcomer:
			time.Sleep(c.dice.upTo(4 * time.Second))
		case own == nil:
			time.Sleep(c.dice.between(20*time.Second, 60*time.Second))
		case patient && len(c.holds) > 0:
			time.Sleep(c.dice.between(20*time.Second, 140*time.Second))
		case c.dice.percent(12): // it rests
			time.Sleep(c.dice.between(10*time.Second, oneOf(c.dice, 40*time.Second, 40*time.Second, 120*time.Second)))
		default:
			time.Sleep(c.dice.upTo(oneOf(c.dice, time.Second, 4*time.Second, 8*time.Second)))
		}
		if c.w.now() >= c.w.plan.span {
			break
		}
		at := home
		if c.dice.percent(roams) {
			at = c.dice.IntN(maxNodes)
		}
		op := &call{up: c.w.upAt(at), on: own}
		if own == nil || c.dice.percent(1) {
			op.what, op.owner, op.device, op.forgets = "sign in", c.dice.percent(60), c.device(), c.dice.percent(10)
			if c.dice.percent(70) {
				op.on = nil
			}
		} else if viewer && c.dice.percent(90) {
			c.view(op)
		} else if !c.stream(op) {
			op.what = oneOf(c.dice, "check", "check", "check", "check", "check", "check id", "check id", "peek", "peek", "hold", "hold", "hold by id")
			if c.dice.percent(3) { // what all nodes hear of
				op.what = oneOf(c.dice, "rotate", "end others", "sign out")
			}
		}
		var others sync.WaitGroup
		if op.what == "check" && c.dice.percent(30) { // a page with pictures
			for range 1 + c.dice.IntN(4) {
				others.Go(func() { c.do(&call{up: op.up, on: op.on, what: "check"}) })
			}
		}
		c.do(op)
		others.Wait()
		switch {
		case op.granted != nil && !op.forgets:
			own = op.granted
		case op.said == "ended", op.said == "none", op.what == "sign out":
			own = nil
		}
		if len(c.holds) > 0 && c.dice.percent(20) && !patient {
			c.w.release(c.holds[0])
			c.holds = c.holds[1:]
		}
	}
	for _, h := range c.holds {
		c.w.release(h)
	}
}

// view goes on with the film of a session, or begins it.
func (c *client) view(op *call) {
	c.book.mu.Lock()
	defer c.book.mu.Unlock()
	op.what, op.player = "play", "television"
	for _, p := range c.book.played[c.account] {
		if p.of == op.on && !p.over {
			op.what, op.stream = "beat", p.stream
		}
	}
}

// noteUse notes which session a call used, if that counts for the order of use, and
// whether an answer rests on it.
func (w *world) noteUse(c *call) {
	var s *session
	switch c.what {
	case "check", "check id", "hold", "hold by id", "watch", "peek", "rotate", "play", "beat", "end others":
		s = w.ledger.byID[c.on.grant.Session.ID]
	case "end":
		if c.as != nil {
			s = w.ledger.byID[c.as.grant.Session.ID]
		}
	}
	if s == nil {
		return
	}
	if c.said == "yes" {
		w.answered(c, s)
	}
	if w.plan.orderly && c.what != "peek" && c.what != "watch" {
		s.uses = append(s.uses, use{c.began.at, c.back.at, c.said == "yes"})
	}
}

// inOrder keeps a displacement in which another session might have been displaced. It
// is judged later, because uses that are under way are known only later.
func (l *ledger) inOrder(d *door) {
	if l.w.plan.config.DisplaceOrder == oneseat.DisplaceOldest {
		for _, g := range d.gone {
			for _, s := range d.stays {
				if s.Created.Before(g.Created.Time) && !d.unused(g) {
					l.w.violate(p2, d.by, "%s is displaced, and %s signed in before", l.name(g.ID), l.name(s.ID))
				}
			}
		}
		return
	}
	if l.w.plan.orderly && len(d.gone) > 0 && len(d.stays) > 0 {
		for _, u := range l.w.ups {
			if u.Stats().UsesDropped > 0 {
				l.w.deed("order of use not judged")
				return
			}
		}
		l.displaced = append(l.displaced, *d)
	}
}

// judgeOrder checks that of sessions with the same claim, the one was displaced that
// was used least recently. It is called at the end of a history in which nothing went
// wrong, so that every use was written that had to be.
func (w *world) judgeOrder() {
	for _, d := range w.ledger.displaced {
		class := d.seat.Device.Class
		for _, g := range d.gone {
			gone := w.ledger.byID[g.ID]
			last, used := w.lastSure(gone, d.at-orderSlack)
			if g.Unused && !used && !d.now.Before(g.Created.Add(unusedFor)) {
				continue
			}
			for _, s := range d.stays {
				stays := w.ledger.byID[s.ID]
				if w.plan.config.DisplaceOrder == oneseat.DisplaceSameClass && (g.Device.Class == class) != (s.Device.Class == class) {
					if s.Device.Class == class {
						w.violate(p2, d.by, "%s is displaced, and %s is of the newcomer's class", gone, stays)
					}
					continue
				}
				idle := w.lastPossible(stays, d.at)
				w.deed("order of use judged")
				if last > idle {
					w.deed("order of use told within ten seconds")
				}
				if last > idle+orderEvery+orderSlack {
					w.violate(p2, d.by, "%s is displaced, last used at %v, and %s stays, last used at %v", gone, last, stays, idle)
				}
			}
		}
	}
}

// lastSure returns when a session was last used for certain, so that the use is
// recorded by then, and whether anything but its sign-in has used it.
func (w *world) lastSure(s *session, by time.Duration) (last time.Duration, used bool) {
	last = s.created.Sub(w.start)
	for _, u := range s.uses {
		if u.sure && u.to <= by {
			last, used = max(last, u.from), true
		}
	}
	used = used || s.answered.seq != 0 && s.answered.at <= by
	for _, h := range w.holds {
		if h.on == s && h.active && h.at(by) && by-holdEvery-time.Second >= h.opened.at {
			last = max(last, by-holdEvery-time.Second)
		}
	}
	return last, used
}

// lastPossible returns the latest time at which a session may last have been used.
func (w *world) lastPossible(s *session, by time.Duration) time.Duration {
	last := s.made.at
	for _, u := range s.uses {
		if u.from <= by {
			last = max(last, min(u.to, by))
		}
	}
	for _, h := range w.holds {
		if h.on == s && h.active && h.at(by) {
			last = by
		}
	}
	return last
}
