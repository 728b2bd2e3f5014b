package oneseat

import "context"

// RequestInfo is what is known about the session of a request. It is a context
// itself. An HTTP layer makes one from the request's context with [NewContext], and
// changes it when the request signs in or out, so that [SessionFrom] returns the
// session of that moment. The request's goroutine owns it.
type RequestInfo struct {
	context.Context
	Session *Session // nil: nobody is signed in. Shared: never modified
	Ending  *Ending  // how the presented session ended; nil: that is not known
	Rotated bool     // the token is the one that the session's last rotation replaced: it may check and sign out, and nothing else
	Request any      // the HTTP layer's own
}

type requestInfoKey struct{}

// NewContext makes h a child of ctx, and returns h.
func NewContext(ctx context.Context, h *RequestInfo) context.Context {
	h.Context = ctx
	return h
}

// Value returns h for [FromContext], and what the parent context has for any other
// key.
func (h *RequestInfo) Value(key any) any {
	if key == (requestInfoKey{}) {
		return h
	}
	return h.Context.Value(key)
}

// SessionFrom returns the session of the request that ctx belongs to, and whether
// there is one. It panics outside oneseathttp's Wrap and Require, where "nobody"
// would be a wrong answer.
func SessionFrom(ctx context.Context) (Session, bool) {
	if s := mustFromContext(ctx).Session; s != nil {
		return *s, true
	}
	return Session{}, false
}

// EndingFrom returns how the session that the request presented has ended, and
// whether that is known. It panics where SessionFrom does.
func EndingFrom(ctx context.Context) (Ending, bool) {
	if e := mustFromContext(ctx).Ending; e != nil {
		return *e, true
	}
	return Ending{}, false
}

// FromContext returns what [NewContext] put into ctx, or nil.
func FromContext(ctx context.Context) *RequestInfo {
	h, _ := ctx.Value(requestInfoKey{}).(*RequestInfo)
	return h
}

func mustFromContext(ctx context.Context) *RequestInfo {
	h := FromContext(ctx)
	if h == nil {
		panic("oneseat: this context has passed neither Guard.Wrap nor Guard.Require: serve guard.Wrap(mux) instead of mux, and pass r.Context() on")
	}
	return h
}
