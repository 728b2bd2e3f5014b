package oneseat_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// observing is a configuration that only observes.
func observing(policy oneseat.Policy) oneseat.Config {
	return oneseat.Config{WhenFull: policy, ObserveOnly: true, MaxStale: time.Minute}
}

// wouldHave lists what the log says would have been, with a letter for each
// session in the order of their sign-ins.
func wouldHave(t testing.TB, h oneseat.History) []string {
	t.Helper()
	letter := map[oneseat.SessionID]string{"": "nobody"}
	var out []string
	for _, e := range logged(t, h, "ada") {
		if e.Type == oneseat.EventSessionWouldEnd || e.Type == oneseat.EventSignInWouldBeRefused {
			if _, ok := letter[e.Session]; !ok { // it is told of before it is admitted
				letter[e.Session] = string(rune('a' + len(letter) - 1))
			}
			if _, ok := letter[e.By]; !ok {
				letter[e.By] = string(rune('a' + len(letter) - 1))
			}
		}
		switch e.Type {
		case oneseat.EventSessionCreated, oneseat.EventStreamStarted:
			if _, ok := letter[e.Session]; !ok {
				letter[e.Session] = string(rune('a' + len(letter) - 1))
			}
		case oneseat.EventSessionWouldEnd:
			out = append(out, fmt.Sprintf("%s by %s: %s", letter[e.Session], letter[e.By], e.Reason))
		case oneseat.EventSignInWouldBeRefused:
			out = append(out, letter[e.Session]+" refused")
		}
	}
	return out
}

func wantWouldHave(t testing.TB, r node, want ...string) {
	t.Helper()
	if got := wouldHave(t, r.Store.(oneseat.History)); !slices.Equal(got, want) {
		t.Errorf("the log says %q, want %q", got, want)
	}
}

// No session ends and no sign-in is refused. The log and the figures say once for each
// what the limits would have done.
func TestObservedLimitsLetEverybodyIn(t *testing.T) {
	for _, tt := range []struct {
		policy                  oneseat.Policy
		want                    []string
		wouldDisplace, wouldRef uint64
	}{
		{oneseat.PolicyDisplace, []string{"a by b: displaced", "b by c: displaced", "c by d: displaced"}, 3, 0},
		{oneseat.PolicyRefuse, []string{"b refused", "c refused", "d refused"}, 0, 3},
		{oneseat.PolicyAsk, []string{"b refused", "c refused", "d refused"}, 0, 3},
	} {
		t.Run(string(tt.policy), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newNode(t, memstore.New(), observing(tt.policy))
				g := signInAll(t, r, 4)
				for _, there := range g {
					wantLive(t, r, there)
				}
				wantWouldHave(t, r, tt.want...)
				if s := r.Stats(); s.SignIns != 4 || s.WouldDisplace != tt.wouldDisplace || s.WouldRefuse != tt.wouldRef || s.Displaced+s.Refused+s.Asked != 0 {
					t.Errorf("stats: %+v", s)
				}
				events := logged(t, r.Store.(oneseat.History), "ada")
				if count(events, oneseat.EventSessionEnded)+count(events, oneseat.EventSignInRefused)+count(events, oneseat.EventSignInAsked)+count(events, oneseat.EventTakeoverNoticed) != 0 {
					t.Errorf("events: %+v", events)
				}
				if ro := stored(t, r.Store, "ada").Roster; len(ro.Pending)+len(ro.Endings) != 0 {
					t.Errorf("stored is %+v", ro)
				}
				for i, seat := range stored(t, r.Store, "ada").Roster.Seats {
					if seat.Observed != (i > 0 && tt.policy != oneseat.PolicyDisplace || i < 3 && tt.policy == oneseat.PolicyDisplace) {
						t.Errorf("seat %d: %+v", i, seat)
					}
				}
			})
		})
	}
}

