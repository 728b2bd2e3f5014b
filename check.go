package oneseat

import (
	"context"
	"errors"
	"time"
)

// claim is what somebody presents: the secret of a session, or, if there is no
// secret, the id that the application vouches for.
type claim struct {
	key    Key
	secret Digest
	id     SessionID
}

func (c claim) in(ro *Roster, now time.Time) recognition {
	switch {
	case ro == nil:
		return recognition{}
	case c.secret.IsZero():
		return ro.recall(c.id)
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
	ending  Ending
	report  bool // somebody uses what has ended, or was rotated away
}

// judge says what a recognised claim is worth at a time, under an epoch.
func (ro *Roster) judge(r recognition, now time.Time, epoch uint64, rule Rule) judgement {
	switch {
	case r.ending != nil:
		return judgement{verdict: ended, ending: r.ending.Ending, report: !r.ending.Used.After(now.Add(-usedWindow))}
	case r.replayed != nil:
		return judgement{report: !r.replayed.Replayed.After(now.Add(-usedWindow))}
	case r.seat == nil || r.seat.Epoch > epoch:
		return judgement{}
	case r.seat.Epoch < epoch:
		at := micros(epoch).time() //nolint:gosec // a version is a time in µs
		return judgement{verdict: ended, ending: Ending{Session: r.seat.ID, Reason: RealmEnded, At: at, Device: r.seat.Device}}
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
	if s, err, ok := r.checkCached(c, active); ok {
		return s, err
	}
	if !intact(token) {
		return Session{}, ErrNoSession
	}
	return r.checkStore(ctx, c, active)
}

// checkCached answers a claim from memory, if memory may say so. active says
// whether it counts as activity.
func (r *Registry) checkCached(c claim, active bool) (_ Session, _ error, ok bool) {
	e := r.cache.get(c.key)
	if e == nil {
		return Session{}, nil, false
	}
	now := r.now()
	j, at := r.judgeCached(e, c, now)
	switch {
	case j.verdict == ended && j.ending.Reason != RealmEnded: // final, however old the news
		return Session{}, r.refuse(c, j), true
	case j.verdict != live || !r.cache.believable(e, now) || !r.cache.believable(r.cache.get(r.control), now):
		return Session{}, nil, false
	case active && !r.seen(c.key, j.seat, at): // to be touched before the answer
		return Session{}, nil, false
	}
	r.stats.cached.Add(1)
	return j.seat.Session, nil, true
}

// checkStore answers a claim that memory could not answer.
func (r *Registry) checkStore(ctx context.Context, c claim, active bool) (Session, error) {
	s, err := r.checkFresh(ctx, c, active)
	if err != nil && r.config.DangerouslyAllowWhenStoreIsDown && errors.Is(err, ErrStoreUnavailable) {
		if e := r.cache.get(c.key); e != nil {
			if j, _ := r.judgeCached(e, c, r.now()); j.verdict == live {
				return j.seat.Session, nil
			}
		}
	}
	return s, err
}

// judgeCached judges by what is in memory, at the latest time that it can be in
// the store: its time when the entry was loaded, carried forward.
func (r *Registry) judgeCached(e *entry, c claim, now instant) (judgement, time.Time) {
	at := after(e.Now, now.since(e.loaded))
	var epoch uint64
	if control := r.cache.get(r.control); control != nil {
		epoch = control.Roster.Epoch
	}
	return e.Roster.judge(c.in(e.Roster, at), at, epoch, r.rule), at
}

// checkFresh answers a claim from a read that began after it was made.
func (r *Registry) checkFresh(ctx context.Context, c claim, active bool) (Session, error) {
	r.cache.expect(c.key)
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
		r.cache.keep(v, began) // only where what was presented matched
	}
	if j.verdict != live {
		return Session{}, r.refuse(c, j)
	}
	if active && !r.seen(c.key, j.seat, v.Now) {
		return r.touch(ctx, c.key, j.seat.ID)
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
		return &EndedError{j.ending}
	}
	return ErrNoSession
}
