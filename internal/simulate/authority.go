package simulate

import (
	"slices"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/record"
)

const renewWindow = time.Minute // how long a renewed token stands for the session that replaced it

// author returns the token of the session that an operation rests on, or nil if it
// rests on none.
func (c *call) author() *pass {
	switch c.what {
	case "rotate", "sign out", "end others", "play":
		return c.on
	case "end":
		return c.as
	}
	return nil
}

// hadEnded reports whether a session had ended before an effect of a call, so that the
// call had to know: its roster said so, or its realm had ended when the call began. The
// realm may end between the call's look at it and its commit to a roster.
func (s *session) hadEnded(c *call, e *effect) bool {
	return s.over.before(c.began) || slices.ContainsFunc(s.endings, func(r recorded) bool { return r.before(e.moment) })
}

// authorities judges what a commit did on the authority of a session.
func (l *ledger) authorities(e *effect, before *record.Record, now time.Time) {
	if e.by == nil || e.by.author() == nil {
		return
	}
	a := l.byID[e.by.author().grant.Session.ID]
	if a == nil || a.account != e.by.account || a.vague || a.lost.seq != 0 {
		return
	}
	for _, c := range e.changes {
		switch by := e.by.what; {
		case c.on.account != a.account:
		case c.what == "rotated" && by == "rotate", c.what == "created" && by == "play",
			c.what == "ended" && (by == "sign out" || by == "end" || by == "end others") && slices.Contains(asked, c.why):
			l.authorized(e, c, a, before, now)
		}
	}
}

// asked are the reasons of endings that a call asks for.
var asked = []oneseat.Reason{oneseat.ReasonSignedOut, oneseat.ReasonRevoked, oneseat.ReasonCredentialsChanged}

// authorized checks that what rests on a session was done in a version in which the
// session is live, and by a token that may do it.
func (l *ledger) authorized(e *effect, c change, a *session, before *record.Record, now time.Time) {
	w, by := l.w, e.by
	at := slices.IndexFunc(before.Seats, func(s record.Seat) bool { return s.ID == a.id })
	switch {
	case by.what == "sign out" && a != c.on && (c.on.parent == "" || at < 0):
		if root := l.root(c.on); !l.standsFor(a, root, now) {
			w.violate(p3, by, "%s is ended by a token of %s, which does not stand for it", c.on, a)
		}
		return
	case a.hadEnded(by, e):
		w.violate(p3, by, "%s is %s %s by %s, which had ended itself", c.on, c.what, c.why, a)
		return
	case at < 0:
		return
	}
	seat := before.Seats[at]
	if d := w.deadlineOf(a, seat.LastSeen.Time); d != 0 && d <= now.Sub(w.start) {
		w.violate(p3, by, "%s is %s %s by %s, which had timed out", c.on, c.what, c.why, a)
	}
	old := by.what == "sign out" && by.on.digest == seat.Previous && now.Before(seat.Rotated.Add(rotateGrace))
	if (by.what == "sign out" || by.what == "rotate") && by.on.digest != seat.Secret && !old {
		w.violate(p3, by, "%s is %s %s by a token that was rotated away", c.on, c.what, c.why)
	}
}

// root returns a session, or the session of a stream.
func (l *ledger) root(s *session) *session {
	if s.parent != "" {
		return l.byID[s.parent]
	}
	return s
}

// standsFor reports whether the token of a session that was renewed stands for another
// session.
func (l *ledger) standsFor(a, on *session, now time.Time) bool {
	for range oneseat.MaxEndings {
		if a == on || a == nil || a.vague || a.lost.seq != 0 {
			return true
		}
		if len(a.endings) == 0 {
			return false
		}
		end := a.endings[len(a.endings)-1]
		if end.Reason != oneseat.ReasonRenewed || !now.Before(end.At.Add(renewWindow)) {
			return false
		}
		a = l.byID[end.By]
	}
	return true
}

// judgeAuthor checks that a call that rests on a session did not succeed if the session
// had ended before the call began, whether or not there was anything to do.
func (w *world) judgeAuthor(c *call) {
	p := c.author()
	if p == nil {
		return
	}
	s := w.ledger.byID[p.grant.Session.ID]
	if s == nil || s.vague || s.lost.seq != 0 || !s.over.before(c.began) {
		return
	}
	if n := len(s.endings); c.what == "sign out" && n > 0 {
		switch s.endings[n-1].Reason {
		case oneseat.ReasonSignedOut:
			return // what it has to do is done already: a retry cannot tell that from its own first try
		case oneseat.ReasonRenewed:
			if c.began.at-s.over.at < renewWindow+oneseat.MaxUpdateAge {
				return
			}
		}
	}
	w.violate(p3, c, "%s succeeds by %s, whose end had been recorded %v before", c.what, s, c.began.at-s.over.at)
}
