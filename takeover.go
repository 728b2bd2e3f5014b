package oneseat

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// A takeover is devices that throw each other out in turn: within
// takeoverWindow, takeoverReturns times a device displaced another after it had
// been displaced itself, and at least two devices did.
const (
	takeoverWindow  = 10 * time.Minute
	takeoverReturns = 3
)

// Mark tells devices of one account apart: the beginning of the hash of the
// device's random id, or of what is known of the device. It is too short to be
// used for anything else. The zero Mark is no device's.
type Mark [3]byte

// MarshalText is hexadecimal.
func (m Mark) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, m[:]), nil }

// UnmarshalText reads hexadecimal of exactly three bytes.
func (m *Mark) UnmarshalText(b []byte) error {
	if len(b) != hex.EncodedLen(len(m)) {
		return &FormatError{"a mark of the wrong length"}
	}
	_, err := hex.Decode(m[:], b)
	return err
}

// idMark is the mark of a seat's device id; zero if it has none.
func (s *Seat) idMark() Mark { return Mark(s.DeviceID[:len(Mark{})]) }

// mark is m, or, for a device without an id, made of what is known of it.
func (d Device) mark(m Mark) Mark {
	if m != (Mark{}) {
		return m
	}
	sum := sha256.Sum256([]byte(d.Label + "\x00" + d.Class + "\x00" + d.IP))
	return Mark(sum[:len(m)])
}

// takeover says whether devices throw each other out in turn, as far as the
// remembered endings tell. The same device coming back, a renewal, or a stream
// that another one took over, is nobody throwing anybody out.
func (ro *Roster) takeover(now time.Time) bool {
	out := make(map[Mark]bool)      // devices that were displaced and are not back
	returned := make(map[Mark]bool) // those that came back by displacing another
	returns := 0                    // how often one did
	for i := range ro.Endings {
		e := &ro.Endings[i]
		if e.Reason != Displaced || e.Parent != "" || !now.Before(e.At.Add(takeoverWindow)) {
			continue
		}
		var by Mark
		switch r := ro.recall(e.By); {
		case r.seat != nil:
			by = r.seat.Device.mark(r.seat.idMark())
		case r.ending != nil:
			by = r.ending.Device.mark(r.ending.Mark)
		default:
			continue // forgotten
		}
		if gone := e.Device.mark(e.Mark); gone != by {
			out[gone] = true
			if out[by] {
				out[by], returned[by] = false, true
				returns++
			}
		}
	}
	return returns >= takeoverReturns && len(returned) >= 2
}

// noticeTakeover returns the event of a takeover, once for as long as it lasts.
func (ro *Roster) noticeTakeover(v View) (Event, bool) {
	if v.Now.Before(ro.Takeover.Add(takeoverWindow)) || !ro.takeover(v.Now) {
		return Event{}, false
	}
	ro.Takeover = v.Now
	return ro.event(v, TakeoverNoticed, Session{}), true
}
