package pgstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oneseat/oneseat"
)

// Each is one statement, so one transaction: it replaces the row that was read and
// writes the events and the sums, or nothing happens. It reads the clock again after
// each lock, because it may have waited for the lock.
//
// Last it takes a slot of each sum that changes. No transaction takes a roster's lock
// after a slot's, and every transaction takes slots in the same order. A connection has
// eight slots of its own, as long as there are enough of them. So connections do not
// wait for each other. And when a transaction that stays open elsewhere keeps VACUUM
// away, the old versions that a connection leaves are spread over eight rows.
var (
	// The index is how many sums change.
	updateSQL = [...]string{updateRow + andEvents + isMade, updateRow + andEvents + andSum + isMade, updateRow + andEvents + andSums + isMade}
	insertSQL = [...]string{insertRow + andEvents + isMade, insertRow + andEvents + andSum + isMade, insertRow + andEvents + andSums + isMade}
)

const (
	updateRow = `WITH u AS (
			UPDATE oneseat_rosters SET version = $2, due = $3, roster = $4, ` + names + `
			WHERE key = $1 AND version = $5 AND clock_timestamp() < $6::timestamptz
			RETURNING ` + inTime + `
		)`

	// What is left of an erased roster names nobody.
	names = `realm = CASE WHEN $4::text IS NULL THEN '' ELSE $7::text END, account = CASE WHEN $4::text IS NULL THEN '' ELSE $8::text END`

	insertRow = `WITH u AS (
			INSERT INTO oneseat_rosters (key, version, due, roster, realm, account)
			SELECT $1::bytea, $2::bigint, $3::timestamptz, $4::text, $7::text, $8::text
			WHERE $5::bigint >= 0 AND clock_timestamp() < $6::timestamptz
			ON CONFLICT (key) DO NOTHING
			RETURNING ` + inTime + `
		)`

	andEvents = `, e AS (
			INSERT INTO oneseat_events (key, version, realm, account, events)
			SELECT $1::bytea, $2::bigint, $7::text, $8::text, $9::text FROM u WHERE $9::text IS NOT NULL
		)`

	andSum = `, n AS (
			INSERT INTO oneseat_counts AS c (realm, epoch, slot, accounts, sessions, streams)
			SELECT $7::text, $10::bigint, ` + slot + `, $11::bigint, $12::bigint, $13::bigint FROM u` + addedUp + `
		)`

	andSums = `, n AS (
			INSERT INTO oneseat_counts AS c (realm, epoch, slot, accounts, sessions, streams)
			SELECT $7::text, d.epoch, ` + slot + `, d.accounts, d.sessions, d.streams
			FROM u CROSS JOIN (VALUES ($10::bigint, $11::bigint, $12::bigint, $13::bigint), ($14::bigint, $15::bigint, $16::bigint, $17::bigint))
				AS d (epoch, accounts, sessions, streams)
			ORDER BY d.epoch` + addedUp + `
		)`

	slot    = `pg_backend_pid() % 32 * 8 + $2::bigint % 8`
	addedUp = `
			ON CONFLICT (realm, epoch, slot) DO UPDATE SET
				accounts = c.accounts + excluded.accounts, sessions = c.sessions + excluded.sessions, streams = c.streams + excluded.streams
			RETURNING ` + inTime

	inTime = `CASE WHEN clock_timestamp() < $6::timestamptz THEN true ELSE oneseat_late() END AS ok`
	isMade = ` SELECT count(u.ok) FROM u`
)

const (
	// optimists is how often an update is tried without a lock.
	optimists = 2

	// A node that stops or is cut off in the middle delays others by this time at most.
	beginLocked = `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL idle_in_transaction_session_timeout = '2s'`
	lockSQL     = `SELECT FROM oneseat_rosters WHERE key = $1 FOR UPDATE`

	// lateReply is how long the answer to a commit is waited for after the caller has
	// given up. Most often it is on its way.
	lateReply = 200 * time.Millisecond

	// maxEvents is how many events one update may have. A place in the history has room
	// for no more.
	maxEvents = 1 << placeBits
)

type changeFunc = func(oneseat.View) (oneseat.Change, error)

// Update implements [oneseat.Store]. Updates of one account wait for each other in this
// process. Against updates of other nodes the first two tries take no lock. An update
// that has lost both waits for the row's lock.
//
// When ctx ends after the commit was sent, Update waits for the answer a little longer.
// If none comes, it returns [oneseat.ErrUnknownOutcome].
func (s *Store) Update(ctx context.Context, key oneseat.Key, change func(oneseat.View) (oneseat.Change, error)) (oneseat.View, error) {
	if err := s.ready(ctx); err != nil {
		return oneseat.View{}, err
	}
	turn, err := s.turns.Take(ctx, key)
	if err != nil {
		return oneseat.View{}, err
	}
	defer turn.Give()
	for try := 0; ; try++ {
		attempt := s.attempt
		if try >= optimists {
			attempt = s.attemptLocked
		}
		v, made, err := attempt(ctx, key, change)
		if err != nil && !conflict(err) {
			return oneseat.View{}, err
		}
		if made {
			return v, nil
		}
		if err := s.ready(ctx); err != nil {
			return oneseat.View{}, err
		}
	}
}

