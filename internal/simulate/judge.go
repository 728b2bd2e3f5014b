package simulate

import (
	"errors"
	"slices"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/record"
)

const (
	rotateGrace = 10 * time.Second // how long the token before a rotation may check
	loadTimeout = 2 * time.Second  // of a registry's reads
)

// judge compares an answer with what has really happened. The caller holds the lock,
// for this function and all below.
func (w *world) judge(c *call) {
	switch c.said {
	case "error":
		if _, format := errors.AsType[*oneseat.FormatError](c.err); !format || w.ledger.upset.seq == 0 {
			w.violate(p2, c, "%s: %v", c.what, c.err)
		}
		return
	case "closed":
		if !c.up.closing.before(c.back) {
			w.violate(p2, c, "node %d says that it is closed", c.up.number)
		}
		return
	case "given up", "unavailable", "unknown":
		if !c.brief && c.up.link.lastFailure() < c.began.at && !c.up.closing.before(c.back) && !w.keptChanging(c) && !(c.said == "unknown" && w.mayBeUnknown(c)) {
			w.violate(p2, c, "node %d says %q, and the store had answered every call", c.up.number, c.said)
		}
		return
	}
	if w.judgeAttempt(c) {
		return
	}
	switch c.what {
	case "check", "peek", "check id", "hold", "hold by id", "watch":
		w.judgeCheck(c)
	case "list", "streams":
		w.judgeList(c)
	case "sign in", "redeem", "adopt":
		w.judgeSignIn(c)
	case "play":
		w.judgePlay(c)
	case "check stream", "beat":
		w.judgeStream(c)
	case "hold stream": // see judgeCut
	default:
		w.judgeEnd(c)
	}
}

// stale returns how old a yes may be. It is 0 where each check reads the store.
func (w *world) stale() time.Duration { return max(0, w.plan.config.MaxStale) }

// tooLate reports whether c began later than this long after m.
func tooLate(c *call, m moment, after time.Duration) bool {
	return m.before(c.began) && (after == 0 || m.at < c.began.at-after)
}

func (w *world) judgeCheck(c *call) {
	s := w.ledger.byID[c.on.grant.Session.ID]
	sec := w.ledger.bySecret[c.on.digest]
	if s == nil || sec == nil || sec.session != s {
		w.violate(p2, c, "a token was returned that was never committed")
		return
	}
	byID := c.what == "check id" || c.what == "hold by id" || c.what == "watch"
	if byID {
		sec = s.secrets[len(s.secrets)-1]
	}
	switch c.said {
	case "yes":
		if c.session != s.id {
			w.violate(p2, c, "the token of %s is taken for that of %s", s, w.ledger.name(c.session))
			return
		}
		w.judgeYes(c, s, sec)
	case "ended":
		w.judgeEnded(c, s, c.ending, c.back)
		w.told(c.up, s, c.back)
	case "none":
		if byID {
			sec = nil
		}
		w.judgeNone(c, s, sec)
	}
}

func (w *world) judgeYes(c *call, s *session, sec *secret) {
	n := c.up.number
	w.judgeClosed(c)
	if s.vague {
		return
	}
	switch ago := c.began.at - s.over.at; {
	case tooLate(c, s.over, w.stale()):
		w.violate(p4, c, "node %d says yes to %s, whose end had been recorded %v before", n, s, ago)
	case s.over.seq != 0 && s.served[n].before(c.began):
		w.violate(p4, c, "node %d says yes to %s, whose end had been returned there %v before", n, s, c.began.at-s.served[n].at)
	case s.over.seq != 0 && s.told[n].before(c.began):
		w.violate(p3, c, "node %d says yes to %s, of which it had said that it has ended", n, s)
	case s.lost.seq == 0 && w.deadline(s) != 0 && w.deadline(s) <= c.began.at:
		w.violate(timeouts, c, "node %d says yes to %s, which had timed out %v before", n, s, c.began.at-w.deadline(s))
	case tooLate(c, s.lost.moment, min(s.lost.remembered, w.stale()*60)):
		w.violate(p4, c, "node %d says yes to %s, whose record had been lost %v before", n, s, c.began.at-s.lost.at)
	}
	if s.parent == "" && (c.what == "check" || c.what == "check id" || c.what == "hold") {
		w.used(c, s)
	}
	if s.lost.seq != 0 || sec == nil || sec.until.seq == 0 {
		return
	}
	if next := s.secrets[sec.place+1]; tooLate(c, next.until, w.stale()) {
		w.violate(p3, c, "node %d says yes to a token of %s that was rotated away twice, the last time %v before", n, s, c.began.at-next.until.at)
	}
	if tooLate(c, sec.until, w.stale()+rotateGrace) && !w.plan.mishaps(clockStep) {
		w.violate(p3, c, "node %d says yes to a token of %s that was rotated away %v before", n, s, c.began.at-sec.until.at)
	}
}

