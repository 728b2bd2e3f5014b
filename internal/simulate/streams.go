package simulate

import (
	"context"
	"errors"
	"slices"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/record"
)

// played is a stream as a client knows it.
type played struct {
	of     *pass
	stream oneseat.Stream
	player string
	over   bool // a heartbeat was told so
}

// stream does something with a stream: it starts, keeps, checks, stops or holds one.
func (c *client) stream(op *call) bool {
	if op.on == nil || !c.w.plan.plays || !c.dice.percent(55) {
		return false
	}
	c.book.mu.Lock()
	all := slices.Clone(c.book.played[c.account])
	c.book.mu.Unlock()
	chance := c.dice.IntN(100)
	if len(all) == 0 {
		chance = 0
	}
	pick := func() played {
		n := len(all)
		return all[n-1-min(c.dice.IntN(n), c.dice.IntN(n), c.dice.IntN(n))]
	}
	if chance >= 25 {
		p := pick()
		op.stream, op.on = p.stream, p.of
	}
	switch {
	case chance < 25:
		op.what, op.player = "play", oneOf(c.dice, "television", "tablet", "telephone")
		if len(all) > 0 && c.dice.percent(40) {
			p := pick()
			op.chose = []oneseat.SessionID{p.stream.ID}
			if c.dice.percent(30) { // again, by the same player
				op.on, op.player, op.chose = p.of, p.player, nil
			}
		}
	case chance < 55:
		op.what = "beat"
	case chance < 72:
		op.what = "check stream"
	case chance < 76:
		op.what = "streams"
	case chance < 82:
		op.what = "stop"
	case chance < 85:
		op.what = "end stream"
	default:
		op.what = "hold stream"
	}
	return true
}

// doStream makes a call about a stream.
func (c *client) doStream(ctx context.Context, op *call) (s oneseat.Stream, err error) {
	switch u, of, id := op.up, op.on.grant.Session, op.stream.ID; op.what {
	case "play":
		return u.StartStream(ctx, of, oneseat.Player{ID: op.player, Instead: op.chose})
	case "beat":
		err = u.Heartbeat(ctx, of, id)
	case "check stream":
		return u.CheckStream(ctx, of, id)
	case "streams":
		var all []oneseat.Stream
		all, err = u.Streams(ctx, accountName(op.account))
		for _, s := range all {
			op.listed = append(op.listed, s.ID)
		}
	case "stop":
		err = u.StopStream(ctx, of, id)
	case "end stream":
		op.count, err = u.End(ctx, accountName(op.account), oneseat.EndOptions{}, id)
	case "hold stream":
		c.enterStream(ctx, op)
	}
	return s, err
}

// remember keeps the stream that an operation has returned, for other clients.
func (b *book) remember(op *call, s oneseat.Stream, err error) {
	full, ok := errors.AsType[*oneseat.LimitError](err)
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case op.what == "beat" && err != nil:
		for i := range b.played[op.account] {
			p := &b.played[op.account][i]
			p.over = p.over || p.stream.ID == op.stream.ID
		}
	case op.what == "play" && err == nil:
		b.played[op.account] = append(b.played[op.account], played{of: op.on, stream: s, player: op.player})
	case ok && op.what == "sign in" && full.Ticket != "":
		b.offers[op.account] = append(b.offers[op.account], offer{full.Ticket, op.device, full.Live})
	}
}

// enterStream begins work that ends with a stream.
func (c *client) enterStream(ctx context.Context, op *call) {
	w := c.w
	h := &hold{call: op}
	stop := op.up.AfterStreamEnd(ctx, op.stream, h.SessionEnded)
	w.mu.Lock()
	defer w.mu.Unlock()
	h.stop, h.opened, h.on = stop, w.stamp(), w.ledger.byID[op.stream.ID]
	w.holds = append(w.holds, h)
	c.holds = append(c.holds, h)
	if h.cut.seq != 0 {
		w.judgeCut(h)
	}
}

// streamEnded notes that a stream has ended, and returns its ending. The ending leaves
// a trace if the stream's player has to be told.
func (l *ledger) streamEnded(e *effect, was record.Seat, after *record.Record, c oneseat.Change) (oneseat.Ending, bool) {
	at := slices.IndexFunc(c.Events, func(e oneseat.Event) bool { return e.Type == oneseat.EventStreamEnded && e.Session == was.ID })
	if at < 0 {
		l.w.violate(p3, e.by, "%s is gone, and the log does not say so", l.name(was.ID))
		return oneseat.Ending{}, false
	}
	end := c.Events[at].Ending()
	parent := slices.ContainsFunc(after.Seats, func(s record.Seat) bool { return s.ID == was.Parent })
	told := parent && end.Reason != oneseat.ReasonSignedOut && end.Reason != oneseat.ReasonIdleTimeout
	kept := slices.ContainsFunc(after.Endings, func(o record.Ended) bool { return o.Ending() == end })
	if told && !kept && len(after.Endings) < oneseat.MaxEndings {
		l.w.violate(p3, e.by, "%s is gone without a record of its end", l.name(was.ID))
	}
	return end, true
}

