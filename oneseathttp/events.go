package oneseathttp

import (
	"errors"
	"net/http"
	"net/url"
	"sync"

	"github.com/oneseat/oneseat"
)

const streamsMost = 32 // of one session: a browser needs one, or one for each tab where tabs cannot share it

// streams counts the event streams that are open, by session.
type streams struct {
	mu   sync.Mutex
	open map[oneseat.SessionID]int
}

// enter counts one more, or returns false if that is too many.
func (s *streams) enter(id oneseat.SessionID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[id] == streamsMost {
		return false
	}
	if s.open == nil {
		s.open = make(map[oneseat.SessionID]int)
	}
	s.open[id]++
	return true
}

func (s *streams) leave(id oneseat.SessionID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[id]--; s.open[id] == 0 {
		delete(s.open, id)
	}
}

// events tells one browser of its own session: "session" at once, "ended" when
// it has ended, and then the stream is over. A browser whose session had ended
// before it asked is told so in the same way: an EventSource cannot read a
// refusal. Somebody without a session gets the refusal, another site's page 403.
//
// The goroutine is the request's. It ends with the session, the client's
// connection, a client that does not read, or the registry.
func (g *Guard) events(w http.ResponseWriter, r *http.Request) {
	q := requestOf(r.Context())
	mine := q.holder.Session
	switch {
	case foreign(r):
		http.Error(w, "oneseat: these events are for this site's own pages", http.StatusForbidden)
		return
	case mine == nil && q.holder.Ending == nil:
		g.refuse(w, r, q.why)
		return
	case mine != nil && !g.streams.enter(mine.ID):
		w.Header().Set("Retry-After", "30")
		http.Error(w, "oneseat: this session has as many event streams open as it may", http.StatusTooManyRequests)
		return
	case mine != nil:
		defer g.streams.leave(mine.ID)
	}
	g.detach(r) // this stream is not cut: it has something to say first
	over := make(chan error, 1)
	if mine != nil {
		defer g.seats.AfterEnd(r.Context(), *mine, func(cause error) { over <- cause })()
	} else {
		over <- &oneseat.EndedError{Ending: *q.holder.Ending}
	}

	opening := []byte("retry: 1000\n\n")
	if mine != nil {
		whose, err := ServerSentEvent("session", map[string]any{"session": mine.ID, "account": mine.Account})
		if err != nil {
			g.refuse(w, r, err)
			return
		}
		opening = append(opening, whose...)
	}
	e, ok := NewEndless(w, r, "text/event-stream", opening)
	for ok {
		select {
		case <-r.Context().Done():
			return
		case <-e.Beat():
			ok = e.Send([]byte(": still here\n\n")) == nil
		case cause := <-over:
			// Closed, or unconfirmed because the store is down: the browser comes
			// back in a second and is told then.
			if ended, is := errors.AsType[*oneseat.EndedError](cause); is {
				if news, err := ServerSentEvent("ended", g.problemOf(ended.Ending)); err == nil {
					_ = e.Send(news) // an error is the client's connection
				}
			}
			return
		}
	}
}

// foreign says that a page of another origin asks. A browser would not let it
// read the answer, but would hold the stream open (SSE-02).
func foreign(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "":
		origin := r.Header.Get("Origin")
		u, err := url.Parse(origin)
		return origin != "" && (err != nil || u.Host != r.Host)
	}
	return true
}
