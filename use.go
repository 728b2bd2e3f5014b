package oneseat

import (
	"slices"
	"time"
)

// touch moves a live session's last-seen forward, if that is due. It finds the
// session live or does nothing, and says which.
func (d *draft) touch(id SessionID, every time.Duration) bool {
	i := d.seat(id)
	if i < 0 || d.now().Before(d.seats[i].LastSeen.Add(every)) {
		return false
	}
	d.alter(i).LastSeen = d.now()
	return true
}

// touchBefore is a touch that the answer to a check waits for. What has timed
// out meanwhile is recorded instead.
func (d *draft) touchBefore(id SessionID) Change {
	if d.touch(id, d.rule.touchEvery) {
		return d.commit()
	}
	return d.changed()
}

// touchLater is a touch in the background, on a roster that was reopened. A
// session that has timed out is left to others, who know the realm's epoch.
func (d *draft) touchLater(id SessionID) Change {
	if i := d.seat(id); i >= 0 {
		if _, over := d.seats[i].timeout(d.now(), d.rule); !over && d.touch(id, d.rule.touchEvery) {
			return d.commit()
		}
	}
	return Change{}
}

// touchDue says when the use of a live session has to be written.
type touchDue int

const (
	touchNotYet touchDue = iota
	touchInBackground
	touchBeforeAnswer // the idle deadline is near
)

// touchDue says when the use of the live session that j found has to be written,
// at the store's time. A stream is kept by its heartbeats.
func (j judgement) touchDue(at time.Time, rule rule) touchDue {
	switch s := j.seat; {
	case s.parent != "" || at.Before(s.LastSeen.Add(rule.touchEvery)):
		return touchNotYet
	case rule.idle > 0 && !at.Before(s.LastSeen.Add(rule.idle-rule.touchEvery)):
		return touchBeforeAnswer
	}
	return touchInBackground
}

// rotate gives the session that old is the secret of another secret, once: a
// second try finds it done. It returns an *[EndedError] if the session has
// ended, and [ErrNoSession] if old is not its secret in force.
func (d *draft) rotate(old, secret digest) (Change, error) {
	if d.bySecret(secret) >= 0 {
		return Change{}, nil
	}
	if i := d.bySecret(old); i >= 0 {
		s := d.alter(i)
		s.previous, s.secret, s.rotated, s.replayed = s.secret, secret, d.now(), time.Time{}
		s.LastSeen = d.now()
		d.noteSeat(EventSessionRotated, EventSessionRotated, s)
		return d.commit(), nil
	}
	if e := d.matchSecret(old, d.now()).ending; e != nil {
		return d.changed(), &EndedError{e.Ending}
	}
	return d.changed(), ErrNoSession
}

// signOut ends the session that a secret in force belongs to. One that has ended
// before counts as signed out; that it timed out is recorded before it is said.
func (d *draft) signOut(secret digest) (Change, error) {
	switch m := d.matchSecret(secret, d.now()); {
	case m.seat != nil && !m.previous:
		d.end(m.seat.ID, Ending{Reason: ReasonSignedOut, By: m.seat.ID})
	case m.ending == nil:
		return d.changed(), ErrNoSession
	}
	return d.changed(), nil
}

// reportUse records that a secret was presented after its session ended, or
// after its grace, unless that was reported within usedWindow. The roster was
// reopened.
func (d *draft) reportUse(secret digest) Change {
	since := d.now().Add(-usedWindow)
	switch m := d.matchSecret(secret, d.now()); {
	case m.ending != nil && !m.ending.used.After(since):
		d.endings = slices.Clone(d.endings)
		d.endings[d.ending(m.ending.Session)].used = d.now()
		e := d.note(EventSessionUsedAfterEnd)
		e.Session, e.Device, e.Reason = m.ending.Session, m.ending.Device, m.ending.Reason
		return d.commit()
	case m.replayed != nil && !m.replayed.replayed.After(since):
		d.alter(d.seat(m.replayed.ID)).replayed = d.now()
		d.noteSeat(EventSessionUsedAfterEnd, EventSessionUsedAfterEnd, m.replayed)
		return d.commit()
	}
	return Change{}
}
