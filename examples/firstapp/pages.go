package main

import (
	"html/template"
	"log"
	"net/http"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

func (s *site) signInPage(w http.ResponseWriter, r *http.Request) {
	page := map[string]any{"Next": r.URL.Query().Get("next")}
	if e, ok := oneseat.EndingFrom(r.Context()); ok {
		page["Ending"], page["Notice"] = e, oneseathttp.NoticeOf(e)
	}
	show(w, "login", page)
}

func (s *site) members(w http.ResponseWriter, r *http.Request) {
	session, _ := oneseat.SessionFrom(r.Context())
	show(w, "members", map[string]any{"Session": session})
}

func show(w http.ResponseWriter, name string, page map[string]any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if err := pages.ExecuteTemplate(w, name, page); err != nil {
		log.Print(err) // as a rule an error of the browser's connection
	}
}

var pages = template.Must(template.New("").Parse(`
{{define "login"}}<!doctype html>
<html lang="en"><meta name="viewport" content="width=device-width"><title>Sign in</title>
{{with .Notice}}<h1>{{.Title}}</h1><p>{{.Detail}}</p>{{end}}
{{with .Ending}}<p>At {{.At.UTC.Format "15:04:05"}} UTC. Reference {{.Reference}}.</p>{{end}}
<form method="post" action="/login">
<input type="hidden" name="next" value="{{.Next}}">
<label>Name <input name="account" autocomplete="username"></label>
<label>Password <input name="password" type="password" autocomplete="current-password"></label>
<button>Sign in</button>
</form></html>{{end}}

{{define "members"}}<!doctype html>
<html lang="en"><meta name="viewport" content="width=device-width"><title>Members</title>
<meta name="oneseat-session" content="{{.Session.ID}}">
<script type="module" src="/oneseat/oneseat.js"></script>
<h1>Hello {{.Session.Account}}</h1>
<iframe title="live" src="/live"></iframe>
<p><a href="/oneseat/devices">Where am I signed in?</a></p>
<form method="post" action="/password">
<label>Current password <input name="current" type="password" autocomplete="current-password"></label>
<label>New password <input name="new" type="password" autocomplete="new-password"></label>
<button>Change it, and sign out everywhere else</button>
</form>
<form method="post" action="/logout"><button>Sign out</button></form></html>{{end}}
`))
