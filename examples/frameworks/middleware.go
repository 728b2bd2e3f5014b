package frameworks

import (
	"log/slog"
	"net/http"
	"time"
)

// AccessLog logs every request when it has ended.
func AccessLog(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began, noted := time.Now(), &noting{ResponseWriter: w}
		defer func() { // also when the request was cut
			log.InfoContext(r.Context(), "request", "method", r.Method, "path", r.URL.Path, "status", noted.status, "took", time.Since(began))
		}()
		next.ServeHTTP(noted, r)
	})
}

// noting notes the status of an answer.
type noting struct {
	http.ResponseWriter
	status int
}

func (w *noting) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *noting) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// Unwrap lets others reach the connection.
func (w *noting) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Recover logs what a handler panics with, and answers 500 if nothing was sent.
func Recover(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch p := recover(); p {
			case nil:
			case http.ErrAbortHandler:
				panic(p) // this is no fault: the server breaks the answer off
			default:
				log.ErrorContext(r.Context(), "panic", "path", r.URL.Path, "panic", p)
				http.Error(w, "Something went wrong.", http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}
