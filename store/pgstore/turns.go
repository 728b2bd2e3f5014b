package pgstore

import (
	"context"
	"sync"

	"github.com/oneseat/oneseat"
)

// turns lets the updates of one account run one at a time in this process, in
// the order in which they came: against each other they would only conflict.
type turns struct {
	mu sync.Mutex // guards of and every turn's users
	of map[oneseat.Key]*turn
}

type turn struct {
	token chan struct{} // holds one while somebody's turn lasts
	users int           // who has it or waits for it; at 0 the turn is forgotten
}

// take waits for the caller's turn, which lasts until done is called.
func (t *turns) take(ctx context.Context, k oneseat.Key) (done func(), err error) {
	t.mu.Lock()
	mine := t.of[k]
	if mine == nil {
		mine = &turn{token: make(chan struct{}, 1)}
		t.of[k] = mine
	}
	mine.users++
	t.mu.Unlock()
	select {
	case mine.token <- struct{}{}:
		return func() { <-mine.token; t.leave(k, mine) }, nil
	case <-ctx.Done():
		t.leave(k, mine)
		return nil, ctx.Err()
	}
}

func (t *turns) leave(k oneseat.Key, mine *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if mine.users--; mine.users == 0 {
		delete(t.of, k)
	}
}
