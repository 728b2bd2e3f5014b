package oneseat_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// attempt is one that is first made now.
func attempt(name string) oneseat.Attempt {
	return oneseat.Attempt{ID: sha256.Sum256([]byte("id " + name)), Secret: sha256.Sum256([]byte("secret " + name)), Tried: time.Now()}
}

func TestASignInThatIsRepeatedOnAnyNodeGivesTheSameSessionAndToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{})
		before := signIn(t, a, "ada", oneseat.SignInRequest{Device: laptop})
		how := oneseat.SignInRequest{Device: phone, Attempt: attempt("1")}
		first := signIn(t, a, "ada", how)
		if len(first.Displaced) != 1 || first.Displaced[0].Session != before.Session.ID || first.Displaced[0].Device.Label != laptop.Label {
			t.Errorf("displaced %+v", first.Displaced)
		}
		time.Sleep(9 * time.Minute)
		for _, n := range []node{b, a} {
			again := signIn(t, n, "ada", how)
			if again.Token != first.Token || again.Session.ID != first.Session.ID || !slices.Equal(again.Displaced, first.Displaced) {
				t.Errorf("%+v, and then %+v", first, again)
			}
		}
		wantLive(t, b, first)
		if n := count(logged(t, store, "ada"), oneseat.EventSessionCreated); n != 2 {
			t.Errorf("%d sessions were made", n)
		}
	})
}

func TestTriesOfOneAttemptAtOnceAreOneSession(t *testing.T) {
	a, b, store := newSystem(t, oneseat.Config{})
	before := signIn(t, a, "ada", oneseat.SignInRequest{})
	how := oneseat.SignInRequest{Attempt: attempt("1")}
	var all sync.WaitGroup
	grants := make([]oneseat.Grant, 32)
	for i := range grants {
		all.Go(func() {
			n := a
			if i%2 == 0 {
				n = b
			}
			var err error
			if grants[i], err = n.SignIn(t.Context(), "ada", how); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, g := range grants {
		if g.Token != grants[0].Token || g.Session.ID != grants[0].Session.ID || len(g.Displaced) != 1 || g.Displaced[0].Session != before.Session.ID {
			t.Errorf("%+v, and %+v", grants[0], g)
		}
	}
	events := logged(t, store, "ada")
	if made, ended := count(events, oneseat.EventSessionCreated), count(events, oneseat.EventSessionEnded); made != 2 || ended != 1 {
		t.Errorf("%d sessions were made, and %d ended", made, ended)
	}
}

func TestALateTryRaisesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{})
		how := oneseat.SignInRequest{Attempt: attempt("1")}
		first := signIn(t, a, "ada", how)
		for i := range 40 {
			time.Sleep(time.Second)
			last := signIn(t, b, "ada", oneseat.SignInRequest{})
			_, err := a.SignIn(t.Context(), "ada", how)
			if i < oneseat.MaxEndings {
				wantEnding(t, err, first.Session.ID, oneseat.ReasonDisplaced)
			} else {
				wantError(t, err, oneseat.ErrUnknownOutcome) // its ending is forgotten
			}
			wantLive(t, a, last)
		}
		if _, err := b.Check(t.Context(), string(first.Token)); err == nil {
			t.Error("the first token is good")
		}

		// Nor where the roster itself has gone.
		deleteRow(t, store, "ada")
		_, err := a.SignIn(t.Context(), "ada", how)
		wantError(t, err, oneseat.ErrUnknownOutcome)
		if v := stored(t, store, "ada"); v.Roster != nil {
			t.Errorf("it wrote %+v", v.Roster)
		}
	})
}

