package jwtapp

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/golang-jwt/jwt/v5"

	"github.com/oneseat/oneseat"
)

// API takes tokens that somebody else signs: an identity provider. They say which of
// the provider's sessions they belong to ("sid"), and when a person signed in there
// ("auth_time"). Of the sessions of one account the newest has the seat here, by that
// time.
//
// No sign-in comes by here. So the first token of a sid that comes takes the seat, as
// an adopted session does: never from a later one, and only if nothing of the account
// has ended since. It needs [oneseat.Config].AdoptUntil, and because of that no
// account's record is ever erased.
type API struct {
	seats  *oneseat.Registry
	issuer Issuer
	key    []byte // 32 random bytes, kept secret, the same on all nodes
	parser *jwt.Parser
	mux    *http.ServeMux

	mu       sync.Mutex // guards sessions
	sessions map[string]oneseat.SessionID
}

// Issuer is the provider whose tokens count.
type Issuer struct {
	URL      string                    // its name, "iss"
	Audience string                    // the name that it knows this API by, "aud"
	Keys     map[string]*rsa.PublicKey // by "kid". Fetch them from the address that the provider's discovery names, never from one that a token names
}

// foreign are the claims of the provider's tokens that count here.
type foreign struct {
	jwt.RegisteredClaims
	Session  string           `json:"sid"`
	SignedIn *jwt.NumericDate `json:"auth_time"`
}

// NewAPI returns the API. key is for [oneseat.Attempt].
func NewAPI(seats *oneseat.Registry, issuer Issuer, key []byte) (*API, error) {
	if seats.Config().AdoptUntil.IsZero() {
		return nil, errors.New("jwtapp: no token of the issuer would be seated: set oneseat.Config.AdoptUntil, a hundred years ahead for example")
	}
	a := &API{seats: seats, issuer: issuer, key: key, mux: http.NewServeMux(), sessions: map[string]oneseat.SessionID{}}
	a.parser = jwt.NewParser(
		jwt.WithValidMethods([]string{"RS256"}), // not HS256: the public key would be its secret
		jwt.WithExpirationRequired(),
		jwt.WithIssuer(issuer.URL),
		jwt.WithAudience(issuer.Audience),
	)
	a.mux.Handle("GET /me", require(seats, a.check, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, _ := oneseat.SessionFrom(r.Context())
		writeJSON(w, http.StatusOK, map[string]string{"account": session.Account})
	})))
	return a, nil
}

// ServeHTTP makes API an http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// keyOf finds the provider's key by its name. The token only chooses among keys that we
// have.
func (a *API) keyOf(t *jwt.Token) (any, error) {
	name, _ := t.Header["kid"].(string)
	key, ok := a.issuer.Keys[name]
	if !ok {
		return nil, fmt.Errorf("the issuer has no key %q", name)
	}
	return key, nil
}

// check returns the session of a request.
func (a *API) check(r *http.Request) (oneseat.Session, error) {
	var said foreign
	if _, err := a.parser.ParseWithClaims(bearer(r), &said, a.keyOf); err != nil {
		return oneseat.Session{}, errors.Join(oneseat.ErrNoSession, err)
	}
	if said.Subject == "" || said.Session == "" || said.SignedIn == nil {
		return oneseat.Session{}, oneseat.ErrNoSession
	}
	account := said.Issuer + " " + said.Subject // a subject is unique at its issuer only
	id, err := a.session(r, account, said)
	if err != nil {
		return oneseat.Session{}, err
	}
	return a.seats.CheckID(r.Context(), account, id)
}

// session returns the session here of a sid there. Which one that is follows from the
// sid, so memory may be dropped, and another node finds the same session.
func (a *API) session(r *http.Request, account string, said foreign) (oneseat.SessionID, error) {
	sid := account + "\x00" + said.Session
	a.mu.Lock()
	id, known := a.sessions[sid]
	a.mu.Unlock()
	if known {
		return id, nil
	}
	grant, err := a.seats.Adopt(r.Context(), account, said.SignedIn.Time, oneseat.SignInRequest{Attempt: attempt(a.seats, a.key, sid)})
	if err != nil {
		return "", err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.sessions) >= 10_000 {
		clear(a.sessions)
	}
	a.sessions[sid] = grant.Session.ID
	return grant.Session.ID, nil
}
