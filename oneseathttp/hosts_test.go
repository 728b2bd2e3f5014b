package oneseathttp_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/store/memstore"
)

// journal is a log that a test reads.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

// count returns how many lines have a text, and the whole log.
func (j *journal) count(text string) (int, string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.text.String(), text), j.text.String()
}

// logging is a guard over an empty store, and what both log.
func logging(t *testing.T, c oneseathttp.Config) (*oneseathttp.Guard, *journal) {
	t.Helper()
	j := new(journal)
	seats, err := oneseat.New(memstore.New(), oneseat.Config{Logger: slog.New(slog.NewTextHandler(j, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = seats.Close() })
	c.SignInPath = "/login"
	guard, err := oneseathttp.New(seatsOver(t, seats), c)
	if err != nil {
		t.Fatal(err)
	}
	return guard, j
}

// answer signs ada in, by a form that was posted to site with pairs of headers, and
// returns the cookies of the answer by name.
func answer(t *testing.T, g *oneseathttp.Guard, site string, headers ...string) map[string]*http.Cookie {
	t.Helper()
	r, w := httptest.NewRequest("POST", site, nil), httptest.NewRecorder()
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "from" {
			r.RemoteAddr = headers[i+1]
			continue
		}
		r.Header.Add(headers[i], headers[i+1])
	}
	var err error
	g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, err = g.SignIn(w, r, "ada") })).ServeHTTP(w, r)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]*http.Cookie)
	for _, c := range w.Result().Cookies() {
		all[c.Name] = c
	}
	return all
}

// who asks a page of a site with cookies, and returns whose it is.
func who(g *oneseathttp.Guard, site, cookies string) string {
	r, w := httptest.NewRequest("GET", site, nil), httptest.NewRecorder()
	r.Header.Set("Cookie", cookies)
	g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := oneseat.SessionFrom(r.Context())
		_, _ = io.WriteString(w, s.Account)
	})).ServeHTTP(w, r)
	return w.Body.String()
}

