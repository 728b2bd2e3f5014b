package oneseat_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/record"
	"github.com/oneseat/oneseat/store/memstore"
)

// W6, W7: a user that lost the answer of a sign-in, or deleted the token, can sign in
// again from the same device, whatever the policy.
func TestADevicesOwnSessionGivesWayToItUnderEveryPolicy(t *testing.T) {
	for _, c := range []oneseat.Config{
		{}, {WhenFull: oneseat.PolicyRefuse}, {WhenFull: oneseat.PolicyAsk},
		{WhenFull: oneseat.PolicyRefuse, Limit: 9, ClassLimits: map[oneseat.Class]int{"desktop": 1}},
	} {
		a, b, store := newSystem(t, c)
		from := oneseat.SignInRequest{DeviceID: deviceID("laptop"), Device: oneseat.Device{Label: "a laptop", Class: oneseat.ClassDesktop}}
		lost := signIn(t, a, "ada", from)
		wantLive(t, b, lost) // used or not
		d, err := b.Explain(t.Context(), "ada", from)
		if err != nil || d.Outcome != oneseat.OutcomeAdmitted || len(d.Displaces) != 1 || d.Displaces[0] != lost.Session.ID {
			t.Errorf("%s: Explain says %+v, %v", c.WhenFull, d, err)
		}
		again := signIn(t, b, "ada", from)
		wantLive(t, a, again)
		e := wantEnded(t, a, lost, oneseat.ReasonDisplaced)
		if !e.SameDevice || e.By != again.Session.ID || e.ByDevice.Label != "a laptop" {
			t.Errorf("%s: the ending is %+v", c.WhenFull, e)
		}
		for _, told := range logged(t, store, "ada") {
			if told.Type == oneseat.EventSessionEnded && told.Ending() != e {
				t.Errorf("%s: the log says %+v", c.WhenFull, told)
			}
		}
	}
}

func TestADevicesOwnSessionStaysWhileThereIsRoom(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{WhenFull: oneseat.PolicyRefuse, Limit: 2})
	first := signIn(t, r, "ada", oneseat.SignInRequest{DeviceID: deviceID("laptop")})
	second := signIn(t, r, "ada", oneseat.SignInRequest{DeviceID: deviceID("laptop")})
	wantLive(t, r, first)
	wantLive(t, r, second)
}

// N11: as a setting, a device has one seat, whatever room there is, and its old session is
// told.
func TestADeviceHasOneSeatIfThatIsSet(t *testing.T) {
	for _, policy := range []oneseat.Policy{oneseat.PolicyDisplace, oneseat.PolicyRefuse, oneseat.PolicyAsk} {
		a, b, store := newSystem(t, oneseat.Config{WhenFull: policy, Limit: 5, OneSeatPerDevice: true, AdoptUntil: time.Now().Add(time.Hour)})
		phone := oneseat.SignInRequest{DeviceID: deviceID("phone"), Device: phone}
		first := signIn(t, a, "ada", phone)
		other, none := signIn(t, a, "ada", oneseat.SignInRequest{DeviceID: deviceID("laptop")}), signIn(t, a, "ada", oneseat.SignInRequest{})
		wantLive(t, b, first)
		second := signIn(t, b, "ada", phone)
		if e := wantEnded(t, b, first, oneseat.ReasonDisplaced); !e.SameDevice || e.By != second.Session.ID || len(second.Displaced) != 1 {
			t.Errorf("%s: the ending is %+v, and displaced are %+v", policy, e, second.Displaced)
		}
		renewing := phone
		renewing.Token = string(second.Token)
		third := signIn(t, a, "ada", renewing)
		wantEnded(t, a, second, oneseat.ReasonRenewed)
		signIn(t, b, "ada", oneseat.SignInRequest{}) // of no device
		if _, err := a.Adopt(t.Context(), "ada", time.Now().Add(-time.Minute), phone); err != nil && !errors.Is(err, oneseat.ErrNoSession) {
			t.Error(err)
		}
		for _, g := range []oneseat.Grant{other, none, third} {
			wantLive(t, a, g)
		}
		if s := stored(t, store, "ada"); len(s.Roster.Seats) < 4 {
			t.Errorf("%s: %d seats", policy, len(s.Roster.Seats))
		}
	}
}

