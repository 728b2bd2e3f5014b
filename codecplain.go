package oneseat

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Most rosters are plain: they hold nothing but what this release writes every day.
// A coder writes and reads these by hand, as the very bytes that encoding/json makes
// of them, at a fraction of the cost. Everything else is left to codec.go: fields and
// formats of a newer release, another order or spelling of the fields, escaped text,
// limits, blocks and tickets.
//
// One list of fields serves both directions. A field that is added to codec.go is
// added here as one line, at its place in the order of the JSON.

// coder writes or reads one roster.
type coder struct {
	b     []byte          // what was written so far, or what is left to read
	texts strings.Builder // the memory of all texts that were read
	comma bool            // something precedes the next field, or element
	reads bool            // the direction
	odd   bool            // what is read is not plain
}

// plain reports whether a coder can write a roster.
func (ro *Roster) plain() bool {
	if len(ro.extra) > 0 || len(ro.tickets) > 0 || ro.blocked != nil || !ro.limits.IsZero() {
		return false
	}
	for i := range ro.seats {
		if len(ro.seats[i].extra) > 0 {
			return false
		}
	}
	for i := range ro.endings {
		if len(ro.endings[i].extra) > 0 {
			return false
		}
	}
	return true
}

// appendPlain appends the JSON of a plain roster.
func (ro *Roster) appendPlain(b []byte) []byte {
	c := coder{b: b}
	c.roster(ro)
	return c.b
}

// parsePlain reads a roster, or returns false if it is not plain.
func parsePlain(b []byte) (Roster, bool) {
	c := coder{b: b, reads: true}
	c.texts.Grow(len(b) / 3)
	ro := Roster{seats: []seat{}, endings: []ended{}}
	c.roster(&ro)
	return ro, !c.odd && len(c.b) == 0 && ro.format >= 1 && ro.format <= rosterFormat+1
}

func (c *coder) roster(ro *Roster) {
	c.open('{')
	format := uint64(0)
	if !c.reads {
		format = uint64(max(ro.format, rosterFormat))
	}
	c.number("format", &format)
	if c.reads {
		ro.format = int(format)
	}
	c.text("realm", &ro.Realm, true)
	c.text("account", &ro.Account, true)
	if items := list(c, "seats", &ro.seats, `{"id":`); items {
		for i := 0; element(c, &ro.seats, i); i++ {
			c.seat(&ro.seats[i], ro.Account)
		}
		c.shut(']')
	}
	if items := list(c, "endings", &ro.endings, `{"session":`); items {
		for i := 0; element(c, &ro.endings, i); i++ {
			c.ending(&ro.endings[i])
		}
		c.shut(']')
	}
	c.time("forgotten", &ro.forgotten, false)
	c.time("tried", &ro.tried, false)
	c.number("revision", &ro.limitsRev)
	c.time("takeover", &ro.takeoverAt, false)
	c.number("epoch", &ro.realmEpoch)
	c.time("due", &ro.Due, false)
	c.shut('}')
}

func (c *coder) seat(s *seat, account string) {
	if c.reads {
		s.Account = account
	}
	c.open('{')
	c.text("id", (*string)(&s.ID), true)
	c.text("parent", (*string)(&s.parent), false)
	c.time("created", &s.Created, true)
	c.time("last_seen", &s.LastSeen, true)
	c.device("device", &s.Device)
	c.hex("secret", s.secret[:])
	c.hex("previous", s.previous[:])
	c.time("rotated", &s.rotated, false)
	c.hex("device_id", s.deviceID[:])
	c.number("epoch", &s.epoch)
	c.time("replayed", &s.replayed, false)
	c.flag("observed", &s.observed)
	c.flag("unused", &s.unused)
	c.time("last_used", &s.lastUsed, false)
	c.time("tried", &s.tried, false)
	c.text("title", &s.title, false)
	c.time("proved", &s.Proved, false)
	c.span("idle", &s.Lifetime.Idle)
	c.span("absolute", &s.Lifetime.Absolute)
	c.flag("until_closed", &s.Lifetime.UntilClosed)
	c.text("data", &s.Data, false)
	c.flag("program", &s.Program)
	c.device("seen", &s.Seen)
	c.shut('}')
}

func (c *coder) ending(e *ended) {
	c.open('{')
	c.text("session", (*string)(&e.Session), true)
	c.text("parent", (*string)(&e.Parent), false)
	c.text("reason", (*string)(&e.Reason), true)
	c.time("at", &e.At, true)
	c.text("by", (*string)(&e.By), false)
	c.text("actor", &e.Actor, false)
	c.device("device", &e.Device)
	c.device("by_device", &e.ByDevice)
	c.hex("secret", e.secret[:])
	c.hex("previous", e.previous[:])
	c.hex("mark", e.tag[:])
	c.time("used", &e.used, false)
	c.time("tried", &e.tried, false)
	c.flag("same_device", &e.SameDevice)
	c.shut('}')
}

func (c *coder) device(name string, d *Device) {
	if !c.field(name, *d != Device{}) {
		return
	}
	c.open('{')
	c.text("label", &d.Label, false)
	c.text("class", (*string)(&d.Class), false)
	c.text("ip", &d.IP, false)
	c.shut('}')
}

