package oneseathttp_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/store/memstore"
)

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
	before := s.seats.Stats().Updates
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
		"quoted":      `oneseat="` + token + `"`,
		"quoted id":   `oneseat="` + token + `x"`,
		"a space":     "oneseat =" + token,
		"longer":      "oneseat2=" + token + "; xoneseat=" + token + "; oneseat-device=" + token,
		"no value":    "oneseat",
		"in another":  "a=oneseat=" + token,
	} {
		want := 401
		if name == "good" || name == "twice alike" || name == "prefixed" {
			want = 200
		}
		if got, body := other.get("/me", "Cookie", cookie); got != want {
			t.Errorf("%s: %d %s", name, got, body)
		}
	}
	if got, _ := other.get("/me?token="+token, "Authorization", "Bearer "+token); got != 401 {
		t.Error("a token was taken from a place that is not its carrier")
	}
	foreign := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	elsewhere := foreign.browser(t, firefox)
	elsewhere.signIn("ada") // the same account, of another installation
	if got, _ := other.get("/me", "Cookie", "oneseat="+elsewhere.token()); got != 401 {
		t.Error("another installation's token was accepted")
	}
	if after := s.seats.Stats().Updates; after != before {
		t.Errorf("%d updates of the store", after-before)
	}
	b.want("/me", 200, "ada")
}

func TestTwoLinesOfCookiesAreOneHeader(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	b, other := s.browser(t, firefox), s.browser(t, iphone)
	b.signIn("ada")
	if got, _ := other.get("/me", "Cookie", "a=b", "Cookie", "c=d;\toneseat="+b.token()+" ;e"); got != 200 {
		t.Errorf("a cookie in the second line: %d", got)
	}
	if got, _ := other.get("/me", "Cookie", "oneseat=planted", "Cookie", "oneseat="+b.token()); got != 401 {
		t.Errorf("two that differ, in two lines: %d", got)
	}
}

func TestACookieMayHaveAnotherName(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{CookieName: "seat"})
	names := func(s *site) (names []string) {
		for _, c := range s.browser(t, firefox).do("POST", "/login", url.Values{"account": {"ada"}}).Cookies() {
			names = append(names, c.Name)
		}
		return names
	}
	if got := names(s); !slices.Equal(got, []string{"seat-device", "seat"}) {
		t.Error(got)
	}
	s = unstarted(t, oneseat.Config{}, oneseathttp.Config{CookieName: "seat"})
	s.StartTLS()
	if got := names(s); !slices.Equal(got, []string{"__Host-seat-device", "__Host-seat"}) {
		t.Error(got)
	}
}

