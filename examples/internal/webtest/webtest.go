// Package webtest lets tests of the examples visit them as browsers do: over real
// connections, each browser with cookies of its own. It knows nothing of any example.
package webtest

import (
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseattest"
)

// These are the User-Agents of the two devices of most tests.
const (
	Laptop = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	Phone  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
)

// Site is an example that is being served.
type Site struct {
	*httptest.Server
	Seats *oneseat.Registry

	t *testing.T
}

// Open serves what app makes of a registry over the store, until the test ends.
func Open(t *testing.T, store oneseat.Store, c oneseat.Config, app func(*oneseat.Registry) (http.Handler, error)) *Site {
	t.Helper()
	return OpenAt(t, store, oneseattest.NewClock(), c, app)
}

// OpenAt is Open with a clock that the test moves. It has to be the store's.
func OpenAt(t *testing.T, store oneseat.Store, clock *oneseattest.Clock, c oneseat.Config, app func(*oneseat.Registry) (http.Handler, error)) *Site {
	t.Helper()
	site := oneseattest.NewOver(t, store, clock, c)
	h, err := app(site.Seats)
	if err != nil {
		t.Fatal(err)
	}
	return &Site{Server: site.Serve(h), Seats: site.Seats, t: t}
}

// Behind puts a proxy in front of the site, which browsers reach by TLS. front makes
// the proxy, given the site's address.
func (s *Site) Behind(front func(to *url.URL) http.Handler) *Site {
	s.t.Helper()
	to, err := url.Parse(s.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	f := &Site{Server: httptest.NewUnstartedServer(front(to)), Seats: s.Seats, t: s.t}
	f.Config.ErrorLog = s.Config.ErrorLog
	f.StartTLS()
	s.t.Cleanup(func() {
		f.CloseClientConnections()
		f.Close()
	})
	return f
}

// Browser has cookies of its own and follows no redirect.
type Browser struct {
	*http.Client
	Device string // its User-Agent

	site *Site
}

// Browser returns a new browser on the site.
func (s *Site) Browser(device string) *Browser {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	transport := s.Client().Transport.(*http.Transport).Clone() // it trusts the site's certificate
	s.t.Cleanup(transport.CloseIdleConnections)
	return &Browser{Device: device, site: s, Client: &http.Client{
		Jar: jar, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Visit has the browser go on at another site of the same host, with the same cookies.
func (b *Browser) Visit(s *Site) { b.site = s }

// Do sends one request. form, if not nil, is posted; header holds names and
// values in turn. The answer's body is closed when the test ends.
//
// Before a sign-out is posted, it is asked for by GET, as a link or a picture of another
// site would: that ends nothing (REV-11).
func (b *Browser) Do(method, path string, form url.Values, header ...string) *http.Response {
	t := b.site.t
	t.Helper()
	if method == http.MethodPost && strings.HasSuffix(path, "/logout") {
		before := b.signedIn()
		for _, reads := range []string{http.MethodGet, http.MethodHead} {
			resp := b.Do(reads, path, nil, header...)
			if after := b.signedIn(); after != before || before == "" {
				t.Fatalf("%s %s: %s, and live are %q, before %q", reads, path, resp.Status, after, before)
			}
		}
	}
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(t.Context(), method, b.site.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("User-Agent", b.Device)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	resp, err := b.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// Get returns the answer's status and its whole body.
func (b *Browser) Get(path string, header ...string) (int, string) {
	b.site.t.Helper()
	resp := b.Do("GET", path, nil, header...)
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.site.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// Want gets a page that has to have the status, and the words in it.
func (b *Browser) Want(path string, status int, words ...string) {
	b.site.t.Helper()
	got, body := b.Get(path)
	if got != status {
		b.site.t.Fatalf("GET %s: %d, want %d: %s", path, got, status, body)
	}
	for _, w := range words {
		if !strings.Contains(body, w) {
			b.site.t.Fatalf("GET %s: nothing of %q in %s", path, w, body)
		}
	}
}

// Post posts a form, given as names and values in turn, and wants that status.
func (b *Browser) Post(path string, status int, fields ...string) {
	b.site.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	if resp := b.Do("POST", path, form); resp.StatusCode != status {
		body, _ := io.ReadAll(resp.Body)
		b.site.t.Fatalf("POST %s: %d, want %d: %s", path, resp.StatusCode, status, body)
	}
}

// HeadEnds asks for the header of an answer without an end, and then for something else
// over the same connection. It returns the status.
func (b *Browser) HeadEnds(path string) int {
	b.site.t.Helper()
	one := b.Transport.(*http.Transport).Clone()
	one.MaxConnsPerHost = 1 // a request that does not end keeps the next one waiting
	defer one.CloseIdleConnections()
	same := &Browser{Device: b.Device, site: b.site, Client: &http.Client{Jar: b.Jar, Transport: one, Timeout: 2 * time.Minute}}
	resp := same.Do(http.MethodHead, path, nil)
	same.Want("/oneseat/session", http.StatusOK)
	return resp.StatusCode
}

// SignIn signs in by the site's form with the password that is the account's
// name.
func (b *Browser) SignIn(account string) {
	b.site.t.Helper()
	b.Post("/login", http.StatusSeeOther, "account", account, "password", account)
}

// Cookie returns the value of one of the browser's cookies, or "".
func (b *Browser) Cookie(name string) string {
	for _, c := range b.Jar.Cookies(b.root()) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// Plant gives the browser a cookie, in the place of any cookie of that name.
func (b *Browser) Plant(name, value string) {
	b.Jar.SetCookies(b.root(), []*http.Cookie{{Name: name, Value: value, Path: "/"}})
}

// signedIn are the sessions that are live on the site. Where the store keeps no list of
// accounts, they are those of ada.
func (b *Browser) signedIn() (ids string) {
	t := b.site.t
	t.Helper()
	accounts, err := b.site.Seats.Accounts(t.Context(), oneseat.AccountQuery{})
	if errors.Is(err, errors.ErrUnsupported) {
		accounts = make([]oneseat.Account, 1)
		accounts[0].Sessions, err = b.site.Seats.Sessions(t.Context(), "ada")
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range accounts {
		for _, s := range a.Sessions {
			ids += string(s.ID) + " "
		}
	}
	return ids
}

func (b *Browser) root() *url.URL {
	u, err := url.Parse(b.site.URL)
	if err != nil {
		b.site.t.Fatal(err)
	}
	return u
}
