package oneseathttp

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/oneseat/oneseat"
)

// Cookie returns the carrier that a guard with this configuration has by default, for
// an application that wraps it, or that offers it beside another one: see [Either].
func (c Config) Cookie() Carrier {
	setDefault(&c.CookieName, "oneseat")
	return c.cookie().carrier()
}

// cookie is the session's cookie.
func (c Config) cookie() cookie {
	k := c.hostCookie("")
	k.domain = c.Domain
	return k
}

// hostCookie is a cookie of the guard's that never leaves its host.
func (c Config) hostCookie(suffix string) cookie {
	name := c.CookieName + suffix
	return cookie{plain: name, host: "__Host-" + name, shared: "__Secure-" + name, framed: len(c.FrameAncestors) > 0, insecure: c.DangerouslyPlainHTTP}
}

// cookie carries one opaque value. It has a name for each way in which a browser may
// get it, because a browser refuses a cookie that breaks what the prefix of its name
// promises.
type cookie struct {
	plain  string // without Secure: in development, or where it is insecure
	host   string // for one host only
	shared string // for all hosts beneath the domain

	domain   string // "": for one host only
	framed   bool   // it reaches frames in other sites' pages
	insecure bool   // see Config.DangerouslyPlainHTTP
}

func (c cookie) carrier() Carrier {
	return Carrier{Get: c.get, Set: c.set, Clear: func(w http.ResponseWriter, r *http.Request) { c.set(w, r, "", -time.Second) }}
}

// name is the cookie's name in the answer to a request.
func (c cookie) name(r *http.Request) string {
	switch {
	case c.insecure, !c.framed && development(r) && !fromHTTPS(r):
		return c.plain
	case c.domain != "" && beneath(r.Host, c.domain):
		return c.shared
	}
	return c.host
}

// get returns the cookie's value, or "" for none. A browser may have got the cookie by
// another name: under an older configuration, or with a request that told the guard less
// or more about the scheme and the host. Only this host can have set the name with the
// prefix "__Host-", so that name is always read.
func (c cookie) get(r *http.Request) string {
	lines := r.Header["Cookie"]
	if len(lines) == 0 {
		return ""
	}
	name := c.name(r)
	value := find(lines, name)
	if value == "" && name == c.host && !c.framed && development(r) {
		value = find(lines, c.plain)
	}
	if value == "" && name != c.host {
		value = find(lines, c.host)
	}
	return value
}

// find returns the value of a cookie. The name is compared byte by byte. Two cookies
// of that name with different values are none: somebody else set one of them (WEB-03).
//
// This runs for every request, so it allocates nothing. It only looks for values
// that set has written, so it unquotes nothing.
func find(lines []string, name string) string {
	found, value := false, ""
	for _, line := range lines {
		for pair := range strings.SplitSeq(line, ";") {
			k, v, _ := strings.Cut(trim(pair), "=")
			switch {
			case k != name:
			case found && v != value:
				return ""
			default:
				found, value = true, v
			}
		}
	}
	return value
}

// trim returns s without the spaces and tabs around it, as browsers and net/http
// read a cookie. strings.TrimSpace would drop U+0085, U+00A0, U+2000 and others
// too. To a browser those are part of a name, so a sibling host may set a cookie
// "\u2000__Host-oneseat": the browser does not see a name with the prefix
// "__Host-", which only this host could set.
func trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// set makes the browser keep a value for a time. The cookie by any other name is
// cleared, so that one is left. Clearing uses the same name and attributes as setting,
// or browsers would ignore it (REV-09).
func (c cookie) set(w http.ResponseWriter, r *http.Request, value string, life time.Duration) {
	name := c.name(r)
	for _, other := range [...]string{c.plain, c.host, c.shared} {
		if other != name && find(r.Header["Cookie"], other) != "" {
			c.write(w, other, "", -time.Second)
		}
	}
	c.write(w, name, value, life)
}

// write sets a cookie by one name. SameSite is Lax and not Strict (WEB-01): with Strict
// somebody who follows a link in a mail would come without a cookie, sign in again, and
// so take the seat of the browser's own session. Lax does not come with another site's
// POST, and nothing of ours changes by GET.
func (c cookie) write(w http.ResponseWriter, name, value string, life time.Duration) {
	k := &http.Cookie{
		Name: name, Value: value, Path: "/", HttpOnly: true, Secure: name != c.plain, SameSite: http.SameSiteLaxMode,
		MaxAge: int(min(life, longest) / time.Second),
	}
	if name == c.shared || name == c.plain && c.insecure {
		k.Domain = c.domain
	}
	if c.framed && name != c.plain {
		k.SameSite, k.Partitioned = http.SameSiteNoneMode, true
	}
	http.SetCookie(w, k)
}

