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
	for b = b[entryHead:]; len(b) > 0; {
		length, size := binary.Uvarint([]byte(b[:min(len(b), binary.MaxVarintLen32)]))
		if size <= 0 || length > uint64(len(b)-size) {
			return e, errEntry
		}
		b = b[size:]
		e.Events = append(e.Events, oneseat.Event{})
		if err := e.Events[len(e.Events)-1].ParseCompact(b[:length]); err != nil {
			return e, err
		}
		b = b[length:]
	}
	return e, nil
}