func TestPlainHTTPOnThisMachineIsSaidOnce(t *testing.T) {
	var log bytes.Buffer
	seats, err := oneseat.New(memstore.New(), oneseat.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer seats.Close()
	guard, err := oneseathttp.New(seatsOver(t, seats), oneseathttp.Config{SignInPath: "/login"})
	if err != nil {
		t.Fatal(err)
	}
	signIn := func(site, from string) http.Header {
		r, w := httptest.NewRequest("POST", site, nil), httptest.NewRecorder()
		r.RemoteAddr = from
		if _, err := guard.SignIn(w, r, "ada"); err != nil {
			t.Fatal(err)
		}
		return w.Header()
	}
	for _, site := range []string{"https://members.example/", "http://members.example/", "https://localhost/"} {
		signIn(site, "127.0.0.1:1")
	}
	signIn("http://localhost/", "192.0.2.1:1") // from another machine, whatever it says
	if log.Len() != 0 {
		t.Errorf("it speaks of development where there is none: %s", &log)
	}
	for _, site := range []string{"http://127.0.0.1:8080/", "http://localhost/", "http://[::1]:1/"} {
		if cookie := strings.Join(signIn(site, "127.0.0.1:1")["Set-Cookie"], " "); strings.Contains(cookie, "Secure") || strings.Contains(cookie, "__Host-") {
			t.Errorf("%s: %s", site, cookie)
		}
	}
	if n := strings.Count(log.String(), "plain http on a loopback address"); n != 1 {
		t.Errorf("said %d times: %s", n, &log)
	}
}

func TestABearerTokenIsTakenFromOneHeaderOnly(t *testing.T) {
	seats := registry(t)
	guard, err := oneseathttp.New(seatsOver(t, seats), oneseathttp.Config{SignInPath: "/login", Carrier: oneseathttp.Bearer()})
	if err != nil {
		t.Fatal(err)
	}
	grant, err := guard.SignInWith(httptest.NewRecorder(), httptest.NewRequest("POST", "/token", nil), oneseathttp.SignInOptions{Account: "ada"})
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

// A program that keeps its token gets the next one from what Rotate returns.
func TestAProgramGetsItsNewTokenFromRotate(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{Carrier: oneseathttp.Bearer()})
	grant, err := s.guard.SignInWith(httptest.NewRecorder(), httptest.NewRequest("POST", "/token", nil), oneseathttp.SignInOptions{Account: "ada"})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("POST", "/rotate", nil)
	r.Header.Set("Authorization", "Bearer "+string(grant.Token))
	again, err := s.guard.Rotate(httptest.NewRecorder(), r)
	if err != nil || again.Session.ID != grant.Session.ID || again.Token == grant.Token {
		t.Fatalf("%+v, %v", again.Session, err)
	}
	for token, rotated := range map[oneseat.Token]bool{grant.Token: true, again.Token: false} {
		if f, err := s.seats.CheckWith(t.Context(), oneseat.CheckRequest{Token: string(token)}); err != nil || f.Rotated != rotated {
			t.Errorf("rotated %t, %v", f.Rotated, err)
		}
	}
}

// TOK-06: a URL is in logs, histories and referrers.
func TestATokenInAURLIsNone(t *testing.T) {
	for name, carrier := range map[string]oneseathttp.Carrier{"cookie": {}, "bearer": oneseathttp.Bearer()} {
		t.Run(name, func(t *testing.T) {
			guard, err := oneseathttp.New(seatsOver(t, registry(t)), oneseathttp.Config{SignInPath: "/login", Carrier: carrier})
			if err != nil {
				t.Fatal(err)
			}
			grant, err := guard.SignInWith(httptest.NewRecorder(), httptest.NewRequest("POST", "/login", nil), oneseathttp.SignInOptions{Account: "ada"})
			if err != nil {
				t.Fatal(err)
			}
			for _, field := range []string{"token", "access_token", "oneseat", "session"} {
				r := httptest.NewRequest("GET", "/?"+field+"="+string(grant.Token), nil)
				w := httptest.NewRecorder()
				guard.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
				if w.Code != http.StatusUnauthorized {
					t.Errorf("?%s=: %d", field, w.Code)
				}
			}
		})
	}
}

// A program has no cookies: its ticket and its token travel in the bodies of
// answers.
func TestAProgramThatChoosesWhoGoesGetsItsTokenInTheAnswerWhereTheCarrierCannotSetIt(t *testing.T) {
	s := newSite(t, oneseat.Config{WhenFull: oneseat.PolicyAsk}, oneseathttp.Config{Carrier: oneseathttp.Bearer()})
	s.mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		grant, err := s.guard.SignInWith(w, r, oneseathttp.SignInOptions{Account: r.FormValue("account")})
		if err != nil {
			s.guard.RefuseSignIn(w, r, err, "")
			return
		}
		_, _ = io.WriteString(w, string(grant.Token))
	})
	post := func(path string, form url.Values) []byte {
		t.Helper()
		resp := s.browser(t, "ShopApp/3.1").do("POST", path, form, "Accept", program) // another installation each time
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	tablet := string(post("/token", form("ada")))
	var asked asked
	if err := json.Unmarshal(post("/token", form("ada")), &asked); err != nil || asked.Ticket == "" {
		t.Fatal(asked, err)
	}
	var phone struct{ Token, Account string }
	body := post(asked.Redeem, url.Values{"ticket": {asked.Ticket}, "end": {string(asked.Sessions[0].ID)}})
	if err := json.Unmarshal(body, &phone); err != nil || phone.Account != "ada" {
		t.Fatalf("%s, %v", body, err)
	}
	me := func(token string) int {
		status, _ := s.browser(t, "ShopApp/3.1").get("/me", "Authorization", "Bearer "+token)
		return status
	}
	if now, before := me(phone.Token), me(tablet); now != 200 || before != 401 {
		t.Errorf("the phone %d, the tablet %d", now, before)
	}
}

