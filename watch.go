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

// watches are the watchers of sessions on this node: requests that go on only as
// long as their session.
//
// A session's end reaches them by the log, or by an update on this node. When the
// log cannot be read, and once a minute anyway, recheckWatches reads the rosters
// themselves, in batches, one after the other.
type watches struct {
	shards [cacheShards]watchShard
}

type watchShard struct {
	mu       sync.Mutex       // guards all below it; never held over I/O or a callback
	accounts map[Key]*watched // the first watched session of each account
	closed   bool
}

// watched is one session with watchers on this node.
type watched struct {
	watchKey
	term             // of the seat, when it was last seen live
	entry   *entry   // the roster by which it was last seen live; nil: it was not seen yet
	control *entry   // the control record of that moment; nil: one that was read with the roster
	doubt   bool     // something newer is known: verify again
	heldAt  instant  // when its holds were last noted as a use
	first   *Watch   // a list of its watchers; a session without any is swept by the recheck
	other   *watched // the next of the same account

	// Closed when all watchers that were taken off the list have been called; nil: none
	// was taken.
	told chan struct{}
}

// holdEvery is how often it is noted that a held session is in use.
const holdEvery = time.Minute

// tellPatience bounds how long endWatches waits for the goroutine that is calling
// the watchers which it took. It should never be reached: SessionEnded must not
// block.
const tellPatience = time.Second

type watchKey struct {
	key    Key
	id     SessionID
	secret digest // of a token within its grace, whose watches end with that; else zero
}

// whenever is a version after all others: the session has ended, whatever was seen
// before.
const whenever = math.MaxUint64

// claim returns the claim by which the session is verified.
func (d *watched) claim() claim {
	return claim{key: d.key, id: d.id, secret: d.secret, parent: d.parent}
}

// noteLive records by which cached entries a session was seen live. The caller
// holds the lock.
func (d *watched) noteLive(e, control *entry, t term) {
	d.entry, d.control, d.doubt, d.term = e, control, false, t
}

// alone reports whether the session is known to be the only one of its account. Then
// the end of a request need not read the clock, which is a tenth of what a request
// costs.
func (d *watched) alone() bool {
	return d.entry != nil && !d.entry.gone.Load() && !d.entry.Roster.shared()
}

// holds reports whether anything in flight has the session in use. The caller holds
// the lock.
func (d *watched) holds() bool {
	for w := d.first; w != nil; w = w.next {
		if w.holds != nil {
			return true
		}
	}
	return false
}

func (w *watches) init() {
	for i := range w.shards {
		w.shards[i].accounts = make(map[Key]*watched)
	}
}

func (w *watches) shard(k Key) *watchShard {
	return &w.shards[binary.BigEndian.Uint64(k[8:])%cacheShards]
}

// find returns a watched session, or nil. The caller holds the lock.
func (s *watchShard) find(id watchKey) *watched {
	d := s.accounts[id.key]
	for d != nil && (d.id != id.id || d.secret != id.secret) {
		d = d.other
	}
	return d
}

// add puts w on the list of its session. The caller holds the lock.
func (s *watchShard) add(c claim, w *Watch, by Watcher) *watched {
	id := watchKey{c.key, c.id, c.secret}
	d := s.find(id)
	if d == nil {
		d = &watched{watchKey: id, term: term{parent: c.parent}, other: s.accounts[id.key]}
		s.accounts[id.key] = d
	}
	w.in, w.of, w.prev, w.next, w.by = s, d, nil, d.first, by
	if d.first != nil {
		d.first.prev = w
	}
	d.first = w
	return d
}

// take takes a watch off its list and returns its watcher, or nil if the watcher was
// called or the watch was stopped.
func (s *watchShard) take(w *Watch) Watcher {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unlink(w)
}

// unlink is take for a caller that holds the lock.
func (s *watchShard) unlink(w *Watch) Watcher {
	by := w.by
	if by == nil {
		return nil
	}
	w.by = nil
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		w.of.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	}
	return by
}

