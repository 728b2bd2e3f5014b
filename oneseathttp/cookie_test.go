package oneseathttp_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

const (
	hostName = "__Host-oneseat"
	value    = "oneseat_0123456789"
)

// cookieReader returns what a guard reads as its token from a Cookie header, on
// a site with https.
func cookieReader(tb testing.TB) func(header string) string {
	tb.Helper()
	seats, err := oneseat.New(memory(), oneseat.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = seats.Close() })
	guard, err := oneseathttp.New(seats, oneseathttp.Config{SignInPath: "/login"})
	if err != nil {
		tb.Fatal(err)
	}
	r := httptest.NewRequest("GET", "https://members.example/", nil)
	return func(header string) string {
		r.Header["Cookie"] = []string{header}
		return oneseathttp.TokenOf(guard, r)
	}
}

// byNetHTTP are the values of our cookie as net/http reads them. alike is false
// where a guard is stricter. A guard takes no quotes off a value and no space off the
// end of a name: a browser sends neither for a cookie that we have set. Of two cookies
// a guard also counts one whose value is not valid.
func byNetHTTP(header string) (values []string, alike bool) {
	r := &http.Request{Header: http.Header{"Cookie": {header}}}
	for _, c := range r.CookiesNamed(hostName) {
		if c.Quoted {
			return nil, false
		}
		values = append(values, c.Value)
	}
	return values, len(values) == 1 && strings.Count(header, hostName) == 1 && !strings.ContainsAny(header, "\r\n") &&
		!strings.Contains(header, hostName+" ") && !strings.Contains(header, hostName+"\t")
}

// compare fails if a guard and net/http read another token from a header.
func compare(tb testing.TB, read func(string) string, header string) {
	tb.Helper()
	got := read(header)
	values, alike := byNetHTTP(header)
	if got == value && !slices.Contains(values, value) {
		tb.Errorf("%q: a guard reads a cookie that net/http does not: %q", header, values)
	}
	if alike && values[0] == value && got != value {
		tb.Errorf("%q: a guard reads %q, not what net/http does", header, got)
	}
}

// spellings are headers with a character at every place in and around our cookie.
func spellings(c rune) [7]string {
	s := string(c)
	return [...]string{
		s + hostName + "=" + value, "a=b; " + s + hostName + "=" + value, "__Host-" + s + "oneseat=" + value,
		hostName + s + "=" + value, hostName + "=" + s + value, hostName + "=" + value + s, hostName + "=" + value + s + "; a=b",
	}
}

func TestACookieIsReadAsNetHTTPReadsItWithAnyCharacterOfUnicodeAnywhere(t *testing.T) {
	read := cookieReader(t)
	for c := rune(0); c <= unicode.MaxRune; c++ {
		if c > 0xffff && c%64 != 0 { // beyond the basic plane: no white space, and a sample
			continue
		}
		if utf8.ValidRune(c) {
			for _, header := range spellings(c) {
				compare(t, read, header)
			}
		}
	}
}

// sentBy returns what a browser sends of a cookie that a sibling host has set, by
// RFC 6265bis (5.6 and 5.7): it takes spaces and tabs off, refuses control
// characters, and lets nobody set a name with the prefix "__Host-" for a domain.
func sentBy(name string) (header string, ok bool) {
	name = strings.Trim(name, " \t")
	control := strings.ContainsFunc(name, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f })
	if control || strings.ContainsAny(name, ";=") || strings.HasPrefix(strings.ToLower(name), "__host-") {
		return "", false
	}
	return name + "=" + value, true
}

func TestASiblingHostCanPlantNoCookieThatLooksLikeOursToUs(t *testing.T) {
	read := cookieReader(t)
	planted := 0
	for c := rune(0); c <= unicode.MaxRune; c++ {
		names := []string{string(c) + hostName, hostName + string(c), string(c) + hostName + string(c), "__Host-" + string(c) + "oneseat"}
		if c > 0xffff { // no white space
			names = names[:1]
		}
		for _, name := range names {
			header, ok := sentBy(name)
			if !ok {
				continue
			}
			planted++
			if got := read(header); got != "" {
				t.Fatalf("%+q is read as our cookie", name)
			}
			// Beside our own it does not hide that either.
			if unicode.IsSpace(c) && read(header+"; "+hostName+"=ours") != "ours" {
				t.Fatalf("%+q hides our cookie", name)
			}
		}
	}
	if planted < unicode.MaxRune {
		t.Errorf("only %d were planted", planted)
	}
}

func TestACookieThatASiblingHostPlantedSignsNobodyInAndNobodyOut(t *testing.T) {
	s := unstarted(t, oneseat.Config{}, oneseathttp.Config{})
	s.StartTLS()
	member, mallory := s.browser(t, firefox), s.browser(t, iphone)
	member.signIn("ada")
	mallory.signIn("mallory")
	stranger := s.browser(t, firefox)
	for _, c := range []rune{0x85, 0xa0, 0x1680, 0x2000, 0x2003, 0x200b, 0x2028, 0x202f, 0x205f, 0x3000, 0xfeff, 0xfffd} {
		planted := string(c) + hostName + "=" + mallory.token()
		if status, body := stranger.get("/me", "Cookie", planted); status != 401 {
			t.Errorf("%U signs a visitor in: %d %q", c, status, body)
		}
		if status, body := stranger.get("/me", "Cookie", planted+"; "+hostName+"="+member.token()); status != 200 || body != "ada" {
			t.Errorf("%U signs a member out: %d %q", c, status, body)
		}
	}
}

func FuzzACookieIsReadAsNetHTTPReadsIt(f *testing.F) {
	for _, c := range []rune{' ', '\t', 0x85, 0x2000, 0x3000, 'x', '"', ';', '='} {
		for _, header := range spellings(c) {
			f.Add(header)
		}
	}
	f.Add(hostName + "=" + value + "; " + hostName + "=other")
	f.Add(hostName + "=" + value + ";;" + hostName + "=" + value)
	read := cookieReader(f)
	f.Fuzz(func(t *testing.T, header string) { compare(t, read, header) })
}
