package turns_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/internal/turns"
)

func take(t *testing.T, all *turns.Turns[string], k oneseat.Key) turns.Turn[string] {
	t.Helper()
	turn, err := all.Take(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	return turn
}

func TestOneAtATimeOfAKeyInTheOrderInWhichTheyAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all turns.Turns[string]
		first := take(t, &all, oneseat.Key{1})
		var mu sync.Mutex
		var order []int
		running := 0
		for i := range 10 {
			go func() {
				turn, err := all.Take(t.Context(), oneseat.Key{1})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				running++
				order = append(order, i)
				if running != 1 {
					t.Errorf("%d run at once", running)
				}
				running--
				mu.Unlock()
				turn.Give()
			}()
			synctest.Wait()
		}
		take(t, &all, oneseat.Key{2}).Give() // another key waits for nobody
		if len(order) > 0 {
			t.Errorf("%v did not wait", order)
		}
		first.Give()
		synctest.Wait()
		if fmt.Sprint(order) != "[0 1 2 3 4 5 6 7 8 9]" {
			t.Errorf("the order was %v", order)
		}
	})
}

func TestWhoDoesNotWaitAnyMoreGetsNoTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all turns.Turns[string]
		first := take(t, &all, oneseat.Key{1})
		ctx, cancel := context.WithCancel(t.Context())
		gone, next := make(chan error), make(chan struct{})
		go func() {
			_, err := all.Take(ctx, oneseat.Key{1})
			gone <- err
		}()
		synctest.Wait()
		go func() {
			take(t, &all, oneseat.Key{1}).Give()
			close(next)
		}()
		synctest.Wait()
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		first.Give()
		<-next
		take(t, &all, oneseat.Key{1}).Give()
	})
}

// What is left was read before a caller that comes later has called. That caller has to
// read for itself: something may have happened in between.
func TestWhatIsLeftIsForThoseThatWaitedWhenItWasBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all turns.Turns[string]
		got := make(chan string, 3)
		wait := func(do func(turns.Turn[string])) {
			go func() {
				turn := take(t, &all, oneseat.Key{1})
				left, there := turn.Left()
				got <- fmt.Sprint(left, there)
				do(turn)
				turn.Give()
			}()
			synctest.Wait()
		}
		nothing := func(turns.Turn[string]) {}

		first := take(t, &all, oneseat.Key{1})
		if left, there := first.Left(); there {
			t.Errorf("%q is left for the first", left)
		}
		wait(nothing)
		wait(func(turn turns.Turn[string]) { turn.Begin() }) // it fails, and leaves nothing
		first.Begin()
		wait(func(turn turns.Turn[string]) { turn.Begin(); turn.Leave("second") })
		wait(nothing) // it has waited while the third was at it
		first.Leave("first")
		first.Give()
		synctest.Wait()
		for i, want := range []string{"firsttrue", "firsttrue", "false", "secondtrue"} {
			if is := <-got; is != want {
				t.Errorf("waiting caller %d was left %s, want %s", i+1, is, want)
			}
			synctest.Wait()
		}
		again := take(t, &all, oneseat.Key{1})
		if left, there := again.Left(); there {
			t.Errorf("%q is left for a caller that comes later", left)
		}
		again.Give()
		other := take(t, &all, oneseat.Key{2})
		if left, there := other.Left(); there {
			t.Errorf("%q is left for another key", left)
		}
		other.Give()
	})
}
