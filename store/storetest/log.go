package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/record"
)

// logs is what Partitions, Changes and Wake promise.
var logs = []promise{
	{"partitions are the same on every node, and a key's own", partitions},
	{"the empty cursor is the end of the log", emptyCursor},
	{"what is committed is in the log, whole and in order", wholeLog},
	{"every field of an event comes back", everyEventField},
	{"what many nodes commit at once is in the log, in commit order", concurrentLog},
	{"the end of the log comes after all that had returned", endOfLog},
	{"what is in the log is stored already", loggedIsStored},
	{"what did not happen is not in the log", nothingElse},
	{"a long log comes in parts that fit together", longLog},
	{"a cursor is good on every node and more than once", cursorAnywhere},
	{"a cursor of another log is a gap", foreignCursor},
	{"no cursor hides what comes after it", badCursor},
	{"a roster erased and made again goes on in the log", erasedLog},
	{"a commit wakes the other nodes", wakes},
}

// follower reads the whole log from the place where it began, as a registry does.
type follower struct {
	node
	cursors []oneseat.Cursor
	newest  map[oneseat.Key]uint64 // the highest version that was returned
}

func follow(t *testing.T, n node) *follower {
	t.Helper()
	f := &follower{node: n, cursors: make([]oneseat.Cursor, n.Partitions()), newest: make(map[oneseat.Key]uint64)}
	for p := range f.cursors {
		tail, err := n.Changes(t.Context(), p, "")
		if err != nil || tail.Cursor == "" || tail.Gap || len(tail.Entries) > 0 {
			t.Fatalf("Changes from the empty cursor = %+v, %v; want a cursor and nothing else", tail, err)
		}
		f.cursors[p] = tail.Cursor
	}
	return f
}

// next reads one part of a partition and returns what is new in it. A store may repeat
// entries; next drops them by their version.
func (f *follower) next(t *testing.T, p int) (fresh []oneseat.Entry, end bool) {
	t.Helper()
	tail, err := f.Changes(t.Context(), p, f.cursors[p])
	if err != nil || tail.Gap {
		t.Errorf("Changes(%d, %q) = gap %v, %v", p, f.cursors[p], tail.Gap, err)
		return nil, true
	}
	f.cursors[p] = tail.Cursor
	for _, e := range tail.Entries {
		if e.Key.Partition(len(f.cursors)) != p {
			t.Errorf("an entry of %v is in partition %d, not its own", e.Key, p)
		}
		if e.Version > f.newest[e.Key] {
			f.newest[e.Key] = e.Version
			fresh = append(fresh, e)
		}
	}
	return fresh, tail.End
}

// read returns everything that is new, up to the end of every partition.
func (f *follower) read(t *testing.T) []oneseat.Entry {
	t.Helper()
	var all []oneseat.Entry
	for p := range f.cursors {
		for begun := time.Now(); ; {
			es, end := f.next(t, p)
			if all = append(all, es...); end {
				break
			}
			if time.Since(begun) > patience {
				t.Fatalf("partition %d did not end in %v, and nobody is writing", p, patience)
			}
		}
	}
	return all
}

// of returns the entries of one key.
func of(k oneseat.Key, es []oneseat.Entry) []oneseat.Entry {
	return slices.DeleteFunc(slices.Clone(es), func(e oneseat.Entry) bool { return e.Key != k })
}

// sameLog says how a log differs from what was committed, or "".
func sameLog(got, want []oneseat.Entry) string {
	for i, w := range want {
		if i >= len(got) {
			return fmt.Sprintf("%d of %d entries: the first one missing is of version %d", len(got), len(want), w.Version)
		}
		if g := got[i]; g.Key != w.Key || g.Version != w.Version || !sameEvents(g.Events, w.Events) {
			return fmt.Sprintf("entry %d of %d (version %d is due):\n got %+v\nwant %+v", i, len(want), w.Version, g, w)
		}
	}
	if len(got) > len(want) {
		return fmt.Sprintf("%d entries too many, the first one: %+v", len(got)-len(want), got[len(want)])
	}
	return ""
}

