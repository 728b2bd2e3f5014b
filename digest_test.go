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
