package redisstore_test

import (
	"errors"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/testservers"
	"github.com/oneseat/oneseat/store/redisstore"
)

// TestAServersClockThatIsSetUndoesNothing sets the clock by an hour, forward and
// back, between sign-ins of one account on two nodes.
func TestAServersClockThatIsSetUndoesNothing(t *testing.T) {
	t.Parallel()
	r, set := testservers.StartRedisWithAClock(t)
	s, other := open(t, r.URL, redisstore.Options{}), open(t, r.URL, redisstore.Options{})
	node := func(s *redisstore.Store) *oneseat.Registry {
		seats, err := oneseat.New(s, oneseat.Config{MaxStale: oneseat.FreshAlways, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = seats.Close() })
		return seats
	}
	nodes := []*oneseat.Registry{node(s), node(other)}
	_, _, from := read(t, s, "ada", "")
	next, last := from, uint64(0)
	var grants []oneseat.Grant
	signedOut := map[oneseat.SessionID]bool{}
	for i, ahead := range []time.Duration{0, time.Hour, 0, -time.Hour, time.Hour, -time.Hour, 0} {
		set(ahead)
		for _, n := range []*oneseat.Registry{nodes[i%2], nodes[1-i%2], nodes[i%2]} {
			g, err := n.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
			if err != nil {
				t.Fatal(err)
			}
			grants = append(grants, g)
			vs, err := other.Load(t.Context(), key("ada"))
			if err != nil || vs[0].Version <= last {
				t.Fatalf("%v ahead: version %d after %d, %v", ahead, vs[0].Version, last, err)
			}
			last = vs[0].Version
		}
		if i%3 == 1 {
			g := grants[len(grants)-1]
			if err := nodes[0].SignOut(t.Context(), string(g.Token)); err != nil {
				t.Fatal(err)
			}
			signedOut[g.Session.ID] = true
		}
		for n, g := range grants {
			for _, node := range nodes {
				_, err := node.Check(t.Context(), string(g.Token))
				over, ended := errors.AsType[*oneseat.EndedError](err)
				live := n == len(grants)-1 && !signedOut[g.Session.ID]
				switch {
				case live && err != nil:
					t.Fatalf("%v ahead: the newest: %v", ahead, err)
				case !live && !ended:
					t.Fatalf("%v ahead: sign-in %d of %d: %v, want that it has ended", ahead, n, len(grants), err)
				case ended && (over.Ending.Reason == oneseat.ReasonSignedOut) != signedOut[g.Session.ID]:
					t.Fatalf("%v ahead: %v", ahead, over)
				}
			}
		}
		// The rest of the log comes in the order of versions.
		es, gap, to := read(t, other, "ada", next)
		all, gapOfAll, _ := read(t, s, "ada", from)
		if gap || gapOfAll || len(es) == 0 {
			t.Fatalf("%v ahead: %d entries, gaps %v, %v", ahead, len(es), gap, gapOfAll)
		}
		mine := uint64(0)
		for _, e := range all {
			if e.Key != key("ada") {
				continue
			}
			if e.Version <= mine {
				t.Fatalf("%v ahead: in the log version %d comes after %d", ahead, e.Version, mine)
			}
			mine = e.Version
		}
		next = to
	}
	if es, gap, _ := read(t, s, "ada", from); gap || len(es) < len(grants) {
		t.Errorf("%d entries of %d sign-ins, gap %v", len(es), len(grants), gap)
	}
}

// TestAServersClockThatIsSetTimesOutAccordingly tests what docs/operations.md says.
// A session times out earlier by as much as the clock was set forward, and later by
// as much as it was set back.
func TestAServersClockThatIsSetTimesOutAccordingly(t *testing.T) {
	t.Parallel()
	r, set := testservers.StartRedisWithAClock(t)
	node := func() *oneseat.Registry {
		seats, err := oneseat.New(open(t, r.URL, redisstore.Options{}), oneseat.Config{
			MaxStale: oneseat.FreshAlways, Idle: oneseat.NoTimeout, Absolute: 2 * time.Hour, Logger: quiet,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = seats.Close() })
		return seats
	}
	a, b := node(), node()
	in := func(account string) oneseat.Grant {
		t.Helper()
		g, err := a.SignIn(t.Context(), account, oneseat.SignInRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	ended := func(what string, g oneseat.Grant, want bool) {
		t.Helper()
		for _, n := range []*oneseat.Registry{a, b} {
			_, err := n.Check(t.Context(), string(g.Token))
			over, is := errors.AsType[*oneseat.EndedError](err)
			if is != want || is && over.Ending.Reason != oneseat.ReasonAbsoluteTimeout || !is && err != nil {
				t.Errorf("%s: ended %v, want %v: %v", what, is, want, err)
			}
		}
	}
	// The clock goes forward an hour and back: what was issued in between lasts an
	// hour longer.
	set(time.Hour)
	g := in("ada")
	set(0)
	h := in("grace")
	const moment = time.Minute
	set(2*time.Hour - moment)
	ended("two hours, less a moment", h, false)
	set(2*time.Hour + moment)
	ended("two hours", h, true)
	ended("issued an hour ahead", g, false)
	set(0) // what has ended stays ended
	ended("set back", h, true)
	set(3*time.Hour - moment)
	ended("three hours, less a moment", g, false)
	set(3*time.Hour + moment)
	ended("three hours", g, true)
	set(0)
	ended("set back again", g, true)
	// The account's time is never before its last update, so the new session has
	// its two hours from there.
	again := in("ada")
	set(5*time.Hour - moment)
	ended("from where its account stands", again, false)
	set(5*time.Hour + 2*moment)
	ended("from where its account stands, at the end", again, true)
}
