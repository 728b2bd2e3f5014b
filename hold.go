package oneseat

import "context"

// Watcher is what is called when a session ends. SessionEnded is called at most
// once, when the session has ended or can no longer be verified. It runs on
// whichever goroutine noticed, and must not block.
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

// Watch ties one watcher to one session: see [Registry.CheckAndWatch]. Its owner must
// not copy it while the work lasts. The zero Watch watches nothing.
type Watch struct {
	in         *watchShard
	of         *watched
	prev, next *Watch
	by         Watcher // nil once it was called or the watch was stopped: it is called at most once
	rotated    bool    // see Rotated
	touched    bool    // see Touched

	stop  func()    // of another implementation than the registry's, see Bind; else nil
	holds *Registry // set if the session is in use for as long as it is watched; nil: it is only watched
	since instant   // if holds is set: from when on
}

// Stop ends the watch. The watcher is not called after that, except by a call that
// has begun before: Stop does not wait for it. Stop may be called more than once,
// and on a Watch that watches nothing.
func (w *Watch) Stop() {
	if w.stop != nil {
		w.stop()
	}
	if w.in == nil {
		return
	}
	w.in.mu.Lock()
	of, stopped := w.of, w.in.unlink(w) != nil
	alone := of.alone()
	w.in.mu.Unlock()
	if stopped && w.holds != nil && !alone { // else the clock need not be read
		if now := w.holds.now(); now.since(w.since) >= orderEvery {
			w.holds.noteHeld(of.watchKey, now)
		}
	}
}

// Bind makes w the watch of something that stands in for a [Registry], such as a client
// of a server: Stop calls stop, each time, Rotated returns rotated, and Touched touched.
func (w *Watch) Bind(rotated, touched bool, stop func()) {
	w.rotated, w.touched, w.stop = rotated, touched, stop
}

// noteHeld queues, as far as that is due, that a held session is in use now.
func (r *Registry) noteHeld(k watchKey, now instant) {
	var m memory
	r.recollect(&claim{key: k.key, id: k.id}, now, &m)
	switch {
	case m.verdict == verdictLive:
		r.noteUse(&m.entry.View, m.seat, useHeld, m.at)
	case m.entry == nil:
		r.orderUse(k.key, k.id, useHeld)
	}
}

// Rotated reports whether the session was found by the token before its last
// rotation, which has seconds left. Such a token checks and signs out, and the
// caller must let it do nothing else. The watch ends with those seconds, with
// [ErrNoSession].
func (w *Watch) Rotated() bool { return w.rotated }

// Touched reports whether the check found that the last use of the session is to be
// written anew, which is about once in [Config.TouchEvery] at most. That is a good moment
// for a call that costs too much for every request, such as [Registry.SeenFrom].
func (w *Watch) Touched() bool { return w.touched }

// Hold returns a context that is cancelled when the session ends, on any node,
// or when it can no longer be verified. Its cause (context.Cause) is then that of a
// [Watcher]. If the session has ended already, the context is cancelled already.
// Call cancel when the work is done.
//
// For [DisplaceIdlest] and [DisplaceSameClass] a held session is in use for as long as
// it is held. But a hold is no activity: it does not keep the session from idling.
func (r *Registry) Hold(ctx context.Context, s Session) (context.Context, context.CancelFunc) {
	return r.hold(ctx, claim{key: KeyOf(r.config.Realm, s.Account), id: s.ID}, true)
}

// HoldStream is Hold for a stream. Only its heartbeats keep a stream live.
func (r *Registry) HoldStream(ctx context.Context, s Stream) (context.Context, context.CancelFunc) {
	return r.hold(ctx, claim{key: KeyOf(r.config.Realm, s.Account), id: s.ID, parent: s.Session}, false)
}

