package oneseat

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// use is how somebody uses a session, the least first.
type use int

const (
	usePeek   use = iota // background traffic: it shows that somebody has the token
	useHeld              // a request of the application goes on: it counts for the order of use
	useActive            // a check: it keeps the session from idling as well; of a stream, what plays it
)

// The order of use is exact to orderEvery. It costs an account at most orderWrites
// writes in that time, on each node.
const (
	orderEvery  = 10 * time.Second
	orderWrites = 2
)

// useDue says when a use has to be written.
type useDue int

const (
	useNotDue       useDue = iota
	useInOrder             // in the background, unless the account has had orderWrites of them
	useInBackground        // for certain
	useBeforeAnswer        // no check says yes before
)

// usage is a use at one time, judged by a roster as it was at another.
type usage struct {
	how      use
	at, asOf time.Time // by the store's clock
}

// useDue returns when a use of a live session has to be written:
//   - before the answer: the first use, unless the policy is to displace, because an
//     unused session would give way; and a use that keeps the session from timing out
//     soon;
//   - in the background: other first uses, unless the session is the account's only one,
//     so that there is no order; and a use that moves last-seen by a touch interval;
//   - in order, which is in the background and may be dropped: a use that moves the
//     session in the order of use. The newest session of an old roster may not be the
//     newest any more.
//
// A stream is used by what plays it, if no heartbeat was recorded when one was due.
func (ro *Roster) useDue(s *seat, u usage, rule *rule) useDue {
	switch {
	case s.parent != "":
		switch silent := u.at.Sub(s.LastSeen); {
		case u.how != useActive || silent < rule.streamIdle/3:
		case silent >= rule.streamIdle*2/3:
			return useBeforeAnswer
		default:
			return useInBackground
		}
	case s.unused && rule.whenFull != PolicyDisplace:
		return useBeforeAnswer
	case u.how == useActive && !u.at.Before(s.LastSeen.Add(s.touchEvery(rule))):
		if _, idle := s.lifetimes(rule); idle > 0 && !u.at.Before(s.LastSeen.Add(idle-s.touchEvery(rule))) {
			return useBeforeAnswer
		}
		return useInBackground
	case s.unused && (rule.displaceOrder == DisplaceSameClass || ro.shared()):
		return useInBackground
	case u.how >= useHeld && !u.at.Before(s.usedAt().Add(orderEvery)) && ro.inOrder(rule) &&
		(u.at.After(u.asOf.Add(orderEvery)) || !ro.newest(s)):
		return useInOrder
	}
	return useNotDue
}

// useDue returns when a use of a session in a view has to be written.
func (v *View) useDue(s *seat, how use, at time.Time, rule *rule) useDue {
	return v.Roster.useDue(s, usage{how, at, v.Now}, rule)
}

// shared reports whether there are several sessions among which one may give way:
// several of people, or several of programs.
func (ro *Roster) shared() bool {
	people, programs := 0, 0
	for i := range ro.seats {
		switch s := &ro.seats[i]; {
		case s.parent != "":
		case s.Program:
			programs++
		default:
			people++
		}
	}
	return max(people, programs) > 1
}

// inOrder reports whether the order of use decides which of several sessions gives way.
func (ro *Roster) inOrder(rule *rule) bool {
	return rule.displaceOrder != DisplaceOldest && ro.shared()
}

// newest reports whether every other session of its pool was last used before s was.
func (ro *Roster) newest(s *seat) bool {
	return !slices.ContainsFunc(ro.seats, func(o seat) bool {
		return o.pool() == s.pool() && o.ID != s.ID && !o.usedAt().Before(s.usedAt())
	})
}

// use records a use of a live session, as far as that is due. What has timed out
// meanwhile is recorded in any case.
func (d *draft) use(id SessionID, how use) Change {
	i := d.seat(id)
	if i < 0 || d.useDue(&d.seats[i], usage{how, d.now(), d.now()}, &d.rule) == useNotDue {
		return d.changed()
	}
	if d.seats[i].parent != "" {
		d.beat(id, 0)
		return d.commit()
	}
	s := d.alter(i)
	s.unused = false
	switch {
	case how == useActive && !d.now().Before(s.LastSeen.Add(s.touchEvery(&d.rule))):
		s.LastSeen, s.lastUsed = d.now(), time.Time{}
	case how >= useHeld && d.inOrder(&d.rule) && !d.now().Before(s.usedAt().Add(orderEvery)):
		s.lastUsed = d.now()
	}
	return d.commit()
}

