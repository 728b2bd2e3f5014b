package oneseathttp

import (
	"errors"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp/internal/answer"
)

// ErrClosing is returned by [Endless.Send] after [Guard.Drain]: the part was sent, and
// the answer is over.
var ErrClosing = errors.New("oneseathttp: the guard was drained, because the server is shut down: end this answer, and the client comes back elsewhere")

// Drain ends the answers that would keep a server from shutting down, because they have
// no end. Everything else is served as before. A server calls it when it shuts down:
//
//	server.RegisterOnShutdown(guard.Drain)
//
// The event streams of pages end with the event "closing", and requests for new ones get
// 503 and the reason "closing", with Retry-After. oneseat.js opens the stream again,
// which a proxy then sends to another node. No session has ended. A player's heartbeat
// that waits gets the same 503. An [Endless] ends by itself. Any other answer of yours
// that has no end has to listen to [Guard.Draining].
//
// What to close, in this order:
//
//	server.Shutdown(ctx)  // drains, and waits for requests in flight: downloads, sign-ins, payments
//	seats.Close()         // cuts what is still in flight when Shutdown's time is over
//	store.Close()
//
// Drain returns at once. It cannot be undone, and calling it again does nothing.
func (g *Guard) Drain() { g.drain() }

// Draining returns a channel that [Guard.Drain] closes. It is for an answer without an
// end that is no [Endless], and for readiness: a node that drains wants no new
// requests.
func (g *Guard) Draining() <-chan struct{} { return g.undrained.Done() }

// drained reports whether the guard was drained.
func (g *Guard) drained() bool { return g.undrained.Err() != nil }

// isClosing says that a request is refused only because this server is shut down.
// ErrLimitUnknown may wrap ErrClosing, because it wraps any error of the application.
func isClosing(why error) bool {
	return errors.Is(why, ErrClosing) || errors.Is(why, oneseat.ErrClosed) && !errors.Is(why, oneseat.ErrLimitUnknown)
}

// closing tells a program that this server is shut down.
func (g *Guard) closing() answer.Problem { return g.problem("closing", "refused.closing") }
