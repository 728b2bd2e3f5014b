// Package framedapp is a course that schools show in a frame of their own pages. To
// browsers that is another site, so its cookies have to be for that.
package framedapp

import (
	"html/template"
	"log"
	"net/http"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/accounts"
	"github.com/oneseat/oneseat/oneseathttp"
)

// school is the site that shows the course.
const school = "https://lms.school.example"

// New returns the course.
func New(seats *oneseat.Registry, users *accounts.Table) (http.Handler, error) {
	guard, err := oneseathttp.New(seats, oneseathttp.Config{
		SignInPath:     "/login",
		FrameAncestors: []string{school},
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, _ *http.Request) { show(w, "login", nil) })
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		account := r.PostFormValue("account")
		if !users.Verify(account, r.PostFormValue("password")) {
			http.Error(w, "That name and password do not belong together.", http.StatusUnauthorized)
			return
		}
		if _, err := guard.SignIn(w, r, account); err != nil {
			guard.RefuseSignIn(w, r, err, "/")
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.Handle("GET /{$}", guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, _ := oneseat.SessionFrom(r.Context())
		show(w, "course", session)
	})))
	mux.Handle(oneseathttp.Path, guard.Handler())
	forms := http.NewCrossOriginProtection() // needed: the cookies come with forms of every site
	return forms.Handler(guard.Wrap(mux)), nil
}

func show(w http.ResponseWriter, name string, view any) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "frame-ancestors 'self' "+school) // the guard says so of its own pages
	if err := pages.ExecuteTemplate(w, name, view); err != nil {
		log.Print(err) // as a rule an error of the browser's connection
	}
}

var pages = template.Must(template.New("").Parse(`
{{define "login"}}<!doctype html>
<html lang="en"><meta name="viewport" content="width=device-width"><title>Sign in</title>
<form method="post">
<label>Name <input name="account" autocomplete="username"></label>
<label>Password <input name="password" type="password" autocomplete="current-password"></label>
<button>Sign in</button>
</form>
<p><a href="/" target="_blank">Open the course in a tab of its own</a></p></html>{{end}}

{{define "course"}}<!doctype html>
<html lang="en"><meta name="viewport" content="width=device-width"><title>Course</title>
<meta name="oneseat-session" content="{{.ID}}">
<script type="module" src="/oneseat/oneseat.js"></script>
<h1>Hello {{.Account}}</h1></html>{{end}}
`))
