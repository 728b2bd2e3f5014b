package oneseat

import (
	"testing"
	"time"
)

// Sessions that cannot give way to each other are not in each other's order of use.
func TestPeopleAndProgramsShareNothing(t *testing.T) {
	person, stream, key := aSeat("a"), aSeat("s", under("a")), aSeat("k", program)
	for _, tt := range []struct {
		name  string
		seats []any
		want  bool
	}{
		{"a person, a stream and a program", []any{person, stream, key}, false},
		{"two people", []any{person, key, aSeat("b")}, true},
		{"two programs", []any{person, key, aSeat("l", program)}, true},
	} {
		same(t, tt.name, aRoster(tt.seats...).shared(), tt.want)
	}
}

func TestEachPoolHasTimeoutsOfItsOwn(t *testing.T) {
	r := plain
	r.programs = Programs{Limit: 1, Idle: 10 * time.Hour, Absolute: 20 * time.Hour}
	person, key, stream := aSeat("a"), aSeat("k", program), aSeat("s", under("a"))
	of := func(s seat, r rule) [2]time.Duration {
		absolute, idle := s.lifetimes(&r)
		return [2]time.Duration{absolute, idle}
	}
	same(t, "a person", of(person, r), [2]time.Duration{plain.absolute, plain.idle})
	same(t, "a program", of(key, r), [2]time.Duration{20 * time.Hour, 10 * time.Hour})
	same(t, "a stream", of(stream, r), [2]time.Duration{0, plain.streamIdle})
	r.programs = Programs{Limit: 1, Idle: NoTimeout, Absolute: NoTimeout}
	same(t, "a program for ever", of(key, r), [2]time.Duration{})
	same(t, "a program that is left over", of(key, plain), [2]time.Duration{plain.absolute, plain.idle})
}

// N8
func TestAMoveIsThatOfItsOwnSessionAndSettlesWhatHasTimedOut(t *testing.T) {
	from := Device{Label: "Chrome on Mac", IP: "198.51.100.0"}
	d := draftOf(aRoster(aSeat("a"), aSeat("b")), time.Minute, plain)
	change, err := d.seenFrom("b", from)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the other", change.Roster.seats[0].Seen, Device{})
	same(t, "its own", change.Roster.seats[1].Seen, from)
	same(t, "the event", []any{change.Events[0].Session, change.Events[0].ByDevice}, []any{SessionID("b"), from})

	old, here := aSeat("old"), aSeat("here", seen(59*time.Minute))
	here.Seen = from
	change, err = settled(viewAt(aRoster(old, here), 90*time.Minute), 0, plain).seenFrom("here", from)
	same(t, "what has timed out", []any{err, len(change.Events), change.Events[0].Reason}, []any{error(nil), 1, ReasonIdleTimeout})
}
