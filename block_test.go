package oneseat_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

func block(t testing.TB, r node, until time.Time, actor string) {
	t.Helper()
	if err := r.Block(t.Context(), "ada", until, actor); err != nil {
		t.Fatal(err)
	}
}

func wantBlocked(t testing.TB, err error, until time.Time) {
	t.Helper()
	if b, ok := errors.AsType[*oneseat.BlockedError](err); !ok || !b.Until.Equal(until) {
		t.Errorf("got %v, want that it is blocked until %v", err, until)
	}
}

// LIM-14: an account is kept out by a block, not by a limit of 0. All that it had
// ends in the same step, on every node, and nothing more begins.
func TestABlockedAccountIsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{Limit: 2, WhenFull: oneseat.PolicyAsk, AdoptUntil: time.Now().Add(time.Hour), MaxStale: time.Minute})
		one, two := signIn(t, a, "ada", oneseat.SignInRequest{Device: laptop}), signIn(t, a, "ada", oneseat.SignInRequest{})
		other := signIn(t, a, "grace", oneseat.SignInRequest{})
		stream := play(t, a, one.Session, "p")
		ticket := refused(t, a, "ada", oneseat.SignInRequest{}).Ticket
		held, release := b.Hold(t.Context(), one.Session)
		defer release()
		playing, stop := b.HoldStream(t.Context(), stream)
		defer stop()
		before := len(logged(t, store, "ada"))

		block(t, a, time.Time{}, "support")
		wantEnded(t, a, one, oneseat.ReasonAccountBlocked)
		synctest.Wait()
		for _, r := range []node{a, b} {
			for _, g := range []oneseat.Grant{one, two} {
				if e := wantEnded(t, r, g, oneseat.ReasonAccountBlocked); e.Actor != "support" {
					t.Errorf("the ending is %+v", e)
				}
			}
		}
		synctest.Wait()
		wantEnding(t, context.Cause(held), one.Session.ID, oneseat.ReasonAccountBlocked)
		wantEnding(t, context.Cause(playing), stream.ID, oneseat.ReasonAccountBlocked)
		var told []string
		versions := map[uint64]bool{}
		for _, e := range logged(t, store, "ada")[before:] {
			if e.Type != oneseat.EventSessionUsedAfterEnd {
				told = append(told, fmt.Sprintf("%s %s %s", e.Type, e.Reason, e.Actor))
				versions[e.Version] = true
			}
		}
		if want := []string{
			"session_ended account_blocked support", "stream_ended account_blocked support", "session_ended account_blocked support", "account_blocked  support",
		}; !slices.Equal(told, want) || len(versions) != 1 {
			t.Errorf("events: %q, want %q in one step", told, want)
		}

		_, signInErr := b.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
		wantBlocked(t, signInErr, time.Time{})
		if want := "oneseat: sign-in refused: the account is blocked"; signInErr.Error() != want {
			t.Errorf("it says %q", signInErr)
		}
		_, err := b.SignIn(t.Context(), "ada", oneseat.SignInRequest{Token: string(one.Token), Override: true})
		wantBlocked(t, err, time.Time{})
		_, err = b.Redeem(t.Context(), ticket, oneseat.SignInRequest{}, one.Session.ID)
		wantTicketError(t, "a ticket from before", err)
		_, err = b.Adopt(t.Context(), "ada", time.Now(), oneseat.SignInRequest{})
		wantError(t, err, oneseat.ErrNoSession)
		_, err = b.StartStream(t.Context(), one.Session, oneseat.Player{ID: "p"})
		wantBlocked(t, err, time.Time{})
		wantEnding(t, b.Heartbeat(t.Context(), one.Session, stream.ID), one.Session.ID, oneseat.ReasonAccountBlocked)
		_, err = b.Rotate(t.Context(), string(one.Token))
		wantEnding(t, err, one.Session.ID, oneseat.ReasonAccountBlocked)
		if d, err := b.Explain(t.Context(), "ada", oneseat.SignInRequest{}); err != nil || d.Outcome != oneseat.OutcomeBlocked {
			t.Errorf("explained as %+v, %v", d, err)
		}
		wantIDs(t, store, "ada")
		wantLive(t, b, other)
		if s := b.Stats(); s.Refused+s.Asked != 0 {
			t.Errorf("stats: %+v", s)
		}

		time.Sleep(30 * time.Hour)
		_, err = a.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
		wantBlocked(t, err, time.Time{})
		if err := a.Unblock(t.Context(), "ada", "the boss"); err != nil {
			t.Fatal(err)
		}
		wantLive(t, b, signIn(t, b, "ada", oneseat.SignInRequest{}))
		events := logged(t, store, "ada")
		if e := events[len(events)-2]; e.Type != oneseat.EventAccountUnblocked || e.Actor != "the boss" {
			t.Errorf("events: %+v", events)
		}
	})
}

func TestABlockUntilATimeRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{MaxStale: time.Minute})
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		until := time.Now().Add(time.Hour)
		block(t, r, until.Add(999*time.Nanosecond).In(time.FixedZone("", 3600)), "support")
		wantEnded(t, r, g, oneseat.ReasonAccountBlocked)
		time.Sleep(time.Hour - time.Microsecond)
		_, err := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
		wantBlocked(t, err, until)
		if want := "oneseat: sign-in refused: the account is blocked until " + until.UTC().Format(time.RFC3339); err.Error() != want {
			t.Errorf("it says %q", err)
		}
		time.Sleep(time.Microsecond)
		wantLive(t, r, signIn(t, r, "ada", oneseat.SignInRequest{}))
		events := logged(t, r.Store.(oneseat.History), "ada")
		if count(events, oneseat.EventAccountUnblocked) != 0 {
			t.Errorf("nobody lifted it: %+v", events)
		}
		if b := stored(t, r.Store, "ada").Roster.Block; b != nil {
			t.Errorf("stored is %+v", b)
		}
		for _, e := range events {
			if e.Type == oneseat.EventAccountBlocked && !e.Until.Equal(until) {
				t.Errorf("the event is %+v", e)
			}
		}
	})
}

func TestABlockIsSetAnewAndToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{MaxStale: time.Minute, KeepEndings: time.Hour})
		signIn(t, r, "grace", oneseat.SignInRequest{}) // the realm's record
		blocked := func() int { return count(logged(t, r.Store.(oneseat.History), "ada"), oneseat.EventAccountBlocked) }
		hour, day := time.Now().Add(time.Hour), time.Now().Add(24*time.Hour)

		// An account that never signed in is kept out as well.
		block(t, r, hour, "support")
		block(t, r, hour, "support")
		if blocked() != 1 || r.writes.Load() != 3 { // with the realm's record and grace
			t.Errorf("told %d times, written %d times", blocked(), r.writes.Load())
		}
		block(t, r, hour, "somebody else")
		block(t, r, day, "somebody else")
		if b := stored(t, r.Store, "ada").Roster.Block; blocked() != 3 || !b.Until.Equal(day) || b.Actor != "somebody else" || b.Since.IsZero() {
			t.Errorf("told %d times: %+v", blocked(), b)
		}
		time.Sleep(2 * time.Hour)
		_, err := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
		wantBlocked(t, err, day)
		exactly := day.Add(time.Microsecond)
		block(t, r, exactly.Add(time.Nanosecond), "somebody else")
		if b := stored(t, r.Store, "ada").Roster.Block; !b.Until.Equal(exactly) {
			t.Errorf("it is until %v, want %v", b.Until, exactly)
		}
		block(t, r, time.Time{}, strings.Repeat("\x00x", 60))
		if b := stored(t, r.Store, "ada").Roster.Block; b.Actor != strings.Repeat("x", 48) {
			t.Errorf("the actor is kept as %q", b.Actor)
		}

		if err := r.Unblock(t.Context(), "ada", ""); err != nil {
			t.Fatal(err)
		}
		signIn(t, r, "ada", oneseat.SignInRequest{})

		// Lifting what is not there does nothing.
		synctest.Wait() // the use of what has ended is noted
		writes := r.writes.Load()
		for _, account := range []string{"ada", "nobody"} {
			if err := r.Unblock(t.Context(), account, ""); err != nil {
				t.Error(err)
			}
		}
		if r.writes.Load() != writes || stored(t, r.Store, "nobody").Roster != nil {
			t.Error("it was written")
		}
		for _, err := range []error{r.Block(t.Context(), "", time.Time{}, ""), r.Unblock(t.Context(), "", "")} {
			if _, ok := errors.AsType[*oneseat.AccountError](err); !ok {
				t.Errorf("an account without a name: %v", err)
			}
		}
	})
}

// The store's clock decides whether a block would be over. Nothing ends, and a block in
// force stays.
func TestABlockThatWouldBeOverIsRefused(t *testing.T) {
	clock := &skewed{}
	clock.move(-time.Hour)
	store := memstore.NewAt(clock.now)
	r := newNode(t, store, oneseat.Config{MaxStale: oneseat.FreshAlways})
	refused := func(until time.Time) {
		t.Helper()
		bad, ok := errors.AsType[*oneseat.TimeError](r.Block(t.Context(), "ada", until, "support"))
		if !ok || !strings.Contains(bad.Error(), "bad time: a block until then would be over") {
			t.Errorf("%v", bad)
		}
	}
	g := signIn(t, r, "ada", oneseat.SignInRequest{})
	refused(clock.now())
	refused(clock.now().Add(-time.Minute))
	refused(time.Unix(0, 0))
	wantLive(t, r, g)
	now, err := r.Now(t.Context())
	if ahead := time.Since(now); err != nil || ahead < 59*time.Minute || ahead > 61*time.Minute {
		t.Errorf("the store's clock shows %v: %v", now, err)
	}
	until := time.Now().Add(-time.Minute).Truncate(time.Microsecond) // past, by the clock of the node
	block(t, r, until, "support")
	refused(clock.now())
	_, err = r.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
	wantBlocked(t, err, until)
}

