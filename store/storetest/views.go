package storetest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/record"
)

// views is what Load promises, and what a view is.
var views = []promise{
	{"an absent roster is a view without one", absent},
	{"views come in the order of the keys, each as often as asked", order},
	{"every node loads what was committed", everyNodeLoads},
	{"every field of a roster comes back", everyField},
	{"the largest roster comes back whole", largest},
	{"fields of a newer release are kept", newerRelease},
	{"nodes are upgraded one by one", upgraded},
	{"a view does not change when its roster does", immutable},
	{"an erased roster is absent on every node", erased},
}

func absent(t *testing.T, fresh Factory) {
	n := nodes(t, fresh, 1)[0]
	k := key("nobody")
	check := func(v oneseat.View) {
		t.Helper()
		if v.Key != k || v.Roster != nil {
			t.Errorf("got key %v, roster %v", v.Key, v.Roster)
		}
		if v.Now.IsZero() || v.Now.Location() != time.UTC || v.Now.Nanosecond()%1000 != 0 {
			t.Errorf("Now = %v, want the store's time in UTC and whole microseconds", v.Now)
		}
	}
	check(n.load(t, k))
	check(n.update(t, k, func(v oneseat.View) (oneseat.Change, error) {
		check(v)
		return oneseat.Change{}, nil
	}))
	check(n.load(t, k))
	check(n.erase(t, k)) // where there is nothing
	check(n.load(t, k))
	if rs, err := n.Rosters(t.Context(), oneseat.RosterQuery{Realm: realm}); err != nil || len(rs) != 0 {
		t.Errorf("Rosters = %v, %v, want none: no roster was ever written", rs, err)
	}
}

func order(t *testing.T, fresh Factory) {
	n := nodes(t, fresh, 1)[0]
	n.put(t, roster("a", "1"))
	n.put(t, roster("b", "2"))
	var keys []oneseat.Key
	for i := range 300 { // more than a database takes in the list of one statement
		keys = append(keys, key("b"), key("a"), key(fmt.Sprintf("absent %d", i)), key("a"))
	}
	vs, err := n.Load(t.Context(), keys...)
	if err != nil || len(vs) != len(keys) {
		t.Fatalf("Load of %d keys: %d views, %v", len(keys), len(vs), err)
	}
	for i, v := range vs {
		want := [...]string{"b", "a", "", "a"}[i%4]
		if v.Key != keys[i] || (want == "") != (v.Roster == nil) || v.Roster != nil && v.Roster.Account != want {
			t.Fatalf("view %d is of key %v, roster %+v; want %v of %q", i, v.Key, v.Roster, keys[i], want)
		}
	}
	if vs, err := n.Load(t.Context()); err != nil || len(vs) != 0 {
		t.Errorf("Load of no keys = %v, %v", vs, err)
	}
}

func everyNodeLoads(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 3)
	for i := range 60 {
		id := sessionID("S", i)
		v := ns[i%3].update(t, key("ada"), seating("ada", id))
		for at, n := range ns {
			got := n.load(t, key("ada"))
			if d := difference(got.Roster, v.Roster); d != "" || got.Version != v.Version {
				t.Fatalf("node %d does not load what node %d had committed (versions %d, %d): %s", at, i%3, got.Version, v.Version, d)
			}
		}
		if i%9 == 8 {
			ns[(i+1)%3].put(t, roster("ada"))
		}
	}
}

func everyField(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	all := full("ada")
	all.Seats, all.Endings = all.Seats[:2], all.Endings[:3]
	for _, want := range []*record.Record{
		all, // every field set
		{Realm: realm, Account: "grace", Seats: []record.Seat{seat("only", time.UnixMicro(1_700_000_000_000_000))}},
		{Realm: realm, Account: "empty"},
		{Realm: realm, Account: "", Epoch: 1<<64 - 1}, // the realm's control record
		{Realm: realm, Account: "ended", Endings: []record.Ended{{Session: "x", Reason: oneseat.ReasonSignedOut, At: record.At(time.UnixMicro(1))}}},
	} {
		v := ns[0].put(t, want.Roster())
		for who, got := range map[string]*oneseat.Roster{"Update returned": v.Roster, "another node loads": ns[1].load(t, v.Key).Roster} {
			if d := differs(got, want); d != "" || !got.Due.Equal(want.Due.Time) {
				t.Errorf("%q: %s another roster, due at %v: %s", want.Account, who, got.Due, d)
			}
		}
	}
}

