package redisstore

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/oneseat/oneseat"
)

// A place in the log is what a store has written as one, and is written again as the same.
func FuzzPlace(f *testing.F) {
	for _, s := range []string{"", ".", "1.2", "18446744073709551615.18446744073709551615", "1-0", "1.2.3", "-1.2", "+1.2", " 1.2", "01.2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, ok := readPlace(oneseat.Cursor(s))
		if !ok {
			return
		}
		at, version, _ := strings.Cut(s, ".")
		wantAt, errAt := strconv.ParseUint(at, 10, 64)
		wantVersion, errVersion := strconv.ParseUint(version, 10, 64)
		if errAt != nil || errVersion != nil || p != (place{wantAt, wantVersion}) {
			t.Errorf("%q is read as %+v", s, p)
		}
		if again, ok := readPlace(p.cursor()); !ok || again != p {
			t.Errorf("%q became %+v and then %+v", s, p, again)
		}
	})
}

// secret is the password in every URL that is fuzzed.
const secret = "canary-3f9c1a"

// A URL is refused by a *StoreError that does not have the password, or it leads to the
// hosts that it names, with the password that it has.
func FuzzURL(f *testing.F) {
	f.Add("redis", "user", "", "localhost:6379", "/0")
	f.Add("rediss-cluster", "", "%40", "a:1,b:2,[::1]:3", "")
	f.Add("redis", "u@v", "/", "h", "/x?y=z")
	f.Add("http", "", "#", "a,b", "#")
	f.Add("redis-cluster", "\x00", "%zz", "%41:1", "/1")
	f.Fuzz(func(t *testing.T, scheme, user, more, hosts, rest string) {
		raw := scheme + "://" + user + ":" + secret + more + "@" + hosts + rest
		o, err := parse(raw)
		if err != nil {
			if _, typed := errors.AsType[*oneseat.StoreError](err); !typed || strings.Contains(err.Error(), secret) && !strings.Contains(scheme+hosts+rest, secret) {
				t.Errorf("%q: %v", raw, err)
			}
			return
		}
		if len(o.InitAddress) == 0 || !strings.HasPrefix(scheme, "redis") || o.TLSConfig != nil != strings.HasPrefix(scheme, "rediss") {
			t.Errorf("%q leads to %q, TLS %v", raw, o.InitAddress, o.TLSConfig != nil)
		}
		if u, err := url.QueryUnescape(strings.ReplaceAll(secret+more, "+", "%2B")); err == nil && !strings.ContainsAny(user+more+hosts+rest, "@:/?#") && o.Password != u {
			t.Errorf("%q has the password %q, want %q", raw, o.Password, u)
		}
		for _, a := range o.InitAddress {
			if strings.Contains(a, secret) && !strings.Contains(hosts+rest, secret) {
				t.Errorf("%q leads to %q", raw, a)
			}
		}
	})
}
