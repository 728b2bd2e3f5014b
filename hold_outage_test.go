package oneseat_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

const holdGrace = 5 * time.Second // the default

// Where the operator chose that outages cut nothing, a stream that could not be
// verified when it began is verified as its session's later.
func TestAStreamThatBeganInAnOutageIsFoundLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{DangerouslyAllowWhenStoreIsDown: true})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		stream := play(t, a, g.Session, "p")
		b.down()
		q := holdStream(t, b, stream)
		time.Sleep(time.Second)
		b.up()
		time.Sleep(5 * time.Second)
		if cause := q.cause(t); cause != nil {
			t.Errorf("it is cut: %v", cause)
		}
		if err := a.StopStream(t.Context(), g.Session, stream.ID); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		wantEnding(t, q.cause(t), stream.ID, oneseat.ReasonSignedOut)
	})
}

// A held session is not read again while the log proves it live.
func TestWhatIsHeldCostsNoReadsWhileTheLogWorks(t *testing.T) {
	eachWay(t, func(t *testing.T, hold func(testing.TB, node, oneseat.Grant) *request) {
		a, b, _ := following(t, oneseat.Config{})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		time.Sleep(1100 * time.Millisecond) // what is done at intervals is done at other times
		q := hold(t, b, g)
		var reads atomic.Int64
		b.set(func() {
			b.load = func(ctx context.Context, keys []oneseat.Key, next loadFunc) ([]oneseat.View, error) {
				if slices.Contains(keys, oneseat.KeyOf(realm, "ada")) {
					reads.Add(1)
				}
				return next(ctx, keys...)
			}
		})
		time.Sleep(50 * time.Second)
		if n := reads.Load(); n != 0 || q.cause(t) != nil {
			t.Errorf("%d reads, %v", n, q.cause(t))
		}
	})
}

// Whatever is held is verified within MaxStale where the log is broken: more sessions
// than one read takes, and each row by itself. A row that cannot be read for a while
// is an outage of that account only. Nothing is left behind.
func TestEverythingThatIsHeldIsVerifiedWhereTheLogIsBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{})
		var all []*request
		for i := range 300 {
			all = append(all, hold(t, b, signIn(t, a, fmt.Sprint("account ", i), oneseat.SignInRequest{})))
		}
		damaged := oneseat.KeyOf(realm, "account 7")
		b.deaf()
		b.set(func() {
			b.load = func(ctx context.Context, keys []oneseat.Key, next loadFunc) ([]oneseat.View, error) {
				if slices.Contains(keys, damaged) {
					return nil, &oneseat.FormatError{Problem: "it is damaged"}
				}
				return next(ctx, keys...)
			}
		})
		time.Sleep(maxStale + holdGrace - time.Second)
		for i, q := range all {
			if cause := q.cause(t); cause != nil {
				t.Fatalf("account %d is cut: %v", i, cause)
			}
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		for i, q := range all {
			if cause := q.cause(t); (cause != nil) != (i == 7) {
				t.Fatalf("account %d: %v", i, cause)
			}
		}
		if n := b.LoadsUnderWay(); n != 0 {
			t.Errorf("%d loads are registered still", n)
		}
	})
}

// Where the store cannot be written, not every timeout is tried: the first one that
// fails stands for all, until the next recheck.
func TestAStoreThatCannotBeWrittenIsNotAskedForEveryTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{Idle: time.Hour, DangerouslyAllowWhenStoreIsDown: true})
		for i := range 50 {
			hold(t, r, signIn(t, r, fmt.Sprint("account ", i), oneseat.SignInRequest{}))
		}
		r.set(func() { r.due = func(context.Context, string, int) ([]oneseat.Key, error) { return nil, nil } })
		r.unwritable()
		time.Sleep(time.Hour + time.Second)
		updates := r.updates.Load()
		time.Sleep(10 * time.Second)
		if n := r.updates.Load() - updates; n == 0 || n > 50 {
			t.Errorf("%d updates in ten seconds", n)
		}
	})
}

