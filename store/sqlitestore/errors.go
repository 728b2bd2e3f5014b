package sqlitestore

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/oneseat/oneseat"
	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// problems say what can be wrong with a file, and what to do about it.
var problems = map[oneseat.StoreFailure]string{
	oneseat.FailureOther:       "the database failed",
	oneseat.FailureAddress:     "not the path of a file: give one on a local file system, no URI, not \":memory:\" (package memstore keeps rosters in memory)",
	oneseat.FailureUnreachable: "the database cannot be opened: see that the file and its directory exist, that this user may read and write both, and that the process has file descriptors left; until then nothing is allowed",
	oneseat.FailureReadOnly:    "the database cannot be written: give this user the right to write the file, those beside it that end in -wal and -shm, and the directory, and see that the file system is not mounted read-only",
	oneseat.FailureBusy:        "the database is locked: find out which program keeps a transaction open on it (fuser shows which processes have the file open) and end that; nothing was written",
	oneseat.FailureFull:        "no space left for the database: make room on the file system; nothing was written",
	oneseat.FailureDisk:        "the disk, or the file system, failed: see the system's log",
	oneseat.FailureDamaged:     "the database is damaged: stop every process that uses it, keep a copy, and restore a backup (or try the sqlite3 shell's .recover); where a copy was just restored, see that no -wal and -shm of before are beside it",
	oneseat.FailureForeign:     "the file belongs to another program: choose another path",
	oneseat.FailureNewer:       "the database was written by a newer release of oneseat: upgrade this one",
	oneseat.FailureUnsupported: "SQLite's locks and shared memory do not work on this file system: put the file on a local disk, in a container on a local volume; for several machines take PostgreSQL or Redis",
}

// These say how one file can become two stores, see places.go, and what to do about it.
const (
	isLinked    = "the database file has a second name, a hard link, and a process that opens it by that name does not see what this one commits: find it (find / -xdev -samefile FILE), remove it, and start again; to copy a database use VACUUM INTO or .backup"
	isMounted   = "only the file is mounted, not the folder that it is in, so that its -wal and -shm are not those of others, and go with this container: mount the folder"
	isElsewhere = "another process has the database file open with another -wal and -shm: they were removed under it, or it knows the file by another name or mount. End that process (fuser shows which processes have the file open), and start again"
	isUnlocked  = "something in this process opens the database past the SQLite that this store uses, and undoes its locks: nothing is allowed until the process is started again. Use modernc.org/sqlite for every connection to the file in this process, and never open the file, its -wal or its -shm in another way"
	isReplaced  = "the database file, its -wal or its -shm was removed, replaced, emptied or put back under a process that had it open: nothing is allowed by this process until it is started again. End every process that uses the file; where a copy was restored, remove the -wal and -shm of before; start again, and call EndRealm, since what had ended may be live again"
	isStale     = "the -wal beside the database file belongs to another state of the file, as if a copy had been put in its place: if it was, remove the files that end in -wal and -shm, start again, and call EndRealm; if not, keep a copy of all three and take the -wal as it is: sqlite3 FILE 'PRAGMA wal_checkpoint(TRUNCATE)'"
)

// failed returns an error of the store on the file at path.
func failed(f oneseat.StoreFailure, path string, err error) error {
	return &oneseat.StoreError{Store: "sqlitestore", Where: path, Failure: f, Problem: problems[f], Err: err}
}

// split returns the error of a store that is not the only one on the file at path.
func split(problem, path string, err error) error {
	return &oneseat.StoreError{Store: "sqlitestore", Where: path, Failure: oneseat.FailureSplit, Problem: problem, Err: err}
}

// lasting reports whether an error is one that stays, because nobody can know what
// happened in between. If so, it returns the error as a *[oneseat.StoreError].
func lasting(err error) (*oneseat.StoreError, bool) {
	e, ok := errors.AsType[*oneseat.StoreError](err)
	return e, ok && e.Failure == oneseat.FailureSplit
}

// explain makes a *[oneseat.StoreError] of the error of a call on the file at path. An
// error that is not about the file stays as it is: a context's error, or one unreadable
// roster.
func explain(path string, err error) error {
	_, done := errors.AsType[*oneseat.StoreError](err)
	_, format := errors.AsType[*oneseat.FormatError](err)
	if err == nil || done || format || errors.Is(err, oneseat.ErrStoreClosed) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return failed(failureOf(err), path, err)
}

func failureOf(err error) oneseat.StoreFailure {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOTDIR) {
		return oneseat.FailureUnreachable
	}
	switch code(err) {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return oneseat.FailureBusy
	case lib.SQLITE_READONLY, lib.SQLITE_PERM:
		return oneseat.FailureReadOnly
	case lib.SQLITE_FULL:
		return oneseat.FailureFull
	case lib.SQLITE_IOERR:
		return oneseat.FailureDisk
	case lib.SQLITE_CORRUPT:
		return oneseat.FailureDamaged
	case lib.SQLITE_CANTOPEN:
		return oneseat.FailureUnreachable
	case lib.SQLITE_NOTADB:
		return oneseat.FailureForeign
	}
	return oneseat.FailureOther
}

// code returns SQLite's primary result code, or 0 if err is not SQLite's.
func code(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}
