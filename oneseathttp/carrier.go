package oneseathttp

import (
	"crypto/rand"
	"net/http"
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
	// can last, and then for as long as its ending can be told; 0: until the client is
	// closed.
	Set func(w http.ResponseWriter, r *http.Request, token string, life time.Duration)

	// Clear makes the client drop the token. It is called before the handler
	// writes.
	Clear func(w http.ResponseWriter, r *http.Request)

	// InAnswer says that Set cannot reach every client, and that a program takes its
	// token from the body of an answer. The answer of /oneseat/redeem to a program
	// that brought its ticket in the body then has the token, as "token". Default: the
	// answer has no token.
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

// Either returns a carrier for routes that browsers and programs share. A request
// that brings a token in the way of first uses first. Any other request uses second,
// such as a sign-in without a token. For example, Either(Bearer(), config.Cookie()).
func Either(first, second Carrier) Carrier {
	of := func(r *http.Request) Carrier {
		if first.Get(r) != "" {
			return first
		}
		return second
	}
	return Carrier{
		Get: func(r *http.Request) string { return of(r).Get(r) },
		Set: func(w http.ResponseWriter, r *http.Request, token string, life time.Duration) {
			of(r).Set(w, r, token, life)
		},
		Clear:    func(w http.ResponseWriter, r *http.Request) { of(r).Clear(w, r) },
		InAnswer: first.InAnswer || second.InAnswer,
	}
}

const longest = 400 * 24 * time.Hour // browsers keep no cookie longer

// cookieLife is how long a client has to keep a token: as long as its session can
// last, and then for as long as its ending can be told.
func cookieLife(c oneseat.Config) time.Duration {
	if c.Absolute == oneseat.NoTimeout {
		return longest
	}
	return c.Absolute + c.KeepEndings
}

// life is how long a client has to keep the token of a session; 0: until the client is
// closed.
func (g *Guard) life(s oneseat.Session) time.Duration {
	if s.Lifetime.UntilClosed {
		return 0
	}
	return cookieLife(g.seats.Config())
}

// visitAfter is how long a session was not used when its next request begins
// another visit.
const visitAfter = time.Hour

// keep has the answer to a request set our cookie anew, if the session may last
// longer than a browser keeps the cookie. It does so at the beginning of a visit
// only: an answer may arrive after that of a sign-in in another tab, and undo it.
func (g *Guard) keep(w http.ResponseWriter, r *http.Request, q *request, token string) {
	if !g.fades || q.holder.Session.Lifetime.UntilClosed || r.Method != http.MethodGet || g.background(r) {
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
	if r.Method != http.MethodGet || !g.atSignIn(r) || validDeviceID(g.device.get(r)) {
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
// session has ended. For the Back button Chromium keeps a page for three minutes after
// the browser has left it, even one that is marked "no-store". Chromium drops that page
// when a cookie that scripts cannot read has changed since. A page with oneseat.js needs
// no such help: when Back shows it, it asks the server.
func (g *Guard) evict(w http.ResponseWriter, r *http.Request, q *request) {
	if id := g.device.get(r); id != "" && r.Method == http.MethodGet && g.atSignIn(r) {
		q.setLate(w, func(int) {
			if noStored(w.Header()) {
				g.device.set(w, r, id, longest)
			}
		})
	}
}

// setLate has set called right before the header of the answer goes out. There set sees
// whether a cache may keep the answer: a cookie in such an answer would reach everybody.
// set is not called where the handler has given the browser another token.
func (q *request) setLate(w http.ResponseWriter, set func(status int)) {
	q.mu.Lock() // the session may be ending, and cut reads the writer
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
