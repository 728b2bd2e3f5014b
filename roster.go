package oneseat

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"
)

// renewWindow is how long a renewed token stands for its successor, for a form that
// was sent twice or a reply that was lost.
const renewWindow = time.Minute

// rotateGrace is how long the secret before a rotation still checks, for
// requests of other tabs that were on their way.
const rotateGrace = 10 * time.Second

// usedWindow is the time between two reports that one session is used after its end.
const usedWindow = time.Hour

// Roster is the record of one account, the unit of consistency. A [Store] reads
// the exported fields and the JSON form; nothing else of it is public. To read an
// account, see [Registry.Account].
//
// A roster is a value. Nothing modifies one that was loaded: an operation works
// on a copy and shares what does not change.
type Roster struct {
	// seats are the live sessions and streams, in the order of their admission. They come
	// first because a check reads them: in the cache they are next to the View, which the
	// check reads before, and so both are fetched from memory together.
	seats []seat

	Realm   string
	Account string    // "": the realm's control record
	Due     time.Time // when something here times out or can be dropped, by the writer's rule: perhaps early, never late; zero: never

	endings    []ended   // the oldest first
	tried      time.Time // an attempt that was first made by then may have been forgotten; zero if all such attempts are too old
	forgotten  time.Time // when the newest ending that was dropped had been recorded
	tickets    []pending // newcomers that got a ticket, the oldest first
	limits     Limits    // of this account, see [Registry.SetLimit]; zero: none of its own
	limitsRev  uint64    // the version that last changed the limits, or had them asked for anew
	blocked    *block    // nobody may sign in; nil: anybody may
	takeoverAt time.Time // when a takeover was last noticed
	realmEpoch uint64    // control record only: sessions issued under a lower one have ended

	format int
	extra  map[string]json.RawMessage // fields of a newer release
}

// seat is a live session, or a stream, and what proves it.
type seat struct {
	Session
	parent   SessionID // of a stream: the session that plays it; else ""
	secret   digest    // of the token in force
	epoch    uint64    // of the realm, when the session was admitted
	unused   bool      // no use of it is recorded: it gives way, see unusedFor
	observed bool      // the limits would have ended it: under ObserveOnly
	previous digest    // of the token before the last rotation
	rotated  time.Time // when that was
	deviceID digest    // of the device's random id; of a stream, its player's
	lastUsed time.Time // when it was last used, for the order of use; zero, or not after LastSeen: LastSeen counts
	replayed time.Time // when previous was last used after its grace
	title    string    // of a stream: what plays
	tried    time.Time // when its attempt was first made, if that was after Created: the caller's clock is ahead

	extra map[string]json.RawMessage
}

// ended is a remembered ending, and what its old browser is recognised by.
type ended struct {
	Ending
	secret   digest
	previous digest    // of the token before the last rotation, if the session ended within that token's grace
	tag      deviceTag // of the device's random id
	used     time.Time // when the session was last reported as used after its end
	tried    time.Time // when the attempt of its seat was first made, if that was after At

	extra map[string]json.RawMessage
}

// stream is a seat as its player sees it.
func (s *seat) stream() Stream {
	return Stream{ID: s.ID, Session: s.parent, Account: s.Account, Device: s.Device, Started: s.Created, LastHeartbeat: s.LastSeen, Title: s.title}
}

// pool returns the name of the pool that a seat is of, under whose bound it counts.
func (s *seat) pool() string {
	switch {
	case s.parent != "":
		return boundStreams
	case s.Program:
		return boundPrograms
	}
	return boundTotal
}

// seat finds a live session, or a stream, by id; -1: there is none.
func (ro *Roster) seat(id SessionID) int {
	return slices.IndexFunc(ro.seats, func(s seat) bool { return s.ID == id })
}

// ending finds a remembered ending by the session's id; -1: there is none.
func (ro *Roster) ending(id SessionID) int {
	return slices.IndexFunc(ro.endings, func(e ended) bool { return e.Session == id })
}

// bySecret finds the seat whose token in force has this digest; -1: there is
// none. Every seat is compared, each in constant time.
func (ro *Roster) bySecret(d digest) int {
	at := -1
	for i := range ro.seats {
		if ro.seats[i].secret.Equal(d) {
			at = i
		}
	}
	return at
}