// What is no sign-in on the device ends nothing of it: a stream, though its player may have
// the name of another session's, and an adopted session.
func TestOnlyASignInReplacesTheSessionOfItsDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{Limit: 5, Streams: 3, OneSeatPerDevice: true, AdoptUntil: time.Now().Add(time.Hour)})
		on := oneseat.SignInRequest{DeviceID: deviceID("phone"), Device: phone}
		first, other := signIn(t, r, "ada", on), signIn(t, r, "ada", oneseat.SignInRequest{DeviceID: deviceID("laptop")})
		one, two := play(t, r, first.Session, "the same name"), play(t, r, other.Session, "the same name")
		wantStreams(t, r, "ada", two.ID, one.ID)
		time.Sleep(time.Second)
		if _, err := r.Adopt(t.Context(), "ada", time.Now(), on); err != nil {
			t.Fatal(err)
		}
		wantLive(t, r, first)
	})
}

// An older session that finds no room tries again with each of its requests, so that is no
// event.
func TestAnOlderSessionWithoutRoomLeavesNoEvent(t *testing.T) {
	for _, policy := range []oneseat.Policy{oneseat.PolicyRefuse, oneseat.PolicyAsk} {
		store := memstore.New()
		r := newRegistry(t, store, oneseat.Config{WhenFull: policy, AdoptUntil: time.Now().Add(time.Hour)})
		wantLive(t, r, signIn(t, r, "ada", oneseat.SignInRequest{}))
		before := len(logged(t, store, "ada"))
		if _, err := r.Adopt(t.Context(), "ada", time.Now(), oneseat.SignInRequest{}); !errors.Is(err, oneseat.ErrNoSession) {
			t.Errorf("%s: %v", policy, err)
		}
		if after := logged(t, store, "ada"); len(after) != before {
			t.Errorf("%s: %+v", policy, after)
		}
	}
}

// A program that the application had before is adopted by the lifetime of programs.
func TestAProgramIsAdoptedByTheLifetimeOfPrograms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(24 * time.Hour)
		r := newNode(t, memstore.New(), oneseat.Config{
			Idle: time.Hour, Absolute: 2 * time.Hour, AdoptUntil: time.Now().Add(time.Hour), MaxStale: time.Minute,
			Programs: oneseat.Programs{Limit: 1, Absolute: 20 * time.Hour},
		})
		issued := time.Now().Add(-10 * time.Hour)
		if g, err := r.Adopt(t.Context(), "ada", issued, oneseat.SignInRequest{Program: true}); err != nil || !g.Session.Program || !g.Session.Created.Equal(issued) {
			t.Errorf("a program: %+v, %v", g.Session, err)
		}
		if _, err := r.Adopt(t.Context(), "ada", issued, oneseat.SignInRequest{}); !errors.Is(err, oneseat.ErrNoSession) {
			t.Errorf("a session that is too old: %v", err)
		}
	})
}

// Two sessions of one device, from before the setting, end with the next sign-in. Under
// ObserveOnly that is only said.
func TestASeatPerDeviceIsCaughtUpWithAndMayBeObserved(t *testing.T) {
	store := memstore.New()
	laptop := oneseat.SignInRequest{DeviceID: deviceID("laptop")}
	before := newRegistry(t, store, oneseat.Config{Limit: 5})
	one, two := signIn(t, before, "ada", laptop), signIn(t, before, "ada", laptop)
	observed := newRegistry(t, store, oneseat.Config{Limit: 5, OneSeatPerDevice: true, ObserveOnly: true})
	three := signIn(t, observed, "ada", laptop)
	for _, g := range []oneseat.Grant{one, two, three} {
		wantLive(t, observed, g)
	}
	if n := count(logged(t, store, "ada"), oneseat.EventSessionWouldEnd); n != 2 {
		t.Errorf("%d sessions would have ended, want 2", n)
	}
	after := newRegistry(t, store, oneseat.Config{Limit: 5, OneSeatPerDevice: true})
	four := signIn(t, after, "ada", laptop)
	for _, g := range []oneseat.Grant{one, two, three} {
		wantEnded(t, after, g, oneseat.ReasonDisplaced)
	}
	wantLive(t, after, four)
}

