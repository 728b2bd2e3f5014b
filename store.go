package oneseat

import (
	"context"
	"runtime/debug"
	"time"
)

// Store keeps rosters and the log of what happened to them. An implementation holds
// no rule: it replaces one roster atomically, as a pure function tells it to. Every
// method is safe for concurrent use. storetest.Run finds out whether a store does
// all that is written here.
//
// An error other than the context's means that the store gave no answer. A
// *[StoreError] says why. After a store was closed the error is [ErrStoreClosed].
type Store interface {
	// Load reads rosters from where they are written, never from a replica that
	// lags. It returns one View for each key, in the order of the keys. An absent
	// roster is a View without a Roster.
	Load(ctx context.Context, keys ...Key) ([]View, error)

	// Update replaces one roster, atomically with respect to every other Update of
	// that key on any node, and commits its events to the log in the same step. It
	// returns the View that is stored then.
	//
	// change is pure. It may run several times, with several views; what its last
	// run returned is committed. If change returns an error, Update returns that
	// error as it is. If change panics, Update returns a *[PanicError]. In both
	// cases nothing is written. Nothing is written either when ctx ends before the
	// commit has begun.
	//
	// View.Now is read after the lock that guards the roster was taken. Where there
	// is no lock, it is read together with the roster that the commit is conditional
	// on. A commit that would come more than [MaxUpdateAge] after its Now is not
	// made; change runs again.
	//
	// If the reply to a commit was lost, the error wraps [ErrUnknownOutcome].
	Update(ctx context.Context, key Key, change func(View) (Change, error)) (View, error)

	// Partitions returns the number of partitions of the log, which never changes. A
	// roster's events are in the partition that [Key.Partition] names.
	Partitions() int

	// Changes returns what was committed to a partition after the cursor: every
	// entry at least once, and those of one key in the order of commits. The empty
	// cursor means the end of the log: Changes then returns nothing but a cursor
	// from which to go on.
	//
	// A call that returns Tail.End has returned everything whose Update had
	// returned, on any node, before the call began.
	Changes(ctx context.Context, partition int, after Cursor) (Tail, error)

	// Wake calls wake whenever a partition may have something new, from any node. It
	// returns ctx's error when ctx ends. A call of wake is a hint: calls may be
	// missed, merged, or come for nothing. Any other error means that the push is
	// broken for now; call Wake again later.
	Wake(ctx context.Context, wake func(partition int)) error

	// Due returns the keys of at most limit rosters of the realm whose Due is not
	// after the store's time, those waiting longest first. It may list a roster a
	// little early, never late: an update that moves Due sooner is seen at once.
	//
	// Most updates leave [Roster.Due] as it was, although the roster is due later now.
	// So a store that keeps an index of Due need not write the index then. A sweep that
	// finds the roster too early sets its Due right.
	Due(ctx context.Context, realm string, limit int) ([]Key, error)
}

// History lists rosters and events for people, and forgets events of an account that
// is erased. A [Store] may implement it. No rule depends on it.
type History interface {
	// Rosters returns at most Limit rosters of a realm, in the order of their
	// accounts: those whose account begins with Prefix and comes after the account
	// After. The realm's control record is not among them.
	Rosters(ctx context.Context, q RosterQuery) ([]View, error)

	// Events returns committed events of a realm, the newest first, at most
	// Limit.
	Events(ctx context.Context, q EventQuery) ([]Record, error)

	// Count returns the sum of [Roster.Count] over the rosters of a realm, as far as
	// these were counted under this epoch. Its cost does not grow with the number of
	// rosters. The sum is exact: it is committed with the rosters, see
	// [View.CountChanges].
	Count(ctx context.Context, realm string, epoch uint64) (Count, error)

	// Forget drops an account's events from the log, as far as they were committed
	// with a version up to this one. Each entry keeps its place, its key and its
	// version, so no reader of the log finds a gap. An absent account, and one without
	// events, is no error. After an error some events may have been dropped.
	Forget(ctx context.Context, realm, account string, version uint64) error
}

