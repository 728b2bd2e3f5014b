package sqlitestore_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/sqlitestore"
)

const realm = "default"

// patience is how long a test waits for what should come soon; one that passes
// never waits for so long.
const patience = 30 * time.Second

// open opens a store that is closed when the test ends.
func open(t testing.TB, path string) *sqlitestore.Store {
	t.Helper()
	s, err := sqlitestore.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// fresh opens a store on a new file.
func fresh(t testing.TB) (*sqlitestore.Store, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "oneseat.db")
	return open(t, path), path
}

// shell opens a connection of the kind that a person with a shell, or another
// program, has.
func shell(t testing.TB, path string) *sql.Conn {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil && err != sql.ErrConnDone {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return conn
}

func run(t testing.TB, conn *sql.Conn, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := conn.ExecContext(context.WithoutCancel(t.Context()), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func key(account string) oneseat.Key { return oneseat.KeyOf(realm, account) }

var laptop = oneseat.Device{Label: "Firefox on Linux", Class: "desktop", IP: "192.0.2.0"}

type change = func(oneseat.View) (oneseat.Change, error)

// seat signs account in as session id; who was signed in is displaced.
func seat(account string, id oneseat.SessionID) change {
	return func(v oneseat.View) (oneseat.Change, error) {
		ro, events := vacate(v, account, oneseat.Ending{Reason: oneseat.Displaced, By: id, ByDevice: laptop})
		s := oneseat.Session{ID: id, Account: account, Device: laptop, Created: v.Now, LastSeen: v.Now}
		ro.Seats = []oneseat.Seat{{Session: s, Secret: sha256.Sum256([]byte(id))}}
		ro.Due = v.Now.Add(time.Hour)
		return oneseat.Change{Roster: ro, Events: append(events, event(v, oneseat.SessionCreated, s))}, nil
	}
}

// leave ends every session of account.
func leave(account string) change {
	return func(v oneseat.View) (oneseat.Change, error) {
		ro, events := vacate(v, account, oneseat.Ending{Reason: oneseat.SignedOut})
		return oneseat.Change{Roster: ro, Events: events}, nil
	}
}

func vacate(v oneseat.View, account string, how oneseat.Ending) (*oneseat.Roster, []oneseat.Event) {
	ro := oneseat.Roster{Realm: realm, Account: account}
	if v.Roster != nil {
		ro = *v.Roster
	}
	var events []oneseat.Event
	for _, s := range ro.Seats {
		how.Session, how.At, how.Device = s.ID, v.Now, s.Device
		ro.Endings = append(slices.Clip(ro.Endings), oneseat.Ended{Ending: how, Secret: s.Secret})
		e := event(v, oneseat.SessionEnded, s.Session)
		e.Reason, e.By = how.Reason, how.By
		events = append(events, e)
	}
	ro.Seats = nil
	ro.Endings = ro.Endings[max(0, len(ro.Endings)-oneseat.MaxEndings):]
	return &ro, events
}

func event(v oneseat.View, t oneseat.EventType, s oneseat.Session) oneseat.Event {
	return oneseat.Event{Type: t, Realm: realm, Account: s.Account, Session: s.ID, At: v.Now, Version: v.Next(), Device: s.Device}
}

// signIn makes an update and fails the test if it fails.
func signIn(t testing.TB, s *sqlitestore.Store, account string, id oneseat.SessionID) oneseat.View {
	t.Helper()
	v, err := s.Update(t.Context(), key(account), seat(account, id))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// live is who is signed in to account.
func live(t testing.TB, s *sqlitestore.Store, account string) []oneseat.SessionID {
	t.Helper()
	vs, err := s.Load(t.Context(), key(account))
	if err != nil {
		t.Fatal(err)
	}
	var ids []oneseat.SessionID
	if vs[0].Roster != nil {
		for _, s := range vs[0].Roster.Seats {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

func wantLive(t testing.TB, s *sqlitestore.Store, account string, want ...oneseat.SessionID) {
	t.Helper()
	if got := live(t, s, account); !slices.Equal(got, want) {
		t.Errorf("signed in to %s: %q, want %q", account, got, want)
	}
}

// wantKind fails the test unless err is an *Error of a kind, and says what to do.
func wantKind(t testing.TB, err error, want sqlitestore.Kind) {
	t.Helper()
	e, ok := errors.AsType[*sqlitestore.Error](err)
	if !ok || e.Kind != want {
		t.Errorf("error %v, want one of kind %d", err, want)
	}
}

// end is a cursor at the end of the log.
func end(t testing.TB, s *sqlitestore.Store) oneseat.Cursor {
	t.Helper()
	tail, err := s.Changes(t.Context(), 0, "")
	if err != nil {
		t.Fatal(err)
	}
	return tail.Cursor
}
