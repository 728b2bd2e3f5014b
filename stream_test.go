package oneseat_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// play starts a stream.
func play(t testing.TB, r node, s oneseat.Session, player string, instead ...oneseat.SessionID) oneseat.Stream {
	t.Helper()
	stream, err := r.StartStream(t.Context(), s, oneseat.Player{ID: player, Instead: instead})
	if err != nil {
		t.Fatalf("start of %s: %v", player, err)
	}
	return stream
}

// asSession is a stream that an application takes for a session.
func asSession(s oneseat.Stream) oneseat.Session {
	return oneseat.Session{ID: s.ID, Account: s.Account, Device: s.Device, Created: s.Started, LastSeen: s.LastHeartbeat}
}

// LIM-07: a stream is a seat under a session's, and never a session itself.
func TestAStreamOfNoSessionIsNone(t *testing.T) {
	a, _, store := newSystem(t, oneseat.Config{Limit: 2})
	mine := signIn(t, a, "ada", oneseat.SignInRequest{})
	other := signIn(t, a, "grace", oneseat.SignInRequest{})
	stream := play(t, a, mine.Session, "p")
	control, before := string(encode(t, stored(t, store, "").Roster)), string(encode(t, stored(t, store, "ada").Roster))
	for name, s := range map[string]oneseat.Session{
		"no id":             {Account: "ada"},
		"an unknown id":     {Account: "ada", ID: "x"},
		"another account's": {Account: "ada", ID: other.Session.ID},
		"a stream":          asSession(stream),
		"an absent account": {Account: "nobody", ID: mine.Session.ID},
	} {
		if got, err := a.StartStream(t.Context(), s, oneseat.Player{ID: "q"}); !errors.Is(err, oneseat.ErrNoSession) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if err := a.Heartbeat(t.Context(), s, stream.ID); !errors.Is(err, oneseat.ErrNoSession) {
			t.Errorf("heartbeat of %s: %v", name, err)
		}
		if err := a.StopStream(t.Context(), s, stream.ID); err != nil {
			t.Errorf("stop of %s: %v", name, err)
		}
	}
	for name, s := range map[string]oneseat.Session{"nothing at all": {}, "no account": {ID: mine.Session.ID}} {
		_, start := a.StartStream(t.Context(), s, oneseat.Player{ID: "q"})
		for what, err := range map[string]error{
			"start": start, "heartbeat": a.Heartbeat(t.Context(), s, stream.ID), "stop": a.StopStream(t.Context(), s, stream.ID),
		} {
			if _, ok := errors.AsType[*oneseat.AccountError](err); !ok {
				t.Errorf("%s of %s: %v", what, name, err)
			}
		}
	}
	if _, err := a.StartStream(t.Context(), mine.Session, oneseat.Player{}); err == nil || !strings.Contains(err.Error(), "a player needs an ID") {
		t.Errorf("a player without an id: %v", err)
	}
	if got := string(encode(t, stored(t, store, "ada").Roster)); got != before {
		t.Errorf("the roster was\n%s\nand is\n%s", before, got)
	}
	if got := string(encode(t, stored(t, store, "").Roster)); got != control {
		t.Errorf("the control record was\n%s\nand is\n%s", control, got)
	}
}

// The session of a stream is what the application passes on: what is kept of its
// device goes through the same sieve as a sign-in's.
func TestAStreamKeepsOnlyInertCoarseFacts(t *testing.T) {
	a, _, store := newSystem(t, oneseat.Config{})
	s := signIn(t, a, "ada", oneseat.SignInRequest{Device: laptop}).Session
	s.Device = oneseat.Device{Label: "<b>\u202e", Class: "toaster", IP: "192.0.2.77"}
	play(t, a, s, "p")
	if got := stored(t, store, "ada").Roster.Seats[1].Device; got != (oneseat.Device{Label: "b", Class: "other", IP: "192.0.2.0"}) {
		t.Errorf("kept is %+v", got)
	}
}

