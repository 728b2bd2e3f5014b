package oneseat

import (
	"slices"
	"time"
)

// endRequest is an operation that ends sessions from outside. It is one value for
// all tries, so that sessions which an earlier try ended are counted although its
// reply was lost.
type endRequest struct {
	how    EndOptions
	ids    []SessionID        // the sessions, or streams, to end
	where  func(Session) bool // instead of ids: the sessions for which it returns true; nil: ids count
	others bool               // instead of ids: all sessions but keep, and all tickets
	keep   SessionID

	try   int         // the number of the last try
	tried []SessionID // what earlier tries would have ended
	ended []SessionID // what the last try ends, and what earlier ones turn out to have ended
}

// selects reports whether a seat is to be ended.
func (e *endRequest) selects(s *seat) bool {
	switch {
	case e.others:
		return s.parent == "" && s.ID != e.keep
	case e.where != nil:
		return s.parent == "" && e.where(*s.session())
	}
	return slices.Contains(e.ids, s.ID)
}

// authority returns the session that the request rests on; "": it rests on none.
func (e *endRequest) authority() SessionID {
	if e.others {
		return e.keep
	}
	return e.how.As
}

// endWhere ends the sessions that e selects, if the session that e rests on is live
// in this very version: a session that has ended ends no other. Otherwise it ends
// nothing and returns why, unless an earlier try of the same request was committed.
func (d *draft) endWhere(e *endRequest) (Change, error) {
	if d.given.try > e.try {
		e.tried, e.try = append(e.tried, e.ended...), d.given.try
	}
	e.ended = nil
	how := Ending{Reason: e.how.Reason, By: e.how.By, Actor: e.how.Actor}
	if i := d.seat(how.By); i >= 0 {
		how.ByDevice = d.seats[i].Device
	}
	for _, old := range d.endings {
		if slices.Contains(e.tried, old.Session) && old.Reason == how.Reason && old.By == how.By && old.Actor == how.Actor {
			e.ended = append(e.ended, old.Session)
		}
	}
	if as := e.authority(); as != "" {
		if err := d.over(as); err != nil {
			if len(e.ended) > 0 {
				err = nil
			}
			return d.changed(), err
		}
		d.used(as)
	}
	if e.others {
		d.tickets = nil
	}
	for _, s := range d.seats {
		if e.selects(&s) && d.seat(s.ID) >= 0 { // else the seat ended with its parent
			d.end(s.ID, how)
			e.ended = append(e.ended, s.ID)
		}
	}
	return d.changed(), nil
}

// endAll ends all sessions, and with them their streams.
func (d *draft) endAll(how Ending) {
	for len(d.seats) > 0 {
		d.end(d.seats[0].ID, how)
	}
}

// wipe ends the account's sessions and streams and drops everything that was known of
// the account. What is left is what an absent roster could not say: when the newest
// ending was dropped, and that the limits have changed.
func (d *draft) wipe() Change {
	if d.was.Roster == nil {
		return Change{}
	}
	d.endAll(Ending{Reason: ReasonRevoked})
	for len(d.endings) > 0 {
		d.forget(0)
	}
	if !d.limits.IsZero() {
		d.limits, d.limitsRev = Limits{}, d.was.Next()
	}
	d.tickets, d.blocked, d.takeoverAt, d.extra = nil, nil, time.Time{}, nil
	return d.commit()
}
