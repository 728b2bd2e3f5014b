package oneseat

import (
	"context"
	"errors"
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

// write is a small update that nobody waits for: a touch, or the report that an
// ended session is still being used, which is made at most once an hour.
type write struct {
	claim
	reportUse bool
}

// background queues writes, each at most once. When the queue is full a write is
// dropped: the next check asks for it again.
type background struct {
	queue chan write // closed by nobody; its readers end with the registry

	mu      sync.Mutex // guards pending
	pending map[write]struct{}
}

func (b *background) init() {
	b.queue = make(chan write, backgroundQueue)
	b.pending = make(map[write]struct{})
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

// work carries out writes until the registry is closed.
func (r *Registry) work() {
	for {
		select {
		case <-r.life.Done():
			return
		case x := <-r.background.queue:
			err := r.carryOut(r.life, x)
			if err != nil && !errors.Is(err, ErrNoSession) && r.life.Err() == nil {
				r.log.Warn("a background update failed; the next check asks for it again", "error", err)
			}
			r.background.finished(x)
		}
	}
}

// carryOut does one write, and nothing else. It settles nothing: that takes the
// realm's epoch, and the one in memory may be one that the store has lost.
func (r *Registry) carryOut(ctx context.Context, w write) error {
	if !w.reportUse {
		r.stats.touches.Add(1)
	}
	_, err := r.update(ctx, w.key, func(v View, _ int) (Change, error) {
		if w.reportUse {
			return v.reopen(r.rule).reportUse(w.secret), nil
		}
		return v.reopen(r.rule).touchLater(w.id), nil
	})
	return err
}

// noteUse has the use of a live session written in the background, if that is
// due. It returns false when the idle deadline is so near that the touch has to
// come before the answer.
func (r *Registry) noteUse(key Key, j judgement, at time.Time) bool {
	switch j.touchDue(at, r.rule) {
	case touchBeforeAnswer:
		return false
	case touchInBackground:
		r.background.add(write{claim: claim{key: key, id: j.session().ID}})
	}
	return true
}

// settle records what has timed out in a roster and drops what was kept for long
// enough. It returns [ErrNoSession] if there is no roster.
func (r *Registry) settle(ctx context.Context, key Key, epoch uint64) (View, error) {
	return r.edit(ctx, key, premises{epoch: epoch}, func(d *draft) (Change, error) { return d.changed(), nil })
}

// sweep settles what is due, once a minute or so, until the registry is closed.
// Nothing waits for it: what has timed out counts as gone before.
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
	epoch, _, err := r.currentEpoch(ctx)
	if err != nil {
		return err
	}
	var bad []error // rosters that cannot be read; the others are no worse for it
	seen := make(map[Key]struct{})
	stuck := 0 // of the keys, those that are still called due
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
