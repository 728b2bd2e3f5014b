package sqlitestore_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"modernc.org/sqlite"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/internal/released"
	"github.com/oneseat/oneseat/store/sqlitestore"
)

// migrating opens a file. The process is killed when it changes a row, or commits, for the
// n-th time.
func migrating(args []string, say func(string)) error {
	at, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	n := 0 // connections migrate one after the other
	step := func(of string) {
		if of == args[1] {
			if n++; n == at {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {} // it goes no further
			}
		}
	}
	sqlite.RegisterConnectionHook(func(conn sqlite.ExecQuerierContext, _ string) error {
		hooks, is := conn.(sqlite.HookRegisterer)
		if !is {
			return fmt.Errorf("%T takes no hooks", conn)
		}
		hooks.RegisterPreUpdateHook(func(sqlite.SQLitePreUpdateData) { step("a row") })
		hooks.RegisterCommitHook(func() int32 { step("a commit"); return 0 })
		return nil
	})
	s, err := sqlitestore.Open(args[0])
	if err != nil {
		return err
	}
	say("open")
	return s.Close()
}

// olderFiles has, for each earlier schema, a function that makes a file of it at a path.
var olderFiles = map[string]func(t *testing.T, path string){
	"none": func(*testing.T, string) {},
	"1": func(t *testing.T, path string) {
		writeReleased(t, path)
		conn := shell(t, path)
		run(t, conn, "DROP VIEW signed_in", "DROP VIEW playing", "DROP VIEW history", "DELETE FROM oneseat_migrations WHERE number = 2", "PRAGMA wal_checkpoint(TRUNCATE)")
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	},
	"2": writeReleased,
}

func writeReleased(t *testing.T, path string) {
	if err := os.WriteFile(path, released.File(t, "sqlite.file"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// stored says what a file has: whether it is whole, and the rows of its tables, in short.
func stored(t *testing.T, path string) (all string) {
	t.Helper()
	err := shell(t, path).QueryRowContext(context.Background(), `SELECT concat_ws(' ', (SELECT integrity_check FROM pragma_integrity_check),
		(SELECT group_concat(hex(key) || version || roster) FROM (SELECT * FROM oneseat_rosters ORDER BY key)),
		(SELECT group_concat(id || event) FROM (SELECT * FROM oneseat_events ORDER BY id)),
		(SELECT group_concat(concat_ws('/', realm, epoch, accounts, sessions, streams)) FROM (SELECT * FROM oneseat_counts ORDER BY realm, epoch)))`).Scan(&all)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A process may be killed at any row and at any commit of any migration. A file of any
// schema then opens again, is wholly migrated, and has all its rows.
func TestAMigrationThatIsKilledIsCompletedByTheNextOne(t *testing.T) {
	t.Parallel()
	_, path := fresh(t)
	want := names(t, path)
	rows := map[bool]string{false: stored(t, path)}
	whole := filepath.Join(t.TempDir(), "oneseat.db")
	writeReleased(t, whole)
	if err := open(t, whole).Close(); err != nil {
		t.Fatal(err)
	}
	rows[true] = stored(t, whole)
	for schema, write := range olderFiles {
		for _, of := range []string{"a row", "a commit"} {
			kills := 0
			for ; ; kills++ {
				path := filepath.Join(t.TempDir(), "oneseat.db")
				write(t, path)
				p := start(t, self(t), "migrating", nil, path, of, strconv.Itoa(kills+1))
				if p.lines.Scan() { // it is open: there was nothing more
					p.wait(t)
					break
				}
				if err := p.cmd.Wait(); p.cmd.ProcessState.ExitCode() != -1 {
					t.Fatalf("schema %s, %s %d: it was not killed: %v: %s", schema, of, kills+1, err, p.errs.String())
				}
				s, err := sqlitestore.Open(path)
				if err != nil {
					t.Fatalf("schema %s, killed at %s %d: %v", schema, of, kills+1, err)
				}
				if schema != "none" && of == "a commit" {
					released.Check(t, s, "sqlite.json")
				} else if now := stored(t, path); now != rows[schema != "none"] {
					t.Errorf("schema %s, killed at %s %d: there is %s", schema, of, kills+1, now)
				}
				released.Names(t, want, names(t, path))
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
			if kills == 0 {
				t.Errorf("schema %s: no migration was killed at %s", schema, of)
			}
			t.Logf("schema %s was killed at %s %d times", schema, of, kills)
		}
	}
}

// After a step back to an older release, that release finds a schema that it does not
// know.
func TestAFileOfANewerReleaseIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	s, path := fresh(t)
	signIn(t, s, "ada", "A")
	run(t, shell(t, path), "INSERT INTO oneseat_migrations VALUES (999, '0999_future.sql', '')", "CREATE TABLE oneseat_future (x)")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "oneseat.db")
	run(t, shell(t, path), fmt.Sprintf("VACUUM INTO '%s'", copied))
	was, err := os.ReadFile(copied)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err := sqlitestore.Open(copied)
		wantFailure(t, err, oneseat.FailureNewer)
		if !strings.Contains(err.Error(), "upgrade this one (its schema is 999, this release knows ") {
			t.Errorf("it says %v", err)
		}
	}
	now, err := os.ReadFile(copied)
	left, _ := filepath.Glob(copied + "*") // the pattern is good
	if err != nil || !bytes.Equal(now, was) || len(left) != 1 {
		t.Errorf("the file was changed: %v; there is %q", err, left)
	}
}
