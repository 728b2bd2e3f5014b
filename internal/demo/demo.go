// Package demo is a small members' site that shows what oneseat does: sign in
// from a second browser, and the first one is out, its live picture stopped.
//
// It owns the pages, the picture, and the demo's own accounts with their
// passwords. It reaches sessions only through a registry and a guard that it is
// given; it knows no store, opens no database and listens on no port, which is
// the work of cmd/oneseat.
package demo

import (
	"errors"
	"log/slog"
	"net/http"
	"sync"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

// SignInPath is where the guard should send a browser that has to sign in.
const SignInPath = "/login"

// Config is what a site needs. All of it is required, but for Logger.
type Config struct {
	Registry *oneseat.Registry
	Guard    *oneseathttp.Guard // over Registry, with SignInPath
	Users    *Users

	// Limit and WhenFull are the registry's, for the words on the pages.
	Limit    int
	WhenFull oneseat.Policy

	// Logger gets what a visitor is not told. Default slog.Default().
	Logger *slog.Logger
}

// Site is the members' site. It is safe for concurrent use.
type Site struct {
	c       Config
	painter *painter
	pages   *pages
	handler http.Handler
	closing chan struct{} // closed by Close
	close   func()
}

// New returns the site. It starts nothing but the answers to requests; Close
// ends those that are endless.
func New(c Config) (*Site, error) {
	if c.Registry == nil || c.Guard == nil || c.Users == nil {
		return nil, errors.New("demo: Config needs a Registry, a Guard and Users")
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	s := &Site{c: c, closing: make(chan struct{})}
	s.close = sync.OnceFunc(func() { close(s.closing) })
	var err error
	if s.painter, err = newPainter(); err != nil {
		return nil, err
	}
	if s.pages, err = newPages(s.painter, c.Limit, c.WhenFull); err != nil {
		return nil, err
	}
	s.handler = s.routes()
	return s, nil
}

// Close ends the live pictures, so that a server can shut down. Other requests
// are served as before.
func (s *Site) Close() { s.close() }

// ServeHTTP implements [http.Handler].
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

func (s *Site) routes() http.Handler {
	guard := s.c.Guard
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("GET "+SignInPath, s.signInForm)
	mux.HandleFunc("POST "+SignInPath, s.signIn)
	mux.HandleFunc("POST /logout", s.signOut)
	mux.Handle("GET /password", guard.Require(http.HandlerFunc(s.passwordForm)))
	mux.Handle("POST /password", guard.Require(http.HandlerFunc(s.changePassword)))
	mux.Handle("GET /live", guard.Require(http.HandlerFunc(s.live)))
	mux.HandleFunc("GET /", s.notFound)

	// Assets do not depend on who asks, so they do not pass the guard.
	outer := http.NewServeMux()
	outer.Handle("GET "+s.pages.assetPath, s.pages.assets())
	outer.Handle("/", guard.Wrap(mux))

	csrf := http.NewCrossOriginProtection()
	csrf.SetDenyHandler(http.HandlerFunc(s.crossSite))
	return secured(csrf.Handler(outer))
}

// secured sets what every answer needs. Nothing on the site is inline, framed
// or from elsewhere, and nothing but an asset may be kept by a cache.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}
