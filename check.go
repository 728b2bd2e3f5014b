package oneseat

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Check returns the session of a token, and counts as activity of that session. It
// answers from memory where it may ([Config.MaxStale]), else from the store.
//
// It returns [ErrNoSession] if the token is of no known session, an *[EndedError] if
// its session has ended, and [ErrStoreUnavailable] if that could not be found out:
// no answer means no.
func (r *Registry) Check(ctx context.Context, token string) (Session, error) {
	f, err := r.checkToken(ctx, token, useActive, false)
	if err != nil {
		return Session{}, err
	}
	return *f.seat.session(), nil
}

// Peek is Check for background traffic: heartbeats, polls, event streams. It
// does not keep a session from idling.
func (r *Registry) Peek(ctx context.Context, token string) (Session, error) {
	f, err := r.checkToken(ctx, token, usePeek, false)
	if err != nil {
		return Session{}, err
	}
	return *f.seat.session(), nil
}

// CheckFresh is Check by a read that begins now, whatever [Config.MaxStale] allows.
// It is for work that is checked once and then goes on to its end.
func (r *Registry) CheckFresh(ctx context.Context, token string) (Session, error) {
	f, err := r.checkToken(ctx, token, useActive, true)
	if err != nil {
		return Session{}, err
	}
	return *f.seat.session(), nil
}

// CheckID is Check for an application that knows the account and the session's ID
// from a proof of its own: a JWT with sub and sid that it signed, or a session that
// it keeps on the server. CheckID believes its caller. An ID is no secret: never
// take one from a cookie, header or URL as it comes. For a text that cannot name an
// account it returns an *[AccountError].
func (r *Registry) CheckID(ctx context.Context, account string, id SessionID) (Session, error) {
	f, err := r.checkID(ctx, account, claim{id: id}, useActive, false)
	if err != nil {
		return Session{}, err
	}
	return *f.seat.session(), nil
}

// PeekID is CheckID for background traffic, as [Registry.Peek] is Check.
func (r *Registry) PeekID(ctx context.Context, account string, id SessionID) (Session, error) {
	f, err := r.checkID(ctx, account, claim{id: id}, usePeek, false)
	if err != nil {
		return Session{}, err
	}
	return *f.seat.session(), nil
}

// CheckRequest says which session a check is about, and how it is made.
type CheckRequest struct {
	Token string // names the session and proves it; "": Account and Session name it

	// Account and Session name a session by the caller's word: see [Registry.CheckID].
	Account string
	Session SessionID

	Background bool // the check is no activity: see [Registry.Peek]
	Fresh      bool // it reads the store: see [Registry.CheckFresh]
}

// Found is a live session, and what else a check found out.
type Found struct {
	Session Session
	Rotated bool // see [Watch.Rotated]
	Touched bool // see [Watch.Touched]
}

// CheckWith is the general form of [Registry.Check], Peek, CheckFresh, CheckID and
// PeekID. Its errors are theirs.
func (r *Registry) CheckWith(ctx context.Context, q CheckRequest) (Found, error) {
	how := useActive
	if q.Background {
		how = usePeek
	}
	var f found
	var err error
	if q.Token == "" && q.Session != "" {
		f, err = r.checkID(ctx, q.Account, claim{id: q.Session}, how, q.Fresh)
	} else {
		f, err = r.checkToken(ctx, q.Token, how, q.Fresh)
	}
	if err != nil {
		return Found{}, err
	}
	return Found{*f.seat.session(), f.rotated, f.touched}, nil
}

// found is what a check found, before it is copied for the caller. Each form of a check
// copies the session itself, because a helper would copy it once more.
type found struct {
	seat             *seat // the live session, or stream; shared, never modified
	rotated, touched bool  // see Found
}

// found returns what a check found. The result has a meaning only if the check said yes.
func (j *judgement) found() found { return found{j.seat, j.rotated, j.due >= useInBackground} }

// TimeLeft returns how long a session, which a check has just found, lasts if it is not
// used any more: until it idles out, and until it is too old. [NoTimeout] stands for a
// timeout that is switched off. TimeLeft reads nothing. It goes by what this node
// knows of the store's clock, and of uses: one that is not written yet does not count.
func (r *Registry) TimeLeft(s Session) (idle, absolute time.Duration) {
	now := r.now()
	v, at := View{}, time.Unix(0, int64(now.wall)) // of the machine, if the account is not in memory any more
	if e := r.cache.get(KeyOf(r.config.Realm, s.Account)); e != nil {
		v, at = e.View, e.Now.Add(now.since(e.loaded))
	}
	left := func(deadline time.Time) time.Duration {
		if deadline.IsZero() {
			return NoTimeout
		}
		return max(deadline.Sub(at), 0)
	}
	idleAt, tooOldAt := v.deadlines(s, &r.rule)
	return left(idleAt), left(tooOldAt)
}

// checkID answers for sessions and streams, by their ID.
func (r *Registry) checkID(ctx context.Context, account string, c claim, how use, fresh bool) (found, error) {
	if err := r.checkAccount(account); err != nil {
		return found{}, err
	}
	c.key = KeyOf(r.config.Realm, account)
	if !fresh {
		var m memory
		if answered, err := r.checkMemory(&c, how, &m); answered {
			return m.found(), err
		}
	}
	j, err := r.checkStore(ctx, c, how)
	return j.found(), err
}

// checkToken answers for sessions, by their token.
func (r *Registry) checkToken(ctx context.Context, token string, how use, fresh bool) (found, error) {
	key, secret, ok := decodeToken(token)
	if !ok {
		return found{}, r.stats.noToken()
	}
	c := claim{key: key, secret: secret}
	if !fresh {
		var m memory
		if answered, err := r.checkMemory(&c, how, &m); answered {
			return m.found(), err
		}
	}
	if !intact(token) {
		return found{}, r.stats.noToken()
	}
	j, err := r.checkStore(ctx, c, how)
	return j.found(), err
}

