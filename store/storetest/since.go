package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
)

// since is about Registry.EventsSince: a program that reads on from a place in the log
// misses nothing, on any store.
var since = []promise{
	{"reading from the end returns what was committed since, the oldest first", readOn},
	{"a place is good on every node, after a restart, and more than once", placeAnywhere},
	{"a long log comes in pages that fit together", longPages},
	{"nothing is missed of what many nodes commit at once", readAlong},
	{"a reader gets the events of its own realm only", otherRealms},
	{"a place of another log is a gap, and what is no place is an error", noPlace},
}

// reader reads a realm's events on from a place, as a program does that acts on them.
type reader struct {
	r  *oneseat.Registry
	at oneseat.Place
}

// readFrom returns a reader that stands at the end of the log.
func readFrom(t *testing.T, r *oneseat.Registry) *reader {
	t.Helper()
	page, err := r.EventsSince(t.Context(), "")
	if err != nil || len(page.Events) > 0 || !page.End || page.Gap || page.Next == "" {
		t.Fatalf("EventsSince from \"\" = %+v, %v; want the end of the log and nothing else", page, err)
	}
	return &reader{r, page.Next}
}

// page reads one page.
func (rd *reader) page(t *testing.T) oneseat.EventPage {
	t.Helper()
	page, err := rd.r.EventsSince(t.Context(), rd.at)
	if err != nil || page.Gap {
		t.Fatalf("EventsSince(%q) = gap %v, %v", rd.at, page.Gap, err)
	}
	for i := 1; i < len(page.Events); i++ {
		if page.Events[i].At.Before(page.Events[i-1].At) {
			t.Errorf("event %d of a page is of %v, the one before it of %v; want the oldest first", i, page.Events[i].At, page.Events[i-1].At)
		}
	}
	rd.at = page.Next
	return page
}

// read returns all events up to the end.
func (rd *reader) read(t *testing.T) []oneseat.Event {
	t.Helper()
	var all []oneseat.Event
	for begun := time.Now(); ; {
		page := rd.page(t)
		if all = append(all, page.Events...); page.End {
			return all
		}
		if time.Since(begun) > patience {
			t.Fatalf("the log did not end in %v, and nobody is writing", patience)
		}
	}
}

// sameStory fails unless got has each of the wanted events, those of one account in the
// order of their commits, and nothing else but repetitions of wanted or earlier events.
// No two events have the same actor.
func sameStory(t *testing.T, what string, got, want, earlier []oneseat.Event) {
	t.Helper()
	byAccount := func(events []oneseat.Event) map[string][]oneseat.Event {
		stories, seen := make(map[string][]oneseat.Event), make(map[string]bool)
		for _, e := range earlier {
			seen[e.Actor] = true
		}
		for _, e := range events {
			if !seen[e.Actor] {
				stories[e.Account] = append(stories[e.Account], e)
			}
			seen[e.Actor] = true
		}
		return stories
	}
	g, w := byAccount(got), byAccount(want)
	for account := range w {
		if !sameEvents(g[account], w[account]) {
			t.Errorf("%s: %q has %d events, not the %d that were committed, in their order", what, account, len(g[account]), len(w[account]))
		}
		delete(g, account)
	}
	for account, events := range g {
		t.Errorf("%s: %q has %d events, and nothing was committed", what, account, len(events))
	}
}

func readOn(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	all := write(t, ns, 5)
	rd := readFrom(t, registry(t, ns[1], oneseat.Config{}))
	for round := range 3 {
		want := writeFrom(t, ns, len(all)/3, 12) // three events each
		sameStory(t, fmt.Sprint("round ", round), rd.read(t), want, all)
		all = append(all, want...)
	}
	sameStory(t, "at the end", rd.read(t), nil, all)
}

func placeAnywhere(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 3)
	rd := readFrom(t, registry(t, ns[0], oneseat.Config{}))
	places, read := []oneseat.Place{rd.at}, []int{0}
	var all []oneseat.Event
	for i := range 6 {
		all = append(all, writeFrom(t, ns, 10*i, 3)...)
		rd.read(t)
		places, read = append(places, rd.at), append(read, len(all))
	}
	for _, n := range ns {
		r := registry(t, n, oneseat.Config{}) // a registry that knows nothing of the reader
		for i, p := range places {
			for range 2 {
				sameStory(t, fmt.Sprint("from place ", i), (&reader{r, p}).read(t), all[read[i]:], all[:read[i]])
			}
		}
	}
}