// fullOfStreams starts a stream where there is no room.
func fullOfStreams(t testing.TB, r node, s oneseat.Session, player string, instead ...oneseat.SessionID) *oneseat.LimitError {
	t.Helper()
	got, err := r.StartStream(t.Context(), s, oneseat.Player{ID: player, Instead: instead})
	full, ok := errors.AsType[*oneseat.LimitError](err)
	if !ok || got != (oneseat.Stream{}) || full.Bound != "streams" || full.Ticket != "" {
		t.Fatalf("start of %s: %+v, %+v; want that the account plays as many as it may", player, got, err)
	}
	return full
}

func wantStreams(t testing.TB, r node, account string, want ...oneseat.SessionID) {
	t.Helper()
	list, err := r.Streams(t.Context(), account)
	var got []oneseat.SessionID
	for _, s := range list {
		got = append(got, s.ID)
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%s plays %v, %v; want %v", account, got, err, want)
	}
}

func beat(t testing.TB, r node, s oneseat.Session, stream oneseat.Stream) {
	t.Helper()
	if err := r.Heartbeat(t.Context(), s, stream.ID); err != nil {
		t.Fatalf("heartbeat: %v", err)
	}
}

// A stream is a seat under a session's, listed and counted apart.
func TestAStreamIsAChildOfItsSession(t *testing.T) {
	a, b, store := newSystem(t, oneseat.Config{Limit: 2, Streams: 2})
	one, two := signIn(t, a, "ada", oneseat.SignInRequest{Device: laptop}), signIn(t, a, "ada", oneseat.SignInRequest{Device: phone})
	s1 := play(t, a, one.Session, "p")
	s2 := play(t, b, two.Session, "p") // of another session: another player
	if s1.Session != one.Session.ID || s1.Account != "ada" || s1.Device != laptop || s1.ID == one.Session.ID || s1.Started.IsZero() || !s1.LastHeartbeat.Equal(s1.Started) {
		t.Errorf("it is %+v", s1)
	}
	wantStreams(t, a, "ada", s2.ID, s1.ID)
	wantStreams(t, a, "nobody")
	if live, err := a.Sessions(t.Context(), "ada"); err != nil || !slices.Equal(live, []oneseat.Session{two.Session, one.Session}) {
		t.Errorf("sessions: %+v, %v", live, err)
	}
	if full := fullOfStreams(t, a, one.Session, "q"); full.Limit != 2 || !slices.Equal(full.Streams, []oneseat.Stream{s2, s1}) ||
		full.Error() != "oneseat: stream refused: 2 of 2 are playing: stop another first, or name it in Instead" {
		t.Errorf("it says %+v", full)
	}
	// They take no seat of a sign-in, nor its class.
	third := signIn(t, a, "ada", oneseat.SignInRequest{Device: laptop})
	wantIDs(t, store, "ada", two.Session.ID, s2.ID, third.Session.ID)

	before := len(logged(t, store, "ada"))
	if err := a.StopStream(t.Context(), two.Session, s2.ID); err != nil {
		t.Fatal(err)
	}
	if err := a.StopStream(t.Context(), two.Session, s2.ID); err != nil {
		t.Error("again:", err)
	}
	wantStreams(t, a, "ada")
	wantError(t, a.Heartbeat(t.Context(), two.Session, s2.ID), oneseat.ErrNoSession)
	wantLive(t, a, two)
	events := logged(t, store, "ada")[before:]
	if len(events) != 1 || events[0].Type != oneseat.EventStreamEnded || events[0].Reason != oneseat.ReasonSignedOut || events[0].Session != s2.ID || events[0].Parent != two.Session.ID || events[0].By != two.Session.ID {
		t.Errorf("events: %+v", events)
	}
	if s := a.Stats(); s.SignIns != 3 || s.Displaced != 1 || s.Refused+s.Asked != 0 {
		t.Errorf("stats: %+v", s)
	}
	if _, err := a.Streams(t.Context(), ""); err == nil {
		t.Error("an account without a name plays")
	}
}