// logged makes an update and returns the entry that has to be in the log.
func (n node) logged(ctx context.Context, k oneseat.Key, change changeFunc) (oneseat.Entry, error) {
	var events []oneseat.Event
	v, err := n.Update(ctx, k, func(v oneseat.View) (oneseat.Change, error) {
		c, err := change(v)
		events = c.Events
		return c, err
	})
	return oneseat.Entry{Key: k, Version: v.Version, Events: events}, err
}

func partitions(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 3)
	for i, n := range ns {
		if got := n.Partitions(); got < 1 || got != ns[0].Partitions() {
			t.Errorf("node %d has %d partitions, node 0 %d", i, got, ns[0].Partitions())
		}
	}
	f := follow(t, ns[1])
	for i := range 20 {
		a := fmt.Sprint("account ", i)
		ns[0].update(t, key(a), seating(a, "s"))
	}
	if es := f.read(t); len(es) != 20 { // next checks that each entry is in its own partition
		t.Errorf("%d entries in all partitions, want 20", len(es))
	}
}

func emptyCursor(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	for i := range 5 {
		ns[0].update(t, key("ada"), seating("ada", sessionID("OLD", i)))
		f := follow(t, ns[1]) // which checks that nothing is returned
		if es := f.read(t); len(es) > 0 {
			t.Errorf("what was committed before is returned after the end: %+v", es)
		}
		ns[0].update(t, key("ada"), seating("ada", sessionID("NEW", i)))
		if es := f.read(t); len(es) != 1 {
			t.Errorf("%d entries after the end, want the one that was committed since", len(es))
		}
	}
}

func wholeLog(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 3)
	f := follow(t, ns[2])
	device := oneseat.Device{Label: `Firefox "ü" on 'Windows'`, Class: "desktop", IP: "192.0.2.0"}
	var want, got []oneseat.Entry
	for i := range 40 {
		n := ns[i%2]
		e, err := n.logged(t.Context(), key("ada"), func(v oneseat.View) (oneseat.Change, error) {
			ro := mine(v, "ada")
			ro.Seats = []record.Seat{seat(sessionID("S", i), v.Now)}
			if i%4 == 3 {
				return oneseat.Change{Roster: ro.Roster()}, nil // without an event there is no entry
			}
			var es []oneseat.Event
			for j := range 1 + i%3 {
				e := event(v, "ada", oneseat.EventSessionEnded, sessionID("E", i*10+j))
				e.Reason, e.By, e.Actor, e.Device, e.ByDevice = oneseat.ReasonDisplaced, sessionID("S", i), "it's %s\\", device, device
				es = append(es, e)
			}
			return oneseat.Change{Roster: ro.Roster(), Events: es}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(e.Events) > 0 {
			want = append(want, e)
		}
		if i%7 == 0 {
			got = append(got, f.read(t)...)
		}
	}
	if d := sameLog(append(got, f.read(t)...), want); d != "" {
		t.Error(d)
	}
}

// traffic has every node update a few rosters at once. It calls committed after each
// update that returned, and returns when all is done.
func traffic(t *testing.T, ns []node, committed func(oneseat.Entry)) {
	const writers, each, accounts = 6, 30, 4
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for j := range each {
				account := fmt.Sprint("account ", (i+j)%accounts)
				change := seating(account, sessionID(fmt.Sprint("W", i), j))
				switch j % 6 {
				case 2:
					change = touching
				case 3:
					change = ending(account, sessionID(fmt.Sprint("W", i), j-1))
				case 5:
					change = func(v oneseat.View) (oneseat.Change, error) { // erases the roster, with an event
						return oneseat.Change{Roster: roster(account), Events: []oneseat.Event{event(v, account, oneseat.EventRealmEnded, "")}}, nil
					}
				}
				e, err := ns[i%len(ns)].logged(t.Context(), key(account), change)
				if err != nil {
					t.Errorf("Update: %v", err)
					return
				}
				if len(e.Events) > 0 {
					committed(e)
				}
			}
		})
	}
	wg.Wait()
}

