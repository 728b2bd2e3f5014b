package oneseathttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"net/http"
	"slices"
	"syscall"
	"time"
)

// writer is the ResponseWriter of a handler under a guard. Once its request is
// over, everything here returns why and passes nothing on. That holds whatever stands
// around the guard: the writer does not rely on the connection, which it may not be able
// to reach. Hence it has no Unwrap, and does all of [http.ResponseController] itself.
//
// It is used by the handler's goroutine, as any ResponseWriter.
type writer struct {
	below http.ResponseWriter
	q     *request
}

// What is written is passed on in pieces, because the request may be cut between
// two of them. Where a deadline stops a write, pieces are large, because small ones take
// time. Where no deadline does, the piece that is being written still passes after a cut,
// so it is small.
const (
	piece      = 128 << 10
	largePiece = 1 << 20
)

// Header is the answer's header.
func (w *writer) Header() http.Header {
	h := w.below.Header()
	if q := w.q; !q.asked {
		q.asked = true
		_, q.encoded = h["Content-Encoding"]
	}
	return h
}

// strip takes from the header what the handler may have said of its session, for
// a refusal in the place of its answer.
func (w *writer) strip() {
	maps.DeleteFunc(w.below.Header(), func(name string, _ []string) bool {
		return !slices.Contains(siteHeaders, name) && !(name == "Content-Encoding" && (w.q.encoded || !w.q.asked))
	})
}

// siteHeaders are what a site says on every answer, or of the request's origin.
var siteHeaders = []string{
	"Access-Control-Allow-Credentials", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers",
	"Content-Security-Policy", "Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy", "Permissions-Policy",
	"Referrer-Policy", "Strict-Transport-Security", "Vary", "X-Content-Type-Options", "X-Frame-Options",
}

// WriteHeader sends the header, unless the request is over. A status 1xx, except the
// switch of protocols, is not the answer yet: the refusal may still follow.
func (w *writer) WriteHeader(status int) {
	to := sent
	if status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		to = open
	}
	if w.q.pass(to) == nil {
		w.below.WriteHeader(status)
	}
}

// Write sends a part of the body.
func (w *writer) Write(b []byte) (int, error) {
	return write(w, b, func(to io.Writer, b []byte) (int, error) { return to.Write(b) })
}

// WriteString sends a part of the body.
func (w *writer) WriteString(s string) (int, error) { return write(w, s, io.WriteString) }

func write[T []byte | string](w *writer, b T, pass func(io.Writer, T) (int, error)) (n int, err error) {
	for {
		if err := w.q.pass(sent); err != nil {
			return n, err
		}
		part := b[n:min(len(b), n+w.q.piece())]
		m, err := pass(w.below, part)
		n += m
		if err == nil && m < len(part) {
			err = io.ErrShortWrite
		}
		if err != nil || n == len(b) {
			return n, w.q.because(err)
		}
	}
}

// ReadFrom sends everything that src holds. The kernel sends a file, where the
// connection can do that.
func (w *writer) ReadFrom(src io.Reader) (int64, error) {
	if to, ok := w.below.(io.ReaderFrom); ok && regular(src) {
		return w.sendFile(to, src)
	}
	n, err := io.Copy(w.below, source{src, w.q})
	return n, w.q.because(err)
}

// sendFile sends a file in pieces.
func (w *writer) sendFile(to io.ReaderFrom, src io.Reader) (n int64, err error) {
	file, ok := src.(*io.LimitedReader)
	if !ok {
		file = &io.LimitedReader{R: src, N: math.MaxInt64}
	}
	for part := new(io.LimitedReader); file.N > 0; {
		if err := w.q.pass(sent); err != nil {
			return n, err
		}
		size := min(file.N, piece)
		part.R, part.N = file.R, size
		m, err := to.ReadFrom(part)
		n += m
		file.N -= m
		if err != nil || m < size {
			return n, w.q.because(err)
		}
	}
	return n, nil
}

// regular says that src is a file on a disk, or the beginning of one. The kernel can
// send such a file, and reading it never waits for another program.
func regular(src io.Reader) bool {
	if limited, ok := src.(*io.LimitedReader); ok {
		src = limited.R
	}
	file, ok := src.(interface {
		fs.File
		syscall.Conn
	})
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode().IsRegular()
}

// source is a reader that a body is copied from. It ends with the request.
type source struct {
	io.Reader
	q *request
}

func (s source) Read(b []byte) (int, error) {
	if err := s.q.pass(open); err != nil {
		return 0, err
	}
	n, err := s.Reader.Read(b[:min(len(b), piece)])
	if n > 0 {
		if over := s.q.pass(sent); over != nil {
			return 0, over
		}
	}
	return n, err
}

// Flush sends what is buffered.
func (w *writer) Flush() { _ = w.FlushError() }

// FlushError sends what is buffered.
func (w *writer) FlushError() error {
	if err := w.q.pass(open); err != nil {
		return err
	}
	err := http.NewResponseController(w.below).Flush()
	if !errors.Is(err, http.ErrNotSupported) {
		w.q.came(sent)
	}
	return w.q.because(err)
}

