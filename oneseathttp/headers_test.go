package oneseathttp_test

import (
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

// headersOf are all headers of an answer, sorted, in a line. Of a cookie it is the name
// and how it is kept.
func headersOf(h http.Header) string {
	var all []string
	for name, values := range h {
		switch name {
		case "Date", "Content-Length", "Connection":
			continue
		case "Set-Cookie":
			for i, c := range values {
				name, rest, _ := strings.Cut(c, "=")
				_, rest, _ = strings.Cut(rest, ";")
				values[i] = name + ";" + rest
			}
		}
		all = append(all, name+": "+strings.Join(values, " | "))
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// The headers of the guard's own answers (WEB-07, WEB-08). COOP is the application's: a
// sign-in may be in a window that the site has opened.
const (
	uncached  = "Cache-Control: no-store\n"
	policy    = "Content-Security-Policy: default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'\n"
	sameSite  = "Cross-Origin-Resource-Policy: same-origin\n"
	noSniff   = "X-Content-Type-Options: nosniff"
	varied    = "Vary: Accept, Cookie, Sec-Fetch-Dest"
	html      = uncached + policy + "Content-Type: text/html; charset=utf-8\n" + sameSite + "Referrer-Policy: same-origin\n"
	asJSON    = uncached + "Content-Type: application/json\n" + sameSite + noSniff
	asProblem = uncached + "Content-Type: application/problem+json\n" + sameSite
	unsigned  = asProblem + varied + "\nWww-Authenticate: Session\n" + noSniff
	asEvents  = uncached + "Content-Type: text/event-stream\n" + sameSite + "X-Accel-Buffering: no\n" + noSniff
	asText    = uncached + "Content-Type: text/plain; charset=utf-8\n" + noSniff
	signInAt  = uncached + "Content-Type: text/html; charset=utf-8\nLocation: /login?next=%2Fme&reason="
	aDevice   = "Set-Cookie: oneseat-device; Path=/; Max-Age=34560000; HttpOnly; SameSite=Lax"
	asked5min = " | oneseat-ticket; Path=/; Max-Age=300; HttpOnly; SameSite=Lax\n"
	asScript  = "Cache-Control: no-cache\nContent-Type: text/javascript; charset=utf-8\n" + noSniff
)

var served = regexp.MustCompile(`"(GET|POST) "\+Path\+"([^"]+)"`)

func TestEveryAnswerOfTheGuardHasTheseHeadersAndNoOthers(t *testing.T) {
	s := newAskingSite(t, oneseat.Config{Limit: 2})
	b, other, stranger := s.browser(t, firefox), s.browser(t, iphone), s.browser(t, firefox)
	b.signIn("ada")
	other.signIn("ada")
	ada, toProgram, toPage := url.Values{"account": {"ada"}}, []string{"Accept", program}, []string{"Accept", page}
	tried := map[string]bool{}
	for _, c := range []struct {
		who     *browser
		request string
		form    url.Values
		header  []string
		status  int
		want    string
	}{
		{b, "GET /oneseat/session", nil, toProgram, 200, asJSON},
		{b, "POST /oneseat/active", nil, toProgram, 200, asJSON},
		{b, "GET /oneseat/sessions", nil, toProgram, 200, asJSON},
		{b, "POST /oneseat/sessions/{id}/end", nil, toProgram, 200, asJSON},
		{b, "POST /oneseat/sessions/{id}/end", nil, toPage, 303, uncached + "Location: ../../devices"},
		{b, "GET /oneseat/devices", nil, toPage, 200, html + noSniff},
		{b, "GET /oneseat/oneseat.js", nil, nil, 200, asScript},
		{stranger, "GET /oneseat/dialog.js", nil, nil, 200, asScript},
		{stranger, "GET /oneseat/devices.css", nil, nil, 200, strings.Replace(asScript, "javascript", "css", 1)},
		{b, "GET /oneseat/events", nil, nil, 200, asEvents},
		{b, "GET /oneseat/events", nil, []string{"Sec-Fetch-Site", "cross-site"}, 403, asText},
		{b, "GET /oneseat/nothing", nil, nil, 404, asText},
		{b, "GET /oneseat/active", nil, nil, 404, asText},
		{b, "POST /oneseat/active", nil, []string{"Sec-Fetch-Site", "cross-site"}, 403, asText},
		{stranger, "POST /enter", ada, toPage, 409, html + aDevice + asked5min + noSniff},
		{stranger, "POST /enter", ada, toProgram, 409, asProblem + aDevice + "\n" + noSniff},
		{stranger, "POST /oneseat/redeem", url.Values{"ticket": {"x"}}, toProgram, 401, unsigned},
		{stranger, "POST /oneseat/redeem", url.Values{"ticket": {"x"}}, toPage, 303, uncached + "Location: /login?reason=bad_ticket\n" + varied},
		{stranger, "POST /oneseat/redeem", url.Values{"cancel": {"1"}}, toPage, 303, uncached + "Location: /login\nSet-Cookie: oneseat-ticket; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"},
		{stranger, "GET /me", nil, toPage, 303, signInAt + "no_session\n" + varied},
		{stranger, "GET /me", nil, toProgram, 401, unsigned},
		{stranger, "GET /oneseat/session", nil, toProgram, 401, unsigned},
		{b, "POST /oneseat/sessions/end-others", nil, toProgram, 200, asJSON},
		{other, "GET /me", nil, toProgram, 401, unsigned},
		{other, "GET /me", nil, toPage, 303, signInAt + "revoked\n" + varied},
		{other, "GET /oneseat/events", nil, nil, 200, asEvents},
	} {
		method, path, _ := strings.Cut(c.request, " ")
		resp := c.who.do(method, path, c.form, c.header...)
		if got := headersOf(resp.Header); resp.StatusCode != c.status || got != c.want {
			t.Errorf("%s, %v: %d with\n%s\nwant %d with\n%s", c.request, c.header, resp.StatusCode, got, c.status, c.want)
		}
		tried[c.request] = true
	}
	source, err := os.ReadFile("handler.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range served.FindAllSubmatch(source, -1) {
		if request := string(m[1]) + " " + oneseathttp.Path + string(m[2]); !tried[request] {
			t.Errorf("%s was not asked for", request)
		}
	}
}

// WEB-09: with another origin allowed, and without any, nothing but the allowed one is
// ever named beside Access-Control-Allow-Credentials, whatever is asked for and by whom.
func TestNoOriginThatIsNotNamedIsAllowedCredentials(t *testing.T) {
	for _, allowed := range [][]string{nil, {www}} {
		s := newSite(t, oneseat.Config{}, oneseathttp.Config{Origins: allowed})
		s.Config.Handler = s.guard.CrossOrigin(s.Config.Handler)
		b, stranger := s.browser(t, firefox), s.browser(t, iphone)
		b.signIn("ada")
		named := 0
		for _, origin := range append(slices.Clone(outsiders), www) {
			for _, path := range []string{"session", "events", "sessions", "devices", "oneseat.js", "dialog.js", "devices.css", "nothing", "sessions/x/end", "sessions/end-others", "active", "redeem", "../me", "../"} {
				for _, method := range []string{"GET", "POST", "OPTIONS"} {
					for _, who := range []*browser{b, stranger} {
						resp := who.do(method, oneseathttp.Path+path, nil, "Origin", origin, "Sec-Fetch-Site", "cross-site", "Access-Control-Request-Method", "POST")
						_ = resp.Body.Close()
						h := resp.Header
						if h.Get("Access-Control-Allow-Origin") == www && origin == www && allowed != nil {
							named++
						} else if h.Get("Access-Control-Allow-Origin") != "" || h.Get("Access-Control-Allow-Credentials") != "" {
							t.Fatalf("%s %s for %q, allowed are %q: %v", method, path, origin, allowed, h)
						}
					}
				}
			}
		}
		if (named > 0) != (allowed != nil) {
			t.Errorf("of %q, %d answers were for it", allowed, named)
		}
	}
}

// WEB-01: a cookie is kept for as long as it can be of use, and no longer.
func TestACookieIsKeptAsLongAsItCanBeOfUse(t *testing.T) {
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		config   oneseat.Config
		lifetime oneseat.Lifetime
		want     time.Duration
	}{
		"by default":              {oneseat.Config{}, oneseat.Lifetime{}, (90 + 30) * day},
		"an hour, told for a day": {oneseat.Config{Idle: time.Minute, Absolute: time.Hour, KeepEndings: day}, oneseat.Lifetime{}, 25 * time.Hour},
		"without an end":          {oneseat.Config{Absolute: oneseat.NoTimeout}, oneseat.Lifetime{}, 400 * day},
		"until it is closed":      {oneseat.Config{}, oneseat.Lifetime{UntilClosed: true}, 0},
	} {
		s := newSite(t, c.config, oneseathttp.Config{})
		s.mux.HandleFunc("POST /enter", func(w http.ResponseWriter, r *http.Request) {
			if _, err := s.guard.SignInWith(w, r, oneseathttp.SignInOptions{Account: "ada", Lifetime: c.lifetime}); err != nil {
				t.Error(err)
			}
		})
		b := s.browser(t, firefox)
		for _, path := range []string{"/enter", "/rotate"} {
			var kept []time.Duration
			for _, k := range b.do("POST", path, nil).Cookies() {
				if k.Name == "oneseat" {
					kept = append(kept, time.Duration(k.MaxAge)*time.Second)
				}
			}
			if !slices.Equal(kept, []time.Duration{c.want}) {
				t.Errorf("%s, %s: kept for %v, want %v", name, path, kept, c.want)
			}
		}
	}
}
