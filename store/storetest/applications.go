package storetest

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
)

// applications is what an application says of a session, and reads again on every node.
var applications = []promise{
	{"N1: a session has a lifetime of its own, until a fresh proof gives it another", ownLifetime},
	{"N2: a session carries data of the application's, whatever is in it", ownData},
	{"N3: a session says when it was proved", provenAt},
	{"N4: a sign-in says whether its device is new", newDevice},
	{"N8: a session that goes on from another network or browser says so, once", moves},
	{"N6: programs have a limit, a policy and timeouts of their own, and what ends all ends them", programs},
}

// everywhere fails unless a check on each node returns what it should. When it returns,
// the uses that these checks were have been written.
func everywhere(t *testing.T, rs []*oneseat.Registry, g oneseat.Grant, what string, holds func(oneseat.Session) bool) {
	t.Helper()
	for i, r := range rs {
		if s, err := r.Check(t.Context(), string(g.Token)); err != nil || !holds(s) {
			t.Errorf("%s: node %d says %+v, %v", what, i, s, err)
		}
		for r.Stats().Pending > 0 {
			runtime.Gosched()
		}
	}
}

func pair(t *testing.T, fresh Factory, c oneseat.Config) ([]node, []*oneseat.Registry) {
	t.Helper()
	ns := nodes(t, fresh, 2)
	return ns, []*oneseat.Registry{registry(t, ns[0], c), registry(t, ns[1], c)}
}

func ownLifetime(t *testing.T, fresh Factory) {
	c := timeouts
	c.Limit = 2
	ns, rs := pair(t, fresh, c)
	short := oneseat.Lifetime{Idle: 10 * time.Minute, Absolute: 2 * time.Hour, UntilClosed: true}
	one, two := signIn(t, rs[0], "ada", oneseat.SignInRequest{Lifetime: short}), signIn(t, rs[1], "ada", oneseat.SignInRequest{})
	everywhere(t, rs, one, "a lifetime of its own", func(s oneseat.Session) bool { return s.Lifetime == short })
	everywhere(t, rs, two, "that of the Config", func(s oneseat.Session) bool { return s.Lifetime == oneseat.Lifetime{} })
	if _, err := rs[1].Confirm(t.Context(), one.Session, oneseat.Lifetime{Idle: 10 * time.Minute}); err != nil {
		t.Fatal(err)
	}
	everywhere(t, rs, one, "another lifetime", func(s oneseat.Session) bool { return s.Lifetime == oneseat.Lifetime{Idle: 10 * time.Minute} })
	makeOlder(t, ns[0], one, 11*time.Minute, 11*time.Minute)
	for _, r := range rs {
		_, err := r.Check(t.Context(), string(one.Token))
		hasEnded(t, err, one.Session.ID, oneseat.ReasonIdleTimeout)
	}
	makeOlder(t, ns[1], two, 11*time.Minute, 11*time.Minute)
	everywhere(t, rs, two, "what is not as short", func(oneseat.Session) bool { return true })
}

