// Package demo is a small members' site that shows what oneseat does. Sign in from a
// second browser, and the first one is signed out and its live picture stops.
//
// The package owns the pages, the picture, and the demo's own accounts with their
// passwords. It reaches sessions only through a registry and a guard that it is given.
// It knows no store, opens no database and listens on no port: cmd/oneseat does that.
package demo

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

// SignInPath is where the guard should send a browser that has to sign in.
const SignInPath = "/login"

// Config is what a site needs. Every field is required, except Stage and Logger.
type Config struct {
	Registry *oneseat.Registry
	Guard    *oneseathttp.Guard // over Registry, with SignInPath
	Users    *Users

	// Limit and WhenFull are the registry's. The pages show them.
	Limit    int
	WhenFull oneseat.Policy

	// Streams is the registry's too. With 0 everybody who is signed in sees the
	// picture, and it is not counted how many watch.
	Streams int

	// Stage adds the page /stage. Default: there is none.
	Stage *Stage

	// Logger takes what a visitor does not get to see. It gets at most one line of a
	// kind in a second. Default: slog.Default().
	Logger *slog.Logger
}

// Site is the members' site. It is safe for concurrent use.
type Site struct {
	c       Config
	painter *painter
	pages   *pages
	words   wording
	stage   stage

	site, phone, laptop http.Handler
}

// New returns the site. It starts nothing. Only answers without an end go on by
// themselves, until Close.
func New(c Config) (*Site, error) {
	if c.Registry == nil || c.Guard == nil || c.Users == nil {
		return nil, errors.New("demo: Config needs a Registry, a Guard and Users")
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.Logger = slog.New(Seldom(c.Logger.Handler()))
	s := &Site{c: c, words: newWording()}
	s.stage.init()
	var err error
	if s.painter, err = newPainter(); err != nil {
		return nil, err
	}
	if s.pages, err = newPages(s.painter, s.words, c.Limit, c.Streams, c.WhenFull); err != nil {
		return nil, err
	}
	s.site = (&front{Site: s, guard: c.Guard}).routes()
	s.phone, s.laptop = http.NotFoundHandler(), http.NotFoundHandler()
	if st := c.Stage; st != nil {
		s.phone = (&front{Site: s, guard: st.Phone, device: "phone"}).routes()
		s.laptop = (&front{Site: s, guard: st.Laptop, device: "laptop"}).routes()
	}
	return s, nil
}

// Close ends the live pictures and the event streams, so that a server can shut down.
// Browsers open those streams again by themselves. Other requests are served as before.
func (s *Site) Close() {
	s.c.Guard.Drain()
	if st := s.c.Stage; st != nil {
		st.Phone.Drain()
		st.Laptop.Drain()
	}
}

// ServeHTTP implements [http.Handler]. It serves the site itself, with the stage.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.site.ServeHTTP(w, r) }

// Phone is the site as the phone on the stage sees it.
func (s *Site) Phone() http.Handler { return s.phone }

// Laptop is the site as the laptop on the stage sees it.
func (s *Site) Laptop() http.Handler { return s.laptop }
