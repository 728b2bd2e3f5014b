package oneseat

import "time"

// EventType names what happened. The names are OWASP's and CAEP's where they
// have one.
type EventType string

// The events.
const (
	SessionCreated      EventType = "session_created"
	SessionRotated      EventType = "session_rotated"
	SessionEnded        EventType = "session_ended"
	SessionUsedAfterEnd EventType = "session_used_after_end" // at most one an hour and session
	SignInRefused       EventType = "signin_refused"         // OWASP: excess_sessions_exceeded
	RealmWasEnded       EventType = "realm_ended"
)

// Event is one line of a store's log: committed together with the roster that
// it tells of, never without. It holds no secret, not even a hashed one.
type Event struct {
	Type     EventType `json:"type"`
	Realm    string    `json:"realm"`
	Account  string    `json:"account,omitzero"`
	Session  SessionID `json:"session,omitzero"` // whom it is about
	At       time.Time `json:"at"`
	Version  uint64    `json:"version"` // of the roster it was committed with
	Reason   Reason    `json:"reason,omitzero"`
	By       SessionID `json:"by,omitzero"`
	Actor    string    `json:"actor,omitzero"`
	Device   Device    `json:"device,omitzero"`
	ByDevice Device    `json:"by_device,omitzero"`
}

// Ending returns the ending that a [SessionEnded] event tells of.
func (e Event) Ending() Ending {
	return Ending{Session: e.Session, Reason: e.Reason, At: e.At, By: e.By, Actor: e.Actor, Device: e.Device, ByDevice: e.ByDevice}
}
