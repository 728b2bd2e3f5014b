package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
)

// record is what the log has of a call. Nothing in it was written by the caller, but for
// an id that may stand in a log: no account, no token, no key and no body (AUD-04).
type record struct {
	id      string // of the request
	theirs  string // the caller's own id of it
	path    string // of the call; "": there is no such call
	route   *route // of the call, or nil
	realm   *realm // of the key, or nil
	key     *Key   // nil: none that is known
	began   time.Time
	status  int
	problem string // the name of a refusal
	err     error  // why there was no answer
	gone    bool   // the caller went away before the answer, which is nobody's failure
}

// oftenYes are the calls whose answer 200 is logged at Debug only. A site makes a check for
// each of its pages, and has a line for the page in its own log. A caller that watches asks
// for changes several times a second.
var oftenYes = map[string]bool{api.PathCheck: true, api.PathChanges: true}

// log writes a call's line.
func (s *Server) log(ctx context.Context, c *record) {
	level := slog.LevelInfo
	switch {
	case c.err != nil:
		level = slog.LevelWarn
	case oftenYes[c.path] && (c.status == http.StatusOK || c.gone):
		level = slog.LevelDebug
	}
	if !s.config.Logger.Enabled(ctx, level) {
		return
	}
	line := []slog.Attr{
		slog.String("request", c.id), slog.String("path", c.path), slog.Int("status", c.status),
		slog.Float64("ms", float64(time.Since(c.began).Microseconds())/1000),
	}
	if c.key != nil {
		line = append(line, slog.String("key", c.key.ID), slog.String("realm", c.key.Realm))
	}
	if c.theirs != "" {
		line = append(line, slog.String("theirs", c.theirs))
	}
	switch {
	case c.gone:
		line = append(line, slog.Bool("caller_gone", true))
	case c.problem != "":
		line = append(line, slog.String("problem", c.problem))
	}
	if c.err != nil {
		line = append(line, slog.String("error", reason(c.err)))
	}
	s.config.Logger.LogAttrs(ctx, level, "call", line...)
}

// reason says why there was no answer, in words of oneseat's own: the text of an error
// may be an application's, a database's, or have what a caller wrote. The registry's
// lines have more, once a minute.
func reason(err error) string {
	if store, ok := errors.AsType[*oneseat.StoreError](err); ok {
		return "store: " + string(store.Failure)
	}
	for _, known := range []error{
		oneseat.ErrLimitUnknown, oneseat.ErrUnknownOutcome, oneseat.ErrStoreUnavailable, oneseat.ErrClosed, context.DeadlineExceeded,
	} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	if p, ok := errors.AsType[*oneseat.PanicError](err); ok {
		return "a change panicked with " + panicked(p.Value)
	}
	return fmt.Sprintf("%T", err)
}

// panicked names what code panicked with. Its text may have what a caller wrote, so only
// the runtime's own is shown.
func panicked(p any) string {
	if e, ok := p.(runtime.Error); ok {
		return e.Error()
	}
	return fmt.Sprintf("a %T", p)
}

// panics logs that a call panicked.
func (s *Server) panics(c *record, p any) {
	s.config.Logger.Error("a call panicked", "request", c.id, "path", c.path, "panic", panicked(p), "stack", string(debug.Stack()))
}

var harmless = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// inbound is the id that the caller gave the request, if it may stand in a log.
func inbound(r *http.Request) string {
	if id := r.Header.Get("X-Request-Id"); harmless.MatchString(id) {
		return id
	}
	return ""
}
