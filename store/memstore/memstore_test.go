package memstore_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
	"github.com/oneseat/oneseat/store/storetest"
)

func TestStoreKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(*testing.T) func() oneseat.Store {
		s := memstore.New()
		return func() oneseat.Store { return s }
	})
}

// clock is a wall clock that a test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func write(events int) func(oneseat.View) (oneseat.Change, error) {
	return func(v oneseat.View) (oneseat.Change, error) {
		c := oneseat.Change{Roster: &oneseat.Roster{Realm: "r", Account: "ada", Due: v.Now.Add(time.Minute)}}
		for range events {
			c.Events = append(c.Events, oneseat.Event{Type: oneseat.EventSessionCreated, Realm: "r", Account: "ada", At: v.Now, Version: v.Next()})
		}
		return c, nil
	}
}

func erase(oneseat.View) (oneseat.Change, error) { return oneseat.Change{Erase: true}, nil }

func update(t *testing.T, s *memstore.Store, change func(oneseat.View) (oneseat.Change, error)) oneseat.View {
	t.Helper()
	v, err := s.Update(t.Context(), oneseat.KeyOf("r", "ada"), change)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestClockThatIsSetBackUndoesNothing(t *testing.T) {
	c := &clock{now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	s := memstore.NewAt(c.read)
	var version uint64
	var now time.Time
	for i := range 20 {
		change := write(1)
		if i%4 == 3 {
			change = erase
		}
		v := update(t, s, func(v oneseat.View) (oneseat.Change, error) {
			if v.Version != version || v.Now.Before(now) {
				t.Errorf("update %d is shown version %d at %v; it was version %d at %v", i, v.Version, v.Now, version, now)
			}
			now = v.Now
			return change(v)
		})
		if i%4 != 3 && v.Version <= version {
			t.Errorf("update %d committed version %d after %d", i, v.Version, version)
		}
		version = v.Version
		c.move(time.Duration(i%3-1) * time.Hour) // back, not at all, on
	}
}

func TestRosterIsDueByTheStoresClock(t *testing.T) {
	c := &clock{now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	s := memstore.NewAt(c.read)
	update(t, s, write(0))
	for i, step := range []time.Duration{0, time.Minute - time.Microsecond, time.Microsecond, time.Hour} {
		c.move(step)
		keys, err := s.Due(t.Context(), "r", 10)
		if want := i / 2; err != nil || len(keys) != min(want, 1) {
			t.Errorf("after step %d, Due = %v, %v", i, keys, err)
		}
	}
}

func TestReaderTooFarBehindIsToldOfAGap(t *testing.T) {
	s := memstore.New()
	start, err := s.Changes(t.Context(), 0, "")
	if err != nil {
		t.Fatal(err)
	}
	update(t, s, write(1))
	const most = 100_000
	var recent oneseat.Tail
	n := 0
	for ; n < most; n++ { // until the log is cut
		if n%10_000 == 0 {
			if recent, err = s.Changes(t.Context(), 0, ""); err != nil {
				t.Fatal(err)
			}
		}
		update(t, s, write(1))
		if n%1000 == 999 {
			tail, err := s.Changes(t.Context(), 0, start.Cursor)
			if err != nil {
				t.Fatal(err)
			}
			if tail.Gap {
				break
			}
			if len(tail.Entries) != n+2 {
				t.Fatalf("%d entries of %d, and no gap", len(tail.Entries), n+2)
			}
		}
	}
	if n == most {
		t.Fatalf("%d entries are kept", most)
	}
	tail, err := s.Changes(t.Context(), 0, recent.Cursor)
	if err != nil || tail.Gap || len(tail.Entries) != n%10_000+1 {
		t.Errorf("a reader %d entries behind gets %d, gap %v, %v", n%10_000+1, len(tail.Entries), tail.Gap, err)
	}
}

func ExampleNew() {
	store := memstore.New()
	seats, err := oneseat.New(store, oneseat.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(seats.Close())
	// Output: <nil>
}
