package oneseathttp

import (
	"net"
	"net/http"
	"net/netip"
	"time"
)

// cookie carries tokens: one opaque value for this host only.
type cookie struct {
	base string
}

const longest = 400 * 24 * time.Hour // browsers keep no cookie longer

// name is the cookie's name on this request: "__Host-", which browsers accept
// with Secure only, or nothing in plain-http development.
func (c cookie) name(r *http.Request) string {
	if development(r) {
		return c.base
	}
	return "__Host-" + c.base
}

// get returns the token that the request carries, or "". Two cookies of that
// name that differ are none: somebody planted one (WEB-03).
func (c cookie) get(r *http.Request) string {
	value := ""
	for i, k := range r.CookiesNamed(c.name(r)) {
		if i > 0 && k.Value != value {
			return ""
		}
		value = k.Value
	}
	return value
}

// set makes the browser keep a token for a time, and drop it if it is "".
func (c cookie) set(w http.ResponseWriter, r *http.Request, token string, life time.Duration) {
	k := &http.Cookie{
		Name: c.name(r), Value: token, Path: "/", HttpOnly: true,
		Secure: !development(r), SameSite: http.SameSiteLaxMode,
		MaxAge: int(min(life, longest) / time.Second),
	}
	if token == "" {
		k.MaxAge = -1
	}
	http.SetCookie(w, k)
	w.Header().Set("Cache-Control", "no-store")
}

// development says that a browser talks to this process directly, by plain http
// on a loopback address: as no site is ever used. With a proxy in between, which
// says so in its headers, the cookie is a Secure one.
func development(r *http.Request) bool {
	if r.TLS != nil || !loopback(r.Host) || !loopback(r.RemoteAddr) {
		return false
	}
	for _, h := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Via"} {
		if _, ok := r.Header[h]; ok {
			return false
		}
	}
	return true
}

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
