package oneseat_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

var aProgram = oneseat.SignInRequest{Program: true, Device: oneseat.Device{Label: "backup", Class: oneseat.ClassMobile}}

// withPrograms are settings under which an account may have two programs.
func withPrograms(c oneseat.Config) oneseat.Config {
	c.Programs.Limit = 2
	return c
}

// N6: whatever happens to people's sessions at their limit, programs are not affected.
func TestProgramsTakeNoSeatOfPeople(t *testing.T) {
	for _, policy := range []oneseat.Policy{oneseat.PolicyDisplace, oneseat.PolicyRefuse, oneseat.PolicyAsk} {
		synctest.Test(t, func(t *testing.T) {
			r := newNode(t, memstore.New(), withPrograms(oneseat.Config{WhenFull: policy, ClassLimits: map[oneseat.Class]int{oneseat.ClassMobile: 1}, SeatIdle: 10 * time.Minute}))
			one, two := signIn(t, r, "ada", aProgram), signIn(t, r, "ada", aProgram)
			person := signIn(t, r, "ada", oneseat.SignInRequest{Device: aProgram.Device})
			if full := refused(t, r, "ada", aProgram); full.Bound != "programs" || full.Limit != 2 || full.Ticket != "" || len(full.Live) != 2 || !strings.Contains(full.Error(), "2 of 2 programs") {
				t.Errorf("%s: a third program is told %+v, %v", policy, full, full)
			}
			time.Sleep(20 * time.Minute) // programs are idle, and have never been used: neither makes them give way
			next, err := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{Device: aProgram.Device})
			if err != nil {
				t.Fatalf("%s: a person beside two programs: %v", policy, err)
			}
			wantIDs(t, r.Store, "ada", one.Session.ID, two.Session.ID, next.Session.ID)
			wantEnded(t, r, person, oneseat.ReasonDisplaced)
			if policy == oneseat.PolicyAsk {
				wantLive(t, r, next)
				full := refused(t, r, "ada", oneseat.SignInRequest{})
				if len(full.Live) != 1 || full.Live[0].ID != next.Session.ID {
					t.Errorf("who is asked may choose among %+v", full.Live)
				}
				_, err := r.Redeem(t.Context(), full.Ticket, oneseat.SignInRequest{}, one.Session.ID)
				if _, still := errors.AsType[*oneseat.LimitError](err); !still {
					t.Errorf("a program made room for a person: %v", err)
				}
				wantLive(t, r, one)
			}
			refused(t, r, "ada", aProgram)
		})
	}
}

// A program may keep its token for later, so its first use is nothing to write down.
func TestTheFirstUseOfAProgramIsNotWritten(t *testing.T) {
	r := newNode(t, memstore.New(), withPrograms(oneseat.Config{WhenFull: oneseat.PolicyRefuse}))
	program, person := signIn(t, r, "ada", aProgram), signIn(t, r, "ada", oneseat.SignInRequest{})
	for what, c := range map[string]struct {
		of     oneseat.Grant
		writes uint64
	}{"a program": {program, 0}, "a person": {person, 1}} {
		before := r.Stats().Touches
		wantLive(t, r, c.of)
		if n := r.Stats().Touches - before; n != c.writes {
			t.Errorf("%s: %d writes, want %d", what, n, c.writes)
		}
	}
}

// Nobody proves who they are when a program signs in, or when a stream starts.
func TestProgramsAndStreamsProveNothing(t *testing.T) {
	store := memstore.New()
	r := newRegistry(t, store, withPrograms(oneseat.Config{Streams: 1}))
	person, program := signIn(t, r, "ada", oneseat.SignInRequest{}), signIn(t, r, "ada", aProgram)
	play(t, node{r, nil}, person.Session, "player")
	if person.Session.Proved.IsZero() || !program.Session.Proved.IsZero() {
		t.Errorf("a person proved at %v, a program at %v", person.Session.Proved, program.Session.Proved)
	}
	for _, s := range stored(t, store, "ada").Roster.Seats {
		if s.Proved.IsZero() == (oneseat.SessionID(s.ID) == person.Session.ID) {
			t.Errorf("%+v", s)
		}
	}
}

// A device id frees the seat of the newcomer's own kind, also if the session of the other
// kind with the same id is older, and so would give way first.
func TestADeviceIDFreesTheSeatOfItsOwnKind(t *testing.T) {
	person, program := oneseat.SignInRequest{DeviceID: deviceID("laptop"), Device: aProgram.Device}, aProgram
	program.DeviceID = person.DeviceID
	for name, tt := range map[string]struct{ other, own oneseat.SignInRequest }{"a person": {program, person}, "a program": {person, program}} {
		t.Run(name, func(t *testing.T) {
			c := withPrograms(oneseat.Config{WhenFull: oneseat.PolicyRefuse})
			c.Programs.Limit = 1
			r := newNode(t, memstore.New(), c)
			other, own := signIn(t, r, "ada", tt.other), signIn(t, r, "ada", tt.own)
			again := signIn(t, r, "ada", tt.own)
			wantEnded(t, r, own, oneseat.ReasonDisplaced)
			wantLive(t, r, other)
			wantLive(t, r, again)
		})
	}
}

