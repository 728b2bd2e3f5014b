package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
)

// times is what a store promises of its clock.
var times = []promise{
	{"now is taken after the lock", nowAfterLock},
	{"a change that took too long runs again", tooLong},
}

// nowAfterLock has a second update begin while the change of a first one takes
// its time. The second comes after the first, so its Now does too: had it been
// read before waiting, timeouts would be decided by a time long gone.
//
// Where nothing is locked the second may read while the first runs and, on a busy
// machine, be kept waiting until that has ended, without having waited for it.
// That is no fault, and does not happen time after time.
func nowAfterLock(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	const tries = 5
	for _, writes := range []bool{false, true} {
		for try := 1; ; try++ {
			took, lag, waited := secondAfterFirst(t, ns, writes)
			if !waited || lag >= took/2 {
				break
			}
			if try == tries {
				t.Errorf("the first update held the roster for %v, and the second, which came after it, was shown a time only %v later", took, lag)
				break
			}
		}
	}
}

// secondAfterFirst says how long the change of a first update took, how much later
// the time is that a second one was shown, and whether the second came after it.
func secondAfterFirst(t *testing.T, ns []node, writes bool) (took, lag time.Duration, waited bool) {
	var first, second oneseat.View
	var ended, begun time.Time // the last run of the first change ended, that of the second began
	done := make(chan struct{})
	started := false
	committed := ns[0].update(t, key("ada"), func(v oneseat.View) (oneseat.Change, error) {
		began := time.Now()
		first = v
		if !started {
			started = true
			calling := make(chan struct{})
			go func() {
				defer close(done)
				close(calling)
				_, err := ns[1].Update(t.Context(), key("ada"), func(v oneseat.View) (oneseat.Change, error) {
					begun, second = time.Now(), v
					return touching(v)
				})
				if err != nil {
					t.Errorf("Update: %v", err)
				}
			}()
			<-calling
		}
		occupy(60 * time.Millisecond)
		ended = time.Now()
		took = ended.Sub(began)
		if !writes {
			return oneseat.Change{}, nil
		}
		return seating("ada", "s")(v)
	})
	await(t, done, "the second update")
	early := begun.Before(ended) && (!writes || second.Version < committed.Version) // possible without a lock
	return took, second.Now.Sub(first.Now), !early
}

// occupy takes time, as a change does on a loaded machine.
func occupy(d time.Duration) {
	for start := time.Now(); time.Since(start) < d; {
	}
}

// tooLong has a change take longer than a decision may be old: as if the
// process had been paused between deciding and committing.
func tooLong(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	ns[0].put(t, roster("ada"))
	f := follow(t, ns[1])
	var nows []time.Time
	v := ns[0].update(t, key("ada"), func(v oneseat.View) (oneseat.Change, error) {
		nows = append(nows, v.Now)
		if len(nows) == 1 {
			timer := time.NewTimer(oneseat.MaxUpdateAge + 100*time.Millisecond)
			defer timer.Stop()
			<-timer.C
		}
		return seating("ada", oneseat.SessionID(fmt.Sprint("run ", len(nows))))(v)
	})
	if len(nows) < 2 {
		t.Fatalf("a change that took %v was committed, with a time that was as old", oneseat.MaxUpdateAge+100*time.Millisecond)
	}
	if lag := nows[len(nows)-1].Sub(nows[0]); lag < oneseat.MaxUpdateAge {
		t.Errorf("the second run was shown a time only %v after the first, more than %v later", lag, oneseat.MaxUpdateAge)
	}
	want := oneseat.SessionID(fmt.Sprint("run ", len(nows)))
	for i, n := range ns {
		if got := ids(n.load(t, key("ada"))); !slices.Equal(got, []oneseat.SessionID{want}) {
			t.Errorf("node %d loads %v, want only what %s made", i, got, want)
		}
	}
	if es := f.read(t); len(es) != 1 || len(es[0].Events) != 1 || es[0].Events[0].Session != want || es[0].Version != v.Version {
		t.Errorf("the log has %+v, want one entry of %s", es, want)
	}
}
