package redisstore

import (
	"encoding/binary"
	"errors"

	"github.com/oneseat/oneseat"
)

// An entry of the log begins with a byte for its form, the key and the version. Its
// events follow, each as its length and its compact form.
const (
	entryForm = 1
	entryHead = 1 + len(oneseat.Key{}) + 8
)

var errEntry = errors.New("not an entry of our log")

func appendEntry(b []byte, e oneseat.Entry) []byte {
	b = append(b, entryForm)
	b = append(b, e.Key[:]...)
	b = binary.BigEndian.AppendUint64(b, e.Version)
	var room [512]byte // most events are shorter
	for i := range e.Events {
		event := e.Events[i].AppendCompact(room[:0])
		b = binary.AppendUvarint(b, uint64(len(event)))
		b = append(b, event...)
	}
	return b
}

// readHead returns the key and the version of an entry. It does not read the
// events.
func readHead(b string) (k oneseat.Key, version uint64, ok bool) {
	if len(b) < entryHead || b[0] != entryForm {
		return k, 0, false
	}
	copy(k[:], b[1:])
	return k, binary.BigEndian.Uint64([]byte(b[entryHead-8 : entryHead])), true
}

// readEntry returns an entry. The texts of its events share the memory of b.
func readEntry(b string) (e oneseat.Entry, err error) {
	var ok bool
	if e.Key, e.Version, ok = readHead(b); !ok {
		return e, errEntry
	}
	n := 0
	for rest := b[entryHead:]; len(rest) > 0; n++ {
		if _, rest, ok = cutEvent(rest); !ok {
			return e, errEntry
		}
	}
	e.Events = make([]oneseat.Event, n) // an Event is large: this is the only copy
	b = b[entryHead:]
	for i := range e.Events {
		var event string
		event, b, _ = cutEvent(b)
		if err := e.Events[i].ParseCompact(event); err != nil {
			return e, err
		}
	}
	return e, nil
}

// cutEvent returns the first event of an entry, and what comes after it.
func cutEvent(b string) (event, rest string, ok bool) {
	length, size := binary.Uvarint([]byte(b[:min(len(b), binary.MaxVarintLen32)]))
	if size <= 0 || length > uint64(len(b)-size) {
		return "", "", false
	}
	b = b[size:]
	return b[:length], b[length:], true
}
