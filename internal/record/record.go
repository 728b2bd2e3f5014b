// Package record is a stored roster as a person with a database shell sees it,
// with a field for each key of its JSON.
//
// It is for tests of stores, and for judges of what stores and rules have done,
// which must not look through the rules' own types. It owns that view of the
// stored form, and nothing that decides: no program imports it. It keeps no
// fields of a newer release.
package record

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/oneseat/oneseat"
)

// Record is a stored roster.
type Record struct {
	Format    int            `json:"format"` // 0: that of this release
	Realm     string         `json:"realm"`
	Account   string         `json:"account"`
	Seats     []Seat         `json:"seats,omitempty"`
	Endings   []Ended        `json:"endings,omitempty"`
	Forgotten Time           `json:"forgotten,omitzero"`
	Tried     Time           `json:"tried,omitzero"`
	Pending   []Pending      `json:"pending,omitempty"`
	Limits    oneseat.Limits `json:"limits,omitzero"`
	Revision  uint64         `json:"revision,omitzero"`
	Block     *Block         `json:"block,omitempty"`
	Takeover  Time           `json:"takeover,omitzero"`
	Epoch     uint64         `json:"epoch,omitzero"`
	Due       Time           `json:"due,omitzero"`
}

// Seat is a live session or, with a Parent, a stream of that session.
type Seat struct {
	ID       oneseat.SessionID `json:"id"`
	Parent   oneseat.SessionID `json:"parent,omitzero"`
	Created  Time              `json:"created"`
	LastSeen Time              `json:"last_seen"`
	Device   oneseat.Device    `json:"device,omitzero"`
	Secret   Digest            `json:"secret,omitzero"`
	Previous Digest            `json:"previous,omitzero"`
	Rotated  Time              `json:"rotated,omitzero"`
	DeviceID Digest            `json:"device_id,omitzero"`
	Epoch    uint64            `json:"epoch,omitzero"`
	Replayed Time              `json:"replayed,omitzero"`
	Observed bool              `json:"observed,omitzero"`
	Unused   bool              `json:"unused,omitzero"`
	LastUsed Time              `json:"last_used,omitzero"`
	Tried    Time              `json:"tried,omitzero"`
	Title    string            `json:"title,omitzero"`
	Proved   Time              `json:"proved,omitzero"`
	Idle     Span              `json:"idle,omitzero"`
	Absolute Span              `json:"absolute,omitzero"`
	Closed   bool              `json:"until_closed,omitzero"`
	Data     string            `json:"data,omitzero"`
	Program  bool              `json:"program,omitzero"`
	Seen     oneseat.Device    `json:"seen,omitzero"`
}

// Ended is a remembered ending.
type Ended struct {
	Session  oneseat.SessionID `json:"session"`
	Parent   oneseat.SessionID `json:"parent,omitzero"`
	Reason   oneseat.Reason    `json:"reason"`
	At       Time              `json:"at"`
	By       oneseat.SessionID `json:"by,omitzero"`
	Actor    string            `json:"actor,omitzero"`
	Device   oneseat.Device    `json:"device,omitzero"`
	ByDevice oneseat.Device    `json:"by_device,omitzero"`
	Secret   Digest            `json:"secret,omitzero"`
	Previous Digest            `json:"previous,omitzero"`
	Mark     string            `json:"mark,omitzero"` // six hexadecimal digits
	Used     Time              `json:"used,omitzero"`
	Tried    Time              `json:"tried,omitzero"`

	SameDevice bool `json:"same_device,omitzero"`
}

// Pending is a newcomer that was asked, and holds a ticket.
type Pending struct {
	Secret   Digest `json:"secret"`
	DeviceID Digest `json:"device_id,omitzero"`
	Epoch    uint64 `json:"epoch,omitzero"`
	Expires  Time   `json:"expires"`
	Idle     Span   `json:"idle,omitzero"`
	Absolute Span   `json:"absolute,omitzero"`
	Closed   bool   `json:"until_closed,omitzero"`
	Data     string `json:"data,omitzero"`
}

// Block keeps the account out.
type Block struct {
	Since Time   `json:"since"`
	Until Time   `json:"until,omitzero"`
	Actor string `json:"actor,omitzero"`
}

// Ending is what the owner of an ended session is told.
func (e *Ended) Ending() oneseat.Ending {
	return oneseat.Ending{Session: e.Session, Parent: e.Parent, Reason: e.Reason, At: e.At.Time, By: e.By, Actor: e.Actor, Device: e.Device, ByDevice: e.ByDevice, SameDevice: e.SameDevice}
}

// Digest is a SHA-256, in the record as 64 hexadecimal digits.
type Digest [32]byte

// MarshalText returns the digits.
func (d Digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText reads the digits.
func (d *Digest) UnmarshalText(b []byte) error {
	if len(b) != hex.EncodedLen(len(d)) {
		return fmt.Errorf("record: a digest of %d characters", len(b))
	}
	_, err := hex.Decode(d[:], b)
	return err
}

// Time is a time, in the record as microseconds since 1970. 0 is the zero time.
type Time struct{ time.Time }

// Span is a duration in microseconds.
type Span uint64

// At returns t as a record can keep it: in whole microseconds, UTC.
func At(t time.Time) Time { return Time{t.UTC().Truncate(time.Microsecond)} }

// MarshalJSON returns the number.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("0"), nil
	}
	return strconv.AppendInt(nil, t.UnixMicro(), 10), nil
}

// UnmarshalJSON reads the number.
func (t *Time) UnmarshalJSON(b []byte) error {
	n, err := strconv.ParseInt(string(b), 10, 64)
	if *t = (Time{}); err == nil && n != 0 {
		t.Time = time.UnixMicro(n).UTC()
	}
	return err
}

// Of returns the record of a roster, nil for a nil roster. It panics for a
// roster that cannot be stored.
func Of(ro *oneseat.Roster) *Record {
	if ro == nil {
		return nil
	}
	b, err := ro.MarshalJSON()
	if err != nil {
		panic(err)
	}
	r := new(Record)
	if err := json.Unmarshal(b, r); err != nil {
		panic(err)
	}
	return r
}

// Roster returns the roster that a store would read from r, nil for a nil r. It
// panics if no roster has such a record.
func (r *Record) Roster() *oneseat.Roster {
	if r == nil {
		return nil
	}
	stored := *r
	if stored.Format == 0 {
		stored.Format = 1
	}
	b, err := json.Marshal(&stored)
	if err != nil {
		panic(err)
	}
	ro := new(oneseat.Roster)
	if err := ro.UnmarshalJSON(b); err != nil {
		panic(err)
	}
	return ro
}