// used notes that a session was active, which kept it from idling. Its last use is
// known to the interval of touches, and exactly where no call has failed.
func (w *world) used(c *call, s *session) {
	s.active = max(s.active, c.began.at)
	if n := len(s.endings); n > 0 {
		w.judgeIdle(c, s, s.endings[n-1].Ending)
	}
}

func (w *world) judgeIdle(by *call, s *session, e oneseat.Ending) {
	if e.Reason != oneseat.ReasonIdleTimeout || s.active == 0 || w.plan.mishaps(clockStep, restored) {
		return // a touch may have been lost
	}
	every, after := w.plan.config.Idle/10, e.At.Sub(w.start)-s.active
	if s.parent != "" { // a heartbeat is written before it is answered
		every = w.plan.config.StreamIdle * 9 / 10
		if p := w.ledger.byID[s.parent]; p != nil && len(p.endings) > 0 && p.endings[len(p.endings)-1].At.Equal(e.At) {
			return // its session was idle
		}
	}
	if after < every {
		w.violate(p2, by, "%s is ended, %s, only %v after it was active", s, e.Reason, after)
	}
}

// judgeClosed checks that a yes rests on an answer of the store that is new enough,
// about the account and about the realm.
func (w *world) judgeClosed(c *call) {
	l := c.up.link
	for _, k := range []oneseat.Key{oneseat.KeyOf(realm, accountName(c.account)), oneseat.KeyOf(realm, "")} {
		l.mu.Lock()
		at, ok := l.answered[k]
		at = max(at, l.heard[k.Partition(len(l.heard))])
		l.mu.Unlock()
		if !ok || at < c.began.at-w.stale() {
			w.violate(p5, c, "node %d says yes, and the last answer of the store about %s was asked for %v before", c.up.number, map[bool]string{true: "the realm", false: "the account"}[w.ledger.keys[k] == control], c.began.at-at)
			return
		}
	}
}

// judgeEnded checks that an ending that is answered has been recorded.
func (w *world) judgeEnded(c *call, s *session, e oneseat.Ending, by moment) {
	if s.vague || s.parent != "" && w.parentsEnding(s, e, by) {
		return
	}
	if e.Session != s.id && (s.parent == "" || e.Session != s.parent) {
		w.violate(p2, c, "the end of %s is told for that of %s", w.ledger.name(e.Session), s)
		return
	}
	for _, r := range s.endings {
		if r.Ending == e && r.before(by) {
			return
		}
	}
	if e.Reason == oneseat.ReasonRealmEnded {
		for _, r := range w.ledger.realm {
			if r.before(by) && r.epoch > s.epoch {
				return
			}
		}
	}
	w.violate(p2, c, "node %d says that %s has ended (%s), and nothing had recorded that", c.up.number, s, e.Reason)
}

// judgeNone checks an answer that there is no session: it never existed, its token was
// rotated away, or its record is forgotten or lost. sec is nil for a look-up by id.
func (w *world) judgeNone(c *call, s *session, sec *secret) {
	switch {
	case s.vague || s.lost.seq != 0:
	case sec != nil && sec.until.before(c.back): // rotated away
		// The token's seconds count from the view that the rotation was made of.
		if c.back.at < sec.until.at+rotateGrace-oneseat.MaxUpdateAge && sec.place == len(s.secrets)-2 && !s.over.before(c.back) && !w.plan.mishaps(clockStep) {
			w.violate(p2, c, "node %d refuses a token of %s that was rotated away only %v before", c.up.number, s, c.back.at-sec.until.at)
		}
	case !s.over.before(c.back):
		w.violate(p2, c, "node %d refuses %s, which is live", c.up.number, s)
	case s.over.before(c.began) && w.kept(s):
		w.violate(p2, c, "node %d does not know %s, whose end is on record", c.up.number, s)
	}
}

