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
package jwtapp

import (
	"context"
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
	seats  *oneseat.Registry
	users  *accounts.Table
	key    []byte // 32 random bytes, kept secret
	parser *jwt.Parser
	mux    *http.ServeMux
}

const (
	issuer = "jwtapp"
	life   = 12 * time.Hour // of a token; its session may end before
)

// claims are what a token says.
type claims struct {
	jwt.RegisteredClaims
	Session oneseat.SessionID `json:"sid"`
}

// New returns the application.
func New(seats *oneseat.Registry, key []byte, users *accounts.Table) *App {
	a := &App{seats: seats, users: users, key: key, mux: http.NewServeMux()}
	a.parser = jwt.NewParser(
		jwt.WithValidMethods([]string{"HS256"}), // nothing else: not "none", and no key of another kind
		jwt.WithExpirationRequired(),
		jwt.WithIssuer(issuer),
	)
	a.mux.HandleFunc("POST /token", a.signIn)
	a.mux.Handle("GET /me", a.require(http.HandlerFunc(a.me)))
	a.mux.Handle("POST /logout", a.require(http.HandlerFunc(a.signOut)))
	return a
}

// ServeHTTP makes App an http.Handler.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

func (a *App) signIn(w http.ResponseWriter, r *http.Request) {
	account := r.PostFormValue("account")
	if !a.users.Verify(account, r.PostFormValue("password")) {
		refuse(w, http.StatusUnauthorized, "wrong_password")
		return
	}
	device := oneseat.Device{Label: r.PostFormValue("device"), Class: "api"}
	grant, err := a.seats.SignIn(r.Context(), account, oneseat.SignInRequest{Device: device})
	if err != nil {
		a.refuse(w, err)
		return
	}
	// grant.Token is not needed, because the signed token takes its place.
	now := time.Now()
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: issuer, Subject: account,
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(life)),
		},
		Session: grant.Session.ID,
	}).SignedString(a.key)
	if err != nil {
		a.refuse(w, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"token": signed})
}

// require serves next to requests with a token of a live session. The context of the
// request is cancelled when the session ends, with an *EndedError as its cause. next
// has to watch the context.
func (a *App) require(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, err := a.check(r)
		if err != nil {
			a.refuse(w, err)
			return
		}
		ctx, release := a.seats.Hold(r.Context(), session)
		defer release()
		ctx = oneseat.NewContext(ctx, &oneseat.RequestInfo{Session: &session}) // for SessionFrom
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// check returns the session of a request.
func (a *App) check(r *http.Request) (oneseat.Session, error) {
	signed, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return oneseat.Session{}, oneseat.ErrNoSession
	}
	var said claims
	if _, err := a.parser.ParseWithClaims(signed, &said, func(*jwt.Token) (any, error) { return a.key, nil }); err != nil {
		return oneseat.Session{}, errors.Join(oneseat.ErrNoSession, err)
	}
	return a.seats.CheckID(r.Context(), said.Subject, said.Session)
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
		a.refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// refuse answers why a request is not served.
func (a *App) refuse(w http.ResponseWriter, err error) {
	if over, ok := errors.AsType[*oneseat.EndedError](err); ok {
		refuse(w, http.StatusUnauthorized, string(over.Ending.Reason))
		return
	}
	if _, ok := errors.AsType[*oneseat.LimitError](err); ok {
		refuse(w, http.StatusConflict, "limit")
		return
	}
	_, bad := errors.AsType[*oneseat.AccountError](err)
	if bad || errors.Is(err, oneseat.ErrNoSession) {
		refuse(w, http.StatusUnauthorized, "no_session")
		return
	}
	w.Header().Set("Retry-After", "2")
	refuse(w, http.StatusServiceUnavailable, "store_unavailable")
}

func refuse(w http.ResponseWriter, status int, reason string) {
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
