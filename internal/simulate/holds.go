package simulate

import (
	"context"
	"slices"
	"time"

	"github.com/oneseat/oneseat"
)

// hold is work that goes on as long as its session.
type hold struct {
	*call
	on       *session
	opened   moment // from when on it was certainly watched
	cut      moment
	cause    error
	let      bool // it is being released, which takes as long as the node is paused
	released moment
	watch    oneseat.Watch
	stop     func()          // in the place of the watch
	ctx      context.Context // in the place of SessionEnded
	active   bool            // it counts as use of its session
}

// SessionEnded implements [oneseat.Watcher].
func (h *hold) SessionEnded(cause error) {
	w := h.up.link.w
	w.mu.Lock()
	defer w.mu.Unlock()
	h.cut, h.cause = w.stamp(), cause
	if h.opened.seq != 0 {
		w.judgeCut(h)
	}
}

// hold begins a hold, and ends one that was begun before.
func (c *client) hold(op *call) {
	if len(c.holds) > 2 {
		i := c.dice.IntN(len(c.holds))
		c.w.release(c.holds[i])
		c.holds = slices.Delete(c.holds, i, i+1)
	}
	op.what = oneOf(c.dice, "hold", "hold", "hold by id", "watch")
	op.brief = op.brief && op.what != "hold by id" // it lasts as long as its context
	c.do(op)
}

func (c *client) enter(ctx context.Context, op *call, token string) (oneseat.Session, error) {
	h := &hold{call: op, active: true}
	s, err := op.up.CheckAndWatch(ctx, token, true, &h.watch, h)
	if err != nil {
		return oneseat.Session{}, err
	}
	w := c.w
	w.mu.Lock()
	defer w.mu.Unlock()
	h.opened, h.on = w.stamp(), w.ledger.byID[s.ID]
	w.holds = append(w.holds, h)
	c.holds = append(c.holds, h)
	if h.cut.seq != 0 {
		w.judgeCut(h)
	}
	return *s, nil
}

// release ends a hold whose work is done.
func (w *world) release(h *hold) {
	w.mu.Lock()
	h.let = true
	w.mu.Unlock()
	if h.stop != nil {
		h.stop()
	}
	h.watch.Stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	if h.cut.seq == 0 {
		h.released = w.stamp()
		w.judgeLate(h)
		w.noteHeld(h)
	}
}

// enterByID begins work of a session that the application vouches for. The work uses
// the session, or only watches it.
func (c *client) enterByID(ctx context.Context, op *call, s oneseat.Session) error {
	w := c.w
	h := &hold{call: op, active: op.what == "hold by id"}
	var gone context.Context
	if h.active {
		held, cancel := op.up.Hold(ctx, s)
		quiet := context.AfterFunc(held, func() { h.SessionEnded(context.Cause(held)) })
		gone, h.stop = held, func() { quiet(); cancel() }
	} else {
		h.stop = op.up.AfterEnd(ctx, s, h.SessionEnded)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	h.opened, h.on, h.ctx = w.stamp(), w.ledger.byID[s.ID], gone
	if gone != nil && gone.Err() != nil {
		return context.Cause(gone)
	}
	w.holds = append(w.holds, h)
	c.holds = append(c.holds, h)
	if h.cut.seq != 0 {
		w.judgeCut(h)
		return h.cause
	}
	return nil
}

// at reports whether work is going on at a time.
func (h *hold) at(t time.Duration) bool {
	return h.opened.at <= t && (h.cut.seq == 0 || h.cut.at >= t) && (h.released.seq == 0 || h.released.at >= t)
}

// isCut reports whether work has learned that it has to stop. A context shows that by
// itself; a watcher is called later.
func (h *hold) isCut() bool { return h.cut.seq != 0 || h.ctx != nil && h.ctx.Err() != nil }

// noteHeld notes that work that went on for long was a use of its session when it
// ended.
func (w *world) noteHeld(h *hold) {
	if w.plan.orderly && h.active && h.on != nil {
		h.on.uses = append(h.on.uses, use{h.released.at, h.released.at, h.released.at-h.opened.at >= orderEvery})
	}
}
