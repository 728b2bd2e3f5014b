package oneseat

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func class(c Class) func(*seat)       { return func(s *seat) { s.Device.Class = c } }
func program(s *seat)                 { s.Program = true }
func under(parent string) func(*seat) { return func(s *seat) { s.parent = SessionID(parent) } }
func classes(kv ...any) map[Class]int { // name, limit, …
	m := make(map[Class]int)
	for i := 0; i < len(kv); i += 2 {
		m[Class(kv[i].(string))] = kv[i+1].(int)
	}
	return m
}

// LIM-02: the most specific source of limits counts: for a total and its classes
// together, and for streams apart. The decision names that source.
func TestTheMostSpecificLimitCounts(t *testing.T) {
	everybody := Limits{Total: 2, Streams: 1}
	withClasses := Limits{Total: 4, Classes: classes("mobile", 1, "tv", 2), Streams: 3}
	for _, tt := range []struct {
		name                  string
		stored, asked, config Limits
		sessions, streams     string
		programs              string
	}{
		{name: "only the configuration", config: everybody, sessions: "total 2 Config", streams: "streams 1 Config"},
		{name: "with classes, in the order of their names, and then the total", config: withClasses, sessions: "mobile 1 Config, tv 2 Config, total 4 Config", streams: "streams 3 Config"},
		{name: "the application comes before the configuration", asked: Limits{Total: 5}, config: everybody, sessions: "total 5 LimitFor", streams: "streams 1 Config"},
		{name: "what is stored comes before both", stored: Limits{Total: 3}, asked: Limits{Total: 5}, config: everybody, sessions: "total 3 SetLimit", streams: "streams 1 Config"},
		{name: "and if all say the same", stored: everybody, asked: everybody, config: everybody, sessions: "total 2 SetLimit", streams: "streams 1 SetLimit"},
		{name: "lower or higher", stored: Limits{Total: 9}, asked: Limits{Total: 1}, config: everybody, sessions: "total 9 SetLimit", streams: "streams 1 Config"},
		{name: "streams alone", stored: Limits{Streams: 4}, asked: Limits{Total: 5, Streams: 2}, config: everybody, sessions: "total 5 LimitFor", streams: "streams 4 SetLimit"},
		{name: "streams alone, of the application", asked: Limits{Streams: 2}, config: everybody, sessions: "total 2 Config", streams: "streams 2 LimitFor"},
		{name: "who sets the total decides for the classes", asked: Limits{Total: 5}, config: withClasses, sessions: "total 5 LimitFor", streams: "streams 3 Config"},
		{name: "and may set others", stored: Limits{Total: 6, Classes: classes("desktop", 2)}, asked: Limits{Total: 5, Classes: classes("tv", 1)}, config: withClasses, sessions: "desktop 2 SetLimit, total 6 SetLimit", streams: "streams 3 Config"},
		{name: "who leaves the total leaves the classes", asked: Limits{Streams: 1}, config: withClasses, sessions: "mobile 1 Config, tv 2 Config, total 4 Config", streams: "streams 1 LimitFor"},
		{name: "unlimited is the ceiling", stored: Limits{Total: Unlimited, Streams: Unlimited}, config: withClasses, sessions: "total 256 SetLimit!", streams: "streams 64 SetLimit!"},
		{name: "unlimited for everybody", config: Limits{Total: Unlimited, Streams: Unlimited}, sessions: "total 256 Config!", streams: "streams 64 Config!"},
		{name: "a class under an unlimited total", asked: Limits{Total: Unlimited, Classes: classes("api", 1)}, config: everybody, sessions: "api 1 LimitFor, total 256 LimitFor!", streams: "streams 1 Config"},
		{name: "an unlimited class has the total only", config: Limits{Total: 3, Classes: classes("tv", Unlimited, "api", 1), Streams: 1}, sessions: "api 1 Config, total 3 Config", streams: "streams 1 Config"},
		{name: "classes by their names", config: Limits{Total: 9, Classes: classes("tv", 1, "mobile", 2, "desktop", 3, "api", 4, "tablet", 5), Streams: 1}, sessions: "api 4 Config, desktop 3 Config, mobile 2 Config, tablet 5 Config, tv 1 Config, total 9 Config", streams: "streams 1 Config"},
		{name: "classes of streams stand under their number", config: Limits{Total: 1, Streams: 3, StreamClasses: classes("tv", 1, "mobile", Unlimited)}, sessions: "total 1 Config", streams: "streams_tv 1 Config, streams 3 Config"},
		{name: "and go with it", asked: Limits{Streams: 2}, stored: Limits{Total: 4}, config: Limits{Total: 1, Streams: 3, StreamClasses: classes("tv", 1)}, sessions: "total 4 SetLimit", streams: "streams 2 LimitFor"},
		{name: "programs by themselves", stored: Limits{Programs: 7}, asked: Limits{Total: 5}, config: Limits{Total: 1, Streams: 1, Programs: 2}, sessions: "total 5 LimitFor", streams: "streams 1 Config", programs: "programs 7 SetLimit"},
		{name: "programs without a limit", config: Limits{Total: 1, Streams: 1, Programs: Unlimited}, sessions: "total 1 Config", streams: "streams 1 Config", programs: "programs 64 Config!"},
		{name: "the ceiling, said as a number, refuses", config: Limits{Total: MaxSeats, Streams: MaxStreams}, sessions: "total 256 Config", streams: "streams 64 Config"},
	} {
		ro := aRoster()
		ro.limits = tt.stored
		rule := plain
		rule.limits = tt.config
		d := draftOf(ro, 0, rule)
		d.given.limits = tt.asked
		spell := func(bounds []bound) string {
			var out []string
			for _, b := range bounds {
				out = append(out, fmt.Sprintf("%s %d %s%s", b.Name, b.Limit, b.Source, map[bool]string{true: "!"}[b.ceiling]))
			}
			return strings.Join(out, ", ")
		}
		same(t, tt.name, []string{spell(d.bounds(boundTotal)), spell(d.bounds(boundStreams)), spell(d.bounds(boundPrograms))}, []string{tt.sessions, tt.streams, tt.programs})
	}
}

