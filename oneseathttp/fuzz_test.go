package oneseathttp_test

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/canaries"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/store/memstore"
)

// guarded is a guard over an empty store that says nothing.
func guarded(tb testing.TB, c oneseathttp.Config) (*oneseathttp.Guard, *oneseat.Registry) {
	tb.Helper()
	seats, err := oneseat.New(memstore.New(), oneseat.Config{Logger: canaries.Logger(nil)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = seats.Close() })
	c.SignInPath = "/login"
	guard, err := oneseathttp.New(seats, c)
	if err != nil {
		tb.Fatal(err)
	}
	return guard, seats
}

// Whatever a request is made of, without the token it is nobody's, it ends nothing, and the
// answer is one that may be sent.
func FuzzRequest(f *testing.F) {
	guard, seats := guarded(f, oneseathttp.Config{Origins: []string{www}})
	ada, err := seats.SignIn(f.Context(), "ada", oneseat.SignInRequest{})
	if err != nil {
		f.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/me", guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, _ := oneseat.SessionFrom(r.Context())
		_, _ = io.WriteString(w, "member "+who.Account)
	})))
	mux.Handle(oneseathttp.Path, guard.Handler())
	site := guard.Wrap(mux)
	for _, s := range []string{
		"GET /me HTTP/1.1\r\nHost: members.example\r\nCookie: __Host-oneseat=TOKEN\r\n\r\n",
		"GET /me HTTP/1.1\r\nHost: localhost:80\r\nCookie: oneseat=TOKEN; oneseat=x\r\nAccept: text/html\r\n\r\n",
		"GET http://evil.example/me?next=//evil.example HTTP/1.1\r\nHost: members.example\r\nAccept: text/html\r\nSec-Fetch-Dest: iframe\r\n\r\n",
		"POST /oneseat/redeem HTTP/1.1\r\nHost: members.example\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 33\r\n\r\nticket=oneseat_ticket_x&end=a&end=",
		"POST /oneseat/redeem HTTP/1.0\r\nCookie: __Host-oneseat-ticket=x\r\nContent-Type: multipart/form-data; boundary=\"x\r\n\r\n",
		"POST /oneseat/sessions/" + string(ada.Session.ID) + "/end HTTP/1.1\r\nHost: members.example\r\nOrigin: null\r\nAuthorization: Bearer TOKEN\r\n\r\n",
		"GET /oneseat/events HTTP/1.1\r\nHost: members.example\r\nLast-Event-ID: 7\r\nAccept: text/event-stream\r\n\r\n",
		"OPTIONS /oneseat/session HTTP/1.1\r\nHost: x\r\nOrigin: " + www + "\r\nAccess-Control-Request-Method: POST\r\n\r\n",
		"GET /%6fneseat/devices/../devices?x=%00 HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 1.2.3.4\r\nVia: 1\r\n\r\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
		if err != nil {
			return
		}
		r.RemoteAddr = "192.0.2.1:4711"
		w := httptest.NewRecorder()
		site.ServeHTTP(w, r.WithContext(t.Context()))
		if w.Code >= 500 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if strings.Contains(w.Body.String(), "member") && strings.Contains(w.Body.String(), "ada") || strings.Contains(w.Body.String(), string(ada.Session.ID)) {
			t.Errorf("a stranger is let in: %s", w.Body)
		}
		for name, values := range w.Header() {
			for _, v := range values {
				if strings.ContainsAny(v, "\r\n\x00") || strings.ContainsAny(name, "\r\n\x00 ") {
					t.Errorf("%q: %q", name, v)
				}
			}
		}
		if to := w.Header().Get("Location"); w.Code == http.StatusSeeOther && !oneseathttp.LocalPath(to) && !strings.HasPrefix(to, "../") {
			t.Errorf("a browser is sent to %q", to)
		}
		if _, err := seats.Check(t.Context(), string(ada.Token)); err != nil {
			t.Errorf("the member's session: %v", err)
		}
	})
}

// The answer to a page of another origin is closed to it, whatever headers it sends, and
// what it would change is refused.
func FuzzOrigin(f *testing.F) {
	guard, _ := guarded(f, oneseathttp.Config{Origins: []string{www}})
	reached := false
	open := guard.CrossOrigin(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	for _, origin := range append(outsiders, www, strings.ToUpper(www), "https://members.example", "http://members.example:80") {
		for _, site := range []string{"", "cross-site", "same-origin", "none"} {
			f.Add(origin, site, "members.example")
		}
	}
	f.Fuzz(func(t *testing.T, origin, site, host string) {
		r := httptest.NewRequest(http.MethodPost, "/oneseat/sessions/end-others", nil)
		r.Host, r.Header["Origin"], r.Header["Sec-Fetch-Site"] = host, []string{origin}, []string{site}
		w := httptest.NewRecorder()
		reached = false
		open.ServeHTTP(w, r)
		if may := w.Header().Get("Access-Control-Allow-Origin"); may != "" && (may != origin || strings.ToLower(origin) != www) {
			t.Errorf("%q may read, as %q", origin, may)
		}
		// A browser says by Sec-Fetch-Site whose page it is, and an old one by Origin.
		own := site == "same-origin" || site == "none"
		if site == "" {
			u, err := url.Parse(origin)
			own = origin == "" || err == nil && u.Host == host
		}
		if reached != (own || origin == www) {
			t.Errorf("origin %q, site %q, host %q: it was served: %v", origin, site, host, reached)
		}
	})
}

var bearer = regexp.MustCompile(`(?is)^bearer (.*)$`)

// A token is what stands behind "Bearer" and one space, and nothing else.
func FuzzAuthorization(f *testing.F) {
	carrier := oneseathttp.Bearer()
	for _, s := range []string{"", "Bearer", "Bearer x", "bearer  x", "BEARER\tx", "Basic x", " Bearer x", "Bearer x y", "Bearer\u00a0x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		r := &http.Request{Header: http.Header{"Authorization": {header}}}
		want := ""
		if m := bearer.FindStringSubmatch(header); m != nil && strings.EqualFold(header[:6], "bearer") {
			want = m[1]
		}
		if got := carrier.Get(r); got != want {
			t.Errorf("%q has the token %q, want %q", header, got, want)
		}
		r.Header.Add("Authorization", header)
		if got := carrier.Get(r); got != "" {
			t.Errorf("of two headers one counts: %q", got)
		}
	})
}

