package oneseat

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Check says whose session a token is, and counts as activity. It answers from
// memory where it may ([Config.MaxStale]), else from the store.
//
// It returns [ErrNoSession] for what is no token of a session that is known, an
// *[EndedError] for one whose session has ended, and [ErrStoreUnavailable] when
// that could not be found out: no answer means no.
func (r *Registry) Check(ctx context.Context, token string) (Session, error) {
	return r.checkToken(ctx, token, true)
}

// Peek is Check for background traffic: heartbeats, polls, event streams. It
// does not keep a session from idling (TMO-04).
func (r *Registry) Peek(ctx context.Context, token string) (Session, error) {
	return r.checkToken(ctx, token, false)
}

// CheckID is Check for an application that already knows who is asking, from
// what it signed or keeps itself (a JWT with sub and sid, a session on the
// server). It believes its caller: an id is no secret, and must never be taken
// from a cookie, header or URL as it comes.
func (r *Registry) CheckID(ctx context.Context, account string, id SessionID) (Session, error) {
	s, err := r.checkID(ctx, account, claim{id: id})
	if s.Parent != "" { // a stream signs nobody in
		return Session{}, ErrNoSession
	}
	return s, err
}

// checkID answers for sessions and streams, by their id.
func (r *Registry) checkID(ctx context.Context, account string, c claim) (Session, error) {
	if err := checkAccount(account); err != nil {
		return Session{}, err
	}
	r.stats.checks.Add(1)
	c.key = KeyOf(r.config.Realm, account)
	if m, err := r.remember(c, true); m.says {
		return value(m.session()), err
	}
	return r.checkStore(ctx, c, true)
}

// claim is what somebody presents: the secret of a session, or, if there is no
// secret, the id that the application vouches for.
type claim struct {
	key    Key
	secret Digest
	id     SessionID
	parent SessionID // of a stream: its session, whose ending is the stream's too
}

func (c claim) in(ro *Roster, now time.Time) recognition {
	switch {
	case ro == nil:
		return recognition{}
	case c.secret.IsZero():
		r := ro.recall(c.id)
		if r == (recognition{}) && c.parent != "" {
			if of := ro.recall(c.parent).ending; of != nil {
				e := *of
				e.Session, e.Parent = c.id, c.parent
				r.ending = &e
			}
		}
		return r
	}
	return ro.recognise(c.secret, now)
}

type verdict int

const (
	none    verdict = iota // not of this roster, or nothing that may be used
	live                   // yes
	ended                  // recorded: final
	expired                // timed out, to be recorded before it is answered
)

// judgement is what becomes of a claim: a pure function of the roster.
type judgement struct {
	verdict verdict
	seat    *Seat
	ending  *Ending // if it has ended; shared, never modified
	report  bool    // somebody uses what has ended, or was rotated away
}

// judge says what a recognised claim is worth at a time, under an epoch.
func (ro *Roster) judge(r recognition, now time.Time, epoch uint64, rule Rule) judgement {
	switch {
	case r.ending != nil:
		return judgement{verdict: ended, ending: &r.ending.Ending, report: !r.ending.Used.After(now.Add(-usedWindow))}
	case r.replayed != nil:
		return judgement{report: !r.replayed.Replayed.After(now.Add(-usedWindow))}
	case r.seat == nil || r.seat.Epoch > epoch:
		return judgement{}
	case r.seat.Epoch < epoch:
		at := micros(epoch).time()
		return judgement{verdict: ended, ending: &Ending{Session: r.seat.ID, Parent: r.seat.Parent, Reason: RealmEnded, At: at, Device: r.seat.Device}}
	}
	if _, over := r.seat.timeout(now, rule); over {
		return judgement{verdict: expired, seat: r.seat}
	}
	return judgement{verdict: live, seat: r.seat}
}

// epoch is that of a control record; without one it is 0, under which no
// session was ever issued.
func (ro *Roster) epoch() uint64 {
	if ro == nil {
		return 0
	}
	return ro.Epoch
}

func (r *Registry) checkToken(ctx context.Context, token string, active bool) (Session, error) {
	r.stats.checks.Add(1)
	key, secret, ok := decodeToken(token)
	if !ok {
		return Session{}, ErrNoSession
	}
	c := claim{key: key, secret: secret}
	if m, err := r.remember(c, active); m.says {
		return value(m.session()), err
	}
	if !intact(token) {
		return Session{}, ErrNoSession
	}
	return r.checkStore(ctx, c, active)
}

