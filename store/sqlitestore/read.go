package sqlitestore

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/oneseat/oneseat"
)

const (
	loadSQL = `SELECT m.floor, r.version, r.roster
		FROM oneseat_meta AS m LEFT JOIN oneseat_rosters AS r ON r.key = ?`

	loadManySQL = `SELECT j.key, m.floor, r.version, r.roster
		FROM json_each(?) AS j CROSS JOIN oneseat_meta AS m LEFT JOIN oneseat_rosters AS r ON r.key = unhex(j.value)`

	changesSQL = `SELECT m.incarnation, m.trimmed,
			(SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'oneseat_events'),
			e.id, e.key, e.version, e.event
		FROM oneseat_meta AS m LEFT JOIN oneseat_events AS e ON e.id > ?
		WHERE m.one = 1 ORDER BY e.id LIMIT ?`

	dueSQL = `SELECT key FROM oneseat_rosters WHERE realm = ? AND due <= ? ORDER BY due LIMIT ?`
)

// page is how many events Changes reads at a time. An update with more events still
// comes as a whole.
const page = 1000

// wakePoll is how often Wake looks for what other processes have committed.
const wakePoll = 15 * time.Millisecond

// Load implements [oneseat.Store]. If one roster cannot be decoded, the whole call
// fails with a *[oneseat.FormatError]. Load the others without it.
func (s *Store) Load(ctx context.Context, keys ...oneseat.Key) ([]oneseat.View, error) {
	if err := ctx.Err(); err != nil || len(keys) == 0 {
		return nil, err
	}
	f, err := s.open()
	if err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	views := make([]oneseat.View, len(keys))
	if len(keys) == 1 {
		views[0], err = f.loadOne(ctx, f.load, keys[0])
	} else {
		err = f.loadAll(ctx, keys, views)
	}
	if err != nil {
		return nil, explain(s.path, err)
	}
	return views, nil
}

// loadOne reads one roster by load, which may be in a transaction.
func (f *file) loadOne(ctx context.Context, load *sql.Stmt, k oneseat.Key) (oneseat.View, error) {
	var (
		floor   int64
		version sql.NullInt64
		text    []byte
	)
	if err := load.QueryRowContext(ctx, k[:]).Scan(&floor, &version, &text); err != nil {
		return oneseat.View{}, err
	}
	return f.view(k, floor, version, text)
}

// loadAll reads the views of several rosters in one statement.
func (f *file) loadAll(ctx context.Context, keys []oneseat.Key, views []oneseat.View) error {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = hex.EncodeToString(k[:])
	}
	list, err := json.Marshal(names)
	if err != nil {
		return err
	}
	rows, err := f.loadMany.QueryContext(ctx, string(list)) //nolint:sqlclosecheck // each does
	return each(rows, err, func() error {
		var (
			i       int
			floor   int64
			version sql.NullInt64
			text    sql.RawBytes
		)
		if err := rows.Scan(&i, &floor, &version, &text); err != nil {
			return err
		}
		views[i], err = f.view(keys[i], floor, version, text)
		return err
	})
}

// view makes a View of a row, with the time after the row was read. Without a version
// there is no roster.
func (f *file) view(k oneseat.Key, floor int64, version sql.NullInt64, text []byte) (oneseat.View, error) {
	v := oneseat.View{Key: k, Version: uint64(floor)}
	if version.Valid {
		var err error
		v.Version = uint64(version.Int64)
		if v.Roster, err = f.known.Get(k, v.Version, text); err != nil {
			return oneseat.View{}, err
		}
	}
	return v.At(time.Now()), nil
}

// Partitions implements [oneseat.Store]. There is one.
func (*Store) Partitions() int { return 1 }

// Changes implements [oneseat.Store]. An event that was made unreadable by hand is left
// out, and reported as a gap.
func (s *Store) Changes(ctx context.Context, _ int, after oneseat.Cursor) (oneseat.Tail, error) {
	if err := ctx.Err(); err != nil {
		return oneseat.Tail{}, err
	}
	f, err := s.open()
	if err != nil {
		return oneseat.Tail{}, err
	}
	defer s.mu.RUnlock()
	if err := s.prove(); err != nil {
		return oneseat.Tail{}, err
	}
	for limit := page; ; limit *= 2 {
		t, err := f.tail(ctx, after, limit)
		if err != nil || t.End || t.Cursor != after {
			return t, s.verdict(err)
		}
		// One update has more than limit events.
	}
}

