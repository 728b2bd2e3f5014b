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

// base is what the database file itself says, without its -wal. Checkpoints move pages
// from the -wal to the file, at different times, so the file as a whole may make no
// sense for a while. But each page only moves forward, and the id of the last event
// with it. Only a copy that was put in the place of the file moves it back.
type base struct {
	ours   bool  // the header is that of a database with a write-ahead log, as ours always has
	events int64 // the id of the last event; 0: the file does not say
}

const (
	headerSQL = `SELECT coalesce((SELECT substr(data, 19, 2) = x'0202' FROM sqlite_dbpage WHERE pgno = 1), 0),
		EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'oneseat_events')`
	lastEventSQL = `SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'oneseat_events'`
	// This reads what was logged since a base: how many events there should be, how
	// many there are, and whether a roster is older than one of them says.
	sinceSQL = `SELECT m.last - max(m.trimmed, ?1),
			(SELECT count(*) FROM oneseat_events WHERE id > max(m.trimmed, ?1)),
			EXISTS (SELECT 1 FROM oneseat_events AS e JOIN oneseat_rosters AS r ON r.key = e.key WHERE e.id > ?1 AND r.version < e.version)
		FROM (SELECT trimmed, (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'oneseat_events') AS last FROM oneseat_meta) AS m`
)

// readBase reads the database file at a path as it is. It takes no lock: what it finds
// while a checkpoint writes to the file means nothing.
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

// checkLog returns an error if the -wal beside the file was not written for what is in
// the file. conn sees both together. If the two do not belong together, conn misses
// everything that was committed after the older of the two was written and before the
// newer one was.
func checkLog(ctx context.Context, conn *sql.Conn, path string) error {
	b, err := readBase(path)
	if err != nil {
		b = base{ours: true} // treated as a file that does not say
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

// baseline notices if an older copy of the database file is put back while the file is
// open.
type baseline struct {
	seen   atomic.Pointer[stamp] // of the file, when it was last read
	mu     sync.Mutex            // held to read the file; guards events
	events int64                 // the id of the last event then
}

// check reads the file at path if it was written to since the last check. While a
// checkpoint writes to the file, half a page may be read. So check returns nil then,
// and leaves the file to the next check. While another call reads the file, check
// waits if wait is set, and otherwise returns nil.
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
	case err != nil: // the file makes no sense at this moment
	case !b.ours || b.events != 0 && b.events < l.events:
		return split(isReplaced, path, fmt.Errorf("the file ends with event %d, and had %d", b.events, l.events))
	default:
		l.events = max(l.events, b.events)
	}
	l.seen.Store(&written)
	return nil
}
