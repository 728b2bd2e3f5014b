package simulate

import (
	"slices"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/record"
)

// unusedFor is how long a session keeps its seat without a first use.
const unusedFor = 10 * time.Second

// door is a commit that admitted a newcomer, and the sessions that gave way to it.
type door struct {
	*effect
	now     time.Time // of the view that it was made of
	seat    record.Seat
	adopted bool
	renewed bool // the newcomer replaced its own session in the same browser
	gone    []record.Seat
	stays   []record.Seat
}

// seatsOf judges which sessions gave way to a newcomer, by what was stored.
func (l *ledger) seatsOf(e *effect, before, after *record.Record, now time.Time) {
	d := door{effect: e, now: now}
	for _, c := range e.changes {
		if c.what == "created" && c.on.parent == "" && e.by != nil {
			at := slices.IndexFunc(after.Seats, func(s record.Seat) bool { return s.ID == c.on.id })
			d.seat, d.adopted = after.Seats[at], e.by.what == "adopt"
		}
		d.renewed = d.renewed || c.what == "ended" && c.why == oneseat.ReasonRenewed
	}
	if d.seat.ID == "" {
		return
	}
	for _, s := range before.Seats {
		if s.Parent != "" {
			continue
		}
		if slices.ContainsFunc(after.Seats, func(a record.Seat) bool { return a.ID == s.ID }) {
			d.stays = append(d.stays, s)
			continue
		}
		at := slices.IndexFunc(after.Endings, func(o record.Ended) bool { return o.Session == s.ID })
		if at < 0 || after.Endings[at].Reason != oneseat.ReasonDisplaced {
			continue
		}
		if same := d.sameDevice(s); after.Endings[at].SameDevice != same {
			l.w.violate(p2, e.by, "%s is told that its own device displaced it: %t; it is %t", l.name(s.ID), after.Endings[at].SameDevice, same)
		}
		if !slices.Contains(e.by.chose, s.ID) {
			d.gone = append(d.gone, s)
		}
	}
	l.ownDevice(&d)
	l.unusedFirst(&d)
	l.inOrder(&d)
}

// sameDevice reports whether a session is on the newcomer's device.
func (d *door) sameDevice(s record.Seat) bool {
	return s.DeviceID != record.Digest{} && s.DeviceID == d.seat.DeviceID
}

// mayFree reports whether the newcomer may free the seat of its own device.
func (d *door) mayFree() bool { return !d.adopted && !d.renewed }

// unused reports whether a session may give way because it was never used.
func (d *door) unused(s record.Seat) bool {
	return s.Unused && !d.adopted && !d.now.Before(s.Created.Add(unusedFor))
}

// vouched reports whether the newcomer displaces others whatever claim they have.
func (d *door) vouched(p oneseat.Policy) bool {
	return p == oneseat.PolicyDisplace || d.by.owner || d.renewed
}

// ownDevice checks that without room a newcomer first frees the seat of its own device.
// Under refuse and ask it frees no second one, except seats that were never used.
func (l *ledger) ownDevice(d *door) {
	same := slices.IndexFunc(d.gone, d.sameDevice)
	if at := slices.IndexFunc(d.stays, d.sameDevice); d.mayFree() && len(d.gone) > 0 && same < 0 && at >= 0 {
		l.w.violate(p2, d.by, "%s gives way, and %s sits on the newcomer's own device", l.name(d.gone[0].ID), l.name(d.stays[at].ID))
	}
	if used := slices.IndexFunc(d.gone, func(s record.Seat) bool { return d.sameDevice(s) && !d.unused(s) }); used >= 0 {
		same = used // of two on the device, the other may have given way because it was never used
	}
	if same >= 0 && d.mayFree() {
		if l.w.deed("own device freed"); l.w.plan.config.WhenFull != oneseat.PolicyDisplace {
			l.w.deed("own device freed where others are refused")
		}
		d.gone = slices.Delete(slices.Clone(d.gone), same, same+1)
	}
	for _, s := range d.gone {
		if d.vouched(l.w.plan.config.WhenFull) || d.unused(s) {
			continue
		}
		l.w.violate(p2, d.by, "%s is displaced, without being chosen", l.name(s.ID))
	}
}

