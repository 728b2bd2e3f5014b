package oneseat_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// N1: the shorter lifetime is the session's wherever it is presented, by token or by
// id, on a node that has it in memory too.
func TestASessionDiesAtItsOwnLifetimeOnEveryNode(t *testing.T) {
	for name, c := range map[string]struct {
		lifetime oneseat.Lifetime
		active   bool // it is used all the time
		lives    time.Duration
		reason   oneseat.Reason
	}{
		"idle":          {oneseat.Lifetime{Idle: 20 * time.Minute}, false, 20 * time.Minute, oneseat.ReasonIdleTimeout},
		"a second":      {oneseat.Lifetime{Idle: time.Second}, false, time.Second, oneseat.ReasonIdleTimeout},
		"absolute":      {oneseat.Lifetime{Absolute: 2 * time.Hour}, true, 2 * time.Hour, oneseat.ReasonAbsoluteTimeout},
		"both":          {oneseat.Lifetime{Idle: 5 * time.Minute, Absolute: time.Hour}, true, time.Hour, oneseat.ReasonAbsoluteTimeout},
		"the Config's":  {oneseat.Lifetime{}, false, 24 * time.Hour, oneseat.ReasonIdleTimeout},
		"as the Config": {oneseat.Lifetime{Idle: 24 * time.Hour, Absolute: 48 * time.Hour}, false, 24 * time.Hour, oneseat.ReasonIdleTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := memstore.New()
				config := oneseat.Config{Limit: 3, Idle: 24 * time.Hour, Absolute: 48 * time.Hour, MaxStale: time.Minute}
				a, b := newNode(t, store, config), newNode(t, store, config)
				g := signIn(t, a, "ada", oneseat.SignInRequest{Lifetime: c.lifetime})
				if g.Session.Lifetime != c.lifetime {
					t.Errorf("the grant says %+v", g.Session.Lifetime)
				}
				other := signIn(t, a, "ada", oneseat.SignInRequest{})
				if _, err := b.Peek(t.Context(), string(g.Token)); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				if c.active {
					for time.Since(began) < c.lives-time.Minute {
						time.Sleep(time.Minute)
						wantLive(t, b, g)
						synctest.Wait()
					}
				}
				time.Sleep(c.lives - time.Since(began) - time.Millisecond)
				for _, r := range []node{a, b} {
					if _, err := r.Peek(t.Context(), string(g.Token)); err != nil {
						t.Errorf("a moment before: %v", err)
					}
				}
				time.Sleep(2 * time.Millisecond)
				for _, r := range []node{b, a} {
					wantEnded(t, r, g, c.reason)
					if _, err := r.CheckID(t.Context(), "ada", g.Session.ID); !errors.Is(err, oneseat.ErrNoSession) && !isEnded(err) {
						t.Errorf("by id: %v", err)
					}
				}
				if c.lives < 24*time.Hour {
					if _, err := b.Peek(t.Context(), string(other.Token)); err != nil {
						t.Errorf("the other session, with the lifetime of the Config: %v", err)
					}
				}
			})
		})
	}
}

func isEnded(err error) bool {
	_, ok := errors.AsType[*oneseat.EndedError](err)
	return ok
}

// N1: bad input gets an error at the earliest moment, and nothing is done.
func TestALifetimeThatIsLongerThanTheConfigsIsRefused(t *testing.T) {
	store := memstore.New()
	r := newRegistry(t, store, oneseat.Config{
		Idle: time.Hour, Absolute: 2 * time.Hour, AdoptUntil: time.Now().Add(time.Hour),
		Programs: oneseat.Programs{Limit: 1, Idle: 100 * time.Hour, Absolute: 200 * time.Hour},
	})
	g := signIn(t, r, "ada", oneseat.SignInRequest{})
	for _, l := range []oneseat.Lifetime{
		{Idle: time.Hour + 1}, {Absolute: 3 * time.Hour}, {Idle: -1}, {Absolute: -time.Hour}, {Idle: time.Millisecond}, {Idle: time.Minute, Absolute: oneseat.NoTimeout},
	} {
		_, signIn := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{Lifetime: l})
		_, adopt := r.Adopt(t.Context(), "grace", time.Time{}, oneseat.SignInRequest{Lifetime: l})
		_, confirm := r.Confirm(t.Context(), g.Session, l)
		for name, err := range map[string]error{"SignIn": signIn, "Adopt": adopt, "Confirm": confirm} {
			wrong, ok := errors.AsType[*oneseat.ConfigError](err)
			if !ok || wrong.Problem == "" || wrong.In != map[bool]string{true: "Confirm", false: "SignInRequest"}[name == "Confirm"] ||
				wrong.Field != map[bool]string{true: "Lifetime.Absolute", false: "Lifetime.Idle"}[l.Idle == 0 || l.Idle == time.Minute] {
				t.Errorf("%s with %+v: %v, want a *ConfigError", name, l, err)
			}
		}
	}
	if events := logged(t, store, ""); len(events) != 1 {
		t.Errorf("something was done: %+v", events)
	}
	wantLive(t, r, g)
	if _, err := r.Confirm(t.Context(), signIn(t, r, "bob", aProgram).Session, oneseat.Lifetime{Absolute: 3 * time.Hour}); err != nil {
		t.Errorf("what is a program's to have: %v", err)
	}
	forever := newRegistry(t, memstore.New(), oneseat.Config{Idle: oneseat.NoTimeout, Absolute: oneseat.NoTimeout})
	signIn(t, forever, "ada", oneseat.SignInRequest{Lifetime: oneseat.Lifetime{Idle: 1000 * 24 * time.Hour}})
}

