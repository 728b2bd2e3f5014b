package framedapp

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/accounts"
	"github.com/oneseat/oneseat/store/memstore"
)

func open(t *testing.T, c oneseat.Config) func(method, path string, form url.Values, header ...string) *http.Response {
	t.Helper()
	c.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	seats, err := oneseat.New(memstore.New(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = seats.Close() })
	app, err := New(seats, accounts.New("ada"))
	if err != nil {
		t.Fatal(err)
	}
	return func(method, path string, form url.Values, header ...string) *http.Response {
		r := httptest.NewRequestWithContext(t.Context(), method, "https://course.example"+path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Accept", "text/html")
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		return w.Result()
	}
}

var ada = url.Values{"account": {"ada"}, "password": {"ada"}}

// session signs in, in a browser of its own, and returns the cookie.
func session(t *testing.T, resp *http.Response) *http.Cookie {
	t.Helper()
	for _, c := range resp.Cookies() {
		if c.Name == "__Host-oneseat" {
			return c
		}
	}
	t.Fatalf("no cookie: %s %v", resp.Status, resp.Header)
	return nil
}

func TestTheCookieReachesTheFrame(t *testing.T) {
	ask := open(t, oneseat.Config{})
	c := session(t, ask("POST", "/login", ada, "Sec-Fetch-Site", "same-origin"))
	if c.SameSite != http.SameSiteNoneMode || !c.Partitioned || !c.Secure || !c.HttpOnly {
		t.Errorf("it is %s", c)
	}
	if resp := ask("GET", "/", nil, "Cookie", c.Name+"="+c.Value); resp.StatusCode != http.StatusOK {
		t.Error(resp.Status)
	}
}

func TestTheSchoolAndNobodyElseShowsThePages(t *testing.T) {
	ask := open(t, oneseat.Config{WhenFull: oneseat.PolicyRefuse})
	c := session(t, ask("POST", "/login", ada, "Sec-Fetch-Site", "same-origin"))
	cookie := c.Name + "=" + c.Value
	full := ask("POST", "/login", ada, "Sec-Fetch-Site", "same-origin")
	if full.StatusCode != http.StatusConflict {
		t.Fatal(full.Status)
	}
	for name, resp := range map[string]*http.Response{
		"the sign-in page": ask("GET", "/login", nil), "the course": ask("GET", "/", nil, "Cookie", cookie),
		"the devices": ask("GET", "/oneseat/devices", nil, "Cookie", cookie), "a full account": full,
	} {
		if csp := resp.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors 'self' "+school) {
			t.Errorf("%s: %d with %q", name, resp.StatusCode, csp)
		}
	}
}

// The cookie comes with forms of every site now, where browsers do not keep it apart.
func TestAFormOfAnotherSiteDoesNothing(t *testing.T) {
	ask := open(t, oneseat.Config{})
	for _, path := range []string{"/login", "/oneseat/sessions/end-others"} {
		if resp := ask("POST", path, ada, "Sec-Fetch-Site", "cross-site", "Origin", school); resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
}
