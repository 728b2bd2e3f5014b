package oneseathttp_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

// deviceCookie is the cookie of the device that an answer sets, or nil.
func deviceCookie(resp *http.Response) *http.Cookie {
	for _, c := range resp.Cookies() {
		if strings.HasSuffix(c.Name, "oneseat-device") {
			return c
		}
	}
	return nil
}

// withSignInPage is a site with a sign-in page, whose Cache-Control is cache's.
func withSignInPage(t *testing.T, c oneseat.Config, cache *string) *site {
	t.Helper()
	s := newSite(t, c, oneseathttp.Config{})
	s.mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		if *cache != "" {
			w.Header().Set("Cache-Control", *cache)
		}
		if r.Header.Get("If-None-Match") != "" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = io.WriteString(w, "sign in")
	})
	return s
}

// W7: a device has its id before its first sign-in.
func TestTheSignInPageGivesABrowserItsDeviceID(t *testing.T) {
	cache := ""
	s := withSignInPage(t, oneseat.Config{}, &cache)
	b := s.browser(t, firefox)
	first := b.do("GET", "/login?next=%2Fme", nil)
	id := deviceCookie(first)
	switch {
	case id == nil || len(id.Value) != 26 || !id.HttpOnly || id.Path != "/" || id.Domain != "" || id.SameSite != http.SameSiteLaxMode:
		t.Fatalf("the cookie is %v", id)
	case id.MaxAge != 0 || !id.Expires.IsZero():
		t.Errorf("before a sign-in it lasts longer than the browser: %v", id)
	case first.Header.Get("Cache-Control") != "no-store":
		t.Errorf("a cache may hand it to others: %q", first.Header.Get("Cache-Control"))
	}
	if again := deviceCookie(b.do("GET", "/login", nil)); again != nil {
		t.Errorf("another id: %v", again)
	}
	if other := deviceCookie(s.browser(t, firefox).do("GET", "/login", nil)); other == nil || other.Value == id.Value {
		t.Errorf("another browser has %v", other)
	}
	if kept := deviceCookie(b.do("POST", "/login", url.Values{"account": {"ada"}})); kept == nil || kept.Value != id.Value || kept.MaxAge != int(400*24*time.Hour/time.Second) {
		t.Errorf("after a sign-in: %v", kept)
	}
}

// No cache may hand one id to several browsers, and nothing but the sign-in page gives
// one.
func TestNoOtherAnswerGivesADeviceID(t *testing.T) {
	cache := ""
	s := withSignInPage(t, oneseat.Config{}, &cache)
	for name, tt := range map[string]struct {
		method, path, cache string
		header              []string
	}{
		"a page that every cache may keep":       {"GET", "/login", "public, max-age=60", nil},
		"a page that the browser may keep":       {"GET", "/login", "private, max-age=60", nil},
		"a page that a cache has to ask about":   {"GET", "/login", "no-cache", nil},
		"an answer that the page is as it was":   {"GET", "/login", "", []string{"If-None-Match", "x"}},
		"a HEAD":                                 {"HEAD", "/login", "", nil},
		"another page":                           {"GET", "/", "", nil},
		"a page beneath":                         {"GET", "/login/help", "", nil},
		"a refusal, which sends a browser there": {"GET", "/me", "", []string{"Accept", "text/html"}},
	} {
		cache = tt.cache
		resp := s.browser(t, firefox).do(tt.method, tt.path, nil, tt.header...)
		if c := deviceCookie(resp); c != nil || tt.cache != "" && resp.Header.Get("Cache-Control") != tt.cache {
			t.Errorf("%s: %v, Cache-Control %q", name, c, resp.Header.Get("Cache-Control"))
		}
	}
	cache = "no-store"
	if deviceCookie(s.browser(t, firefox).do("GET", "/login", nil)) == nil {
		t.Error("a page that no cache keeps gives none")
	}
}

