package oneseat

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

func TestSettledEndsWhatIsOverAndDropsWhatIsOld(t *testing.T) {
	rule := plain
	rule.KeepEndings = 10 * time.Minute
	old := aRoster(
		anEnding("y", SignedOut, -10*time.Minute, "y"), anEnding("z", SignedOut, -10*time.Minute+time.Microsecond, "z"),
		aSeat("idle", seen(-time.Hour)), aSeat("live"), aSeat("old", created(-24*time.Hour)), aSeat("ended", epoch(0)),
		aSeat("both", epoch(0), seen(-time.Hour)),
	)
	before := snapshot(t, old)
	v := viewAt(old, 0)
	ro, events := v.settled("r", "ada", 1, rule)
	same(t, "the stored roster afterwards", snapshot(t, old), before)
	same(t, "seats", seatIDs(ro), []SessionID{"live"})
	same(t, "endings", endingIDs(ro), []SessionID{"z", "idle", "old", "ended", "both"})
	same(t, "forgotten", ro.Forgotten, at(-10*time.Minute))
	reasons := map[SessionID]Reason{}
	for _, e := range events {
		reasons[e.Session] = e.Reason
		if e.Type != SessionEnded || !e.At.Equal(v.Now) || e.By != "" {
			t.Errorf("%+v", e)
		}
	}
	same(t, "reasons", reasons, map[SessionID]Reason{"idle": IdleTimeout, "old": AbsoluteTimeout, "ended": RealmEnded, "both": RealmEnded})

	ro, events = viewAt(nil, 0).settled("r", "ada", 1, rule)
	same(t, "an absent roster", []any{ro, len(events)}, []any{&Roster{Realm: "r", Account: "ada"}, 0})
	ro, _ = viewAt(aRoster(aSeat("a", epoch(5))), 0).settled("r", "ada", 5, rule)
	same(t, "a session of this epoch", seatIDs(ro), []SessionID{"a"})
}

func TestEndingsBeyondTheMostDropTheOldest(t *testing.T) {
	ro := aRoster()
	for i := range MaxEndings {
		ro.Endings = append(ro.Endings, anEnding(fmt.Sprint(i), SignedOut, time.Duration(i)*time.Second, ""))
	}
	ro.Seats = []Seat{aSeat("a"), aSeat("b", func(s *Seat) { s.Previous = dig("p") })}
	before := snapshot(t, ro)
	worked := *ro
	worked.end(viewAt(ro, time.Hour), "b", Ending{Reason: Revoked, At: at(time.Hour), Actor: "support"})
	same(t, "the original afterwards", snapshot(t, ro), before)
	same(t, "how many are kept", len(worked.Endings), MaxEndings)
	same(t, "the oldest that is kept", worked.Endings[0].Session, SessionID("1"))
	same(t, "the newest", worked.Endings[MaxEndings-1].Ending, Ending{
		Session: "b", Reason: Revoked, At: at(time.Hour), Actor: "support", Device: aSeat("b").Device,
	})
	same(t, "the newest that was dropped", worked.Forgotten, at(0))
	worked.Forgotten = at(time.Hour)
	worked.forget()
	same(t, "which never goes back", worked.Forgotten, at(time.Hour))

	ro.Endings = ro.Endings[:MaxEndings-1]
	ro.end(viewAt(ro, time.Hour), "b", Ending{})
	same(t, "what fits is kept", []any{len(ro.Endings), ro.Forgotten}, []any{MaxEndings, time.Time{}})
}

func TestTouchFindsASessionLiveOrDoesNothing(t *testing.T) {
	stored := aRoster(aSeat("a"), aSeat("b"), anEnding("c", SignedOut, 0, "c"))
	before := snapshot(t, stored)
	ro := *stored
	same(t, "before it is due", ro.touch("b", at(time.Minute-1), time.Minute), false)
	same(t, "an ended session", ro.touch("c", at(time.Hour), time.Minute), false)
	same(t, "an unknown session", ro.touch("x", at(time.Hour), time.Minute), false)
	same(t, "the roster afterwards", snapshot(t, &ro), before)
	same(t, "when it is due", ro.touch("b", at(time.Minute), time.Minute), true)
	same(t, "last seen", []time.Time{ro.Seats[0].LastSeen, ro.Seats[1].LastSeen}, []time.Time{noon, at(time.Minute)})
	same(t, "created", ro.Seats[1].Created, noon)
	same(t, "the stored roster afterwards", snapshot(t, stored), before)
	same(t, "again", ro.touch("b", at(time.Minute), time.Minute), false)
}

func TestRotateTakesOnlyTheSecretInForce(t *testing.T) {
	replayed := aSeat("a", rotated(-time.Minute), func(s *Seat) { s.Replayed = noon })
	stored := aRoster(replayed, aSeat("b"), anEnding("c", SignedOut, 0, "c"))
	before := snapshot(t, stored)
	v := viewAt(stored, time.Second)
	ro := *stored
	for _, d := range []Digest{dig("old a"), dig("c"), dig("x"), {}} {
		if e, ok := ro.rotate(v, d, dig("new")); ok {
			t.Errorf("it rotated: %+v", e)
		}
	}
	e, ok := ro.rotate(v, dig("a"), dig("new"))
	same(t, "the stored roster afterwards", snapshot(t, stored), before)
	same(t, "event", []any{e, ok}, []any{Event{
		Type: SessionRotated, Realm: "r", Account: "ada", Session: "a", At: v.Now, Version: v.Next(), Device: aSeat("a").Device,
	}, true})
	s := ro.Seats[0]
	same(t, "secrets", []Digest{s.Secret, s.Previous}, []Digest{dig("new"), dig("a")})
	same(t, "times", []time.Time{s.Rotated, s.Replayed, s.LastSeen, s.Created}, []time.Time{v.Now, {}, v.Now, noon})
	same(t, "the other session", ro.Seats[1], aSeat("b"))
}

