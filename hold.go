package oneseat

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"sync"
	"time"
)

// Ender is work that is ended when its session is, or when that cannot be
// confirmed any longer: by whatever goroutine noticed, once. End must not block.
type Ender interface {
	End(cause error)
}

// EndFunc is a function as an [Ender].
type EndFunc func(cause error)

// End calls f.
func (f EndFunc) End(cause error) { f(cause) }

// Holding ties work to a session, see [Registry.Enter]. Its owner keeps it, at
// one place in memory, for as long as the work lasts. The zero value holds
// nothing.
type Holding struct {
	in         *holdShard
	of         *held
	prev, next *Holding
	work       Ender // taken when ended or released: it is ended once at most
}

// Release unties the work. After that it is not ended any more, unless that has
// begun: Release does not wait for it. It may be called more than once, and on a
// Holding that holds nothing.
func (h *Holding) Release() {
	if h.in != nil {
		h.in.take(h)
	}
}

// holds are the requests that go on only as long as their session.
//
// A session's end reaches them by the log, or by an update on this node. When
// the log cannot be read, and once a minute anyway, the watch reads the rosters
// themselves, in batches, one after the other.
type holds struct {
	shards [cacheShards]holdShard
}

type holdShard struct {
	mu     sync.Mutex    // guards all below it; never held over I/O or a callback
	held   map[Key]*held // the first of an account's
	closed bool
}

type holdKey struct {
	key Key
	id  SessionID
}

// held is one session with requests in flight on this node.
type held struct {
	holdKey
	by       *entry    // the roster by which it was last seen live; nil: not seen yet
	realm    *entry    // the control record under which; nil: one that was read with it
	doubt    bool      // something newer is known: look again
	parent   SessionID // of its seat there
	epoch    uint64    // likewise
	deadline time.Time // when that times out, by the store's clock; zero: never
	first    *Holding  // a list of what is ended with it; an empty one is swept by the watch
	other    *held     // the next of the same account
}

// atAll is a version after all, for what is over whatever was seen before.
const atAll = math.MaxUint64

// claim is what the session claims to be.
func (d *held) claim() claim { return claim{key: d.key, id: d.id, parent: d.parent} }

func (h *holds) init() {
	for i := range h.shards {
		h.shards[i].held = make(map[Key]*held)
	}
}

func (h *holds) shard(k Key) *holdShard {
	return &h.shards[binary.BigEndian.Uint64(k[8:])%cacheShards]
}

// Hold returns a context that is cancelled when the session ends, on whichever
// node, or when it can no longer be confirmed. Its cause (context.Cause) is then
// an *[EndedError]; [ErrNoSession] if the session's record is gone;
// [ErrStoreUnavailable] after [Config.HoldGrace] without an answer from the
// store; or [ErrClosed]. A session that has ended already gives a context that
// is cancelled already. Call cancel when the work is done.
//
// A hold is not activity: a session that idles under one times out.
func (r *Registry) Hold(ctx context.Context, s Session) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := r.WhenEnded(ctx, s, cancel)
	return ctx, func() {
		stop()
		cancel(context.Canceled)
	}
}

// WhenEnded calls f, once, with what Hold gives as the cause. f must not block.
// After stop has returned f is not called any more, unless it has begun: stop
// does not wait for it. ctx bounds the first look at the store only, which is
// needed when memory cannot confirm the session.
func (r *Registry) WhenEnded(ctx context.Context, s Session, f func(cause error)) (stop func()) {
	h := new(Holding)
	r.hold(ctx, claim{key: KeyOf(r.config.Realm, s.Account), id: s.ID, parent: s.Parent}, h, EndFunc(f), memory{})
	return h.Release
}

// Enter is [Registry.Check] (or [Registry.Peek], for what is not active) and
// WhenEnded in one step, for what stands in front of every request: if the
// token's session is live, work is tied to it by h. The session is shared with
// other callers: it must not be modified.
func (r *Registry) Enter(ctx context.Context, token string, active bool, h *Holding, work Ender) (*Session, error) {
	r.stats.checks.Add(1)
	key, secret, ok := decodeToken(token)
	if !ok {
		return nil, ErrNoSession
	}
	c := claim{key: key, secret: secret}
	m, err := r.remember(c, active)
	s := m.session()
	switch {
	case !m.says && !intact(token):
		return nil, ErrNoSession
	case !m.says:
		var fresh Session
		fresh, err = r.checkStore(ctx, c, active)
		s = &fresh
	}
	if err != nil {
		return nil, err
	}
	r.hold(ctx, claim{key: key, id: s.ID}, h, work, m)
	return s, nil
}

