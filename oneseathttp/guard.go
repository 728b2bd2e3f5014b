package oneseathttp

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/words"
)

// Guard stands in front of handlers. All methods are safe for concurrent use.
type Guard struct {
	seats    Seats
	config   Config
	signInAt string // Config.SignInPath without a query
	carrier  Carrier
	cookie   cookie
	device   cookie
	ticket   cookie
	cross    *http.CrossOriginProtection // knows Config.Origins
	words    words.Language
	fades    bool      // a session may last longer than browsers keep a cookie
	plain    sync.Once // logs that development cookies are in use
	dropped  sync.Once // logs that browsers drop the cookie, because it came by plain http
	outside  sync.Once // logs that a host is not beneath Config.Domain
	foreign  sync.Once // logs that a token is of no session here
	proxied  sync.Once // logs that a proxy is not trusted
	hides    sync.Once // logs that a connection cannot be reached
	crowded  sync.Once // logs that there are too many event streams
	loses    sync.Once // logs that an adapter has a writer of its own
	slow     slow      // logs that a handler under Finish was cut
	streams  streams

	undrained context.Context // ends with Drain
	drain     context.CancelFunc
}

// New returns a guard over a registry, or over a client of a server. The error joins
// everything that is wrong with the configuration.
func New(seats Seats, c Config) (*Guard, error) {
	var missing error
	if r, ok := seats.(*oneseat.Registry); seats == nil || ok && r == nil {
		missing = errors.New("oneseathttp: New needs a registry: see oneseat.New")
	}
	c, err := c.checked()
	if err = errors.Join(missing, err); err != nil {
		return nil, err
	}
	at, _, _ := strings.Cut(c.SignInPath, "?")
	g := &Guard{seats: seats, config: c, signInAt: at, carrier: c.Carrier, words: words.English()}
	g.undrained, g.drain = context.WithCancel(context.Background())
	g.cookie, g.device, g.ticket = c.cookie(), c.hostCookie("-device"), c.hostCookie("-ticket")
	if g.carrier.Get == nil {
		g.carrier = g.cookie.carrier()
	}
	g.fades = cookieLife(seats.Config()) >= longest
	g.cross = crossOrigin(c.Origins)
	g.warnOfConfig()
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
	s, err := g.seats.CheckAndWatch(r.Context(), token, !g.background(r), &q.holding, q)
	q.holder.Rotated = q.holding.Rotated()
	if err == nil && q.holding.Touched() && !s.Program {
		g.seenFrom(r, s)
	}
	if err == nil && q.account != "" && s.Account != q.account {
		q.holding.Stop()
		_, err = g.seats.CheckID(r.Context(), q.account, s.ID) // no session of that account; a name that is not valid has an error of its own
		if err == nil {
			err = oneseat.ErrNoSession
		}
		return nil, err
	}
	return s, err
}

// seenFrom records from where a session is used. If that fails, the request is served all
// the same, and the next touch tries again.
func (g *Guard) seenFrom(r *http.Request, s *oneseat.Session) {
	if err := g.seats.SeenFrom(r.Context(), *s, g.deviceOf(r)); err != nil && !isRefusal(err) {
		g.seats.Config().Logger.Warn("it could not be recorded that a session goes on from another place", "session", s.ID, "error", err)
	}
}

// background reports that a program made the request by itself: an event stream that
// reconnects, our script's question, a player's heartbeat, or what the application
// calls so. Such a request is no activity, so an idle session still times out.
func (g *Guard) background(r *http.Request) bool {
	if at := strings.Index(r.URL.Path, Path); at >= 0 { // Index first: LastIndex is slower, and nearly no path has a match
		at = strings.LastIndex(r.URL.Path, Path)
		switch rest := r.URL.Path[at+len(Path):]; {
		case rest == "session", rest == "events", rest == "dialog.js", strings.HasPrefix(rest, "stream/"):
			return true
		case rest == "active": // somebody is there, whatever the application says
			return false
		}
	}
	if r.Method == http.MethodGet && strings.HasPrefix(r.Header.Get("Accept"), "text/event-stream") {
		return true
	}
	return g.config.Background != nil && g.config.Background(r)
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
