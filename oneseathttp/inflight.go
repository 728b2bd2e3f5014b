package oneseathttp

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/oneseat/oneseat"
)

// state is how far the answer to a request has come. It only moves forward.
type state uint8

const (
	open     state = iota // nothing has been sent: a cut sends the refusal
	sent                  // the header is on its way: a cut breaks the transfer off
	hijacked              // the connection is the handler's, and may outlive the handler: a cut closes it
)

// errReturned is why nothing passes any more once a handler has returned.
var errReturned = errors.New("oneseathttp: the handler of this request has returned")

// request is one request under a guard. Its handler writes to out and reads from
// in.
//
// The handler runs on the goroutine of the request. A goroutine of the registry may
// cut the request at any moment. mu guards the fields that both use. It is never
// held while bytes are sent, so a slow client cannot delay a cut.
type request struct {
	out     writer
	in      body
	guard   *Guard
	holder  oneseat.RequestInfo
	holding oneseat.Watch           // by the session; released, its end does not cut this request
	also    func()                  // releases what else cuts this request, see CutWith; nil: nothing does
	account string                  // who the application says it is, if it says so
	why     error                   // why there is no session, if the request presented a token
	cancel  context.CancelCauseFunc // of the handler's context; nil: no session could end
	token   string                  // what the browser holds now, if this request changed that
	changed bool                    // it has: signed in or out, or rotated
	http1   bool                    // the connection carries one request at a time
	asked   bool                    // the handler has asked for the header
	encoded bool                    // something around the guard compresses the answer
	reached bool                    // the answer has begun, and a deadline stops its writes

	state state // this and what follows is under mu
	kept  bool  // it ends as its handler says, see Finish: no session's end cuts it
	late  bool  // the registry was closed before the answer began, see hurry
	over  error // why nothing passes any more: the cut's cause, or errReturned; nil: everything passes
	rare  *rare // what few requests need; nil: nothing
	mu    sync.Mutex
}

// now sets the session that the request has from here on, and the token that the
// browser holds.
func (q *request) now(s *oneseat.Session, token string) {
	q.holder.Session, q.holder.Ending, q.holder.Rotated, q.why = s, nil, false, nil
	q.changed, q.token = true, token
}

// pass returns nil if the handler may send, and moves the state forward to the one
// that sending leads to. Once the request is over it returns why, and nothing may be
// sent.
func (q *request) pass(to state) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.over != nil {
		return q.over
	}
	q.advance(to)
	return nil
}

// came moves the state forward, also when the request was cut meanwhile.
func (q *request) came(to state) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.advance(to)
}

// advance moves the state forward. The caller holds the lock.
func (q *request) advance(to state) {
	if to <= q.state {
		return
	}
	q.state = to
	q.reached = q.cancel == nil || reaches(q.out.below)
	if !q.reached && q.holder.Value(http.LocalAddrContextKey) != nil {
		q.guard.hidden(q.out.below) // at the first answer, before it matters
	}
}

// piece is how much is passed on at a time of an answer that has begun.
func (q *request) piece() int {
	if q.reached {
		return largePiece
	}
	return piece
}

// because returns the error of a write or read: the cut's cause if the request is
// over, else err.
func (q *request) because(err error) error {
	if err == nil {
		return nil
	}
	if cause := q.pass(open); cause != nil {
		return cause
	}
	return err
}

// SessionEnded implements [oneseat.Watcher]: the session has ended, or cannot be
// verified any longer.
func (q *request) SessionEnded(cause error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.kept:
	case q.state == open && errors.Is(cause, oneseat.ErrClosed):
		q.hurry(cause)
	default:
		q.cut(cause)
	}
}

// hurry has a request end soon, because the registry was closed and its session can no
// longer be verified. Nothing has been sent, and the work may be done: so its answer
// still passes. As when the store does not answer, that is allowed for a while only.
// The caller holds the lock.
func (q *request) hurry(cause error) {
	if q.late || q.over != nil {
		return
	}
	q.late = true
	if q.cancel != nil {
		q.cancel(cause)
	}
	q.seldom().cutLate = time.AfterFunc(q.guard.seats.Config().HoldGrace, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.cut(cause)
	})
}

// cut ends the request: nothing passes from here on. What is in a write or a read
// at this moment is stopped by a deadline, where the connection can be reached.
// The caller holds the lock.
func (q *request) cut(cause error) {
	if q.over != nil {
		return
	}
	q.over = cause
	if q.cancel != nil { // else the session came with the request's own sign-in
		q.cancel(cause)
	}
	if q.rare != nil {
		for _, gone := range q.rare.gone {
			gone <- true
		}
	}
	if q.state == hijacked {
		go q.rare.closeAfter(cause)
		return
	}
	past, c := time.Unix(1, 0), http.NewResponseController(q.out.below)
	var read, write error
	if q.in.ReadCloser != nil || q.state == sent {
		read = c.SetReadDeadline(past)
	}
	if q.state == sent || q.http1 { // else HTTP/2 and 3 could not send the refusal any more
		write = c.SetWriteDeadline(past)
	}
	if read != nil || write != nil {
		q.guard.hidden(q.out.below)
	}
}

