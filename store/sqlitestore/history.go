package sqlitestore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"math"

	"github.com/oneseat/oneseat"
)

const rostersSQL = `SELECT key, version, roster FROM oneseat_rosters
	WHERE realm = ? AND account >= ? AND account < ? ORDER BY account LIMIT ?`

// The realm alone is not looked up in an index. The newest come first, and most events
// are of the realm that is asked for.
const (
	eventsSQL          = `SELECT id, event FROM oneseat_events WHERE +realm = ? AND id < ?`
	eventsOfAccountSQL = `SELECT id, event FROM oneseat_events WHERE realm = ? AND id < ? AND account = ?`
	andSession         = ` AND session = ?`
	newestFirst        = ` ORDER BY id DESC LIMIT ?`
)

const sumSQL = `SELECT accounts, sessions, streams FROM oneseat_counts WHERE realm = ? AND epoch = ?`

// Count implements [oneseat.History].
func (s *Store) Count(ctx context.Context, realm string, epoch uint64) (oneseat.Count, error) {
	f, err := s.open()
	if err != nil {
		return oneseat.Count{}, err
	}
	defer s.mu.RUnlock()
	var c oneseat.Count
	err = f.db.QueryRowContext(ctx, sumSQL, realm, int64(epoch)).Scan(&c.Accounts, &c.Sessions, &c.Streams)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return c, explain(s.path, err)
}

// Rosters implements [oneseat.History].
func (s *Store) Rosters(ctx context.Context, q oneseat.RosterQuery) ([]oneseat.View, error) {
	f, err := s.open()
	if err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	var views []oneseat.View
	// q.After and a zero byte is the first text after q.After.
	rows, err := f.db.QueryContext(ctx, rostersSQL, q.Realm, max(q.After+"\x00", q.Prefix), beyond(q.Prefix), oneseat.PageLimit(q.Limit)) //nolint:sqlclosecheck // each does
	err = each(rows, err, func() error {
		var key, text sql.RawBytes
		var version sql.NullInt64
		if err := rows.Scan(&key, &version, &text); err != nil {
			return err
		}
		var k oneseat.Key
		copy(k[:], key)
		v, err := f.view(k, 0, version, text)
		views = append(views, v)
		return err
	})
	return views, explain(s.path, err)
}

// beyond returns the first value that comes after every text with this prefix. It is a
// text, or a blob, because in SQLite blobs come after all texts.
func beyond(prefix string) any {
	b := []byte(prefix)
	for n := len(b); n > 0; n-- {
		if b[n-1] < 0xff {
			b[n-1]++
			return string(b[:n])
		}
	}
	return []byte{0}
}

// Events implements [oneseat.History]. To find a session without its account it reads
// the whole log.
func (s *Store) Events(ctx context.Context, q oneseat.EventQuery) ([]oneseat.Record, error) {
	f, err := s.open()
	if err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	before := int64(math.MaxInt64)
	if q.Before != 0 {
		before = int64(min(q.Before, math.MaxInt64))
	}
	query, args := eventsSQL, []any{q.Realm, before}
	if q.Account != "" {
		query, args = eventsOfAccountSQL, append(args, q.Account)
	}
	if q.Session != "" {
		query, args = query+andSession, append(args, string(q.Session))
	}
	var records []oneseat.Record
	rows, err := f.db.QueryContext(ctx, query+newestFirst, append(args, oneseat.PageLimit(q.Limit))...)
	err = each(rows, err, func() error {
		var r oneseat.Record
		var text sql.RawBytes
		if err := rows.Scan(&r.Seq, &text); err != nil {
			return err
		}
		records = append(records, r)
		return json.Unmarshal(text, &records[len(records)-1].Event)
	})
	return records, explain(s.path, err)
}

// Forget implements [oneseat.History]. The writer does it, and then moves the -wal into
// the file. Every connection overwrites what it deletes, so nothing of these events is
// left in either of the two. There is one exception: if another process reads an older
// state at that moment, the events stay in the -wal until later commits overwrite them.
func (s *Store) Forget(ctx context.Context, realm, account string, version uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f := &forgetting{realm: realm, account: account, version: int64(min(version, math.MaxInt64)), done: make(chan error, 1)}
	select {
	case s.forgets <- f:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closing:
		return oneseat.ErrStoreClosed
	}
	select {
	case err := <-f.done:
		return explain(s.path, err)
	case <-ctx.Done():
		return ctx.Err()
	case <-s.stopped:
		return oneseat.ErrStoreClosed
	}
}
