package oneseathttp

import (
	"crypto/rand"
	"errors"
	"net/http"
	"time"

	"github.com/oneseat/oneseat"
)

// SignIn gives the browser a session for the account, once the application has
// verified who is asking. Call it before anything is written. The session that
// the browser had is replaced; errors are those of [oneseat.Registry.SignIn].
//
// The rest of the request belongs to the new session: [oneseat.SessionFrom]
// returns it, and the old one's end does not cut the request.
func (g *Guard) SignIn(w http.ResponseWriter, r *http.Request, account string) (oneseat.Session, error) {
	grant, err := g.SignInWith(w, r, SignInOptions{Account: account})
	return grant.Session, err
}

// SignInOptions are a sign-in with more said about it than who it is.
type SignInOptions struct {
	Account  string
	Device   oneseat.Device // the zero Device: as recognised
	Override bool           // see [oneseat.SignInRequest]
}

// SignInWith is SignIn with more said about it. It returns the token as well,
// for a program that carries it itself.
func (g *Guard) SignInWith(w http.ResponseWriter, r *http.Request, in SignInOptions) (oneseat.Grant, error) {
	if tooLate(r) {
		return oneseat.Grant{}, ErrHeaderSent
	}
	from, id := g.client(r)
	from.Override = in.Override
	if in.Device != (oneseat.Device{}) {
		from.Device = in.Device
	}
	grant, err := g.seats.SignIn(r.Context(), in.Account, from)
	return g.granted(w, r, grant, id, err)
}

// Redeem signs in who was asked, see [oneseat.Registry.Redeem]: for an
// application with a page of its own for that. The ticket is that of the
// [oneseat.LimitError].
func (g *Guard) Redeem(w http.ResponseWriter, r *http.Request, ticket oneseat.Ticket, ids ...oneseat.SessionID) (oneseat.Grant, error) {
	if tooLate(r) {
		return oneseat.Grant{}, ErrHeaderSent
	}
	from, id := g.client(r)
	grant, err := g.seats.Redeem(r.Context(), ticket, from, ids...)
	if err == nil && g.ticket.get(r) != "" {
		g.ticket.set(w, r, "", -time.Second)
	}
	return g.granted(w, r, grant, id, err)
}

// ErrHeaderSent is returned by SignIn and Redeem when the header of the answer is on
// its way already: the browser could not be given its token, so no session is made.
var ErrHeaderSent = errors.New("oneseathttp: nobody was signed in, because the answer's header was sent before: sign in before anything is written")

