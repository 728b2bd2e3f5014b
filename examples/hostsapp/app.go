// Package hostsapp is a site on two hosts of one domain: pages at www.members.example,
// and an API at api.members.example that these pages ask. A browser signs in once, and
// has one session and one seat on both.
package hostsapp

import (
	"encoding/json"
	"html/template"
	"log"
	"net/http"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/accounts"
	"github.com/oneseat/oneseat/oneseathttp"
)

const (
	domain = "members.example"
	www    = "www." + domain
	api    = "api." + domain
)

// New returns both hosts. They may as well be two programs, over one store and with the
// same configuration.
func New(seats *oneseat.Registry, users *accounts.Table) (http.Handler, error) {
	guard, err := oneseathttp.New(seats, oneseathttp.Config{
		SignInPath: "/login",
		Domain:     domain,                     // every host beneath it gets the cookie
		Origins:    []string{"https://" + www}, // whose pages may ask the other host
	})
	if err != nil {
		return nil, err
	}
	pages := http.NewServeMux()
	pages.HandleFunc("GET /login", func(w http.ResponseWriter, _ *http.Request) { show(w, "login", nil) })
	pages.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
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
	pages.Handle("GET /{$}", guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, _ := oneseat.SessionFrom(r.Context())
		show(w, "members", session)
	})))
	pages.Handle(oneseathttp.Path, guard.Handler())

	answers := http.NewServeMux()
	answers.Handle("GET /orders", guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, _ := oneseat.SessionFrom(r.Context())
		writeJSON(w, map[string]string{"orders of": session.Account})
	})))
	answers.Handle("POST /orders", guard.Finish(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, _ := oneseat.SessionFrom(r.Context())
		writeJSON(w, map[string]string{"ordered for": session.Account})
	})))

	hosts := http.NewServeMux()
	hosts.Handle(www+"/", guard.CrossOrigin(guard.Wrap(pages)))
	hosts.Handle(api+"/", guard.CrossOrigin(guard.Wrap(answers)))
	return hosts, nil
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // an error is the client's connection
}

func show(w http.ResponseWriter, name string, view any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := templates.ExecuteTemplate(w, name, view); err != nil {
		log.Print(err) // as a rule an error of the browser's connection
	}
}

var templates = template.Must(template.New("").Parse(`
{{define "login"}}<!doctype html>
<html lang="en"><meta name="viewport" content="width=device-width"><title>Sign in</title>
<form method="post">
<label>Name <input name="account" autocomplete="username"></label>
<label>Password <input name="password" type="password" autocomplete="current-password"></label>
<button>Sign in</button>
</form></html>{{end}}

{{define "members"}}<!doctype html>
<html lang="en"><meta name="viewport" content="width=device-width"><title>Members</title>
<meta name="oneseat-session" content="{{.ID}}">
<script type="module" src="/oneseat/oneseat.js"></script>
<h1>Hello {{.Account}}</h1><pre></pre>
<script type="module">
const answer = await fetch("https://api.members.example/orders", { credentials: "include" });
document.querySelector("pre").textContent = await answer.text();
</script>
</html>{{end}}
`))
