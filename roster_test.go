package oneseat

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"
)

// noon is the time of every table here; others are offsets from it.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(offset time.Duration) time.Time { return noon.Add(offset) }

// dig is a digest that a text makes its own.
func dig(s string) Digest { return digestOf([]byte(s)) }

// aSeat is a session whose secret is its id, admitted and last seen at noon.
func aSeat(id string, with ...func(*Seat)) Seat {
	s := Seat{
		Session: Session{ID: SessionID(id), Account: "ada", Created: noon, LastSeen: noon, Device: Device{Label: "device of " + id, Class: "desktop"}},
		Secret:  dig(id), Epoch: 1,
	}
	for _, f := range with {
		f(&s)
	}
	return s
}

func created(d time.Duration) func(*Seat) { return func(s *Seat) { s.Created = at(d) } }
func seen(d time.Duration) func(*Seat)    { return func(s *Seat) { s.LastSeen = at(d) } }
func device(id string) func(*Seat)        { return func(s *Seat) { s.DeviceID = deviceDigest(id) } }
func epoch(e uint64) func(*Seat)          { return func(s *Seat) { s.Epoch = e } }

func rotated(d time.Duration) func(*Seat) {
	return func(s *Seat) { s.Previous, s.Rotated = dig("old "+string(s.ID)), at(d) }
}

// anEnding is that of a session whose secret was its id.
func anEnding(id string, why Reason, when time.Duration, by string) Ended {
	return Ended{Ending: Ending{Session: SessionID(id), Reason: why, At: at(when), By: SessionID(by)}, Secret: dig(id)}
}

func aRoster(parts ...any) *Roster {
	ro := &Roster{Realm: "r", Account: "ada"}
	for _, p := range parts {
		switch p := p.(type) {
		case Seat:
			ro.Seats = append(ro.Seats, p)
		case Ended:
			ro.Endings = append(ro.Endings, p)
		case time.Time:
			ro.Forgotten = p
		}
	}
	return ro
}

// viewAt is a stored roster (nil: absent), as of an offset from noon.
func viewAt(ro *Roster, d time.Duration) View {
	return View{Key: KeyOf("r", "ada"), Roster: ro, Version: uint64(at(-time.Hour).UnixMicro()), Now: at(d)}
}

func ids[T any](of []T, id func(T) SessionID) []SessionID {
	var out []SessionID
	for _, x := range of {
		out = append(out, id(x))
	}
	return out
}

func seatIDs(ro *Roster) []SessionID { return ids(ro.Seats, func(s Seat) SessionID { return s.ID }) }

func endingIDs(ro *Roster) []SessionID {
	return ids(ro.Endings, func(e Ended) SessionID { return e.Session })
}

// snapshot is the stored form of a roster, to show that it was not modified.
func snapshot(t interface{ Fatal(...any) }, ro *Roster) string {
	if ro == nil {
		return ""
	}
	b, err := json.Marshal(ro)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %+v, want %+v", what, got, want)
	}
}

func TestRecogniseTellsWhatATokenIs(t *testing.T) {
	ro := aRoster(aSeat("a", rotated(0)), aSeat("b"), anEnding("c", Displaced, 0, "a"))
	for _, tt := range []struct {
		token    string
		now      time.Duration
		seat     SessionID
		ending   SessionID
		replayed SessionID
		previous bool
	}{
		{token: "a", seat: "a"},
		{token: "b", seat: "b"},
		{token: "c", ending: "c"},
		{token: "old a", seat: "a", previous: true},
		{token: "old a", now: rotateGrace - 1, seat: "a", previous: true},
		{token: "old a", now: rotateGrace, replayed: "a"},
		{token: "x"},
	} {
		got := ro.recognise(dig(tt.token), at(tt.now))
		var seat, ending, replayed SessionID
		if got.seat != nil {
			seat = got.seat.ID
		}
		if got.ending != nil {
			ending = got.ending.Session
		}
		if got.replayed != nil {
			replayed = got.replayed.ID
		}
		same(t, fmt.Sprintf("%s after %v", tt.token, tt.now),
			[]any{seat, ending, replayed, got.previous}, []any{tt.seat, tt.ending, tt.replayed, tt.previous})
	}
	same(t, "the zero digest", ro.recognise(Digest{}, noon), recognition{})
	same(t, "an id that is live", ro.recall("b").seat.ID, SessionID("b"))
	same(t, "an id that has ended", ro.recall("c").ending.Session, SessionID("c"))
	same(t, "an id of nobody", ro.recall("x"), recognition{})
}

