package oneseat

import (
	"context"
	"sync/atomic"
	"time"
)

const (
	feedSlowest  = time.Second // between two tries while the log cannot be read
	pushSlowest  = time.Minute // between two tries while the store's push is broken
	repeatMemory = 4096        // entries by which repeats are known, per generation
)

// pulse returns how often the log is read although nothing woke the reader, and how
// often watches are rechecked.
func (r *Registry) pulse() time.Duration {
	if r.config.MaxStale == FreshAlways {
		return time.Second / 4
	}
	return r.config.MaxStale / 4
}

// follow starts a reader for every partition of the log, and one listener for
// the store's push.
func (r *Registry) follow() {
	wakes := make([]chan struct{}, r.store.Partitions())
	for p := range wakes {
		wakes[p] = make(chan struct{}, 1)
		r.running.Go(func() { r.readLog(p, wakes[p]) })
	}
	r.running.Go(func() { r.listen(wakes) })
}

// listen passes on the store's push until the registry is closed. While the push is
// broken it tries again after pauses that grow: each try may be a failed login in the
// log of the store's server, and without the push this node only learns of changes later.
func (r *Registry) listen(wakes []chan struct{}) {
	pause := feedSlowest
	for {
		var worked atomic.Bool
		err := r.store.Wake(r.life, func(p int) {
			worked.Store(true)
			select {
			case wakes[p] <- struct{}{}:
			default:
			}
		})
		if r.life.Err() != nil {
			return
		}
		r.report(faultPush, Key{}, err)
		if worked.Load() {
			pause = feedSlowest
		}
		r.pause(pause)
		pause = min(2*pause, pushSlowest)
	}
}

// readLog reads one partition of the log until the registry is closed.
func (r *Registry) readLog(p int, wake <-chan struct{}) {
	f := feed{partition: p, repeats: repeats{recent: map[Key]uint64{}}}
	tick := time.Tick(r.pulse())
	broken := time.Duration(0)
	for {
		err := r.catchUp(&f)
		switch {
		case r.life.Err() != nil:
			return
		case err != nil:
			if broken == 0 {
				r.log.Warn("the log cannot be read; checks read the store instead", "error", err)
			}
			broken = min(max(2*broken, 20*time.Millisecond), feedSlowest)
			r.pause(broken)
			continue
		case broken > 0:
			broken = 0
			r.log.Info("the log can be read again")
		}
		select {
		case <-r.life.Done():
			return
		case <-wake:
		case <-tick:
		}
	}
}

// pause waits, or returns at once when the registry is closed.
func (r *Registry) pause(d time.Duration) {
	select {
	case <-r.life.Done():
	case <-time.After(d):
	}
}

// feed is the place that one reader of the log has reached. Its goroutine owns it.
type feed struct {
	partition int
	cursor    Cursor
	repeats   repeats
	gap       step // until which the log was not followed
}

// catchUp reads to the end of the log and applies all of it. What was cached
// before the last call began is then proven as of that call's beginning.
func (r *Registry) catchUp(f *feed) error {
	for {
		call := proof{begun: r.cache.step(f.partition), at: r.now()}
		ctx, cancel := context.WithTimeout(r.life, loadTimeout)
		tail, err := r.store.Changes(ctx, f.partition, f.cursor)
		cancel()
		if err != nil {
			return r.noAnswer(err)
		}
		if f.cursor == "" || tail.Gap {
			// No later call proves what began to load before this moment: it is read again
			// when it is asked for. Watched sessions are read again too.
			f.gap = r.cache.step(f.partition)
			r.subs.close(ErrFeedGap) // at the start too: an earlier subscription may have missed something
			if tail.Gap {
				r.log.Warn("the log has a gap: events may have been missed; what is cached is read again")
			}
		}
		for _, e := range tail.Entries {
			r.changed(f, e)
		}
		f.cursor = tail.Cursor
		if tail.End {
			call.gap = f.gap
			r.cache.prove(f.partition, call)
			return nil
		}
	}
}

// changed applies one entry of the log to this node.
func (r *Registry) changed(f *feed, e Entry) {
	r.cache.changed(e.Key, e.Version)
	r.endWatchesOf(e.Key, e.Events)
	if f.repeats.known(e.Key, e.Version) {
		return
	}
	if len(e.Events) == 0 { // they were forgotten before this node read the entry
		r.subs.close(ErrFeedGap)
	}
	for _, event := range e.Events {
		if event.Realm == r.config.Realm {
			r.subs.publish(event)
		}
	}
}

// repeats knows which entries were seen lately, because a store may return one more
// than once. It forgets by generations, so its size is bounded.
type repeats struct {
	recent, older map[Key]uint64
}

func (s *repeats) known(k Key, version uint64) bool {
	seen := max(s.recent[k], s.older[k])
	if len(s.recent) >= repeatMemory {
		s.older, s.recent = s.recent, make(map[Key]uint64, repeatMemory)
	}
	s.recent[k] = max(seen, version)
	return seen >= version
}
