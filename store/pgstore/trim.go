package pgstore

import (
	"context"
	"time"
)

const (
	// keepEvents is how long events are kept.
	keepEvents = 30 * 24 * time.Hour
	// keepErased is how long the row of an erased roster is kept. After that time the
	// clock, which versions are made from, has passed the version of the row.
	keepErased = time.Hour
	// trimEvery is how often a store looks for what is older.
	trimEvery = time.Minute
	// trimBite is how many rows it deletes in one transaction.
	trimBite = 1000
)

const (
	before = `(extract(epoch FROM clock_timestamp()) * 1000000)::bigint - $1::bigint`

	// This deletes events that are too old, the oldest first. It goes by id, so it
	// needs no index of their times. Another node that does the same at once deletes
	// other events, or none.
	trimSQL = `WITH old AS (
			SELECT id FROM (SELECT id, version FROM oneseat_events ORDER BY id LIMIT $2) AS e WHERE version < ` + before + `
		), gone AS (
			DELETE FROM oneseat_events WHERE id IN (SELECT id FROM old) RETURNING xid
		), told AS (
			UPDATE oneseat_meta SET trimmed = greatest(trimmed, (SELECT xid FROM gone ORDER BY xid DESC LIMIT 1))
			WHERE EXISTS (SELECT 1 FROM gone)
		)
		SELECT count(*) FROM gone`

	forgetSQL = `WITH gone AS (
			DELETE FROM oneseat_rosters WHERE roster IS NULL AND version < ` + before + `
			AND key IN (SELECT key FROM oneseat_rosters WHERE roster IS NULL AND version < ` + before + ` ORDER BY version LIMIT $2)
			RETURNING version
		), told AS (
			UPDATE oneseat_meta SET floor = greatest(floor, (SELECT max(version) FROM gone)) WHERE EXISTS (SELECT 1 FROM gone)
		)
		SELECT count(*) FROM gone`

	// This deletes the sums of an epoch that is over, once they are zero. The rows are
	// added up while they are locked, so nothing is lost that was counted meanwhile.
	uncountSQL = `WITH spent AS (
			SELECT realm, epoch FROM oneseat_counts AS c GROUP BY realm, epoch
			HAVING sum(accounts) = 0 AND sum(sessions) = 0 AND sum(streams) = 0
			AND epoch < (SELECT max(epoch) FROM oneseat_counts AS l WHERE l.realm = c.realm)
			ORDER BY realm, epoch LIMIT $1
		), held AS (
			SELECT c.* FROM oneseat_counts AS c JOIN spent USING (realm, epoch) ORDER BY c.realm, c.epoch, c.slot FOR UPDATE OF c
		), zero AS (
			SELECT realm, epoch FROM held GROUP BY realm, epoch
			HAVING sum(accounts) = 0 AND sum(sessions) = 0 AND sum(streams) = 0
		)
		DELETE FROM oneseat_counts AS c USING held, zero
		WHERE (c.realm, c.epoch) = (zero.realm, zero.epoch) AND (c.realm, c.epoch, c.slot) = (held.realm, held.epoch, held.slot)`
)

// trim is the goroutine that deletes old events, rows of erased rosters and the sums of
// earlier epochs, until Close. It logs no error: what it could not delete waits for the
// next time, and the calls of the store report what is wrong with the database.
func (s *Store) trim() {
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	for {
		s.trimAll(s.life)
		select {
		case <-tick.C:
		case <-s.life.Done():
			return
		}
	}
}

func (s *Store) trimAll(ctx context.Context) {
	for _, t := range []struct {
		query string
		keep  time.Duration
	}{{trimSQL, keepEvents}, {forgetSQL, keepErased}} {
		for gone, err := trimBite, error(nil); err == nil && gone == trimBite; {
			bite, cancel := context.WithTimeout(ctx, trimEvery)
			err = s.pool.QueryRow(bite, t.query, t.keep.Microseconds(), trimBite).Scan(&gone)
			cancel()
		}
	}
	bite, cancel := context.WithTimeout(ctx, trimEvery)
	defer cancel()
	_, _ = s.pool.Exec(bite, uncountSQL, trimBite)
}