// A device id frees one seat of its device, not all of them, and none of another device.
func TestADeviceIDFreesOneSeatAtMost(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{WhenFull: oneseat.PolicyRefuse, Limit: 3})
	laptop := oneseat.SignInRequest{DeviceID: deviceID("laptop")}
	one, two := signIn(t, r, "ada", laptop), signIn(t, r, "ada", laptop)
	other := signIn(t, r, "ada", oneseat.SignInRequest{DeviceID: deviceID("phone")})
	for _, g := range []oneseat.Grant{one, two, other} {
		wantLive(t, r, g)
	}
	three := signIn(t, r, "ada", laptop)
	wantEnded(t, r, one, oneseat.ReasonDisplaced)
	for _, g := range []oneseat.Grant{two, three, other} {
		wantLive(t, r, g)
	}
	if err := r.SetLimit(t.Context(), "ada", oneseat.Limits{Total: 3}, ""); err != nil {
		t.Fatal(err)
	}
	for name, from := range map[string]oneseat.SignInRequest{"another device": {DeviceID: deviceID("tablet")}, "no id": {}} {
		if _, err := r.SignIn(t.Context(), "ada", from); !isLimit(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// After a limit was lowered, more seats may be too many than the one that an id frees.
func TestUnderALoweredLimitADeviceIDDoesNotFreeTwo(t *testing.T) {
	plan := 3
	r := newNode(t, memstore.New(), oneseat.Config{WhenFull: oneseat.PolicyRefuse, LimitFor: func(context.Context, string) (oneseat.Limits, error) {
		return oneseat.Limits{Total: plan}, nil
	}})
	laptop := oneseat.SignInRequest{DeviceID: deviceID("laptop")}
	there := []oneseat.Grant{signIn(t, r, "ada", laptop), signIn(t, r, "ada", laptop)}
	for _, g := range there {
		wantLive(t, r, g)
	}
	plan = 1
	if _, err := r.SignIn(t.Context(), "ada", laptop); !isLimit(err) {
		t.Errorf("two gave way: %v", err)
	}
}

// With a limit on a class, the seat that the id frees is one of the newcomer's class,
// because only that makes room.
func TestADevicesSeatOfTheSameClassIsFreed(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{WhenFull: oneseat.PolicyRefuse, Limit: 9, ClassLimits: map[oneseat.Class]int{"mobile": 1}})
	tablet := signIn(t, r, "ada", oneseat.SignInRequest{DeviceID: deviceID("d"), Device: oneseat.Device{Class: oneseat.ClassDesktop}})
	mobile := signIn(t, r, "ada", oneseat.SignInRequest{DeviceID: deviceID("d"), Device: oneseat.Device{Class: oneseat.ClassMobile}})
	wantLive(t, r, tablet)
	wantLive(t, r, mobile)
	signIn(t, r, "ada", oneseat.SignInRequest{DeviceID: deviceID("d"), Device: oneseat.Device{Class: oneseat.ClassMobile}})
	wantLive(t, r, tablet)
	wantEnded(t, r, mobile, oneseat.ReasonDisplaced)
}

func TestADeviceIDFreesNoStreamsSeat(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{Limit: 2})
	laptop := oneseat.SignInRequest{DeviceID: deviceID("laptop")}
	one := signIn(t, r, "ada", laptop)
	stream := play(t, r, one.Session, deviceID("laptop"))
	two := signIn(t, r, "ada", laptop)
	fullOfStreams(t, r, two.Session, "another player")
	beat(t, r, one.Session, stream)
}

// A player's id and a device's id may have the same digest. Neither counts as the
// other.
func TestAPlayerIsNoDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{WhenFull: oneseat.PolicyRefuse, StreamIdle: 2 * time.Hour})
		spelt := oneseat.SignInRequest{DeviceID: "player of the television"}
		own := signIn(t, r, "ada", spelt)
		play(t, r, own.Session, "of the television")
		time.Sleep(time.Hour)
		wantLive(t, r, own) // used later than the stream
		synctest.Wait()
		again := signIn(t, r, "ada", spelt)
		wantEnded(t, r, own, oneseat.ReasonDisplaced)
		wantLive(t, r, again)

		// Players of two sessions are not one device because they have one id.
		r = newNode(t, memstore.New(), oneseat.Config{Limit: 2})
		one, two := signIn(t, r, "ada", oneseat.SignInRequest{}), signIn(t, r, "ada", oneseat.SignInRequest{})
		stream := play(t, r, one.Session, "p")
		play(t, r, two.Session, "p", stream.ID)
		if e := wantEnding(t, r.Heartbeat(t.Context(), one.Session, stream.ID), stream.ID, oneseat.ReasonDisplaced); e.SameDevice {
			t.Errorf("the ending is %+v", e)
		}
	})
}