// unusedFirst checks that a session that was never used goes before one that was, and
// that no session that was answered yes goes as unused. Where first uses are written in
// the background, judgeOrder judges the second of these.
func (l *ledger) unusedFirst(d *door) {
	at := slices.IndexFunc(d.stays, d.unused)
	for _, s := range d.gone {
		switch on := l.byID[s.ID]; {
		case !d.unused(s):
			if at >= 0 {
				l.w.violate(p2, d.by, "%s gives way before %s, which was never used", on, l.name(d.stays[at].ID))
			}
		case d.vouched(l.w.plan.config.WhenFull):
			l.w.deed("unused seat freed")
		default:
			l.w.deed("unused seat freed where others are refused")
			if on.answered.seq != 0 {
				l.w.violate(p2, d.by, "%s gives way as if it were unused, and a node had said yes to it %v before", on, d.at-on.answered.at)
			}
		}
	}
}

// marked checks that a session that never counts as unused has no mark of that, and
// that no mark comes back.
func (l *ledger) marked(e *effect, was *record.Seat, is record.Seat) {
	adopted := e.by != nil && e.by.what == "adopt"
	switch {
	case was != nil && is.Unused && !was.Unused:
		l.w.violate(p2, e.by, "%s was used, and is not any more", l.name(is.ID))
	case was == nil && is.Unused && (is.Parent != "" || is.Device.Class == oneseat.ClassAPI || adopted):
		l.w.violate(p2, e.by, "%s is marked as unused, and is of a kind that never gives way as unused", l.name(is.ID))
	case was == nil && !is.Unused && is.Parent == "" && is.Device.Class != oneseat.ClassAPI && !adopted:
		l.w.violate(p2, e.by, "%s is said to have been used", l.name(is.ID))
	}
}

// answered notes that a call that rests on a session was answered yes. Where newcomers
// are refused, the first use is recorded by then.
func (w *world) answered(c *call, s *session) {
	if s == nil || s.vague || s.lost.seq != 0 || w.plan.mishaps(restored) {
		return
	}
	if s.answered.seq == 0 {
		s.answered = c.back
	}
	if s.unused && s.over.seq == 0 && w.plan.config.WhenFull != oneseat.PolicyDisplace {
		w.violate(p2, c, "node %d says yes to %s, whose first use is not on record", c.up.number, s)
	}
}

// judgeRoom checks that no sign-in is refused for want of a seat that would be freed.
func (w *world) judgeRoom(c *call) {
	f := c.full
	trimmed := slices.ContainsFunc(c.effects, func(e *effect) bool {
		return slices.ContainsFunc(e.changes, func(ch change) bool { return ch.what == "ended" && ch.why == oneseat.ReasonLimitLowered })
	})
	if c.what == "play" || f.Bound != "total" || trimmed || len(f.Live) > f.Limit {
		return // one seat is not enough
	}
	for _, live := range f.Live {
		s := w.ledger.byID[live.ID]
		switch {
		case s == nil || s.vague || s.by == nil:
		case c.device != "" && s.by.device == c.device:
			w.violate(p2, c, "%s is refused, and %s sits on its own device", c.what, s)
		case s.unused && s.created.Add(unusedFor).Sub(w.start) < c.began.at && !w.plan.mishaps(clockStep):
			w.violate(p2, c, "%s is refused, and %s was never used", c.what, s)
		}
	}
}

// deed counts something that clients have done.
func (w *world) deed(what string) { w.deeds[what]++ }

// adopt has an older session of the application adopted.
func (c *client) adopt(op *call) bool {
	if !c.w.plan.adopts || !c.dice.percent(10) {
		return false
	}
	op.what, op.on, op.device = "adopt", nil, c.device()
	if c.dice.percent(80) {
		c.w.mu.Lock()
		defer c.w.mu.Unlock()
		op.issued = c.w.store.clock().Add(-c.dice.upTo(oneOf(c.dice, time.Second, 15*time.Second)))
	}
	return true
}