func TestAnAttemptIsGoodForTenMinutesByTheStoresClock(t *testing.T) {
	for _, tt := range []struct {
		tried time.Duration // from now
		good  bool
	}{{0, true}, {-10 * time.Minute, true}, {-10*time.Minute - 1, false}, {10 * time.Minute, true}, {10*time.Minute + 1, false}, {-24 * 365 * time.Hour, false}} {
		synctest.Test(t, func(t *testing.T) {
			r := newNode(t, memstore.New(), oneseat.Config{})
			synctest.Wait()
			time.Sleep(time.Hour)
			how := attempt("1")
			how.Tried = time.Now().Add(tt.tried)
			g, err := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{Attempt: how})
			if tt.good != (err == nil) || !tt.good && !errors.Is(err, oneseat.ErrAttemptExpired) {
				t.Errorf("tried %v from now: %v", tt.tried, err)
			}
			if !tt.good {
				return
			}
			text, err := json.Marshal(stored(t, r.Store, "ada").Roster)
			if ahead := tt.tried > 0; err != nil || strings.Contains(string(text), `"tried"`) != ahead {
				t.Errorf("tried %v from now, which is kept where it is ahead of the store: %s, %v", tt.tried, text, err)
			}
			time.Sleep(21 * time.Minute)
			_, err = r.SignIn(t.Context(), "ada", oneseat.SignInRequest{Attempt: how})
			wantError(t, err, oneseat.ErrAttemptExpired)
			wantLive(t, r, g)
		})
	}
}

func TestAnAttemptWithOtherBytesIsRefusedAndChangesNothing(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{Limit: 2})
	how := attempt("1")
	first := signIn(t, r, "ada", oneseat.SignInRequest{Attempt: how})
	other := how
	other.Secret = sha256.Sum256([]byte("other bytes"))
	_, err := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{Attempt: other})
	wantError(t, err, oneseat.ErrAttemptReused)
	wantLive(t, r, first)

	// With another account it is another attempt.
	grace := signIn(t, r, "grace", oneseat.SignInRequest{Attempt: how})
	if grace.Session.ID == first.Session.ID || grace.Token == first.Token {
		t.Error("two accounts share a session")
	}
	wantLive(t, r, first)

	rotated, err := r.Rotate(t.Context(), string(first.Token))
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.SignIn(t.Context(), "ada", oneseat.SignInRequest{Attempt: how})
	wantError(t, err, oneseat.ErrRotated)
	wantLive(t, r, rotated)

	if err := r.SignOut(t.Context(), string(rotated.Token)); err != nil {
		t.Fatal(err)
	}
	_, err = r.SignIn(t.Context(), "ada", oneseat.SignInRequest{Attempt: other})
	wantError(t, err, oneseat.ErrAttemptReused)
	_, err = r.SignIn(t.Context(), "ada", oneseat.SignInRequest{Attempt: how})
	wantEnding(t, err, first.Session.ID, oneseat.ReasonSignedOut)
}

