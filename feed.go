package oneseat

import (
	"context"
	"sync"
	"time"
)

const (
	feedSlowest  = time.Second // between two tries while the log cannot be read
	repeatMemory = 4096        // entries by which repeats are known, per generation
)

// pulse is how often the log is read although nothing woke the reader, and how
// often holds are looked over.
func (r *Registry) pulse() time.Duration {
	if r.config.MaxStale > 0 {
		return r.config.MaxStale / 4
	}
	return time.Second / 4
}

// follow starts a reader for every partition of the log, and one listener for
// the store's push.
func (r *Registry) follow() {
	wakes := make([]chan struct{}, r.store.Partitions())
	for p := range wakes {
		wakes[p] = make(chan struct{}, 1)
		r.running.Go(func() { r.readLog(p, wakes[p]) })
	}
	r.running.Go(func() {
		for r.life.Err() == nil {
			err := r.store.Wake(r.life, func(p int) {
				select {
				case wakes[p] <- struct{}{}:
				default:
				}
			})
			if r.life.Err() == nil {
				r.log.Warn("the store's push is broken; the log is read on time instead", "error", err)
				r.pause(feedSlowest)
			}
		}
	})
}

// readLog reads one partition of the log until the registry is closed.
func (r *Registry) readLog(p int, wake <-chan struct{}) {
	f := feed{partition: p, repeats: repeats{recent: map[Key]uint64{}}}
	tick := time.NewTicker(r.pulse())
	defer tick.Stop()
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
		case <-tick.C:
		}
	}
}

// pause waits, or returns at once when the registry is closed.
func (r *Registry) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-r.life.Done():
	case <-t.C:
	}
}

// feed is where one reader stands. Its goroutine owns it.
type feed struct {
	partition int
	cursor    Cursor
	repeats   repeats
	gap       uint64 // the step until which the log was not followed
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
			// What began to load until now counts from its own load only, and is
			// read again when it is asked for; holds likewise.
			f.gap = r.cache.step(f.partition)
			r.subs.close(ErrFeedGap) // at the start too: who subscribed before may have missed something
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
	r.cutEnded(e.Key, e.Events)
	if f.repeats.known(e.Key, e.Version) {
		return
	}
	for _, event := range e.Events {
		if event.Realm == r.config.Realm {
			r.subs.publish(event)
		}
	}
}

// repeats knows which entries were seen lately: a store may return one more
// than once. It forgets by generations, so it is bounded.
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

// subscriptions are the readers of events on this node.
type subscriptions struct {
	mu     sync.Mutex
	by     map[string]map[*Subscription]struct{} // by account; "" for all
	closed error
}

// Subscription delivers events in the order of the log.
type Subscription struct {
	events  chan Event
	account string
	all     *subscriptions
	err     error // why events was closed; guarded by all.mu
	over    bool
}

// subscriptionBuffer is how far a reader may fall behind.
const subscriptionBuffer = 256

func (s *subscriptions) init() { s.by = make(map[string]map[*Subscription]struct{}) }

// Subscribe delivers the events of an account, or of the whole realm if the
// account is "", from now on. A reader that falls 256 events behind is dropped
// ([ErrSlowSubscriber]): nobody waits for it. Close ends it.
func (r *Registry) Subscribe(account string) *Subscription {
	s := &r.subs
	sub := &Subscription{events: make(chan Event, subscriptionBuffer), account: account, all: s}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed != nil {
		sub.finish(s.closed)
		return sub
	}
	if s.by[account] == nil {
		s.by[account] = make(map[*Subscription]struct{})
	}
	s.by[account][sub] = struct{}{}
	return sub
}

// Events is closed when the subscription has ended; Err then says why.
func (sub *Subscription) Events() <-chan Event { return sub.events }

// Err is nil while the subscription lasts and after Close, and otherwise
// [ErrSlowSubscriber], [ErrFeedGap] or [ErrClosed].
func (sub *Subscription) Err() error {
	sub.all.mu.Lock()
	defer sub.all.mu.Unlock()
	return sub.err
}

// Close ends the subscription. It may be called more than once.
func (sub *Subscription) Close() {
	sub.all.mu.Lock()
	defer sub.all.mu.Unlock()
	sub.finish(nil)
}

// finish ends a subscription; the caller holds the lock.
func (sub *Subscription) finish(err error) {
	if sub.over {
		return
	}
	sub.over, sub.err = true, err
	close(sub.events)
	delete(sub.all.by[sub.account], sub)
	if len(sub.all.by[sub.account]) == 0 {
		delete(sub.all.by, sub.account)
	}
}

func (s *subscriptions) publish(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sub := range s.by[e.Account] {
		sub.send(e)
	}
	if e.Account != "" {
		for sub := range s.by[""] {
			sub.send(e)
		}
	}
}

func (sub *Subscription) send(e Event) {
	select {
	case sub.events <- e:
	default:
		sub.finish(ErrSlowSubscriber)
	}
}

// close ends all subscriptions; after ErrClosed there are no new ones.
func (s *subscriptions) close(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == ErrClosed {
		s.closed = err
	}
	for _, subs := range s.by {
		for sub := range subs {
			sub.finish(err)
		}
	}
}
