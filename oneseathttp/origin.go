package oneseathttp

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/rs/cors"
	"golang.org/x/net/publicsuffix"
)

// CrossOrigin serves next to requests of this origin and of [Config.Origins]. It
// answers the browser's preflight requests for these. A request of another origin that
// would change something gets 403. [Guard.Handler] is served so. Put it around an API
// that these pages use too, and around Wrap and Require: a preflight has no session.
func (g *Guard) CrossOrigin(next http.Handler) http.Handler {
	next = g.cross.Handler(next)
	if len(g.config.Origins) == 0 {
		return next
	}
	return cors.New(cors.Options{
		AllowedOrigins:   g.config.Origins,
		AllowCredentials: true,
		AllowedMethods:   []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete},
		AllowedHeaders:   []string{"Accept", "Authorization", "Content-Type"},
	}).Handler(next)
}

// crossOrigin refuses what other origins would change. The origins are valid.
func crossOrigin(origins []string) *http.CrossOriginProtection {
	c := http.NewCrossOriginProtection()
	for _, o := range origins {
		if err := c.AddTrustedOrigin(o); err != nil {
			panic("oneseathttp: " + err.Error()) // badOrigin is stricter
		}
	}
	return c
}

// fromOutside says that the request comes from a page of an origin that is not
// allowed. A browser does not let that page read the answer, but would hold an event
// stream open.
func (g *Guard) fromOutside(r *http.Request) bool {
	changes := *r // Check lets every GET pass
	changes.Method = http.MethodPost
	return g.cross.Check(&changes) != nil
}

// badOrigin returns what is wrong with an origin that an operator wrote, or "".
func badOrigin(o string, plainHTTP bool) string {
	u, err := url.Parse(o)
	switch {
	case strings.Contains(o, "*"):
		return "has a wildcard: name each origin, such as https://www.members.example"
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return "is not an origin: write the scheme and the host, such as https://www.members.example"
	case o != u.Scheme+"://"+u.Host || o != strings.ToLower(o) || u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80":
		return "is not how browsers write an origin: write " + spelled(u)
	case !ascii(u.Host):
		return "has letters beyond ASCII: write the host as browsers do, with xn--"
	case u.Scheme == "http" && !plainHTTP && !loopback(u.Host):
		return "is plain http, so anybody on the way can pretend to be it: write https"
	}
	return ""
}

// spelled is how browsers write the origin of a URL.
func spelled(u *url.URL) string {
	host := strings.ToLower(u.Hostname())
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	scheme := strings.ToLower(u.Scheme)
	if port := u.Port(); port != "" && !(scheme == "https" && port == "443") && !(scheme == "http" && port == "80") {
		host += ":" + port
	}
	return scheme + "://" + host
}

// badDomain returns what is wrong with a cookie's domain that an operator wrote, or "".
func badDomain(d string) string {
	bare := strings.Trim(strings.ToLower(d), ".")
	_, notAddress := netip.ParseAddr(strings.Trim(d, "[]"))
	suffix, _ := publicsuffix.PublicSuffix(bare)
	switch {
	case notAddress == nil:
		return "is an address, which has no hosts beneath it: leave Domain out"
	case (&http.Cookie{Name: "x", Value: "x", Domain: bare}).Valid() != nil || !ascii(d):
		return "is no domain: write its name alone, such as members.example, with xn-- for letters beyond ASCII"
	case bare != d:
		return "is not how browsers write a domain: write " + bare
	case suffix == d:
		return "is a public suffix, beneath which everybody may have a host: write your own domain, such as members." + d
	}
	return ""
}

func ascii(s string) bool {
	return strings.IndexFunc(s, func(c rune) bool { return c >= 0x80 }) < 0
}