func TestAnAttemptOfWhichAPartIsMissingIsRefused(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{})
	whole := attempt("1")
	good := signIn(t, r, "ada", oneseat.SignInRequest{})
	for name, a := range map[string]oneseat.Attempt{
		"no ID": {Secret: whole.Secret, Tried: whole.Tried}, "no Secret": {ID: whole.ID, Tried: whole.Tried}, "no time": {ID: whole.ID, Secret: whole.Secret},
	} {
		_, err := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{Attempt: a})
		_, rotated := r.RotateOnce(t.Context(), string(good.Token), a)
		for _, err := range []error{err, rotated} {
			if bad, ok := errors.AsType[*oneseat.ConfigError](err); !ok || bad.Field != "Attempt" {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	wantLive(t, r, good)
}

func TestARedemptionThatIsRepeatedGivesTheSameSession(t *testing.T) {
	a, b, _ := newSystem(t, oneseat.Config{WhenFull: oneseat.PolicyAsk})
	before := signIn(t, a, "ada", oneseat.SignInRequest{})
	asks := oneseat.SignInRequest{DeviceID: deviceID("phone"), Attempt: attempt("asks")}
	ticket := func(n node) oneseat.Ticket {
		t.Helper()
		_, err := n.SignIn(t.Context(), "ada", asks)
		full, ok := errors.AsType[*oneseat.LimitError](err)
		if !ok {
			t.Fatal(err)
		}
		return full.Ticket
	}
	got := ticket(a)
	if again := ticket(b); again != got {
		t.Error("the second try got another ticket")
	}
	redeems := oneseat.SignInRequest{DeviceID: deviceID("phone"), Attempt: attempt("redeems")}
	first, err := a.Redeem(t.Context(), got, redeems, before.Session.ID)
	if err != nil {
		t.Fatal(err)
	}
	again, err := b.Redeem(t.Context(), got, redeems, before.Session.ID)
	if err != nil || again.Token != first.Token || again.Session.ID != first.Session.ID || len(again.Displaced) != 1 {
		t.Errorf("%+v, and then %+v, %v", first, again, err)
	}
	if _, err := b.Redeem(t.Context(), got, oneseat.SignInRequest{DeviceID: deviceID("phone"), Attempt: attempt("another")}, before.Session.ID); !isTicketError(err) {
		t.Errorf("the ticket is good twice: %v", err)
	}
	wantLive(t, b, first)
}

func isTicketError(err error) bool { _, ok := errors.AsType[*oneseat.TicketError](err); return ok }

func TestARotationThatIsRepeatedGivesTheSameTokenWhileItIsInForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{})
		old := signIn(t, a, "ada", oneseat.SignInRequest{})
		how := attempt("1")
		first, err := a.RotateOnce(t.Context(), string(old.Token), how)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // past the grace of the old token
		again, err := b.RotateOnce(t.Context(), string(old.Token), how)
		if err != nil || again.Token != first.Token {
			t.Errorf("%+v, and then %+v, %v", first, again, err)
		}
		if n := count(logged(t, store, "ada"), oneseat.EventSessionRotated); n != 1 {
			t.Errorf("rotated %d times", n)
		}
		next, err := b.Rotate(t.Context(), string(first.Token))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.RotateOnce(t.Context(), string(old.Token), how); !errors.Is(err, oneseat.ErrNoSession) {
			t.Errorf("a late try: %v", err)
		}
		wantLive(t, a, next)
		time.Sleep(10 * time.Minute)
		if _, err := a.RotateOnce(t.Context(), string(next.Token), how); !errors.Is(err, oneseat.ErrAttemptExpired) {
			t.Errorf("an attempt that is too old: %v", err)
		}
	})
}

func TestTheSameBrowserIsRenewedByTheIDThatTheApplicationKeeps(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{WhenFull: oneseat.PolicyRefuse, Streams: 2})
	had := func(g oneseat.Grant) oneseat.SignInRequest {
		return oneseat.SignInRequest{Previous: oneseat.Previous{Account: g.Session.Account, Session: g.Session.ID}}
	}
	first := signIn(t, r, "ada", oneseat.SignInRequest{})
	second := signIn(t, r, "ada", had(first))
	wantEnded(t, r, first, oneseat.ReasonRenewed)
	twice := had(first) // a form that was sent twice
	twice.Device = phone
	third := signIn(t, r, "ada", twice)
	wantEnded(t, r, second, oneseat.ReasonRenewed)
	if len(third.Displaced) != 0 {
		t.Errorf("a renewal displaced %+v", third.Displaced)
	}

	// As another account: the first account's session ends.
	grace := signIn(t, r, "grace", had(third))
	if e := wantEnded(t, r, third, oneseat.ReasonSignedOut); e.By != third.Session.ID || e.ByDevice != phone {
		t.Errorf("it was signed out by %q, %+v, not by itself", e.By, e.ByDevice)
	}
	wantLive(t, r, grace)

	// So does the one that has renewed it meanwhile.
	was := signIn(t, r, "alan", oneseat.SignInRequest{})
	now := signIn(t, r, "alan", had(was))
	wantLive(t, r, signIn(t, r, "barbara", had(was)))
	wantEnded(t, r, now, oneseat.ReasonSignedOut)

	// What is no live session of that account frees no seat.
	other := signIn(t, r, "ada", oneseat.SignInRequest{})
	stream, err := r.StartStream(t.Context(), other.Session, oneseat.Player{ID: deviceID("player")})
	if err != nil {
		t.Fatal(err)
	}
	for name, was := range map[string]oneseat.Previous{
		"ended long ago": {Account: "ada", Session: third.Session.ID}, "nobody's": {Account: "ada", Session: "NOBODY"}, "a stream": {Account: "ada", Session: stream.ID},
		"another account's": {Account: "ada", Session: grace.Session.ID}, "no session": {Account: "ada"},
		"of another account, by mistake": {Account: "grace", Session: other.Session.ID},
	} {
		if _, err := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{Previous: was}); !isLimit(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{Previous: oneseat.Previous{Session: other.Session.ID}}); !isAccountError(err) {
		t.Errorf("no account: %v", err)
	}
	wantLive(t, r, other)
	wantLive(t, r, grace)
}