// A no of the store is no, also for held requests where outages cut nothing.
func TestWhatCannotBeReadIsNotHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{DangerouslyAllowWhenStoreIsDown: true})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		b.set(func() {
			b.load = func(ctx context.Context, keys []oneseat.Key, next loadFunc) ([]oneseat.View, error) {
				if slices.Contains(keys, oneseat.KeyOf(realm, "ada")) {
					return nil, &oneseat.FormatError{Problem: "it is damaged"}
				}
				return next(ctx, keys...)
			}
		})
		q := hold(t, b, g)
		if _, damaged := errors.AsType[*oneseat.FormatError](q.cause(t)); !damaged {
			t.Errorf("it goes on, or ended with %v", q.cause(t))
		}
	})
}

// A session that is held by a memory too old for a yes is verified at once.
func TestAHoldDoesNotBeginByOldMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		wantLive(t, b, g)
		b.deaf()
		time.Sleep(10 * time.Second)
		if _, err := a.EndAll(t.Context(), "ada", oneseat.EndOptions{}); err != nil {
			t.Fatal(err)
		}
		q := &request{}
		defer b.AfterEnd(t.Context(), g.Session, q.SessionEnded)()
		wantEnding(t, q.cause(t), g.Session.ID, oneseat.ReasonRevoked)
	})
}

// The end of another realm in the same store cuts nothing here.
func TestTheEndOfAnotherRealmCutsNothing(t *testing.T) {
	eachWay(t, func(t *testing.T, hold func(testing.TB, node, oneseat.Grant) *request) {
		a, b, store := following(t, oneseat.Config{})
		staff := newNode(t, store, oneseat.Config{Realm: "staff"})
		signIn(t, staff, "ada", oneseat.SignInRequest{})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		there := []*request{hold(t, a, g), hold(t, b, g)}
		time.Sleep(time.Second)
		endRealm(t, staff, "")
		time.Sleep(time.Second)
		for _, q := range there {
			if cause := q.cause(t); cause != nil {
				t.Errorf("it is cut: %v", cause)
			}
		}
	})
}

// P4: without the push and the log, within MaxStale.
func TestHeldRequestsAreCutWithinMaxStaleWhereTheLogIsBroken(t *testing.T) {
	for after := time.Duration(0); after < maxStale; after += 190 * time.Millisecond {
		eachWay(t, func(t *testing.T, hold func(testing.TB, node, oneseat.Grant) *request) {
			a, b, _ := following(t, oneseat.Config{})
			g, other := signIn(t, a, "ada", oneseat.SignInRequest{}), signIn(t, a, "grace", oneseat.SignInRequest{})
			b.deaf()
			time.Sleep(2 * time.Second)
			q, left := hold(t, b, g), hold(t, b, other)
			time.Sleep(10*time.Second + after)
			signIn(t, a, "ada", oneseat.SignInRequest{})
			if q.cause(t) != nil {
				t.Fatal("nobody can know yet")
			}
			time.Sleep(maxStale)
			wantEnding(t, q.cause(t), g.Session.ID, oneseat.ReasonDisplaced)
			loads := b.loads.Load()
			time.Sleep(20 * time.Second)
			if left.cause(t) != nil {
				t.Error("another account's was cut")
			}
			if n := b.loads.Load() - loads; n > 50 {
				t.Errorf("%d reads in 20 seconds for one that is held", n)
			}
		})
	}
}

// What cut a request is what checks say from then on, on that node.
func TestACheckAfterACutSaysTheSame(t *testing.T) {
	eachWay(t, func(t *testing.T, hold func(testing.TB, node, oneseat.Grant) *request) {
		a, b, _ := following(t, oneseat.Config{})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		b.deaf()
		time.Sleep(2 * time.Second)
		began := time.Now()
		q := hold(t, b, g)
		signIn(t, a, "ada", oneseat.SignInRequest{})
		fromMemory(t, b, g)
		for q.cause(t) == nil {
			time.Sleep(maxStale / 16)
		}
		if took := time.Since(began); took >= maxStale {
			t.Fatalf("it was cut after %v, when memory does not count any more", took)
		}
		wantEnded(t, b, g, oneseat.ReasonDisplaced)
	})
}

