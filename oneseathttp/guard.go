package oneseathttp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/words"
)

// Config is what a [Guard] goes by. In every field but SignInPath zero means
// the default. Functions are called on requests' goroutines, concurrently.
type Config struct {
	// SignInPath is where a browser without a session is sent, for example
	// "/login". A path of this site. Required.
	SignInPath string

	// CookieName is the cookie's name after its prefix. Default "oneseat": the
	// cookie is "__Host-oneseat", and plain "oneseat", without Secure, for a
	// direct plain-http request to a loopback address, as in development.
	CookieName string

	// Carrier is where the token travels. Default: a cookie of this host,
	// HttpOnly and SameSite=Lax. See [Bearer], and the how-tos for scs and
	// gorilla.
	Carrier Carrier

	// Account says who the application believes is asking, "" for nobody: for
	// applications that keep sessions of their own. A token that is another
	// account's is refused. Default: the token alone decides.
	Account func(r *http.Request) string

	// IssuedAt says when the application's own session was issued, the zero time
	// if that is not known. It is asked for sessions that are older than oneseat,
	// until [oneseat.Config.AdoptUntil].
	IssuedAt func(r *http.Request) time.Time

	// Device overrides what is recognised of a device. recognised is made from
	// the address and from what the client says: User-Agent, and the hints that
	// Chromium sends by itself. An iPad often calls itself a Mac; docs/policies.md
	// shows how a page tells the two apart.
	Device func(r *http.Request, recognised oneseat.Device) oneseat.Device

	// TrustedProxies are the addresses of proxies whose X-Forwarded-For is believed.
	// Default: none, so that devices are shown with the address that connects. Name
	// your own proxies only.
	TrustedProxies []netip.Prefix

	// FinishWithin is how long a handler under [Guard.Finish] may take. Default: a
	// minute.
	FinishWithin time.Duration

	// OnSignIn is called after a sign-in was admitted, before SignIn returns.
	OnSignIn func(r *http.Request, s oneseat.Session)

	// OnEnded is called when a request is refused because its session has ended,
	// before the refusal is written: to drop what the application kept under it.
	OnEnded func(w http.ResponseWriter, r *http.Request, e oneseat.Ending)
}

// Guard stands in front of handlers. All methods are safe for concurrent use.
type Guard struct {
	seats   *oneseat.Registry
	config  Config
	carrier Carrier
	device  cookie
	ticket  cookie
	words   words.Language
	fades   bool      // a session may last longer than browsers keep our cookie
	plain   sync.Once // says that development cookies are in use
	proxied sync.Once // says that a proxy is not trusted
	hides   sync.Once // says that a connection cannot be reached
	loses   sync.Once // says that an adapter keeps a writer of its own
	streams streams
}