func TestLimitsAreEqualInEveryField(t *testing.T) {
	all := Limits{Total: 1, Classes: classes("tv", 1), Streams: 1, StreamClasses: classes("tv", 1), Programs: 1}
	for i := range reflect.TypeFor[Limits]().NumField() {
		other := all
		reflect.ValueOf(&other).Elem().Field(i).SetZero()
		if other.Equal(all) || all.Equal(other) || !other.Equal(other) {
			t.Errorf("without %s they are equal", reflect.TypeFor[Limits]().Field(i).Name)
		}
	}
}

// A stream gives way first when its player has missed a heartbeat: for half of streamIdle.
func TestWhenAPlayerIsSilent(t *testing.T) {
	for silent, want := range map[time.Duration]bool{plain.streamIdle/2 - time.Microsecond: false, plain.streamIdle / 2: true, plain.streamIdle / 3: false} {
		s := aSeat("stream", under("a"))
		same(t, silent.String(), draftOf(aRoster(), silent, plain).silent(&s), want)
	}
}

func TestWhichSeatsABoundCounts(t *testing.T) {
	seats := []seat{aSeat("a phone", class("mobile")), aSeat("its stream", class("mobile"), under("a phone")), aSeat("a program on it", class("mobile"), program)}
	for name, want := range map[string][]bool{
		"total": {true, false, false}, "streams": {false, true, false}, "programs": {false, false, true},
		"mobile": {true, false, false}, "streams_mobile": {false, true, false}, "desktop": {false, false, false}, "streams_desktop": {false, false, false},
	} {
		for i := range seats {
			same(t, name+", "+string(seats[i].ID), bound{Bound: Bound{Name: name}}.counts(&seats[i]), want[i])
		}
	}
}

