package oneseat

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
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

var plain = Rule{Limits: Limits{Total: 1, Streams: 1}, WhenFull: Displace, WhoGoes: Idlest, StreamIdle: time.Minute, Idle: time.Hour, Absolute: 24 * time.Hour, KeepEndings: 30 * 24 * time.Hour}

func limited(limit int, policy Policy) Rule {
	r := plain
	r.Limits.Total, r.WhenFull = limit, policy
	return r
}

// full is a roster of so many sessions, the idlest in the middle.
func full(n int) *Roster {
	ro := aRoster()
	for i := range n {
		ro.Seats = append(ro.Seats, aSeat(fmt.Sprintf("s%03d", i), seen(time.Duration(i+1)*time.Second)))
	}
	ro.Seats[n/2].LastSeen = noon
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
		rule Rule
		want Decision
	}{
		{name: "nobody is there", ro: aRoster(), rule: plain},
		{name: "there is room", ro: three(), rule: limited(4, Displace)},
		{name: "full: the idlest goes", ro: three(), rule: limited(3, Displace), want: Decision{Displaces: []SessionID{"b"}}},
		{name: "the limit was lowered: the idlest go, in that order", ro: three(), rule: limited(1, Displace), want: Decision{Displaces: []SessionID{"b", "c", "a"}}},
		{
			name: "among the equally idle the first to sign in goes", rule: limited(2, Displace),
			ro: aRoster(aSeat("a", created(-time.Second)), aSeat("b", created(-time.Minute))), want: Decision{Displaces: []SessionID{"b"}},
		},
		{
			name: "among the entirely equal the first in the roster goes", rule: limited(2, Displace),
			ro: aRoster(aSeat("a"), aSeat("b")), want: Decision{Displaces: []SessionID{"a"}},
		},
		{
			name: "one on the newcomer's own device goes first", rule: limited(3, Displace),
			ro: aRoster(aSeat("a", seen(0)), aSeat("b", seen(time.Second), device("d")), aSeat("c", seen(2*time.Second))),
			c:  newcomer{seat: aSeat("new", device("d"))}, want: Decision{Displaces: []SessionID{"b"}},
		},
		{
			name: "one on the newcomer's own device does not go while there is room", rule: limited(2, Displace),
			ro: aRoster(aSeat("a", device("d"))), c: newcomer{seat: aSeat("new", device("d"))},
		},
		{
			name: "no device id is not the same device", rule: limited(2, Displace),
			ro: aRoster(aSeat("a", seen(time.Second), device("d")), aSeat("b", seen(2*time.Second))), want: Decision{Displaces: []SessionID{"a"}},
		},
		{name: "its own token renews", ro: three(), rule: limited(3, Displace), c: newcomer{presented: dig("a")}, want: Decision{Renews: "a"}},
		{name: "its own token renews under refuse", ro: three(), rule: limited(3, Refuse), c: newcomer{presented: dig("a")}, want: Decision{Renews: "a"}},
		{
			name: "a lowered limit trims at a renewal, but not who is renewed", ro: three(), rule: limited(2, Displace),
			c: newcomer{presented: dig("b")}, want: Decision{Renews: "b", Displaces: []SessionID{"c"}},
		},
		{name: "full under refuse", ro: three(), rule: limited(3, Refuse), want: Decision{Outcome: Refused}},
		{name: "full under refuse, on one's own device", ro: aRoster(aSeat("a", device("d"))), rule: limited(1, Refuse), c: newcomer{seat: aSeat("new", device("d"))}, want: Decision{Outcome: Refused}},
		{name: "full under refuse, but the owner is vouched for", ro: three(), rule: limited(3, Refuse), c: newcomer{takeOver: true}, want: Decision{Displaces: []SessionID{"b"}}},
		{name: "room under refuse", ro: three(), rule: limited(4, Refuse)},
		{name: "unlimited: one below the ceiling", ro: full(MaxSeats - 1), rule: limited(Unlimited, Refuse)},
		{name: "unlimited: at the ceiling the idlest goes, under refuse too", ro: full(MaxSeats), rule: limited(Unlimited, Refuse), want: Decision{Displaces: []SessionID{"s128"}}},
		{name: "an earlier try is live", ro: aRoster(aSeat("new")), rule: plain, want: Decision{Outcome: already}},
		{name: "an earlier try is live, and the account is full", ro: aRoster(aSeat("new")), rule: limited(1, Refuse), want: Decision{Outcome: already}},
		{name: "an earlier try was ended", ro: aRoster(anEnding("new", Displaced, 0, "x")), rule: plain, want: Decision{Outcome: already}},
		{name: "an earlier try may have been forgotten", ro: aRoster(at(0)), v: aRoster(at(0)), rule: plain, c: newcomer{tried: at(-1)}, want: Decision{Outcome: unknown}},
		{name: "an earlier try may have been forgotten at that moment", ro: aRoster(at(0)), v: aRoster(at(0)), rule: plain, c: newcomer{tried: at(0)}, want: Decision{Outcome: unknown}},
		{name: "what was forgotten is older than the first try", ro: aRoster(at(0)), v: aRoster(at(0)), rule: plain, c: newcomer{tried: at(1)}},
		{name: "the first try need not ask what was forgotten", ro: aRoster(at(0)), rule: plain},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.c.seat.ID == "" {
				tt.c.seat = aSeat("new")
			}
			before := snapshot(t, tt.ro)
			same(t, "decision", brief(tt.ro.decide(viewAt(tt.v, time.Minute), tt.c, tt.rule)), brief(tt.want))
			same(t, "the roster afterwards", snapshot(t, tt.ro), before)
		})
	}
}

