package oneseat

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"time"
)

// EventType names what happened. The names are OWASP's and CAEP's where they
// have one.
type EventType string

// The events.
const (
	EventSessionCreated      EventType = "session_created"
	EventSessionRotated      EventType = "session_rotated"
	EventSessionEnded        EventType = "session_ended"
	EventSessionUsedAfterEnd EventType = "session_used_after_end" // at most one an hour and session
	EventSignInRefused       EventType = "signin_refused"         // OWASP: excess_sessions_exceeded
	EventSignInAsked         EventType = "signin_asked"           // refused with a ticket, to choose who goes
	EventRealmEnded          EventType = "realm_ended"

	EventLimitChanged     EventType = "limit_changed"     // of this account
	EventAccountBlocked   EventType = "account_blocked"   // its sessions ended in the same step
	EventAccountUnblocked EventType = "account_unblocked" // by somebody; a block that runs out is no event
	EventTakeoverNoticed  EventType = "takeover_noticed"  // devices throw each other out in turn

	EventStreamStarted EventType = "stream_started"
	EventStreamEnded   EventType = "stream_ended"

	// What would have been, where limits are only observed.
	EventSessionWouldEnd      EventType = "session_would_end"
	EventSignInWouldBeRefused EventType = "signin_would_be_refused" // or asked
)

// Event is one line of a store's log: committed together with the roster that
// it tells of, never without. It holds no secret, not even a hashed one.
type Event struct {
	Type     EventType `json:"type"`
	Realm    string    `json:"realm"`
	Account  string    `json:"account,omitzero"`
	Session  SessionID `json:"session,omitzero"` // whom it is about
	Parent   SessionID `json:"parent,omitzero"`  // of a stream: the session that plays it
	At       time.Time `json:"at"`
	Version  uint64    `json:"version"` // of the roster it was committed with
	Reason   Reason    `json:"reason,omitzero"`
	By       SessionID `json:"by,omitzero"`
	Actor    string    `json:"actor,omitzero"`
	Device   Device    `json:"device,omitzero"`
	ByDevice Device    `json:"by_device,omitzero"`

	SameDevice bool `json:"same_device,omitzero"` // see [Ending]

	Limits *Limits   `json:"limits,omitzero"` // of limit_changed: the account's own, as they are now
	Until  time.Time `json:"until,omitzero"`  // of a block; zero: until it is lifted
}

// Ending returns the ending that a [EventSessionEnded] or [EventStreamEnded] event tells of.
func (e Event) Ending() Ending {
	return Ending{Session: e.Session, Parent: e.Parent, Reason: e.Reason, At: e.At, By: e.By, Actor: e.Actor, Device: e.Device, ByDevice: e.ByDevice, SameDevice: e.SameDevice}
}

// tell completes an event with how a session ended, or would have.
func (e *Event) tell(how Ending) {
	e.Reason, e.By, e.Actor, e.ByDevice, e.SameDevice = how.Reason, how.By, how.Actor, how.ByDevice, how.SameDevice
}

// An event has two stored forms: JSON, by its tags, where people and SQL read it;
// and the compact form, for a log of which every node reads all. That is the
// fields that are not empty, each as a byte that stands for it, its length and
// its value. Neither the tags nor these numbers ever change.
const (
	eventAt      = 6
	eventVersion = 7
	eventLimits  = 17
	eventUntil   = 18
	eventSame    = 19
)

// texts returns where the texts of e are, at the numbers that stand for them.
func (e *Event) texts() [eventSame + 1]*string {
	return [...]*string{
		1:  (*string)(&e.Type),
		2:  &e.Realm,
		3:  &e.Account,
		4:  (*string)(&e.Session),
		5:  (*string)(&e.Parent),
		8:  (*string)(&e.Reason),
		9:  (*string)(&e.By),
		10: &e.Actor,
		11: &e.Device.Label,
		12: (*string)(&e.Device.Class),
		13: &e.Device.IP,
		14: &e.ByDevice.Label,
		15: (*string)(&e.ByDevice.Class),
		16: &e.ByDevice.IP,

		eventSame: nil,
	}
}

// AppendCompact appends the compact form of e to b. For stores.
func (e *Event) AppendCompact(b []byte) []byte {
	for n, text := range e.texts() {
		switch {
		case text != nil && *text != "":
			b = append(b, byte(n))
			b = binary.AppendUvarint(b, uint64(len(*text)))
			b = append(b, *text...)
		case n == eventAt:
			b = appendTime(b, eventAt, e.At)
		case n == eventVersion && e.Version != 0:
			b = append(b, eventVersion, 8)
			b = binary.BigEndian.AppendUint64(b, e.Version)
		case n == eventLimits && e.Limits != nil:
			text, _ := json.Marshal(e.Limits) // numbers and names: it cannot fail
			b = append(b, eventLimits)
			b = binary.AppendUvarint(b, uint64(len(text)))
			b = append(b, text...)
		case n == eventUntil:
			b = appendTime(b, eventUntil, e.Until)
		case n == eventSame && e.SameDevice:
			b = append(b, eventSame, 0) // that it is there says it
		}
	}
	return b
}

func appendTime(b []byte, n byte, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = append(b, n, 12)
	b = binary.BigEndian.AppendUint64(b, uint64(t.Unix()))
	return binary.BigEndian.AppendUint32(b, uint32(t.Nanosecond()))
}

// errCompact is for a text that is no compact form of an event.
var errCompact = errors.New("oneseat: not the compact form of an event")

// ParseCompact reads what AppendCompact wrote into e, which is the zero Event
// before. A field that this release does not know is skipped. The texts of e are
// parts of b. For stores.
func (e *Event) ParseCompact(b string) error {
	texts := e.texts()
	for len(b) > 0 {
		n := int(b[0])
		length, size := binary.Uvarint([]byte(b[1:min(len(b), 1+binary.MaxVarintLen32)]))
		if size <= 0 || length > uint64(len(b)-1-size) {
			return errCompact
		}
		b = b[1+size:]
		value := b[:length]
		b = b[length:]
		var err error
		switch {
		case n < len(texts) && texts[n] != nil:
			*texts[n] = value
		case n == eventAt:
			e.At, err = parseTime(value)
		case n == eventVersion && len(value) == 8:
			e.Version = binary.BigEndian.Uint64([]byte(value))
		case n == eventVersion:
			err = errCompact
		case n == eventLimits:
			e.Limits = new(Limits)
			err = json.Unmarshal([]byte(value), e.Limits)
		case n == eventUntil:
			e.Until, err = parseTime(value)
		case n == eventSame:
			e.SameDevice = true
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func parseTime(b string) (time.Time, error) {
	if len(b) != 12 {
		return time.Time{}, errCompact
	}
	return time.Unix(int64(binary.BigEndian.Uint64([]byte(b[:8]))), int64(binary.BigEndian.Uint32([]byte(b[8:])))).UTC(), nil
}
