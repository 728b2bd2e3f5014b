// Package memstore keeps rosters in the memory of one process. They are lost when
// the process ends. It is the executable specification of [oneseat.Store]: the
// shortest program that passes storetest. Use it for tests and trials.
//
// It owns a map, a log and a lock. It holds no rule. Several registries in one
// process are nodes of one system when they share one *Store.
package memstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/oneseat/oneseat"
)

// keepLog is the least number of entries that the log keeps. A reader that is
// further behind gets a gap.
const keepLog = 1 << 16

// Store is an in-memory [oneseat.Store] and [oneseat.History]. Use New.
type Store struct {
	incarnation string
	clock       func() time.Time

	mu      sync.RWMutex // guards all fields below; held while a change runs, so that an update is one step
	rosters map[oneseat.Key]row
	floor   uint64                   // the highest version that was erased
	sums    map[sumKey]oneseat.Count // of all rosters; a sum of zero is left out
	log     []record
	dropped int // entries cut from the front of log
	seq     uint64
	wakes   map[*func(int)]struct{}
}

type row struct {
	roster  *oneseat.Roster
	version uint64
}

// sumKey names a sum: of a realm, under one of its epochs.
type sumKey struct {
	realm string
	epoch uint64
}

type record struct {
	oneseat.Entry
	seq uint64 // of its first event
}

var (
	_ oneseat.Store   = (*Store)(nil)
	_ oneseat.History = (*Store)(nil)
)

// New returns an empty store that reads the machine's clock.
func New() *Store { return NewAt(time.Now) }

// NewAt returns an empty store that reads clock, for tests.
func NewAt(clock func() time.Time) *Store {
	return &Store{
		incarnation: rand.Text(),
		clock:       clock,
		rosters:     make(map[oneseat.Key]row),
		sums:        make(map[sumKey]oneseat.Count),
		wakes:       make(map[*func(int)]struct{}),
	}
}

// Load implements [oneseat.Store].
func (s *Store) Load(ctx context.Context, keys ...oneseat.Key) ([]oneseat.View, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	views := make([]oneseat.View, len(keys))
	for i, k := range keys {
		views[i] = s.view(k)
	}
	return views, nil
}

func (s *Store) view(k oneseat.Key) oneseat.View {
	v := oneseat.View{Key: k, Version: s.floor}
	if r, ok := s.rosters[k]; ok {
		v.Roster, v.Version = r.roster, r.version
	}
	return v.At(s.clock())
}

// Update implements [oneseat.Store]. change must not call the store: it would wait
// for itself.
func (s *Store) Update(ctx context.Context, key oneseat.Key, change func(oneseat.View) (oneseat.Change, error)) (oneseat.View, error) {
	v, logged, err := s.update(ctx, key, change)
	if logged {
		s.wakeAll()
	}
	return v, err
}

func (s *Store) update(ctx context.Context, key oneseat.Key, change func(oneseat.View) (oneseat.Change, error)) (v oneseat.View, logged bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if err := ctx.Err(); err != nil {
			return oneseat.View{}, false, err
		}
		v = s.view(key)
		c, err := oneseat.RunChange(change, v)
		if err != nil {
			return oneseat.View{}, false, err
		}
		if ctx.Err() != nil || s.clock().Sub(v.Now) > oneseat.MaxUpdateAge {
			continue
		}
		s.count(v, c)
		switch {
		case c.Erase:
			s.floor = max(s.floor, v.Version)
			delete(s.rosters, key)
			v.Roster, v.Version = nil, s.floor
		case c.Roster != nil:
			v.Roster, v.Version = c.Roster, v.Next()
			s.rosters[key] = row{v.Roster, v.Version}
			logged = len(c.Events) > 0
			if logged {
				s.append(oneseat.Entry{Key: key, Version: v.Version, Events: slices.Clone(c.Events)})
			}
		}
		return v, logged, nil
	}
}

// count adds to the sums what the change c of v alters.
func (s *Store) count(v oneseat.View, c oneseat.Change) {
	ro := cmp.Or(c.Roster, v.Roster)
	for _, change := range v.CountChanges(c) {
		k := sumKey{ro.Realm, change.Epoch}
		s.sums[k] = s.sums[k].Plus(change.By)
		if s.sums[k] == (oneseat.Count{}) {
			delete(s.sums, k)
		}
	}
}

