// Package samlapp is an application whose visitors sign in at an identity provider that
// speaks SAML (crewjam/saml), the "SSO". The SSO answers with a form that the browser
// posts here, from the site of the SSO.
//
// Browsers send no cookie with SameSite=Lax with such a form. So the handler of the form
// sees no session: a sign-in there would take this browser for another one, and throw
// out the browser's own other tab, or be refused because of it. Therefore the handler
// only verifies. It keeps the result under a code that is good once, and sends the
// browser to a page of this site. That request is a GET, which has the cookies, and
// signs in.
package samlapp

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"html/template"
	"log"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/crewjam/saml"
	"github.com/crewjam/saml/samlsp"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

// App is the application.
type App struct {
	guard   *oneseathttp.Guard
	sso     saml.ServiceProvider
	key     []byte // makes the ids of requests
	results results
	secure  bool // the site is on https
	handler http.Handler
}

// Config says at which provider visitors sign in.
type Config struct {
	Site string                 // where this site is, such as "https://members.example"
	IDP  *saml.EntityDescriptor // what the provider says of itself, see samlsp.FetchMetadata
	Key  []byte                 // 32 random bytes, kept secret, the same on every node
}

// New returns the application.
func New(seats *oneseat.Registry, c Config) (*App, error) {
	site, err := url.Parse(c.Site)
	if err != nil {
		return nil, err
	}
	guard, err := oneseathttp.New(seats, oneseathttp.Config{SignInPath: "/login"})
	if err != nil {
		return nil, err
	}
	a := &App{
		guard: guard,
		key:   c.Key,
		sso: saml.ServiceProvider{
			MetadataURL: *site.JoinPath("saml", "metadata"), AcsURL: *site.JoinPath("saml", "acs"), IDPMetadata: c.IDP,
			AuthnNameIDFormat:    saml.PersistentNameIDFormat, // the same at each sign-in
			RejectSHA1Signatures: true,
			ReplayCache:          samlsp.NewMemoryReplayCache(100_000), // of several nodes: one that they share
		},
		secure: site.Scheme == "https",
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", a.signInPage)
	mux.HandleFunc("POST /login", a.start)
	mux.HandleFunc("GET /saml/metadata", a.metadata)
	mux.HandleFunc("POST /saml/acs", a.verify)
	mux.HandleFunc("GET /saml/finish", a.signIn)
	mux.HandleFunc("POST /logout", a.signOut)
	mux.Handle("GET /{$}", guard.Require(http.HandlerFunc(a.members)))
	mux.Handle(oneseathttp.Path, guard.Handler())
	forms := http.NewCrossOriginProtection()
	forms.AddInsecureBypassPattern("POST /saml/acs") // what it is sent is signed, and it changes nothing
	a.handler = forms.Handler(guard.Wrap(mux))
	return a, nil
}

// ServeHTTP makes App an http.Handler.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// signInPage forwards to the SSO, unless the visitor was sent here for a reason that a
// person has to see first.
func (a *App) signInPage(w http.ResponseWriter, r *http.Request) {
	reason := r.FormValue("reason")
	ending, ended := oneseat.EndingFrom(r.Context())
	if !ended && (reason == "" || reason == "no_session") {
		a.start(w, r)
		return
	}
	notice := oneseathttp.Notice{Title: "You are signed out", Detail: "Sign in to continue."}
	switch {
	case ended:
		notice = oneseathttp.NoticeOf(ending)
	case reason == failed:
		notice = oneseathttp.Notice{Title: "The sign-in did not work", Detail: "Nothing has changed. Try again."}
	}
	show(w, "login", map[string]any{"Notice": notice, "Next": r.FormValue("next")})
}

// failed is the reason of a browser that came back from the SSO with nothing.
const failed = "sso_failed"

// start sends the browser to the SSO. Nothing is kept here. The browser keeps a cookie,
// whose name nobody else knows, for one way to the SSO and back.
func (a *App) start(w http.ResponseWriter, r *http.Request) {
	way := rand.Text()
	request, err := a.sso.MakeAuthenticationRequest(a.sso.GetSSOBindingLocation(saml.HTTPRedirectBinding), saml.HTTPRedirectBinding, saml.HTTPPostBinding)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	request.ID = a.request(way)
	to, err := request.Redirect(way, &a.sso)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	a.remember(w, way, url.QueryEscape(r.FormValue("next")), 10*time.Minute)
	http.Redirect(w, r, to.String(), http.StatusSeeOther)
}

// request returns the id of the request that begins a way. The answer of the SSO has to
// name that id.
func (a *App) request(way string) string {
	mac := hmac.New(sha256.New, a.key)
	mac.Write([]byte(way))
	return "id-" + hex.EncodeToString(mac.Sum(nil))
}

func (a *App) remember(w http.ResponseWriter, way, next string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: a.cookie(way), Value: "to:" + next, Path: "/", MaxAge: int(life / time.Second),
		HttpOnly: true, Secure: a.secure, SameSite: http.SameSiteLaxMode,
	})
}

func (a *App) cookie(way string) string {
	if a.secure {
		return "__Host-sso-" + way // no other host can plant it
	}
	return "sso-" + way
}

