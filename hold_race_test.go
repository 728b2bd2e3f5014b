package oneseat_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
)

// The session by which a request was let in may end before the request watches it. So
// the session is verified again after the watch is set.
func TestAnEndBetweenTheCheckAndTheTieIsNotMissed(t *testing.T) {
	for name, tt := range map[string]struct {
		reason oneseat.Reason
		end    func(t testing.TB, a, r node)
	}{
		"here":           {oneseat.ReasonDisplaced, func(t testing.TB, _, r node) { r.deaf(); signIn(t, r, "ada", oneseat.SignInRequest{}) }},
		"of the realm":   {oneseat.ReasonRealmEnded, func(t testing.TB, _, r node) { r.deaf(); endRealm(t, r, "") }},
		"on another one": {oneseat.ReasonDisplaced, func(t testing.TB, a, _ node) { signIn(t, a, "ada", oneseat.SignInRequest{}); synctest.Wait() }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, r, _ := following(t, oneseat.Config{})
				g := signIn(t, r, "ada", oneseat.SignInRequest{})
				fromMemory(t, r, g)
				q := &request{}
				if !r.CheckAndWatchLate(t.Context(), string(g.Token), &q.holding, q, func() { tt.end(t, a, r) }) {
					t.Fatal("memory does not say yes")
				}
				wantEnding(t, q.cause(t), g.Session.ID, tt.reason)
			})
		})
	}
}

// A watch may be stopped more than once. That takes no other off the list.
func TestAWatchThatIsStoppedTwiceTakesNoOtherOffTheList(t *testing.T) {
	eachWay(t, func(t *testing.T, hold func(testing.TB, node, oneseat.Grant) *request) {
		_, r, _ := following(t, oneseat.Config{})
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		one, two := hold(t, r, g), hold(t, r, g)
		one.leave()
		two.leave()
		others := []*request{hold(t, r, g), hold(t, r, g)}
		one.leave()
		two.leave()
		if _, err := r.EndAll(t.Context(), "ada", oneseat.EndOptions{}); err != nil {
			t.Fatal(err)
		}
		for _, q := range others {
			wantEnding(t, q.cause(t), g.Session.ID, oneseat.ReasonRevoked)
		}
		if one.cause(t) != nil || two.cause(t) != nil {
			t.Error("a watch that was stopped was called")
		}
	})
}

// What stands in for a registry, such as a client, hears of each Stop, and says itself what
// its check found.
func TestAWatchThatIsBoundStopsItsOwner(t *testing.T) {
	for _, found := range [][2]bool{{false, false}, {true, false}, {false, true}} {
		var w oneseat.Watch
		stopped := 0
		w.Bind(found[0], found[1], func() { stopped++ })
		if got := [2]bool{w.Rotated(), w.Touched()}; got != found || stopped != 0 {
			t.Errorf("%v was bound: rotated and touched are %v, it was stopped %d times", found, got, stopped)
		}
		w.Stop()
		w.Stop()
		if stopped != 2 {
			t.Errorf("Stop was passed on %d times, want twice", stopped)
		}
	}
}

// On the node that served it, an operation returns only when the watchers of what it
// ended have been called. That holds too where the log came before the operation's own
// reply and is still calling them.
func TestAnOperationReturnsWhenWhatTheLogHasBegunToTellIsTold(t *testing.T) {
	for name, end := range map[string]func(testing.TB, node, oneseat.Grant){
		"SignIn":   func(t testing.TB, r node, _ oneseat.Grant) { signIn(t, r, "ada", oneseat.SignInRequest{}) },
		"EndRealm": func(t testing.TB, r node, _ oneseat.Grant) { endRealm(t, r, "") },
		"SignOut": func(t testing.TB, r node, g oneseat.Grant) {
			if err := signOut(t, r, g); err != nil {
				t.Error(err)
			}
		},
	} {
		for _, never := range []bool{false, true} { // a watcher that blocks, against its promise
			t.Run(fmt.Sprint(name, ", never told ", never), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r, _, _ := following(t, oneseat.Config{})
					g := signIn(t, r, "ada", oneseat.SignInRequest{})
					synctest.Wait()
					telling, told := make(chan struct{}), make(chan struct{})
					r.AfterEnd(t.Context(), g.Session, func(error) { close(telling); <-told })
					r.set(func() {
						r.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
							v, err := next(ctx, k, c)
							<-telling // by the log
							return v, err
						}
					})
					began, over := time.Now(), make(chan struct{})
					go func() { end(t, r, g); close(over) }()
					synctest.Wait()
					select {
					case <-over:
						t.Error("it returned before")
					default:
					}
					if !never {
						close(told)
					}
					<-over
					want := time.Duration(0)
					if never {
						want = time.Second
					}
					if took := time.Since(began); took != want {
						t.Errorf("it took %v, want %v", took, want)
					}
					if never {
						close(told)
					}
				})
			})
		}
	}
}

