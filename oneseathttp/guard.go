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

// Config is the configuration of a [Guard]. In every field but SignInPath zero
// means the default. Functions are called on requests' goroutines, concurrently.
type Config struct {
	// SignInPath is where a browser without a session is sent, for example
	// "/login". A path of this site. Required.
	SignInPath string

	// CookieName is the cookie's name after its prefix. Default "oneseat": the
	// cookie is "__Host-oneseat", and plain "oneseat", without Secure, for a
	// direct plain-http request to a loopback address, as in development.
	CookieName string

	// Carrier moves the token between the application and its client. Default: a
	// cookie of this host, HttpOnly and SameSite=Lax. See [Bearer], and the how-tos
	// for scs and gorilla.
	Carrier Carrier

	// Account is for an application that keeps sessions of its own. It returns the
	// account that the application's session belongs to, "" for none. A token of
	// another account is refused. Default: the token alone decides.
	Account func(r *http.Request) string

	// IssuedAt returns when the application's own session was issued, or the zero
	// time if that is not known. It is called until [oneseat.Config.AdoptUntil], for
	// sessions that are older than oneseat.
	IssuedAt func(r *http.Request) time.Time

	// Device returns the device that a request comes from. recognised is what the
	// guard made of the address, of User-Agent and of the hints that Chromium sends.
	// A client can write anything there. An iPad often calls itself a Mac;
	// docs/policies.md shows how a page tells the two apart. Default: recognised.
	Device func(r *http.Request, recognised oneseat.Device) oneseat.Device

	// TrustedProxies are the addresses of proxies whose X-Forwarded-For is believed.
	// Default: none, so that devices are shown with the address that connects. Name
	// your own proxies only.
	TrustedProxies []netip.Prefix

	// FinishWithin is how long a handler under [Guard.Finish] may take. Default: a
	// minute.
	FinishWithin time.Duration

	// EventStreams is how many event streams of pages this guard keeps open. One more
	// ends the oldest, whose browser comes back in a second. It bounds memory:
	// docs/performance.md says what one costs. Default: 10,000.
	EventStreams int

	// OnSignIn is called after a sign-in was admitted, before SignIn returns.
	OnSignIn func(r *http.Request, s oneseat.Session)

	// OnEnded is called when a request is refused because its session has ended,
	// before the refusal is written. There the application can drop what it kept for
	// that session.
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
	plain   sync.Once // logs that development cookies are in use
	proxied sync.Once // logs that a proxy is not trusted
	hides   sync.Once // logs that a connection cannot be reached
	crowded sync.Once // logs that there are too many event streams
	loses   sync.Once // logs that an adapter has a writer of its own
	streams streams
}

