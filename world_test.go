package oneseat_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oneseat/oneseat"

	"github.com/oneseat/oneseat/internal/record"
)

// world is what really happened, as seen at the store, against which the nodes'
// answers are held.
type world struct {
	mu     sync.Mutex // guards all below
	grants []oneseat.Grant
	ended  map[oneseat.SessionID]endOf
	issued map[oneseat.SessionID]uint64 // epochs
	epoch  uint64

	over atomic.Int64 // accounts that have finished
}

func newWorld() *world {
	return &world{ended: map[oneseat.SessionID]endOf{}, issued: map[oneseat.SessionID]uint64{}}
}

// endOf is when a session's end was committed, and when the node that ended it
// had said so.
type endOf struct {
	committed time.Time
	served    time.Time // zero: not yet
	by        int
	doubtful  bool
}

// slow makes a node's calls take their time, and fail now and then.
func (w *world) slow(f *faulty, rng *rand.Rand, n int) {
	var mu sync.Mutex // of rng
	chance := func(percent int) bool {
		mu.Lock()
		defer mu.Unlock()
		return rng.IntN(100) < percent
	}
	wait := func(most time.Duration) {
		mu.Lock()
		d := time.Duration(rng.Int64N(int64(most)))
		mu.Unlock()
		time.Sleep(d)
	}
	f.load = func(ctx context.Context, keys []oneseat.Key, next loadFunc) ([]oneseat.View, error) {
		wait(100 * time.Millisecond)
		views, err := next(ctx, keys...)
		wait(100 * time.Millisecond)
		if chance(10) {
			wait(1500 * time.Millisecond) // a reply that is overtaken by much
		}
		return views, err
	}
	f.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
		wait(100 * time.Millisecond)
		v, err := next(ctx, k, func(v oneseat.View) (oneseat.Change, error) {
			did, err := c(v)
			if err == nil {
				w.committed(did, n)
			}
			return did, err
		})
		wait(100 * time.Millisecond)
		if chance(20) {
			return oneseat.View{}, oneseat.ErrUnknownOutcome
		}
		return v, err
	}
	f.changes = func(ctx context.Context, p int, after oneseat.Cursor, next tailFunc) (oneseat.Tail, error) {
		wait(100 * time.Millisecond)
		switch {
		case chance(10):
			return oneseat.Tail{}, errDown
		case chance(40) && after != "":
			after = "trimmed.1"
		}
		tail, err := next(ctx, p, after)
		wait(100 * time.Millisecond)
		if chance(10) {
			wait(1500 * time.Millisecond)
		}
		return tail, err
	}
	f.wake = func(ctx context.Context, wake func(int), next wakeFunc) error {
		if chance(50) {
			wait(3 * time.Second)
			return errDown
		}
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		return next(ctx, wake)
	}
}

// committed notes the ends of a commit. memstore runs a change once, at the
// moment of its commit.
func (w *world) committed(c oneseat.Change, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	end := func(id oneseat.SessionID) {
		if w.ended[id].committed.IsZero() { // by the realm's end, and recorded now
			w.ended[id] = endOf{committed: time.Now(), by: n}
		}
	}
	for _, e := range c.Events {
		switch e.Type {
		case oneseat.EventSessionEnded:
			end(e.Session)
		case oneseat.EventRealmEnded:
			w.epoch = e.Version
		case oneseat.EventSessionCreated:
			w.issued[e.Session] = record.Of(c.Roster).Seats[len(record.Of(c.Roster).Seats)-1].Epoch
		}
	}
	for id, epoch := range w.issued {
		if epoch < w.epoch {
			end(id)
		}
	}
}

// realmEnded notes that EndRealm on node n returned.
func (w *world) realmEnded(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, epoch := range w.issued {
		if e := w.ended[id]; epoch < w.epoch && e.by == n && e.served.IsZero() {
			e.served = time.Now()
			w.ended[id] = e
		}
	}
}

// granted notes a session that SignIn on node n returned, and what it ended.
func (w *world) granted(g, before oneseat.Grant, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.grants = append(w.grants, g)
	if e, ok := w.ended[before.Session.ID]; ok && e.by == n && e.served.IsZero() {
		e.served = time.Now()
		w.ended[before.Session.ID] = e
	}
}

// doubtful notes that a sign-in's outcome is unknown: the session before it may
// have ended or not.
func (w *world) doubtful(before oneseat.Grant) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e, ok := w.ended[before.Session.ID]; ok {
		e.doubtful = true
		w.ended[before.Session.ID] = e
	}
}

func (w *world) pick(rng *rand.Rand) (oneseat.Grant, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.grants) == 0 {
		return oneseat.Grant{}, false
	}
	newest := w.grants[max(0, len(w.grants)-12):]
	return newest[rng.IntN(len(newest))], true
}

// moment is when a check began, and what had happened to its session then.
type moment struct {
	at time.Time
	endOf
}

func (w *world) now(id oneseat.SessionID) moment {
	w.mu.Lock()
	defer w.mu.Unlock()
	return moment{time.Now(), w.ended[id]}
}

// judge holds the answer of node n to a check that began then against what had
// happened.
func (w *world) judge(t *testing.T, n int, g oneseat.Grant, began moment, err error) {
	t.Helper()
	after := w.now(g.Session.ID)
	over, isOver := errors.AsType[*oneseat.EndedError](err)
	switch {
	case err == nil && !began.committed.IsZero() && began.at.Sub(began.committed) > maxStale:
		t.Errorf("node %d said yes to a session that had ended %v before", n, began.at.Sub(began.committed))
	case err == nil && !began.served.IsZero() && began.by == n && !began.doubtful:
		t.Errorf("node %d said yes to a session that it had ended itself", n)
	case isOver && (after.committed.IsZero() || over.Ending.Reason != oneseat.ReasonDisplaced && over.Ending.Reason != oneseat.ReasonRealmEnded):
		t.Errorf("node %d says of a live session that it has ended: %v", n, err)
	case err != nil && !isOver && !errors.Is(err, oneseat.ErrStoreUnavailable):
		t.Errorf("node %d: %v", n, err)
	}
}