// tell ends one watch with a cause.
func (s *watchShard) tell(w *Watch, cause error) {
	if by := s.take(w); by != nil {
		by.SessionEnded(cause)
	}
}

// endWatches calls all watchers of a session that is over in a version of its
// roster. When it returns they have been called, also those that another goroutine
// has begun to call. Otherwise an operation could return too early, only because the
// log was quicker than the operation's own reply.
//
// A session that was seen live in that version, or in a later one, is another: a
// stream that had lapsed and was started again under its id, by the retry of a start
// whose reply was lost.
func (r *Registry) endWatches(id watchKey, version uint64, cause error) {
	s := r.watches.shard(id.key)
	var tell []Watcher
	var before chan struct{}
	s.mu.Lock()
	for d := s.accounts[id.key]; d != nil; d = d.other {
		if d.id != id.id || d.entry != nil && d.entry.Version >= version || id.secret != (digest{}) && d.secret != id.secret {
			continue
		}
		for d.first != nil {
			tell = append(tell, s.unlink(d.first))
		}
		before, d.told = d.told, make(chan struct{})
		defer close(d.told)
	}
	s.mu.Unlock()
	r.stats.cut.Add(uint64(len(tell)))
	for _, by := range tell {
		by.SessionEnded(cause)
	}
	if untold(before) {
		select {
		case <-before:
		case <-time.After(tellPatience):
		}
	}
}

// untold reports whether watchers that were taken off their list are still being
// called.
func untold(told <-chan struct{}) bool {
	if told == nil {
		return false
	}
	select {
	case <-told:
		return false
	default:
		return true
	}
}

// endWatchesOf ends the watches of sessions that have ended by committed events.
func (r *Registry) endWatchesOf(key Key, events []Event) {
	for _, e := range events {
		switch {
		case e.Type == EventSessionEnded || e.Type == EventStreamEnded:
			r.endWatches(watchKey{key: key, id: e.Session}, e.Version, &EndedError{e.Ending()})
		case key == r.control: // the end of this realm: its record has no other events
			r.endWatchesUnder(e.Version, Ending{At: e.At, Actor: e.Actor})
		}
	}
}

// endWatchesUnder ends the watches of sessions of an earlier epoch.
func (r *Registry) endWatchesUnder(epoch uint64, how Ending) {
	how.Reason = ReasonRealmEnded
	for _, d := range r.watches.list(func(d *watched) bool { return d.epoch != 0 && d.epoch < epoch }) {
		how.Session = d.id
		r.endWatches(d.watchKey, whenever, &EndedError{how})
	}
}

// endWatchesOver ends the watches of sessions that are over in a roster that was
// just read. An earlier try whose reply was lost may have ended them, or another
// node whose entry in the log has not come yet. A session that was seen live and has
// left no trace is a stream that stopped or lapsed.
func (r *Registry) endWatchesOver(v View) {
	if v.Key == r.control {
		r.endWatchesUnder(v.epoch(), Ending{At: micros(v.epoch()).time()})
		return
	}
	for _, d := range r.watches.of(v.Key) {
		seated, how := v.trace(d.claim())
		switch {
		case how != nil:
			r.endWatches(d.watchKey, whenever, &EndedError{*how})
		case !seated && d.entry != nil:
			r.endWatches(d.watchKey, v.Version, ErrNoSession)
		}
	}
}

// verify returns nil if a watched session is live, from memory if that may say so.
// Otherwise it returns why the session is not live, or why that could not be found
// out.
func (r *Registry) verify(ctx context.Context, c claim, how use) error {
	now := r.now()
	var m memory
	if r.recollect(&c, now, &m); m.verdict == verdictLive && m.usable && r.noteUse(&m.entry.View, m.seat, how, m.at) != useBeforeAnswer {
		r.noteLive(c, m.entry, m.term(&r.rule), m.control.Version)
		return nil
	}
	begun := r.cache.beginLoad(c.key)
	defer r.cache.endLoad(c.key)
	v, control, began, err := r.load(ctx, c.key)
	switch {
	case r.config.DangerouslyAllowWhenStoreIsDown && errors.Is(err, ErrStoreUnavailable):
		return nil
	case err != nil:
		return err
	}
	return r.verifyBy(ctx, c, how, fresh{v, control, began, begun})
}