// kept reports whether the ending of a session is still in its roster.
func (w *world) kept(s *session) bool {
	ro := w.store.rows[oneseat.KeyOf(realm, accountName(s.account))].record
	return ro != nil && slices.ContainsFunc(ro.Endings, func(e record.Ended) bool { return e.Session == s.id })
}

// judgeList checks that everything that is listed was live at some time of the call,
// and that everything that was live all the time is listed. A session that has timed
// out is not listed, even if nothing has recorded that.
func (w *world) judgeList(c *call) {
	for _, s := range w.ledger.sessions {
		listed := slices.Contains(c.listed, s.id)
		switch {
		case s.account != c.account || s.vague || s.lost.seq != 0 || (s.parent != "") != (c.what == "streams"):
		case listed && s.over.before(c.began):
			w.violate(p4, c, "%s is listed, whose end had been recorded %v before", s, c.began.at-s.over.at)
		case !listed && s.made.before(c.began) && s.over.seq == 0 && !w.timedOut(s, c):
			w.violate(p2, c, "%s, which is live, is not listed", s)
		}
	}
}

// timedOut reports whether a session may have timed out at some time of a call, going
// by what was stored then. A touch that was made in time may be stored later.
func (w *world) timedOut(s *session, c *call) bool {
	seen := s.lastSeen
	for _, old := range slices.Backward(s.seen) {
		if !c.began.before(old.until) {
			break
		}
		seen = old.lastSeen
	}
	d := w.deadlineOf(s, seen)
	return d != 0 && d <= c.back.at || w.plan.mishaps(clockStep, restored)
}

func (w *world) judgeSignIn(c *call) {
	var s *session
	if c.said == "yes" {
		s = w.ledger.byID[c.granted.grant.Session.ID]
	} else if c.said == "ended" {
		s = w.ledger.byID[c.ending.Session]
	}
	switch {
	case c.said == "none" && c.what == "adopt":
	case c.said == "bad ticket" && c.what == "redeem":
		w.judgeTicket(c)
	case c.said == "blocked":
		w.judgeBlocked(c)
	case c.said == "full":
		if w.plan.config.WhenFull == oneseat.PolicyDisplace {
			w.violate(p2, c, "a sign-in is refused where the older session is to go")
		}
		if asked := c.full.Ticket != ""; asked != (w.plan.config.WhenFull == oneseat.PolicyAsk) && !w.manyAsked(c) || asked && w.ledger.tickets[digestOfSecret(oneseat.TicketPrefix, string(c.full.Ticket))] == nil {
			w.violate(p2, c, "a sign-in is refused without a ticket that is good, or with one that nobody needs")
		}
		w.judgeFull(c)
		w.serve(c)
	case s == nil || !w.ledger.madeBy(s, c):
		w.violate(p2, c, "SignIn returned a session that it had not committed")
	case c.said == "ended":
		w.judgeEnded(c, s, c.ending, c.back)
	case w.ledger.bySecret[c.granted.digest] == nil:
		w.violate(p2, c, "SignIn returned a token that it had not committed")
	}
	if c.said == "yes" {
		w.serve(c)
		w.judgeDisplaced(c)
	}
	if c.said == "yes" && c.what == "redeem" {
		w.judgeRedeemed(c)
	}
}

