package oneseat

import (
	"crypto/subtle"
	"encoding/json"
	"slices"
	"time"
)

// A ticket is good for ticketLife. An account has maxTickets at most.
const (
	ticketLife = 5 * time.Minute
	maxTickets = 8
)

// pending is a newcomer that got a ticket, as its roster remembers it.
type pending struct {
	secret   digest    // of the ticket
	deviceID digest    // of the browser that got it
	epoch    uint64    // of the realm, when the ticket was given
	expires  time.Time // by the store's clock
	lifetime Lifetime  // of the session that it will be
	data     string    // likewise

	extra map[string]json.RawMessage // fields of a newer release
}

// ticket returns the index of the pending newcomer with this ticket, or -1.
func (ro *Roster) ticket(d digest) int {
	return slices.IndexFunc(ro.tickets, func(p pending) bool { return p.secret.Equal(d) })
}

// holdsTicket reports whether the view has a pending newcomer with this ticket.
func (v View) holdsTicket(d digest) bool { return v.Roster != nil && v.Roster.ticket(d) >= 0 }

// issueTicket gives a newcomer its ticket, and reports whether the newcomer has one.
// A newcomer that got its ticket in an earlier try keeps that. If the account has
// too many, the oldest of the same browser is dropped, else the oldest of a device
// that the account does not know. So a visitor who tries again and again does not
// push out the tickets of the owner.
func (d *draft) issueTicket(c newcomer) bool {
	if c.ticket.IsZero() || d.ticket(c.ticket) >= 0 {
		return true
	}
	if len(d.tickets) >= maxTickets {
		goes := slices.IndexFunc(d.tickets, func(p pending) bool { return p.deviceID.Equal(c.seat.deviceID) })
		if goes < 0 {
			goes = slices.IndexFunc(d.tickets, func(p pending) bool { return !d.knows(p.deviceID, "") })
		}
		if goes < 0 {
			return false
		}
		d.tickets = slices.Delete(d.tickets, goes, goes+1)
	}
	d.tickets = append(d.tickets, pending{secret: c.ticket, deviceID: c.seat.deviceID, epoch: d.given.epoch, expires: d.now().Add(ticketLife), lifetime: c.seat.Lifetime, data: c.seat.Data})
	return true
}

// knows reports whether a device has a session of the account other than but, or had one
// lately.
func (d *draft) knows(device digest, but SessionID) bool {
	s := seat{deviceID: device}
	return slices.ContainsFunc(d.seats, func(s seat) bool { return s.parent == "" && s.ID != but && s.deviceID.Equal(device) }) ||
		!device.IsZero() && slices.ContainsFunc(d.endings, func(e ended) bool { return e.Parent == "" && e.tag == s.tag() })
}

func errTicketUsed() error { return &TicketError{"it was used, or has expired"} }

// redeemable returns why a newcomer's ticket is not accepted, or nil.
func (d *draft) redeemable(c newcomer) error {
	i := d.ticket(c.ticketUsed)
	switch {
	case i < 0:
		return errTicketUsed()
	case subtle.ConstantTimeCompare(d.tickets[i].deviceID[:], c.seat.deviceID[:]) != 1: // unlike in Equal, two browsers without an id match
		return &TicketError{"it was given to another browser"}
	}
	return d.dataFits(d.tickets[i].data, c.chosen...)
}

// prove notes on the seat of a newcomer when its user proved who they are: now, or when
// the newcomer got its ticket. The ticket also gives the seat its lifetime and its data.
// An adopted session, a program and a stream prove nothing.
func (d *draft) prove(s *seat, c newcomer) {
	switch i := d.ticket(c.ticketUsed); {
	case i >= 0:
		p := &d.tickets[i]
		s.Proved, s.Lifetime, s.Data = p.expires.Add(-ticketLife), p.lifetime, p.data
	case s.parent == "" && !c.adopted && !s.Program:
		s.Proved = d.now()
	}
}

// spendTicket drops a ticket that has been used.
func (d *draft) spendTicket(secret digest) {
	d.tickets = slices.DeleteFunc(d.tickets, func(p pending) bool { return p.secret.Equal(secret) })
}

// expireTickets drops the tickets that are not good any more. The others are in a
// copy of the draft's own.
func (d *draft) expireTickets() {
	d.tickets = slices.DeleteFunc(slices.Clone(d.tickets), func(p pending) bool {
		return !d.now().Before(p.expires) || p.epoch < d.given.epoch
	})
}
