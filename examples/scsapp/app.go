// Package scsapp is an application that had sessions of alexedwards/scs before oneseat,
// and keeps them.
//
// scs still holds what the application knows of a visitor. oneseat has a cookie of its
// own beside the cookie of scs, and says whether the session is live. Both have to
// agree on the account.
//
// The token could travel inside the scs session instead, see [InSession], but a cookie
// of its own is more exact. scs writes a session back as a whole, as it was when the
// request began, and with IdleTimeout it does so after every request. So a slow request
// of the same browser would put an older token back in the place of a newer one. Only
// oneseat writes oneseat's cookie. And scs keeps the contents of a session as they are,
// while the store of oneseat only sees the hash of a token.
//
// This had to be changed in the application: who() below asks oneseat, and sign-in,
// sign-out and change of password each call oneseat.
package scsapp

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/accounts"
	"github.com/oneseat/oneseat/oneseathttp"
)

// App is the application.
type App struct {
	seats    *oneseat.Registry
	guard    *oneseathttp.Guard
	sessions *scs.SessionManager
	users    *accounts.Table
	mux      *http.ServeMux
}

// Config is the configuration of the application's registry. installed is the day on
// which oneseat was installed: a date in the source, and not the start of the program.
func Config(sessions *scs.SessionManager, installed time.Time) oneseat.Config {
	return oneseat.Config{
		AdoptUntil: installed.Add(sessions.Lifetime), // by then no session from before is left
		Absolute:   sessions.Lifetime,                // what ends in scs ends in oneseat
		Idle:       sessions.IdleTimeout,
	}
}

// New returns the application. The zero Carrier is oneseat's own cookie.
func New(seats *oneseat.Registry, sessions *scs.SessionManager, installed time.Time, users *accounts.Table, carrier oneseathttp.Carrier) (*App, error) {
	guard, err := oneseathttp.New(seats, oneseathttp.Config{
		SignInPath: "/login",
		Account: func(r *http.Request) string {
			return sessions.GetString(r.Context(), "account") // the account that the application believes in
		},
		IssuedAt: func(r *http.Request) time.Time {
			issued := sessions.Deadline(r.Context()).Add(-sessions.Lifetime)
			if issued.After(installed) {
				return installed // it had a seat before; with this age it never takes the place of a newer sign-in
			}
			return issued
		},
		Carrier: carrier,
	})
	if err != nil {
		return nil, err
	}
	a := &App{seats: seats, guard: guard, sessions: sessions, users: users, mux: http.NewServeMux()}
	a.mux.HandleFunc("GET /login", a.signInPage)
	a.mux.HandleFunc("POST /login", a.signIn)
	a.mux.HandleFunc("POST /logout", a.signOut)
	a.mux.Handle("GET /{$}", guard.Require(http.HandlerFunc(a.members)))
	a.mux.Handle("POST /note", guard.Require(http.HandlerFunc(a.note)))
	a.mux.Handle("POST /password", guard.Finish(http.HandlerFunc(a.changePassword)))
	a.mux.Handle(oneseathttp.Path, guard.Handler())
	return a, nil
}

// Handler serves the application. scs is around the guard, because the guard asks it
// for the account.
func (a *App) Handler() http.Handler {
	h := a.sessions.LoadAndSave(a.guard.Wrap(a.mux))
	return http.NewCrossOriginProtection().Handler(h)
}

// who returns the account of a request, for the whole application. Before oneseat it
// read the account in the scs session, which is still there after the session has
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
	ctx := context.WithoutCancel(r.Context()) // a browser that goes away does not stop what follows
	r = r.WithContext(ctx)
	// Another account may have been signed in here, and been signed out from elsewhere.
	// What scs kept for that account is not for this one.
	if before := a.sessions.GetString(ctx, "account"); before != "" && before != account {
		if err := a.guard.SignOut(w, r); err != nil {
			fail(w, r, err)
			return
		}
		if err := a.sessions.Clear(ctx); err != nil {
			fail(w, r, err)
			return
		}
	}
	if err := a.sessions.RenewToken(ctx); err != nil { // as before oneseat
		fail(w, r, err)
		return
	}
	if _, err := a.guard.SignIn(w, r, account); err != nil {
		fail(w, r, err)
		return
	}
	a.sessions.Put(ctx, "account", account) // as before oneseat
	if !a.users.Verify(account, password) { // it was changed in between, and that change came too early to end this session
		a.signOut(w, r)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (a *App) signOut(w http.ResponseWriter, r *http.Request) {
	if err := a.guard.SignOut(w, r); err != nil {
		fail(w, r, err)
		return
	}
	if err := a.sessions.Destroy(r.Context()); err != nil { // as before oneseat
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
	if err := a.sessions.RenewToken(r.Context()); err != nil { // as before oneseat
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
	fmt.Fprintf(w, "Hello %s. Your note: %s", who(r), a.sessions.GetString(r.Context(), "note"))
}

// note keeps the visitor's text in the scs session, as applications do.
func (a *App) note(w http.ResponseWriter, r *http.Request) {
	a.sessions.Put(r.Context(), "note", r.PostFormValue("note"))
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