// memory is what the cache knows about a claim. Functions take a claim and a memory by
// address: to copy them would be a measurable part of a check.
type memory struct {
	entry, control *entry // nil: not cached
	judgement
	asked  instant   // when the cache was asked
	at     time.Time // the latest time that the store's clock can show at asked
	usable bool      // fresh enough for a yes
}

// recollect judges a claim by what is cached, into m, which is zero before. It does so
// for the latest time that the store's clock can show: its time when the entry was
// loaded, carried forward.
func (r *Registry) recollect(c *claim, now instant, m *memory) {
	if m.entry = r.cache.get(c.key); m.entry == nil {
		return
	}
	m.asked = now
	m.at = m.entry.Now.Add(now.since(m.entry.loaded))
	var epoch uint64
	if m.control = r.controlEntry(); m.control != nil {
		epoch = m.control.epoch()
	}
	m.judgement = m.entry.judge(c, m.at, epoch, &r.rule)
	m.usable = r.cache.usable(m.entry, now) && r.cache.usable(m.control, now)
}

// controlEntry returns the cached control record, or nil. It needs a look-up only
// after the record has changed.
func (r *Registry) controlEntry() *entry {
	if e := r.controlCached.Load(); e != nil && !e.gone.Load() {
		return e
	}
	e := r.cache.get(r.control)
	r.controlCached.Store(e)
	return e
}

// checkMemory answers a claim from the cache, if the cache may answer. The answer is
// an error, or yes to m.seat, whose use is then noted. Without an answer, m means nothing.
func (r *Registry) checkMemory(c *claim, how use, m *memory) (answered bool, err error) {
	r.recollect(c, r.now(), m)
	switch {
	case m.verdict == verdictEnded && m.ending.Reason != ReasonRealmEnded: // final, however old the news
		r.stats.others.Add(1)
		return true, r.stats.no(r.refuse(*c, m.judgement))
	case m.verdict == verdictLive && m.usable:
		if m.due = r.noteUse(&m.entry.View, m.seat, how, m.at); m.due != useBeforeAnswer {
			r.stats.cached.Add(1)
			return true, nil
		}
	}
	return false, nil
}

// checkStore answers a claim that the cache could not answer.
func (r *Registry) checkStore(ctx context.Context, c claim, how use) (judgement, error) {
	r.stats.others.Add(1)
	j, err := r.checkFresh(ctx, c, how)
	if errors.Is(err, ErrUnknownOutcome) { // of recording a timeout, or a use: the caller may ask again
		err = fmt.Errorf("%w: %w", ErrStoreUnavailable, err)
	}
	if r.config.DangerouslyAllowWhenStoreIsDown && errors.Is(err, ErrStoreUnavailable) {
		var m memory
		if r.recollect(&c, r.now(), &m); m.verdict == verdictLive {
			return m.judgement, nil
		}
	}
	return j, r.stats.no(err)
}

// checkFresh answers a claim from a read that began after it was made.
func (r *Registry) checkFresh(ctx context.Context, c claim, how use) (judgement, error) {
	v, j, err := r.look(ctx, c)
	if err != nil {
		return j, err
	}
	if j.due = r.noteUse(&v, j.seat, how, v.Now); j.due == useBeforeAnswer {
		return r.writeUse(ctx, c.key, j, how)
	}
	return j, nil
}

// look finds the live session of a claim by a read that begins now, or returns why
// there is none.
func (r *Registry) look(ctx context.Context, c claim) (v View, j judgement, err error) {
	begun := r.cache.beginLoad(c.key)
	defer r.cache.endLoad(c.key)
	v, control, began, err := r.load(ctx, c.key)
	if err != nil {
		return View{}, judgement{}, err
	}
	epoch := control.epoch()
	j = v.judge(&c, v.Now, epoch, &r.rule)
	if j.verdict == verdictExpired {
		if v, j, err = r.settled(ctx, c, epoch); err != nil {
			return View{}, judgement{}, err
		}
	} else if j.verdict != verdictNone {
		r.cache.keep(v, began, begun) // only for a claim that matches
	}
	if j.verdict != verdictLive {
		return View{}, judgement{}, r.refuse(c, j)
	}
	return v, j, nil
}

// settled records what has timed out in a claim's roster, and judges the claim
// again. A timeout is answered as an ending only once it is recorded, because a use
// may have been recorded in time by another node.
func (r *Registry) settled(ctx context.Context, c claim, epoch uint64) (View, judgement, error) {
	v, err := r.settle(ctx, c.key, epoch)
	return v, v.judge(&c, v.Now, epoch, &r.rule), err
}

// writeUse writes a use of a live session, as far as it is due. If the session has
// ended, or times out at this moment, that is recorded, and writeUse returns an
// *[EndedError]. It needs no epoch of the realm, because it lets in nobody.
func (r *Registry) writeUse(ctx context.Context, key Key, j judgement, how use) (judgement, error) {
	r.stats.touches.Add(1)
	id := j.session().ID
	v, err := r.edit(ctx, key, premises{}, func(d *draft) (Change, error) { return d.use(id, how), nil })
	if err == nil {
		j.seat, err = v.seated(id)
	}
	return j, err
}

// refuse returns the error of a claim that is not live. The use of a session after
// its end is reported in the background, at most once an hour.
func (r *Registry) refuse(c claim, j judgement) error {
	if j.report && !c.secret.IsZero() {
		r.background.add(write{claim: c, reportUse: true})
	}
	if j.verdict == verdictEnded {
		return &EndedError{*j.ending}
	}
	return ErrNoSession
}
