package oneseat_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// A proof vouches only for what was in memory before its call began.
func TestAProofDoesNotVouchForWhatWasCachedAfterItBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{})
		b.mute()
		time.Sleep(2 * maxStale)
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		slow := make(chan struct{}, 1) // a call is under way, from now to then
		then, finish := gate(t)
		b.set(func() {
			b.changes = func(ctx context.Context, p int, after oneseat.Cursor, next tailFunc) (oneseat.Tail, error) {
				tail, err := next(ctx, p, after)
				select {
				case slow <- struct{}{}:
					<-then
				default:
					<-ctx.Done() // and afterwards none is answered any more
					return oneseat.Tail{}, ctx.Err()
				}
				return tail, err
			}
		})
		time.Sleep(maxStale / 4)
		synctest.Wait()
		if len(slow) != 1 {
			t.Fatal("no call is under way")
		}
		fromStore(t, b, g) // cached while the call is under way
		time.Sleep(maxStale / 2)
		finish()
		synctest.Wait()
		deleteRow(t, store, "ada")
		time.Sleep(maxStale / 2)
		fromMemory(t, b, g) // as of its own load
		time.Sleep(tick)
		_, err := b.Check(t.Context(), string(g.Token))
		wantError(t, err, oneseat.ErrNoSession)
	})
}

// A reply that comes late must not be believed because of what is proven after
// a gap: the change that overtook it may have been in the gap. Nor must it be at
// the start, when the log's end is found after the load was answered. It may
// arrive before the gap is known, or after.
func TestWhatWasReadBeforeAGapIsNeverProven(t *testing.T) {
	for _, c := range []struct{ start, late bool }{{false, false}, {false, true}, {true, false}, {true, true}} {
		t.Run(fmt.Sprintf("at the start %v, cached after the gap %v", c.start, c.late), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := memstore.New()
				a := newNode(t, store, oneseat.Config{})
				g := signIn(t, a, "ada", oneseat.SignInRequest{})
				f := &faulty{Store: store}
				called := make(chan struct{})
				answer, open := gate(t)
				first := true
				gap := func(ctx context.Context, p int, after oneseat.Cursor, next tailFunc) (oneseat.Tail, error) {
					if !first {
						return next(ctx, p, after)
					}
					first = false
					if !c.start {
						after = "lost.1"
					}
					close(called)
					<-answer
					return next(ctx, p, after)
				}
				if c.start {
					f.changes = gap
				}
				b := node{newRegistry(t, f, oneseat.Config{}), f}
				t.Cleanup(open) // before b is closed
				if !c.start {
					synctest.Wait()
					f.set(func() { f.changes = gap })
				}
				await(t, called)
				read, release := delayed(t, b, "ada")
				checked := make(chan struct{})
				go func() { _, _ = b.Check(t.Context(), string(g.Token)); close(checked) }()
				await(t, read)
				signIn(t, a, "ada", oneseat.SignInRequest{}) // its entry is before where the log is found to end
				gapIsKnown := func() { open(); synctest.Wait() }
				if c.late {
					gapIsKnown()
				}
				release() // the old roster is cached
				<-checked
				if !c.late {
					gapIsKnown()
				}
				time.Sleep(maxStale + tick)
				wantEnded(t, b, g, oneseat.ReasonDisplaced)
			})
		})
	}
}

// A gap suspends what was cached: it counts as of its own load only.
func TestAGapSuspendsWhatWasCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{})
		g, other := signIn(t, a, "ada", oneseat.SignInRequest{}), signIn(t, a, "grace", oneseat.SignInRequest{})
		wantLive(t, b, g)
		wantLive(t, b, other)
		time.Sleep(5 * time.Second)
		fromMemory(t, b, g)
		deleteRow(t, store, "ada") // something that the log does not tell
		b.set(func() {
			b.changes = func(ctx context.Context, p int, _ oneseat.Cursor, next tailFunc) (oneseat.Tail, error) {
				b.set(func() { b.changes = nil })
				return next(ctx, p, "trimmed.1")
			}
		})
		time.Sleep(maxStale / 4)
		synctest.Wait()
		_, err := b.Check(t.Context(), string(g.Token))
		wantError(t, err, oneseat.ErrNoSession)
		fromStore(t, b, other)
		for range 8 { // and is then proven as ever
			time.Sleep(maxStale / 4)
			fromMemory(t, b, other)
		}
	})
}

// A log that is longer than one answer proves nothing before its end.
func TestOnlyTheEndOfTheLogIsAProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		wantLive(t, b, g)
		b.mute()
		var calls atomic.Int64
		b.set(func() {
			b.changes = func(ctx context.Context, p int, after oneseat.Cursor, next tailFunc) (oneseat.Tail, error) {
				calls.Add(1)
				time.Sleep(maxStale / 20)
				return oneseat.Tail{Cursor: after}, nil // there is more
			}
		})
		time.Sleep(3 * maxStale)
		if n := calls.Load(); n < 10 {
			t.Fatalf("%d calls: it does not go on at once", n)
		}
		fromStore(t, b, g)
		b.up()
		time.Sleep(3 * maxStale)
		fromMemory(t, b, g)
	})
}

// A proof counts as of the beginning of its call: what happened while the answer
// was on its way is not in it.
func TestAProofCountsAsOfItsBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{})
		b.mute()
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		fromStore(t, b, g)
		time.Sleep(2 * maxStale)
		fromMemory(t, b, g)
		var asked atomic.Bool
		begun := make(chan time.Time, 1)
		then, finish := gate(t)
		b.set(func() {
			b.changes = func(ctx context.Context, p int, after oneseat.Cursor, next tailFunc) (oneseat.Tail, error) {
				tail, err := next(ctx, p, after)
				if asked.Swap(true) { // only the first is ever answered
					<-ctx.Done()
					return oneseat.Tail{}, ctx.Err()
				}
				begun <- time.Now()
				<-then
				return tail, err
			}
		})
		began := <-begun
		deleteRow(t, store, "ada")
		time.Sleep(maxStale / 2)
		finish()
		time.Sleep(time.Until(began.Add(maxStale)))
		fromMemory(t, b, g)
		time.Sleep(tick)
		_, err := b.Check(t.Context(), string(g.Token))
		wantError(t, err, oneseat.ErrNoSession)
	})
}
