package redisstore

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"time"

	"github.com/oneseat/oneseat"
)

// The log is read by every node, all of it, so an entry is short and quickly
// read. It is a byte that says in which form, the key, the version, and then its
// events; an event is its length and its fields; a field is a byte that names
// it, its length and its value. A field that this release does not know is
// skipped, one that is empty is left out.
const entryForm = 1

// The names of an event's fields. They are for ever.
const (
	fieldType = iota + 1
	fieldRealm
	fieldAccount
	fieldSession
	fieldParent
	fieldAt
	fieldVersion
	fieldReason
	fieldBy
	fieldActor
	fieldDeviceLabel
	fieldDeviceClass
	fieldDeviceIP
	fieldByDeviceLabel
	fieldByDeviceClass
	fieldByDeviceIP
	fieldLimits
	fieldUntil
)

var errEntry = errors.New("not an entry of our log")

func appendEntry(b []byte, e oneseat.Entry) []byte {
	b = append(b, entryForm)
	b = append(b, e.Key[:]...)
	b = binary.BigEndian.AppendUint64(b, e.Version)
	var event []byte
	for i := range e.Events {
		event = appendEvent(event[:0], &e.Events[i])
		b = binary.AppendUvarint(b, uint64(len(event)))
		b = append(b, event...)
	}
	return b
}

func appendEvent(b []byte, e *oneseat.Event) []byte {
	b = appendField(b, fieldType, string(e.Type))
	b = appendField(b, fieldRealm, e.Realm)
	b = appendField(b, fieldAccount, e.Account)
	b = appendField(b, fieldSession, string(e.Session))
	b = appendField(b, fieldParent, string(e.Parent))
	b = appendTime(b, fieldAt, e.At)
	if e.Version != 0 {
		b = append(b, fieldVersion, 8)
		b = binary.BigEndian.AppendUint64(b, e.Version)
	}
	b = appendField(b, fieldReason, string(e.Reason))
	b = appendField(b, fieldBy, string(e.By))
	b = appendField(b, fieldActor, e.Actor)
	b = appendField(b, fieldDeviceLabel, e.Device.Label)
	b = appendField(b, fieldDeviceClass, e.Device.Class)
	b = appendField(b, fieldDeviceIP, e.Device.IP)
	b = appendField(b, fieldByDeviceLabel, e.ByDevice.Label)
	b = appendField(b, fieldByDeviceClass, e.ByDevice.Class)
	b = appendField(b, fieldByDeviceIP, e.ByDevice.IP)
	if e.Limits != nil {
		text, _ := json.Marshal(e.Limits) // numbers and names: it cannot fail
		b = appendField(b, fieldLimits, string(text))
	}
	return appendTime(b, fieldUntil, e.Until)
}

func appendField(b []byte, name byte, value string) []byte {
	if value == "" {
		return b
	}
	b = append(b, name)
	b = binary.AppendUvarint(b, uint64(len(value)))
	return append(b, value...)
}

func appendTime(b []byte, name byte, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = append(b, name, 12)
	b = binary.BigEndian.AppendUint64(b, uint64(t.Unix()))
	return binary.BigEndian.AppendUint32(b, uint32(t.Nanosecond()))
}

const entryHead = 1 + len(oneseat.Key{}) + 8

// entryKey is the key of an entry, without reading the rest.
func entryKey(b string) (k oneseat.Key, ok bool) {
	if len(b) < entryHead || b[0] != entryForm {
		return k, false
	}
	copy(k[:], b[1:])
	return k, true
}

// readEntry reads an entry. Its texts are parts of b.
func readEntry(b string) (e oneseat.Entry, err error) {
	var ok bool
	if e.Key, ok = entryKey(b); !ok {
		return e, errEntry
	}
	e.Version = readUint64(b[entryHead-8:])
	for b = b[entryHead:]; len(b) > 0; {
		var one string
		if one, b, err = cut(b); err != nil {
			return e, err
		}
		e.Events = append(e.Events, oneseat.Event{})
		if err := readEvent(one, &e.Events[len(e.Events)-1]); err != nil {
			return e, err
		}
	}
	return e, nil
}

func readEvent(b string, e *oneseat.Event) error {
	for len(b) > 0 {
		name := b[0]
		value, rest, err := cut(b[1:])
		if err != nil {
			return err
		}
		b = rest
		switch name {
		case fieldType:
			e.Type = oneseat.EventType(value)
		case fieldRealm:
			e.Realm = value
		case fieldAccount:
			e.Account = value
		case fieldSession:
			e.Session = oneseat.SessionID(value)
		case fieldParent:
			e.Parent = oneseat.SessionID(value)
		case fieldAt:
			e.At, err = readTime(value)
		case fieldVersion:
			if len(value) != 8 {
				return errEntry
			}
			e.Version = readUint64(value)
		case fieldReason:
			e.Reason = oneseat.Reason(value)
		case fieldBy:
			e.By = oneseat.SessionID(value)
		case fieldActor:
			e.Actor = value
		case fieldDeviceLabel:
			e.Device.Label = value
		case fieldDeviceClass:
			e.Device.Class = value
		case fieldDeviceIP:
			e.Device.IP = value
		case fieldByDeviceLabel:
			e.ByDevice.Label = value
		case fieldByDeviceClass:
			e.ByDevice.Class = value
		case fieldByDeviceIP:
			e.ByDevice.IP = value
		case fieldLimits:
			e.Limits = new(oneseat.Limits)
			err = json.Unmarshal([]byte(value), e.Limits)
		case fieldUntil:
			e.Until, err = readTime(value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// cut takes a length and so many bytes off the front.
func cut(b string) (value, rest string, err error) {
	var n uint64
	for i := range min(len(b), 5) {
		n |= uint64(b[i]&0x7f) << (7 * i)
		if b[i] < 0x80 {
			if b = b[i+1:]; n > uint64(len(b)) {
				return "", "", errEntry
			}
			return b[:n], b[n:], nil
		}
	}
	return "", "", errEntry
}

func readTime(b string) (time.Time, error) {
	if len(b) != 12 {
		return time.Time{}, errEntry
	}
	return time.Unix(int64(readUint64(b)), int64(readUint64("\x00\x00\x00\x00"+b[8:]))).UTC(), nil
}

func readUint64(b string) (n uint64) {
	for i := range 8 {
		n = n<<8 | uint64(b[i])
	}
	return n
}