// SetReadDeadline moves the deadline of the body, but not past a cut.
func (w *writer) SetReadDeadline(t time.Time) error {
	return w.control(func(c *http.ResponseController) error { return c.SetReadDeadline(t) })
}

// SetWriteDeadline moves the deadline of the answer, but not past a cut.
func (w *writer) SetWriteDeadline(t time.Time) error {
	return w.control(func(c *http.ResponseController) error { return c.SetWriteDeadline(t) })
}

// EnableFullDuplex lets the handler read after it has begun to write.
func (w *writer) EnableFullDuplex() error {
	return w.control((*http.ResponseController).EnableFullDuplex)
}

// control changes the connection, which takes no time. A cut comes before or after,
// never in between.
func (w *writer) control(do func(*http.ResponseController) error) error {
	w.q.mu.Lock()
	defer w.q.mu.Unlock()
	if w.q.over != nil {
		return w.q.over
	}
	return do(http.NewResponseController(w.below))
}

// Push announces what the client will need (HTTP/2).
func (w *writer) Push(target string, opts *http.PushOptions) error {
	if err := w.q.pass(open); err != nil {
		return err
	}
	for below := w.below; below != nil; below = unwrapped(below) {
		if pusher, ok := below.(http.Pusher); ok {
			return pusher.Push(target, opts)
		}
	}
	return http.ErrNotSupported
}

// CloseNotify returns a channel that receives once, when the client has gone or the
// request is over. It is for libraries that were written before requests had contexts.
func (w *writer) CloseNotify() <-chan bool {
	gone := make(chan bool, 2) // the client goes, and the request is cut
	q := w.q
	context.AfterFunc(q.holder.Context, func() { gone <- true })
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.over != nil {
		gone <- true
	} else {
		q.seldom().gone = append(q.seldom().gone, gone)
	}
	return gone
}

// leads says that everything that is written to from passes this writer.
func (w *writer) leads(from http.ResponseWriter) bool {
	for ; from != nil; from = unwrapped(from) {
		if from == http.ResponseWriter(w) {
			return true
		}
	}
	return false
}

// unwrapped is the writer beneath one, or nil.
func unwrapped(w http.ResponseWriter) http.ResponseWriter {
	if u, ok := w.(interface{ Unwrap() http.ResponseWriter }); ok {
		return u.Unwrap()
	}
	return nil
}

// innermost is the writer beneath all others, as far as their Unwrap methods lead.
func innermost(w http.ResponseWriter) http.ResponseWriter {
	for next := unwrapped(w); next != nil; next = unwrapped(w) {
		w = next
	}
	return w
}

// reaches says that deadlines can be set through a writer.
func reaches(w http.ResponseWriter) bool {
	for ; w != nil; w = unwrapped(w) {
		if _, ok := w.(interface{ SetWriteDeadline(time.Time) error }); ok {
			return true
		}
	}
	return false
}

// written says that an answer has begun that did not pass the guard's writer. It is
// known where a writer has a method Written, as those of gin and negroni have.
func written(w http.ResponseWriter) bool {
	for ; w != nil; w = unwrapped(w) {
		if said, ok := w.(interface{ Written() bool }); ok {
			return said.Written()
		}
	}
	return false
}

// begun says the same where the innermost writer is a server's own. Servers have no
// method for it, but they show it: WriteHeader(0) panics, unless the header has gone
// out, because then the status is ignored. The writers in between are not called.
// It is called for a request that was cut only, because net/http logs the second case
// as a superfluous WriteHeader.
func begun(w http.ResponseWriter) (yes bool) {
	w = innermost(w)
	switch fmt.Sprintf("%T", w) {
	case "*http.response", "*http.http2responseWriter", "*http2.responseWriter", "*http3.responseWriter", "*httptest.ResponseRecorder":
	default:
		return false
	}
	defer func() { yes = recover() == nil }()
	w.WriteHeader(0)
	return true
}

// body is the body of a request under a guard. Once the request is over, Read returns
// why.
type body struct {
	io.ReadCloser // nil: there is none
	q             *request
}

func (b *body) Read(p []byte) (int, error) {
	if err := b.q.pass(open); err != nil {
		return 0, err
	}
	n, err := b.ReadCloser.Read(p)
	if over := b.q.pass(open); over != nil {
		return 0, over // what was read while the request was cut is not handed on
	}
	return n, err
}

// hidden logs once that a connection cannot be reached.
func (g *Guard) hidden(w http.ResponseWriter) {
	g.hides.Do(func() {
		g.seats.Config().Logger.Warn("a middleware around the guard hides the connection: a request that is cut while it waits in a write or a read goes on waiting. "+
			"Give the middleware's ResponseWriter a method Unwrap() http.ResponseWriter, or put the middleware inside the guard", "writer", fmt.Sprintf("%T", innermost(w)))
	})
}

// bypassed logs once that an answer did not pass the guard's writer.
func (g *Guard) bypassed(w http.ResponseWriter) {
	g.loses.Do(func() {
		g.seats.Config().Logger.Warn("an answer did not pass the guard's writer: an adapter between the guard and the handler passes the request on, and lets the handler write to another writer. Nothing there can be cut. "+
			"See \"Frameworks and middleware\" in docs/howto", "writer", fmt.Sprintf("%T", w))
	})
}
