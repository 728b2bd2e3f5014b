package sqlitestore_test

import (
	"fmt"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/internal/fixture"
	"github.com/oneseat/oneseat/store/sqlitestore"
)

// many returns a change with n events.
func many(account string, n int) change {
	return func(v oneseat.View) (oneseat.Change, error) {
		c, err := seat(account, "S")(v)
		for i := range n {
			c.Events = append(c.Events, fixture.Event(v, oneseat.EventSignInRefused, oneseat.Session{ID: oneseat.SessionID(fmt.Sprint(i)), Account: account}))
		}
		c.Events = c.Events[len(c.Events)-n:]
		return c, err
	}
}

func TestTheEventsOfOneUpdateComeInOnePiece(t *testing.T) {
	t.Parallel()
	s, _ := fresh(t)
	signIn(t, s, "somebody", "S")
	cursor := end(t, s)
	// These are whole pages of 1000, less than a page, more than a page, and the edges
	// between them.
	counts := []int{999, 3, 1000, 1, 2500, 7, 300, 300, 300, 300, 1, 998, 1, 1001, 2}
	for i, n := range counts {
		a := fmt.Sprint("account", i)
		if _, err := s.Update(t.Context(), key(a), many(a, n)); err != nil {
			t.Fatal(err)
		}
	}
	calls := 0
	for next, done := 0, false; !done; calls++ {
		tail, err := s.Changes(t.Context(), 0, cursor)
		if err != nil || tail.Gap {
			t.Fatal(tail.Gap, err)
		}
		for _, e := range tail.Entries {
			a := fmt.Sprint("account", next)
			if e.Key != key(a) || len(e.Events) != counts[next] {
				t.Fatalf("entry %d has %d events, want %d", next, len(e.Events), counts[next])
			}
			for i, ev := range e.Events {
				if ev.Session != oneseat.SessionID(fmt.Sprint(i)) {
					t.Fatalf("event %d of entry %d is of session %s", i, next, ev.Session)
				}
			}
			next++
		}
		if cursor, done = tail.Cursor, tail.End; done && next != len(counts) {
			t.Fatalf("the end after %d of %d entries", next, len(counts))
		}
	}
	if calls < 3 {
		t.Errorf("%d calls: a page is not bounded", calls)
	}
}

func TestACursorIsGoodAfterARestartAndBeyondTheEndItIsAGap(t *testing.T) {
	t.Parallel()
	s, path := fresh(t)
	signIn(t, s, "ada", "A")
	cursor := end(t, s)
	signIn(t, s, "ada", "B")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	tail, err := s.Changes(t.Context(), 0, cursor)
	if err != nil || tail.Gap || !tail.End || len(tail.Entries) != 1 || len(tail.Entries[0].Events) != 2 {
		t.Errorf("%+v, %v", tail, err)
	}
	for _, bad := range []oneseat.Cursor{cursor + "0", "x" + cursor, ".", "nonsense", cursor + ".1", "0.-1"} {
		tail, err := s.Changes(t.Context(), 0, bad)
		if err != nil || !tail.Gap || !tail.End || len(tail.Entries) > 0 {
			t.Errorf("%s: %+v, %v", bad, tail, err)
		}
		if tail, err = s.Changes(t.Context(), 0, tail.Cursor); err != nil || tail.Gap {
			t.Errorf("the good cursor: %+v, %v", tail, err)
		}
	}
}

func TestEventsOlderThanThirtyDaysAreTrimmedAndThatIsAGap(t *testing.T) {
	t.Parallel()
	s, path := fresh(t)
	signIn(t, s, "ada", "A")
	old := end(t, s)
	for i := range 1200 { // more than one transaction trims
		signIn(t, s, fmt.Sprint("account", i), "S")
	}
	trimmed := end(t, s)
	signIn(t, s, "grace", "G")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	run(t, shell(t, path), "UPDATE oneseat_events SET version = version - 31 * 24 * 3600 * 1000000 WHERE account <> 'grace'")

	s = open(t, path) // opening looks for old events
	var tail oneseat.Tail
	waitUntil(t, func() bool {
		var err error
		if tail, err = s.Changes(t.Context(), 0, old); err != nil {
			t.Fatal(err)
		}
		records, err := s.Events(t.Context(), oneseat.EventQuery{Realm: realm})
		return err == nil && tail.Gap && len(records) == 1 && records[0].Account == "grace"
	}, func() string { return "the old events are still there" })

	tail, err := s.Changes(t.Context(), 0, trimmed) // nothing after this one is missing
	if err != nil || tail.Gap || len(tail.Entries) != 1 || tail.Entries[0].Key != key("grace") {
		t.Errorf("%+v, %v", tail, err)
	}
	wantLive(t, s, "ada", "A")
}

func TestAnUnreadableEventIsAGapAndNotTheEndOfTheLog(t *testing.T) {
	t.Parallel()
	s, path := fresh(t)
	signIn(t, s, "ada", "A")
	cursor := end(t, s)
	signIn(t, s, "ada", "B")
	signIn(t, s, "grace", "G")
	run(t, shell(t, path), "UPDATE oneseat_events SET event = '{' WHERE session = 'B'")
	tail, err := s.Changes(t.Context(), 0, cursor)
	if err != nil || !tail.Gap || !tail.End || len(tail.Entries) != 2 || tail.Entries[1].Key != key("grace") {
		t.Errorf("%+v, %v", tail, err)
	}
	if tail, err = s.Changes(t.Context(), 0, tail.Cursor); err != nil || tail.Gap {
		t.Errorf("afterwards: %+v, %v", tail, err)
	}
}

func TestVersionsDoNotRestartOverRestartsAndErasures(t *testing.T) {
	t.Parallel()
	s, path := fresh(t)
	erase := func(oneseat.View) (oneseat.Change, error) { return oneseat.Change{Erase: true}, nil }
	var last uint64
	for range 3 {
		v := signIn(t, s, "ada", "A")
		if v.Version <= last {
			t.Fatalf("version %d after %d", v.Version, last)
		}
		last = v.Version
		v, err := s.Update(t.Context(), key("ada"), erase)
		if err != nil || v.Roster != nil || v.Version < last {
			t.Fatalf("erased: %+v, %v", v, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		// The floor alone has to be enough, as if the clock had been set back.
		run(t, shell(t, path), fmt.Sprintf("UPDATE oneseat_meta SET floor = floor + %d", 3600*1000000))
		last += 3600 * 1000000
		if s, err = sqlitestore.Open(path); err != nil {
			t.Fatal(err)
		}
		vs, err := s.Load(t.Context(), key("ada"), key("never seen"))
		if err != nil || vs[0].Version < last || vs[1].Version < last {
			t.Fatalf("absent: %+v, %v", vs, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
