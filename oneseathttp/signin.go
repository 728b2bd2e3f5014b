package oneseathttp

import (
	"crypto/rand"
	"errors"
	"net/http"
	"time"

	"github.com/oneseat/oneseat"
)

// SignIn gives the browser a session of the account. Call it after the application
// has verified the password, and before anything is written. The new session takes
// the place of the one that the browser had. Errors are those of
// [oneseat.Registry.SignIn], and [ErrHeaderSent].
//
// From then on [oneseat.SessionFrom] returns the new session, and the end of the old
// one does not cut the request.
func (g *Guard) SignIn(w http.ResponseWriter, r *http.Request, account string) (oneseat.Session, error) {
	grant, err := g.SignInWith(w, r, SignInOptions{Account: account})
	return grant.Session, err
}

// SignInOptions are what an application may say about a sign-in.
type SignInOptions struct {
	Account  string
	Device   oneseat.Device // default: the device that the guard recognises
	DeviceID string         // a program's own, see [oneseat.SignInRequest]; default: that of the browser's cookie
	Override bool           // see [oneseat.SignInRequest]

	// Lifetime is that of a session which is not to last as long as others, see
	// [oneseat.SignInRequest]. Without "remember me": UntilClosed.
	Lifetime oneseat.Lifetime

	Data string // the application's own, kept on the session, see [oneseat.SignInRequest]
}

// SignInWith is SignIn with options. It returns the token as well, for a program
// that keeps the token itself.
func (g *Guard) SignInWith(w http.ResponseWriter, r *http.Request, in SignInOptions) (oneseat.Grant, error) {
	if tooLate(r) {
		return oneseat.Grant{}, ErrHeaderSent
	}
	from, id := g.client(r)
	from.Override, from.Lifetime, from.Data = in.Override, in.Lifetime, in.Data
	if in.Device != (oneseat.Device{}) {
		from.Seen, from.Device = from.Device, in.Device
	}
	if in.DeviceID != "" {
		from.DeviceID, id = in.DeviceID, ""
	}
	grant, err := g.seats.SignIn(r.Context(), in.Account, from)
	return g.granted(w, r, grant, id, err)
}

// Redeem signs in a newcomer that was asked which sessions are to end, and ends the
// sessions that the newcomer chose: see [oneseat.Registry.Redeem]. Redeem is for an
// application that has its own page for the question. The ticket is that of the
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

// ErrHeaderSent is returned by SignIn, SignInWith, Redeem, Rotate and Confirm when the
// header of the answer is on its way already. The browser could not be given its token, so
// nothing is done.
var ErrHeaderSent = errors.New("oneseathttp: nothing was done, because the answer's header was sent before, so the browser could not be given its token: sign in, rotate or confirm before anything is written")

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

// client returns the browser or program that signs in, and the id of its device. The
// end of the request's own session does not cut the request any more.
func (g *Guard) client(r *http.Request) (from oneseat.SignInRequest, device string) {
	g.detach(r)
	device = g.device.get(r)
	if !validDeviceID(device) {
		device = rand.Text()
		if g.config.Carrier.Get != nil && len(r.Header["Cookie"]) == 0 && r.Header.Get("Sec-Fetch-Mode") == "" && !browser(r) {
			device = "" // a program that keeps no cookies
		}
	}
	return oneseat.SignInRequest{Token: g.token(r), DeviceID: device, Device: g.deviceOf(r)}, device
}

// validDeviceID says that a browser has the id of a device, as far as its length
// tells. The guard's are 26 bytes long.
func validDeviceID(id string) bool {
	return len(id) >= oneseat.MinDeviceID && len(id) <= oneseat.MaxDeviceID
}

// granted gives the browser what came of a sign-in: the token and the device's id. A
// browser that was asked keeps the id too, because its ticket is good for that
// device only.
func (g *Guard) granted(w http.ResponseWriter, r *http.Request, grant oneseat.Grant, device string, err error) (oneseat.Grant, error) {
	full, asked := errors.AsType[*oneseat.LimitError](err)
	if asked = asked && full.Ticket != ""; (err == nil || asked) && device != "" {
		g.device.set(w, r, device, longest)
	}
	if err != nil {
		return oneseat.Grant{}, err
	}
	g.warnOfCookie(r)
	g.hand(w, r, grant)
	if g.config.OnSignIn != nil {
		g.config.OnSignIn(r, grant.Session)
	}
	return grant, nil
}

// SignOut ends the request's session, or the session that took its place in this
// browser meanwhile, and has the browser drop its token. It returns nil if there was
// no session, and [oneseat.ErrStoreUnavailable] if nothing was done. The request
// itself is not cut.
//
// If nothing was ended the browser keeps its cookie, because the answer may arrive
// after that of a newer sign-in.
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

// Rotate gives the browser a new token for the session that it has, and returns the token
// as well, for a program that keeps the token itself. Call it before anything is written. After a change of password a rotation is not enough, see
// [oneseat.Registry.EndAll]. Of several requests that rotate at once one succeeds, and the
// others get [oneseat.ErrRotated]. Answer those as if they had succeeded, because the
// browser gets the new token from the first. Other errors are those of
// [oneseat.Registry.Rotate], and [ErrHeaderSent].
func (g *Guard) Rotate(w http.ResponseWriter, r *http.Request) (oneseat.Grant, error) {
	if tooLate(r) {
		return oneseat.Grant{}, ErrHeaderSent
	}
	grant, err := g.seats.Rotate(r.Context(), g.token(r))
	if err != nil {
		return oneseat.Grant{}, err
	}
	g.hand(w, r, grant)
	return grant, nil
}

// hand gives the browser the token of its session, and the request the session.
func (g *Guard) hand(w http.ResponseWriter, r *http.Request, grant oneseat.Grant) {
	g.carrier.Set(w, r, string(grant.Token), g.life(grant.Session))
	w.Header()["Cache-Control"] = noStore
	if q := requestOf(r.Context()); q != nil {
		q.now(&grant.Session, string(grant.Token))
	}
}

// forget has the browser drop its token, and takes the session off the request.
func (g *Guard) forget(w http.ResponseWriter, r *http.Request) {
	g.carrier.Clear(w, r)
	w.Header()["Cache-Control"] = noStore
	if q := requestOf(r.Context()); q != nil {
		q.now(nil, "")
	}
}

// token is the one that the browser holds: the one that it was given in this request,
// or else the one that it brought.
func (g *Guard) token(r *http.Request) string {
	if q := requestOf(r.Context()); q != nil && q.changed {
		return q.token
	}
	return g.carrier.Get(r)
}

// detach lets a request finish that ends or replaces its own session: from then on
// the session's end does not cut it.
func (g *Guard) detach(r *http.Request) {
	if q := requestOf(r.Context()); q != nil {
		q.holding.Stop()
	}
}

// adopt gives a session of oneseat to a session of the application's that is older
// than oneseat, and returns its token. The registry allows that until its AdoptUntil.
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

// isRefusal says that an error is an answer: there is no such session, or no such
// ticket. Any other error means that there was no answer.
func isRefusal(err error) bool {
	_, over := errors.AsType[*oneseat.EndedError](err)
	_, ticket := errors.AsType[*oneseat.TicketError](err)
	return (over || ticket || errors.Is(err, oneseat.ErrNoSession)) && !errors.Is(err, oneseat.ErrLimitUnknown)
}
