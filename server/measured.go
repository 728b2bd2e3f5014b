package server

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/oneseat/oneseat"
)

// Measured is a store whose work is measured: how long it takes to answer, how often it
// does not, and what was committed to it through this Measured. It is safe for concurrent
// use. It starts nothing, and does not close the store.
type Measured struct {
	store    oneseat.Store
	counters *counters
	ops      [operations]operation
	realms   sync.Map // by name: *committed
}

// operationKind is a method of [oneseat.Store] or [oneseat.History].
type operationKind int

const (
	opLoad operationKind = iota
	opUpdate
	opChanges
	opDue
	opRosters
	opEvents
	opCount
	opForget
	opWake     // its errors only: it lasts until it fails
	operations // how many there are
)

var operationWords = [operations]string{"load", "update", "changes", "due", "rosters", "events", "count", "forget", "wake"}

// operation is what is measured of one method.
type operation struct {
	took   *metrics.PrometheusHistogram // nil of opWake
	errors *metrics.Counter
}

// storeSeconds are the bounds of the store's times: from what a memory needs to what a
// call waits for at most.
var storeSeconds = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}

// Measure returns a store that can be measured. Give [Measured.Store] to [oneseat.New], and
// the Measured itself to [Config].
func Measure(store oneseat.Store) *Measured {
	m := &Measured{store: store, counters: &counters{set: metrics.NewSet()}}
	for i, word := range operationWords {
		m.ops[i].errors = m.counters.counter("oneseat_store_errors_total", "op", word)
		if operationKind(i) != opWake {
			m.ops[i].took = m.counters.set.NewPrometheusHistogramExt(series("oneseat_store_seconds", "op", word), storeSeconds)
		}
	}
	return m
}

// Store returns the store, measured. It is a [oneseat.History] if the store is one.
func (m *Measured) Store() oneseat.Store {
	timed := timedStore{m.store, m}
	if h, ok := m.store.(oneseat.History); ok {
		return struct {
			timedStore
			timedHistory
		}{timed, timedHistory{h, m}}
	}
	return timed
}

// done measures a method that began at a time. A caller that went away, and a change that
// panicked, are no errors of the store's.
func (m *Measured) done(op operationKind, began time.Time, err error) {
	if o := &m.ops[op]; o.took != nil {
		o.took.UpdateDuration(began)
	}
	if _, panicked := errors.AsType[*oneseat.PanicError](err); err != nil && !panicked && !errors.Is(err, context.Canceled) {
		m.ops[op].errors.Inc()
	}
}

// committed are the counters of what was committed to one realm.
type committed struct {
	events  map[oneseat.EventType]*metrics.Counter // of each type; nobody changes the maps
	endings map[oneseat.Reason]*metrics.Counter    // of sessions, of each reason
}

var eventTypes = []oneseat.EventType{
	oneseat.EventSessionCreated, oneseat.EventSessionRotated, oneseat.EventSessionConfirmed, oneseat.EventSessionDataChanged, oneseat.EventSessionMoved, oneseat.EventSessionEnded, oneseat.EventSessionUsedAfterEnd,
	oneseat.EventSignInRefused, oneseat.EventSignInAsked, oneseat.EventRealmEnded,
	oneseat.EventLimitChanged, oneseat.EventAccountBlocked, oneseat.EventAccountUnblocked, oneseat.EventTakeoverNoticed,
	oneseat.EventStreamStarted, oneseat.EventStreamEnded, oneseat.EventSessionWouldEnd, oneseat.EventSignInWouldBeRefused,
}

var reasons = []oneseat.Reason{
	oneseat.ReasonSignedOut, oneseat.ReasonDisplaced, oneseat.ReasonRenewed, oneseat.ReasonRevoked, oneseat.ReasonIdleTimeout, oneseat.ReasonAbsoluteTimeout,
	oneseat.ReasonCredentialsChanged, oneseat.ReasonLimitLowered, oneseat.ReasonAccountBlocked, oneseat.ReasonRealmEnded,
}

