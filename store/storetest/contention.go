package storetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/record"
)

// contention holds the rules under as many updates of one account at once as there can
// be.
var contention = []promise{
	{"64 sign-ins at once with one seat: one is live", func(t *testing.T, fresh Factory) { crowd(t, fresh, 1, oneseat.PolicyDisplace) }},
	{"64 sign-ins at once with three seats: three are live", func(t *testing.T, fresh Factory) { crowd(t, fresh, 3, oneseat.PolicyDisplace) }},
	{"64 sign-ins at once for one seat: one is admitted", func(t *testing.T, fresh Factory) { crowd(t, fresh, 1, oneseat.PolicyRefuse) }},
	{"64 sign-ins at once for three seats: three are admitted", func(t *testing.T, fresh Factory) { crowd(t, fresh, 3, oneseat.PolicyRefuse) }},
	{"one browser signing in many times at once has one session", doubleSubmit},
	{"many accounts at once do not get in each other's way", manyAccounts},
	{"one of many rotations at once succeeds", rotations},
	{"an ending is final, whoever is active at that moment", endAgainstActivity},
	{"activity that was being written does not bring back what has ended", endInsideTouch},
	{"ending all ends every session that had signed in", endAllAgainstSignIn},
	{"a session that is displaced ends nobody, on one node", func(t *testing.T, fresh Factory) { endOthersAgainstSignIn(t, fresh, 1) }},
	{"a session that is displaced ends nobody, on two nodes", func(t *testing.T, fresh Factory) { endOthersAgainstSignIn(t, fresh, 2) }},
}

// registries opens three handles and a registry on each.
func registries(t *testing.T, fresh Factory, c oneseat.Config) ([]node, []*oneseat.Registry) {
	t.Helper()
	ns := nodes(t, fresh, 3)
	rs := make([]*oneseat.Registry, len(ns))
	for i, n := range ns {
		rs[i] = registry(t, n, c)
	}
	return ns, rs
}

// together runs f for 0 to n-1, all at once.
func together(n int, f func(i int)) {
	start := make(chan struct{})
	var wg, ready sync.WaitGroup
	ready.Add(n)
	for i := range n {
		wg.Go(func() {
			ready.Done()
			<-start
			f(i)
		})
	}
	ready.Wait()
	close(start)
	wg.Wait()
}

// crowd has 64 clients sign in to one account at once, on three nodes, and then to
// another account.
func crowd(t *testing.T, fresh Factory, limit int, policy oneseat.Policy) {
	ns, rs := registries(t, fresh, oneseat.Config{Limit: limit, WhenFull: policy})
	for _, r := range rs { // so that only the sessions are left to be made
		signIn(t, r, fmt.Sprintf("somebody on %p", r), oneseat.SignInRequest{})
	}
	f := follow(t, ns[0])
	for _, account := range []string{"ada", "grace", "alan"} {
		crowded(t, ns, rs, account, limit, policy)
	}
	neverMore(t, f, limit)
}

func crowded(t *testing.T, ns []node, rs []*oneseat.Registry, account string, limit int, policy oneseat.Policy) {
	const clients = 64
	grants, errs := make([]oneseat.Grant, clients), make([]error, clients)
	together(clients, func(i int) { grants[i], errs[i] = rs[i%3].SignIn(t.Context(), account, oneseat.SignInRequest{}) })
	seats := live(t, rs[1], account)
	if len(seats) != limit {
		t.Errorf("%d sessions are live, want exactly %d", len(seats), limit)
	}
	isLive := func(id oneseat.SessionID) bool {
		return slices.ContainsFunc(seats, func(s oneseat.Session) bool { return s.ID == id })
	}
	admitted, told := 0, 0
	for i, err := range errs {
		full, refused := errors.AsType[*oneseat.LimitError](err)
		switch {
		case refused && policy == oneseat.PolicyRefuse && full.Limit == limit && len(full.Live) == limit:
			continue
		case err != nil:
			t.Errorf("sign-in %d: %v", i, err)
			continue
		}
		admitted++
		id := grants[i].Session.ID
		for at, r := range rs {
			s, err := r.Check(t.Context(), string(grants[i].Token))
			switch {
			case isLive(id) && (err != nil || s.ID != id):
				t.Errorf("node %d refuses a live session: %v", at, err)
			case !isLive(id) && !errors.Is(err, oneseat.ErrNoSession): // otherwise its ending is forgotten, at least on this node
				hasEnded(t, err, id, oneseat.ReasonDisplaced)
				told++
			}
		}
	}
	want := map[oneseat.Policy]int{oneseat.PolicyDisplace: clients, oneseat.PolicyRefuse: limit}[policy]
	if admitted != want {
		t.Errorf("%d sign-ins succeeded, want %d", admitted, want)
	}
	if least := len(rs) * min(want-limit, oneseat.MaxEndings); told < least {
		t.Errorf("%d checks on %d nodes said how the session had ended, want at least %d", told, len(rs), least)
	}
	for _, e := range record.Of(ns[2].load(t, key(account)).Roster).Endings {
		known := slices.ContainsFunc(grants, func(g oneseat.Grant) bool { return g.Session.ID == e.Session })
		if !known || isLive(e.Session) || e.Reason != oneseat.ReasonDisplaced {
			t.Errorf("ending %+v: of a session that SignIn returned: %v, live: %v", e.Ending(), known, isLive(e.Session))
		}
	}
}