// A program that has the id of a person's device is not that person, and the reverse.
func TestAProgramAndAPersonShareNoDevice(t *testing.T) {
	for _, c := range []oneseat.Config{{WhenFull: oneseat.PolicyRefuse}, {OneSeatPerDevice: true, Limit: 2}} {
		r := newNode(t, memstore.New(), withPrograms(c))
		person := signIn(t, r, "ada", oneseat.SignInRequest{DeviceID: deviceID("laptop")})
		program := aProgram
		program.DeviceID = deviceID("laptop")
		one := signIn(t, r, "ada", program)
		wantLive(t, r, person)
		next := signIn(t, r, "ada", oneseat.SignInRequest{DeviceID: deviceID("laptop")})
		wantLive(t, r, one)
		wantEnded(t, r, person, oneseat.ReasonDisplaced)
		signIn(t, r, "ada", oneseat.SignInRequest{Program: true, DeviceID: deviceID("another")})
		again := signIn(t, r, "ada", program) // there are two: its own device frees a seat
		wantEnded(t, r, one, oneseat.ReasonDisplaced)
		wantLive(t, r, again)
		wantLive(t, r, next)
	}
}

// A person who signs in with a program's token at hand, such as a client that sends its
// API key with every request, is a newcomer: the program renews nothing, and goes on.
func TestASignInLeavesAProgramAlone(t *testing.T) {
	byToken := func(g oneseat.Grant) oneseat.SignInRequest { return oneseat.SignInRequest{Token: string(g.Token)} }
	byID := func(g oneseat.Grant) oneseat.SignInRequest {
		return oneseat.SignInRequest{Previous: oneseat.Previous{Account: g.Session.Account, Session: g.Session.ID}}
	}
	for name, had := range map[string]func(oneseat.Grant) oneseat.SignInRequest{"by its token": byToken, "by its id": byID} {
		for _, account := range []string{"ada", "grace"} {
			t.Run(name+", as "+account, func(t *testing.T) {
				r := newNode(t, memstore.New(), withPrograms(oneseat.Config{WhenFull: oneseat.PolicyRefuse}))
				program := signIn(t, r, "ada", aProgram)
				stream := play(t, r, program.Session, "player")
				person := signIn(t, r, account, had(program))
				refused(t, r, account, had(program)) // nor is there a seat to take over
				wantLive(t, r, program)
				wantLive(t, r, person)
				if err := r.Heartbeat(t.Context(), program.Session, stream.ID); err != nil {
					t.Error(err)
				}
				rotated, err := r.Rotate(t.Context(), string(program.Token))
				if err != nil {
					t.Fatal(err)
				}
				refused(t, r, account, byToken(program))
				wantLive(t, r, rotated)
			})
		}
	}
}

func TestProgramsDisplaceWhereThatIsTheirPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := withPrograms(oneseat.Config{WhenFull: oneseat.PolicyRefuse})
		c.Programs.WhenFull = oneseat.PolicyDisplace
		r := newNode(t, memstore.New(), c)
		person := signIn(t, r, "ada", oneseat.SignInRequest{})
		wantLive(t, r, person)
		one, two := signIn(t, r, "ada", aProgram), signIn(t, r, "ada", aProgram)
		time.Sleep(time.Minute)
		wantLive(t, r, one)
		synctest.Wait()
		three := signIn(t, r, "ada", aProgram)
		wantIDs(t, r.Store, "ada", person.Session.ID, one.Session.ID, three.Session.ID)
		wantEnded(t, r, two, oneseat.ReasonDisplaced)
		refused(t, r, "ada", oneseat.SignInRequest{})
	})
}

func TestAProgramLastsAsLongAsProgramsDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := withPrograms(oneseat.Config{Idle: time.Minute, Absolute: 2 * time.Minute})
		c.Programs.Idle, c.Programs.Absolute = 10*time.Minute, 15*time.Minute
		r := newNode(t, memstore.New(), c)
		g := signIn(t, r, "ada", aProgram)
		short, err := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{Program: true, Lifetime: oneseat.Lifetime{Idle: 5 * time.Minute}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{Program: true, Lifetime: oneseat.Lifetime{Idle: 11 * time.Minute}}); err == nil {
			t.Error("a program lasts longer than programs do")
		}
		time.Sleep(6 * time.Minute)
		wantEnded(t, r, short, oneseat.ReasonIdleTimeout)
		wantLive(t, r, g)
		synctest.Wait()
		time.Sleep(9*time.Minute - time.Second)
		wantLive(t, r, g)
		time.Sleep(time.Second)
		wantEnded(t, r, g, oneseat.ReasonAbsoluteTimeout)

		without := newNode(t, memstore.New(), withPrograms(oneseat.Config{}))
		if idle, absolute := without.TimeLeft(signIn(t, without, "ada", aProgram).Session); idle != 365*24*time.Hour || absolute != oneseat.NoTimeout {
			t.Errorf("without being told, a program lasts %v and %v", idle, absolute)
		}
	})
}