// An adoption frees no seat by a device id, because nobody gave a password.
func TestADeviceIDFreesNothingForAnAdoption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{WhenFull: oneseat.PolicyRefuse, AdoptUntil: time.Now().Add(24 * time.Hour)})
		there := signIn(t, r, "ada", oneseat.SignInRequest{DeviceID: deviceID("laptop")})
		time.Sleep(time.Hour) // it is unused as well
		if _, err := r.Adopt(t.Context(), "ada", time.Now(), oneseat.SignInRequest{DeviceID: deviceID("laptop")}); !errors.Is(err, oneseat.ErrNoSession) {
			t.Errorf("adopted: %v", err)
		}
		wantLive(t, r, there)
	})
}

// Where limits are only observed, no session ends for a device id either.
func TestADeviceIDOnlyMarksWhereLimitsAreObserved(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{WhenFull: oneseat.PolicyRefuse, ObserveOnly: true})
	there := signIn(t, r, "ada", oneseat.SignInRequest{DeviceID: deviceID("laptop")})
	signIn(t, r, "ada", oneseat.SignInRequest{DeviceID: deviceID("laptop")})
	wantLive(t, r, there)
	events := logged(t, r.Store.(oneseat.History), "ada")
	if n := count(events, oneseat.EventSessionWouldEnd); n != 1 || count(events, oneseat.EventSignInWouldBeRefused) != 0 {
		t.Errorf("the log says %+v", events)
	}
	for _, e := range events {
		if e.Type == oneseat.EventSessionWouldEnd && !e.SameDevice {
			t.Errorf("it does not say that the device is the same: %+v", e)
		}
	}
}

func TestADeviceIDIsLongEnoughToBeRandom(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{WhenFull: oneseat.PolicyAsk, AdoptUntil: time.Now().Add(time.Hour)})
	signIn(t, r, "ada", oneseat.SignInRequest{})
	ticket := refused(t, r, "ada", oneseat.SignInRequest{}).Ticket
	updates := r.updates.Load()
	for _, n := range []int{1, 15, 65, 1000} {
		from := oneseat.SignInRequest{DeviceID: strings.Repeat("x", n)}
		_, signedIn := r.SignIn(t.Context(), "ada", from)
		_, redeemed := r.Redeem(t.Context(), ticket, from)
		_, adopted := r.Adopt(t.Context(), "ada", time.Time{}, from)
		_, explained := r.Explain(t.Context(), "ada", from)
		for what, err := range map[string]error{"SignIn": signedIn, "Redeem": redeemed, "Adopt": adopted, "Explain": explained} {
			bad, ok := errors.AsType[*oneseat.ConfigError](err)
			if !ok || bad.In != "SignInRequest" || bad.Field != "DeviceID" || strings.Contains(err.Error(), from.DeviceID) {
				t.Errorf("%s, %d bytes: %v", what, n, err)
			}
		}
	}
	if n := r.updates.Load() - updates; n != 0 {
		t.Errorf("%d updates", n)
	}
	for _, n := range []int{16, 64} {
		signIn(t, r, fmt.Sprint("grace ", n), oneseat.SignInRequest{DeviceID: strings.Repeat("x", n)})
	}
}