// orphans checks that the session of a stream is live, and that a player has one
// stream.
func (l *ledger) orphans(e *effect, after *record.Record) {
	for i, s := range after.Seats {
		if s.Parent == "" {
			continue
		}
		if slices.ContainsFunc(after.Seats[:i], func(o record.Seat) bool { return o.Parent == s.Parent && o.DeviceID == s.DeviceID }) {
			l.w.violate(p1, e.by, "the player of %s has another stream", l.name(s.ID))
		}
		at := slices.IndexFunc(after.Seats, func(o record.Seat) bool { return o.ID == s.Parent })
		if at < 0 || after.Seats[at].Parent != "" {
			l.w.violate(p3, e.by, "%s is live, and its session is not", l.name(s.ID))
		}
	}
}

// judgeStream judges calls about one stream.
func (w *world) judgeStream(c *call) {
	s := w.ledger.byID[c.stream.ID]
	if s == nil {
		w.violate(p2, c, "a stream was returned that was never committed")
		return
	}
	switch c.said {
	case "yes":
		w.judgeStreamYes(c, s)
	case "ended":
		w.judgeEnded(c, s, c.ending, c.back)
		w.told(c.up, s, c.back)
	case "none":
		w.judgeNone(c, s, nil)
	}
}

func (w *world) judgeStreamYes(c *call, s *session) {
	if c.what == "check stream" {
		if c.session != s.id {
			w.violate(p2, c, "%s is taken for %s", s, w.ledger.name(c.session))
			return
		}
		w.judgeYes(c, s, nil)
		return
	}
	if s.vague {
		return
	}
	if s.over.before(c.began) {
		w.violate(p4, c, "node %d keeps %s, whose end had been recorded %v before", c.up.number, s, c.began.at-s.over.at)
	}
	s.active = max(s.active, c.began.at)
	if n := len(s.endings); n > 0 && s.made.before(s.endings[n-1].moment) { // and not that of an earlier start
		w.judgeIdle(c, s, s.endings[n-1].Ending)
	}
}

// judgePlay checks that a stream is live, and belongs to the session and the player
// that asked.
func (w *world) judgePlay(c *call) {
	parent := w.ledger.byID[c.on.grant.Session.ID]
	switch c.said {
	case "yes":
		s := w.ledger.byID[c.session]
		switch {
		case s == nil:
			w.violate(p2, c, "StartStream returned a stream that was never committed")
		case s.parent != c.on.grant.Session.ID:
			w.violate(p2, c, "StartStream returned %s, which is another session's", s)
		case s.by != nil && s.by.player != c.player:
			w.violate(p2, c, "StartStream returned %s, which is another player's", s)
		case !s.vague && s.over.before(c.began):
			w.violate(p4, c, "StartStream returned %s, whose end had been recorded %v before", s, c.began.at-s.over.at)
		case parent != nil && !parent.vague && parent.lost.seq == 0 && parent.over.before(c.began):
			w.violate(p4, c, "%s begins, of a session whose end had been recorded %v before", s, c.began.at-parent.over.at)
		}
		w.serve(c)
	case "ended":
		s := w.ledger.byID[c.ending.Session]
		switch {
		case s == nil || s != parent && s.parent != c.on.grant.Session.ID:
			w.violate(p2, c, "StartStream tells of the end of %s", w.ledger.name(c.ending.Session))
		default:
			w.judgeEnded(c, s, c.ending, c.back)
		}
	case "none":
		if parent != nil {
			w.judgeNone(c, parent, nil)
		}
	case "full":
		w.judgeFull(c)
		w.serve(c)
	case "blocked":
		w.judgeBlocked(c)
	}
}

// parentsEnding reports whether e is the end of a stream's session, answered as the
// stream's own.
func (w *world) parentsEnding(s *session, e oneseat.Ending, by moment) bool {
	p := w.ledger.byID[s.parent]
	return p != nil && slices.ContainsFunc(p.endings, func(r recorded) bool {
		mine := r.Ending
		mine.Session, mine.Parent = s.id, s.parent
		return r.before(by) && (mine == e || r.Ending == e)
	})
}
