package oneseat

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"
)

// noon is the time of every table here; others are offsets from it.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(offset time.Duration) time.Time { return noon.Add(offset) }

// dig is a digest that a text makes its own.
func dig(s string) digest { return digestOf([]byte(s)) }

// aSeat is a session whose secret is its id, admitted and last seen at noon.
func aSeat(id string, with ...func(*seat)) seat {
	s := seat{
		Session: Session{ID: SessionID(id), Account: "ada", Created: noon, LastSeen: noon, Device: Device{Label: "device of " + id, Class: "desktop"}},
		secret:  dig(id), epoch: 1,
	}
	for _, f := range with {
		f(&s)
	}
	return s
}

func created(d time.Duration) func(*seat) { return func(s *seat) { s.Created = at(d) } }
func seen(d time.Duration) func(*seat)    { return func(s *seat) { s.LastSeen = at(d) } }
func device(id string) func(*seat)        { return func(s *seat) { s.deviceID = deviceDigest(Key{}, id) } }
func epoch(e uint64) func(*seat)          { return func(s *seat) { s.epoch = e } }

func rotated(d time.Duration) func(*seat) {
	return func(s *seat) { s.previous, s.rotated = dig("old "+string(s.ID)), at(d) }
}

// anEnding is that of a session whose secret was its id.
func anEnding(id string, why Reason, when time.Duration, by string) ended {
	return ended{Ending: Ending{Session: SessionID(id), Reason: why, At: at(when), By: SessionID(by)}, secret: dig(id)}
}

func aRoster(parts ...any) *Roster {
	ro := &Roster{Realm: "r", Account: "ada"}
	for _, p := range parts {
		switch p := p.(type) {
		case seat:
			ro.seats = append(ro.seats, p)
		case ended:
			ro.endings = append(ro.endings, p)
		case time.Time:
			ro.forgotten = p
		}
	}
	return ro
}

// viewAt is a stored roster (nil: absent), as of an offset from noon.
func viewAt(ro *Roster, d time.Duration) View {
	return View{Key: KeyOf("r", "ada"), Roster: ro, Version: uint64(at(-time.Hour).UnixMicro()), Now: at(d)}
}

// draftOf is a draft of a roster as it is, of which nothing was settled.
func draftOf(ro *Roster, d time.Duration, rule rule) *draft {
	own := *ro
	return &draft{Roster: &own, was: viewAt(ro, d), given: premises{epoch: 1}, rule: rule}
}

// settled is a draft of ada's roster.
func settled(v View, epoch uint64, rule rule) *draft {
	return v.draft(premises{account: "ada", epoch: epoch}, rule)
}

func ids[T any](of []T, id func(T) SessionID) []SessionID {
	var out []SessionID
	for _, x := range of {
		out = append(out, id(x))
	}
	return out
}

func seatIDs(ro *Roster) []SessionID { return ids(ro.seats, func(s seat) SessionID { return s.ID }) }

