package oneseat_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// request is work in flight that remembers how it was ended.
type request struct {
	mu      sync.Mutex
	causes  []error
	holding oneseat.Watch
	leave   func() // the work is done
}

func (q *request) SessionEnded(cause error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.causes = append(q.causes, cause)
}

// cause is what the request was ended with: nil if it goes on. It fails the
// test if it was ended twice.
func (q *request) cause(t testing.TB) error {
	t.Helper()
	q.mu.Lock()
	defer q.mu.Unlock()
	switch len(q.causes) {
	case 0:
		return nil
	case 1:
		return q.causes[0]
	}
	t.Fatalf("ended %d times: %v", len(q.causes), q.causes)
	return nil
}

// hold ties a request to a session by [oneseat.Registry.AfterEnd].
func hold(t testing.TB, r node, g oneseat.Grant) *request {
	t.Helper()
	q := &request{}
	q.leave = r.AfterEnd(t.Context(), g.Session, q.SessionEnded)
	t.Cleanup(q.leave)
	return q
}

// holdStream ties a request to a stream.
func holdStream(t testing.TB, r node, s oneseat.Stream) *request {
	t.Helper()
	q := &request{}
	q.leave = r.AfterStreamEnd(t.Context(), s, q.SessionEnded)
	t.Cleanup(q.leave)
	return q
}

// enter ties a request to a session by [oneseat.Registry.CheckAndWatch].
func enter(t testing.TB, r node, g oneseat.Grant) *request {
	t.Helper()
	q := &request{}
	s, err := r.CheckAndWatch(t.Context(), string(g.Token), true, &q.holding, q)
	if err != nil || s.ID != g.Session.ID {
		t.Fatal(s, err)
	}
	q.leave = q.holding.Stop
	t.Cleanup(q.leave)
	return q
}

// ways are the ways to tie a request to a session.
var ways = map[string]func(testing.TB, node, oneseat.Grant) *request{"AfterEnd": hold, "CheckAndWatch": enter}

func eachWay(t *testing.T, test func(t *testing.T, hold func(testing.TB, node, oneseat.Grant) *request)) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, way) })
		})
	}
}

