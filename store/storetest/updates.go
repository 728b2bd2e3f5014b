package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
)

// updates is what Update promises. What it promises about time is in times, about
// contexts in cancellation.
var updates = []promise{
	{"an update returns what is stored", returnsStored},
	{"a change that changes nothing writes nothing", writesNothing},
	{"an error from change is returned as it is and writes nothing", refusedChange},
	{"a panic in change is an error and harms no other update", panics},
	{"what the last run of change returned is committed, once", committedOnce},
	{"updates of one roster are one after the other", oneAfterTheOther},
	{"what a change did not see it does not overwrite", notOverwritten},
	{"a touch never undoes an ending", touchAgainstEnding},
}

var errRefused = errors.New("refused by the change")

func returnsStored(t *testing.T, fresh Factory) {
	n := nodes(t, fresh, 1)[0]
	for i, change := range []changeFunc{
		seating("ada", "1"), touching, seating("ada", "2"), ending("ada", "1"), ending("ada", "1"),
		func(oneseat.View) (oneseat.Change, error) { return oneseat.Change{Erase: true}, nil },
		func(oneseat.View) (oneseat.Change, error) { return oneseat.Change{}, nil },
	} {
		v, stored := n.update(t, key("ada"), change), n.load(t, key("ada"))
		if d := difference(v.Roster, stored.Roster); d != "" || v.Key != stored.Key || v.Version > stored.Version || v.Roster != nil && v.Version != stored.Version {
			t.Errorf("change %d: Update returned key %v, version %d; Load %v, %d: %s", i, v.Key, v.Version, stored.Key, stored.Version, d)
		}
	}
}

func writesNothing(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	before := ns[0].update(t, key("ada"), seating("ada", "1"))
	f := follow(t, ns[1])
	ns[0].update(t, key("ada"), func(oneseat.View) (oneseat.Change, error) { return oneseat.Change{}, nil })
	ns[1].update(t, key("nobody"), func(oneseat.View) (oneseat.Change, error) { return oneseat.Change{}, nil })
	unchanged(t, ns[0], before)
	if v := ns[0].load(t, key("nobody")); v.Roster != nil {
		t.Errorf("a change that changed nothing made a roster: %+v", v.Roster)
	}
	if got := f.read(t); len(got) > 0 {
		t.Errorf("a change that changed nothing is in the log: %+v", got)
	}
}

// unchanged fails if what is stored differs from the view.
func unchanged(t *testing.T, n node, v oneseat.View) {
	t.Helper()
	got := n.load(t, v.Key)
	if d := difference(got.Roster, v.Roster); d != "" || got.Version != v.Version {
		t.Errorf("something was written: version %d became %d: %s", v.Version, got.Version, d)
	}
}

func refusedChange(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	before := ns[0].update(t, key("ada"), seating("ada", "1"))
	f := follow(t, ns[1])
	for _, account := range []string{"ada", "nobody"} {
		for _, make := range []changeFunc{
			func(oneseat.View) (oneseat.Change, error) { return oneseat.Change{}, nil },
			func(oneseat.View) (oneseat.Change, error) { return oneseat.Change{Erase: true}, nil },
			seating(account, "2"),
		} {
			_, err := ns[0].Update(t.Context(), key(account), func(v oneseat.View) (oneseat.Change, error) {
				c, _ := make(v)
				return c, errRefused
			})
			if err != errRefused { //nolint:errorlint // as it is
				t.Errorf("Update returned %v, want the change's own error as it is", err)
			}
		}
	}
	unchanged(t, ns[0], before)
	if v := ns[0].load(t, key("nobody")); v.Roster != nil {
		t.Errorf("a refused change made a roster: %+v", v.Roster)
	}
	if got := f.read(t); len(got) > 0 {
		t.Errorf("refused changes are in the log: %+v", got)
	}
}