func TestTheTokenIsInNoAnswerWhereACookieCarriesIt(t *testing.T) {
	s := newAskingSite(t, oneseat.Config{})
	s.browser(t, iphone).signIn("ada")
	b := s.browser(t, firefox)
	asked := b.asked()
	status, body := b.answer("POST", asked.Redeem, url.Values{"ticket": {asked.Ticket}, "end": {string(asked.Sessions[0].ID)}}, program)
	if status != 200 || strings.Contains(body, oneseat.TokenPrefix) || strings.Contains(body, "token") {
		t.Errorf("%d %s", status, body)
	}
}

func TestAProxyOfWhichNobodyKnowsIsSaidOnceAndNotBelieved(t *testing.T) {
	for name, c := range map[string]struct {
		peer, header, value string
		said                int
	}{
		"not named":           {"192.0.2.9:1", "X-Forwarded-For", "203.0.113.7", 1},
		"not named, protocol": {"192.0.2.9:1", "X-Forwarded-Proto", "https", 1},
		"not named, standard": {"192.0.2.9:1", "Forwarded", "for=203.0.113.7", 1},
		"on this machine":     {"127.0.0.1:1", "X-Forwarded-For", "203.0.113.7", 1},
		"named":               {"10.0.0.5:1", "X-Forwarded-For", "203.0.113.7", 0},
		"no proxy":            {"192.0.2.9:1", "Accept", "text/html", 0},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			seats, err := oneseat.New(memstore.New(), oneseat.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			defer seats.Close()
			guard, err := oneseathttp.New(seatsOver(t, seats), oneseathttp.Config{SignInPath: "/login", TrustedProxies: prefixes("10.0.0.5/32")})
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				r := httptest.NewRequest("POST", "https://members.example/login", nil)
				r.RemoteAddr = c.peer
				r.Header.Set(c.header, c.value)
				if _, err := guard.SignIn(httptest.NewRecorder(), r, "ada"); err != nil {
					t.Fatal(err)
				}
			}
			if n := strings.Count(log.String(), "TrustedProxies"); n != c.said {
				t.Errorf("said %d times, want %d: %s", n, c.said, &log)
			}
			if strings.Contains(log.String(), c.value) && c.said > 0 {
				t.Errorf("what a client wrote is in the log: %s", &log)
			}
		})
	}
}

func TestANginxThatAddsNoHeadersIsNotTakenForABrowserOnThisMachine(t *testing.T) {
	guard, err := oneseathttp.New(seatsOver(t, registry(t)), oneseathttp.Config{SignInPath: "/login"})
	if err != nil {
		t.Fatal(err)
	}
	r, w := httptest.NewRequest("POST", "http://127.0.0.1:8080/login", nil), httptest.NewRecorder()
	r.RemoteAddr, r.Proto, r.ProtoMinor = "127.0.0.1:1", "HTTP/1.0", 0 // as its proxy_pass asks, by default
	if _, err := guard.SignIn(w, r, "ada"); err != nil {
		t.Fatal(err)
	}
	for _, c := range w.Result().Cookies() {
		if !c.Secure || !strings.HasPrefix(c.Name, "__Host-") {
			t.Errorf("cookie %s", c.Raw)
		}
	}
}
