package record

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/oneseat/oneseat"
)

// reader reads the JSON of a roster as MarshalJSON writes it: without spaces, and
// nearly always with its keys in order. It passes over keys that a record has not.
// The simulator reads a record of every commit, and with encoding/json that would
// be more than a tenth of its time. A reader panics at what is no roster.
type reader struct {
	left []byte
}

// keys are those of a struct, in the order of its fields.
type keys []string

func keysOf[T any]() (k keys) {
	for field := range reflect.TypeFor[T]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		k = append(k, name)
	}
	return k
}

var (
	recordKeys  = keysOf[Record]()
	seatKeys    = keysOf[Seat]()
	endedKeys   = keysOf[Ended]()
	pendingKeys = keysOf[Pending]()
	blockKeys   = keysOf[Block]()
	deviceKeys  = keysOf[oneseat.Device]()
)

// object reads an object into the struct that p points to.
func (r *reader) object(p any, k keys) {
	fields, at := reflect.ValueOf(p).Elem(), 0
	for r.must('{'); !r.next('}'); r.next(',') {
		key := r.quoted()
		r.must(':')
		known := false
		for i := 0; i < len(k) && !known; i++ {
			if known = k[at] == string(key); known {
				r.value(fields.Field(at).Addr().Interface())
			}
			at = (at + 1) % len(k)
		}
		if !known {
			r.raw()
		}
	}
}

// list reads an array of objects.
func list[T any](r *reader, k keys) (all []T) {
	for r.must('['); !r.next(']'); r.next(',') {
		var element T
		r.object(&element, k)
		all = append(all, element)
	}
	return all
}

// value reads a value into what p points to.
func (r *reader) value(p any) {
	switch p := p.(type) {
	case *oneseat.SessionID:
		*p = oneseat.SessionID(r.text())
	case *Time:
		*p = r.time()
	case *Digest:
		if n, err := hex.Decode(p[:], r.quoted()); n != len(p) || err != nil {
			r.fail()
		}
	case *string:
		*p = r.text()
	case *uint64:
		*p = r.number()
	case *oneseat.Device:
		r.object(p, deviceKeys)
	case *oneseat.Reason:
		*p = oneseat.Reason(r.text())
	case *[]Seat:
		*p = list[Seat](r, seatKeys)
	case *[]Ended:
		*p = list[Ended](r, endedKeys)
	case *[]Pending:
		*p = list[Pending](r, pendingKeys)
	case **Block:
		*p = new(Block)
		r.object(*p, blockKeys)
	default: // what is rare
		if err := json.Unmarshal(r.raw(), p); err != nil {
			panic(err)
		}
	}
}

func (r *reader) fail() { panic(fmt.Sprintf("record: no roster before %q", r.left)) }

// next passes over c, and says whether it was there.
func (r *reader) next(c byte) bool {
	is := len(r.left) > 0 && r.left[0] == c
	if is {
		r.left = r.left[1:]
	}
	return is
}

func (r *reader) must(c byte) {
	if !r.next(c) {
		r.fail()
	}
}

// quoted reads a string without its quotes. It does not undo what is escaped.
func (r *reader) quoted() []byte {
	r.must('"')
	for i := 0; ; {
		end := bytes.IndexByte(r.left[i:], '"')
		if end < 0 {
			r.fail()
		}
		if escape := bytes.IndexByte(r.left[i:i+end], '\\'); escape >= 0 {
			i += escape + 2
			continue
		}
		text := r.left[:i+end]
		r.left = r.left[i+end+1:]
		return text
	}
}

func (r *reader) text() string {
	begin := r.left
	text := r.quoted()
	if bytes.IndexByte(text, '\\') < 0 {
		return string(text)
	}
	var s string
	if err := json.Unmarshal(begin[:len(text)+2], &s); err != nil {
		panic(err)
	}
	return s
}

func (r *reader) number() (n uint64) {
	digits := 0
	for ; digits < len(r.left) && '0' <= r.left[digits] && r.left[digits] <= '9'; digits++ {
		n = 10*n + uint64(r.left[digits]-'0')
	}
	if digits == 0 {
		r.fail()
	}
	r.left = r.left[digits:]
	return n
}

func (r *reader) time() Time {
	n := r.number()
	if n == 0 {
		return Time{}
	}
	return Time{time.UnixMicro(int64(n)).UTC()} //nolint:gosec // it was one
}

// raw passes over a value of any kind, and returns it.
func (r *reader) raw() []byte {
	begin := r.left
	for depth := 0; len(r.left) > 0; {
		switch c := r.left[0]; c {
		case '"':
			r.quoted()
			continue
		case '{', '[':
			depth++
		case '}', ']', ',':
			if depth == 0 {
				return begin[:len(begin)-len(r.left)]
			}
			if c != ',' {
				depth--
			}
		}
		r.left = r.left[1:]
	}
	r.fail()
	return nil
}
