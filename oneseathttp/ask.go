package oneseathttp

import (
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"time"

	"github.com/oneseat/oneseat"
)

//go:embed assets/ask.html
var askHTML string

var askPage = template.Must(template.New("ask").Parse(askHTML))

// askFor is how long a browser keeps its ticket: as long as one is good.
const askFor = 5 * time.Minute

// fullWords are what a program is told, besides, of a sign-in that found the
// account full: the same as the page shows.
type fullWords struct {
	Limit    int          `json:"limit"`
	Full     string       `json:"full"`             // what it is of: "total" or a class of device
	Sessions []ownSession `json:"sessions"`         // who holds the seats
	Ticket   string       `json:"ticket,omitempty"` // to choose who goes; a browser has it in a cookie
	Redeem   string       `json:"redeem,omitempty"` // where to post it, as "ticket", with "end", a session's id
}

// RefuseSignIn answers a sign-in that came to an error of [Guard.SignIn]: 409 and
// who holds the seats, with the choice who goes under [oneseat.PolicyAsk]; 403 if the
// account is blocked; 503 if it could not be found out; and for a newcomer that
// was ended in the same moment, what Require answers. A browser gets a page, a
// program problem+json. next is where the browser wanted to go, a path of this
// site, or "".
//
// None of these is a failed authentication: count none as one (LIM-08).
func (g *Guard) RefuseSignIn(w http.ResponseWriter, r *http.Request, err error, next string) {
	if full, ok := errors.AsType[*oneseat.LimitError](err); ok {
		g.ask(w, r, full, next)
		return
	}
	blocked, ok := errors.AsType[*oneseat.BlockedError](err)
	if !ok {
		g.refuse(w, r, err)
		return
	}
	said := words{Reason: string(oneseat.ReasonAccountBlocked), Title: "This account is blocked", Detail: "Nobody can sign in to it. Ask the people who look after this site."}
	if !blocked.Until.IsZero() {
		said.Detail = "Nobody can sign in to it until " + blocked.Until.UTC().Format("2 January 2006, 15:04 UTC") + "."
	}
	g.turnAway(w, r, http.StatusForbidden, problem{"about:blank", http.StatusForbidden, said}, askView{Said: said})
}

// askView is what the page shows.
type askView struct {
	Said     words
	Sessions []ownSession
	Choose   bool
	Path     string
	Back     string
	Next     string
}

// ask shows who holds the seats, and lets a newcomer that has a ticket choose.
func (g *Guard) ask(w http.ResponseWriter, r *http.Request, full *oneseat.LimitError, next string) {
	view := askView{Said: wordsForFull(full), Choose: full.Ticket != "", Path: Path}
	if LocalPath(next) {
		view.Next = next
	}
	for _, s := range full.Live {
		view.Sessions = append(view.Sessions, ownSession{s.ID, false, s.Device, s.Created, s.LastSeen})
	}
	said := struct {
		problem
		fullWords
	}{problem{"about:blank", http.StatusConflict, view.Said}, fullWords{Limit: full.Limit, Full: full.Bound, Sessions: view.Sessions}}
	if view.Choose {
		said.Redeem = Path + "redeem"
		if browser(r) {
			g.ticket.set(w, r, string(full.Ticket), askFor)
		} else {
			said.Ticket = string(full.Ticket)
		}
	}
	g.turnAway(w, r, http.StatusConflict, said, view)
}

// turnAway answers with the page, or, to a program, with the same as JSON.
func (g *Guard) turnAway(w http.ResponseWriter, r *http.Request, status int, said any, view askView) {
	w.Header()["Cache-Control"] = noStore
	if !browser(r) {
		writeProblem(w, status, said)
		return
	}
	view.Back = g.config.SignInPath
	g.page(w, status, askPage, view)
}

// wordsForFull says what it is that is full, and what can be done.
func wordsForFull(full *oneseat.LimitError) words {
	said := words{Reason: "limit"}
	switch n := len(full.Live); {
	case n == 1 && full.Ticket != "":
		said.Title = "This account is in use on another device"
		said.Detail = "Sign out there and continue here, or leave it as it is."
	case full.Ticket != "":
		said.Title = "Which device shall make room?"
		said.Detail = fmt.Sprintf("This account is signed in on %d devices, as many as it may be. The one that you choose is signed out.", n)
	default:
		said.Title = "All seats of this account are taken"
		said.Detail = "Sign out on one of these devices first, then sign in here."
	}
	return said
}

// redeem takes the choice of who was asked: "end" names a session, or several;
// "cancel" gives up. The ticket is the browser's cookie, or, from a program, the
// field "ticket".
func (g *Guard) redeem(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		writeProblem(w, http.StatusBadRequest, problem{"about:blank", http.StatusBadRequest, words{Reason: "bad_form", Title: "That form could not be read", Detail: "Post it as application/x-www-form-urlencoded."}})
		return
	}
	ticket := oneseat.Ticket(r.PostForm.Get("ticket"))
	if ticket == "" {
		ticket = oneseat.Ticket(g.ticket.get(r))
	}
	if r.PostForm.Has("cancel") {
		g.ticket.set(w, r, "", -time.Second)
		http.Redirect(w, r, g.config.SignInPath, http.StatusSeeOther)
		return
	}
	var ids []oneseat.SessionID
	for _, id := range r.PostForm["end"] {
		ids = append(ids, oneseat.SessionID(id))
	}
	next := r.PostForm.Get("next")
	grant, err := g.Redeem(w, r, ticket, ids...)
	_, bad := errors.AsType[*oneseat.TicketError](err)
	switch {
	case bad:
		g.refuse(w, r, err)
	case err != nil:
		g.RefuseSignIn(w, r, err, next)
	case !browser(r):
		writeJSON(w, map[string]any{"session": grant.Session.ID, "account": grant.Session.Account})
	case LocalPath(next):
		http.Redirect(w, r, next, http.StatusSeeOther)
	default:
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}
}

// page writes a page of ours.
func (g *Guard) page(w http.ResponseWriter, status int, page *template.Template, view any) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	if h.Get("Content-Security-Policy") == "" { // the application's own policy counts, if it has set one around us
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'")
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	w.WriteHeader(status)
	if err := page.Execute(w, view); err != nil {
		g.seats.Config().Logger.Warn("a page was not sent whole", "page", page.Name(), "error", err)
	}
}
