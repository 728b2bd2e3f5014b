package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
)

// forgetting is about an account that is erased.
var forgetting = []promise{
	{"what is forgotten goes from the history, and nothing else does", forgottenHistory},
	{"what is forgotten keeps its place, its key and its version in the log", forgottenLog},
	{"forgetting what is not there does nothing", forgetNothing},
	{"no commit is lost while the log forgets", forgetAlong},
	{"nothing that names an account is left of it", accountForgotten},
	{"an account that is forgotten while it signs in is wholly old or wholly new", forgetOrSignIn},
}

// forget forgets what was committed of an account up to a version.
func (n node) forget(t *testing.T, account string, version uint64) {
	t.Helper()
	if err := n.Forget(t.Context(), realm, account, version); err != nil {
		t.Fatalf("Forget: %v", err)
	}
}

func forgottenHistory(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	all := write(t, ns, 30)
	const account = "account 1"
	var mine []oneseat.Event
	for _, e := range all {
		if e.Account == account {
			mine = append(mine, e)
		}
	}
	for _, upTo := range []uint64{mine[len(mine)/2].Version, mine[len(mine)-1].Version} {
		ns[0].forget(t, account, upTo)
		want := slices.DeleteFunc(slices.Clone(all), func(e oneseat.Event) bool { return e.Account == account && e.Version <= upTo })
		for _, limit := range []int{1, 4, 1000} { // no page is empty before the last
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
				t.Errorf("up to version %d, in pages of %d: %d events are left, not the %d that should be", upTo, limit, len(list), len(want))
			}
		}
		left := slices.DeleteFunc(slices.Clone(want), func(e oneseat.Event) bool { return e.Account != account })
		if list := eventsOf(listEvents(t, ns[1], oneseat.EventQuery{Realm: realm, Account: account})); !sameEvents(list, left) {
			t.Errorf("up to version %d: the account has %d events, want %d", upTo, len(list), len(left))
		}
	}
}

func forgottenLog(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	// One reader stands before everything, one in the middle, and one at the end, where
	// the last entry is one that is forgotten.
	readers := []*follower{follow(t, ns[1])}
	const account = "account 1"
	first := write(t, ns, 15)
	readers = append(readers, follow(t, ns[1]))
	second := writeFrom(t, ns, 15, 14)
	readers = append(readers, follow(t, ns[0]))
	var want []oneseat.Entry
	for i, e := range slices.Concat(first, second) {
		if i%3 == 0 { // an update has three events
			want = append(want, oneseat.Entry{Key: key(e.Account), Version: e.Version})
		}
		if e.Account != account {
			want[len(want)-1].Events = append(want[len(want)-1].Events, e)
		}
	}
	last := want[len(want)-1]
	if last.Key != key(account) {
		t.Fatal("the last entry is of another account")
	}
	ns[1].forget(t, account, last.Version)
	later := writeFrom(t, ns, 31, 1) // of the same account
	want = append(want, oneseat.Entry{Key: key(account), Version: later[0].Version, Events: later})
	for i, from := range []int{0, 15, 29} {
		got := readers[i].read(t) // which fails if there is a gap
		for a := range 3 {
			k := key(fmt.Sprint("account ", a))
			if d := sameLog(of(k, got), of(k, want[from:])); d != "" {
				t.Errorf("a reader who stood at entry %d, about account %d: %s", from, a, d)
			}
		}
	}
}

func forgetNothing(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	ns[0].forget(t, "nobody", 1<<63-1)
	f := follow(t, ns[1])
	all := write(t, ns, 6)
	ns[0].forget(t, "nobody", 1<<63-1)
	ns[0].forget(t, "account", 1<<63-1)
	ns[0].forget(t, "account 1", all[0].Version)
	if err := ns[0].Forget(t.Context(), "another realm", "account 1", 1<<63-1); err != nil {
		t.Errorf("Forget: %v", err)
	}
	if got := f.read(t); len(got) != 6 || slices.ContainsFunc(got, func(e oneseat.Entry) bool { return len(e.Events) != 3 }) {
		t.Errorf("the log has %+v", got)
	}
	if list := eventsOf(listEvents(t, ns[1], oneseat.EventQuery{Realm: realm})); !sameEvents(list, all) {
		t.Errorf("%d events are left of %d", len(list), len(all))
	}
}