func (s *Store) append(e oneseat.Entry) {
	s.log = append(s.log, record{e, s.seq + 1})
	s.seq += uint64(len(e.Events))
	if cut := len(s.log) - keepLog; cut >= keepLog/4 {
		s.log = slices.Clone(s.log[cut:])
		s.dropped += cut
	}
}

// Partitions implements [oneseat.Store]: there is one.
func (*Store) Partitions() int { return 1 }

// Changes implements [oneseat.Store].
func (s *Store) Changes(ctx context.Context, _ int, after oneseat.Cursor) (oneseat.Tail, error) {
	if err := ctx.Err(); err != nil {
		return oneseat.Tail{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	end := s.dropped + len(s.log)
	t := oneseat.Tail{Cursor: oneseat.Cursor(fmt.Sprintf("%s.%d", s.incarnation, end)), End: true}
	if after == "" {
		return t, nil
	}
	incarnation, place, _ := strings.Cut(string(after), ".")
	at, err := strconv.Atoi(place)
	if err != nil || incarnation != s.incarnation || at < s.dropped || at > end {
		t.Gap = true
		return t, nil
	}
	for _, r := range s.log[at-s.dropped:] {
		t.Entries = append(t.Entries, r.Entry)
	}
	return t, nil
}

// Wake implements [oneseat.Store].
func (s *Store) Wake(ctx context.Context, wake func(partition int)) error {
	s.mu.Lock()
	s.wakes[&wake] = struct{}{}
	s.mu.Unlock()
	<-ctx.Done()
	s.mu.Lock()
	delete(s.wakes, &wake)
	s.mu.Unlock()
	return ctx.Err()
}

func (s *Store) wakeAll() {
	s.mu.RLock()
	wakes := make([]func(int), 0, len(s.wakes))
	for w := range s.wakes {
		wakes = append(wakes, *w)
	}
	s.mu.RUnlock()
	for _, w := range wakes {
		w(0)
	}
}

// Due implements [oneseat.Store].
func (s *Store) Due(ctx context.Context, realm string, limit int) ([]oneseat.Key, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	now := s.clock()
	var keys []oneseat.Key
	for k, r := range s.rosters {
		if due := r.roster.Due; r.roster.Realm == realm && !due.IsZero() && !due.After(now) {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b oneseat.Key) int {
		return s.rosters[a].roster.Due.Compare(s.rosters[b].roster.Due)
	})
	return keys[:min(limit, len(keys))], nil
}

// Rosters implements [oneseat.History].
func (s *Store) Rosters(ctx context.Context, q oneseat.RosterQuery) ([]oneseat.View, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var views []oneseat.View
	for k, r := range s.rosters {
		a := r.roster.Account
		if r.roster.Realm == q.Realm && a != "" && a > q.After && strings.HasPrefix(a, q.Prefix) {
			views = append(views, s.view(k))
		}
	}
	slices.SortFunc(views, func(a, b oneseat.View) int { return strings.Compare(a.Roster.Account, b.Roster.Account) })
	return views[:min(oneseat.PageLimit(q.Limit), len(views))], nil
}

// Events implements [oneseat.History].
func (s *Store) Events(ctx context.Context, q oneseat.EventQuery) ([]oneseat.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []oneseat.Record
	for _, r := range slices.Backward(s.log) {
		for i, e := range slices.Backward(r.Events) {
			seq := r.seq + uint64(i)
			if e.Realm == q.Realm && (q.Account == "" || e.Account == q.Account) &&
				(q.Session == "" || e.Session == q.Session) && (q.Before == 0 || seq < q.Before) {
				if out = append(out, oneseat.Record{Seq: seq, Event: e}); len(out) == oneseat.PageLimit(q.Limit) {
					return out, nil
				}
			}
		}
	}
	return out, nil
}

// Count implements [oneseat.History].
func (s *Store) Count(ctx context.Context, realm string, epoch uint64) (oneseat.Count, error) {
	if err := ctx.Err(); err != nil {
		return oneseat.Count{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.sums[sumKey{realm, epoch}], nil
}

// Forget implements [oneseat.History].
func (s *Store) Forget(ctx context.Context, realm, account string, version uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := oneseat.KeyOf(realm, account)
	for i := range s.log {
		if r := &s.log[i]; r.Key == key && r.Version <= version {
			r.Events = nil // readers may have the list
		}
	}
	return nil
}
