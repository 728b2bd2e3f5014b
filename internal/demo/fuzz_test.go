package demo

import (
	"errors"
	"strings"
	"testing"
)

// A stored hash that is none of ours gives one error, which does not quote the hash, and
// no password matches it. A text that is no hash costs no hashing.
func FuzzHash(f *testing.F) {
	good := hashPassword("the same")
	for _, s := range []string{
		"", "$", good[:len(good)-1], good + "A", good + "=", strings.Replace(good, "m=", "m=9", 1), strings.Replace(good, "argon2id", "argon2i", 1), strings.Replace(good, "$v=19", "$v=16", 1), strings.ToUpper(good), good + "\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, hash string) {
		is, err := matchPassword(hash, "another")
		if is || err != nil && (!errors.Is(err, errHashFormat) || len(hash) > 8 && strings.Contains(err.Error(), hash)) {
			t.Errorf("%q: %v, %v", hash, is, err)
		}
	})
}