func endingIDs(ro *Roster) []SessionID {
	return ids(ro.endings, func(e ended) SessionID { return e.Session })
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

// A watch by the token before a rotation ends with that token's grace, or earlier if
// the session times out.
func TestUntilWhenASessionIsCertainToGoOn(t *testing.T) {
	for _, tt := range []struct {
		idle    time.Duration
		rotated bool
		want    time.Time
	}{{0, false, at(time.Hour)}, {0, true, at(rotateGrace)}, {time.Hour - time.Second, true, at(time.Second)}} {
		s := aSeat("a", rotated(0), seen(-tt.idle))
		same(t, "the deadline", judgement{seat: &s, rotated: tt.rotated}.term(&plain).deadline, tt.want)
	}
}

// An ending by which a browser only replaces its own session or stream drops the oldest
// ending of that kind, if that is more than a minute old or more than half of all endings
// are of that kind. Otherwise the oldest of all is dropped.
func TestWhichEndingIsForgotten(t *testing.T) {
	const now, ago = time.Hour, time.Hour - renewWindow
	many := func(n int, why Reason, when time.Duration, with ...func(*ended)) (list []any) {
		for range n {
			e := anEnding("x", why, when, "y")
			for _, f := range with {
				f(&e)
			}
			list = append(list, e)
		}
		return list
	}
	ofStream := func(e *ended) { e.Parent = "p" }
	one := func(why Reason, when time.Duration, with ...func(*ended)) []any { return many(1, why, when, with...) }
	for _, tt := range []struct {
		name    string
		endings [][]any // the newest last
		want    int
	}{
		{"a displacement drops the oldest", [][]any{one(ReasonDisplaced, 0), one(ReasonRenewed, 0), many(31, ReasonDisplaced, now)}, 0},
		{"a renewal drops an older renewal", [][]any{one(ReasonDisplaced, 0), one(ReasonRenewed, 0), many(30, ReasonDisplaced, now), one(ReasonRenewed, now)}, 1},
		{"but no stream", [][]any{one(ReasonDisplaced, 0), one(ReasonDisplaced, 0, ofStream), one(ReasonRenewed, 1), many(29, ReasonDisplaced, now), one(ReasonRenewed, now)}, 2},
		{"a renewal of a minute ago", [][]any{one(ReasonDisplaced, 0), one(ReasonRenewed, ago), many(30, ReasonDisplaced, now), one(ReasonRenewed, now)}, 1},
		{"a renewal of less than a minute ago stays", [][]any{one(ReasonDisplaced, 0), one(ReasonRenewed, ago+1), many(30, ReasonDisplaced, now), one(ReasonRenewed, now)}, 0},
		{"half may be of the last minute", [][]any{many(17, ReasonDisplaced, 0), many(16, ReasonRenewed, now)}, 0},
		{"more than half may not", [][]any{many(16, ReasonDisplaced, 0), many(17, ReasonRenewed, now)}, 16},
		{"the first renewal drops the oldest", [][]any{many(32, ReasonDisplaced, 0), one(ReasonRenewed, now)}, 0},
		{"a stream drops an older stream, whatever ended it", [][]any{one(ReasonDisplaced, 0), one(ReasonRevoked, 0, ofStream), many(30, ReasonDisplaced, now), one(ReasonDisplaced, now, ofStream)}, 1},
		{"but no renewal", [][]any{one(ReasonDisplaced, 0), one(ReasonRenewed, 0), one(ReasonDisplaced, 1, ofStream), many(29, ReasonDisplaced, now), one(ReasonDisplaced, now, ofStream)}, 2},
		{"and no session that was displaced", [][]any{one(ReasonSignedOut, 0), many(31, ReasonDisplaced, 0), one(ReasonDisplaced, now, ofStream)}, 0},
	} {
		ro := aRoster(slices.Concat(tt.endings...)...)
		same(t, "endings", len(ro.endings), MaxEndings+1)
		same(t, tt.name, draftOf(ro, now, plain).oldest(ro.endings[MaxEndings].Ending), tt.want)
	}
}

// The token before a rotation counts as the session's within its grace only, also
// when the session ends.
func TestAnEndingKeepsTheTokenBeforeARotationWithinItsGrace(t *testing.T) {
	for ago, want := range map[time.Duration]digest{rotateGrace - 1: dig("old a"), rotateGrace: {}} {
		d := draftOf(aRoster(aSeat("a", rotated(-ago))), 0, plain)
		d.end("a", Ending{Reason: ReasonRevoked})
		same(t, ago.String(), d.endings[0].previous, want)
	}
}

func TestRecogniseTellsWhatATokenIs(t *testing.T) {
	ro := aRoster(aSeat("a", rotated(0)), aSeat("b"), anEnding("c", ReasonDisplaced, 0, "a"))
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
		got := ro.matchSecret(dig(tt.token), at(tt.now))
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
	same(t, "the zero digest", ro.matchSecret(digest{}, noon), match{})
	same(t, "an id that is live", ro.matchID("b").seat.ID, SessionID("b"))
	same(t, "an id that has ended", ro.matchID("c").ending.Session, SessionID("c"))
	same(t, "an id of nobody", ro.matchID("x"), match{})
}

func matched(v View, c claim) match { return v.match(&c, noon) }

func TestClaimByIdOrBySecret(t *testing.T) {
	ro := aRoster(aSeat("a", rotated(0)))
	same(t, "an absent roster", matched(viewAt(nil, 0), claim{id: "a"}), match{})
	same(t, "by id", matched(viewAt(ro, 0), claim{id: "a"}).seat.ID, SessionID("a"))
	same(t, "by secret", matched(viewAt(ro, 0), claim{secret: dig("a")}).seat.ID, SessionID("a"))
	parts := viewAt(aRoster(aSeat("a"), aSeat("stream", under("a")), anEnding("e", ReasonSignedOut, 0, "e")), 0)
	same(t, "a stream of its session", matched(parts, claim{id: "stream", parent: "a"}).seat.ID, SessionID("stream"))
	same(t, "a stream of another session, which has ended", matched(parts, claim{id: "stream", parent: "e"}), match{})
	same(t, "a stream as a session", matched(parts, claim{id: "stream"}), match{})
	same(t, "a stream of a session that has ended", matched(parts, claim{id: "gone", parent: "e"}).ending.Parent, SessionID("e"))
	seated, _ := viewAt(ro, time.Second).trace(claim{secret: dig("old a")})
	same(t, "a trace by the secret before, within its grace", seated, true)
	seated, _ = viewAt(ro, time.Hour).trace(claim{secret: dig("old a")})
	same(t, "a trace by the secret before, after its grace", seated, false)
	same(t, "a secret counts and an id beside it does not", matched(viewAt(ro, 0), claim{secret: dig("x"), id: "a"}), match{})
}

func TestTheShorterOfTwoTimes(t *testing.T) {
	for _, c := range [][3]time.Duration{{0, 0, 0}, {0, 5, 5}, {5, 0, 5}, {3, 5, 3}, {5, 3, 3}} {
		same(t, fmt.Sprint(c), shorter(c[0], c[1]), c[2])
	}
}

// Last-seen is exact to a tenth of the time for which a session may idle, or to
// Config.TouchEvery where that is less, or where a session may idle for ever.
func TestHowExactlyLastSeenIsKept(t *testing.T) {
	for _, c := range [][3]time.Duration{{0, 5, 5}, {100, 5, 5}, {30, 5, 3}, {50, 5, 5}} {
		s := aSeat("a")
		same(t, fmt.Sprint(c), s.touchEvery(&rule{idle: c[0], touchEvery: c[1]}), c[2])
	}
}

// A record that is kept for an attempt alone is due when that attempt is too old.
func TestABareRecordIsDueWhenItsAttemptIsTooOld(t *testing.T) {
	ro := aRoster()
	ro.tried = at(time.Minute)
	same(t, "due", ro.due(plain), at(time.Minute).Add(attemptLife))
	rule := plain
	rule.adoptUntil = at(100 * time.Hour)
	same(t, "due, while sessions are adopted", ro.due(rule), at(100*time.Hour))
}

// A stream's ending by the realm's end names the stream's session.
func TestTheRealmsEndSaysWhoseAStreamWas(t *testing.T) {
	s := aSeat("stream", under("a"))
	same(t, "ending", *s.judge(noon, 2, &plain).ending, Ending{Session: "stream", Parent: "a", Reason: ReasonRealmEnded, At: micros(2).time(), Device: s.Device})
}

// Nothing in the control record times out, and it is needed for ever.
func TestTheControlRecordIsNeverDue(t *testing.T) {
	rule := plain
	rule.adoptUntil = noon
	if due := (&Roster{Realm: "members", realmEpoch: 1}).due(rule); !due.IsZero() {
		t.Errorf("due at %v", due)
	}
}

func TestJudgeTable(t *testing.T) {
	const tick = time.Microsecond
	rule := plain
	untold := anEnding("e", ReasonDisplaced, 0, "a")
	told := untold
	told.used = at(0)
	replay := aSeat("a", rotated(-rotateGrace))
	replayed := replay
	replayed.replayed = at(0)
	for _, tt := range []struct {
		name   string
		ro     *Roster
		secret string // of the claim; "": the id a
		now    time.Duration
		epoch  uint64
		want   verdict
		reason Reason
		report bool
	}{
		{name: "nobody", epoch: 1, want: verdictNone},
		{name: "live", ro: aRoster(aSeat("a")), epoch: 1, want: verdictLive},
		{name: "live until just before it idles", ro: aRoster(aSeat("a")), now: time.Hour - tick, epoch: 1, want: verdictLive},
		{name: "idle", ro: aRoster(aSeat("a")), now: time.Hour, epoch: 1, want: verdictExpired},
		{name: "old", ro: aRoster(aSeat("a", seen(24*time.Hour))), now: 24 * time.Hour, epoch: 1, want: verdictExpired},
		{name: "the realm was ended", ro: aRoster(aSeat("a")), epoch: 2, want: verdictEnded, reason: ReasonRealmEnded},
		{name: "the realm was ended, and it idles too", ro: aRoster(aSeat("a")), now: time.Hour, epoch: 2, want: verdictEnded, reason: ReasonRealmEnded},
		{name: "the control record was lost", ro: aRoster(aSeat("a")), epoch: 0, want: verdictNone},
		{name: "ended", ro: aRoster(untold), secret: "e", epoch: 1, want: verdictEnded, reason: ReasonDisplaced, report: true},
		{name: "ended, reported just now", ro: aRoster(told), secret: "e", epoch: 1, want: verdictEnded, reason: ReasonDisplaced},
		{name: "ended, reported almost an hour ago", ro: aRoster(told), secret: "e", now: usedWindow - tick, epoch: 1, want: verdictEnded, reason: ReasonDisplaced},
		{name: "ended, reported an hour ago", ro: aRoster(told), secret: "e", now: usedWindow, epoch: 1, want: verdictEnded, reason: ReasonDisplaced, report: true},
		{name: "ended, whatever the epoch", ro: aRoster(told), secret: "e", epoch: 9, want: verdictEnded, reason: ReasonDisplaced},
		{name: "rotated away", ro: aRoster(replay), secret: "old a", epoch: 1, want: verdictNone, report: true},
		{name: "rotated away, reported just now", ro: aRoster(replayed), secret: "old a", epoch: 1, want: verdictNone},
		{name: "rotated away, reported almost an hour ago", ro: aRoster(replayed), secret: "old a", now: usedWindow - tick, epoch: 1, want: verdictNone},
		{name: "rotated away, reported an hour ago", ro: aRoster(replayed), secret: "old a", now: usedWindow, epoch: 1, want: verdictNone, report: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := claim{id: "a"}
			if tt.secret != "" {
				c = claim{secret: dig(tt.secret)}
			}
			v := viewAt(tt.ro, 0)
			got := v.judge(&c, at(tt.now), tt.epoch, &rule)
			var reason Reason
			if got.ending != nil {
				reason = got.ending.Reason
			}
			same(t, "verdict", []any{got.verdict, reason, got.report}, []any{tt.want, tt.reason, tt.report})
			if (got.verdict == verdictLive || got.verdict == verdictExpired) && got.seat != &tt.ro.seats[0] {
				t.Error("it does not say which seat")
			}
		})
	}
	v := viewAt(aRoster(aSeat("a")), 0)
	got := v.judge(&claim{id: "a"}, noon, 1_700_000_000_000_000, &rule).ending
	same(t, "the ending that the realm's end stands for", *got, Ending{
		Session: "a", Reason: ReasonRealmEnded, At: time.UnixMicro(1_700_000_000_000_000).UTC(), Device: aSeat("a").Device,
	})
	same(t, "the epoch without a control record", View{}.epoch(), uint64(0))
}