// Count returns how many sessions and streams the roster holds, whether or not they
// have timed out, and the epoch of the realm under which they were admitted. That
// is one epoch, because a commit ends the seats of earlier ones. Accounts is 1 if
// there is a session, else 0. A nil roster counts nothing.
func (ro *Roster) Count() (epoch uint64, c Count) {
	if ro == nil {
		return 0, Count{}
	}
	for i := range ro.seats {
		s := &ro.seats[i]
		if s.parent == "" {
			c.Sessions++
		} else {
			c.Streams++
		}
		epoch = max(epoch, s.epoch)
	}
	c.Accounts = min(c.Sessions, 1)
	return epoch, c
}

// empty reports whether there is no seat, no ending and no ticket.
func (ro *Roster) empty() bool { return len(ro.seats)+len(ro.endings)+len(ro.tickets) == 0 }

// timeout returns why a seat has timed out at now, and whether it has.
func (s *seat) timeout(now time.Time, rule *rule) (Reason, bool) {
	absolute, idle := s.lifetimes(rule)
	switch {
	case absolute > 0 && !now.Before(s.Created.Add(absolute)):
		return ReasonAbsoluteTimeout, true
	case idle > 0 && !now.Before(s.LastSeen.Add(idle)):
		return ReasonIdleTimeout, true
	}
	return "", false
}

// deadline returns when a seat times out if nothing is done with it; zero: never.
func (s *seat) deadline(rule *rule) time.Time { return earliest(s.deadlines(rule)) }

// deadlines returns when a seat idles out if nothing is done with it, and when it is
// too old; zero: never.
func (s *seat) deadlines(rule *rule) (idle, absolute time.Time) {
	oldest, idlest := s.lifetimes(rule)
	if idlest > 0 {
		idle = s.LastSeen.Add(idlest)
	}
	if oldest > 0 {
		absolute = s.Created.Add(oldest)
	}
	return idle, absolute
}

// lifetimes returns how long a seat may last, and how long it may last unused; 0:
// for ever. A stream lasts as long as its heartbeats and its session do.
func (s *seat) lifetimes(rule *rule) (absolute, idle time.Duration) {
	if s.parent != "" {
		return 0, rule.streamIdle
	}
	absolute, idle = rule.lifetimes(s.Program)
	return shorter(absolute, s.Lifetime.Absolute), shorter(idle, s.Lifetime.Idle)
}

