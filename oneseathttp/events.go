package oneseathttp

import (
	"errors"
	"net/http"
	"net/url"
	"sync"

	"github.com/oneseat/oneseat"
)

const streamsMost = 32 // of one session: a browser needs one, or one for each tab where tabs cannot share it

// streams counts the open event streams of each session.
type streams struct {
	mu   sync.Mutex
	open map[oneseat.SessionID]int
}

// enter counts one more. It returns false if the session has as many as it may.
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

// events is the event stream of one browser: "session" at once, and "ended" when the
// session has ended, which ends the stream. A browser whose session ended before
// gets "ended" at once, because an EventSource cannot read a refusal. A browser that
// had no session is refused, and a page of another site gets 403.
//
// It runs on the request's goroutine. It ends with the session, with the client's
// connection, when the client does not read, or when the registry is closed.
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
	g.detach(r) // this answer is not cut: it has something to say first
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
			// Otherwise the registry was closed, or the store does not answer: the
			// browser comes back in a second.
			if ended, is := errors.AsType[*oneseat.EndedError](cause); is {
				if news, err := ServerSentEvent("ended", g.problemOf(ended.Ending)); err == nil {
					_ = e.Send(news) // an error is the client's connection
				}
			}
			return
		}
	}
}

// foreign says that the request comes from a page of another origin. A browser does
// not let that page read the answer, but would hold the event stream open.
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