// family is two phones, a television and a laptop, the idlest first, with a
// stream on the television.
func family() *Roster {
	return aRoster(
		aSeat("p1", class("mobile"), created(-9*time.Minute), seen(1*time.Minute)), aSeat("p2", class("mobile"), created(-8*time.Minute), seen(2*time.Minute)),
		aSeat("tv", class("tv"), created(-7*time.Minute), seen(3*time.Minute)), aSeat("stream", class("tv"), under("tv"), seen(4*time.Minute)),
		aSeat("laptop", created(-6*time.Minute), seen(4*time.Minute)),
	)
}

func TestDecideWithinClassesUnderATotal(t *testing.T) {
	under := func(policy Policy, total int, kv ...any) rule {
		r := limited(total, policy)
		r.limits.Classes = classes(kv...)
		r.seatIdle, r.streamIdle = 0, time.Hour
		return r
	}
	idle := func(r rule, d time.Duration) rule { r.seatIdle = d; return r }
	who := func(r rule, w DisplaceOrder) rule { r.displaceOrder = w; return r }
	of := func(c Class, with ...func(*seat)) newcomer {
		return newcomer{seat: aSeat("new", append(with, class(c))...)}
	}
	owner := func(c newcomer) newcomer { c.override = true; return c }
	chooses := func(c newcomer, ids ...SessionID) newcomer { c.chosen = ids; return c }
	presents := func(c newcomer, id string) newcomer { c.presented = dig(id); return c }
	goes := func(full string, limit int, ids ...SessionID) Decision {
		return Decision{Outcome: OutcomeAdmitted, Displaces: ids, Bound: full, Limit: limit, Source: SourceConfig}
	}
	no := func(o Outcome, full string, limit int) Decision {
		return Decision{Outcome: o, Bound: full, Limit: limit, Source: SourceConfig}
	}
	room := Decision{Outcome: OutcomeAdmitted}
	for _, tt := range []struct {
		name string
		c    newcomer
		rule rule
		want Decision
		says Limits // of the application
	}{
		{"room in class and total", of("mobile"), under(PolicyRefuse, 5, "mobile", 3), room, Limits{}},
		{"the class is full: of it, the idlest goes", of("mobile"), under(PolicyDisplace, 9, "mobile", 2), goes("mobile", 2, "p1"), Limits{}},
		{"and though others are idler", of("tv"), under(PolicyDisplace, 9, "tv", 1), goes("tv", 1, "tv"), Limits{}},
		{"the class is full: refused", of("mobile"), under(PolicyRefuse, 9, "mobile", 2), no(OutcomeRefused, "mobile", 2), Limits{}},
		{"the class is full: asked", of("mobile"), under(PolicyAsk, 9, "mobile", 2), no(OutcomeAsked, "mobile", 2), Limits{}},
		{"another class has room", of("desktop"), under(PolicyRefuse, 9, "mobile", 2), room, Limits{}},
		{"a class that is not named has only the total", of("api"), under(PolicyRefuse, 5, "mobile", 2), room, Limits{}},
		{"under a total that is full", of("api"), under(PolicyRefuse, 4, "mobile", 2), no(OutcomeRefused, "total", 4), Limits{}},
		{"under a total that is full the idlest of all goes", of("api"), under(PolicyDisplace, 4, "mobile", 2), goes("total", 4, "p1"), Limits{}},
		{"class and total are full: one goes for both", of("mobile"), under(PolicyDisplace, 4, "mobile", 2), goes("mobile", 2, "p1"), Limits{}},
		{"class and total are over: the class comes first", of("tv"), under(PolicyDisplace, 3, "tv", 1), goes("tv", 1, "tv", "p1"), Limits{}},
		{"the total of one device at a time", of("tv"), under(PolicyDisplace, 1), goes("total", 1, "p1", "p2", "tv", "laptop"), Limits{}},
		{"a class that is over though the newcomer is of another", of("tv"), under(PolicyDisplace, 9, "mobile", 1), goes("mobile", 1, "p1"), Limits{}},
		{"and under refuse", of("tv"), under(PolicyRefuse, 9, "mobile", 1), no(OutcomeRefused, "mobile", 1), Limits{}},
		{"a class limit above the total", of("mobile"), under(PolicyRefuse, 4, "mobile", 9), no(OutcomeRefused, "total", 4), Limits{}},

		{"oldest", of("desktop"), who(under(PolicyDisplace, 3), DisplaceOldest), goes("total", 3, "p1", "p2"), Limits{}},
		{"the same class first", of("tv"), who(under(PolicyDisplace, 4), DisplaceSameClass), goes("total", 4, "tv"), Limits{}},
		{"the same class first, and then the idlest", of("tv"), who(under(PolicyDisplace, 3), DisplaceSameClass), goes("total", 3, "tv", "p1"), Limits{}},
		{"the same class first, of it the idlest", of("mobile"), who(under(PolicyDisplace, 4), DisplaceSameClass), goes("total", 4, "p1"), Limits{}},
		{"none of the same class: the idlest", of("api"), who(under(PolicyDisplace, 4), DisplaceSameClass), goes("total", 4, "p1"), Limits{}},

		{"idle beyond SeatIdle is no seat under refuse", of("api"), idle(under(PolicyRefuse, 4), 9*time.Minute), goes("total", 4, "p1"), Limits{}},
		{"not a moment before", of("api"), idle(under(PolicyRefuse, 4), 9*time.Minute+1), no(OutcomeRefused, "total", 4), Limits{}},
		{"nor under ask", of("api"), idle(under(PolicyAsk, 4), 9*time.Minute), goes("total", 4, "p1"), Limits{}},
		{"nor under ask, not a moment before", of("api"), idle(under(PolicyAsk, 4), 9*time.Minute+1), no(OutcomeAsked, "total", 4), Limits{}},
		{"only the idle go, as many as have to", of("api"), idle(under(PolicyRefuse, 4), time.Minute), goes("total", 4, "p1"), Limits{}},
		{"and if these are too few nobody goes", of("api"), idle(under(PolicyRefuse, 3), 9*time.Minute), no(OutcomeRefused, "total", 3), Limits{}},
		{"one who is idle in another class makes no room", of("tv"), idle(under(PolicyRefuse, 9, "tv", 1), 8*time.Minute), no(OutcomeRefused, "tv", 1), Limits{}},
		{"nor does one who is idle in the class make room in the total twice", of("mobile"), idle(under(PolicyRefuse, 3, "mobile", 2), 9*time.Minute), no(OutcomeRefused, "total", 3), Limits{}},
		{"idle beyond SeatIdle and there is room", of("api"), idle(under(PolicyRefuse, 5), time.Second), room, Limits{}},

		{name: "the application's limit", c: of("api"), says: Limits{Total: 4}, rule: under(PolicyRefuse, 9), want: Decision{Outcome: OutcomeRefused, Bound: "total", Limit: 4, Source: SourceLimitFor}},
		{name: "unlimited, by the application", c: of("api"), says: Limits{Total: Unlimited}, rule: under(PolicyRefuse, 1), want: room},
		{name: "unlimited, but the class", c: of("tv"), says: Limits{Total: Unlimited, Classes: classes("tv", 1)}, rule: under(PolicyRefuse, 1), want: Decision{Outcome: OutcomeRefused, Bound: "tv", Limit: 1, Source: SourceLimitFor}},
		{"the owner is vouched for (LIM-12)", owner(of("tv")), under(PolicyAsk, 4, "tv", 1), goes("tv", 1, "tv"), Limits{}},

		{"chosen by the newcomer", chooses(of("api"), "laptop"), under(PolicyAsk, 4), goes("", 0, "laptop"), Limits{}},
		{"in the order in which they give way", chooses(of("api"), "laptop", "p2"), under(PolicyAsk, 4), goes("", 0, "p2", "laptop"), Limits{}},
		{"more than had to go", chooses(of("api"), "laptop", "p1", "tv"), under(PolicyAsk, 4), goes("", 0, "p1", "tv", "laptop"), Limits{}},
		{"of another class than is full", chooses(of("mobile"), "laptop"), under(PolicyAsk, 4, "mobile", 2), no(OutcomeAsked, "mobile", 2), Limits{}},
		{"too few", chooses(of("api"), "laptop"), under(PolicyAsk, 3), no(OutcomeAsked, "total", 3), Limits{}},
		{"too few, and an idle one makes up for it", chooses(of("api"), "laptop"), idle(under(PolicyAsk, 3), 9*time.Minute), goes("total", 3, "laptop", "p1"), Limits{}},
		{"a stream is no seat of these", chooses(of("api"), "stream"), under(PolicyAsk, 4), no(OutcomeAsked, "total", 4), Limits{}},

		{"a renewal takes its own seat", presents(of("mobile"), "p1"), under(PolicyRefuse, 4, "mobile", 2), Decision{Outcome: OutcomeAdmitted, Renews: "p1"}, Limits{}},
		{"a renewal is not chosen against itself", chooses(presents(of("mobile"), "p1"), "p1"), under(PolicyAsk, 4, "mobile", 2), Decision{Outcome: OutcomeAdmitted, Renews: "p1"}, Limits{}},
		{
			"a renewal over a lowered limit is not refused (LIM-06): others give way", presents(of("mobile"), "p1"), under(PolicyRefuse, 3, "mobile", 1),
			Decision{Outcome: OutcomeAdmitted, Renews: "p1", Displaces: []SessionID{"p2"}, Bound: "mobile", Limit: 1, Source: SourceConfig}, Limits{},
		},
		{
			"nor asked", presents(of("desktop"), "laptop"), under(PolicyAsk, 3),
			Decision{Outcome: OutcomeAdmitted, Renews: "laptop", Displaces: []SessionID{"p1"}, Bound: "total", Limit: 3, Source: SourceConfig}, Limits{},
		},
		{
			"a renewal in another class takes a seat there", presents(of("tv"), "laptop"), under(PolicyRefuse, 4, "tv", 1),
			Decision{Outcome: OutcomeRefused, Renews: "laptop", Bound: "tv", Limit: 1, Source: SourceConfig}, Limits{},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ro := family()
			before := snapshot(t, ro)
			worked := draftOf(ro, 10*time.Minute, tt.rule)
			worked.given.limits = tt.says
			d := worked.decide(tt.c)
			if d.Bound == "" {
				d.Source = "" // there was room
				tt.want.Source = ""
			}
			same(t, "decision", d, tt.want)
			same(t, "the roster afterwards", snapshot(t, ro), before)
		})
	}
}

