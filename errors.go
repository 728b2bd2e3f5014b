package oneseat

import (
	"errors"
	"fmt"
	"time"
)

// Errors that have no details. Compare with errors.Is.
var (
	// ErrNoSession: the token (or id) belongs to no session that is live or
	// remembered. It is malformed, forged, or its ending has been forgotten.
	ErrNoSession = errors.New("oneseat: no such session: ask the user to sign in")

	// ErrRotated: the token was replaced a moment ago, by another request of the
	// same browser. That request's answer brings the new token: try again with it.
	ErrRotated = errors.New("oneseat: this session's token was replaced a moment ago: try again with the new one")

	// ErrStoreUnavailable: the store gave no answer, and without one the answer
	// is no. The cause is wrapped. Try again; nothing was lost.
	ErrStoreUnavailable = errors.New("oneseat: the store did not answer: try again, and see that it is reachable and writable")

	// ErrLimitUnknown: [Config.LimitFor] returned an error, or impossible limits, so
	// nothing was done. The cause is wrapped.
	ErrLimitUnknown = errors.New("oneseat: nothing was done, because Config.LimitFor gave no limit")

	// ErrUnknownOutcome: an update may or may not have been committed, because
	// its reply was lost. A [Store] returns it. The registry tries again with the
	// same ids, and returns it only when that did not help.
	ErrUnknownOutcome = errors.New("oneseat: the outcome is unknown: the reply was lost; sign in again to be certain")

	// ErrAttemptReused: an earlier try with the same [Attempt] ID had another Secret.
	ErrAttemptReused = errors.New("oneseat: an earlier try with this attempt's id had another secret: make a new attempt for each sign-in, and repeat it unchanged")

	// ErrAttemptExpired: the first try of an [Attempt] was more than ten minutes ago,
	// or is more than ten minutes in the future, by the store's clock.
	ErrAttemptExpired = errors.New("oneseat: the attempt was first made more than ten minutes before or after now, by the store's clock: make a new one, and see that the clocks agree")

	// ErrStoreClosed: the store was closed. An update that got it was not made.
	ErrStoreClosed = errors.New("oneseat: the store is closed: open it again")

	// ErrClosed: the registry was closed. Its held requests end with this cause.
	ErrClosed = errors.New("oneseat: the registry is closed")

	// ErrSlowSubscriber: a subscription ended because its reader fell behind.
	// Subscribe again, and then read the present state.
	ErrSlowSubscriber = errors.New("oneseat: the subscriber fell behind and was dropped: subscribe again")

	// ErrFeedGap: a subscription ended because events may have been missed: the
	// log was trimmed, replaced or restored. Subscribe again, and then read the
	// present state.
	ErrFeedGap = errors.New("oneseat: events may have been missed: subscribe again")
)

// EndedError says that the session existed, and how it ended. It is the cause of a
// context that [Registry.Hold] cancelled.
type EndedError struct {
	Ending Ending
}

// Error names the session by its public id, the reason and the time.
func (e *EndedError) Error() string {
	return fmt.Sprintf("oneseat: session %s has ended: %s at %s", e.Ending.Session, e.Ending.Reason, e.Ending.At.UTC().Format("2006-01-02T15:04:05Z"))
}

// LimitError says that a sign-in, or a stream, was refused because all seats are
// taken. It is not a failed authentication: do not count it as one.
type LimitError struct {
	Limit   int       // the limit in force
	Bound   string    // which limit: the name of a [Bound]
	Live    []Session // the live sessions that count under it, the newest first
	Streams []Stream  // if a stream was refused: the streams instead, the newest first
	Ticket  Ticket    // under [PolicyAsk]: to choose which session ends, see [Registry.Redeem]
}

// Error gives the count and the limit. It names no account.
func (e *LimitError) Error() string {
	switch {
	case len(e.Streams) > 0:
		return fmt.Sprintf("oneseat: stream refused: %d of %d are playing: stop another first, or name it in Instead", len(e.Streams), e.Limit)
	case e.Bound == boundPrograms:
		return fmt.Sprintf("oneseat: sign-in refused: %d of %d programs have a session: end one of them first", len(e.Live), e.Limit)
	case e.Ticket != "":
		return fmt.Sprintf("oneseat: sign-in refused: %d of %d seats are taken: ask which session is to end, and redeem the ticket", len(e.Live), e.Limit)
	}
	return fmt.Sprintf("oneseat: sign-in refused: %d of %d seats are taken: sign out elsewhere first", len(e.Live), e.Limit)
}

// TicketError says why a ticket is not accepted, or no longer.
type TicketError struct {
	Problem string
}

// Error says what to do.
func (e *TicketError) Error() string { return "oneseat: bad ticket: " + e.Problem + ": sign in again" }

