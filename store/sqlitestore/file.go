package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"github.com/oneseat/oneseat/store/internal/decoded"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/oneseat/oneseat"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

const (
	// lockPatience is how long anything waits for another process's lock.
	lockPatience = 5 * time.Second
	// lockPoll is how often it looks. SQLite's own waiting grows to 100 ms,
	// between which a busy process takes the lock again and again.
	lockPoll = time.Millisecond
	// readers is how many reads go on at once.
	readers = 8
)

// file is a database file that was opened: which one it was, the connections
// that read it, and the rosters that they read lately.
type file struct {
	info  os.FileInfo
	db    *sql.DB
	known *decoded.Rosters

	load, loadMany, changes, due *sql.Stmt
}

// openFile opens, and if need be makes or migrates, the database at an absolute
// path.
func openFile(path string, create bool) (_ *file, err error) {
	ctx := context.Background()
	access := "rw"
	if create {
		access = "rwc"
	}
	var setup *sql.DB // kept until there is another connection: the last one to close cleans up
	err = retryLocked(lockPatience, nil, func() error {
		db, conn, err := connect(ctx, path, access, 0)
		if err != nil {
			return err
		}
		if err := errors.Join(migrate(ctx, conn, path), conn.Close()); err != nil {
			return errors.Join(err, db.Close())
		}
		setup = db
		return nil
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, setup.Close()) }()
	f := &file{db: pool(path, "rw", lockPatience, readers), known: decoded.New()}
	if err := f.prepare(ctx); err != nil {
		return nil, errors.Join(err, f.close())
	}
	if f.info, err = os.Stat(path); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

func (f *file) prepare(ctx context.Context) error {
	return prepare(ctx, f.db, map[**sql.Stmt]string{
		&f.load: loadSQL, &f.loadMany: loadManySQL, &f.changes: changesSQL, &f.due: dueSQL,
	})
}

// close closes the connections, and with them what was prepared on them.
func (f *file) close() error { return f.db.Close() }

// pool makes connections to the file as they are needed.
func pool(path, access string, patience time.Duration, size int) *sql.DB {
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), OmitHost: true}
	u.RawQuery = url.Values{
		"mode": {access},
		"_pragma": {
			fmt.Sprintf("busy_timeout(%d)", patience.Milliseconds()),
			"synchronous(FULL)",
		},
	}.Encode()
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		panic(err) // the driver is not registered: impossible, it is imported above
	}
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db
}

// connect makes one connection and a pool that holds no other.
func connect(ctx context.Context, path, access string, patience time.Duration) (*sql.DB, *sql.Conn, error) {
	db := pool(path, access, patience, 1)
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, conn, nil
}

type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

func prepare(ctx context.Context, on preparer, statements map[**sql.Stmt]string) error {
	for to, query := range statements {
		var err error
		if *to, err = on.PrepareContext(ctx, query); err != nil { //nolint:sqlclosecheck // the end of the connections does
			return err
		}
	}
	return nil
}

// checkPath returns the absolute path of what Open was given.
func checkPath(path string) (string, error) {
	if path == "" || path == ":memory:" || strings.HasPrefix(path, "file:") || strings.Contains(path, "://") || strings.ContainsRune(path, 0) {
		return "", failed(oneseat.FailureAddress, fmt.Sprintf("%q", path), nil)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", failed(oneseat.FailureAddress, path, err)
	}
	if _, err := os.Stat(filepath.Dir(abs)); err != nil {
		return "", explain(abs, err)
	}
	if info, err := os.Stat(abs); err == nil && !info.Mode().IsRegular() {
		return "", failed(oneseat.FailureAddress, abs, fmt.Errorf("its mode is %v", info.Mode()))
	}
	return abs, nil
}

// retryLocked calls do until it succeeds, fails for another reason than a lock,
// has found the file locked for as long as patience, or stop is closed.
func retryLocked(patience time.Duration, stop <-chan struct{}, do func() error) error {
	began := time.Now()
	for {
		err := do()
		if err == nil || failureOf(err) != oneseat.FailureBusy || time.Since(began) >= patience {
			return err
		}
		select {
		case <-time.After(lockPoll):
		case <-stop:
			return oneseat.ErrStoreClosed
		}
	}
}