func TestTimeoutsAndDeadlines(t *testing.T) {
	const tick = time.Microsecond
	idleOnly, ageOnly, never := plain, plain, plain
	idleOnly.absolute, ageOnly.idle, never.idle, never.absolute = 0, 0, 0, 0
	for _, tt := range []struct {
		name     string
		rule     rule
		now      time.Duration
		seen     time.Duration
		want     Reason
		deadline time.Duration // -1: never
	}{
		{"fresh", plain, 0, 0, "", time.Hour},
		{"just before it idles", plain, time.Hour - tick, 0, "", time.Hour},
		{"idle", plain, time.Hour, 0, ReasonIdleTimeout, time.Hour},
		{"in use", plain, time.Hour, time.Minute, "", time.Hour + time.Minute},
		{"in use until just before its age", plain, 24*time.Hour - tick, 24*time.Hour - tick, "", 24 * time.Hour},
		{"in use, and of age", plain, 24 * time.Hour, 24 * time.Hour, ReasonAbsoluteTimeout, 24 * time.Hour},
		{"idle and of age", plain, 24 * time.Hour, 0, ReasonAbsoluteTimeout, time.Hour},
		{"no age limit", idleOnly, 24 * time.Hour, 24 * time.Hour, "", 25 * time.Hour},
		{"no idle limit", ageOnly, 24*time.Hour - tick, 0, "", 24 * time.Hour},
		{"no limit at all", never, 9999 * time.Hour, 0, "", -1},
	} {
		s := aSeat("a", seen(tt.seen))
		reason, over := s.timeout(at(tt.now), &tt.rule)
		same(t, tt.name, []any{reason, over}, []any{tt.want, tt.want != ""})
		want := at(tt.deadline)
		if tt.deadline < 0 {
			want = time.Time{}
		}
		same(t, tt.name+": deadline", s.deadline(&tt.rule), want)
	}

	never.keepEndings = time.Hour
	same(t, "when an empty roster is due", aRoster().due(plain), time.Time{})
	same(t, "when seats are due", aRoster(aSeat("a"), aSeat("b", seen(-time.Minute))).due(plain), at(59*time.Minute))
	same(t, "when endings are due", aRoster(aSeat("a"), anEnding("b", ReasonDisplaced, time.Minute, "a"), anEnding("c", ReasonDisplaced, 2*time.Minute, "a")).due(never), at(61*time.Minute))
	same(t, "when seats are due before endings", aRoster(aSeat("a"), anEnding("b", ReasonDisplaced, time.Minute, "a")).due(plain), at(time.Hour))
	same(t, "never and a time", earliest(time.Time{}, noon), noon)
	same(t, "a time and never", earliest(noon, time.Time{}), noon)
	same(t, "two times", earliest(at(1), noon), noon)
	same(t, "two times, the other way", earliest(noon, at(1)), noon)
	same(t, "never twice", earliest(time.Time{}, time.Time{}), time.Time{})
}