// J: a seek, a change of quality or a lost connection take no second stream, not
// even where the account is full or its limit was lowered.
func TestTheSamePlayerReconnectingIsFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{Limit: 2, Streams: 2, MaxStale: time.Minute})
		one, two := signIn(t, r, "ada", oneseat.SignInRequest{}), signIn(t, r, "ada", oneseat.SignInRequest{})
		mine, other := play(t, r, one.Session, "mine"), play(t, r, two.Session, "other")
		before := len(logged(t, r.Store.(oneseat.History), "ada"))
		for range 10 {
			time.Sleep(30 * time.Second)
			if got := play(t, r, one.Session, "mine", other.ID); got.ID != mine.ID || !got.Started.Equal(mine.Started) || !got.LastHeartbeat.Equal(time.Now().Truncate(time.Microsecond)) {
				t.Fatalf("it got %+v, and had %+v", got, mine)
			}
			beat(t, r, two.Session, other)
		}
		setLimit(t, r, oneseat.Limits{Streams: 2})
		if got := play(t, r, one.Session, "mine"); got.ID != mine.ID {
			t.Errorf("it got %+v", got)
		}
		if n := len(logged(t, r.Store.(oneseat.History), "ada")) - before; n != 1 { // the limit
			t.Errorf("%d events", n)
		}
		wantStreams(t, r, "ada", other.ID, mine.ID)
	})
}

// A heartbeat keeps the stream, and never the session; a missed one frees the seat
// within StreamIdle, even if nothing swept.
func TestAHeartbeatKeepsTheStreamAndNeverTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		r := newNode(t, store, oneseat.Config{Idle: 10 * time.Minute, Streams: 2, MaxStale: time.Minute})
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		kept, missed := play(t, r, g.Session, "kept"), play(t, r, g.Session, "missed")
		for range 3 {
			time.Sleep(15 * time.Second)
			beat(t, r, g.Session, kept)
		}
		time.Sleep(time.Millisecond) // what is done at once is a microsecond apart
		ro := stored(t, store, "ada").Roster
		if !ro.Seats[0].LastSeen.Equal(g.Session.LastSeen) || !ro.Seats[1].LastSeen.Equal(time.Now().Add(-time.Millisecond)) {
			t.Errorf("last seen: %+v", ro.Seats)
		}
		wantStreams(t, r, "ada", kept.ID)
		wantError(t, r.Heartbeat(t.Context(), g.Session, missed.ID), oneseat.ErrNoSession)
		play(t, r, g.Session, "another") // it has room
		events := logged(t, store, "ada")
		i := slices.IndexFunc(events, func(e oneseat.Event) bool { return e.Type == oneseat.EventStreamEnded })
		if i < 0 || events[i].Session != missed.ID || events[i].Reason != oneseat.ReasonIdleTimeout || count(events, oneseat.EventStreamEnded) != 1 {
			t.Errorf("events: %+v", events)
		}

		// The session idles out all the same, and the stream goes with it.
		for range 4*10 - 3 {
			beat(t, r, g.Session, kept)
			time.Sleep(15 * time.Second)
		}
		wantEnding(t, r.Heartbeat(t.Context(), g.Session, kept.ID), g.Session.ID, oneseat.ReasonIdleTimeout)
		wantEnded(t, r, g, oneseat.ReasonIdleTimeout)
		wantStreams(t, r, "ada")
	})
}

func TestAStreamLapsesExactlyAfterStreamIdle(t *testing.T) {
	for _, tt := range []struct {
		idle, after time.Duration
		lives       bool
	}{
		{0, 45*time.Second - time.Microsecond, true}, {0, 45 * time.Second, false},
		{time.Minute, time.Minute - time.Microsecond, true}, {time.Minute, time.Minute, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newNode(t, memstore.New(), oneseat.Config{StreamIdle: tt.idle, MaxStale: time.Minute})
			g := signIn(t, r, "ada", oneseat.SignInRequest{})
			s := play(t, r, g.Session, "p")
			time.Sleep(tt.after)
			if list, err := r.Streams(t.Context(), "ada"); err != nil || len(list) == 1 != tt.lives {
				t.Errorf("after %v: %+v, %v", tt.after, list, err)
			}
			if err := r.Heartbeat(t.Context(), g.Session, s.ID); (err == nil) != tt.lives || err != nil && !errors.Is(err, oneseat.ErrNoSession) {
				t.Errorf("after %v: %v", tt.after, err)
			}
			if again := play(t, r, g.Session, "p"); (again.ID == s.ID) != tt.lives {
				t.Errorf("after %v the player has %+v", tt.after, again)
			}
		})
	}
}