func TestClaimByIdOrBySecret(t *testing.T) {
	ro := aRoster(aSeat("a", rotated(0)))
	same(t, "an absent roster", claim{id: "a"}.in(nil, noon), recognition{})
	same(t, "by id", claim{id: "a"}.in(ro, noon).seat.ID, SessionID("a"))
	same(t, "by secret", claim{secret: dig("a")}.in(ro, noon).seat.ID, SessionID("a"))
	same(t, "a secret counts and an id beside it does not", claim{secret: dig("x"), id: "a"}.in(ro, noon), recognition{})
}

// Nothing in it times out, and it is needed for ever.
func TestTheControlRecordIsNeverDue(t *testing.T) {
	rule := plain
	rule.AdoptUntil = noon
	if due := (&Roster{Realm: "members", Epoch: 1}).due(rule); !due.IsZero() {
		t.Errorf("due at %v", due)
	}
}

func TestJudgeTable(t *testing.T) {
	const tick = time.Microsecond
	rule := plain
	untold := anEnding("e", Displaced, 0, "a")
	told := untold
	told.Used = at(0)
	replay := aSeat("a", rotated(0))
	replayed := replay
	replayed.Replayed = at(0)
	for _, tt := range []struct {
		name   string
		r      recognition
		now    time.Duration
		epoch  uint64
		rule   *Rule
		want   verdict
		reason Reason
		report bool
	}{
		{name: "nobody", epoch: 1, want: none},
		{name: "live", r: recognition{seat: new(aSeat("a"))}, epoch: 1, want: live},
		{name: "live until just before it idles", r: recognition{seat: new(aSeat("a"))}, now: time.Hour - tick, epoch: 1, want: live},
		{name: "idle", r: recognition{seat: new(aSeat("a"))}, now: time.Hour, epoch: 1, want: expired},
		{name: "old", r: recognition{seat: new(aSeat("a", seen(24*time.Hour)))}, now: 24 * time.Hour, epoch: 1, want: expired},
		{name: "the realm was ended", r: recognition{seat: new(aSeat("a"))}, epoch: 2, want: ended, reason: RealmEnded},
		{name: "the realm was ended, and it idles too", r: recognition{seat: new(aSeat("a"))}, now: time.Hour, epoch: 2, want: ended, reason: RealmEnded},
		{name: "the control record was lost", r: recognition{seat: new(aSeat("a"))}, epoch: 0, want: none},
		{name: "ended", r: recognition{ending: &untold}, epoch: 1, want: ended, reason: Displaced, report: true},
		{name: "ended, reported just now", r: recognition{ending: &told}, epoch: 1, want: ended, reason: Displaced},
		{name: "ended, reported almost an hour ago", r: recognition{ending: &told}, now: usedWindow - tick, epoch: 1, want: ended, reason: Displaced},
		{name: "ended, reported an hour ago", r: recognition{ending: &told}, now: usedWindow, epoch: 1, want: ended, reason: Displaced, report: true},
		{name: "ended, whatever the epoch", r: recognition{ending: &told}, epoch: 9, want: ended, reason: Displaced},
		{name: "rotated away", r: recognition{replayed: &replay}, epoch: 1, want: none, report: true},
		{name: "rotated away, reported just now", r: recognition{replayed: &replayed}, epoch: 1, want: none},
		{name: "rotated away, reported almost an hour ago", r: recognition{replayed: &replayed}, now: usedWindow - tick, epoch: 1, want: none},
		{name: "rotated away, reported an hour ago", r: recognition{replayed: &replayed}, now: usedWindow, epoch: 1, want: none, report: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := aRoster().judge(tt.r, at(tt.now), tt.epoch, rule)
			var reason Reason
			if got.ending != nil {
				reason = got.ending.Reason
			}
			same(t, "verdict", []any{got.verdict, reason, got.report}, []any{tt.want, tt.reason, tt.report})
			if (got.verdict == live || got.verdict == expired) && got.seat != tt.r.seat {
				t.Error("it does not say which seat")
			}
		})
	}
	got := aRoster().judge(recognition{seat: new(aSeat("a"))}, noon, 1_700_000_000_000_000, rule).ending
	same(t, "the ending that the realm's end stands for", *got, Ending{
		Session: "a", Reason: RealmEnded, At: time.UnixMicro(1_700_000_000_000_000).UTC(), Device: aSeat("a").Device,
	})
	same(t, "the epoch without a control record", (*Roster)(nil).epoch(), uint64(0))
}

