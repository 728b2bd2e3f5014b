package oneseat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	loadTimeout   = 2 * time.Second // after that a read has no answer
	updateTimeout = 6 * time.Second // after that an update has none
	loadMost      = 256             // keys in one read
)

// loader reads rosters for checks: one read at a time, of all the keys that
// checks have asked for in the meantime. However many forged tokens arrive, the
// store sees one bounded read after the other. The control record alone has a
// loader of its own, so that sign-ins do not wait for checks.
type loader struct {
	mu      sync.Mutex
	waiting []*batch // not sent yet; a check only ever joins one of these
	running bool     // a goroutine is sending them; it ends when none is waiting
	closed  bool     // no read is begun any more
}

// batch is one read: of some keys, and always of the control record too.
type batch struct {
	keys map[Key]struct{}
	done chan struct{} // closed when all below is set

	views   map[Key]View
	bad     map[Key]error // rosters that cannot be read
	control View
	began   instant
	err     error
}

// load returns fresh views of a roster and of the control record, from a read
// that began after load was called. The caller has registered the load in the cache.
func (r *Registry) load(ctx context.Context, k Key) (v, control View, began instant, err error) {
	return r.loadFor(ctx, k, k)
}

// loadFor is load on behalf of an account, in whose name a failure is reported.
func (r *Registry) loadFor(ctx context.Context, whose, k Key) (v, control View, began instant, err error) {
	defer func() { err = r.failed(ctx, whose, err) }()
	if err := ctx.Err(); err != nil { // a caller that has gone away asks for nothing
		return View{}, View{}, instant{}, err
	}
	l := &r.loader
	if k == r.control {
		l = &r.controls
	}
	b := r.join(l, k)
	select {
	case <-b.done:
		return b.views[k], b.control, b.began, cmp.Or(b.err, b.bad[k])
	case <-ctx.Done():
		return View{}, View{}, instant{}, ctx.Err()
	}
}

func (r *Registry) join(l *loader, k Key) *batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		b := &batch{err: ErrClosed, done: make(chan struct{})}
		close(b.done)
		return b
	}
	var b *batch
	if n := len(l.waiting); n > 0 && len(l.waiting[n-1].keys) < loadMost {
		b = l.waiting[n-1]
	} else {
		b = &batch{keys: make(map[Key]struct{}), done: make(chan struct{})}
		l.waiting = append(l.waiting, b)
	}
	b.keys[k] = struct{}{}
	if !l.running {
		l.running = true
		r.running.Go(func() { r.send(l) })
	}
	return b
}

// send reads batch after batch until none is waiting.
func (r *Registry) send(l *loader) {
	for {
		l.mu.Lock()
		if len(l.waiting) == 0 {
			l.running = false
			l.mu.Unlock()
			return
		}
		b := l.waiting[0]
		l.waiting = l.waiting[1:]
		l.mu.Unlock()
		r.read(b)
		close(b.done)
	}
}

// read fills a batch from the store. It caches the control record too: that needs no
// claim that matches.
func (r *Registry) read(b *batch) {
	ctx, cancel := context.WithTimeout(r.life, loadTimeout)
	defer cancel()
	keys := make([]Key, 1, len(b.keys)+1)
	keys[0] = r.control
	for k := range b.keys {
		if k != r.control {
			keys = append(keys, k)
		}
	}
	begun := r.cache.beginLoad(r.control)
	defer r.cache.endLoad(r.control)
	b.began = r.now()
	b.views, b.bad = make(map[Key]View, len(keys)), make(map[Key]error)
	b.err = cmp.Or(r.readKeys(ctx, b, keys), b.bad[r.control])
	b.control = b.views[r.control]
	r.cache.keep(b.control, b.began, begun)
}

// readKeys reads rosters into a batch. When one of them cannot be read, readKeys
// finds it by halves: only a check that asks for that roster fails.
func (r *Registry) readKeys(ctx context.Context, b *batch, keys []Key) error {
	views, err := r.store.Load(ctx, keys...)
	r.stats.loads.Add(1)
	if err == nil && len(views) != len(keys) {
		err = fmt.Errorf("the store returned %d views of %d", len(views), len(keys))
	}
	if _, format := errors.AsType[*FormatError](err); format {
		if len(keys) == 1 {
			b.bad[keys[0]] = err
			return nil
		}
		half := len(keys) / 2
		return cmp.Or(r.readKeys(ctx, b, keys[:half]), r.readKeys(ctx, b, keys[half:]))
	}
	if err != nil {
		return r.noAnswer(err)
	}
	for i, v := range views {
		r.seeClock(v)
		if err := r.checkOwner(keys[i], v.Roster); errors.Is(err, ErrNoSession) {
			r.foreign.Do(func() {
				r.log.Warn("somebody presented a token of another realm, which is of no session here: do two sites, or two parts of one site, give their browsers a cookie of the same name?", "other", v.Roster.Realm)
			})
			v.Roster = nil // absent means no
		} else if err != nil {
			r.report(faultRecord, keys[i], err)
			v.Roster = nil
		}
		b.views[keys[i]] = v
	}
	return nil
}

// checkOwner returns nil if a roster is the one that its key names and is of this
// realm, and ErrNoSession if it is of another realm.
func (r *Registry) checkOwner(k Key, ro *Roster) error {
	switch {
	case ro == nil:
		return nil
	case KeyOf(ro.Realm, ro.Account) != k:
		return &FormatError{"it belongs to another account than its key"}
	case ro.Realm != r.config.Realm:
		return ErrNoSession
	}
	return nil
}

func (l *loader) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}
