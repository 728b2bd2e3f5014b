package pgstore

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oneseat/oneseat"
)

const (
	// The clock is read in the statement that reads the rosters. If the pool has
	// connected to a standby, the standby answers, but its answer may be old.
	loadSQL = `SELECT r.version, r.roster, CASE WHEN r.version IS NULL THEN (SELECT floor FROM oneseat_meta) END, clock_timestamp(), pg_is_in_recovery()
		FROM (SELECT $1::bytea AS key) AS k LEFT JOIN oneseat_rosters AS r ON r.key = k.key`

	loadManySQL = `SELECT r.version, r.roster, CASE WHEN r.version IS NULL THEN (SELECT floor FROM oneseat_meta) END, clock_timestamp(), pg_is_in_recovery()
		FROM unnest($1::bytea[]) WITH ORDINALITY AS k (key, place) LEFT JOIN oneseat_rosters AS r ON r.key = k.key ORDER BY k.place`

	// The clock is in a subquery, because that is asked once, before the index is read.
	// With the bare function, which may change from row to row, PostgreSQL reads the
	// whole index.
	dueSQL = `SELECT key FROM oneseat_rosters WHERE realm = $1 AND due <= (SELECT clock_timestamp()) ORDER BY due LIMIT $2`
)

// row is what is stored under a key, and the server's clock when it was read.
type row struct {
	oneseat.View
	there bool // there is a row, perhaps of an erased roster
	clock time.Time
}

// Load implements [oneseat.Store]. If one roster cannot be decoded, the whole call
// fails with a *[oneseat.FormatError]. Load the others without it.
func (s *Store) Load(ctx context.Context, keys ...oneseat.Key) ([]oneseat.View, error) {
	if err := s.ready(ctx); err != nil || len(keys) == 0 {
		return nil, err
	}
	views, err := again(ctx, s, func() ([]oneseat.View, error) {
		if len(keys) == 1 {
			r, err := s.scan(keys[0], s.pool.QueryRow(ctx, loadSQL, keys[0][:]))
			return []oneseat.View{r.View}, err
		}
		return s.loadMany(ctx, keys)
	})
	if err != nil {
		return nil, s.explain(err)
	}
	return views, nil
}

func (s *Store) loadMany(ctx context.Context, keys []oneseat.Key) ([]oneseat.View, error) {
	views := make([]oneseat.View, len(keys))
	list := make([][]byte, len(keys))
	for i := range keys {
		list[i] = keys[i][:]
	}
	rows, err := s.pool.Query(ctx, loadManySQL, list)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	i := 0
	for ; rows.Next() && i < len(keys); i++ {
		r, err := s.scan(keys[i], rows)
		if err != nil {
			return nil, err
		}
		views[i] = r.View
	}
	return views, rows.Err()
}

// again repeats read, which changes nothing, as long as the connection that the pool
// gives is dead, at most once for each connection that the pool may have. After a
// restart of the server all connections may be dead. The pool throws a dead connection
// away, but it tests only connections that have rested for a second.
func again[T any](ctx context.Context, s *Store, read func() (T, error)) (T, error) {
	for n := s.pool.Config().MaxConns; ; n-- {
		v, err := read()
		if n == 0 || !died(err) || s.ready(ctx) != nil {
			return v, err
		}
	}
}

// scan makes a row of a result of loadSQL.
func (s *Store) scan(k oneseat.Key, from pgx.Row) (row, error) {
	var version, floor *int64
	var text []byte
	var standby bool
	var clock time.Time
	if err := from.Scan(&version, &text, &floor, &clock, &standby); err != nil {
		return row{}, err
	}
	switch {
	case standby:
		return row{}, s.failed(oneseat.FailureReadOnly, nil)
	case version == nil && floor == nil:
		return row{}, s.failed(oneseat.FailureForeign, errors.New("oneseat_meta is empty"))
	case version == nil:
		v := oneseat.View{Key: k, Version: uint64(*floor)}
		return row{View: v.At(clock), clock: clock}, nil
	}
	return decode(k, uint64(*version), text, clock)
}

// decode makes a row of what is stored. text is nil if the roster was erased.
func decode(k oneseat.Key, version uint64, text []byte, clock time.Time) (row, error) {
	v := oneseat.View{Key: k, Version: version}
	if text != nil {
		v.Roster = new(oneseat.Roster)
		if err := v.Roster.UnmarshalJSON(text); err != nil {
			return row{}, err
		}
	}
	return row{v.At(clock), true, clock}, nil
}

// Due implements [oneseat.Store].
func (s *Store) Due(ctx context.Context, realm string, limit int) ([]oneseat.Key, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	keys, err := again(ctx, s, func() ([]oneseat.Key, error) {
		rows, err := s.pool.Query(ctx, dueSQL, realm, max(limit, 0))
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, func(r pgx.CollectableRow) (k oneseat.Key, err error) {
			var b []byte
			err = r.Scan(&b)
			copy(k[:], b)
			return k, err
		})
	})
	return keys, s.explain(err)
}