// A bad id, as of another site's making, is replaced.
func TestADeviceIDOfAnotherLengthIsReplaced(t *testing.T) {
	cache := ""
	s := withSignInPage(t, oneseat.Config{WhenFull: oneseat.PolicyRefuse}, &cache)
	for _, bad := range []string{"x", strings.Repeat("x", 15), strings.Repeat("x", 65)} {
		b := s.browser(t, firefox)
		if c := deviceCookie(b.do("GET", "/login", nil, "Cookie", "oneseat-device="+bad)); c == nil || c.Value == bad {
			t.Errorf("%q: %v", bad, c)
		}
		if resp := b.do("POST", "/login", url.Values{"account": {"account " + bad}}, "Cookie", "oneseat-device="+bad); resp.StatusCode != http.StatusSeeOther {
			t.Errorf("%q: %s", bad, resp.Status)
		}
	}
}

// W6: the answer of a sign-in was lost, with its cookies. The owner signs in again,
// also where everybody else is refused.
func TestAnOwnerWhoseAnswerWasLostSignsInAgainUnderRefuse(t *testing.T) {
	for _, policy := range []oneseat.Policy{oneseat.PolicyRefuse, oneseat.PolicyAsk} {
		cache := ""
		s := withSignInPage(t, oneseat.Config{WhenFull: policy}, &cache)
		b := s.browser(t, firefox)
		b.get("/login")
		jar := b.Jar
		b.Jar = nil // the answer is lost
		u, err := url.Parse(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		device := jar.Cookies(u)[0]
		if resp := b.do("POST", "/login", url.Values{"account": {"ada"}}, "Cookie", device.Name+"="+device.Value); resp.StatusCode != http.StatusSeeOther {
			t.Fatalf("%s: %s", policy, resp.Status)
		}
		b.Jar = jar
		if resp := s.browser(t, iphone).do("POST", "/login", url.Values{"account": {"ada"}}); resp.StatusCode != http.StatusConflict {
			t.Errorf("%s: another device: %s", policy, resp.Status)
		}
		b.signIn("ada")
		b.want("/me", 200, "ada")
	}
}

// Two machines of one image, whose browsers had visited the sign-in page before it was
// taken, share an id: each takes the seat of the other, and is told so. docs/policies.md
// says what to do about it.
func TestTwoBrowsersOfOneImageTakeEachOthersSeatAndAreTold(t *testing.T) {
	cache := ""
	s := withSignInPage(t, oneseat.Config{WhenFull: oneseat.PolicyRefuse}, &cache)
	image := s.browser(t, firefox)
	image.get("/login")
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	one, two := s.browser(t, firefox), s.browser(t, firefox)
	one.Jar.SetCookies(u, image.Jar.Cookies(u))
	two.Jar.SetCookies(u, image.Jar.Cookies(u))
	one.signIn("ada")
	one.want("/me", 200, "ada")
	two.signIn("ada")
	two.want("/me", 200, "ada")
	if p := one.problem(one.do("GET", "/me", nil)); p.Reason != "displaced" || p.Title != "This browser signed in again" {
		t.Errorf("the first is told %+v", p)
	}
	cleared := s.browser(t, firefox) // the exam's rule: clear site data between sittings
	if resp := cleared.do("POST", "/login", url.Values{"account": {"ada"}}); resp.StatusCode != http.StatusConflict {
		t.Errorf("without the id: %s", resp.Status)
	}
}

// A program keeps an id of its own, and needs no cookie.
func TestAProgramGivesItsOwnDeviceID(t *testing.T) {
	s := newSite(t, oneseat.Config{WhenFull: oneseat.PolicyRefuse}, oneseathttp.Config{Carrier: oneseathttp.Bearer()})
	s.mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		grant, err := s.guard.SignInWith(w, r, oneseathttp.SignInOptions{Account: "ada", DeviceID: r.FormValue("device")})
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		_, _ = io.WriteString(w, string(grant.Token))
	})
	sign := func(device string) *http.Response {
		return s.browser(t, "app/1.0").do("POST", "/token", url.Values{"device": {device}})
	}
	for range 2 {
		if resp := sign("a television's id"); resp.StatusCode != 200 || len(resp.Cookies()) != 0 {
			t.Errorf("%s, %v", resp.Status, resp.Cookies())
		}
	}
	for _, other := range []string{"a telephone's own id", "too short"} {
		if resp := sign(other); resp.StatusCode != http.StatusConflict {
			t.Errorf("%q: %s", other, resp.Status)
		}
	}
}
