package oneseat

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"time"
)

// holds are the requests that go on only as long as their session: what
// WhenEnded registered, by session.
//
// A session's end reaches them by the log, or by an update on this node. When
// the log cannot be read, and once a minute anyway, the watch reads the rosters
// themselves, in batches, one after the other.
type holds struct {
	shards [cacheShards]holdShard
}

type holdShard struct {
	mu     sync.Mutex // guards all below it; never held over I/O or a callback
	held   map[holdKey]*held
	closed bool
}

type holdKey struct {
	key Key
	id  SessionID
}

// held is one session with requests in flight on this node.
type held struct {
	holdKey
	epoch    uint64
	loaded   instant   // when the load began by which it was last seen live
	begun    uint64    // as in entry
	deadline time.Time // when it times out, by the store's clock; zero: never
	asOf     time.Time // the store's time at loaded
	first    *hold     // a list of what is cut with it
}

// hold is one callback.
type hold struct {
	of         *held
	prev, next *hold
	f          func(error) // taken when called or stopped: it is called once at most
}

func (h *holds) init() {
	for i := range h.shards {
		h.shards[i].held = make(map[holdKey]*held)
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
	id := holdKey{KeyOf(r.config.Realm, s.Account), s.ID}
	h := &hold{f: f}
	shard := r.holds.shard(id.key)
	shard.mu.Lock()
	if shard.closed {
		shard.mu.Unlock()
		f(ErrClosed)
		return func() {}
	}
	d := shard.held[id]
	if d == nil {
		d = &held{holdKey: id}
		shard.held[id] = d
	}
	h.of, h.next = d, d.first
	if d.first != nil {
		d.first.prev = h
	}
	d.first = h
	shard.mu.Unlock()

	// Registered first and confirmed then: an end that came before is seen now,
	// one that comes later finds the hold.
	if err := r.confirm(ctx, id); err != nil {
		shard.cut(h, err)
	}
	return func() { shard.take(h) }
}

// take removes a hold and returns its callback, or nil if it has none any more.
func (s *holdShard) take(h *hold) func(error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unlink(h)
}

func (s *holdShard) unlink(h *hold) func(error) {
	f := h.f
	if f == nil {
		return nil
	}
	h.f = nil
	if h.prev != nil {
		h.prev.next = h.next
	} else if h.of.first = h.next; h.next == nil {
		delete(s.held, h.of.holdKey)
	}
	if h.next != nil {
		h.next.prev = h.prev
	}
	return f
}

func (s *holdShard) cut(h *hold, cause error) {
	if f := s.take(h); f != nil {
		f(cause)
	}
}

// cut ends everything that is held by a session.
func (r *Registry) cut(id holdKey, cause error) {
	s := r.holds.shard(id.key)
	var calls []func(error)
	s.mu.Lock()
	if d := s.held[id]; d != nil {
		for d.first != nil {
			calls = append(calls, s.unlink(d.first))
		}
	}
	s.mu.Unlock()
	r.stats.cut.Add(uint64(len(calls)))
	for _, f := range calls {
		f(cause)
	}
}

// cutEnded cuts what committed events say has ended.
func (r *Registry) cutEnded(key Key, events []Event) {
	for _, e := range events {
		switch {
		case e.Type == SessionEnded:
			r.cut(holdKey{key, e.Session}, &EndedError{e.Ending()})
		case e.Type == RealmWasEnded && key == r.control:
			for _, d := range r.holds.list(func(d *held) bool { return d.epoch != 0 && d.epoch < e.Version }) {
				r.cut(d.holdKey, &EndedError{Ending{Session: d.id, Reason: RealmEnded, At: e.At, Actor: e.Actor}})
			}
		}
	}
}

// confirm sees that a held session is live, from memory if that may say so.
func (r *Registry) confirm(ctx context.Context, id holdKey) error {
	now := r.now()
	c := claim{key: id.key, id: id.id}
	if e, control := r.cache.get(id.key), r.cache.get(r.control); r.cache.believable(e, now) && r.cache.believable(control, now) {
		if j, _ := r.judgeCached(e, c, now); j.verdict == live {
			r.confirmed(id, e, j.seat, control.Version)
			return nil
		}
	}
	r.cache.expect(id.key)
	defer r.cache.done(id.key)
	v, control, began, err := r.load(ctx, id.key)
	switch {
	case err != nil && r.config.DangerouslyAllowWhenStoreIsDown && errors.Is(err, ErrStoreUnavailable):
		return nil
	case err != nil:
		return err
	}
	return r.holdOrEnd(ctx, id, v, control, began)
}

// holdOrEnd judges a held session by a fresh view: it confirms the hold, or
// returns why it has to go. The caller has marked the key in the cache.
func (r *Registry) holdOrEnd(ctx context.Context, id holdKey, v, control View, began instant) error {
	c := claim{key: id.key, id: id.id}
	epoch := control.Roster.epoch()
	j := v.Roster.judge(c.in(v.Roster, v.Now), v.Now, epoch, r.rule)
	if j.verdict == expired {
		began = r.now()
		var err error
		if v, err = r.settle(ctx, id.key, epoch); err != nil {
			return err
		}
		j = v.Roster.judge(c.in(v.Roster, v.Now), v.Now, epoch, r.rule)
	}
	switch j.verdict {
	case live:
		if e := r.cache.keep(v, began); e != nil {
			r.confirmed(id, e, j.seat, control.Version)
		} // else something newer is on its way: the next look decides
		return nil
	case ended:
		return &EndedError{j.ending}
	}
	return ErrNoSession
}

// confirmed notes by which cached entry a session was seen live, and under
// which version of the control record. If that has changed meanwhile, its event
// may have passed over a hold without an epoch: the next look decides.
func (r *Registry) confirmed(id holdKey, e *entry, seat *Seat, control uint64) {
	s := r.holds.shard(id.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.held[id]
	if d == nil {
		return
	}
	d.epoch, d.loaded, d.begun = seat.Epoch, e.loaded, e.begun
	d.deadline, d.asOf = seat.deadline(r.rule), e.Now
	if c := r.cache.get(r.control); c == nil || c.Version != control {
		d.loaded = instant{}
	}
}

// list returns copies of the held sessions that pick selects.
func (h *holds) list(pick func(*held) bool) []held {
	var out []held
	for i := range h.shards {
		s := &h.shards[i]
		s.mu.Lock()
		for _, d := range s.held {
			if pick(d) {
				out = append(out, *d)
			}
		}
		s.mu.Unlock()
	}
	return out
}

// close cuts everything and takes no more.
func (h *holds) close() {
	for i := range h.shards {
		s := &h.shards[i]
		var calls []func(error)
		s.mu.Lock()
		s.closed = true
		for _, d := range s.held {
			for d.first != nil {
				calls = append(calls, s.unlink(d.first))
			}
		}
		s.mu.Unlock()
		for _, f := range calls {
			f(ErrClosed)
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
		return now.since(r.provenFor(d)) > r.holdStale()/2 || now.since(d.loaded) > reloadAfter ||
			!d.deadline.IsZero() && !after(d.asOf, now.since(d.loaded)).Before(d.deadline)
	})
	for some := range slices.Chunk(doubtful, loadMost) {
		r.reconfirm(some)
	}
}

func (r *Registry) provenFor(d *held) instant { return r.cache.provenAt(d.key, d.loaded, d.begun) }

// reconfirm reads the rosters of held sessions, in one read, and cuts what has
// ended, or has gone without an answer for too long.
func (r *Registry) reconfirm(some []held) {
	b := &batch{keys: make(map[Key]struct{})}
	for _, d := range some {
		b.keys[d.key] = struct{}{}
	}
	for k := range b.keys {
		r.cache.expect(k)
		defer r.cache.done(k)
	}
	r.read(b)
	for _, d := range some {
		err := b.err
		if err == nil {
			err = r.holdOrEnd(r.life, d.holdKey, b.views[d.key], b.control, b.began)
		}
		_, over := errors.AsType[*EndedError](err)
		switch {
		case err == nil || r.life.Err() != nil:
		case over || errors.Is(err, ErrNoSession):
			r.cut(d.holdKey, err)
		case r.config.DangerouslyAllowWhenStoreIsDown:
		case r.now().since(r.provenFor(&d)) > r.holdStale()+r.config.HoldGrace:
			r.cut(d.holdKey, err)
		}
	}
}
