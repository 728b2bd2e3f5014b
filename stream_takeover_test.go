package oneseat_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"

	"github.com/oneseat/oneseat/internal/record"
)

// Over the limit the viewer sees which streams play, and may end one to start another,
// in one step that is counted again at its commit. The player of the ended stream is
// told which device took its place.
func TestAViewerTakesOverFromAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{Limit: 2, MaxStale: time.Minute})
		one, two := signIn(t, a, "ada", oneseat.SignInRequest{Device: laptop}), signIn(t, a, "ada", oneseat.SignInRequest{Device: phone})
		lost := play(t, a, one.Session, "p")
		held, release := b.HoldStream(t.Context(), lost)
		defer release()
		if full := fullOfStreams(t, b, two.Session, "q"); full.Limit != 1 || !slices.Equal(full.Streams, []oneseat.Stream{lost}) {
			t.Errorf("it says %+v", full)
		}
		before := len(logged(t, store, "ada"))
		won := play(t, b, two.Session, "q", lost.ID)
		wantStreams(t, a, "ada", won.ID)
		synctest.Wait()
		for _, err := range []error{context.Cause(held), a.Heartbeat(t.Context(), one.Session, lost.ID)} {
			if e := wantEnding(t, err, lost.ID, oneseat.ReasonDisplaced); e.By != won.ID || e.ByDevice != phone || e.Parent != one.Session.ID {
				t.Errorf("the ending is %+v", e)
			}
		}
		events := logged(t, store, "ada")[before:]
		if len(events) != 2 || events[0].Type != oneseat.EventStreamEnded || events[0].By != won.ID || events[1].Type != oneseat.EventStreamStarted || events[1].Parent != two.Session.ID || events[0].Version != events[1].Version {
			t.Errorf("events: %+v", events)
		}
		wantLive(t, a, one) // the session goes on
		beat(t, a, two.Session, won)

		// The stream that was named has stopped meanwhile, and another plays: none ends.
		again := play(t, a, one.Session, "p", won.ID)
		wantEnding(t, b.Heartbeat(t.Context(), two.Session, won.ID), won.ID, oneseat.ReasonDisplaced)
		if full := fullOfStreams(t, b, two.Session, "q", won.ID, lost.ID, one.Session.ID, "x"); !slices.Equal(full.Streams, []oneseat.Stream{again}) {
			t.Errorf("it says %+v", full)
		}
		beat(t, a, one.Session, again)
		wantStreams(t, a, "ada", again.ID)
	})
}

// A stream that finds no room is no event: its session is live, and tries again when the
// viewer has chosen.
func TestAStreamThatFindsNoRoomIsNoEvent(t *testing.T) {
	store := memstore.New()
	r := newNode(t, store, oneseat.Config{Streams: 1})
	one := signIn(t, r, "ada", oneseat.SignInRequest{})
	s := play(t, r, one.Session, "p")
	before := len(logged(t, store, "ada"))
	fullOfStreams(t, r, one.Session, "q")
	if events := logged(t, store, "ada")[before:]; len(events) > 0 {
		t.Errorf("events: %+v", events)
	}
	wantStreams(t, r, "ada", s.ID)
}

func TestTakeoversAtOnceLeaveTheLimit(t *testing.T) {
	for range 5 {
		a, b, store := newSystem(t, oneseat.Config{Limit: 8, Streams: 2})
		var sessions []oneseat.Session
		for range 8 {
			sessions = append(sessions, signIn(t, a, "ada", oneseat.SignInRequest{}).Session)
		}
		there := []oneseat.SessionID{play(t, a, sessions[0], "p").ID, play(t, a, sessions[1], "p").ID}
		guarded(t, a.faulty, "ada", 10)
		guarded(t, b.faulty, "ada", 10)
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i := range 32 {
			wg.Go(func() {
				<-start
				s, err := []node{a, b}[i%2].StartStream(t.Context(), sessions[i%8], oneseat.Player{ID: fmt.Sprint(i % 16), Instead: there[i%3%2:]})
				if _, full := errors.AsType[*oneseat.LimitError](err); err != nil && !full {
					t.Error(err)
				}
				if err == nil {
					if err := a.Heartbeat(t.Context(), sessions[i%8], s.ID); err != nil {
						t.Error(err) // nobody knows it, so nobody named it
					}
				}
			})
		}
		close(start)
		wg.Wait()
		if n := len(liveIDs(t, store, "ada")); n != 10 {
			t.Errorf("%d seats of 8 and 2", n)
		}
	}
}