// P4: when no read answers, after the grace and not before.
func TestHeldRequestsAreCutAfterTheGraceWhenTheStoreIsDown(t *testing.T) {
	eachWay(t, func(t *testing.T, hold func(testing.TB, node, oneseat.Grant) *request) {
		a, b, _ := following(t, oneseat.Config{})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		q := hold(t, b, g)
		time.Sleep(time.Minute)
		b.down()
		time.Sleep(maxStale/4 + holdGrace)
		if err := q.cause(t); err != nil {
			t.Fatalf("within the grace: %v", err)
		}
		time.Sleep(maxStale + tick)
		err := q.cause(t)
		wantError(t, err, oneseat.ErrStoreUnavailable)
		wantError(t, err, errDown)
		if n := b.Stats().Held; n != 0 {
			t.Errorf("%d are held", n)
		}

		// A short failure cuts nothing, and begins the grace anew.
		b.up()
		q = hold(t, b, g)
		for range 10 {
			time.Sleep(2 * time.Second)
			b.down()
			time.Sleep(4 * time.Second)
			b.up()
		}
		if err := q.cause(t); err != nil {
			t.Errorf("failures shorter than the grace: %v", err)
		}
		wantLive(t, b, g)
	})
}

// Where the store does not refuse but hangs, each read takes two seconds. That must not
// be paid once for every hundred requests.
func TestManyHeldRequestsAreCutInTimeWhenTheStoreHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{MaxStale: time.Second})
		var all []*request
		for i := range 3000 { // a dozen reads
			all = append(all, hold(t, b, signIn(t, a, fmt.Sprint("account ", i), oneseat.SignInRequest{})))
		}
		time.Sleep(time.Second)
		hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		b.set(func() {
			b.load = func(ctx context.Context, _ []oneseat.Key, _ loadFunc) ([]oneseat.View, error) { return nil, hang(ctx) }
			b.changes = func(ctx context.Context, _ int, _ oneseat.Cursor, _ tailFunc) (oneseat.Tail, error) {
				return oneseat.Tail{}, hang(ctx)
			}
		})
		time.Sleep(maxStale + holdGrace + 5*time.Second) // two reads that were under way
		going := 0
		for _, q := range all {
			if q.cause(t) == nil {
				going++
			}
		}
		if going > 0 {
			t.Errorf("%d of %d requests still go on", going, len(all))
		}
	})
}

// Where the log is broken and the store answers, many requests are all verified in time:
// none is cut that is live, and what has ended is cut within MaxStale.
func TestManyHeldRequestsGoOnWithoutTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{MaxStale: time.Second})
		var all []*request
		for i := range 3000 { // a dozen reads
			all = append(all, hold(t, b, signIn(t, a, fmt.Sprint("account ", i), oneseat.SignInRequest{})))
		}
		b.deaf()
		time.Sleep(time.Minute)
		for i, q := range all {
			if cause := q.cause(t); cause != nil {
				t.Fatalf("request %d was told %v", i, cause)
			}
		}
		for i := range all {
			if _, err := a.EndAll(t.Context(), fmt.Sprint("account ", i), oneseat.EndOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(maxStale)
		for i, q := range all {
			if q.cause(t) == nil {
				t.Fatalf("request %d goes on", i)
			}
		}
	})
}

// Sessions whose timeouts cannot be recorded do not hold up the look at the
// others, each with the retries of a lost reply.
func TestLostRepliesAtManyDeadlinesDoNotKeepOtherHoldsWaiting(t *testing.T) {
	eachWay(t, func(t *testing.T, hold func(testing.TB, node, oneseat.Grant) *request) {
		a, b, _ := following(t, oneseat.Config{Idle: 100 * time.Second})
		for i := range 20 {
			hold(t, b, signIn(t, a, fmt.Sprint("account ", i), oneseat.SignInRequest{}))
		}
		time.Sleep(50 * time.Second)
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		q := hold(t, b, g)
		b.deaf()
		b.set(func() {
			b.update = func(context.Context, oneseat.Key, change, updateFunc) (oneseat.View, error) {
				time.Sleep(100 * time.Millisecond)
				return oneseat.View{}, oneseat.ErrUnknownOutcome
			}
		})
		time.Sleep(51 * time.Second)
		if err := signOut(t, a, g); err != nil {
			t.Fatal(err)
		}
		time.Sleep(maxStale + 2*time.Second) // as much as two updates take
		wantEnding(t, q.cause(t), g.Session.ID, oneseat.ReasonSignedOut)
	})
}