// brief is what a decision comes to, without its why; no outcome means admitted.
func brief(d Decision) Decision {
	return Decision{Outcome: cmp.Or(d.Outcome, Admitted), Renews: d.Renews, Displaces: d.Displaces}
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
		{name: "renewed just now", ro: aRoster(aSeat("b"), anEnding("a", Renewed, 0, "b")), presented: "a", want: "b"},
		{name: "renewed almost a minute ago", ro: aRoster(aSeat("b"), anEnding("a", Renewed, 0, "b")), presented: "a", now: minute - tick, want: "b"},
		{name: "renewed a minute ago", ro: aRoster(aSeat("b"), anEnding("a", Renewed, 0, "b")), presented: "a", now: minute, want: ""},
		{name: "renewed and renewed and renewed", presented: "a", now: minute - tick, want: "d", ro: aRoster(
			anEnding("a", Renewed, 0, "b"), anEnding("b", Renewed, time.Second, "c"), anEnding("c", Renewed, 2*time.Second, "d"), aSeat("d"))},
		{name: "renewed, and the successor signed out", presented: "a", want: "", ro: aRoster(
			anEnding("a", Renewed, 0, "b"), anEnding("b", SignedOut, time.Second, "b"), aSeat("c"))},
		{name: "renewed, and the successor displaced", presented: "a", want: "", ro: aRoster(
			anEnding("a", Renewed, 0, "b"), anEnding("b", Displaced, time.Second, "c"), aSeat("c"))},
		{name: "renewed, and the successor forgotten", ro: aRoster(anEnding("a", Renewed, 0, "b"), aSeat("c")), presented: "a", want: ""},
		{name: "displaced", ro: aRoster(anEnding("a", Displaced, 0, "b"), aSeat("b")), presented: "a", want: ""},
		{name: "signed out", ro: aRoster(anEnding("a", SignedOut, 0, "a"), aSeat("b")), presented: "a", want: ""},
		{name: "rotated away just now", ro: aRoster(aSeat("a", rotated(0))), presented: "old a", want: ""},
		{name: "rotated away long ago", ro: aRoster(aSeat("a", rotated(0))), presented: "old a", now: minute, want: ""},
		{name: "endings that lead in a circle", presented: "a", want: "", ro: aRoster(
			anEnding("a", Renewed, 0, "b"), anEnding("b", Renewed, 0, "a"))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var d Digest
			if tt.presented != "" {
				d = dig(tt.presented)
			}
			same(t, "session", tt.ro.sameBrowser(at(tt.now), d), tt.want)
		})
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

