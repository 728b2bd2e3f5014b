package samlapp

import (
	"encoding/base64"
	"html"
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
	sso   *provider.SAML
	store *memstore.Store
	t     *testing.T
}

func open(t *testing.T, c oneseat.Config) *world {
	t.Helper()
	w := &world{store: memstore.New(), t: t, sso: provider.NewSAML(t, "", "ada", "grace")}
	var app *App
	w.Site = webtest.Open(t, w.store, c, func(*oneseat.Registry) (http.Handler, error) {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { app.ServeHTTP(w, r) }), nil
	})
	app, err := New(w.Seats, Config{Site: w.URL, IDP: w.sso.Metadata(), Key: []byte("32 random bytes, kept secret: no")})
	if err != nil {
		t.Fatal(err)
	}
	_, metadata := w.Browser(webtest.Laptop).Get("/saml/metadata")
	w.sso.Register(t, []byte(metadata))
	return w
}

// visitor is a browser that follows where it is sent. It does what a browser does with
// the form of the SSO: it posts the form without the cookies of this site.
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

func (v *visitor) read(resp *http.Response) (*url.URL, string) {
	v.at.t.Helper()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		v.at.t.Fatal(err)
	}
	return resp.Request.URL, string(body)
}

func (v *visitor) show(path string) (*url.URL, string) {
	v.at.t.Helper()
	return v.read(v.Do("GET", path, nil, "Accept", "text/html"))
}

var (
	action = regexp.MustCompile(`action="([^"]*)"`)
	field  = regexp.MustCompile(`name="(SAML[A-Za-z]*|RelayState)" value="([^"]*)"`)
)

// form is where a form of the SSO goes, and what it has in it.
func (v *visitor) form(page string) (to string, fields url.Values) {
	v.at.t.Helper()
	at := action.FindStringSubmatch(page)
	if at == nil {
		v.at.t.Fatalf("no form of the SSO: %s", page)
	}
	fields = url.Values{}
	for _, f := range field.FindAllStringSubmatch(page, -1) {
		fields.Set(f[1], html.UnescapeString(f[2]))
	}
	return html.UnescapeString(at[1]), fields
}

// said returns the form in which the SSO says who the visitor is. If necessary, the
// visitor types a password at the SSO first.
func (v *visitor) said(name string) url.Values {
	v.at.t.Helper()
	_, page := v.show("/login")
	to, fields := v.form(page)
	if fields.Get("SAMLResponse") == "" {
		fields.Set("user", name)
		fields.Set("password", name)
		resp, err := v.PostForm(to, fields)
		if err != nil {
			v.at.t.Fatal(err)
		}
		defer resp.Body.Close()
		_, page = v.read(resp)
		to, fields = v.form(page)
	}
	if to != v.at.URL+"/saml/acs" {
		v.at.t.Fatalf("the form goes to %s", to)
	}
	return fields
}

// post sends the form. It returns where the browser is to go on.
func (v *visitor) post(fields url.Values) string {
	v.at.t.Helper()
	stranger := v.at.Browser(v.Device) // the same browser without its cookies
	resp := stranger.Do("POST", "/saml/acs", fields, "Sec-Fetch-Site", "cross-site", "Origin", v.at.sso.URL)
	if resp.StatusCode != http.StatusSeeOther || len(resp.Cookies()) > 0 {
		v.at.t.Fatalf("the form is answered %s, with cookies %v", resp.Status, resp.Cookies())
	}
	return resp.Header.Get("Location")
}

// signIn goes to the SSO and back.
func (v *visitor) signIn(name string) {
	v.at.t.Helper()
	next := v.post(v.said(name))
	if at, body := v.show(next); at.Path != "/" || !strings.Contains(body, "id of "+name) {
		v.at.t.Fatalf("it is at %s: %s", at, body)
	}
}

