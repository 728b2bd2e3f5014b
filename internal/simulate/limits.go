package simulate

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/record"
)

// terms are the limits of one account over time: what the application says, and what is
// stored.
type terms struct {
	plans  []said
	stored []said
	asked  moment // when the roster's revision last changed: a call that asked before has to ask again
	turns  []moment
}

// said is a limit from a moment on.
type said struct {
	moment
	oneseat.Limits
}

// inForce returns the limits of a list at some time between two moments.
func inForce(list []said, from, to moment) (some []oneseat.Limits) {
	for i, s := range list {
		if s.seq <= to.seq && (i+1 == len(list) || !list[i+1].before(from)) {
			some = append(some, s.Limits)
		}
	}
	return some
}

// drawLimits returns limits that an account may get. Most allow some sessions, so that
// they can be lowered.
func drawLimits(d dice) oneseat.Limits {
	return oneseat.Limits{Total: oneOf(d, 0, 1, 1, 2, 3, oneseat.Unlimited), Streams: oneOf(d, 0, 0, 1, 2)}
}

// limitFor is Config.LimitFor. It looks its answer up at once, and may return it late.
func (w *world) limitFor(_ context.Context, account string) (oneseat.Limits, error) {
	w.mu.Lock()
	t := w.ledger.terms[w.ledger.keys[oneseat.KeyOf(realm, account)]]
	l := t.plans[len(t.plans)-1].Limits
	var late time.Duration
	if w.plans.percent(30) {
		late = w.plans.upTo(time.Second)
	}
	w.mu.Unlock()
	if late > 0 && !w.quiet.Load() {
		time.Sleep(late)
	}
	return l, nil
}

// changePlan has the application change its mind, before it calls Refresh.
func (w *world) changePlan(account int, l oneseat.Limits) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.ledger.terms[account]
	t.plans = append(t.plans, said{w.stamp(), l})
}

// limitOps changes limits.
func (c *client) limitOps(op *call) bool {
	switch chance, p := c.dice.IntN(100), &c.w.plan; {
	case p.limits && chance < 8:
		op.what = "set limit"
	case p.plans && chance >= 92:
		op.what = oneOf(c.dice, "change plan", "change plan", "refresh")
	default:
		return false
	}
	op.on, op.limits = nil, drawLimits(c.dice)
	return true
}

// allowed returns the limits that may count: the stored one, or everything that the
// application said between two moments, or the limit for everybody.
func (l *ledger) allowed(account int, stored oneseat.Limits, from, to moment) (sessions, streams span) {
	t, c := l.terms[account], l.w.plan.config
	plans := []oneseat.Limits{{}}
	if l.w.plan.plans {
		plans = inForce(t.plans, from, to)
	}
	sessions, streams = span{math.MaxInt, 0}, span{math.MaxInt, 0}
	for _, p := range plans {
		sessions.take(oneseat.MaxSeats, stored.Total, p.Total, c.Limit)
		streams.take(oneseat.MaxStreams, stored.Streams, p.Streams, c.Streams)
	}
	return sessions, streams
}

// span is what a limit may be.
type span struct{ least, most int }

// take widens the span by the first limit that is set.
func (s *span) take(ceiling int, limits ...int) {
	n := limits[slices.IndexFunc(limits, func(n int) bool { return n != 0 })]
	if n == oneseat.Unlimited {
		n = ceiling
	}
	s.least, s.most = min(s.least, n), max(s.most, n)
}

// within checks P1: a commit that admits a session or changes limits leaves no more
// sessions than the limits allow, and ends no session without cause.
func (l *ledger) within(e *effect, account int, before, after *record.Record) {
	from := l.terms[account].asked // a call that asked before has to ask again
	if e.by != nil && from.before(e.by.began) {
		from = e.by.began
	}
	sessions, streams := l.allowed(account, after.Limits, from, e.moment)
	has := func(parent bool) (n int) {
		for _, s := range after.Seats {
			if (s.Parent != "") == parent {
				n++
			}
		}
		return n
	}
	turned := after.Revision > before.Revision
	admits := func(parent bool) bool {
		return slices.ContainsFunc(e.changes, func(c change) bool { return c.what == "created" && (c.on.parent != "") == parent })
	}
	if n := has(false); n > sessions.most && (admits(false) || turned) {
		l.w.violate(p1, e.by, "%d sessions are live, the limit is %d", n, sessions.most)
	}
	if n := has(true); n > streams.most && (admits(false) || admits(true) || turned) {
		l.w.violate(p1, e.by, "%d streams are live, the limit is %d", n, streams.most)
	}
	for _, c := range e.changes {
		limit := sessions.least
		if c.on.parent != "" {
			limit = streams.least
		}
		l.gaveWay(e, c, has(c.on.parent != ""), limit)
	}
	t := l.terms[account]
	if now := t.stored[len(t.stored)-1].Limits; !now.Equal(after.Limits) {
		t.stored = append(t.stored, said{e.moment, after.Limits})
	}
	if turned {
		t.asked = e.moment
		t.turns = append(t.turns, e.moment)
	}
}