// panics runs good updates of a few rosters at once. Among them are changes that panic,
// changes that refuse, and changes whose context ends.
func panics(t *testing.T, fresh Factory) {
	const good, accounts = 64, 4
	ns := nodes(t, fresh, 2)
	f := follow(t, ns[1])
	start := make(chan struct{})
	var wg sync.WaitGroup
	account := func(i int) string { return fmt.Sprint("account ", i%accounts) }
	for i := range good {
		wg.Go(func() {
			<-start
			if _, err := ns[i%2].Update(t.Context(), key(account(i)), seating(account(i), sessionID("GOOD", i))); err != nil {
				t.Errorf("good update %d: %v", i, err)
			}
		})
		if i%8 != 0 {
			continue
		}
		bad := func(how func(cancel func()) error) error {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			_, err := ns[i%2].Update(ctx, key(account(i/8)), func(v oneseat.View) (oneseat.Change, error) {
				err := how(cancel)
				c, _ := seating(account(i/8), sessionID("BAD", i))(v)
				return c, err
			})
			return err
		}
		wg.Go(func() {
			<-start
			err := bad(func(func()) error { panic(i) })
			if p, ok := errors.AsType[*oneseat.PanicError](err); !ok || p.Value != i || len(p.Stack) == 0 {
				t.Errorf("an update whose change panicked returned %v, want a *oneseat.PanicError of %d with a stack", err, i)
			}
		})
		wg.Go(func() {
			<-start
			if err := bad(func(func()) error { return errRefused }); err != errRefused { //nolint:errorlint // as it is
				t.Errorf("a refused update returned %v", err)
			}
		})
		wg.Go(func() {
			<-start
			if err := bad(func(cancel func()) error { cancel(); return nil }); !errors.Is(err, context.Canceled) {
				t.Errorf("a cancelled update returned %v", err)
			}
		})
	}
	close(start)
	wg.Wait()
	want := make(map[oneseat.SessionID]bool)
	for i := range good {
		want[sessionID("GOOD", i)] = true
	}
	logged := 0
	for _, e := range f.read(t) {
		for _, e := range e.Events {
			logged++
			if !want[e.Session] {
				t.Errorf("%s is in the log", e.Session)
			}
		}
	}
	for i := range accounts {
		for _, id := range ids(ns[0].load(t, key(account(i)))) {
			if !want[id] {
				t.Errorf("%s is stored, twice or though it was refused", id)
			}
			delete(want, id)
		}
	}
	if len(want) > 0 || logged != good {
		t.Errorf("%d of %d good updates are not stored, %d are in the log: %v", len(want), good, logged, want)
	}
}