// value is the session that s points to, or none.
func value(s *Session) Session {
	if s == nil {
		return Session{}
	}
	return *s
}

// memory is what the cache knows of a claim.
type memory struct {
	entry, control *entry // nil: not cached
	judgement
	at         time.Time // the latest that the store's clock can show
	believable bool      // a yes may be said
	says       bool      // the claim is answered
}

// session is whom a live judgement is about, or nil.
func (j judgement) session() *Session {
	if j.verdict != live {
		return nil
	}
	return &j.seat.Session
}

// recollect judges a claim by what is cached, at the latest time that it can be
// in the store: its time when the entry was loaded, carried forward.
func (r *Registry) recollect(c claim, now instant) (m memory) {
	if m.entry = r.cache.get(c.key); m.entry == nil {
		return m
	}
	m.at = after(m.entry.Now, now.since(m.entry.loaded))
	var epoch uint64
	if m.control = r.controlEntry(); m.control != nil {
		epoch = m.control.Roster.Epoch
	}
	m.judgement = m.entry.Roster.judge(c.in(m.entry.Roster, m.at), m.at, epoch, r.rule)
	m.believable = r.cache.believable(m.entry, now) && r.cache.believable(m.control, now)
	return m
}

// controlEntry is the cached control record, at hand without a look-up.
func (r *Registry) controlEntry() *entry {
	if e := r.atHand.Load(); e != nil && !e.gone.Load() {
		return e
	}
	e := r.cache.get(r.control)
	r.atHand.Store(e)
	return e
}

// remember answers a claim from memory, if memory says something. active says
// whether the claim counts as activity.
func (r *Registry) remember(c claim, active bool) (memory, error) {
	m := r.recollect(c, r.now())
	switch {
	case m.verdict == ended && m.ending.Reason != RealmEnded: // final, however old the news
		m.says = true
		return m, r.refuse(c, m.judgement)
	case m.verdict == live && m.believable && (!active || r.seen(c.key, m.seat, m.at)): // else touched before the answer
		m.says = true
		r.stats.cached.Add(1)
	}
	return m, nil
}

// checkStore answers a claim that memory could not answer.
func (r *Registry) checkStore(ctx context.Context, c claim, active bool) (Session, error) {
	s, err := r.checkFresh(ctx, c, active)
	if errors.Is(err, ErrUnknownOutcome) { // of recording a timeout, or a touch: it is asked again
		err = fmt.Errorf("%w: %w", ErrStoreUnavailable, err)
	}
	if err != nil && r.config.DangerouslyAllowWhenStoreIsDown && errors.Is(err, ErrStoreUnavailable) {
		if m := r.recollect(c, r.now()); m.verdict == live {
			return m.seat.Session, nil
		}
	}
	return s, err
}

// checkFresh answers a claim from a read that began after it was made.
func (r *Registry) checkFresh(ctx context.Context, c claim, active bool) (Session, error) {
	since := r.cache.expect(c.key)
	defer r.cache.done(c.key)
	v, control, began, err := r.load(ctx, c.key)
	if err != nil {
		return Session{}, err
	}
	epoch := control.Roster.epoch()
	j := v.Roster.judge(c.in(v.Roster, v.Now), v.Now, epoch, r.rule)
	if j.verdict == expired {
		// Answered as an ending only once it is recorded, so that nothing can
		// undo it. Somebody may have touched it in time.
		if v, err = r.settle(ctx, c.key, epoch); err != nil {
			return Session{}, err
		}
		j = v.Roster.judge(c.in(v.Roster, v.Now), v.Now, epoch, r.rule)
	} else if j.verdict != none {
		r.cache.keep(v, began, since) // only where what was presented matched
	}
	if j.verdict != live {
		return Session{}, r.refuse(c, j)
	}
	if active && !r.seen(c.key, j.seat, v.Now) {
		return r.touch(ctx, c.key, j.seat.ID, epoch)
	}
	return j.seat.Session, nil
}

// refuse is the error of a claim that is not live. That it was made is noted
// in the background, at most once an hour.
func (r *Registry) refuse(c claim, j judgement) error {
	if j.report && !c.secret.IsZero() {
		r.chores.add(chore{claim: c, used: true})
	}
	if j.verdict == ended {
		return &EndedError{*j.ending}
	}
	return ErrNoSession
}
