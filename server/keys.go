package server

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
)

// Scope is what a key allows.
type Scope string

// The scopes.
const (
	ScopeCheck    Scope = "check"    // look sessions up by their tokens
	ScopeSessions Scope = "sessions" // sign in and out, list and end sessions
	ScopeAdmin    Scope = "admin"    // read and change accounts
)

// Key is a key of the API as the server knows it: the key itself is kept by its owner
// only.
type Key struct {
	ID     string            // public: it stands in the log
	Hash   [sha256.Size]byte // of the whole key
	Realm  string
	Scopes []Scope
}

// keyPrefix begins every key, so that secret scanners recognise one.
const keyPrefix = "oneseat_key_"

const (
	keyID     = 8  // characters of the id
	keySecret = 43 // characters of 32 bytes in base64url
	keyLength = len(keyPrefix) + keyID + 1 + keySecret + 1 + 2*crc32.Size
)

// NewKey makes a key. secret is for its owner, and is seen only here.
func NewKey(realm string, scopes ...Scope) (secret string, k Key) {
	var b [32]byte
	_, _ = rand.Read(b[:]) // it ends the process instead of failing
	id := strings.ToLower(rand.Text()[:keyID])
	secret = keyPrefix + id + "_" + base64.RawURLEncoding.EncodeToString(b[:])
	secret += fmt.Sprintf("_%08x", crc32.ChecksumIEEE([]byte(secret)))
	return secret, Key{id, sha256.Sum256([]byte(secret)), realm, scopes}
}

// KeyOf returns what the server has to know of a key. It returns an error if secret is not
// spelt as a key.
func KeyOf(secret, realm string, scopes ...Scope) (Key, error) {
	id, ok := idOf(secret)
	if !ok {
		return Key{}, fmt.Errorf("server: this is no key of the API: it begins with %s and has %d characters", keyPrefix, keyLength)
	}
	return Key{id, sha256.Sum256([]byte(secret)), realm, scopes}, nil
}

// idOf returns the id of a key that is spelt as one. The checksum is for secret scanners
// and typing errors, and proves nothing.
func idOf(secret string) (string, bool) {
	if len(secret) != keyLength || !strings.HasPrefix(secret, keyPrefix) {
		return "", false
	}
	body, sum := secret[:keyLength-2*crc32.Size-1], secret[keyLength-2*crc32.Size:]
	want, err := hex.DecodeString(sum)
	if err != nil || crc32.ChecksumIEEE([]byte(body)) != binary.BigEndian.Uint32(want) {
		return "", false
	}
	return secret[len(keyPrefix) : len(keyPrefix)+keyID], true
}

// allows reports whether a key has a scope; "" is any.
func (k *Key) allows(s Scope) bool { return s == "" || slices.Contains(k.Scopes, s) }

// find returns the key that a caller presented, or nil. All keys are compared, each in
// constant time.
func find(keys []Key, secret string) (found *Key) {
	if len(secret) != keyLength { // a long one is not hashed
		return nil
	}
	sum := sha256.Sum256([]byte(secret))
	for i := range keys {
		if subtle.ConstantTimeCompare(keys[i].Hash[:], sum[:]) == 1 {
			found = &keys[i]
		}
	}
	return found
}
