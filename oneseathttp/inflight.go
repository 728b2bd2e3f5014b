package oneseathttp

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/oneseat/oneseat"
)

// request is one request under a guard, and the ResponseWriter of its handler.
//
// Its handler's goroutine writes; the registry's may cut at any moment. mu
// guards the few words that both touch and is never held while bytes are sent,
// so that a slow client cannot delay a cut.
type request struct {
	http.ResponseWriter
	guard   *Guard
	holder  oneseat.Holder
	holding oneseat.Watch // by the session; released, its end does not cut this request
	also    func()        // releases what else cuts this request, see CutWith; nil: nothing does
	account string        // who the application says it is, if it says so
	why     error         // why there is no session, if the request presented a token
	cancel  context.CancelCauseFunc
	token   string // what the browser holds now, if this request changed that
	changed bool   // it has: signed in or out, or rotated
	body    bool   // the request has one

	mu       sync.Mutex
	sent     bool        // the header is on its way
	finished bool        // the handler has returned: the ResponseWriter is not ours any more
	ended    error       // the cut's cause
	before   func(error) // what the handler wants done before its connection is closed
	hijacked net.Conn    // the handler's, after Hijack
}

// now notes whose request it is from here on.
func (q *request) now(s *oneseat.Session, token string) {
	q.holder.Session, q.holder.Ending, q.why = s, nil, nil
	q.changed, q.token = true, token
}

// SessionEnded implements [oneseat.Watcher]: the session has ended, or cannot be
// verified any longer.
func (q *request) SessionEnded(cause error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.finished && q.hijacked == nil || q.ended != nil {
		return
	}
	q.ended = cause
	q.cancel(cause)
	past := time.Unix(1, 0)
	switch c := http.NewResponseController(q.ResponseWriter); {
	case q.hijacked != nil:
		go closeAfter(q.hijacked, q.before, cause)
	case q.sent:
		// A handler that ignores its context is stopped at its next write, or in
		// the one that it is in. Where deadlines are not supported, finish does it.
		_ = c.SetWriteDeadline(past)
		_ = c.SetReadDeadline(past)
	case q.body:
		_ = c.SetReadDeadline(past) // it may be waiting for that
	}
}

// closeGrace bounds what OnCut's function may take: the connection is closed
// then in any case.
const closeGrace = time.Second

// closeAfter closes a hijacked connection, after what the handler wants done
// first. An error of the connection means that it is closed already.
func closeAfter(conn net.Conn, before func(error), cause error) {
	_ = conn.SetDeadline(time.Now().Add(closeGrace))
	if before != nil {
		timer := time.AfterFunc(closeGrace, func() { _ = conn.Close() })
		before(cause)
		timer.Stop()
	}
	_ = conn.Close()
}

// heldConn is a hijacked connection. It may outlive its handler, and is held by
// its session until it is closed.
type heldConn struct {
	net.Conn
	request *request
}

// Close closes the connection; the session's end does not concern it any more.
func (c heldConn) Close() error {
	c.request.release()
	return c.Conn.Close()
}

// release unties the request from whatever would cut it.
func (q *request) release() {
	q.holding.Stop()
	if q.also != nil {
		q.also()
	}
}

// CutWith has the request cut also when s ends, a stream that its session plays.
// Call it before anything is written. It does nothing for a request without a
// session.
func (g *Guard) CutWith(r *http.Request, s oneseat.Stream) {
	if q := requestOf(r.Context()); q != nil && q.cancel != nil && q.also == nil {
		q.also = g.seats.AfterStreamEnd(r.Context(), s, q.SessionEnded)
	}
}

// OnCut has f called when the request's session ends while the handler has the
// connection (after Hijack, as for a WebSocket), before it is closed: to send a
// close frame. f has a second. Call it before or right after Hijack; it returns
// false if the request has no session that could end.
func OnCut(r *http.Request, f func(cause error)) bool {
	q := requestOf(r.Context())
	if q == nil || q.cancel == nil {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.before = f
	return true
}

// send notes that the header goes out now. It returns the cause if the request
// was cut before that: nothing of the handler's is sent then.
func (q *request) send() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended == nil {
		q.sent = true
	} else if !q.sent {
		return q.ended
	}
	return nil
}

// finish ends a request whose handler has returned, or panicked. If it was cut,
// the refusal is sent where nothing else was; a transfer that had begun is
// broken off, so that the client does not take it for complete.
func (q *request) finish(w http.ResponseWriter, r *http.Request) {
	q.mu.Lock()
	q.finished = true
	hijacked, cut, sent := q.hijacked != nil, q.ended != nil, q.sent
	q.mu.Unlock()
	if hijacked {
		return // heldConn detaches
	}
	q.release()
	if !cut {
		return
	}
	if p := recover(); p != nil && p != http.ErrAbortHandler {
		panic(p)
	}
	if sent {
		panic(http.ErrAbortHandler)
	}
	for name := range w.Header() {
		if !slices.Contains(siteHeaders, name) {
			w.Header().Del(name)
		}
	}
	if q.body && r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close") // its reading deadline has passed for good
	}
	q.guard.refuse(w, r, q.ended)
}

// siteHeaders are what a site says of itself on every answer: they stay on a
// refusal that comes instead of the handler's answer. All others go, for they may
// be about the session.
var siteHeaders = []string{
	"Content-Security-Policy", "Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy", "Permissions-Policy",
	"Referrer-Policy", "Strict-Transport-Security", "X-Content-Type-Options", "X-Frame-Options",
}

// WriteHeader sends the header, unless the request has been cut.
func (q *request) WriteHeader(status int) {
	if q.send() == nil {
		q.ResponseWriter.WriteHeader(status)
	}
}

// Write sends a part of the body. After a cut it returns the cause.
func (q *request) Write(b []byte) (int, error) {
	if err := q.send(); err != nil {
		return 0, err
	}
	return q.ResponseWriter.Write(b)
}

// ReadFrom sends what src holds, by the kernel where that is possible.
func (q *request) ReadFrom(src io.Reader) (int64, error) {
	if err := q.send(); err != nil {
		return 0, err
	}
	return io.Copy(q.ResponseWriter, src)
}

// Flush sends what is buffered.
func (q *request) Flush() { _ = q.FlushError() }

// FlushError sends what is buffered. After a cut it returns the cause.
func (q *request) FlushError() error {
	if err := q.send(); err != nil {
		return err
	}
	return http.NewResponseController(q.ResponseWriter).Flush()
}

// Hijack gives the connection to the handler. It is closed when the session
// ends.
func (q *request) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if err := q.send(); err != nil {
		return nil, nil, err
	}
	conn, rw, err := http.NewResponseController(q.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.hijacked = conn
	if q.ended != nil {
		_ = conn.Close()
		return nil, nil, q.ended
	}
	return heldConn{conn, q}, rw, nil
}

// Unwrap serves http.ResponseController: deadlines, full duplex.
func (q *request) Unwrap() http.ResponseWriter { return q.ResponseWriter }
