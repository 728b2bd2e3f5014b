package ginapp

import (
	"bufio"
	"io"
	"net"
	"net/http"

	"github.com/gin-gonic/gin"
)

// Adapt makes a middleware of gin out of one of net/http. Handlers after it write to
// the writer that the middleware gives them. An adapter that kept gin's own writer
// would lead them past the guard, and nothing could be cut.
func Adapt(m func(http.Handler) http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		below, passed := c.Writer, false
		m(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			passed = true
			c.Request, c.Writer = r, &writer{below, w}
			c.Next()
		})).ServeHTTP(below, c.Request)
		if c.Writer = below; !passed {
			c.Abort()
		}
	}
}

// writer is gin's writer for the status and the size, and sends through to.
type writer struct {
	gin.ResponseWriter
	to http.ResponseWriter
}

func (w *writer) Write(b []byte) (int, error)       { return w.to.Write(b) }
func (w *writer) WriteString(s string) (int, error) { return io.WriteString(w.to, s) }
func (w *writer) WriteHeaderNow()                   { _, _ = w.to.Write(nil) }
func (w *writer) Flush()                            { _ = w.FlushError() }
func (w *writer) FlushError() error                 { return http.NewResponseController(w.to).Flush() }
func (w *writer) Unwrap() http.ResponseWriter       { return w.to }

func (w *writer) ReadFrom(src io.Reader) (int64, error) { return io.Copy(w.to, src) }

func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(w.to).Hijack()
}

func (w *writer) CloseNotify() <-chan bool {
	return w.to.(http.CloseNotifier).CloseNotify() // c.Stream asks for it
}