// An end that comes while a hold is being verified is not missed: the watch is set
// first and verified then.
func TestAnEndDuringTheFirstLookIsNotMissed(t *testing.T) {
	for _, realmEnds := range []bool{false, true} {
		eachWay(t, func(t *testing.T, _ func(testing.TB, node, oneseat.Grant) *request) {
			a, b, _ := following(t, oneseat.Config{})
			g := signIn(t, a, "ada", oneseat.SignInRequest{})
			synctest.Wait()
			read, release := delayed(t, b, "ada")
			q := &request{}
			held := make(chan struct{})
			go func() {
				b.AfterEnd(t.Context(), g.Session, q.SessionEnded)
				close(held)
			}()
			await(t, read) // and it saw the session live
			if realmEnds {
				if err := a.EndRealm(t.Context(), ""); err != nil {
					t.Error(err)
				}
			} else {
				signIn(t, a, "ada", oneseat.SignInRequest{})
			}
			synctest.Wait()
			release()
			<-held
			if !realmEnds { // its event found the hold
				wantEnding(t, q.cause(t), g.Session.ID, oneseat.ReasonDisplaced)
			}
			time.Sleep(maxStale)
			if q.cause(t) == nil {
				t.Fatal("the hold still stands")
			}
		})
	}
}

// No hold stays on an ended session, however the hold and the end race. None is ended
// twice.
func TestHoldsAndEndsRace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{})
		nodes := []node{a, b}
		for round := range 60 {
			g := signIn(t, nodes[round%2], "ada", oneseat.SignInRequest{})
			if round%3 > 0 { // memory may confirm, or not
				wantLive(t, nodes[(round+1)%2], g)
			}
			var wg sync.WaitGroup
			all := make([]*request, 16)
			released := make([]atomic.Bool, len(all))
			for i := range all {
				q := &request{}
				all[i] = q
				wg.Go(func() {
					r := nodes[i%2]
					if i%4 < 2 {
						stop := r.AfterEnd(t.Context(), g.Session, q.SessionEnded)
						if i%8 == 0 {
							stop()
							released[i].Store(true)
						}
						return
					}
					_, err := r.CheckAndWatch(t.Context(), string(g.Token), true, &q.holding, q)
					switch {
					case err != nil:
						released[i].Store(true)
						if _, ok := errors.AsType[*oneseat.EndedError](err); !ok {
							t.Error(err)
						}
					case i%8 == 2:
						q.holding.Stop()
						released[i].Store(true)
					}
				})
			}
			wg.Go(func() {
				if round%10 == 9 {
					_ = nodes[round%2].EndRealm(t.Context(), "")
				} else {
					_, _ = nodes[round/2%2].EndAll(t.Context(), "ada", oneseat.EndOptions{})
				}
			})
			wg.Wait()
			synctest.Wait()
			if round%10 == 9 { // a hold without an epoch yet is found by the next look
				time.Sleep(maxStale)
			}
			for i, q := range all {
				if err := q.cause(t); err == nil && !released[i].Load() {
					t.Fatalf("round %d: hold %d stands on an ended session", round, i)
				}
			}
		}
	})
}
