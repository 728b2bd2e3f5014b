package oneseat

import (
	"context"
	"encoding/json"
	"time"
)

// Block keeps an account out: it has no session, and nobody may sign in.
type Block struct {
	Since time.Time // by the store's clock
	Until time.Time // zero: until it is lifted
	Actor string    // who blocked it

	extra map[string]json.RawMessage // fields of a newer release
}

func (ro *Roster) expireBlock(now time.Time) {
	if ro.Block != nil && !ro.Block.Until.IsZero() && !now.Before(ro.Block.Until) {
		ro.Block = nil
	}
}

// block ends what an account has, sessions and tickets, and lets nothing more
// begin. One that is blocked so already is left as it is.
func (v View) block(realm, account string, epoch uint64, until time.Time, actor string, rule Rule) Change {
	ro, events := v.settled(realm, account, epoch, rule)
	b := Block{Since: v.Now, Until: until, Actor: actor}
	if old := ro.Block; old != nil && old.Until.Equal(b.Until) && old.Actor == b.Actor {
		return v.changeIf(ro, events, rule)
	}
	ro.Block, ro.Pending = &b, nil
	for len(ro.Seats) > 0 {
		events = append(events, ro.end(v, ro.Seats[0].ID, Ending{Reason: AccountWasBlocked, At: v.Now, Actor: actor})...)
	}
	ro.expireBlock(v.Now) // until a time that is past: the sessions have ended, and that is all
	e := ro.event(v, AccountBlocked, Session{})
	e.Actor, e.Until = actor, until
	return ro.commit(v, append(events, e), rule)
}

func (v View) unblock(realm, account string, epoch uint64, actor string, rule Rule) Change {
	if v.Roster == nil {
		return Change{}
	}
	ro, events := v.settled(realm, account, epoch, rule)
	if ro.Block != nil {
		ro.Block = nil
		e := ro.event(v, AccountUnblocked, Session{})
		e.Actor = actor
		events = append(events, e)
	}
	return v.changeIf(ro, events, rule)
}

// Block ends all of an account's sessions and keeps it out, until a time (by the
// store's clock) or, if that is zero, until [Registry.Unblock]: sign-ins return a
// *[BlockedError]. Blocking a blocked account sets the time anew. actor is for
// the record.
func (r *Registry) Block(ctx context.Context, account string, until time.Time, actor string) error {
	until = until.UTC().Truncate(time.Microsecond)
	return r.changeAccount(ctx, account, func(v View, epoch uint64) Change {
		return v.block(r.config.Realm, account, epoch, until, inert(actor, maxActor), r.rule)
	})
}

// Unblock lets a blocked account sign in again. For another it does nothing.
func (r *Registry) Unblock(ctx context.Context, account, actor string) error {
	return r.changeAccount(ctx, account, func(v View, epoch uint64) Change {
		return v.unblock(r.config.Realm, account, epoch, inert(actor, maxActor), r.rule)
	})
}