// fresh is what a load brought.
type fresh struct {
	View
	control View
	began   instant
	begun   step
}

// verifyBy judges a watched session by a fresh view. It notes that the session is
// live, or returns why it is not. The caller has registered the load in the cache.
func (r *Registry) verifyBy(ctx context.Context, c claim, how use, f fresh) error {
	epoch := f.control.epoch()
	j := f.judge(&c, f.Now, epoch, &r.rule)
	if j.verdict == verdictExpired {
		var err error
		if f.View, j, err = r.settled(ctx, c, epoch); err != nil {
			return err
		}
	}
	switch j.verdict {
	case verdictLive:
		if r.noteUse(&f.View, j.seat, how, f.Now) == useBeforeAnswer {
			var err error
			if j, err = r.writeUse(ctx, c.key, j, how); err != nil {
				return err
			}
		}
		e := r.cache.keep(f.View, f.began, f.begun)
		if e == nil { // something newer is known: this counts as of its load, and the next recheck decides
			e, f.control.Version = &entry{View: f.View, part: r.cache.partition(f.Key), loaded: f.began}, 0
		}
		r.noteLive(c, e, j.term(&r.rule), f.control.Version)
		return nil
	case verdictEnded:
		r.cache.keep(f.View, f.began, f.begun) // checks say so too from now on
		return &EndedError{*j.ending}
	}
	return ErrNoSession
}