// The sweep frees it where nobody asks.
func TestALapsedStreamIsSweptAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{MaxStale: time.Minute})
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		play(t, r, g.Session, "p")
		if due := stored(t, r.Store, "ada").Roster.Due; !due.Equal(time.Now().Add(45 * time.Second).Truncate(time.Microsecond)) {
			t.Errorf("due at %v", due)
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		wantIDs(t, r.Store, "ada", g.Session.ID)
	})
}

// A heartbeat is written at most ten times in a StreamIdle, however many come.
func TestHeartbeatsAreNotAllWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{StreamIdle: 100 * time.Second, MaxStale: time.Minute})
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		s := play(t, r, g.Session, "p")
		events := len(logged(t, r.Store.(oneseat.History), "ada"))
		writes := r.writes.Load()
		time.Sleep(10*time.Second - time.Microsecond)
		beat(t, r, g.Session, s)
		if r.writes.Load() != writes {
			t.Error("it was written too early")
		}
		time.Sleep(time.Microsecond)
		beat(t, r, g.Session, s)
		if r.writes.Load() != writes+1 {
			t.Error("it was not written")
		}
		for range 100 {
			time.Sleep(time.Second)
			beat(t, r, g.Session, s)
		}
		if n := r.writes.Load() - writes; n != 11 {
			t.Errorf("written %d times", n)
		}
		if len(logged(t, r.Store.(oneseat.History), "ada")) != events {
			t.Error("a heartbeat is an event")
		}
	})
}