// BlockedError says that the account is blocked. It is not a failed
// authentication: do not count it as one.
type BlockedError struct {
	Until time.Time // zero: until somebody lifts the block
}

// Error gives the time until which the account is blocked.
func (e *BlockedError) Error() string {
	if e.Until.IsZero() {
		return "oneseat: sign-in refused: the account is blocked"
	}
	return "oneseat: sign-in refused: the account is blocked until " + e.Until.UTC().Format(time.RFC3339)
}

// AccountError says why a text cannot name an account. It does not repeat the
// text, which may be anything.
type AccountError struct {
	Problem string
}

// Error states the rule that was broken.
func (e *AccountError) Error() string {
	return "oneseat: bad account: " + e.Problem + "; an account is 1 to 256 bytes of UTF-8 without control characters"
}

// TimeError says that a time makes no sense, by the store's clock.
type TimeError struct {
	Problem string
}

// Error says which time, and what to do.
func (e *TimeError) Error() string { return "oneseat: bad time: " + e.Problem }

// DataError says that the sessions of an account would have more data than
// [MaxAccountData].
type DataError struct {
	Problem string
}

// Error says how much it would be.
func (e *DataError) Error() string { return "oneseat: too much data: " + e.Problem }

// ConfigError is one impossible setting. [New] returns all of them, joined. SetLimit
// returns the first. So does a sign-in whose request is impossible, or for which
// [Config.LimitFor] returned impossible limits. Confirm and SetData return one for an
// impossible argument.
type ConfigError struct {
	In      string // "Config", "Limits", "SignInRequest", "Confirm" or "SetData"
	Field   string // as spelt there
	Problem string // what is wrong and what is possible
}

// Error names the field first.
func (e *ConfigError) Error() string { return "oneseat: " + e.In + "." + e.Field + ": " + e.Problem }

// StoreFailure says what is wrong with a store, in words that mean the same for
// every store.
type StoreFailure string

// What can be wrong. An open store goes on by itself once the cause is fixed. Address,
// Foreign, Newer, Unsupported, NotDurable and Split need another call of its Open.
const (
	FailureOther       StoreFailure = "other"        // something else: the database says what
	FailureAddress     StoreFailure = "bad_address"  // what Open got is not a path, or not the URL of a server
	FailureUnreachable StoreFailure = "unreachable"  // no such file or server, or no answer in time
	FailureDenied      StoreFailure = "denied"       // the server refuses the user, or what the user asked for
	FailureReadOnly    StoreFailure = "read_only"    // it cannot be written: permissions, a standby, a replica
	FailureBusy        StoreFailure = "busy"         // locked, out of connections, or not ready yet
	FailureFull        StoreFailure = "full"         // no space, or no memory, left
	FailureDisk        StoreFailure = "disk"         // the disk failed
	FailureDamaged     StoreFailure = "damaged"      // the database is damaged
	FailureSettings    StoreFailure = "bad_settings" // the connection's settings do not go with the server
	FailureForeign     StoreFailure = "foreign"      // what is there belongs to another program
	FailureNewer       StoreFailure = "newer"        // what is there was written by a newer release
	FailureUnsupported StoreFailure = "unsupported"  // the server is too old, or the server or the file system lacks something
	FailureNotDurable  StoreFailure = "not_durable"  // the server may lose what it acknowledged, and the settings do not allow that
	FailureSplit       StoreFailure = "split"        // another process may have another store where there should be one; the store answers nothing any more
)

// StoreError is what a store returns instead of a result. It allows nothing. The
// update was not made, unless the error also wraps [ErrUnknownOutcome].
type StoreError struct {
	Store   string       // the store's package, such as "pgstore"
	Where   string       // its file, or the addresses of its servers; "": not known. Never a password
	Failure StoreFailure // what is wrong
	Problem string       // what that means here, and what to do
	Err     error        // what the database or the system said; may be nil
}

// Error says where it happened, what happened, and what to do.
func (e *StoreError) Error() string {
	s := e.Store + ": "
	if e.Where != "" {
		s += e.Where + ": "
	}
	s += e.Problem
	if e.Err != nil {
		s += fmt.Sprintf(" (%v)", e.Err)
	}
	return s
}

// Unwrap returns what the database or the system said.
func (e *StoreError) Unwrap() error { return e.Err }

// FormatError says that a stored record cannot be read by this release. The
// record is left as it is.
type FormatError struct {
	Problem string
}

// Error says what was found and what to do.
func (e *FormatError) Error() string { return "oneseat: stored roster: " + e.Problem }

// PanicError is a panic inside a change, caught so that it harms no other
// update of the same batch. It is a defect in the caller of [Store.Update].
type PanicError struct {
	Value any
	Stack []byte
}

// Error shows the value; the stack is in the field.
func (e *PanicError) Error() string { return fmt.Sprintf("oneseat: panic in a change: %v", e.Value) }
