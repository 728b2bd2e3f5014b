package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/oneseat/oneseat"
)

// groups is what Update promises for updates that a store may commit together, or
// that begin with what another update of the process has left.
var groups = []promise{
	{"updates at once of one partition each get their own answer", groupAnswers},
	{"what fails in a group touches only itself", groupFailures},
	{"a conflict in a group touches only the update that meets it", groupConflicts},
	{"an update is shown what was committed before it began", nothingOld},
}

// groupSize is how many updates are ready at once. Rounds are repeated, because not
// every time they meet.
const (
	groupSize   = 24
	groupRounds = 4
)

// inOnePartition returns names of accounts whose updates are in one partition of the
// log.
func inOnePartition(n node, many int) (accounts []string) {
	for i := 0; len(accounts) < many; i++ {
		if a := fmt.Sprint("account ", i); key(a).Partition(n.Partitions()) == 0 {
			accounts = append(accounts, a)
		}
	}
	return accounts
}

func groupAnswers(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	accounts := inOnePartition(ns[0], groupSize)
	f := follow(t, ns[1])
	want, entries := make([]oneseat.View, groupSize), make([][]oneseat.Entry, groupSize)
	for round := range groupRounds {
		together(groupSize, func(i int) {
			a, id := accounts[i], sessionID("s", round*groupSize+i)
			seen := want[i]
			var events []oneseat.Event
			v, err := ns[0].Update(t.Context(), key(a), func(v oneseat.View) (oneseat.Change, error) {
				if d := difference(v.Roster, seen.Roster); d != "" || v.Key != key(a) || seen.Roster != nil && v.Version != seen.Version {
					t.Errorf("the change of %s was shown version %d of %v, want %d: %s", a, v.Version, v.Key, seen.Version, d)
				}
				c, err := seating(a, id)(v)
				events = c.Events
				return c, err
			})
			if got := ids(v); err != nil || v.Key != key(a) || len(got) != round+1 || got[round] != id {
				t.Errorf("Update of %s returned %v of %v, %v; it seated %s", a, got, v.Key, err, id)
			}
			want[i], entries[i] = v, append(entries[i], oneseat.Entry{Key: key(a), Version: v.Version, Events: events})
		})
		if t.Failed() {
			return
		}
	}
	log := f.read(t)
	for i, a := range accounts {
		unchanged(t, ns[1], want[i])
		if d := sameLog(of(key(a), log), entries[i]); d != "" {
			t.Errorf("the log of %s: %s", a, d)
		}
	}
}

func groupFailures(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	accounts := inOnePartition(ns[0], groupSize)
	f := follow(t, ns[1])
	logged := 0
	for round := range groupRounds {
		kind := func(i int) int { return (i + round) % 6 }
		together(groupSize, func(i int) {
			a, id := accounts[i], sessionID("s", round*groupSize+i)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			v, err := ns[0].Update(ctx, key(a), func(v oneseat.View) (oneseat.Change, error) {
				c, err := seating(a, id)(v)
				switch kind(i) {
				case 0:
					err = errRefused
				case 1:
					panic(id)
				case 2:
					cancel()
				case 3:
					c = oneseat.Change{}
				}
				return c, err
			})
			switch kind(i) {
			case 0:
				if err != errRefused { //nolint:errorlint // as it is
					t.Errorf("a refused update returned %v", err)
				}
			case 1:
				if p, ok := errors.AsType[*oneseat.PanicError](err); !ok || p.Value != id {
					t.Errorf("an update whose change panicked with %s returned %v", id, err)
				}
			case 2:
				if !errors.Is(err, context.Canceled) || errors.Is(err, oneseat.ErrUnknownOutcome) {
					t.Errorf("an update that was cancelled before its commit returned %v", err)
				}
			case 3:
				if err != nil || v.Key != key(a) || slices.Contains(ids(v), id) {
					t.Errorf("an update that changes nothing returned %v of %v, %v", ids(v), v.Key, err)
				}
			default:
				if err != nil || !slices.Contains(ids(v), id) {
					t.Errorf("Update of %s returned %v, %v; it seated %s", a, ids(v), err, id)
				}
			}
		})
		for i, a := range accounts {
			id, stored := sessionID("s", round*groupSize+i), ids(ns[1].load(t, key(a)))
			if good := kind(i) > 3; slices.Contains(stored, id) != good {
				t.Errorf("%s has %v after an update of kind %d that seats %s", a, stored, kind(i), id)
			} else if good {
				logged++
			}
		}
	}
	if n := len(f.read(t)); n != logged {
		t.Errorf("%d updates are in the log, %d were committed", n, logged)
	}
}

// groupConflicts updates accounts of its own on each of two nodes, and, among these,
// accounts that both nodes update.
func groupConflicts(t *testing.T, fresh Factory) {
	const shared = 2
	ns := nodes(t, fresh, 2)
	accounts := inOnePartition(ns[0], 2*groupSize)
	f := follow(t, ns[1])
	for round := range groupRounds {
		together(2*groupSize, func(i int) {
			a := accounts[i]
			if i%8 < 2 {
				a = accounts[i/8%shared] // of both nodes, and several times
			}
			if _, err := ns[i%2].Update(t.Context(), key(a), seating(a, sessionID("s", 2*round*groupSize+i))); err != nil {
				t.Errorf("Update of %s on node %d: %v", a, i%2, err)
			}
		})
	}
	seats := make(map[oneseat.SessionID]int)
	for _, a := range accounts {
		for _, id := range ids(ns[0].load(t, key(a))) {
			seats[id]++
		}
	}
	events := make(map[oneseat.SessionID]int)
	for _, e := range f.read(t) {
		for _, e := range e.Events {
			events[e.Session]++
		}
	}
	for n := range 2 * groupSize * groupRounds {
		if id := sessionID("s", n); seats[id] != 1 || events[id] != 1 {
			t.Errorf("%s is stored %d times, and %d times in the log, want once", id, seats[id], events[id])
		}
	}
}

// nothingOld keeps many updates of an account waiting on one node. What another node has
// committed before a further one begins has to be seen by that one.
func nothingOld(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	ns[1].update(t, key("ada"), seating("ada", "s"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for ctx.Err() == nil {
				change := touching
				if i%2 == 0 {
					change = func(oneseat.View) (oneseat.Change, error) { return oneseat.Change{}, nil }
				}
				if _, err := ns[0].Update(ctx, key("ada"), change); err != nil && ctx.Err() == nil {
					t.Errorf("Update: %v", err)
				}
			}
		})
	}
	for i := range 20 {
		id := sessionID("s", i)
		before := ns[1].update(t, key("ada"), seating("ada", id))
		v := ns[0].update(t, key("ada"), func(v oneseat.View) (oneseat.Change, error) { return oneseat.Change{}, nil })
		if v.Version < before.Version || !slices.Contains(ids(v), id) {
			t.Errorf("an update was shown version %d with %v, after version %d had been committed with %s", v.Version, ids(v), before.Version, id)
			break
		}
	}
	cancel()
	wg.Wait()
}
