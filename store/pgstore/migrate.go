package pgstore

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/oneseat/oneseat"
)

//go:embed schema/*.sql
var schema embed.FS

// migrationLock is the advisory lock under which migrations are made. It spells
// "1seat".
const migrationLock = 0x3173656174

// migrate brings the database to the schema of this release, in one transaction, so
// nothing is ever half done. Several nodes may call it at once: each looks at what
// there is to do while it holds a lock, which ends with the transaction. Where there is
// nothing to do, migrate takes no lock.
func (s *Store) migrate(ctx context.Context) error {
	files, err := fs.Glob(schema, "schema/*.sql") // in the order of their names
	if err != nil {
		return err
	}
	n, err := s.applied(ctx, s.pool, len(files))
	if err != nil || n == len(files) {
		return errors.Join(err, s.restored(ctx))
	}
	// Each statement sees what was committed before it, so the locks come first.
	return pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, fmt.Sprintf("SELECT pg_advisory_xact_lock(%d)", migrationLock)); err != nil {
			return err
		}
		n, err := s.applied(ctx, tx, len(files))
		for ; err == nil && n < len(files); n++ {
			err = apply(ctx, tx, n+1, files[n])
		}
		return err
	})
}

// schemaOf returns the number of the last migration that was applied; 0: there is no
// store.
func (s *Store) schemaOf(ctx context.Context) (int, error) {
	files, err := fs.Glob(schema, "schema/*.sql")
	if err != nil {
		return 0, err
	}
	return s.applied(ctx, s.pool, len(files))
}

// querier is a pool or a transaction.
type querier interface {
	QueryRow(ctx context.Context, query string, args ...any) pgx.Row
}

// applied returns the number of the last migration that was applied. This release knows
// the migrations up to known.
func (s *Store) applied(ctx context.Context, q querier, known int) (n int, err error) {
	var there, taken bool
	// The answer comes from the catalogue as it is now: to_regclass may answer from a
	// cache that is older than the lock.
	err = q.QueryRow(ctx, `SELECT coalesce(bool_or(relname = 'oneseat_migrations'), false), count(*) > 0
		FROM pg_catalog.pg_class WHERE relname IN ('oneseat_migrations', 'oneseat_meta', 'oneseat_rosters', 'oneseat_events')
		AND relnamespace IN (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = ANY (current_schemas(false)))`).Scan(&there, &taken)
	switch {
	case err != nil:
		return 0, err
	case !there && taken:
		return 0, s.failed(oneseat.FailureForeign, nil)
	case !there:
		return 0, nil
	}
	err = q.QueryRow(ctx, "SELECT coalesce(max(number), 0)::int FROM oneseat_migrations").Scan(&n)
	if err == nil && n > known {
		err = s.failed(oneseat.FailureNewer, fmt.Errorf("its schema is %d, this release knows %d", n, known))
	}
	return n, err
}

// apply runs one migration inside the open transaction.
func apply(ctx context.Context, tx pgx.Tx, number int, file string) error {
	script, err := schema.ReadFile(file)
	if err != nil {
		return err
	}
	name := strings.TrimPrefix(file, "schema/")
	for _, statement := range []string{
		"CREATE TABLE IF NOT EXISTS oneseat_migrations (number int PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())",
		string(script),
		fmt.Sprintf("INSERT INTO oneseat_migrations (number, name) VALUES (%d, '%s')", number, name),
	} {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return fmt.Errorf("migration %s: %w", name, err)
		}
	}
	return nil
}

// restored finds out whether the rows came from another cluster, as pg_restore brings
// them. Then their transactions are not those of this cluster, and the log begins anew.
// The old events stay for History.
func (s *Store) restored(ctx context.Context) error {
	_, err := s.pool.Exec(ctx, `WITH foreign_rows AS (
			UPDATE oneseat_events SET xid = '0' WHERE xid >= pg_snapshot_xmax(pg_current_snapshot()) RETURNING 1
		)
		UPDATE oneseat_meta SET incarnation = replace(gen_random_uuid()::text, '-', ''), trimmed = '0'
		WHERE EXISTS (SELECT 1 FROM foreign_rows) OR trimmed >= pg_snapshot_xmax(pg_current_snapshot())`)
	return err
}