func longPages(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	rd := readFrom(t, registry(t, ns[1], oneseat.Config{}))
	var want []oneseat.Event
	for i := range 40 {
		account := fmt.Sprint("account ", i%3)
		e, err := ns[0].logged(t.Context(), key(account), func(v oneseat.View) (oneseat.Change, error) {
			c := oneseat.Change{Roster: roster(account)}
			for j := range 50 {
				e := event(v, account, oneseat.EventSessionCreated, sessionID("S", 100*i+j))
				e.Actor = fmt.Sprint(i, " ", j)
				c.Events = append(c.Events, e)
			}
			return c, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, e.Events...)
	}
	sameStory(t, "a long log", rd.read(t), want, nil)
}

// readAlong reads page by page while others write, as a program does that is up to
// date.
func readAlong(t *testing.T, fresh Factory) {
	const writers, each = 6, 20
	ns := nodes(t, fresh, 3)
	rd := readFrom(t, registry(t, ns[2], oneseat.Config{}))
	var mu sync.Mutex
	var want []oneseat.Event // in order only for each account
	done := make(chan struct{})
	go func() {
		defer close(done)
		together(writers, func(i int) {
			for j := range each {
				account := fmt.Sprint("account ", (i+j)%4)
				e, err := ns[i%2].logged(t.Context(), key(account), func(v oneseat.View) (oneseat.Change, error) {
					e := event(v, account, oneseat.EventSessionCreated, sessionID("S", j))
					e.Actor = fmt.Sprint(i, " ", j)
					return oneseat.Change{Roster: roster(account), Events: []oneseat.Event{e}}, nil
				})
				if err != nil {
					t.Errorf("Update: %v", err)
					return
				}
				mu.Lock()
				want = append(want, e.Events...)
				mu.Unlock()
			}
		})
	}()
	var got []oneseat.Event
	for writing := true; writing; {
		select {
		case <-done:
			writing = false // the last page is read after the last commit
		default:
		}
		got = append(got, rd.read(t)...)
	}
	slices.SortStableFunc(want, func(a, b oneseat.Event) int { return cmp.Compare(a.Version, b.Version) })
	sameStory(t, "read along", got, want, nil)
}

func otherRealms(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	mine, other := registry(t, ns[0], oneseat.Config{}), registry(t, ns[0], oneseat.Config{Realm: "another"})
	here, there := readFrom(t, mine), readFrom(t, other)
	g, h := signIn(t, mine, "ada", oneseat.SignInRequest{}), signIn(t, other, "ada", oneseat.SignInRequest{})
	for rd, want := range map[*reader]oneseat.SessionID{here: g.Session.ID, there: h.Session.ID} {
		if es := rd.read(t); len(es) != 1 || es[0].Session != want {
			t.Errorf("got %+v, want the sign-in of session %s", es, want)
		}
	}
}

func noPlace(t *testing.T, fresh Factory) {
	ns, other := nodes(t, fresh, 1), nodes(t, fresh, 1)
	r := registry(t, ns[0], oneseat.Config{})
	all := write(t, ns, 3)
	write(t, other, 3) // so that the place exists in both logs
	rd := readFrom(t, registry(t, other[0], oneseat.Config{}))
	page, err := r.EventsSince(t.Context(), rd.at)
	if err != nil || !page.Gap || page.Next == "" {
		t.Fatalf("EventsSince a place of another database = %+v, %v; want a gap and a place", page, err)
	}
	rd = &reader{r, page.Next}
	rd.read(t)
	want := writeFrom(t, ns, 3, 2)
	sameStory(t, "after the gap", rd.read(t), want, all)
	for _, p := range []oneseat.Place{"x", "W10", "WyIiXQ", "bnVsbA", rd.at + "x", rd.at[1:]} {
		if page, err := r.EventsSince(t.Context(), p); err == nil && !page.Gap {
			t.Errorf("EventsSince(%q) = %+v", p, page)
		}
	}
}