// judgeEnd judges calls that end sessions or replace a token.
func (w *world) judgeEnd(c *call) {
	if c.said == "ended" && c.author() != nil {
		if s := w.ledger.byID[c.author().grant.Session.ID]; s != nil {
			w.judgeEnded(c, s, c.ending, c.back)
		}
		return
	}
	if c.said == "rotated" {
		if sec := w.ledger.bySecret[c.on.digest]; c.what != "rotate" || sec != nil && sec.until.seq == 0 && !sec.vague {
			w.violate(p2, c, "%s is told that its token was rotated away, and it was not", c.what)
		}
		return
	}
	if coming := c.what != "block" || c.until.IsZero() || c.until.Sub(w.start) > c.back.at; c.said == "bad time" && coming && !w.plan.mishaps(clockStep) {
		w.violate(p2, c, "%s until %v is refused, and that is to come", c.what, c.until)
	}
	if c.said != "yes" {
		return
	}
	w.judgeAuthor(c)
	meant := func(s *session) bool { return false }
	switch c.what {
	case "rotate":
		if sec := w.ledger.bySecret[c.granted.digest]; sec == nil || sec.id != c.on.grant.Session.ID {
			w.violate(p2, c, "Rotate returned a token that it had not committed")
		}
	case "sign out":
		meant = func(s *session) bool { return s.is(c.on.grant.Session.ID) }
	case "end":
		meant = func(s *session) bool {
			return s.is(c.on.grant.Session.ID) || slices.ContainsFunc(c.also, func(p *pass) bool { return s.is(p.grant.Session.ID) })
		}
	case "end others":
		meant = func(s *session) bool { return s.account == c.account && !s.is(c.on.grant.Session.ID) }
	case "end realm":
		meant = func(s *session) bool { return true }
	case "end stream", "stop":
		meant = func(s *session) bool { return s.id == c.stream.ID }
	case "block":
		meant = func(s *session) bool { return s.account == c.account }
	case "unblock":
		w.judgeUnblocked(c)
	case "set limit":
		w.judgeLimits(c)
	}
	for _, s := range w.ledger.sessions {
		switch {
		case !s.made.before(c.began) || !meant(s) || s.vague || s.lost.seq != 0:
		case s.over.before(c.back):
			w.served(c.up, s, c.back)
			if c.what != "end realm" {
				w.judgeInFlight(c, c.began, s)
			}
		default:
			w.violate(p3, c, "%s returned, and %s is live", c.what, s)
		}
	}
	w.serve(c)
}

// serve notes that an operation has returned: what it has ended is over on its node,
// also work in flight. Its own new session may be among that: if the realm was ended in
// between, the session had ended when it was made. Sessions of another account that a
// sign-in has ended are left out, because the sign-in may not know that it has ended
// them.
func (w *world) serve(c *call) {
	for _, e := range c.effects {
		for _, ch := range e.changes {
			if s := ch.on; s.by != c && (ch.what == "ended" || ch.what == "realm") && (s.account == c.account || c.what != "sign in") {
				w.served(c.up, s, c.back)
				w.judgeInFlight(c, e.moment, s)
			}
		}
	}
}

func (w *world) judgeInFlight(c *call, since moment, s *session) {
	for _, h := range w.holds {
		if h.on == s && h.up == c.up && h.opened.before(since) && !h.isCut() && !h.let && !s.vague && s.lost.seq == 0 {
			w.violate(p4, c, "%s returned on node %d, and work of %s that is in flight there goes on", c.what, c.up.number, s)
		}
	}
}

// judgeCut checks that work is cut because its session has ended, or because nobody
// knows.
func (w *world) judgeCut(h *hold) {
	over, ended := errors.AsType[*oneseat.EndedError](h.cause)
	switch {
	case h.on == nil || h.up.dead.seq != 0:
	case ended:
		w.judgeEnded(h.call, h.on, over.Ending, h.cut)
		w.told(h.up, h.on, h.cut)
	case errors.Is(h.cause, oneseat.ErrNoSession):
		sec := w.ledger.bySecret[h.call.on.digest]
		rotated := sec != nil && sec.until.seq != 0 && // its seconds are over, or it was rotated away twice
			(h.cut.at >= sec.until.at+rotateGrace-oneseat.MaxUpdateAge || sec.place < len(sec.secrets)-2)
		if h.on.lost.seq == 0 && !h.on.vague && !h.on.over.before(h.cut) && !rotated && !w.plan.mishaps(clockStep) {
			w.violate(p2, h.call, "work of %s is cut on node %d as if it had no session", h.on, h.up.number)
		}
	case errors.Is(h.cause, oneseat.ErrClosed):
		if !h.up.closing.before(h.cut) {
			w.violate(p2, h.call, "work of %s is cut on node %d as if it were closed", h.on, h.up.number)
		}
	case h.up.link.lastFailure() < h.began.at && !h.brief:
		w.violate(p2, h.call, "work of %s is cut on node %d (%v), and the store had answered every call", h.on, h.up.number, h.cause)
	}
	w.judgeLate(h)
}