// release stops every watch of the request, so that nothing cuts it any more.
func (q *request) release() {
	q.holding.Stop()
	if q.also != nil {
		q.also()
	}
}

// CutWith cuts the request also when s, a stream of the request's session, ends. Call it
// before anything is written. It does nothing for a request without a session. It returns
// [ErrInsideFinish] under [Guard.Finish], where nothing cuts the request, and
// [errors.ErrUnsupported] if the guard asks a server, which knows no streams.
func (g *Guard) CutWith(r *http.Request, s oneseat.Stream) error {
	seats, streams := g.seats.(*oneseat.Registry)
	q := requestOf(r.Context())
	switch {
	case q.finishes():
		return ErrInsideFinish
	case !streams:
		return errors.ErrUnsupported
	case q != nil && q.cancel != nil && q.also == nil:
		q.also = seats.AfterStreamEnd(r.Context(), s, q.SessionEnded)
	}
	return nil
}

// finish ends a request whose handler has returned or panicked. If the request was
// cut and nothing has been sent, the refusal is sent. If something has been sent, the
// transfer is broken off, so that the client does not take it for complete. A handler
// that had to hurry and has sent nothing has given up, so the refusal is sent too.
//
// An adapter may write to the server past the guard's writer. Nothing is appended to
// what was sent in that way.
func (q *request) finish(w http.ResponseWriter, r *http.Request) {
	q.mu.Lock()
	state, cause, late := q.state, q.over, q.late
	if cause == nil && state != hijacked { // else heldConn.Close ends it
		q.over = errReturned
	}
	if late {
		q.rare.cutLate.Stop()
	}
	q.mu.Unlock()
	if state == hijacked {
		return
	}
	q.release()
	past := state == open && (written(w) || (cause != nil || late) && begun(w))
	if past {
		q.guard.bypassed(w)
	}
	if late && cause == nil && state == open && !past {
		cause = oneseat.ErrClosed
	}
	if cause == nil {
		return
	}
	broken := state == sent || past
	switch {
	case broken && r.ProtoMajor == 3:
		leaveUnfinished(w)
	case !broken && q.http1: // SessionEnded's deadline was for what might go past the guard
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(refuseWithin))
	}
	switch p := recover(); {
	case broken && p != nil:
		breakOff(p)
	case broken:
		breakOff(http.ErrAbortHandler)
	case p != nil && p != http.ErrAbortHandler: //nolint:errorlint // net/http compares it so
		panic(p)
	}
	q.out.strip()
	if q.in.ReadCloser != nil && q.http1 {
		w.Header().Set("Connection", "close") // its reading deadline has passed for good
	}
	q.guard.refuse(w, r, cause)
}

const refuseWithin = 10 * time.Second // a client that takes longer to read a refusal is dropped

// breakOff panics, so that the server leaves the answer without its proper end. A
// middleware may recover from the panic and return. Then the server would end an
// answer of unknown length as if it were complete. So where the goroutine is the
// server's own, it ends as well: no recover can prevent that, and net/http treats
// both alike.
func breakOff(p any) {
	defer panic(p)
	if ofServer() {
		runtime.Goexit()
	}
}

// leaveUnfinished begins a part of an answer over HTTP/3 that cannot be sent, because
// the deadline has passed. quic-go resets an HTTP/3 stream with an unfinished part,
// also when a middleware recovers from the panic.
func leaveUnfinished(w http.ResponseWriter) {
	w = innermost(w)
	if http.NewResponseController(w).SetWriteDeadline(time.Unix(1, 0)) == nil {
		_, _ = w.Write(make([]byte, piece))
	}
}

// ofServer says that net/http started this goroutine to serve one request, so that
// it may end here. A handler runs on another goroutine behind http.TimeoutHandler,
// under another server, and in a test that calls it.
func ofServer() bool {
	pcs := make([]uintptr, 128)
	n := runtime.Callers(0, pcs)
	for n == len(pcs) { // the stack may be longer
		pcs = make([]uintptr, 2*len(pcs))
		n = runtime.Callers(0, pcs)
	}
	outermost := ""
	for frames := runtime.CallersFrames(pcs[:n]); ; {
		f, more := frames.Next()
		if f.Function != "" && f.Function != "runtime.goexit" {
			outermost = f.Function
		}
		if !more {
			return slices.Contains(serving, outermost)
		}
	}
}

// serving are the functions in which such a goroutine begins: of HTTP/1.1, of the
// HTTP/2 that net/http bundles, and of golang.org/x/net for HTTP/2 without TLS.
var serving = []string{
	"net/http.(*conn).serve",
	"net/http.(*http2serverConn).runHandler",
	"golang.org/x/net/http2.(*serverConn).runHandler",
}