// warnOfConfig logs once what weakens the guard's cookies.
func (g *Guard) warnOfConfig() {
	log := g.seats.Config().Logger
	if g.config.DangerouslyPlainHTTP {
		log.Warn("Config.DangerouslyPlainHTTP: cookies have no Secure attribute, so everybody on the way between a browser and this site can copy its cookie, and use its session. Serve the site with TLS, and leave the switch out")
	}
	if g.config.Domain != "" {
		log.Warn("Config.Domain: every host beneath this domain can read the cookie of a session, and plant another. Host nobody else's pages there", "domain", g.config.Domain)
	}
}

// warnOfCookie logs that a browser will not treat the session's cookie as intended, once
// for each way in which that happens. It is called at a sign-in.
func (g *Guard) warnOfCookie(r *http.Request) {
	if g.config.Carrier.Get != nil {
		return // the application's own
	}
	log, name := g.seats.Config().Logger, g.cookie.name(r)
	switch {
	case g.config.DangerouslyPlainHTTP: // said by New
	case name == g.cookie.plain:
		g.plain.Do(func() {
			log.Info("plain http on a loopback address: cookies have no Secure attribute and no __Host- prefix; a site on https gets both", "cookie", name)
		})
	case overPlainHTTP(r):
		g.dropped.Do(func() {
			log.Warn("a browser signed in over plain http. It drops the cookie, which is Secure, so it will be asked to sign in again and again. Serve the site with TLS. In a local network that has none, set Config.DangerouslyPlainHTTP", "cookie", name, "host", r.Host)
		})
	}
	if q := requestOf(r.Context()); q != nil && errors.Is(q.why, oneseat.ErrNoSession) && name != g.cookie.plain && strings.HasPrefix(g.carrier.Get(r), oneseat.TokenPrefix) {
		g.foreign.Do(func() {
			log.Warn("a browser signed in whose cookie had the token of no session here. The new cookie has replaced that token. If another guard serves the same host and gave the browser that token, its session is lost: give each guard its own Config.CookieName. Otherwise the session ended longer ago than endings are kept, or the store was emptied", "cookie", name)
		})
	}
	if g.config.Domain != "" && name == g.cookie.host {
		g.outside.Do(func() {
			log.Warn("a browser signed in at a host that is not beneath Config.Domain, so the cookie is for that host only. If a proxy asks by another name than the browser does, have it pass the header Host", "host", r.Host, "domain", g.config.Domain)
		})
	}
}

// development says that a browser talks to this process directly, by plain http
// on a loopback address, as no visitor of a site does. A proxy in between shows
// in the headers that it adds, or in HTTP/1.0, which no browser speaks: then the
// cookie is a Secure one.
func development(r *http.Request) bool {
	if r.TLS != nil || !r.ProtoAtLeast(1, 1) || !loopback(r.Host) || !loopback(r.RemoteAddr) {
		return false
	}
	return forwarded(r) == ""
}

// fromHTTPS says that a page on https has sent the request: in between is a proxy that
// adds no header of its own.
func fromHTTPS(r *http.Request) bool { return strings.HasPrefix(r.Header.Get("Origin"), "https:") }

// overPlainHTTP says that a browser has sent the request by plain http to a host that
// is not its own machine, as far as that can be told.
func overPlainHTTP(r *http.Request) bool {
	if r.TLS != nil {
		return false
	}
	if host, ok := strings.CutPrefix(r.Header.Get("Origin"), "http://"); ok {
		return !loopback(host)
	}
	if r.Header.Get("Sec-Fetch-Site") != "" { // browsers send it by https, and to loopback addresses
		return false
	}
	return browser(r) && !fromHTTPS(r) && forwarded(r) == "" && r.ProtoAtLeast(1, 1) && !loopback(r.Host)
}

// beneath says that a host, with or without a port, is a domain or beneath it.
func beneath(hostport, domain string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	rest := len(host) - len(domain)
	return rest >= 0 && strings.EqualFold(host[rest:], domain) && (rest == 0 || host[rest-1] == '.')
}

// forwarded names a header by which a proxy says on whose behalf it asks, or "".
func forwarded(r *http.Request) string {
	for _, h := range forwarding {
		if _, ok := r.Header[h]; ok {
			return h
		}
	}
	return ""
}

var forwarding = []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "X-Real-Ip", "Via"}

// loopback says whether a host, with or without a port, is this machine.
func loopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}