func TestTimeoutsAndDeadlines(t *testing.T) {
	const tick = time.Microsecond
	idleOnly, ageOnly, never := plain, plain, plain
	idleOnly.Absolute, ageOnly.Idle, never.Idle, never.Absolute = 0, 0, 0, 0
	for _, tt := range []struct {
		name     string
		rule     Rule
		now      time.Duration
		seen     time.Duration
		want     Reason
		deadline time.Duration // -1: never
	}{
		{"fresh", plain, 0, 0, "", time.Hour},
		{"just before it idles", plain, time.Hour - tick, 0, "", time.Hour},
		{"idle", plain, time.Hour, 0, IdleTimeout, time.Hour},
		{"in use", plain, time.Hour, time.Minute, "", time.Hour + time.Minute},
		{"in use until just before its age", plain, 24*time.Hour - tick, 24*time.Hour - tick, "", 24 * time.Hour},
		{"in use, and of age", plain, 24 * time.Hour, 24 * time.Hour, AbsoluteTimeout, 24 * time.Hour},
		{"idle and of age", plain, 24 * time.Hour, 0, AbsoluteTimeout, time.Hour},
		{"no age limit", idleOnly, 24 * time.Hour, 24 * time.Hour, "", 25 * time.Hour},
		{"no idle limit", ageOnly, 24*time.Hour - tick, 0, "", 24 * time.Hour},
		{"no limit at all", never, 9999 * time.Hour, 0, "", -1},
	} {
		s := aSeat("a", seen(tt.seen))
		reason, over := s.timeout(at(tt.now), tt.rule)
		same(t, tt.name, []any{reason, over}, []any{tt.want, tt.want != ""})
		want := at(tt.deadline)
		if tt.deadline < 0 {
			want = time.Time{}
		}
		same(t, tt.name+": deadline", s.deadline(tt.rule), want)
	}

	never.KeepEndings = time.Hour
	same(t, "when an empty roster is due", aRoster().due(plain), time.Time{})
	same(t, "when seats are due", aRoster(aSeat("a"), aSeat("b", seen(-time.Minute))).due(plain), at(59*time.Minute))
	same(t, "when endings are due", aRoster(aSeat("a"), anEnding("b", Displaced, time.Minute, "a"), anEnding("c", Displaced, 2*time.Minute, "a")).due(never), at(61*time.Minute))
	same(t, "when seats are due before endings", aRoster(aSeat("a"), anEnding("b", Displaced, time.Minute, "a")).due(plain), at(time.Hour))
	same(t, "never and a time", sooner(time.Time{}, noon), noon)
	same(t, "a time and never", sooner(noon, time.Time{}), noon)
	same(t, "two times", sooner(at(1), noon), noon)
	same(t, "two times, the other way", sooner(noon, at(1)), noon)
	same(t, "never twice", sooner(time.Time{}, time.Time{}), time.Time{})
}
