package storetest_test

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/oneseat/oneseat"
)

// sums are sums that a plant keeps itself. The handles of a database share them.
type sums struct {
	mu sync.Mutex // guards of
	of map[string]oneseat.Count
}

// key names a sum.
func (*sums) key(realm string, epoch uint64) string { return fmt.Sprint(realm, " ", epoch) }

func (s *sums) get(realm string, epoch uint64) oneseat.Count {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.of[s.key(realm, epoch)]
}

func (s *sums) set(realm string, epoch uint64, c oneseat.Count) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of[s.key(realm, epoch)] = c
}

// add adds what a change of v adds to the sums. between, if it is set, lets others run
// in the middle.
func (s *sums) add(v oneseat.View, c oneseat.Change, between func()) {
	ro := cmp.Or(c.Roster, v.Roster)
	for _, change := range v.CountChanges(c) {
		was := s.get(ro.Realm, change.Epoch)
		between()
		s.set(ro.Realm, change.Epoch, was.Plus(change.By))
	}
}

// ownSums has a handle keep sums of its own. note gets every run of a change, committed
// gets the run that was committed.
func (h *handle) ownSums(note func(v oneseat.View, c oneseat.Change), committed func(v oneseat.View, c oneseat.Change)) {
	h.update = func(ctx context.Context, k oneseat.Key, change changeFunc) (oneseat.View, error) {
		var saw oneseat.View
		var made oneseat.Change
		v, err := h.Store.Update(ctx, k, func(v oneseat.View) (oneseat.Change, error) {
			c, err := change(v)
			saw, made = v, c
			note(v, c)
			return c, err
		})
		if err == nil {
			committed(saw, made)
		}
		return v, err
	}
	h.count = func(_ context.Context, realm string, epoch uint64) (oneseat.Count, error) {
		return h.sums.get(realm, epoch), nil
	}
}

func ignore(oneseat.View, oneseat.Change) {}

var countPlants = []plant{
	{"sums kept beside the rosters", func(h *handle) {
		h.ownSums(ignore, func(v oneseat.View, c oneseat.Change) {
			h.sums.add(v, c, func() { time.Sleep(time.Millisecond) })
		})
	}, []string{"Counts/the sums are exact after all that many nodes do at once"}},
	{"sums that count every run of a change", func(h *handle) {
		h.ownSums(func(v oneseat.View, c oneseat.Change) { h.sums.add(v, c, func() {}) }, ignore)
	}, []string{"Counts/an update that writes nothing alters no sum"}},
	{"sums that forget erasures", func(h *handle) {
		h.ownSums(ignore, func(v oneseat.View, c oneseat.Change) {
			if !c.Erase {
				h.sums.add(v, c, func() {})
			}
		})
	}, []string{
		"Counts/a sum is what the rosters of a realm say, after every update",
		"Counts/the sums are exact after all that many nodes do at once",
	}},
	{"sums that count a retry again", func(h *handle) {
		h.ownSums(ignore, func(v oneseat.View, c oneseat.Change) {
			if v.Roster != nil && c.Roster == nil && !c.Erase { // nothing was left to do
				c.Roster, v.Roster = v.Roster, nil
			}
			h.sums.add(v, c, func() {})
		})
	}, []string{"Counts/an update whose reply is lost is counted once"}},
	{"streams counted as sessions", func(h *handle) {
		h.count = func(ctx context.Context, realm string, epoch uint64) (oneseat.Count, error) {
			c, err := h.Store.Count(ctx, realm, epoch)
			return oneseat.Count{Accounts: c.Accounts, Sessions: c.Sessions + c.Streams}, err
		}
	}, []string{
		"Counts/a sum is what the rosters of a realm say, after every update",
		"Counts/the sums are exact after all that many nodes do at once",
	}},
	{"sums of all epochs together", func(h *handle) {
		h.ownSums(ignore, func(v oneseat.View, c oneseat.Change) {
			ro := cmp.Or(c.Roster, v.Roster)
			for _, change := range v.CountChanges(c) {
				h.sums.set(ro.Realm, 0, h.sums.get(ro.Realm, 0).Plus(change.By))
			}
		})
		h.count = func(_ context.Context, realm string, _ uint64) (oneseat.Count, error) {
			return h.sums.get(realm, 0), nil
		}
	}, []string{
		"Counts/a sum is of one epoch and one realm",
		"Counts/an ended realm counts nothing, and a timeout counts until it is recorded",
	}},
	{"a sum that lags", func(h *handle) {
		var mu sync.Mutex
		before := make(map[uint64]oneseat.Count)
		h.count = func(ctx context.Context, realm string, epoch uint64) (oneseat.Count, error) {
			c, err := h.Store.Count(ctx, realm, epoch)
			mu.Lock()
			defer mu.Unlock()
			was := before[epoch]
			before[epoch] = c
			return was, err
		}
	}, []string{"Counts/a sum is what the rosters of a realm say, after every update"}},
}