// A session that would have ended, or would not have been admitted, does not count
// against the next newcomer. It can still be renewed, ended and blocked as any other.
func TestWhatWouldHaveEndedDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), observing(oneseat.PolicyRefuse))
		a := signIn(t, r, "ada", oneseat.SignInRequest{})
		signIn(t, r, "ada", oneseat.SignInRequest{}) // b
		if err := r.SignOut(t.Context(), string(a.Token)); err != nil {
			t.Fatal(err)
		}
		c := signIn(t, r, "ada", oneseat.SignInRequest{}) // b does not count
		signIn(t, r, "ada", oneseat.SignInRequest{})      // d
		wantWouldHave(t, r, "b refused", "d refused")
		again := signIn(t, r, "ada", oneseat.SignInRequest{Token: string(c.Token)})
		wantEnded(t, r, c, oneseat.ReasonRenewed)
		wantWouldHave(t, r, "b refused", "d refused")
		if n, err := r.EndOthers(t.Context(), "ada", again.Session.ID, oneseat.EndOptions{}); n != 2 || err != nil {
			t.Error(n, err)
		}
		block(t, r, time.Time{}, "")
		_, err := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
		wantBlocked(t, err, time.Time{})
		wantEnded(t, r, again, oneseat.ReasonAccountBlocked)
	})

	// Presenting the token of a session that would have gone takes a seat anew.
	r := newNode(t, memstore.New(), observing(oneseat.PolicyDisplace))
	first := signIn(t, r, "ada", oneseat.SignInRequest{})
	signIn(t, r, "ada", oneseat.SignInRequest{})
	signIn(t, r, "ada", oneseat.SignInRequest{Token: string(first.Token)})
	wantEnded(t, r, first, oneseat.ReasonRenewed)
	wantWouldHave(t, r, "a by b: displaced", "b by c: displaced")
}

// A roster has a bound whatever is observed: at the ceiling the idlest really goes.
func TestObservedLimitsHaveTheCeiling(t *testing.T) {
	for _, policy := range []oneseat.Policy{oneseat.PolicyDisplace, oneseat.PolicyRefuse} {
		r := newNode(t, memstore.New(), observing(policy))
		var all []oneseat.Grant
		for range oneseat.MaxSeats {
			all = append(all, signIn(t, r, "ada", oneseat.SignInRequest{}))
		}
		if n := len(liveIDs(t, r.Store, "ada")); n != oneseat.MaxSeats {
			t.Fatalf("%d live", n)
		}
		one := signIn(t, r, "ada", oneseat.SignInRequest{Device: phone})
		if e := wantEnded(t, r, all[0], oneseat.ReasonDisplaced); e.By != one.Session.ID || e.ByDevice != phone {
			t.Errorf("the ending is %+v", e)
		}
		wantLive(t, r, all[1])
		if n := len(liveIDs(t, r.Store, "ada")); n != oneseat.MaxSeats {
			t.Errorf("%d live", n)
		}
		if n := len(wouldHave(t, r.Store.(oneseat.History))); n != oneseat.MaxSeats {
			t.Errorf("%d would have", n)
		}
	}
}

func TestObservedStreams(t *testing.T) {
	r := newNode(t, memstore.New(), observing(oneseat.PolicyDisplace))
	g := signIn(t, r, "ada", oneseat.SignInRequest{}) // a
	first := play(t, r, g.Session, "0")               // b
	play(t, r, g.Session, "1")                        // c
	play(t, r, g.Session, "1")
	wantWouldHave(t, r, "c refused")
	events := logged(t, r.Store.(oneseat.History), "ada")
	for _, e := range events {
		if e.Type == oneseat.EventSignInWouldBeRefused && e.Parent != g.Session.ID {
			t.Errorf("the event is %+v", e)
		}
	}
	for i := 2; i < oneseat.MaxStreams; i++ {
		play(t, r, g.Session, fmt.Sprint(i))
	}
	beat(t, r, g.Session, first)
	last := play(t, r, g.Session, "one more")
	wantEnding(t, r.Heartbeat(t.Context(), g.Session, first.ID), first.ID, oneseat.ReasonDisplaced)
	if list, err := r.Streams(t.Context(), "ada"); err != nil || len(list) != oneseat.MaxStreams || list[0].ID != last.ID {
		t.Errorf("%d streams, %v", len(list), err)
	}
	wantLive(t, r, g)

	// A stream that a viewer would have ended is reported once.
	r = newNode(t, memstore.New(), observing(oneseat.PolicyDisplace))
	g = signIn(t, r, "ada", oneseat.SignInRequest{})
	b := play(t, r, g.Session, "b")
	play(t, r, g.Session, "c", b.ID)
	play(t, r, g.Session, "d", b.ID)
	beat(t, r, g.Session, b)
	wantWouldHave(t, r, "b by c: displaced", "d refused")
}

