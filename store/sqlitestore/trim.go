package sqlitestore

import "time"

const (
	// keepEvents is how long events are kept.
	keepEvents = 30 * 24 * time.Hour
	// trimEvery is how often the writer looks for older ones.
	trimEvery = time.Minute
	// trimBite is how many it deletes in one transaction, so that no update waits long
	// for it.
	trimBite = 500
)

const (
	// This finds the last event that is older than a version, among the oldest events.
	// It goes by id, so it needs no index of their times.
	overdueSQL = `SELECT coalesce(max(id), 0) FROM (SELECT id, version FROM oneseat_events ORDER BY id LIMIT ?) WHERE version < ?`
	trimSQL    = `DELETE FROM oneseat_events WHERE id <= ?`
	trimmedSQL = `UPDATE oneseat_meta SET trimmed = max(trimmed, ?)`
)

// trimSome deletes some old events and says whether there may be more. It logs no
// error: what it could not delete waits for the next time, and the next update reports
// what is wrong with the file.
func (w *writer) trimSome() (more bool) {
	if w.lock(0) != nil {
		return false
	}
	var last int64
	err := w.overdue.QueryRow(trimBite, time.Now().Add(-keepEvents).UnixMicro()).Scan(&last)
	if err == nil && last == 0 {
		_ = w.undo() // it disconnects by itself
		return false
	}
	if err == nil {
		_, err = w.trimmed.Exec(last)
	}
	if err == nil {
		_, err = w.trim.Exec(last)
	}
	if err == nil {
		_, err = w.commit.Exec()
	}
	if err != nil {
		w.disconnect()
	}
	return err == nil
}
