package oneseathttp

import (
	_ "embed"
	"errors"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/words"
	"github.com/oneseat/oneseat/oneseathttp/internal/answer"
)

//go:embed assets/ask.html
var askHTML string

var askPage = template.Must(template.New("ask").Parse(askHTML))

// askFor is how long a browser keeps its ticket, which is good for that time.
const askFor = 5 * time.Minute

// RefuseSignIn answers a sign-in for which [Guard.SignIn] returned an error:
//
//   - 409 if the account is full, with the sessions that hold the seats. Under
//     [oneseat.PolicyAsk] the answer lets the newcomer choose which of them ends.
//   - 403 if the account is blocked.
//   - 400 if the account's name is not valid, or the id of the device, the data or
//     the lifetime of the sign-in.
//   - 503 if the store did not answer, or [oneseat.Config].LimitFor gave no limit.
//   - What Require answers, if the new session was displaced at the same moment.
//
// A browser gets a page, a program problem+json. next is where the browser wanted to
// go, a path of this site, or "".
//
// None of these is a failed authentication: do not count it as one.
func (g *Guard) RefuseSignIn(w http.ResponseWriter, r *http.Request, err error, next string) {
	if errors.Is(err, oneseat.ErrLimitUnknown) { // first, because it wraps anything that the application says
		g.refuse(w, r, err)
		return
	}
	if full, ok := errors.AsType[*oneseat.LimitError](err); ok {
		g.ask(w, r, full, next)
		return
	}
	if _, ok := errors.AsType[*oneseat.AccountError](err); ok {
		g.turnAway(w, r, http.StatusBadRequest, g.problem("bad_account", "refused.bad_account"), askView{})
		return
	}
	if bad, ok := errors.AsType[*oneseat.ConfigError](err); ok && bad.In == "SignInRequest" {
		g.turnAway(w, r, http.StatusBadRequest, g.problem("bad_sign_in", "refused.bad_sign_in"), askView{})
		return
	}
	blocked, ok := errors.AsType[*oneseat.BlockedError](err)
	if !ok {
		g.refuse(w, r, err)
		return
	}
	said := g.problem(string(oneseat.ReasonAccountBlocked), "refused.blocked")
	if !blocked.Until.IsZero() {
		said = g.problem(said.Reason, "refused.blocked_until", "time", blocked.Until.UTC().Format("2 January 2006, 15:04 UTC"))
	}
	g.turnAway(w, r, http.StatusForbidden, said, askView{})
}

// askView is what the page shows.
type askView struct {
	words.Language
	Said   answer.Problem
	Choose bool
	Path   string
	Back   string
	Next   string
}

// ask shows the sessions that hold the seats. A newcomer that has a ticket may
// choose which of them ends.
func (g *Guard) ask(w http.ResponseWriter, r *http.Request, full *oneseat.LimitError, next string) {
	said := g.problemOfFull(full)
	view := askView{Choose: full.Ticket != ""}
	if LocalPath(next) {
		view.Next = next
	}
	if view.Choose {
		said.Redeem = g.path() + "redeem"
		if browser(r) {
			g.ticket.set(w, r, string(full.Ticket), askFor)
		} else {
			said.Ticket = string(full.Ticket)
		}
	}
	g.turnAway(w, r, http.StatusConflict, said, view)
}

// turnAway answers with the page, or, to a program, with the same as JSON.
func (g *Guard) turnAway(w http.ResponseWriter, r *http.Request, status int, said answer.Problem, view askView) {
	w.Header()["Cache-Control"] = noStore
	if !browser(r) {
		answer.Refuse(w, status, said)
		return
	}
	view.Language, view.Said, view.Path, view.Back = g.words, said, g.path(), g.config.SignInPath
	g.page(w, status, askPage, view)
}

// problemOfFull says that an account is full, and what its owner can do.
func (g *Guard) problemOfFull(full *oneseat.LimitError) (p answer.Problem) {
	const reason = "limit"
	switch n := len(full.Live); {
	case n == 1 && full.Ticket != "":
		p = g.problem(reason, "full.ask_about_one")
	case full.Ticket != "":
		p = g.problem(reason, "full.ask_about_several", "count", strconv.Itoa(n))
	default:
		p = g.problem(reason, "full.refused")
	}
	p.Limit, p.Bound, p.Sessions = full.Limit, full.Bound, answer.Sessions(full.Live, "")
	return p
}

// redeem takes the choice of a newcomer that was asked: "end" names a session, or
// several; "cancel" gives up. The ticket is in the browser's cookie, or, from a
// program, in the field "ticket".
func (g *Guard) redeem(w http.ResponseWriter, r *http.Request) {
	w.Header()["Cache-Control"] = noStore
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		answer.Refuse(w, http.StatusBadRequest, g.problem("bad_form", "refused.bad_form"))
		return
	}
	ticket := oneseat.Ticket(r.PostForm.Get("ticket"))
	program := ticket != ""
	if !program {
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
		said := map[string]any{"session": grant.Session.ID, "account": grant.Session.Account}
		if program && g.carrier.InAnswer {
			said["token"] = string(grant.Token)
		}
		answer.JSON(w, said)
	case LocalPath(next):
		http.Redirect(w, r, next, http.StatusSeeOther)
	default:
		http.Redirect(w, r, g.config.Prefix, http.StatusSeeOther)
	}
}

// page writes one of the guard's pages. The guard sets no Cross-Origin-Opener-Policy,
// because the choice at a sign-in may be in a window that the site has opened, and that
// window would lose its opener. A policy that the application sets around the guard
// stays.
func (g *Guard) page(w http.ResponseWriter, status int, page *template.Template, view any) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	if h.Get("Content-Security-Policy") == "" { // the application's own policy counts, if it has set one around us
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors "+strings.Join(append([]string{"'self'"}, g.config.FrameAncestors...), " "))
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	if len(g.config.FrameAncestors) == 0 { // with it, a site that sets Cross-Origin-Embedder-Policy could not frame the page
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
	}
	w.WriteHeader(status)
	if err := page.Execute(w, view); err != nil {
		g.seats.Config().Logger.Warn("a page was not sent whole", "page", page.Name(), "error", err)
	}
}