// When the session ends, for whatever reason, its streams end in the same update, and no
// others.
func TestTheEndOfTheSessionEndsItsStreams(t *testing.T) {
	type end = func(t *testing.T, r node, g oneseat.Grant)
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		why oneseat.Reason
		end end
		all bool // the other session's too
	}{
		{oneseat.ReasonSignedOut, func(t *testing.T, r node, g oneseat.Grant) { must(t, r.SignOut(t.Context(), string(g.Token))) }, false},
		{oneseat.ReasonDisplaced, func(t *testing.T, r node, _ oneseat.Grant) { signIn(t, r, "ada", oneseat.SignInRequest{}) }, false},
		{oneseat.ReasonRenewed, func(t *testing.T, r node, g oneseat.Grant) {
			signIn(t, r, "ada", oneseat.SignInRequest{Token: string(g.Token)})
		}, false},
		{oneseat.ReasonRevoked, func(t *testing.T, r node, g oneseat.Grant) {
			n, err := r.End(t.Context(), "ada", oneseat.EndOptions{Actor: "staff"}, g.Session.ID)
			if n != 1 {
				t.Error(n)
			}
			must(t, err)
		}, false},
		{oneseat.ReasonCredentialsChanged, func(t *testing.T, r node, _ oneseat.Grant) {
			_, err := r.EndAll(t.Context(), "ada", oneseat.EndOptions{Reason: oneseat.ReasonCredentialsChanged})
			must(t, err)
		}, true},
		{oneseat.ReasonAccountBlocked, func(t *testing.T, r node, _ oneseat.Grant) { block(t, r, time.Time{}, "") }, true},
		{oneseat.ReasonRealmEnded, func(t *testing.T, r node, _ oneseat.Grant) {
			must(t, r.EndRealm(t.Context(), ""))
			signIn(t, r, "ada", oneseat.SignInRequest{}) // records it
		}, true},
		{oneseat.ReasonAbsoluteTimeout, func(t *testing.T, r node, g oneseat.Grant) {
			time.Sleep(10 * time.Minute)
			wantEnded(t, r, g, oneseat.ReasonAbsoluteTimeout)
		}, false},
		{oneseat.ReasonIdleTimeout, func(t *testing.T, r node, g oneseat.Grant) {
			time.Sleep(20 * time.Minute)
			wantEnded(t, r, g, oneseat.ReasonIdleTimeout)
		}, false},
	} {
		t.Run(string(tt.why), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b, store := following(t, oneseat.Config{Limit: 2, Streams: 3, StreamIdle: 2 * time.Hour, Idle: 30 * time.Minute, Absolute: time.Hour, MaxStale: time.Minute})
				g := signIn(t, a, "ada", oneseat.SignInRequest{})
				if tt.why == oneseat.ReasonAbsoluteTimeout {
					for range 2 { // in use
						time.Sleep(20 * time.Minute)
						g = rotate(t, a, g)
					}
				}
				time.Sleep(10 * time.Minute)
				other := signIn(t, a, "ada", oneseat.SignInRequest{})
				s1, s2, s3 := play(t, a, g.Session, "1"), play(t, a, g.Session, "2"), play(t, a, other.Session, "3")
				var held []context.Context
				for _, s := range []oneseat.Stream{s1, s2} {
					ctx, release := b.HoldStream(t.Context(), s)
					defer release()
					held = append(held, ctx)
				}
				tt.end(t, a, g)
				synctest.Wait()
				ended := map[oneseat.SessionID]oneseat.Event{}
				for _, e := range logged(t, store, "ada") {
					if e.Type == oneseat.EventSessionEnded || e.Type == oneseat.EventStreamEnded {
						ended[e.Session] = e
					}
				}
				for i, s := range []oneseat.Stream{s1, s2} {
					e := ended[s.ID]
					if e.Type != oneseat.EventStreamEnded || e.Version != ended[g.Session.ID].Version || e.Reason != tt.why || e.Parent != g.Session.ID || e.By != ended[g.Session.ID].By {
						t.Errorf("the event is %+v", e)
					}
					// A node that looked at the roster before it read the log finds the
					// session's ending only.
					over, ok := errors.AsType[*oneseat.EndedError](context.Cause(held[i]))
					if !errors.Is(context.Cause(held[i]), oneseat.ErrNoSession) && (!ok || over.Ending.Session != s.ID || over.Ending.Reason != tt.why) {
						t.Errorf("held: %v", context.Cause(held[i]))
					}
					wantEnding(t, b.Heartbeat(t.Context(), g.Session, s.ID), g.Session.ID, tt.why)
				}
				if _, gone := ended[s3.ID]; gone != tt.all {
					t.Errorf("the other session's: %+v", ended[s3.ID])
				}
				for _, e := range stored(t, store, "ada").Roster.Endings {
					if e.Parent != "" {
						t.Errorf("of a stream whose session has ended this is remembered: %+v", e)
					}
				}
			})
		})
	}
}

// A session's timeout is recorded before its player is told of it: a clock that is set
// back does not undo the timeout.
func TestATimeoutThatAStreamIsToldOfIsRecorded(t *testing.T) {
	clock := &skewed{}
	store := memstore.NewAt(clock.now)
	r := newNode(t, store, oneseat.Config{Idle: time.Hour, MaxStale: oneseat.FreshAlways})
	g := signIn(t, r, "ada", oneseat.SignInRequest{})
	clock.move(time.Hour)
	_, err := r.StartStream(t.Context(), g.Session, oneseat.Player{ID: "p"})
	wantEnding(t, err, g.Session.ID, oneseat.ReasonIdleTimeout)
	clock.move(-time.Hour)
	wantEnded(t, r, g, oneseat.ReasonIdleTimeout)
	wantIDs(t, store, "ada")

	// The same holds for a timeout that a full account's viewer is told of.
	three := newNode(t, store, oneseat.Config{Limit: 3, Idle: time.Hour, MaxStale: oneseat.FreshAlways})
	clock.move(2 * time.Hour)
	idle, busy := signIn(t, three, "ada", oneseat.SignInRequest{}), signIn(t, three, "ada", oneseat.SignInRequest{})
	clock.move(time.Hour - 30*time.Second)
	busy = rotate(t, three, busy)
	play(t, three, busy.Session, "p")
	clock.move(30 * time.Second)
	fullOfStreams(t, three, busy.Session, "q")
	clock.move(-time.Hour)
	wantEnded(t, three, idle, oneseat.ReasonIdleTimeout)
}

