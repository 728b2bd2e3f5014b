package policies

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

func open(t *testing.T, c oneseat.Config) *oneseat.Registry {
	t.Helper()
	seats, err := oneseat.New(memstore.New(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = seats.Close() })
	return seats
}

func on(class oneseat.Class) oneseat.SignInRequest {
	return oneseat.SignInRequest{Device: oneseat.Device{Class: class}}
}

func in(t *testing.T, seats *oneseat.Registry, account string, from oneseat.SignInRequest) oneseat.Grant {
	t.Helper()
	g, err := seats.SignIn(t.Context(), account, from)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// live counts the grants whose sessions are still signed in.
func live(t *testing.T, seats *oneseat.Registry, grants ...oneseat.Grant) (n int) {
	t.Helper()
	for _, g := range grants {
		_, err := seats.Check(t.Context(), string(g.Token))
		if _, ended := errors.AsType[*oneseat.EndedError](err); err != nil && !ended {
			t.Fatal(err)
		}
		if err == nil {
			n++
		}
	}
	return n
}

func full(t *testing.T, err error) *oneseat.LimitError {
	t.Helper()
	e, ok := errors.AsType[*oneseat.LimitError](err)
	if !ok {
		t.Fatalf("it was not refused: %v", err)
	}
	return e
}

func TestInAFamilyAThirdPhoneTakesTheSeatOfAPhone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seats := open(t, Family())
		tv := in(t, seats, "ada", on("tv"))
		time.Sleep(time.Minute)
		old, newer := in(t, seats, "ada", on("mobile")), in(t, seats, "ada", on("mobile"))
		third := in(t, seats, "ada", on("mobile"))
		if live(t, seats, tv, newer, third) != 3 || live(t, seats, old) != 0 {
			t.Error("a session other than the idlest phone's had to go")
		}
		second := in(t, seats, "ada", on("tv"))
		if live(t, seats, tv) != 0 || live(t, seats, second, newer, third) != 3 {
			t.Error("a session other than the television's had to go")
		}
	})
}

func TestAHouseholdSignsInOnFiveDevicesAndWatchesOnTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seats := open(t, Video())
		var all []oneseat.Grant
		for range 5 {
			all = append(all, in(t, seats, "ada", oneseat.SignInRequest{}))
		}
		if live(t, seats, all...) != 5 {
			t.Fatal("five may be signed in")
		}
		for i, g := range all[:3] {
			_, err := seats.StartStream(t.Context(), g.Session, oneseat.Player{ID: "p"})
			if i < 2 && err != nil {
				t.Fatal(err)
			}
			if i == 2 && len(full(t, err).Streams) != 2 {
				t.Error("it does not say who watches")
			}
		}
	})
}

func TestInACourseOneIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seats := open(t, Course())
		first, second := in(t, seats, "ada", on("desktop")), in(t, seats, "ada", on("mobile"))
		_, err := seats.SignIn(t.Context(), "ada", on("tablet"))
		asked := full(t, err)
		if live(t, seats, first, second) != 2 {
			t.Fatal("somebody had to go unasked")
		}
		if _, err := seats.Redeem(t.Context(), asked.Ticket, on("tablet"), first.Session.ID); err != nil {
			t.Fatal(err)
		}
		if live(t, seats, first) != 0 || live(t, seats, second) != 1 {
			t.Error("a session went that was not chosen")
		}
	})
}

func TestInAnExamTheFirstDeviceWinsUntilAProctorReleasesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seats := open(t, Exam())
		first := in(t, seats, "ada", oneseat.SignInRequest{})
		if _, err := seats.Check(t.Context(), string(first.Token)); err != nil { // the candidate begins
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		_, err := seats.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
		full(t, err)
		if err := Release(t.Context(), seats, "ada", "proctor 7"); err != nil {
			t.Fatal(err)
		}
		in(t, seats, "ada", oneseat.SignInRequest{})
		_, err = seats.Check(t.Context(), string(first.Token))
		if over, ok := errors.AsType[*oneseat.EndedError](err); !ok || over.Ending.Actor != "proctor 7" {
			t.Error(err)
		}
	})
}

func TestInTheBackOfficeAClosedLaptopKeepsNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seats := open(t, BackOffice())
		first := in(t, seats, "ada", oneseat.SignInRequest{})
		_, err := seats.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
		full(t, err)
		time.Sleep(31 * time.Minute)
		second := in(t, seats, "ada", oneseat.SignInRequest{})
		if live(t, seats, first) != 0 || live(t, seats, second) != 1 {
			t.Error("the idle one is still there")
		}
	})
}

