package sqlitestore

import "context"

// forgetting is a call of Forget on its way through the writer.
type forgetting struct {
	realm, account string
	version        int64
	done           chan error // has room for the one answer
}

// forgotten is what is left of an event.
const forgotten = "null"

const (
	blankSQL = `UPDATE oneseat_events SET realm = '', account = '', session = '', event = '` + forgotten + `' WHERE realm = ? AND account = ? AND version <= ?`
	// While another connection reads an older state from the -wal this moves less, and
	// is no error.
	emptySQL = `PRAGMA wal_checkpoint(TRUNCATE)`
)

// blankEvents makes events name nobody, in a transaction of its own, and empties the
// -wal.
func (w *writer) blankEvents(f *forgetting) error {
	if err := w.lock(lockPatience); err != nil {
		return err
	}
	_, err := w.blank.Exec(f.realm, f.account, f.version)
	if err == nil {
		_, err = w.commit.Exec()
	}
	if err != nil {
		w.disconnect()
		return err
	}
	var busy, all, moved int
	if err := w.link.conn.QueryRowContext(context.Background(), emptySQL).Scan(&busy, &all, &moved); err != nil {
		return err
	}
	return w.s.prove()
}
