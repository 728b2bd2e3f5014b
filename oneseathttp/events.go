package oneseathttp

import (
	"container/list"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"sync"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp/internal/answer"
)

const (
	streamsMost  = 32     // of one session: a browser needs one, or one for each tab where tabs cannot share it
	eventStreams = 10_000 // of a guard, unless the configuration says otherwise
)

// streams are the open event streams of a guard: at most a number in all, and a
// number of each session.
type streams struct {
	mu   sync.Mutex // guards what is below
	of   map[oneseat.SessionID]int
	open list.List // of chan struct{}, the oldest first; closed for a stream that has to end
}

// enter counts one more stream. If there are as many as there may be, the oldest ends. A
// browser that reads the oldest comes back in a second, as the newest. A stream that
// nobody reads does not come back. gone is closed when this stream has to end. ok is
// false if the session has as many as it may. full says that another stream had to end.
func (s *streams) enter(id oneseat.SessionID, most int) (gone <-chan struct{}, leave func(), full, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[id] == streamsMost {
		return nil, nil, false, false
	}
	if s.of == nil {
		s.of = make(map[oneseat.SessionID]int)
	}
	if full = s.open.Len() >= most; full {
		close(s.open.Remove(s.open.Front()).(chan struct{}))
	}
	s.of[id]++
	end := make(chan struct{})
	place := s.open.PushBack(end)
	return end, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.open.Remove(place)
		if s.of[id]--; s.of[id] == 0 {
			delete(s.of, id)
		}
	}, full, true
}

// events is the event stream of one browser: "session" at once, and "ended" when the
// session has ended, which ends the stream. A browser whose session ended before
// gets "ended" at once, because an EventSource cannot read a refusal. An EventSource
// that nobody closes comes back with the id of the event that it has got, and gets 204,
// which ends it. A browser that had no session is refused, and a page of another site
// gets 403.
//
// It runs on the request's goroutine. It ends with the session, with the client's
// connection, when the client does not read, when there are too many, or when the
// registry is closed. If the guard is drained, or the registry closed, its last event
// is "closing", and the browser comes back in a second.
func (g *Guard) events(w http.ResponseWriter, r *http.Request) {
	q := requestOf(r.Context())
	mine := q.holder.Session
	switch {
	case g.fromOutside(r):
		http.Error(w, "oneseat: these events are for this site's own pages", http.StatusForbidden)
		return
	case mine == nil && q.holder.Ending == nil:
		g.refuse(w, r, q.why)
		return
	case mine == nil && r.Header.Get("Last-Event-ID") == string(q.holder.Ending.Session):
		w.WriteHeader(http.StatusNoContent) // an EventSource asks no more (SSE-03)
		return
	}
	var gone, draining <-chan struct{} // nil: the session has ended, and the stream says that first
	if mine != nil {
		if g.drained() {
			g.refuse(w, r, ErrClosing)
			return
		}
		end, leave, full, ok := g.streams.enter(mine.ID, g.config.EventStreams)
		if !ok {
			w.Header().Set("Retry-After", "30")
			http.Error(w, "oneseat: this session has as many event streams open as it may", http.StatusTooManyRequests)
			return
		}
		defer leave()
		draining = g.Draining()
		if gone = end; full {
			g.crowded.Do(func() {
				g.seats.Config().Logger.Warn("as many event streams are open as Config.EventStreams allows. Each further one ends the oldest, whose browser comes back. Raise the limit where the memory allows it", "limit", g.config.EventStreams)
			})
		}
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
		whose, err := ServerSentEvent("session", g.whose(*mine))
		if err != nil {
			g.refuse(w, r, err)
			return
		}
		opening = append(opening, whose...)
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
	e, ok := newEndless(w, r, "text/event-stream", opening)
	for ok {
		select {
		case <-r.Context().Done():
			return
		case <-gone:
			return
		case <-e.Beat():
			ok = e.Send([]byte(": still here\n\n")) == nil
		case <-draining:
			g.sayClosing(e)
			return
		case cause := <-over:
			if ended, is := errors.AsType[*oneseat.EndedError](cause); is {
				sayLast(e, "ended", g.problemOf(ended.Ending))
			} else if isClosing(cause) {
				g.sayClosing(e)
			} // else the store does not answer: the browser comes back in a second
			return
		}
	}
}

// sayClosing ends the stream of a server that is shut down. All its browsers come back
// elsewhere, in one to three seconds, not all at once.
func (g *Guard) sayClosing(e *Endless) {
	wait := 1000 + maphash.String(maphash.MakeSeed(), "")%2000 // random: each seed is another
	if _, err := fmt.Fprintf(e.w, "retry: %d\n", wait); err == nil {
		sayLast(e, "closing", g.closing())
	}
}

// sayLast sends the last event of a stream.
func sayLast(e *Endless, event string, p answer.Problem) {
	if news, err := ServerSentEvent(event, p); err == nil {
		if event == "ended" {
			news = append([]byte("id: "+string(p.Session)+"\n"), news...)
		}
		_ = e.Send(news) // an error is the client's connection
	}
}
