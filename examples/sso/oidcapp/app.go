// Package oidcapp is an application whose visitors sign in at an OpenID provider
// (coreos/go-oidc, golang.org/x/oauth2), the "SSO". It keeps nothing while a visitor is
// there: what it has to remember is in a cookie of that browser.
//
// The sign-in page forwards to the SSO by itself, but never after a session has ended.
// Otherwise two browsers, both known to the SSO, would throw each other out for ever,
// although nobody touches anything.
package oidcapp

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"html/template"
	"log"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

// App is the application.
type App struct {
	seats   *oneseat.Registry
	guard   *oneseathttp.Guard
	sso     oauth2.Config
	tokens  *oidc.IDTokenVerifier
	logouts *logouts
	secure  bool // the site is on https
	handler http.Handler
}

// Config says at which provider visitors sign in.
type Config struct {
	Site   string // where this site is, such as "https://members.example"
	Issuer string // such as "https://login.example.com"
	Client string // the id that the provider has given to this site
	Secret string // the secret that goes with it
}

// New returns the application. It asks the provider for its addresses and keys.
func New(ctx context.Context, seats *oneseat.Registry, c Config) (*App, error) {
	provider, err := oidc.NewProvider(ctx, c.Issuer)
	if err != nil {
		return nil, err
	}
	guard, err := oneseathttp.New(seats, oneseathttp.Config{SignInPath: "/login"})
	if err != nil {
		return nil, err
	}
	a := &App{
		seats:   seats,
		guard:   guard,
		logouts: newLogouts(),
		tokens:  provider.Verifier(&oidc.Config{ClientID: c.Client}),
		sso: oauth2.Config{
			ClientID: c.Client, ClientSecret: c.Secret, Endpoint: provider.Endpoint(),
			RedirectURL: c.Site + "/callback", Scopes: []string{oidc.ScopeOpenID},
		},
		secure: strings.HasPrefix(c.Site, "https:"),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", a.signInPage)
	mux.HandleFunc("POST /login", a.start)
	mux.HandleFunc("GET /callback", a.callback)
	mux.HandleFunc("POST /logout", a.signOut)
	mux.HandleFunc("POST /backchannel-logout", a.signedOutElsewhere)
	mux.Handle("GET /{$}", guard.Require(http.HandlerFunc(a.members)))
	mux.Handle(oneseathttp.Path, guard.Handler())
	a.handler = http.NewCrossOriginProtection().Handler(guard.Wrap(mux))
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

// pending is what has to be remembered while a visitor is at the SSO.
type pending struct {
	Nonce    string // comes back in the ID token, which is then for this sign-in
	Verifier string // of PKCE: somebody that intercepts the code cannot redeem it
	Next     string // where the visitor wanted to go
}

// start sends the browser to the SSO.
func (a *App) start(w http.ResponseWriter, r *http.Request) {
	state := rand.Text()
	p := pending{Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Next: r.FormValue("next")}
	b, err := json.Marshal(p)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	a.remember(w, state, base64.RawURLEncoding.EncodeToString(b), 10*time.Minute)
	http.Redirect(w, r, a.sso.AuthCodeURL(state, oidc.Nonce(p.Nonce), oauth2.S256ChallengeOption(p.Verifier), maxAge), http.StatusSeeOther)
}

// remember has the browser keep a value for one way to the SSO and back. Each way has a
// cookie of its own, because several tabs may be on it.
func (a *App) remember(w http.ResponseWriter, state, value string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: a.cookie(state), Value: value, Path: "/", MaxAge: int(life / time.Second),
		HttpOnly: true, Secure: a.secure, SameSite: http.SameSiteLaxMode,
	})
}

func (a *App) cookie(state string) string {
	if a.secure {
		return "__Host-sso-" + state // no other host can plant it
	}
	return "sso-" + state
}

