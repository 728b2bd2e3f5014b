package oneseat

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// scene is an account that is signed in to, one device after the other.
type scene struct {
	*testing.T
	rule    rule
	ro      *Roster
	version uint64
	now     time.Time
	n       int
}

func newScene(t *testing.T, limit int) *scene {
	return &scene{T: t, rule: limited(limit, PolicyDisplace), now: noon}
}

// signIn signs a device in, after some time, and counts the takeovers that this
// gives notice of. A device's name is its id, unless it begins with "no id".
func (s *scene) signIn(device string, after time.Duration, with ...func(*newcomer)) int {
	s.Helper()
	s.now, s.n = s.now.Add(after), s.n+1
	c := newcomer{seat: aSeat(fmt.Sprint("s", s.n), func(seat *seat) { seat.Device.Label = "a browser" })}
	if !strings.HasPrefix(device, "no id") {
		c.seat.deviceID = deviceDigest(Key{}, device)
	} else {
		c.seat.Device.Label = device
	}
	for _, f := range with {
		f(&c)
	}
	v := View{Roster: s.ro, Version: s.version}.At(s.now)
	change, d := settled(v, 1, s.rule).admit(c)
	if d.Outcome != OutcomeAdmitted {
		s.Fatalf("%s: %+v", device, d)
	}
	s.ro, s.version = change.Roster, v.Next()
	notices := 0
	for _, e := range change.Events {
		if e.Type == EventTakeoverNoticed {
			notices++
			same(s.T, "the notice", e, Event{Type: EventTakeoverNoticed, Realm: "r", Account: "ada", At: v.Now, Version: v.Next()})
			same(s.T, "the roster shows it", s.ro.takeoverAt, v.Now)
		}
	}
	return notices
}

// all signs devices in, named by a letter each, and says at which the notices
// came.
func (s *scene) all(devices string, every time.Duration) (at []int) {
	s.Helper()
	for i, d := range devices {
		if s.signIn(string(d), every) > 0 {
			at = append(at, i+1)
		}
	}
	return at
}

// LIM-13: devices that throw each other out in turn are noticed, once in a window.
func TestDevicesThatThrowEachOtherOutInTurn(t *testing.T) {
	for _, tt := range []struct {
		name    string
		limit   int
		devices string
		every   time.Duration
		want    []int
	}{
		{"two clients, alternating 20 times", 1, strings.Repeat("ab", 10), time.Second, []int{5}},
		{"an ordinary phone and laptop, switching twice", 1, "abab", time.Minute, nil},
		{"and once more", 1, "ababa", time.Minute, []int{5}},
		{"three in rotation", 1, "abcabcabc", time.Second, []int{6}},
		{"four in rotation", 1, "abcdabcd", time.Second, []int{7}},
		{"three in rotation on two seats", 2, "abcabcabc", time.Second, []int{6}},
		{"as many devices as seats", 2, strings.Repeat("ab", 10), time.Second, nil},
		{"one device, again and again", 1, strings.Repeat("a", 20), time.Second, nil},
		{"ever new devices", 1, "abcdefghijklmnopq", time.Second, nil},
		{"one against ever new devices is nobody in turn", 1, "abacadaeafa", time.Second, nil},
		{"slowly", 1, strings.Repeat("ab", 10), 5 * time.Minute, nil},
		{"for half an hour: once in ten minutes", 1, strings.Repeat("ab", 16), time.Minute, []int{5, 15, 25}},
	} {
		same(t, tt.name, newScene(t, tt.limit).all(tt.devices, tt.every), tt.want)
	}
}

