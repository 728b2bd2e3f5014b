package sqlitestore

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/oneseat/oneseat"
)

// maxBatch is how many updates are committed together at most.
const maxBatch = 256

const (
	insertSQL  = `INSERT INTO oneseat_rosters (version, due, roster, key, realm, account) VALUES (?, ?, ?, ?, ?, ?)`
	updateSQL  = `UPDATE oneseat_rosters SET version = ?, due = ?, roster = ? WHERE key = ?`
	keepDueSQL = `UPDATE oneseat_rosters SET version = ?, roster = ? WHERE key = ?` // and no index
	eraseSQL   = `DELETE FROM oneseat_rosters WHERE key = ?`
	floorSQL   = `UPDATE oneseat_meta SET floor = max(floor, ?) RETURNING floor`
	countSQL   = `INSERT INTO oneseat_counts AS c (realm, epoch, accounts, sessions, streams) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (realm, epoch) DO UPDATE SET accounts = c.accounts + excluded.accounts, sessions = c.sessions + excluded.sessions, streams = c.streams + excluded.streams
		RETURNING accounts = 0 AND sessions = 0 AND streams = 0`
	uncountSQL = `DELETE FROM oneseat_counts WHERE realm = ? AND epoch = ?`
)

// update is one call of Update on its way through the writer.
type update struct {
	ctx    context.Context
	key    oneseat.Key
	change func(oneseat.View) (oneseat.Change, error)

	state atomic.Int32 // waiting, then taken by the writer or withdrawn by its caller

	// Once the update is taken these are the writer's, and after done its caller's.
	view oneseat.View
	err  error
	done chan struct{}
}

const (
	waiting = iota
	taken
	withdrawn
)

// Update implements [oneseat.Store]. When ctx ends before the writer has run change,
// the update is withdrawn. After that its commit has begun, and Update waits for the
// outcome, which takes as long as the disk does.
//
// change runs on another goroutine, one at a time with all others of this store. It
// must not call the store. A change that takes longer than [oneseat.MaxUpdateAge] is
// run again until ctx ends, and so are the other changes of its transaction.
func (s *Store) Update(ctx context.Context, key oneseat.Key, change func(oneseat.View) (oneseat.Change, error)) (oneseat.View, error) {
	if err := ctx.Err(); err != nil {
		return oneseat.View{}, err
	}
	u := &update{ctx: ctx, key: key, change: change, done: make(chan struct{})}
	select {
	case s.queue <- u:
	case <-ctx.Done():
		return oneseat.View{}, ctx.Err()
	case <-s.closing:
		return oneseat.View{}, oneseat.ErrStoreClosed
	}
	select {
	case <-u.done:
	case <-ctx.Done():
		if u.state.CompareAndSwap(waiting, withdrawn) {
			return oneseat.View{}, ctx.Err()
		}
		<-u.done
	case <-s.stopped:
		if u.state.CompareAndSwap(waiting, withdrawn) {
			return oneseat.View{}, oneseat.ErrStoreClosed
		}
		<-u.done
	}
	if u.err != nil {
		return oneseat.View{}, u.err
	}
	return u.view, nil
}

// writer is the goroutine that makes all updates of a store, and what it works with.
// Nothing here is shared. It ends when the store is closed.
type writer struct {
	s *Store

	link link // everything below is on it; the zero link: not connected

	begin, commit, rollback, load *sql.Stmt
	insert, update, keepDue       *sql.Stmt
	erase, floor                  *sql.Stmt
	events                        eventStatements
	count, uncount                *sql.Stmt
	overdue, trim, trimmed        *sql.Stmt // see trim.go
	blank                         *sql.Stmt // see forget.go

	batch  []*update                // taken, in the order in which they run
	fresh  map[oneseat.Key]entry    // what the open transaction has written
	sums   map[sumKey]oneseat.Count // how much it changes the sums
	logged []eventRow               // its events, in their order
}

// sumKey names a row of oneseat_counts.
type sumKey struct {
	realm string
	epoch uint64
}

// entry is a roster as the open transaction has left it.
type entry struct {
	oneseat.View
	size int // bytes of its JSON
}

func (w *writer) run() {
	closed := false
	defer func() {
		w.disconnect()
		if closed {
			close(w.s.stopped)
			return
		}
		// A change ended this goroutine by runtime.Goexit, as FailNow of testing does.
		// That must not end all updates for good.
		w.finish(errors.New("sqlitestore: a change of the same batch ended its goroutine: nothing was written, try again"))
		go w.run()
	}()
	w.loop()
	closed = true
}

func (w *writer) loop() {
	look := time.NewTicker(trimEvery)
	defer look.Stop()
	overdue := true // there may be events to trim: some after every batch, until there are none
	for !w.closing() {
		overdue = overdue && w.trimSome()
		if overdue {
			select {
			case u := <-w.s.queue:
				w.transact(u)
			case f := <-w.s.forgets:
				f.done <- w.blankEvents(f)
			default:
			}
			continue
		}
		select {
		case u := <-w.s.queue:
			w.transact(u)
		case f := <-w.s.forgets:
			f.done <- w.blankEvents(f)
		case <-look.C:
			overdue = true
		case <-w.s.closing:
		}
	}
}

