package oneseat

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	backgroundWorkers = 2
	backgroundQueue   = 1024
	sweepEvery        = time.Minute
	sweepPage         = 100
)

// write is a small update that nobody waits for. It is a use of a session, or the
// report that an ended session is still being used, at most once an hour.
type write struct {
	claim
	use       use
	reportUse bool
}

// background queues writes, each at most once. When the queue is full a write is
// dropped: the next check asks for it again.
type background struct {
	queue chan write // never closed; its readers end with the registry

	mu      sync.Mutex // guards what is below
	pending map[write]struct{}
	ordered map[Key][orderWrites]instant // when uses of an account were last written for their order alone, the oldest first
	most    int                          // how many accounts ordered may hold before old ones are dropped
}

func (b *background) init() {
	b.queue = make(chan write, backgroundQueue)
	b.pending = make(map[write]struct{})
	b.ordered = make(map[Key][orderWrites]instant)
	b.most = backgroundQueue
}

// mayOrder reports whether a use of an account may be written for its order alone.
func (b *background) mayOrder(k Key, now instant) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.orders(k, now)
}

// orders is mayOrder for a caller that holds the lock.
func (b *background) orders(k Key, now instant) bool {
	return now.since(b.ordered[k][0]) >= orderEvery // zero, if there was none, is long ago
}

// order is mayOrder for a write that is about to be made, and counts that.
func (b *background) order(k Key, now instant) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.orders(k, now) {
		return false
	}
	last := b.ordered[k]
	copy(last[:], last[1:])
	last[orderWrites-1] = now
	b.ordered[k] = last
	if len(b.ordered) > b.most {
		maps.DeleteFunc(b.ordered, func(_ Key, last [orderWrites]instant) bool { return now.since(last[orderWrites-1]) >= orderEvery })
		b.most = 2*len(b.ordered) + backgroundQueue
	}
	return true
}

func (b *background) add(x write) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.pending[x]; ok {
		return
	}
	select {
	case b.queue <- x:
		b.pending[x] = struct{}{}
	default:
	}
}

func (b *background) finished(x write) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.pending, x)
}

// len returns how many writes are queued or under way.
func (b *background) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.pending)
}

// work carries out writes until the registry is closed.
func (r *Registry) work() {
	for {
		select {
		case <-r.life.Done():
			return
		case x := <-r.background.queue:
			err := r.carryOut(r.life, x)
			if err != nil && !isOver(err) && r.life.Err() == nil {
				r.report(faultBackground, x.key, err)
			}
			r.background.finished(x)
		}
	}
}

// carryOut does one write.
func (r *Registry) carryOut(ctx context.Context, w write) error {
	if w.reportUse { // settles nothing, because that takes the realm's epoch, and the store may have lost the one in memory
		_, err := r.update(ctx, w.key, func(v View, _ int) Change { return v.reopen(r.rule).reportUse(w.secret) })
		return err
	}
	v, j, err := r.look(ctx, w.claim)
	if err != nil {
		return err
	}
	switch v.useDue(j.seat, w.use, v.Now, &r.rule) {
	case useNotDue:
		return nil
	case useInOrder:
		if !r.background.order(w.key, r.now()) {
			r.stats.usesDropped.Add(1)
			return nil
		}
	}
	_, err = r.writeUse(ctx, w.key, j, w.use)
	return err
}

// noteUse queues a use of a live session in a view, as far as that is due at the
// store's time at. It returns when the use has to be written. A use that has to be
// written before the answer is not queued: the caller has to write it.
func (r *Registry) noteUse(v *View, s *seat, how use, at time.Time) useDue {
	due := v.useDue(s, how, at, &r.rule)
	switch due {
	case useInOrder:
		r.orderUse(v.Key, s.session().ID, how)
	case useInBackground:
		r.background.add(write{claim: s.claim(v.Key), use: how})
	}
	return due
}

// orderUse queues a use that is written for its order alone, unless its account has
// had too many of these.
func (r *Registry) orderUse(key Key, id SessionID, how use) {
	if r.background.mayOrder(key, r.now()) {
		r.background.add(write{claim: claim{key: key, id: id}, use: how})
	} else {
		r.stats.usesDropped.Add(1)
	}
}

// settle records what has timed out in a roster and drops what was kept for long
// enough. It returns [ErrNoSession] if there is no roster.
func (r *Registry) settle(ctx context.Context, key Key, epoch uint64) (View, error) {
	return r.edit(ctx, key, premises{epoch: epoch}, func(d *draft) (Change, error) { return d.changed(), nil })
}

// sweep settles what is due, once a minute or so, until the registry is closed.
// Nothing waits for the sweep: what has timed out counts as gone before.
func (r *Registry) sweep() {
	for {
		select {
		case <-r.life.Done():
			return
		case <-time.After(sweepEvery/2 + rand.N(sweepEvery)):
		}
		if err := r.sweepOnce(r.life); err != nil && r.life.Err() == nil {
			r.log.Warn("sweeping stopped; it begins again in a minute", "error", err)
		}
	}
}

func (r *Registry) sweepOnce(ctx context.Context) error {
	epoch, _, err := r.currentEpoch(ctx, Key{})
	if err != nil {
		return err
	}
	var bad []error // rosters that cannot be read; the others are swept all the same
	seen := make(map[Key]struct{})
	stuck := 0 // how many of the settled keys the store still calls due
	for {
		limit := sweepPage + stuck
		keys, err := r.store.Due(ctx, r.config.Realm, limit)
		if err != nil {
			return r.noAnswer(err)
		}
		fresh := 0
		for _, k := range keys {
			if _, ok := seen[k]; ok {
				continue
			}
			seen[k] = struct{}{}
			fresh++
			_, err := r.settle(ctx, k, epoch)
			if _, format := errors.AsType[*FormatError](err); format {
				bad = append(bad, err)
			} else if err != nil && !errors.Is(err, ErrNoSession) {
				return err
			}
		}
		if stuck = len(keys) - fresh; fresh == 0 || len(keys) < limit {
			return errors.Join(bad...)
		}
	}
}
