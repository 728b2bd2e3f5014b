package oneseat_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
)

// A reader that asks how far the log was read, and then reads its channel empty, knows
// all that was committed before.
func TestWhatTheLogWasReadToHasBeenDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{})
		b.set(func() {
			b.changes = func(ctx context.Context, p int, after oneseat.Cursor, next tailFunc) (oneseat.Tail, error) {
				tail, err := next(ctx, p, after)
				time.Sleep(rand.N(300 * time.Millisecond))
				return tail, err
			}
		})
		time.Sleep(time.Second)
		sub := b.Subscribe("")
		defer sub.Close()
		proven, heard, answered := time.Time{}, 0, 0
		var committed []time.Time
		for range 500 {
			signIn(t, a, "ada", oneseat.SignInRequest{})
			committed = append(committed, time.Now())
			time.Sleep(rand.N(100 * time.Millisecond))
			if proven = time.Now().Add(-b.LogLag()); b.LogLag() < 0 {
				t.Fatal("the log was not read")
			}
			events, over := received(sub)
			if over {
				t.Fatal(sub.Err())
			}
			for _, e := range events {
				if e.Type == oneseat.EventSessionCreated {
					heard++
				}
			}
			for answered < len(committed) && committed[answered].Before(proven) {
				answered++
			}
			if heard < answered {
				t.Fatalf("%d were committed before, %d are known", answered, heard)
			}
		}
		if answered < 400 {
			t.Errorf("only %d were proven", answered)
		}
	})
}
