package oneseat

import (
	"encoding/json"
	"time"
)

// block is what a roster remembers of a block: the account is kept out.
type block struct {
	since time.Time // by the store's clock
	until time.Time // zero: until it is lifted
	actor string    // the person who blocked the account

	extra map[string]json.RawMessage // fields of a newer release
}

func (d *draft) expireBlock() {
	if b := d.blocked; b != nil && !b.until.IsZero() && !d.now().Before(b.until) {
		d.blocked = nil
	}
}

// block ends the account's sessions, streams and tickets, and keeps the account out.
// It does nothing if the same block is in force. It returns a *[TimeError] for a block
// that would be over already.
func (d *draft) block(until time.Time, actor string) (Change, error) {
	if !until.IsZero() && !until.After(d.now()) {
		if d.given.try > 0 { // an earlier try may have been in time
			return Change{}, ErrUnknownOutcome
		}
		return Change{}, &TimeError{"a block until then would be over: name a time that is to come, or none"}
	}
	if old := d.blocked; old != nil && old.until.Equal(until) && old.actor == actor {
		return d.changed(), nil
	}
	d.blocked, d.tickets = &block{since: d.now(), until: until, actor: actor}, nil
	d.endAll(Ending{Reason: ReasonAccountBlocked, Actor: actor})
	e := d.note(EventAccountBlocked)
	e.Actor, e.Until = actor, until
	return d.commit(), nil
}

func (d *draft) unblock(actor string) Change {
	if d.blocked != nil {
		d.blocked = nil
		d.note(EventAccountUnblocked).Actor = actor
	}
	return d.changed()
}
