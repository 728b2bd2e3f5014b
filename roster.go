package oneseat

import (
	"encoding/json"
	"slices"
	"time"
)

// Bounds of a roster (they bound what one account can cost).
const (
	MaxSeats   = 256 // live sessions, also of an [Unlimited] account
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
	Epoch     uint64    // control record only: sessions issued under a lower one have ended
	Due       time.Time // when something here times out or can be dropped, by the writer's rule; zero: never

	format int
	extra  map[string]json.RawMessage // fields of a newer release
}

// Seat is a live session and what proves it.
type Seat struct {
	Session
	Secret   Digest    // of the token in force
	Previous Digest    // of the token before the last rotation
	Rotated  time.Time // when that was
	DeviceID Digest    // of the device's random id
	Epoch    uint64    // of the realm, when the session was admitted
	Replayed time.Time // when Previous was last used after its grace

	extra map[string]json.RawMessage
}

// Ended is a remembered ending and what recognises its old browser.
type Ended struct {
	Ending
	Secret Digest
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
	switch {
	case rule.Absolute > 0 && !now.Before(s.Created.Add(rule.Absolute)):
		return AbsoluteTimeout, true
	case rule.Idle > 0 && !now.Before(s.LastSeen.Add(rule.Idle)):
		return IdleTimeout, true
	}
	return "", false
}

// deadline is when a seat times out if nothing is done with it; zero: never.
func (s *Seat) deadline(rule Rule) time.Time {
	var d time.Time
	if rule.Absolute > 0 {
		d = s.Created.Add(rule.Absolute)
	}
	if rule.Idle > 0 {
		d = sooner(d, s.LastSeen.Add(rule.Idle))
	}
	return d
}

// sooner is the earlier of two times, where zero means never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// due is when the roster next holds something that has timed out, or that need
// not be kept any longer.
func (ro *Roster) due(rule Rule) time.Time {
	var d time.Time
	for i := range ro.Seats {
		d = sooner(d, ro.Seats[i].deadline(rule))
	}
	if len(ro.Endings) > 0 {
		d = sooner(d, ro.Endings[0].At.Add(rule.KeepEndings))
	}
	if len(ro.Endings)+len(ro.Seats) == 0 {
		return rule.AdoptUntil
	}
	return d
}

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
