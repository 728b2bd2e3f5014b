package oneseattest

import (
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

// Origin is where a [Browser] finds its handler.
const Origin = "https://site.test"

// Browser calls a handler as a browser does that visits it, without a network. It
// keeps cookies of its own, so two browsers are two devices. It follows no redirect.
// It waits for the whole answer: see [Site.Serve] for answers that have no end, or
// that are cut.
//
// One goroutine at a time may set Header. Requests may be made concurrently.
type Browser struct {
	// Header is sent with every request. Empty at first: the guard answers as it
	// answers a program. With "Accept: text/html" it answers as it answers a person.
	Header http.Header

	t   testing.TB
	to  http.Handler
	jar http.CookieJar
}

// NewBrowser returns a browser that visits h.
func NewBrowser(t testing.TB, h http.Handler) *Browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Browser{Header: http.Header{}, t: t, to: h, jar: jar}
}

// Get asks for a path.
func (b *Browser) Get(path string) *http.Response {
	b.t.Helper()
	return b.Do(b.request(http.MethodGet, path, nil))
}

// Post sends a form to a path.
func (b *Browser) Post(path string, form url.Values) *http.Response {
	b.t.Helper()
	return b.Do(b.request(http.MethodPost, path, form))
}

func (b *Browser) request(method, path string, form url.Values) *http.Request {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, Origin+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}

// Do sends any request, with the browser's cookies and its Header, and keeps the
// cookies of the answer. The body of the answer need not be closed.
func (b *Browser) Do(r *http.Request) *http.Response {
	b.t.Helper()
	rec := httptest.NewRecorder()
	b.to.ServeHTTP(rec, b.ready(r))
	answer := rec.Result()
	b.jar.SetCookies(b.origin(), answer.Cookies())
	return answer
}

// ready returns a request as a server would get it from this browser.
func (b *Browser) ready(r *http.Request) *http.Request {
	b.t.Helper()
	sent := httptest.NewRequestWithContext(r.Context(), r.Method, Origin+r.URL.RequestURI(), r.Body)
	sent.ContentLength = r.ContentLength
	sent.Header = r.Header.Clone()
	for name, values := range b.Header {
		if _, set := r.Header[name]; !set {
			sent.Header[name] = slices.Clone(values)
		}
	}
	for _, c := range b.jar.Cookies(b.origin()) {
		sent.AddCookie(c)
	}
	return sent
}

// SignIn signs the browser in as an account, past the application's own page: what
// [SignIn] does for one request, for all requests of the browser from here on.
func (b *Browser) SignIn(guard *oneseathttp.Guard, account string) oneseat.Session {
	b.t.Helper()
	grant, cookies := signIn(b.t, guard, b.ready(b.request(http.MethodPost, "/", url.Values{})), account)
	b.jar.SetCookies(b.origin(), cookies)
	if !carries(cookies, grant.Token) {
		b.Header.Set("Authorization", "Bearer "+string(grant.Token))
	}
	return grant.Session
}

func (b *Browser) origin() *url.URL {
	b.t.Helper()
	u, err := url.Parse(Origin + "/")
	if err != nil {
		b.t.Fatal(err)
	}
	return u
}

// SignIn signs a request in as an account: it adds what a client that has just signed
// in would send. So the session that the account had on another device gives way, as
// the policy says. A sign-in that is refused fails the test. SignIn works with the guard's
// own cookie and with [oneseathttp.Bearer]. An application that keeps the token in
// sessions of its own signs in through its own page: see [Browser.Post].
func SignIn(t testing.TB, guard *oneseathttp.Guard, r *http.Request, account string) oneseat.Session {
	t.Helper()
	grant, cookies := signIn(t, guard, r, account)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	if !carries(cookies, grant.Token) {
		r.Header.Set("Authorization", "Bearer "+string(grant.Token))
	}
	return grant.Session
}

func signIn(t testing.TB, guard *oneseathttp.Guard, r *http.Request, account string) (oneseat.Grant, []*http.Cookie) {
	t.Helper()
	rec := httptest.NewRecorder()
	grant, err := guard.SignInWith(rec, r, oneseathttp.SignInOptions{Account: account})
	if err != nil {
		t.Fatal(err)
	}
	return grant, rec.Result().Cookies()
}

// carries reports whether one of the cookies holds the token.
func carries(cookies []*http.Cookie, token oneseat.Token) bool {
	for _, c := range cookies {
		if strings.Contains(c.Value, string(token)) {
			return true
		}
	}
	return false
}