func TestProgramsThatCannotBe(t *testing.T) {
	for field, p := range map[string]oneseat.Programs{
		"Programs.Limit: other fields": {Idle: time.Hour},
		"Programs.Limit: -2":           {Limit: -2},
		"Programs.Limit: 65":           {Limit: oneseat.MaxPrograms + 1},
		"Programs.WhenFull":            {Limit: 1, WhenFull: oneseat.PolicyAsk},
		"Programs.Idle: 1ms":           {Limit: 1, Idle: time.Millisecond},
		"Programs.Idle: 2h":            {Limit: 1, Idle: 2 * time.Hour, Absolute: time.Hour},
		"Programs.Absolute":            {Limit: 1, Absolute: time.Millisecond},
	} {
		if _, err := oneseat.New(memstore.New(), oneseat.Config{Programs: p}); err == nil || !strings.Contains(err.Error(), "Config."+field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	for name, l := range map[string]oneseat.Limits{
		"Programs": {Programs: oneseat.MaxPrograms + 1}, "StreamClasses": {StreamClasses: map[oneseat.Class]int{oneseat.ClassTV: 1}},
		"StreamClasses[tv]": {Streams: 2, StreamClasses: map[oneseat.Class]int{oneseat.ClassTV: oneseat.MaxStreams + 1}},
	} {
		if err := l.Check(); err == nil || !strings.Contains(err.Error(), "Limits."+name+": ") {
			t.Errorf("%s: %v", name, err)
		}
	}

	r, none := newNode(t, memstore.New(), withPrograms(oneseat.Config{})), newNode(t, memstore.New(), oneseat.Config{})
	g := signIn(t, r, "ada", oneseat.SignInRequest{})
	for name, f := range map[string]func() error{
		"where there are none": func() error { return of(none.SignIn(t.Context(), "ada", aProgram)) },
		"explained, there":     func() error { _, err := none.Explain(t.Context(), "ada", aProgram); return err },
		"with a token": func() error {
			return of(r.SignIn(t.Context(), "ada", oneseat.SignInRequest{Program: true, Token: string(g.Token)}))
		},
		"in place of a session": func() error {
			return of(r.SignIn(t.Context(), "ada", oneseat.SignInRequest{Program: true, Previous: oneseat.Previous{Account: "ada", Session: g.Session.ID}}))
		},
		"by a ticket": func() error {
			asks := newNode(t, memstore.New(), withPrograms(oneseat.Config{WhenFull: oneseat.PolicyAsk}))
			wantLive(t, asks, signIn(t, asks, "ada", oneseat.SignInRequest{}))
			return of(asks.Redeem(t.Context(), refused(t, asks, "ada", oneseat.SignInRequest{}).Ticket, aProgram))
		},
	} {
		if p, ok := errors.AsType[*oneseat.ConfigError](f()); !ok || p.In+"."+p.Field != "SignInRequest.Program" {
			t.Errorf("%s: %v", name, f())
		}
	}
	wantLive(t, r, g)
	wantIDs(t, r.Store, "ada", g.Session.ID)
}

func of(_ oneseat.Grant, err error) error { return err }

// L4: a refused sign-in leaves an event, which names the limit, or says that the account
// is blocked.
func TestARefusalIsAnEventThatSaysWhy(t *testing.T) {
	r := newNode(t, memstore.New(), withPrograms(oneseat.Config{Limit: 3, WhenFull: oneseat.PolicyRefuse, ClassLimits: map[oneseat.Class]int{oneseat.ClassTV: 1}}))
	tv := oneseat.SignInRequest{Device: oneseat.Device{Class: oneseat.ClassTV}}
	for range 2 {
		wantLive(t, r, signIn(t, r, "ada", oneseat.SignInRequest{}))
		signIn(t, r, "ada", aProgram)
	}
	wantLive(t, r, signIn(t, r, "ada", tv))
	refused(t, r, "ada", tv)
	refused(t, r, "ada", oneseat.SignInRequest{})
	refused(t, r, "ada", aProgram)
	if err := r.Block(t.Context(), "ada", time.Time{}, "staff"); err != nil {
		t.Fatal(err)
	}
	for _, from := range []oneseat.SignInRequest{tv, aProgram} {
		if _, blocked := errors.AsType[*oneseat.BlockedError](of(r.SignIn(t.Context(), "ada", from))); !blocked {
			t.Error("a blocked account was let in")
		}
	}
	var told []string
	for _, e := range logged(t, r.Store.(oneseat.History), "ada") {
		if e.Type == oneseat.EventSignInRefused {
			what := string(e.Device.Class) + " " + string(e.Reason)
			if e.Bound != nil {
				what += e.Bound.Name + " " + string(rune('0'+e.Bound.Limit)) + " " + string(e.Bound.Source)
			}
			told = append(told, what)
		}
	}
	if want := []string{"tv tv 1 Config", "other total 3 Config", "mobile programs 2 Config", "tv account_blocked", "mobile account_blocked"}; !slices.Equal(told, want) {
		t.Errorf("the log says\n%q, want\n%q", told, want)
	}
}