func TestOneOnTheNewcomersDeviceGoesFirstInAnyOrder(t *testing.T) {
	ro := aRoster(aSeat("a", class("tv")), aSeat("b", seen(time.Second), created(-time.Second), class("tv")), aSeat("c", seen(2*time.Second), created(time.Second), device("d")))
	for _, who := range []DisplaceOrder{DisplaceIdlest, DisplaceOldest, DisplaceSameClass} {
		rule := limited(3, PolicyDisplace)
		rule.displaceOrder = who
		d := draftOf(ro, time.Minute, rule).decide(newcomer{seat: aSeat("new", device("d"), class("tv"))})
		same(t, string(who), d.Displaces, []SessionID{"c"})
		d = draftOf(ro, time.Minute, rule).decide(newcomer{seat: aSeat("new", class("tv"))})
		same(t, string(who), d.Displaces, map[DisplaceOrder][]SessionID{DisplaceIdlest: {"a"}, DisplaceOldest: {"b"}, DisplaceSameClass: {"a"}}[who])
	}
	// Among equals the first in the roster.
	equal := aRoster(aSeat("a"), aSeat("b"), aSeat("c"))
	for _, who := range []DisplaceOrder{DisplaceIdlest, DisplaceOldest, DisplaceSameClass} {
		rule := limited(2, PolicyDisplace)
		rule.displaceOrder = who
		same(t, string(who), draftOf(equal, 0, rule).decide(newcomer{seat: aSeat("new")}).Displaces, []SessionID{"a", "b"})
	}
	// Equally idle: the one that signed in first.
	idle := aRoster(aSeat("a"), aSeat("b", created(-1)))
	same(t, "equally idle", draftOf(idle, 0, limited(2, PolicyDisplace)).decide(newcomer{seat: aSeat("new")}).Displaces, []SessionID{"b"})
}

