package oneseat

import (
	"encoding/json"
	"slices"
	"time"
)

// A ticket is good for ticketLife. An account has maxTickets at most; the oldest
// goes first.
const (
	ticketLife = 5 * time.Minute
	maxTickets = 8
)

// pending is a newcomer that was asked, as its roster remembers it.
type pending struct {
	secret   digest    // of the ticket
	deviceID digest    // of the browser that got it
	epoch    uint64    // of the realm, when it was given
	expires  time.Time // by the store's clock

	extra map[string]json.RawMessage // fields of a newer release
}

// ticket finds a pending newcomer by its ticket; -1: there is none.
func (ro *Roster) ticket(d digest) int {
	return slices.IndexFunc(ro.tickets, func(p pending) bool { return p.secret.Equal(d) })
}

// holdsTicket says whether a ticket is pending in a view.
func (v View) holdsTicket(d digest) bool { return v.Roster != nil && v.Roster.ticket(d) >= 0 }

// issueTicket gives a newcomer its ticket. One that has been given it already
// keeps that.
func (d *draft) issueTicket(c newcomer) {
	if c.ticket.IsZero() || d.ticket(c.ticket) >= 0 {
		return
	}
	p := pending{secret: c.ticket, deviceID: c.seat.deviceID, epoch: d.given.epoch, expires: d.now().Add(ticketLife)}
	d.tickets = append(slices.Clip(d.tickets), p)
	if len(d.tickets) > maxTickets {
		d.tickets = d.tickets[1:]
	}
}

func errTicketUsed() error { return &TicketError{"it was used, or has expired"} }

// redeemable returns what is wrong with the ticket that a newcomer brings.
func (d *draft) redeemable(c newcomer) error {
	i := d.ticket(c.ticketUsed)
	switch {
	case i < 0:
		return errTicketUsed()
	case d.tickets[i].deviceID != c.seat.deviceID:
		return &TicketError{"it was given to another browser"}
	}
	return nil
}

// spendTicket takes a ticket away.
func (d *draft) spendTicket(secret digest) {
	d.tickets = slices.DeleteFunc(slices.Clone(d.tickets), func(p pending) bool { return p.secret.Equal(secret) })
}

func (d *draft) expireTickets() {
	d.tickets = slices.DeleteFunc(slices.Clone(d.tickets), func(p pending) bool {
		return !d.now().Before(p.expires) || p.epoch < d.given.epoch
	})
}
