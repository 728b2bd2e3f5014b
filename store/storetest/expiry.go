package storetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/record"
)

// expiry is about timeouts, which the store's clock decides. No test waits for one: it
// makes a session older in the store.
var expiry = []promise{
	{"a session idle for too long is refused, and that is recorded", idleOut},
	{"a session that has lasted too long is refused, and that is recorded", tooOld},
	{"a timeout is recorded once, however many find it", recordedOnce},
	{"a session that has timed out holds no seat", freesSeat},
	{"activity moves the idle deadline, not the absolute one", activity},
	{"a roster is due when its first session times out", dueByRule},
}

// timeouts are the settings of every registry in this file.
var timeouts = oneseat.Config{Idle: time.Hour, Absolute: 24 * time.Hour}

// makeOlder moves a session's sign-in and last activity this long before the store's
// time. It leaves no Due, so only the rules can find what has timed out.
func makeOlder(t *testing.T, n node, g oneseat.Grant, created, seen time.Duration) {
	t.Helper()
	account := g.Session.Account
	n.update(t, key(account), func(v oneseat.View) (oneseat.Change, error) {
		ro := mine(v, account)
		i := slices.IndexFunc(ro.Seats, func(s record.Seat) bool { return s.ID == g.Session.ID })
		ro.Seats[i].Created, ro.Seats[i].LastSeen = record.At(v.Now.Add(-created)), record.At(v.Now.Add(-seen))
		ro.Due = record.Time{}
		return oneseat.Change{Roster: ro.Roster()}, nil
	})
}

// hasEnded fails unless a check says that a session has ended for this reason.
func hasEnded(t *testing.T, err error, id oneseat.SessionID, reason oneseat.Reason) {
	t.Helper()
	if e, ok := errors.AsType[*oneseat.EndedError](err); !ok || e.Ending.Reason != reason || e.Ending.Session != id {
		t.Errorf("Check returned %v, want an *oneseat.EndedError of %s: %s", err, id, reason)
	}
}

// recorded fails unless the ending is in the roster and in the log, the same for every
// node.
func recorded(t *testing.T, ns []node, f *follower, g oneseat.Grant, reason oneseat.Reason) {
	t.Helper()
	for _, n := range ns {
		v := n.load(t, key(g.Session.Account))
		endings := record.Of(v.Roster).Endings
		if slices.Contains(ids(v), g.Session.ID) || len(endings) != 1 || endings[0].Session != g.Session.ID || endings[0].Reason != reason {
			t.Errorf("stored are the live sessions %v and the endings %+v", ids(v), endings)
		}
	}
	var told []oneseat.Event
	for _, e := range f.read(t) {
		for _, e := range e.Events {
			if e.Type == oneseat.EventSessionEnded {
				told = append(told, e)
			}
		}
	}
	if len(told) != 1 || told[0].Session != g.Session.ID || told[0].Reason != reason {
		t.Errorf("the log tells of the endings %+v, want one of %s: %s", told, g.Session.ID, reason)
	}
}

func idleOut(t *testing.T, fresh Factory) {
	timedOut(t, fresh, 2*time.Hour, 59*time.Minute+30*time.Second, time.Hour, oneseat.ReasonIdleTimeout)
}

func tooOld(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	a, b := registry(t, ns[0], timeouts), registry(t, ns[1], timeouts)
	f := follow(t, ns[1])
	g := signIn(t, a, "ada", oneseat.SignInRequest{})
	makeOlder(t, ns[0], g, 24*time.Hour-30*time.Second, 0)
	if _, err := b.Check(t.Context(), string(g.Token)); err != nil {
		t.Errorf("half a minute before its time the session is refused: %v", err)
	}
	makeOlder(t, ns[0], g, 24*time.Hour, 0)
	_, err := b.Check(t.Context(), string(g.Token))
	hasEnded(t, err, g.Session.ID, oneseat.ReasonAbsoluteTimeout)
	recorded(t, ns, f, g, oneseat.ReasonAbsoluteTimeout)
	_, err = a.CheckID(t.Context(), "ada", g.Session.ID)
	hasEnded(t, err, g.Session.ID, oneseat.ReasonAbsoluteTimeout)
}

func timedOut(t *testing.T, fresh Factory, created, before, after time.Duration, reason oneseat.Reason) {
	t.Helper()
	ns := nodes(t, fresh, 2)
	a, b := registry(t, ns[0], timeouts), registry(t, ns[1], timeouts)
	f := follow(t, ns[1])
	g := signIn(t, a, "ada", oneseat.SignInRequest{})
	makeOlder(t, ns[0], g, created, before)
	if _, err := b.Peek(t.Context(), string(g.Token)); err != nil {
		t.Errorf("half a minute before its time the session is refused: %v", err)
	}
	makeOlder(t, ns[0], g, created, after)
	if s := live(t, a, "ada"); len(s) != 0 {
		t.Errorf("a session that has timed out is listed: %+v", s)
	}
	_, err := b.Check(t.Context(), string(g.Token))
	hasEnded(t, err, g.Session.ID, reason)
	recorded(t, ns, f, g, reason)
	_, err = a.CheckID(t.Context(), "ada", g.Session.ID)
	hasEnded(t, err, g.Session.ID, reason)
}