// Of sessions on one device that differ in nothing, the first frees its seat.
func TestOfEqualSessionsOnADeviceTheFirstIsItsOwn(t *testing.T) {
	d := draftOf(aRoster(aSeat("a", device("d")), aSeat("b", device("d"))), 0, plain)
	c := newcomer{seat: aSeat("new", device("d"))}
	same(t, "the device's own", d.own(&c, ""), SessionID("a"))
}

// LIM-09: sessions above a lowered limit end in the order of the rule, the classes
// first. Their streams end with them. The reason says that a limit was lowered.
func TestTrimEndsWhatIsOver(t *testing.T) {
	for _, tt := range []struct {
		name   string
		limits Limits
		who    DisplaceOrder
		want   []SessionID
	}{
		{"nothing is over", Limits{Total: 4, Streams: 1}, DisplaceIdlest, nil},
		{"the total", Limits{Total: 3, Streams: 1}, DisplaceIdlest, []SessionID{"p1"}},
		{"the total, by age", Limits{Total: 3, Streams: 1}, DisplaceOldest, []SessionID{"p1"}},
		{"nobody's class comes first", Limits{Total: 3, Streams: 1}, DisplaceSameClass, []SessionID{"p1"}},
		{"a class, and then the total", Limits{Total: 2, Classes: classes("tv", 1, "mobile", 1), Streams: 1}, DisplaceIdlest, []SessionID{"p1", "p2"}},
		{"all but one, with a stream", Limits{Total: 1, Streams: 1}, DisplaceIdlest, []SessionID{"p1", "p2", "tv", "stream"}},
	} {
		stored := family()
		before := snapshot(t, stored)
		rule := plain
		rule.displaceOrder = tt.who
		d := draftOf(stored, 10*time.Minute, rule)
		d.limits = tt.limits
		d.trim("staff")
		same(t, tt.name, ids(d.events, func(e Event) SessionID { return e.Session }), tt.want)
		for _, e := range d.events {
			if e.Reason != ReasonLimitLowered || e.Actor != "staff" || e.By != "" || !e.At.Equal(d.now()) {
				t.Errorf("%s: %+v", tt.name, e)
			}
			if i := d.ending(e.Session); e.Parent == "" && (i < 0 || d.endings[i].Reason != ReasonLimitLowered) {
				t.Errorf("%s: %s is not remembered", tt.name, e.Session)
			}
		}
		same(t, "the stored roster afterwards", snapshot(t, stored), before)
	}

	// Of streams, the idlest player; one that ended with its session does not count.
	ro := aRoster(aSeat("a", seen(time.Second)), aSeat("b"), aSeat("s1", under("a")), aSeat("s2", under("b"), seen(time.Second)), aSeat("s3", under("a"), seen(2*time.Second)))
	ro.limits = Limits{Streams: 2}
	trimmed := func(ro *Roster, rule rule) []Event {
		d := draftOf(ro, time.Minute, rule)
		d.trim("")
		return d.events
	}
	same(t, "streams", ids(trimmed(ro, limited(2, PolicyDisplace)), func(e Event) SessionID { return e.Session }), []SessionID{"s1"})
	ro = aRoster(aSeat("a", seen(time.Second)), aSeat("b"), aSeat("s1", under("a")), aSeat("s2", under("b"), seen(time.Second)))
	same(t, "sessions first", ids(trimmed(ro, limited(1, PolicyDisplace)), func(e Event) SessionID { return e.Session }), []SessionID{"b", "s2"})
}

