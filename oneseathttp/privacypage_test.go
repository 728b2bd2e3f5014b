package oneseathttp_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
)

// What docs/howto/privacy.md says that a browser keeps is what it is given: each cookie, for
// as long as that, and each place of the scripts' storage.
func TestWhatABrowserKeepsIsAsThePrivacyPageSays(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "docs", "howto", "privacy.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, page, _ := strings.Cut(string(b), "\n## What a browser keeps\n")
	page, _, _ = strings.Cut(page, "\n## ")
	guards, _, _ := strings.Cut(page, "\n**With the Django app**")

	// One signs in; another one is asked, and then takes the place.
	s := newAskingSite(t, oneseat.Config{})
	s.mux.HandleFunc("GET /login", func(http.ResponseWriter, *http.Request) {})
	got := map[string]time.Duration{}
	keep := func(resp *http.Response) *http.Response {
		for _, c := range resp.Cookies() {
			if life := time.Duration(c.MaxAge) * time.Second; life >= 0 {
				got[c.Name] = max(got[c.Name], life)
			}
		}
		return resp
	}
	first, second := s.browser(t, iphone), s.browser(t, firefox)
	for _, browser := range []*browser{first, second} {
		resp := keep(browser.do("GET", "/login", nil, "X-Forwarded-Proto", "https", "Accept", "text/html"))
		for _, c := range resp.Cookies() {
			if c.MaxAge != 0 {
				t.Errorf("before a sign-in %s is kept for %d seconds, and not until the browser is closed", c.Name, c.MaxAge)
			}
		}
		keep(browser.do("POST", "/enter", form("ada"), "X-Forwarded-Proto", "https", "Accept", "text/html"))
	}
	day := 24 * time.Hour
	want := map[string]time.Duration{"__Host-oneseat": 120 * day, "__Host-oneseat-device": 400 * day, "__Host-oneseat-ticket": 5 * time.Minute}
	for name, life := range want {
		if got[name] != life {
			t.Errorf("%s is kept for %v, want %v as the page says", name, got[name], life)
		}
	}
	for name := range got {
		if want[name] == 0 {
			t.Errorf("a cookie %s is set, of which the page does not speak", name)
		}
	}
	var rows []string
	for _, m := range regexp.MustCompile("(?m)^\\| (`.*`) \\| ").FindAllStringSubmatch(guards, -1) {
		rows = append(rows, m[1])
	}
	told := []string{"`__Host-oneseat`", "`__Host-oneseat-device`", "`__Host-oneseat-ticket`", "`oneseat …/left` and `…/active` in `localStorage`", "`oneseat player` in `sessionStorage`"}
	if !slices.Equal(rows, told) {
		t.Errorf("the page has %q, want %q", rows, told)
	}
	for _, says := range []string{"120 days by default, 400 at most", "after a sign-in, 400 days", "| five minutes |", "`__Secure-oneseat`"} {
		if !strings.Contains(guards, says) {
			t.Errorf("the page does not say %q", says)
		}
	}

	// The scripts keep nothing else.
	var stored []string
	for _, pattern := range []string{"assets/*.js", "stream/*.js"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`\bmark\("(\w+)"|const key = "(oneseat player)"|(indexedDB|document\.cookie|caches\.open)|((?:session|local)Storage\.setItem\("[^"]*")`).FindAllSubmatch(text, -1) {
				stored = append(stored, string(m[1])+string(m[2])+string(m[3])+string(m[4]))
			}
		}
	}
	if slices.Sort(stored); !slices.Equal(slices.Compact(stored), []string{"active", "left", "oneseat player"}) {
		t.Errorf("the scripts keep %q: say so on the page", stored)
	}
}

// What docs/howto/privacy.md says of times and numbers is what the defaults are.
func TestTheNumbersOfThePrivacyPageAreTheDefaults(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "docs", "howto", "privacy.md"))
	if err != nil {
		t.Fatal(err)
	}
	page, c := string(b), newRegistry(t, oneseat.Config{}).Config()
	for says, is := range map[string]bool{
		"`Config.KeepEndings`, 30 days by default": c.KeepEndings == 30*24*time.Hour,
		"at most 32 | the record":                  oneseat.MaxEndings == 32,
		"up to 256 bytes that your application":    oneseat.MaxData == 256,
		"to within 5 minutes":                      c.TouchEvery == 5*time.Minute,
	} {
		if !strings.Contains(page, says) {
			t.Errorf("the page does not say %q", says)
		}
		if !is {
			t.Errorf("it is not so that %q", says)
		}
	}
	// An address is without its last 8 or 80 bits, whatever the application says.
	for address, kept := range map[string]string{"192.0.2.77": "192.0.2.0", "2001:db8:1:2:3:4:5:6": "2001:db8:1::"} {
		seats := newRegistry(t, oneseat.Config{})
		g, err := seats.SignIn(t.Context(), "ada", oneseat.SignInRequest{Device: oneseat.Device{IP: address}})
		if err != nil || g.Session.Device.IP != kept {
			t.Errorf("of %s is kept %s, %v", address, g.Session.Device.IP, err)
		}
		text, err := json.Marshal(g.Session)
		if err != nil || strings.Contains(string(text), address) {
			t.Errorf("the session has the address: %s, %v", text, err)
		}
	}
}
