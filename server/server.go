// Package server serves oneseat over HTTP, so that a program in any language signs
// people in, checks and signs out. Each call is a POST of JSON to a fixed path. Exactly
// 200 is yes; a check answers 410 with the ending, 404 for what is no session, and 401
// and 403 are always about the caller's own key.
//
// The package owns how a call is read, who may make it, and how an answer is written.
// It holds no rule: the registry decides. It reads no flag and no environment.
package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
)

// Config is the configuration of a [Server].
type Config struct {
	// Realms are the populations of accounts that are served, by their names. Required.
	// The server does not close them.
	Realms map[string]*oneseat.Registry

	// Keys are the keys of the API. Each is of one realm. Required.
	Keys []Key

	// CookieName is the name, after its prefix, of the cookie that an answer to a
	// sign-in proposes. Default "oneseat".
	CookieName string

	// PlainCookie is for a site in development, on this machine and by plain http, in
	// browsers that keep no Secure cookie there: the cookie has no prefix, and is not
	// Secure. That cannot be told from a call, because only the site knows how it is
	// reached.
	PlainCookie bool

	// KeyRate is how many calls a second may be made with a key; as many may come at
	// once. Default: any number.
	KeyRate float64

	// SignInRate is how many times a minute an account may sign in; half as many may
	// come at once. What is beyond is refused with 429, before the account is looked at.
	// Default: any number.
	SignInRate float64

	// Version is what /v1/about says. Default "unknown".
	Version string

	// Store is the store of the realms, measured: see [Measure]. [Server.Operations] then
	// tells how long it takes to answer, and what happened in the realms. Default: nothing
	// of that is told.
	Store *Measured

	// Logger gets a line for each call. Its level is Info; Warn for a call that had no
	// answer; Debug for a yes of /v1/check and for an answer of /v1/changes. The line has
	// the ids of the request and of the key, and no secret and no account. Default
	// slog.Default().
	Logger *slog.Logger
}

// Server serves the API. It is an [http.Handler], safe for concurrent use. What it
// starts ends with its registries.
type Server struct {
	config Config
	keys   atomic.Pointer[[]Key] // replaced as a whole
	routes map[string]*route
	realms map[string]*realm

	byKey     *buckets[string]      // by the id of the key
	byAccount *buckets[oneseat.Key] // of sign-ins

	counters *counters
	problems map[string]*told // by their names
	files    openFiles

	draining chan struct{} // closed by Drain
	drain    func()
}

// realm is one population of accounts as it is served.
type realm struct {
	name     string
	seats    *oneseat.Registry
	hub      *hub
	counters realmCounters
	signedIn census
}