// tail reads up to limit events after a cursor. It is one statement, so all of it comes
// from one snapshot. It leaves out an update that was not read as a whole.
func (f *file) tail(ctx context.Context, after oneseat.Cursor, limit int) (oneseat.Tail, error) {
	incarnation, place, ok := strings.Cut(string(after), ".")
	at, err := strconv.ParseInt(place, 10, 64)
	if !ok || err != nil || at < 0 {
		at = math.MaxInt64 // nothing comes after it: it is no place in the log
	}
	var (
		log          string
		trimmed, end int64
		t            oneseat.Tail
		read         int
		last         = at   // id of the last event of a whole update
		prior        = last // and of the event read before
		seen         = f.end.Load()
	)
	rows, err := f.changes.QueryContext(ctx, at, limit)
	err = each(rows, err, func() error {
		var id, version sql.NullInt64
		var key, text sql.RawBytes
		if err := rows.Scan(&log, &trimmed, &end, &id, &key, &version, &text); err != nil || !id.Valid {
			return err
		}
		read++
		e := oneseat.Entry{Version: uint64(version.Int64)}
		copy(e.Key[:], key)
		var ev oneseat.Event
		if err := json.Unmarshal(text, &ev); err != nil {
			t.Gap = true
		}
		n := len(t.Entries)
		if n == 0 || t.Entries[n-1].Key != e.Key || t.Entries[n-1].Version != e.Version {
			last = prior
			t.Entries, n = append(t.Entries, e), n+1
		}
		if string(text) != forgotten {
			t.Entries[n-1].Events = append(t.Entries[n-1].Events, ev)
		}
		prior = id.Int64
		return nil
	})
	switch {
	case err != nil:
		return oneseat.Tail{}, err
	case f.log != "" && (log != f.log || end < seen):
		return oneseat.Tail{}, split(isReplaced, f.path, fmt.Errorf("its log is another, or ends with event %d and had %d", end, seen))
	}
	f.saw(end)
	switch {
	case after == "" || incarnation != log || at < trimmed || at > end:
		return oneseat.Tail{Cursor: cursor(log, end), End: true, Gap: after != ""}, nil
	case read < limit:
		t.End, last = true, prior
	default:
		t.Entries = t.Entries[:len(t.Entries)-1]
	}
	t.Cursor = cursor(log, last)
	return t, nil
}

// saw notes how far the log went.
func (f *file) saw(end int64) {
	for {
		seen := f.end.Load()
		if seen >= end || f.end.CompareAndSwap(seen, end) {
			return
		}
	}
}

func cursor(incarnation string, id int64) oneseat.Cursor {
	return oneseat.Cursor(fmt.Sprintf("%s.%d", incarnation, id))
}

// Due implements [oneseat.Store].
func (s *Store) Due(ctx context.Context, realm string, limit int) ([]oneseat.Key, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := s.open()
	if err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	var keys []oneseat.Key
	rows, err := f.due.QueryContext(ctx, realm, time.Now().UnixMicro(), max(limit, 0)) //nolint:sqlclosecheck // each does
	err = each(rows, err, func() error {
		var b sql.RawBytes
		if err := rows.Scan(&b); err != nil {
			return err
		}
		keys = append(keys, oneseat.Key{})
		copy(keys[len(keys)-1][:], b)
		return nil
	})
	return keys, explain(s.path, err)
}

// Wake implements [oneseat.Store]. It calls wake when it begins, at once after a commit
// of this store, and within wakePoll after a commit of another. It runs wake on the
// caller's goroutine, and has a connection of its own as long as it runs.
func (s *Store) Wake(ctx context.Context, wake func(partition int)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := s.open(); err != nil {
		return err
	}
	s.waiting.Add(1)
	s.mu.RUnlock()
	defer s.waiting.Done()

	local := make(chan struct{}, 1)
	s.wakesMu.Lock()
	s.wakes[local] = struct{}{}
	s.wakesMu.Unlock()
	defer func() {
		s.wakesMu.Lock()
		delete(s.wakes, local)
		s.wakesMu.Unlock()
	}()
	err := s.poll(ctx, local, wake)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return explain(s.path, err)
}

func (s *Store) poll(ctx context.Context, local <-chan struct{}, wake func(int)) (err error) {
	link, err := connect(ctx, s.path, "rw", lockPatience)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, link.close()) }()
	look, err := link.conn.PrepareContext(ctx, "PRAGMA data_version")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, look.Close()) }()
	tick := time.NewTicker(wakePoll)
	defer tick.Stop()
	seen := int64(-1)
	for {
		if err := s.check(); err != nil {
			return err
		}
		// This does not use ctx, because for a context that can end the driver starts a
		// goroutine each time.
		var version int64
		if err := look.QueryRowContext(context.WithoutCancel(ctx)).Scan(&version); err != nil {
			return err
		}
		if version != seen {
			seen = version
			wake(0)
		}
		select {
		case <-local: // what was committed has changed the version
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.closing:
			return oneseat.ErrStoreClosed
		}
	}
}

// wakeAll tells every Wake that something was committed.
func (s *Store) wakeAll() {
	s.wakesMu.Lock()
	defer s.wakesMu.Unlock()
	for local := range s.wakes {
		select {
		case local <- struct{}{}:
		default: // it has not looked since it was last told
		}
	}
}

// each runs do for every row of a query's result, and closes it.
func each(rows *sql.Rows, err error, do func() error) error {
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err has it
	for rows.Next() {
		if err := do(); err != nil {
			return err
		}
	}
	return rows.Err()
}
