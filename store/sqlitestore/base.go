package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// base is what stands in the database file itself, without its -wal. A
// checkpoint moves some pages there, later ones some others, so that as a whole
// it makes no sense now and then. But each page only ever moves on, and with it
// the id of the last event; what moves it back is a copy that was put in the
// file's place.
type base struct {
	ours   bool  // the header is that of a database with a write-ahead log, as ours always is
	events int64 // the id of the last event; 0: it does not say
}

const (
	headerSQL = `SELECT coalesce((SELECT substr(data, 19, 2) = x'0202' FROM sqlite_dbpage WHERE pgno = 1), 0),
		EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'oneseat_events')`
	lastEventSQL = `SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'oneseat_events'`
	// What was logged since a base: how many events there should be and are, and
	// whether a roster is older than one of them says.
	sinceSQL = `SELECT m.last - max(m.trimmed, ?1),
			(SELECT count(*) FROM oneseat_events WHERE id > max(m.trimmed, ?1)),
			EXISTS (SELECT 1 FROM oneseat_events AS e JOIN oneseat_rosters AS r ON r.key = e.key WHERE e.id > ?1 AND r.version < e.version)
		FROM (SELECT trimmed, (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'oneseat_events') AS last FROM oneseat_meta) AS m`
)

// readBase reads the database file at a path as it is. It asks for no lock: what
// it finds while a checkpoint writes to the file means nothing.
func readBase(path string) (b base, err error) {
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), OmitHost: true, RawQuery: "mode=ro&immutable=1"}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return b, err
	}
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()
	var made bool
	if err := db.QueryRow(headerSQL).Scan(&b.ours, &made); err != nil || !made {
		return b, err
	}
	err = db.QueryRow(lastEventSQL).Scan(&b.events)
	return b, err
}

// checkLog returns an error if the -wal beside the file was not written on what
// is in the file. By what conn sees, which is the two as one, something that
// happened after the one was written and before the other then is missing.
func checkLog(ctx context.Context, conn *sql.Conn, path string) error {
	b, err := readBase(path)
	if err != nil {
		b = base{ours: true} // as of one that does not say
	}
	if !b.ours {
		return split(isStale, path, errors.New("the file never had a -wal, as if VACUUM INTO had made it"))
	}
	var want, have int64
	var older bool
	if err := conn.QueryRowContext(ctx, sinceSQL, b.events).Scan(&want, &have, &older); err != nil {
		return err
	}
	if max(want, 0) != have || older {
		return split(isStale, path, fmt.Errorf("the file ends with event %d, and of the %d after that the -wal has only some", b.events, want))
	}
	return nil
}

// baseline watches the database file for being put back while it is open.
type baseline struct {
	seen   atomic.Pointer[stamp] // the file's, when it was last looked into
	mu     sync.Mutex            // held to look into it; guards events
	events int64                 // what it ended with then
}

// check looks into the file, which is at path, if it was written to since the
// last check; while a checkpoint writes to it, and half a page may be read, the
// next check does. While another call looks, this one waits, or leaves it to that.
func (l *baseline) check(path string, written stamp, locks *locks, wait bool) error {
	current := func() bool { seen := l.seen.Load(); return seen != nil && *seen == written }
	if current() {
		return nil
	}
	if wait {
		l.mu.Lock()
	} else if !l.mu.TryLock() {
		return nil
	}
	defer l.mu.Unlock()
	before, still := locks.still()
	if !still || current() {
		return nil
	}
	b, err := readBase(path)
	if after, still := locks.still(); !still || after != before {
		return nil
	}
	switch {
	case err != nil: // it makes no sense now
	case !b.ours || b.events != 0 && b.events < l.events:
		return split(isReplaced, path, fmt.Errorf("the file ends with event %d, and had %d", b.events, l.events))
	default:
		l.events = max(l.events, b.events)
	}
	l.seen.Store(&written)
	return nil
}