// A block whose reply was lost, and that is over when it is tried again, may have been
// made in time.
func TestABlockThatIsOverBeforeItsReplyIsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _, store := following(t, oneseat.Config{})
		signIn(t, r, "ada", oneseat.SignInRequest{})
		r.loseReplies(oneseat.KeyOf(realm, "ada"), 1, func() { time.Sleep(time.Second) })
		wantError(t, r.Block(t.Context(), "ada", time.Now().Add(time.Second), ""), oneseat.ErrUnknownOutcome)
		if n := count(logged(t, store, "ada"), oneseat.EventAccountBlocked); n != 1 {
			t.Errorf("it was made %d times", n)
		}
	})
}

// Neither a block that ran out nor one that was lifted leaves a record behind.
func TestABlockThatIsOverIsForgotten(t *testing.T) {
	for name, over := range map[string]func(t *testing.T, r node) error{
		"it ran out": func(*testing.T, node) error { time.Sleep(time.Hour); return nil },
		"lifted":     func(t *testing.T, r node) error { return r.Unblock(t.Context(), "ada", "") },
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newNode(t, memstore.New(), oneseat.Config{MaxStale: time.Minute})
			signIn(t, r, "grace", oneseat.SignInRequest{})
			block(t, r, time.Now().Add(time.Hour), "")
			time.Sleep(10 * time.Minute)
			if stored(t, r.Store, "ada").Roster == nil {
				t.Error("the block was swept away")
			}
			if err := over(t, r); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * time.Minute)
			if ro := stored(t, r.Store, "ada").Roster; ro != nil {
				t.Errorf("%s: kept is %+v", name, ro)
			}
		})
	}
}

// P1: a block against 64 ways in at once never leaves a live session.
func TestABlockAndSignInsRace(t *testing.T) {
	for round := range 20 {
		a, b, store := newSystem(t, oneseat.Config{Limit: 3, WhenFull: oneseat.PolicyAsk, Streams: oneseat.Unlimited})
		there := signIn(t, a, "ada", oneseat.SignInRequest{})
		signIn(t, a, "ada", oneseat.SignInRequest{})
		signIn(t, a, "ada", oneseat.SignInRequest{})
		ticket := refused(t, a, "ada", oneseat.SignInRequest{}).Ticket
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i := range 64 {
			wg.Go(func() {
				<-start
				r := []node{a, b}[i%2]
				var err error
				switch i % 4 {
				case 0:
					_, err = r.Redeem(t.Context(), ticket, oneseat.SignInRequest{}, there.Session.ID)
				case 1:
					_, err = r.StartStream(t.Context(), there.Session, oneseat.Player{ID: fmt.Sprint(i)})
				default:
					_, err = r.SignIn(t.Context(), "ada", oneseat.SignInRequest{Override: true})
				}
				_, blocked := errors.AsType[*oneseat.BlockedError](err)
				_, over := errors.AsType[*oneseat.EndedError](err)
				_, used := errors.AsType[*oneseat.TicketError](err)
				_, full := errors.AsType[*oneseat.LimitError](err)
				if err != nil && !blocked && !over && !used && !full && !errors.Is(err, oneseat.ErrNoSession) {
					t.Error(err)
				}
			})
			if i == 8+round {
				wg.Go(func() {
					<-start
					if err := []node{a, b}[round%2].Block(t.Context(), "ada", time.Time{}, ""); err != nil {
						t.Error(err)
					}
					wantIDs(t, store, "ada") // already, and for good
				})
			}
		}
		close(start)
		wg.Wait()
		wantIDs(t, store, "ada")
		if ro := stored(t, store, "ada").Roster; ro.Block == nil || len(ro.Pending) > 0 {
			t.Errorf("stored is %+v", ro)
		}
	}
}

func TestABlockWhoseReplyWasLost(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{})
	g := signIn(t, r, "ada", oneseat.SignInRequest{})
	r.loseReplies(oneseat.KeyOf(realm, "ada"), 2, nil)
	block(t, r, time.Time{}, "support")
	wantEnded(t, r, g, oneseat.ReasonAccountBlocked)
	r.loseReplies(oneseat.KeyOf(realm, "ada"), 1, nil)
	if err := r.Unblock(t.Context(), "ada", ""); err != nil {
		t.Fatal(err)
	}
	events := logged(t, r.Store.(oneseat.History), "ada")
	if count(events, oneseat.EventAccountBlocked) != 1 || count(events, oneseat.EventSessionEnded) != 1 || count(events, oneseat.EventAccountUnblocked) != 1 {
		t.Errorf("events: %+v", events)
	}

	// A sign-in that was admitted, and blocked before its reply came, reports that.
	r.loseReplies(oneseat.KeyOf(realm, "ada"), 1, func() {
		if err := newNode(t, r.Store, oneseat.Config{}).Block(t.Context(), "ada", time.Time{}, ""); err != nil {
			t.Error(err)
		}
	})
	_, err := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
	if over, ok := errors.AsType[*oneseat.EndedError](err); !ok || over.Ending.Reason != oneseat.ReasonAccountBlocked {
		t.Errorf("got %v", err)
	}
}
