package oneseat

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestSettledEndsWhatIsOverAndDropsWhatIsOld(t *testing.T) {
	rule := plain
	rule.keepEndings = 10 * time.Minute
	old := aRoster(
		anEnding("y", ReasonSignedOut, -10*time.Minute, "y"), anEnding("z", ReasonSignedOut, -10*time.Minute+time.Microsecond, "z"),
		aSeat("idle", seen(-time.Hour)), aSeat("live"), aSeat("old", created(-24*time.Hour)), aSeat("ended", epoch(0)),
		aSeat("both", epoch(0), seen(-time.Hour)),
	)
	before := snapshot(t, old)
	v := viewAt(old, 0)
	d := settled(v, 1, rule)
	ro, events := d.Roster, d.events
	same(t, "the stored roster afterwards", snapshot(t, old), before)
	same(t, "seats", seatIDs(ro), []SessionID{"live"})
	same(t, "endings", endingIDs(ro), []SessionID{"z", "idle", "old", "ended", "both"})
	same(t, "forgotten", ro.forgotten, at(-10*time.Minute))
	reasons := map[SessionID]Reason{}
	for _, e := range events {
		reasons[e.Session] = e.Reason
		if e.Type != EventSessionEnded || !e.At.Equal(v.Now) || e.By != "" {
			t.Errorf("%+v", e)
		}
	}
	same(t, "reasons", reasons, map[SessionID]Reason{"idle": ReasonIdleTimeout, "old": ReasonAbsoluteTimeout, "ended": ReasonRealmEnded, "both": ReasonRealmEnded})

	d = settled(viewAt(nil, 0), 1, rule)
	ro, events = d.Roster, d.events
	same(t, "an absent roster", []any{ro, len(events)}, []any{&Roster{Realm: "r", Account: "ada"}, 0})
	ro = settled(viewAt(aRoster(aSeat("a", epoch(5))), 0), 5, rule).Roster
	same(t, "a session of this epoch", seatIDs(ro), []SessionID{"a"})
}

func TestEndingsBeyondTheMostDropTheOldest(t *testing.T) {
	ro := aRoster()
	for i := range MaxEndings {
		ro.endings = append(ro.endings, anEnding(fmt.Sprint(i), ReasonSignedOut, time.Duration(i)*time.Second, ""))
	}
	ro.seats = []seat{aSeat("a"), aSeat("b", func(s *seat) { s.previous = dig("p") })}
	before := snapshot(t, ro)
	worked := draftOf(ro, time.Hour, plain)
	worked.end("b", Ending{Reason: ReasonRevoked, Actor: "support"})
	same(t, "the original afterwards", snapshot(t, ro), before)
	same(t, "how many are kept", len(worked.endings), MaxEndings)
	same(t, "the oldest that is kept", worked.endings[0].Session, SessionID("1"))
	same(t, "the newest", worked.endings[MaxEndings-1].Ending, Ending{
		Session: "b", Reason: ReasonRevoked, At: at(time.Hour), Actor: "support", Device: aSeat("b").Device,
	})
	same(t, "the newest that was dropped", worked.forgotten, at(0))
	worked.forgotten = at(time.Hour)
	worked.forget(0)
	same(t, "which never goes back", worked.forgotten, at(time.Hour))

	ro.endings = ro.endings[:MaxEndings-1]
	worked = draftOf(ro, time.Hour, plain)
	worked.end("b", Ending{})
	same(t, "what fits is kept", []any{len(worked.endings), worked.forgotten}, []any{MaxEndings, time.Time{}})
}

func TestAUseFindsASessionLiveOrDoesNothing(t *testing.T) {
	rule := plain
	rule.touchEvery = time.Minute
	stored := aRoster(aSeat("a"), aSeat("b"), anEnding("c", ReasonSignedOut, 0, "c"))
	stored.Due = stored.due(rule)
	before := snapshot(t, stored)
	for name, tt := range map[string]struct {
		id    SessionID
		after time.Duration
		how   use
	}{
		"before it is due":   {"b", orderEvery - 1, useActive},
		"an ended session":   {"c", time.Hour, useActive},
		"an unknown session": {"x", time.Hour, useActive},
		"background traffic": {"b", time.Hour, usePeek},
	} {
		d := draftOf(stored, tt.after, rule)
		same(t, name, d.use(tt.id, tt.how), Change{})
		same(t, name+": the roster afterwards", snapshot(t, d.Roster), before)
	}
	d := draftOf(stored, time.Minute, rule)
	c := d.use("b", useActive)
	same(t, "last seen", []time.Time{c.Roster.seats[0].LastSeen, c.Roster.seats[1].LastSeen}, []time.Time{noon, at(time.Minute)})
	same(t, "created", c.Roster.seats[1].Created, noon)
	same(t, "the stored roster afterwards", snapshot(t, stored), before)
	same(t, "events", len(c.Events), 0)
}

