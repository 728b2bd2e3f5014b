package oneseat

import (
	"errors"
	"sync"
)

// subscriptions are the readers of events on this node.
type subscriptions struct {
	mu     sync.Mutex                            // guards what is below, and err and over of each Subscription
	by     map[string]map[*Subscription]struct{} // by account; "" for all
	closed error                                 // set once the registry is closed: there are no new ones
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

// Subscribe delivers the events of an account, or of the whole realm if account is
// "", from now on. A subscription whose reader falls 256 events behind ends with
// [ErrSlowSubscriber]. The caller ends it with [Subscription.Close]. From a closed
// registry Subscribe returns a subscription that has ended.
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

// Events returns the channel of events. It is closed when the subscription has
// ended; Err then says why.
func (sub *Subscription) Events() <-chan Event { return sub.events }

// Err returns nil while the subscription lasts and after Close, and otherwise
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
	if errors.Is(err, ErrClosed) {
		s.closed = err
	}
	for _, subs := range s.by {
		for sub := range subs {
			sub.finish(err)
		}
	}
}
