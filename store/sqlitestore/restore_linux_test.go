package sqlitestore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"modernc.org/sqlite"
)

// within runs do on a connection of this process that is closed at once.
func within(t *testing.T, path string, do func(*sql.Conn) error) {
	t.Helper()
	db, err := sql.Open("sqlite", path+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(t.Context())
	if err == nil {
		err = errors.Join(do(conn), conn.Close())
	}
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// backupper is what the driver can do besides SQL.
type backupper interface {
	NewBackup(to string) (*sqlite.Backup, error)
	NewRestore(from string) (*sqlite.Backup, error)
}

func backup(conn *sql.Conn, begin func(backupper) (*sqlite.Backup, error)) error {
	return conn.Raw(func(c any) error {
		b, err := begin(c.(backupper))
		if err != nil {
			return err
		}
		_, err = b.Step(-1)
		return errors.Join(err, b.Finish())
	})
}

// copies are the ways to copy a database. cp is for one that nobody uses.
var copies = map[string]func(t *testing.T, from, to string){
	"VACUUM INTO": func(t *testing.T, from, to string) {
		within(t, from, func(c *sql.Conn) error {
			_, err := c.ExecContext(t.Context(), "VACUUM INTO ?", to)
			return err
		})
	},
	".backup": func(t *testing.T, from, to string) {
		within(t, from, func(c *sql.Conn) error {
			return backup(c, func(b backupper) (*sqlite.Backup, error) { return b.NewBackup(to) })
		})
	},
	"cp": func(t *testing.T, from, to string) {
		checkpoint(t, from)
		if err := copyFile(from, to); err != nil {
			t.Fatal(err)
		}
	},
}

// checkpoint moves everything in a -wal into the file, and empties the -wal.
func checkpoint(t *testing.T, path string) {
	t.Helper()
	within(t, path, func(c *sql.Conn) error {
		busy := 1
		var err error
		waitUntil(t, func() bool {
			var all, moved int
			err = c.QueryRowContext(t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &all, &moved)
			return err != nil || busy == 0
		}, func() string { return "somebody reads all the time" })
		return err
	})
}

// overwrite puts a copy in the place of a database as cp does: it is the same file with
// other content.
func overwrite(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}

func moveOver(from, to string) error {
	return errors.Join(overwrite(from, to+".new"), os.Rename(to+".new", to))
}

func TestACopyThatIsPutBackUnderRunningNodesLetsNobodyIn(t *testing.T) {
	t.Parallel()
	for name, take := range copies {
		for how, put := range map[string]func(from, to string) error{
			"copied over the file": overwrite,
			"moved over the file":  moveOver,
			"restored by SQLite": func(from, to string) error {
				db, err := sql.Open("sqlite", to+"?_pragma=busy_timeout(10000)")
				if err != nil {
					return err
				}
				conn, err := db.Conn(context.WithoutCancel(t.Context()))
				if err == nil {
					err = backup(conn, func(b backupper) (*sqlite.Backup, error) { return b.NewRestore(from) })
					err = errors.Join(err, conn.Close())
				}
				return errors.Join(err, db.Close())
			},
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				t.Parallel()
				path := filepath.Join(t.TempDir(), "oneseat.db")
				a, b := running(t, path), running(t, path)
				wantSays(t, a, "all in: <nil>", "crowd before")
				take(t, path, path+".copy")
				wantSays(t, b, "all in: <nil>", "crowd after")
				old, current := displaced(t, a, b)
				checkpoint(t, path)
				wantSays(t, a, "proven: <nil>", "prove")
				wantSays(t, b, "proven: <nil>", "prove")
				wantSays(t, b, "live", "check", current)
				if err := put(path+".copy", path); err != nil {
					t.Fatal(err)
				}
				wantNo(t, "removed, replaced, emptied or put back", []*process{a, b}, old, current)
				killAll(t, a, b)

				// This is what the operator is asked to do.
				for _, suffix := range []string{"-wal", "-shm"} {
					if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
						t.Fatal(err)
					}
				}
				c := running(t, path)
				displaced(t, c, c)
				killAll(t, c)
			})
		}
	}
}

func TestACopyThatIsPutBesideTheLogOfAnotherStateIsRefused(t *testing.T) {
	t.Parallel()
	for name, take := range copies {
		// Much in the -wal makes no sense with another file. A little may.
		much := func(t *testing.T, p *process) { wantSays(t, p, "all in: <nil>", "crowd more") }
		little := func(t *testing.T, p *process) { p.ask(t, "signin zoe") }
		for what, since := range map[string]struct{ inFile, inLog func(*testing.T, *process) }{
			"little since":                  {little, little},
			"much since, little in the log": {much, little},
			"much since":                    {much, much},
		} {
			t.Run(name+", "+what, func(t *testing.T) {
				t.Parallel()
				path := filepath.Join(t.TempDir(), "oneseat.db")
				a := running(t, path)
				old := a.ask(t, "signin ada")
				wantSays(t, a, "all in: <nil>", "crowd before")
				take(t, path, path+".copy")
				current := a.ask(t, "signin ada")
				since.inFile(t, a)
				checkpoint(t, path)
				since.inLog(t, a)
				killAll(t, a)
				if err := overwrite(path+".copy", path); err != nil {
					t.Fatal(err)
				}
				before := contents(t, path)
				// They are started at once, as by a supervisor. No node takes another
				// one for a proof that all is well.
				nodes := []*process{start(t, self(t), "node", nil, path), start(t, self(t), "node", nil, path), start(t, self(t), "node", nil, path)}
				for _, p := range nodes {
					if said := p.says(t); !strings.HasPrefix(said, "refused: ") || !strings.Contains(said, "-wal") || !strings.Contains(said, "-shm") {
						t.Fatalf("%s, and the session that was displaced: %s", said, p.ask(t, "check", old))
					}
				}
				for _, p := range nodes {
					p.wait(t)
				}
				if after := contents(t, path); after != before {
					t.Error("the files were changed")
				}
				remove(t, path+"-wal", path+"-shm")
				c := running(t, path)
				wantSays(t, c, "live", "check", old) // as in the copy, until EndRealm
				if said := c.ask(t, "check", current); said == "live" {
					t.Error("what is not in the copy is live")
				}
				displaced(t, c, c)
				killAll(t, c)
			})
		}
	}
}

