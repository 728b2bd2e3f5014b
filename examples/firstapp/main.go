// Command firstapp is a whole site on oneseat: a sign-in form, a page for members
// with a live picture, and a change of password.
//
//	go run ./firstapp
//
// serves it on http://127.0.0.1:8080, with its sessions in firstapp.db. Sign in as
// ada (the password is ada too), and then again in a second browser or a private
// window. The live picture in the first browser stops at that moment. Its sign-in
// page says which device took the seat, and when.
//
// internal/accounts stands for your table of users, and pages.go for your pages.
package main

import (
	"context"
	"errors"
	"log"
	"net/http"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/accounts"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/store/sqlitestore"
)

func main() {
	store, err := sqlitestore.Open("firstapp.db")
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	seats, err := oneseat.New(store, oneseat.Config{}) // one session per account, the newest wins
	if err != nil {
		log.Fatal(err)
	}
	defer seats.Close()
	site, err := newSite(seats, accounts.New("ada", "grace", "alan"))
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{
		Addr: "127.0.0.1:8080", Handler: site,
		ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
	}
	log.Print("http://127.0.0.1:8080")
	log.Print(server.ListenAndServe())
}

// site has what the handlers work with.
type site struct {
	seats *oneseat.Registry
	guard *oneseathttp.Guard
	users *accounts.Table
}

// newSite makes the whole application.
func newSite(seats *oneseat.Registry, users *accounts.Table) (http.Handler, error) {
	guard, err := oneseathttp.New(seats, oneseathttp.Config{SignInPath: "/login"})
	if err != nil {
		return nil, err
	}
	s := &site{seats: seats, guard: guard, users: users}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", s.signInPage)
	mux.HandleFunc("POST /login", s.signIn)
	mux.HandleFunc("POST /logout", s.signOut)
	mux.Handle("GET /{$}", guard.Require(http.HandlerFunc(s.members)))
	mux.Handle("GET /live", guard.Require(http.HandlerFunc(s.live)))
	mux.Handle("POST /password", guard.Finish(http.HandlerFunc(s.changePassword)))
	mux.Handle(oneseathttp.Path, guard.Handler()) // events, own devices, oneseat.js
	return http.NewCrossOriginProtection().Handler(guard.Wrap(mux)), nil
}

func (s *site) signIn(w http.ResponseWriter, r *http.Request) {
	account, password := r.PostFormValue("account"), r.PostFormValue("password")
	if !s.users.Verify(account, password) {
		http.Error(w, "That name and password do not belong together.", http.StatusUnauthorized)
		return
	}
	r = r.WithContext(context.WithoutCancel(r.Context())) // a browser that goes away does not stop what follows
	if _, err := s.guard.SignIn(w, r, account); err != nil {
		fail(w, r, err)
		return
	}
	if !s.users.Verify(account, password) { // it was changed in between, and that change came too early to end this session
		if err := s.guard.SignOut(w, r); err != nil {
			fail(w, r, err)
			return
		}
	}
	next := r.PostFormValue("next")
	if !oneseathttp.LocalPath(next) {
		next = "/"
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
}

func (s *site) signOut(w http.ResponseWriter, r *http.Request) {
	if err := s.guard.SignOut(w, r); err != nil {
		fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// fail answers a request that could not be served.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	if full, ok := errors.AsType[*oneseat.LimitError](err); ok {
		http.Error(w, full.Error(), http.StatusConflict) // under oneseat.PolicyRefuse only
		return
	}
	if _, ok := errors.AsType[*oneseat.EndedError](err); ok {
		http.Redirect(w, r, "/login", http.StatusSeeOther) // a newer sign-in was faster
		return
	}
	log.Print(err)
	w.Header().Del("Set-Cookie") // what could not be finished signs nobody in
	http.Error(w, "Please try again.", http.StatusServiceUnavailable)
}
