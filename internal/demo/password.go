package demo

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// These are the costs of a hash: OWASP's second recommendation for argon2id, with 19
// MiB and two passes. It takes one core about 30 ms.
const (
	hashMemory  = 19 * 1024 // KiB
	hashPasses  = 2
	hashThreads = 1
	saltBytes   = 16
	hashBytes   = 32
)

var errHashFormat = errors.New("demo: a stored password hash cannot be read: delete its row in demo_users and start again")

// hashPassword returns a salted hash in the usual form,
// $argon2id$v=19$m=…,t=…,p=…$salt$hash.
func hashPassword(password string) string {
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // never fails: it ends the process instead
	sum := argon2.IDKey([]byte(password), salt, hashPasses, hashMemory, hashThreads, hashBytes)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, hashMemory, hashPasses, hashThreads, b64.EncodeToString(salt), b64.EncodeToString(sum))
}

// matchPassword says whether password has this hash. It computes no hash with costs
// other than ours, which could be very high, but returns an error.
func matchPassword(hash, password string) (bool, error) {
	parts := strings.Split(hash, "$")
	costs := fmt.Sprintf("v=%d$m=%d,t=%d,p=%d", argon2.Version, hashMemory, hashPasses, hashThreads)
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2]+"$"+parts[3] != costs {
		return false, errHashFormat
	}
	salt, err := base64.RawStdEncoding.Strict().DecodeString(parts[4])
	if err != nil || len(salt) != saltBytes {
		return false, errHashFormat
	}
	sum, err := base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if err != nil || len(sum) != hashBytes {
		return false, errHashFormat
	}
	got := argon2.IDKey([]byte(password), salt, hashPasses, hashMemory, hashThreads, hashBytes)
	return subtle.ConstantTimeCompare(got, sum) == 1, nil
}
