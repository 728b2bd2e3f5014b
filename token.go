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
)

// TokenPrefix begins every token, so that secret scanners can know one.
const TokenPrefix = "oneseat_"

const (
	secretBytes  = 32
	payloadBytes = len(Key{}) + secretBytes // what the checksum is of
	tokenBytes   = payloadBytes + crc32.Size
)

var (
	tokenEncoding = base64.RawURLEncoding.Strict()
	encodedLength = tokenEncoding.EncodedLen(tokenBytes)
)

// Token is the secret that a browser holds: [TokenPrefix], then in base64url
// the account's key, 32 random bytes and a CRC-32. The key finds the roster in
// one read; the checksum is for secret scanners and typing errors and proves
// nothing.
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

// MarshalText hides the secret from encoders such as JSON; send string(token)
// where it has to be sent.
func (t Token) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Digest is the SHA-256 of a token, or of a device id: all that a store ever
// sees of either. The zero Digest equals none.
type Digest [sha256.Size]byte

// Equal compares in constant time. A zero Digest equals nothing.
func (d Digest) Equal(e Digest) bool {
	return subtle.ConstantTimeCompare(d[:], e[:]) == 1 && d != Digest{}
}

// IsZero says that there is no digest.
func (d Digest) IsZero() bool { return d == Digest{} }

// MarshalText is hexadecimal.
func (d Digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText reads hexadecimal of exactly 32 bytes.
func (d *Digest) UnmarshalText(b []byte) error {
	if len(b) != hex.EncodedLen(len(d)) {
		return &FormatError{"a digest of the wrong length"}
	}
	_, err := hex.Decode(d[:], b)
	return err
}

// newSecret makes a token, or a ticket, for the roster k and its digest.
// crypto/rand does not fail: it ends the process instead (TOK-01).
func newSecret(prefix string, k Key) (string, Digest) {
	var b [tokenBytes]byte
	copy(b[:], k[:])
	_, _ = rand.Read(b[len(k):payloadBytes])
	binary.BigEndian.PutUint32(b[payloadBytes:], crc32.ChecksumIEEE(b[:payloadBytes]))
	return prefix + tokenEncoding.EncodeToString(b[:]), digestOf(b[:])
}

func newToken(k Key) (Token, Digest) {
	s, d := newSecret(TokenPrefix, k)
	return Token(s), d
}

// decodeToken is decodeSecret of a token.
func decodeToken(s string) (Key, Digest, bool) { return decodeSecret(TokenPrefix, s) }

// decodeSecret reads what a browser presented, of which it accepts one spelling
// only. It does not look at the checksum, which is part of what is hashed, and
// does not allocate.
func decodeSecret(prefix, s string) (Key, Digest, bool) {
	if len(s) != len(prefix)+encodedLength || s[:len(prefix)] != prefix {
		return Key{}, Digest{}, false
	}
	var b [tokenBytes + 2]byte // Decode may write whole quanta
	if n, err := tokenEncoding.Decode(b[:], []byte(s[len(prefix):])); err != nil || n != tokenBytes {
		return Key{}, Digest{}, false
	}
	return Key(b[:len(Key{})]), digestOf(b[:tokenBytes]), true
}

// parseToken is decodeToken for whatever is about to ask the store: a token
// whose checksum is wrong was mistyped or cut, and is not worth a read.
func parseToken(s string) (Key, Digest, bool) {
	key, digest, ok := decodeToken(s)
	return key, digest, ok && intact(s)
}

// intact checks the checksum of a token, or ticket, that can be decoded.
func intact(s string) bool {
	b, err := tokenEncoding.DecodeString(s[len(s)-encodedLength:])
	return err == nil && binary.BigEndian.Uint32(b[payloadBytes:]) == crc32.ChecksumIEEE(b[:payloadBytes])
}

func digestOf(b []byte) Digest { return sha256.Sum256(b) }

// deviceDigest is what is kept of a device id. An empty id has none.
func deviceDigest(id string) Digest {
	if id == "" {
		return Digest{}
	}
	return digestOf([]byte("oneseat device 1\x00" + id))
}
