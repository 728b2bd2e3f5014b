package sqlitestore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/oneseat/oneseat"
)

//go:embed schema/*.sql
var schema embed.FS

// applicationID is in the header of every file of ours, where file(1) and other
// programs look. It is "1sea" in ASCII.
const applicationID = 0x31736561

// migrate brings the file that conn has open to the schema of this release. path is for
// errors. It applies every migration that has not been applied, each in a transaction
// of its own. Several processes may do so at once, because each looks for the next
// migration under the write lock.
//
// A file of another program or of a newer release stays as it is. An error because of a
// lock leaves nothing half done: call migrate again.
func migrate(ctx context.Context, conn *sql.Conn, path string) error {
	files, err := migrations()
	for again := true; again && err == nil; {
		err = within(ctx, conn, "BEGIN IMMEDIATE", func() (commit bool, err error) {
			again, err = step(ctx, conn, path, files)
			return again, err
		})
	}
	return err
}

// migrations returns the files of the schema, in the order of their names.
func migrations() ([]string, error) { return fs.Glob(schema, "schema/*.sql") }

// within runs do in a transaction. It commits if do says so and returns no error;
// otherwise it rolls back.
func within(ctx context.Context, conn *sql.Conn, begin string, do func() (commit bool, err error)) error {
	if _, err := conn.ExecContext(ctx, begin); err != nil {
		return err
	}
	commit, err := do()
	if err == nil && commit {
		_, err = conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil || !commit {
		// A transaction that failed may have ended by itself. Then this fails, and
		// there is nothing left to undo.
		_, _ = conn.ExecContext(ctx, "ROLLBACK")
	}
	return err
}

// checkOwner returns an error if we may not use the file. A file without an application
// id may be new, or the application's own, which we may join.
func checkOwner(ctx context.Context, conn *sql.Conn, path string, known int) error {
	var id int64
	if err := conn.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return err
	}
	if id != 0 && id != applicationID {
		return failed(oneseat.FailureForeign, path, fmt.Errorf("its application id is %#x, not %#x", id, applicationID))
	}
	n, err := lastApplied(ctx, conn)
	if err == nil && n > known {
		err = failed(oneseat.FailureNewer, path, fmt.Errorf("its schema is %d, this release knows %d", n, known))
	}
	if err != nil || n > 0 {
		return err
	}
	var taken string
	err = conn.QueryRowContext(ctx, "SELECT name FROM sqlite_schema WHERE name LIKE 'oneseat%' OR name IN ('signed_in', 'playing', 'history')").Scan(&taken)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err == nil:
		err = failed(oneseat.FailureForeign, path, fmt.Errorf("it has %q, which is a name that we need", taken))
	}
	return err
}

// lastApplied returns the number of the last migration that was applied.
func lastApplied(ctx context.Context, conn *sql.Conn) (n int, err error) {
	var there bool
	err = conn.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'oneseat_migrations')").Scan(&there)
	if err == nil && there {
		err = conn.QueryRowContext(ctx, "SELECT coalesce(max(number), 0) FROM oneseat_migrations").Scan(&n)
	}
	return n, err
}

// useWAL switches a file that is ours, or may become ours, to write-ahead logging. The
// file remembers that.
func useWAL(ctx context.Context, conn *sql.Conn, path string) error {
	files, err := migrations()
	if err != nil {
		return err
	}
	owned := func() (commit bool, err error) { return false, checkOwner(ctx, conn, path, len(files)) }
	if err := within(ctx, conn, "BEGIN", owned); err != nil {
		return err
	}
	var mode string
	err = conn.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode)
	if err == nil && mode != "wal" {
		err = fmt.Errorf("write-ahead logging is not possible here, the journal mode stays %q: use a local file system", mode)
	}
	return err
}

// step applies the next migration and says whether there was one. If there was none it
// finds out whether the file can be written, which BEGIN IMMEDIATE alone does not.
func step(ctx context.Context, conn *sql.Conn, path string, files []string) (applied bool, err error) {
	if err := checkOwner(ctx, conn, path, len(files)); err != nil {
		return false, err
	}
	n, err := lastApplied(ctx, conn)
	if err != nil {
		return false, err
	}
	if n == len(files) {
		_, err := conn.ExecContext(ctx, "UPDATE oneseat_meta SET floor = floor")
		return false, err
	}
	if err := apply(ctx, conn, n+1, files[n]); err != nil {
		return false, fmt.Errorf("migration %s: %w", files[n], err)
	}
	return true, nil
}

// apply runs one migration inside the open transaction.
func apply(ctx context.Context, conn *sql.Conn, number int, file string) error {
	script, err := schema.ReadFile(file)
	if err != nil {
		return err
	}
	for _, statement := range []string{
		fmt.Sprintf("PRAGMA application_id = %d", applicationID),
		"CREATE TABLE IF NOT EXISTS oneseat_migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT NOT NULL) STRICT",
		string(script),
	} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	_, err = conn.ExecContext(ctx, "INSERT INTO oneseat_migrations VALUES (?, ?, ?)",
		number, strings.TrimPrefix(file, "schema/"), time.Now().UTC().Format(time.DateTime))
	return err
}