func TestHeldRequestsAreCutWithTheSession(t *testing.T) {
	eachWay(t, func(t *testing.T, hold func(testing.TB, node, oneseat.Grant) *request) {
		a, b, _ := following(t, oneseat.Config{})
		c := newNode(t, a.Store, oneseat.Config{})
		c.mute()
		time.Sleep(time.Minute)
		g, other := signIn(t, a, "ada", oneseat.SignInRequest{}), signIn(t, a, "grace", oneseat.SignInRequest{})
		on := map[string][]*request{}
		for range 3 {
			on["a"] = append(on["a"], hold(t, a, g))
			on["b"] = append(on["b"], hold(t, b, g))
			on["c"] = append(on["c"], hold(t, c, g))
		}
		left := hold(t, a, g)
		left.leave()
		on["other"] = append(on["other"], hold(t, a, other), hold(t, b, other))
		time.Sleep(2 * time.Minute)
		if n := a.Stats().Held; n != 2 {
			t.Errorf("%d sessions are held on a", n)
		}
		a.deaf() // so that it is not the log that cuts there
		signIn(t, a, "ada", oneseat.SignInRequest{Device: phone})
		cut := func(node string) {
			t.Helper()
			for _, q := range on[node] {
				ending := wantEnding(t, q.cause(t), g.Session.ID, oneseat.ReasonDisplaced)
				if ending.ByDevice != phone {
					t.Errorf("the ending is %+v", ending)
				}
			}
		}
		cut("a") // before SignIn returned
		synctest.Wait()
		cut("b")
		time.Sleep(maxStale / 4)
		synctest.Wait()
		cut("c") // without the push, by the next look at the log
		for _, q := range on["other"] {
			if err := q.cause(t); err != nil {
				t.Errorf("another account's was cut: %v", err)
			}
		}
		if s := a.Stats(); s.Cut != 3 || s.Held != 1 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestAHeldContextHasTheEndingAsItsCause(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{})
	g := signIn(t, r, "ada", oneseat.SignInRequest{})
	parent, end := context.WithCancelCause(t.Context())
	one, stopOne := r.Hold(t.Context(), g.Session)
	two, stopTwo := r.Hold(t.Context(), g.Session)
	three, stopThree := r.Hold(parent, g.Session)
	defer stopOne()
	defer stopThree()
	stopTwo()
	stopTwo()
	end(errors.New("the client went away"))
	r.deaf() // so that it is not the log that cuts
	if err := signOut(t, r, g); err != nil {
		t.Fatal(err)
	}
	wantEnding(t, context.Cause(one), g.Session.ID, oneseat.ReasonSignedOut)
	wantError(t, one.Err(), context.Canceled)
	wantError(t, context.Cause(two), context.Canceled)
	if err := context.Cause(three); err == nil || err.Error() != "the client went away" {
		t.Errorf("got %v", err)
	}
	late, stop := r.Hold(t.Context(), g.Session)
	defer stop()
	wantEnding(t, context.Cause(late), g.Session.ID, oneseat.ReasonSignedOut)
	stop()
	wantEnding(t, context.Cause(late), g.Session.ID, oneseat.ReasonSignedOut)
}

func signOut(t testing.TB, r node, g oneseat.Grant) error {
	t.Helper()
	return r.SignOut(t.Context(), string(g.Token))
}

func TestEnterIsACheckFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{Idle: time.Hour, MaxStale: time.Minute})
		synctest.Wait()
		gone := signIn(t, r, "ada", oneseat.SignInRequest{})
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		refuse := func(token string) error {
			t.Helper()
			q := &request{}
			s, err := r.CheckAndWatch(t.Context(), token, true, &q.holding, q)
			if err == nil || s != nil {
				t.Fatalf("it let %+v in", s)
			}
			q.holding.Stop()
			if q.cause(t) != nil {
				t.Error("it ended what it had not tied")
			}
			return err
		}
		wantEnding(t, refuse(string(gone.Token)), gone.Session.ID, oneseat.ReasonDisplaced)
		loads := r.loads.Load()
		for _, token := range []string{"", "oneseat_x", string(g.Token)[:40], string(g.Token) + "A", flipped(string(g.Token))} {
			wantError(t, refuse(token), oneseat.ErrNoSession)
		}
		if r.loads.Load() != loads {
			t.Error("malformed tokens were read")
		}
		wantError(t, refuse(forged("ada")), oneseat.ErrNoSession)
		if n := r.Stats().Held; n != 0 {
			t.Errorf("%d are held", n)
		}
		before := r.Stats()
		q := enter(t, r, g)
		if s := r.Stats(); s.Cached != before.Cached+1 || s.Checks != before.Checks+1 || r.loads.Load() != loads+1 {
			t.Errorf("stats: %+v", s)
		}

		// CheckAndWatch is activity only if active is true.
		time.Sleep(30 * time.Minute)
		peeked := &request{}
		if _, err := r.CheckAndWatch(t.Context(), string(g.Token), false, &peeked.holding, peeked); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if at := stored(t, r.Store, "ada").Roster.Seats[0].LastSeen; !at.Equal(g.Session.LastSeen) {
			t.Errorf("last seen at %v", at)
		}
		enter(t, r, g)
		synctest.Wait()
		if at := stored(t, r.Store, "ada").Roster.Seats[0].LastSeen; !at.Equal(time.Now()) {
			t.Errorf("last seen at %v", at)
		}
		r.down()
		time.Sleep(time.Minute + tick)
		wantError(t, refuse(string(g.Token)), oneseat.ErrStoreUnavailable)
		if q.cause(t) != nil {
			t.Error("what is held goes on for a while")
		}
	})
}

// flipped is a token with another secret and the checksum as it was.
func flipped(token string) string {
	b := []byte(token)
	if b[50] == 'A' {
		b[50] = 'B'
	} else {
		b[50] = 'A'
	}
	return string(b)
}

