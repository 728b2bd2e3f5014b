package oneseat

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// premises are what an operation rests on, and what had to be looked up before
// its update began.
type premises struct {
	account  string    // "": that of the roster, which exists
	epoch    uint64    // of the realm
	asOf     time.Time // a store time that is not after that look-up
	limits   Limits    // what Config.LimitFor returned for the account
	revision uint64    // of the account's stored limits, when LimitFor was called
	limitFor bool      // whether there is such a function
	newcomer SessionID // the session that is to be admitted, or ""

	try        int       // how many earlier tries of the operation have had no reply
	firstTryAt time.Time // a store time that is not after the first of these tries; zero: there was none
}

// stale returns why the premises do not hold for a view: errBehind or
// errLimitsChange; nil if they do. Once an earlier try has admitted the newcomer
// nothing is decided any more, so nothing is stale.
func (p premises) stale(v View) error {
	switch {
	case v.matchID(p.newcomer) != match{}:
		return nil
	case p.newcomer != "" && v.newerThan(p.epoch):
		return errBehind
	case p.limitFor && v.revision() != p.revision:
		return errLimitsChange
	}
	return nil
}

// draft is a roster while one operation works on it: a copy of its own, what the
// operation is judged by, and the events of what was done so far. Every operation
// on a roster is a method of draft and ends in commit or in changed.
//
// A draft does no I/O and reads no clock. One goroutine uses it, for one
// operation.
type draft struct {
	*Roster
	was    View
	given  premises
	rule   rule
	events []Event

	firstUse bool // the first use of a session was recorded
}

// reopen returns a draft of the roster as it is stored. What has timed out in it
// still counts as live, because the caller does not know the realm's epoch.
func (v View) reopen(rule rule) *draft {
	d := &draft{Roster: &Roster{Realm: rule.realm}, was: v, rule: rule}
	if v.Roster != nil {
		*d.Roster = *v.Roster
	}
	return d
}

// draft returns a draft of the account's roster, or of a new one, in which
// everything is settled: what had timed out at v.Now, or was issued under an
// earlier epoch, has ended, and what was kept for long enough is dropped.
func (v View) draft(p premises, rule rule) *draft {
	d := v.reopen(rule)
	d.given = p
	if v.Roster == nil {
		d.Account = p.account
		d.tried = time.UnixMicro(int64(v.Version)).UTC() // what was erased had ended by then
	}
	for _, s := range d.seats {
		reason, over := s.timeout(v.Now, &rule)
		if s.epoch < d.given.epoch {
			reason, over = ReasonRealmEnded, true
		}
		if over {
			d.end(s.ID, Ending{Reason: reason})
		}
	}
	d.expireTickets()
	d.expireBlock()
	for len(d.endings) > 0 && !v.Now.Before(d.endings[0].At.Add(rule.keepEndings)) {
		d.forget(0)
	}
	if attemptExpired(d.tried, v.Now) != nil {
		d.tried = time.Time{}
	}
	return d
}

// now is the store's time.
func (d *draft) now() time.Time { return d.was.Now }

// note records an event, which the caller may complete.
func (d *draft) note(t EventType) *Event {
	d.events = append(d.events, Event{Type: t, Realm: d.Realm, Account: d.Account, At: d.now(), Version: d.was.Next()})
	return &d.events[len(d.events)-1]
}

// ofStream has the types of events that are others for a stream.
var ofStream = map[EventType]EventType{EventSessionCreated: EventStreamStarted, EventSessionEnded: EventStreamEnded}

// noteSeat records an event about a session or a stream, which the caller may
// complete.
func (d *draft) noteSeat(t EventType, s *seat) *Event {
	if s.parent != "" {
		t = cmp.Or(ofStream[t], t)
	}
	e := d.note(t)
	e.Session, e.Parent, e.Device = s.ID, s.parent, s.Device
	return e
}

// alter returns seat i, which may be changed: the draft's list is a copy then. The
// roster that was loaded stays as it is.
func (d *draft) alter(i int) *seat {
	d.seats = slices.Clone(d.seats)
	return &d.seats[i]
}

// end turns a seat into an ending with the time now, and the seats of its streams too.
// how has the reason and the author. end does nothing for a seat that has ended with
// its parent. It remembers the ending of a stream if the player has to be told: not if
// the stream stopped, lapsed, or ended with its session.
func (d *draft) end(id SessionID, how Ending) {
	i := d.seat(id)
	if i < 0 {
		return
	}
	s := d.seats[i]
	how.Session, how.Parent, how.Device, how.At = s.ID, s.parent, s.Device, d.now()
	d.seats = slices.Concat(d.seats[:i], d.seats[i+1:])
	if s.parent == "" || d.seat(s.parent) >= 0 && how.Reason != ReasonSignedOut && how.Reason != ReasonIdleTimeout {
		e := ended{Ending: how, secret: s.secret, tag: s.tag()}
		if s.tried.After(how.At) {
			e.tried = s.tried
		}
		if d.now().Before(s.grace()) { // its browser may not have heard of the new token
			e.previous = s.previous
		}
		if d.endings = slices.Concat(d.endings, []ended{e}); len(d.endings) > MaxEndings {
			d.forget(d.oldest(how))
		}
	}
	d.noteSeat(EventSessionEnded, &s).tell(how)
	for _, child := range d.seats {
		if child.parent == id {
			d.end(child.ID, how)
		}
	}
}