// hold ties work to a session, and ends it at once if the session cannot be
// confirmed. It is tied first and confirmed then: an end that came before is
// seen now, one that comes later finds it. If memory has just said yes to the
// session, m, and still knows the same, that confirms it.
func (r *Registry) hold(ctx context.Context, c claim, h *Holding, work Ender, m memory) {
	shard := r.holds.shard(c.key)
	shard.mu.Lock()
	closed := shard.closed
	if !closed {
		d := shard.link(holdKey{c.key, c.id}, h, work)
		if m.says && (d.by != m.entry || d.realm != m.control) {
			d.confirm(m.entry, m.control, m.seat, r.rule)
		}
	}
	shard.mu.Unlock()
	if closed {
		work.End(ErrClosed)
		return
	}
	if m.says && !m.entry.gone.Load() && !m.control.gone.Load() {
		return
	}
	if err := r.confirm(ctx, c); err != nil {
		shard.cut(h, err)
	}
}

// find returns what is held by a session, or nil. The caller holds the lock.
func (s *holdShard) find(id holdKey) *held {
	d := s.held[id.key]
	for d != nil && d.id != id.id {
		d = d.other
	}
	return d
}

// link puts h into the list of its session. The caller holds the lock.
func (s *holdShard) link(id holdKey, h *Holding, work Ender) *held {
	d := s.find(id)
	if d == nil {
		d = &held{holdKey: id, other: s.held[id.key]}
		s.held[id.key] = d
	}
	h.in, h.of, h.prev, h.next, h.work = s, d, nil, d.first, work
	if d.first != nil {
		d.first.prev = h
	}
	d.first = h
	return d
}

// take removes a holding from its list and returns its work, or nil if that has
// been ended or released.
func (s *holdShard) take(h *Holding) Ender {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unlink(h)
}

func (s *holdShard) unlink(h *Holding) Ender {
	work := h.work
	if work == nil {
		return nil
	}
	h.work = nil
	if h.prev != nil {
		h.prev.next = h.next
	} else {
		h.of.first = h.next
	}
	if h.next != nil {
		h.next.prev = h.prev
	}
	return work
}

func (s *holdShard) cut(h *Holding, cause error) {
	if work := s.take(h); work != nil {
		work.End(cause)
	}
}

// cut ends everything that is held by a session which was over in a version of
// its roster. One that was seen live in that, or in a later one, is another: a
// stream that had lapsed and was started again under its id, by the retry of a
// start whose reply was lost.
func (r *Registry) cut(id holdKey, version uint64, cause error) {
	s := r.holds.shard(id.key)
	var works []Ender
	s.mu.Lock()
	if d := s.find(id); d != nil && (d.by == nil || d.by.Version < version) {
		for d.first != nil {
			works = append(works, s.unlink(d.first))
		}
	}
	s.mu.Unlock()
	r.stats.cut.Add(uint64(len(works)))
	for _, work := range works {
		work.End(cause)
	}
}

// cutEnded cuts what committed events say has ended.
func (r *Registry) cutEnded(key Key, events []Event) {
	for _, e := range events {
		switch {
		case e.Type == SessionEnded || e.Type == StreamEnded:
			r.cut(holdKey{key, e.Session}, e.Version, &EndedError{e.Ending()})
		case e.Type == RealmWasEnded && key == r.control:
			r.cutRealm(e.Version, Ending{At: e.At, Actor: e.Actor})
		}
	}
}

// cutRealm cuts what is held under an earlier epoch.
func (r *Registry) cutRealm(epoch uint64, how Ending) {
	how.Reason = RealmEnded
	for _, d := range r.holds.list(func(d *held) bool { return d.epoch != 0 && d.epoch < epoch }) {
		how.Session = d.id
		r.cut(d.holdKey, atAll, &EndedError{how})
	}
}

