package oneseat

import "context"

// Watcher watches a session: it is told at most once, when the session has ended
// or can no longer be verified. SessionEnded runs on whichever goroutine noticed,
// and must not block.
//
// cause is an *[EndedError]; [ErrNoSession] if the session's record is gone;
// [ErrStoreUnavailable] after [Config.HoldGrace] without an answer from the store;
// or [ErrClosed].
type Watcher interface {
	SessionEnded(cause error)
}

// WatcherFunc is a function as a [Watcher].
type WatcherFunc func(cause error)

// SessionEnded calls f.
func (f WatcherFunc) SessionEnded(cause error) { f(cause) }

// Watch is the place of one watcher at its session: see [Registry.CheckAndWatch].
// Its owner keeps it at one place in memory for as long as the work lasts. The
// zero Watch watches nothing.
type Watch struct {
	in         *watchShard
	of         *watched
	prev, next *Watch
	by         Watcher // taken when it is told, or the watch is stopped: it is told once at most
	rotated    bool    // see Rotated

	holds *Registry // whose session is in use for as long as it is watched; nil: it is only watched
	since instant   // if it holds: from when on
}

// Stop ends the watch. After that the watcher is not told any more, unless that
// has begun: Stop does not wait for it. It may be called more than once, and on a
// Watch that watches nothing.
func (w *Watch) Stop() {
	if w.in == nil {
		return
	}
	w.in.mu.Lock()
	of, stopped := w.of, w.in.unlink(w) != nil
	alone := of.alone()
	w.in.mu.Unlock()
	if stopped && w.holds != nil && !alone {
		if now := w.holds.now(); now.since(w.since) >= orderEvery {
			w.holds.noteHeld(of.watchKey, now)
		}
	}
}

// noteHeld has it written that a held session is in use now, as far as that is due.
func (r *Registry) noteHeld(k watchKey, now instant) {
	m := r.recollect(claim{key: k.key, id: k.id}, now)
	switch {
	case m.verdict == verdictLive:
		r.noteUse(&m.entry.View, m.seat, useHeld, m.at)
	case m.entry == nil:
		r.orderUse(k.key, k.id, useHeld)
	}
}

// Rotated says that the session was found by the token before its last rotation,
// which has seconds left: it checks and signs out, and must not be let do anything
// else. What it watches ends with those seconds, with [ErrNoSession].
func (w *Watch) Rotated() bool { return w.rotated }

// Hold returns a context that is cancelled when the session ends, on whichever
// node, or when it can no longer be verified. Its cause (context.Cause) is then
// what a [Watcher] is told. A session that has ended already gives a context that
// is cancelled already. Call cancel when the work is done.
//
// A session that is held is in use, as far as [DisplaceIdlest] goes: it is not the one
// that was unused for longest. But a hold is not activity: a session that idles under
// one times out.
func (r *Registry) Hold(ctx context.Context, s Session) (context.Context, context.CancelFunc) {
	return r.hold(ctx, claim{key: KeyOf(r.config.Realm, s.Account), id: s.ID}, useHeld)
}

// HoldStream is Hold for a stream, which is kept by its heartbeats alone.
func (r *Registry) HoldStream(ctx context.Context, s Stream) (context.Context, context.CancelFunc) {
	return r.hold(ctx, claim{key: KeyOf(r.config.Realm, s.Account), id: s.ID, parent: s.Session}, usePeek)
}

func (r *Registry) hold(ctx context.Context, c claim, how use) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := r.afterEnd(ctx, c, how, cancel)
	return ctx, func() {
		stop()
		cancel(context.Canceled)
	}
}

// AfterEnd calls f, once, when the session ends, with what a [Watcher] is told. f
// must not block. After stop has returned f is not called any more, unless it has
// begun: stop does not wait for it. ctx bounds the first look at the store only,
// which is needed when memory cannot verify the session. The session is only watched:
// it is not in use by that.
func (r *Registry) AfterEnd(ctx context.Context, s Session, f func(cause error)) (stop func()) {
	return r.afterEnd(ctx, claim{key: KeyOf(r.config.Realm, s.Account), id: s.ID}, usePeek, f)
}

// AfterStreamEnd is AfterEnd for a stream.
func (r *Registry) AfterStreamEnd(ctx context.Context, s Stream, f func(cause error)) (stop func()) {
	return r.afterEnd(ctx, claim{key: KeyOf(r.config.Realm, s.Account), id: s.ID, parent: s.Session}, usePeek, f)
}

func (r *Registry) afterEnd(ctx context.Context, c claim, how use, f func(cause error)) (stop func()) {
	w := new(Watch)
	if how >= useHeld {
		w.holds, w.since = r, r.now()
	}
	r.watch(ctx, c, w, WatcherFunc(f), memory{})
	return w.Stop
}

// CheckAndWatch is [Registry.Check] (or [Registry.Peek], for what is not active)
// and Hold in one step, for what stands in front of every request: if the
// token's session is live, by watches it through w. The session is shared with
// other callers: it must not be modified.
func (r *Registry) CheckAndWatch(ctx context.Context, token string, active bool, w *Watch, by Watcher) (*Session, error) {
	r.stats.checks.Add(1)
	key, secret, ok := decodeToken(token)
	if !ok {
		return nil, ErrNoSession
	}
	how := usePeek
	if w.holds = nil; active {
		how, w.holds = useActive, r
	}
	c := claim{key: key, secret: secret}
	m, answered, err := r.checkMemory(c, how)
	if !answered {
		if !intact(token) {
			return nil, ErrNoSession
		}
		m.asked = r.now()
		m.judgement, err = r.checkStore(ctx, c, how)
	}
	if err != nil {
		return nil, err
	}
	w.rotated, w.since = m.rotated, m.asked
	r.watch(ctx, m.watched(c), w, by, m)
	return m.session(), nil
}

// watch has a session watched, and tells the watcher at once if the session cannot
// be verified. m is memory's yes to the session, if it has just said that.
//
//	CheckAndWatch, AfterEnd          an end, by the log or by an update here
//	1  add the watch to the list     1  replace the cached entry (gone is set)
//	2  is the entry of m gone?       2  take all watches off the list, tell them
//	   no:  m said yes, done
//	   yes: verify, tell if over
//
// The watch is added first and verified then. Whichever comes second sees what the
// other did: an end that came before is found by step 2 on the left, and one that
// comes later finds the watch on the list.
func (r *Registry) watch(ctx context.Context, c claim, w *Watch, by Watcher, m memory) {
	shard := r.watches.shard(c.key)
	shard.mu.Lock()
	closed := shard.closed
	if !closed {
		d := shard.add(c, w, by)
		if m.entry != nil && (d.entry != m.entry || d.control != m.control) {
			d.noteLive(m.entry, m.control, m.term(r.rule))
		}
	}
	shard.mu.Unlock()
	if closed {
		by.SessionEnded(ErrClosed)
		return
	}
	if m.entry != nil && !m.entry.gone.Load() && !m.control.gone.Load() {
		return
	}
	how := usePeek
	if w.holds != nil {
		how = useHeld
	}
	if err := r.verify(ctx, c, how); err != nil {
		shard.tell(w, err)
	}
}