// Count is how many accounts, sessions and streams are live.
type Count struct {
	Accounts int `json:"accounts"` // with at least one session
	Sessions int `json:"sessions"`
	Streams  int `json:"streams"`
}

// Plus returns the sum of c and d.
func (c Count) Plus(d Count) Count {
	return Count{c.Accounts + d.Accounts, c.Sessions + d.Sessions, c.Streams + d.Streams}
}

// CountChange is by how much an update changes the sum of one epoch.
type CountChange struct {
	Epoch uint64
	By    Count // may be negative
}

// RosterQuery selects rosters. A zero field does not restrict.
type RosterQuery struct {
	Realm  string // required
	Prefix string
	After  string
	Limit  int // 0 means 100; at most 1000
}

// EventQuery selects events. A zero field does not restrict.
type EventQuery struct {
	Realm   string // required
	Account string
	Session SessionID
	Before  uint64 // the Seq of the last record seen; 0: begin with the newest
	Limit   int    // 0 means 100; at most 1000
}

// Record is an event with its place in the history.
type Record struct {
	Seq uint64 // rises with every record, with gaps
	Event
}

// MaxUpdateAge bounds the time between an update's View.Now and its commit. A
// process that was paused in between decides again.
const MaxUpdateAge = 2 * time.Second

// View is a roster as a store holds it.
type View struct {
	Key     Key
	Roster  *Roster   // nil: absent. Shared: never modify what it points to
	Version uint64    // of the roster; of an absent one, at least that of any roster erased under this key
	Now     time.Time // the store's time, whole microseconds, UTC, see At

	behind time.Duration // how far the store's clock is behind the roster's last commit; negative: ahead
}

// At returns v with Now set to the store's clock, or to the roster's own last commit
// if that is later: a clock that was set back does not undo time.
func (v View) At(clock time.Time) View {
	last := time.UnixMicro(int64(v.Version))
	v.Now, v.behind = latest(clock, last).UTC().Truncate(time.Microsecond), last.Sub(clock)
	return v
}

// Next returns the version that an update of v commits: max(previous + 1, the
// store's time in microseconds). Versions of a key never restart, not even when its
// roster was erased and came back, because an absent view carries a floor.
func (v View) Next() uint64 {
	return max(v.Version+1, uint64(v.Now.UnixMicro()))
}

// Change is what an update does. The zero Change does nothing.
type Change struct {
	Roster *Roster // the new roster; nil with Erase unset: nothing is written
	Erase  bool    // remove the roster; Roster is nil
	Events []Event // only with Roster; none: no log entry is written
}

// Cursor is a place in a partition's log: the log's random incarnation and a
// position, as the store writes them.
type Cursor string

// Tail is what [Store.Changes] returns.
type Tail struct {
	Entries []Entry
	Cursor  Cursor // where to go on
	End     bool   // everything up to the end of the log has been returned
	Gap     bool   // entries may be missing before these: the log was trimmed, is another incarnation, or ends before the cursor; Cursor is good
}

// Entry is one committed update in the log.
type Entry struct {
	Key     Key
	Version uint64  // of the roster that it committed
	Events  []Event // none: they were forgotten, see [History]
}

// RunChange calls change and turns a panic into a *[PanicError]. For stores.
func RunChange(change func(View) (Change, error), v View) (c Change, err error) {
	defer func() {
		if p := recover(); p != nil {
			c, err = Change{}, &PanicError{Value: p, Stack: debug.Stack()}
		}
	}()
	return change(v)
}

// latest returns the later of two times.
func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// PageLimit returns how many rows a [History] query with this Limit returns at most.
// For stores.
func PageLimit(limit int) int {
	if limit <= 0 {
		return 100
	}
	return min(limit, 1000)
}