func TestRotateTakesOnlyTheSecretInForce(t *testing.T) {
	replayed := aSeat("a", rotated(-time.Minute), func(s *seat) { s.replayed = noon })
	stored := aRoster(replayed, aSeat("b"), anEnding("c", ReasonSignedOut, 0, "c"))
	stored.Due = stored.due(plain)
	before := snapshot(t, stored)
	for _, secret := range []digest{dig("old a"), dig("c"), dig("x"), {}} {
		c, err := draftOf(stored, time.Second, plain).rotate(secret, dig("new"))
		if err == nil || c.Roster != nil {
			t.Errorf("it rotated: %+v, %v", c, err)
		}
	}
	d := draftOf(stored, time.Second, plain)
	c, err := d.rotate(dig("a"), dig("new"))
	same(t, "the stored roster afterwards", snapshot(t, stored), before)
	same(t, "event", []any{c.Events, err}, []any{[]Event{{
		Type: EventSessionRotated, Realm: "r", Account: "ada", Session: "a", At: d.now(), Version: d.was.Next(), Device: aSeat("a").Device,
	}}, nil})
	s := c.Roster.seats[0]
	same(t, "secrets", []digest{s.secret, s.previous}, []digest{dig("new"), dig("a")})
	same(t, "times", []time.Time{s.rotated, s.replayed, s.LastSeen, s.Created}, []time.Time{d.now(), {}, d.now(), noon})
	same(t, "the other session", c.Roster.seats[1], aSeat("b"))
	again, err := draftOf(c.Roster, time.Second, plain).rotate(dig("a"), dig("new"))
	same(t, "a second try", []any{again, err}, []any{Change{}, nil})
}

func TestUsedIsReportedOnceAnHour(t *testing.T) {
	stored := aRoster(aSeat("a", rotated(-time.Minute)), anEnding("b", ReasonDisplaced, 0, "a"), anEnding("c", ReasonSignedOut, 0, "c"))
	stored.endings[0].Device = Device{Label: "device of b"}
	before := snapshot(t, stored)
	for _, tt := range []struct {
		token string
		about SessionID
		why   Reason
		label string
	}{{"b", "b", ReasonDisplaced, "device of b"}, {"old a", "a", "", "device of a"}} {
		v := viewAt(stored, 0)
		c := v.reopen(plain).reportUse(dig(tt.token))
		e := c.Events[0]
		same(t, "event", []any{e.Type, e.Session, e.Reason, e.Device.Label, e.Version, len(c.Events)}, []any{EventSessionUsedAfterEnd, tt.about, tt.why, tt.label, v.Next(), 1})
		same(t, "the stored roster afterwards", snapshot(t, stored), before)
		again := viewAt(c.Roster, usedWindow-time.Microsecond).reopen(plain).reportUse(dig(tt.token))
		same(t, "again within the hour", again, Change{})
		again = viewAt(c.Roster, usedWindow).reopen(plain).reportUse(dig(tt.token))
		same(t, "again after an hour", len(again.Events), 1)
	}
	for _, token := range []string{"a", "x"} {
		same(t, "a token that is live, or of nobody", viewAt(stored, 0).reopen(plain).reportUse(dig(token)), Change{})
	}
	within := aRoster(aSeat("a", rotated(0)))
	same(t, "the old token within its grace", viewAt(within, 0).reopen(plain).reportUse(dig("old a")), Change{})
}

func TestSettlingWritesOnlyWhatItChanged(t *testing.T) {
	stored := aRoster(aSeat("a"), anEnding("b", ReasonSignedOut, 0, "b"))
	stored.Due = stored.due(plain)
	settle := func(d time.Duration, rule rule) Change { return settled(viewAt(stored, d), 1, rule).changed() }
	same(t, "nothing to settle", settle(0, plain), Change{})
	same(t, "nothing there", settled(viewAt(nil, 0), 1, plain).changed(), Change{})

	c := settle(time.Hour, plain)
	same(t, "a timeout", []any{len(c.Roster.seats), len(c.Events), c.Roster.Due}, []any{0, 1, at(plain.keepEndings)})

	short := plain
	short.keepEndings = time.Minute
	c = settle(time.Minute, short)
	same(t, "an ending that was kept long enough", []any{len(c.Roster.endings), len(c.Events), c.Roster.Due}, []any{0, 0, at(time.Hour)})

	longer := plain
	longer.idle = 2 * time.Hour
	same(t, "another rule: what is due later is left", settle(0, longer), Change{})
	c = settle(time.Hour, longer)
	same(t, "until it is found early: only the due time is moved", []any{len(c.Roster.seats), len(c.Events), c.Roster.Due}, []any{1, 0, at(2 * time.Hour)})
}