// realm returns the counters of a realm.
func (m *Measured) realm(name string) *committed {
	if c, ok := m.realms.Load(name); ok {
		return c.(*committed)
	}
	c := &committed{events: make(map[oneseat.EventType]*metrics.Counter), endings: make(map[oneseat.Reason]*metrics.Counter)}
	for _, e := range eventTypes {
		c.events[e] = m.counters.counter("oneseat_events_total", "realm", name, "type", string(e))
	}
	for _, r := range reasons {
		c.endings[r] = m.counters.counter("oneseat_sessions_ended_total", "realm", name, "reason", string(r))
	}
	m.realms.Store(name, c) // of two at once both have the same counters
	return c
}

// commits counts events that were committed. Those of other types and reasons, which a
// newer release of the library may have, are left out.
func (m *Measured) commits(events []oneseat.Event) {
	for _, e := range events {
		c := m.realm(e.Realm)
		if n := c.events[e.Type]; n != nil {
			n.Inc()
		}
		if n := c.endings[e.Reason]; n != nil && e.Type == oneseat.EventSessionEnded {
			n.Inc()
		}
	}
}

// timedStore is a store that is measured.
type timedStore struct {
	store oneseat.Store
	m     *Measured
}

func (t timedStore) Load(ctx context.Context, keys ...oneseat.Key) (_ []oneseat.View, err error) {
	defer func(began time.Time) { t.m.done(opLoad, began, err) }(time.Now())
	return t.store.Load(ctx, keys...)
}

// refused is an error of a change, so that it is told from the store's own.
type refused struct{ err error }

func (r *refused) Error() string { return r.err.Error() }

// Update counts the events of what was committed. An update whose reply was lost counts none,
// and its retry finds that all was done: so an event is counted once at most, by one node.
func (t timedStore) Update(ctx context.Context, key oneseat.Key, change func(oneseat.View) (oneseat.Change, error)) (oneseat.View, error) {
	var last oneseat.Change // read only if the update was made: else a change may still run
	began := time.Now()
	v, err := t.store.Update(ctx, key, func(v oneseat.View) (oneseat.Change, error) {
		c, err := change(v)
		if last = c; err != nil {
			return c, &refused{err}
		}
		return c, nil
	})
	if by, ok := errors.AsType[*refused](err); ok {
		t.m.done(opUpdate, began, nil)
		return v, by.err
	}
	if err == nil && last.Roster != nil {
		t.m.commits(last.Events)
	}
	t.m.done(opUpdate, began, err)
	return v, err
}

func (t timedStore) Partitions() int { return t.store.Partitions() }

func (t timedStore) Changes(ctx context.Context, partition int, after oneseat.Cursor) (_ oneseat.Tail, err error) {
	defer func(began time.Time) { t.m.done(opChanges, began, err) }(time.Now())
	return t.store.Changes(ctx, partition, after)
}

func (t timedStore) Wake(ctx context.Context, wake func(partition int)) (err error) {
	defer func() { t.m.done(opWake, time.Time{}, err) }()
	return t.store.Wake(ctx, wake)
}

func (t timedStore) Due(ctx context.Context, realm string, limit int) (_ []oneseat.Key, err error) {
	defer func(began time.Time) { t.m.done(opDue, began, err) }(time.Now())
	return t.store.Due(ctx, realm, limit)
}

// timedHistory is a history that is measured.
type timedHistory struct {
	history oneseat.History
	m       *Measured
}

func (t timedHistory) Rosters(ctx context.Context, q oneseat.RosterQuery) (_ []oneseat.View, err error) {
	defer func(began time.Time) { t.m.done(opRosters, began, err) }(time.Now())
	return t.history.Rosters(ctx, q)
}

func (t timedHistory) Events(ctx context.Context, q oneseat.EventQuery) (_ []oneseat.Record, err error) {
	defer func(began time.Time) { t.m.done(opEvents, began, err) }(time.Now())
	return t.history.Events(ctx, q)
}

func (t timedHistory) Forget(ctx context.Context, realm, account string, version uint64) (err error) {
	defer func(began time.Time) { t.m.done(opForget, began, err) }(time.Now())
	return t.history.Forget(ctx, realm, account, version)
}

func (t timedHistory) Count(ctx context.Context, realm string, epoch uint64) (_ oneseat.Count, err error) {
	defer func(began time.Time) { t.m.done(opCount, began, err) }(time.Now())
	return t.history.Count(ctx, realm, epoch)
}