func (w *writer) closing() bool {
	select {
	case <-w.s.closing:
		return true
	default:
		return false
	}
}

// transact commits first, and everything else that waits, in one transaction. Updates
// that come while it runs are added as long as there are more. Updates that come while
// it commits are the next batch. An update is taken only when the lock is held, so that
// it can be withdrawn until then.
func (w *writer) transact(first *update) {
	for {
		err := w.lock(lockPatience)
		began := time.Now() // no Now of a View of this transaction is earlier
		w.take(first)
		if err != nil {
			for w.takeNext() { // otherwise they would wait as long, one after the other
			}
			w.finish(err)
			return
		}
		if err := w.runAll(); err != nil {
			w.disconnect()
			w.finish(err)
			return
		}
		if age(began) <= oneseat.MaxUpdateAge {
			w.finish(w.end())
			return
		}
		if err := w.undo(); err != nil {
			w.finish(err)
			return
		}
	}
}

// age returns how long ago a time is, by the clock that has gone further: the monotonic
// clock stands still while the machine sleeps.
func age(t time.Time) time.Duration {
	now := time.Now()
	return max(now.Sub(t), now.Round(0).Sub(t.Round(0)))
}

// take takes an update into the batch, unless the update is withdrawn or in it.
func (w *writer) take(u *update) bool {
	if !u.state.CompareAndSwap(waiting, taken) {
		return false
	}
	w.batch = append(w.batch, u)
	return true
}

// takeNext takes another update if one waits and there is room.
func (w *writer) takeNext() bool {
	for len(w.batch) < maxBatch && !w.closing() {
		select {
		case u := <-w.s.queue:
			if w.take(u) {
				return true
			}
		default:
			return false
		}
	}
	return false
}

// runAll runs the updates of the batch, and those that come in the meantime.
func (w *writer) runAll() error {
	for i := 0; i < len(w.batch) || w.takeNext(); i++ {
		if err := w.change(w.batch[i]); err != nil {
			return err
		}
	}
	if err := w.events.write(w.logged); err != nil {
		return err
	}
	return w.writeSums()
}

// change makes one update in the open transaction. An error that it returns has spoilt
// the transaction. An error of this update alone is in u.err.
func (w *writer) change(u *update) error {
	if u.err = u.ctx.Err(); u.err != nil {
		return nil
	}
	v, err := w.view(u.key)
	if _, damaged := errors.AsType[*oneseat.FormatError](err); damaged {
		u.err = err
		return nil
	}
	if err != nil {
		return err
	}
	c, err := oneseat.RunChange(u.change, v)
	if err == nil {
		err = u.ctx.Err()
	}
	if u.err = err; err != nil {
		return nil
	}
	switch {
	case c.Erase:
		u.view, err = w.eraseRoster(v)
	case c.Roster != nil:
		var t texts
		if t, u.err = encode(c); u.err == nil {
			u.view, err = w.replace(v, c, t)
		}
	default:
		u.view = v
	}
	return err
}

func (w *writer) view(k oneseat.Key) (oneseat.View, error) {
	if e, ok := w.fresh[k]; ok {
		return e.At(time.Now()), nil
	}
	return w.s.file.loadOne(context.Background(), w.load, k)
}

func (w *writer) eraseRoster(v oneseat.View) (oneseat.View, error) {
	if v.Roster == nil {
		return v, nil
	}
	if _, err := w.erase.Exec(v.Key[:]); err != nil {
		return v, err
	}
	w.countIn(v, oneseat.Change{Erase: true})
	v.Roster = nil
	err := w.floor.QueryRow(int64(v.Version)).Scan(&v.Version)
	w.fresh[v.Key] = entry{View: v}
	return v, err
}

// texts are the JSON of a change.
type texts struct {
	roster string
	events []string
}

func encode(c oneseat.Change) (t texts, err error) {
	b, err := c.Roster.MarshalJSON()
	t.roster = string(b)
	for _, e := range c.Events {
		if err == nil {
			b, err = json.Marshal(e)
			t.events = append(t.events, string(b))
		}
	}
	return t, err
}

func (w *writer) replace(v oneseat.View, c oneseat.Change, t texts) (oneseat.View, error) {
	version := int64(v.Next())
	var due any
	if !c.Roster.Due.IsZero() {
		due = c.Roster.Due.UnixMicro()
	}
	var err error
	switch {
	case v.Roster == nil:
		_, err = w.insert.Exec(version, due, t.roster, v.Key[:], c.Roster.Realm, c.Roster.Account)
	case v.Roster.Due.Equal(c.Roster.Due):
		_, err = w.keepDue.Exec(version, t.roster, v.Key[:])
	default:
		_, err = w.update.Exec(version, due, t.roster, v.Key[:])
	}
	for i, e := range c.Events {
		w.logged = append(w.logged, eventRow{v.Key, version, e.Realm, e.Account, string(e.Session), t.events[i]})
	}
	w.countIn(v, c)
	v.Roster, v.Version = c.Roster, uint64(version)
	w.fresh[v.Key] = entry{v, len(t.roster)}
	return v, err
}

