package oneseat

import "slices"

// endRequest is an operation that ends sessions from outside. It outlives its
// tries, so that what an earlier try ended is counted although its reply was lost.
type endRequest struct {
	how     Cause
	tickets bool // tickets that were given to newcomers are good no more
	which   func(*seat) bool

	try   int         // the last one
	tried []SessionID // what earlier tries would have ended
	ended []SessionID // what the last one ends, and what earlier ones turn out to have ended
}

// endWhere ends the sessions that e selects.
func (d *draft) endWhere(e *endRequest) Change {
	if d.try > e.try {
		e.tried, e.try = append(e.tried, e.ended...), d.try
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
	if e.tickets {
		d.tickets = nil
	}
	for _, s := range slices.Clone(d.seats) {
		if e.which(&s) && d.seat(s.ID) >= 0 { // else it ended with its parent
			d.end(s.ID, how)
			e.ended = append(e.ended, s.ID)
		}
	}
	return d.changed()
}
