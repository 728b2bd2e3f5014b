package oneseathttp

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// Carrier is where a token travels between the browser, or program, and the
// application. Get returns "" for none. Set and Clear are called before the
// handler writes; life is how long the token can be good.
type Carrier struct {
	Get   func(r *http.Request) string
	Set   func(w http.ResponseWriter, r *http.Request, token string, life time.Duration)
	Clear func(w http.ResponseWriter, r *http.Request)
}

// Bearer carries tokens in "Authorization: Bearer", for programs. The
// application sends the token itself, in the body of its answer to a sign-in:
// see [Guard.SignInWith]. More than one such header is none.
func Bearer() Carrier {
	return Carrier{
		Get: func(r *http.Request) string {
			values := r.Header.Values("Authorization")
			if len(values) != 1 {
				return ""
			}
			scheme, token, _ := strings.Cut(values[0], " ")
			if !strings.EqualFold(scheme, "Bearer") {
				return ""
			}
			return token
		},
		Set:   func(http.ResponseWriter, *http.Request, string, time.Duration) {},
		Clear: func(http.ResponseWriter, *http.Request) {},
	}
}

// cookie carries one opaque value for this host only.
type cookie struct {
	guard *Guard
	plain string // its name in development
	host  string // its name elsewhere
}

func newCookie(g *Guard, name string) cookie { return cookie{g, name, "__Host-" + name} }

const longest = 400 * 24 * time.Hour // browsers keep no cookie longer

func (c cookie) carrier() Carrier {
	return Carrier{Get: c.get, Set: c.set, Clear: func(w http.ResponseWriter, r *http.Request) { c.set(w, r, "", -time.Second) }}
}

// name is the cookie's name on this request: "__Host-", which browsers accept
// with Secure only, or nothing in plain-http development.
func (c cookie) name(r *http.Request) (name string, secure bool) {
	if development(r) {
		return c.plain, false
	}
	return c.host, true
}

// get returns what the request carries, or "". The name counts to the letter,
// and two cookies of that name that differ are none: somebody planted one
// (WEB-03). Only our own plain values are looked for, so nothing is unquoted, and
// nothing allocated: this runs for every request.
func (c cookie) get(r *http.Request) string {
	lines := r.Header["Cookie"]
	if len(lines) == 0 {
		return ""
	}
	name, _ := c.name(r)
	found, value := false, ""
	for _, line := range lines {
		for pair := range strings.SplitSeq(line, ";") {
			k, v, _ := strings.Cut(strings.TrimSpace(pair), "=")
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

// set makes the browser keep a value for a time. Clearing uses the same name
// and attributes as setting, or browsers would ignore it (REV-09).
func (c cookie) set(w http.ResponseWriter, r *http.Request, value string, life time.Duration) {
	name, secure := c.name(r)
	if !secure {
		c.guard.plain.Do(func() {
			c.guard.seats.Config().Logger.Info("plain http on a loopback address: cookies have no Secure attribute and no __Host- prefix; a site on https gets both", "cookie", name)
		})
	}
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode,
		MaxAge: int(min(life, longest) / time.Second),
	})
}

// development says that a browser talks to this process directly, by plain http
// on a loopback address: as no site is ever used. With a proxy in between, which
// says so in its headers, the cookie is a Secure one.
func development(r *http.Request) bool {
	if r.TLS != nil || !loopback(r.Host) || !loopback(r.RemoteAddr) {
		return false
	}
	for _, h := range forwarding {
		if _, ok := r.Header[h]; ok {
			return false
		}
	}
	return true
}

var forwarding = []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-Ip", "Via"}

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
