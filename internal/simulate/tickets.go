package simulate

import (
	"slices"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/canaries"
	"github.com/oneseat/oneseat/internal/record"
)

// ticket is what is known of a ticket.
type ticket struct {
	by     *call // the call that was asked
	epoch  uint64
	device record.Digest
	given  moment // when it was given: the last time, where tries of one attempt got it
	gone   moment // when it was used, or taken away
	lost   bool   // the store has lost it
}

// offer is a ticket as a client has it.
type offer struct {
	ticket oneseat.Ticket
	device string
	live   []oneseat.Session
}

const mostTickets = 8 // of an account

// ticketsOf notes which tickets were given and which are gone, and checks that this was
// right.
func (l *ledger) ticketsOf(e *effect, before, after *record.Record, now time.Time) {
	has := func(ro *record.Record, d record.Digest) bool {
		return slices.ContainsFunc(ro.Pending, func(p record.Pending) bool { return p.Secret == d })
	}
	for _, p := range after.Pending {
		if has(before, p.Secret) {
			continue
		}
		t := l.tickets[p.Secret]
		if t != nil && t.gone.seq != 0 && !t.lost && (t.by != e.by || t.by.back.seq != 0) && !l.sameAttempt(t.by, e.by) {
			l.w.violate(p3, e.by, "a ticket that was gone is good again")
		}
		l.tickets[p.Secret] = &ticket{by: e.by, epoch: p.Epoch, device: p.DeviceID, given: e.moment}
	}
	by := func(what ...string) bool { return e.by != nil && slices.Contains(what, e.by.what) }
	admits := slices.ContainsFunc(e.changes, func(c change) bool { return c.what == "created" && c.on.parent == "" })
	for _, p := range before.Pending {
		if has(after, p.Secret) {
			continue
		}
		l.tickets[p.Secret].gone = e.moment
		switch {
		case admits && by("redeem") && e.by.ticketDigest() == p.Secret, by("end others", "block"):
		case !now.Before(p.Expires.Time), len(after.Pending) == mostTickets, p.Epoch < l.epoch, l.wasUpset(e):
		default:
			l.w.violate(p2, e.by, "a ticket is gone that was neither used nor taken away")
		}
	}
	if admits && by("redeem") && (!has(before, e.by.ticketDigest()) || has(after, e.by.ticketDigest())) {
		l.w.violate(p1, e.by, "a ticket admits that is not good, or stays good")
	}
}

func (l *ledger) loseTickets(account int) {
	for _, t := range l.tickets {
		if t.by == nil || t.by.account == account {
			t.lost = true
		}
	}
}

func (c *call) ticketDigest() record.Digest {
	return digestOfSecret(oneseat.TicketPrefix, string(c.ticket))
}

// redeem uses an offer. The ids are some of those that were offered, all, none, or a
// foreign one.
func (c *client) redeem(op *call) bool {
	b := c.book
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.offers[c.account]
	if len(all) == 0 || !c.dice.percent(30) {
		return false
	}
	o := all[len(all)-1-min(c.dice.IntN(len(all)), c.dice.IntN(len(all)))]
	op.what, op.ticket, op.device = "redeem", o.ticket, o.device
	for _, s := range o.live {
		if c.dice.percent(60) {
			op.chose = append(op.chose, s.ID)
		}
	}
	if op.on != nil && c.dice.percent(10) {
		op.chose = append(op.chose, op.on.grant.Session.ID)
	}
	if c.dice.percent(5) {
		op.device = c.device()
	}
	if c.dice.percent(85) {
		op.on = nil
	}
	return true
}

// device returns the id of a client's device, where devices have ids. In some histories
// two clients are on one device, or share its id by mistake.
func (c *client) device() string {
	if !c.w.plan.devices {
		return ""
	}
	n := c.number
	if c.w.plan.seed%2 == 0 {
		n /= 2
	}
	canaries.Mark("device id", "device's number: ")
	return "device's number: " + string(rune('0'+n))
}

// manyAsked reports whether an account may have had as many tickets as it may have, so
// that a newcomer got none.
func (w *world) manyAsked(c *call) bool {
	n := 0
	for _, t := range w.ledger.tickets {
		if t.by != nil && t.by.account == c.account && !t.gone.before(c.began) {
			n++
		}
	}
	return n >= mostTickets
}

// judgeRedeemed checks that a ticket admits only on the device that got it.
func (w *world) judgeRedeemed(c *call) {
	if t := w.ledger.tickets[c.ticketDigest()]; t != nil && t.by != nil && c.device != t.by.device {
		w.violate(p1, c, "a ticket admits on another device than that which got it")
	}
}

// judgeTicket checks that a ticket is refused only if it is not valid, or not on this
// device.
func (w *world) judgeTicket(c *call) {
	t := w.ledger.tickets[c.ticketDigest()]
	switch {
	case t == nil:
		w.violate(p2, c, "a ticket was returned that was never committed")
	case t.lost, t.gone.before(c.back), !t.given.before(c.began), c.device != t.by.device:
	case slices.ContainsFunc(w.ledger.realm, func(r realmEnd) bool { return r.before(c.back) && r.epoch > t.epoch }):
	default:
		w.violate(p2, c, "a ticket is refused that is good: %v", c.err)
	}
}
