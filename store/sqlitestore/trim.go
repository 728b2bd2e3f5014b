package sqlitestore

import "time"

const (
	// keepEvents is how long events are kept.
	keepEvents = 30 * 24 * time.Hour
	// trimEvery is how often the writer looks for older ones.
	trimEvery = time.Minute
	// trimBite is how many it deletes in one transaction, so that no update has
	// to wait long for it.
	trimBite = 500
)

const (
	// Of the oldest events, up to the last one that is older than a version. By
	// id, and so without an index of their times.
	overdueSQL = `SELECT coalesce(max(id), 0) FROM (SELECT id, version FROM oneseat_events ORDER BY id LIMIT ?) WHERE version < ?`
	trimSQL    = `DELETE FROM oneseat_events WHERE id <= ?`
	trimmedSQL = `UPDATE oneseat_meta SET trimmed = max(trimmed, ?)`
)

// trimSome deletes a bite of old events and says whether there may be more. It
// can wait: when anything is in its way it is left for the next look, and what
// is in its way will be reported by the next update.
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