// LIM-14: an impossible limit is an error that says where and why, everywhere alike.
func TestImpossibleLimits(t *testing.T) {
	for _, tt := range []struct {
		l     Limits
		field string
	}{
		{Limits{Total: -2}, "Total"},
		{Limits{Total: MaxSeats + 1}, "Total"},
		{Limits{Total: -1 << 62}, "Total"},
		{Limits{Classes: classes("tv", 1)}, "Classes"},
		{Limits{Classes: classes("tv", 1), Streams: 1}, "Classes"},
		{Limits{Total: 1, Classes: classes("tv", 0)}, "Classes[tv]"},
		{Limits{Total: 1, Classes: classes("tv", -2)}, "Classes[tv]"},
		{Limits{Total: 1, Classes: classes("tv", MaxSeats+1)}, "Classes[tv]"},
		{Limits{Total: 1, Classes: classes("TV", 1)}, "Classes"},
		{Limits{Total: 1, Classes: classes("", 1)}, "Classes"},
		{Limits{Total: 1, Classes: classes("total", 1)}, "Classes"},
		{Limits{Total: 1, Classes: classes("streams", 1)}, "Classes"},
		{Limits{Streams: -2}, "Streams"},
		{Limits{Streams: MaxStreams + 1}, "Streams"},
	} {
		err := tt.l.Check()
		e, ok := errors.AsType[*ConfigError](err)
		if !ok || e.In != "Limits" || e.Field != tt.field || e.Problem == "" || !strings.HasPrefix(err.Error(), "oneseat: Limits."+tt.field+": ") {
			t.Errorf("%+v: %v", tt.l, err)
		}
	}
	if n := len((Limits{Total: -2, Classes: classes("x", 1, "tv", 0), Streams: -2}).problems()); n != 4 {
		t.Errorf("%d problems of 4", n)
	}
	for _, l := range []Limits{
		{}, {Total: 1}, {Total: MaxSeats}, {Total: Unlimited}, {Streams: 1}, {Streams: MaxStreams}, {Streams: Unlimited},
		{Total: 1, Classes: classes("tv", 1, "api", MaxSeats, "mobile", Unlimited)}, {Classes: classes()},
	} {
		if err := l.Check(); err != nil {
			t.Errorf("%+v: %v", l, err)
		}
	}
}

