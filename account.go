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

// Key names one roster: 16 bytes of SHA-256 over a label and the
// length-prefixed realm and account, so that no two pairs are spelt alike
// (LIM-15) and a key tells nothing of the account to who cannot guess it.
type Key [16]byte

// KeyOf returns the key of an account in a realm. The account "" is the realm's
// control record.
func KeyOf(realm, account string) Key {
	b := make([]byte, 0, 512) // on the stack: this is on the way of every request
	b = append(b, "oneseat account key 1"...)
	for _, s := range [...]string{realm, account} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(s)))
		b = append(b, s...)
	}
	sum := sha256.Sum256(b)
	return Key(sum[:len(Key{})])
}

// String is the key in hexadecimal.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// Partition returns the partition of a store's log that k belongs to.
func (k Key) Partition(partitions int) int {
	if partitions == 1 {
		return 0
	}
	return int(binary.BigEndian.Uint64(k[:8]) % uint64(partitions))
}

// Account is what is known of an account at a moment: see [Registry.Account].
// What has timed out, or was ended with the realm, is not among the live, whether
// or not that is recorded yet.
type Account struct {
	Name     string    `json:"name"`
	Sessions []Session `json:"sessions,omitempty"` // live, the newest first
	Streams  []Stream  `json:"streams,omitempty"`  // likewise
	Endings  []Ending  `json:"endings,omitempty"`  // as far as they are remembered, the newest first
	Limits   Limits    `json:"limits,omitzero"`    // the account's own, see [Registry.SetLimit]
	InForce  []Bound   `json:"in_force,omitempty"` // the limits in force, and where each was set
	Block    *Block    `json:"block,omitempty"`    // nil: the account is not blocked
	Takeover time.Time `json:"takeover,omitzero"`  // when devices were last noticed that throw each other out in turn
}

// Block says that an account is kept out: it has no session, and nobody may sign
// in.
type Block struct {
	Since time.Time `json:"since"`          // by the store's clock
	Until time.Time `json:"until,omitzero"` // zero: until it is lifted
	Actor string    `json:"actor,omitzero"` // who blocked the account
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