func TestTheWindowOfATakeover(t *testing.T) {
	const tick = time.Microsecond
	for _, tt := range []struct {
		last time.Duration
		want int
	}{{4*time.Minute - tick, 1}, {4 * time.Minute, 0}} {
		s := newScene(t, 1)
		s.all("ab", time.Second) // the displacement that is to fall out of the window
		s.all("ab", 3*time.Minute)
		same(t, fmt.Sprint("the fifth after ", tt.last), s.signIn("a", tt.last), tt.want)
	}
	for _, tt := range []struct {
		last time.Duration
		want int
	}{{time.Minute - tick, 0}, {time.Minute, 1}} {
		s := newScene(t, 1)
		same(t, "the first notice", s.all("ababa", time.Second), []int{5})
		same(t, "while it lasts", len(s.all("bababab", time.Minute))+len(s.all("ab", time.Minute)), 0)
		same(t, fmt.Sprint("the next after ", tt.last), s.signIn("a", tt.last), tt.want)
	}
}

// None of these is a takeover: a renewal, with or without a device id, an end by the
// owner, a chosen or a new device on a free seat, a stream.
func TestWhatIsNoTakeover(t *testing.T) {
	s := newScene(t, 1)
	s.signIn("a", 0)
	for range 10 {
		presents := func(c *newcomer) { c.presented = dig(fmt.Sprint("s", s.n-1)) }
		same(t, "a renewal, called another device", s.signIn("b", time.Second, presents), 0)
		same(t, "and back", s.signIn("a", time.Second, presents), 0)
	}
	same(t, "endings", len(s.ro.endings), 20)

	s = newScene(t, 1)
	for range 10 {
		for _, d := range []string{"a", "b"} {
			same(t, "signed out in between", s.signIn(d, time.Second), 0)
			v := View{Roster: s.ro, Version: s.version}.At(s.now)
			d := settled(v, 1, s.rule)
			d.end(d.seats[0].ID, Ending{Reason: ReasonSignedOut})
			s.ro, s.version = d.commit().Roster, v.Next()
		}
	}

	s = newScene(t, 2)
	s.rule.limits.Streams = 1
	s.all("ab", time.Second)
	parents := []SessionID{"s1", "s2"}
	for i := range 12 {
		var playing []SessionID
		for _, seat := range s.ro.seats {
			if seat.parent != "" {
				playing = append(playing, seat.ID)
			}
		}
		same(t, "streams that take over from each other", s.signIn(fmt.Sprint("player ", i%2), time.Second, func(c *newcomer) {
			c.seat.parent, c.seat.secret, c.chosen = parents[i%2], digest{}, playing
		}), 0)
	}
	same(t, "they did", len(s.ro.endings), 11)
}

// Devices without an id are told apart by what is known of them.
func TestDevicesWithoutAnIdAreToldApartByWhatIsKnown(t *testing.T) {
	s := newScene(t, 1)
	same(t, "two", s.all2("no id 1", "no id 2", "no id 1", "no id 2", "no id 1"), 1)
	s = newScene(t, 1)
	same(t, "one", s.all2("no id", "no id", "no id", "no id", "no id", "no id"), 0)
	s = newScene(t, 1)
	same(t, "one with an id and one without", s.all2("no id 1", "b", "no id 1", "b", "no id 1"), 1)

	d := Device{Label: "l", Class: "c", IP: "i"}
	marks := map[deviceKey]bool{d.key(deviceTag{}): true}
	for _, other := range []Device{{"l2", "c", "i"}, {"l", "c2", "i"}, {"lc", "", "i"}} {
		marks[other.key(deviceTag{})] = true
	}
	same(t, "marks", len(marks), 4)
	same(t, "a network alone is no device", d.key(deviceTag{}), Device{"l", "c", "i2"}.key(deviceTag{}))
	same(t, "an id is mark enough", d.key(deviceTag{1}), deviceKey{tag: deviceTag{1}})
	a, b := aSeat("a", device("x")), aSeat("b")
	same(t, "the mark of an id", []any{a.tag() != deviceTag{}, a.tag() == deviceTag(a.deviceID[:3]), b.tag()}, []any{true, true, deviceTag{}})
}

func (s *scene) all2(devices ...string) (notices int) {
	for _, d := range devices {
		notices += s.signIn(d, time.Second)
	}
	return notices
}

