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

// problem is the body of a refusal to a program (RFC 9457).
type problem struct {
	Type      string    `json:"type"`
	Title     string    `json:"title"`
	Status    int       `json:"status"`
	Detail    string    `json:"detail,omitzero"`
	Reason    string    `json:"reason"`             // machine code: a oneseat.Reason, "no_session" or "store_unavailable"
	At        time.Time `json:"at,omitzero"`        // when the session ended
	Device    string    `json:"device,omitzero"`    // what took its place
	Reference string    `json:"reference,omitzero"` // for support
}

// refuse answers a request that has no session, or has one no longer. It never
// clears the cookie: the answer may arrive after a newer one was set.
func (g *Guard) refuse(w http.ResponseWriter, r *http.Request, why error) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Accept, Cookie, Sec-Fetch-Dest")
	if why != nil && !isRefusal(why) {
		h.Set("Retry-After", "2")
		writeProblem(w, problem{Status: http.StatusServiceUnavailable, Reason: "store_unavailable",
			Title: "Sessions cannot be checked at the moment", Detail: "Try again in a few seconds. Nobody has been signed out."})
		return
	}
	p := problem{Status: http.StatusUnauthorized, Reason: "no_session", Title: "Sign in first"}
	if over, ok := errors.AsType[*oneseat.EndedError](why); ok {
		e := over.Ending
		p.Reason, p.At, p.Device, p.Reference = string(e.Reason), e.At, e.ByDevice.Label, e.Reference()
		p.Title = "This session has ended"
	}
	if browser(r) {
		to := url.Values{"reason": {p.Reason}}
		if r.Method == http.MethodGet && r.URL.Path != "/" {
			to.Set("next", r.URL.RequestURI())
		}
		http.Redirect(w, r, g.config.SignInPath+"?"+to.Encode(), http.StatusSeeOther)
		return
	}
	h.Set("WWW-Authenticate", "Session")
	writeProblem(w, p)
}

func writeProblem(w http.ResponseWriter, p problem) {
	p.Type = "about:blank"
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // an error is the client's connection
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