// callback is where the SSO sends the browser back to. It signs in when everything has
// been verified, and not before.
func (a *App) callback(w http.ResponseWriter, r *http.Request) {
	state := r.URL.Query().Get("state")
	cookie, err := r.Cookie(a.cookie(state))
	if err != nil { // this browser has not asked for it
		a.fail(w, r, err)
		return
	}
	a.remember(w, state, "", -time.Second)
	token, next, err := a.redeem(r, cookie.Value)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	lifetime, err := a.lifetime(provedAt(token), time.Now())
	if err != nil {
		a.fail(w, r, err)
		return
	}
	grant, err := a.guard.SignInWith(w, r, oneseathttp.SignInOptions{Account: accountOf(token.Issuer, token.Subject), Lifetime: lifetime, Data: dataOf(sidOf(token))})
	if err != nil {
		a.guard.RefuseSignIn(w, r, err, next)
		return
	}
	if !a.logouts.began(sidOf(token), grant.Session.Account) { // the SSO has ended it meanwhile
		a.signOut(w, r)
		return
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// redeem returns the ID token, which says who the visitor is, and where the visitor
// wanted to go.
func (a *App) redeem(r *http.Request, kept string) (token *oidc.IDToken, next string, err error) {
	var p pending
	b, err := base64.RawURLEncoding.DecodeString(kept)
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err != nil {
		return nil, "", err
	}
	q := r.URL.Query()
	if said := q.Get("error"); said != "" {
		return nil, "", errors.New("the SSO says " + said)
	}
	granted, err := a.sso.Exchange(r.Context(), q.Get("code"), oauth2.VerifierOption(p.Verifier))
	if err != nil {
		return nil, "", err
	}
	raw, _ := granted.Extra("id_token").(string)
	token, err = a.tokens.Verify(r.Context(), raw) // signature, issuer, audience, expiry
	if err != nil {
		return nil, "", err
	}
	if p.Nonce == "" || token.Nonce != p.Nonce {
		return nil, "", errors.New("the ID token is of another sign-in")
	}
	if next = p.Next; !oneseathttp.LocalPath(next) {
		next = "/"
	}
	return token, next, nil
}

// provedFor is how long a proof at the SSO counts here. The SSO is asked for a proof
// that is not older. It may have asked for a password long before this sign-in.
const provedFor = 12 * time.Hour

var maxAge = oauth2.SetAuthURLParam("max_age", strconv.Itoa(int(provedFor/time.Second)))

// provedAt returns when the person proved to the SSO who they are, or the zero time
// where the SSO does not say.
func provedAt(token *oidc.IDToken) time.Time {
	var said struct {
		AuthTime int64 `json:"auth_time"`
	}
	if token.Claims(&said) != nil || said.AuthTime == 0 {
		return time.Time{}
	}
	return time.Unix(said.AuthTime, 0)
}

// lifetime returns how long a session may last if its person proved who they are at the
// time proved.
func (a *App) lifetime(proved, now time.Time) (oneseat.Lifetime, error) {
	left := min(proved.Add(provedFor).Sub(now), provedFor)
	if left < time.Minute { // the SSO has not done what max_age asks for, or does not say when
		return oneseat.Lifetime{}, errors.New("the SSO names no proof that is new enough")
	}
	if most := a.seats.Config().Absolute; most > 0 {
		left = min(left, most)
	}
	return oneseat.Lifetime{Absolute: left}, nil
}

// sidOf returns the id of the session at the SSO that an ID token belongs to, or ""
// where the SSO does not say.
func sidOf(token *oidc.IDToken) string {
	var said struct {
		SID string `json:"sid"`
	}
	_ = token.Claims(&said) // verified before; a sid that is no text is none
	return said.SID
}

// accountOf returns the account of the person that an issuer knows by this subject.
// Only issuer and subject together never name another person. An e-mail address may be
// changed, be given to another person, or not be verified.
func accountOf(issuer, subject string) string {
	account := issuer + " " + subject // no issuer has a space in it
	if len(account) > 256 {           // an account has no more, and a subject may have 255
		sum := sha256.Sum256([]byte(account))
		account = "sha256 " + hex.EncodeToString(sum[:])
	}
	return account
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