// A copied database does not show which accounts are used from one device.
func TestADevicesDigestIsAnotherInEveryAccount(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{AdoptUntil: time.Now().Add(time.Hour)})
	from := oneseat.SignInRequest{DeviceID: deviceID("laptop")}
	signIn(t, r, "ada", from)
	signIn(t, r, "grace", from)
	if ada, grace := stored(t, r.Store, "ada").Roster.Seats[0].DeviceID, stored(t, r.Store, "grace").Roster.Seats[0].DeviceID; ada == grace {
		t.Errorf("both have %x", ada)
	}
	signIn(t, r, "ada", from)
	signIn(t, r, "grace", from)
	for _, account := range []string{"older a", "older g"} {
		if _, err := r.Adopt(t.Context(), account, time.Time{}, from); err != nil {
			t.Fatal(err)
		}
	}
	if a, g := stored(t, r.Store, "older a").Roster.Seats[0].DeviceID, stored(t, r.Store, "older g").Roster.Seats[0].DeviceID; a == g {
		t.Errorf("both older sessions have %x", a)
	}
	a, g := signIn(t, r, "a", from), signIn(t, r, "g", from)
	play(t, r, a.Session, "player")
	play(t, r, g.Session, "player")
	staff := newNode(t, r.Store, oneseat.Config{Realm: "staff"})
	play(t, staff, signIn(t, staff, "a", from).Session, "player")
	views, err := r.Store.Load(t.Context(), oneseat.KeyOf("staff", "a"))
	if err != nil {
		t.Fatal(err)
	}
	for i, there := range record.Of(views[0].Roster).Seats {
		if here := stored(t, r.Store, "a").Roster.Seats[i].DeviceID; there.DeviceID == here {
			t.Errorf("seat %d: both realms have %x", i, here)
		}
	}
	if a, g := stored(t, r.Store, "a").Roster.Seats[1].DeviceID, stored(t, r.Store, "g").Roster.Seats[1].DeviceID; a == g {
		t.Errorf("both players have %x", a)
	}
	if ada, grace := stored(t, r.Store, "ada").Roster.Endings[0].Mark, stored(t, r.Store, "grace").Roster.Endings[0].Mark; ada == grace {
		t.Errorf("both endings have %s", ada)
	}
}

// Devices that share an id, because an app has a constant or machines have one image,
// displace each other. The operator's log says so.
func TestAnIDThatDisplacesItselfAgainAndAgainIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard safeBuffer
		r := newNode(t, memstore.New(), oneseat.Config{Logger: slog.New(slog.NewTextHandler(&heard, nil))})
		image := oneseat.SignInRequest{DeviceID: deviceID("an image")}
		warned := func() int { return strings.Count(heard.String(), "displaced its own session") }
		signIn(t, r, "ada", image)
		for n, want := range []int{0, 0, 1, 1, 1, 1} {
			time.Sleep(10 * time.Minute)
			again := image
			again.Token = string(signIn(t, r, "ada", image).Token)
			signIn(t, r, "ada", again) // renews, which displaces nobody
			if got := warned(); got != want {
				t.Errorf("after %d times it was said %d times", n+1, got)
			}
		}
		if strings.Contains(heard.String(), image.DeviceID) {
			t.Errorf("the log has the id: %s", heard.String())
		}
		for n := range 6 { // two devices that take turns are another matter, and another event
			time.Sleep(10 * time.Minute)
			signIn(t, r, "grace", oneseat.SignInRequest{DeviceID: deviceID(fmt.Sprint(n % 2))})
		}
		for range 6 { // a device that displaces itself seldom is a person's
			time.Sleep(31 * time.Minute)
			signIn(t, r, "alan", image)
		}
		if got := warned(); got != 1 {
			t.Errorf("it was said %d times:\n%s", got, heard.String())
		}
		// Two devices of a family each do it twice, and one of them a third time.
		if err := r.SetLimit(t.Context(), "family", oneseat.Limits{Total: 2}, ""); err != nil {
			t.Fatal(err)
		}
		for n, device := range []string{"tv", "tablet", "tv", "tablet", "tablet", "tv", "tv"} {
			time.Sleep(time.Second)
			signIn(t, r, "family", oneseat.SignInRequest{DeviceID: deviceID(device)})
			if got := warned() - 1; got != n/6 {
				t.Errorf("family, sign-in %d: it was said %d times", n, got)
			}
		}
	})
}

// A session that is only marked, where limits are observed, holds no seat that its
// device could free.
func TestAMarkedSessionIsNotItsDevicesOwnSeat(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{ObserveOnly: true, Limit: 2})
	laptop := oneseat.SignInRequest{DeviceID: deviceID("laptop")}
	marked := signIn(t, r, "ada", laptop)
	signIn(t, r, "ada", oneseat.SignInRequest{DeviceID: deviceID("phone")})
	again := signIn(t, r, "ada", laptop) // marks the first
	signIn(t, r, "ada", laptop)          // marks its own seat, and not the first a second time
	var would []oneseat.SessionID
	for _, e := range logged(t, r.Store.(oneseat.History), "ada") {
		if e.Type == oneseat.EventSessionWouldEnd {
			would = append(would, e.Session)
		}
	}
	if want := []oneseat.SessionID{marked.Session.ID, again.Session.ID}; !slices.Equal(would, want) {
		t.Errorf("marked are %v, want %v", would, want)
	}
}
