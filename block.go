package oneseat

import (
	"encoding/json"
	"time"
)

// block keeps an account out, as its roster remembers it.
type block struct {
	since time.Time // by the store's clock
	until time.Time // zero: until it is lifted
	actor string    // who blocked the account

	extra map[string]json.RawMessage // fields of a newer release
}

func (d *draft) expireBlock() {
	if b := d.blocked; b != nil && !b.until.IsZero() && !d.now().Before(b.until) {
		d.blocked = nil
	}
}

// block ends what an account has, sessions and tickets, and lets nothing more
// begin. A block that says the same is left as it is.
func (d *draft) block(until time.Time, actor string) Change {
	if old := d.blocked; old != nil && old.until.Equal(until) && old.actor == actor {
		return d.changed()
	}
	d.blocked, d.tickets = &block{since: d.now(), until: until, actor: actor}, nil
	for len(d.seats) > 0 {
		d.end(d.seats[0].ID, Ending{Reason: ReasonAccountBlocked, Actor: actor})
	}
	d.expireBlock() // a time that is past: the sessions have ended, and that is all
	e := d.note(EventAccountBlocked)
	e.Actor, e.Until = actor, until
	return d.commit()
}

func (d *draft) unblock(actor string) Change {
	if d.blocked != nil {
		d.blocked = nil
		d.note(EventAccountUnblocked).Actor = actor
	}
	return d.changed()
}