// New returns a guard over a registry. The error joins everything that is wrong
// with the configuration.
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
		bad("Config.CookieName: %q cannot name a cookie, or begins with a prefix: the guard adds __Host- itself", c.CookieName)
	}
	if set := c.Carrier.Get != nil; set != (c.Carrier.Set != nil) || set != (c.Carrier.Clear != nil) {
		bad("Config.Carrier: Get, Set and Clear belong together: set all three, or none to have a cookie")
	}
	if c.IssuedAt != nil && c.Account == nil {
		bad("Config.IssuedAt: it is called for sessions of the application, which only Account finds: set Account too")
	}
	if c.FinishWithin == 0 {
		c.FinishWithin = finishWithin
	}
	if c.EventStreams == 0 {
		c.EventStreams = eventStreams
	}
	if c.EventStreams < 0 {
		bad("Config.EventStreams: %d is less than one", c.EventStreams)
	}
	if c.FinishWithin < 0 {
		bad("Config.FinishWithin: %v is no time to finish in", c.FinishWithin)
	}
	for _, p := range c.TrustedProxies {
		if !p.IsValid() || p.Bits() == 0 {
			bad("Config.TrustedProxies: %v is every address, so every client would be believed: name the addresses of your proxies", p)
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

// Wrap finds the session of each request and serves next, with a session or
// without. next reads it by [oneseat.SessionFrom] and [oneseat.EndingFrom].
//
// When the session ends while next runs, the request's context is cancelled, with
// an *[oneseat.EndedError] as its cause. If nothing has been sent yet, the client
// gets the refusal. Otherwise the transfer is broken off.
//
// The answer to a request with a token is marked "no-store", because it may depend
// on the account. A handler whose answer does not depend on it sets Cache-Control
// itself. The page at SignInPath gives a browser the id of its device, and is marked
// so too, unless it has a Cache-Control of its own.
func (g *Guard) Wrap(next http.Handler) http.Handler {
	return g.around(func(w http.ResponseWriter, r *http.Request, _ *request) { next.ServeHTTP(w, r) })
}

// Require serves next to requests with a session only. Other requests are refused:
// a browser is sent to the sign-in page, a program gets 401 and the reason. If the
// store did not answer, both get 503. Require works with Wrap around it and without.
func (g *Guard) Require(next http.Handler) http.Handler {
	return g.around(func(w http.ResponseWriter, r *http.Request, q *request) {
		if q.holder.Session == nil {
			g.refuse(w, r, q.why)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// around serves next with the request's session. It looks the session up unless a
// guard around it has done so.
func (g *Guard) around(next func(http.ResponseWriter, *http.Request, *request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if q := requestOf(r.Context()); q != nil && q.guard == g {
			if !q.out.leads(w) { // an adapter has put its own writer in the place of ours
				w = &writer{below: w, q: q}
			}
			next(w, r, q)
			return
		}
		g.serve(w, r, next)
	})
}

// Refuse answers a request as Require does when there is no live session. It is for
// a handler that decides by itself whether it needs one.
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
		// Made first: the session may end as soon as it has been found.
		held, cancel := context.WithCancelCause(ctx)
		q.cancel = cancel
		if r.Body != nil && r.Body != http.NoBody {
			q.in = body{r.Body, q}
		}
		q.holder.Session, q.why = g.enter(r, q, token)
		if q.why == nil {
			g.keep(w, r, q, token)
			g.introduce(w, r, q)
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
		q = g.begin(w, r) // a new record: the old one may still be told that the session of another account has ended
		q.why, ctx = why, oneseat.NewContext(r.Context(), &q.holder)
		if over, ok := errors.AsType[*oneseat.EndedError](why); ok {
			q.holder.Ending = &over.Ending
			g.evict(w, r, q)
		}
	}
	g.introduce(w, r, q)
	next(&q.out, r.WithContext(ctx), q)
}

// begin makes the record of a request whose session is not known yet.
func (g *Guard) begin(w http.ResponseWriter, r *http.Request) *request {
	q := &request{guard: g, http1: r.ProtoMajor == 1}
	q.out = writer{below: w, q: q}
	q.holder.Request = q
	return q
}

// presented returns the token of a request, and whether there is one.
func (g *Guard) presented(w http.ResponseWriter, r *http.Request, q *request) (string, bool) {
	token := g.carrier.Get(r)
	if g.config.Account == nil {
		return token, token != ""
	}
	if q.account = g.config.Account(r); q.account == "" {
		return "", false // without a session of the application's there is none of ours
	}
	if token == "" {
		token, q.why = g.adopt(w, r, q.account)
	}
	return token, token != ""
}

// enter finds the session of a token. From then on the session's end cuts the
// request.
func (g *Guard) enter(r *http.Request, q *request, token string) (*oneseat.Session, error) {
	s, err := g.seats.CheckAndWatch(r.Context(), token, !background(r), &q.holding, q)
	q.holder.Rotated = q.holding.Rotated()
	if err == nil && q.account != "" && s.Account != q.account {
		q.holding.Stop()
		return nil, oneseat.ErrNoSession
	}
	return s, err
}

// background says that a program made the request by itself: an event stream that
// reconnects, our script's question, a player's heartbeat. Such a request is no
// activity, so an idle session still times out.
func background(r *http.Request) bool {
	switch r.URL.Path {
	case Path + "session", Path + "events":
		return true
	}
	return strings.HasPrefix(r.URL.Path, Path+"stream/") || strings.HasPrefix(r.Header.Get("Accept"), "text/event-stream")
}

// requestOf returns the record of the request that a context belongs to, or nil
// where no guard stands around it.
func requestOf(ctx context.Context) *request {
	h := oneseat.FromContext(ctx)
	if h == nil {
		return nil
	}
	q, _ := h.Request.(*request)
	return q
}
