package storetest

import (
	"testing"
	"time"

	"github.com/oneseat/oneseat"
)

// versions is what a version promises: it always rises.
var versions = []promise{
	{"the next version is the larger of one more and the store's time", nextVersion},
	{"a version never restarts, not even after an erasure", neverRestarts},
	{"now is never before the roster's own commit", nowAfterCommit},
}

func nextVersion(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	var last uint64
	for i := range 100 {
		var saw oneseat.View
		change := seating("ada", "s")
		if i%2 == 1 {
			change = touching
		}
		v := ns[i/2%2].update(t, key("ada"), func(v oneseat.View) (oneseat.Change, error) {
			saw = v
			return change(v)
		})
		want := max(saw.Version+1, uint64(saw.Now.UnixMicro()))
		if saw.Version != last && i > 0 || v.Version != want {
			t.Fatalf("update %d: before it version %d, want %d; committed version %d, want max(%d+1, %d)", i, saw.Version, last, v.Version, saw.Version, saw.Now.UnixMicro())
		}
		if got := ns[(i+1)%2].load(t, key("ada")).Version; got != want {
			t.Fatalf("update %d: loaded version %d, want %d", i, got, want)
		}
		if i%10 == 9 {
			v = ns[0].put(t, roster("ada"))
		}
		last = v.Version
	}
}

func neverRestarts(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	var highest uint64
	for i := range 20 {
		n, other := ns[i%2], ns[(i+1)%2]
		v := n.update(t, key("ada"), func(v oneseat.View) (oneseat.Change, error) {
			if v.Roster != nil || v.Version < highest {
				t.Errorf("round %d: change was shown version %d of an erased roster, want at least %d", i, v.Version, highest)
			}
			return seating("ada", "s")(v)
		})
		if v.Version <= highest {
			t.Fatalf("round %d: the new roster has version %d, an erased one had %d", i, v.Version, highest)
		}
		for range i % 3 {
			v = n.update(t, key("ada"), touching)
		}
		highest = v.Version
		gone := other.erase(t, key("ada"))
		for _, v := range []oneseat.View{gone, n.load(t, key("ada")), other.load(t, key("ada"))} {
			if v.Roster != nil || v.Version < highest {
				t.Fatalf("round %d: after the erasure there is version %d, roster %v; want at least %d and none", i, v.Version, v.Roster, highest)
			}
		}
	}
}

func nowAfterCommit(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	check := func(v oneseat.View) {
		t.Helper()
		if committed := time.UnixMicro(int64(v.Version)); v.Now.Before(committed) {
			t.Fatalf("Now is %v, and the roster was committed at %v", v.Now, committed.UTC())
		}
	}
	for i := range 60 {
		check(ns[i%2].update(t, key("ada"), func(v oneseat.View) (oneseat.Change, error) {
			check(v)
			return touchingOrSeating(v)
		}))
		check(ns[(i+1)%2].load(t, key("ada")))
		if i%7 == 6 {
			check(ns[i%2].erase(t, key("ada")))
		}
	}
}

func touchingOrSeating(v oneseat.View) (oneseat.Change, error) {
	if v.Roster == nil {
		return seating("ada", "s")(v)
	}
	return touching(v)
}