func (r *Registry) hold(ctx context.Context, c claim, holds bool) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := r.afterEnd(ctx, c, holds, cancel)
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// AfterEnd calls f, once, when the session ends, with the cause that a [Watcher]
// gets. f must not block. After stop has returned f is not called, except by a call
// that has begun before: stop does not wait for it. ctx bounds only the first read
// of the store, which is needed if memory cannot verify the session. The session is
// only watched: that is no use of it.
func (r *Registry) AfterEnd(ctx context.Context, s Session, f func(cause error)) (stop func()) {
	return r.afterEnd(ctx, claim{key: KeyOf(r.config.Realm, s.Account), id: s.ID}, false, f)
}

// AfterStreamEnd is AfterEnd for a stream.
func (r *Registry) AfterStreamEnd(ctx context.Context, s Stream, f func(cause error)) (stop func()) {
	return r.afterEnd(ctx, claim{key: KeyOf(r.config.Realm, s.Account), id: s.ID, parent: s.Session}, false, f)
}

func (r *Registry) afterEnd(ctx context.Context, c claim, holds bool, f func(cause error)) (stop func()) {
	w := new(Watch)
	if holds {
		w.holds, w.since = r, r.now()
	}
	if !r.watch(ctx, c, w, WatcherFunc(f), memory{}) {
		f(r.failed(ctx, c.key, ErrClosed))
	}
	return w.Stop
}

// CheckAndWatch is [Registry.Check] (or [Registry.Peek], if active is false) and
// Hold in one step, for what stands in front of every request: if the token's
// session is live, by watches it through w. Errors are those of Check, and nothing
// is watched then. The session is shared with other callers: do not modify it.
func (r *Registry) CheckAndWatch(ctx context.Context, token string, active bool, w *Watch, by Watcher) (*Session, error) {
	key, secret, ok := decodeToken(token)
	if !ok {
		return nil, r.stats.noToken()
	}
	how := usePeek
	if w.holds = nil; active {
		how, w.holds = useActive, r
	}
	c := claim{key: key, secret: secret}
	var m memory
	answered, err := r.checkMemory(&c, how, &m)
	if !answered {
		if !intact(token) {
			return nil, r.stats.noToken()
		}
		m = memory{asked: r.now()}
		m.judgement, err = r.checkStore(ctx, c, how)
	}
	if err != nil {
		return nil, err
	}
	w.rotated, w.touched, w.since = m.rotated, m.found().touched, m.asked
	if !r.watch(ctx, m.watched(c), w, by, m) { // memory's yes came after Close
		return nil, r.failed(ctx, c.key, ErrClosed)
	}
	return m.session(), nil
}

// watch has a session watched, and calls the watcher at once if the session cannot
// be verified. m is memory's yes to the session, if there has just been one. Once the
// registry is closed, watch does nothing and returns false.
//
//	CheckAndWatch, AfterEnd          an end, by the log or by an update here
//	1  add the watch to the list     1  replace the cached entry (gone is set)
//	2  is the entry of m gone?       2  take all watches off the list, call them
//	   no:  m said yes, done
//	   yes: verify, call if over
//
// The watch is added first and verified then. Whichever comes second sees what the
// other did: step 2 on the left finds an end that came before, and an end that comes
// later finds the watch on the list.
func (r *Registry) watch(ctx context.Context, c claim, w *Watch, by Watcher, m memory) bool {
	shard := r.watches.shard(c.key)
	shard.mu.Lock()
	closed := shard.closed
	if !closed {
		d := shard.add(c, w, by)
		if m.entry != nil && (d.entry != m.entry || d.control != m.control) {
			d.noteLive(m.entry, m.control, m.term(&r.rule))
		}
	}
	shard.mu.Unlock()
	if closed {
		return false
	}
	if m.entry != nil && !m.entry.gone.Load() && !m.control.gone.Load() {
		return true
	}
	how := usePeek
	if w.holds != nil {
		how = useHeld
	}
	if err := r.verify(ctx, c, how); err != nil {
		shard.tell(w, err)
	}
	return true
}
