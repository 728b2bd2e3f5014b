package oneseathttp

import (
	"crypto/rand"
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
	g.detach(r)
	device := cookie{g.config.CookieName + "-device"}
	id := device.get(r)
	if len(id) < 16 || len(id) > 64 { // ours are 26 long
		id = rand.Text()
	}
	grant, err := g.seats.SignIn(r.Context(), account, oneseat.Client{
		Token: g.cookie.get(r), DeviceID: id, Device: deviceOf(r),
	})
	if err != nil {
		return oneseat.Session{}, err
	}
	device.set(w, r, id, longest)
	g.hand(w, r, grant)
	return grant.Session, nil
}

// SignOut ends the request's session and has the browser drop its token. It
// returns nil if there was none, and [oneseat.ErrStoreUnavailable] if nothing
// was done. The request itself finishes.
func (g *Guard) SignOut(w http.ResponseWriter, r *http.Request) error {
	g.detach(r)
	if token := g.cookie.get(r); token != "" {
		if err := g.seats.SignOut(r.Context(), token); err != nil && !isRefusal(err) {
			return err
		}
	}
	if q := requestOf(r.Context()); q != nil {
		q.holder = oneseat.Holder{}
	}
	g.cookie.set(w, r, "", 0)
	return nil
}

// Rotate gives the browser a new secret for the session that it has, as after a
// change of password. Errors are those of [oneseat.Registry.Rotate].
func (g *Guard) Rotate(w http.ResponseWriter, r *http.Request) (oneseat.Session, error) {
	grant, err := g.seats.Rotate(r.Context(), g.cookie.get(r))
	if err != nil {
		return oneseat.Session{}, err
	}
	g.hand(w, r, grant)
	return grant.Session, nil
}

// hand gives the browser what it was granted.
func (g *Guard) hand(w http.ResponseWriter, r *http.Request, grant oneseat.Grant) {
	life := g.seats.Config().Absolute
	if life == oneseat.NoTimeout {
		life = 400 * 24 * time.Hour
	}
	g.cookie.set(w, r, string(grant.Token), life)
	if q := requestOf(r.Context()); q != nil {
		q.holder = oneseat.Holder{Session: grant.Session}
	}
}

func (g *Guard) detach(r *http.Request) {
	if q := requestOf(r.Context()); q != nil && q.detach != nil {
		q.detach()
	}
}