// cutGone cuts what a roster that was just read says has ended, whoever ended it:
// an earlier try whose reply was lost, or another node of which the log has not
// told yet. What was there before and has left no trace is a stream that stopped
// or lapsed.
func (r *Registry) cutGone(v View) {
	if v.Key == r.control {
		r.cutRealm(v.Roster.epoch(), Ending{At: micros(v.Roster.epoch()).time()})
		return
	}
	for _, d := range r.holds.of(v.Key) {
		switch found := d.claim().in(v.Roster, v.Now); {
		case found.ending != nil:
			r.cut(d.holdKey, atAll, &EndedError{found.ending.Ending})
		case found.seat == nil && d.by != nil:
			r.cut(d.holdKey, v.Version, ErrNoSession)
		}
	}
}

// confirm sees that a held session is live, from memory if that may say so.
func (r *Registry) confirm(ctx context.Context, c claim) error {
	now := r.now()
	if m := r.recollect(c, now); m.verdict == live && m.believable {
		r.confirmed(c, m.entry, m.seat, m.control.Version)
		return nil
	}
	since := r.cache.expect(c.key)
	defer r.cache.done(c.key)
	v, control, began, err := r.load(ctx, c.key)
	switch {
	case err != nil && r.config.DangerouslyAllowWhenStoreIsDown && errors.Is(err, ErrStoreUnavailable):
		return nil
	case err != nil:
		return err
	}
	return r.holdOrEnd(ctx, c, v, control, began, since)
}

// holdOrEnd judges a held session by a fresh view: it confirms the hold, or
// returns why it has to go. The caller has marked the key in the cache.
func (r *Registry) holdOrEnd(ctx context.Context, c claim, v, control View, began instant, since uint64) error {
	epoch := control.Roster.epoch()
	j := v.Roster.judge(c.in(v.Roster, v.Now), v.Now, epoch, r.rule)
	if j.verdict == expired {
		began = r.now()
		var err error
		if v, err = r.settle(ctx, c.key, epoch); err != nil {
			return err
		}
		j = v.Roster.judge(c.in(v.Roster, v.Now), v.Now, epoch, r.rule)
	}
	switch j.verdict {
	case live:
		e := r.cache.keep(v, began, since)
		if e == nil { // something newer is known: this counts as of its load, and the next look decides
			e, control.Version = &entry{View: v, part: r.cache.partition(v.Key), loaded: began}, 0
		}
		r.confirmed(c, e, j.seat, control.Version)
		return nil
	case ended:
		r.cache.keep(v, began, since) // checks say so too from now on
		return &EndedError{*j.ending}
	}
	return ErrNoSession
}

// confirmed notes by which cached entry a session was seen live, and under
// which version of the control record. If that has changed meanwhile, its event
// may have passed over a hold without an epoch: the next look decides.
func (r *Registry) confirmed(c claim, e *entry, seat *Seat, control uint64) {
	s := r.holds.shard(c.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.find(holdKey{c.key, c.id})
	if d == nil {
		return
	}
	d.confirm(e, nil, seat, r.rule)
	if c := r.cache.get(r.control); c != nil && c.Version == control {
		d.realm = c
	} else {
		d.doubt = true
	}
}

// confirm notes that a session was seen live. The caller holds the lock.
func (d *held) confirm(e, realm *entry, seat *Seat, rule Rule) {
	d.by, d.realm, d.doubt, d.parent, d.epoch, d.deadline = e, realm, false, seat.Parent, seat.Epoch, seat.deadline(rule)
}

// list returns copies of the held sessions that pick selects, and forgets those
// with nothing in flight.
func (h *holds) list(pick func(*held) bool) []held {
	var out []held
	for i := range h.shards {
		s := &h.shards[i]
		s.mu.Lock()
		for k := range s.held {
			s.each(k, func(d *held) {
				if pick(d) {
					out = append(out, *d)
				}
			})
		}
		s.mu.Unlock()
	}
	return out
}

// of returns copies of an account's held sessions.
func (h *holds) of(k Key) (out []held) {
	s := h.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.each(k, func(d *held) { out = append(out, *d) })
	return out
}

// each calls f for an account's held sessions, and forgets those with nothing in
// flight. The caller holds the lock.
func (s *holdShard) each(k Key, f func(*held)) {
	first := s.held[k]
	for at := &first; *at != nil; {
		d := *at
		if d.first == nil {
			*at = d.other
			continue
		}
		f(d)
		at = &d.other
	}
	if first == nil {
		delete(s.held, k)
	} else if first != s.held[k] {
		s.held[k] = first
	}
}

// close cuts everything and takes no more.
func (h *holds) close() {
	for i := range h.shards {
		s := &h.shards[i]
		var works []Ender
		s.mu.Lock()
		s.closed = true
		for _, d := range s.held {
			for ; d != nil; d = d.other {
				for d.first != nil {
					works = append(works, s.unlink(d.first))
				}
			}
		}
		s.mu.Unlock()
		for _, work := range works {
			work.End(ErrClosed)
		}
	}
}

// holdStale is how long a hold counts as confirmed: as a check does, and a
// second where checks are never answered from memory.
func (r *Registry) holdStale() time.Duration {
	if r.config.MaxStale > 0 {
		return r.config.MaxStale
	}
	return time.Second
}

// watchHolds looks over all holds, again and again, until the registry is
// closed, and has those confirmed that the log does not vouch for.
func (r *Registry) watchHolds() {
	tick := time.NewTicker(r.pulse())
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-r.life.Done():
			return
		case <-tick.C:
		}
		if !r.config.DangerouslyAllowWhenStoreIsDown {
			r.cache.trim(n, r.now())
		}
		r.watchOnce()
	}
}