// Every store keeps whole microseconds, so a session has the same lifetime everywhere.
func TestALifetimeIsKeptInMicroseconds(t *testing.T) {
	r := newRegistry(t, memstore.New(), oneseat.Config{})
	g := signIn(t, r, "ada", oneseat.SignInRequest{Lifetime: oneseat.Lifetime{Idle: time.Second + 3*time.Microsecond + 1, Absolute: time.Minute + 5*time.Microsecond + 999}})
	if want := (oneseat.Lifetime{Idle: time.Second + 3*time.Microsecond, Absolute: time.Minute + 5*time.Microsecond}); g.Session.Lifetime != want {
		t.Errorf("%+v, want %+v", g.Session.Lifetime, want)
	}
}

// N1: only a fresh proof gives a session more time than it had at the sign-in, and never
// more than the Config allows.
func TestAFreshProofExtendsASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		config := oneseat.Config{Idle: 10 * time.Hour, Absolute: 20 * time.Hour, MaxStale: time.Minute}
		a, b := newNode(t, store, config), newNode(t, store, config)
		g := signIn(t, a, "ada", oneseat.SignInRequest{Lifetime: oneseat.Lifetime{Idle: time.Hour, UntilClosed: true}})
		wantLive(t, b, g)
		time.Sleep(30 * time.Minute)
		g = rotate(t, a, g)
		if want := (oneseat.Lifetime{Idle: time.Hour, UntilClosed: true}); g.Session.Lifetime != want {
			t.Errorf("a rotation changed the lifetime to %+v", g.Session.Lifetime)
		}
		s, err := a.Confirm(t.Context(), g.Session, oneseat.Lifetime{})
		if err != nil || s.Lifetime != (oneseat.Lifetime{}) {
			t.Fatal(s, err)
		}
		time.Sleep(9 * time.Hour) // far beyond the old lifetime
		wantLive(t, b, g)
		wantLive(t, a, g)
		time.Sleep(9 * time.Hour)
		wantLive(t, b, g)
		synctest.Wait()
		time.Sleep(90 * time.Minute) // its age counts from the sign-in
		wantEnded(t, a, g, oneseat.ReasonAbsoluteTimeout)
	})
}

// N1: a proof may shorten a session too, and every node hears of it.
func TestAShorterLifetimeReachesEveryNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		wantLive(t, b, g)
		held := hold(t, b, g)
		if _, err := a.Confirm(t.Context(), g.Session, oneseat.Lifetime{Idle: time.Minute}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute + 2*time.Second)
		if e, ok := errors.AsType[*oneseat.EndedError](held.cause(t)); !ok || e.Ending.Reason != oneseat.ReasonIdleTimeout {
			t.Errorf("the request in flight was told %v", held.cause(t))
		}
		wantEnded(t, b, g, oneseat.ReasonIdleTimeout)
	})
}

// N1: a fresh proof is a use of the session, however long the session was idle before.
func TestAConfirmationIsActivity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newNode(t, memstore.New(), oneseat.Config{Idle: time.Hour, MaxStale: time.Minute})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		time.Sleep(50 * time.Minute)
		s, err := a.Confirm(t.Context(), g.Session, oneseat.Lifetime{Idle: 20 * time.Minute})
		if err != nil || !s.LastSeen.Equal(time.Now()) {
			t.Fatal(s, err)
		}
		time.Sleep(19 * time.Minute)
		if _, err := a.Peek(t.Context(), string(g.Token)); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Minute)
		wantEnded(t, a, g, oneseat.ReasonIdleTimeout)
	})
}

