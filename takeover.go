package oneseat

import (
	"encoding/hex"
	"time"
)

// In a takeover, devices displace each other in turn. A device returns when it displaces
// another after it was displaced itself. It takes takeoverReturns returns within
// takeoverWindow, by at least two devices.
const (
	takeoverWindow  = 10 * time.Minute
	takeoverReturns = 3
)

// deviceTag is the beginning of the hash of a device's random id: enough to tell the
// devices of one account apart, and too short to be used for anything else. The zero tag
// is no device's.
type deviceTag [3]byte

// MarshalText returns the tag in hexadecimal.
func (t deviceTag) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, t[:]), nil }

// UnmarshalText reads hexadecimal of exactly three bytes.
func (t *deviceTag) UnmarshalText(b []byte) error {
	if len(b) != hex.EncodedLen(len(t)) {
		return &FormatError{"a device's tag of the wrong length"}
	}
	_, err := hex.Decode(t[:], b)
	return err
}

// tag returns the tag of the seat's device id; zero if the device has none.
func (s *seat) tag() deviceTag { return deviceTag(s.deviceID[:len(deviceTag{})]) }

// deviceKey is how devices of one account are told apart: by their tags, or, without
// a tag, by label and class. The network does not count, because a phone changes it
// between Wi-Fi and mobile (W19).
type deviceKey struct {
	tag   deviceTag
	label string
	class Class
}

func (d Device) key(t deviceTag) deviceKey {
	if t != (deviceTag{}) {
		return deviceKey{tag: t}
	}
	return deviceKey{label: d.Label, class: d.Class}
}

// takeover reports whether the remembered endings show a takeover. A device that
// displaces itself, a session that is renewed, and a stream that takes the place of
// another do not count.
func (d *draft) takeover() bool {
	out := make(map[deviceKey]bool)      // devices that were displaced and are not back
	returned := make(map[deviceKey]bool) // devices that came back by displacing another
	returns := 0                         // how often one did
	for i := range d.endings {
		e := &d.endings[i]
		if e.Reason != ReasonDisplaced || e.Parent != "" || !d.now().Before(e.At.Add(takeoverWindow)) {
			continue
		}
		by, known := d.displacer(i)
		if gone := e.Device.key(e.tag); known && gone != by {
			out[gone] = true
			if out[by] {
				out[by], returned[by] = false, true
				returns++
			}
		}
	}
	return returns >= takeoverReturns && len(returned) >= 2
}

// displacer returns the device of the session that displaced the session of an ending,
// and whether that device is known. The displacing session is live, or its ending comes
// after the given one, or it is forgotten.
func (d *draft) displacer(ending int) (device deviceKey, known bool) {
	id := d.endings[ending].By
	if i := d.seat(id); i >= 0 {
		return d.seats[i].Device.key(d.seats[i].tag()), true
	}
	for i := range d.endings[ending:] {
		if e := &d.endings[ending+i]; e.Session == id {
			return e.Device.key(e.tag), true
		}
	}
	return deviceKey{}, false
}

// noticeTakeover records a takeover, at most once in takeoverWindow.
func (d *draft) noticeTakeover() {
	if !d.now().Before(d.takeoverAt.Add(takeoverWindow)) && d.takeover() {
		d.takeoverAt = d.now()
		d.note(EventTakeoverNoticed)
	}
}
