package oneseat

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"
	"unicode"
	"unicode/utf8"
)

const maxAccount = 256

// Key names one roster. It is 16 bytes of SHA-256 over a label and the
// length-prefixed realm and account, so no two pairs hash the same bytes. A key reveals
// nothing about the account to anyone who cannot guess its name.
type Key [16]byte

// KeyOf returns the key of an account in a realm. The account "" is the realm's
// control record.
func KeyOf(realm, account string) Key {
	b := make([]byte, 0, 512) // on the stack: every request comes through here
	b = append(b, "oneseat account key 1"...)
	for _, s := range [...]string{realm, account} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(s)))
		b = append(b, s...)
	}
	sum := sha256.Sum256(b)
	return Key(sum[:len(Key{})])
}

// String returns the key in hexadecimal.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// Partition returns the partition of a store's log to which k belongs: 0 to
// partitions-1, in a log that has this many partitions.
func (k Key) Partition(partitions int) int {
	return int(binary.BigEndian.Uint64(k[:]) % uint64(partitions))
}

// Account is what is known about an account at one moment: see [Registry.Account].
// A session or stream that has timed out, or that ended with the realm, is not among
// the live ones, even if its end is not recorded yet.
type Account struct {
	Name     string    `json:"name"`
	Sessions []Session `json:"sessions,omitempty"` // live, the newest first
	Streams  []Stream  `json:"streams,omitempty"`  // live, the newest first
	Endings  []Ending  `json:"endings,omitempty"`  // those that are still remembered, the newest first
	Limits   Limits    `json:"limits,omitzero"`    // the account's own, see [Registry.SetLimit]
	InForce  []Bound   `json:"in_force,omitempty"` // the limits in force, and where each was set
	Block    *Block    `json:"block,omitempty"`    // nil: the account is not blocked
	Takeover time.Time `json:"takeover,omitzero"`  // when a takeover was last noticed: devices that displace each other in turn; zero: never
}

// Block says that an account is kept out: it has no session, and no sign-in
// succeeds.
type Block struct {
	Since time.Time `json:"since"`          // by the store's clock
	Until time.Time `json:"until,omitzero"` // zero: until it is lifted
	Actor string    `json:"actor,omitzero"` // the person who blocked the account, in the application's words
}

// checkAccount returns an *AccountError if a cannot name an account.
func checkAccount(a string) error {
	switch {
	case a == "":
		return &AccountError{"it is empty"}
	case len(a) > maxAccount:
		return &AccountError{"it is longer than 256 bytes"}
	case !utf8.ValidString(a):
		return &AccountError{"it is not valid UTF-8"}
	}
	for _, r := range a {
		if unicode.IsControl(r) {
			return &AccountError{"it holds a control character"}
		}
	}
	return nil
}
