package oneseathttp_test

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/canaries"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/store/memstore"
)

const (
	firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	iphone  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
)

// site is an application behind a guard, on a real listener.
type site struct {
	*httptest.Server
	seats *oneseat.Registry
	staff staff
	guard *oneseathttp.Guard
	mux   *http.ServeMux
	// running is read-locked by each handler while it runs, and locked for good by
	// Close.
	running sync.RWMutex
}

// staff is who acts on accounts beside the guard. They do it by what the guard asks, so
// the guard has heard of it when they are done, also where it keeps answers.
type staff interface {
	SignIn(ctx context.Context, account string, from oneseat.SignInRequest) (oneseat.Grant, error)
	End(ctx context.Context, account string, how oneseat.EndOptions, ids ...oneseat.SessionID) (int, error)
	EndAll(ctx context.Context, account string, how oneseat.EndOptions) (int, error)
	Block(ctx context.Context, account string, until time.Time, actor string) error
}

// Start and StartTLS serve what Config.Handler is by then.
func (s *site) Start()    { s.Config.Handler = s.counted(s.Config.Handler); s.Server.Start() }
func (s *site) StartTLS() { s.Config.Handler = s.counted(s.Config.Handler); s.Server.StartTLS() }

// Close returns when no handler runs any more. The server's own waits for
// connections, and over HTTP/2 a handler may outlive its connection: what it then
// logs to t.Output would race with the end of the test.
func (s *site) Close() {
	s.Server.Close()
	s.running.Lock()
}

func (s *site) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.running.TryRLock() {
			return // Close has been called
		}
		defer s.running.RUnlock()
		next.ServeHTTP(w, r)
	})
}

// newSite serves sign-in, sign-out, rotation and a members' page, and what add
// adds.
func newSite(t *testing.T, c oneseat.Config, hc oneseathttp.Config) *site {
	t.Helper()
	s := unstarted(t, c, hc)
	s.Start()
	return s
}

func unstarted(t *testing.T, c oneseat.Config, hc oneseathttp.Config) *site {
	t.Helper()
	return unstartedOn(t, memstore.New(), c, hc)
}