// verify takes the form that the SSO makes the browser post. The form comes from another
// site, so it has no cookies: nothing is known of this browser.
func (a *App) verify(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	if err := r.ParseForm(); err != nil {
		a.fail(w, r, err)
		return
	}
	way := r.PostForm.Get("RelayState")
	said, err := a.sso.ParseResponse(r, []string{a.request(way)}) // signature, issuer, audience, expiry, the request
	if err != nil {
		if bad, ok := errors.AsType[*saml.InvalidResponseError](err); ok {
			err = bad.PrivateErr // says why
		}
		a.fail(w, r, err)
		return
	}
	name := said.Subject.NameID
	if name == nil || name.Format != string(saml.PersistentNameIDFormat) {
		a.fail(w, r, errors.New("the SSO gives no persistent name"))
		return
	}
	code := a.results.keep(result{way, accountOf(said.Issuer.Value, name.Value), time.Now().Add(time.Minute)})
	http.Redirect(w, r, "/saml/finish?code="+code, http.StatusSeeOther) // 303: the browser goes on with a GET
}

// signIn signs in, in the browser that has asked for it.
func (a *App) signIn(w http.ResponseWriter, r *http.Request) {
	found, ok := a.results.take(r.URL.Query().Get("code"))
	if !ok {
		a.fail(w, r, errors.New("no such code, or it is used, or a minute is over"))
		return
	}
	cookie, err := r.Cookie(a.cookie(found.way))
	if err != nil { // somebody else's code
		a.fail(w, r, err)
		return
	}
	a.remember(w, found.way, "", -time.Second)
	next, err := url.QueryUnescape(strings.TrimPrefix(cookie.Value, "to:"))
	if err != nil || !oneseathttp.LocalPath(next) {
		next = "/"
	}
	if _, err := a.guard.SignIn(w, r, found.account); err != nil {
		a.guard.RefuseSignIn(w, r, err, next)
		return
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// result is what was verified.
type result struct {
	way     string // on which it came
	account string
	until   time.Time
}

// results are kept for a minute, each for one code. Several nodes need a table that they
// share, in the application's database for example.
type results struct {
	mu sync.Mutex
	of map[string]result
}

func (k *results) keep(v result) (code string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.of == nil {
		k.of = map[string]result{}
	}
	for code, old := range k.of {
		if time.Now().After(old.until) {
			delete(k.of, code)
		}
	}
	code = rand.Text()
	k.of[code] = v
	return code
}

func (k *results) take(code string) (result, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	v, ok := k.of[code]
	delete(k.of, code)
	return v, ok && time.Now().Before(v.until)
}

// accountOf returns the account of the person that an issuer knows by this name. Only
// issuer and name together never name another person.
func accountOf(issuer, name string) string {
	account := issuer + " " + name
	if len(account) > 256 || strings.Contains(issuer, " ") { // an account has no more; and a space separates
		sum := sha256.Sum256([]byte(url.QueryEscape(issuer) + " " + name))
		account = "sha256 " + hex.EncodeToString(sum[:])
	}
	return account
}

// metadata is what the SSO has to know of this site.
func (a *App) metadata(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/samlmetadata+xml")
	if err := xml.NewEncoder(w).Encode(a.sso.Metadata()); err != nil {
		log.Print(err) // as a rule an error of the client's connection
	}
}

// fail shows the sign-in page, which does not forward then.
func (a *App) fail(w http.ResponseWriter, r *http.Request, err error) {
	log.Print("sign-in at the SSO: ", err) // for the operator; a visitor can do nothing with it
	http.Redirect(w, r, "/login?reason="+failed, http.StatusSeeOther)
}

// signOut ends the session here. The SSO still knows the browser, so the page that
// follows must not forward.
func (a *App) signOut(w http.ResponseWriter, r *http.Request) {
	if err := a.guard.SignOut(w, r); err != nil {
		http.Error(w, "Please try again.", http.StatusServiceUnavailable)
		return
	}
	http.Redirect(w, r, "/login?reason=signed_out", http.StatusSeeOther)
}

func (a *App) members(w http.ResponseWriter, r *http.Request) {
	session, _ := oneseat.SessionFrom(r.Context())
	show(w, "members", session)
}

func show(w http.ResponseWriter, name string, view any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if err := pages.ExecuteTemplate(w, name, view); err != nil {
		log.Print(err) // as a rule an error of the browser's connection
	}
}

var pages = template.Must(template.New("").Parse(`
{{define "login"}}<!doctype html>
<html lang="en"><meta name="viewport" content="width=device-width"><title>Sign in</title>
<h1>{{.Notice.Title}}</h1><p>{{.Notice.Detail}}</p>
<form method="post" action="/login">
<input type="hidden" name="next" value="{{.Next}}">
<button>Sign in here</button>
</form></html>{{end}}

{{define "members"}}<!doctype html>
<html lang="en"><meta name="viewport" content="width=device-width"><title>Members</title>
<meta name="oneseat-session" content="{{.ID}}">
<script type="module" src="/oneseat/oneseat.js"></script>
<h1>Hello {{.Account}}</h1>
<form method="post" action="/logout"><button>Sign out</button></form></html>{{end}}
`))
