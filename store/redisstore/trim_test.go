package redisstore_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/testservers"
	"github.com/oneseat/oneseat/store/redisstore"
)

// PRV-02: in a quiet system the number of updates alone would keep names for years. A
// node that follows the log notices nothing of what is deleted.
func TestTheLogKeepsNoNameForMuchLongerThanAMonthAndWhoReadsItGetsNoGap(t *testing.T) {
	t.Parallel()
	r, set := testservers.StartRedisWithAClock(t)
	const day = 24 * time.Hour
	s := open(t, r.URL, redisstore.Options{})
	sweep := func() { // a store looks for what is old when it is asked first
		t.Helper()
		if _, err := open(t, r.URL, redisstore.Options{}).Due(t.Context(), realm, 10); err != nil {
			t.Fatal(err)
		}
	}
	_, _, follower := read(t, s, "ada", "")
	_, _, behind := read(t, s, "ada", "")
	has := func(name string) bool {
		t.Helper()
		log := fmt.Sprintf("oneseat:{%d}:log", key(name).Partition(s.Partitions()))
		all, err := run(t, shell(t, r.URL), "XRANGE", log, "-", "+").ToArray()
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		for _, e := range all {
			text.WriteString(e.String())
		}
		events, err := s.Events(t.Context(), oneseat.EventQuery{Realm: realm, Account: name})
		if found := strings.Contains(text.String(), name); err != nil || found != (len(events) > 0) {
			t.Fatalf("%s is in the log: %t; events: %v, %v", name, found, events, err)
		}
		return len(events) > 0
	}
	follow := func(when string) {
		t.Helper()
		_, gap, next := read(t, s, "ada", follower)
		if gap {
			t.Errorf("%s: the follower has a gap", when)
		}
		follower = next
	}
	signIn(t, s, "ada", "A")
	sweep()
	for _, step := range []struct {
		after time.Duration
		do    string // who signs in then
		ada   bool
		bob   bool
	}{
		{10 * day, "bob", true, true},
		{29 * day, "", true, true},
		{30*day + 12*time.Hour, "", true, true}, // within the day
		{31*day + 12*time.Hour, "", true, true}, // the newest of its partition: first there is a newer one
		{31*day + 13*time.Hour, "", false, true},
		{41*day + 12*time.Hour, "", false, true},
		{41*day + 13*time.Hour, "", false, false},
	} {
		set(step.after)
		follow("before")
		if step.do != "" {
			signIn(t, s, step.do, "B")
		}
		sweep()
		sweep() // the sweep of another node, before any reader has read on
		if ada, bob := has("ada"), has("bob"); ada != step.ada || bob != step.bob {
			t.Errorf("after %v ada is there: %t, want %t; bob: %t, want %t", step.after, ada, step.ada, bob, step.bob)
		}
		follow(fmt.Sprint("after ", step.after))
	}
	if _, gap, _ := read(t, s, "ada", behind); !gap {
		t.Error("who has not read for a month is told of no gap")
	}
	// More sweeps write nothing.
	log := fmt.Sprintf("oneseat:{%d}:log", key("ada").Partition(s.Partitions()))
	length := func() int64 {
		n, err := run(t, shell(t, r.URL), "XLEN", log).AsInt64()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := length()
	for range 5 {
		sweep()
	}
	if after := length(); after > before || after > 3 {
		t.Errorf("%d entries, and after some sweeps %d", before, after)
	}
	signIn(t, s, "ada", "C")
	follow("a sign-in after all that")
}
