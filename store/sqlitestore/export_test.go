package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/oneseat/oneseat"
)

// Fill makes the disk full for the store's writer: the file cannot grow any more. It
// lasts until the writer connects again, as it does after an error.
func (s *Store) Fill(ctx context.Context) error {
	_, err := s.Update(ctx, oneseat.Key{}, func(oneseat.View) (oneseat.Change, error) {
		// A change runs on the writer's goroutine, so it may use what the writer owns.
		var pages int
		row := s.writer.link.conn.QueryRowContext(ctx, "PRAGMA page_count")
		if err := row.Scan(&pages); err != nil {
			return oneseat.Change{}, err
		}
		_, err := s.writer.link.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA max_page_count = %d", pages))
		return oneseat.Change{}, err
	})
	return err
}

// Queries are the queries whose cost must not grow with the number of accounts or with
// the length of the log.
var Queries = map[string]string{
	"load":              loadSQL,
	"load many":         loadManySQL,
	"changes":           changesSQL,
	"due":               dueSQL,
	"update":            updateSQL,
	"erase":             eraseSQL,
	"trim":              trimSQL,
	"count in":          countSQL,
	"count":             sumSQL,
	"rosters":           rostersSQL,
	"events of account": eventsOfAccountSQL + newestFirst,
}

// Durability returns what each connection of the store says of a commit: its journal
// and whether what is acknowledged has been synced.
func (s *Store) Durability(ctx context.Context) (map[string]string, error) {
	found := map[string]string{}
	ask := func(name string, row func(query string) *sql.Row) error {
		var journal, sync, erase string
		for query, to := range map[string]*string{"journal_mode": &journal, "synchronous": &sync, "secure_delete": &erase} {
			if err := row("PRAGMA " + query).Scan(to); err != nil {
				return err
			}
		}
		found[name] = fmt.Sprintf("journal_mode=%s synchronous=%s secure_delete=%s", journal, sync, erase)
		return nil
	}
	_, err := s.Update(ctx, oneseat.Key{}, func(oneseat.View) (oneseat.Change, error) { // see Fill
		return oneseat.Change{}, ask("writer", func(q string) *sql.Row { return s.writer.link.conn.QueryRowContext(ctx, q) })
	})
	for name, conn := range map[string]*sql.Conn{"first": s.file.first.conn, "last": s.file.last.conn} {
		err = errors.Join(err, ask(name, func(q string) *sql.Row { return conn.QueryRowContext(ctx, q) }))
	}
	return found, errors.Join(err, ask("readers", func(q string) *sql.Row { return s.file.db.QueryRowContext(ctx, q) }))
}