// countIn notes how much a change of v changes the sums.
func (w *writer) countIn(v oneseat.View, c oneseat.Change) {
	ro := cmp.Or(c.Roster, v.Roster)
	for _, change := range v.CountChanges(c) {
		k := sumKey{ro.Realm, change.Epoch}
		w.sums[k] = w.sums[k].Plus(change.By)
	}
}

// writeSums writes what was noted of the sums: one row for each epoch, however many
// updates the transaction has.
func (w *writer) writeSums() error {
	for k, by := range w.sums {
		if by == (oneseat.Count{}) {
			continue
		}
		var zero bool
		err := w.count.QueryRow(k.realm, int64(k.epoch), by.Accounts, by.Sessions, by.Streams).Scan(&zero)
		if err == nil && zero {
			_, err = w.uncount.Exec(k.realm, int64(k.epoch))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// end commits what the transaction has written, if anything.
func (w *writer) end() error {
	if len(w.fresh) == 0 {
		return w.undo()
	}
	_, err := w.commit.Exec()
	if err == nil {
		if err = w.s.prove(); err == nil {
			return nil
		}
		w.disconnect() // it was committed, but to files that others may not find
		return fmt.Errorf("%w: %w", oneseat.ErrUnknownOutcome, err)
	}
	w.disconnect()
	switch failureOf(err) {
	case oneseat.FailureFull, oneseat.FailureBusy, oneseat.FailureReadOnly:
		return err // the record that makes it a commit was not written
	}
	return fmt.Errorf("%w: %w", oneseat.ErrUnknownOutcome, explain(w.s.path, err))
}

// undo rolls the transaction back.
func (w *writer) undo() error {
	_, err := w.rollback.Exec()
	if err != nil {
		w.disconnect()
	}
	w.forget()
	return err
}

// forget empties what was noted of a transaction.
func (w *writer) forget() {
	clear(w.fresh)
	clear(w.sums)
	clear(w.logged) // so that they can be freed
	w.logged = w.logged[:0]
}

// finish gives every update of the batch its outcome, which is err if that is not nil.
// That includes an update that was refused: the refusal may rest on another update
// which now was not made.
func (w *writer) finish(err error) {
	err = explain(w.s.path, err)
	for k, e := range w.fresh {
		if err == nil && e.Roster != nil {
			w.s.file.known.Add(k, e.Roster, e.Version, e.size)
		}
	}
	for _, u := range w.batch {
		if err != nil {
			u.err = err
		}
		close(u.done)
	}
	if err == nil && len(w.logged) > 0 {
		w.s.wakeAll()
	}
	clear(w.batch) // so that they can be freed
	w.batch = w.batch[:0]
	w.forget()
}

// lock begins a transaction that holds the write lock, on the files that others find
// too. It waits for the lock of another process, but not after Close.
func (w *writer) lock(patience time.Duration) error {
	err := retryLocked(patience, w.s.closing, func() error {
		if err := w.connect(); err != nil {
			return err
		}
		if _, err := w.begin.Exec(); err != nil {
			return err
		}
		if err := w.s.check(); err != nil {
			return err
		}
		return w.s.verdict(w.s.file.locks.checkWAL()) // what is written behind a gap would be lost
	})
	if err != nil {
		w.disconnect()
	}
	return err
}

func (w *writer) connect() (err error) {
	if w.link.conn != nil {
		return nil
	}
	if err := w.s.check(); err != nil {
		return err
	}
	ctx := context.Background()
	if w.link, err = connect(ctx, w.s.path, "rw", 0); err != nil {
		return err
	}
	if err = prepare(ctx, w.link.conn, w.statements()); err != nil {
		w.disconnect()
	}
	return err
}

func (w *writer) statements() map[**sql.Stmt]string {
	all := map[**sql.Stmt]string{
		&w.begin: "BEGIN IMMEDIATE", &w.commit: "COMMIT", &w.rollback: "ROLLBACK", &w.load: loadSQL,
		&w.insert: insertSQL, &w.update: updateSQL, &w.keepDue: keepDueSQL, &w.erase: eraseSQL, &w.floor: floorSQL,
		&w.count: countSQL, &w.uncount: uncountSQL,
		&w.overdue: overdueSQL, &w.trim: trimSQL, &w.trimmed: trimmedSQL, &w.blank: blankSQL,
	}
	w.events.prepared(all)
	return all
}

// disconnect ends the connection, and with it any open transaction. The next update
// makes another. After an error nothing else is certain to help. Errors are left out
// here, because the error before has said what is wrong.
func (w *writer) disconnect() {
	if w.link.conn == nil {
		return
	}
	for s := range w.statements() { // a statement that is left open would keep the transaction
		if *s != nil {
			_ = (*s).Close()
			*s = nil
		}
	}
	_ = w.link.close()
}