func concurrentLog(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 3)
	f := follow(t, ns[2])
	var mu sync.Mutex
	want := make(map[oneseat.Key][]oneseat.Entry)
	traffic(t, ns, func(e oneseat.Entry) {
		mu.Lock()
		defer mu.Unlock()
		want[e.Key] = append(want[e.Key], e)
	})
	got := f.read(t)
	for k, w := range want {
		slices.SortFunc(w, func(a, b oneseat.Entry) int { return int(int64(a.Version - b.Version)) })
		if d := sameLog(of(k, got), w); d != "" {
			t.Errorf("key %v: %s", k, d)
		}
	}
}

// endOfLog reads while others write. Each call that reached the end has to have
// returned everything whose update had returned before the call began.
func endOfLog(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 3)
	f := follow(t, ns[2])
	type commit struct {
		key     oneseat.Key
		version uint64
	}
	var mu sync.Mutex
	var returned []commit // whose update has returned
	done := make(chan struct{})
	go func() {
		defer close(done)
		traffic(t, ns, func(e oneseat.Entry) {
			mu.Lock()
			defer mu.Unlock()
			returned = append(returned, commit{e.Key, e.Version})
		})
	}()
	defer func() { <-done }()
	got := make(map[commit]bool)
	checked := make([]int, len(f.cursors)) // how many of returned were found, per partition
	ends := 0
	for writing := true; writing; {
		select {
		case <-done:
			writing = false // one more round after the last commit
		default:
		}
		for p := range f.cursors {
			mu.Lock()
			before := returned[:len(returned):len(returned)]
			mu.Unlock()
			es, end := f.next(t, p)
			for _, e := range es {
				got[commit{e.Key, e.Version}] = true
			}
			if !end {
				writing = true
				continue
			}
			ends++
			for _, c := range before[checked[p]:] {
				if c.key.Partition(len(f.cursors)) == p && !got[c] {
					t.Fatalf("Changes said that this is the end, and version %d of %v, whose update had returned before, has not come", c.version, c.key)
				}
			}
			checked[p] = len(before)
		}
		if t.Failed() {
			return
		}
	}
	if ends == 0 || len(got) != len(returned) {
		t.Errorf("%d entries came, %d were committed; the end was reached %d times", len(got), len(returned), ends)
	}
	for i := range 20 { // and without other writers each commit is there at once
		e, err := ns[i%2].logged(t.Context(), key("ada"), seating("ada", sessionID("S", i)))
		if err != nil {
			t.Fatal(err)
		}
		if d := sameLog(f.read(t), []oneseat.Entry{e}); d != "" {
			t.Fatalf("after commit %d the log, up to what it said is the end: %s", i, d)
		}
	}
}

// loggedIsStored loads each roster on another node as soon as the log has its entry,
// because roster and events are committed in one step.
func loggedIsStored(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 3)
	f := follow(t, ns[2])
	write := func(i int) error {
		_, err := ns[0].Update(t.Context(), key("ada"), func(v oneseat.View) (oneseat.Change, error) {
			id := sessionID("S", i)
			return oneseat.Change{Roster: roster("ada", id), Events: []oneseat.Event{event(v, "ada", oneseat.EventSessionCreated, id)}}, nil
		})
		return err
	}
	check := func() (n int) {
		t.Helper()
		for _, e := range f.read(t) {
			n++
			v := ns[1].load(t, e.Key)
			if v.Version < e.Version || v.Version == e.Version && !slices.Contains(ids(v), e.Events[0].Session) {
				t.Errorf("the log tells of %s in version %d; stored is version %d with %v", e.Events[0].Session, e.Version, v.Version, ids(v))
			}
		}
		return n
	}
	for i := range 20 { // one by one
		if err := write(i); err != nil {
			t.Fatal(err)
		}
		if n := check(); n != 1 {
			t.Errorf("%d entries in the log after one commit", n)
		}
	}
	done := make(chan struct{})
	go func() { // and together with the writer
		defer close(done)
		for i := range 60 {
			if err := write(i); err != nil {
				t.Errorf("Update: %v", err)
			}
		}
	}()
	defer func() { <-done }()
	for writing := true; writing; {
		select {
		case <-done:
			writing = false
		default:
		}
		check()
	}
}

