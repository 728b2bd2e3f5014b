package oneseat_test

import (
	"errors"
	"testing"

	"github.com/oneseat/oneseat"
)

// play starts a stream.
func play(t testing.TB, r node, s oneseat.Session, player string, instead ...oneseat.SessionID) oneseat.Session {
	t.Helper()
	stream, err := r.StartStream(t.Context(), s, oneseat.Player{ID: player, Instead: instead})
	if err != nil {
		t.Fatalf("start of %s: %v", player, err)
	}
	return stream
}

// LIM-07: a stream is a seat under a session's, and never a session itself.
func TestAStreamOfNoSessionIsNone(t *testing.T) {
	a, _, store := newSystem(t, oneseat.Config{Limit: 2})
	mine := signIn(t, a, "ada", oneseat.Client{})
	other := signIn(t, a, "grace", oneseat.Client{})
	stream := play(t, a, mine.Session, "p")
	control, before := string(encode(t, stored(t, store, "").Roster)), string(encode(t, stored(t, store, "ada").Roster))
	for name, s := range map[string]oneseat.Session{
		"no id":             {Account: "ada"},
		"an unknown id":     {Account: "ada", ID: "x"},
		"another account's": {Account: "ada", ID: other.Session.ID},
		"a stream":          stream,
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
	if _, err := a.StartStream(t.Context(), mine.Session, oneseat.Player{}); err == nil {
		t.Error("a player without an id plays")
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
	s := signIn(t, a, "ada", oneseat.Client{Device: laptop}).Session
	s.Device = oneseat.Device{Label: "<b>\u202e", Class: "toaster", IP: "192.0.2.77"}
	play(t, a, s, "p")
	if got := stored(t, store, "ada").Roster.Seats[1].Device; got != (oneseat.Device{Label: "b", Class: "other", IP: "192.0.2.0"}) {
		t.Errorf("kept is %+v", got)
	}
}
