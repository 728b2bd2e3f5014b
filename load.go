package oneseat

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	loadTimeout   = 2 * time.Second // then a read has no answer
	updateTimeout = 6 * time.Second // then an update has none
	loadMost      = 256             // keys in one read
)

// loader reads rosters for checks: one read at a time, of all the keys that
// checks have asked for in the meantime, each key once. However many forged
// tokens arrive, the store sees one bounded read after the other.
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
	control View
	began   instant
	err     error
}

// load returns fresh views of a roster and of the control record, from a read
// that began after load was called. The caller has marked k in the cache.
func (r *Registry) load(ctx context.Context, k Key) (v, control View, began instant, err error) {
	b := r.join(k)
	select {
	case <-b.done:
		return b.views[k], b.control, b.began, b.err
	case <-ctx.Done():
		return View{}, View{}, instant{}, ctx.Err()
	}
}

func (r *Registry) join(k Key) *batch {
	l := &r.loader
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.waiting {
		if _, ok := b.keys[k]; ok {
			return b
		}
	}
	var b *batch
	if n := len(l.waiting); n > 0 && len(l.waiting[n-1].keys) < loadMost {
		b = l.waiting[n-1]
	} else {
		b = &batch{keys: make(map[Key]struct{}), done: make(chan struct{})}
		l.waiting = append(l.waiting, b)
	}
	b.keys[k] = struct{}{}
	switch {
	case l.closed:
		b.err = ErrClosed
		close(b.done)
		l.waiting = nil
	case !l.running:
		l.running = true
		r.running.Go(r.send)
	}
	return b
}

// send reads batch after batch until none is waiting.
func (r *Registry) send() {
	l := &r.loader
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

// read fills a batch from the store, and keeps the control record, which has
// nothing to match.
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
	r.cache.expect(r.control)
	defer r.cache.done(r.control)
	b.began = r.now()
	views, err := r.store.Load(ctx, keys...)
	r.stats.loads.Add(1)
	if err == nil && len(views) != len(keys) {
		err = fmt.Errorf("the store returned %d views of %d", len(views), len(keys))
	}
	if err != nil {
		b.err = r.noAnswer(err)
		return
	}
	b.views = make(map[Key]View, len(views))
	for i, v := range views {
		if b.err = r.own(keys[i], v.Roster); b.err != nil {
			r.log.Error("a stored roster is not what its key says; it is left alone", "key", keys[i], "error", b.err)
			v.Roster, b.err = nil, nil // absent means no
		}
		b.views[keys[i]] = v
	}
	b.control = b.views[r.control]
	r.cache.keep(b.control, b.began)
}

// own says whether a roster is the one that its key names in this realm.
func (r *Registry) own(k Key, ro *Roster) error {
	if ro == nil || ro.Realm == r.config.Realm && KeyOf(ro.Realm, ro.Account) == k {
		return nil
	}
	return &FormatError{"it belongs to another account or realm than its key"}
}

func (l *loader) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}
