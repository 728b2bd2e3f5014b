// Package accountapp is an application with what members expect around their account:
// a box "remember me", a mail when a device signs in that is not known, the password
// once more before something precious, and a button that deletes the account.
package accountapp

import (
	"html/template"
	"log"
	"net/http"
	"sync"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

// App is the application.
type App struct {
	seats   *oneseat.Registry
	guard   *oneseathttp.Guard
	mail    func(to, text string)
	handler http.Handler

	mu        sync.Mutex
	passwords map[string]string // by account; yours are hashes
}

// New returns the application over accounts whose password is their name. mail sends a
// mail to an account's owner.
func New(seats *oneseat.Registry, mail func(to, text string), accounts ...string) (*App, error) {
	guard, err := oneseathttp.New(seats, oneseathttp.Config{SignInPath: "/login", ConfirmPath: "/confirm"})
	if err != nil {
		return nil, err
	}
	a := &App{seats: seats, guard: guard, mail: mail, passwords: map[string]string{}}
	for _, name := range accounts {
		a.passwords[name] = name
	}
	fresh := func(h http.HandlerFunc) http.Handler { return guard.RequireFresh(10*time.Minute, h) }
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", a.signInPage)
	mux.HandleFunc("POST /login", a.signIn)
	mux.Handle("GET /{$}", guard.Require(http.HandlerFunc(a.home)))
	mux.Handle("GET /confirm", guard.Require(http.HandlerFunc(a.confirmPage)))
	mux.Handle("POST /confirm", guard.Require(http.HandlerFunc(a.confirm)))
	mux.Handle("GET /delete", fresh(a.deletePage))
	mux.Handle("POST /delete", fresh(a.delete))
	mux.Handle(oneseathttp.Path, guard.Handler())
	a.handler = http.NewCrossOriginProtection().Handler(guard.Wrap(mux))
	return a, nil
}

// ServeHTTP makes App an http.Handler.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

func (a *App) signIn(w http.ResponseWriter, r *http.Request) {
	account, next := r.PostFormValue("account"), r.PostFormValue("next")
	if !a.verify(account, r.PostFormValue("password")) {
		http.Error(w, "That name and password do not belong together.", http.StatusUnauthorized)
		return
	}
	in := oneseathttp.SignInOptions{Account: account}
	if r.PostFormValue("remember") == "" {
		in.Lifetime = oneseat.Lifetime{Idle: 30 * time.Minute, UntilClosed: true}
	}
	grant, err := a.guard.SignInWith(w, r, in)
	if err != nil {
		a.guard.RefuseSignIn(w, r, err, next)
		return
	}
	if d := grant.Session.Device; grant.NewDevice {
		a.mail(account, "A device that we do not know has signed in: "+d.Label+", network "+d.IP+". Not you? Change your password.")
	}
	http.Redirect(w, r, local(next), http.StatusSeeOther)
}

func (a *App) confirm(w http.ResponseWriter, r *http.Request) {
	session, _ := oneseat.SessionFrom(r.Context())
	if !a.verify(session.Account, r.PostFormValue("password")) {
		http.Error(w, "That is not your password.", http.StatusForbidden)
		return
	}
	if _, err := a.guard.Confirm(w, r, session.Lifetime); err != nil {
		a.guard.Refuse(w, r)
		return
	}
	http.Redirect(w, r, local(r.PostFormValue("next")), http.StatusSeeOther)
}

// delete deletes the account: first here, so that nobody signs in to it any more.
func (a *App) delete(w http.ResponseWriter, r *http.Request) {
	session, _ := oneseat.SessionFrom(r.Context())
	a.mu.Lock()
	delete(a.passwords, session.Account)
	a.mu.Unlock()
	if err := a.guard.SignOut(w, r); err != nil { // so the end of the session does not cut this request
		log.Print(err)
	}
	if err := a.seats.Forget(r.Context(), session.Account); err != nil {
		log.Print(err) // yours: a job that calls Forget until it returns nil
	}
	http.Redirect(w, r, "/login?deleted=1", http.StatusSeeOther)
}

func (a *App) verify(account, password string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	is, ok := a.passwords[account]
	return ok && is == password
}

// local is a page of this site to go to.
func local(next string) string {
	if oneseathttp.LocalPath(next) {
		return next
	}
	return "/"
}

func (a *App) signInPage(w http.ResponseWriter, r *http.Request) {
	page := struct {
		Next    string
		Deleted bool
		Notice  *oneseathttp.Notice
	}{Next: r.FormValue("next"), Deleted: r.FormValue("deleted") != ""}
	if e, ok := oneseat.EndingFrom(r.Context()); ok {
		page.Notice = new(oneseathttp.NoticeOf(e))
	}
	show(w, "login", page)
}

func (a *App) home(w http.ResponseWriter, r *http.Request) {
	session, _ := oneseat.SessionFrom(r.Context())
	show(w, "home", session)
}

func (a *App) confirmPage(w http.ResponseWriter, r *http.Request) {
	show(w, "confirm", r.FormValue("next"))
}

func (a *App) deletePage(w http.ResponseWriter, _ *http.Request) { show(w, "delete", nil) }

func show(w http.ResponseWriter, name string, view any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if err := pages.ExecuteTemplate(w, name, view); err != nil {
		log.Print(err) // as a rule an error of the browser's connection
	}
}

var pages = template.Must(template.New("").Parse(html))