// noteLive records by which cached entry a session was seen live, and under which
// version of the control record. If that record has changed meanwhile, its event may
// have come before this session had an epoch: the next recheck decides.
func (r *Registry) noteLive(c claim, e *entry, t term, control uint64) {
	s := r.watches.shard(c.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.find(watchKey{c.key, c.id, c.secret})
	if d == nil {
		return
	}
	d.noteLive(e, nil, t)
	if c := r.cache.get(r.control); c != nil && c.Version == control {
		d.control = c
	} else {
		d.doubt = true
	}
}

// list returns copies of the watched sessions that pick selects, and forgets those
// without watchers.
func (w *watches) list(pick func(*watched) bool) []watched {
	var out []watched
	for i := range w.shards {
		s := &w.shards[i]
		s.mu.Lock()
		for k := range s.accounts {
			s.each(k, func(d *watched) {
				if pick(d) {
					out = append(out, *d)
				}
			})
		}
		s.mu.Unlock()
	}
	return out
}

// of returns copies of an account's watched sessions.
func (w *watches) of(k Key) (out []watched) {
	s := w.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.each(k, func(d *watched) { out = append(out, *d) })
	return out
}

// count returns how many sessions are watched.
func (w *watches) count() int {
	return len(w.list(func(*watched) bool { return true }))
}

// each calls f for an account's watched sessions. It forgets a session once all its
// watchers are off the list and have been called. The caller holds the lock.
func (s *watchShard) each(k Key, f func(*watched)) {
	first := s.accounts[k]
	for at := &first; *at != nil; {
		d := *at
		if d.first == nil && !untold(d.told) {
			*at = d.other
			continue
		}
		f(d)
		at = &d.other
	}
	if s.accounts[k] = first; first == nil {
		delete(s.accounts, k)
	}
}

// close ends all watches and takes no more.
func (w *watches) close() {
	for i := range w.shards {
		s := &w.shards[i]
		var told []Watcher
		s.mu.Lock()
		s.closed = true
		for _, d := range s.accounts {
			for ; d != nil; d = d.other {
				for d.first != nil {
					told = append(told, s.unlink(d.first))
				}
			}
		}
		s.mu.Unlock()
		slices.Reverse(told) // the oldest first: a request before what its handler watches
		for _, by := range told {
			by.SessionEnded(ErrClosed)
		}
	}
}

// watchStale returns for how long a watched session counts as verified:
// [Config.MaxStale], or a second with [FreshAlways].
func (r *Registry) watchStale() time.Duration {
	if r.config.MaxStale == FreshAlways {
		return time.Second
	}
	return r.config.MaxStale
}

// recheckWatches goes over all watched sessions, again and again, until the registry
// is closed. It verifies those that the log does not prove live.
func (r *Registry) recheckWatches() {
	tick := time.Tick(r.pulse())
	var n int
	for {
		select {
		case <-r.life.Done():
			return
		case <-tick:
		}
		if !r.config.DangerouslyAllowWhenStoreIsDown {
			r.cache.trim(n, r.now())
		}
		r.recheckOnce()
		n++
	}
}

func (r *Registry) recheckOnce() {
	now := r.now()
	var held []watchKey
	doubtful := r.watches.list(func(d *watched) bool {
		if now.since(d.heldAt) > holdEvery {
			if d.heldAt = now; d.holds() {
				held = append(held, d.watchKey)
			}
		}
		return r.doubtful(d, now)
	})
	for _, k := range held {
		r.noteHeld(k, now)
	}
	answers := true
	// What has timed out comes last: it takes an update, and while that fails the others must
	// not wait.
	for _, late := range []bool{false, true} {
		these := slices.DeleteFunc(slices.Clone(doubtful), func(d watched) bool { return d.timedOut(now) != late })
		for some := range slices.Chunk(these, loadMost) {
			answers = r.recheck(some, answers)
		}
	}
}

// doubtful reports whether a watched session has to be verified again.
func (r *Registry) doubtful(d *watched, now instant) bool {
	return d.doubt || r.provenAgo(d, now) > r.watchStale()/2 || now.since(d.entry.loaded) > reloadAfter ||
		d.control != nil && now.since(d.control.loaded) > reloadAfter || d.timedOut(now)
}

// timedOut reports whether a watched session that nobody has used since it was last
// seen live has timed out. One that was not seen live yet has no deadline.
func (d *watched) timedOut(now instant) bool {
	return !d.deadline.IsZero() && !d.entry.Now.Add(now.since(d.entry.loaded)).Before(d.deadline)
}

// provenAgo returns how long ago a watched session was last certain to be live, by
// its roster and the control record. It was certain until its deadline at most,
// whatever the log proves.
func (r *Registry) provenAgo(d *watched, now instant) time.Duration {
	if d.entry == nil {
		return forever
	}
	ago := now.since(r.cache.freshAsOf(d.entry))
	if d.control != nil {
		ago = max(ago, now.since(r.cache.freshAsOf(d.control)))
	}
	if !d.deadline.IsZero() {
		ago = max(ago, d.entry.Now.Add(now.since(d.entry.loaded)).Sub(d.deadline))
	}
	return ago
}

// recheck reads the rosters of watched sessions, in one read. It ends the watches of
// sessions that have ended, or that have had no answer for too long. It returns
// whether the store answers. If answers is false, it reads nothing, so that the other
// watches do not wait for a store that does not answer.
func (r *Registry) recheck(some []watched, answers bool) bool {
	b := &batch{keys: make(map[Key]struct{}), err: ErrStoreUnavailable}
	begun := make(map[Key]step)
	for _, d := range some {
		b.keys[d.key] = struct{}{}
	}
	if answers {
		for k := range b.keys {
			begun[k] = r.cache.beginLoad(k)
			defer r.cache.endLoad(k)
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
			err = r.verifyBy(r.life, d.claim(), usePeek, fresh{b.views[d.key], b.control, b.began, begun[d.key]})
			answers = !errors.Is(err, ErrStoreUnavailable) && !errors.Is(err, ErrUnknownOutcome)
		}
		_, over := errors.AsType[*EndedError](err)
		switch {
		case err == nil:
		case over || errors.Is(err, ErrNoSession):
			r.endWatches(d.watchKey, whenever, err)
		case r.config.DangerouslyAllowWhenStoreIsDown:
		case r.provenAgo(&d, r.now()) > r.watchStale()+r.config.HoldGrace:
			r.endWatches(d.watchKey, whenever, r.failed(r.life, d.key, err))
		}
	}
	return answers
}