func nothingElse(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	f := follow(t, ns[1])
	ns[0].put(t, roster("ada", "s")) // without an event
	ns[0].update(t, key("ada"), touching)
	ctx, cancel := context.WithCancel(t.Context())
	for what, end := range map[string]func() error{
		"refused":   func() error { return errRefused },
		"panicked":  func() error { panic("in a test") },
		"cancelled": func() error { cancel(); return nil },
	} {
		_, err := ns[0].Update(ctx, key("ada"), func(v oneseat.View) (oneseat.Change, error) {
			c, _ := seating("ada", oneseat.SessionID(what))(v)
			return c, end()
		})
		if err == nil {
			t.Errorf("the update whose change %s returned no error", what)
		}
		if what == "cancelled" {
			ctx, cancel = context.WithCancel(t.Context())
		}
	}
	cancel()
	ns[0].erase(t, key("ada"))
	if es := f.read(t); len(es) > 0 {
		t.Errorf("in the log is what did not happen, or had no event: %+v", es)
	}
	if n, err := ns[1].Events(t.Context(), oneseat.EventQuery{Realm: realm}); err != nil || len(n) > 0 {
		t.Errorf("in the history is what did not happen: %+v, %v", n, err)
	}
}

func longLog(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	f := follow(t, ns[1])
	var want []oneseat.Entry
	for i := range 40 {
		e, err := ns[0].logged(t.Context(), key("ada"), func(v oneseat.View) (oneseat.Change, error) {
			c := oneseat.Change{Roster: roster("ada")}
			for j := range 50 {
				c.Events = append(c.Events, event(v, "ada", oneseat.EventSessionCreated, sessionID("S", 100*i+j)))
			}
			return c, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, e)
	}
	if d := sameLog(f.read(t), want); d != "" {
		t.Error(d)
	}
}

func cursorAnywhere(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 3)
	start := follow(t, ns[0])
	var want []oneseat.Entry
	for i := range 9 {
		e, err := ns[i%3].logged(t.Context(), key("ada"), seating("ada", sessionID("S", i)))
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, e)
	}
	for i := range 6 {
		again := &follower{node: ns[i%3], cursors: slices.Clone(start.cursors), newest: make(map[oneseat.Key]uint64)}
		if d := sameLog(again.read(t), want); d != "" {
			t.Errorf("reading %d from the same cursor, on node %d: %s", i, i%3, d)
		}
	}
}

func foreignCursor(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	other := nodes(t, fresh, 1)[0]
	for i := range 3 { // so that the place exists in both logs
		ns[0].update(t, key("ada"), seating("ada", sessionID("A", i)))
		other.update(t, key("ada"), seating("ada", sessionID("B", i)))
	}
	f := follow(t, other)
	for p, c := range f.cursors {
		tail, err := ns[1].Changes(t.Context(), p, c)
		if err != nil || !tail.Gap || tail.Cursor == "" {
			t.Fatalf("Changes(%d, a cursor of another database) = %+v, %v; want a gap and a cursor", p, tail, err)
		}
		f.cursors[p] = tail.Cursor
	}
	f.node = ns[1]
	f.read(t)
	ns[0].update(t, key("ada"), seating("ada", "after the gap"))
	if es := f.read(t); len(es) != 1 || es[0].Events[0].Session != "after the gap" {
		t.Errorf("after the gap came %+v, want what was committed since", es)
	}
}