// P1: a player whose start was lost on the way has one stream, not two.
func TestAStreamWhoseReplyWasLostPlaysOnce(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{Limit: 2})
	key := oneseat.KeyOf(realm, "ada")
	one, two := signIn(t, r, "ada", oneseat.SignInRequest{}), signIn(t, r, "ada", oneseat.SignInRequest{})
	r.loseReplies(key, 2, nil)
	s := play(t, r, one.Session, "p")
	wantStreams(t, r, "ada", s.ID)
	r.loseReplies(key, 1, nil)
	beat(t, r, one.Session, s)
	r.loseReplies(key, 1, nil)
	if got := play(t, r, one.Session, "p"); got.ID != s.ID {
		t.Errorf("it got %+v", got)
	}
	r.loseReplies(key, 1, nil)
	fullOfStreams(t, r, two.Session, "q")
	r.loseReplies(key, 1, nil)
	won := play(t, r, two.Session, "q", s.ID)
	wantStreams(t, r, "ada", won.ID)

	// Taken over before the reply came: it says so. Ended by somebody, likewise, and
	// it does not begin anew.
	for _, why := range []oneseat.Reason{oneseat.ReasonDisplaced, oneseat.ReasonRevoked} {
		r.loseReplies(key, 1, func() {
			other := newNode(t, r.Store, oneseat.Config{Limit: 2})
			list, err := other.Streams(t.Context(), "ada")
			if err == nil && why == oneseat.ReasonDisplaced {
				_, err = other.StartStream(t.Context(), two.Session, oneseat.Player{ID: "q", Instead: []oneseat.SessionID{list[0].ID}})
			} else if err == nil {
				_, err = other.End(t.Context(), "ada", oneseat.EndOptions{}, list[0].ID)
			}
			if err != nil {
				t.Error(err)
			}
		})
		list, err := r.Streams(t.Context(), "ada")
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.StartStream(t.Context(), one.Session, oneseat.Player{ID: "p", Instead: []oneseat.SessionID{list[0].ID}})
		if over, ok := errors.AsType[*oneseat.EndedError](err); !ok || over.Ending.Reason != why || over.Ending.Parent != one.Session.ID {
			t.Errorf("%s: %v", why, err)
		}
	}
	wantStreams(t, r, "ada")
	r.loseReplies(key, 10, nil)
	_, err := r.StartStream(t.Context(), one.Session, oneseat.Player{ID: "p"})
	wantError(t, err, oneseat.ErrUnknownOutcome)
	wantError(t, r.Heartbeat(t.Context(), one.Session, s.ID), oneseat.ErrUnknownOutcome)
	r.up()
	if list, err := r.Streams(t.Context(), "ada"); err != nil || len(list) != 1 {
		t.Errorf("it plays %+v, %v", list, err)
	}
	r.down()
	_, err = r.StartStream(t.Context(), one.Session, oneseat.Player{ID: "p"})
	wantError(t, err, oneseat.ErrStoreUnavailable)
	wantError(t, r.Heartbeat(t.Context(), one.Session, s.ID), oneseat.ErrStoreUnavailable)
	wantError(t, r.StopStream(t.Context(), one.Session, s.ID), oneseat.ErrStoreUnavailable)
}

// The realm's end ends a stream too, whether or not that is recorded.
func TestAHeartbeatIsToldOfTheRealmsEnd(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{})
	g := signIn(t, r, "ada", oneseat.SignInRequest{})
	s := play(t, r, g.Session, "p")
	if err := r.EndRealm(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	wantEnding(t, r.Heartbeat(t.Context(), g.Session, s.ID), g.Session.ID, oneseat.ReasonRealmEnded)
	wantStreams(t, r, "ada")
}

