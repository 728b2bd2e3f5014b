package oneseathttp

import (
	"crypto/rand"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/oneseat/oneseat"
)

// Carrier moves a token between the application and its client, a browser or a
// program. Its functions are called on requests' goroutines, concurrently.
type Carrier struct {
	// Get returns the token that a request brings, or "".
	Get func(r *http.Request) string

	// Set makes the client keep a token. It is called before the handler writes.
	// life is how long the client has to keep the token: as long as the session
	// can last, and then for as long as its ending can be told.
	Set func(w http.ResponseWriter, r *http.Request, token string, life time.Duration)

	// Clear makes the client drop the token. It is called before the handler
	// writes.
	Clear func(w http.ResponseWriter, r *http.Request)

	// InAnswer says that Set cannot reach the client, which takes its token from
	// the body of an answer. The answer of /oneseat/redeem to a program then has
	// the token, as "token". Default: it has not.
	InAnswer bool
}

// Bearer carries tokens in "Authorization: Bearer", for programs. The
// application sends the token itself, in the body of its answer to a sign-in:
// see [Guard.SignInWith]. A request with two such headers brings no token.
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
		Set:      func(http.ResponseWriter, *http.Request, string, time.Duration) {},
		Clear:    func(http.ResponseWriter, *http.Request) {},
		InAnswer: true,
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

// get returns the cookie's value, or "" for none. The name is compared byte by
// byte. Two cookies of that name with different values are none: somebody else
// set one of them (WEB-03).
//
// This runs for every request, so it allocates nothing. It only looks for values
// that set has written, so it unquotes nothing.
func (c cookie) get(r *http.Request) string {
	lines := r.Header["Cookie"]
	if len(lines) == 0 {
		return ""
	}
	name, _ := c.name(r)
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

// cookieLife is how long a client has to keep a token: as long as its session can
// last, and then for as long as its ending can be told.
func cookieLife(c oneseat.Config) time.Duration {
	if c.Absolute == oneseat.NoTimeout {
		return longest
	}
	return c.Absolute + c.KeepEndings
}

// visitAfter is how long a session was not used when its next request begins
// another visit.
const visitAfter = time.Hour

// keep has the answer to a request set our cookie anew, if the session may last
// longer than a browser keeps the cookie. It does so at the beginning of a visit
// only: an answer may arrive after that of a sign-in in another tab, and undo it.
func (g *Guard) keep(w http.ResponseWriter, r *http.Request, q *request, token string) {
	if !g.fades || r.Method != http.MethodGet || background(r) {
		return
	}
	if now, _ := g.seats.Config().Clock(); now.Sub(q.holder.Session.LastSeen) < visitAfter {
		return
	}
	q.setLate(w, func(int) {
		if noStored(w.Header()) {
			g.carrier.Set(w, r, token, longest)
		}
	})
}

// introduce has the sign-in page give a browser its device id, so that a sign-in
// whose answer is lost can be made again under every policy. No cache may hand one id
// to several browsers: the answer is marked "no-store", and one that the handler lets
// caches keep gives no id. Until a sign-in succeeds the browser forgets the id when it
// is closed.
func (g *Guard) introduce(w http.ResponseWriter, r *http.Request, q *request) {
	if r.Method != http.MethodGet || r.URL.Path != g.config.SignInPath || validDeviceID(g.device.get(r)) {
		return
	}
	q.setLate(w, func(status int) {
		h := w.Header()
		if len(h["Cache-Control"]) == 0 && status != http.StatusNotModified {
			h["Cache-Control"] = noStore
		}
		if noStored(h) {
			g.device.set(w, r, rand.Text(), 0)
		}
	})
}

// noStored says that no cache keeps an answer.
func noStored(h http.Header) bool { return slices.Equal(h["Cache-Control"], noStore) }

// evict has the sign-in page set the device's cookie anew in a browser whose
// session has ended. Chromium keeps a page that was left for three minutes, for the
// Back button, also if that page is marked "no-store"; but not when a cookie that
// scripts cannot read has changed since. A page of ours with scripts looks after
// itself.
func (g *Guard) evict(w http.ResponseWriter, r *http.Request, q *request) {
	if id := g.device.get(r); id != "" && r.Method == http.MethodGet && r.URL.Path == g.config.SignInPath {
		q.setLate(w, func(int) {
			if noStored(w.Header()) {
				g.device.set(w, r, id, longest)
			}
		})
	}
}

// setLate has set called right before the header of the answer goes out, to set a
// cookie: not in an answer that a cache may keep, where it would reach everybody. set
// is not called where the handler has given the browser another token.
func (q *request) setLate(w http.ResponseWriter, set func(status int)) {
	q.mu.Lock() // the session may be ending, which looks at the writer
	defer q.mu.Unlock()
	q.out.below = &atHeader{ResponseWriter: q.out.below, do: func(status int) {
		if !q.changed {
			set(status)
		}
	}}
}

// atHeader does something once, right before the header of an answer goes out.
type atHeader struct {
	http.ResponseWriter
	do func(status int) // nil: done
}

func (w *atHeader) once(status int) {
	if w.do != nil {
		w.do(status)
		w.do = nil
	}
}

func (w *atHeader) WriteHeader(status int) {
	if status >= http.StatusOK {
		w.once(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *atHeader) Write(b []byte) (int, error) {
	w.once(http.StatusOK)
	return w.ResponseWriter.Write(b)
}

func (w *atHeader) FlushError() error {
	w.once(http.StatusOK)
	return http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *atHeader) Unwrap() http.ResponseWriter { return w.ResponseWriter }

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