// A limit that is lowered is observed as well: there is one event for each session, with
// the actor.
func TestALoweredLimitIsObserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		c := observing(oneseat.PolicyDisplace)
		c.Limit, c.Streams = 4, 3
		r := newNode(t, store, c)
		g := signInAll(t, r, 4)             // a b c d
		s1 := play(t, r, g[3].Session, "1") // e
		time.Sleep(time.Second)
		s2 := play(t, r, g[3].Session, "2") // f
		setLimit(t, r, oneseat.Limits{Total: 2, Streams: 1})
		wantWouldHave(t, r, "a by nobody: limit_lowered", "b by nobody: limit_lowered", "e by nobody: limit_lowered")
		for _, e := range logged(t, store, "ada") {
			if e.Type == oneseat.EventSessionWouldEnd && e.Actor != "staff" {
				t.Errorf("the event is %+v", e)
			}
		}
		for range 2 {
			if err := r.RefreshLimits(t.Context(), "ada"); err != nil {
				t.Fatal(err)
			}
		}
		wantWouldHave(t, r, "a by nobody: limit_lowered", "b by nobody: limit_lowered", "e by nobody: limit_lowered")
		for _, there := range g {
			wantLive(t, r, there)
		}
		beat(t, r, g[3].Session, s1)
		beat(t, r, g[3].Session, s2)

		// One in the configuration likewise, at a sign-in that would be refused.
		c = observing(oneseat.PolicyRefuse)
		c.Streams = 3
		store2 := memstore.New()
		wide := c
		wide.Limit = 3
		r = newNode(t, store2, wide)
		signInAll(t, r, 3)
		r = newNode(t, store2, c)
		signIn(t, r, "ada", oneseat.SignInRequest{})
		signIn(t, r, "ada", oneseat.SignInRequest{})
		wantWouldHave(t, r, "d refused", "a by nobody: limit_lowered", "b by nobody: limit_lowered", "e refused")
	})
}

// Once the limits are enforced, the sessions that were marked count again: they end at
// the next sign-in, under each policy.
func TestEnforcingWhatWasObservedTrimsAtTheNextSignIn(t *testing.T) {
	for _, policy := range []oneseat.Policy{oneseat.PolicyDisplace, oneseat.PolicyRefuse, oneseat.PolicyAsk} {
		t.Run(string(policy), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := memstore.New()
				g := signInAll(t, newNode(t, store, observing(policy)), 3)
				r := newNode(t, store, oneseat.Config{WhenFull: policy, MaxStale: time.Minute})
				for _, there := range g {
					wantLive(t, r, there)
				}
				if policy == oneseat.PolicyDisplace {
					one := signIn(t, r, "ada", oneseat.SignInRequest{})
					wantIDs(t, store, "ada", one.Session.ID)
					wantEnded(t, r, g[2], oneseat.ReasonDisplaced)
					return
				}
				if full := refused(t, r, "ada", oneseat.SignInRequest{}); len(full.Live) != 1 || full.Limit != 1 {
					t.Errorf("it says %+v", full)
				}
				wantIDs(t, store, "ada", g[2].Session.ID)
				wantEnded(t, r, g[0], oneseat.ReasonLimitLowered)
			})
		})
	}
}

// A ticket from before limits were only observed ends nobody either.
func TestATicketThatIsRedeemedWhileObserving(t *testing.T) {
	store := memstore.New()
	there := signIn(t, newNode(t, store, asking), "ada", oneseat.SignInRequest{})
	ticket := refused(t, newNode(t, store, asking), "ada", oneseat.SignInRequest{}).Ticket
	r := newNode(t, store, observing(oneseat.PolicyAsk))
	wantLive(t, r, redeem(t, r, ticket, oneseat.SignInRequest{}, there.Session.ID))
	wantLive(t, r, there)
	wantWouldHave(t, r, "a by b: displaced")
	_, err := r.Redeem(t.Context(), ticket, oneseat.SignInRequest{}, there.Session.ID)
	wantTicketError(t, "used again", err)
}

// An adoption is let in, and counted, like a sign-in. A session that cannot be adopted
// at all is neither.
func TestAnAdoptionWhileObserving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issued := time.Now()
		time.Sleep(time.Hour)
		c := observing(oneseat.PolicyDisplace)
		c.AdoptUntil = time.Now().Add(time.Hour)
		r := newNode(t, memstore.New(), c)
		later := signIn(t, r, "ada", oneseat.SignInRequest{})
		older, err := r.Adopt(t.Context(), "ada", issued, oneseat.SignInRequest{})
		if err != nil {
			t.Fatal(err)
		}
		wantLive(t, r, later)
		wantLive(t, r, older)
		wantWouldHave(t, r, "b refused")
		newer := signIn(t, r, "grace", oneseat.SignInRequest{})
		time.Sleep(time.Minute)
		if _, err := r.Adopt(t.Context(), "grace", time.Now(), oneseat.SignInRequest{}); err != nil {
			t.Fatal(err)
		}
		wantLive(t, r, newer)
		if s := r.Stats(); s.WouldRefuse != 1 || s.WouldDisplace != 1 || s.Displaced != 0 || s.SignIns != 2 {
			t.Errorf("stats: %+v", s)
		}
		if err := r.SignOut(t.Context(), string(later.Token)); err != nil {
			t.Fatal(err)
		}
		_, err = r.Adopt(t.Context(), "ada", issued, oneseat.SignInRequest{})
		wantError(t, err, oneseat.ErrNoSession)
	})
}
