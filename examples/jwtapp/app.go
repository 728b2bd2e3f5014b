// Package jwtapp is an application for programs that keeps no sessions: everything that
// it knows of a caller is in a token that it has signed (golang-jwt/jwt).
//
// By itself such a token is good until it expires, whatever happens in between. Here
// the token names its session ("sid"), and CheckID says whether that session is live,
// as a rule from memory. A token whose session was displaced is refused at once, and
// every request with it that is being answered is cancelled.
//
// A session's id is no secret and proves nothing. It counts here only because it is in
// what the application has signed itself.
//
// [App] signs its tokens itself. [API] is for tokens that somebody else signs.
package jwtapp

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/accounts"
)

// App is the application.
type App struct {
	// KeepReplayed leaves a session alone whose refresh token comes a second time. By
	// default the session ends, because one of the two that had the token is a thief.
	KeepReplayed bool

	seats     *oneseat.Registry
	users     *accounts.Table
	key       []byte // 32 random bytes, kept secret
	access    *jwt.Parser
	refreshes *jwt.Parser
	mux       *http.ServeMux
}

const (
	issuer      = "jwtapp"
	accessFor   = "jwtapp"         // the audience of an access token
	refreshFor  = "jwtapp/refresh" // that of a refresh token: neither is good for the other
	accessLife  = 5 * time.Minute
	refreshLife = 90 * 24 * time.Hour // at most; the session may end before
)

// claims are what an access token says.
type claims struct {
	jwt.RegisteredClaims
	Session oneseat.SessionID `json:"sid"`
}

// refreshClaims are what a refresh token says.
type refreshClaims struct {
	jwt.RegisteredClaims
	Session oneseat.SessionID `json:"sid"`
	Secret  string            `json:"secret"` // oneseat's own token of the session, which is good once
}

// New returns the application.
func New(seats *oneseat.Registry, key []byte, users *accounts.Table) *App {
	a := &App{seats: seats, users: users, key: key, mux: http.NewServeMux()}
	a.access = jwt.NewParser(
		jwt.WithValidMethods([]string{"HS256"}), // nothing else: not "none", and no key of another kind
		jwt.WithExpirationRequired(),
		jwt.WithIssuer(issuer),
		jwt.WithAudience(accessFor),
	)
	a.refreshes = jwt.NewParser(
		jwt.WithValidMethods([]string{"HS256"}),
		jwt.WithExpirationRequired(),
		jwt.WithIssuer(issuer),
		jwt.WithAudience(refreshFor),
	)
	a.mux.HandleFunc("POST /token", a.signIn)
	a.mux.HandleFunc("POST /refresh", a.refresh)
	a.mux.Handle("GET /me", a.require(http.HandlerFunc(a.me)))
	a.mux.Handle("POST /logout", a.require(http.HandlerFunc(a.signOut)))
	return a
}

// ServeHTTP makes App an http.Handler.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

func (a *App) signIn(w http.ResponseWriter, r *http.Request) {
	account := r.PostFormValue("account")
	if !a.users.Verify(account, r.PostFormValue("password")) {
		answer(w, http.StatusUnauthorized, "wrong_password")
		return
	}
	device := oneseat.Device{Label: r.PostFormValue("device"), Class: "api"}
	grant, err := a.seats.SignIn(r.Context(), account, oneseat.SignInRequest{Device: device})
	if err != nil {
		refuse(w, err)
		return
	}
	a.give(w, grant)
}

// give answers with the two tokens of a session.
func (a *App) give(w http.ResponseWriter, grant oneseat.Grant) {
	account, session := grant.Session.Account, grant.Session.ID
	access, err := a.sign(claims{registered(account, accessFor, accessLife), session})
	if err != nil {
		refuse(w, err)
		return
	}
	refresh, err := a.sign(refreshClaims{registered(account, refreshFor, refreshLife), session, string(grant.Token)})
	if err != nil {
		refuse(w, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"access_token": access, "refresh_token": refresh})
}

func registered(account, audience string, life time.Duration) jwt.RegisteredClaims {
	now := time.Now()
	return jwt.RegisteredClaims{
		Issuer: issuer, Subject: account, Audience: jwt.ClaimStrings{audience},
		IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(life)),
	}
}

func (a *App) sign(c jwt.Claims) (string, error) {
	return jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString(a.key)
}

// keyOf returns the same key for every token. It never looks at what the token says
// about keys ("kid", "jwk", "jku"), because the maker of a token can write anything
// there.
func (a *App) keyOf(*jwt.Token) (any, error) { return a.key, nil }