// N3: a sign-in and a confirmation are proofs of now, a ticket of when it was given, and
// an adoption is none.
func TestASessionSaysWhenItWasProved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		config := oneseat.Config{WhenFull: oneseat.PolicyAsk, AdoptUntil: time.Now().Add(time.Hour), MaxStale: time.Minute}
		a, b := newNode(t, store, config), newNode(t, store, config)
		now := func() time.Time { return time.Now().UTC() }
		proved := func(what string, r node, token oneseat.Token, want time.Time) {
			t.Helper()
			s, err := r.Check(t.Context(), string(token))
			if err != nil || !s.Proved.Equal(want) {
				t.Errorf("%s: proved at %v, %v; want %v", what, s.Proved, err, want)
			}
		}
		first := now()
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		proved("a sign-in", b, g.Token, first)
		time.Sleep(time.Minute)
		g = rotate(t, a, g)
		proved("a rotation", b, g.Token, first)
		if _, err := a.Confirm(t.Context(), g.Session, g.Session.Lifetime); err != nil {
			t.Fatal(err)
		}
		confirmed := now()
		time.Sleep(time.Second)
		proved("a confirmation", a, g.Token, confirmed)
		proved("a confirmation, on another node", b, g.Token, confirmed)
		time.Sleep(time.Minute)
		renewed := now()
		g = signIn(t, a, "ada", oneseat.SignInRequest{Token: string(g.Token)})
		proved("a renewal", a, g.Token, renewed)
		time.Sleep(time.Minute)

		asked := now()
		from := oneseat.SignInRequest{DeviceID: deviceID("tv"), Lifetime: oneseat.Lifetime{Idle: time.Hour}}
		_, err := a.SignIn(t.Context(), "ada", from)
		full, ok := errors.AsType[*oneseat.LimitError](err)
		if !ok {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		from.Lifetime = oneseat.Lifetime{} // the ticket has the one that was asked for
		r, err := b.Redeem(t.Context(), full.Ticket, from, g.Session.ID)
		if err != nil || r.Session.Lifetime.Idle != time.Hour {
			t.Fatal(r.Session, err)
		}
		proved("a ticket", b, r.Token, asked)

		adopted, err := a.Adopt(t.Context(), "grace", time.Time{}, oneseat.SignInRequest{})
		if err != nil {
			t.Fatal(err)
		}
		proved("an adoption", a, adopted.Token, time.Time{})
	})
}

// N3: the session to confirm has to be live in the version that is changed.
func TestASessionThatHasEndedIsNotConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		a, b := newNode(t, store, oneseat.Config{}), newNode(t, store, oneseat.Config{})
		old := signIn(t, a, "ada", oneseat.SignInRequest{})
		signIn(t, a, "ada", oneseat.SignInRequest{})
		events := len(logged(t, store, "ada"))
		if _, err := b.Confirm(t.Context(), old.Session, oneseat.Lifetime{}); !isEnded(err) {
			t.Errorf("a session that was displaced: %v", err)
		}
		if _, err := b.Confirm(t.Context(), oneseat.Session{ID: "nobody", Account: "ada"}, oneseat.Lifetime{}); !errors.Is(err, oneseat.ErrNoSession) {
			t.Errorf("a session that never was: %v", err)
		}
		if _, err := b.Confirm(t.Context(), oneseat.Session{ID: old.Session.ID}, oneseat.Lifetime{}); !isAccountError(err) {
			t.Errorf("a session of nobody: %v", err)
		}
		if n := len(logged(t, store, "ada")); n != events {
			t.Errorf("%d events more", n-events)
		}
	})
}

