package pgstore

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/oneseat/oneseat"
)

const (
	rostersSQL = `SELECT key, version, roster, clock_timestamp() FROM oneseat_rosters
		WHERE realm = $1::text AND account > $2::text AND account >= $3::text AND ($4::text IS NULL OR account < $4::text) AND roster IS NOT NULL
		ORDER BY account LIMIT $5`

	eventsSQL = `SELECT id, events FROM oneseat_events WHERE realm = $1::text AND id <= $2
		AND ($3::text = '' OR account = $3::text) AND ($4::text = '' OR position($4::text IN events) > 0)
		ORDER BY id DESC LIMIT $5`

	blankSQL = `UPDATE oneseat_events SET realm = '', account = '', events = '[]' WHERE realm = $1 AND account = $2 AND version <= $3`

	sumSQL = `SELECT coalesce(sum(accounts), 0)::bigint, coalesce(sum(sessions), 0)::bigint, coalesce(sum(streams), 0)::bigint
		FROM oneseat_counts WHERE realm = $1 AND epoch = $2`
)

// placeBits is how many bits of Record.Seq are for an event's place in its update.
const placeBits = 16

// Rosters implements [oneseat.History]. It leaves out a roster that cannot be read, and
// logs its key.
func (s *Store) Rosters(ctx context.Context, q oneseat.RosterQuery) ([]oneseat.View, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	if !utf8.ValidString(q.Prefix) || strings.ContainsRune(q.Prefix, 0) {
		return nil, nil // no account begins like this
	}
	views, err := again(ctx, s, func() ([]oneseat.View, error) { return s.rosters(ctx, q) })
	return views, s.explain(err)
}

func (s *Store) rosters(ctx context.Context, q oneseat.RosterQuery) ([]oneseat.View, error) {
	rows, err := s.pool.Query(ctx, rostersSQL, q.Realm, q.After, q.Prefix, beyond(q.Prefix), oneseat.PageLimit(q.Limit))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var views []oneseat.View
	for rows.Next() {
		var k oneseat.Key
		var key, text []byte
		var version int64
		var clock time.Time
		if err := rows.Scan(&key, &version, &text, &clock); err != nil {
			return nil, err
		}
		copy(k[:], key)
		r, err := decode(k, uint64(version), text, clock)
		if _, damaged := errors.AsType[*oneseat.FormatError](err); damaged {
			s.log.Error("a stored roster cannot be read; it is left alone", "key", k, "error", err)
			continue
		}
		views = append(views, r.View)
	}
	return views, rows.Err()
}

// beyond returns the first text that comes after every text with this prefix, or nil if
// there is none. UTF-8 has the order of code points.
func beyond(prefix string) any {
	for prefix != "" {
		last, size := utf8.DecodeLastRuneInString(prefix)
		prefix = prefix[:len(prefix)-size]
		switch last {
		case utf8.MaxRune: // no character comes after it
		case 0xd7ff:
			return prefix + "\ue000" // the code points in between are no characters
		default:
			return prefix + string(last+1)
		}
	}
	return nil
}

// Events implements [oneseat.History]. To find a session without its account it reads
// the whole log.
func (s *Store) Events(ctx context.Context, q oneseat.EventQuery) ([]oneseat.Record, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	before := uint64(math.MaxInt64)
	if q.Before != 0 {
		before = min(q.Before, before)
	}
	session := ""
	if q.Session != "" {
		id, err := json.Marshal(q.Session)
		if err != nil {
			return nil, err
		}
		session = `"session":` + string(id)
	}
	records, err := again(ctx, s, func() ([]oneseat.Record, error) { return s.events(ctx, q, before, session) })
	return records, s.explain(err)
}

// events does the work of Events. It returns events before a place in the log, from
// updates whose text contains session.
func (s *Store) events(ctx context.Context, q oneseat.EventQuery, before uint64, session string) ([]oneseat.Record, error) {
	limit := oneseat.PageLimit(q.Limit)
	rows, err := s.pool.Query(ctx, eventsSQL, q.Realm, int64(before>>placeBits), q.Account, session, limit+1) // one more, because the first update may have no event before the place that was asked for
	if err != nil {
		return nil, err
	}
	var records []oneseat.Record
	var id int64
	var text []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &text}, func() error {
		var events []oneseat.Event
		if err := json.Unmarshal(text, &events); err != nil {
			s.log.Error("stored events cannot be read; they are left alone", "id", id, "error", err)
			return nil
		}
		for place := len(events) - 1; place >= 0; place-- {
			e, seq := events[place], uint64(id)<<placeBits|uint64(place)
			if seq < before && len(records) < limit && (q.Session == "" || e.Session == q.Session) {
				records = append(records, oneseat.Record{Seq: seq, Event: e})
			}
		}
		return nil
	})
	return records, err
}

// Count implements [oneseat.History].
func (s *Store) Count(ctx context.Context, realm string, epoch uint64) (c oneseat.Count, err error) {
	if err := s.ready(ctx); err != nil {
		return c, err
	}
	c, err = again(ctx, s, func() (oneseat.Count, error) {
		err := s.pool.QueryRow(ctx, sumSQL, realm, int64(epoch)).Scan(&c.Accounts, &c.Sessions, &c.Streams)
		return c, err
	})
	return c, s.explain(err)
}

// Forget implements [oneseat.History]. What the rows held stays in the server's files
// until VACUUM runs, and in the server's write-ahead log.
func (s *Store) Forget(ctx context.Context, realm, account string, version uint64) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	_, err := again(ctx, s, func() (pgconn.CommandTag, error) {
		return s.pool.Exec(ctx, blankSQL, realm, account, int64(min(version, math.MaxInt64)))
	})
	return s.explain(err)
}
