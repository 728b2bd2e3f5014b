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
// second try finds it done. It returns an *[EndedError] if the session has ended,
// [ErrRotated] if old was the secret until a moment ago, and [ErrNoSession] for any
// other secret.
func (d *draft) rotate(old, secret digest) (Change, error) {
	if d.bySecret(secret) >= 0 {
		return Change{}, nil
	}
	m := d.matchSecret(old, d.now())
	switch {
	case m.previous && m.seat != nil:
		return d.changed(), ErrRotated
	case m.seat != nil:
		s := d.alter(d.seat(m.seat.ID))
		s.previous, s.secret, s.rotated, s.replayed = s.secret, secret, d.now(), time.Time{}
		s.LastSeen = d.now()
		d.noteSeat(EventSessionRotated, EventSessionRotated, s)
		return d.commit(), nil
	case m.ending != nil:
		return d.changed(), &EndedError{m.ending.Ending}
	}
	return d.changed(), ErrNoSession
}

// signOut ends the session that a secret stands for: the secret in force, or one
// that the browser may not have seen replaced. It returns an *[EndedError] if that
// session has ended, but for an end by an earlier try of the same sign-out. That it
// timed out is recorded before it is said.
func (d *draft) signOut(secret digest) (Change, error) {
	m := d.standsFor(secret)
	if m.seat != nil {
		d.end(m.seat.ID, Ending{Reason: ReasonSignedOut, By: m.seat.ID})
		return d.changed(), nil
	}
	if m.ending != nil && d.given.try > 0 && m.ending.Reason == ReasonSignedOut && m.ending.By == m.ending.Session {
		return d.changed(), nil
	}
	if own := d.matchSecret(secret, d.now()).ending; own != nil {
		return d.changed(), &EndedError{own.Ending}
	}
	return d.changed(), ErrNoSession
}

// over returns why a session cannot act: an *[EndedError] if it has ended, and
// [ErrNoSession] if it is not known, or is a stream; nil if it is live.
func (d *draft) over(id SessionID) error {
	switch m := d.matchID(id); {
	case m.ending != nil:
		return &EndedError{m.ending.Ending}
	case m.seat == nil || m.seat.parent != "":
		return ErrNoSession
	}
	return nil
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
