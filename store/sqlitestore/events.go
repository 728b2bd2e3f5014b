package sqlitestore

import (
	"database/sql"
	"strings"

	"github.com/oneseat/oneseat"
)

// The events of a transaction are written at its end, many rows in one statement: a
// statement costs as much as several rows. Nothing reads them before.

// eventRow is an event that is to be written.
type eventRow struct {
	key                              oneseat.Key
	version                          int64
	realm, account, session, encoded string
}

// eventRows is how many rows the statements have. The last one has one row.
var eventRows = [...]int{64, 16, 4, 2, 1}

// eventStatements are the prepared INSERTs, one for each number in eventRows. They
// belong to the writer's connection.
type eventStatements [len(eventRows)]*sql.Stmt

// prepared adds the text of each statement to all, the statements that a connection
// prepares.
func (s *eventStatements) prepared(all map[**sql.Stmt]string) {
	for i, n := range eventRows {
		all[&s[i]] = "INSERT INTO oneseat_events (key, version, realm, account, session, event) VALUES (?, ?, ?, ?, ?, ?)" +
			strings.Repeat(", (?, ?, ?, ?, ?, ?)", n-1)
	}
}

// write inserts events. Their ids rise in their order.
func (s *eventStatements) write(rows []eventRow) error {
	var args []any
	for i, n := range eventRows {
		for ; len(rows) >= n; rows = rows[n:] {
			args = args[:0]
			for i := range rows[:n] {
				r := &rows[i]
				args = append(args, r.key[:], r.version, r.realm, r.account, r.session, r.encoded)
			}
			if _, err := s[i].Exec(args...); err != nil {
				return err
			}
		}
	}
	return nil
}
