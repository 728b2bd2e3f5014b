package oneseat

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"time"
)

// EventType names what happened. The names are those of OWASP and CAEP, where these
// have one.
type EventType string

// The events.
const (
	EventSessionCreated      EventType = "session_created"
	EventSessionRotated      EventType = "session_rotated"
	EventSessionConfirmed    EventType = "session_confirmed"    // its user proved again who they are
	EventSessionDataChanged  EventType = "session_data_changed" // the application's own data; the event does not have it
	EventSessionMoved        EventType = "session_moved"        // it goes on from another network or browser, see [Registry.SeenFrom]
	EventSessionEnded        EventType = "session_ended"
	EventSessionUsedAfterEnd EventType = "session_used_after_end" // at most one an hour for each session
	EventSignInRefused       EventType = "signin_refused"         // the account is full (OWASP: excess_sessions_exceeded) or, by its Reason, blocked
	EventSignInAsked         EventType = "signin_asked"           // the account is full, and the newcomer has a ticket to choose which session ends
	EventRealmEnded          EventType = "realm_ended"

	EventLimitChanged     EventType = "limit_changed"     // the account's own limits
	EventAccountBlocked   EventType = "account_blocked"   // its sessions ended in the same step
	EventAccountUnblocked EventType = "account_unblocked" // by a call; a block that runs out is no event
	EventTakeoverNoticed  EventType = "takeover_noticed"  // devices displace each other in turn

	EventStreamStarted EventType = "stream_started"
	EventStreamEnded   EventType = "stream_ended"

	// Under [Config.ObserveOnly]: what the limits would have done.
	EventSessionWouldEnd      EventType = "session_would_end"
	EventSignInWouldBeRefused EventType = "signin_would_be_refused" // refused or asked
)

// Event is something that happened to an account or to the realm. It is committed to
// the store's log in the same step as the roster that it is about. It holds no
// secret, not even a hashed one.
//
// Device is that of the session, or of the newcomer that was refused. Reason, By, Actor,
// ByDevice and SameDevice are as in [Ending], if the event has them. An
// [EventSessionMoved] has in Device from where the session was used before, and in
// ByDevice from where it is used now.
type Event struct {
	Type     EventType `json:"type"`
	Realm    string    `json:"realm"`
	Account  string    `json:"account,omitzero"`
	Session  SessionID `json:"session,omitzero"` // the session, or stream, that it is about
	Parent   SessionID `json:"parent,omitzero"`  // of a stream: the session that plays it
	At       time.Time `json:"at"`
	Version  uint64    `json:"version"` // of the roster it was committed with
	Reason   Reason    `json:"reason,omitzero"`
	By       SessionID `json:"by,omitzero"`
	Actor    string    `json:"actor,omitzero"`
	Device   Device    `json:"device,omitzero"`
	ByDevice Device    `json:"by_device,omitzero"`

	SameDevice bool `json:"same_device,omitzero"` // see [Ending]

	Bound  *Bound    `json:"bound,omitempty"`  // of a sign-in that found no room: the limit that decided
	Limits *Limits   `json:"limits,omitempty"` // of limit_changed: the account's own, as they are now
	Until  time.Time `json:"until,omitzero"`   // of a block; zero: until it is lifted
}

// Ending returns the ending that an [EventSessionEnded] or [EventStreamEnded]
// reports.
func (e Event) Ending() Ending {
	return Ending{Session: e.Session, Parent: e.Parent, Reason: e.Reason, At: e.At, By: e.By, Actor: e.Actor, Device: e.Device, ByDevice: e.ByDevice, SameDevice: e.SameDevice}
}

// tell completes an event with how a session ended, or would have ended.
func (e *Event) tell(how Ending) {
	e.Reason, e.By, e.Actor, e.ByDevice, e.SameDevice = how.Reason, how.By, how.Actor, how.ByDevice, how.SameDevice
}

// An event has two stored forms. JSON, by its tags, is for where people and SQL read
// events. The compact form is for a log that every node reads whole. For each field
// that is not empty it has a byte that stands for the field, the length of the value,
// and the value. Neither the tags nor these numbers ever change.
const (
	eventAt      = 6
	eventVersion = 7
	eventLimits  = 17
	eventUntil   = 18
	eventSame    = 19
	eventBound   = 20
)

// texts returns pointers to the texts of e, each at the number of its field.
func (e *Event) texts() [eventBound + 1]*string {
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

		eventBound: nil,
	}
}

// AppendCompact appends the compact form of e to b: for a log that every node reads
// whole. For stores.
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
			b = appendJSON(b, eventLimits, e.Limits)
		case n == eventUntil:
			b = appendTime(b, eventUntil, e.Until)
		case n == eventSame && e.SameDevice:
			b = append(b, eventSame, 0) // the field is true by being there
		case n == eventBound && e.Bound != nil:
			b = appendJSON(b, eventBound, e.Bound)
		}
	}
	return b
}

// appendJSON appends a field of numbers and names, which always have a JSON form.
func appendJSON(b []byte, n byte, v any) []byte {
	text, _ := json.Marshal(v)
	b = append(b, n)
	b = binary.AppendUvarint(b, uint64(len(text)))
	return append(b, text...)
}

func appendTime(b []byte, n byte, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = append(b, n, 12)
	b = binary.BigEndian.AppendUint64(b, uint64(t.Unix()))
	return binary.BigEndian.AppendUint32(b, uint32(t.Nanosecond()))
}

// errCompact is returned for a text that is no compact form of an event.
var errCompact = errors.New("oneseat: not the compact form of an event")

// ParseCompact fills e, which has to be the zero Event, from what AppendCompact
// wrote. It skips fields that this release does not know, and returns an error for
// any other text. The texts of e are parts of b. For stores.
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
		case n == eventBound:
			e.Bound = new(Bound)
			err = json.Unmarshal([]byte(value), e.Bound)
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
