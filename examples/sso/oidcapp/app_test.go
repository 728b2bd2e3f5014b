package oidcapp

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/webtest"
	"github.com/oneseat/oneseat/examples/sso/provider"
	"github.com/oneseat/oneseat/store/memstore"
)

// world is the application, and the SSO at which its visitors sign in.
type world struct {
	*webtest.Site
	app   *App
	sso   *provider.OIDC
	store *memstore.Store
	t     *testing.T
}

func open(t *testing.T, c oneseat.Config) *world {
	t.Helper()
	store := memstore.New()
	w := openOver(t, store, c)
	w.store = store
	return w
}

func openOver(t *testing.T, store oneseat.Store, c oneseat.Config) *world {
	t.Helper()
	w := &world{t: t}
	w.Site = webtest.Open(t, store, c, func(*oneseat.Registry) (http.Handler, error) {
		return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) { w.app.ServeHTTP(out, r) }), nil
	})
	w.sso = provider.NewOIDC(t, w.URL+"/callback", "ada", "grace")
	app, err := New(t.Context(), w.Seats, Config{Site: w.URL, Issuer: w.sso.URL, Client: w.sso.Client, Secret: w.sso.Secret})
	if err != nil {
		t.Fatal(err)
	}
	w.app = app
	return w
}

// visitor is a browser that follows where it is sent, to the SSO and back.
type visitor struct {
	*webtest.Browser
	at *world
}

func (w *world) visitor(device string) *visitor {
	w.t.Helper()
	b := w.Browser(device)
	b.CheckRedirect = nil
	return &visitor{b, w}
}

// show goes to a page as a person does. It returns where that led to, and the page.
func (v *visitor) show(path string) (at *url.URL, body string) {
	v.at.t.Helper()
	return v.read(v.Do("GET", path, nil, "Accept", "text/html"))
}

func (v *visitor) read(resp *http.Response) (*url.URL, string) {
	v.at.t.Helper()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		v.at.t.Fatal(err)
	}
	return resp.Request.URL, string(body)
}

var request = regexp.MustCompile(`name="authRequestID" value="([^"]*)"`)

// signIn is what a person does once in each browser: type a password, at the SSO.
func (v *visitor) signIn(name string) string {
	v.at.t.Helper()
	_, form := v.show("/")
	found := request.FindStringSubmatch(form)
	if found == nil {
		v.at.t.Fatalf("the visitor is not at the SSO: %s", form)
	}
	resp, err := v.PostForm(v.at.sso.URL+"/login/username", url.Values{"authRequestID": {found[1]}, "username": {name}, "password": {name}})
	if err != nil {
		v.at.t.Fatal(err)
	}
	defer resp.Body.Close()
	at, body := v.read(resp)
	if at.Path != "/" || at.Host != strings.TrimPrefix(v.at.URL, "http://") {
		v.at.t.Fatalf("the sign-in led to %s: %s", at, body)
	}
	return body
}

