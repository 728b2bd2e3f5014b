// Package turns lets the updates of one roster run one at a time in a process,
// as [oneseat.Store] promises, for stores whose engine would let them conflict.
//
// It owns the waiting, and nothing of what is waited for.
package turns

import (
	"context"
	"sync"

	"github.com/oneseat/oneseat"
)

// Turns gives turns by key, in the order in which they were asked for. The zero
// value is ready. Safe for concurrent use.
type Turns struct {
	mu  sync.Mutex // guards all, and who is counted in its turns
	all map[oneseat.Key]*turn
}

type turn struct {
	held   chan struct{} // full while an update of the key runs
	wanted int           // updates that have it or wait for it
}

// Take waits for the key's turn, or for the end of ctx, whose error it returns.
// Whoever got the turn calls give.
func (t *Turns) Take(ctx context.Context, k oneseat.Key) (give func(), err error) {
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