func TestApplyEndsWhoGoesAndSeatsTheNewcomer(t *testing.T) {
	old := aRoster(aSeat("a"), aSeat("b"), aSeat("c"), anEnding("z", SignedOut, -time.Minute, "z"))
	before := snapshot(t, old)
	v := viewAt(old, time.Minute)
	ro, _ := v.settled("r", "ada", 1, plain)
	c := newcomer{seat: aSeat("new", created(-time.Hour), seen(-time.Hour))}
	earlier := Event{Type: SessionEnded, Session: "settled"}
	got := ro.apply(v, c, Decision{Renews: "b", Displaces: []SessionID{"c", "a"}}, []Event{earlier}, plain)

	same(t, "the stored roster afterwards", snapshot(t, old), before)
	same(t, "seats", seatIDs(got.Roster), []SessionID{"new"})
	s := got.Roster.Seats[0]
	same(t, "the newcomer", s.Session, Session{ID: "new", Account: "ada", Device: c.seat.Device, Created: v.Now, LastSeen: v.Now})
	same(t, "endings", endingIDs(got.Roster), []SessionID{"z", "b", "c", "a"})
	for i, why := range map[int]Reason{1: Renewed, 2: Displaced, 3: Displaced} {
		e := got.Roster.Endings[i]
		same(t, "ending", e.Ending, Ending{
			Session: e.Session, Reason: why, At: v.Now, By: "new",
			Device: aSeat(string(e.Session)).Device, ByDevice: c.seat.Device,
		})
		same(t, "its secret", e.Secret, dig(string(e.Session)))
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
		Type: SessionEnded, Realm: "r", Account: "ada", Session: "c", At: v.Now, Version: v.Next(), Reason: Displaced,
		By: "new", Device: aSeat("c").Device, ByDevice: c.seat.Device,
	})
	same(t, "as an ending", got.Events[2].Ending(), got.Roster.Endings[2].Ending)
	same(t, "the event of the admission", got.Events[4], Event{
		Type: SessionCreated, Realm: "r", Account: "ada", Session: "new", At: v.Now, Version: v.Next(), Device: c.seat.Device,
	})
	same(t, "Erase", got.Erase, false)
}

func TestAdmitIsTheOneDoor(t *testing.T) {
	stale := aRoster(aSeat("a", seen(-2*time.Hour)), aSeat("b"))

	change, d := admit(viewAt(nil, 0), "r", "ada", newcomer{seat: aSeat("new")}, plain)
	same(t, "the first session of an account", []any{d.Outcome, seatIDs(change.Roster), change.Roster.Realm, change.Roster.Account},
		[]any{Admitted, []SessionID{"new"}, "r", "ada"})

	change, d = admit(viewAt(stale, 0), "r", "ada", newcomer{seat: aSeat("new")}, limited(2, Refuse))
	same(t, "a session that has timed out holds no seat", []any{d.Outcome, seatIDs(change.Roster)}, []any{Admitted, []SessionID{"b", "new"}})
	same(t, "and is recorded as such", change.Roster.Endings[0].Reason, IdleTimeout)

	change, d = admit(viewAt(aRoster(aSeat("a")), 0), "r", "ada", newcomer{seat: aSeat("new", epoch(2))}, limited(1, Refuse))
	same(t, "a session of an earlier epoch holds no seat", []any{d.Outcome, seatIDs(change.Roster)}, []any{Admitted, []SessionID{"new"}})
	same(t, "and is recorded as such too", change.Roster.Endings[0].Reason, RealmEnded)

	change, d = admit(viewAt(stale, 0), "r", "ada", newcomer{seat: aSeat("new")}, limited(1, Refuse))
	same(t, "a refusal", []any{d.Outcome, seatIDs(change.Roster), endingIDs(change.Roster)}, []any{Refused, []SessionID{"b"}, []SessionID{"a"}})
	same(t, "is told after what was settled", []EventType{change.Events[0].Type, change.Events[1].Type}, []EventType{SessionEnded, SignInRefused})
	same(t, "and names who was refused", change.Events[1].Session, SessionID("new"))

	change, d = admit(viewAt(aRoster(aSeat("new")), 0), "r", "ada", newcomer{seat: aSeat("new")}, plain)
	same(t, "a second try changes nothing", []any{d.Outcome, change}, []any{already, Change{}})

	forgot := aRoster(aSeat("a"), at(0))
	change, d = admit(viewAt(forgot, 0), "r", "ada", newcomer{seat: aSeat("new"), tried: at(-1)}, plain)
	same(t, "a second try that cannot tell changes nothing", []any{d.Outcome, change}, []any{unknown, Change{}})
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
		ro, _ := tt.v.settled("r", "ada", 0, plain)
		same(t, tt.name, tt.v.forgot(ro, tt.since), tt.want)
	}
}

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