// A session can do nothing to a stream of another session, except end it for one of its
// own.
func TestAStreamIsItsOwnSessions(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{Limit: 2, Streams: 3})
	one, two := signIn(t, r, "ada", oneseat.SignInRequest{}), signIn(t, r, "ada", oneseat.SignInRequest{})
	grace := signIn(t, r, "grace", oneseat.SignInRequest{})
	mine, other := play(t, r, one.Session, "p"), play(t, r, two.Session, "p")
	hers := play(t, r, grace.Session, "p")
	for _, id := range []oneseat.SessionID{mine.ID, hers.ID, one.Session.ID, two.Session.ID, "x", ""} {
		wantError(t, r.Heartbeat(t.Context(), two.Session, id), oneseat.ErrNoSession)
		if err := r.StopStream(t.Context(), two.Session, id); err != nil {
			t.Error(err)
		}
	}
	wantStreams(t, r, "ada", other.ID, mine.ID)
	wantStreams(t, r, "grace", hers.ID)
	play(t, r, one.Session, "q", hers.ID, two.Session.ID) // there is room
	fullOfStreams(t, r, one.Session, "r", hers.ID, two.Session.ID, one.Session.ID)
	wantStreams(t, r, "grace", hers.ID)
	wantLive(t, r, two)

	// Only the session of a stream is told what ended the stream.
	play(t, r, two.Session, "q", mine.ID)
	wantEnding(t, r.Heartbeat(t.Context(), one.Session, mine.ID), mine.ID, oneseat.ReasonDisplaced)
	wantError(t, r.Heartbeat(t.Context(), two.Session, mine.ID), oneseat.ErrNoSession)
	wantError(t, r.Heartbeat(t.Context(), grace.Session, mine.ID), oneseat.ErrNoSession)
}

// A stream's id is no session's: it signs nobody in, and is no parent.
func TestAStreamSignsNobodyIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{Streams: 2, TouchEvery: time.Second, MaxStale: time.Minute})
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		s := play(t, r, g.Session, "p")
		for range 2 { // from the store, and from memory
			_, err := r.CheckID(t.Context(), "ada", s.ID)
			wantError(t, err, oneseat.ErrNoSession)
		}
		_, err := r.StartStream(t.Context(), asSession(s), oneseat.Player{ID: "q"})
		wantError(t, err, oneseat.ErrNoSession)
		wantError(t, r.Heartbeat(t.Context(), asSession(s), s.ID), oneseat.ErrNoSession)
		seat := stored(t, r.Store, "ada").Roster.Seats[1]
		if seat.Secret != (record.Digest{}) || seat.Previous != (record.Digest{}) {
			t.Error("it has a secret")
		}
		// Asking for it is no heartbeat.
		time.Sleep(44 * time.Second)
		_, err = r.CheckID(t.Context(), "ada", s.ID)
		wantError(t, err, oneseat.ErrNoSession)
		time.Sleep(time.Second)
		_, err = r.CheckID(t.Context(), "ada", s.ID)
		wantError(t, err, oneseat.ErrNoSession)
		wantStreams(t, r, "ada")
		wantLive(t, r, g)
	})
}

// A player is told that the account's owner or the staff ended its stream, and must not
// start again by itself.
func TestAStreamThatSomebodyEndedIsToldSo(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{Streams: 3})
	g := signIn(t, r, "ada", oneseat.SignInRequest{})
	s := play(t, r, g.Session, "p")
	if n, err := r.End(t.Context(), "ada", oneseat.EndOptions{Actor: "staff", By: g.Session.ID}, s.ID, "x"); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if e := wantEnding(t, r.Heartbeat(t.Context(), g.Session, s.ID), s.ID, oneseat.ReasonRevoked); e.Actor != "staff" || e.Parent != g.Session.ID {
		t.Errorf("the ending is %+v", e)
	}
	_, err := r.CheckID(t.Context(), "ada", s.ID)
	wantEnding(t, err, s.ID, oneseat.ReasonRevoked)
	wantLive(t, r, g)

	// The others and their streams: those of the session that stays, stay.
	mine := play(t, r, g.Session, "p")
	if n, err := r.EndOthers(t.Context(), "ada", g.Session.ID, oneseat.EndOptions{}); n != 0 || err != nil {
		t.Error(n, err)
	}
	wantStreams(t, r, "ada", mine.ID)
	if n, err := r.EndAll(t.Context(), "ada", oneseat.EndOptions{}); n != 1 || err != nil {
		t.Error(n, err)
	}
	wantStreams(t, r, "ada")
	wantEnding(t, r.Heartbeat(t.Context(), g.Session, mine.ID), g.Session.ID, oneseat.ReasonRevoked)
}

// A hold on a stream is cut when it lapses, and not while its player beats.
func TestAHoldOnAStreamIsCutWhenItLapses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{})
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		s := play(t, a, g.Session, "p")
		held, release := b.HoldStream(t.Context(), s)
		defer release()
		for range 10 {
			time.Sleep(30 * time.Second)
			beat(t, a, g.Session, s)
		}
		if context.Cause(held) != nil {
			t.Fatalf("cut while it plays: %v", context.Cause(held))
		}
		time.Sleep(46 * time.Second)
		wantEnding(t, context.Cause(held), s.ID, oneseat.ReasonIdleTimeout)
		held, release = b.HoldStream(t.Context(), s)
		defer release()
		wantError(t, context.Cause(held), oneseat.ErrNoSession)
		wantLive(t, a, g)
	})
}