// TMO-04: a stream held open is no activity.
func TestAHoldIsCutAtTheDeadline(t *testing.T) {
	for reason, c := range map[oneseat.Reason]oneseat.Config{
		oneseat.ReasonIdleTimeout:     {Idle: 100 * time.Second},
		oneseat.ReasonAbsoluteTimeout: {Idle: oneseat.NoTimeout, Absolute: 100 * time.Second},
	} {
		eachWay(t, func(t *testing.T, hold func(testing.TB, node, oneseat.Grant) *request) {
			a, b, store := following(t, c)
			g := signIn(t, a, "ada", oneseat.SignInRequest{})
			q := hold(t, b, g)
			time.Sleep(100*time.Second - tick)
			synctest.Wait()
			if err := q.cause(t); err != nil {
				t.Fatalf("before the deadline: %v", err)
			}
			time.Sleep(maxStale / 2)
			wantEnding(t, q.cause(t), g.Session.ID, reason)
			if stored(t, store, "ada").Roster.Endings[0].Reason != reason {
				t.Error("it is not recorded")
			}
		})
	}
}

// A session in use elsewhere does not idle out under a hold here.
func TestAHoldGoesOnWhileItsSessionIsUsed(t *testing.T) {
	eachWay(t, func(t *testing.T, hold func(testing.TB, node, oneseat.Grant) *request) {
		a, b, _ := following(t, oneseat.Config{Idle: 100 * time.Second})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		q := hold(t, b, g)
		for range 4 {
			time.Sleep(80 * time.Second)
			wantLive(t, a, g)
		}
		time.Sleep(80 * time.Second)
		if err := q.cause(t); err != nil {
			t.Fatalf("cut by %v", err)
		}
		time.Sleep(20*time.Second + maxStale)
		wantEnding(t, q.cause(t), g.Session.ID, oneseat.ReasonIdleTimeout)
	})
}

// Where checks are never answered from memory a hold counts for a second.
func TestHoldsUnderFreshAlways(t *testing.T) {
	eachWay(t, func(t *testing.T, hold func(testing.TB, node, oneseat.Grant) *request) {
		a, b, _ := following(t, oneseat.Config{MaxStale: oneseat.FreshAlways})
		g, other := signIn(t, a, "ada", oneseat.SignInRequest{}), signIn(t, a, "grace", oneseat.SignInRequest{})
		q, left := hold(t, b, g), hold(t, b, other)
		time.Sleep(10 * time.Second)
		signIn(t, a, "ada", oneseat.SignInRequest{})
		synctest.Wait()
		wantEnding(t, q.cause(t), g.Session.ID, oneseat.ReasonDisplaced)

		b.deaf()
		time.Sleep(10 * time.Second)
		if err := left.cause(t); err != nil {
			t.Fatalf("cut by %v", err)
		}
		signIn(t, a, "grace", oneseat.SignInRequest{})
		time.Sleep(time.Second)
		wantEnding(t, left.cause(t), other.Session.ID, oneseat.ReasonDisplaced)

		q = hold(t, b, signIn(t, a, "ada", oneseat.SignInRequest{}))
		time.Sleep(time.Second)
		b.down()
		time.Sleep(holdGrace)
		if err := q.cause(t); err != nil {
			t.Fatalf("within the grace: %v", err)
		}
		time.Sleep(1500 * time.Millisecond)
		wantError(t, q.cause(t), oneseat.ErrStoreUnavailable)
	})
}

// While a store can be read but not written, work whose session has timed out does not
// go on, although the log proves that nothing has happened.
func TestAHoldPastItsDeadlineIsCutAfterTheGrace(t *testing.T) {
	eachWay(t, func(t *testing.T, hold func(testing.TB, node, oneseat.Grant) *request) {
		a, b, _ := following(t, oneseat.Config{Idle: 100 * time.Second})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		q := hold(t, b, g)
		time.Sleep(50 * time.Second)
		other := hold(t, b, signIn(t, a, "grace", oneseat.SignInRequest{}))
		a.unwritable()
		b.unwritable()
		time.Sleep(50*time.Second + maxStale + holdGrace - tick)
		if err := q.cause(t); err != nil {
			t.Fatalf("within the grace: %v", err)
		}
		time.Sleep(maxStale / 2)
		wantError(t, q.cause(t), oneseat.ErrStoreUnavailable)
		if err := other.cause(t); err != nil {
			t.Errorf("another account's was cut: %v", err)
		}
	})
}

