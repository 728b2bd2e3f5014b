package oneseathttp

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp/internal/answer"
)

// AnyProof, as Config.OwnDevicesProof, lets every session end the account's others.
const AnyProof time.Duration = -1

// RequireFresh is Require for what a stranger at an open laptop must not do: it serves
// next only if the user of the session has proved who they are within age, by a sign-in
// or by [Guard.Confirm]. A session that was adopted has no proof.
//
// A browser whose proof is older is sent to [Config.ConfirmPath], with "next". A program
// gets 401 with the reason "proof_too_old", and a challenge with max_age (RFC 9470). A
// proof of another node that this one has not heard of counts: before it refuses,
// RequireFresh reads the store.
//
// RequireFresh panics with a *[oneseat.ConfigError] if age is zero or less.
func (g *Guard) RequireFresh(age time.Duration, next http.Handler) http.Handler {
	if age <= 0 {
		panic(&oneseat.ConfigError{In: "RequireFresh", Field: "age", Problem: fmt.Sprintf("%v would refuse every proof", age)})
	}
	return g.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.proved(w, r, age, "") {
			next.ServeHTTP(w, r)
		}
	}))
}

// Confirm records that the user of the request's session has just proved again who they
// are: call it after the application has verified the password, or a second factor. The
// session goes on. A browser gets another token for it. lifetime is the session's from now
// on: pass the one that the session has to leave it, see [oneseat.Registry.Confirm]. Call
// Confirm before anything is written. Errors are those of [oneseat.Registry.Confirm], and
// [ErrHeaderSent].
func (g *Guard) Confirm(w http.ResponseWriter, r *http.Request, lifetime oneseat.Lifetime) (oneseat.Session, error) {
	if tooLate(r) {
		return oneseat.Session{}, ErrHeaderSent
	}
	s, ok := oneseat.SessionFrom(r.Context())
	if !ok {
		return oneseat.Session{}, oneseat.ErrNoSession
	}
	s, err := g.seats.Confirm(r.Context(), s, lifetime)
	if err != nil {
		return oneseat.Session{}, err
	}
	if token := g.token(r); token != "" && !g.carrier.InAnswer { // else a program would not hear of its new token
		// Of several requests at once one gives the browser the new token.
		if grant, err := g.seats.Rotate(r.Context(), token); err == nil {
			g.hand(w, r, grant)
			return grant.Session, nil
		}
	}
	if q := requestOf(r.Context()); q != nil {
		q.now(&s, g.token(r))
	}
	return s, nil
}

// proved reports whether the user of the request's session has proved who they are
// within age. If not, it has answered the request. after is where a browser goes once
// that is done; "": to what it asked for.
func (g *Guard) proved(w http.ResponseWriter, r *http.Request, age time.Duration, after string) bool {
	s, _ := oneseat.SessionFrom(r.Context())
	now, _ := g.seats.Config().Clock()
	old := func(s oneseat.Session) bool { return now.Sub(s.Proved) > age }
	if !old(s) {
		return true
	}
	newest, err := g.seats.CheckFresh(r.Context(), g.token(r))
	switch {
	case err != nil:
		g.refuse(w, r, err)
		return false
	case !old(newest):
		return true
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Accept, Cookie, Sec-Fetch-Dest")
	page := g.config.ConfirmPath
	if page == "" {
		page = g.signIn(url.Values{"reason": {"proof_too_old"}})
	}
	if browser(r) {
		if after == "" && r.Method == http.MethodGet {
			after = g.seen(r)
		}
		if LocalPath(after) {
			mark := "?"
			if strings.Contains(page, "?") {
				mark = "&"
			}
			page += mark + url.Values{"next": {after}}.Encode()
		}
		http.Redirect(w, r, page, http.StatusSeeOther)
		return false
	}
	h.Set("WWW-Authenticate", fmt.Sprintf(`Session error="insufficient_user_authentication", max_age="%d"`, int(age.Seconds())))
	said := g.problem("proof_too_old", "refused.proof_too_old")
	said.SignIn = page
	answer.Refuse(w, http.StatusUnauthorized, said)
	return false
}