// A newcomer that displaces several comes back once.
func TestANewcomerThatDisplacesSeveralComesBackOnce(t *testing.T) {
	ended := func(id, device, by string) ended {
		e := anEnding(id, ReasonDisplaced, 0, by)
		e.tag = deviceTag{device[0]}
		return e
	}
	here := func(id, device string) seat { return aSeat(id, func(s *seat) { s.deviceID[0] = device[0] }) }
	// a and b threw c and d out; c came back for a and b at once, and again.
	ro := aRoster(ended("c1", "c", "a1"), ended("d1", "d", "b1"), ended("a1", "a", "c2"), ended("b1", "b", "c2"), ended("c2", "c", "a2"), here("a2", "a"))
	same(t, "two came back, twice in all", draftOf(ro, time.Minute, plain).takeover(), false)
	ro = aRoster(ended("c1", "c", "a1"), ended("d1", "d", "b1"), ended("a1", "a", "c2"), ended("b1", "b", "c2"), ended("c2", "c", "a2"), ended("a2", "a", "b2"), here("b2", "b"))
	same(t, "three came back, once each", draftOf(ro, time.Minute, plain).takeover(), true)
	ro.seats = nil
	same(t, "who displaced was forgotten", draftOf(ro, time.Minute, plain).takeover(), false)
}

func TestMarksAreSpeltInHexadecimal(t *testing.T) {
	b, err := json.Marshal(map[string]deviceTag{"m": {0xab, 2: 1}})
	same(t, "spelt", []any{string(b), err}, []any{`{"m":"ab0001"}`, error(nil)})
	var back map[string]deviceTag
	same(t, "read", json.Unmarshal(b, &back), error(nil))
	same(t, "mark", back["m"], deviceTag{0xab, 2: 1})
	for _, bad := range []string{"", "ab", "ab000", strings.Repeat("zz", 3), "ab000100"} {
		var m deviceTag
		err := m.UnmarshalText([]byte(bad))
		if _, format := errors.AsType[*FormatError](err); err == nil || len(bad) != 6 && !format {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// A device is reported when it displaces itself for the third time within an hour.
func TestTheThirdTimeWithinAnHourThatADeviceDisplacesItself(t *testing.T) {
	const tick = time.Microsecond
	own := func(by string, when time.Duration) ended {
		e := anEnding("before "+by, ReasonDisplaced, when, by)
		s := aSeat(by, device("d"))
		e.SameDevice, e.tag = true, s.tag()
		return e
	}
	for _, tt := range []struct {
		name string
		ro   *Roster
		now  time.Duration
		want bool
	}{
		{name: "the second", ro: aRoster(own("a", 0), own("new", time.Minute)), now: time.Minute},
		{name: "the third", ro: aRoster(own("a", 0), own("b", 0), own("new", time.Minute)), now: time.Minute, want: true},
		{name: "the fourth", ro: aRoster(own("a", 0), own("b", 0), own("c", 0), own("new", time.Minute)), now: time.Minute},
		{name: "the third almost an hour after the first", ro: aRoster(own("a", 0), own("b", 0), own("new", time.Hour-tick)), now: time.Hour - tick, want: true},
		{name: "the third an hour after the first", ro: aRoster(own("a", 0), own("b", 0), own("new", time.Hour)), now: time.Hour},
		{name: "the fourth an hour after the first", ro: aRoster(own("a", 0), own("b", 1), own("c", 1), own("new", time.Hour)), now: time.Hour, want: true},
		{name: "three before, and now nobody", ro: aRoster(own("a", 0), own("b", 0), own("c", 0)), now: time.Minute},
		{name: "one of three is another device's", ro: aRoster(own("a", 0), anEnding("b", ReasonDisplaced, 0, "x"), own("new", time.Minute)), now: time.Minute},
	} {
		s := aSeat("new", device("d"))
		if got := draftOf(tt.ro, tt.now, plain).repeats(&s); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