// P1, for every roster and every rule: what a change commits holds no more live
// sessions than the limit, unless it already did and nobody was admitted;
// nobody is live and ended at once; nothing that was stored is modified.
func TestNoRosterEverHoldsMoreThanTheLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stored, version, now := (*Roster)(nil), uint64(0), noon
		gone := map[SessionID]bool{}
		for n := range rapid.IntRange(1, 40).Draw(t, "steps") {
			rule := Rule{
				Limits:   Limits{Total: rapid.SampledFrom([]int{1, 1, 2, 3, Unlimited}).Draw(t, "limit"), Streams: 1},
				WhenFull: rapid.SampledFrom([]Policy{Displace, Refuse}).Draw(t, "policy"),
				Idle:     time.Hour, Absolute: 5 * time.Hour, KeepEndings: 2 * time.Hour,
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
			switch what := rapid.SampledFrom([]string{"sign in", "sign in", "touch", "rotate", "end", "settle"}).Draw(t, "what"); {
			case what == "sign in":
				s := aSeat(fmt.Sprint(n), device(rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "device")))
				var d Decision
				c, d = admit(v, "r", "ada", newcomer{seat: s, presented: token, takeOver: rapid.Bool().Draw(t, "take over")}, rule)
				limit := rule.Limits.Total
				if limit == Unlimited {
					limit = MaxSeats
				}
				if d.Outcome == Admitted && len(c.Roster.Seats) > limit {
					t.Fatalf("%d live of %d", len(c.Roster.Seats), limit)
				}
				if d.Outcome == Refused && (rule.WhenFull != Refuse || rule.Limits.Total == Unlimited || stored == nil || len(c.Roster.Seats) < limit) {
					t.Fatalf("refused though there is room: %+v", rule)
				}
			case stored == nil:
			default:
				ro, events := v.settled("r", "ada", 1, rule)
				switch i := ro.bySecret(token); {
				case i < 0:
				case what == "touch":
					ro.touch(ro.Seats[i].ID, v.Now, time.Minute)
				case what == "rotate":
					e, _ := ro.rotate(v, token, dig(fmt.Sprint(n)))
					events = append(events, e)
				case what == "end":
					events = append(events, ro.end(v, ro.Seats[i].ID, Ending{Reason: Revoked, At: v.Now})...)
				}
				c = v.changeIf(ro, events, rule)
			}
			if got := snapshot(t, stored); got != before {
				t.Fatalf("what was stored was modified:\n%s\n%s", before, got)
			}
			for _, e := range c.Events {
				if e.Version != v.Next() || !e.At.Equal(v.Now) {
					t.Fatalf("an event of another update: %+v", e)
				}
				if e.Type == SessionEnded {
					gone[e.Session] = true
				}
			}
			switch {
			case c.Erase:
				stored = nil
			case c.Roster != nil:
				stored, version = c.Roster, v.Next()
				for _, s := range stored.Seats {
					if gone[s.ID] {
						t.Fatalf("session %s is back", s.ID)
					}
					if _, over := s.timeout(v.Now, rule); over {
						t.Fatalf("session %s has timed out and is still there", s.ID)
					}
				}
				if len(stored.Endings) > MaxEndings {
					t.Fatalf("%d endings", len(stored.Endings))
				}
				if !slices.IsSortedFunc(stored.Endings, func(a, b Ended) int { return a.At.Compare(b.At) }) {
					t.Fatal("the endings are out of order")
				}
				if !stored.Due.Equal(stored.due(rule)) {
					t.Fatal("the due time is wrong")
				}
			}
		}
	})
}
