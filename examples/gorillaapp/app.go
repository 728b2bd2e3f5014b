// Package gorillaapp is an application that had sessions of gorilla/sessions before
// oneseat, in a CookieStore, and keeps them.
//
// With a CookieStore the session is in the browser. The application cannot take it
// back, and a copy of an old cookie is as good as new until it expires. oneseat's
// cookie is beside it and says whether the session is live. A pair of cookies that is
// sent again is refused, because its session has ended. A gorilla cookie alone is
// refused too, because something of its account has ended, or the account is signed in.
//
// oneseat's token must not be put into the gorilla session, because the request that
// saves last overwrites the browser's copy.
//
// This had to be changed in the application: who() below asks oneseat, and sign-in,
// sign-out and change of password each call oneseat.
package gorillaapp

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/gorilla/sessions"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/accounts"
	"github.com/oneseat/oneseat/oneseathttp"
)

const cookieName = "app"

// App is the application.
type App struct {
	seats *oneseat.Registry
	guard *oneseathttp.Guard
	store *sessions.CookieStore
	users *accounts.Table
	mux   *http.ServeMux
}

// Config is the configuration of the application's registry. installed is the day on
// which oneseat was installed; life is how long the application's cookies are good.
func Config(installed time.Time, life time.Duration) oneseat.Config {
	return oneseat.Config{AdoptUntil: installed.Add(life)} // by then no session from before is left
}

// New returns the application.
func New(seats *oneseat.Registry, store *sessions.CookieStore, users *accounts.Table) (*App, error) {
	guard, err := oneseathttp.New(seats, oneseathttp.Config{
		SignInPath: "/login",
		Account: func(r *http.Request) string {
			session, _ := store.Get(r, cookieName) // a cookie that cannot be read is an empty session
			account, _ := session.Values["account"].(string)
			return account
		},
	})
	if err != nil {
		return nil, err
	}
	a := &App{seats: seats, guard: guard, store: store, users: users, mux: http.NewServeMux()}
	a.mux.HandleFunc("GET /login", a.signInPage)
	a.mux.HandleFunc("POST /login", a.signIn)
	a.mux.HandleFunc("POST /logout", a.signOut)
	a.mux.Handle("GET /{$}", guard.Require(http.HandlerFunc(a.members)))
	a.mux.Handle("POST /note", guard.Require(http.HandlerFunc(a.note)))
	a.mux.Handle("POST /password", guard.Finish(http.HandlerFunc(a.changePassword)))
	a.mux.Handle(oneseathttp.Path, guard.Handler())
	return a, nil
}

// Handler serves the application.
func (a *App) Handler() http.Handler {
	return http.NewCrossOriginProtection().Handler(a.guard.Wrap(a.mux))
}

// who returns the account of a request, for the whole application. Before oneseat it
// read the account in the gorilla session, which is still there after the session has
// ended.
func who(r *http.Request) string {
	session, _ := oneseat.SessionFrom(r.Context())
	return session.Account
}

func (a *App) signInPage(w http.ResponseWriter, r *http.Request) {
	if e, ok := oneseat.EndingFrom(r.Context()); ok {
		notice := oneseathttp.NoticeOf(e)
		fmt.Fprintln(w, notice.Title+". "+notice.Detail)
	}
	fmt.Fprintln(w, "Sign in here.")
}

func (a *App) signIn(w http.ResponseWriter, r *http.Request) {
	account, password := r.PostFormValue("account"), r.PostFormValue("password")
	if !a.users.Verify(account, password) {
		http.Error(w, "That name and password do not belong together.", http.StatusUnauthorized)
		return
	}
	r = r.WithContext(context.WithoutCancel(r.Context())) // a browser that goes away does not stop what follows
	if _, err := a.guard.SignIn(w, r, account); err != nil {
		fail(w, r, err)
		return
	}
	if !a.users.Verify(account, password) { // it was changed in between, and that change came too early to end this session
		a.signOut(w, r)
		return
	}
	session, _ := a.store.Get(r, cookieName)
	if session.Values["account"] != account {
		clear(session.Values) // what was kept for another account, which may have been signed out from elsewhere
	}
	session.Values["account"] = account
	if err := session.Save(r, w); err != nil { // as before oneseat
		fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (a *App) signOut(w http.ResponseWriter, r *http.Request) {
	if err := a.guard.SignOut(w, r); err != nil {
		fail(w, r, err)
		return
	}
	session, _ := a.store.Get(r, cookieName)
	session.Options.MaxAge = -1
	if err := session.Save(r, w); err != nil { // as before oneseat
		fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// changePassword is served under guard.Finish. So the end of its own session does not
// stop it half-way.
func (a *App) changePassword(w http.ResponseWriter, r *http.Request) {
	r = r.WithContext(context.WithoutCancel(r.Context())) // a browser that goes away does not stop it
	session, _ := oneseat.SessionFrom(r.Context())
	if !a.users.Change(session.Account, r.PostFormValue("current"), r.PostFormValue("new")) {
		http.Error(w, "That is not the current password. Nothing was changed.", http.StatusUnprocessableEntity)
		return
	}
	options := oneseat.EndOptions{Reason: oneseat.ReasonCredentialsChanged, By: session.ID}
	if _, err := a.seats.EndAll(r.Context(), session.Account, options); err != nil {
		fail(w, r, err)
		return
	}
	owner := oneseathttp.SignInOptions{Account: session.Account, Override: true}
	if _, err := a.guard.SignInWith(w, r, owner); err != nil {
		a.guard.RefuseSignIn(w, r, err, "/")
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (a *App) members(w http.ResponseWriter, r *http.Request) {
	session, _ := a.store.Get(r, cookieName)
	fmt.Fprintf(w, "Hello %s. Your note: %v", who(r), session.Values["note"])
}

// note keeps the visitor's text in the gorilla session, as applications do.
func (a *App) note(w http.ResponseWriter, r *http.Request) {
	session, _ := a.store.Get(r, cookieName)
	session.Values["note"] = r.PostFormValue("note")
	if err := session.Save(r, w); err != nil {
		fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// fail answers a request that could not be served.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	if full, ok := errors.AsType[*oneseat.LimitError](err); ok {
		http.Error(w, full.Error(), http.StatusConflict)
		return
	}
	if _, ok := errors.AsType[*oneseat.EndedError](err); ok {
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return
	}
	log.Print(err)
	w.Header().Del("Set-Cookie") // what could not be finished signs nobody in
	http.Error(w, "Please try again.", http.StatusServiceUnavailable)
}
