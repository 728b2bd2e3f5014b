// Package released holds databases that earlier commits wrote. It tests that a
// store which opens one of them still knows everything in it.
//
// It is for tests only and knows no store. The program that wrote the files is in
// testdata/e18747a.
package released

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
)

//go:embed testdata/e18747a
var files embed.FS

// File returns the content of one of the files of e18747a.
func File(t testing.TB, name string) []byte {
	t.Helper()
	b, err := files.ReadFile("testdata/e18747a/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Store is a store that keeps a history.
type Store interface {
	oneseat.Store
	oneseat.History
}

// session is a session that was live, or had ended, and its token.
type session struct {
	Realm   string            `json:"realm"`
	Account string            `json:"account"`
	Session oneseat.SessionID `json:"session"`
	Token   string            `json:"token"`
}

// story is what the store contained, noted when it was written.
type story struct {
	Live  []session `json:"live"`
	Ended []struct {
		session
		Reason   oneseat.Reason    `json:"reason"`
		By       oneseat.SessionID `json:"by"`
		Actor    string            `json:"actor"`
		Device   string            `json:"device"`
		ByDevice string            `json:"by_device"`
	} `json:"ended"`
	Ticket struct {
		Account  string         `json:"account"`
		Ticket   oneseat.Ticket `json:"ticket"`
		DeviceID string         `json:"device_id"`
	} `json:"ticket"`
	Events []json.RawMessage `json:"events"`
}

// Check fails the test unless a store that was opened on data of e18747a knows
// every session, ending, ticket, limit, block, stream and event, and can change
// them. file is the story of that data.
func Check(t *testing.T, s Store, file string) {
	var was story
	if err := json.Unmarshal(File(t, file), &was); err != nil {
		t.Fatal(err)
	}
	realms := map[string]*oneseat.Registry{}
	for _, realm := range []string{"default", "observed", "over"} {
		realms[realm] = registry(t, s, oneseat.Config{Realm: realm})
	}

	var events []string
	for _, realm := range []string{"default", "observed", "over"} {
		records, err := s.Events(t.Context(), oneseat.EventQuery{Realm: realm, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			events = append(events, text(t, r))
		}
	}
	if len(events) != len(was.Events) {
		t.Errorf("there are %d events; there were %d", len(events), len(was.Events))
	}
	for i, e := range was.Events[:min(len(events), len(was.Events))] {
		if want := text(t, e); events[i] != want {
			t.Errorf("event %d is\n%s\nand was\n%s", i, events[i], want)
			break
		}
	}

	for _, l := range was.Live {
		got, err := realms[l.Realm].Check(t.Context(), l.Token)
		if err != nil || got.ID != l.Session || got.Account != l.Account {
			t.Errorf("%s of %s: %+v, %v; it was live", l.Account, l.Realm, got, err)
		}
	}
	for _, e := range was.Ended {
		_, err := realms[e.Realm].Check(t.Context(), e.Token)
		over, ok := errors.AsType[*oneseat.EndedError](err)
		if !ok {
			t.Errorf("%s of %s: %v; it had ended: %+v", e.Account, e.Realm, err, e)
			continue
		}
		got := over.Ending
		if got.Session != e.Session || got.Reason != e.Reason || got.By != e.By || got.Actor != e.Actor || got.Device.Label != e.Device || got.ByDevice.Label != e.ByDevice {
			t.Errorf("%s of %s ended by %+v; it was %+v", e.Account, e.Realm, got, e)
		}
	}
	sums(t, s)
	rules(t, s, was)
	sums(t, s)
}

// sums fails the test unless Count agrees with the rosters. e18747a kept no sums.
func sums(t *testing.T, s Store) {
	t.Helper()
	for _, realm := range []string{"default", "observed", "over"} {
		views, err := s.Rosters(t.Context(), oneseat.RosterQuery{Realm: realm, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		want := map[uint64]oneseat.Count{}
		for _, v := range views {
			epoch, c := v.Roster.Count()
			want[epoch] = want[epoch].Plus(c)
		}
		if len(want) == 0 {
			t.Errorf("%s has no rosters", realm)
		}
		for epoch, c := range want {
			if got, err := s.Count(t.Context(), realm, epoch); err != nil || got != c {
				t.Errorf("%s, epoch %d: Count says %+v, %v; the rosters %+v", realm, epoch, got, err, c)
			}
		}
	}
}

// rules tests that stored streams, blocks, limits and tickets still decide what is
// allowed.
func rules(t *testing.T, s Store, was story) {
	ctx := t.Context()
	one := registry(t, s, oneseat.Config{})
	playing, err := one.Streams(ctx, "grace")
	if err != nil || len(playing) != 1 || playing[0].Session != was.Live[1].Session {
		t.Errorf("grace plays %+v, %v; it was one stream of %s", playing, err, was.Live[1].Session)
	}

	_, err = one.SignIn(ctx, "mallory", oneseat.SignInRequest{})
	until := time.Date(2150, 1, 1, 0, 0, 0, 0, time.UTC)
	if blocked, ok := errors.AsType[*oneseat.BlockedError](err); !ok || !blocked.Until.Equal(until) {
		t.Errorf("mallory: %v; the account was blocked until %v", err, until)
	}
	if _, err := one.SignIn(ctx, "eve", oneseat.SignInRequest{}); err != nil {
		t.Errorf("eve: %v; the account was not blocked any more", err)
	}

	refuse := registry(t, s, oneseat.Config{WhenFull: oneseat.PolicyRefuse})
	_, err = refuse.SignIn(ctx, "erin", oneseat.SignInRequest{Device: oneseat.Device{Class: "tv"}})
	if full, ok := errors.AsType[*oneseat.LimitError](err); !ok || full.Bound != "tv" || full.Limit != 1 {
		t.Errorf("erin: %v; one television was allowed", err)
	}
	for n := range 2 {
		if _, err := refuse.SignIn(ctx, "erin", oneseat.SignInRequest{Device: oneseat.Device{Class: "mobile"}}); err != nil {
			t.Errorf("erin, mobile session %d: %v; the account's limit was 3", n+1, err)
		}
	}
	_, err = refuse.SignIn(ctx, "erin", oneseat.SignInRequest{Device: oneseat.Device{Class: "mobile"}})
	if full, ok := errors.AsType[*oneseat.LimitError](err); !ok || full.Limit != 3 {
		t.Errorf("erin: %v; the account's limit was 3", err)
	}

	dave := was.Live[slices.IndexFunc(was.Live, func(l session) bool { return l.Account == was.Ticket.Account })]
	ask := registry(t, s, oneseat.Config{WhenFull: oneseat.PolicyAsk})
	_, err = ask.Redeem(ctx, was.Ticket.Ticket, oneseat.SignInRequest{DeviceID: "another device's id"}, dave.Session)
	if _, ok := errors.AsType[*oneseat.TicketError](err); !ok { // a sign-in on dave's own device gets the same answer, because the id of a device is stored in another way than in e18747a
		t.Errorf("the ticket of dave, on another device: %v", err)
	}
	if _, err := one.SignIn(ctx, "dave", oneseat.SignInRequest{}); err != nil {
		t.Errorf("dave: %v", err)
	}
	ada, err := one.SignIn(ctx, "ada", oneseat.SignInRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []session{dave, was.Live[0]} {
		_, err := one.Check(ctx, l.Token)
		over, ok := errors.AsType[*oneseat.EndedError](err)
		if !ok || over.Ending.Reason != oneseat.ReasonDisplaced || l.Account == "ada" && over.Ending.By != ada.Session.ID {
			t.Errorf("%s: %v; another session has taken its place", l.Account, err)
		}
	}
}

// registry opens a registry that is closed when the test ends.
func registry(t *testing.T, s oneseat.Store, c oneseat.Config) *oneseat.Registry {
	t.Helper()
	c.Logger = slog.New(slog.DiscardHandler)
	r, err := oneseat.New(s, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// text returns v as JSON with its fields in alphabetical order.
func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	var all map[string]any
	if err == nil {
		err = json.Unmarshal(b, &all)
	}
	if err == nil {
		b, err = json.Marshal(all)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Names fails the test if a name under which e18747a stored something is missing.
// Each map has names and, for each, a description of what is stored under it, such
// as a type.
func Names(t *testing.T, old, now map[string]string) {
	t.Helper()
	if len(old) == 0 {
		t.Error("e18747a had no names")
	}
	for name, what := range old {
		if now[name] != what {
			t.Errorf("%s was %s, and is %s: other programs, and nodes of another release, rely on it", name, what, fmt.Sprintf("%q", now[name]))
		}
	}
}