// neverMore reads the log from its beginning. After no commit may more sessions be live
// than the limit, and no session may begin or end twice.
func neverMore(t *testing.T, f *follower, limit int) {
	t.Helper()
	seated, ended := make(map[oneseat.Key]map[oneseat.SessionID]bool), make(map[oneseat.SessionID]bool)
	for _, entry := range f.read(t) {
		now := seated[entry.Key]
		if now == nil {
			now = make(map[oneseat.SessionID]bool)
			seated[entry.Key] = now
		}
		for _, e := range entry.Events {
			switch e.Type {
			case oneseat.EventSessionCreated:
				if now[e.Session] || ended[e.Session] {
					t.Errorf("version %d: session %s is created a second time", entry.Version, e.Session)
				}
				now[e.Session] = true
			case oneseat.EventSessionEnded:
				if !now[e.Session] {
					t.Errorf("version %d: session %s ends, and was not live", entry.Version, e.Session)
				}
				delete(now, e.Session)
				ended[e.Session] = true
			}
		}
		if len(now) > limit {
			t.Errorf("version %d has %d live sessions, the limit is %d", entry.Version, len(now), limit)
		}
	}
}

// doubleSubmit presents one live token many times at once. Each sign-in renews the one
// before, however many seats are free.
func doubleSubmit(t *testing.T, fresh Factory) {
	_, rs := registries(t, fresh, oneseat.Config{Limit: 5})
	first := signIn(t, rs[0], "ada", oneseat.SignInRequest{})
	grants, errs := make([]oneseat.Grant, 16), make([]error, 16)
	together(16, func(i int) {
		grants[i], errs[i] = rs[i%3].SignIn(t.Context(), "ada", oneseat.SignInRequest{Token: string(first.Token)})
	})
	seats := live(t, rs[1], "ada")
	if err := errors.Join(errs...); err != nil || len(seats) != 1 {
		t.Fatalf("%d sessions of one browser are live: %v", len(seats), err)
	}
	for _, g := range append(grants, first) {
		if _, err := rs[2].Check(t.Context(), string(g.Token)); g.Session.ID != seats[0].ID {
			hasEnded(t, err, g.Session.ID, oneseat.ReasonRenewed)
		} else if err != nil {
			t.Errorf("the live session is refused: %v", err)
		}
	}
}

func manyAccounts(t *testing.T, fresh Factory) {
	const accounts, each = 16, 4
	ns, rs := registries(t, fresh, oneseat.Config{Limit: 2})
	f := follow(t, ns[0])
	account := func(i int) string { return fmt.Sprint("account ", i%accounts) }
	grants, errs := make([]oneseat.Grant, accounts*each), make([]error, accounts*each)
	together(accounts*each, func(i int) { grants[i], errs[i] = rs[i%3].SignIn(t.Context(), account(i), oneseat.SignInRequest{}) })
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	neverMore(t, f, 2)
	alive := 0
	for i, g := range grants {
		s, err := rs[(i+1)%3].Check(t.Context(), string(g.Token))
		if err != nil {
			hasEnded(t, err, g.Session.ID, oneseat.ReasonDisplaced)
			continue
		}
		alive++
		if s.Account != account(i) || s.ID != g.Session.ID {
			t.Errorf("the token of %s is one of %s", account(i), s.Account)
		}
	}
	if alive != accounts*2 {
		t.Errorf("%d sessions of %d accounts are live, want %d", alive, accounts, accounts*2)
	}
}

