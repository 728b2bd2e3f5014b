// Package scsapp is an application that had sessions of alexedwards/scs before
// oneseat, and keeps them.
//
// scs goes on holding what the application knows of a visitor. oneseat has a
// cookie of its own beside that of scs and says whether the session is live.
// Both have to agree on the account.
//
// The token could travel inside the scs session instead, see [InSession], but a
// cookie of its own is more exact. scs writes a session back whole, as it was
// when the request began, and with IdleTimeout it does so after every request: a
// slow request of the same browser would put an older token back over a newer
// one. Nothing writes over oneseat's cookie but oneseat. And scs keeps what is in
// a session as it is, while the store of oneseat only sees a token's hash.
//
// What had to be changed in the application: who() below asks oneseat, and
// sign-in, sign-out and change of password each call it.
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

// Config is what the application's registry goes by. installed is the day on
// which oneseat came: a date in the source, and not the start of the program.
func Config(sessions *scs.SessionManager, installed time.Time) oneseat.Config {
	return oneseat.Config{
		AdoptUntil: installed.Add(sessions.Lifetime), // no session of before is left then
		Absolute:   sessions.Lifetime,                // what ends there ends here
		Idle:       sessions.IdleTimeout,
	}
}

// New returns the application. The zero Carrier is oneseat's own cookie.
func New(seats *oneseat.Registry, sessions *scs.SessionManager, installed time.Time, users *accounts.Table, carrier oneseathttp.Carrier) (*App, error) {
	guard, err := oneseathttp.New(seats, oneseathttp.Config{
		SignInPath: "/login",
		Account: func(r *http.Request) string {
			return sessions.GetString(r.Context(), "account") // who the application says is asking
		},
		IssuedAt: func(r *http.Request) time.Time {
			issued := sessions.Deadline(r.Context()).Add(-sessions.Lifetime)
			if issued.After(installed) {
				return installed // it has had a seat: as old as this, it never gets another in the place of a sign-in
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
	a.mux.Handle("POST /password", guard.Require(http.HandlerFunc(a.changePassword)))
	a.mux.Handle(oneseathttp.Path, guard.Handler())
	return a, nil
}

// Handler serves the application. scs is around the guard, which asks it for
// the account.
func (a *App) Handler() http.Handler {
	h := a.sessions.LoadAndSave(a.guard.Wrap(a.mux))
	return http.NewCrossOriginProtection().Handler(h)
}

// who is asking, for all of the application. Before oneseat it read the account
// in the scs session. That is still there after the session has ended.
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
	ctx, account, password := r.Context(), r.PostFormValue("account"), r.PostFormValue("password")
	if !a.users.Verify(account, password) {
		http.Error(w, "That name and password do not belong together.", http.StatusUnauthorized)
		return
	}
	// Somebody else may have been signed in here, and been signed out from
	// elsewhere: what scs kept for them is not for this account.
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
	if err := a.sessions.RenewToken(ctx); err != nil { // as ever with scs
		fail(w, r, err)
		return
	}
	if _, err := a.guard.SignIn(w, r, account); err != nil {
		fail(w, r, err)
		return
	}
	a.sessions.Put(ctx, "account", account) // as ever
	if !a.users.Verify(account, password) { // changed meanwhile: too late for that to end this session
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
	if err := a.sessions.Destroy(r.Context()); err != nil { // as ever
		fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

func (a *App) changePassword(w http.ResponseWriter, r *http.Request) {
	session, _ := oneseat.SessionFrom(r.Context())
	if !a.users.Change(session.Account, r.PostFormValue("current"), r.PostFormValue("new")) {
		http.Error(w, "That is not the current password. Nothing was changed.", http.StatusUnprocessableEntity)
		return
	}
	r = r.WithContext(context.WithoutCancel(r.Context())) // all of it, even if the browser goes away
	cause := oneseat.EndOptions{Reason: oneseat.ReasonCredentialsChanged, By: session.ID}
	if _, err := a.seats.EndOthers(r.Context(), session.Account, session.ID, cause); err != nil {
		fail(w, r, err)
		return
	}
	if _, err := a.guard.Rotate(w, r); err != nil {
		fail(w, r, err)
		return
	}
	if err := a.sessions.RenewToken(r.Context()); err != nil { // as ever
		fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (a *App) members(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "Hello %s. Your note: %s", who(r), a.sessions.GetString(r.Context(), "note"))
}

// note keeps in the scs session what the visitor says, as applications do.
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
	http.Error(w, "Please try again.", http.StatusServiceUnavailable)
}