// signIns is how many sessions were made, in all.
func (w *world) signIns() int {
	w.t.Helper()
	records, err := w.store.Events(w.t.Context(), oneseat.EventQuery{Realm: "default", Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	n := 0
	for _, r := range records {
		if r.Type == oneseat.EventSessionCreated {
			n++
		}
	}
	return n
}

func TestTheAccountIsThatOfTheIssuerAndTheSubject(t *testing.T) {
	w := open(t, oneseat.Config{})
	ada, grace := w.visitor(webtest.Laptop), w.visitor(webtest.Phone)
	if body := ada.signIn("ada"); !strings.Contains(body, "Hello "+w.sso.URL+" id of ada") {
		t.Errorf("ada sees %s", body)
	}
	if body := grace.signIn("grace"); !strings.Contains(body, "Hello "+w.sso.URL+" id of grace") { // with ada's e-mail address
		t.Errorf("grace sees %s", body)
	}
	ada.Want("/", 200, "id of ada")
}

// Nobody touches anything: both browsers only load their page again, as scripts and
// restored tabs do. The SSO would sign each of them in, at any time.
func TestTwoBrowsersThatTheSSOKnowsDoNotThrowEachOtherOut(t *testing.T) {
	w := open(t, oneseat.Config{})
	laptop, phone := w.visitor(webtest.Laptop), w.visitor(webtest.Phone)
	laptop.signIn("ada")
	phone.signIn("ada")
	for range 100 { // longer than anybody's 30 seconds
		at, body := laptop.show("/")
		if at.Path != "/login" || !strings.Contains(body, "signed in on another device") || !strings.Contains(body, "<button>Sign in here</button>") {
			t.Fatalf("the laptop is at %s: %s", at, body)
		}
		if at, body = laptop.show("/login"); at.Path != "/login" || !strings.Contains(body, "signed in on another device") { // its reason is lost, as with a bookmark
			t.Fatalf("the laptop is at %s: %s", at, body)
		}
		if at, body := phone.show("/"); at.Path != "/" {
			t.Fatalf("the phone is at %s: %s", at, body)
		}
	}
	if n := w.signIns(); n != 2 {
		t.Fatalf("%d sign-ins, of which persons made 2", n)
	}
	// A person decides. The SSO asks for no password.
	at, body := laptop.read(laptop.Do("POST", "/login", url.Values{"next": {"/"}}))
	if at.Path != "/" || !strings.Contains(body, "Hello") {
		t.Fatalf("the button led to %s: %s", at, body)
	}
	if at, _ := phone.show("/"); at.Path != "/login" {
		t.Errorf("the phone is at %s", at)
	}
}

// A browser without a session has nothing to be told: it goes through without a click.
func TestABrowserThatTheSSOKnowsIsSignedInWithoutAClick(t *testing.T) {
	w := open(t, oneseat.Config{})
	v := w.visitor(webtest.Laptop)
	v.signIn("ada")
	v.Plant("oneseat", "")
	if at, body := v.show("/?x=1"); at.RequestURI() != "/?x=1" || !strings.Contains(body, "Hello") {
		t.Errorf("it is at %s: %s", at, body)
	}
}

func TestASignOutLastsAlthoughTheSSOKnowsTheBrowser(t *testing.T) {
	w := open(t, oneseat.Config{})
	v := w.visitor(webtest.Laptop)
	v.signIn("ada")
	if at, body := v.read(v.Do("POST", "/logout", url.Values{})); at.Path != "/login" || !strings.Contains(body, "You are signed out") {
		t.Errorf("it is at %s: %s", at, body)
	}
	if n := w.signIns(); n != 1 {
		t.Errorf("%d sign-ins", n)
	}
}

// callbackOf goes to the SSO with a browser, and returns where the SSO sends it back to.
func (v *visitor) callbackOf() string {
	v.at.t.Helper()
	var back string
	v.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == "/callback" {
			back = r.URL.RequestURI()
			return http.ErrUseLastResponse
		}
		return nil
	}
	v.show("/login")
	v.CheckRedirect = nil
	if back == "" {
		v.at.t.Fatal("the SSO sent nobody back")
	}
	return back
}

// Otherwise an attacker signs your visitor in to the attacker's account.
func TestACallbackCountsInTheBrowserThatAskedForItOnly(t *testing.T) {
	w := open(t, oneseat.Config{})
	attacker, victim := w.visitor(webtest.Laptop), w.visitor(webtest.Phone)
	attacker.signIn("grace")
	attacker.Plant("oneseat", "")
	back := attacker.callbackOf()
	before := w.signIns()
	if at, body := victim.show(back); at.RequestURI() != "/login?reason=sso_failed" || !strings.Contains(body, "The sign-in did not work") {
		t.Errorf("the victim is at %s: %s", at, body)
	}
	mine := attacker.callbackOf()
	state := func(path string) string { u, _ := url.Parse(path); return u.Query().Get("state") }
	mixed := strings.Replace(mine, state(mine), state(back), 1) // the code of one sign-in with the state of another: PKCE
	if at, _ := attacker.show(mixed); at.RequestURI() != "/login?reason=sso_failed" {
		t.Errorf("the attacker is at %s", at)
	}
	if n := w.signIns(); n != before {
		t.Errorf("%d sessions more", n-before)
	}
}

func TestAnIDTokenOfAnotherSignInIsRefused(t *testing.T) {
	w := open(t, oneseat.Config{})
	v := w.visitor(webtest.Laptop)
	v.signIn("ada")
	v.Plant("oneseat", "")
	for name, forge := range map[string]func(*pending){
		"another nonce":    func(p *pending) { p.Nonce = "another" },
		"no nonce":         func(p *pending) { p.Nonce = "" },
		"another verifier": func(p *pending) { p.Verifier = strings.Repeat("another", 7) },
	} {
		back := v.callbackOf()
		u, err := url.Parse(back)
		if err != nil {
			t.Fatal(err)
		}
		cookie := "sso-" + u.Query().Get("state")
		var p pending
		b, err := base64.RawURLEncoding.DecodeString(v.Cookie(cookie))
		if err == nil {
			err = json.Unmarshal(b, &p)
		}
		if err != nil {
			t.Fatal(err)
		}
		forge(&p)
		if b, err = json.Marshal(p); err != nil {
			t.Fatal(err)
		}
		v.Plant(cookie, base64.RawURLEncoding.EncodeToString(b))
		if at, _ := v.show(back); at.RequestURI() != "/login?reason=sso_failed" {
			t.Errorf("with %s it is at %s", name, at)
		}
	}
	if n := w.signIns(); n != 1 {
		t.Errorf("%d sign-ins", n)
	}
}

// Two tabs that are restored go to the SSO at the same time, and both come back.
func TestSeveralTabsMayBeAtTheSSO(t *testing.T) {
	w := open(t, oneseat.Config{})
	v := w.visitor(webtest.Laptop)
	v.signIn("ada")
	v.Plant("oneseat", "")
	first := v.callbackOf()
	second := v.callbackOf()
	for _, back := range []string{first, second} {
		if at, body := v.show(back); at.Path != "/" {
			t.Errorf("a tab is at %s: %s", at, body)
		}
	}
	v.Want("/", 200, "Hello")
}

func TestWhatTheSSORefusesShowsThePageAndDoesNotGoRound(t *testing.T) {
	w := open(t, oneseat.Config{})
	v := w.visitor(webtest.Laptop)
	v.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	to, err := url.Parse(v.Do("GET", "/login", nil).Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"code_challenge_method": "S256", "response_type": "code", "scope": "openid"} {
		if got := to.Query().Get(key); got != want {
			t.Errorf("the SSO is asked with %s=%q", key, got)
		}
	}
	v.CheckRedirect = nil
	at, body := v.show("/callback?error=access_denied&state=" + to.Query().Get("state"))
	if at.Path != "/login" || !strings.Contains(body, "The sign-in did not work") || strings.Contains(body, "access_denied") {
		t.Errorf("it is at %s: %s", at, body)
	}
}

func TestUnderRefuseTheSecondBrowserIsToldAndDoesNotGoRound(t *testing.T) {
	w := open(t, oneseat.Config{WhenFull: oneseat.PolicyRefuse})
	w.visitor(webtest.Laptop).signIn("ada")
	phone := w.visitor(webtest.Phone)
	_, form := phone.show("/")
	resp, err := phone.PostForm(w.sso.URL+"/login/username", url.Values{"authRequestID": {request.FindStringSubmatch(form)[1]}, "username": {"ada"}, "password": {"ada"}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusConflict {
		t.Errorf("the phone gets %s", resp.Status)
	}
}

func TestAccountsAreShortEnoughAndNeverTheSame(t *testing.T) {
	seen := map[string]bool{}
	for _, of := range [][2]string{
		{"https://a.example", "b"}, {"https://a.example", "b c"}, {"https://a.example/b", "c"},
		{"https://a.example", strings.Repeat("s", 255)}, {"https://a.example", strings.Repeat("s", 254)}, {"https://a.example/" + strings.Repeat("s", 200), strings.Repeat("s", 55)},
	} {
		account := accountOf(of[0], of[1])
		if len(account) > 256 || seen[account] {
			t.Errorf("%v: %q", of, account)
		}
		seen[account] = true
	}
}

// ASVS 7.6.1: a session lasts no longer than the proof at the SSO counts.
func TestASessionLastsNoLongerThanTheProofAtTheSSO(t *testing.T) {
	w := open(t, oneseat.Config{})
	v := w.visitor(webtest.Laptop)
	v.signIn("ada")
	sessions, err := w.Seats.Sessions(t.Context(), w.sso.URL+" id of ada")
	if err != nil || len(sessions) != 1 {
		t.Fatal(sessions, err)
	}
	if got := sessions[0].Lifetime.Absolute; got > provedFor || got < provedFor-time.Minute {
		t.Errorf("a session lasts for %v", got)
	}
	short := openOver(t, memstore.New(), oneseat.Config{Absolute: time.Hour})
	short.visitor(webtest.Laptop).signIn("ada") // and never longer than the site's own
	now := time.Now()
	for name, c := range map[string]struct {
		proved time.Time
		left   time.Duration // 0: refused
	}{
		"a moment ago":     {now, provedFor},
		"an hour ago":      {now.Add(-time.Hour), provedFor - time.Hour},
		"a clock is ahead": {now.Add(time.Hour), provedFor},
		"yesterday":        {now.Add(-24 * time.Hour), 0},
		"not said":         {time.Time{}, 0},
	} {
		life, err := w.app.lifetime(c.proved, now)
		if (err != nil) != (c.left == 0) || life.Absolute != c.left {
			t.Errorf("%s: %v, %v", name, life.Absolute, err)
		}
	}
}
