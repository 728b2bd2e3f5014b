package oneseat

import "slices"

// endRequest is an operation that ends sessions from outside. It outlives its
// tries, so that what an earlier try ended is counted although its reply was lost.
type endRequest struct {
	how    EndOptions
	ids    []SessionID // the sessions, or streams, to end
	others bool        // or all sessions but keep; tickets that newcomers were given are good no more
	keep   SessionID

	try   int         // the last one
	tried []SessionID // what earlier tries would have ended
	ended []SessionID // what the last one ends, and what earlier ones turn out to have ended
}

// selects says whether a seat is to be ended.
func (e *endRequest) selects(s *seat) bool {
	if e.others {
		return s.parent == "" && s.ID != e.keep
	}
	return slices.Contains(e.ids, s.ID)
}

// authority is the session that the request rests on; "": it rests on none.
func (e *endRequest) authority() SessionID {
	if e.others {
		return e.keep
	}
	return e.how.As
}

// endWhere ends the sessions that e selects, if the session that it rests on is
// live in this very version: what has ended ends nobody. An earlier try of the
// same request, which was committed, counts as done.
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
		if e.selects(&s) && d.seat(s.ID) >= 0 { // else it ended with its parent
			d.end(s.ID, how)
			e.ended = append(e.ended, s.ID)
		}
	}
	return d.changed(), nil
}