func recordedOnce(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	f := follow(t, ns[1])
	rs := []*oneseat.Registry{registry(t, ns[0], timeouts), registry(t, ns[1], timeouts)}
	g := signIn(t, rs[0], "ada", oneseat.SignInRequest{})
	makeOlder(t, ns[0], g, 2*time.Hour, 61*time.Minute)
	start := make(chan struct{})
	errs := make([]error, 16)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			<-start
			_, errs[i] = rs[i%2].Check(t.Context(), string(g.Token))
		})
	}
	close(start)
	wg.Wait()
	recorded(t, ns, f, g, oneseat.ReasonIdleTimeout)
	first, _ := errors.AsType[*oneseat.EndedError](errs[0])
	for _, err := range errs {
		hasEnded(t, err, g.Session.ID, oneseat.ReasonIdleTimeout)
		if e, ok := errors.AsType[*oneseat.EndedError](err); ok && first != nil && !e.Ending.At.Equal(first.Ending.At) {
			t.Errorf("one check says that it ended at %v, another at %v", e.Ending.At, first.Ending.At)
		}
	}
}

func freesSeat(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	c := timeouts
	c.WhenFull, c.Limit = oneseat.PolicyRefuse, 2
	a, b := registry(t, ns[0], c), registry(t, ns[1], c)
	first, second := signIn(t, a, "ada", oneseat.SignInRequest{}), signIn(t, b, "ada", oneseat.SignInRequest{})
	_, err := b.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
	if _, ok := errors.AsType[*oneseat.LimitError](err); !ok {
		t.Fatalf("a third sign-in returned %v, want an *oneseat.LimitError", err)
	}
	makeOlder(t, ns[0], first, 2*time.Hour, 61*time.Minute)
	third := signIn(t, b, "ada", oneseat.SignInRequest{})
	_, err = a.Check(t.Context(), string(first.Token))
	hasEnded(t, err, first.Session.ID, oneseat.ReasonIdleTimeout)
	if s := live(t, a, "ada"); len(s) != 2 || s[0].ID != third.Session.ID || s[1].ID != second.Session.ID {
		t.Errorf("live are %+v, want the third and the second", s)
	}
}

func activity(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	a, b := registry(t, ns[0], timeouts), registry(t, ns[1], timeouts)
	g := signIn(t, a, "ada", oneseat.SignInRequest{})
	f := follow(t, ns[1])
	for i, since := range []time.Duration{
		58 * time.Minute, // near the deadline: it is written before the answer
		20 * time.Minute, // otherwise in the background
	} {
		makeOlder(t, ns[0], g, 20*time.Hour, since)
		before := ns[0].load(t, key("ada"))
		was := record.Of(before.Roster).Seats[0]
		if _, err := b.Check(t.Context(), string(g.Token)); err != nil {
			t.Fatal(err)
		}
		var s record.Seat
		for begun := time.Now(); ; {
			if s = record.Of(ns[0].load(t, key("ada")).Roster).Seats[0]; !s.LastSeen.Before(before.Now) {
				break
			}
			if i == 0 || time.Since(begun) > patience {
				t.Fatalf("last seen at %v, and it was checked after %v", s.LastSeen, before.Now)
			}
		}
		if s.Created != was.Created {
			t.Errorf("activity moved the sign-in from %v to %v", was.Created, s.Created)
		}
	}
	if es := f.read(t); len(es) > 0 {
		t.Errorf("activity is in the log: %+v", es)
	}
	makeOlder(t, ns[0], g, 25*time.Hour, 0)
	_, err := b.Check(context.WithoutCancel(t.Context()), string(g.Token))
	hasEnded(t, err, g.Session.ID, oneseat.ReasonAbsoluteTimeout)
}

func dueByRule(t *testing.T, fresh Factory) {
	n := nodes(t, fresh, 1)[0]
	r := registry(t, n, timeouts)
	g := signIn(t, r, "ada", oneseat.SignInRequest{})
	if at := n.load(t, key("ada")).Roster.Due; !at.Equal(g.Session.LastSeen.Add(time.Hour)) {
		t.Errorf("a session of %v is due at %v, want an hour later", g.Session.LastSeen, at)
	}
	if ks := listDue(t, n, realm, 10); len(ks) != 0 {
		t.Errorf("%v are due at once", ks)
	}
}
