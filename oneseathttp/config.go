package oneseathttp

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/oneseat/oneseat"
)

// Config is the configuration of a [Guard]. In every field but SignInPath zero
// means the default. Functions are called on requests' goroutines, concurrently.
type Config struct {
	// SignInPath is where a browser without a session is sent, for example
	// "/login". A path of this site. Required.
	SignInPath string

	// ConfirmPath is where a browser is sent whose user has to prove again who they are,
	// for example "/confirm": a page that asks for the password and calls
	// [Guard.Confirm]. A path of this site. Default: SignInPath, with the reason
	// "proof_too_old"; a sign-in is a proof too.
	ConfirmPath string

	// OwnDevicesProof is how old the proof of a session may be when the session ends
	// others of its account at the own devices page: see [Guard.RequireFresh]. [AnyProof]
	// allows every age. Default: a day.
	OwnDevicesProof time.Duration

	// ShowActor makes the notice of a revoked session name the person who ended it,
	// such as the proctor of an exam: the Actor of [oneseat.EndOptions]. Default: that name
	// is for the record only.
	ShowActor bool

	// CookieName is the cookie's name after its prefix. Default "oneseat": the
	// cookie is "__Host-oneseat", and plain "oneseat", without Secure, for a
	// direct plain-http request to a loopback address, as in development.
	CookieName string

	// Prefix is the path beneath which browsers find this application, such as
	// "/app/", whether or not a proxy removes it before a request comes here.
	// SignInPath is a whole path, with the prefix. Default: "/".
	Prefix string

	// Domain shares the session's cookie with all hosts beneath a domain, such as
	// "members.example": the cookie is then "__Secure-oneseat". Every one of those
	// hosts can read it, and plant another. The cookie of a device stays with its host.
	// Default: only the host that set a cookie gets it.
	Domain string

	// Origins are the origins, such as "https://www.members.example", whose pages may
	// ask [Guard.Handler] on behalf of their visitor. Default: this origin only.
	Origins []string

	// FrameAncestors are the origins whose pages show this site in a frame. Cookies
	// are then SameSite=None and Partitioned, so that they reach the frame: requests
	// that change something need a protection of their own against other sites, as by
	// [http.CrossOriginProtection]. Default: this origin only, and SameSite=Lax.
	FrameAncestors []string

	// DangerouslyPlainHTTP gives out cookies without Secure, for a site in a local
	// network that has no TLS. Everybody on the way can copy the cookie of a session, and
	// use the session. Default:
	// browsers send the cookies by https only, but for loopback addresses.
	DangerouslyPlainHTTP bool

	// Carrier moves the token between the application and its client. Default:
	// [Config.Cookie], HttpOnly and SameSite=Lax. See [Bearer], [Either], and the
	// how-tos for scs and gorilla.
	Carrier Carrier

	// Background reports whether a program made a request by itself, as a page that
	// looks for news does. Such a request is no activity: an idle session still times
	// out. The guard knows its own requests, and a GET for server-sent events.
	// Default: no other request.
	Background func(r *http.Request) bool

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

// longestName bounds [Config.CookieName].
const longestName = 256

// checked returns the configuration with its defaults, and an error that joins
// everything that is wrong with it.
func (c Config) checked() (Config, error) {
	var errs []error
	reject := func(wrong bool, field, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf("oneseathttp: Config."+field+": "+format, args...))
		}
	}
	setDefault(&c.CookieName, "oneseat")
	setDefault(&c.Prefix, "/")
	setDefault(&c.FinishWithin, finishWithin)
	setDefault(&c.EventStreams, eventStreams)
	setDefault(&c.OwnDevicesProof, 24*time.Hour)

	reject(!LocalPath(c.SignInPath), "SignInPath", "%q is not a path of this site, such as /login", c.SignInPath)
	reject(c.ConfirmPath != "" && !LocalPath(c.ConfirmPath), "ConfirmPath", "%q is not a path of this site, such as /confirm", c.ConfirmPath)
	reject(c.OwnDevicesProof < 0 && c.OwnDevicesProof != AnyProof, "OwnDevicesProof", "%v is no age: name one, or AnyProof", c.OwnDevicesProof)
	reject((&http.Cookie{Name: c.CookieName, Value: "x"}).Valid() != nil || strings.HasPrefix(c.CookieName, "__"),
		"CookieName", "%q cannot name a cookie, or begins with a prefix: the guard adds __Host- itself", c.CookieName)
	reject(len(c.CookieName) > longestName, "CookieName", "the name has %d bytes, and at most %d are allowed: browsers drop a cookie whose name and value have more than 4096", len(c.CookieName), longestName)
	reject(!validPrefix(c.Prefix), "Prefix", "%q is not a path of this site that begins and ends with a slash: write %q", c.Prefix, asPrefix(c.Prefix))
	if c.Domain != "" {
		why := badDomain(c.Domain)
		reject(why != "", "Domain", "%q %s", c.Domain, why)
	}
	for _, list := range []struct {
		field   string
		origins []string
	}{{"Origins", c.Origins}, {"FrameAncestors", c.FrameAncestors}} {
		for _, o := range list.origins {
			why := badOrigin(o, c.DangerouslyPlainHTTP)
			reject(why != "", list.field, "%q %s", o, why)
		}
	}
	reject(c.DangerouslyPlainHTTP && len(c.FrameAncestors) > 0,
		"FrameAncestors", "browsers take a cookie with SameSite=None by https only: serve the site with TLS and leave DangerouslyPlainHTTP out")
	set := c.Carrier.Get != nil
	reject(set != (c.Carrier.Set != nil) || set != (c.Carrier.Clear != nil),
		"Carrier", "Get, Set and Clear belong together: set all three, or none to have a cookie")
	reject(c.IssuedAt != nil && c.Account == nil, "IssuedAt", "it is called for sessions of the application, which only Account finds: set Account too")
	reject(c.EventStreams < 0, "EventStreams", "%d is less than one", c.EventStreams)
	reject(c.FinishWithin < 0, "FinishWithin", "%v is less than zero", c.FinishWithin)
	for _, p := range c.TrustedProxies {
		reject(!p.IsValid() || p.Bits() == 0, "TrustedProxies", "%v is every address, so every client would be believed: name the addresses of your proxies", p)
	}
	return c, errors.Join(errs...)
}

// setDefault sets a field that is unset.
func setDefault[T comparable](field *T, to T) {
	var unset T
	if *field == unset {
		*field = to
	}
}