// Unlimited streams are 64, and then the idlest gives way unasked.
func TestUnlimitedStreamsHaveACeiling(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{Streams: oneseat.Unlimited})
	g := signIn(t, r, "ada", oneseat.SignInRequest{})
	var first oneseat.Stream
	for i := range oneseat.MaxStreams {
		if s := play(t, r, g.Session, fmt.Sprint(i)); i == 0 {
			first = s
		}
	}
	last := play(t, r, g.Session, "one more")
	if list, err := r.Streams(t.Context(), "ada"); err != nil || len(list) != oneseat.MaxStreams || list[0].ID != last.ID {
		t.Errorf("%d, %v", len(list), err)
	}
	if e := wantEnding(t, r.Heartbeat(t.Context(), g.Session, first.ID), first.ID, oneseat.ReasonDisplaced); e.By != last.ID {
		t.Errorf("the ending is %+v", e)
	}
}

// A check of a stream is no heartbeat, and tells a session of its own streams
// only: a live one, one that was taken over, one that ended with the session.
func TestACheckOfAStreamIsItsOwnSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{Limit: 3, Streams: 2, TouchEvery: time.Second, MaxStale: time.Minute})
		one, two := signIn(t, r, "ada", oneseat.SignInRequest{}), signIn(t, r, "ada", oneseat.SignInRequest{})
		gone := signIn(t, r, "ada", oneseat.SignInRequest{})
		if err := r.SignOut(t.Context(), string(gone.Token)); err != nil {
			t.Fatal(err)
		}
		mine, lost := play(t, r, one.Session, "p"), play(t, r, one.Session, "q")
		other := play(t, r, two.Session, "p", lost.ID)
		check := func(s oneseat.Session, id oneseat.SessionID) error {
			got, err := r.CheckStream(t.Context(), s, id)
			if err == nil && (got.ID != id || got.Session != s.ID) {
				t.Errorf("the check of %s found %+v", id, got)
			}
			return err
		}
		for range 2 { // from the store, and from memory
			wantError(t, check(one.Session, mine.ID), nil)
			wantEnding(t, check(one.Session, lost.ID), lost.ID, oneseat.ReasonDisplaced)
			for _, id := range []oneseat.SessionID{other.ID, one.Session.ID, two.Session.ID, gone.Session.ID, "x", ""} {
				wantError(t, check(one.Session, id), oneseat.ErrNoSession)
			}
			for _, s := range []oneseat.Session{two.Session, gone.Session, {Account: "ada"}, {Account: "ada", ID: "x"}, {Account: "nobody", ID: one.Session.ID}} {
				for _, id := range []oneseat.SessionID{mine.ID, lost.ID, one.Session.ID} {
					if err := check(s, id); err == nil || s.ID != gone.Session.ID && !errors.Is(err, oneseat.ErrNoSession) {
						t.Errorf("%+v is told of %s: %v", s, id, err)
					}
				}
			}
		}
		time.Sleep(44 * time.Second)
		wantError(t, check(one.Session, mine.ID), nil)
		time.Sleep(2 * time.Second)
		wantError(t, check(one.Session, mine.ID), oneseat.ErrNoSession)

		mine = play(t, r, one.Session, "p")
		if err := r.EndRealm(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		wantEnding(t, check(one.Session, mine.ID), mine.ID, oneseat.ReasonRealmEnded)
		if _, err := r.CheckStream(t.Context(), oneseat.Session{}, mine.ID); err == nil {
			t.Error("an account without a name plays")
		}
	})
}

// A session without an id has no streams: it does not have the seats without a parent.
func TestWithoutASessionThereIsNoStream(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{})
	g := signIn(t, r, "ada", oneseat.SignInRequest{})
	nobody := oneseat.Session{Account: "ada"}
	wantError(t, r.Heartbeat(t.Context(), nobody, g.Session.ID), oneseat.ErrNoSession)
	if err := r.StopStream(t.Context(), nobody, g.Session.ID); err != nil {
		t.Error(err)
	}
	wantLive(t, r, g)
}