func rotations(t *testing.T, fresh Factory) {
	ns, rs := registries(t, fresh, oneseat.Config{})
	first := signIn(t, rs[0], "ada", oneseat.SignInRequest{})
	grants, errs := make([]oneseat.Grant, 16), make([]error, 16)
	together(16, func(i int) { grants[i], errs[i] = rs[i%3].Rotate(t.Context(), string(first.Token)) })
	won := 0
	for i, err := range errs {
		if err == nil {
			won++
			if s, err := rs[(i+1)%3].Check(t.Context(), string(grants[i].Token)); err != nil || s.ID != first.Session.ID {
				t.Errorf("the new token: %+v, %v", s, err)
			}
		} else if !errors.Is(err, oneseat.ErrRotated) && !errors.Is(err, oneseat.ErrNoSession) { // the seconds of the old token may be over
			t.Errorf("a rotation that came too late returned %v", err)
		}
	}
	if won != 1 || count(t, ns[0], oneseat.EventSessionRotated, "") != 1 {
		t.Errorf("%d rotations of one token succeeded", won)
	}
}

// endAgainstActivity ends a session while it is active on every node, and each activity
// is written.
func endAgainstActivity(t *testing.T, fresh Factory) {
	ns, rs := registries(t, fresh, oneseat.Config{Limit: 3, TouchEvery: time.Nanosecond})
	for round := range 5 {
		g := signIn(t, rs[round%3], "ada", oneseat.SignInRequest{})
		var hasReturned atomic.Bool // End has returned
		var yes atomic.Int64
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				for ctx.Err() == nil {
					after := hasReturned.Load()
					_, err := rs[i%3].Check(t.Context(), string(g.Token))
					if err == nil && after {
						t.Errorf("node %d accepts a session that had been ended", i%3)
						return
					}
					if _, ok := errors.AsType[*oneseat.EndedError](err); err != nil && !ok {
						t.Errorf("Check: %v", err)
						return
					}
					if err == nil {
						yes.Add(1)
					} else if after {
						return
					}
				}
			})
		}
		for begun := time.Now(); yes.Load() < 30 && time.Since(begun) < patience; { // all are under way
			touchesAreWritten(t, ns[0])
		}
		if n, err := rs[(round+1)%3].End(t.Context(), "ada", oneseat.EndOptions{}, g.Session.ID); n != 1 || err != nil {
			t.Errorf("End = %d, %v", n, err)
		}
		hasReturned.Store(true)
		wg.Wait()
		stop()
		if v := ns[0].load(t, key("ada")); len(ids(v)) > 0 {
			t.Fatalf("round %d: %v are live", round, ids(v))
		}
	}
	if c, e := count(t, ns[0], oneseat.EventSessionCreated, ""), count(t, ns[0], oneseat.EventSessionEnded, ""); c != 5 || e != 5 {
		t.Errorf("5 sessions were created %d times and ended %d times", c, e)
	}
}

// touchesAreWritten waits for the roster's next version.
func touchesAreWritten(t *testing.T, n node) {
	t.Helper()
	was := n.load(t, key("ada")).Version
	for begun := time.Now(); n.load(t, key("ada")).Version == was; {
		if time.Since(begun) > patience {
			t.Fatal("a session is active, and that is not written")
		}
	}
}

// interrupted is a handle on which something happens in the middle of the first touch
// of a key. The touch is a change that commits a roster without an event.
type interrupted struct {
	node
	key       oneseat.Key
	once      *sync.Once
	meanwhile func()
	done      chan struct{} // closed when the touch and meanwhile have returned
}

func (n interrupted) Update(ctx context.Context, k oneseat.Key, change func(oneseat.View) (oneseat.Change, error)) (oneseat.View, error) {
	var happened chan struct{}
	v, err := n.node.Update(ctx, k, func(v oneseat.View) (oneseat.Change, error) {
		c, err := change(v)
		if k == n.key && c.Roster != nil && len(c.Events) == 0 {
			n.once.Do(func() {
				happened = make(chan struct{})
				go func() {
					defer close(happened)
					n.meanwhile()
				}()
				select {
				case <-happened: // without a lock the touch has to run again
				case <-time.After(50 * time.Millisecond): // with a lock meanwhile waits for the touch
				}
			})
		}
		return c, err
	})
	if happened != nil {
		<-happened
		close(n.done)
	}
	return v, err
}

// endInsideTouch ends a session in the middle of a touch of it (REV-02).
func endInsideTouch(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	other := registry(t, ns[1], oneseat.Config{})
	for i := range 3 {
		account := fmt.Sprint("account ", i)
		g := signIn(t, other, account, oneseat.SignInRequest{})
		n := interrupted{node: ns[0], key: key(account), once: new(sync.Once), done: make(chan struct{}), meanwhile: func() {
			if c, err := other.End(t.Context(), account, oneseat.EndOptions{}, g.Session.ID); c != 1 || err != nil {
				t.Errorf("End = %d, %v", c, err)
			}
		}}
		r := registry(t, n, oneseat.Config{TouchEvery: time.Nanosecond})
		if _, err := r.Check(t.Context(), string(g.Token)); err != nil {
			t.Fatal(err)
		}
		await(t, n.done, "the touch")
		for _, r := range []*oneseat.Registry{r, other} {
			_, err := r.Check(t.Context(), string(g.Token))
			hasEnded(t, err, g.Session.ID, oneseat.ReasonRevoked)
		}
		seated(t, ns[1], account)
	}
}