// judgeLate checks that work does not go on for long after its session's end.
func (w *world) judgeLate(h *hold) {
	s := h.on
	if s == nil || s.vague || s.lost.seq != 0 || h.up.dead.seq != 0 {
		return
	}
	over := s.over.at
	if s.over.seq == 0 {
		if over = w.deadline(s); over == 0 {
			return
		}
	}
	end := h.cut
	if end.seq == 0 {
		end = h.released
	}
	if end.seq == 0 {
		end = w.stamp()
	}
	from := max(over, h.opened.at)
	if late, most := end.at-from, w.heldFor(h, from, end.at); late > most {
		w.violate(p4, h.call, "work of %s went on on node %d for %v after its end; %v is what a slow store allows", s, h.up.number, late, most)
	}
}

// deadline returns when a session times out, going by what was committed. 0 means
// never, or that it is not known.
func (w *world) deadline(s *session) time.Duration { return w.deadlineOf(s, s.lastSeen) }

func (w *world) deadlineOf(s *session, lastSeen time.Time) time.Duration {
	var d time.Duration
	c := w.plan.config
	if w.plan.mishaps(clockStep, restored) {
		return 0
	}
	if s.parent != "" {
		return lastSeen.Add(c.StreamIdle).Sub(w.start)
	}
	if c.Idle > 0 {
		d = lastSeen.Add(c.Idle).Sub(w.start)
	}
	if absolute := s.created.Add(c.Absolute).Sub(w.start); c.Absolute > 0 && (d == 0 || absolute < d) {
		d = absolute
	}
	return d
}

// heldFor returns how long work may go on after its session's end. That is as long as
// memory counts, and the time of the reads that find the end. If those fail, HoldGrace
// is added.
func (w *world) heldFor(h *hold, from, to time.Duration) time.Duration {
	stale := w.stale()
	if stale == 0 {
		stale = time.Second
	}
	l := h.up.link
	most := stale + 2*l.longest(to) + h.up.pausedIn(from, to)
	if l.lastFailure() >= from-stale {
		most += w.plan.config.HoldGrace + loadTimeout
	}
	return most
}

// lastLook is made at the end of the history.
func (w *world) lastLook() {
	w.judgeOrder()
	for _, h := range w.holds {
		if h.cut.seq == 0 && h.released.seq == 0 {
			w.judgeLate(h)
		}
	}
	for _, c := range w.calls {
		refused := (c.said == "full" || c.said == "blocked" || c.said == "bad ticket") && !w.plan.mishaps(restored)
		if c.said != "unavailable" && c.said != "bad time" && !refused {
			continue
		}
		for _, e := range c.effects {
			for _, ch := range e.changes {
				if refused && (ch.what != "created" || ch.on.parent != "" && ch.on.over.before(c.back) || ch.on.erased.before(c.back)) {
					continue // the end of a stream may leave no trace, and a deleted row leaves none, so a retry cannot know
				}
				if ch.what == "created" || ch.why != "" && ch.why != oneseat.ReasonIdleTimeout && ch.why != oneseat.ReasonAbsoluteTimeout && ch.why != oneseat.ReasonRealmEnded {
					w.violate(p2, c, "%s said that nothing was done, and %s is %s", c.what, ch.on, ch.what)
				}
			}
		}
	}
}

// is reports whether a session has this id, or is a stream of the session with this id.
func (s *session) is(id oneseat.SessionID) bool { return s.id == id || s.parent == id }

// told notes that a node has answered that a session has ended. served notes that a
// node has returned from ending it. Both count while that process runs: the next
// process on the node does not know it.
func (w *world) told(u *up, s *session, m moment) {
	if w.ups[u.number] == u {
		s.told[u.number] = m
	}
}

func (w *world) served(u *up, s *session, m moment) {
	if w.ups[u.number] == u {
		s.served[u.number] = m
	}
}
