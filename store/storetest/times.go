package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
)

// times is what a store promises about its clock.
var times = []promise{
	{"now is taken after the lock", nowAfterLock},
	{"a change that took too long runs again", tooLong},
}

// nowAfterLock has a second update begin while the change of a first one takes its
// time. The second update comes after the first, so its Now does too. If it had been
// read before the wait, timeouts would be decided by a time long ago.
//
// In a store without locks the second update runs at once, which ends the wait of the
// first. On a busy machine the second may read in time, and run only when the first has
// given up waiting for it. Then both are tried again, with more time.
func nowAfterLock(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	const most = oneseat.MaxUpdateAge / 2
	for _, writes := range []bool{false, true} {
		for hold, tries := 60*time.Millisecond, 7; ; hold, tries = min(2*hold, most), tries-1 {
			took, lag, waited := secondAfterFirst(t, ns, writes, hold)
			if !waited || lag >= took/2 {
				break
			}
			if tries == 1 {
				t.Errorf("the first update held the roster for %v, and the second, which came after it, was shown a time only %v later", took, lag)
				break
			}
		}
	}
}

// secondAfterFirst has the change of a first update wait until that of a second one
// begins, or as long as hold. It returns how long the first took, how much later the
// time was that the second one got, and whether the second one came after the first.
func secondAfterFirst(t *testing.T, ns []node, writes bool, hold time.Duration) (took, lag time.Duration, waited bool) {
	var first, second oneseat.View
	var ended, begun time.Time // when the last run of the first change ended, and when that of the second began
	running, done := make(chan struct{}), make(chan struct{})
	started, runs := false, sync.OnceFunc(func() { close(running) })
	committed := ns[0].update(t, key("ada"), func(v oneseat.View) (oneseat.Change, error) {
		began := time.Now()
		first = v
		if !started {
			started = true
			go func() {
				defer close(done)
				_, err := ns[1].Update(t.Context(), key("ada"), func(v oneseat.View) (oneseat.Change, error) {
					begun, second = time.Now(), v
					runs()
					return touching(v)
				})
				if err != nil {
					t.Errorf("Update: %v", err)
				}
			}()
		}
		enough := time.NewTimer(hold)
		defer enough.Stop()
		select {
		case <-running:
		case <-enough.C:
		}
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

// tooLong has a change take longer than a decision may be old, as if the process had
// been paused between the decision and the commit.
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
