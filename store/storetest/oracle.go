package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/oneseat/oneseat"
)

// oracle says what becomes of one account's sessions, in as few words as possible. It
// was written from the promises and not from roster.go, and shares nothing with it. It
// has no clock: nothing times out within a test.
type oracle struct {
	limit  int
	refuse bool
	live   []*session // in the order of admission
	all    []*session
}

// session is a session that a sign-in returned.
type session struct {
	id       oneseat.SessionID
	token    string // the last one in force
	previous string // the one before
	device   string
	reason   oneseat.Reason // of its ending; "" while it is live
	rotated  time.Time      // when previous was replaced
	by       oneseat.SessionID
}

var errFull = errors.New("the account is full")

// signIn admits s, whose client presents a token, or returns errFull. The session of
// its own device gives way first, then the oldest.
func (o *oracle) signIn(s *session, presented string, takeOver bool) error {
	switch renewed := o.sameBrowser(presented); {
	case renewed != nil:
		o.end(renewed, oneseat.ReasonRenewed, s.id)
	case len(o.live) == o.limit:
		goes := slices.IndexFunc(o.live, func(l *session) bool { return s.device != "" && l.device == s.device })
		if goes < 0 && o.refuse && !takeOver {
			return errFull
		}
		o.end(o.live[max(goes, 0)], oneseat.ReasonDisplaced, s.id)
	}
	o.live, o.all = append(o.live, s), append(o.all, s)
	return nil
}

// sameBrowser returns the live session that a presented token stands for.
func (o *oracle) sameBrowser(token string) *session {
	s := o.byToken(token)
	for s != nil && s.reason == oneseat.ReasonRenewed {
		s = o.byID(s.by)
	}
	if s == nil || s.reason != "" {
		return nil
	}
	return s
}

func (o *oracle) byToken(token string) *session {
	return o.find(func(s *session) bool { return s.token == token })
}

func (o *oracle) byID(id oneseat.SessionID) *session {
	return o.find(func(s *session) bool { return s.id == id })
}

func (o *oracle) find(is func(*session) bool) *session {
	if i := slices.IndexFunc(o.all, is); i >= 0 {
		return o.all[i]
	}
	return nil
}

func (o *oracle) end(s *session, reason oneseat.Reason, by oneseat.SessionID) {
	s.reason, s.by = reason, by
	o.live = slices.DeleteFunc(slices.Clone(o.live), func(l *session) bool { return l == s })
}

// endWhere ends the live sessions that which chooses, and returns how many.
func (o *oracle) endWhere(reason oneseat.Reason, by oneseat.SessionID, which func(*session) bool) int {
	n := 0
	for _, s := range slices.Clone(o.live) {
		if which(s) {
			o.end(s, reason, by)
			n++
		}
	}
	return n
}

// rotate replaces the token of a session.
func (o *oracle) rotate(token, next string) error {
	s := o.byToken(token)
	if s == nil { // it may still have its ten seconds, which this oracle does not count
		if s = o.byPrevious(token); s != nil && s.reason == "" {
			return oneseat.ErrRotated
		}
	}
	if s == nil || s.reason != "" {
		return said(s)
	}
	s.previous, s.token, s.rotated = s.token, next, time.Now()
	return nil
}

// signOut ends the session that a token stands for.
func (o *oracle) signOut(token string) error {
	s := o.sameBrowser(token)
	if s == nil {
		if s = o.byPrevious(token); s != nil && s.reason != "" {
			s = o.sameBrowser(s.token)
		}
	}
	if s == nil || s.reason != "" {
		return o.check(token)
	}
	o.end(s, oneseat.ReasonSignedOut, s.id)
	return nil
}

// check returns the answer for a token.
func (o *oracle) check(token string) error {
	s := o.byToken(token)
	if s == nil {
		s = o.byPrevious(token)
	}
	return said(s)
}

// late reports whether a token was rotated away long enough ago that its seconds may
// be over.
func (o *oracle) late(token string) bool {
	s := o.byPrevious(token)
	return s != nil && time.Since(s.rotated) > 5*time.Second
}

// byPrevious returns the session that had a token before its last rotation.
func (o *oracle) byPrevious(token string) *session {
	return o.find(func(s *session) bool { return token != "" && s.previous == token })
}

// said returns the answer whose subject is session s. answer gives the same for an
// answer of a registry.
func said(s *session) error {
	switch {
	case s == nil:
		return errors.New("no session")
	case s.reason != "":
		return fmt.Errorf("%s has ended: %s by %q", s.id, s.reason, s.by)
	}
	return nil
}

// answer turns a registry's error into the oracle's.
func answer(err error) error {
	if full, ok := errors.AsType[*oneseat.LimitError](err); ok && len(full.Live) == full.Limit {
		return errFull
	}
	if e, ok := errors.AsType[*oneseat.EndedError](err); ok {
		return said(&session{id: e.Ending.Session, reason: e.Ending.Reason, by: e.Ending.By})
	}
	if errors.Is(err, oneseat.ErrNoSession) {
		return said(nil)
	}
	return err
}
