package oneseathttp

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/oneseat/oneseat"
)

// words are what a script is told of a session that is not live: the data of
// the event "ended", and part of a refusal.
type words struct {
	Session   oneseat.SessionID `json:"session,omitzero"`
	Reason    string            `json:"reason"`             // machine code: a oneseat.Reason, "no_session" or "store_unavailable"
	At        time.Time         `json:"at,omitzero"`        // when the session ended
	Device    string            `json:"device,omitzero"`    // what took its place
	Class     string            `json:"class,omitzero"`     // of that device
	Reference string            `json:"reference,omitzero"` // for support
	Title     string            `json:"title"`              // what happened
	Detail    string            `json:"detail"`             // what it means, what to do
	NotYou    bool              `json:"not_you,omitzero"`   // offer a change of password
	SignIn    string            `json:"sign_in,omitzero"`   // where to sign in
}

// problem is the body of a refusal to a program (RFC 9457).
type problem struct {
	Type   string `json:"type"`
	Status int    `json:"status"`
	words
}

func (g *Guard) wordsFor(e oneseat.Ending) words {
	n := NoticeOf(e)
	return words{
		Session: e.Session, Reason: string(e.Reason), At: e.At, Device: e.ByDevice.Label, Class: string(e.ByDevice.Class),
		Reference: e.Reference(), Title: n.Title, Detail: n.Detail, NotYou: n.NotYou, SignIn: g.config.SignInPath,
	}
}

// refuse answers a request that has no session, or has one no longer. It never
// clears the cookie: the answer may arrive after a newer one was set.
func (g *Guard) refuse(w http.ResponseWriter, r *http.Request, why error) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Accept, Cookie, Sec-Fetch-Dest")
	if errors.Is(why, oneseat.ErrRotated) { // the browser has a newer token by now
		h.Set("Retry-After", "1")
		writeProblem(w, http.StatusConflict, problem{"about:blank", http.StatusConflict, words{Reason: "rotated",
			Title: "This page was a moment behind", Detail: "Load it again. You are still signed in."}})
		return
	}
	if why != nil && !isRefusal(why) {
		h.Set("Retry-After", "2")
		writeProblem(w, http.StatusServiceUnavailable, problem{"about:blank", http.StatusServiceUnavailable, words{Reason: "store_unavailable",
			Title: "Sessions cannot be checked at the moment", Detail: "Try again in a few seconds. Nobody has been signed out."}})
		return
	}
	said := words{Reason: "no_session", Title: "Nobody is signed in here", Detail: "Sign in first.", SignIn: g.config.SignInPath}
	if _, ok := errors.AsType[*oneseat.TicketError](why); ok {
		said = words{Reason: "bad_ticket", Title: "That choice came too late", Detail: "Sign in again to choose.", SignIn: g.config.SignInPath}
	}
	if over, ok := errors.AsType[*oneseat.EndedError](why); ok {
		said = g.wordsFor(over.Ending)
		if g.config.OnEnded != nil {
			g.config.OnEnded(w, r, over.Ending)
		}
	}
	if browser(r) {
		to := url.Values{"reason": {said.Reason}}
		if r.Method == http.MethodGet && r.URL.Path != "/" {
			to.Set("next", r.URL.RequestURI())
		}
		http.Redirect(w, r, g.config.SignInPath+"?"+to.Encode(), http.StatusSeeOther)
		return
	}
	h.Set("WWW-Authenticate", "Session")
	writeProblem(w, http.StatusUnauthorized, problem{"about:blank", http.StatusUnauthorized, said})
}

func writeProblem(w http.ResponseWriter, status int, said any) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(said) // an error is the client's connection
}

// browser says that a person would see the answer: a page, a frame, a picture.
// A script's fetch is a program.
func browser(r *http.Request) bool {
	if dest := r.Header.Get("Sec-Fetch-Dest"); dest != "" {
		return dest != "empty"
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

// LocalPath says that p is a path of this site and nothing else: not //host, no
// scheme, no backslash, no control character. Ask it before redirecting to a
// "next" that came with a request (WEB-10).
func LocalPath(p string) bool {
	if !strings.HasPrefix(p, "/") || strings.HasPrefix(p, "//") {
		return false
	}
	for _, c := range p {
		if c == '\\' || c < ' ' || c == 0x7f {
			return false
		}
	}
	u, err := url.Parse(p)
	return err == nil && u.Host == "" && u.Scheme == ""
}