// New returns a guard over a registry, or all that is wrong with the
// configuration, joined.
func New(seats *oneseat.Registry, c Config) (*Guard, error) {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("oneseathttp: "+format, args...))
	}
	if seats == nil {
		bad("New needs a registry: see oneseat.New")
	}
	if !LocalPath(c.SignInPath) {
		bad("Config.SignInPath: %q is not a path of this site, such as /login", c.SignInPath)
	}
	if c.CookieName == "" {
		c.CookieName = "oneseat"
	}
	if (&http.Cookie{Name: c.CookieName, Value: "x"}).Valid() != nil || strings.HasPrefix(c.CookieName, "__") {
		bad("Config.CookieName: %q is no cookie name, or brings a prefix of its own", c.CookieName)
	}
	if set := c.Carrier.Get != nil; set != (c.Carrier.Set != nil) || set != (c.Carrier.Clear != nil) {
		bad("Config.Carrier: Get, Set and Clear belong together: set all three or none")
	}
	if c.IssuedAt != nil && c.Account == nil {
		bad("Config.IssuedAt: there is nothing to ask it about without Account")
	}
	if c.FinishWithin == 0 {
		c.FinishWithin = finishWithin
	}
	if c.FinishWithin < 0 {
		bad("Config.FinishWithin: %v is no time to finish in", c.FinishWithin)
	}
	for _, p := range c.TrustedProxies {
		if !p.IsValid() || p.Bits() == 0 {
			bad("Config.TrustedProxies: %v would trust everybody: name the proxies' own addresses", p)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	g := &Guard{seats: seats, config: c, carrier: c.Carrier, words: words.English()}
	g.device, g.ticket = newCookie(g, c.CookieName+"-device"), newCookie(g, c.CookieName+"-ticket")
	if g.carrier.Get == nil {
		g.carrier = newCookie(g, c.CookieName).carrier()
		g.fades = cookieLife(seats.Config()) >= longest
	}
	return g, nil
}

// Wrap serves next with what the request's session is: see [oneseat.SessionFrom]
// and [oneseat.EndingFrom]. It lets everybody in. The context of a request with
// a session is cancelled when that session ends, with an *[oneseat.EndedError]
// as its cause, and then: if nothing has been sent yet, the refusal is; else the
// transfer is broken off.
//
// The answer to whoever brings a token is marked "no-store", since it may depend
// on whose it is. A handler that knows better sets Cache-Control itself.
func (g *Guard) Wrap(next http.Handler) http.Handler {
	return g.around(func(w http.ResponseWriter, r *http.Request, _ *request) { next.ServeHTTP(w, r) })
}

// Require serves next to requests with a session only. Others get the refusal:
// a browser is sent to the sign-in page, a program gets 401 and the reason; 503
// if the store did not answer. It does what Wrap does where Wrap is not around
// it.
func (g *Guard) Require(next http.Handler) http.Handler {
	return g.around(func(w http.ResponseWriter, r *http.Request, q *request) {
		if q.holder.Session == nil {
			g.refuse(w, r, q.why)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// around serves next with what the request's session is, and finds that out
// where nothing around it has.
func (g *Guard) around(next func(http.ResponseWriter, *http.Request, *request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if q := requestOf(r.Context()); q != nil && q.guard == g {
			if !q.out.leads(w) { // an adapter has lost it
				w = &writer{below: w, q: q}
			}
			next(w, r, q)
			return
		}
		g.serve(w, r, next)
	})
}

// Refuse answers a request as Require does when its session is not live, for a
// handler that decides by itself.
func (g *Guard) Refuse(w http.ResponseWriter, r *http.Request) {
	var why error = oneseat.ErrNoSession
	if q := requestOf(r.Context()); q != nil && q.why != nil {
		why = q.why
	}
	g.refuse(w, r, why)
}

var noStore = []string{"no-store"} // shared: never modified

// serve runs one request from the check of its session to its end.
func (g *Guard) serve(w http.ResponseWriter, r *http.Request, next func(http.ResponseWriter, *http.Request, *request)) {
	q := g.begin(w, r)
	ctx := oneseat.NewContext(r.Context(), &q.holder)
	if token, ok := g.presented(w, r, q); ok {
		w.Header()["Cache-Control"] = noStore
		// Made before the session is entered, which may end at that moment.
		held, cancel := context.WithCancelCause(ctx)
		q.cancel = cancel
		if r.Body != nil && r.Body != http.NoBody {
			q.in = body{r.Body, q}
		}
		q.holder.Session, q.why = g.enter(r, q, token)
		if q.why == nil {
			g.keep(w, r, q, token)
			defer cancel(context.Canceled)
			defer q.finish(w, r)
			r = r.WithContext(held)
			if q.in.ReadCloser != nil {
				r.Body = &q.in
			}
			next(&q.out, r, q)
			return
		}
		why := q.why
		cancel(why)
		q = g.begin(w, r) // another: a session of somebody else may still be ending the first
		q.why, ctx = why, oneseat.NewContext(r.Context(), &q.holder)
		if over, ok := errors.AsType[*oneseat.EndedError](why); ok {
			q.holder.Ending = &over.Ending
			g.evict(w, r, q)
		}
	}
	next(&q.out, r.WithContext(ctx), q)
}

// begin makes the record of a request of which nothing is known yet.
func (g *Guard) begin(w http.ResponseWriter, r *http.Request) *request {
	q := &request{guard: g, http1: r.ProtoMajor == 1}
	q.out = writer{below: w, q: q}
	q.holder.Request = q
	return q
}

// presented returns the token that a request is to be judged by.
func (g *Guard) presented(w http.ResponseWriter, r *http.Request, q *request) (string, bool) {
	token := g.carrier.Get(r)
	if g.config.Account == nil {
		return token, token != ""
	}
	if q.account = g.config.Account(r); q.account == "" {
		return "", false // the application knows nobody: nobody is signed in
	}
	if token == "" {
		token, q.why = g.adopt(w, r, q.account)
	}
	return token, token != ""
}

// enter finds the session of a token and ties the request to it.
func (g *Guard) enter(r *http.Request, q *request, token string) (*oneseat.Session, error) {
	s, err := g.seats.CheckAndWatch(r.Context(), token, !background(r), &q.holding, q)
	q.holder.Rotated = q.holding.Rotated()
	if err == nil && q.account != "" && s.Account != q.account {
		q.holding.Stop()
		return nil, oneseat.ErrNoSession
	}
	return s, err
}

// background says that a request is not a person's doing: an event stream,
// which reconnects by itself, our script's question, or a player's heartbeat. It
// keeps no session from idling (TMO-04).
func background(r *http.Request) bool {
	switch r.URL.Path {
	case Path + "session", Path + "events":
		return true
	}
	return strings.HasPrefix(r.URL.Path, Path+"stream/") || strings.HasPrefix(r.Header.Get("Accept"), "text/event-stream")
}

func requestOf(ctx context.Context) *request {
	h := oneseat.FromContext(ctx)
	if h == nil {
		return nil
	}
	q, _ := h.Request.(*request)
	return q
}
