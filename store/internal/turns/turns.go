// Package turns makes the updates of one roster run one at a time in a process, as
// [oneseat.Store] promises. It is for stores whose engine would let them conflict.
//
// It owns the waiting, and what one update leaves for those that wait. It does not
// know what the updates do.
package turns

import (
	"context"
	"sync"

	"github.com/oneseat/oneseat"
)

// Turns gives out turns by key, in the order in which callers asked. A caller may
// leave a T for those that wait. The zero value is ready to use. It is safe for
// concurrent use.
type Turns[T any] struct {
	mu    sync.Mutex // guards all, and every turn in it except held
	all   map[oneseat.Key]*turn[T]
	spare []*turn[T] // of keys that nobody updates any more
}

// mostSpare is how many turns are kept for other keys.
const mostSpare = 64

type turn[T any] struct {
	held    chan struct{} // full while an update of the key runs
	wanted  int           // how many updates run or wait
	arrived uint64        // how many callers have asked for the turn since it was made

	left  T
	there bool   // there is something left
	upTo  uint64 // for the callers that had arrived by then
}

// Turn is a turn that a caller has. One goroutine uses it.
type Turn[T any] struct {
	of      *Turns[T]
	key     oneseat.Key
	its     *turn[T]
	arrived uint64
}

// Take waits for the key's turn. If ctx ends first, Take returns ctx's error. A
// caller that got the turn calls Give when it is done.
func (t *Turns[T]) Take(ctx context.Context, k oneseat.Key) (Turn[T], error) {
	t.mu.Lock()
	if t.all == nil {
		t.all = make(map[oneseat.Key]*turn[T])
	}
	its := t.all[k]
	if its == nil {
		if n := len(t.spare); n > 0 {
			its, t.spare = t.spare[n-1], t.spare[:n-1]
		} else {
			its = &turn[T]{held: make(chan struct{}, 1)}
		}
		t.all[k] = its
	}
	its.wanted++
	its.arrived++
	mine := Turn[T]{t, k, its, its.arrived}
	t.mu.Unlock()
	select {
	case its.held <- struct{}{}:
		return mine, nil
	case <-ctx.Done():
		mine.leave()
		return Turn[T]{}, ctx.Err()
	}
}

// Give ends the turn.
func (t Turn[T]) Give() {
	<-t.its.held
	t.leave()
}

func (t Turn[T]) leave() {
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	if t.its.wanted--; t.its.wanted == 0 {
		delete(t.of.all, t.key)
		if *t.its = (turn[T]{held: t.its.held}); len(t.of.spare) < mostSpare {
			t.of.spare = append(t.of.spare, t.its)
		}
	}
}

// Begin forgets what was left. What the caller leaves later is for those that wait
// now. It is not for those that come later, because they have to see what was
// committed before they came.
func (t Turn[T]) Begin() {
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	t.its.left, t.its.there, t.its.upTo = *new(T), false, t.its.arrived
}

// Leave leaves something for those that waited when Begin was called.
func (t Turn[T]) Leave(left T) {
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	t.its.left, t.its.there = left, true
}

// Left returns what an earlier turn has left for this one.
func (t Turn[T]) Left() (left T, there bool) {
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	if !t.its.there || t.arrived > t.its.upTo {
		return left, false
	}
	return t.its.left, true
}