func TestAPlanSaysHowManyAndStaffIsExempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("the plans cannot be read")
		seats := open(t, Plans(func(_ context.Context, account string) (string, error) {
			if account == "eve" {
				return "", broken
			}
			return map[string]string{"grace": "family", "alan": "staff"}[account], nil
		}))
		for account, want := range map[string]int{"ada": 1, "grace": 4, "alan": 6} {
			var all []oneseat.Grant
			for range 6 {
				all = append(all, in(t, seats, account, oneseat.SignInRequest{}))
			}
			if n := live(t, seats, all...); n != want {
				t.Errorf("%s has %d of %d", account, n, want)
			}
		}
		if _, err := seats.SignIn(t.Context(), "eve", oneseat.SignInRequest{}); !errors.Is(err, broken) {
			t.Error(err)
		}
	})
}

func TestProgramsTakeNoSeatOfPeople(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seats := open(t, APIKeys())
		person := in(t, seats, "ada", oneseat.SignInRequest{})
		var keys []oneseat.Grant
		for range 10 {
			keys = append(keys, in(t, seats, "ada", oneseat.SignInRequest{Program: true}))
		}
		if _, full := errors.AsType[*oneseat.LimitError](refused(seats.SignIn(t.Context(), "ada", oneseat.SignInRequest{Program: true}))); !full {
			t.Error("there is an eleventh key")
		}
		next := in(t, seats, "ada", oneseat.SignInRequest{})
		if live(t, seats, keys...) != 10 || live(t, seats, person) != 0 || live(t, seats, next) != 1 {
			t.Error("keys and people are in each other's way")
		}
		if err := seats.Block(t.Context(), "ada", time.Time{}, "staff"); err != nil || live(t, seats, append(keys, next)...) != 0 {
			t.Error("a blocked account has keys", err)
		}
	})
}

func TestAPersonEndsTheOtherSessionsOfPeopleAndNoProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := APIKeys()
		c.Limit = 2
		seats, ctx, account := open(t, c), t.Context(), "ada"
		here, there := in(t, seats, account, oneseat.SignInRequest{}), in(t, seats, account, oneseat.SignInRequest{})
		key := in(t, seats, account, oneseat.SignInRequest{Program: true})
		mine, err := seats.Check(ctx, string(here.Token))
		if err != nil {
			t.Fatal(err)
		}
		_, err = seats.EndWhere(ctx, account, oneseat.EndOptions{As: mine.ID}, func(s oneseat.Session) bool {
			return !s.Program && s.ID != mine.ID
		})
		if err != nil || live(t, seats, here, key) != 2 || live(t, seats, there) != 0 {
			t.Error("somebody else has ended, or nobody has", err)
		}
	})
}

func refused(_ oneseat.Grant, err error) error { return err }

func TestObservingEndsNobodyAndCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seats := open(t, AskFirst())
		first, second := in(t, seats, "ada", oneseat.SignInRequest{}), in(t, seats, "ada", oneseat.SignInRequest{})
		if live(t, seats, first, second) != 2 || seats.Stats().WouldDisplace != 1 {
			t.Errorf("%+v", seats.Stats())
		}
	})
}

func TestThePrivilegedHaveThreeSessionsAndOthersTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seats := open(t, FedRAMPHigh(func(account string) bool { return account == "root" }))
		for account, want := range map[string]int{"ada": 2, "root": 3} {
			var all []oneseat.Grant
			for range 5 {
				all = append(all, in(t, seats, account, oneseat.SignInRequest{}))
			}
			if n := live(t, seats, all...); n != want {
				t.Errorf("%s has %d", account, n)
			}
		}
	})
}

// TMO-05: each timeout ends a session when the standard says so, and not before.
func TestTheTimeoutsAreThoseOfTheStandards(t *testing.T) {
	for name, c := range map[string]struct {
		oneseat.Config
		idle, absolute time.Duration
	}{
		"NIST AAL1":   {NISTAAL1(), 14 * 24 * time.Hour, 30 * 24 * time.Hour},
		"NIST AAL2":   {NISTAAL2(), time.Hour, 24 * time.Hour},
		"NIST AAL3":   {NISTAAL3(), 15 * time.Minute, 12 * time.Hour},
		"PCI":         {PCI(), 15 * time.Minute, 0},
		"STIG users":  {STIGUsers(), 15 * time.Minute, 0},
		"STIG admins": {STIGAdmins(), 10 * time.Minute, 0},
		"OWASP high":  {OWASPHigh(), 5 * time.Minute, 8 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.MaxStale = time.Minute // the log is read less often, so hours pass faster
				seats := open(t, c.Config)
				left, used := in(t, seats, "ada", oneseat.SignInRequest{}), in(t, seats, "grace", oneseat.SignInRequest{})
				time.Sleep(c.idle - time.Second)
				if live(t, seats, used) != 1 {
					t.Error("it ended early")
				}
				time.Sleep(time.Second)
				if live(t, seats, left) != 0 || live(t, seats, used) != 1 {
					t.Error("idleness is not what counts")
				}
				for d := c.idle; c.absolute > 0 && d < c.absolute; d += c.idle / 2 {
					time.Sleep(c.idle / 2)
					_ = live(t, seats, used)
				}
				if c.absolute > 0 && live(t, seats, used) != 0 {
					t.Error("it lasts for ever if it is used")
				}
			})
		})
	}
}
