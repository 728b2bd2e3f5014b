package oneseat_test

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

func TestOnlyInertCoarseFactsOfADeviceAreKept(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{})
	long := strings.Repeat("é", 40)
	for _, tt := range []struct{ in, want oneseat.Device }{
		{oneseat.Device{}, oneseat.Device{Class: "other"}},
		{laptop, laptop},
		{oneseat.Device{Class: "tv", IP: "192.0.2.77"}, oneseat.Device{Class: "tv", IP: "192.0.2.0"}},
		{oneseat.Device{Class: "TV", IP: "2001:db8:1:2:3:4:5:6"}, oneseat.Device{Class: "other", IP: "2001:db8:1::"}},
		{oneseat.Device{IP: "::ffff:192.0.2.77"}, oneseat.Device{Class: "other", IP: "192.0.2.0"}},
		{oneseat.Device{IP: "fe80::1%eth0"}, oneseat.Device{Class: "other", IP: "fe80::"}},
		{oneseat.Device{IP: "not an address"}, oneseat.Device{Class: "other"}},
		{oneseat.Device{Label: " a\x00b\u202ec\ufffdd\xffe\n "}, oneseat.Device{Label: "abcde", Class: "other"}},
		{oneseat.Device{Label: long}, oneseat.Device{Label: long[:40], Class: "other"}},
		{oneseat.Device{Label: "x" + long}, oneseat.Device{Label: "x" + long[:38], Class: "other"}},
	} {
		if got := signIn(t, r, "ada", oneseat.SignInRequest{Device: tt.in}).Session.Device; got != tt.want {
			t.Errorf("%+q: got %+q, want %+q", tt.in, got, tt.want)
		}
	}
}

func TestWhatCannotNameAnAccountIsATypedError(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{})
	for _, tt := range []struct{ account, problem string }{
		{"", "it is empty"},
		{strings.Repeat("a", 257), "it is longer than 256 bytes"},
		{strings.Repeat("é", 128) + "é", "it is longer than 256 bytes"},
		{"a\xffb", "it is not valid UTF-8"},
		{"a\x00b", "it holds a control character"},
		{"a\nb", "it holds a control character"},
		{"a\x7f", "it holds a control character"},
		{"a\u0085", "it holds a control character"},
	} {
		for name, err := range accountErrors(t, r, tt.account) {
			e, ok := errors.AsType[*oneseat.AccountError](err)
			if !ok || e.Problem != tt.problem {
				t.Errorf("%s of %q: %v", name, tt.account, err)
			} else if tt.account != "" && strings.Contains(err.Error(), tt.account) {
				t.Errorf("%s repeats the text: %v", name, err)
			}
		}
	}
	if r.updates.Load()+r.loads.Load() != 0 {
		t.Error("the store was asked")
	}
	for _, account := range []string{"a", strings.Repeat("a", 256), strings.Repeat("é", 128), "ada@example.org", "a b:c/d", "名前", " "} {
		for name, err := range accountErrors(t, r, account) {
			if err != nil {
				t.Errorf("%s of %q: %v", name, account, err)
			}
		}
	}
}

// accountErrors calls everything that takes an account.
func accountErrors(t testing.TB, r node, account string) map[string]error {
	g, signIn := r.SignIn(t.Context(), account, oneseat.SignInRequest{})
	_, adopt := r.Adopt(t.Context(), account, time.Time{}, oneseat.SignInRequest{})
	if errors.Is(adopt, oneseat.ErrNoSession) {
		adopt = nil // it is an account; none is adopted here
	}
	_, check := r.CheckID(t.Context(), account, g.Session.ID)
	_, sessions := r.Sessions(t.Context(), account)
	_, end := r.End(t.Context(), account, oneseat.EndOptions{}, "x")
	_, others := r.EndOthers(t.Context(), account, g.Session.ID, oneseat.EndOptions{})
	_, all := r.EndAll(t.Context(), account, oneseat.EndOptions{})
	return map[string]error{
		"SignIn": signIn, "Adopt": adopt, "CheckID": check, "Sessions": sessions, "End": end, "EndOthers": others, "EndAll": all,
	}
}

func FuzzAccount(f *testing.F) {
	for _, s := range []string{"", "ada", "a\x00b", "a\xff", "名前", strings.Repeat("x", 257), "\u202e", "default\x00ada"} {
		f.Add(s)
	}
	r := newNode(f, memstore.New(), oneseat.Config{})
	f.Fuzz(func(t *testing.T, account string) {
		good := account != "" && len(account) <= 256 && utf8.ValidString(account) && !strings.ContainsFunc(account, unicode.IsControl)
		g, err := r.SignIn(t.Context(), account, oneseat.SignInRequest{})
		if _, bad := errors.AsType[*oneseat.AccountError](err); bad == good || good && err != nil {
			t.Fatalf("%q: %v", account, err)
		}
		if good {
			if s := wantLive(t, r, g); s.Account != account {
				t.Errorf("%q became %q", account, s.Account)
			}
		}
	})
}
