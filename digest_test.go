package oneseat

import (
	"strings"
	"testing"
)

func TestDigestsCompareAndSpell(t *testing.T) {
	var zero digest
	one := digest{1}
	if zero.Equal(zero) || zero.Equal(one) || one.Equal(zero) || !one.Equal(digest{1}) || one.Equal(digest{31: 1}) {
		t.Error("Equal")
	}
	if !zero.IsZero() || one.IsZero() {
		t.Error("IsZero")
	}
	text, _ := one.MarshalText()
	var back digest
	if err := back.UnmarshalText(text); err != nil || back != one {
		t.Error(back, err)
	}
	for _, bad := range []string{"", "01", string(text) + "00", strings.Repeat("g", 64)} {
		if err := back.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// The digest of a device's id is stored, so no release may compute another digest: all
// devices would be unknown then.
func TestTheDigestOfADeviceIsFrozen(t *testing.T) {
	got, _ := deviceDigest(KeyOf("r", "ada"), "id").MarshalText()
	same(t, "the digest", string(got), "a70cf82d5816a8a614c9cce57a45488754abf11992b469529640269609fb9dd9")
}

// An attempt that is used for two tokens by mistake gives each another one.
func TestAnAttemptIsAnotherForEachToken(t *testing.T) {
	a := Attempt{ID: [32]byte{1}, Secret: [32]byte{2}, Tried: noon}
	if one, other := a.on(dig("a")), a.on(dig("b")); one == other || one.ID != a.ID || (Attempt{}).on(dig("a")) != (Attempt{}) {
		t.Errorf("%v, %v", one, other)
	}
}

// Nodes of two releases derive the same session and token from an attempt.
func TestWhatAnAttemptMakesIsFrozen(t *testing.T) {
	a := Attempt{ID: [32]byte{1}, Secret: [32]byte{2}, Tried: noon}
	k := KeyOf("r", "ada")
	token, _ := a.token(k)
	ticket, _ := a.ticket(k)
	rotation, _ := a.on(dig("old")).token(k)
	same(t, "token after a rotation", string(rotation), "oneseat_b9Z07rQzgLxG9eCgE3ZOrFWE82e9wJQ60RxyuE07uuuTKhUoe-X-yNl48tEKJl02Vpuskg")
	same(t, "session", string(a.session(k)), "MVY4TA4R2EGLNM5V6XI2VW52WY")
	same(t, "token", string(token), "oneseat_b9Z07rQzgLxG9eCgE3ZOrAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAv-ehCQ")
	same(t, "ticket", string(ticket), "oneseat_ticket_b9Z07rQzgLxG9eCgE3ZOrFuuU5XMA_2FsYlyW6xFsI13eGFMHVkFV14kKZdW-a8Ulzl02g")
}