func TestUsedIsReportedOnceAnHour(t *testing.T) {
	stored := aRoster(aSeat("a", rotated(-time.Minute)), anEnding("b", Displaced, 0, "a"), anEnding("c", SignedOut, 0, "c"))
	stored.Endings[0].Device = Device{Label: "device of b"}
	before := snapshot(t, stored)
	for _, tt := range []struct {
		token string
		about SessionID
		why   Reason
		label string
	}{{"b", "b", Displaced, "device of b"}, {"old a", "a", "", "device of a"}} {
		ro := *stored
		v := viewAt(&ro, 0)
		e, ok := ro.used(v, dig(tt.token))
		same(t, "event", []any{e.Type, e.Session, e.Reason, e.Device.Label, e.Version, ok}, []any{SessionUsedAfterEnd, tt.about, tt.why, tt.label, v.Next(), true})
		same(t, "the stored roster afterwards", snapshot(t, stored), before)
		_, ok = ro.used(viewAt(&ro, usedWindow-time.Microsecond), dig(tt.token))
		same(t, "again within the hour", ok, false)
		_, ok = ro.used(viewAt(&ro, usedWindow), dig(tt.token))
		same(t, "again after an hour", ok, true)
	}
	ro := *stored
	for _, token := range []string{"a", "x"} {
		_, ok := ro.used(viewAt(&ro, 0), dig(token))
		same(t, "a token that is live, or of nobody", ok, false)
	}
	within := aRoster(aSeat("a", rotated(0)))
	_, ok := within.used(viewAt(within, 0), dig("old a"))
	same(t, "the old token within its grace", ok, false)
}

func TestChangeIfWritesOnlyWhatSettlingChanged(t *testing.T) {
	stored := aRoster(aSeat("a"), anEnding("b", SignedOut, 0, "b"))
	stored.Due = stored.due(plain)
	settle := func(d time.Duration, rule Rule) Change {
		v := viewAt(stored, d)
		ro, events := v.settled("r", "ada", 1, rule)
		return v.changeIf(ro, events, rule)
	}
	same(t, "nothing to settle", settle(0, plain), Change{})

	c := settle(time.Hour, plain)
	same(t, "a timeout", []any{len(c.Roster.Seats), len(c.Events), c.Roster.Due}, []any{0, 1, at(plain.KeepEndings)})

	short := plain
	short.KeepEndings = time.Minute
	c = settle(time.Minute, short)
	same(t, "an ending that was kept long enough", []any{len(c.Roster.Endings), len(c.Events), c.Roster.Due}, []any{0, 0, at(time.Hour)})

	longer := plain
	longer.Idle = 2 * time.Hour
	c = settle(0, longer)
	same(t, "another rule: only the due time is moved", []any{len(c.Roster.Seats), len(c.Events), c.Roster.Due}, []any{1, 0, at(2 * time.Hour)})
}

func TestCommitErasesARosterWithNothingLeftToKnow(t *testing.T) {
	v := viewAt(aRoster(), 0)
	same(t, "nothing left", aRoster().commit(v, nil, plain), Change{Erase: true})
	control := &Roster{Realm: "r", Epoch: 1}
	same(t, "the control record", control.commit(v, nil, plain), Change{Roster: control})
	same(t, "the control record, settled", View{Roster: control, Now: noon}.changeIf(new(*control), nil, plain), Change{})
	for name, c := range map[string]Change{
		"a session": aRoster(aSeat("a")).commit(v, nil, plain),
		"an ending": aRoster(anEnding("a", SignedOut, 0, "")).commit(v, nil, plain),
		"an event":  aRoster().commit(v, []Event{{Type: SignInRefused}}, plain),
	} {
		if c.Erase || c.Roster == nil {
			t.Errorf("%s was left, and it was erased", name)
		}
	}
}

func TestNewEpochIsTheVersionThatSetsIt(t *testing.T) {
	v := View{Version: 41, Now: time.UnixMicro(7)}
	c := v.newEpoch("r", "ada's boss")
	same(t, "the first", c.Roster, &Roster{Realm: "r", Epoch: 42})
	same(t, "its event", c.Events, []Event{{Type: RealmWasEnded, Realm: "r", At: v.Now, Version: 42, Actor: "ada's boss"}})

	stored := &Roster{Realm: "r", Epoch: 42, format: 2, extra: map[string]json.RawMessage{"later": json.RawMessage("1")}}
	v = View{Roster: stored, Version: 42, Now: time.UnixMicro(99)}
	c = v.newEpoch("r", "")
	same(t, "the next", c.Roster, &Roster{Realm: "r", Epoch: 99, format: 2, extra: stored.extra})
	same(t, "the stored record afterwards", stored.Epoch, uint64(42))
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