// field begins a field, and reports whether the field is there: in writing, if it is
// wanted; in reading, if it comes next.
func (c *coder) field(name string, wanted bool) bool {
	if c.reads {
		b := c.b
		if c.comma {
			if len(b) == 0 || b[0] != ',' {
				return false
			}
			b = b[1:]
		}
		n := len(name)
		if len(b) < n+3 || b[0] != '"' || string(b[1:n+1]) != name || b[n+1] != '"' || b[n+2] != ':' {
			return false
		}
		c.b, c.comma = b[n+3:], true
		return true
	}
	if wanted {
		if c.comma {
			c.b = append(c.b, ',')
		}
		c.comma = true
		c.b = append(c.b, '"')
		c.b = append(c.b, name...)
		c.b = append(c.b, '"', ':')
	}
	return wanted
}

// list begins a field that is a list. When it reads, it makes room for as many items
// as begin like first.
func list[T any](c *coder, name string, items *[]T, first string) bool {
	if !c.field(name, len(*items) > 0) {
		return false
	}
	c.open('[')
	if c.reads {
		*items = make([]T, 0, bytes.Count(c.b, []byte(first)))
	}
	return true
}

// element begins item i of a list. It returns false after the last one.
func element[T any](c *coder, items *[]T, i int) bool {
	if c.reads {
		if c.odd || len(c.b) == 0 || c.b[0] == ']' {
			return false
		}
		if c.comma {
			c.must(',')
		}
		*items = append(*items, *new(T))
		return true
	}
	if i == len(*items) {
		return false
	}
	if c.comma {
		c.b = append(c.b, ',')
	}
	return true
}

// open begins an object or a list.
func (c *coder) open(with byte) {
	c.must(with)
	c.comma = false
}

// shut ends an object or a list. If something is left to read there, a field with an
// unknown name or at another place, what is read is not plain.
func (c *coder) shut(with byte) {
	c.must(with)
	c.comma = true
}

// must writes a byte, or reads it.
func (c *coder) must(one byte) {
	switch {
	case !c.reads:
		c.b = append(c.b, one)
	case len(c.b) > 0 && c.b[0] == one:
		c.b = c.b[1:]
	default:
		c.odd = true
	}
}

func (c *coder) text(name string, text *string, always bool) {
	if !c.field(name, always || *text != "") {
		return
	}
	if c.reads {
		at := c.texts.Len()
		c.texts.Write(c.raw())
		*text = c.texts.String()[at:]
		return
	}
	for i := range len(*text) {
		if b := (*text)[i]; b < ' ' || b >= utf8.RuneSelf || b == '"' || b == '\\' || b == '<' || b == '>' || b == '&' {
			quoted, _ := json.Marshal(*text) // of a string it cannot fail
			c.b = append(c.b, quoted...)
			return
		}
	}
	c.b = append(c.b, '"')
	c.b = append(c.b, *text...)
	c.b = append(c.b, '"')
}

// raw reads a text in which nothing is escaped.
func (c *coder) raw() []byte {
	c.must('"')
	end, ascii := 0, true
	for ; end < len(c.b) && c.b[end] != '"'; end++ {
		b := c.b[end]
		c.odd = c.odd || b < ' ' || b == '\\'
		ascii = ascii && b < utf8.RuneSelf
	}
	text := c.b[:end]
	c.b = c.b[end:]
	c.must('"')
	c.odd = c.odd || !ascii && !utf8.Valid(text)
	return text
}

func (c *coder) time(name string, t *time.Time, always bool) {
	m := micros(0)
	if !c.reads {
		m = toMicros(*t)
	}
	switch {
	case !c.field(name, always || m != 0):
	case c.reads:
		*t = micros(c.integer()).time()
	default:
		c.b = strconv.AppendInt(c.b, int64(m), 10)
	}
}

func (c *coder) number(name string, n *uint64) {
	switch {
	case !c.field(name, *n != 0):
	case c.reads:
		i := c.integer()
		c.odd = c.odd || i < 0
		*n = uint64(i)
	default:
		c.b = strconv.AppendUint(c.b, *n, 10)
	}
}

// span is a duration, in microseconds.
func (c *coder) span(name string, d *time.Duration) {
	n := uint64(toSpan(*d))
	if c.number(name, &n); c.reads {
		*d = span(n).duration()
	}
}

// integer reads a number of at most 18 digits, which always fits into an int64.
func (c *coder) integer() (n int64) {
	minus := len(c.b) > 0 && c.b[0] == '-'
	if minus {
		c.b = c.b[1:]
	}
	digits := 0
	for ; digits < len(c.b) && c.b[digits] >= '0' && c.b[digits] <= '9' && digits <= 18; digits++ {
		n = n*10 + int64(c.b[digits]-'0')
	}
	c.odd = c.odd || digits == 0 || digits > 18 || c.b[0] == '0' && digits > 1 || minus && n == 0
	c.b = c.b[digits:]
	if minus {
		return -n
	}
	return n
}

func (c *coder) flag(name string, is *bool) {
	switch {
	case !c.field(name, *is):
	case !c.reads:
		c.b = append(c.b, "true"...)
	case bytes.HasPrefix(c.b, []byte("true")):
		c.b = c.b[len("true"):]
		*is = true
	default:
		c.odd = true
	}
}

// hex is a field that is left out if all its bytes are zero.
func (c *coder) hex(name string, value []byte) {
	if !c.reads {
		var ones byte
		for _, b := range value {
			ones |= b
		}
		if c.field(name, ones != 0) {
			c.b = append(c.b, '"')
			c.b = hex.AppendEncode(c.b, value)
			c.b = append(c.b, '"')
		}
		return
	}
	if !c.field(name, true) {
		return
	}
	digits := c.raw()
	if len(digits) != hex.EncodedLen(len(value)) {
		c.odd = true
		return
	}
	_, err := hex.Decode(value, digits)
	c.odd = c.odd || err != nil
}