func TestAHoldOnADeletedRowIsCut(t *testing.T) {
	eachWay(t, func(t *testing.T, hold func(testing.TB, node, oneseat.Grant) *request) {
		a, b, store := following(t, oneseat.Config{})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		q := hold(t, b, g)
		time.Sleep(time.Second)
		deleteRow(t, store, "ada") // the log says nothing of it
		time.Sleep(time.Minute + maxStale)
		wantError(t, q.cause(t), oneseat.ErrNoSession)
	})
}

// A minute counts from the load of the session's own roster, however fresh the
// realm's record is.
func TestAHoldOnADeletedRowIsCutWhateverElseWasRead(t *testing.T) {
	eachWay(t, func(t *testing.T, hold func(testing.TB, node, oneseat.Grant) *request) {
		a, b, store := following(t, oneseat.Config{})
		g, other := signIn(t, a, "ada", oneseat.SignInRequest{}), signIn(t, a, "grace", oneseat.SignInRequest{})
		fromStore(t, b, g)
		time.Sleep(50 * time.Second)
		fromStore(t, b, other) // and with it the control record
		fromMemory(t, b, g)
		q := hold(t, b, g)
		deleteRow(t, store, "ada")
		time.Sleep(10*time.Second + maxStale)
		wantError(t, q.cause(t), oneseat.ErrNoSession)
	})
}

func TestEndRealmCutsEverything(t *testing.T) {
	eachWay(t, func(t *testing.T, hold func(testing.TB, node, oneseat.Grant) *request) {
		a, b, _ := following(t, oneseat.Config{})
		c := newNode(t, a.Store, oneseat.Config{})
		time.Sleep(time.Second)
		c.deaf()
		var here, there, deaf []*request
		var grants []oneseat.Grant
		for i := range 20 {
			g := signIn(t, a, fmt.Sprint("account ", i), oneseat.SignInRequest{})
			grants = append(grants, g)
			here, there, deaf = append(here, hold(t, a, g)), append(there, hold(t, b, g)), append(deaf, hold(t, c, g))
		}
		time.Sleep(time.Second)
		a.deaf() // so that it is not the log that cuts there
		if err := a.EndRealm(t.Context(), "support"); err != nil {
			t.Fatal(err)
		}
		after := signIn(t, a, "ada", oneseat.SignInRequest{})
		left := []*request{hold(t, a, after), hold(t, b, after), hold(t, c, after)}
		cut := func(all []*request, actor string) {
			t.Helper()
			for i, q := range all {
				if e := wantEnding(t, q.cause(t), grants[i].Session.ID, oneseat.ReasonRealmEnded); e.Actor != actor {
					t.Errorf("the ending is %+v", e)
				}
			}
		}
		cut(here, "support")
		synctest.Wait()
		cut(there, "support")
		time.Sleep(maxStale)
		cut(deaf, "")
		for _, q := range left {
			if err := q.cause(t); err != nil {
				t.Errorf("a later session's was cut: %v", err)
			}
		}
	})
}