// gaveWay checks that no session gives way while a seat is free, unless it was chosen,
// and that no stream does. seatsOf judges which sessions give way.
func (l *ledger) gaveWay(e *effect, c change, left, limit int) {
	if c.what != "ended" || c.why != oneseat.ReasonDisplaced && c.why != oneseat.ReasonLimitLowered || e.by == nil {
		return
	}
	if slices.Contains(e.by.chose, c.on.id) || l.goneAlong(e, c.on) {
		return
	}
	if left < limit {
		l.w.violate(p2, e.by, "%s is %s, and %d of %d seats are taken", c.on, c.why, left, limit)
	}
	if c.on.parent != "" && c.why == oneseat.ReasonDisplaced {
		l.w.violate(p2, e.by, "%s is displaced, without being chosen", c.on)
	}
}

// goneAlong reports whether a stream ended with its session.
func (l *ledger) goneAlong(e *effect, s *session) bool {
	return slices.ContainsFunc(e.changes, func(c change) bool { return c.what == "ended" && c.on.id == s.parent })
}

// forgetLimits notes that the store has lost an account's limits, or has others.
func (l *ledger) forgetLimits(m moment, account int, ro *record.Record) {
	t := l.terms[account]
	t.asked = moment{}
	var now oneseat.Limits
	if ro != nil {
		now = ro.Limits
	}
	t.stored = append(t.stored, said{m, now})
}

// judgeFull checks that a refusal names a limit that may be in force, and sessions that
// fill it.
func (w *world) judgeFull(c *call) {
	f := c.full
	if w.plan.mishaps(restored, deleted) {
		return
	}
	var sessions, streams span
	for i, stored := range inForce(w.ledger.terms[c.account].stored, c.began, c.back) {
		if s, t := w.ledger.allowed(c.account, stored, c.began, c.back); i == 0 {
			sessions, streams = s, t
		} else {
			sessions = span{min(sessions.least, s.least), max(sessions.most, s.most)}
			streams = span{min(streams.least, t.least), max(streams.most, t.most)}
		}
	}
	w.judgeRoom(c)
	var taken []oneseat.SessionID
	for _, s := range f.Live {
		taken = append(taken, s.ID)
	}
	if f.Bound == "streams" {
		sessions, taken = streams, nil
		for _, s := range f.Streams {
			taken = append(taken, s.ID)
		}
	}
	if f.Limit < sessions.least || f.Limit > sessions.most {
		w.violate(p2, c, "%s is refused under a limit of %d, and it is between %d and %d", c.what, f.Limit, sessions.least, sessions.most)
	}
	if len(taken) < f.Limit {
		w.violate(p2, c, "%s is refused, and %d of %d seats are taken", c.what, len(taken), f.Limit)
	}
	for _, id := range taken {
		if s := w.ledger.byID[id]; s == nil || !s.vague && s.over.before(c.began) {
			w.violate(p2, c, "%s is refused because of %s, which is not live", c.what, w.ledger.name(id))
		}
	}
}

// judgeLimits checks that limits that were set have been in force.
func (w *world) judgeLimits(c *call) {
	if c.what == "set limit" && !slices.ContainsFunc(inForce(w.ledger.terms[c.account].stored, c.began, c.back), c.limits.Equal) {
		w.violate(p3, c, "SetLimit returned, and its limit was never stored")
	}
}

// keptChanging reports whether a call was right to give up, because limits had changed
// each time after it had asked for them.
func (w *world) keptChanging(c *call) bool {
	if !w.plan.plans || !strings.Contains(c.err.Error(), "keep changing") {
		return false
	}
	n := 0
	for _, m := range w.ledger.terms[c.account].turns {
		if c.began.before(m) && m.before(c.back) {
			n++
		}
	}
	return n >= 3 || w.plan.mishaps(deleted, restored)
}