func TestLimitsAreComparedByWhatTheySay(t *testing.T) {
	full := Limits{Total: 2, Classes: classes("tv", 1), Streams: 1}
	for i, other := range []Limits{{Total: 3, Classes: classes("tv", 1), Streams: 1}, {Total: 2, Streams: 1}, {Total: 2, Classes: classes("tv", 2), Streams: 1}, {Total: 2, Classes: classes("tv", 1)}} {
		if full.Equal(other) || other.Equal(full) {
			t.Errorf("%d: equal", i)
		}
	}
	same(t, "the same", full.Equal(Limits{Total: 2, Classes: classes("tv", 1), Streams: 1}), true)
	same(t, "nothing said", []bool{Limits{}.IsZero(), Limits{Classes: classes()}.IsZero(), full.IsZero(), Limits{Streams: 1}.IsZero()}, []bool{true, true, false, false})
}

// A sign-in that asked the application for limits before they changed has to find that
// out. So the account's record, even an empty one, is kept for a minute.
func TestARevisionIsKeptForAMinute(t *testing.T) {
	const tick = time.Microsecond
	v := viewAt(nil, 0)
	c := settled(v, 0, plain).refreshLimits()
	same(t, "an absent roster, refreshed", []any{c.Erase, c.Roster.limitsRev, len(c.Events), c.Roster.Due}, []any{false, v.Next(), 0, at(time.Minute)})
	settle := func(d time.Duration, rule rule) Change {
		return settled(viewAt(c.Roster, d), 0, rule).changed()
	}
	same(t, "just before", settle(time.Minute-tick, plain), Change{})
	same(t, "after a minute", settle(time.Minute, plain), Change{Erase: true})
	adopting := plain
	adopting.adoptUntil = at(time.Hour)
	same(t, "due while sessions are adopted", c.Roster.due(adopting), at(time.Hour))
	adopting.adoptUntil = at(time.Second)
	same(t, "due when that was before", c.Roster.due(adopting), at(time.Minute))
	same(t, "of no roster", View{}.revision(), uint64(0))

	kept := aRoster()
	kept.limits, kept.limitsRev = Limits{Total: 2}, uint64(noon.UnixMicro())
	same(t, "an account with limits of its own is kept for ever", []any{draftOf(kept, 9999*time.Hour, plain).spent(), kept.due(plain)}, []any{false, time.Time{}})
	blocked := aRoster()
	blocked.blocked = &block{until: at(time.Hour)}
	same(t, "a blocked one until that is over", []any{draftOf(blocked, 9999*time.Hour, plain).spent(), blocked.due(plain)}, []any{false, at(time.Hour)})
	blocked.blocked = &block{}
	same(t, "and one that is blocked until somebody lifts it for ever", []any{draftOf(blocked, 9999*time.Hour, plain).spent(), blocked.due(plain)}, []any{false, time.Time{}})
	asked := aRoster(aSeat("a"))
	asked.tickets = []pending{{expires: at(time.Minute)}, {expires: at(2 * time.Minute)}}
	same(t, "tickets are due", asked.due(plain), at(time.Minute))
	asked.seats = nil
	same(t, "and are something to know", draftOf(asked, 0, plain).spent(), false)
}

