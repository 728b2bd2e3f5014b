package oneseat

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var plain = rule{realm: "r", limits: Limits{Total: 1, Streams: 1}, whenFull: PolicyDisplace, displaceOrder: DisplaceIdlest, streamIdle: time.Minute, idle: time.Hour, absolute: 24 * time.Hour, keepEndings: 30 * 24 * time.Hour}

func limited(limit int, policy Policy) rule {
	r := plain
	r.limits.Total, r.whenFull = limit, policy
	return r
}

// adopting is a rule under which older sessions are seated still.
func adopting(r rule) rule {
	r.adoptUntil = at(time.Hour)
	return r
}

func withinClasses(r rule, kv ...any) rule {
	r.limits.Classes = classes(kv...)
	return r
}

// full is a roster of so many sessions, the idlest in the middle.
func full(n int) *Roster {
	ro := aRoster()
	for i := range n {
		ro.seats = append(ro.seats, aSeat(fmt.Sprintf("s%03d", i), seen(time.Duration(i+1)*time.Second)))
	}
	ro.seats[n/2].LastSeen = noon
	return ro
}

func TestDecideTable(t *testing.T) {
	three := func() *Roster {
		return aRoster(aSeat("a", seen(3*time.Second)), aSeat("b", seen(1*time.Second)), aSeat("c", seen(2*time.Second)))
	}
	for _, tt := range []struct {
		name string
		ro   *Roster
		v    *Roster // what the store has, if it is another than ro
		c    newcomer
		try  time.Time // of a retry: when the first try was
		rule rule
		want Decision
	}{
		{name: "nobody is there", ro: aRoster(), rule: plain},
		{name: "there is room", ro: three(), rule: limited(4, PolicyDisplace)},
		{name: "full: the idlest goes", ro: three(), rule: limited(3, PolicyDisplace), want: Decision{Displaces: []SessionID{"b"}}},
		{name: "the limit was lowered: the idlest go, in that order", ro: three(), rule: limited(1, PolicyDisplace), want: Decision{Displaces: []SessionID{"b", "c", "a"}}},
		{
			name: "among the equally idle the first to sign in goes", rule: limited(2, PolicyDisplace),
			ro: aRoster(aSeat("a", created(-time.Second)), aSeat("b", created(-time.Minute))), want: Decision{Displaces: []SessionID{"b"}},
		},
		{
			name: "among the entirely equal the first in the roster goes", rule: limited(2, PolicyDisplace),
			ro: aRoster(aSeat("a"), aSeat("b")), want: Decision{Displaces: []SessionID{"a"}},
		},
		{
			name: "one on the newcomer's own device goes first", rule: limited(3, PolicyDisplace),
			ro: aRoster(aSeat("a", seen(0)), aSeat("b", seen(time.Second), device("d")), aSeat("c", seen(2*time.Second))),
			c:  newcomer{seat: aSeat("new", device("d"))}, want: Decision{Displaces: []SessionID{"b"}},
		},
		{
			name: "one on the newcomer's own device does not go while there is room", rule: limited(2, PolicyDisplace),
			ro: aRoster(aSeat("a", device("d"))), c: newcomer{seat: aSeat("new", device("d"))},
		},
		{
			name: "no device id is not the same device", rule: limited(2, PolicyDisplace),
			ro: aRoster(aSeat("a", seen(time.Second), device("d")), aSeat("b", seen(2*time.Second))), want: Decision{Displaces: []SessionID{"a"}},
		},
		{name: "its own token renews", ro: three(), rule: limited(3, PolicyDisplace), c: newcomer{presented: dig("a")}, want: Decision{Renews: "a"}},
		{name: "its own token renews under refuse", ro: three(), rule: limited(3, PolicyRefuse), c: newcomer{presented: dig("a")}, want: Decision{Renews: "a"}},
		{
			name: "a lowered limit trims at a renewal, but not who is renewed", ro: three(), rule: limited(2, PolicyDisplace),
			c: newcomer{presented: dig("b")}, want: Decision{Renews: "b", Displaces: []SessionID{"c"}},
		},
		{name: "an older session after its day", ro: aRoster(), rule: plain, c: newcomer{adopted: true}, want: Decision{Outcome: OutcomeRefused}},
		{
			name: "an older session under ask: nobody is there to be asked", ro: aRoster(aSeat("a", created(-time.Hour))),
			rule: adopting(limited(1, PolicyAsk)), c: newcomer{adopted: true, issued: at(-time.Minute)}, want: Decision{Outcome: OutcomeRefused},
		},
		{
			name: "an older session displaces an older one", ro: aRoster(aSeat("a", created(-time.Hour))),
			rule: adopting(plain), c: newcomer{adopted: true, issued: at(-time.Minute)}, want: Decision{Displaces: []SessionID{"a"}},
		},
		{
			name: "an older session displaces an older one of its class", ro: aRoster(aSeat("a", created(-time.Hour), class(ClassMobile)), aSeat("b", created(-2*time.Hour))),
			rule: withinClasses(adopting(limited(9, PolicyDisplace)), "mobile", 1), c: newcomer{seat: aSeat("new", class(ClassMobile)), adopted: true, issued: at(-time.Minute)},
			want: Decision{Displaces: []SessionID{"a"}},
		},
		{
			name: "an older session does not displace a later sign-in", ro: aRoster(aSeat("a", created(-time.Minute))),
			rule: adopting(plain), c: newcomer{adopted: true, issued: at(-time.Hour)}, want: Decision{Outcome: OutcomeRefused},
		},
		{name: "full under refuse", ro: three(), rule: limited(3, PolicyRefuse), want: Decision{Outcome: OutcomeRefused}},
		{name: "full under refuse, on one's own device", ro: aRoster(aSeat("a", device("d"))), rule: limited(1, PolicyRefuse), c: newcomer{seat: aSeat("new", device("d"))}, want: Decision{Displaces: []SessionID{"a"}}},
		{name: "full under refuse, but the owner is vouched for", ro: three(), rule: limited(3, PolicyRefuse), c: newcomer{override: true}, want: Decision{Displaces: []SessionID{"b"}}},
		{name: "room under refuse", ro: three(), rule: limited(4, PolicyRefuse)},
		{name: "unlimited: one below the ceiling", ro: full(MaxSeats - 1), rule: limited(Unlimited, PolicyRefuse)},
		{name: "unlimited: at the ceiling the idlest goes, under refuse too", ro: full(MaxSeats), rule: limited(Unlimited, PolicyRefuse), want: Decision{Displaces: []SessionID{"s128"}}},
		{name: "an earlier try is live", ro: aRoster(aSeat("new")), rule: plain, want: Decision{Outcome: outcomeAlready}},
		{name: "an earlier try is live, and the account is full", ro: aRoster(aSeat("new")), rule: limited(1, PolicyRefuse), want: Decision{Outcome: outcomeAlready}},
		{name: "an earlier try was ended", ro: aRoster(anEnding("new", ReasonDisplaced, 0, "x")), rule: plain, want: Decision{Outcome: outcomeAlready}},
		{name: "an earlier try may have been forgotten", ro: aRoster(at(0)), v: aRoster(at(0)), rule: plain, try: at(-1), want: Decision{Outcome: outcomeUnknown}},
		{name: "an earlier try may have been forgotten at that moment", ro: aRoster(at(0)), v: aRoster(at(0)), rule: plain, try: at(0), want: Decision{Outcome: outcomeUnknown}},
		{name: "what was forgotten is older than the first try", ro: aRoster(at(0)), v: aRoster(at(0)), rule: plain, try: at(1)},
		{name: "the first try need not ask what was forgotten", ro: aRoster(at(0)), rule: plain},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.c.seat.ID == "" {
				tt.c.seat = aSeat("new")
			}
			before := snapshot(t, tt.ro)
			d := draftOf(tt.ro, time.Minute, tt.rule)
			d.was, d.given.firstTryAt = viewAt(tt.v, time.Minute), tt.try
			same(t, "decision", brief(d.decide(tt.c)), brief(tt.want))
			same(t, "the roster afterwards", snapshot(t, tt.ro), before)
		})
	}
}

