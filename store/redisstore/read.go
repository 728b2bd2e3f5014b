package redisstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/oneseat/oneseat"
	"github.com/redis/rueidis"
)

// Load implements [oneseat.Store]. If one roster cannot be decoded, the whole call
// fails with a *[oneseat.FormatError]: load the others without it.
//
// It takes one round trip for each partition that the keys are in, all at the same
// time.
func (s *Store) Load(ctx context.Context, keys ...oneseat.Key) ([]oneseat.View, error) {
	if err := s.begin(ctx); err != nil || len(keys) == 0 {
		return nil, err
	}
	views := make([]oneseat.View, len(keys))
	var at [partitions][]int // indexes of the keys, by partition
	var where []int
	for i, k := range keys {
		p := k.Partition(partitions)
		if at[p] = append(at[p], i); len(at[p]) == 1 {
			where = append(where, p)
		}
	}
	err := each(where, func(p int) error {
		mine := make([]oneseat.Key, len(at[p]))
		for i, n := range at[p] {
			mine[i] = keys[n]
		}
		found, err := s.loadFrom(ctx, p, mine)
		for i := range found {
			views[at[p][i]] = found[i].View
		}
		return err
	})
	if err != nil {
		return nil, s.explain(ctx, err)
	}
	return views, nil
}

// each calls do for some partitions at the same time and returns the first error.
func each(where []int, do func(p int) error) error {
	errs := make([]error, len(where))
	var wg sync.WaitGroup
	for i, p := range where[1:] {
		wg.Go(func() { errs[i+1] = do(p) })
	}
	errs[0] = do(where[0])
	wg.Wait()
	return cmp.Or(errs...)
}

// everywhere returns all partitions.
func everywhere() []int {
	all := make([]int, partitions)
	for p := range all {
		all[p] = p
	}
	return all
}

func (s *Store) loadOne(ctx context.Context, k oneseat.Key) (held, error) {
	found, err := s.loadFrom(ctx, k.Partition(partitions), []oneseat.Key{k})
	if err != nil {
		return held{}, err
	}
	return found[0], nil
}

// loadFrom reads rosters of one partition and then the time, both from the same
// server.
func (s *Store) loadFrom(ctx context.Context, p int, keys []oneseat.Key) ([]held, error) {
	b := s.client.B()
	get := b.Mget().Key(s.names.floor(p))
	for _, k := range keys {
		get = get.Key(s.names.roster(k))
	}
	short, cancel := s.trip(ctx)
	defer cancel()
	answers := s.client.DoMulti(short, get.Build(), b.Time().Build())
	asked := answers[1]
	values, err := answers[0].ToArray()
	if moving(err) {
		values, asked, err = s.readEach(short, p, keys)
	}
	if err != nil {
		return nil, err
	}
	t, err := asked.ToArray()
	if err != nil {
		return nil, err
	}
	clock, err := readClock(t)
	if err == nil && len(values) != len(keys)+1 {
		err = fmt.Errorf("MGET returned %d values of %d", len(values), len(keys)+1)
	}
	if err != nil {
		return nil, err
	}
	found := make([]held, len(keys))
	for i, k := range keys {
		if found[i], err = s.view(k, values[i+1], values[0], clock); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// view returns the view of what is stored under a key: of the roster's value, or,
// where there is none, of the partition's floor.
func (s *Store) view(k oneseat.Key, value, floor rueidis.RedisMessage, clock int64) (held, error) {
	h := held{View: oneseat.View{Key: k}, clock: clock}
	var err error
	switch {
	case !value.IsNil():
		h.Version, h.Roster, err = s.decode(k, value)
	case !floor.IsNil():
		h.Version, err = readVersion(floor)
	}
	if err != nil {
		return held{}, err
	}
	h.View = h.At(clockTime(clock))
	return h, nil
}

// decode returns the version and the roster of a stored value.
func (s *Store) decode(k oneseat.Key, value rueidis.RedisMessage) (uint64, *oneseat.Roster, error) {
	text, err := value.AsBytes() // those that were read, which nobody may change
	if err != nil {
		return 0, nil, err
	}
	if len(text) < 20 {
		return 0, nil, damaged(s.names.roster(k))
	}
	version, err := strconv.ParseUint(string(text[:20]), 10, 64)
	if err != nil {
		return 0, nil, damaged(s.names.roster(k))
	}
	ro, err := s.known.Get(k, version, text[20:])
	return version, ro, err
}

func readVersion(m rueidis.RedisMessage) (uint64, error) {
	text, err := m.ToString()
	if err != nil {
		return 0, err
	}
	v, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("a floor is %.64q, which is no version: %w", text, err)
	}
	return v, nil
}

func damaged(key string) error {
	return &oneseat.FormatError{Problem: fmt.Sprintf("the value of %s does not begin with a version, so it belongs to another program or is damaged: restore it from a backup, or delete it, which signs the account out", key)}
}

// Partitions implements [oneseat.Store].
func (*Store) Partitions() int { return partitions }

// Due implements [oneseat.Store].
func (s *Store) Due(ctx context.Context, realm string, limit int) ([]oneseat.Key, error) {
	if err := s.begin(ctx); err != nil || limit <= 0 {
		return nil, err
	}
	type item struct {
		key oneseat.Key
		due float64
	}
	var lists [partitions][]item
	trim := s.trimNow()
	err := each(everywhere(), func(p int) error {
		b := s.client.B()
		short, cancel := s.trip(ctx)
		defer cancel()
		answers := s.client.DoMulti(short,
			b.Zrange().Key(s.names.due(p, realm)).Min("0").Max(strconv.Itoa(limit-1)).Withscores().Build(), b.Time().Build())
		scores, err := answers[0].AsZScores()
		if err != nil {
			return err
		}
		t, err := answers[1].ToArray()
		if err != nil {
			return err
		}
		clock, err := readClock(t)
		if trim && err == nil {
			s.trim(ctx, p, clock)
		}
		for _, z := range scores {
			if z.Score > float64(clock) {
				break
			}
			if len(z.Member) != len(oneseat.Key{}) {
				return s.failed(oneseat.FailureForeign, fmt.Errorf("%s has a member that is not a key of ours", s.names.due(p, realm)))
			}
			lists[p] = append(lists[p], item{oneseat.Key([]byte(z.Member)), z.Score})
		}
		return err
	})
	if err != nil {
		return nil, s.explain(ctx, err)
	}
	all := slices.Concat(lists[:]...)
	slices.SortStableFunc(all, func(a, b item) int { return cmp.Compare(a.due, b.due) })
	keys := make([]oneseat.Key, min(limit, len(all)))
	for i := range keys {
		keys[i] = all[i].key
	}
	return keys, nil
}
