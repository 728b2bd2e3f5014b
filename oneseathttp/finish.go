package oneseathttp

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/oneseat/oneseat"
)

// finishWithin is how long a handler under Finish may take, unless the
// configuration says otherwise.
const finishWithin = time.Minute

// ErrInsideFinish is returned for what has no place inside of [Guard.Finish]: a
// connection of the handler's own, a stream, an answer without an end.
var ErrInsideFinish = errors.New("oneseathttp: a handler under Finish takes over no connection, plays no stream and sends no endless answer: it could go on without its session. Serve that under Require")

// errTooLong is why a handler under Finish was cut.
var errTooLong = errors.New("oneseathttp: a handler under Finish took longer than Config.FinishWithin")

// Finish serves next to requests with a session, as Require does, and lets next
// finish: neither the session's end nor the registry's cuts it any more. It is for
// what must not be answered with a refusal once it is done, a payment or a change
// of password.
//
// The request is admitted once, by a check that begins now and reads the store,
// whatever [oneseat.Config.MaxStale] allows. next has [Config.FinishWithin] for all
// that it does, reading the request's body as well; then it is cut. What rests on
// the session (a rotation, ending other sessions) still fails once that has ended.
// The client's going away cancels the request's context, as ever.
//
// Inside, nothing can take over the connection, play a stream or send an answer
// without an end: see [ErrInsideFinish].
func (g *Guard) Finish(next http.Handler) http.Handler {
	return g.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := requestOf(r.Context())
		if q.finishes() {
			next.ServeHTTP(w, r)
			return
		}
		if !q.keep() {
			return // cut already: the refusal follows
		}
		if _, err := g.seats.CheckFresh(r.Context(), g.token(r)); err != nil {
			g.refuse(w, r, err)
			return
		}
		account := q.holder.Session.Account // now: the handler may sign out, or in, while the time runs
		bound := time.AfterFunc(g.config.FinishWithin, func() { q.tookTooLong(account) })
		defer bound.Stop()
		next.ServeHTTP(w, r)
	}))
}

// keep lets no session's end cut the request any more. It returns false if the request
// has been cut before.
func (q *request) keep() bool {
	q.mu.Lock()
	q.kept = q.over == nil
	kept := q.kept
	q.mu.Unlock()
	if kept {
		q.release()
	}
	return kept
}

// finishes says that a request is under Finish, so no session's end cuts it.
func (q *request) finishes() bool {
	if q == nil {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.kept
}

func (q *request) tookTooLong(account string) {
	q.mu.Lock()
	over := q.over != nil
	q.cut(errTooLong)
	q.mu.Unlock()
	if !over {
		q.guard.slow.report(q.guard, account)
	}
}

// slow counts handlers under Finish that were cut, so that many of them take one line
// a minute in the log.
type slow struct {
	mu     sync.Mutex // guards what is below
	said   time.Time  // when the last line was written
	silent int        // handlers since then
}

func (s *slow) report(g *Guard, account string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); s.said.IsZero() || now.Sub(s.said) >= time.Minute {
		c := g.seats.Config()
		c.Logger.Warn("a handler under Finish took longer than Config.FinishWithin and was cut; its work may be done all the same. Find out what it waits for",
			"within", g.config.FinishWithin, "account_key", oneseat.KeyOf(c.Realm, account).String(), "not_logged", s.silent)
		s.said, s.silent = now, 0
		return
	}
	s.silent++
}