func (r *Registry) watchOnce() {
	now := r.now()
	doubtful := r.holds.list(func(d *held) bool {
		return d.doubt || r.unconfirmed(d, now) > r.holdStale()/2 || now.since(d.by.loaded) > reloadAfter ||
			d.realm != nil && now.since(d.realm.loaded) > reloadAfter ||
			!d.deadline.IsZero() && !after(d.by.Now, now.since(d.by.loaded)).Before(d.deadline)
	})
	// What has timed out comes last: it takes an update, and if that fails nobody
	// else is to be kept waiting.
	slices.SortFunc(doubtful, func(a, b held) int {
		switch {
		case a.deadline.Equal(b.deadline):
			return 0
		case sooner(a.deadline, b.deadline).Equal(a.deadline):
			return 1
		}
		return -1
	})
	answers := true
	for some := range slices.Chunk(doubtful, loadMost) {
		answers = r.reconfirm(some, answers)
	}
}

// unconfirmed is how long ago a held session was certainly live, as far as both
// its roster and the realm are known: not after its deadline, whatever the log
// proves.
func (r *Registry) unconfirmed(d *held, now instant) time.Duration {
	if d.by == nil {
		return forever
	}
	ago := now.since(r.cache.provenAt(d.by))
	if d.realm != nil {
		ago = max(ago, now.since(r.cache.provenAt(d.realm)))
	}
	if !d.deadline.IsZero() {
		ago = max(ago, after(d.by.Now, now.since(d.by.loaded)).Sub(d.deadline))
	}
	return ago
}

// reconfirm reads the rosters of held sessions, in one read, and cuts what has
// ended, or has gone without an answer for too long. It says whether the store
// answers: once it does not, nobody is kept waiting for the next answer.
func (r *Registry) reconfirm(some []held, answers bool) bool {
	b := &batch{keys: make(map[Key]struct{}), err: ErrStoreUnavailable}
	since := make(map[Key]uint64)
	for _, d := range some {
		b.keys[d.key] = struct{}{}
	}
	if answers {
		for k := range b.keys {
			since[k] = r.cache.expect(k)
			defer r.cache.done(k)
		}
		r.read(b)
	}
	answers = b.err == nil
	for _, d := range some {
		err := cmp.Or(b.bad[d.key], b.err)
		if err == nil && !answers {
			err = ErrStoreUnavailable
		}
		if err == nil {
			err = r.holdOrEnd(r.life, d.claim(), b.views[d.key], b.control, b.began, since[d.key])
			answers = !errors.Is(err, ErrStoreUnavailable) && !errors.Is(err, ErrUnknownOutcome)
		}
		_, over := errors.AsType[*EndedError](err)
		switch {
		case err == nil || r.life.Err() != nil:
		case over || errors.Is(err, ErrNoSession):
			r.cut(d.holdKey, atAll, err)
		case r.config.DangerouslyAllowWhenStoreIsDown:
		case r.unconfirmed(&d, r.now()) > r.holdStale()+r.config.HoldGrace:
			r.cut(d.holdKey, atAll, err)
		}
	}
	return answers
}
