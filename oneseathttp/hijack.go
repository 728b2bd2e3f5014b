package oneseathttp

import (
	"bufio"
	"net"
	"net/http"
	"time"
)

// Hijack gives the connection to the handler. The guard closes it when the session
// ends.
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	q := w.q
	if err := q.pass(open); err != nil {
		return nil, nil, err
	}
	if q.finishes() {
		return nil, nil, ErrInsideFinish
	}
	conn, rw, err := http.NewResponseController(w.below).Hijack()
	if err != nil {
		return nil, nil, q.because(err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.state = hijacked
	q.seldom().conn = conn
	if q.over != nil {
		_ = conn.Close()
		return nil, nil, q.over
	}
	held := heldConn{conn, q}
	if half, ok := conn.(halfCloser); ok {
		return halfConn{held, half}, rw, nil
	}
	return held, rw, nil
}

// heldConn is a hijacked connection. It may outlive its handler. It is closed when the
// session ends.
type heldConn struct {
	net.Conn
	q *request
}

// Close closes the connection, and stops the watch of the session.
func (c heldConn) Close() error {
	c.q.release()
	return c.Conn.Close()
}

// halfConn is a heldConn whose sending half can be closed while the other half is
// still read, as with TCP and TLS.
type halfConn struct {
	heldConn
	half halfCloser
}

type halfCloser interface{ CloseWrite() error }

// CloseWrite closes the sending half.
func (c halfConn) CloseWrite() error { return c.half.CloseWrite() }

// OnCut has f called when the request's session ends while the handler has the
// connection, after Hijack. f runs before the connection is closed, and may send the
// close frame of a WebSocket. f has a second. Call OnCut before Hijack or right after
// it. OnCut returns false if the request has no session that could end.
func OnCut(r *http.Request, f func(cause error)) bool {
	q := requestOf(r.Context())
	if q == nil || q.cancel == nil {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.seldom().before = f
	return true
}

// rare is what few requests need.
type rare struct {
	conn   net.Conn      // the handler's; nil: it has taken over none
	before func(error)   // what the handler wants done before conn is closed; nil: nothing
	gone   []chan<- bool // told once of a cut

	cutLate *time.Timer // cuts a request that hurries, until the handler has returned; nil: none
}

// seldom is what few requests need. The caller holds the lock.
func (q *request) seldom() *rare {
	if q.rare == nil {
		q.rare = new(rare)
	}
	return q.rare
}

// closeGrace is how long the function of OnCut may take. Then the connection is
// closed in any case.
const closeGrace = time.Second

// closeAfter closes the connection, after what the handler wants done first. An
// error of the connection means that it is closed already.
func (h rare) closeAfter(cause error) {
	_ = h.conn.SetDeadline(time.Now().Add(closeGrace))
	if h.before != nil {
		timer := time.AfterFunc(closeGrace, func() { _ = h.conn.Close() })
		h.before(cause)
		timer.Stop()
	}
	_ = h.conn.Close()
}