// A store writes its index of what is due only when Due moves. Nothing is ever found
// too late by it.
func TestDueMayBeEarlyAndIsNeverLate(t *testing.T) {
	stored := aRoster(aSeat("a"), anEnding("b", ReasonSignedOut, 0, "b"))
	stored.Due = stored.due(plain)
	same(t, "due", stored.Due, at(time.Hour))
	idle := func(d time.Duration) rule { r := plain; r.idle = d; return r }
	for _, tt := range []struct {
		what      string
		now, idle time.Duration
		is        time.Time // as an update stores it that is made anyway
		alone     bool      // it is an update by itself
	}{
		{"sooner moves it at once", 0, time.Hour - time.Microsecond, at(time.Hour - time.Microsecond), true},
		{"sooner moves it at once, shortly before", time.Hour - 2*time.Microsecond, time.Hour - time.Microsecond, at(time.Hour - time.Microsecond), true},
		{"a little later leaves it", 0, time.Hour + time.Microsecond, at(time.Hour), false},
		{"twice as far ahead leaves it", 0, 2 * time.Hour, at(time.Hour), false},
		{"more moves it", 0, 2*time.Hour + time.Microsecond, at(2*time.Hour + time.Microsecond), false},
		{"later, shortly before, moves it", 50 * time.Minute, 71 * time.Minute, at(71 * time.Minute), false},
		{"once it has passed it is set right", time.Hour, time.Hour + time.Microsecond, at(time.Hour + time.Microsecond), true},
		{"long after as well", 2 * time.Hour, 3 * time.Hour, at(3 * time.Hour), true},
	} {
		d := settled(viewAt(stored, tt.now), 1, idle(tt.idle))
		c := d.changed()
		if tt.alone != (c.Roster != nil) || tt.alone && !c.Roster.Due.Equal(tt.is) {
			t.Errorf("%s: by itself it is written as %+v", tt.what, c.Roster)
		}
		same(t, tt.what, d.commit().Roster.Due, tt.is)
	}
	forever := plain
	forever.idle, forever.absolute = 0, 0
	never := aRoster(aSeat("a"))
	same(t, "what was never due", settled(viewAt(never, 0), 1, plain).changed().Roster.Due, at(time.Hour))
	never.Due = at(time.Minute)
	same(t, "what is never due any more is left", settled(viewAt(never, 0), 1, forever).changed(), Change{})
	same(t, "in an update that is made anyway it is set right", settled(viewAt(never, 0), 1, forever).commit().Roster.Due, time.Time{})
	same(t, "and when it is found early", settled(viewAt(never, time.Minute), 1, forever).changed().Roster.Due, time.Time{})
}

func TestCommitErasesARosterWithNothingLeftToKnow(t *testing.T) {
	same(t, "nothing left", draftOf(aRoster(), 0, plain).commit(), Change{Erase: true})
	control := &Roster{Realm: "r", realmEpoch: 1}
	same(t, "the control record", draftOf(control, 0, plain).commit(), Change{Roster: control})
	same(t, "the control record, settled", draftOf(control, 0, plain).changed(), Change{})
	until := plain
	until.adoptUntil = at(0)
	same(t, "nobody is adopted any more", draftOf(aRoster(), 0, until).commit(), Change{Erase: true})
	told := draftOf(aRoster(), 0, plain)
	told.note(EventSignInRefused)
	for name, c := range map[string]Change{
		"a session": draftOf(aRoster(aSeat("a")), 0, plain).commit(),
		"an ending": draftOf(aRoster(anEnding("a", ReasonSignedOut, 0, "")), 0, plain).commit(),
		"an event":  told.commit(),
	} {
		if c.Erase || c.Roster == nil {
			t.Errorf("%s was left, and it was erased", name)
		}
	}
}