// An address is the peer's, or one that a trusted proxy has said. So a client cannot choose
// it by a header of its own.
func FuzzForwardedFor(f *testing.F) {
	trusted := prefixes("10.0.0.0/8", "fd00::/8")
	guard, _ := guarded(f, oneseathttp.Config{TrustedProxies: trusted})
	nobody, _ := guarded(f, oneseathttp.Config{})
	trusts := func(host string) bool {
		a, err := netip.ParseAddr(host)
		return err == nil && (trusted[0].Contains(a.Unmap()) || trusted[1].Contains(a.Unmap()))
	}
	for _, s := range [][2]string{
		{"198.51.100.7", "10.0.0.1:80"}, {"1.2.3.4, 198.51.100.7, 10.1.1.1", "10.0.0.1:80"}, {"1.2.3.4,,", "10.0.0.1:80"}, {"x, 10.2.2.2", "[fd00::1]:80"},
		{"1.2.3.4", "203.0.113.5:4711"}, {"10.0.0.1", "@"}, {"\t1.2.3.4 ", "::ffff:10.0.0.1"}, {"[2001:db8::1]:443", "10.0.0.1:1"}, {"10.0.0.1%x", "fd00::1%eth0"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, header, peer string) {
		r := &http.Request{RemoteAddr: peer, Header: http.Header{"X-Forwarded-For": {header}}}
		own := oneseathttp.ClientIP(nobody, r)
		if own != peer && !strings.HasPrefix(peer, own) && !strings.HasPrefix(peer, "["+own) {
			t.Errorf("%q is %q", peer, own)
		}
		got := oneseathttp.ClientIP(guard, r)
		if !trusts(own) {
			if got != own {
				t.Errorf("%q is believed, who says %q: %q", peer, header, got)
			}
			return
		}
		want := own
		hops := strings.Split(header, ",")
		for i := len(hops) - 1; i >= 0 && trusts(want); i-- {
			hop := strings.Trim(hops[i], " \t")
			if hop == "" {
				break
			}
			want = hop
		}
		if got != want {
			t.Errorf("%q behind %q is %q, want %q", header, peer, got, want)
		}
	})
}

// A configuration is refused with the names of fields, or it serves: nothing in it makes New
// panic, and a browser is sent to a page of this site.
func FuzzConfig(f *testing.F) {
	seats, err := oneseat.New(memstore.New(), oneseat.Config{Logger: canaries.Logger(nil)})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = seats.Close() })
	f.Add(www, "members.example", "/app/", "/app/login?a=b", "seat")
	for _, o := range outsiders {
		f.Add(o, "", "/", "/login", "oneseat")
	}
	f.Add("http://127.0.0.1:8080", "com", "/a//b/", "/login#x", "__Host-x")
	f.Add("https://[::1]:8443", ".Members.Example", "//", "//evil.example", "a b")
	f.Add("https://user:pw@members.example", "192.0.2.1", "/a?b/", "/\\evil", "")
	f.Fuzz(func(t *testing.T, origin, domain, prefix, page, name string) {
		guard, err := oneseathttp.New(seats, oneseathttp.Config{Origins: []string{origin}, FrameAncestors: []string{origin}, Domain: domain, Prefix: prefix, SignInPath: page, CookieName: name})
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !strings.HasPrefix(line, "oneseathttp: Config.") {
					t.Errorf("it says %q", line)
				}
			}
			return
		}
		u, err := url.Parse(origin)
		if err != nil || u.User != nil || u.Path != "" || strings.ContainsAny(origin, "* \t\r\n;,'\"") {
			t.Errorf("the origin %q is taken: %v", origin, err)
		}
		r := httptest.NewRequest(http.MethodGet, "https://members.example/watch?v=1", nil)
		r.Header.Set("Accept", "text/html")
		w := httptest.NewRecorder()
		guard.Require(http.NotFoundHandler()).ServeHTTP(w, r)
		if to := w.Header().Get("Location"); w.Code != http.StatusSeeOther || !oneseathttp.LocalPath(to) {
			t.Errorf("%q: a browser is sent to %q, %d", page, to, w.Code)
		}
		r = httptest.NewRequest(http.MethodPost, "https://members.example/login", nil)
		w = httptest.NewRecorder()
		if _, err := guard.SignIn(w, r, "ada"); err != nil || len(w.Result().Cookies()) == 0 {
			t.Errorf("%q, %q: no cookie that can be read: %q, %v", name, domain, w.Header(), err)
		}
	})
}
