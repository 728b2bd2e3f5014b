// Package supportapp is a site whose support can see what a member sees ("log in as"),
// and does not log in as anybody. No session of the member is made: that would take a
// seat, end the member's own session, and let support do whatever the member can.
//
// Members and staff are two realms of one store. Each has a guard with a cookie of its
// own. The pages of members are shown to staff too, by the same handlers, but only those
// that read.
package supportapp

import (
	"context"
	"html/template"
	"log"
	"net/http"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/accounts"
	"github.com/oneseat/oneseat/oneseathttp"
)

// Look is one page of a member that a member of staff has seen.
type Look struct {
	Staff, Member string
	Session       oneseat.SessionID // of the member of staff
	Page          string
	At            time.Time
}

// App is the site.
type App struct {
	members, staff *oneseathttp.Guard
	users, team    *accounts.Table
	known          func(member string) bool
	audit          func(context.Context, Look) error
	handler        http.Handler
}

// Config is what the site works with.
type Config struct {
	Members *oneseat.Registry // of the realm of members
	Staff   *oneseat.Registry // of another realm, over the same store or another
	Users   *accounts.Table
	Team    *accounts.Table
	Known   func(member string) bool          // whether there is such a member
	Audit   func(context.Context, Look) error // writes down who looked at whom
}

// New returns the site.
func New(c Config) (*App, error) {
	members, err := oneseathttp.New(c.Members, oneseathttp.Config{SignInPath: "/login"})
	if err != nil {
		return nil, err
	}
	staff, err := oneseathttp.New(c.Staff, oneseathttp.Config{SignInPath: "/support/login", CookieName: "staff", Prefix: "/support/"})
	if err != nil {
		return nil, err
	}
	a := &App{members: members, staff: staff, users: c.Users, team: c.Team, known: c.Known, audit: c.Audit}

	pages := http.NewServeMux() // what reads, for members and for staff
	pages.HandleFunc("GET /{$}", a.overview)
	pages.HandleFunc("GET /orders", a.orders)

	site := http.NewServeMux()
	site.HandleFunc("POST /login", a.signIn(members, c.Users, "/"))
	site.Handle("POST /password", members.Finish(http.HandlerFunc(a.changePassword)))
	site.Handle(oneseathttp.Path, members.Handler()) // with the member's devices
	site.Handle("/", members.Require(a.asMember(pages)))

	desk := http.NewServeMux()
	desk.HandleFunc("POST /support/login", a.signIn(staff, c.Team, "/support/"))
	desk.Handle("/support/oneseat/", staff.Handler())
	desk.Handle("GET /support/as/{member}/", staff.Require(a.asStaff(pages)))

	all := http.NewServeMux()
	all.Handle("/", members.Wrap(site))
	all.Handle("/support/", staff.Wrap(desk))
	a.handler = http.NewCrossOriginProtection().Handler(all)
	return a, nil
}

// ServeHTTP makes App an http.Handler.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// viewer says who sees a page, and whose page it is.
type viewer struct {
	Member string // whose page it is
	Staff  string // who sees it, if it is not the member
}

type viewerKey struct{}

// viewerOf is what pages ask instead of oneseat.SessionFrom.
func viewerOf(r *http.Request) viewer {
	v, _ := r.Context().Value(viewerKey{}).(viewer)
	return v
}

func with(r *http.Request, v viewer) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), viewerKey{}, v))
}

// asMember shows members their own pages.
func (a *App) asMember(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, _ := oneseat.SessionFrom(r.Context())
		next.ServeHTTP(w, with(r, viewer{Member: session.Account}))
	})
}

// asStaff shows the pages of a member to a member of staff. The session of the member of
// staff is checked, and when that session ends, so does the request. The look is written
// down before anything is shown. If it cannot be written down, nothing is shown.
func (a *App) asStaff(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, _ := oneseat.SessionFrom(r.Context()) // of the staff's realm
		member := r.PathValue("member")
		if !a.known(member) {
			http.NotFound(w, r)
			return
		}
		look := Look{Staff: session.Account, Member: member, Session: session.ID, Page: r.URL.Path, At: time.Now()}
		if err := a.audit(r.Context(), look); err != nil {
			log.Print(err)
			http.Error(w, "This look cannot be written down. Try again.", http.StatusServiceUnavailable)
			return
		}
		r = with(r, viewer{Member: member, Staff: session.Account})
		http.StripPrefix("/support/as/"+member, next).ServeHTTP(w, r)
	})
}

func (a *App) overview(w http.ResponseWriter, r *http.Request) { show(w, "overview", viewerOf(r)) }

func (a *App) orders(w http.ResponseWriter, r *http.Request) { show(w, "orders", viewerOf(r)) }

// signIn returns the handler of a sign-in form, that of members or that of staff.
func (a *App) signIn(guard *oneseathttp.Guard, who *accounts.Table, next string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		account := r.PostFormValue("account")
		if !who.Verify(account, r.PostFormValue("password")) {
			http.Error(w, "That name and password do not belong together.", http.StatusUnauthorized)
			return
		}
		if _, err := guard.SignIn(w, r, account); err != nil {
			guard.RefuseSignIn(w, r, err, next)
			return
		}
		http.Redirect(w, r, next, http.StatusSeeOther)
	}
}

// changePassword takes the account from the member's own session, so it can be nobody
// else's.
func (a *App) changePassword(w http.ResponseWriter, r *http.Request) {
	session, _ := oneseat.SessionFrom(r.Context())
	if !a.users.Change(session.Account, r.PostFormValue("current"), r.PostFormValue("new")) {
		http.Error(w, "That is not the current password. Nothing was changed.", http.StatusUnprocessableEntity)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther) // docs/howto/password-change.md says what else belongs here
}

func show(w http.ResponseWriter, name string, v viewer) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := templates.ExecuteTemplate(w, name, v); err != nil {
		log.Print(err) // as a rule an error of the browser's connection
	}
}

var templates = template.Must(template.New("").Parse(`
{{define "banner"}}<!doctype html>
<html lang="en"><meta name="viewport" content="width=device-width"><title>{{.Member}}</title>
{{with .Staff}}<p role="status">{{.}}, you see the page of {{$.Member}}, who does not notice. You cannot change anything here.</p>{{end}}{{end}}

{{define "overview"}}{{template "banner" .}}
<h1>Hello {{.Member}}</h1><p><a href="orders">Orders</a></p>
{{if not .Staff}}<form method="post" action="/password">
<label>Current password <input name="current" type="password" autocomplete="current-password"></label>
<label>New password <input name="new" type="password" autocomplete="new-password"></label>
<button>Change it</button></form>{{end}}</html>{{end}}

{{define "orders"}}{{template "banner" .}}<h1>Orders of {{.Member}}</h1></html>{{end}}
`))