func TestTheGuardsCookiesAreAsStrictAsTheirConfigurationAllows(t *testing.T) {
	const https, lan = "https://www.members.example/login", "http://nas.lan/login"
	for name, c := range map[string]struct {
		config           oneseathttp.Config
		site             string
		session, devices string // the attributes after Max-Age
	}{
		"by default": {oneseathttp.Config{}, https,
			"__Host-oneseat; Path=/; HttpOnly; Secure; SameSite=Lax", "__Host-oneseat-device; Path=/; HttpOnly; Secure; SameSite=Lax"},
		"shared by the hosts of a domain": {oneseathttp.Config{Domain: "members.example"}, https,
			"__Secure-oneseat; Path=/; Domain=members.example; HttpOnly; Secure; SameSite=Lax", "__Host-oneseat-device; Path=/; HttpOnly; Secure; SameSite=Lax"},
		"at a host that is not of the domain": {oneseathttp.Config{Domain: "members.example"}, "https://notmembers.example/login",
			"__Host-oneseat; Path=/; HttpOnly; Secure; SameSite=Lax", "__Host-oneseat-device; Path=/; HttpOnly; Secure; SameSite=Lax"},
		"in frames": {oneseathttp.Config{FrameAncestors: []string{"https://lms.example"}}, https,
			"__Host-oneseat; Path=/; HttpOnly; Secure; SameSite=None; Partitioned", "__Host-oneseat-device; Path=/; HttpOnly; Secure; SameSite=None; Partitioned"},
		"in frames, while it is developed": {oneseathttp.Config{FrameAncestors: []string{"http://localhost:3000"}}, "http://localhost:8080/login",
			"__Host-oneseat; Path=/; HttpOnly; Secure; SameSite=None; Partitioned", "__Host-oneseat-device; Path=/; HttpOnly; Secure; SameSite=None; Partitioned"},
		"in frames, and shared": {oneseathttp.Config{Domain: "members.example", FrameAncestors: []string{"https://lms.example"}}, https,
			"__Secure-oneseat; Path=/; Domain=members.example; HttpOnly; Secure; SameSite=None; Partitioned", "__Host-oneseat-device; Path=/; HttpOnly; Secure; SameSite=None; Partitioned"},
		"while it is developed": {oneseathttp.Config{}, "http://localhost:8080/login",
			"oneseat; Path=/; HttpOnly; SameSite=Lax", "oneseat-device; Path=/; HttpOnly; SameSite=Lax"},
		"by plain http in a LAN": {oneseathttp.Config{DangerouslyPlainHTTP: true}, lan,
			"oneseat; Path=/; HttpOnly; SameSite=Lax", "oneseat-device; Path=/; HttpOnly; SameSite=Lax"},
		"by plain http, without the switch": {oneseathttp.Config{}, lan,
			"__Host-oneseat; Path=/; HttpOnly; Secure; SameSite=Lax", "__Host-oneseat-device; Path=/; HttpOnly; Secure; SameSite=Lax"},
	} {
		guard, _ := logging(t, c.config)
		got := make(map[string]bool)
		for _, k := range answer(t, guard, c.site, "from", "127.0.0.1:1", "Accept", page) {
			k.Value, k.Expires, k.MaxAge = "", time.Time{}, 0
			got[strings.Replace(k.String(), "=;", ";", 1)] = true
		}
		if !got[c.session] || !got[c.devices] || len(got) != 2 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestOneBrowserOnTwoHostsOfADomainHasOneSession(t *testing.T) {
	guard, log := logging(t, oneseathttp.Config{Domain: "members.example"})
	k := answer(t, guard, "https://www.members.example/login")["__Secure-oneseat"]
	for site, want := range map[string]string{
		"https://www.members.example/": "ada", "https://app.members.example:8443/": "ada", "https://members.example/": "ada", "https://APP.members.example/": "ada",
		"https://evil-members.example/": "", // what a browser would not send there is not taken either
	} {
		if got := who(guard, site, k.Name+"="+k.Value); got != want {
			t.Errorf("%s: %q", site, got)
		}
	}
	if n, all := log.count("Config.Domain: every host"); n != 1 {
		t.Errorf("what that means is said %d times: %s", n, all)
	}
}

func TestAHostBeyondTheDomainGetsACookieOfItsOwnAndTheLogSaysSoOnce(t *testing.T) {
	guard, log := logging(t, oneseathttp.Config{Domain: "members.example"})
	const hidden = "https://upstream/login" // what a proxy asks that does not pass the header Host
	for range 2 {
		k := answer(t, guard, hidden)["__Host-oneseat"]
		if k == nil || who(guard, hidden, k.Name+"="+k.Value) != "ada" {
			t.Fatal("the browser is not signed in")
		}
	}
	if n, all := log.count("not beneath Config.Domain"); n != 1 {
		t.Errorf("said %d times: %s", n, all)
	}
}

// On the day on which a site gets a Domain, and on the day on which it loses TLS in
// front of a server that it had in development.
func TestABrowserThatHasTheCookieByItsOtherNameStaysSignedInAndIsLeftWithOne(t *testing.T) {
	const site = "https://www.members.example/login"
	guard, _ := logging(t, oneseathttp.Config{Domain: "members.example"})
	old := answer(t, guard, "https://upstream/login")["__Host-oneseat"]
	if got := who(guard, site, old.Name+"="+old.Value); got != "ada" {
		t.Errorf("by its old name: %q", got)
	}
	cookies := answer(t, guard, site, "Cookie", old.Name+"="+old.Value)
	if k := cookies["__Host-oneseat"]; k == nil || k.MaxAge >= 0 || !k.Secure || k.Domain != "" {
		t.Errorf("the old one is not cleared: %v", k)
	}
	now := cookies["__Secure-oneseat"]
	if got := who(guard, site, now.Name+"="+now.Value+"; "+old.Name+"="+old.Value); got != "ada" {
		t.Errorf("with both, the new one live and the old one renewed: %q", got)
	}
	if got := who(guard, site, "oneseat="+now.Value); got != "" {
		t.Errorf("a name that any host may set is taken: %q", got)
	}
}

func TestAProxyThatSaysNothingInFrontOfHTTPSGetsSecureCookies(t *testing.T) {
	guard, log := logging(t, oneseathttp.Config{})
	const site = "http://127.0.0.1:8080/login" // as nginx asks since 1.29.7, without a header of its own
	got := answer(t, guard, site, "from", "127.0.0.1:1", "Origin", "https://members.example")
	k := got["__Host-oneseat"]
	if k == nil || got["__Host-oneseat-device"] == nil {
		t.Fatalf("%v", got)
	}
	r := httptest.NewRequest("GET", site, nil)
	r.RemoteAddr = "127.0.0.1:1"
	r.Header.Set("Cookie", k.Name+"="+k.Value)
	if oneseathttp.TokenOf(guard, r) == "" {
		t.Error("a page that was asked for later does not know the browser")
	}
	if n, all := log.count("plain http"); n != 0 {
		t.Errorf("it speaks of plain http: %s", all)
	}
}

func TestASignInByPlainHTTPWhoseCookieTheBrowserDropsIsSaidOnce(t *testing.T) {
	for name, c := range map[string]struct {
		site    string
		headers []string
		said    int
	}{
		"by name in a LAN":                {"http://nas.lan/login", []string{"Origin", "http://nas.lan", "Accept", page}, 1},
		"by address in a LAN":             {"http://192.168.1.9:8080/login", []string{"Origin", "http://192.168.1.9:8080", "Accept", page}, 1},
		"by a script":                     {"http://nas.lan/login", []string{"Origin", "http://nas.lan", "Accept", program}, 1},
		"without Origin":                  {"http://nas.lan/login", []string{"Accept", page}, 1},
		"a page that hides its origin":    {"http://nas.lan/login", []string{"Origin", "null", "Accept", page}, 1},
		"behind a proxy, by plain http":   {"http://nas.lan/login", []string{"Origin", "http://nas.lan", "X-Forwarded-For", "192.168.1.3"}, 1},
		"by https":                        {"https://members.example/login", []string{"Origin", "https://members.example", "Accept", page}, 0},
		"behind a proxy, by https":        {"http://members.example/login", []string{"Origin", "https://members.example", "X-Forwarded-Proto", "https", "Accept", page}, 0},
		"behind one that says nothing":    {"http://upstream/login", []string{"Origin", "https://members.example", "Accept", page}, 0},
		"behind one, and no Origin":       {"http://upstream/login", []string{"Sec-Fetch-Site", "same-origin", "Accept", page}, 0},
		"a program":                       {"http://upstream/login", []string{"Accept", program}, 0},
		"a browser on the server itself":  {"http://localhost:8080/login", []string{"Origin", "http://localhost:8080", "Accept", page, "from", "127.0.0.1:1"}, 0},
		"the same behind a local proxy":   {"http://localhost:8080/login", []string{"Origin", "http://localhost", "Accept", page, "from", "127.0.0.1:1", "X-Forwarded-For", "127.0.0.1"}, 0},
		"the same, by the name of the PC": {"http://ada-laptop:8080/login", []string{"Origin", "http://ada-laptop:8080", "Accept", page, "from", "127.0.0.1:1"}, 1},
	} {
		guard, log := logging(t, oneseathttp.Config{})
		for range 2 {
			answer(t, guard, c.site, c.headers...)
		}
		if n, all := log.count("signed in over plain http"); n != c.said {
			t.Errorf("%s: said %d times: %s", name, n, all)
		}
	}
}

func TestTheSwitchForPlainHTTPIsLoudAndKeepsPeopleSignedIn(t *testing.T) {
	guard, log := logging(t, oneseathttp.Config{DangerouslyPlainHTTP: true})
	k := answer(t, guard, "http://nas.lan/login", "Origin", "http://nas.lan", "Accept", page)["oneseat"]
	if got := who(guard, "http://nas.lan/", k.Name+"="+k.Value); got != "ada" {
		t.Errorf("signed in: %q", got)
	}
	if n, all := log.count("level=WARN"); n != 1 || !strings.Contains(all, "DangerouslyPlainHTTP") {
		t.Errorf("%d warnings: %s", n, all)
	}
}

func TestTwoGuardsOfOneSiteThatShareACookieAreNoticed(t *testing.T) {
	const site = "https://www.example/login"
	t.Run("over one store", func(t *testing.T) {
		store, log := memstore.New(), new(journal)
		var guards []*oneseathttp.Guard
		for _, realm := range []string{"members", "staff"} {
			seats, err := oneseat.New(store, oneseat.Config{Realm: realm, Logger: slog.New(slog.NewTextHandler(log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			defer seats.Close()
			guard, err := oneseathttp.New(seatsOver(t, seats), oneseathttp.Config{SignInPath: "/login"})
			if err != nil {
				t.Fatal(err)
			}
			guards = append(guards, guard)
		}
		k := answer(t, guards[0], site)["__Host-oneseat"]
		for range 3 {
			if got := who(guards[1], site, k.Name+"="+k.Value); got != "" {
				t.Errorf("the other guard takes it for %q", got)
			}
		}
		if n, all := log.count("token of another realm"); n != 1 || !strings.Contains(all, "other=members") {
			t.Errorf("said %d times: %s", n, all)
		}
		if got := who(guards[0], site, k.Name+"="+k.Value); got != "ada" {
			t.Errorf("the other guard has ended the session: %q", got)
		}
	})
	t.Run("over two stores", func(t *testing.T) {
		members, _ := logging(t, oneseathttp.Config{})
		staff, log := logging(t, oneseathttp.Config{})
		k := answer(t, members, site)["__Host-oneseat"]
		for range 2 {
			answer(t, staff, site, "Cookie", k.Name+"="+k.Value)
		}
		if n, all := log.count("Config.CookieName"); n != 1 || strings.Contains(all, k.Value) {
			t.Errorf("said %d times: %s", n, all)
		}
	})
	t.Run("each with its own name", func(t *testing.T) {
		members, _ := logging(t, oneseathttp.Config{})
		staff, log := logging(t, oneseathttp.Config{CookieName: "staff"})
		k := answer(t, members, site)["__Host-oneseat"]
		s := answer(t, staff, site, "Cookie", k.Name+"="+k.Value)["__Host-staff"]
		both := k.Name + "=" + k.Value + "; " + s.Name + "=" + s.Value
		if who(members, site, both) != "ada" || who(staff, site, both) != "ada" {
			t.Error("they do not stand beside each other")
		}
		if n, all := log.count("CookieName"); n != 0 {
			t.Errorf("warned: %s", all)
		}
	})
}

func TestOneGuardTakesACookieOrABearerToken(t *testing.T) {
	config := oneseathttp.Config{}
	config.Carrier = oneseathttp.Either(oneseathttp.Bearer(), config.Cookie())
	s := newSite(t, oneseat.Config{Limit: 2}, config)
	s.mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		grant, err := s.guard.SignInWith(w, r, oneseathttp.SignInOptions{Account: r.FormValue("account")})
		if err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, string(grant.Token))
	})
	person := s.browser(t, firefox)
	person.signIn("ada")
	person.want("/me", 200, "ada")

	app := s.browser(t, "ShopApp/3.1")
	resp := app.do("POST", "/token", url.Values{"account": {"grace"}}, "Accept", program)
	token, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	bearer := []string{"Authorization", "Bearer " + string(token)}
	other := s.browser(t, "ShopApp/3.1")
	if status, body := other.get("/me", bearer...); status != 200 || body != "grace" {
		t.Errorf("by its token: %d %s", status, body)
	}
	if status, body := person.get("/me", bearer...); status != 200 || body != "grace" {
		t.Errorf("what a request says of itself counts before a cookie: %d %s", status, body)
	}
	if status, _ := person.get("/me", "Authorization", "Bearer nonsense"); status != 401 {
		t.Errorf("a wrong token beside a good cookie: %d", status)
	}
	resp = other.do("POST", "/rotate", url.Values{}, bearer...)
	if resp.StatusCode != 200 || len(resp.Cookies()) != 0 {
		t.Errorf("a program that rotates gets a cookie: %s, %v", resp.Status, resp.Cookies())
	}
	person.do("POST", "/logout", url.Values{})
	if person.token() != "" {
		t.Error("signed out, and the cookie is left")
	}
	person.want("/me", 401, "")
}

func TestACarrierOfOursCanBeWrapped(t *testing.T) {
	var set int
	config := oneseathttp.Config{CookieName: "members"}
	own := config.Cookie()
	config.Carrier = own
	config.Carrier.Set = func(w http.ResponseWriter, r *http.Request, token string, life time.Duration) {
		set++
		own.Set(w, r, token, life)
	}
	guard, _ := logging(t, config)
	k := answer(t, guard, "https://members.example/login")["__Host-members"]
	if k == nil || set != 1 || who(guard, "https://members.example/", k.Name+"="+k.Value) != "ada" {
		t.Errorf("cookie %v, set %d times", k, set)
	}
}