func TestNothingIsCutWhereTheOperatorChoseSo(t *testing.T) {
	eachWay(t, func(t *testing.T, hold func(testing.TB, node, oneseat.Grant) *request) {
		a, b, _ := following(t, oneseat.Config{DangerouslyAllowWhenStoreIsDown: true})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		q := hold(t, b, g)
		time.Sleep(time.Second)
		b.down()
		time.Sleep(2 * time.Minute)
		if err := q.cause(t); err != nil {
			t.Fatalf("cut by %v", err)
		}
		late := hold(t, b, g)
		if err := late.cause(t); err != nil {
			t.Fatalf("cut by %v", err)
		}
		signIn(t, a, "ada", oneseat.SignInRequest{})
		b.up()
		time.Sleep(2 * time.Second)
		wantEnding(t, q.cause(t), g.Session.ID, oneseat.ReasonDisplaced)
		wantEnding(t, late.cause(t), g.Session.ID, oneseat.ReasonDisplaced)
	})
}

func TestAHoldThatCannotBeConfirmedIsCutAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		b.down()
		wantError(t, hold(t, b, g).cause(t), oneseat.ErrStoreUnavailable)
		b.up()
		b.set(func() {
			b.load = func(ctx context.Context, keys []oneseat.Key, next loadFunc) ([]oneseat.View, error) {
				time.Sleep(time.Millisecond) // an answer that is there already may be taken
				return next(ctx, keys...)
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		q := &request{}
		b.AfterEnd(ctx, g.Session, q.SessionEnded)
		wantError(t, q.cause(t), context.Canceled)
		unknown := oneseat.Session{ID: "x", Account: "ada"}
		q = &request{}
		b.AfterEnd(t.Context(), unknown, q.SessionEnded)
		wantError(t, q.cause(t), oneseat.ErrNoSession)
		if n := b.Stats().Held; n != 0 {
			t.Errorf("%d are held", n)
		}
	})
}

// A timeout that cannot be recorded cuts like a store that does not answer.
func TestAHoldAtItsDeadlineWithoutAWritableStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{Idle: 100 * time.Second})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		q := hold(t, b, g)
		for _, account := range []string{"grace", "alan"} { // in the same look
			hold(t, b, signIn(t, a, account, oneseat.SignInRequest{}))
		}
		b.unwritable()
		b.set(func() { b.due = func(context.Context, string, int) ([]oneseat.Key, error) { return nil, nil } })
		a.set(func() { a.due = func(context.Context, string, int) ([]oneseat.Key, error) { return nil, nil } })
		time.Sleep(101 * time.Second)
		wantError(t, hold(t, b, g).cause(t), oneseat.ErrStoreUnavailable)
		b.up()
		time.Sleep(time.Second)
		wantEnding(t, q.cause(t), g.Session.ID, oneseat.ReasonIdleTimeout)
	})
}

// A stream that ended with its session leaves no ending of its own. Where the log did
// not report that, the player is told of the session's ending.
func TestAStreamIsToldOfItsSessionsEndWithoutTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		s := play(t, a, g.Session, "1")
		before, release := b.HoldStream(t.Context(), s)
		defer release()
		b.deaf()
		signIn(t, a, "ada", oneseat.SignInRequest{})
		time.Sleep(maxStale)
		after, release := b.HoldStream(t.Context(), s)
		defer release()
		_, err := b.CheckStream(t.Context(), g.Session, s.ID)
		for what, err := range map[string]error{
			"held before": context.Cause(before), "held after": context.Cause(after), "checked": err,
		} {
			over, ok := errors.AsType[*oneseat.EndedError](err)
			if !ok || over.Ending.Session != s.ID || over.Ending.Parent != g.Session.ID || over.Ending.Reason != oneseat.ReasonDisplaced {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

// P4: when an operation returns, no request is in flight on that node for a session
// that the operation found ended, by whatever ended it: the log may come later.
func TestWhatAnUpdateFindsOverIsCutHere(t *testing.T) {
	for name, tt := range map[string]struct {
		stream bool // it is about a stream, not about its session
		do     func(ctx context.Context, r node, g oneseat.Grant, stream oneseat.Stream) error
	}{
		"SignOut": {false, func(ctx context.Context, r node, g oneseat.Grant, _ oneseat.Stream) error {
			return r.SignOut(ctx, string(g.Token))
		}},
		"End": {false, func(ctx context.Context, r node, g oneseat.Grant, _ oneseat.Stream) error {
			return second(r.End(ctx, "ada", oneseat.EndOptions{}, g.Session.ID))
		}},
		"EndAll": {false, func(ctx context.Context, r node, _ oneseat.Grant, _ oneseat.Stream) error {
			return second(r.EndAll(ctx, "ada", oneseat.EndOptions{}))
		}},
		"Block": {false, func(ctx context.Context, r node, _ oneseat.Grant, _ oneseat.Stream) error {
			return r.Block(ctx, "ada", time.Time{}, "")
		}},
		"StopStream": {true, func(ctx context.Context, r node, g oneseat.Grant, stream oneseat.Stream) error {
			return r.StopStream(ctx, g.Session, stream.ID)
		}},
		"End of a stream": {true, func(ctx context.Context, r node, _ oneseat.Grant, stream oneseat.Stream) error {
			return second(r.End(ctx, "ada", oneseat.EndOptions{}, stream.ID))
		}},
	} {
		for _, here := range []bool{false, true} { // ended by this node, and the reply was lost
			t.Run(fmt.Sprint(name, ", here ", here), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a, b, _ := following(t, oneseat.Config{})
					g := signIn(t, a, "ada", oneseat.SignInRequest{})
					stream := play(t, a, g.Session, "p")
					session, playing := hold(t, a, g), holdStream(t, a, stream)
					a.deaf()
					if here {
						a.loseReplies(oneseat.KeyOf(realm, "ada"), 1, nil)
					} else if err := tt.do(t.Context(), b, g, stream); err != nil {
						t.Fatal(err)
					}
					if session.cause(t) != nil || playing.cause(t) != nil {
						t.Fatal("cut too early")
					}
					if _, over := errors.AsType[*oneseat.EndedError](tt.do(t.Context(), a, g, stream)); over && (here || name != "SignOut") {
						t.Fatal("it says that there was nothing to do")
					}
					if playing.cause(t) == nil {
						t.Error("the stream's work goes on")
					}
					if cut := session.cause(t) != nil; cut == tt.stream {
						t.Errorf("the session's work is cut: %t", cut)
					}
				})
			})
		}
	}
}

