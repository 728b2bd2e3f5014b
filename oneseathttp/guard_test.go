package oneseathttp_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
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
	guard *oneseathttp.Guard
	mux   *http.ServeMux
}

// newSite serves sign-in, sign-out, rotation and a members' page, and what add
// adds.
func newSite(t *testing.T, c oneseat.Config, hc oneseathttp.Config) *site {
	t.Helper()
	s := unstarted(t, c, hc)
	s.Server.Start()
	return s
}

func unstarted(t *testing.T, c oneseat.Config, hc oneseathttp.Config) *site {
	t.Helper()
	c.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	seats, err := oneseat.New(memstore.New(), c)
	if err != nil {
		t.Fatal(err)
	}
	if hc.SignInPath == "" {
		hc.SignInPath = "/login"
	}
	guard, err := oneseathttp.New(seats, hc)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{seats: seats, guard: guard, mux: http.NewServeMux()}
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
	s := newSite(t, oneseat.Config{WhenFull: oneseat.Refuse}, oneseathttp.Config{})
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

func TestTheCookieOnASiteIsHostSecureAndLax(t *testing.T) {
	s := unstarted(t, oneseat.Config{}, oneseathttp.Config{})
	s.StartTLS()
	b := s.browser(t, firefox)
	resp := b.do("POST", "/login", url.Values{"account": {"ada"}})
	for _, c := range resp.Cookies() {
		if !strings.HasPrefix(c.Name, "__Host-oneseat") || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode || c.MaxAge < 60 {
			t.Errorf("cookie %s", c.Raw)
		}
		if len(c.Raw) > 4096 {
			t.Errorf("cookie of %d bytes", len(c.Raw))
		}
	}
	if len(resp.Cookies()) != 2 {
		t.Fatalf("cookies %v", resp.Cookies())
	}
	b.want("/me", 200, "ada")
	resp = b.do("POST", "/logout", url.Values{})
	if c := resp.Cookies()[0]; c.Name != "__Host-oneseat" || !c.Secure || c.Path != "/" || c.MaxAge != -1 {
		t.Fatalf("cleared with %s", c.Raw)
	}
	b.want("/me", 401, "no_session")
}

func TestAProxyOnTheSameMachineGetsSecureCookies(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	resp := s.browser(t, firefox).do("POST", "/login", url.Values{"account": {"ada"}}, "X-Forwarded-For", "203.0.113.7")
	if c := resp.Cookies()[1]; c.Name != "__Host-oneseat" || !c.Secure {
		t.Fatalf("cookie %s", c.Raw)
	}
}

func TestPlantedDoubledAndForeignCookiesAreAnonymous(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	b := s.browser(t, firefox)
	b.signIn("ada")
	token := b.token()
	other := s.browser(t, iphone)
	for name, cookie := range map[string]string{
		"good":        "oneseat=" + token,
		"twice alike": "oneseat=" + token + "; oneseat=" + token,
		"differ":      "oneseat=" + token + "; oneseat=planted",
		"differ 2":    "oneseat=planted; oneseat=" + token,
		"other case":  "OneSeat=" + token,
		"prefixed":    "__Host-oneseat=" + token,
		"altered":     "oneseat=" + strings.ToLower(token),
		"huge":        "oneseat=" + strings.Repeat("x", 100<<10),
		"many":        strings.Repeat("a=b; ", 200) + "oneseat=x",
		"quoted id":   `oneseat="` + token + `x"`,
	} {
		want := 401
		if name == "good" || name == "twice alike" {
			want = 200
		}
		if got, body := other.get("/me", "Cookie", cookie); got != want {
			t.Errorf("%s: %d %s", name, got, body)
		}
	}
	if got, _ := other.get("/me?token="+token, "Authorization", "Bearer "+token); got != 401 {
		t.Error("a token was taken from a place that is not its carrier")
	}
}

func TestHostileUserAgentsAreInertText(t *testing.T) {
	for _, ua := range []string{
		strings.Repeat("Mozilla/5.0 <script>alert(1)</script> ", 250),
		"\u202eFirefox/ \u2066Windows", "Firefox/1 \x01 Windows", `"><img src=x onerror=alert(1)> Chrome/1 Windows`, "",
	} {
		seats := registry(t)
		guard, _ := oneseathttp.New(seats, oneseathttp.Config{SignInPath: "/login"})
		r := httptest.NewRequest("POST", "/login", nil)
		r.Header.Set("User-Agent", ua)
		session, err := guard.SignIn(httptest.NewRecorder(), r, "ada")
		if err != nil {
			t.Fatal(err)
		}
		if d := session.Device; len(d.Label) > 64 || strings.ContainsAny(d.Label, "<>\"\u202e\x01") {
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
		guard, err := oneseathttp.New(seats, oneseathttp.Config{SignInPath: "/login", TrustedProxies: prefixes("10.0.0.0/8")})
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

func TestEveryImpossibleConfigurationIsReportedAtOnce(t *testing.T) {
	_, err := oneseathttp.New(nil, oneseathttp.Config{
		SignInPath: "//evil.example", CookieName: "a b", TrustedProxies: prefixes("0.0.0.0/0"),
		Carrier:  oneseathttp.Carrier{Get: func(*http.Request) string { return "" }},
		IssuedAt: func(*http.Request) time.Time { return time.Time{} },
	})
	for _, word := range []string{"registry", "SignInPath", "CookieName", "TrustedProxies", "Carrier", "IssuedAt"} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("nothing said about %s: %v", word, err)
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

func TestSessionFromOutsideAGuardSaysWhatToDo(t *testing.T) {
	defer func() {
		if p, _ := recover().(string); !strings.Contains(p, "guard.Wrap(mux)") {
			t.Fatalf("panicked with %q", p)
		}
	}()
	oneseat.SessionFrom(context.Background())
}

func TestAHandlerMountedWronglySaysWhatToDo(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	s.mux.Handle("/wrong/", http.StripPrefix("/wrong", s.guard.Handler()))
	s.browser(t, firefox).want("/wrong/events", 404, `mux.Handle("/oneseat/", guard.Handler())`)
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
	go func() { <-begun; _, _ = s.seats.EndAll(t.Context(), "ada", oneseat.Cause{}) }()
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

func TestABearerTokenIsTakenFromOneHeaderOnly(t *testing.T) {
	seats := registry(t)
	guard, err := oneseathttp.New(seats, oneseathttp.Config{SignInPath: "/login", Carrier: oneseathttp.Bearer()})
	if err != nil {
		t.Fatal(err)
	}
	grant, err := guard.SignInWith(httptest.NewRecorder(), httptest.NewRequest("POST", "/token", nil), oneseathttp.SignIn{Account: "ada"})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(values ...string) int {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Authorization"] = values
		w := httptest.NewRecorder()
		guard.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
		return w.Code
	}
	good := "Bearer " + string(grant.Token)
	if got := ask(good); got != 200 {
		t.Errorf("a good token: %d", got)
	}
	if got := ask(good, "Bearer x"); got != 401 {
		t.Errorf("two headers: %d", got)
	}
	if got := ask("Basic " + string(grant.Token)); got != 401 {
		t.Errorf("another scheme: %d", got)
	}
}
