package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/oneseat/oneseat"
)

// history is what History promises.
var history = []promise{
	{"rosters come in the order of their accounts, page by page", rosterPages},
	{"rosters are found by how their account begins", rosterPrefix},
	{"rosters are what is stored, without the control record", rosterContent},
	{"events come the newest first, page by page", eventPages},
	{"events are found by account, session and both", eventFilters},
	{"a realm sees nothing of another", realmsApart},
	{"a page is never longer than promised", pageLimits},
}

func listRosters(t *testing.T, n node, q oneseat.RosterQuery) []string {
	t.Helper()
	vs, err := n.Rosters(t.Context(), q)
	if err != nil {
		t.Fatalf("Rosters(%+v): %v", q, err)
	}
	if len(vs) > oneseat.PageLimit(q.Limit) {
		t.Fatalf("Rosters(%+v) returned %d views", q, len(vs))
	}
	accounts := make([]string, len(vs))
	for i, v := range vs {
		accounts[i] = v.Roster.Account
	}
	return accounts
}

func listEvents(t *testing.T, n node, q oneseat.EventQuery) []oneseat.Record {
	t.Helper()
	rs, err := n.Events(t.Context(), q)
	if err != nil {
		t.Fatalf("Events(%+v): %v", q, err)
	}
	if len(rs) > oneseat.PageLimit(q.Limit) {
		t.Fatalf("Events(%+v) returned %d records", q, len(rs))
	}
	for i := 1; i < len(rs); i++ {
		if rs[i].Seq >= rs[i-1].Seq {
			t.Fatalf("Events(%+v): record %d has Seq %d, the one before it %d; want the newest first", q, i, rs[i].Seq, rs[i-1].Seq)
		}
	}
	return rs
}

// eventsOf returns the events of records, the oldest first.
func eventsOf(rs []oneseat.Record) []oneseat.Event {
	es := make([]oneseat.Event, len(rs))
	for i, r := range rs {
		es[len(rs)-1-i] = r.Event
	}
	return es
}

// names are accounts whose order shows the collation. Bytes have to decide.
var names = sorted("0", "00", "10", "9", "Ada", "Zoë", "_", "a", "a b", "a%", "a%b", "a_b", "aXb", "ab", "ada", "ada lovelace", "ada%", "adam", "zoe", "zoë", "é", "日本", "\U0001F600")

func sorted(s ...string) []string {
	slices.Sort(s)
	return slices.Compact(s)
}

func rosterPages(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	for i := range names { // in another order
		ns[0].put(t, roster(names[i*7%len(names)], "s"))
	}
	for _, limit := range []int{1, 2, 5, len(names), 100} {
		var got []string
		for after := ""; ; {
			page := listRosters(t, ns[1], oneseat.RosterQuery{Realm: realm, After: after, Limit: limit})
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
			after = page[len(page)-1]
		}
		if !slices.Equal(got, names) {
			t.Errorf("in pages of %d:\n got %q\nwant %q", limit, got, names)
		}
	}
	if got := listRosters(t, ns[1], oneseat.RosterQuery{Realm: realm, After: "a%c"}); len(got) == 0 || got[0] != "aXb" {
		t.Errorf("after a name that is no account come %q, want %q first", got, "aXb")
	}
}