// An attempt that was first made at d.tried or before may have been made, and forgotten.
func TestAnAttemptThatMayHaveBeenForgottenIsNotMadeAgain(t *testing.T) {
	for tried, want := range map[time.Duration]Outcome{-time.Microsecond: outcomeUnknown, 0: outcomeUnknown, time.Microsecond: OutcomeAdmitted} {
		d := draftOf(aRoster(), time.Minute, plain)
		d.tried = at(0)
		same(t, tried.String(), d.decide(newcomer{seat: aSeat("new"), tried: at(tried)}).Outcome, want)
	}
}

// brief is what a decision comes to, without its why; no outcome means admitted.
func brief(d Decision) Decision {
	return Decision{Outcome: cmp.Or(d.Outcome, OutcomeAdmitted), Renews: d.Renews, Displaces: d.Displaces}
}

func TestSameBrowserIsKnownByItsTokenOrByOneRenewedWithinTheLastMinute(t *testing.T) {
	const minute, tick = time.Minute, time.Microsecond
	for _, tt := range []struct {
		name      string
		ro        *Roster
		presented string
		now       time.Duration
		want      SessionID
	}{
		{name: "no token", ro: aRoster(aSeat("a")), want: ""},
		{name: "a live token", ro: aRoster(aSeat("a"), aSeat("b")), presented: "b", want: "b"},
		{name: "a token of nobody", ro: aRoster(aSeat("a")), presented: "x", want: ""},
		{name: "renewed just now", ro: aRoster(aSeat("b"), anEnding("a", ReasonRenewed, 0, "b")), presented: "a", want: "b"},
		{name: "renewed almost a minute ago", ro: aRoster(aSeat("b"), anEnding("a", ReasonRenewed, 0, "b")), presented: "a", now: minute - tick, want: "b"},
		{name: "renewed a minute ago", ro: aRoster(aSeat("b"), anEnding("a", ReasonRenewed, 0, "b")), presented: "a", now: minute, want: ""},
		{name: "renewed and renewed and renewed", presented: "a", now: minute - tick, want: "d", ro: aRoster(
			anEnding("a", ReasonRenewed, 0, "b"), anEnding("b", ReasonRenewed, time.Second, "c"), anEnding("c", ReasonRenewed, 2*time.Second, "d"), aSeat("d"))},
		{name: "renewed, and the successor signed out", presented: "a", want: "", ro: aRoster(
			anEnding("a", ReasonRenewed, 0, "b"), anEnding("b", ReasonSignedOut, time.Second, "b"), aSeat("c"))},
		{name: "renewed, and the successor displaced", presented: "a", want: "", ro: aRoster(
			anEnding("a", ReasonRenewed, 0, "b"), anEnding("b", ReasonDisplaced, time.Second, "c"), aSeat("c"))},
		{name: "renewed, and the successor forgotten", ro: aRoster(anEnding("a", ReasonRenewed, 0, "b"), aSeat("c")), presented: "a", want: ""},
		{name: "displaced", ro: aRoster(anEnding("a", ReasonDisplaced, 0, "b"), aSeat("b")), presented: "a", want: ""},
		{name: "signed out", ro: aRoster(anEnding("a", ReasonSignedOut, 0, "a"), aSeat("b")), presented: "a", want: ""},
		{name: "rotated away just now", ro: aRoster(aSeat("a", rotated(0))), presented: "old a", want: ""},
		{name: "rotated away long ago", ro: aRoster(aSeat("a", rotated(0))), presented: "old a", now: minute, want: ""},
		{name: "rotated away, and then renewed", ro: aRoster(aSeat("b"), former(anEnding("a", ReasonRenewed, 0, "b"))), presented: "old a", want: ""},
		{name: "endings that lead in a circle", presented: "a", want: "", ro: aRoster(
			anEnding("a", ReasonRenewed, 0, "b"), anEnding("b", ReasonRenewed, 0, "a"))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var d digest
			if tt.presented != "" {
				d = dig(tt.presented)
			}
			same(t, "session", draftOf(tt.ro, tt.now, plain).sameBrowser(&newcomer{presented: d}), tt.want)
		})
	}
}

