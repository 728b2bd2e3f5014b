package oneseat

import (
	"errors"
	"testing"
	"time"
)

func TestWhenAUseIsWritten(t *testing.T) {
	const touch, idle, tick = 5 * time.Minute, time.Hour, time.Microsecond
	with := func(policy Policy, order DisplaceOrder) rule {
		r := limited(2, policy)
		r.displaceOrder, r.touchEvery, r.idle = order, touch, idle
		return r
	}
	displace := with(PolicyDisplace, DisplaceIdlest)
	endless := displace
	endless.idle = 0
	unused := func(s *seat) { s.unused = true }
	playing, watched := aRoster(aSeat("a", under("b")), aSeat("b")), displace
	watched.streamIdle = 30 * time.Second
	alone, fresh := aRoster(aSeat("a")), aRoster(aSeat("a", unused))
	two, left := aRoster(aSeat("a"), aSeat("b")), aRoster(aSeat("a", seen(5*time.Second)), aSeat("b"))
	for _, tt := range []struct {
		name string
		ro   *Roster
		use  usage // of the first seat; asOf is at, if it is zero
		rule rule
		want useDue
	}{
		{name: "a check of a stream", ro: playing, use: usage{how: usePeek, at: at(idle)}, rule: watched, want: useNotDue},
		{name: "what plays a stream before a heartbeat is due", ro: playing, use: usage{how: useActive, at: at(10*time.Second - tick)}, rule: watched, want: useNotDue},
		{name: "what plays a stream when a heartbeat is due", ro: playing, use: usage{how: useActive, at: at(10 * time.Second)}, rule: watched, want: useInBackground},
		{name: "what plays a stream after two missed heartbeats", ro: playing, use: usage{how: useActive, at: at(20 * time.Second)}, rule: watched, want: useBeforeAnswer},

		{name: "the first use under refuse", ro: fresh, use: usage{how: usePeek, at: at(0)}, rule: with(PolicyRefuse, DisplaceIdlest), want: useBeforeAnswer},
		{name: "the second use under refuse", ro: alone, use: usage{how: usePeek, at: at(0)}, rule: with(PolicyRefuse, DisplaceIdlest), want: useNotDue},
		{name: "the first use of a session that is alone", ro: fresh, use: usage{how: usePeek, at: at(0)}, rule: displace, want: useNotDue},
		{name: "the first use of one that is alone, of its class too", ro: fresh, use: usage{how: usePeek, at: at(0)}, rule: with(PolicyDisplace, DisplaceSameClass), want: useInBackground},
		{name: "the second use of that", ro: alone, use: usage{how: usePeek, at: at(0)}, rule: with(PolicyDisplace, DisplaceSameClass), want: useNotDue},
		{name: "the first use of one of two", ro: aRoster(aSeat("a", unused), aSeat("b")), use: usage{how: usePeek, at: at(0)}, rule: displace, want: useInBackground},
		{name: "the second use of one of two", ro: two, use: usage{how: usePeek, at: at(0)}, rule: displace, want: useNotDue},

		{name: "a check before the touch interval is over", ro: alone, use: usage{how: useActive, at: at(touch - tick)}, rule: displace, want: useNotDue},
		{name: "a check when the touch interval is over", ro: alone, use: usage{how: useActive, at: at(touch)}, rule: displace, want: useInBackground},
		{name: "what is held when the touch interval is over", ro: alone, use: usage{how: useHeld, at: at(touch)}, rule: displace, want: useNotDue},
		{name: "a check before the last touch interval", ro: alone, use: usage{how: useActive, at: at(idle - touch - tick)}, rule: displace, want: useInBackground},
		{name: "a check in the last touch interval", ro: alone, use: usage{how: useActive, at: at(idle - touch)}, rule: displace, want: useBeforeAnswer},
		{name: "a check of what never idles out", ro: alone, use: usage{how: useActive, at: at(24 * time.Hour)}, rule: endless, want: useInBackground},

		{name: "one of two within ten seconds", ro: two, use: usage{how: useActive, at: at(orderEvery - tick)}, rule: displace, want: useNotDue},
		{name: "one of two after ten seconds", ro: two, use: usage{how: useActive, at: at(orderEvery)}, rule: displace, want: useInOrder},
		{name: "what one of two holds after ten seconds", ro: two, use: usage{how: useHeld, at: at(orderEvery)}, rule: displace, want: useInOrder},
		{name: "a peek at one of two after ten seconds", ro: two, use: usage{how: usePeek, at: at(orderEvery)}, rule: displace, want: useNotDue},
		{name: "one of two where the oldest goes", ro: two, use: usage{how: useActive, at: at(orderEvery)}, rule: with(PolicyDisplace, DisplaceOldest), want: useNotDue},
		{name: "one with a stream", ro: aRoster(aSeat("a"), aSeat("b", under("a"))), use: usage{how: useActive, at: at(orderEvery)}, rule: displace, want: useNotDue},
		{name: "the newest of two", ro: left, use: usage{how: useActive, at: at(time.Minute)}, rule: displace, want: useNotDue},
		{
			name: "the newest of two and a stream", ro: aRoster(append([]any{left.seats[0], left.seats[1]}, aSeat("c", under("b"), seen(time.Minute)))...),
			use: usage{how: useActive, at: at(time.Minute)}, rule: displace, want: useNotDue,
		},
		{name: "the newest of two, as of ten seconds ago", ro: left, use: usage{how: useActive, at: at(time.Minute), asOf: at(time.Minute - orderEvery)}, rule: displace, want: useNotDue},
		{name: "the newest of two, as of more than that", ro: left, use: usage{how: useActive, at: at(time.Minute), asOf: at(time.Minute - orderEvery - tick)}, rule: displace, want: useInOrder},
	} {
		if tt.use.asOf.IsZero() {
			tt.use.asOf = tt.use.at
		}
		if got := tt.ro.useDue(&tt.ro.seats[0], tt.use, &tt.rule); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// A use is recorded as far as it is due. The order of use is recorded to ten seconds,
// and only where the order decides.
func TestWhatAUseRecords(t *testing.T) {
	unused := func(s *seat) { s.unused = true }
	order := func(o DisplaceOrder) rule {
		r := limited(2, PolicyDisplace)
		r.displaceOrder, r.touchEvery = o, 5*time.Minute
		return r
	}
	for _, tt := range []struct {
		name     string
		ro       *Roster
		how      use
		now      time.Duration
		rule     rule
		lastUsed time.Time
		nothing  bool
	}{
		{name: "the first use, held, within ten seconds", ro: aRoster(aSeat("a", unused), aSeat("b")), how: useHeld, now: orderEvery - 1, rule: order(DisplaceIdlest)},
		{name: "the first use, held, after ten seconds", ro: aRoster(aSeat("a", unused), aSeat("b")), how: useHeld, now: orderEvery, rule: order(DisplaceIdlest), lastUsed: at(orderEvery)},
		{name: "the first use, a peek, after ten seconds", ro: aRoster(aSeat("a", unused), aSeat("b")), how: usePeek, now: orderEvery, rule: order(DisplaceIdlest)},
		{name: "the first use, held, where the oldest goes", ro: aRoster(aSeat("a", unused), aSeat("b")), how: useHeld, now: orderEvery, rule: order(DisplaceOldest)},
		{name: "a use of the newest", ro: aRoster(aSeat("a", seen(1)), aSeat("b")), how: useActive, now: time.Minute, rule: order(DisplaceIdlest), nothing: true},
	} {
		tt.ro.Due = tt.ro.due(tt.rule)
		c := settled(viewAt(tt.ro, tt.now), 1, tt.rule).use("a", tt.how)
		same(t, tt.name+": whether nothing is written", c.Roster == nil, tt.nothing)
		if c.Roster != nil {
			s := c.Roster.seats[0]
			same(t, tt.name, []any{s.unused, s.lastUsed, s.LastSeen}, []any{false, tt.lastUsed, noon})
		}
	}
}

// A sign-out whose reply was lost finds its session ended: by itself, if it signed
// itself out, and by somebody else in any other case.
func TestASignOutThatIsTriedAgainKnowsItsOwnEnd(t *testing.T) {
	for _, tt := range []struct {
		name  string
		end   ended
		try   int
		ended bool
	}{
		{"its own", anEnding("a", ReasonSignedOut, 0, "a"), 1, false},
		{"its own, on the first try", anEnding("a", ReasonSignedOut, 0, "a"), 0, true},
		{"from another session", anEnding("a", ReasonSignedOut, 0, "b"), 1, true},
		{"for another reason", anEnding("a", ReasonRevoked, 0, "a"), 1, true},
	} {
		d := draftOf(aRoster(tt.end, aSeat("b")), 0, plain)
		d.given.try = tt.try
		_, err := d.signOut(dig("a"))
		same(t, tt.name, isOver(err), tt.ended)
	}
}

// Operations on sessions leave streams alone: a stream is no browser's session, and
// EndWhere does not select it.
func TestAStreamIsNotTakenForASession(t *testing.T) {
	ro := aRoster(aSeat("a"), aSeat("s", under("a")))
	for id, want := range map[SessionID]SessionID{"a": "a", "s": ""} {
		same(t, "the browser's session", draftOf(ro, 0, plain).sameBrowser(&newcomer{previous: id}), want)
	}
	every := endRequest{where: func(Session) bool { return true }}
	same(t, "the session is ended", every.selects(&ro.seats[0]), true)
	same(t, "the stream is ended", every.selects(&ro.seats[1]), false)
}

// The Attempt of a SignInRequest is checked, whatever else the request says.
func TestAnAttemptIsCheckedWhateverElseIsSaid(t *testing.T) {
	q := SignInRequest{Previous: Previous{Account: "ada", Session: "a"}, Attempt: Attempt{ID: [32]byte{1}}}
	if bad, ok := errors.AsType[*ConfigError](q.check()); !ok || bad.Field != "Attempt" {
		t.Errorf("got %v", q.check())
	}
}

// The report of a token that was used after its grace is kept with its session.
func TestAReportIsKeptWithItsSession(t *testing.T) {
	d := draftOf(aRoster(aSeat("b"), aSeat("a", rotated(0)), aSeat("c")), time.Minute, plain)
	c := d.reportUse(dig("old a"))
	for i, want := range []time.Time{{}, at(time.Minute), {}} {
		same(t, "used after its grace", c.Roster.seats[i].replayed, want)
	}
}

// Every operation records what it finds timed out, even one that does nothing else.
func TestWhatDoesNothingRecordsWhatHasTimedOut(t *testing.T) {
	for name, op := range map[string]func(d *draft) Change{
		"block":                     func(d *draft) Change { c, _ := d.block(at(24*time.Hour), "support"); return c },
		"setLimit":                  func(d *draft) Change { return d.setLimit(Limits{}, "") },
		"a heartbeat of nothing":    func(d *draft) Change { c, _ := d.heartbeat("live", "x"); return c },
		"stopStream of nothing":     func(d *draft) Change { return d.stopStream("live", "x") },
		"a use that is not due":     func(d *draft) Change { return d.use("live", usePeek) },
		"a use of nothing":          func(d *draft) Change { return d.use("x", useActive) },
		"signOut of nothing":        func(d *draft) Change { c, _ := d.signOut(dig("x")); return c },
		"signOut of nothing, again": func(d *draft) Change { d.given.try = 1; c, _ := d.signOut(dig("x")); return c },
		"signOut again":             func(d *draft) Change { d.given.try = 1; c, _ := d.signOut(dig("gone")); return c },
		"signOut of what ended":     func(d *draft) Change { c, _ := d.signOut(dig("over")); return c },
		"signOut of what timed out": func(d *draft) Change {
			c, _ := d.signOut(dig("idle"))
			return c
		},
		"rotate again":               func(d *draft) Change { c, _ := d.rotate(dig("old live"), dig("live")); return c },
		"setData of the same":        func(d *draft) Change { c, _ := d.setData("live", ""); return c },
		"seenFrom the same place":    func(d *draft) Change { c, _ := d.seenFrom("live", aSeat("live").Device); return c },
		"rotate of nothing":          func(d *draft) Change { c, _ := d.rotate(dig("x"), dig("y")); return c },
		"rotate by the token before": func(d *draft) Change { c, _ := d.rotate(dig("old live"), dig("y")); return c },
		"rotate of what ended":       func(d *draft) Change { c, _ := d.rotate(dig("over"), dig("y")); return c },
		"an end of nothing":          func(d *draft) Change { c, _ := d.endWhere(&endRequest{ids: []SessionID{"x"}}); return c },
		"an end by what is over":     func(d *draft) Change { c, _ := d.endWhere(&endRequest{how: EndOptions{As: "over"}}); return c },
	} {
		ro := aRoster(anEnding("over", ReasonRevoked, 0, "x"), anEnding("gone", ReasonSignedOut, 0, "gone"),
			aSeat("live", seen(2*time.Hour), rotated(2*time.Hour)), aSeat("idle"))
		ro.blocked = &block{since: noon, until: at(24 * time.Hour), actor: "support"}
		c := op(settled(viewAt(ro, 2*time.Hour), 1, plain))
		if c.Roster == nil || c.Roster.ending("idle") < 0 || c.Roster.endings[2].Reason != ReasonIdleTimeout {
			t.Errorf("%s: %+v", name, c)
		}
	}
	// A ticket of before the realm's end is dropped, whatever is due first.
	ro := aRoster(aSeat("live", epoch(2)))
	ro.tickets = []pending{{secret: dig("t"), epoch: 1, expires: at(24 * time.Hour)}}
	ro.Due = ro.due(plain)
	if c := settled(viewAt(ro, 0), 2, plain).changed(); c.Roster == nil || len(c.Roster.tickets) != 0 {
		t.Errorf("a ticket that is void: %+v", c)
	}
}

// A sign-in returns the sessions that it displaced itself, and no others.
func TestWhatASignInDisplacedIsItsOwn(t *testing.T) {
	v := viewAt(aRoster(anEnding("a", ReasonDisplaced, 0, "x"), anEnding("b", ReasonDisplaced, 0, "new"), anEnding("c", ReasonRenewed, 0, "new")), 0)
	same(t, "displaced", ids(v.displacedBy("new"), func(e Ending) SessionID { return e.Session }), []SessionID{"b"})
}