// An erasure has no events. A roster that is empty after an update with an event is
// erased by the next sweep.
func TestARosterOfWhichOnlyAnEventIsLeftIsDueAtOnce(t *testing.T) {
	blocked := aRoster()
	blocked.blocked = &block{since: noon}
	v := viewAt(blocked, time.Minute)
	c := settled(v, 1, plain).unblock("staff")
	same(t, "lifted", []any{c.Roster.blocked == nil, c.Roster.Due, len(c.Events)}, []any{true, v.Now, 1})
	v = viewAt(c.Roster, 2*time.Minute)
	same(t, "swept", settled(v, 1, plain).changed(), Change{Erase: true})
}

func TestLimitsInTheConfiguration(t *testing.T) {
	_, err := Config{
		Limit: -2, ClassLimits: classes("tv", 0, "toaster", 1), Streams: MaxStreams + 1, DisplaceOrder: "youngest", StreamIdle: time.Second - 1, SeatIdle: 10*time.Minute - 1,
		StreamClassLimits: classes("tv", 0, "mobile", MaxStreams+1, "toaster", 1), WhenStreamsFull: PolicyRefuse,
	}.withDefaults()
	for _, field := range []string{"Limit", "ClassLimits[tv]", "ClassLimits", "Streams", "DisplaceOrder", "StreamIdle", "SeatIdle", "StreamClassLimits[tv]", "StreamClassLimits[mobile]", "StreamClassLimits", "WhenStreamsFull"} {
		if !strings.Contains(fmt.Sprint(err), "Config."+field+": ") {
			t.Errorf("nothing about %s: %v", field, err)
		}
	}
	if _, err := (Config{SeatIdle: -time.Hour}).withDefaults(); !strings.Contains(fmt.Sprint(err), "Config.SeatIdle: ") {
		t.Errorf("nothing about a negative SeatIdle: %v", err)
	}
	given := classes("tv", 1)
	c, err := Config{ClassLimits: given, StreamIdle: time.Second, SeatIdle: 10 * time.Minute, DisplaceOrder: DisplaceOldest, WhenFull: PolicyAsk, ObserveOnly: true}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	got := c.rule()
	given["tv"] = 9
	same(t, "rule", got, rule{
		realm: "default", touchEvery: 5 * time.Minute, limits: Limits{Total: 1, Classes: classes("tv", 1), Streams: 1}, whenFull: PolicyAsk, streamsFull: PolicyAsk, displaceOrder: DisplaceOldest, seatIdle: 10 * time.Minute, streamIdle: time.Second,
		observeOnly: true, idle: 14 * 24 * time.Hour, absolute: 90 * 24 * time.Hour, keepEndings: 30 * 24 * time.Hour,
	})
	if c, err := (Config{}).withDefaults(); err != nil || c.Streams != 1 || c.DisplaceOrder != DisplaceIdlest || c.StreamIdle != 45*time.Second || c.SeatIdle != 0 || c.WhenFull != PolicyDisplace {
		t.Errorf("the defaults are %+v, %v", c, err)
	}
	if !slices.Equal(Classes(), []Class{"desktop", "mobile", "tablet", "tv", "api", "other"}) {
		t.Error("other classes")
	}
}