// tooLate says that the header of the answer is on its way.
func tooLate(r *http.Request) bool {
	q := requestOf(r.Context())
	if q == nil {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.state >= sent
}

// client is who asks, with the device's id. The request's own session may end
// by it.
func (g *Guard) client(r *http.Request) (from oneseat.SignInRequest, device string) {
	g.detach(r)
	device = g.device.get(r)
	if len(device) < 16 || len(device) > 64 { // ours are 26 long
		device = rand.Text()
		if g.config.Carrier.Get != nil && len(r.Header["Cookie"]) == 0 && r.Header.Get("Sec-Fetch-Mode") == "" && !browser(r) {
			device = "" // a program that keeps no cookies
		}
	}
	return oneseat.SignInRequest{Token: g.token(r), DeviceID: device, Device: g.deviceOf(r)}, device
}

// granted gives the browser what came of a sign-in. One that was asked keeps its
// device's id too: its ticket is good there only.
func (g *Guard) granted(w http.ResponseWriter, r *http.Request, grant oneseat.Grant, device string, err error) (oneseat.Grant, error) {
	full, asked := errors.AsType[*oneseat.LimitError](err)
	if asked = asked && full.Ticket != ""; (err == nil || asked) && device != "" {
		g.device.set(w, r, device, longest)
	}
	if err != nil {
		return oneseat.Grant{}, err
	}
	g.hand(w, r, grant)
	if g.config.OnSignIn != nil {
		g.config.OnSignIn(r, grant.Session)
	}
	return grant, nil
}

// SignOut ends the request's session, or the one that took its place in this
// browser meanwhile, and has the browser drop its token. It returns nil if there was
// none, and [oneseat.ErrStoreUnavailable] if nothing was done. The request itself
// finishes.
//
// The browser keeps its cookie where nothing was ended: the answer may arrive after
// a newer sign-in.
func (g *Guard) SignOut(w http.ResponseWriter, r *http.Request) error {
	g.detach(r)
	w.Header()["Cache-Control"] = noStore
	err := error(oneseat.ErrNoSession)
	if q := requestOf(r.Context()); q != nil && q.holder.Session != nil { // by its id, whatever its token is by now
		mine := q.holder.Session
		_, err = g.seats.End(r.Context(), mine.Account, oneseat.EndOptions{Reason: oneseat.ReasonSignedOut, As: mine.ID}, mine.ID)
	}
	if token := g.token(r); token != "" && isRefusal(err) {
		err = g.seats.SignOut(r.Context(), token)
	}
	switch {
	case err == nil:
		g.forget(w, r)
		return nil
	case isRefusal(err):
		if q := requestOf(r.Context()); q != nil {
			q.now(nil, "")
		}
		return nil
	}
	return err
}

// Rotate gives the browser a new secret for the session that it has, as after a
// change of password. Of several requests that rotate at once one succeeds, and the
// others get [oneseat.ErrRotated]: answer them as if they had succeeded, the browser
// has the new secret from the first. Other errors are those of
// [oneseat.Registry.Rotate].
func (g *Guard) Rotate(w http.ResponseWriter, r *http.Request) (oneseat.Session, error) {
	grant, err := g.seats.Rotate(r.Context(), g.token(r))
	if err != nil {
		return oneseat.Session{}, err
	}
	g.hand(w, r, grant)
	return grant.Session, nil
}

// hand gives the browser what it was granted.
func (g *Guard) hand(w http.ResponseWriter, r *http.Request, grant oneseat.Grant) {
	g.carrier.Set(w, r, string(grant.Token), cookieLife(g.seats.Config()))
	w.Header()["Cache-Control"] = noStore
	if q := requestOf(r.Context()); q != nil {
		q.now(&grant.Session, string(grant.Token))
	}
}

// forget has the browser drop its token, and the request its session.
func (g *Guard) forget(w http.ResponseWriter, r *http.Request) {
	g.carrier.Clear(w, r)
	w.Header()["Cache-Control"] = noStore
	if q := requestOf(r.Context()); q != nil {
		q.now(nil, "")
	}
}

// token is what the browser holds: what the request brought, or what it was
// given since.
func (g *Guard) token(r *http.Request) string {
	if q := requestOf(r.Context()); q != nil && q.changed {
		return q.token
	}
	return g.carrier.Get(r)
}

// detach lets a request finish that ends or replaces its own session.
func (g *Guard) detach(r *http.Request) {
	if q := requestOf(r.Context()); q != nil {
		q.holding.Stop()
	}
}

// adopt seats a session of the application's that is older than oneseat, until
// the day that the registry was given, and returns its token.
func (g *Guard) adopt(w http.ResponseWriter, r *http.Request, account string) (string, error) {
	var issued time.Time
	if g.config.IssuedAt != nil {
		issued = g.config.IssuedAt(r)
	}
	grant, err := g.seats.Adopt(r.Context(), account, issued, oneseat.SignInRequest{Device: g.deviceOf(r)})
	if err != nil {
		return "", err
	}
	g.hand(w, r, grant)
	return string(grant.Token), nil
}

// isRefusal says that an error is an answer about the session, and not the lack
// of one.
func isRefusal(err error) bool {
	_, over := errors.AsType[*oneseat.EndedError](err)
	_, ticket := errors.AsType[*oneseat.TicketError](err)
	return over || ticket || errors.Is(err, oneseat.ErrNoSession)
}
