package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
)

// due is what Due promises. It lets a sweep find what has timed out.
var due = []promise{
	{"what is due is listed at once on every node, the longest waiting first", dueOrder},
	{"what is not due is not listed", notDue},
	{"what is due is listed once its time has come", dueInTime},
	{"what becomes due sooner is listed at once", dueSooner},
	{"what is due stays so when an update leaves its time alone", dueStays},
	{"due lists one realm only", dueRealm},
	{"due lists no more than was asked for", dueLimit},
}

// dueAt stores a roster that is due this long after the store's time.
func dueAt(t *testing.T, n node, in, account string, after time.Duration) oneseat.Key {
	t.Helper()
	k := oneseat.KeyOf(in, account)
	n.update(t, k, func(v oneseat.View) (oneseat.Change, error) {
		return oneseat.Change{Roster: &oneseat.Roster{Realm: in, Account: account, Due: v.Now.Add(after)}}, nil
	})
	return k
}

func listDue(t *testing.T, n node, in string, limit int) []oneseat.Key {
	t.Helper()
	ks, err := n.Due(t.Context(), in, limit)
	if err != nil {
		t.Fatalf("Due: %v", err)
	}
	if len(ks) > limit {
		t.Fatalf("Due returned %d keys, at most %d were asked for", len(ks), limit)
	}
	return ks
}

func dueOrder(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	if ks := listDue(t, ns[0], realm, 10); len(ks) != 0 {
		t.Errorf("an empty store has something due: %v", ks)
	}
	a := dueAt(t, ns[0], realm, "a", -time.Hour)
	b := dueAt(t, ns[1], realm, "b", -time.Minute)
	c := dueAt(t, ns[0], realm, "c", -24*time.Hour)
	d := dueAt(t, ns[1], realm, "d", 0)
	for _, n := range ns {
		if ks := listDue(t, n, realm, 10); !slices.Equal(ks, []oneseat.Key{c, a, b, d}) {
			t.Errorf("Due = %v, want %v", ks, []oneseat.Key{c, a, b, d})
		}
	}
}

func notDue(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	dueAt(t, ns[0], realm, "tomorrow", 24*time.Hour)
	ns[0].put(t, roster("never", "s"))
	later, never, gone := dueAt(t, ns[0], realm, "later", -time.Hour), dueAt(t, ns[0], realm, "not any more", -time.Hour), dueAt(t, ns[0], realm, "gone", -time.Hour)
	if ks := listDue(t, ns[1], realm, 10); len(ks) != 3 || !slices.Contains(ks, later) || !slices.Contains(ks, never) || !slices.Contains(ks, gone) {
		t.Fatalf("Due = %v, want the three that were due an hour ago", ks)
	}
	dueAt(t, ns[1], realm, "later", 24*time.Hour)
	ns[1].put(t, roster("not any more"))
	ns[1].erase(t, gone)
	for _, n := range ns {
		if ks := listDue(t, n, realm, 10); len(ks) != 0 {
			t.Errorf("Due = %v, and nothing is due before tomorrow", ks)
		}
	}
}

func dueInTime(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	k := dueAt(t, ns[0], realm, "soon", 30*time.Millisecond)
	at := ns[0].load(t, k).Roster.Due
	for {
		// It was due by the store's own clock, which was read before Due was called.
		passed := !ns[1].load(t, key("nobody")).Now.Before(at)
		listed := slices.Contains(listDue(t, ns[1], realm, 10), k)
		if listed {
			return // a little early is allowed
		}
		if passed {
			t.Fatalf("it was due at %v, that has passed, and it is not listed", at)
		}
	}
}

// An index that is written later than the roster, or moves in one direction only, would
// be late.
func dueSooner(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	k := dueAt(t, ns[0], realm, "ada", 24*time.Hour)
	for _, after := range []time.Duration{12 * time.Hour, time.Minute, -time.Hour} {
		for i, n := range ns {
			if ks := listDue(t, n, realm, 10); len(ks) != 0 {
				t.Fatalf("node %d: Due = %v, and nothing is due within a minute", i, ks)
			}
		}
		dueAt(t, ns[0], realm, "ada", after)
	}
	for i, n := range ns {
		if ks := listDue(t, n, realm, 10); !slices.Equal(ks, []oneseat.Key{k}) {
			t.Errorf("node %d: Due = %v, and %v has been due for an hour since the last update", i, ks, k)
		}
	}
}

// A store may leave its index alone when Due is what it was.
func dueStays(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	k := dueAt(t, ns[0], realm, "ada", -time.Hour)
	soon := dueAt(t, ns[0], realm, "grace", 24*time.Hour)
	for i := range 4 {
		for _, k := range []oneseat.Key{k, soon} {
			ns[i%2].update(t, k, func(v oneseat.View) (oneseat.Change, error) {
				c, err := seating(v.Roster.Account, oneseat.SessionID(fmt.Sprint("s", i)))(v)
				c.Roster.Due = v.Roster.Due
				return c, err
			})
		}
		for _, n := range ns {
			if ks := listDue(t, n, realm, 10); !slices.Equal(ks, []oneseat.Key{k}) {
				t.Fatalf("after %d updates Due = %v, want %v, which has been due for an hour", i+1, ks, k)
			}
		}
	}
	dueAt(t, ns[1], realm, "grace", -2*time.Hour)
	if ks := listDue(t, ns[0], realm, 10); !slices.Equal(ks, []oneseat.Key{soon, k}) {
		t.Errorf("Due = %v, want %v, which is due since two hours now, and %v", ks, soon, k)
	}
}

func dueRealm(t *testing.T, fresh Factory) {
	n := nodes(t, fresh, 1)[0]
	for i, in := range []string{"realm", "realm ", "Realm", "realm%", "r_alm", "other"} {
		k := dueAt(t, n, in, "ada", -time.Duration(i+1)*time.Second)
		if ks := listDue(t, n, in, 10); !slices.Equal(ks, []oneseat.Key{k}) {
			t.Errorf("Due(%q) = %v, want its own one, %v", in, ks, k)
		}
	}
	if ks := listDue(t, n, realm, 10); len(ks) != 0 {
		t.Errorf("a realm without rosters has %v due", ks)
	}
}

func dueLimit(t *testing.T, fresh Factory) {
	n := nodes(t, fresh, 1)[0]
	var want []oneseat.Key
	for i := range 30 {
		want = append(want, dueAt(t, n, realm, fmt.Sprint("account ", i), time.Duration(i-60)*time.Second))
	}
	for _, limit := range []int{1, 7, 30, 1000} {
		if ks := listDue(t, n, realm, limit); !slices.Equal(ks, want[:min(limit, 30)]) {
			t.Errorf("Due with limit %d returned %d keys, want the %d that have waited longest, in order", limit, len(ks), min(limit, 30))
		}
	}
}