// A roster is due when the first of all that is in it is.
func TestARosterIsDueWhenItsFirstPartIs(t *testing.T) {
	rule := plain
	rule.keepEndings = time.Hour
	times := []time.Duration{10 * time.Minute, 20 * time.Minute, 30 * time.Minute, 40 * time.Minute}
	for range len(times) {
		ro := aRoster(aSeat("a", seen(times[0]-time.Hour)), aSeat("b", seen(times[1]-time.Hour)), anEnding("z", ReasonSignedOut, times[2]-time.Hour, "z"))
		ro.tickets = []pending{{secret: dig("ticket"), epoch: 1, expires: at(times[3])}}
		same(t, fmt.Sprint("of ", times), ro.due(rule), at(10*time.Minute))
		ro.blocked = &block{until: at(5 * time.Minute)}
		same(t, "with a block that ends before", ro.due(rule), at(5*time.Minute))
		ro.blocked = &block{until: at(time.Hour)}
		same(t, "with a block that ends later", ro.due(rule), at(10*time.Minute))
		ro.blocked = &block{}
		same(t, "with a block without an end", ro.due(rule), at(10*time.Minute))
		times = append(times[1:], times[0])
	}
	rule.adoptUntil = at(time.Hour)
	ro := aRoster()
	ro.limitsRev = uint64(at(2 * time.Hour).UnixMicro())
	same(t, "nothing but a revision", ro.due(rule), at(2*time.Hour+revisionKept))
	ro.limitsRev = uint64(at(0).UnixMicro())
	same(t, "nothing but a revision, and adoption goes on", ro.due(rule), at(time.Hour))
}