// N4: an application can send mail to the owner about a device that is not known yet.
func TestASignInSaysWhetherItsDeviceIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		a, b := newNode(t, store, oneseat.Config{MaxStale: time.Minute}), newNode(t, store, oneseat.Config{MaxStale: time.Minute})
		from := func(name string) oneseat.SignInRequest { return oneseat.SignInRequest{DeviceID: deviceID(name)} }
		is := func(what string, g oneseat.Grant, want bool) {
			t.Helper()
			if g.NewDevice != want {
				t.Errorf("%s: new is %v", what, g.NewDevice)
			}
		}
		one := signIn(t, a, "ada", from("laptop"))
		is("the first of all", one, true)
		is("the same again", signIn(t, b, "ada", from("laptop")), false)
		is("another", signIn(t, b, "ada", from("phone")), true)
		two := signIn(t, a, "ada", from("laptop"))
		is("one that was displaced", two, false)
		is("the same device, of another account", signIn(t, a, "grace", from("laptop")), true)
		is("none, that renews", signIn(t, a, "ada", oneseat.SignInRequest{Token: string(two.Token)}), false)
		is("none", signIn(t, a, "ada", oneseat.SignInRequest{}), true)
		time.Sleep(31 * 24 * time.Hour) // endings are kept for 30 days
		is("one that was forgotten", signIn(t, a, "ada", from("phone")), true)

		again := from("tablet")
		again.Attempt = oneseat.Attempt{ID: [32]byte{1}, Secret: [32]byte{2}, Tried: time.Now()}
		is("an attempt", signIn(t, a, "ada", again), true)
		is("the same attempt, repeated", signIn(t, b, "ada", again), true)
	})
}

// N2: a little data of the application's goes with the session, to every node, and into
// no event.
func TestASessionCarriesDataOfTheApplication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{Limit: 2, WhenFull: oneseat.PolicyAsk})
		is := func(what string, r node, token oneseat.Token, want string) {
			t.Helper()
			if s, err := r.Check(t.Context(), string(token)); err != nil || s.Data != want {
				t.Errorf("%s: %q, %v; want %q", what, s.Data, err, want)
			}
		}
		const first, second = `tenant "7" <script>é`, "canary tenant 8"
		g := signIn(t, a, "ada", oneseat.SignInRequest{Data: first})
		is("a sign-in", b, g.Token, first)
		g = rotate(t, a, g)
		is("a rotation", b, g.Token, first)
		if err := b.SetData(t.Context(), g.Session, second); err != nil {
			t.Fatal(err)
		}
		is("changed, on the same node", b, g.Token, second)
		time.Sleep(time.Second)
		is("changed, on another node", a, g.Token, second)
		writes := a.writes.Load()
		if err := a.SetData(t.Context(), g.Session, second); err != nil || a.writes.Load() != writes {
			t.Errorf("the same data: %v, %d writes", err, a.writes.Load()-writes)
		}

		other := signIn(t, a, "ada", oneseat.SignInRequest{Data: "other"})
		_, err := a.SignIn(t.Context(), "ada", oneseat.SignInRequest{DeviceID: deviceID("tv"), Data: "tenant 9"})
		full, ok := errors.AsType[*oneseat.LimitError](err)
		if !ok {
			t.Fatal(err)
		}
		redeemed, err := b.Redeem(t.Context(), full.Ticket, oneseat.SignInRequest{DeviceID: deviceID("tv")}, other.Session.ID)
		if err != nil {
			t.Fatal(err)
		}
		is("a ticket", a, redeemed.Token, "tenant 9")
		if n, err := a.EndWhere(t.Context(), "ada", oneseat.EndOptions{}, func(s oneseat.Session) bool { return s.Data == "tenant 9" }); n != 1 || err != nil {
			t.Errorf("ended by its data: %d, %v", n, err)
		}
		is("the session with other data", b, g.Token, second)
		if err := a.SetData(t.Context(), redeemed.Session, "late"); !isEnded(err) {
			t.Errorf("a session that has ended: %v", err)
		}
		for _, e := range logged(t, store, "") {
			if text := fmt.Sprintf("%+v", e); strings.Contains(text, "tenant") {
				t.Errorf("an event has the data: %s", text)
			}
		}
		if n := count(logged(t, store, "ada"), oneseat.EventSessionDataChanged); n != 1 {
			t.Errorf("%d events of changed data", n)
		}
	})
}

// Data and proofs are those of one session, whichever of the account's it is.
func TestDataAndAProofAreOfOneSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{Limit: 3})
		var all [3]oneseat.Grant
		for i := range all {
			all[i] = signIn(t, r, "ada", oneseat.SignInRequest{})
			time.Sleep(time.Second)
		}
		for i, g := range all {
			data := fmt.Sprint("of ", i)
			if err := r.SetData(t.Context(), g.Session, data); err != nil {
				t.Fatal(err)
			}
			if _, err := r.Confirm(t.Context(), g.Session, oneseat.Lifetime{Idle: time.Hour + time.Duration(i)*time.Second}); err != nil {
				t.Fatal(err)
			}
			proved := time.Now()
			time.Sleep(time.Second)
			if s, err := r.CheckFresh(t.Context(), string(g.Token)); err != nil || s.Data != data || !s.Proved.Equal(proved) || s.Lifetime.Idle != time.Hour+time.Duration(i)*time.Second {
				t.Errorf("session %d: %+v, %v", i, s, err)
			}
		}
		for i, g := range all {
			if s, err := r.CheckFresh(t.Context(), string(g.Token)); err != nil || s.Data != fmt.Sprint("of ", i) || s.Lifetime.Idle != time.Hour+time.Duration(i)*time.Second {
				t.Errorf("session %d in the end: %+v, %v", i, s, err)
			}
		}
	})
}

