package sqlitestore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/internal/fixture"
	"github.com/oneseat/oneseat/store/sqlitestore"
)

const realm = fixture.Realm

// patience is how long a test waits for something that should come soon. Only a test
// that fails waits as long as that, because a busy machine may be slow.
const patience = 2 * time.Minute

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

// shell opens a connection as a person with a shell or another program has one.
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
		if err := conn.Close(); err != nil && !errors.Is(err, sql.ErrConnDone) {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	run(t, conn, fmt.Sprintf("PRAGMA busy_timeout = %d", patience.Milliseconds())) // the store may be looking for old events at any time
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

// These rosters are made by hand.
var (
	key, seat, leave = fixture.Key, fixture.Seat, fixture.Leave
	signIn, wantLive = fixture.SignIn, fixture.WantLive
)

type change = fixture.Change

var wantFailure = fixture.WantFailure("sqlitestore")

// end returns a cursor at the end of the log.
func end(t testing.TB, s *sqlitestore.Store) oneseat.Cursor {
	t.Helper()
	tail, err := s.Changes(t.Context(), 0, "")
	if err != nil {
		t.Fatal(err)
	}
	return tail.Cursor
}