func TestAnAddressIsReducedToItsNetwork(t *testing.T) {
	for ip, want := range map[string]string{
		"203.0.113.255": "203.0.113.0", "::ffff:203.0.113.255": "203.0.113.0", "2001:db8:1:ffff::1": "2001:db8:1::", "fe80:0:1:ffff::1%eth0": "fe80:0:1::",
		"": "", "localhost": "", "203.0.113.255:80": "",
	} {
		if got := network(ip); got != want {
			t.Errorf("%q: got %q", ip, got)
		}
	}
}

// TestAnUpdateAltersTheSumsOfItsRoster: what a store adds to its sums, one epoch
// after the other, the lower one first.
func TestAnUpdateAltersTheSumsOfItsRoster(t *testing.T) {
	stream := func(s *seat) { s.parent = "a" }
	ro := func(seats ...seat) *Roster { return &Roster{Realm: "r", Account: "ada", seats: seats} }
	a, b, a2, b2 := aSeat("a"), aSeat("b"), aSeat("a", epoch(2)), aSeat("b", epoch(2))
	play, play2 := aSeat("p", stream), aSeat("p", stream, epoch(2))
	for name, c := range map[string]struct {
		was  *Roster
		now  Change
		want []CountChange
	}{
		"nothing is written":                 {ro(a), Change{}, nil},
		"nothing was there, nothing is":      {nil, Change{Roster: ro()}, nil},
		"what was not there is erased":       {nil, Change{Erase: true}, nil},
		"somebody comes":                     {nil, Change{Roster: ro(a)}, []CountChange{{1, Count{1, 1, 0}}}},
		"somebody comes to an empty roster":  {ro(), Change{Roster: ro(a2)}, []CountChange{{2, Count{1, 1, 0}}}},
		"another one comes":                  {ro(a), Change{Roster: ro(a, b)}, []CountChange{{1, Count{0, 1, 0}}}},
		"one takes the place of another":     {ro(a), Change{Roster: ro(b)}, nil},
		"a session plays":                    {ro(a), Change{Roster: ro(a, play)}, []CountChange{{1, Count{0, 0, 1}}}},
		"a stream takes a session's place":   {ro(a, b), Change{Roster: ro(a, play)}, []CountChange{{1, Count{0, -1, 1}}}},
		"somebody goes":                      {ro(a, b, play), Change{Roster: ro(a)}, []CountChange{{1, Count{0, -1, -1}}}},
		"the last one goes":                  {ro(a, play), Change{Roster: ro()}, []CountChange{{1, Count{-1, -1, -1}}}},
		"all is erased":                      {ro(a2, b2), Change{Erase: true}, []CountChange{{2, Count{-1, -2, 0}}}},
		"an empty roster is erased":          {ro(), Change{Erase: true}, nil},
		"the realm has ended":                {ro(a, b), Change{Roster: ro(b2)}, []CountChange{{1, Count{-1, -2, 0}}, {2, Count{1, 1, 0}}}},
		"as many as before, of another time": {ro(a), Change{Roster: ro(a2)}, []CountChange{{1, Count{-1, -1, 0}}, {2, Count{1, 1, 0}}}},
		"a record of before comes back":      {ro(a2, play2), Change{Roster: ro(a)}, []CountChange{{1, Count{1, 1, 0}}, {2, Count{-1, -1, -1}}}},
		"of two epochs, the later counts":    {nil, Change{Roster: ro(a2, b)}, []CountChange{{2, Count{1, 2, 0}}}},
	} {
		if got := (View{Roster: c.was}).CountChanges(c.now); !slices.Equal(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