func TestPeekIDIsNoActivityAndCheckIDIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{Idle: time.Hour})
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		time.Sleep(50 * time.Minute)
		if s, err := r.PeekID(t.Context(), "ada", g.Session.ID); err != nil || s.ID != g.Session.ID {
			t.Fatal(s, err)
		}
		time.Sleep(11 * time.Minute)
		_, err := r.PeekID(t.Context(), "ada", g.Session.ID)
		wantEnding(t, err, g.Session.ID, oneseat.ReasonIdleTimeout)

		g = signIn(t, r, "ada", oneseat.SignInRequest{})
		time.Sleep(59 * time.Minute)
		if _, err := r.CheckID(t.Context(), "ada", g.Session.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(59 * time.Minute)
		if _, err := r.PeekID(t.Context(), "ada", g.Session.ID); err != nil {
			t.Fatal(err)
		}
		for id, want := range map[oneseat.SessionID]error{"NOBODY": oneseat.ErrNoSession, "": oneseat.ErrNoSession} {
			_, err := r.PeekID(t.Context(), "ada", id)
			wantError(t, err, want)
		}
	})
}

func TestSessionsAreEndedByWhatTheyAre(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{Limit: 3, Streams: 2})
	there := []oneseat.Grant{
		signIn(t, r, "ada", oneseat.SignInRequest{Device: laptop}), signIn(t, r, "ada", oneseat.SignInRequest{Device: phone}), signIn(t, r, "ada", oneseat.SignInRequest{Device: phone}),
	}
	if _, err := r.StartStream(t.Context(), there[1].Session, oneseat.Player{ID: deviceID("player")}); err != nil {
		t.Fatal(err)
	}
	phones := func(s oneseat.Session) bool { return s.Device.Class == phone.Class }
	n, err := r.EndWhere(t.Context(), "ada", oneseat.EndOptions{As: there[0].Session.ID, Actor: "support"}, phones)
	if err != nil || n != 2 {
		t.Fatal(n, err)
	}
	wantLive(t, r, there[0])
	for _, g := range there[1:] {
		if e := wantEnded(t, r, g, oneseat.ReasonRevoked); e.Actor != "support" {
			t.Errorf("%+v", e)
		}
	}
	if n, err := r.EndWhere(t.Context(), "ada", oneseat.EndOptions{}, phones); n != 0 || err != nil {
		t.Errorf("again: %d, %v", n, err)
	}
	_, err = r.EndWhere(t.Context(), "ada", oneseat.EndOptions{As: there[1].Session.ID}, func(oneseat.Session) bool { return true })
	wantEnding(t, err, there[1].Session.ID, oneseat.ReasonRevoked)
	wantLive(t, r, there[0])
}

func TestARepeatedSignInIsToldOfAnEndThatNothingHasRecorded(t *testing.T) {
	for name, over := range map[oneseat.Reason]func(t *testing.T, r node){
		oneseat.ReasonIdleTimeout: func(*testing.T, node) { time.Sleep(5 * time.Minute) },
		oneseat.ReasonRealmEnded: func(t *testing.T, r node) {
			if err := r.EndRealm(t.Context(), "staff"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newNode(t, memstore.New(), oneseat.Config{Idle: 5 * time.Minute})
			how := oneseat.SignInRequest{Attempt: attempt("1")}
			first := signIn(t, r, "ada", how)
			over(t, r)
			_, err := r.SignIn(t.Context(), "ada", how)
			wantEnding(t, err, first.Session.ID, name)
			wantEnded(t, r, first, name)
		})
	}
}