func TestNewEpochIsTheVersionThatSetsIt(t *testing.T) {
	v := View{Version: 41, Now: time.UnixMicro(7)}
	c := v.reopen(plain).newEpoch("ada's boss")
	same(t, "the first", c.Roster, &Roster{Realm: "r", realmEpoch: 42})
	same(t, "its event", c.Events, []Event{{Type: EventRealmEnded, Realm: "r", At: v.Now, Version: 42, Actor: "ada's boss"}})

	stored := &Roster{Realm: "r", realmEpoch: 42, format: 2, extra: map[string]json.RawMessage{"later": json.RawMessage("1")}}
	v = View{Roster: stored, Version: 42, Now: time.UnixMicro(99)}
	c = v.reopen(plain).newEpoch("")
	same(t, "the next", c.Roster, &Roster{Realm: "r", realmEpoch: 99, format: 2, extra: stored.extra})
	same(t, "the stored record afterwards", stored.realmEpoch, uint64(42))
}

func TestVersionsNeverRestart(t *testing.T) {
	for _, tt := range []struct {
		version, now int64
		next, at     int64
	}{
		{0, 100, 100, 100},   // the store's time
		{100, 100, 101, 100}, // twice in a microsecond
		{200, 100, 201, 200}, // the clock was set back: the roster's own time counts
		{99, 100, 100, 100},
	} {
		v := View{Version: uint64(tt.version)}.At(time.UnixMicro(tt.now).Add(999).In(time.FixedZone("", 3600)))
		same(t, fmt.Sprintf("%+v: now", tt), v.Now, time.UnixMicro(tt.at).UTC())
		same(t, fmt.Sprintf("%+v: next", tt), v.Next(), uint64(tt.next))
	}
}

// Between the decision to touch and the update somebody else may have touched.
func TestATouchThatIsNotDueAnyMoreIsNotWritten(t *testing.T) {
	rule := plain
	rule.touchEvery = time.Minute
	ro := func() *Roster {
		ro := aRoster(aSeat("a", seen(time.Hour-30*time.Second)), aSeat("b"))
		ro.Due = ro.due(rule)
		return ro
	}
	same(t, "touched meanwhile", draftOf(ro(), 59*time.Minute, rule).use("a", useActive), Change{})
	same(t, "nobody", draftOf(ro(), 59*time.Minute, rule).use("nobody", useActive), Change{})
	c := draftOf(ro(), 59*time.Minute, rule).use("b", useActive)
	same(t, "last seen", []time.Time{c.Roster.seats[0].LastSeen, c.Roster.seats[1].LastSeen}, []time.Time{at(time.Hour - 30*time.Second), at(59 * time.Minute)})
}

func TestTheOldestTicketGoesFirst(t *testing.T) {
	ro := aRoster()
	for i := range maxTickets {
		ro.tickets = append(ro.tickets, pending{secret: dig(fmt.Sprint(i)), expires: at(time.Hour)})
	}
	d := draftOf(ro, 0, plain)
	d.issueTicket(newcomer{ticket: dig("new")})
	same(t, "how many are kept", len(d.tickets), maxTickets)
	same(t, "the oldest and the newest", []digest{d.tickets[0].secret, d.tickets[maxTickets-1].secret}, []digest{dig("1"), dig("new")})
	d.issueTicket(newcomer{ticket: dig("new")})
	same(t, "the same ticket again", d.tickets[0].secret, dig("1"))
}

// A renewal among endings of others pushes out the oldest of all: there is no older
// renewal of more than a minute.
func TestARenewalAmongOthersPushesOutTheOldest(t *testing.T) {
	ro := aRoster(aSeat("a"))
	for i := range MaxEndings {
		ro.endings = append(ro.endings, anEnding(fmt.Sprint(i), ReasonDisplaced, time.Duration(i)*time.Second, ""))
	}
	d := draftOf(ro, time.Hour, plain)
	d.end("a", Ending{Reason: ReasonRenewed, By: "b"})
	same(t, "what is left", []any{len(d.endings), d.endings[0].Session, d.endings[MaxEndings-1].Session, d.forgotten}, []any{MaxEndings, SessionID("1"), SessionID("a"), at(0)})
}