// former is an ending within the grace of the token before a rotation.
func former(e ended) ended {
	e.previous = dig("old " + string(e.Session))
	return e
}

func TestApplyEndsWhoGoesAndSeatsTheNewcomer(t *testing.T) {
	old := aRoster(aSeat("a"), aSeat("b"), aSeat("c"), anEnding("z", ReasonSignedOut, -time.Minute, "z"))
	before := snapshot(t, old)
	v := viewAt(old, time.Minute)
	worked := settled(v, 1, plain)
	c := newcomer{seat: aSeat("new", created(-time.Hour), seen(-time.Hour))}
	worked.events = []Event{{Type: EventSessionEnded, Session: "settled"}}
	got := worked.apply(c, Decision{Renews: "b", Displaces: []SessionID{"c", "a"}})

	same(t, "the stored roster afterwards", snapshot(t, old), before)
	same(t, "seats", seatIDs(got.Roster), []SessionID{"new"})
	s := got.Roster.seats[0]
	same(t, "the newcomer", s.Session, Session{ID: "new", Account: "ada", Device: c.seat.Device, Created: v.Now, LastSeen: v.Now, Proved: v.Now})
	same(t, "endings", endingIDs(got.Roster), []SessionID{"z", "b", "c", "a"})
	for i, why := range map[int]Reason{1: ReasonRenewed, 2: ReasonDisplaced, 3: ReasonDisplaced} {
		e := got.Roster.endings[i]
		same(t, "ending", e.Ending, Ending{
			Session: e.Session, Reason: why, At: v.Now, By: "new",
			Device: aSeat(string(e.Session)).Device, ByDevice: c.seat.Device,
		})
		same(t, "its secret", e.secret, dig(string(e.Session)))
	}
	same(t, "due", got.Roster.Due, at(time.Hour+time.Minute))
	var told []string
	for _, e := range got.Events {
		told = append(told, fmt.Sprintf("%s %s %s", e.Type, e.Session, e.Reason))
	}
	same(t, "events", told, []string{
		"session_ended settled ", "session_ended b renewed", "session_ended c displaced", "session_ended a displaced", "session_created new ",
	})
	same(t, "the event of an ending", got.Events[2], Event{
		Type: EventSessionEnded, Realm: "r", Account: "ada", Session: "c", At: v.Now, Version: v.Next(), Reason: ReasonDisplaced,
		By: "new", Device: aSeat("c").Device, ByDevice: c.seat.Device,
	})
	same(t, "as an ending", got.Events[2].Ending(), got.Roster.endings[2].Ending)
	same(t, "the event of the admission", got.Events[4], Event{
		Type: EventSessionCreated, Realm: "r", Account: "ada", Session: "new", At: v.Now, Version: v.Next(), Device: c.seat.Device,
	})
	same(t, "Erase", got.Erase, false)
}