func unstartedOn(t *testing.T, store oneseat.Store, c oneseat.Config, hc oneseathttp.Config) *site {
	t.Helper()
	if c.Logger == nil {
		c.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	c.Logger = canaries.Logger(c.Logger)
	seats, err := oneseat.New(store, c)
	if err != nil {
		t.Fatal(err)
	}
	if hc.SignInPath == "" {
		hc.SignInPath = "/login"
	}
	over := seatsOver(t, seats)
	guard, err := oneseathttp.New(over, hc)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{seats: seats, staff: over.(staff), guard: guard, mux: http.NewServeMux()}
	s.mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if _, err := guard.SignIn(w, r, r.FormValue("account")); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		http.Redirect(w, r, "/me", http.StatusSeeOther)
	})
	s.mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		if err := guard.SignOut(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	s.mux.HandleFunc("POST /rotate", func(w http.ResponseWriter, r *http.Request) {
		if _, err := guard.Rotate(w, r); err != nil {
			guard.Refuse(w, r)
			return
		}
		_, _ = io.WriteString(w, "rotated")
	})
	s.mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		who, _ := oneseat.SessionFrom(r.Context())
		_, _ = io.WriteString(w, "hello "+who.Account)
	})
	s.mux.Handle("GET /me", guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, _ := oneseat.SessionFrom(r.Context())
		_, _ = io.WriteString(w, who.Account)
	})))
	s.mux.Handle(oneseathttp.Path, guard.Handler())
	s.Server = httptest.NewUnstartedServer(guard.Wrap(s.mux))
	s.Config.ErrorLog = log.New(t.Output(), "", 0) // net/http logs the status 0 by which an answer is found to have begun
	t.Cleanup(func() {
		_ = seats.Close() // first: it ends what is in flight
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// browser is a client with cookies of its own that does not follow redirects.
type browser struct {
	*http.Client
	t    *testing.T
	site *site
	ua   string
}

func (s *site) browser(t *testing.T, ua string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	tr := s.Client().Transport.(*http.Transport).Clone()
	t.Cleanup(tr.CloseIdleConnections)
	return &browser{t: t, site: s, ua: ua, Client: &http.Client{
		Jar: jar, Transport: tr,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (b *browser) do(method, path string, form url.Values, header ...string) *http.Response {
	b.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.site.URL+path, body)
	if err != nil {
		b.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("User-Agent", b.ua)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	resp, err := b.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	resp.Body = canaries.Body(resp)
	b.t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func (b *browser) get(path string, header ...string) (int, string) {
	b.t.Helper()
	resp := b.do("GET", path, nil, header...)
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func (b *browser) signIn(account string) {
	b.t.Helper()
	if resp := b.do("POST", "/login", url.Values{"account": {account}}); resp.StatusCode != http.StatusSeeOther {
		b.t.Fatalf("sign-in: %s", resp.Status)
	}
}

// token is what the browser's cookie holds.
func (b *browser) token() string {
	u, err := url.Parse(b.site.URL)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range b.Jar.Cookies(u) {
		if c.Name == "oneseat" || c.Name == "__Host-oneseat" {
			return c.Value
		}
	}
	return ""
}

func (b *browser) want(path string, status int, body string) {
	b.t.Helper()
	if s, got := b.get(path); s != status || !strings.Contains(got, body) {
		b.t.Fatalf("GET %s: %d %q, want %d and %q", path, s, got, status, body)
	}
}

type problem struct {
	Status    int
	Reason    string
	Device    string
	Reference string
	Title     string
	At        time.Time
}

func (b *browser) problem(resp *http.Response) problem {
	b.t.Helper()
	if ct := resp.Header.Get("Content-Type"); ct != "application/problem+json" {
		b.t.Fatalf("Content-Type %q", ct)
	}
	var p problem
	if err := json.NewDecoder(resp.Body).Decode(&p); err != nil {
		b.t.Fatal(err)
	}
	return p
}

func TestASecondSignInEndsTheFirstAndItIsToldWhy(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	first, second := s.browser(t, firefox), s.browser(t, iphone)
	first.signIn("ada")
	first.want("/me", 200, "ada")
	second.signIn("ada")
	second.want("/me", 200, "ada")

	program := first.do("GET", "/me", nil)
	p := first.problem(program)
	if program.StatusCode != 401 || p.Reason != "displaced" || p.Device != "Safari on iPhone" || len(p.Reference) != 9 || p.At.IsZero() {
		t.Fatalf("a program was told %d %+v", program.StatusCode, p)
	}
	page := first.do("GET", "/me?x=1", nil, "Accept", "text/html")
	if to := page.Header.Get("Location"); page.StatusCode != 303 || to != "/login?next=%2Fme%3Fx%3D1&reason=displaced" {
		t.Fatalf("a browser was sent %d to %q", page.StatusCode, to)
	}
	for _, resp := range []*http.Response{program, page} {
		if resp.Header.Get("Cache-Control") != "no-store" {
			t.Error("a refusal may be cached")
		}
		if len(resp.Cookies()) != 0 {
			t.Error("a refusal touched the cookie: it may arrive after a newer one was set")
		}
	}
	first.want("/", 200, "hello ") // an ended cookie is anonymous
	second.want("/me", 200, "ada")
}

func TestSignOutFreesTheSeatAndForgetsTheCookie(t *testing.T) {
	s := newSite(t, oneseat.Config{WhenFull: oneseat.PolicyRefuse}, oneseathttp.Config{})
	first, second := s.browser(t, firefox), s.browser(t, iphone)
	first.signIn("ada")
	if resp := second.do("POST", "/login", url.Values{"account": {"ada"}}); resp.StatusCode != 409 {
		t.Fatalf("a full account let somebody in: %s", resp.Status)
	}
	resp := first.do("POST", "/logout", url.Values{})
	if resp.StatusCode != 303 || len(resp.Cookies()) != 1 || resp.Cookies()[0].MaxAge != -1 {
		t.Fatalf("sign-out: %s, cookies %v", resp.Status, resp.Cookies())
	}
	first.want("/me", 401, "no_session")
	second.signIn("ada")
	first.do("POST", "/logout", url.Values{}) // touches nobody else
	second.want("/me", 200, "ada")
}

func TestSignInAndOutWithinOneRequest(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	s.mux.HandleFunc("POST /both", func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.guard.SignIn(w, r, "ada"); err != nil {
			t.Error(err)
		}
		if err := s.guard.SignOut(w, r); err != nil {
			t.Error(err)
		}
	})
	b := s.browser(t, firefox)
	b.do("POST", "/both", url.Values{})
	if live, err := s.seats.Sessions(t.Context(), "ada"); err != nil || len(live) != 0 || b.token() != "" {
		t.Fatalf("live %v, %v; cookie %q", live, err, b.token())
	}
}

func TestRotateGivesANewSecretAndKeepsTheSession(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	b := s.browser(t, firefox)
	b.signIn("ada")
	before := b.token()
	b.do("POST", "/rotate", url.Values{})
	if after := b.token(); after == "" || after == before {
		t.Fatal("the cookie is the old one, or gone")
	}
	b.want("/me", 200, "ada")
}

func TestAnotherAccountInTheSameBrowserEndsTheFirstThere(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	b := s.browser(t, firefox)
	b.signIn("ada")
	b.signIn("grace")
	b.want("/me", 200, "grace")
	if live, err := s.seats.Sessions(t.Context(), "ada"); err != nil || len(live) != 0 {
		t.Fatalf("ada still has %v, %v", live, err)
	}
	s.browser(t, iphone).signIn("ada")
	b.want("/me", 200, "grace")
}

func TestNothingThatDependsOnASessionIsKeptByACache(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	s.mux.HandleFunc("GET /picture", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Cache-Control", "max-age=60") })
	member, displaced, stranger := s.browser(t, firefox), s.browser(t, firefox), s.browser(t, firefox)
	displaced.signIn("ada")
	check := func(who string, resp *http.Response) {
		t.Helper()
		if got := resp.Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s, %s %s: %q", who, resp.Request.Method, resp.Request.URL.Path, got)
		}
	}
	check("sign-in", member.do("POST", "/login", url.Values{"account": {"ada"}}))
	for _, path := range []string{"/", "/me", "/oneseat/session", "/oneseat/sessions", "/oneseat/devices", "/oneseat/events"} {
		check("a member", member.do("GET", path, nil))
		check("somebody displaced", displaced.do("GET", path, nil))
		check("somebody displaced, in a browser", displaced.do("GET", path, nil, "Accept", "text/html"))
		if path != "/" { // the same for every stranger
			check("a stranger", stranger.do("GET", path, nil))
			check("a stranger, in a browser", stranger.do("GET", path, nil, "Accept", "text/html"))
		}
	}
	for _, path := range []string{"/oneseat/sessions/end-others", "/oneseat/sessions/x/end", "/rotate", "/logout"} {
		check("a member", member.do("POST", path, url.Values{}))
	}
	check("a stranger", stranger.do("POST", "/logout", url.Values{}))
	if got := displaced.do("GET", "/picture", nil).Header.Get("Cache-Control"); got != "max-age=60" {
		t.Errorf("a handler that knows better: %q", got)
	}
}

func TestHostileUserAgentsAreInertText(t *testing.T) {
	for _, ua := range []string{
		strings.Repeat("Mozilla/5.0 <script>alert(1)</script> ", 250),
		"\u202eFirefox/ \u2066Windows", "Firefox/1 \x01 Windows", `"><img src=x onerror=alert(1)> Chrome/1 Windows`, "",
	} {
		seats := registry(t)
		guard, _ := oneseathttp.New(seatsOver(t, seats), oneseathttp.Config{SignInPath: "/login"})
		r := httptest.NewRequest("POST", "/login", nil)
		r.Header.Set("User-Agent", ua)
		session, err := guard.SignIn(httptest.NewRecorder(), r, "ada")
		if err != nil {
			t.Fatal(err)
		}
		if d := session.Device; len(d.Label) > 40 || strings.ContainsAny(d.Label, "<>\"\u202e\x01") {
			t.Errorf("%.40q became %q", ua, d.Label)
		}
	}
}

func TestForwardedAddressesAreBelievedFromTrustedProxiesOnly(t *testing.T) {
	for _, c := range []struct{ peer, forwarded, want string }{
		{"198.51.100.9:1234", "203.0.113.77", "198.51.100.0"},      // not trusted
		{"10.0.0.1:1234", "203.0.113.77", "203.0.113.0"},           // trusted
		{"10.0.0.1:1234", "6.6.6.6, 203.0.113.77", "203.0.113.0"},  // the client's own header is not believed
		{"10.0.0.1:1234", "203.0.113.77, 10.0.0.2", "203.0.113.0"}, // two proxies
		{"10.0.0.1:1234", "", "10.0.0.0"},                          // nothing said
		{"[2001:db8:1:2::3]:1", "203.0.113.77", "2001:db8:1::"},    // not trusted, IPv6
	} {
		seats := registry(t)
		guard, err := oneseathttp.New(seatsOver(t, seats), oneseathttp.Config{SignInPath: "/login", TrustedProxies: prefixes("10.0.0.0/8")})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("POST", "/login", nil)
		r.RemoteAddr = c.peer
		r.Header.Set("X-Forwarded-For", c.forwarded)
		session, _ := guard.SignIn(httptest.NewRecorder(), r, "ada")
		if session.Device.IP != c.want {
			t.Errorf("%s forwarding %q: %s, want %s", c.peer, c.forwarded, session.Device.IP, c.want)
		}
	}
}

func TestNextTargetsBeyondTheSiteAreRefused(t *testing.T) {
	for _, bad := range []string{"", "//evil", "/\\evil", "https://evil", "javascript:alert(1)", "/a\nb", "/%zz", "\\\\evil", "evil", "/\t/evil", "///evil"} {
		if oneseathttp.LocalPath(bad) {
			t.Errorf("%q counts as local", bad)
		}
	}
	for _, good := range []string{"/", "/a/b?c=d#e", "/ümlaut", "/a//b"} {
		if !oneseathttp.LocalPath(good) {
			t.Errorf("%q does not count as local", good)
		}
	}
}

func TestPromise13AHandlerMountedWronglyGivesAnErrorThatSaysWhatToDo(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	s.mux.Handle("/elsewhere/", s.guard.Handler())
	b := s.browser(t, firefox)
	for _, path := range []string{"/elsewhere/events", "/elsewhere/", "/oneseat/", "/oneseat/nothing"} {
		b.want(path, 404, `mux.Handle("/oneseat/", guard.Handler())`)
	}

	// A handler that asks for the session, served without the guard around it.
	said := make(logged, 1)
	bare := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { oneseat.SessionFrom(r.Context()) }))
	bare.Config.ErrorLog = log.New(said, "", 0)
	bare.Start()
	defer bare.Close()
	if resp, err := bare.Client().Get(bare.URL); err == nil {
		_ = resp.Body.Close()
		t.Errorf("it answers %s as if nobody were signed in", resp.Status)
	}
	if line := <-said; !strings.Contains(line, "serve guard.Wrap(mux) instead of mux") {
		t.Errorf("the log says %s", line)
	}
}

// logged are the lines of a log.
type logged chan string

func (l logged) Write(b []byte) (int, error) {
	l <- string(b)
	return len(b), nil
}

func FuzzNextNeverLeadsOffTheSite(f *testing.F) {
	for _, seed := range []string{"/", "//evil.example", "/\\evil.example", "/a?b#c", "/\t/evil.example", "https://evil.example", "/%2f/evil.example", "/..//evil.example", "javascript:alert(1)"} {
		f.Add(seed)
	}
	at, err := url.Parse("https://members.example/login")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, next string) {
		if !oneseathttp.LocalPath(next) {
			return
		}
		// Browsers take a backslash for a slash, and drop tabs and line ends.
		seen := strings.NewReplacer("\\", "/", "\t", "", "\n", "", "\r", "").Replace(next)
		for _, target := range []string{next, seen} {
			to, err := at.Parse(target)
			if err != nil || to.Host != at.Host || to.Scheme != at.Scheme || strings.HasPrefix(target, "//") {
				t.Errorf("%q leads to %v, %v", next, to, err)
			}
		}
	})
}

func TestRequireWithoutWrapAndTwoGuardsOnOneMux(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	b := s.browser(t, firefox)
	b.signIn("ada")
	bare := httptest.NewServer(s.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, _ := oneseat.SessionFrom(r.Context())
		_, _ = io.WriteString(w, who.Account)
	})))
	defer bare.Close()
	b.site = &site{Server: bare}
	b.want("/", 200, "ada") // cookies of one host are shared by ports
}