func rosterPrefix(t *testing.T, fresh Factory) {
	n := nodes(t, fresh, 1)[0]
	all := append(slices.Clone(names), "\U0010FFFF", "\U0010FFFF\U0010FFFF", `back\slash`, `back\`, "backs", "[a-z]", "a*", "a?", `"`, "'")
	slices.Sort(all)
	for _, a := range all {
		n.put(t, roster(a))
	}
	for _, prefix := range append(slices.Clone(all), "a%b%", "A", "AD", "%", "%a", "__", "_b", `\`, `\%`, "\U0001F600\U0001F600", "b", "nobody") {
		want := slices.DeleteFunc(slices.Clone(all), func(a string) bool { return !strings.HasPrefix(a, prefix) })
		if got := listRosters(t, n, oneseat.RosterQuery{Realm: realm, Prefix: prefix}); !slices.Equal(got, want) {
			t.Errorf("beginning with %q:\n got %q\nwant %q", prefix, got, want)
		}
		if len(want) > 1 {
			if got := listRosters(t, n, oneseat.RosterQuery{Realm: realm, Prefix: prefix, After: want[0], Limit: 1}); !slices.Equal(got, want[1:2]) {
				t.Errorf("beginning with %q, after %q: got %q, want %q", prefix, want[0], got, want[1])
			}
		}
	}
}

func rosterContent(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	ns[0].put(t, roster("")) // the realm's control record
	ns[0].put(t, full("ada").Roster())
	ns[0].put(t, roster("erased"))
	ns[0].erase(t, key("erased"))
	ns[0].put(t, roster("grace", "s"))
	vs, err := ns[1].Rosters(t.Context(), oneseat.RosterQuery{Realm: realm})
	if err != nil || len(vs) != 2 {
		t.Fatalf("Rosters: %d, %v; want two", len(vs), err)
	}
	for _, v := range vs {
		want := ns[0].load(t, v.Key)
		if d := difference(v.Roster, want.Roster); d != "" || v.Version != want.Version || v.Now.IsZero() {
			t.Errorf("%q: Rosters and Load differ: versions %d and %d, Now %v: %s", v.Roster.Account, v.Version, want.Version, v.Now, d)
		}
	}
}

// write commits n updates with three events each, of three accounts with three sessions
// each, and returns all events, the oldest first.
func write(t *testing.T, ns []node, n int) []oneseat.Event {
	t.Helper()
	return writeFrom(t, ns, 0, n)
}

// writeFrom is write for updates that are numbered from first on.
func writeFrom(t *testing.T, ns []node, first, n int) []oneseat.Event {
	t.Helper()
	var all []oneseat.Event
	for i := first; i < first+n; i++ {
		account := fmt.Sprint("account ", i%3)
		e, err := ns[i%len(ns)].logged(t.Context(), key(account), func(v oneseat.View) (oneseat.Change, error) {
			c := oneseat.Change{Roster: roster(account)}
			for j, what := range []oneseat.EventType{oneseat.EventSessionEnded, oneseat.EventSessionCreated, oneseat.EventSessionUsedAfterEnd} {
				e := event(v, account, what, sessionID("S", (i+j)%4))
				e.Actor = fmt.Sprintf("update %d, event %d", i, j)
				c.Events = append(c.Events, e)
			}
			return c, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e.Events...)
	}
	return all
}

func eventPages(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	want := write(t, ns, 20)
	for _, limit := range []int{1, 7, 60, 1000} {
		var got []oneseat.Record
		for before := uint64(0); ; {
			page := listEvents(t, ns[1], oneseat.EventQuery{Realm: realm, Before: before, Limit: limit})
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
			before = page[len(page)-1].Seq
		}
		if list := eventsOf(got); !sameEvents(list, want) {
			t.Errorf("in pages of %d: %d events, not the %d that were committed, in their order", limit, len(list), len(want))
		}
	}
}

func eventFilters(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	all := write(t, ns, 12)
	for _, account := range []string{"", "account 0", "account 2", "account", "account _", "%"} {
		for _, session := range []oneseat.SessionID{"", sessionID("S", 1), sessionID("S", 3), "S", "%", sessionID("S", 9)} {
			want := slices.DeleteFunc(slices.Clone(all), func(e oneseat.Event) bool {
				return account != "" && e.Account != account || session != "" && e.Session != session
			})
			q := oneseat.EventQuery{Realm: realm, Account: account, Session: session}
			got := listEvents(t, ns[1], q)
			if list := eventsOf(got); !sameEvents(list, want) {
				t.Errorf("account %q, session %q: %d events, want %d", account, session, len(list), len(want))
				continue
			}
			if len(got) > 1 {
				q.Before, q.Limit = got[0].Seq, 1
				if next := listEvents(t, ns[0], q); len(next) != 1 || next[0].Seq != got[1].Seq {
					t.Errorf("account %q, session %q: before %d comes %+v, want %d", account, session, q.Before, next, got[1].Seq)
				}
			}
		}
	}
}

func realmsApart(t *testing.T, fresh Factory) {
	n := nodes(t, fresh, 1)[0]
	realms := []string{"a", "A", "a ", "a%", "a_", "aa", "é", "'", "default"}
	for _, in := range realms {
		k := oneseat.KeyOf(in, "ada")
		n.update(t, k, func(v oneseat.View) (oneseat.Change, error) {
			e := event(v, "ada", oneseat.EventSessionCreated, oneseat.SessionID("of "+in))
			e.Realm = in
			return oneseat.Change{Roster: &oneseat.Roster{Realm: in, Account: "ada"}, Events: []oneseat.Event{e}}, nil
		})
	}
	for _, in := range realms {
		vs, err := n.Rosters(t.Context(), oneseat.RosterQuery{Realm: in})
		if err != nil || len(vs) != 1 || vs[0].Roster.Realm != in || vs[0].Key != oneseat.KeyOf(in, "ada") {
			t.Errorf("Rosters of realm %q: %+v, %v", in, vs, err)
		}
		rs := listEvents(t, n, oneseat.EventQuery{Realm: in})
		if len(rs) != 1 || rs[0].Session != oneseat.SessionID("of "+in) {
			t.Errorf("Events of realm %q: %+v", in, rs)
		}
	}
	if got := listRosters(t, n, oneseat.RosterQuery{Realm: "other"}); len(got) > 0 {
		t.Errorf("a realm without rosters has %q", got)
	}
}

func pageLimits(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 26 {
				a := fmt.Sprint("account ", 26*i+j)
				if _, err := ns[i%2].Update(t.Context(), key(a), func(oneseat.View) (oneseat.Change, error) {
					return oneseat.Change{Roster: roster(a)}, nil
				}); err != nil {
					t.Errorf("Update: %v", err)
				}
			}
		})
	}
	wg.Wait()
	ns[0].update(t, key("many"), func(v oneseat.View) (oneseat.Change, error) {
		c := oneseat.Change{Roster: roster("many")}
		for i := range 1100 {
			c.Events = append(c.Events, event(v, "many", oneseat.EventSessionEnded, sessionID("S", i)))
		}
		return c, nil
	})
	for limit, want := range map[int]int{0: 100, 1: 1, 100: 100, 104: 104} {
		if got := len(listRosters(t, ns[0], oneseat.RosterQuery{Realm: realm, Limit: limit})); got != want {
			t.Errorf("Rosters with limit %d returned %d, want %d", limit, got, want)
		}
	}
	for limit, want := range map[int]int{0: 100, 1: 1, 1000: 1000, 5000: 1000} {
		if got := len(listEvents(t, ns[0], oneseat.EventQuery{Realm: realm, Limit: limit})); got != want {
			t.Errorf("Events with limit %d returned %d, want %d", limit, got, want)
		}
	}
}
