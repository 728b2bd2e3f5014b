package storetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
)

// cancellation is what a store promises about contexts that end.
var cancellation = []promise{
	{"a context that had ended is the error, and nothing is done", endedBefore},
	{"a context that ends inside change is the error, and nothing is written", endedInside},
	{"a context that ends while another update holds the roster is the error", endedWaiting},
	{"a context that ends after the commit undoes nothing", endedAfter},
	{"an update whose context ends at any moment says what became of it", endedAnyTime},
}

func endedBefore(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	n := ns[0]
	before := n.update(t, key("ada"), seating("ada", "s"))
	f := follow(t, ns[1])
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, stop := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer stop()
	for ctx, want := range map[context.Context]error{cancelled: context.Canceled, late: context.DeadlineExceeded} {
		calls := map[string]func() error{
			"Load":    func() error { _, err := n.Load(ctx, key("ada")); return err },
			"Update":  func() error { _, err := n.Update(ctx, key("ada"), seating("ada", "late")); return err },
			"Changes": func() error { _, err := n.Changes(ctx, 0, ""); return err },
			"Wake":    func() error { return n.Wake(ctx, func(int) {}) },
			"Due":     func() error { _, err := n.Due(ctx, realm, 1); return err },
			"Rosters": func() error { _, err := n.Rosters(ctx, oneseat.RosterQuery{Realm: realm}); return err },
			"Events":  func() error { _, err := n.Events(ctx, oneseat.EventQuery{Realm: realm}); return err },
			"Count":   func() error { _, err := n.Count(ctx, realm, 1); return err },
		}
		for name, call := range calls {
			if err := call(); !errors.Is(err, want) {
				t.Errorf("%s returned %v, want %v", name, err, want)
			}
		}
	}
	unchanged(t, ns[1], before)
	if es := f.read(t); len(es) > 0 {
		t.Errorf("the log has %+v", es)
	}
}

func endedInside(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	before := ns[0].update(t, key("ada"), seating("ada", "s"))
	f := follow(t, ns[1])
	for _, change := range []changeFunc{
		seating("ada", "late"), touching,
		func(oneseat.View) (oneseat.Change, error) { return oneseat.Change{Erase: true}, nil },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := ns[0].Update(ctx, key("ada"), func(v oneseat.View) (oneseat.Change, error) {
			cancel()
			return change(v)
		})
		if !errors.Is(err, context.Canceled) || errors.Is(err, oneseat.ErrUnknownOutcome) {
			t.Errorf("Update returned %v, want the context's error", err)
		}
		unchanged(t, ns[1], before)
	}
	if es := f.read(t); len(es) > 0 {
		t.Errorf("the log has %+v", es)
	}
	ns[0].update(t, key("ada"), seating("ada", "next")) // and the store goes on
}

func endedWaiting(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	ns[0].put(t, roster("ada"))
	ctx, cancel := context.WithCancel(t.Context())
	var late error
	done := make(chan struct{})
	started := false
	ns[0].update(t, key("ada"), func(v oneseat.View) (oneseat.Change, error) {
		if !started {
			started = true
			calling := make(chan struct{})
			go func() {
				defer close(done)
				close(calling)
				_, late = ns[1].Update(ctx, key("ada"), func(v oneseat.View) (oneseat.Change, error) {
					<-ctx.Done() // a store without a lock gets here at once
					return seating("ada", "late")(v)
				})
			}()
			<-calling
			occupy(10 * time.Millisecond) // the other update most likely waits by now
			cancel()
			occupy(10 * time.Millisecond)
		}
		return seating("ada", "in time")(v)
	})
	await(t, done, "the cancelled update")
	if !errors.Is(late, context.Canceled) {
		t.Errorf("the update that was cancelled while it waited returned %v", late)
	}
	if got := ids(ns[1].load(t, key("ada"))); !slices.Equal(got, []oneseat.SessionID{"in time"}) {
		t.Errorf("%v are stored", got)
	}
}

func endedAfter(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	f := follow(t, ns[1])
	for i := range 10 {
		ctx, cancel := context.WithCancel(t.Context())
		v, err := ns[0].Update(ctx, key("ada"), seating("ada", sessionID("S", i)))
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		unchanged(t, ns[1], v)
		if es := f.read(t); len(es) != 1 || es[0].Version != v.Version {
			t.Errorf("the log has %+v, want version %d", es, v.Version)
		}
	}
}

// endedAnyTime ends contexts at different moments of an update. Without an error the
// update was committed. With the context's error it was not. Only a store that lost the
// reply may say that it does not know.
func endedAnyTime(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	begun := time.Now()
	ns[0].put(t, roster("ada"))
	typical := time.Since(begun)
	outcome := make(map[oneseat.SessionID]error)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			for j := range 30 {
				id := oneseat.SessionID(sessionID("S", 100*i+j))
				ctx, cancel := context.WithTimeout(t.Context(), typical*time.Duration(j)/10)
				_, err := ns[i%2].Update(ctx, key("ada"), seating("ada", id))
				cancel()
				mu.Lock()
				outcome[id] = err
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	stored := ids(ns[1].load(t, key("ada")))
	for id, err := range outcome {
		switch is := slices.Contains(stored, id); {
		case err == nil && !is:
			t.Errorf("%s was committed and is not stored", id)
		case err != nil && !errors.Is(err, oneseat.ErrUnknownOutcome) && !errors.Is(err, context.DeadlineExceeded):
			t.Errorf("Update returned %v", err)
		case err != nil && !errors.Is(err, oneseat.ErrUnknownOutcome) && is:
			t.Errorf("%s is stored, and its update returned %v, which says that nothing was written", id, err)
		}
	}
}
