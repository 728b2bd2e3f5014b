package oneseathttp_test

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

const www = "https://www.members.example"

// outsiders are origins that look like an allowed one (WEB-09).
var outsiders = []string{
	"null", "", "*", "https://evil.example", "http://www.members.example", "https://www.members.example:8443", "https://members.example",
	"https://xwww.members.example", "https://www.members.example.evil.example", "https://www.members.exampleX", "https://evil.example/www.members.example",
	"https://www.members.example@evil.example", "https://evil.example#https://www.members.example", "https://sub.www.members.example",
	"https://www.members.example, https://evil.example", "https://www%2emembers.example", "https://xn--www.members.example",
}

func TestOnlyAnOriginThatIsNamedMayReadAndChangeAndListen(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{Origins: []string{www}})
	b := s.browser(t, firefox)
	b.signIn("ada")
	ask := func(method, path, origin string) *http.Response {
		t.Helper()
		return b.do(method, path, nil, "Origin", origin, "Sec-Fetch-Site", "same-site", "Accept", program)
	}
	for _, origin := range outsiders {
		if resp := ask("GET", "/oneseat/session", origin); resp.Header.Get("Access-Control-Allow-Origin") != "" || resp.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%q may read: %v", origin, resp.Header)
		}
		if resp := ask("POST", "/oneseat/sessions/end-others", origin); resp.StatusCode != http.StatusForbidden {
			t.Errorf("%q may change: %s", origin, resp.Status)
		}
		if resp := ask("GET", "/oneseat/events", origin); resp.StatusCode != http.StatusForbidden {
			t.Errorf("%q may listen: %s", origin, resp.Status)
		}
		resp := b.do("OPTIONS", "/oneseat/sessions/end-others", nil, "Origin", origin, "Access-Control-Request-Method", "POST")
		if resp.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%q may ask for more: %v", origin, resp.Header)
		}
	}
	for _, path := range []string{"/oneseat/session", "/oneseat/sessions", "/oneseat/oneseat.js", "/oneseat/events"} {
		resp := ask("GET", path, www)
		if h := resp.Header; resp.StatusCode != 200 || h.Get("Access-Control-Allow-Origin") != www || h.Get("Access-Control-Allow-Credentials") != "true" || !slices.Contains(h.Values("Vary"), "Origin") {
			t.Errorf("GET %s: %s %v", path, resp.Status, h)
		}
	}
	if resp := ask("POST", "/oneseat/sessions/end-others", www); resp.StatusCode != 200 || resp.Header.Get("Access-Control-Allow-Origin") != www {
		t.Errorf("it may not change: %s %v", resp.Status, resp.Header)
	}
	resp := b.do("OPTIONS", "/oneseat/sessions/end-others", nil, "Origin", www, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type")
	if h := resp.Header; resp.StatusCode >= 300 || h.Get("Access-Control-Allow-Origin") != www || h.Get("Access-Control-Allow-Methods") != "POST" || h.Get("Access-Control-Allow-Headers") != "authorization,content-type" {
		t.Errorf("a preflight: %s %v", resp.Status, h)
	}
}

func TestWithoutOriginsNothingIsSaidToOthersAndThisOriginMayDoAll(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	b := s.browser(t, firefox)
	b.signIn("ada")
	resp := b.do("GET", "/oneseat/session", nil, "Origin", www, "Sec-Fetch-Site", "same-site")
	if resp.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%v", resp.Header)
	}
	resp = b.do("POST", "/oneseat/sessions/end-others", url.Values{}, "Origin", s.URL, "Sec-Fetch-Site", "same-origin")
	if resp.StatusCode != 200 {
		t.Errorf("its own page: %s", resp.Status)
	}
}

func TestAnAPIBesideTheHandlerIsOpenToTheSameOrigins(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{Origins: []string{www}})
	api := s.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "data") }))
	s.Config.Handler = s.guard.CrossOrigin(s.Config.Handler) // around Wrap: a preflight has no session
	s.mux.Handle("/api/", api)
	b := s.browser(t, firefox)
	resp := b.do("OPTIONS", "/api/films", nil, "Origin", www, "Access-Control-Request-Method", "PUT")
	if resp.StatusCode >= 300 || resp.Header.Get("Access-Control-Allow-Origin") != www {
		t.Errorf("a preflight: %s %v", resp.Status, resp.Header)
	}
	refused := b.do("PUT", "/api/films", nil, "Origin", www, "Sec-Fetch-Site", "same-site")
	if refused.StatusCode != 401 || refused.Header.Get("Access-Control-Allow-Origin") != www {
		t.Errorf("its page cannot read why it was refused: %s %v", refused.Status, refused.Header)
	}
	if resp := b.do("PUT", "/api/films", nil, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"); resp.StatusCode != 403 {
		t.Errorf("another site's: %s", resp.Status)
	}
}

func TestAPageInAFrameIsShownBySitesThatAreNamedOnly(t *testing.T) {
	for want, ancestors := range map[string][]string{
		"frame-ancestors 'self'": nil,
		"frame-ancestors 'self' https://lms.example https://other.example:8443": {"https://lms.example", "https://other.example:8443"},
	} {
		s := newSite(t, oneseat.Config{}, oneseathttp.Config{FrameAncestors: ancestors})
		b := s.browser(t, firefox)
		grant, err := s.seats.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
		if err != nil {
			t.Fatal(err)
		}
		name := "oneseat"
		if ancestors != nil {
			name = "__Host-oneseat" // browsers take Secure cookies from this machine
		}
		resp := b.do("GET", "/oneseat/devices", nil, "Cookie", name+"="+string(grant.Token), "Accept", page)
		policy := resp.Header.Get("Content-Security-Policy")
		if len(policy) < len(want) || policy[len(policy)-len(want):] != want {
			t.Errorf("%s %q, want %q at its end", resp.Status, policy, want)
		}
	}
}
