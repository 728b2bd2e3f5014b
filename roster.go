package oneseat

import (
	"encoding/json"
	"slices"
	"time"
)

// Bounds of a roster (they bound what one account can cost).
const (
	MaxSeats   = 256 // live sessions, also of an [Unlimited] account
	MaxStreams = 64  // streams, likewise
	MaxEndings = 32  // the oldest is forgotten first; 32 of the longest are under 16 KiB
)

// renewWindow is how long a renewed token stands for its successor: a double
// submit, or a reply that was lost.
const renewWindow = time.Minute

// rotateGrace is how long the secret before a rotation still checks: requests
// of other tabs that were on their way.
const rotateGrace = 10 * time.Second

// usedWindow is how often one session may report that it is used after its end.
const usedWindow = time.Hour

// Roster is the record of one account, the unit of consistency. It is a value:
// methods return another one and share what did not change.
type Roster struct {
	Realm     string
	Account   string    // "": the realm's control record
	Seats     []Seat    // live sessions, in the order of their admission
	Endings   []Ended   // the oldest first
	Forgotten time.Time // when the newest ending that was dropped had been recorded
	Pending   []Pending // newcomers that were asked who is to go, the oldest first
	Limits    Limits    // of this account, see [Registry.SetLimit]; zero: none of its own
	Revision  uint64    // the version that last changed its limits, or had them asked for anew
	Block     *Block    // nobody may sign in; nil: anybody may
	Takeover  time.Time // when devices were last noticed that throw each other out in turn
	Epoch     uint64    // control record only: sessions issued under a lower one have ended
	Due       time.Time // when something here times out or can be dropped, by the writer's rule; zero: never

	format int
	extra  map[string]json.RawMessage // fields of a newer release
}

// Seat is a live session, or stream, and what proves it.
type Seat struct {
	Session
	Secret   Digest    // of the token in force
	Epoch    uint64    // of the realm, when the session was admitted
	Previous Digest    // of the token before the last rotation
	Rotated  time.Time // when that was
	DeviceID Digest    // of the device's random id; of a stream, its player's
	Observed bool      // the limit would have ended it, were it not only observed
	Replayed time.Time // when Previous was last used after its grace

	extra map[string]json.RawMessage
}

// Ended is a remembered ending and what recognises its old browser.
type Ended struct {
	Ending
	Secret Digest
	Mark   Mark      // of the device's random id
	Used   time.Time // when the session was last reported as used after its end

	extra map[string]json.RawMessage
}

// seat finds a live session by id.
func (ro *Roster) seat(id SessionID) int {
	return slices.IndexFunc(ro.Seats, func(s Seat) bool { return s.ID == id })
}

// ending finds a remembered ending by the session's id.
func (ro *Roster) ending(id SessionID) int {
	return slices.IndexFunc(ro.Endings, func(e Ended) bool { return e.Session == id })
}

// bySecret finds the seat that a token's digest is the secret of. Every seat
// is compared, each in constant time.
func (ro *Roster) bySecret(d Digest) int {
	at := -1
	for i := range ro.Seats {
		if ro.Seats[i].Secret.Equal(d) {
			at = i
		}
	}
	return at
}

// timeout says whether, and why, a seat has timed out at now.
func (s *Seat) timeout(now time.Time, rule Rule) (Reason, bool) {
	absolute, idle := s.lives(rule)
	switch {
	case absolute > 0 && !now.Before(s.Created.Add(absolute)):
		return AbsoluteTimeout, true
	case idle > 0 && !now.Before(s.LastSeen.Add(idle)):
		return IdleTimeout, true
	}
	return "", false
}

// deadline is when a seat times out if nothing is done with it; zero: never.
func (s *Seat) deadline(rule Rule) time.Time {
	var d time.Time
	absolute, idle := s.lives(rule)
	if absolute > 0 {
		d = s.Created.Add(absolute)
	}
	if idle > 0 {
		d = sooner(d, s.LastSeen.Add(idle))
	}
	return d
}

// lives is how long a seat may last, and last unused; 0: for ever. A stream lasts
// as long as its heartbeats and its session do.
func (s *Seat) lives(rule Rule) (absolute, idle time.Duration) {
	if s.Parent != "" {
		return 0, rule.StreamIdle
	}
	return rule.Absolute, rule.Idle
}

// seatless says that a session has been idle for so long that it may not keep a
// newcomer out.
func (s *Seat) seatless(now time.Time, rule Rule) bool {
	return s.Parent == "" && rule.SeatIdle > 0 && !now.Before(s.LastSeen.Add(rule.SeatIdle))
}

// sooner is the earlier of two times, where zero means never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// due is when the roster next holds something that has timed out, or that need
// not be kept any longer. The control record never is.
func (ro *Roster) due(rule Rule) time.Time {
	var d time.Time
	for i := range ro.Seats {
		d = sooner(d, ro.Seats[i].deadline(rule))
	}
	if len(ro.Endings) > 0 {
		d = sooner(d, ro.Endings[0].At.Add(rule.KeepEndings))
	}
	if len(ro.Pending) > 0 {
		d = sooner(d, ro.Pending[0].Expires)
	}
	switch {
	case ro.Block != nil:
		d = sooner(d, ro.Block.Until)
	case ro.Account != "" && len(ro.Seats)+len(ro.Endings)+len(ro.Pending) == 0 && ro.Limits.IsZero():
		d = rule.AdoptUntil // then it is spent
		if ro.Revision > 0 {
			d = later(d, ro.revised().Add(revisionKept))
		}
	}
	return d
}

// revision is that of the account's limits; 0 for an absent roster.
func (ro *Roster) revision() uint64 {
	if ro == nil {
		return 0
	}
	return ro.Revision
}

// revised is when the account's limits last changed, or were asked for anew.
func (ro *Roster) revised() time.Time { return micros(ro.Revision).time() }

// recognition is what a presented token is to a roster.
type recognition struct {
	seat     *Seat  // live, or timed out and not yet recorded
	ending   *Ended // remembered
	previous bool   // the token is the one before the last rotation, within its grace
	replayed *Seat  // the token is the one before the last rotation, after its grace
}

// recognise compares a digest with every secret of the roster.
func (ro *Roster) recognise(d Digest, now time.Time) recognition {
	var r recognition
	if i := ro.bySecret(d); i >= 0 {
		r.seat = &ro.Seats[i]
		return r
	}
	for i := range ro.Seats {
		if s := &ro.Seats[i]; s.Previous.Equal(d) {
			if now.Before(s.Rotated.Add(rotateGrace)) {
				return recognition{seat: s, previous: true}
			}
			return recognition{replayed: s}
		}
	}
	for i := range ro.Endings {
		if ro.Endings[i].Secret.Equal(d) {
			r.ending = &ro.Endings[i]
		}
	}
	return r
}

// recall is recognise for who keeps a session's id.
func (ro *Roster) recall(id SessionID) recognition {
	if i := ro.seat(id); i >= 0 {
		return recognition{seat: &ro.Seats[i]}
	}
	if i := ro.ending(id); i >= 0 {
		return recognition{ending: &ro.Endings[i]}
	}
	return recognition{}
}