// badCursor tries cursors that are invalid, and some beyond the end of the log. Each
// has to return a gap, or to miss nothing.
func badCursor(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	for i := range 11 {
		ns[0].update(t, key("ada"), seating("ada", sessionID("S", i)))
	}
	p := key("ada").Partition(ns[0].Partitions())
	good := string(follow(t, ns[1]).cursors[p])
	bad := []string{
		"x", "0", "-1", ".", ":", "1", "18446744073709551616", "\x00", "ü", "' OR 1=1 --", strings.Repeat("9", 4000),
		good + "0", good + "9", good + "99999", "9" + good, good + "x", good[:len(good)-1], strings.ToUpper(good) + "7", strings.ReplaceAll(good, "1", "9"),
	}
	for i := range len(good) { // the next digit or letter
		b := []byte(good)
		b[i]++
		bad = append(bad, string(b))
	}
	for _, c := range bad {
		if c == good || c == "" {
			continue
		}
		tail, err := ns[1].Changes(t.Context(), p, oneseat.Cursor(c))
		if err != nil {
			t.Errorf("Changes(%.60q): %v; want a gap", c, err)
			continue
		}
		if tail.Cursor == "" {
			t.Errorf("Changes(%.60q) returned no cursor to go on from", c)
		}
		after := &follower{node: ns[1], cursors: follow(t, ns[1]).cursors, newest: make(map[oneseat.Key]uint64)}
		after.cursors[p] = tail.Cursor
		marked, err := ns[0].logged(t.Context(), key("ada"), seating("ada", "mark"))
		if err != nil {
			t.Fatal(err)
		}
		came := func(es []oneseat.Entry) bool {
			return slices.ContainsFunc(es, func(e oneseat.Entry) bool { return e.Version == marked.Version })
		}
		if !came(after.read(t)) {
			t.Errorf("the cursor that came back for %.60q misses what was committed later", c)
		}
		if tail.Gap {
			continue
		}
		again := &follower{node: ns[1], cursors: slices.Clone(after.cursors), newest: make(map[oneseat.Key]uint64)}
		again.cursors[p] = oneseat.Cursor(c)
		if !came(again.read(t)) {
			t.Errorf("%.60q was accepted as a cursor, and misses what was committed after it", c)
		}
	}
}

func erasedLog(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 3)
	f := follow(t, ns[2])
	var want []oneseat.Entry
	for i := range 10 {
		e, err := ns[i%2].logged(t.Context(), key("ada"), seating("ada", sessionID("S", i)))
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, e)
		ns[(i+1)%2].erase(t, key("ada"))
	}
	if d := sameLog(f.read(t), want); d != "" { // which drops versions that do not rise
		t.Error(d)
	}
}

// wakes commits until the other node was woken, because a single hint may be lost.
func wakes(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	ctx, cancel := context.WithCancel(t.Context())
	woken := make(chan int, 1)
	over := make(chan error, 1)
	go func() {
		over <- ns[1].Wake(ctx, func(p int) {
			select {
			case woken <- p:
			default:
			}
		})
	}()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	begun := time.Now()
	for i, heard := 0, false; !heard; i++ {
		ns[0].update(t, key("ada"), seating("ada", sessionID("S", i)))
		select {
		case p := <-woken:
			if want := key("ada").Partition(ns[0].Partitions()); p == want {
				heard = true
			} else if p < 0 || p >= ns[0].Partitions() {
				t.Fatalf("woken for partition %d of %d", p, ns[0].Partitions())
			}
		case err := <-over:
			t.Fatalf("Wake returned %v, and its context has not ended", err)
		case <-tick.C:
			if time.Since(begun) > patience {
				t.Fatalf("%d commits in %v did not wake the other node", i+1, patience)
			}
		}
		ns[0].put(t, roster("ada"))
	}
	cancel()
	select {
	case err := <-over:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Wake returned %v when its context ended", err)
		}
	case <-time.After(patience):
		t.Fatal("Wake goes on after its context has ended")
	}
}
