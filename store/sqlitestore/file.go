package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/internal/decoded"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

const (
	// lockPatience is how long a call waits for the lock of another process.
	lockPatience = 5 * time.Second
	// lockPoll is how often it looks. SQLite's own waits grow to 100 ms, and between
	// two of them a busy process takes the lock again and again.
	lockPoll = time.Millisecond
	// logPatience is how long a -wal may look as if it did not belong to the file.
	logPatience = time.Second
	// readers is how many reads run at once.
	readers = 8
)

// file is a database file that is open: its three files, the connections that read
// them, and the rosters that were read lately.
type file struct {
	path   string // absolute
	places places
	locks  *locks
	base   baseline

	// The first and the last connection do no work. They keep the three files open as
	// long as there is a store. first may write, last may not.
	first, last link
	joined      bool // this process has the same files as all others

	db    *sql.DB
	known *decoded.Rosters

	load, loadMany, changes, due *sql.Stmt

	log string       // the log's incarnation when the file was opened
	end atomic.Int64 // the last event that was seen
}

// openFile opens the database at an absolute path. If need be it makes or migrates the
// database.
func openFile(path string) (*file, error) {
	if err := survey(path); err != nil {
		return nil, err
	}
	ctx := context.Background()
	var f *file
	err := retryLocked(lockPatience, nil, func() (err error) {
		f = &file{path: path, known: decoded.New()}
		if err = f.open(ctx); err != nil {
			err = errors.Join(err, f.close(err))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// open opens everything that f has. After an error close f.
func (f *file) open(ctx context.Context) (err error) {
	// The last connection is opened first. Without it, the other connection would, when
	// an error closes it, move the content of a -wal that it finds into the file.
	if _, err := os.Stat(f.path); !errors.Is(err, fs.ErrNotExist) {
		if f.last, err = connect(ctx, f.path, "ro", 0); err != nil {
			return err
		}
	}
	if f.first, err = connect(ctx, f.path, "rwc", 0); err != nil {
		return err
	}
	if f.last.conn == nil {
		if f.last, err = connect(ctx, f.path, "ro", 0); err != nil {
			return err
		}
	}
	if err := useWAL(ctx, f.first.conn, f.path); err != nil {
		return err
	}
	if err := f.join(ctx); err != nil {
		return err
	}
	if err := f.takeLog(ctx); err != nil {
		return err
	}
	f.joined = true
	if err := migrate(ctx, f.first.conn, f.path); err != nil {
		return err
	}
	f.db = pool(f.path, "rw", lockPatience, readers)
	if err := f.prepare(ctx); err != nil {
		return err
	}
	t, err := f.tail(ctx, "", 1)
	f.log, _, _ = strings.Cut(string(t.Cursor), ".")
	return errors.Join(err, f.prove())
}

// join finds out whether this process has the same three files open as all others that
// have the database open. Until then it writes nothing.
func (f *file) join(ctx context.Context) (err error) {
	var version int // reading opens the -wal and the -shm
	if err := f.last.conn.QueryRowContext(ctx, "PRAGMA schema_version").Scan(&version); err != nil {
		return err
	}
	if f.places, err = placesOf(f.path); err != nil {
		return err
	}
	if f.locks, err = locksOf(&f.places); err != nil {
		return err
	}
	for began := time.Now(); f.locks.apart(); time.Sleep(lockPoll) {
		if time.Since(began) > lockPatience {
			return split(isElsewhere, f.path, nil)
		}
	}
	return nil
}

// takeLog takes over what another process has left in the -wal. That process did not
// end properly, or is still running. It makes no difference whether others have the
// database open, because they may be finding out the same. If they write to the file at
// that moment, half a page may be read, so it is read again.
func (f *file) takeLog(ctx context.Context) error {
	if f.places.files[1].size() == 0 {
		return nil
	}
	if ours, err := f.checkLog(ctx); err != nil || !ours {
		return err
	}
	_, err := f.first.conn.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)")
	return err
}

// checkLog returns an error if the -wal was not written for what is in the file, and
// whether there is a store in both.
func (f *file) checkLog(ctx context.Context) (ours bool, err error) {
	if n, err := lastApplied(ctx, f.last.conn); err != nil || n == 0 {
		return false, err
	}
	for began := time.Now(); ; time.Sleep(lockPoll) {
		err := checkLog(ctx, f.last.conn, f.path)
		if _, stale := lasting(err); !stale || time.Since(began) >= logPatience {
			return true, err
		}
	}
}

func (f *file) prepare(ctx context.Context) error {
	return prepare(ctx, f.db, map[**sql.Stmt]string{
		&f.load: loadSQL, &f.loadMany: loadManySQL, &f.changes: changesSQL, &f.due: dueSQL,
	})
}

// close closes the connections, and with them their prepared statements. why is what is
// wrong with the file, or nil. When the last connection of all that may write is
// closed, SQLite moves the -wal into the file and removes the -wal and the -shm at the
// path. It must not do that to files of others.
func (f *file) close(why error) (err error) {
	if _, apart := lasting(why); f.joined && !apart {
		err = f.last.close()
	}
	if f.db != nil {
		err = errors.Join(err, f.db.Close())
	}
	if f.locks != nil {
		f.locks.close()
	}
	return errors.Join(err, f.first.close(), f.last.close())
}

// check returns an error unless the three paths name the files that are open, and no
// older copy of the database was put back. It waits for nobody.
func (f *file) check() error {
	written, err := f.places.check()
	if err != nil {
		return err
	}
	return f.base.check(f.path, written, f.locks, false)
}

// prove does what check does. It also looks at the -wal itself, and whether another
// part of this process uses the files. That takes some microseconds more.
func (f *file) prove() error {
	written, err := f.places.check()
	if err != nil {
		return err
	}
	if err := f.base.check(f.path, written, f.locks, true); err != nil {
		return err
	}
	if err := f.locks.check(); err != nil {
		return err
	}
	return f.locks.checkWAL()
}

// rescue saves what only a removed -wal holds: it writes that into the database file,
// if nobody has written to another -wal since. It returns the error, which then says
// what became of the data. It waits for readers, and for another process that does the
// same. It is called once.
func (f *file) rescue(why *oneseat.StoreError) *oneseat.StoreError {
	var busy, all, moved int
	var err error
	for began := time.Now(); ; time.Sleep(lockPoll) {
		if !f.places.unlogged() {
			return why
		}
		err = f.first.conn.QueryRowContext(context.Background(), "PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &all, &moved)
		if err != nil || busy == 0 && all == moved || time.Since(began) > lockPatience {
			break
		}
	}
	what := "what it held is in the database file now"
	if err != nil || busy != 0 || all != moved {
		what = fmt.Sprintf("some of what it held is not in the database file: %v", err)
	}
	said := *why
	said.Err = fmt.Errorf("%w; %s", why.Err, what)
	return &said
}

// pool makes connections to the file when they are needed.
func pool(path, access string, patience time.Duration, size int) *sql.DB {
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), OmitHost: true}
	u.RawQuery = url.Values{
		"mode": {access},
		"_pragma": {
			fmt.Sprintf("busy_timeout(%d)", patience.Milliseconds()),
			"synchronous(FULL)",
			"secure_delete(ON)", // what is erased is not left in free space of the file
		},
	}.Encode()
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		panic(err) // the driver is not registered: impossible, because it is imported above
	}
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db
}

// link is a pool with one connection, and that connection. The zero link is closed.
type link struct {
	db   *sql.DB
	conn *sql.Conn
}

func connect(ctx context.Context, path, access string, patience time.Duration) (link, error) {
	db := pool(path, access, patience, 1)
	conn, err := db.Conn(ctx)
	if err != nil {
		return link{}, errors.Join(err, db.Close())
	}
	return link{db, conn}, nil
}

// close closes the connection. A second call does nothing.
func (l *link) close() error {
	if l.db == nil {
		return nil
	}
	err := errors.Join(l.conn.Close(), l.db.Close())
	*l = link{}
	return err
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

// checkPath returns the absolute path of the path that Open was given.
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

// retryLocked calls do until it succeeds, fails for another reason than a lock, has
// found the file locked for patience, or stop is closed.
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
