package oneseathttp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/oneseat/oneseat"
)

// Config is what a [Guard] goes by. In every field zero means the default.
type Config struct {
	// SignInPath is where a browser without a session is sent, for example
	// "/login". A path of this site. Required.
	SignInPath string

	// CookieName is the cookie's name after its prefix. Default "oneseat": the
	// cookie is "__Host-oneseat", and plain "oneseat", without Secure, for a
	// direct plain-http request to a loopback address, as in development.
	CookieName string
}

// Guard stands in front of handlers. All methods are safe for concurrent use.
type Guard struct {
	seats  *oneseat.Registry
	config Config
	cookie cookie
}

// New returns a guard over a registry, or all that is wrong with the
// configuration, joined.
func New(seats *oneseat.Registry, c Config) (*Guard, error) {
	var errs []error
	if seats == nil {
		errs = append(errs, errors.New("oneseathttp: New needs a registry"))
	}
	if !localPath(c.SignInPath) {
		errs = append(errs, fmt.Errorf("oneseathttp: Config.SignInPath: %q is not a path of this site, such as /login", c.SignInPath))
	}
	if c.CookieName == "" {
		c.CookieName = "oneseat"
	}
	if (&http.Cookie{Name: c.CookieName, Value: "x"}).Valid() != nil || strings.HasPrefix(c.CookieName, "__") {
		errs = append(errs, fmt.Errorf("oneseathttp: Config.CookieName: %q is no cookie name, or has a prefix of its own", c.CookieName))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &Guard{seats: seats, config: c, cookie: cookie{c.CookieName}}, nil
}

// Wrap serves next with what the request's session is: see [oneseat.SessionFrom]
// and [oneseat.EndingFrom]. It lets everybody in. The context of a request with
// a session is cancelled when that session ends, with an *[oneseat.EndedError]
// as its cause, and then: if nothing has been sent yet, the refusal is; else the
// transfer is broken off.
func (g *Guard) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requestOf(r.Context()) != nil { // Wrap within Wrap, or Require within Wrap
			next.ServeHTTP(w, r)
			return
		}
		g.serve(w, r, next)
	})
}

// Require serves next to requests with a session only. Others get the refusal:
// a browser is sent to the sign-in page, a program gets 401 and the reason. It
// does what Wrap does where Wrap is not around it.
func (g *Guard) Require(next http.Handler) http.Handler {
	return g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		q := requestOf(r.Context())
		if q.holder.Session.ID == "" {
			g.refuse(w, r, q.why)
			return
		}
		next.ServeHTTP(w, r)
	}))
}

// serve runs one request from the check of its session to its end.
func (g *Guard) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	q := &request{ResponseWriter: w}
	if token := g.cookie.get(r); token != "" {
		q.holder.Session, q.why = g.seats.Check(r.Context(), token)
		if over, ok := errors.AsType[*oneseat.EndedError](q.why); ok {
			q.holder.Ending = over.Ending
		}
	}
	ctx := context.WithValue(oneseat.WithHolder(r.Context(), &q.holder), requestKey{}, q)
	if q.holder.Session.ID == "" {
		next.ServeHTTP(w, r.WithContext(ctx))
		return
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(context.Canceled)
	q.cancel = cancel
	q.detach = g.seats.WhenEnded(ctx, q.holder.Session, q.cut)
	defer q.detach()
	defer q.finish(func() { g.refuse(w, r, context.Cause(ctx)) })
	next.ServeHTTP(q, r.WithContext(ctx))
}

type requestKey struct{}

func requestOf(ctx context.Context) *request {
	q, _ := ctx.Value(requestKey{}).(*request)
	return q
}
