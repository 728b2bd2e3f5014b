package sqlitestore

import (
	"context"
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