// endAllAgainstSignIn ends all sessions of an account while others sign in to it. Every
// session that SignIn returned before has ended, without exception.
func endAllAgainstSignIn(t *testing.T, fresh Factory) {
	ns, rs := registries(t, fresh, oneseat.Config{Limit: 8})
	f := follow(t, ns[0])
	for round := range 6 {
		account := fmt.Sprint("account ", round)
		var mu sync.Mutex
		var returned []oneseat.Grant
		together(9, func(i int) {
			if i < 8 {
				g, err := rs[i%3].SignIn(t.Context(), account, oneseat.SignInRequest{})
				if err != nil {
					t.Errorf("SignIn: %v", err)
				}
				mu.Lock()
				returned = append(returned, g)
				mu.Unlock()
				return
			}
			for n := 0; n < 3; { // somewhere in the middle
				mu.Lock()
				n = len(returned)
				mu.Unlock()
			}
			mu.Lock()
			before := slices.Clone(returned)
			mu.Unlock()
			if n, err := rs[round%3].EndAll(t.Context(), account, oneseat.EndOptions{Reason: oneseat.ReasonCredentialsChanged}); n < len(before) || err != nil {
				t.Errorf("EndAll = %d, %v; %d had signed in", n, err, len(before))
			}
			for _, g := range before {
				_, err := rs[(round+1)%3].Check(t.Context(), string(g.Token))
				hasEnded(t, err, g.Session.ID, oneseat.ReasonCredentialsChanged)
			}
		})
		if _, err := rs[0].EndAll(t.Context(), account, oneseat.EndOptions{}); err != nil {
			t.Error(err)
		}
		if s := live(t, rs[1], account); len(s) != 0 {
			t.Errorf("%d sessions are live after all were ended", len(s))
		}
	}
	neverMore(t, f, 8)
}

// endOthersAgainstSignIn has a session end all others, over and over and on every node,
// while another session takes its place. The newest session stays, whatever comes first.
// ONESEAT_STORETEST_ROUNDS in the environment says how often, else it is a few times.
func endOthersAgainstSignIn(t *testing.T, fresh Factory, of int) {
	rounds, begun := 20, time.Now()
	if text, ok := os.LookupEnv("ONESEAT_STORETEST_ROUNDS"); ok {
		var err error
		if rounds, err = strconv.Atoi(text); err != nil || rounds < 1 {
			t.Fatalf("ONESEAT_STORETEST_ROUNDS=%s is no number of rounds", text)
		}
	}
	ns := nodes(t, fresh, of)
	rs := make([]*oneseat.Registry, of)
	for i, n := range ns {
		rs[i] = registry(t, n, oneseat.Config{})
	}
	old := signIn(t, rs[0], "ada", oneseat.SignInRequest{})
	var before, after atomic.Int64 // the calls that found the session live, and those that found it displaced
	for round := range rounds {
		var newest oneseat.Grant
		together(1+2*of, func(i int) {
			var err error
			if i == 0 {
				if newest, err = rs[round%of].SignIn(t.Context(), "ada", oneseat.SignInRequest{}); err != nil {
					t.Errorf("SignIn: %v", err)
				}
				return
			}
			for err == nil && !t.Failed() {
				var n int
				if n, err = rs[i%of].EndOthers(t.Context(), "ada", old.Session.ID, oneseat.EndOptions{}); n != 0 {
					t.Errorf("round %d: EndOthers by the session that is displaced ended %d", round, n)
				}
				before.Add(1)
				runtime.Gosched() // a fast store leaves no moment for the sign-in
			}
			if err != nil {
				hasEnded(t, err, old.Session.ID, oneseat.ReasonDisplaced)
				after.Add(1)
			}
		})
		for i, r := range rs {
			if s, err := r.Check(t.Context(), string(newest.Token)); err != nil || s.ID != newest.Session.ID {
				t.Errorf("round %d: node %d refuses the newest session: %v", round, i, err)
			}
		}
		if t.Failed() {
			return
		}
		old = newest
	}
	if got := ids(ns[0].load(t, key("ada"))); !slices.Equal(got, []oneseat.SessionID{old.Session.ID}) {
		t.Errorf("%v are live, want the newest alone", got)
	}
	t.Logf("%d rounds, nodes: %d, %v: EndOthers was called %d times before the sign-in and %d times after",
		rounds, of, time.Since(begun).Round(time.Second), before.Load()-after.Load(), after.Load())
}