// Forget wipes a record: what is live ends with an event, and of the rest stays what an
// absent record could not say.
func TestAWipeEndsWhatIsLiveAndKeepsNoName(t *testing.T) {
	ro := aRoster(aSeat("a"), aSeat("stream", under("a")), anEnding("e", ReasonSignedOut, -time.Hour, "e"))
	ro.takeoverAt, ro.blocked, ro.tickets = at(0), &block{}, []pending{{}}
	d := draftOf(ro, time.Minute, plain)
	change := d.wipe()
	if !d.empty() || d.blocked != nil || !d.takeoverAt.IsZero() || d.limitsRev != 0 {
		t.Errorf("left is %+v", d.Roster)
	}
	var told []string
	for _, e := range change.Events {
		told = append(told, fmt.Sprint(e.Type, " ", e.Session, " ", e.Reason))
	}
	same(t, "told", told, []string{"session_ended a revoked", "stream_ended stream revoked"})
	same(t, "the newest ending that was dropped", d.forgotten, at(time.Minute))
	same(t, "of an absent record", settled(viewAt(nil, 0), 1, plain).wipe(), Change{})

	limited := aRoster()
	limited.limits = Limits{Total: 2}
	d = draftOf(limited, time.Minute, plain)
	d.wipe()
	same(t, "that the limits changed", []any{d.limits.IsZero(), d.limitsRev}, []any{true, d.was.Next()})
}

// A session keeps when its attempt was first made, where the store's clock has not come to
// that yet: not before, as it is stored, and not a microsecond after.
func TestASessionKeepsAnAttemptThatIsAheadOfIt(t *testing.T) {
	for _, tried := range []time.Duration{time.Microsecond, 2*time.Microsecond + 1, 3*time.Microsecond - 1, 3*time.Microsecond + 1, time.Second} {
		c := newcomer{seat: aSeat("a"), tried: at(tried)}
		got := draftOf(aRoster(), 0, plain).apply(c, Decision{}).Roster.seats[0].tried
		if late := got.Sub(c.tried); late < 0 || late > time.Microsecond || got != got.Truncate(time.Microsecond) {
			t.Errorf("an attempt of %v is kept as one of %v", c.tried, got)
		}
	}
}

// An ending keeps when its attempt was first made only where that is later: else the
// ending's own time says more.
func TestAnEndingKeepsAnAttemptThatIsAheadOfIt(t *testing.T) {
	for tried, want := range map[time.Duration]time.Duration{-time.Second: -1, 0: -1, time.Second: time.Second} {
		d := draftOf(aRoster(aSeat("a", func(s *seat) { s.tried = at(tried) })), 0, plain)
		d.end("a", Ending{Reason: ReasonSignedOut})
		kept := time.Time{}
		if want >= 0 {
			kept = at(want)
		}
		same(t, tried.String(), d.endings[0].tried, kept)
	}
}

func TestOneEndingIsForgottenAtATime(t *testing.T) {
	for i, want := range [][]SessionID{{"b", "c", "d"}, {"a", "c", "d"}, {"a", "b", "d"}, {"a", "b", "c"}} {
		d := draftOf(aRoster(anEnding("a", ReasonRenewed, 0, ""), anEnding("b", ReasonRenewed, 1, ""), anEnding("c", ReasonRenewed, 2, ""), anEnding("d", ReasonRenewed, 3, "")), 0, plain)
		d.forget(i)
		var left []SessionID
		for _, e := range d.endings {
			left = append(left, e.Session)
		}
		same(t, fmt.Sprint(i), left, want)
		same(t, "when", d.forgotten, at(time.Duration(i)))
	}
}

// An account may have more data than this release allows, for example after a release that
// allowed more. Its users sign in all the same, without data.
func TestNoDataAlwaysFits(t *testing.T) {
	ro := aRoster()
	for i := range MaxAccountData/MaxData + 1 {
		ro.seats = append(ro.seats, aSeat(fmt.Sprint(i), func(s *seat) { s.Data = strings.Repeat("x", MaxData) }))
	}
	d := draftOf(ro, 0, plain)
	same(t, "none", d.dataFits(""), nil)
	if err := d.dataFits("x"); !errors.As(err, new(*DataError)) {
		t.Errorf("one more byte: %v", err)
	}
}

// A stream that finds no room is no refused sign-in. What has timed out is recorded.
func TestAStreamWithoutRoomRecordsWhatHasTimedOut(t *testing.T) {
	ro := aRoster(aSeat("a"), aSeat("old", seen(-time.Hour)), aSeat("playing", under("a")))
	change, is := settled(viewAt(ro, 0), 1, limited(2, PolicyRefuse)).admit(newcomer{seat: aSeat("new", under("a"), device("other"))})
	var told []EventType
	for _, e := range change.Events {
		told = append(told, e.Type)
	}
	same(t, "outcome and events", []any{is.Outcome, told}, []any{OutcomeRefused, []EventType{EventSessionEnded}})
}
