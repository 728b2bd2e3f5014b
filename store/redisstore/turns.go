package redisstore

import (
	"context"
	"sync"

	"github.com/oneseat/oneseat"
)

// turns lets one update of a key run at a time, in the order in which they came:
// more would only be in each other's way. The zero value is ready.
type turns struct {
	mu  sync.Mutex // guards all, and who is counted in its turns
	all map[oneseat.Key]*turn
}

type turn struct {
	held   chan struct{} // full while an update of the key runs
	wanted int           // updates that have it or wait for it
}

// take waits for the key's turn. Whoever got it calls give.
func (t *turns) take(ctx context.Context, k oneseat.Key) (give func(), err error) {
	t.mu.Lock()
	if t.all == nil {
		t.all = make(map[oneseat.Key]*turn)
	}
	mine := t.all[k]
	if mine == nil {
		mine = &turn{held: make(chan struct{}, 1)}
		t.all[k] = mine
	}
	mine.wanted++
	t.mu.Unlock()

	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if mine.wanted--; mine.wanted == 0 {
			delete(t.all, k)
		}
	}
	select {
	case mine.held <- struct{}{}:
		return func() { <-mine.held; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}