func TestAdmitIsTheOneDoor(t *testing.T) {
	stale := aRoster(aSeat("a", seen(-2*time.Hour)), aSeat("b"))

	change, d := settled(viewAt(nil, 0), 1, plain).admit(newcomer{seat: aSeat("new")})
	same(t, "the first session of an account", []any{d.Outcome, seatIDs(change.Roster), change.Roster.Realm, change.Roster.Account},
		[]any{OutcomeAdmitted, []SessionID{"new"}, "r", "ada"})

	change, d = settled(viewAt(stale, 0), 1, limited(2, PolicyRefuse)).admit(newcomer{seat: aSeat("new")})
	same(t, "a session that has timed out holds no seat", []any{d.Outcome, seatIDs(change.Roster)}, []any{OutcomeAdmitted, []SessionID{"b", "new"}})
	same(t, "and is recorded as such", change.Roster.endings[0].Reason, ReasonIdleTimeout)

	change, d = settled(viewAt(aRoster(aSeat("a")), 0), 2, limited(1, PolicyRefuse)).admit(newcomer{seat: aSeat("new")})
	same(t, "a session of an earlier epoch holds no seat", []any{d.Outcome, seatIDs(change.Roster)}, []any{OutcomeAdmitted, []SessionID{"new"}})
	same(t, "and is recorded as such too", change.Roster.endings[0].Reason, ReasonRealmEnded)

	change, d = settled(viewAt(stale, 0), 1, limited(1, PolicyRefuse)).admit(newcomer{seat: aSeat("new")})
	same(t, "a refusal", []any{d.Outcome, seatIDs(change.Roster), endingIDs(change.Roster)}, []any{OutcomeRefused, []SessionID{"b"}, []SessionID{"a"}})
	same(t, "is told after what was settled", []EventType{change.Events[0].Type, change.Events[1].Type}, []EventType{EventSessionEnded, EventSignInRefused})
	same(t, "and names who was refused", change.Events[1].Session, SessionID("new"))

	admitted := aRoster(aSeat("new"))
	admitted.Due = admitted.due(plain)
	change, d = settled(viewAt(admitted, 0), 1, plain).admit(newcomer{seat: aSeat("new")})
	same(t, "a second try changes nothing", []any{d.Outcome, change}, []any{outcomeAlready, Change{}})

	change, d = settled(viewAt(aRoster(aSeat("new", seen(-2*time.Hour))), 0), 1, plain).admit(newcomer{seat: aSeat("new")})
	same(t, "a second try records a timeout", []any{d.Outcome, endingIDs(change.Roster)}, []any{outcomeAlready, []SessionID{"new"}})

	forgot := aRoster(aSeat("a"), at(0))
	forgot.Due = forgot.due(plain)
	retry := settled(viewAt(forgot, 0), 1, plain)
	retry.given.firstTryAt = at(-1)
	change, d = retry.admit(newcomer{seat: aSeat("new")})
	same(t, "a second try that cannot tell changes nothing", []any{d.Outcome, change}, []any{outcomeUnknown, Change{}})

	for name, c := range map[string]newcomer{
		"an attempt that is too old":         {seat: aSeat("new"), tried: at(-2 * attemptLife)},
		"a session from before oneseat":      {seat: aSeat("new"), adopted: true},
		"a stream of a session that is gone": {seat: aSeat("new", under("x"))},
	} {
		change, d = settled(viewAt(stale, 0), 1, plain).admit(c)
		same(t, name+" gets no seat, and a timeout is recorded all the same", []any{d.admits(), seatIDs(change.Roster), len(change.Events)}, []any{false, []SessionID{"b"}, 1})
	}
}

