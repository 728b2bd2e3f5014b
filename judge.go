package oneseat

import (
	"slices"
	"time"
)

// claim is what a caller presents: the secret of a session, or, if there is no
// secret, the id that the application vouches for.
type claim struct {
	key    Key
	secret digest
	id     SessionID
	parent SessionID // of a stream: its session, whose ending is the stream's too
}

// match returns what a view knows about the claim.
func (v *View) match(c *claim, now time.Time) match {
	if v.Roster == nil {
		return match{}
	}
	if !c.secret.IsZero() {
		return v.Roster.matchSecret(c.secret, now)
	}
	m := v.Roster.matchID(c.id)
	switch {
	case m.seat != nil && m.seat.parent == c.parent, m.ending != nil && (c.parent == "" || m.ending.Parent == c.parent):
		return m
	case m == (match{}): // the stream of a session that has ended
		if of := v.Roster.matchID(c.parent).ending; of != nil {
			e := *of
			e.Session, e.Parent = c.id, c.parent
			return match{ending: &e}
		}
	}
	return match{} // a stream of another session, or a stream where a session is claimed
}

type verdict int

const (
	verdictNone    verdict = iota // not of this roster, or nothing that may be used
	verdictLive                   // yes
	verdictEnded                  // as recorded: final
	verdictExpired                // timed out, to be recorded before it is answered
)

// judgement is the answer to a claim.
type judgement struct {
	verdict verdict
	seat    *seat
	ending  *Ending // how the session ended; shared, never modified
	rotated bool    // live, by the token before the last rotation, within its grace
	due     useDue  // live, by a check: when that use of the session has to be written
	report  bool    // the secret is of a session that has ended, or was rotated away: report its use
}

// judge answers a claim at a time, under an epoch of the realm.
func (v *View) judge(c *claim, now time.Time, epoch uint64, rule *rule) judgement {
	m := v.match(c, now)
	switch {
	case m.ending != nil:
		return judgement{verdict: verdictEnded, ending: &m.ending.Ending, report: !m.ending.used.After(now.Add(-usedWindow))}
	case m.replayed != nil:
		return judgement{report: !m.replayed.replayed.After(now.Add(-usedWindow))}
	case m.seat == nil:
		return judgement{}
	}
	j := m.seat.judge(now, epoch, rule)
	j.rotated = m.previous
	return j
}

// judge answers whether a seat is live at a time, under an epoch of the realm.
func (s *seat) judge(now time.Time, epoch uint64, rule *rule) judgement {
	switch {
	case s.epoch > epoch:
		return judgement{}
	case s.epoch < epoch:
		at := micros(epoch).time()
		return judgement{verdict: verdictEnded, ending: &Ending{Session: s.ID, Parent: s.parent, Reason: ReasonRealmEnded, At: at, Device: s.Device}}
	}
	if _, timedOut := s.timeout(now, rule); timedOut {
		return judgement{verdict: verdictExpired, seat: s}
	}
	return judgement{verdict: verdictLive, seat: s}
}

// session returns the live session that a judgement found.
func (j judgement) session() *Session { return &j.seat.Session }

// claim returns the claim of a seat by its id.
func (s *seat) claim(k Key) claim { return claim{key: k, id: s.ID, parent: s.parent} }

// term says how long a live seat is certain to go on if nothing is committed. A
// watch needs to know that.
type term struct {
	parent   SessionID // of a stream
	epoch    uint64    // the seat ends with a later one
	deadline time.Time // when the seat times out, by the store's clock; zero: never
}

func (j judgement) term(rule *rule) term {
	t := term{j.seat.parent, j.seat.epoch, j.seat.deadline(rule)}
	if j.rotated {
		t.deadline = earliest(t.deadline, j.seat.grace())
	}
	return t
}

// watched returns the claim by which the session that c has found is watched. The claim
// has the session's id. For a token within its grace it has the token too: that watch
// ends with the grace.
func (j judgement) watched(c claim) claim {
	if j.rotated {
		return claim{key: c.key, id: j.seat.ID, secret: c.secret}
	}
	return claim{key: c.key, id: j.seat.ID}
}

// deadlines returns when a live session idles out if nothing is done with it, and when
// it is too old; zero: never. The view may know of a later use than the session does.
func (v View) deadlines(of Session, rule *rule) (idle, absolute time.Time) {
	s := &seat{Session: of}
	if m := v.matchID(of.ID); m.seat != nil {
		s.LastSeen = latest(s.LastSeen, m.seat.LastSeen)
	}
	return s.deadlines(rule)
}

// trace reports whether a claim has a seat, and returns the ending of its session if
// that is remembered.
func (v View) trace(c claim) (seated bool, how *Ending) {
	m := v.match(&c, v.Now)
	if m.ending != nil {
		how = &m.ending.Ending
	}
	return m.seat != nil, how
}

// session returns the session that sits on a seat. It is shared with the roster,
// which is never modified.
func (s *seat) session() *Session { return &s.Session }

// holder returns the session that has this secret; there has to be one.
func (v View) holder(secret digest) *Session {
	return v.Roster.seats[v.Roster.bySecret(secret)].session()
}

// admitted returns the seat that a newcomer was given, or an *[EndedError] if that
// has ended since.
func (v View) admitted(is Decision) (*seat, error) { return v.seated(is.seated) }

// displacedBy returns the kept endings of the sessions that gave way to the session id.
func (v View) displacedBy(id SessionID) (gone []Ending) {
	for _, e := range v.Roster.endings {
		if e.By == id && e.Reason == ReasonDisplaced {
			gone = append(gone, e.Ending)
		}
	}
	return gone
}

// seated returns a seat by its id, an *[EndedError] if it has ended, and
// [ErrNoSession] if it is not known.
func (v View) seated(id SessionID) (*seat, error) {
	switch m := v.matchID(id); {
	case m.seat != nil:
		return m.seat, nil
	case m.ending != nil:
		return nil, &EndedError{m.ending.Ending}
	}
	return nil, ErrNoSession
}

// live returns the live sessions and streams of a view, the newest first.
func (v View) live(epoch uint64, rule rule) (sessions []Session, streams []Stream) {
	if v.Roster == nil {
		return nil, nil
	}
	for _, s := range slices.Backward(v.Roster.seats) {
		switch {
		case s.judge(v.Now, epoch, &rule).verdict != verdictLive:
		case s.parent != "":
			streams = append(streams, s.stream())
		default:
			sessions = append(sessions, s.Session)
		}
	}
	return sessions, streams
}

// account returns what a view says about an account, for people.
func (v View) account(p premises, rule rule) Account {
	d := v.draft(p, rule)
	a := Account{Name: d.Account, Limits: d.limits.clone(), Takeover: d.takeoverAt}
	a.Sessions, a.Streams = v.live(p.epoch, rule)
	if v.Roster != nil {
		for _, e := range slices.Backward(v.Roster.endings) {
			a.Endings = append(a.Endings, e.Ending)
		}
	}
	for _, pool := range pools {
		for _, b := range d.bounds(pool) {
			a.InForce = append(a.InForce, b.Bound)
		}
	}
	if b := d.blocked; b != nil {
		a.Block = &Block{b.since, b.until, b.actor}
	}
	return a
}
