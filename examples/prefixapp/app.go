// Package prefixapp is an application that browsers find beneath a path, such as
// https://members.example/club/, while other applications have the rest of the site.
// It works whether or not the proxy in front of it removes that path from requests.
package prefixapp

import (
	"html/template"
	"log"
	"net/http"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/accounts"
	"github.com/oneseat/oneseat/oneseathttp"
)

// prefix is where browsers find this application.
const prefix = "/club/"

// New returns the application. Its own routes have no prefix.
func New(seats *oneseat.Registry, users *accounts.Table) (http.Handler, error) {
	guard, err := oneseathttp.New(seats, oneseathttp.Config{
		Prefix:     prefix,
		SignInPath: prefix + "login", // a whole path, as browsers see it
		CookieName: "club",           // another guard on this site has another name
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		next := r.FormValue("next")
		if next == "" {
			next = prefix
		}
		show(w, "login", next)
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		account, next := r.PostFormValue("account"), r.PostFormValue("next")
		if !users.Verify(account, r.PostFormValue("password")) {
			http.Error(w, "That name and password do not belong together.", http.StatusUnauthorized)
			return
		}
		if _, err := guard.SignIn(w, r, account); err != nil {
			guard.RefuseSignIn(w, r, err, next)
			return
		}
		if !oneseathttp.LocalPath(next) {
			next = prefix
		}
		http.Redirect(w, r, next, http.StatusSeeOther)
	})
	mux.Handle("GET /{$}", guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, _ := oneseat.SessionFrom(r.Context())
		show(w, "members", session)
	})))
	mux.Handle(oneseathttp.Path, guard.Handler())
	return http.NewCrossOriginProtection().Handler(guard.Wrap(mux)), nil
}

// Unstripped is the application for a proxy that leaves the prefix in requests.
func Unstripped(app http.Handler) http.Handler {
	return http.StripPrefix("/club", app)
}

func show(w http.ResponseWriter, name string, view any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := pages.ExecuteTemplate(w, name, view); err != nil {
		log.Print(err) // as a rule an error of the browser's connection
	}
}

var pages = template.Must(template.New("").Parse(`
{{define "login"}}<!doctype html>
<html lang="en"><meta name="viewport" content="width=device-width"><title>Sign in</title>
<form method="post">
<input type="hidden" name="next" value="{{.}}">
<label>Name <input name="account" autocomplete="username"></label>
<label>Password <input name="password" type="password" autocomplete="current-password"></label>
<button>Sign in</button>
</form></html>{{end}}

{{define "members"}}<!doctype html>
<html lang="en"><meta name="viewport" content="width=device-width"><title>Club</title>
<meta name="oneseat-session" content="{{.ID}}">
<script type="module" src="/club/oneseat/oneseat.js"></script>
<h1>Hello {{.Account}}</h1></html>{{end}}
`))
