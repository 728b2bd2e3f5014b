package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/record"
)

// counts is what Count promises: the sums equal those of the rosters, and change in the
// same step as a roster.
var counts = []promise{
	{"a sum is what the rosters of a realm say, after every update", countsEveryUpdate},
	{"a sum is of one epoch and one realm", countsApart},
	{"an update that writes nothing alters no sum", countsNothing},
	{"an update whose reply is lost is counted once", countsOnce},
	{"the sums are exact after all that many nodes do at once", countsUnderContention},
	{"an ended realm counts nothing, and a timeout counts until it is recorded", countsWhatIsLive},
}

// sum returns the answer of Count, and fails the test on an error.
func (n node) sum(t *testing.T, in string, epoch uint64) oneseat.Count {
	t.Helper()
	c, err := n.Count(t.Context(), in, epoch)
	if err != nil {
		t.Fatalf("Count: %v", err)
	}
	return c
}

// listed adds up all rosters of a realm as they are stored, by epoch.
func listed(t *testing.T, n node, in string) map[uint64]oneseat.Count {
	t.Helper()
	sums := make(map[uint64]oneseat.Count)
	for after := ""; ; {
		vs, err := n.Rosters(t.Context(), oneseat.RosterQuery{Realm: in, After: after, Limit: 1000})
		if err != nil {
			t.Fatalf("Rosters: %v", err)
		}
		if len(vs) == 0 {
			return sums
		}
		for _, v := range vs {
			var epoch uint64
			var c oneseat.Count
			for _, s := range record.Of(v.Roster).Seats {
				epoch = max(epoch, s.Epoch)
				if s.Parent != "" {
					c.Streams++
					continue
				}
				c.Sessions, c.Accounts = c.Sessions+1, 1
			}
			sums[epoch] = sums[epoch].Plus(c)
			after = v.Roster.Account
		}
	}
}

// exact fails unless Count equals the sums of the rosters of a realm, under each of
// these epochs and under each epoch of a roster.
func exact(t *testing.T, n node, in string, epochs ...uint64) {
	t.Helper()
	want := listed(t, n, in)
	for epoch := range want {
		epochs = append(epochs, epoch)
	}
	slices.Sort(epochs)
	for _, epoch := range slices.Compact(epochs) {
		if got := n.sum(t, in, epoch); got != want[epoch] {
			t.Errorf("realm %q, epoch %d: Count says %+v, the rosters %+v", in, epoch, got, want[epoch])
		}
	}
}

// peopled returns a roster with these numbers of sessions and streams, all of one
// epoch.
func peopled(account string, epoch uint64, sessions, streams int) *record.Record {
	ro := &record.Record{Realm: realm, Account: account}
	for i := range sessions + streams {
		s := seat(sessionID("S", i), time.UnixMicro(1_700_000_000_000_000))
		if s.Epoch = epoch; i >= sessions {
			s.Parent = sessionID("S", 0)
		}
		ro.Seats = append(ro.Seats, s)
	}
	return ro
}

func countsEveryUpdate(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	const one, two = 1_700_000_000_000_001, 1<<62 + 1
	exact(t, ns[0], realm, 0, one, two)
	for i, step := range []struct {
		account string
		change  *record.Record // nil: erase
	}{
		{"ada", peopled("ada", one, 1, 0)}, // a roster that is new
		{"grace", peopled("grace", one, 2, 1)},
		{"ada", peopled("ada", one, 3, 0)},   // more sessions
		{"ada", peopled("ada", one, 1, 2)},   // fewer sessions, more streams
		{"ada", peopled("ada", one, 1, 2)},   // the same
		{"alan", peopled("alan", one, 0, 0)}, // a roster without sessions
		{"ada", peopled("ada", two, 2, 0)},   // sessions of a later epoch
		{"grace", peopled("grace", two, 0, 0)},
		{"grace", peopled("grace", one, 1, 0)},
		{"ada", peopled("ada", one, 1, 1)}, // of an earlier epoch, as after a restore
		{"alan", nil},
		{"ada", nil}, // erased
		{"ada", nil}, // erased once more
		{"ada", peopled("ada", two, 1, 0)},
		{"whole", full("whole")},                       // sessions of many epochs: the latest one counts
		{"", &record.Record{Realm: realm, Epoch: two}}, // the control record
		{"grace", peopled("grace", 0, 1, 0)},           // of no epoch
	} {
		n := ns[i%2]
		if step.change == nil {
			n.erase(t, key(step.account))
		} else {
			n.put(t, step.change.Roster())
		}
		exact(t, ns[(i+1)%2], realm, 0, one, two)
		if t.Failed() {
			t.Fatalf("after step %d", i)
		}
	}
}