// A stream that did not exist yet when an update read the roster has not ended.
func TestWhatBeganAfterAnUpdateIsNotCutByIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{Limit: 2, Streams: 2})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		var late *request
		a.set(func() {
			a.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
				v, err := next(ctx, k, c)
				if late == nil { // its reply is overtaken by a stream that is started and held here
					late = &request{}
					stream := play(t, b, g.Session, "p")
					late.leave = a.AfterStreamEnd(t.Context(), stream, late.SessionEnded)
				}
				return v, err
			}
		})
		signIn(t, a, "ada", oneseat.SignInRequest{})
		if cause := late.cause(t); cause != nil {
			t.Errorf("cut: %v", cause)
		}
		late.leave()
	})
}

// Nothing is kept of work that is done, not even its session's name.
func TestWhatIsHeldNoMoreIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, _ := following(t, oneseat.Config{})
		heap := func() int64 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		const size, n = 16 << 10, 1000
		before := heap()
		for i := range n {
			s := oneseat.Session{Account: fmt.Sprint("ada ", i%10), ID: oneseat.SessionID(strings.Repeat("x", size) + fmt.Sprint(i))}
			a.AfterEnd(t.Context(), s, func(error) {})()
		}
		time.Sleep(time.Second)
		if grown := heap() - before; grown > size*n/2 {
			t.Errorf("%d bytes are kept", grown)
		}
	})
}

// A stream that lapsed while the reply to its start was lost is started again by
// the retry. The log tells of both; work that is held by it is not cut for the end
// of what was there before.
func TestAStreamThatIsStartedAgainIsNotCutByItsEndBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const idle = 3 * time.Second
		a, b, store := following(t, oneseat.Config{StreamIdle: idle})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		synctest.Wait()
		b.deaf()
		a.loseReplies(oneseat.KeyOf(realm, "ada"), 1, func() { time.Sleep(idle) })
		stream := play(t, a, g.Session, "p")
		events := logged(t, store, "ada")
		if n, m := count(events, oneseat.EventStreamStarted), count(events, oneseat.EventStreamEnded); n != 2 || m != 1 {
			t.Fatalf("%d starts and %d ends: %+v", n, m, events)
		}
		q := holdStream(t, b, stream)
		b.up()
		time.Sleep(2 * time.Second) // the log has told
		if cause := q.cause(t); cause != nil {
			t.Errorf("cut: %v", cause)
		}
		time.Sleep(idle)
		if q.cause(t) == nil {
			t.Error("it has lapsed, and goes on")
		}
	})
}