// A copy that was made by VACUUM INTO is told from any other, even where everything
// that came since is the application's own, or nothing came.
func TestACopyThatVacuumMadeIsKnown(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "oneseat.db")
	a := running(t, path)
	old, current := displaced(t, a, a)
	write := func(statement string) {
		t.Helper()
		within(t, path, func(c *sql.Conn) error {
			_, err := c.ExecContext(t.Context(), statement)
			return err
		})
	}
	write("CREATE TABLE notes (note TEXT)")
	checkpoint(t, path)
	copies["VACUUM INTO"](t, path, path+".copy")
	write("INSERT INTO notes VALUES ('one')")

	wantSays(t, a, "proven: <nil>", "prove")
	if err := overwrite(path+".copy", path); err != nil {
		t.Fatal(err)
	}
	wantNo(t, "removed, replaced, emptied or put back", []*process{a}, old, current)
	killAll(t, a)
	wantRefused(t, path, "-wal and -shm")
}

// contents returns the bytes of a database and its -wal.
func contents(t *testing.T, path string) string {
	t.Helper()
	a, err := os.ReadFile(path)
	b, err2 := os.ReadFile(path + "-wal")
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x %x", a, b)
}

// A process that is killed leaves a file and a -wal that belong together, wherever the
// last checkpoint was.
func TestWhatAKilledProcessLeftIsTakenForWhatItIs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "oneseat.db")
	a := running(t, path)
	var token string
	image := func(name string) {
		t.Helper()
		to := filepath.Join(t.TempDir(), "oneseat.db")
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if err := overwrite(path+suffix, to+suffix); err != nil {
				t.Fatal(err)
			}
		}
		b := running(t, to)
		if said := b.ask(t, "check", token); said != "live" {
			t.Errorf("%s: %s", name, said)
		}
		killAll(t, b)
	}
	token = a.ask(t, "signin ada")
	image("nothing is in the file yet")
	wantSays(t, a, "all in: <nil>", "crowd one")
	within(t, path, func(c *sql.Conn) error {
		_, err := c.ExecContext(t.Context(), "PRAGMA wal_checkpoint(PASSIVE)")
		return err
	})
	image("all is in both")
	wantSays(t, a, "all in: <nil>", "crowd two")
	image("the -wal has begun anew")
	checkpoint(t, path)
	image("all is in the file")
	token = a.ask(t, "signin grace")
	image("one sign-in is in the -wal")
	within(t, path, func(c *sql.Conn) error {
		_, err := c.ExecContext(t.Context(), "DELETE FROM oneseat_events; UPDATE oneseat_meta SET trimmed = (SELECT seq FROM sqlite_sequence WHERE name = 'oneseat_events')")
		return err
	})
	image("all events are trimmed, and the file does not know")
	token = a.ask(t, "signin alan")
	image("and one has come since")
	killAll(t, a)
}

// What SQLite itself does to the file is not taken for a copy that was put in its
// place, by nodes that run and by one that is started in between.
func TestNodesAreNotDisturbedByVacuumAndCheckpoints(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "oneseat.db")
	a, b := running(t, path), running(t, path)
	wantSays(t, a, "all in: <nil>", "crowd before")
	for i := range 5 {
		done := make(chan string)
		late := start(t, self(t), "node", nil, path)
		go func() { done <- b.ask(t, fmt.Sprint("crowd meanwhile", i)) }()
		within(t, path, func(c *sql.Conn) error {
			var err error
			for _, statement := range []string{"PRAGMA wal_checkpoint(PASSIVE)", "VACUUM", "PRAGMA wal_checkpoint(PASSIVE)", "PRAGMA wal_checkpoint(TRUNCATE)"} {
				_, e := c.ExecContext(t.Context(), statement)
				err = errors.Join(err, e)
			}
			return err
		})
		switch said := late.says(t); {
		case said == "ready":
			late.kill(t)
		case strings.Contains(said, "the database is locked"): // as on a busy machine
			late.wait(t)
		default:
			t.Error(said)
		}
		if said := <-done; said != "all in: <nil>" {
			t.Fatal(said)
		}
		wantSays(t, a, "proven: <nil>", "prove")
		displaced(t, a, b)
	}
	killAll(t, a, b)
	c := running(t, path)
	displaced(t, c, c)
	killAll(t, c)
}