// oldest returns the ending that is dropped when there is one too many; how is the
// newest of them. What one browser does to itself (renewals, streams that take each
// other's place) drops the oldest ending of that kind. Otherwise one browser could drop
// the endings of other devices, which have to be told. If the oldest of that kind is less
// than a minute old, its token may still stand for a successor. It then stays, and the
// oldest of all goes, unless more than half of all endings are of that kind.
func (d *draft) oldest(how Ending) int {
	if how.Reason != ReasonRenewed && how.Parent == "" {
		return 0
	}
	var own []int // of that kind; the last is the newest
	for i, e := range d.endings {
		if how.Parent != "" && e.Parent != "" || how.Parent == "" && e.Reason == ReasonRenewed {
			own = append(own, i)
		}
	}
	if len(own) > MaxEndings/2 || !d.now().Before(d.endings[own[0]].At.Add(renewWindow)) {
		return own[0]
	}
	return 0
}

// forget drops an ending and remembers that there was one.
func (d *draft) forget(i int) {
	d.forgotten, d.tried = latest(d.forgotten, d.endings[i].At), latest(d.tried, d.endings[i].tried)
	if i == 0 { // the list may be the loaded roster's; nobody writes into it, so a part of it is enough
		d.endings = d.endings[1:]
		return
	}
	d.endings = slices.Concat(d.endings[:i], d.endings[i+1:])
}

// changed returns the change that the draft came to: none, if nothing was done
// and nothing had to be settled.
func (d *draft) changed() Change {
	was := d.was.Roster
	if len(d.events) == 0 && !d.firstUse && (was == nil || len(d.endings) == len(was.endings) && len(d.tickets) == len(was.tickets) &&
		d.dueStands() && !d.spent()) {
		return Change{}
	}
	return d.commit()
}

// commit returns the change that writes the draft. A spent roster is erased. If there
// are events, the next sweep erases the roster, because an erasure has no events.
func (d *draft) commit() Change {
	d.Due = d.dueNext()
	if d.spent() {
		if len(d.events) == 0 {
			return Change{Erase: true}
		}
		d.Due = d.now()
	}
	return Change{Roster: d.Roster, Events: d.events}
}

// dueStands reports whether the stored Due may stay. A Due that is late may not. A Due
// that is early may stay while it is in the future: the sweep that finds it early sets
// it right.
func (d *draft) dueStands() bool {
	due, stored := d.due(d.rule), d.was.Roster.Due
	if stored.After(d.now()) {
		return due.IsZero() || !stored.After(due)
	}
	return stored.Equal(due)
}

// dueNext returns the Due that an update writes. The stored Due stays if it may, and if
// it is at least half as far ahead as the exact one. So most updates leave a store's
// index of Due alone, and a roster that is updated often is never swept early.
func (d *draft) dueNext() time.Time {
	due := d.due(d.rule)
	if d.was.Roster != nil && d.dueStands() {
		if stored := d.was.Roster.Due; !due.IsZero() && due.Sub(d.now()) <= 2*stored.Sub(d.now()) {
			return stored
		}
	}
	return due
}

// spent reports whether a roster may be erased: it holds nothing, and its absence allows
// nothing. While an older session could be adopted, an attempt could be made again, or a
// limit could count that was asked for before it changed, the roster is not spent. The
// control record is never spent.
func (d *draft) spent() bool {
	return d.Account != "" && d.empty() && d.blocked == nil && d.limits.IsZero() &&
		!d.now().Before(d.rule.adoptUntil) && !d.now().Before(d.revised().Add(revisionKept)) && d.tried.IsZero()
}

// errLimitsChange is returned when the account's limits changed during each of
// three tries.
var errLimitsChange = fmt.Errorf("%w: the account's limits keep changing", ErrStoreUnavailable)

// errBehind is returned when sessions stay newer than the realm's control record.
var errBehind error = &FormatError{"sessions are newer than the realm's control record, as after a partial restore: call EndRealm"}

// newEpoch raises the realm's epoch, which ends every session that was issued before.
// The control record is created in the same way. So losing the record ends everything
// that was issued under it.
func (d *draft) newEpoch(actor string) Change {
	d.realmEpoch = d.was.Next()
	d.note(EventRealmEnded).Actor = actor
	return Change{Roster: d.Roster, Events: d.events}
}
