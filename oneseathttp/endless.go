package oneseathttp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

const (
	beatEvery  = 20 * time.Second // proxies drop an answer that is silent for longer
	sendWithin = 10 * time.Second // a client that takes longer to take a part is dropped
)

// Endless is an answer without an end, such as server-sent events or a picture that
// moves. It goes on until the client leaves, the session ends, or the handler
// returns. Only the handler's goroutine uses it. The handler returns when the
// request's context is done, or when Send returns an error, which is how
// [Guard.Drain] ends it:
//
//	e, ok := oneseathttp.NewEndless(w, r, "text/event-stream", nil)
//	for ok {
//		select {
//		case <-r.Context().Done():
//			return
//		case <-e.Beat():
//			ok = e.Send([]byte(": still here\n\n")) == nil
//		case n := <-news:
//			ok = e.Send(n) == nil
//		}
//	}
//
// Where an answer cannot be sent in parts, as behind [http.TimeoutHandler], an
// Endless is a long poll: the first Send after the opening ends the answer, and the
// client asks again.
type Endless struct {
	w     http.ResponseWriter
	c     *http.ResponseController
	beat  *time.Ticker
	guard *Guard // whose Drain ends it; nil: none does
}

// NewEndless sends the header of an endless answer, and its opening. It returns
// false if the handler has nothing left to do: for HEAD, which wants no more than
// the header, when the opening could not be sent, and under [Guard.Finish], where
// it answers 500.
func NewEndless(w http.ResponseWriter, r *http.Request, contentType string, opening []byte) (*Endless, bool) {
	e, ok := newEndless(w, r, contentType, opening)
	if q := requestOf(r.Context()); ok && q != nil {
		e.guard = q.guard
		stay := context.AfterFunc(q.guard.undrained, func() { e.beat.Reset(1) })
		context.AfterFunc(r.Context(), func() { stay() }) // the handler has returned, at the latest
	}
	return e, ok
}

// newEndless is NewEndless for a handler that ends by itself when its guard is
// drained.
func newEndless(w http.ResponseWriter, r *http.Request, contentType string, opening []byte) (*Endless, bool) {
	if requestOf(r.Context()).finishes() {
		http.Error(w, ErrInsideFinish.Error(), http.StatusInternalServerError)
		return nil, false
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("X-Accel-Buffering", "no") // nginx would hold the parts back
	if h.Get("Cache-Control") == "" {
		h["Cache-Control"] = noStore
	}
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK)
		return nil, false
	}
	e := &Endless{w: w, c: http.NewResponseController(w)}
	err := e.Send(opening)
	every := beatEvery
	if errors.Is(err, http.ErrNotSupported) { // a long poll
		err = nil
		if until, ok := r.Context().Deadline(); ok { // to answer before the handler's time is over
			every = min(every, time.Until(until)*3/4)
		}
	}
	e.beat = time.NewTicker(max(every, time.Millisecond))
	return e, err == nil
}

// Beat returns a channel that receives when something has to be sent, because a proxy
// closes a connection that is silent for long. In a long poll it receives when the
// answer has to be given. It also receives when the guard is drained.
func (e *Endless) Beat() <-chan time.Time { return e.beat.C }

// Send sends a part and returns when it has left the server. An error means that the
// answer is over. With [ErrClosing] the part was sent, and is the last. A client that
// takes more than 10 seconds to take a part is dropped. Between parts there is no
// deadline.
func (e *Endless) Send(part []byte) error {
	// A server without deadlines (a test's recorder) drops no slow client.
	if err := e.c.SetWriteDeadline(time.Now().Add(sendWithin)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	defer func() { _ = e.c.SetWriteDeadline(time.Time{}) }() // if that fails, so does the next part
	if _, err := e.w.Write(part); err != nil {
		return err
	}
	if err := e.c.Flush(); err != nil {
		return err
	}
	if e.guard != nil && e.guard.drained() {
		return ErrClosing
	}
	return nil
}

// ServerSentEvent returns an event in the form of an answer of the type
// "text/event-stream". The data is JSON.
func ServerSentEvent(name string, data any) ([]byte, error) {
	b, err := json.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("oneseathttp: the data of event %q: %w", name, err)
	}
	return fmt.Appendf(nil, "event: %s\ndata: %s\n\n", name, b), nil
}