func largest(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	// An account of 256 bytes, with one event per seat.
	account := string(slices.Repeat([]byte("ä"), 128))
	ro := full(account)
	var events []oneseat.Event
	ns[0].update(t, key(account), func(v oneseat.View) (oneseat.Change, error) {
		events = nil
		for _, s := range ro.Seats {
			e := event(v, account, oneseat.EventSessionEnded, s.ID)
			e.Reason, e.By, e.Actor = oneseat.ReasonCredentialsChanged, ro.Endings[0].By, ro.Endings[0].Actor
			e.Device, e.ByDevice = s.Device, s.Device
			events = append(events, e)
		}
		return oneseat.Change{Roster: ro.Roster(), Events: events}, nil
	})
	if d := differs(ns[1].load(t, key(account)).Roster, ro); d != "" {
		t.Error(d)
	}
	got, err := ns[1].Events(t.Context(), oneseat.EventQuery{Realm: realm, Account: account, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if list := eventsOf(got); !sameEvents(list, events) {
		t.Errorf("%d events came back, not the %d that were committed", len(list), len(events))
	}
}

func newerRelease(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	text := `{"format":2,"realm":"storetest","account":"ada","plan":{"name":"gold","seats":[1,2.5,null]},` +
		`"seats":[{"id":"a","created":1700000000000000,"last_seen":1700000000000001,"secret":"` + fmt.Sprintf("%064x", 7) + `","passkey":true}],` +
		`"endings":[{"session":"b","reason":"from_the_future","at":1700000000000002,"secret":"` + fmt.Sprintf("%064x", 8) + `","why":"ünknown"}],"huge":9007199254740993}`
	var ro oneseat.Roster
	if err := json.Unmarshal([]byte(text), &ro); err != nil {
		t.Fatal(err)
	}
	ns[0].put(t, &ro)
	ns[1].update(t, key("ada"), func(v oneseat.View) (oneseat.Change, error) { // an older release writes the roster again
		again := *v.Roster
		again.Due = v.Now
		return oneseat.Change{Roster: &again}, nil
	})
	got := *ns[0].load(t, key("ada")).Roster
	if got.Due.IsZero() {
		t.Error("it was not written again")
	}
	got.Due = ro.Due
	b, err := json.Marshal(&got)
	if err != nil {
		t.Fatal(err)
	}
	if !sameJSON(t, b, []byte(text)) {
		t.Errorf("got  %s\nwant %s", b, text)
	}
}

// upgraded is a rolling upgrade. Some nodes have been told to write the next format
// while others run this release.
func upgraded(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	format := func(account string) string {
		b, err := json.Marshal(ns[0].load(t, key(account)).Roster)
		if err != nil {
			t.Fatal(err)
		}
		var f struct {
			Format int    `json:"format"`
			Plan   string `json:"plan"`
		}
		if err := json.Unmarshal(b, &f); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(f.Format, f.Plan)
	}
	rs := []*oneseat.Registry{registry(t, ns[0], oneseat.Config{}), registry(t, ns[1], oneseat.Config{})}
	last := signIn(t, rs[0], "ada", oneseat.SignInRequest{})
	ns[1].update(t, key("ada"), func(v oneseat.View) (oneseat.Change, error) { // as the newer node does
		b, err := json.Marshal(v.Roster)
		if err != nil {
			return oneseat.Change{}, err
		}
		var ro oneseat.Roster
		err = json.Unmarshal([]byte(strings.Replace(string(b), `{"format":1,`, `{"format":2,"plan":"gold",`, 1)), &ro)
		return oneseat.Change{Roster: &ro}, err
	})
	for i := range 4 {
		r := rs[i%2]
		if _, err := r.Check(t.Context(), string(last.Token)); err != nil {
			t.Fatalf("node %d does not know the session of the other's format: %v", i%2, err)
		}
		next := signIn(t, r, "ada", oneseat.SignInRequest{})
		if _, err := rs[1-i%2].Check(t.Context(), string(last.Token)); err == nil {
			t.Fatalf("node %d accepts what node %d has displaced", 1-i%2, i%2)
		}
		last = next
		if got := format("ada"); got != "2gold" {
			t.Fatalf("after a sign-in on node %d the roster is of format %s, want that which it was in, with its field", i%2, got)
		}
	}
	signIn(t, rs[1], "grace", oneseat.SignInRequest{})
	if got := format("grace"); got != "1" {
		t.Errorf("a new roster is of format %s, want the old one until told", got)
	}
}

// sameJSON compares two texts as JSON values, and numbers digit by digit.
func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y map[string]json.RawMessage
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		t.Fatalf("not an object: %s or %s", a, b)
	}
	if len(x) != len(y) || string(x["huge"]) != string(y["huge"]) {
		return false
	}
	var u, w any
	if json.Unmarshal(a, &u) != nil || json.Unmarshal(b, &w) != nil {
		return false
	}
	return reflect.DeepEqual(u, w)
}

func immutable(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	type kept struct {
		view oneseat.View
		text string
	}
	var before []kept
	keep := func(v oneseat.View) {
		t.Helper()
		b, err := json.Marshal(v.Roster)
		if err != nil {
			t.Fatal(err)
		}
		before = append(before, kept{v, string(b)})
	}
	for i := range 12 {
		keep(ns[i%2].update(t, key("ada"), func(v oneseat.View) (oneseat.Change, error) {
			keep(v)
			return seating("ada", sessionID("S", i))(v)
		}))
		keep(ns[1-i%2].load(t, key("ada")))
		keep(ns[i%2].update(t, key("ada"), touching))
	}
	ns[0].erase(t, key("ada"))
	for i, k := range before {
		if b, _ := json.Marshal(k.view.Roster); string(b) != k.text {
			t.Fatalf("view %d has changed since it was returned:\nwas %s\nis  %s", i, k.text, b)
		}
	}
}

func erased(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	ns[0].put(t, roster("ada", "1"))
	ns[0].put(t, roster("grace", "1"))
	if v := ns[1].erase(t, key("ada")); v.Roster != nil || v.Key != key("ada") {
		t.Errorf("erasing returned %+v", v)
	}
	for i, n := range ns {
		if v := n.load(t, key("ada")); v.Roster != nil {
			t.Errorf("node %d still has %+v", i, v.Roster)
		}
		if v := n.load(t, key("grace")); v.Roster == nil {
			t.Errorf("node %d has lost another roster", i)
		}
	}
}