// committedOnce gives every run of a change another session. What is stored in the end
// comes from the last run alone.
func committedOnce(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 3)
	f := follow(t, ns[0])
	var wg sync.WaitGroup
	var mu sync.Mutex
	last := make(map[oneseat.SessionID]bool)
	const each = 10
	for i := range 6 {
		wg.Go(func() {
			for j := range each {
				run, id := 0, oneseat.SessionID("")
				_, err := ns[i%3].Update(t.Context(), key("ada"), func(v oneseat.View) (oneseat.Change, error) {
					run++
					id = oneseat.SessionID(fmt.Sprintf("%d.%d.%d", i, j, run))
					return seating("ada", id)(v)
				})
				if err != nil {
					t.Errorf("Update: %v", err)
				}
				mu.Lock()
				last[id] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	stored, logged := ids(ns[1].load(t, key("ada"))), 0
	for _, id := range stored {
		if !last[id] {
			t.Errorf("session %s (writer.update.run) is stored, and was not made by the last run", id)
		}
	}
	for _, e := range f.read(t) {
		for _, e := range e.Events {
			logged++
			if !last[e.Session] {
				t.Errorf("session %s (writer.update.run) is in the log, and was not made by the last run", e.Session)
			}
		}
	}
	if len(stored) != 6*each || logged != 6*each {
		t.Errorf("%d sessions are stored and %d events are in the log after %d updates that added one each", len(stored), logged, 6*each)
	}
}

// oneAfterTheOther has several nodes update one roster at once. Each has to see what
// another one left: the versions form one chain.
func oneAfterTheOther(t *testing.T, fresh Factory) {
	const writers, each = 8, 20
	ns := nodes(t, fresh, 3)
	type link struct{ saw, made uint64 }
	links := make([][]link, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for j := range each {
				var saw oneseat.View
				v, err := ns[i%3].Update(t.Context(), key("ada"), func(v oneseat.View) (oneseat.Change, error) {
					saw = v
					if j%2 == 1 && v.Roster != nil {
						return touching(v)
					}
					return seating("ada", sessionID(fmt.Sprint("W", i), j))(v)
				})
				if err != nil {
					t.Errorf("Update: %v", err)
					return
				}
				links[i] = append(links[i], link{saw.Version, v.Version})
			}
		})
	}
	wg.Wait()
	all := slices.Concat(links...)
	slices.SortFunc(all, func(a, b link) int { return cmp.Compare(a.made, b.made) })
	for i := 1; i < len(all); i++ {
		if all[i].saw != all[i-1].made {
			t.Fatalf("the update that committed version %d saw version %d; the one before it had committed %d", all[i].made, all[i].saw, all[i-1].made)
		}
	}
	v := ns[0].load(t, key("ada"))
	if got := len(ids(v)); got != writers*each/2 || v.Version != all[len(all)-1].made {
		t.Errorf("%d sessions, version %d; want %d, %d", got, v.Version, writers*each/2, all[len(all)-1].made)
	}
}

// notOverwritten lets a second update begin while the change of a first one runs.
// Either the second one waits, or the first one runs again.
func notOverwritten(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	for i, pair := range []struct{ first, second changeFunc }{
		{seating("ada", "first"), seating("ada", "second")},
		{seating("ada", "first"), touching},
		{touching, seating("ada", "second")},
		{touching, ending("ada", "both")},
	} {
		ns[0].put(t, roster("ada", "both", "other"))
		want := ids(overlapping(t, ns[0], ns[1], pair.first, pair.second))
		// Whichever came first, both have happened.
		var saw oneseat.View
		for _, c := range []changeFunc{pair.first, pair.second} {
			saw = after(saw, c)
		}
		slices.Sort(want)
		expected := ids(saw)
		slices.Sort(expected)
		if !slices.Equal(want, expected) {
			t.Errorf("pair %d: live are %v, want %v: one update overwrote the other", i, want, expected)
		}
	}
}

// after returns what a change makes of a view, without a store.
func after(v oneseat.View, c changeFunc) oneseat.View {
	if v.Roster == nil {
		v.Roster = roster("ada", "both", "other")
	}
	if change, _ := c(v); change.Roster != nil {
		v.Roster = change.Roster
	}
	return v
}

// overlapping starts second on b while the first run of first is under way on a. It
// waits for both, and returns what is stored then.
func overlapping(t *testing.T, a, b node, first, second changeFunc) oneseat.View {
	t.Helper()
	done := make(chan struct{})
	begun := false
	a.update(t, key("ada"), func(v oneseat.View) (oneseat.Change, error) {
		if !begun {
			begun = true
			go func() {
				defer close(done)
				if _, err := b.Update(t.Context(), key("ada"), second); err != nil {
					t.Errorf("Update: %v", err)
				}
			}()
			select {
			case <-done: // without a lock the first has to run again
			case <-time.After(50 * time.Millisecond): // with a lock the second waits for it
			}
		}
		return first(v)
	})
	await(t, done, "the second update")
	return a.load(t, key("ada"))
}

// touchAgainstEnding ends sessions while others touch the roster all the time
// (REV-02).
func touchAgainstEnding(t *testing.T, fresh Factory) {
	const sessions = 40
	ns := nodes(t, fresh, 3)
	all := make([]oneseat.SessionID, sessions)
	for i := range all {
		all[i] = sessionID("S", i)
	}
	ns[0].put(t, roster("ada", all...))
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if _, err := ns[i%3].Update(t.Context(), key("ada"), touching); err != nil {
					t.Errorf("touch: %v", err)
					return
				}
			}
		})
	}
	for i, id := range all {
		v := ns[i%3].update(t, key("ada"), ending("ada", id))
		for _, n := range ns {
			if got := n.load(t, key("ada")); slices.Contains(ids(got), id) {
				t.Errorf("%s is live in version %d, and was ended in version %d", id, got.Version, v.Version)
			}
		}
	}
	stop()
	wg.Wait()
	if v := ns[0].load(t, key("ada")); len(ids(v)) != 0 {
		t.Errorf("%v are live, and every session was ended", ids(v))
	}
	ns[0].put(t, roster("ada", "both", "other"))
	for range 3 { // and once more, with the ending in the middle of a touch
		if v := overlapping(t, ns[0], ns[1], touching, ending("ada", "both")); slices.Contains(ids(v), "both") {
			t.Fatalf("a touch brought back a session that had ended: %v", ids(v))
		}
		ns[0].put(t, roster("ada", "both", "other"))
	}
}
