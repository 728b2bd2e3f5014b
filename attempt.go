package oneseat

import (
	"crypto/sha256"
	"encoding/base32"
	"slices"
	"time"
)

// Attempt makes a sign-in, or a rotation, one that may be repeated when its answer was
// lost: each try with the same attempt gives the same session and the same token, on
// any node. No node keeps the answer for that. So ID and Secret have to be as hard to
// guess as a token: derive both by a keyed hash from a key of 256 bits that nobody else
// has, or keep random ones until the answer has come. A session's ID is derived from ID
// and the account, so the same ID with another account is another attempt.
//
// An attempt is good for ten minutes. It never revives a session that has ended: a try
// after the end returns an *[EndedError], or [ErrUnknownOutcome] where the ending was
// forgotten. That holds too if the caller's clock is ahead of the store's.
type Attempt struct {
	ID     [32]byte  // names the attempt
	Secret [32]byte  // becomes the token's secret; another Secret under the same ID is [ErrAttemptReused]
	Tried  time.Time // when the first try was made, by the caller's clock
}

// attemptLife is how long an attempt may be repeated. The caller's clock may differ
// from the store's by as much.
const attemptLife = 10 * time.Minute

// IsZero reports whether there is no attempt.
func (a Attempt) IsZero() bool { return a == Attempt{} }

// check returns a *[ConfigError] for an attempt that lacks a part.
func (a Attempt) check() error {
	if !a.IsZero() && (a.ID == [32]byte{} || a.Secret == [32]byte{} || a.Tried.IsZero()) {
		return &ConfigError{"SignInRequest", "Attempt", "ID, Secret and Tried belong together: set all three, or none"}
	}
	return nil
}

// attemptExpired returns [ErrAttemptExpired] if tried is more than attemptLife before or
// after now, a time of the store's. It returns nil if tried is zero: there is no attempt.
func attemptExpired(tried, now time.Time) error {
	if !tried.IsZero() && now.Sub(tried).Abs() > attemptLife {
		return ErrAttemptExpired
	}
	return nil
}

// session returns the ID of the session that an attempt makes. Without an attempt the ID
// is new.
func (a Attempt) session(k Key) SessionID {
	if a.IsZero() {
		return newSessionID()
	}
	sum := sha256.Sum256(slices.Concat([]byte("oneseat attempt 1\x00"), k[:], a.ID[:]))
	return SessionID(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:16]))
}

// on returns the attempt to replace the token old. It is another attempt for each token.
// So an attempt that is used for two tokens by mistake does not give both the same new
// token.
func (a Attempt) on(old digest) Attempt {
	if !a.IsZero() {
		a.Secret = sha256.Sum256(slices.Concat([]byte("oneseat attempt's rotation 1\x00"), a.Secret[:], old[:]))
	}
	return a
}

// token returns the token of an attempt, or a new one.
func (a Attempt) token(k Key) (Token, digest) {
	if a.IsZero() {
		return newToken(k)
	}
	s, d := encodeSecret(TokenPrefix, k, a.Secret)
	return Token(s), d
}

// ticket returns the ticket of an attempt, or a new one.
func (a Attempt) ticket(k Key) (Ticket, digest) {
	if a.IsZero() {
		return newTicket(k)
	}
	s, d := encodeSecret(TicketPrefix, k, sha256.Sum256(slices.Concat([]byte("oneseat attempt's ticket 1\x00"), a.Secret[:])))
	return Ticket(s), d
}