// shorter returns the shorter of two times, where 0 means for ever.
func shorter(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// touchEvery returns how exactly last-seen of a session is kept: to a tenth of the time
// for which it may idle.
func (s *seat) touchEvery(rule *rule) time.Duration {
	_, idle := s.lifetimes(rule)
	if idle == 0 {
		return rule.touchEvery
	}
	return min(rule.touchEvery, idle/10)
}

// due returns when the roster next holds something that has timed out, or that need
// not be kept any longer. The control record is never due.
func (ro *Roster) due(rule rule) time.Time {
	var d time.Time
	for i := range ro.seats {
		d = earliest(d, ro.seats[i].deadline(&rule))
	}
	if len(ro.endings) > 0 {
		d = earliest(d, ro.endings[0].At.Add(rule.keepEndings))
	}
	if len(ro.tickets) > 0 {
		d = earliest(d, ro.tickets[0].expires)
	}
	switch {
	case ro.blocked != nil:
		d = earliest(d, ro.blocked.until)
	case ro.Account != "" && ro.empty() && ro.limits.IsZero():
		d = rule.adoptUntil // then it is spent
		if ro.limitsRev != 0 {
			d = latest(d, ro.revised().Add(revisionKept))
		}
		if !ro.tried.IsZero() {
			d = latest(d, ro.tried.Add(attemptLife))
		}
	}
	return d
}

// revised returns when the account's limits last changed, or were asked for anew.
func (ro *Roster) revised() time.Time { return micros(ro.limitsRev).time() }

// earliest returns the earlier of two times, where zero means never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// usedAt returns when a session was last used, as far as the order of use needs it
// (see orderEvery). Idling goes by LastSeen.
func (s *seat) usedAt() time.Time { return latest(s.lastUsed, s.LastSeen) }

// grace returns until when the token before the last rotation stands for the seat.
func (s *seat) grace() time.Time { return s.rotated.Add(rotateGrace) }

// inOnePlace returns ro with its seat, if it has only one, in the place given.
func (ro *Roster) inOnePlace(place *[1]seat) *Roster {
	if len(ro.seats) == 1 {
		place[0] = ro.seats[0]
		ro.seats = place[:]
	}
	return ro
}

// match is what a roster knows about a claim: at most one of its pointers is set.
// They point into the roster, which is never modified.
type match struct {
	seat     *seat  // live, or timed out and not yet recorded
	ending   *ended // remembered
	replayed *seat  // the secret is the one before the last rotation, after its grace
	previous bool   // the secret is the one before the last rotation, within its grace, or within that when the session ended
}

// ofBrowser reports whether m is a live session that a browser may have: a program's goes
// on, whatever token a sign-in brought, and a stream has none.
func (m match) ofBrowser() bool { return m.seat != nil && m.seat.pool() == boundTotal }

// matchSecret finds a session by its secret. It compares the digest with every
// secret of the roster.
func (ro *Roster) matchSecret(d digest, now time.Time) match {
	if i := ro.bySecret(d); i >= 0 {
		return match{seat: &ro.seats[i]}
	}
	for i := range ro.seats {
		if s := &ro.seats[i]; s.previous.Equal(d) {
			if now.Before(s.grace()) {
				return match{seat: s, previous: true}
			}
			return match{replayed: s}
		}
	}
	var m match
	for i := range ro.endings {
		e := &ro.endings[i]
		if previous := e.previous.Equal(d); previous || e.secret.Equal(d) {
			m = match{ending: e, previous: previous}
		}
	}
	return m
}

// matchID finds a session by its ID; matchSecret finds one by its secret.
func (ro *Roster) matchID(id SessionID) match {
	if i := ro.seat(id); i >= 0 {
		return match{seat: &ro.seats[i]}
	}
	if i := ro.ending(id); i >= 0 {
		return match{ending: &ro.endings[i]}
	}
	return match{}
}

// The registry reads a stored roster through these methods of its view, and
// through [View.judge]. An absent roster has no sessions.

// matchID finds a session of the view's roster by its ID.
func (v View) matchID(id SessionID) match {
	if v.Roster == nil {
		return match{}
	}
	return v.Roster.matchID(id)
}

// revision returns the revision of the account's stored limits; 0 for an absent roster.
func (v View) revision() uint64 {
	if v.Roster == nil {
		return 0
	}
	return v.Roster.limitsRev
}

// epoch returns the epoch of a control record. Without a record it is 0, under which no
// session was ever issued.
func (v View) epoch() uint64 {
	if v.Roster == nil {
		return 0
	}
	return v.Roster.realmEpoch
}

// CountChanges returns by how much a change of v alters the sums that a [History]
// keeps of its realm: one for each epoch whose sum changes, at most two, the lower
// epoch first. It is for stores.
func (v View) CountChanges(c Change) []CountChange {
	if c.Roster == nil && !c.Erase {
		return nil
	}
	from, was := v.Roster.Count()
	to, is := c.Roster.Count()
	minus := Count{-was.Accounts, -was.Sessions, -was.Streams}
	switch by := is.Plus(minus); {
	case from == to && by == Count{}:
		return nil
	case is == Count{}:
		return []CountChange{{from, by}}
	case was == Count{} || from == to:
		return []CountChange{{to, by}}
	}
	changes := []CountChange{{from, minus}, {to, is}}
	slices.SortFunc(changes, func(a, b CountChange) int { return cmp.Compare(a.Epoch, b.Epoch) })
	return changes
}

// newerThan reports whether a session was issued under a later epoch.
func (v View) newerThan(epoch uint64) bool {
	return v.Roster != nil && slices.ContainsFunc(v.Roster.seats, func(s seat) bool { return s.epoch > epoch })
}
