package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/oneseat/oneseat"
	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// ErrClosed: the store was closed. An update that got it was not made.
var ErrClosed = errors.New("sqlitestore: the store is closed: open it again")

// Kind says what is wrong with a database file.
type Kind int

// What can be wrong. Whatever it is, the store goes on by itself once it has
// been mended; only NotAPath, Foreign and Newer need another call of Open.
const (
	Other    Kind = iota // SQLite says what
	NotAPath             // Open got something else than the path of a file
	Missing              // no such file or directory, or not allowed to open it
	ReadOnly             // it cannot be written
	Locked               // another connection has kept it locked
	Full                 // no space left
	IO                   // the disk failed
	Corrupt              // the file is damaged
	Foreign              // the file is something else
	Newer                // the file was written by a newer release
)

var meaning = map[Kind]string{
	Other:    "the database failed",
	NotAPath: "not the path of a file: give one on a local file system, no URI, not \":memory:\" (package memstore keeps rosters in memory)",
	Missing:  "the database cannot be opened: see that the file and its directory exist, that this user may read and write both, and that the process has file descriptors left; until then nothing is allowed",
	ReadOnly: "the database cannot be written: give this user the right to write the file, those beside it that end in -wal and -shm, and the directory, and see that the file system is not mounted read-only",
	Locked:   "the database is locked: find out which program keeps a transaction open on it (fuser shows who has the file open) and end that; nothing was written",
	Full:     "no space left for the database: make room on the file system; nothing was written",
	IO:       "the disk, or the file system, failed: see the system's log",
	Corrupt:  "the database is damaged: stop every process that uses it, keep a copy, and restore a backup (or try the sqlite3 shell's .recover)",
	Foreign:  "the file belongs to another program: choose another path",
	Newer:    "the database was written by a newer release of oneseat: upgrade this one",
}

// Error is what came instead of a result: nothing is to be allowed on account
// of it. The update that it answers was not made, unless it also wraps
// [oneseat.ErrUnknownOutcome].
type Error struct {
	Kind Kind
	Path string // of the database file
	Err  error  // what SQLite or the system said; may be nil
}

// Error says what happened, and what to do.
func (e *Error) Error() string {
	s := fmt.Sprintf("sqlitestore: %s: %s", e.Path, meaning[e.Kind])
	if e.Err != nil {
		s += fmt.Sprintf(" (%v)", e.Err)
	}
	return s
}

// Unwrap is what SQLite or the system said.
func (e *Error) Unwrap() error { return e.Err }

// explain makes an *Error of what a call on the file at path returned. What is
// not about the file stays as it is: a context's error, one unreadable roster.
func explain(path string, err error) error {
	_, done := errors.AsType[*Error](err)
	_, format := errors.AsType[*oneseat.FormatError](err)
	if err == nil || done || format || errors.Is(err, ErrClosed) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &Error{Kind: kindOf(err), Path: path, Err: err}
}

func kindOf(err error) Kind {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return Missing
	}
	switch code(err) {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return Locked
	case lib.SQLITE_READONLY, lib.SQLITE_PERM:
		return ReadOnly
	case lib.SQLITE_FULL:
		return Full
	case lib.SQLITE_IOERR:
		return IO
	case lib.SQLITE_CORRUPT:
		return Corrupt
	case lib.SQLITE_CANTOPEN:
		return Missing
	case lib.SQLITE_NOTADB:
		return Foreign
	}
	return Other
}

// code is SQLite's primary result code, 0 if err is not SQLite's.
func code(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}