func countsApart(t *testing.T, fresh Factory) {
	n := nodes(t, fresh, 1)[0]
	realms := []string{"a", "A", "a ", "a%", "a_", "aa", "é", "'", "default"}
	for i, in := range realms {
		ro := peopled("ada", uint64(1+i%2), 1+i, i%3)
		ro.Realm = in
		n.put(t, ro.Roster())
	}
	for i, in := range realms {
		want := oneseat.Count{Accounts: 1, Sessions: 1 + i, Streams: i % 3}
		if got := n.sum(t, in, uint64(1+i%2)); got != want {
			t.Errorf("realm %q has %+v, want %+v", in, got, want)
		}
		if got := n.sum(t, in, uint64(2-i%2)); got != (oneseat.Count{}) {
			t.Errorf("realm %q has %+v of an epoch that no roster is of", in, got)
		}
	}
	if got := n.sum(t, "other", 1); got != (oneseat.Count{}) {
		t.Errorf("a realm without rosters has %+v", got)
	}
}

func countsNothing(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	ns[0].put(t, peopled("ada", 7, 2, 1).Roster())
	want := oneseat.Count{Accounts: 1, Sessions: 2, Streams: 1}
	grow := func(oneseat.View) (oneseat.Change, error) {
		return oneseat.Change{Roster: peopled("ada", 7, 3, 3).Roster()}, nil
	}
	for name, change := range map[string]changeFunc{
		"a change that changes nothing": func(oneseat.View) (oneseat.Change, error) { return oneseat.Change{}, nil },
		"a change that is refused": func(v oneseat.View) (oneseat.Change, error) {
			c, _ := grow(v)
			return c, errRefused
		},
		"a change that panics": func(oneseat.View) (oneseat.Change, error) { panic("planned") },
		"a touch":              touching,
	} {
		_, _ = ns[0].Update(t.Context(), key("ada"), change) // whether it fails is tested with the updates
		if got := ns[1].sum(t, realm, 7); got != want {
			t.Errorf("after %s Count says %+v, want %+v", name, got, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := ns[0].Update(ctx, key("ada"), func(v oneseat.View) (oneseat.Change, error) {
		cancel()
		return grow(v)
	})
	if got := ns[1].sum(t, realm, 7); !errors.Is(err, context.Canceled) || got != want {
		t.Errorf("after an update that was cancelled (%v) Count says %+v, want %+v", err, got, want)
	}
}

func countsOnce(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	r := registry(t, unreliable{ns[0]}, oneseat.Config{Limit: 2})
	want := oneseat.Count{}
	for i, fates := range [][]fate{{replyLost}, {requestLost}, {rehearsed}, {replyLost, replyLost, rehearsed}} {
		account := fmt.Sprint("account ", i)
		tr := func() *trouble { return &trouble{key: key(account), fates: fates} }
		if _, err := r.SignIn(tr().with(t.Context()), account, oneseat.SignInRequest{}); err != nil {
			t.Fatal(err)
		}
		g, err := r.SignIn(tr().with(t.Context()), account, oneseat.SignInRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.SignOut(tr().with(t.Context()), string(g.Token)); err != nil {
			t.Fatal(err)
		}
		want = want.Plus(oneseat.Count{Accounts: 1, Sessions: 1})
		if got, err := r.Count(t.Context()); err != nil || got != want {
			t.Errorf("%v: Count says %+v, %v; want %+v", fates, got, err, want)
		}
		exact(t, ns[1], realm)
	}
}

// countsUnderContention has two nodes change sums of a few accounts at once, in all
// ways, with replies that are lost. Meanwhile no sum may be read that was never true.
func countsUnderContention(t *testing.T, fresh Factory) {
	const workers, each, accounts = 6, 15, 5
	ns := nodes(t, fresh, 2)
	config := oneseat.Config{Limit: 3, Streams: 2, StreamIdle: time.Hour}
	rs := []*oneseat.Registry{registry(t, unreliable{ns[0]}, config), registry(t, unreliable{ns[1]}, config)}
	signIn(t, rs[0], "account 0", oneseat.SignInRequest{})
	seed := rand.Uint64() // a test may choose at random
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := rs[0].Count(t.Context())
			if err != nil || c.Accounts < 0 || c.Accounts > accounts || c.Sessions < c.Accounts || c.Streams < 0 || c.Streams > accounts*3*2 {
				t.Errorf("meanwhile Count says %+v, %v", c, err)
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	// The realm is not ended in the second half, because Count does not show what was
	// counted wrongly before that.
	endRealm := true
	var grants [workers][]oneseat.Grant
	half := func(worker int) {
		choices := rand.New(rand.NewPCG(seed, uint64(worker))) // likewise
		r, n := rs[worker%2], ns[worker%2]
		mine := grants[worker]
		for range each {
			account := fmt.Sprint("account ", choices.IntN(accounts))
			tr := &trouble{key: key(account), fates: [][]fate{nil, nil, {replyLost}, {requestLost}, {rehearsed}}[choices.IntN(5)]}
			ctx := tr.with(t.Context())
			var last oneseat.Grant
			if len(mine) > 0 {
				last = mine[choices.IntN(len(mine))]
			}
			var g oneseat.Grant
			var err error
			switch choices.IntN(12) {
			case 0, 1, 2:
				g, err = r.SignIn(ctx, account, oneseat.SignInRequest{})
			case 3:
				g, err = r.SignIn(ctx, account, oneseat.SignInRequest{Token: string(last.Token)}) // a renewal, or the sign-in of another account
			case 4:
				err = r.SignOut(ctx, string(last.Token))
			case 5:
				_, err = r.EndOthers(ctx, account, last.Session.ID, oneseat.EndOptions{})
			case 6:
				_, err = r.EndAll(ctx, account, oneseat.EndOptions{})
			case 7, 8:
				if last.Session.ID != "" {
					_, err = r.StartStream(ctx, last.Session, oneseat.Player{ID: fmt.Sprint(choices.IntN(2))})
				}
			case 9:
				if err = r.Block(ctx, account, time.Time{}, ""); err == nil {
					err = r.Unblock(ctx, account, "")
				}
			case 10:
				_, err = n.Update(ctx, key(account), func(oneseat.View) (oneseat.Change, error) { return oneseat.Change{Erase: true}, nil })
			case 11:
				if worker == 0 && endRealm {
					err = r.EndRealm(ctx, "storetest")
				}
			}
			if g.Token != "" {
				mine = append(mine, g)
			}
			if err != nil && !refused(err) {
				t.Errorf("seed %d: %v", seed, err)
			}
		}
		grants[worker] = mine
	}
	together(workers, half)
	seed, endRealm = seed+1, false
	together(workers, half)
	close(done)
	wg.Wait()
	if err := rs[0].Unblock(t.Context(), "account 0", ""); err != nil { // whatever the last call has left
		t.Fatal(err)
	}
	g := signIn(t, rs[0], "account 0", oneseat.SignInRequest{})
	if _, err := rs[1].StartStream(t.Context(), g.Session, oneseat.Player{ID: "last", Instead: playing(t, rs[1], "account 0")}); err != nil {
		t.Fatal(err)
	}
	for _, n := range ns {
		exact(t, n, realm)
	}
	got, err := rs[1].Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var want oneseat.Count
	for i := range accounts {
		a, err := rs[0].Account(t.Context(), fmt.Sprint("account ", i))
		if err != nil {
			t.Fatal(err)
		}
		want = want.Plus(oneseat.Count{Accounts: min(len(a.Sessions), 1), Sessions: len(a.Sessions), Streams: len(a.Streams)})
	}
	if got != want {
		t.Errorf("seed %d: Registry.Count says %+v, the accounts %+v", seed, got, want)
	}
}

// playing returns an account's streams.
func playing(t *testing.T, r *oneseat.Registry, account string) (ids []oneseat.SessionID) {
	t.Helper()
	list, err := r.Streams(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		ids = append(ids, s.ID)
	}
	return ids
}

// refused reports whether an error is an answer of the rules.
func refused(err error) bool {
	_, ended := errors.AsType[*oneseat.EndedError](err)
	_, full := errors.AsType[*oneseat.LimitError](err)
	_, blocked := errors.AsType[*oneseat.BlockedError](err)
	return ended || full || blocked || errors.Is(err, oneseat.ErrNoSession) || errors.Is(err, oneseat.ErrUnknownOutcome)
}

func countsWhatIsLive(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	a, b := registry(t, ns[0], timeouts), registry(t, ns[1], timeouts)
	count := func(when string, want oneseat.Count) {
		t.Helper()
		for _, r := range []*oneseat.Registry{a, b} {
			if got, err := r.Count(t.Context()); err != nil || got != want {
				t.Errorf("%s Count says %+v, %v; want %+v", when, got, err, want)
			}
		}
	}
	count("at first", oneseat.Count{})
	g := signIn(t, a, "ada", oneseat.SignInRequest{})
	signIn(t, b, "grace", oneseat.SignInRequest{})
	count("after two sign-ins", oneseat.Count{Accounts: 2, Sessions: 2})
	makeOlder(t, ns[0], g, 2*time.Hour, 61*time.Minute)
	count("after a timeout that nobody has recorded", oneseat.Count{Accounts: 2, Sessions: 2})
	_, err := b.Check(t.Context(), string(g.Token))
	hasEnded(t, err, g.Session.ID, oneseat.ReasonIdleTimeout)
	count("after it was recorded", oneseat.Count{Accounts: 1, Sessions: 1})
	if err := b.EndRealm(t.Context(), "storetest"); err != nil {
		t.Fatal(err)
	}
	count("after the realm's end", oneseat.Count{})
	signIn(t, a, "grace", oneseat.SignInRequest{}) // which ends the browser's old session
	count("after another sign-in", oneseat.Count{Accounts: 1, Sessions: 1})
	exact(t, ns[1], realm)
}
