package oneseattest

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oneseat/oneseat"
)

// Clock goes as the machine's clock does, and further when the test says so. In a
// bubble of [testing/synctest] it goes as the bubble's. It is safe for concurrent use.
//
// A registry and its store have to share one: the store's clock decides what has
// timed out, the registry's how long memory is believed. What a registry does by
// itself, such as cutting a request whose session times out meanwhile, follows the
// machine's timers: for that a bubble is better.
type Clock struct {
	start time.Time
	ahead atomic.Int64 // of the machine's clock, in nanoseconds

	mu    sync.Mutex          // guards nodes
	nodes []*oneseat.Registry // that read this clock and are not closed
}

// NewClock returns a clock that shows the machine's time.
func NewClock() *Clock { return &Clock{start: time.Now()} }

// Advance moves the clock forward. Before that it waits for what registries write in
// the background, so that a use of a session counts for the time when it was made.
// Advance panics if by is negative: a clock that runs backwards is a fault, against
// which registries defend themselves.
func (c *Clock) Advance(by time.Duration) {
	if by < 0 {
		panic("oneseattest: a clock does not go back")
	}
	for c.writes() {
		time.Sleep(time.Millisecond)
	}
	c.ahead.Add(int64(by))
}

// writes reports whether a registry has something to write.
func (c *Clock) writes() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.nodes, func(r *oneseat.Registry) bool { return r.Stats().Pending > 0 })
}

func (c *Clock) add(r *oneseat.Registry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes = append(c.nodes, r)
}

func (c *Clock) drop(r *oneseat.Registry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes = slices.DeleteFunc(c.nodes, func(o *oneseat.Registry) bool { return o == r })
}

// Now returns the time: for a store, as memstore.NewAt takes it, and for what the
// application itself does with time.
func (c *Clock) Now() time.Time {
	now, _ := c.Read()
	return now
}

// Read is for [oneseat.Config.Clock].
func (c *Clock) Read() (wall time.Time, monotonic time.Duration) {
	now, ahead := time.Now(), time.Duration(c.ahead.Load())
	return now.Round(0).Add(ahead), now.Sub(c.start) + ahead
}
