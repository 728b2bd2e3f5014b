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
	SignInAsked         EventType = "signin_asked"           // refused with a ticket, to choose who goes
	RealmWasEnded       EventType = "realm_ended"

	LimitChanged     EventType = "limit_changed"     // of this account
	AccountBlocked   EventType = "account_blocked"   // its sessions ended in the same step
	AccountUnblocked EventType = "account_unblocked" // by somebody; a block that runs out is no event
	TakeoverNoticed  EventType = "takeover_noticed"  // devices throw each other out in turn

	StreamStarted EventType = "stream_started"
	StreamEnded   EventType = "stream_ended"

	// What would have been, where limits are only observed.
	SessionWouldEnd      EventType = "session_would_end"
	SignInWouldBeRefused EventType = "signin_would_be_refused" // or asked
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
	Limits   *Limits   `json:"limits,omitzero"` // of limit_changed: the account's own, as they are now
	Until    time.Time `json:"until,omitzero"`  // of a block; zero: until it is lifted
}

// Ending returns the ending that a [SessionEnded] or [StreamEnded] event tells of.
func (e Event) Ending() Ending {
	return Ending{Session: e.Session, Parent: e.Parent, Reason: e.Reason, At: e.At, By: e.By, Actor: e.Actor, Device: e.Device, ByDevice: e.ByDevice}
}

// tell completes an event with how a session ended, or would have.
func (e *Event) tell(how Ending) {
	e.Reason, e.By, e.Actor, e.ByDevice = how.Reason, how.By, how.Actor, how.ByDevice
}