// P4, where only the partition of the log that has the realm's events is broken.
func TestEndRealmCutsWithinMaxStaleWhereItsPartitionIsBroken(t *testing.T) {
	eachWay(t, func(t *testing.T, hold func(testing.TB, node, oneseat.Grant) *request) {
		const partitions = 8
		store := newPartitioned(partitions)
		a, b := newNode(t, store, oneseat.Config{}), newNode(t, store, oneseat.Config{})
		broken := oneseat.KeyOf(realm, "").Partition(partitions)
		if oneseat.KeyOf(realm, "ada").Partition(partitions) == broken || oneseat.KeyOf(realm, "grace").Partition(partitions) == broken {
			t.Fatal("take another account")
		}
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		held := []*request{hold(t, b, g)}
		other := signIn(t, a, "grace", oneseat.SignInRequest{})
		wantLive(t, b, other)
		time.Sleep(10 * time.Second)
		b.set(func() {
			b.changes = func(ctx context.Context, p int, after oneseat.Cursor, next tailFunc) (oneseat.Tail, error) {
				if p == broken {
					return oneseat.Tail{}, errDown
				}
				return next(ctx, p, after)
			}
		})
		time.Sleep(10 * time.Second)
		wantLive(t, b, other)
		time.Sleep(maxStale / 4)
		held = append(held, hold(t, b, other)) // memory says yes, by what it knew of the realm a moment ago
		for _, q := range held {
			if err := q.cause(t); err != nil {
				t.Fatalf("it is live: %v", err)
			}
		}
		endRealm(t, a, "")
		time.Sleep(maxStale)
		for i, of := range []oneseat.Grant{g, other} {
			wantEnding(t, held[i].cause(t), of.Session.ID, oneseat.ReasonRealmEnded)
		}
	})
}

// Epochs are versions, so that of the next end may follow at once.
func TestEndRealmTwiceAtOnceCutsWhatCameBetween(t *testing.T) {
	eachWay(t, func(t *testing.T, hold func(testing.TB, node, oneseat.Grant) *request) {
		a, _, store := following(t, oneseat.Config{})
		epoch := func() uint64 { return stored(t, store, "").Roster.Epoch }
		if err := a.EndRealm(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		first := epoch()
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		q := hold(t, a, g)
		a.deaf() // so that it is not the log that cuts
		if err := a.EndRealm(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		if epoch() != first+1 {
			t.Fatalf("the epochs are %d and %d, want one after the other", first, epoch())
		}
		wantEnding(t, q.cause(t), g.Session.ID, oneseat.ReasonRealmEnded)
	})
}

func TestCloseCutsWithErrClosed(t *testing.T) {
	eachWay(t, func(t *testing.T, hold func(testing.TB, node, oneseat.Grant) *request) {
		r := newNode(t, memstore.New(), oneseat.Config{})
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		q := hold(t, r, g)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		wantError(t, q.cause(t), oneseat.ErrClosed)
		late := &request{}
		r.AfterEnd(t.Context(), g.Session, late.SessionEnded)()
		wantError(t, late.cause(t), oneseat.ErrClosed)
		ctx, stop := r.Hold(t.Context(), g.Session)
		defer stop()
		wantError(t, context.Cause(ctx), oneseat.ErrClosed)
	})
}

// Close tells the oldest first: a request before what its handler watches.
func TestCloseTellsTheOldestFirst(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{Limit: 2})
	g := signIn(t, r, "ada", oneseat.SignInRequest{})
	var told []int
	for i := range 4 {
		defer r.AfterEnd(t.Context(), g.Session, func(error) { told = append(told, i) })()
	}
	if err := r.Close(); err != nil || !slices.Equal(told, []int{0, 1, 2, 3}) {
		t.Errorf("told in the order %v, %v", told, err)
	}
}

// A stop and an end may race. After stop no watcher is called any more, and each is
// called at most once.
func TestAHoldIsEndedOnceAtMost(t *testing.T) {
	eachWay(t, func(t *testing.T, hold func(testing.TB, node, oneseat.Grant) *request) {
		r := newNode(t, memstore.New(), oneseat.Config{})
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		var all []*request
		for range 5 {
			all = append(all, hold(t, r, g))
		}
		for _, i := range []int{2, 0, 4} { // from the middle, and both ends of the list
			all[i].leave()
			all[i].leave()
		}
		if err := signOut(t, r, g); err != nil {
			t.Fatal(err)
		}
		for i, q := range all {
			q.leave()
			if ended := q.cause(t) != nil; ended != (i == 1 || i == 3) {
				t.Errorf("request %d: ended %v", i, ended)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		for _, q := range all {
			q.cause(t)
		}
		new(oneseat.Watch).Stop() // holds nothing
	})
}