// attempt makes an update unless another update of the row comes first.
func (s *Store) attempt(ctx context.Context, key oneseat.Key, change changeFunc) (v oneseat.View, made bool, err error) {
	// The read shows that the connection is good, and the commit goes the same way.
	type found struct {
		row
		on *pgxpool.Conn
	}
	r, err := again(ctx, s, func() (found, error) {
		conn, err := s.pool.Acquire(ctx)
		if err != nil {
			return found{}, err
		}
		r, err := s.scan(key, conn.QueryRow(ctx, loadSQL, key[:]))
		if err != nil {
			conn.Release()
		}
		return found{r, conn}, err
	})
	if err != nil {
		return v, false, s.explain(err)
	}
	conn := r.on
	defer conn.Release()
	p, err := r.propose(ctx, change)
	if err != nil || p.query == "" {
		return r.View, err == nil, err
	}
	ctx, cancel := outlive(ctx)
	defer cancel()
	var taken int
	err = conn.QueryRow(ctx, p.query, p.args...).Scan(&taken)
	return s.outcome(p, taken, err)
}

// outcome returns what a statement that commits by itself has done.
func (s *Store) outcome(p proposal, taken int, err error) (oneseat.View, bool, error) {
	switch {
	case err == nil:
		if taken == 1 && p.logged {
			s.committed()
		}
		return p.view, taken == 1, nil
	case conflict(err):
		return oneseat.View{}, false, err
	case unmade(err):
		return oneseat.View{}, false, s.explain(err)
	}
	s.committed() // it may have been committed
	return oneseat.View{}, false, fmt.Errorf("%w: %w", oneseat.ErrUnknownOutcome, s.explain(err))
}

// attemptLocked makes an update while it holds the row's lock, so no other comes first.
// Where there is no row yet, another may still come first.
func (s *Store) attemptLocked(ctx context.Context, key oneseat.Key, change changeFunc) (v oneseat.View, made bool, err error) {
	tx, err := again(ctx, s, func() (pgx.Tx, error) { return s.pool.BeginTx(ctx, pgx.TxOptions{BeginQuery: beginLocked}) })
	if err != nil {
		return v, false, s.explain(err)
	}
	late, cancel := outlive(ctx)
	defer cancel()
	defer func() {
		// After a commit there is nothing to undo. If this fails, the connection is
		// thrown away and the server undoes the transaction.
		_ = tx.Rollback(late)
	}()
	if _, err := tx.Exec(ctx, lockSQL, key[:]); err != nil {
		return v, false, s.passOrExplain(err)
	}
	r, err := s.scan(key, tx.QueryRow(ctx, loadSQL, key[:]))
	if err != nil {
		return v, false, s.passOrExplain(err)
	}
	p, err := r.propose(ctx, change)
	if err != nil || p.query == "" {
		return r.View, err == nil, err
	}
	var taken int
	if err := tx.QueryRow(ctx, p.query, p.args...).Scan(&taken); err != nil {
		return v, false, s.passOrExplain(err) // nothing was committed
	}
	if taken == 0 {
		return v, false, nil
	}
	return s.outcome(p, taken, tx.Commit(late))
}

// passOrExplain leaves a conflict as it is, because the update is tried again.
func (s *Store) passOrExplain(err error) error {
	if conflict(err) {
		return err
	}
	return s.explain(err)
}

// outlive returns a context that ends lateReply after ctx.
func outlive(ctx context.Context) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		t := time.NewTimer(lateReply)
		defer t.Stop()
		select {
		case <-t.C:
			cancel()
		case <-late.Done():
		}
	})
	return late, func() { stop(); cancel() }
}

// proposal is a statement that replaces a row if the row still is what was read. An
// empty one does nothing.
type proposal struct {
	query  string
	args   []any
	view   oneseat.View // what is stored after it
	logged bool
}

// propose runs a change on what was read.
func (r row) propose(ctx context.Context, change changeFunc) (p proposal, err error) {
	c, err := oneseat.RunChange(change, r.View)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return p, err
	}
	p.view = r.View
	var roster, events, due any
	about := r.Roster
	switch {
	case c.Erase && r.Roster == nil, !c.Erase && c.Roster == nil:
		return p, nil
	case c.Erase:
		p.view.Roster = nil // the row stays, with a version that no decision about it has seen
	default:
		p.view.Roster, about = c.Roster, c.Roster
		if roster, events, err = encode(c); err != nil {
			return p, err
		}
		if !c.Roster.Due.IsZero() {
			due = c.Roster.Due
		}
	}
	p.view.Version, p.logged = r.Next(), events != nil
	p.args = []any{r.Key[:], int64(p.view.Version), due, roster, int64(r.Version), r.clock.Add(oneseat.MaxUpdateAge), about.Realm, about.Account, events}
	sums := r.CountChanges(c)
	for _, sum := range sums {
		p.args = append(p.args, int64(sum.Epoch), sum.By.Accounts, sum.By.Sessions, sum.By.Streams)
	}
	p.query = insertSQL[len(sums)]
	if r.there {
		p.query = updateSQL[len(sums)]
	}
	return p, nil
}

// encode returns the JSON of a change. events is nil if there are none.
func encode(c oneseat.Change) (roster, events any, err error) {
	b, err := c.Roster.MarshalJSON()
	if err != nil || len(c.Events) == 0 {
		return string(b), nil, err
	}
	if len(c.Events) > maxEvents {
		return nil, nil, fmt.Errorf("pgstore: an update with %d events: %w", len(c.Events), errTooMany)
	}
	list, err := json.Marshal(c.Events)
	return string(b), string(list), err
}

var errTooMany = errors.New("there can be 65536")