func ownData(t *testing.T, fresh Factory) {
	ns, rs := pair(t, fresh, oneseat.Config{})
	for _, data := range []string{"tenant=7", `<script>"\` + "\u2028\x00\x7f", "日本 ünï \U0001F600 \ufeff", strings.Repeat("é", oneseat.MaxData/2), "0", " "} {
		g := signIn(t, rs[0], "ada", oneseat.SignInRequest{Data: data})
		everywhere(t, rs, g, "at the sign-in", func(s oneseat.Session) bool { return s.Data == data })
		if err := rs[1].SetData(t.Context(), g.Session, data+"!"[:min(1, oneseat.MaxData-len(data))]); err != nil {
			t.Fatal(err)
		}
		if err := rs[0].SetData(t.Context(), g.Session, data); err != nil {
			t.Fatal(err)
		}
		everywhere(t, rs, g, "changed there and back", func(s oneseat.Session) bool { return s.Data == data })
	}
	for _, r := range listEvents(t, ns[1], oneseat.EventQuery{Realm: realm}) {
		if strings.Contains(r.Device.Label+r.Actor+string(r.Reason), "tenant") {
			t.Errorf("an event has the data: %+v", r)
		}
	}
}

func provenAt(t *testing.T, fresh Factory) {
	_, rs := pair(t, fresh, oneseat.Config{AdoptUntil: time.Now().Add(time.Hour)})
	g := signIn(t, rs[0], "ada", oneseat.SignInRequest{})
	everywhere(t, rs, g, "a sign-in", func(s oneseat.Session) bool { return s.Proved.Equal(s.Created) })
	now, err := rs[1].Confirm(t.Context(), g.Session, g.Session.Lifetime)
	if err != nil || !now.Proved.After(g.Session.Proved) {
		t.Fatal(now, err)
	}
	everywhere(t, rs, g, "a confirmation", func(s oneseat.Session) bool { return s.Proved.Equal(now.Proved) && s.Created.Equal(g.Session.Created) })
	adopted, err := rs[1].Adopt(t.Context(), "grace", time.Time{}, oneseat.SignInRequest{})
	if err != nil {
		t.Fatal(err)
	}
	everywhere(t, rs, adopted, "an adoption", func(s oneseat.Session) bool { return s.Proved.IsZero() })
	next := signIn(t, rs[1], "ada", oneseat.SignInRequest{})
	if _, err := rs[0].Confirm(t.Context(), g.Session, oneseat.Lifetime{}); err == nil || errors.Is(err, oneseat.ErrStoreUnavailable) {
		t.Errorf("a session that has ended was confirmed: %v", err)
	}
	everywhere(t, rs, next, "the next sign-in", func(s oneseat.Session) bool { return s.Proved.Equal(s.Created) })
}

func newDevice(t *testing.T, fresh Factory) {
	_, rs := pair(t, fresh, oneseat.Config{})
	for i, step := range []struct {
		device string
		is     bool
	}{{"a laptop of ada's", true}, {"a laptop of ada's", false}, {"a phone of ada's", true}, {"a laptop of ada's", false}, {"", true}} {
		if g := signIn(t, rs[i%2], "ada", oneseat.SignInRequest{DeviceID: step.device}); g.NewDevice != step.is {
			t.Errorf("sign-in %d, of %q: new is %v", i, step.device, g.NewDevice)
		}
	}
}

// programs are beside people, until somebody ends all that an account has.
func programs(t *testing.T, fresh Factory) {
	c := timeouts
	c.Programs = oneseat.Programs{Limit: 2, Idle: 90 * 24 * time.Hour}
	ns, rs := pair(t, fresh, c)
	key := func(i int, account string) oneseat.Grant {
		return signIn(t, rs[i], account, oneseat.SignInRequest{Program: true, Device: oneseat.Device{Label: "backup", Class: oneseat.ClassAPI}})
	}
	one, two, person := key(0, "ada"), key(1, "ada"), signIn(t, rs[0], "ada", oneseat.SignInRequest{})
	is := func(program bool) func(oneseat.Session) bool {
		return func(s oneseat.Session) bool { return s.Program == program && s.Proved.IsZero() == program }
	}
	everywhere(t, rs, one, "a program", is(true))
	everywhere(t, rs, person, "a person beside two programs", is(false))
	for _, r := range rs {
		full, ok := errors.AsType[*oneseat.LimitError](refusedBy(r.SignIn(t.Context(), "ada", oneseat.SignInRequest{Program: true})))
		if !ok || full.Bound != "programs" || full.Limit != 2 || len(full.Live) != 2 || full.Live[0].ID != two.Session.ID || full.Live[1].ID != one.Session.ID {
			t.Errorf("a third program is told %+v", full)
		}
	}
	next := signIn(t, rs[1], "ada", oneseat.SignInRequest{})
	for _, r := range rs {
		_, err := r.Check(t.Context(), string(person.Token))
		hasEnded(t, err, person.Session.ID, oneseat.ReasonDisplaced)
	}
	for _, g := range []oneseat.Grant{one, two} {
		makeOlder(t, ns[0], g, 80*24*time.Hour, 80*24*time.Hour)
		everywhere(t, rs, g, "a program that was used long ago", is(true))
	}
	makeOlder(t, ns[0], two, 80*24*time.Hour, 80*24*time.Hour) // or it might be newer than the third, which nobody uses
	makeOlder(t, ns[1], one, 200*24*time.Hour, 91*24*time.Hour)
	_, err := rs[0].Check(t.Context(), string(one.Token))
	hasEnded(t, err, one.Session.ID, oneseat.ReasonIdleTimeout)
	three := key(0, "ada")
	if err := rs[0].SetLimit(t.Context(), "ada", oneseat.Limits{Programs: 1}, "staff"); err != nil {
		t.Fatal(err)
	}
	_, err = rs[1].Check(t.Context(), string(two.Token))
	hasEnded(t, err, two.Session.ID, oneseat.ReasonLimitLowered)
	everywhere(t, rs, next, "a person, when programs have to go", is(false))

	for account, end := range map[string]func(oneseat.Session) error{
		"ended": func(oneseat.Session) error {
			_, err := rs[0].EndAll(t.Context(), "ended", oneseat.EndOptions{})
			return err
		},
		"others": func(s oneseat.Session) error {
			_, err := rs[1].EndOthers(t.Context(), "others", s.ID, oneseat.EndOptions{})
			return err
		},
		"blocked":   func(oneseat.Session) error { return rs[0].Block(t.Context(), "blocked", time.Time{}, "staff") },
		"forgotten": func(oneseat.Session) error { return rs[1].Forget(t.Context(), "forgotten") },
	} {
		person, program := signIn(t, rs[0], account, oneseat.SignInRequest{}), key(1, account)
		if err := end(person.Session); err != nil {
			t.Fatal(account, err)
		}
		for i, r := range rs {
			if s, err := r.Check(t.Context(), string(program.Token)); err == nil || errors.Is(err, oneseat.ErrStoreUnavailable) {
				t.Errorf("%s: node %d says %+v, %v", account, i, s, err)
			}
		}
	}
	everywhere(t, rs, three, "the program of another account", is(true))
	if err := rs[1].EndRealm(t.Context(), "staff"); err != nil {
		t.Fatal(err)
	}
	_, err = rs[0].Check(t.Context(), string(three.Token))
	hasEnded(t, err, three.Session.ID, oneseat.ReasonRealmEnded)
}

func refusedBy(_ oneseat.Grant, err error) error { return err }

func moves(t *testing.T, fresh Factory) {
	ns, rs := pair(t, fresh, oneseat.Config{})
	home := oneseat.Device{Label: "Firefox on Linux", Class: oneseat.ClassDesktop, IP: "192.0.2.1"}
	away := oneseat.Device{Label: "Firefox on Linux", Class: oneseat.ClassDesktop, IP: "198.51.100.77"}
	g := signIn(t, rs[0], "ada", oneseat.SignInRequest{Device: home})
	for i, from := range []oneseat.Device{home, {}, away, away, home, home} {
		s, err := rs[i%2].Check(t.Context(), string(g.Token))
		if err != nil {
			t.Fatal(err)
		}
		if err := rs[i%2].SeenFrom(t.Context(), s, from); err != nil {
			t.Fatal(err)
		}
		if err := rs[1-i%2].SeenFrom(t.Context(), s, from); err != nil { // it knows of no move yet, and there is one event all the same
			t.Fatal(err)
		}
	}
	away.IP, home.IP = "198.51.100.0", "192.0.2.0"
	everywhere(t, rs, g, "back at home", func(s oneseat.Session) bool { return s.Seen == home && s.Device == home })
	var moved []oneseat.Record
	for _, r := range listEvents(t, ns[1], oneseat.EventQuery{Realm: realm}) {
		if r.Type == oneseat.EventSessionMoved {
			moved = append(moved, r)
		}
	}
	if len(moved) != 2 || moved[1].Device != home || moved[1].ByDevice != away || moved[0].Device != away || moved[0].ByDevice != home || moved[0].Session != g.Session.ID {
		t.Errorf("the events are %+v", moved)
	}
	signIn(t, rs[1], "ada", oneseat.SignInRequest{})
	hasEnded(t, rs[0].SeenFrom(t.Context(), g.Session, away), g.Session.ID, oneseat.ReasonDisplaced)
}