func (w *world) events(of oneseat.EventType) (n int) {
	w.t.Helper()
	records, err := w.store.Events(w.t.Context(), oneseat.EventQuery{Realm: "default", Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range records {
		if r.Type == of {
			n++
		}
	}
	return n
}

func TestTheAccountIsThatOfTheIssuerAndThePersistentName(t *testing.T) {
	w := open(t, oneseat.Config{})
	ada, grace := w.visitor(webtest.Laptop), w.visitor(webtest.Phone)
	ada.signIn("ada")
	grace.signIn("grace") // with ada's e-mail address
	ada.Want("/", 200, "Hello "+w.sso.URL+"/metadata id of ada")
	grace.Want("/", 200, "Hello "+w.sso.URL+"/metadata id of grace")
}

// The form comes without cookies. All the same it is this browser that signs in again:
// its other tab goes on, and under refuse it is not refused because of itself.
func TestABrowserThatSignsInAgainIsItself(t *testing.T) {
	for _, policy := range []oneseat.Policy{oneseat.PolicyDisplace, oneseat.PolicyRefuse, oneseat.PolicyAsk} {
		t.Run(string(policy), func(t *testing.T) {
			w := open(t, oneseat.Config{WhenFull: policy})
			v := w.visitor(webtest.Laptop)
			v.signIn("ada")
			before := v.Cookie("oneseat")
			v.signIn("ada") // in another tab
			v.Want("/", 200, "Hello")
			old := w.Browser(webtest.Laptop)
			old.Plant("oneseat", before)
			old.Want("/", 401, string(oneseat.ReasonRenewed))
		})
	}
}

func TestTwoBrowsersThatTheSSOKnowsDoNotThrowEachOtherOut(t *testing.T) {
	w := open(t, oneseat.Config{})
	laptop, phone := w.visitor(webtest.Laptop), w.visitor(webtest.Phone)
	laptop.signIn("ada")
	phone.signIn("ada")
	for range 100 {
		if at, body := laptop.show("/"); at.Path != "/login" || !strings.Contains(body, "signed in on another device") {
			t.Fatalf("the laptop is at %s: %s", at, body)
		}
		if at, _ := phone.show("/"); at.Path != "/" {
			t.Fatalf("the phone is at %s", at)
		}
	}
	if n := w.events(oneseat.EventSessionCreated); n != 2 {
		t.Errorf("%d sign-ins, of which persons made 2", n)
	}
}

func TestACodeIsGoodOnceAndInTheBrowserThatAskedForIt(t *testing.T) {
	w := open(t, oneseat.Config{})
	mine, other := w.visitor(webtest.Laptop), w.visitor(webtest.Phone)
	next := mine.post(mine.said("grace"))
	if at, _ := other.show(next); at.RequestURI() != "/login?reason=sso_failed" {
		t.Errorf("another browser is at %s", at)
	}
	if at, _ := mine.show(next); at.RequestURI() != "/login?reason=sso_failed" { // the other has used it up
		t.Errorf("afterwards it is at %s", at)
	}
	next = mine.post(mine.said("grace"))
	if at, _ := mine.show(next); at.Path != "/" {
		t.Errorf("it is at %s", at)
	}
	if at, _ := mine.show(next); at.RequestURI() != "/login?reason=sso_failed" {
		t.Errorf("the second time it is at %s", at)
	}
	if n := w.events(oneseat.EventSessionCreated); n != 1 {
		t.Errorf("%d sign-ins", n)
	}
}

func TestACodeLastsAMinute(t *testing.T) {
	var kept results
	old := kept.keep(result{account: "ada", until: time.Now().Add(-time.Second)})
	if _, ok := kept.take(old); ok {
		t.Error("it was taken later")
	}
	kept.keep(result{account: "ada", until: time.Now().Add(-time.Second)})
	fresh := kept.keep(result{account: "ada", until: time.Now().Add(time.Minute)})
	if n := len(kept.of); n != 1 {
		t.Errorf("%d are kept", n)
	}
	if v, ok := kept.take(fresh); !ok || v.account != "ada" {
		t.Error("it was not taken in time")
	}
}

func TestWhatTheSSODidNotSayForThisSignInIsRefused(t *testing.T) {
	w := open(t, oneseat.Config{})
	v := w.visitor(webtest.Laptop)
	first, second := v.said("ada"), v.said("ada")
	refused := func(what string, fields url.Values) {
		t.Helper()
		if next := v.post(fields); next != "/login?reason=sso_failed" {
			t.Errorf("%s led to %s", what, next)
		}
	}
	mixed := url.Values{"SAMLResponse": first["SAMLResponse"], "RelayState": second["RelayState"]}
	refused("the answer to another request", mixed)
	refused("an answer to no request", url.Values{"SAMLResponse": first["SAMLResponse"]})
	refused("nothing", url.Values{})
	plain, err := base64.StdEncoding.DecodeString(first.Get("SAMLResponse"))
	if err != nil {
		t.Fatal(err)
	}
	forged := strings.ReplaceAll(string(plain), "id of ada", "id of bob")
	refused("another name", url.Values{"SAMLResponse": {base64.StdEncoding.EncodeToString([]byte(forged))}, "RelayState": first["RelayState"]})
	if next := v.post(second); !strings.HasPrefix(next, "/saml/finish?code=") {
		t.Errorf("the answer led to %s", next)
	}
	refused("an answer that was used", second)
	if n := w.events(oneseat.EventSessionCreated); n != 0 {
		t.Errorf("%d sign-ins", n)
	}
}

func TestOtherFormsOfAnotherSiteDoNothing(t *testing.T) {
	w := open(t, oneseat.Config{})
	v := w.visitor(webtest.Laptop)
	v.signIn("ada")
	for _, path := range []string{"/login", "/logout"} {
		if resp := v.Do("POST", path, url.Values{}, "Sec-Fetch-Site", "cross-site"); resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	if at, body := v.read(v.Do("POST", "/logout", url.Values{})); at.Path != "/login" || !strings.Contains(body, "You are signed out") {
		t.Errorf("after the sign-out it is at %s", at)
	}
}

func TestAccountsAreShortEnoughAndNeverTheSame(t *testing.T) {
	seen := map[string]bool{}
	for _, of := range [][2]string{
		{"https://a.example", "b"}, {"https://a.example", "b c"}, {"https://a.example b", "c"},
		{"https://a.example", strings.Repeat("s", 255)}, {"https://a.example", strings.Repeat("s", 254)},
	} {
		account := accountOf(of[0], of[1])
		if len(account) > 256 || seen[account] {
			t.Errorf("%v: %q", of, account)
		}
		seen[account] = true
	}
}
