package oneseat

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"log/slog"
	"slices"
)

// TokenPrefix begins every token, so that secret scanners recognise one.
const TokenPrefix = "oneseat_"

const (
	secretBytes  = 32
	payloadBytes = len(Key{}) + secretBytes // what the checksum covers
	tokenBytes   = payloadBytes + crc32.Size
)

var (
	tokenEncoding = base64.RawURLEncoding.Strict()
	encodedLength = tokenEncoding.EncodedLen(tokenBytes)
)

// Token is the secret that a browser holds: [TokenPrefix], and then in base64url the
// account's key, 32 random bytes and a CRC-32. The key finds the roster in one read.
// The CRC-32 is for secret scanners and typing errors, and proves nothing.
//
// Printing, logging or marshalling a Token shows only that there is one.
// string(token) is the secret itself, for the cookie.
type Token string

const redacted = TokenPrefix + "[secret]"

// String hides the secret from fmt.
func (t Token) String() string { return redacted }

// GoString hides the secret from %#v.
func (t Token) GoString() string { return redacted }

// LogValue hides the secret from slog.
func (t Token) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText hides the secret from encoders such as JSON. To send the secret,
// encode string(token).
func (t Token) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// TicketPrefix begins every ticket.
const TicketPrefix = "oneseat_ticket_"

// Ticket lets a newcomer to a full account choose which session ends: see
// [Registry.Redeem]. It stands for the password that was verified, so keep it as
// secret as that. It reserves no seat. It works once, for five minutes, and only on
// the device that got it, if that device has an id (see [SignInRequest]).
//
// Printing, logging or marshalling a Ticket shows only that there is one.
// string(ticket) is the secret itself.
type Ticket string

const redactedTicket = TicketPrefix + "[secret]"

// String hides the secret from fmt.
func (t Ticket) String() string { return redactedTicket }

// GoString hides the secret from %#v.
func (t Ticket) GoString() string { return redactedTicket }

// LogValue hides the secret from slog.
func (t Ticket) LogValue() slog.Value { return slog.StringValue(redactedTicket) }

// MarshalText hides the secret from encoders such as JSON.
func (t Ticket) MarshalText() ([]byte, error) { return []byte(redactedTicket), nil }

// digest is the SHA-256 of a token, a ticket or a device id. A store sees nothing else
// of these. The zero digest means that there is none.
type digest [sha256.Size]byte

// Equal compares in constant time. A zero digest equals nothing.
func (d digest) Equal(e digest) bool {
	return subtle.ConstantTimeCompare(d[:], e[:]) == 1 && d != digest{}
}

// IsZero reports whether there is no digest.
func (d digest) IsZero() bool { return d == digest{} }

// MarshalText returns the digest in hexadecimal.
func (d digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText reads hexadecimal of exactly 32 bytes.
func (d *digest) UnmarshalText(b []byte) error {
	if len(b) != hex.EncodedLen(len(d)) {
		return &FormatError{"a digest of the wrong length"}
	}
	_, err := hex.Decode(d[:], b)
	return err
}

// newSecret returns a new token, or ticket, for the roster k, and its digest.
// crypto/rand does not fail: it ends the process instead (TOK-01).
func newSecret(prefix string, k Key) (string, digest) {
	var secret [secretBytes]byte
	_, _ = rand.Read(secret[:])
	return encodeSecret(prefix, k, secret)
}

// encodeSecret returns the token, or ticket, of a secret for the roster k, and its
// digest.
func encodeSecret(prefix string, k Key, secret [secretBytes]byte) (string, digest) {
	var b [tokenBytes]byte
	copy(b[:], k[:])
	copy(b[len(k):payloadBytes], secret[:])
	binary.BigEndian.PutUint32(b[payloadBytes:], crc32.ChecksumIEEE(b[:payloadBytes]))
	return prefix + tokenEncoding.EncodeToString(b[:]), digestOf(b[:])
}

func newToken(k Key) (Token, digest) {
	s, d := newSecret(TokenPrefix, k)
	return Token(s), d
}

func newTicket(k Key) (Ticket, digest) {
	s, d := newSecret(TicketPrefix, k)
	return Ticket(s), d
}

// decodeToken is decodeSecret of a token.
func decodeToken(s string) (Key, digest, bool) { return decodeSecret(TokenPrefix, s) }

// decodeSecret returns the key and the digest of what a browser presented. It
// accepts one spelling only. It does not verify the checksum, which is part of what
// is hashed, and does not allocate.
func decodeSecret(prefix, s string) (Key, digest, bool) {
	if len(s) != len(prefix)+encodedLength || s[:len(prefix)] != prefix {
		return Key{}, digest{}, false
	}
	// Decode may write whole quanta. If s is not base64, it decodes fewer bytes.
	var b [tokenBytes + 2]byte
	if n, _ := tokenEncoding.Decode(b[:], []byte(s[len(prefix):])); n != tokenBytes {
		return Key{}, digest{}, false
	}
	return Key(b[:len(Key{})]), digestOf(b[:tokenBytes]), true
}

// parseToken is decodeToken for callers that are about to ask the store. It rejects
// a wrong checksum too: that token was mistyped or cut, and is not worth a read.
func parseToken(s string) (Key, digest, bool) {
	key, digest, ok := decodeToken(s)
	return key, digest, ok && intact(s)
}

// intact reports whether the checksum of a token, or ticket, that can be decoded is
// right.
func intact(s string) bool {
	b, _ := tokenEncoding.DecodeString(s[len(s)-encodedLength:])
	return binary.BigEndian.Uint32(b[payloadBytes:]) == crc32.ChecksumIEEE(b[:payloadBytes])
}

func digestOf(b []byte) digest { return sha256.Sum256(b) }

// deviceDigest returns what an account's roster keeps of a device id; an empty id
// gives the zero digest. One device has another digest in every account, so a copied
// database does not show which accounts share a device.
func deviceDigest(account Key, id string) digest {
	if id == "" {
		return digest{}
	}
	return digestOf(slices.Concat([]byte("oneseat device 2\x00"), account[:], []byte(id)))
}
