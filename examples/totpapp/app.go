// Package totpapp is an application with a second factor: after the password it asks for
// a code of an authenticator app (pquerna/otp).
//
// It signs in after the code, and not before. A session that is made after the password
// holds a seat and ends another session. So somebody who knows only the password could
// throw the owner out, as often as they like, without ever knowing a code.
package totpapp

import (
	"crypto/rand"
	"html/template"
	"log"
	"net/http"
	"sync"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/accounts"
	"github.com/oneseat/oneseat/oneseathttp"
)

// App is the application.
type App struct {
	seats   *oneseat.Registry
	guard   *oneseathttp.Guard
	users   *accounts.Table
	codes   *Codes
	half    halfway
	secure  bool // the site is on https
	handler http.Handler
}

// New returns the application.
func New(seats *oneseat.Registry, users *accounts.Table, codes *Codes, secure bool) (*App, error) {
	guard, err := oneseathttp.New(seats, oneseathttp.Config{SignInPath: "/login"})
	if err != nil {
		return nil, err
	}
	a := &App{seats: seats, guard: guard, users: users, codes: codes, secure: secure}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		show(w, "login", r.FormValue("next"))
	})
	mux.HandleFunc("POST /login", a.password)
	mux.HandleFunc("GET /login/code", func(w http.ResponseWriter, _ *http.Request) { show(w, "code", nil) })
	mux.HandleFunc("POST /login/code", a.code)
	mux.Handle("POST /factor", guard.RequireFresh(10*time.Minute, http.HandlerFunc(a.changeFactor)))
	mux.Handle("GET /{$}", guard.Require(http.HandlerFunc(a.members)))
	mux.Handle(oneseathttp.Path, guard.Handler())
	a.handler = http.NewCrossOriginProtection().Handler(guard.Wrap(mux))
	return a, nil
}

// ServeHTTP makes App an http.Handler.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// password is the first step. It makes no session.
func (a *App) password(w http.ResponseWriter, r *http.Request) {
	account := r.PostFormValue("account")
	if !a.users.Verify(account, r.PostFormValue("password")) {
		http.Error(w, "That name and password do not belong together.", http.StatusUnauthorized)
		return
	}
	id := a.half.begin(visitor{account, r.PostFormValue("next"), time.Now().Add(halfFor)})
	a.keep(w, id, halfFor)
	http.Redirect(w, r, "/login/code", http.StatusSeeOther)
}

// code is the second step. With the right code the browser is signed in.
func (a *App) code(w http.ResponseWriter, r *http.Request) {
	cookie, err := r.Cookie(a.cookie())
	if err != nil {
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return
	}
	who, ok := a.half.find(cookie.Value)
	if !ok { // too long ago
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return
	}
	if !a.codes.Use(who.account, r.PostFormValue("code")) {
		http.Error(w, "That code is not right, or was used, or too many were tried. Wait for the next one.", http.StatusUnauthorized)
		return
	}
	a.half.end(cookie.Value)
	a.keep(w, "", -time.Second)
	if _, err := a.guard.SignIn(w, r, who.account); err != nil {
		a.guard.RefuseSignIn(w, r, err, who.next)
		return
	}
	if !oneseathttp.LocalPath(who.next) {
		who.next = "/"
	}
	http.Redirect(w, r, who.next, http.StatusSeeOther)
}

// changeFactor gives the account another second factor. The visitor has shown a code of
// it. All other devices are signed out, because they signed in with the old factor.
func (a *App) changeFactor(w http.ResponseWriter, r *http.Request) {
	session, _ := oneseat.SessionFrom(r.Context())
	if !a.codes.Change(session.Account, r.PostFormValue("secret"), r.PostFormValue("code")) {
		http.Error(w, "That code is not of the new secret. Nothing was changed.", http.StatusUnprocessableEntity)
		return
	}
	options := oneseat.EndOptions{Reason: oneseat.ReasonCredentialsChanged}
	if _, err := a.seats.EndOthers(r.Context(), session.Account, session.ID, options); err != nil {
		http.Error(w, "The factor was changed. Your other devices may still be signed in: please send this again.", http.StatusServiceUnavailable)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// halfFor is how long the password counts without the code.
const halfFor = 5 * time.Minute

// visitor has given the right password, and no code yet.
type visitor struct {
	account string
	next    string // where the visitor wanted to go
	until   time.Time
}

// halfway are the application's own sessions between the two steps. They are good for
// the second step and nothing else. Several nodes need a table that they share. After a
// change of password, delete those of the account.
type halfway struct {
	mu sync.Mutex
	of map[string]visitor
}

func (h *halfway) begin(v visitor) (id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.of == nil {
		h.of = map[string]visitor{}
	}
	for id, old := range h.of {
		if time.Now().After(old.until) {
			delete(h.of, id)
		}
	}
	id = rand.Text()
	h.of[id] = v
	return id
}

func (h *halfway) find(id string) (visitor, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, ok := h.of[id]
	return v, ok && time.Now().Before(v.until)
}

func (h *halfway) end(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.of, id)
}

// keep has the browser keep the id between the two steps.
func (a *App) keep(w http.ResponseWriter, id string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: a.cookie(), Value: id, Path: "/", MaxAge: int(life / time.Second),
		HttpOnly: true, Secure: a.secure, SameSite: http.SameSiteLaxMode,
	})
}

func (a *App) cookie() string {
	if a.secure {
		return "__Host-half" // no other host can plant it
	}
	return "half"
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
<form method="post" action="/login">
<input type="hidden" name="next" value="{{.}}">
<label>Name <input name="account" autocomplete="username"></label>
<label>Password <input name="password" type="password" autocomplete="current-password"></label>
<button>Next</button>
</form></html>{{end}}

{{define "code"}}<!doctype html>
<html lang="en"><meta name="viewport" content="width=device-width"><title>Your code</title>
<form method="post" action="/login/code">
<label>The code of your authenticator app <input name="code" inputmode="numeric" autocomplete="one-time-code"></label>
<button>Sign in</button>
</form></html>{{end}}

{{define "members"}}<!doctype html>
<html lang="en"><meta name="viewport" content="width=device-width"><title>Members</title>
<meta name="oneseat-session" content="{{.ID}}">
<script type="module" src="/oneseat/oneseat.js"></script>
<h1>Hello {{.Account}}</h1></html>{{end}}
`))