// An application that keeps something in a session has shown that somebody has its token.
func TestASessionWithChangedDataWasUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{Limit: 2, WhenFull: oneseat.PolicyRefuse})
		used, unused := signIn(t, r, "ada", oneseat.SignInRequest{}), signIn(t, r, "ada", oneseat.SignInRequest{})
		if err := r.SetData(t.Context(), used.Session, "tenant"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(11 * time.Second)
		third := signIn(t, r, "ada", oneseat.SignInRequest{})
		wantEnded(t, r, unused, oneseat.ReasonDisplaced)
		wantLive(t, r, used)
		wantLive(t, r, third)
	})
}

// A timeout is answered as an ending only once it is recorded.
func TestATimeoutThatSetDataFindsIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		r := newNode(t, store, oneseat.Config{Idle: 10 * time.Second})
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		time.Sleep(10 * time.Second)
		over, ok := errors.AsType[*oneseat.EndedError](r.SetData(t.Context(), g.Session, "late"))
		if !ok || over.Ending.Reason != oneseat.ReasonIdleTimeout {
			t.Errorf("%+v", over)
		}
		if n := count(logged(t, store, "ada"), oneseat.EventSessionEnded); n != 1 {
			t.Errorf("%d endings are recorded", n)
		}
	})
}

// N2: too much data is an error at once, and nothing is done.
func TestTooMuchDataIsRefused(t *testing.T) {
	store := memstore.New()
	r := newRegistry(t, store, oneseat.Config{Limit: oneseat.Unlimited})
	g := signIn(t, r, "ada", oneseat.SignInRequest{Data: strings.Repeat("x", oneseat.MaxData)})
	for _, bad := range []string{strings.Repeat("x", oneseat.MaxData+1), "\xff"} {
		_, err := r.SignIn(t.Context(), "grace", oneseat.SignInRequest{Data: bad})
		for what, err := range map[string]error{"SignIn": err, "SetData": r.SetData(t.Context(), g.Session, bad)} {
			if e, ok := errors.AsType[*oneseat.ConfigError](err); !ok || e.Field != "Data" || e.In != map[string]string{"SignIn": "SignInRequest", "SetData": "SetData"}[what] {
				t.Errorf("%s: %v, want a *ConfigError that says so", what, err)
			}
		}
	}
	for range oneseat.MaxAccountData/oneseat.MaxData - 1 {
		signIn(t, r, "ada", oneseat.SignInRequest{Data: strings.Repeat("x", oneseat.MaxData)})
	}
	before := len(logged(t, store, ""))
	_, err := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{Data: "y"})
	if _, ok := errors.AsType[*oneseat.DataError](err); !ok {
		t.Errorf("beyond what an account may have: %v, want a *DataError", err)
	}
	full := len(logged(t, store, ""))
	if g, err = r.SignIn(t.Context(), "ada", oneseat.SignInRequest{Token: string(g.Token), Data: strings.Repeat("y", oneseat.MaxData)}); err != nil {
		t.Fatalf("in the place of the data that the browser's session had: %v", err)
	}
	before += len(logged(t, store, "")) - full
	without := signIn(t, r, "ada", oneseat.SignInRequest{})
	if _, ok := errors.AsType[*oneseat.DataError](r.SetData(t.Context(), without.Session, "y")); !ok {
		t.Error("SetData gives more than an account may have")
	}
	if err := r.SetData(t.Context(), g.Session, strings.Repeat("z", oneseat.MaxData)); err != nil {
		t.Errorf("as much as before: %v", err)
	}
	if err := r.SetData(t.Context(), g.Session, ""); err != nil {
		t.Errorf("none: %v", err)
	}
	if err := r.SetData(t.Context(), without.Session, "y"); err != nil {
		t.Errorf("where there is room again: %v", err)
	}
	if n := len(logged(t, store, "")) - before; n != 4 { // a sign-in and three changes
		t.Errorf("%d events", n)
	}
}
