// Package turns makes the updates of one roster run one at a time in a process, as
// [oneseat.Store] promises. It is for stores whose engine would let them conflict.
//
// It owns the waiting. It does not know what the updates do.
package turns

import (
	"context"
	"sync"

	"github.com/oneseat/oneseat"
)

// Turns gives out turns by key, in the order in which callers asked. The zero value
// is ready to use. It is safe for concurrent use.
type Turns struct {
	mu  sync.Mutex // guards all and every wanted
	all map[oneseat.Key]*turn
}

type turn struct {
	held   chan struct{} // full while an update of the key runs
	wanted int           // how many updates run or wait
}

// Take waits for the key's turn. If ctx ends first, Take returns ctx's error. A
// caller that got the turn calls give when it is done.
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
