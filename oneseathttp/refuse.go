package oneseathttp

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp/internal/answer"
)

// problemOf is the body that tells a program of an ending.
func (g *Guard) problemOf(e oneseat.Ending) answer.Problem {
	n := noticeOf(g.words, e)
	if g.config.ShowActor && e.Reason == oneseat.ReasonRevoked && e.Actor != "" {
		n.Title, n.Detail = g.words.Pair("ended.revoked_by", "actor", e.Actor)
	}
	return answer.Problem{
		Session: e.Session, Reason: string(e.Reason), At: e.At, Device: e.ByDevice.Label, Class: e.ByDevice.Class,
		Reference: e.Reference(), Title: n.Title, Detail: n.Detail, NotYou: n.NotYou, SignIn: g.config.SignInPath,
		Here: e.Reason == oneseat.ReasonRenewed || e.SameDevice ||
			(e.Reason == oneseat.ReasonCredentialsChanged || e.Reason == oneseat.ReasonSignedOut) && e.By == e.Session,
	}
}

// problem is the body of any other refusal. key is that of its words.
func (g *Guard) problem(reason, key string, places ...string) (p answer.Problem) {
	p.Reason = reason
	p.Title, p.Detail = g.words.Pair(key, places...)
	return p
}

// refuse answers a request that has no session, or whose session has ended. It
// never clears the cookie: the answer may arrive after a newer cookie was set.
func (g *Guard) refuse(w http.ResponseWriter, r *http.Request, why error) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Accept, Cookie, Sec-Fetch-Dest")
	if errors.Is(why, oneseat.ErrRotated) { // the browser has a newer token by now
		h.Set("Retry-After", "1")
		answer.Refuse(w, http.StatusConflict, g.problem("rotated", "refused.rotated"))
		return
	}
	if errors.Is(why, errTooLong) { // no Retry-After: nothing should do it again by itself
		answer.Refuse(w, http.StatusServiceUnavailable, g.problem("took_too_long", "refused.too_long"))
		return
	}
	if isClosing(why) {
		answer.Elsewhere(w, r, g.closing())
		return
	}
	if why != nil && !isRefusal(why) {
		g.fail(w, why)
		return
	}
	said := g.problem("no_session", "refused.no_session")
	if _, ok := errors.AsType[*oneseat.TicketError](why); ok {
		said = g.problem("bad_ticket", "refused.bad_ticket")
	}
	said.SignIn = g.config.SignInPath
	if over, ok := errors.AsType[*oneseat.EndedError](why); ok {
		said = g.problemOf(over.Ending)
		if g.config.OnEnded != nil {
			g.config.OnEnded(w, r, over.Ending)
		}
	}
	if browser(r) {
		to := url.Values{"reason": {said.Reason}}
		if next := g.seen(r); r.Method == http.MethodGet && next != g.config.Prefix && LocalPath(next) {
			to.Set("next", next)
		}
		http.Redirect(w, r, g.signIn(to), http.StatusSeeOther)
		return
	}
	h.Set("WWW-Authenticate", "Session")
	answer.Refuse(w, http.StatusUnauthorized, said)
}

// fail answers a request to which the registry gave no answer: nothing is known about its
// session. The registry has logged what an operator has to put right.
func (g *Guard) fail(w http.ResponseWriter, why error) {
	status, said, again := http.StatusServiceUnavailable, g.problem("store_unavailable", "refused.no_answer"), "2"
	_, account := errors.AsType[*oneseat.AccountError](why)
	_, record := errors.AsType[*oneseat.FormatError](why)
	switch {
	case errors.Is(why, oneseat.ErrLimitUnknown): // first, because it wraps anything that the application says
		said = g.problem("limit_unknown", "refused.limit_unknown")
	case errors.Is(why, oneseat.ErrUnknownOutcome) && !errors.Is(why, oneseat.ErrStoreUnavailable):
		said = g.problem("outcome_unknown", "refused.outcome_unknown")
	case account: // Config.Account named it, which is the application's mistake
		status, said, again = http.StatusInternalServerError, g.problem("bad_account", "refused.bad_account"), ""
	case record:
		said, again = g.problem("record_unreadable", "refused.record_unreadable"), ""
	}
	if again != "" {
		w.Header().Set("Retry-After", again)
	}
	answer.Refuse(w, status, said)
}

// browser says that a person would see the answer: a page, a frame, a picture. The
// fetch of a script counts as a program.
func browser(r *http.Request) bool {
	if dest := r.Header.Get("Sec-Fetch-Dest"); dest != "" {
		return dest != "empty"
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}