// New returns a server. The error joins everything that is wrong with the
// configuration.
func New(c Config) (*Server, error) {
	c.CookieName = cmp.Or(c.CookieName, "oneseat")
	c.Version = cmp.Or(c.Version, "unknown")
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	var errs []error
	if len(c.Realms) == 0 {
		errs = append(errs, errors.New("server: Config.Realms: name at least one"))
	}
	s := &Server{config: c, routes: make(map[string]*route), realms: make(map[string]*realm), draining: make(chan struct{}), counters: newCounters(c.Version), problems: make(map[string]*told)}
	if len(c.CookieName) > 256 { // as oneseathttp.Config.CookieName
		errs = append(errs, fmt.Errorf("server: Config.CookieName: the name has %d bytes, and at most 256 are allowed: browsers drop a cookie whose name and value have more than 4096", len(c.CookieName)))
	} else if (&http.Cookie{Name: c.CookieName, Value: "x"}).Valid() != nil || strings.HasPrefix(c.CookieName, "__") {
		errs = append(errs, fmt.Errorf("server: Config.CookieName: %q cannot name a cookie, or begins with a prefix: the server adds __Host- itself", c.CookieName))
	}
	s.byKey = newBuckets[string](c.KeyRate, int(math.Ceil(c.KeyRate)), s.counters.limited[0])
	s.byAccount = newBuckets[oneseat.Key](c.SignInRate/60, int(c.SignInRate/2), s.counters.limited[1])
	if c.KeyRate < 0 || c.SignInRate < 0 {
		errs = append(errs, errors.New("server: Config.KeyRate, Config.SignInRate: they are 0 or more"))
	}
	s.drain = sync.OnceFunc(func() { close(s.draining) })
	for name, seats := range c.Realms {
		s.realms[name] = &realm{name: name, seats: seats, hub: newHub(seats), counters: s.counters.of(name), signedIn: census{seats: seats}}
		if c.Store != nil {
			c.Store.realm(seats.Config().Realm) // so that its counters begin at 0
		}
	}
	for name, title := range titles {
		s.problems[name] = &told{title: title, count: s.counters.counter("oneseat_refusals_total", "problem", name)}
	}
	for _, calls := range []map[string]call{calls(), adminCalls(), oauthCalls()} {
		for path, c := range calls {
			s.routes[path] = &route{call: c, answers: tally{in: s.counters, path: path}}
		}
	}
	errs = append(errs, s.SetKeys(c.Keys))
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

// Drain says that the server is about to end. From then on it answers as before, but
// /readyz says no, each answer closes its connection, and calls that wait for changes
// are answered at once. Call it some time before [http.Server.Shutdown], so that what
// stands in front sends no more.
func (s *Server) Drain() { s.drain() }

// SetKeys replaces the keys of the API, for calls that begin from then on. If one of
// them is impossible, or there is none, SetKeys returns an error that joins all that is
// wrong, and the keys stay as they are.
func (s *Server) SetKeys(keys []Key) error {
	var errs []error
	if len(keys) == 0 {
		errs = append(errs, errors.New("server: Config.Keys: without a key nobody can ask: see NewKey"))
	}
	for _, k := range keys {
		if s.config.Realms[k.Realm] == nil {
			errs = append(errs, fmt.Errorf("server: Config.Keys: key %s is of the realm %q, which is not served", k.ID, k.Realm))
		}
		for _, scope := range k.Scopes {
			if scope != ScopeCheck && scope != ScopeSessions && scope != ScopeAdmin {
				errs = append(errs, fmt.Errorf("server: Config.Keys: key %s has the scope %q: write check, sessions or admin", k.ID, scope))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	keys = slices.Clone(keys)
	s.keys.Store(&keys)
	return nil
}

// call is one of the API's calls.
type call struct {
	scope    Scope // "": any key may make it
	within   time.Duration
	required []string // members of the body; "previous/account": of the member previous, if that is there
	nullable string   // a member that may be null
	form     bool     // the body is a form
	serve    func(ctx context.Context, q *request) (status int, answer any, err error)
}

// request is one call as it is served.
type request struct {
	server   *Server
	realm    *realm
	seats    *oneseat.Registry
	path     string
	key      *Key
	secret   string // of the key
	body     []byte
	attempts []string // the headers Idempotency-Key

	call call
	has  []string // the members of the body, once it was read
}

// These are in every answer. Nobody changes them.
var noStore, noSniff = []string{"no-store"}, []string{"nosniff"}

// ServeHTTP serves a call, and GET of /healthz, /readyz and /v1/openapi.json. Refusals
// come in a fixed order: 405, 401, 403, 415, 413, 400, 422, 429, and then what the call
// finds. The 429 of a key, by [Config.KeyRate], comes before a 422.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &record{id: rand.Text(), theirs: inbound(r), began: time.Now()}
	h := w.Header()
	h["X-Request-Id"], h["Cache-Control"], h["X-Content-Type-Options"] = []string{c.id}, noStore, noSniff
	if s.ending() { // its callers come back on other connections, to another server
		h.Set("Connection", "close")
	}
	if s.health(w, r) || s.describes(w, r) {
		return
	}
	var answer any
	var no *refusal
	defer func() {
		s.count(c, answer, no)
		s.log(r.Context(), c)
	}()
	defer func() {
		if p := recover(); p != nil {
			s.panics(c, p)
			no = &refusal{status: http.StatusInternalServerError, name: "internal", detail: "This is a fault of the server. Its log has more."}
			s.refuse(w, c, no)
		}
	}()
	var err error
	if c.status, answer, err = s.call(w, r, c); err != nil {
		no = refusalOf(err)
		c.gone = errors.Is(r.Context().Err(), context.Canceled)
		if no.status >= http.StatusInternalServerError && !c.gone {
			c.err = err
		}
		s.refuse(w, c, no)
		return
	}
	s.write(w, "application/json", c.status, answer)
}

// call reads a request and makes the call that it asks for.
func (s *Server) call(w http.ResponseWriter, r *http.Request, line *record) (int, any, error) {
	c := s.routes[r.URL.Path]
	if line.route = c; c != nil {
		line.path = r.URL.Path
	}
	switch {
	case r.URL.Path == api.PathOpenAPI:
		w.Header().Set("Allow", "GET, HEAD")
		return 0, nil, &refusal{status: http.StatusMethodNotAllowed, name: "method", detail: "The description of the API is read by GET."}
	case c == nil:
		return 0, nil, &refusal{status: http.StatusNotFound, name: "no-such-call", detail: "The path is none of the API's."}
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		return 0, nil, &refusal{status: http.StatusMethodNotAllowed, name: "method", detail: "Every call is a POST."}
	}
	secret, key := s.caller(r)
	if line.key = key; key == nil {
		w.Header().Set("WWW-Authenticate", "Bearer")
		return 0, nil, &refusal{status: http.StatusUnauthorized, name: "bad-key", detail: "Send one header, Authorization: Bearer, with a key of the API."}
	}
	line.realm = s.realms[key.Realm]
	if !key.allows(c.scope) {
		return 0, nil, notAllowed(c.scope)
	}
	want := "application/json"
	if c.form {
		want = "application/x-www-form-urlencoded"
	}
	if !isType(r.Header.Get("Content-Type"), want) || r.Header.Get("Content-Encoding") != "" {
		return 0, nil, &refusal{status: http.StatusUnsupportedMediaType, name: "bad-type", detail: "Send Content-Type: " + want + ", in UTF-8, and no Content-Encoding."}
	}
	body, err := readBody(w, r)
	if err != nil {
		return 0, nil, err
	}
	q := &request{server: s, realm: line.realm, seats: line.realm.seats, path: r.URL.Path, key: key, secret: secret, body: body, call: c.call, attempts: r.Header.Values(api.IdempotencyKey)}
	ctx, cancel := context.WithTimeout(r.Context(), c.within)
	defer cancel()
	return c.serve(ctx, q)
}

// isType reports whether a Content-Type is the one that is wanted, in UTF-8.
func isType(given, want string) bool {
	if given == want {
		return true // as nearly all say
	}
	kind, params, err := mime.ParseMediaType(given)
	charset, has := params["charset"]
	return err == nil && kind == want && (!has || strings.EqualFold(charset, "utf-8"))
}

// caller returns the key that a request presents, and what the server knows of it; nil:
// there is none, or more than one.
func (s *Server) caller(r *http.Request) (string, *Key) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return "", nil
	}
	scheme, secret, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", nil
	}
	return secret, find(*s.keys.Load(), secret)
}

func (s *Server) refuse(w http.ResponseWriter, c *record, no *refusal) {
	c.status, c.problem = no.status, no.name
	switch no.status {
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", strconv.Itoa(no.retry))
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	case http.StatusRequestEntityTooLarge, http.StatusRequestTimeout:
		w.Header().Set("Connection", "close") // the rest of the body is not read
	}
	title := no.name
	if t := s.problems[no.name]; t != nil {
		title = t.title
	}
	p := no.problem
	p.Type, p.Status, p.Instance = api.ProblemPrefix+no.name, no.status, c.id
	p.Title, p.Detail = cmp.Or(p.Title, title), cmp.Or(p.Detail, no.detail)
	s.write(w, "application/problem+json", no.status, p)
}

func (s *Server) write(w http.ResponseWriter, contentType string, status int, answer any) {
	b, err := marshal(answer)
	if err != nil {
		s.config.Logger.Error("an answer cannot be written", "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType+"; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b) // an error is the client's connection
}