func TestAnAttemptThatIsUsedForTwoTokensGivesNeitherTheOthers(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{Limit: 2})
	how := attempt("1")
	a, b := signIn(t, r, "ada", oneseat.SignInRequest{Attempt: how}), signIn(t, r, "ada", oneseat.SignInRequest{})
	next := map[oneseat.Token]bool{a.Token: true, b.Token: true}
	for range 2 {
		for _, g := range []*oneseat.Grant{&a, &b} {
			got, err := r.RotateOnce(t.Context(), string(g.Token), how)
			if err != nil || got.Session.ID != g.Session.ID || next[got.Token] {
				t.Fatalf("%+v of %+v, %v", got, *g, err)
			}
			wantLive(t, r, got)
			next[got.Token], *g = true, got
		}
	}
	if err := r.SignOut(t.Context(), string(a.Token)); err != nil {
		t.Fatal(err)
	}
	_, err := r.RotateOnce(t.Context(), string(a.Token), how)
	wantEnding(t, err, a.Session.ID, oneseat.ReasonSignedOut)
	wantLive(t, r, b)
}

func TestALateTryRaisesNothingThoughTheCallersClockIsAhead(t *testing.T) {
	for name, ahead := range map[string]time.Duration{"not at all": 0, "by ten minutes": 10 * time.Minute, "by a minute": time.Minute, "a little": time.Millisecond + 1} {
		synctest.Test(t, func(t *testing.T) {
			a, b, _ := following(t, oneseat.Config{})
			how := attempt("1")
			how.Tried = how.Tried.Add(ahead)
			first := signIn(t, a, "ada", oneseat.SignInRequest{Attempt: how})
			for range oneseat.MaxEndings + 8 {
				signIn(t, b, "ada", oneseat.SignInRequest{})
			}
			last := signIn(t, b, "ada", oneseat.SignInRequest{})
			_, err := a.SignIn(t.Context(), "ada", oneseat.SignInRequest{Attempt: how})
			wantError(t, err, oneseat.ErrUnknownOutcome)
			wantLive(t, a, last)
			if _, err := b.Check(t.Context(), string(first.Token)); err == nil {
				t.Errorf("ahead %s: the first token is good", name)
			}
			time.Sleep(2 * time.Millisecond)
			if _, err := b.SignIn(t.Context(), "ada", oneseat.SignInRequest{Attempt: attempt("2")}); ahead < time.Minute && err != nil {
				t.Errorf("ahead %s: another attempt: %v", name, err)
			}
		})

		// Nor after everything of the account was erased.
		synctest.Test(t, func(t *testing.T) {
			a, b, store := following(t, oneseat.Config{KeepEndings: time.Minute})
			how := attempt("1")
			how.Tried = how.Tried.Add(ahead)
			first := signIn(t, a, "ada", oneseat.SignInRequest{Attempt: how})
			if err := a.SignOut(t.Context(), string(first.Token)); err != nil {
				t.Fatal(err)
			}
			for i := range 25 {
				time.Sleep(time.Minute)
				if i == 5 {
					signIn(t, b, "ada", oneseat.SignInRequest{}) // in a new roster, if the first was erased
					if _, err := b.EndAll(t.Context(), "ada", oneseat.EndOptions{}); err != nil {
						t.Fatal(err)
					}
				}
				if g, err := a.SignIn(t.Context(), "ada", oneseat.SignInRequest{Attempt: how}); err == nil {
					t.Fatalf("ahead %s: it made %+v after %v", name, g.Session, time.Since(first.Session.Created))
				}
			}
			if v := stored(t, store, "ada"); v.Roster != nil {
				t.Errorf("ahead %s: what is left: %+v", name, v.Roster)
			}
		})
	}
}