// used records, in an update that is made anyway, that a session was used.
func (d *draft) used(id SessionID) {
	i := d.seat(id)
	if i < 0 {
		return
	}
	s := d.alter(i)
	d.firstUse = s.unused
	s.unused = false
	if d.inOrder(&d.rule) {
		s.lastUsed = d.now()
	}
}

// active records a use of a session for everything: idling, the order of use, and the
// first use.
func (s *seat) active(now time.Time) {
	s.LastSeen, s.lastUsed, s.unused = now, time.Time{}, false
}

// confirm records that the user of a live session has just proved who they are, and
// gives the session a lifetime. That is a use of the session: a shorter time to idle
// counts from now. Its errors are those of [draft.over].
func (d *draft) confirm(id SessionID, lifetime Lifetime) (Change, error) {
	if err := d.over(id); err != nil {
		return d.changed(), err
	}
	s := d.alter(d.seat(id))
	s.Proved, s.Lifetime = d.now(), lifetime
	s.active(d.now())
	d.noteSeat(EventSessionConfirmed, s)
	return d.commit(), nil
}

// dataFits returns a *[DataError] if data, in the place of the data of the sessions of,
// would be too much for the account.
func (d *draft) dataFits(data string, of ...SessionID) error {
	if data == "" {
		return nil
	}
	n := len(data)
	for i := range d.seats {
		if s := &d.seats[i]; !slices.Contains(of, s.ID) {
			n += len(s.Data)
		}
	}
	if n > MaxAccountData {
		return &DataError{fmt.Sprintf("the sessions of the account would have %d bytes of data, more than %d", n, MaxAccountData)}
	}
	return nil
}

// setData gives a live session other data. Its errors are those of [draft.over] and
// [draft.dataFits].
func (d *draft) setData(id SessionID, data string) (Change, error) {
	if err := cmp.Or(d.over(id), d.dataFits(data, id)); err != nil {
		return d.changed(), err
	}
	if d.matchID(id).seat.Data == data {
		return d.changed(), nil
	}
	d.used(id)
	s := d.alter(d.seat(id))
	s.Data = data
	d.noteSeat(EventSessionDataChanged, s)
	return d.commit(), nil
}

// seenFrom records that a live session goes on from another network or browser than
// before. No rule depends on that, and it does not count as a use. Its errors are those
// of [draft.over].
func (d *draft) seenFrom(id SessionID, from Device) (Change, error) {
	if err := d.over(id); err != nil {
		return d.changed(), err
	}
	i := d.seat(id)
	if !d.seats[i].elsewhere(from) {
		return d.changed(), nil
	}
	s := d.alter(i)
	e := d.noteSeat(EventSessionMoved, s)
	e.Device, e.ByDevice = s.from(), from
	s.Seen = from
	return d.commit(), nil
}

// rotate gives a session another secret, if old is its secret now. A second try
// finds that done. rotate returns an *[EndedError] if the session has ended,
// [ErrRotated] if old was the secret until a moment ago, and [ErrNoSession] for any
// other secret.
func (d *draft) rotate(old, secret digest) (Change, error) {
	if d.bySecret(secret) >= 0 {
		return d.changed(), nil
	}
	m := d.matchSecret(old, d.now())
	switch {
	case m.previous && m.seat != nil:
		return d.changed(), ErrRotated
	case m.seat != nil:
		s := d.alter(d.seat(m.seat.ID))
		s.previous, s.secret, s.rotated, s.replayed = s.secret, secret, d.now(), time.Time{}
		s.active(d.now())
		d.noteSeat(EventSessionRotated, s)
		return d.commit(), nil
	case m.ending != nil:
		return d.changed(), &EndedError{m.ending.Ending}
	}
	return d.changed(), ErrNoSession
}

// signOut ends the session that a secret stands for: the secret in force, or one
// that the browser may not have seen replaced. It returns an *[EndedError] if that
// session has ended, unless an earlier try of the same sign-out ended it, and
// [ErrNoSession] for any other secret. A timeout is recorded before it is reported.
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

// leave ends the session of a browser that signs in as another account.
func (d *draft) leave(m match) Change {
	if m.ofBrowser() {
		d.end(m.seat.ID, Ending{Reason: ReasonSignedOut, By: m.seat.ID, ByDevice: m.seat.Device})
	}
	return d.changed()
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
// after its grace, unless that was reported within usedWindow. It is for a reopened
// roster, in which nothing was settled.
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
		d.noteSeat(EventSessionUsedAfterEnd, m.replayed)
		return d.commit()
	}
	return Change{}
}
