package oidcapp

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/oneseat/oneseat"
)

// signedOutElsewhere is the address that the SSO calls when somebody has signed out
// there, or has lost the account (OpenID Connect Back-Channel Logout 1.0). No browser
// takes part in it: all that counts is what the token says.
func (a *App) signedOutElsewhere(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
	token, err := a.tokens.VerifyLogout(r.Context(), r.PostFormValue("logout_token")) // signature, issuer, audience, expiry, the event, no nonce
	if err == nil {
		err = a.logouts.once(token, time.Now())
	}
	if err != nil {
		log.Print("a logout of the SSO: ", err)
		http.Error(w, "invalid_request", http.StatusBadRequest)
		return
	}
	if err := a.endFor(context.WithoutCancel(r.Context()), token); err != nil {
		a.logouts.again(token) // nothing is known to have ended, so the same token has to count again
		http.Error(w, "temporarily_unavailable", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// endFor ends the sessions that a logout token is about: the session that belongs to
// one at the SSO, or all sessions of a person.
func (a *App) endFor(ctx context.Context, token *oidc.LogoutToken) error {
	cause := oneseat.EndOptions{Reason: oneseat.ReasonSignedOut, Actor: "the SSO"}
	account := accountOf(token.Issuer, token.Subject)
	switch {
	case token.SessionID == "":
		_, err := a.seats.EndAll(ctx, account, cause)
		return err
	case token.Subject == "":
		account = a.logouts.accountOf(token.SessionID)
	}
	a.logouts.over(token.SessionID)
	if account == "" { // nobody has signed in here by that session
		return nil
	}
	data := dataOf(token.SessionID)
	_, err := a.seats.EndWhere(ctx, account, cause, func(s oneseat.Session) bool { return s.Data == data })
	return err
}

// dataOf returns what a session here keeps of the session at the SSO: a hash of its id,
// because the id may be longer than what a session can keep. It returns "" if the SSO
// has not said which session it is.
func dataOf(sid string) string {
	if sid == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(sid))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// recent bounds how old a logout token may be, and for how long the ids of tokens and
// of sessions that are over are kept.
const recent = 10 * time.Minute

// logouts knows which logout tokens came a moment ago, and whose the sessions at the
// SSO are, because some providers name no person in their tokens. All of that is in
// memory. So with such a provider this application runs on one node, and a restart
// forgets it. A real application keeps it in its database, beside its users.
type logouts struct {
	mu    sync.Mutex           // guards what is below
	of    map[string]string    // accounts, by the SSO's sid
	ended map[string]time.Time // sids, and when they were over
	used  map[string]time.Time // ids of logout tokens, and when they came
}

func newLogouts() *logouts {
	return &logouts{of: map[string]string{}, ended: map[string]time.Time{}, used: map[string]time.Time{}}
}

// began notes whose a session at the SSO is. It returns false if that session is over:
// the logout has overtaken the sign-in.
func (l *logouts) began(sid, account string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, over := l.ended[sid]; over {
		return false
	}
	if sid != "" {
		l.of[sid] = account
	}
	return true
}

// over notes that a session at the SSO is over.
func (l *logouts) over(sid string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended[sid] = time.Now()
}

// accountOf returns whose a session at the SSO is, or "" if that is not known. The
// answer is kept for a while after the end, because ending may have to be tried again.
func (l *logouts) accountOf(sid string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.of[sid]
}

// once returns nil if a verified token counts: it was issued a moment ago, and has not
// come before. Somebody with a copy of an old token must not sign out a person that has
// signed in again.
func (l *logouts) once(token *oidc.LogoutToken, now time.Time) error {
	if age := now.Sub(token.IssuedAt); age > recent || age < -time.Minute {
		return errors.New("it was issued at another time")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	old := func(_ string, t time.Time) bool { return now.Sub(t) > 2*recent }
	maps.DeleteFunc(l.used, old)
	maps.DeleteFunc(l.ended, func(sid string, t time.Time) bool {
		if old(sid, t) {
			delete(l.of, sid)
			return true
		}
		return false
	})
	if _, used := l.used[token.TokenID]; used {
		return errors.New("it has come before")
	}
	l.used[token.TokenID] = now
	return nil
}

// again lets a token count once more.
func (l *logouts) again(token *oidc.LogoutToken) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.used, token.TokenID)
}