func TestForgotSaysWhetherARetryCanTell(t *testing.T) {
	absent := viewAt(nil, 0)
	floor := time.UnixMicro(int64(absent.Version))
	for _, tt := range []struct {
		name  string
		v     View
		since time.Time
		want  bool
	}{
		{"nothing was ever forgotten", viewAt(aRoster(), 0), at(0), false},
		{"forgotten before", viewAt(aRoster(at(0)), 0), at(time.Microsecond), false},
		{"forgotten then", viewAt(aRoster(at(0)), 0), at(0), true},
		{"forgotten since", viewAt(aRoster(at(0)), 0), at(-time.Microsecond), true},
		{"erased before", absent, floor.Add(time.Microsecond), false},
		{"erased then", absent, floor, true},
		{"erased since", absent, floor.Add(-time.Microsecond), true},
	} {
		same(t, tt.name, settled(tt.v, 0, plain).forgot(tt.since), tt.want)
	}
}

// P1, for every roster and every rule: what a change commits holds no more live
// sessions than the limit, unless it already did and nobody was admitted;
// nobody is live and ended at once; nothing that was stored is modified.
func TestNoRosterEverHoldsMoreThanTheLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stored, version, now := (*Roster)(nil), uint64(0), noon
		gone := map[SessionID]bool{}
		for n := range rapid.IntRange(1, 40).Draw(t, "steps") {
			rule := rule{
				limits:   Limits{Total: rapid.SampledFrom([]int{1, 1, 2, 3, Unlimited}).Draw(t, "limit"), Streams: 1},
				whenFull: rapid.SampledFrom([]Policy{PolicyDisplace, PolicyRefuse}).Draw(t, "policy"),
				idle:     time.Hour, absolute: 5 * time.Hour, keepEndings: 2 * time.Hour,
			}
			now = now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "minutes")) * time.Minute)
			v := View{Roster: stored, Version: version}.At(now)
			secrets := []string{"nobody"}
			for i := range n {
				secrets = append(secrets, fmt.Sprint(i))
			}
			token := dig(rapid.SampledFrom(secrets).Draw(t, "token"))
			before := snapshot(t, stored)
			var c Change
			switch what := rapid.SampledFrom([]string{"sign in", "sign in", "touch", "rotate", "end", "sign out", "end others", "lower", "block", "settle"}).Draw(t, "what"); {
			case what == "sign in":
				s := aSeat(fmt.Sprint(n), device(rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "device")))
				var d Decision
				c, d = settled(v, 1, rule).admit(newcomer{seat: s, presented: token, override: rapid.Bool().Draw(t, "override")})
				limit := rule.limits.Total
				if stored != nil && stored.limits.Total != 0 {
					limit = stored.limits.Total
				}
				if limit == Unlimited {
					limit = MaxSeats
				}
				if d.Outcome == OutcomeAdmitted && len(c.Roster.seats) > limit {
					t.Fatalf("%d live of %d", len(c.Roster.seats), limit)
				}
				if d.Outcome == OutcomeRefused && (rule.whenFull != PolicyRefuse || limit == MaxSeats || stored == nil || len(c.Roster.seats) < limit) {
					t.Fatalf("refused though there is room: %+v", rule)
				}
			case stored == nil:
			default:
				switch d, i := settled(v, 1, rule), settled(v, 1, rule).bySecret(token); {
				case i < 0 || what == "settle":
					c = d.changed()
				case what == "touch":
					c = d.use(d.seats[i].ID, useActive)
				case what == "rotate":
					c, _ = d.rotate(token, dig(fmt.Sprint(n)))
				case what == "sign out":
					c, _ = d.signOut(token)
				case what == "end others":
					c, _ = d.endWhere(&endRequest{how: EndOptions{Reason: ReasonRevoked}, others: true, keep: d.seats[i].ID})
				case what == "lower":
					c = d.setLimit(Limits{Total: 1}, "")
				case what == "block":
					c, _ = d.block(v.Now.Add(time.Microsecond), "")
				case what == "end":
					d.end(d.seats[i].ID, Ending{Reason: ReasonRevoked})
					c = d.changed()
				}
			}
			if got := snapshot(t, stored); got != before {
				t.Fatalf("what was stored was modified:\n%s\n%s", before, got)
			}
			for _, e := range c.Events {
				if e.Version != v.Next() || !e.At.Equal(v.Now) {
					t.Fatalf("an event of another update: %+v", e)
				}
				if e.Type == EventSessionEnded {
					gone[e.Session] = true
				}
			}
			if stored != nil && (c.Roster != nil || c.Erase) {
				for _, s := range stored.seats {
					if stays := c.Roster != nil && c.Roster.seat(s.ID) >= 0; !stays && !gone[s.ID] {
						t.Fatalf("session %s has gone without an event", s.ID)
					}
				}
			}
			switch {
			case c.Erase:
				stored = nil
			case c.Roster != nil:
				was := stored
				stored, version = c.Roster, v.Next()
				for _, s := range stored.seats {
					if gone[s.ID] {
						t.Fatalf("session %s is back", s.ID)
					}
					if _, over := s.timeout(v.Now, &rule); over {
						t.Fatalf("session %s has timed out and is still there", s.ID)
					}
				}
				if len(stored.endings) > MaxEndings {
					t.Fatalf("%d endings", len(stored.endings))
				}
				if !slices.IsSortedFunc(stored.endings, func(a, b ended) int { return a.At.Compare(b.At) }) {
					t.Fatal("the endings are out of order")
				}
				if due := stored.due(rule); !stored.Due.Equal(due) && (was == nil || !stored.Due.Equal(was.Due) || !stored.Due.After(v.Now) || !stored.Due.Before(due)) {
					t.Fatalf("it is due at %v, and is stored as due at %v", due, stored.Due)
				}
			}
		}
	})
}

// A store keeps microseconds: finer times would make a session older, or younger,
// than itself.
func TestWhenAnOlderSessionWasIssuedIsComparedInMicroseconds(t *testing.T) {
	for _, tt := range []struct{ issued, want time.Time }{
		{at(0), at(0)}, {at(789 * time.Nanosecond), at(0)}, {at(1789 * time.Nanosecond), at(time.Microsecond)},
		{at(time.Hour), at(time.Hour)}, {at(time.Hour + 1), time.Time{}}, {time.Time{}, time.Time{}},
	} {
		same(t, "issued", newcomer{issued: tt.issued}.issuedAt(at(time.Hour)), tt.want)
	}
}

// The ceiling holds where limits are only observed, and seats give way in the same order.
func TestAtTheCeilingTheNewcomersOwnDeviceGoesFirst(t *testing.T) {
	rule := limited(1, PolicyDisplace)
	rule.observeOnly = true
	ro := full(MaxSeats)
	ro.seats[200].deviceID = deviceDigest(Key{}, "d")
	c := aSeat("new", device("d"))
	same(t, "who goes", draftOf(ro, time.Minute, rule).overCeiling(&c), []SessionID{ro.seats[200].ID})
}