func forgetAlong(t *testing.T, fresh Factory) {
	const accounts, updates = 8, 12
	ns := nodes(t, fresh, 3)
	name := func(i int) string { return fmt.Sprint("account ", i) }
	f := follow(t, ns[2])
	old := make([]uint64, accounts) // a version of each account, up to which it is forgotten
	for i := range accounts {
		old[i] = ns[0].update(t, key(name(i)), seating(name(i), "old")).Version
	}
	var wg sync.WaitGroup
	logged := make([][]oneseat.Entry, accounts)
	for i := range accounts {
		wg.Go(func() {
			for j := range updates {
				e, err := ns[i%2].logged(t.Context(), key(name(i)), seating(name(i), sessionID("S", j)))
				if err != nil {
					t.Errorf("Update: %v", err)
					return
				}
				logged[i] = append(logged[i], e)
			}
		})
		wg.Go(func() { ns[(i+1)%2].forget(t, name(i), old[i]) })
	}
	var got []oneseat.Entry
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for over := false; !over; {
		select {
		case <-done:
			over = true
		default:
		}
		got = append(got, f.read(t)...)
	}
	for i := range accounts {
		mine := of(key(name(i)), got)
		if len(mine) > 0 && mine[0].Version == old[i] {
			mine = mine[1:] // it was read before or after it was forgotten
		} else {
			t.Errorf("account %d: its first entry is missing", i)
		}
		if d := sameLog(mine, logged[i]); d != "" {
			t.Errorf("account %d: %s", i, d)
		}
		events := listEvents(t, ns[2], oneseat.EventQuery{Realm: realm, Account: name(i)})
		if len(events) != updates || slices.ContainsFunc(events, func(r oneseat.Record) bool { return r.Session == "old" }) {
			t.Errorf("account %d has %d events in the history, want the %d that were not forgotten", i, len(events), updates)
		}
	}
}

func accountForgotten(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	r, other := registry(t, ns[0], oneseat.Config{}), registry(t, ns[1], oneseat.Config{})
	ctx := t.Context()
	signIn(t, r, "ada", oneseat.SignInRequest{})
	g := signIn(t, other, "ada", oneseat.SignInRequest{DeviceID: "0123456789abcdef"})
	kept := signIn(t, r, "grace", oneseat.SignInRequest{})
	for _, err := range []error{
		r.Block(ctx, "bob", time.Time{}, "carol"), r.Forget(ctx, "bob"),
		r.SetLimit(ctx, "ada", oneseat.Limits{Total: 3}, "carol"), r.Forget(ctx, "ada"), other.Forget(ctx, "ada"), r.Forget(ctx, "nobody"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range []*oneseat.Registry{r, other} {
		if _, err := r.Check(ctx, string(g.Token)); !errors.Is(err, oneseat.ErrNoSession) {
			t.Errorf("a check of a session that was forgotten: %v, want ErrNoSession", err)
		}
		if _, err := r.Check(ctx, string(kept.Token)); err != nil {
			t.Errorf("a check of another account: %v", err)
		}
	}
	events := listEvents(t, ns[1], oneseat.EventQuery{Realm: realm})
	if len(events) != 1 || events[0].Account != "grace" {
		t.Errorf("events are left: %+v", events)
	}
	if v := ns[1].load(t, key("bob")); v.Roster != nil {
		t.Error("there is a record of bob")
	}
	// The limits changed within the last minute, so an empty record says so.
	if a, err := other.Account(ctx, "ada"); err != nil || len(a.Sessions) > 0 || len(a.Endings) > 0 || !a.Limits.IsZero() {
		t.Errorf("Account: %+v, %v", a, err)
	}
	if c, err := other.Count(ctx); err != nil || c.Sessions != 1 || c.Accounts != 1 {
		t.Errorf("Count: %+v, %v; want the one of grace", c, err)
	}
	if g := signIn(t, other, "bob", oneseat.SignInRequest{}); g.Session.Account != "bob" || len(g.Displaced) > 0 {
		t.Errorf("a new account of the same name: %+v", g)
	}
	if got := listRosters(t, ns[0], oneseat.RosterQuery{Realm: realm, Prefix: "b"}); !slices.Equal(got, []string{"bob"}) {
		t.Errorf("the new account is listed as %q", got)
	}
}

func forgetOrSignIn(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	rs := []*oneseat.Registry{registry(t, ns[0], oneseat.Config{}), registry(t, ns[1], oneseat.Config{})}
	for i := range 10 {
		account := fmt.Sprint("account ", i)
		signIn(t, rs[0], account, oneseat.SignInRequest{})
		var g oneseat.Grant
		var errs [2]error
		var wg sync.WaitGroup
		wg.Go(func() { errs[0] = rs[0].Forget(t.Context(), account) })
		wg.Go(func() { g, errs[1] = rs[1].SignIn(t.Context(), account, oneseat.SignInRequest{}) })
		wg.Wait()
		if err := errors.Join(errs[:]...); err != nil {
			// The sign-in was admitted, and forgotten before its reply came.
			if _, over := errors.AsType[*oneseat.EndedError](err); !over {
				t.Fatal(err)
			}
		}
		_, err := rs[0].Check(t.Context(), string(g.Token))
		is := listEvents(t, ns[0], oneseat.EventQuery{Realm: realm, Account: account})
		if old := errors.Is(err, oneseat.ErrNoSession) && len(is) == 0; old {
			continue
		}
		if err != nil || len(is) != 1 || is[0].Session != g.Session.ID || is[0].Type != oneseat.EventSessionCreated {
			t.Errorf("%s: a check says %v, and the history has %+v: want both of the new session or neither", account, err, is)
		}
	}
}
