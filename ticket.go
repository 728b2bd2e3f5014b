package oneseat

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"time"
)

// TicketPrefix begins every ticket.
const TicketPrefix = "oneseat_ticket_"

// A ticket is good for ticketLife; an account has maxTickets at most, and the
// oldest goes first.
const (
	ticketLife = 5 * time.Minute
	maxTickets = 8
)

// Ticket lets a newcomer whose account was full choose who goes: see
// [Registry.Redeem]. It stands for the password that was verified, so it is as
// precious, but it holds no seat, works once, for five minutes, and only on the
// device that got it, if that has an id (see [Client]).
//
// Printing, logging or marshalling a Ticket shows only that there is one.
// string(ticket) is the secret itself.
type Ticket string

const redactedTicket = TicketPrefix + "[secret]"

// String hides the secret from fmt.
func (t Ticket) String() string { return redactedTicket }

// GoString hides the secret from %#v.
func (t Ticket) GoString() string { return redactedTicket }

// LogValue hides the secret from slog.
func (t Ticket) LogValue() slog.Value { return slog.StringValue(redactedTicket) }

// MarshalText hides the secret from encoders such as JSON.
func (t Ticket) MarshalText() ([]byte, error) { return []byte(redactedTicket), nil }

// Pending is a newcomer that was asked, as its roster remembers it.
type Pending struct {
	Secret   Digest    // of the ticket
	DeviceID Digest    // of the browser that got it
	Epoch    uint64    // of the realm, when it was given
	Expires  time.Time // by the store's clock

	extra map[string]json.RawMessage // fields of a newer release
}

// issue gives a newcomer its ticket. One that has been given one already keeps
// that.
func (ro *Roster) issue(v View, c newcomer) {
	if c.ticket.IsZero() || ro.pending(c.ticket) >= 0 {
		return
	}
	p := Pending{Secret: c.ticket, DeviceID: c.seat.DeviceID, Epoch: c.seat.Epoch, Expires: v.Now.Add(ticketLife)}
	ro.Pending = append(slices.Clip(ro.Pending), p)
	if len(ro.Pending) > maxTickets {
		ro.Pending = ro.Pending[1:]
	}
}

func (ro *Roster) pending(d Digest) int {
	return slices.IndexFunc(ro.Pending, func(p Pending) bool { return p.Secret.Equal(d) })
}

func usedTicket() error { return &TicketError{"it was used, or has expired"} }

// redeemable says what is wrong with the ticket that a newcomer brings.
func (ro *Roster) redeemable(c newcomer) error {
	i := ro.pending(c.redeems)
	switch {
	case i < 0:
		return usedTicket()
	case ro.Pending[i].DeviceID != c.seat.DeviceID:
		return &TicketError{"it was given to another browser"}
	}
	return nil
}

// spend takes a ticket away.
func (ro *Roster) spend(d Digest) {
	ro.Pending = slices.DeleteFunc(slices.Clone(ro.Pending), func(p Pending) bool { return p.Secret.Equal(d) })
}

func (ro *Roster) expireTickets(now time.Time, epoch uint64) {
	if len(ro.Pending) > 0 {
		ro.Pending = slices.DeleteFunc(slices.Clone(ro.Pending), func(p Pending) bool {
			return !now.Before(p.Expires) || p.Epoch < epoch
		})
	}
}

// Redeem signs in with the ticket of a [LimitError]: the sessions named by ids
// end, and the newcomer is admitted, in one step, if that makes room; else it
// returns another *[LimitError], nobody has to go, and the ticket stays good.
// Ids of sessions that are not the account's, or not live any more, count for
// nothing. from is the browser that got the ticket.
//
// It returns a *[TicketError] for a ticket that was altered or used, has
// expired, or was given to another browser; the user then has to sign in again.
// Other errors are those of [Registry.SignIn].
func (r *Registry) Redeem(ctx context.Context, ticket Ticket, from Client, ids ...SessionID) (Grant, error) {
	key, redeems, ok := decodeSecret(TicketPrefix, string(ticket))
	if !ok || !intact(string(ticket)) {
		return Grant{}, &TicketError{"it was altered"}
	}
	v, _, err := r.look(ctx, key)
	if err != nil {
		return Grant{}, err
	}
	if v.Roster == nil || v.Roster.pending(redeems) < 0 { // forged, perhaps: it costs a read, and learns nothing
		return Grant{}, usedTicket()
	}
	return r.signIn(ctx, key, v.Roster.Account, from, newcomer{redeems: redeems, instead: ids}, ticket)
}