// refresh takes a refresh token and gives two new tokens. The session goes on. Each
// refresh token is good once.
func (a *App) refresh(w http.ResponseWriter, r *http.Request) {
	var said refreshClaims
	if _, err := a.refreshes.ParseWithClaims(r.PostFormValue("refresh_token"), &said, a.keyOf); err != nil {
		refuse(w, errors.Join(oneseat.ErrNoSession, err))
		return
	}
	grant, err := a.seats.RotateOnce(r.Context(), said.Secret, a.attempt(r))
	if errors.Is(err, oneseat.ErrNoSession) && !a.KeepReplayed {
		err = a.replayed(r.Context(), said)
	}
	if err != nil {
		refuse(w, err)
		return
	}
	a.give(w, grant)
}

// replayed ends the session of a refresh token that we have signed and that was used
// before. Either the client that used it or the client that brings it now has a stolen
// copy, and nobody can tell which.
func (a *App) replayed(ctx context.Context, said refreshClaims) error {
	cause := oneseat.EndOptions{Reason: oneseat.ReasonRevoked, Actor: "a refresh token that was used twice"}
	if _, err := a.seats.End(context.WithoutCancel(ctx), said.Subject, cause, said.Session); err != nil {
		return err
	}
	_, err := a.seats.CheckID(ctx, said.Subject, said.Session) // why it has ended: perhaps it had before
	return errors.Join(err, oneseat.ErrNoSession)
}

// attempt lets a client whose answer was lost send its refresh again. The client makes
// up a random word before, sends the word along each time, and forgets it when the
// answer has come.
func (a *App) attempt(r *http.Request) oneseat.Attempt {
	word := r.PostFormValue("attempt")
	if len(word) < 20 {
		return oneseat.Attempt{} // none, or one that could be guessed
	}
	return attempt(a.seats, a.key, word)
}

// attempt returns the attempt that a word stands for. Its time is always now, however
// often it was tried before: what it made goes on as long as it is in force.
func attempt(seats *oneseat.Registry, key []byte, word string) oneseat.Attempt {
	now, _ := seats.Config().Clock()
	return oneseat.Attempt{ID: derive(key, "attempt", word), Secret: derive(key, "secret", word), Tried: now}
}

// derive returns what only the owner of the key can compute from a word, for one
// purpose.
func derive(key []byte, purpose, word string) (out [32]byte) {
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte(purpose + "\x00" + word)) // never fails
	copy(out[:], mac.Sum(nil))
	return out
}

func (a *App) require(next http.Handler) http.Handler { return require(a.seats, a.check, next) }

// require serves next to requests with a token of a live session. The context of the
// request is cancelled when the session ends, with an *EndedError as its cause. next
// has to watch the context.
func require(seats *oneseat.Registry, check func(*http.Request) (oneseat.Session, error), next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, err := check(r)
		if err != nil {
			refuse(w, err)
			return
		}
		ctx, release := seats.Hold(r.Context(), session)
		defer release()
		ctx = oneseat.NewContext(ctx, &oneseat.RequestInfo{Session: &session}) // for SessionFrom
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// check returns the session of a request.
func (a *App) check(r *http.Request) (oneseat.Session, error) {
	var said claims
	if _, err := a.access.ParseWithClaims(bearer(r), &said, a.keyOf); err != nil {
		return oneseat.Session{}, errors.Join(oneseat.ErrNoSession, err)
	}
	return a.seats.CheckID(r.Context(), said.Subject, said.Session)
}

// bearer returns the token that a request brings, or "".
func bearer(r *http.Request) string {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return ""
	}
	return token
}

func (a *App) me(w http.ResponseWriter, r *http.Request) {
	session, _ := oneseat.SessionFrom(r.Context())
	writeJSON(w, http.StatusOK, map[string]string{"account": session.Account})
}

func (a *App) signOut(w http.ResponseWriter, r *http.Request) {
	session, _ := oneseat.SessionFrom(r.Context())
	cause := oneseat.EndOptions{Reason: oneseat.ReasonSignedOut, By: session.ID}
	// The request ends its own session, so its context is cancelled with it.
	if _, err := a.seats.End(context.WithoutCancel(r.Context()), session.Account, cause, session.ID); err != nil {
		refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// refuse answers why a request is not served.
func refuse(w http.ResponseWriter, err error) {
	if over, ok := errors.AsType[*oneseat.EndedError](err); ok {
		answer(w, http.StatusUnauthorized, string(over.Ending.Reason))
		return
	}
	if _, ok := errors.AsType[*oneseat.LimitError](err); ok {
		answer(w, http.StatusConflict, "limit")
		return
	}
	if errors.Is(err, oneseat.ErrRotated) { // another tab has just done that: use what it was given
		answer(w, http.StatusConflict, "rotated")
		return
	}
	_, bad := errors.AsType[*oneseat.AccountError](err)
	if bad || errors.Is(err, oneseat.ErrNoSession) {
		answer(w, http.StatusUnauthorized, "no_session")
		return
	}
	w.Header().Set("Retry-After", "2")
	answer(w, http.StatusServiceUnavailable, "store_unavailable")
}

func answer(w http.ResponseWriter, status int, reason string) {
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	writeJSON(w, status, map[string]string{"reason": reason})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // an error is the client's connection
}