func TestALateRefusalKeepsTheSitesHeadersOnly(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	begun := make(chan struct{})
	outer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		s.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Set-Cookie", "of=the-session")
			close(begun)
			<-r.Context().Done()
		})).ServeHTTP(w, r)
	}))
	defer outer.Close()
	b := s.browser(t, firefox)
	b.signIn("ada")
	go func() { <-begun; _, _ = s.seats.EndAll(t.Context(), "ada", oneseat.EndOptions{}) }()
	b.site = &site{Server: outer}
	resp := b.do("GET", "/", nil)
	if resp.StatusCode != 401 || resp.Header.Get("Content-Security-Policy") == "" || resp.Header.Get("Set-Cookie") != "" {
		t.Fatal(resp.Status, resp.Header)
	}
}

func TestTheApplicationsAccountDecidesWhoseTokenCounts(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{Account: func(r *http.Request) string { return r.Header.Get("X-App-User") }})
	b := s.browser(t, firefox)
	b.do("POST", "/login", url.Values{"account": {"ada"}}, "X-App-User", "ada")
	for who, want := range map[string]int{"ada": 200, "grace": 401, "": 401} {
		if got, _ := b.get("/me", "X-App-User", who); got != want {
			t.Errorf("the application says %q: %d", who, got)
		}
	}
}

func TestAnApplicationsOlderSessionIsSeatedOnItsFirstRequest(t *testing.T) {
	s := newSite(t, oneseat.Config{AdoptUntil: time.Now().Add(time.Hour)}, oneseathttp.Config{
		Account:  func(r *http.Request) string { return r.Header.Get("X-App-User") },
		IssuedAt: func(*http.Request) time.Time { return time.Now().Add(-time.Hour) },
	})
	b, other := s.browser(t, firefox), s.browser(t, iphone)
	if got, body := b.get("/me", "X-App-User", "ada"); got != 200 || body != "ada" || b.token() == "" {
		t.Fatalf("%d %s, token %q", got, body, b.token())
	}
	other.do("POST", "/login", url.Values{"account": {"ada"}}, "X-App-User", "ada")
	if got, body := b.get("/me", "X-App-User", "ada"); got != 401 || !strings.Contains(body, "displaced") {
		t.Fatalf("after a sign-in elsewhere: %d %s", got, body)
	}
	// Without the cookie, the same older session is not seated a second time.
	if got, _ := s.browser(t, firefox).get("/me", "X-App-User", "ada"); got != 401 {
		t.Fatalf("it came back: %d", got)
	}
}
