package oneseat

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"
)

// reloadAfter is the greatest age of a cached roster, even of one that the log
// proves: somebody may have deleted rows without an entry in the log.
const reloadAfter = time.Minute

const (
	cacheShards   = 64
	cachePerShard = 1 << 14 // about a million accounts in all
)

// cache keeps rosters by key, and knows for how long each may be used.
//
// Two rules make it exact.
//
// What arrives late is never kept. A load is registered before it is sent
// (beginLoad). A change that arrives meanwhile raises the lowest version that the
// load may bring, and what is below that is not cached.
//
// Nothing is used unproven. An entry counts as of the start of its own load, or
// as of the start of the last Changes call that began after the entry was cached
// and reached the end of the log:
//
//	step        1          2              3          4
//	reader      | Changes  | Changes, gap | Changes  | Changes …
//	entry A        load ──▶ cached at 1
//	entry B                    load begun at 2 ──▶ cached at 3
//
// The call that began at step 2 found a gap, which ended at step 3. The call that
// began at step 4 proves entry B, but not A: what A's load missed may lie in the
// gap. A counts as of its own load until it is read again.
type cache struct {
	maxStale time.Duration // below 0: nothing is ever used
	shards   [cacheShards]cacheShard
	parts    []partition
}

type cacheShard struct {
	mu      sync.RWMutex // guards both maps; never held over I/O
	entries map[Key]*entry
	loads   map[Key]*inflight
}

// entry is a cached roster. It is never modified, only replaced; gone is set when
// that has happened.
type entry struct {
	View

	// View points to roster, whose seat is in seat if it has only one. So a check
	// reads one place of memory, from its beginning to its end. With many accounts
	// that is most of what a check costs.
	roster Roster
	seat   [1]seat

	part   *partition // of the log, where its changes are
	loaded instant    // when the load that brought it began
	begun  step       // the partition's step before that load
	cached step       // the partition's step when the roster was cached
	gone   atomic.Bool
}

func newEntry(v View, part *partition, loaded instant, begun step) *entry {
	e := &entry{View: v, part: part, loaded: loaded, begun: begun, cached: part.step(), roster: *v.Roster}
	e.Roster = e.roster.inOnePlace(&e.seat)
	return e
}

// inflight are the loads of a key that are under way.
type inflight struct {
	loads int
	least uint64 // the lowest version that may be cached
}

// step counts what happens to a partition: the beginnings of Changes calls, and
// the ends of gaps. Steps order loads, entries and calls without a clock.
type step uint64

// partition is what is known of one partition of the log.
type partition struct {
	steps atomic.Uint64 // the last step
	proof atomic.Pointer[proof]
}

func (p *partition) step() step { return step(p.steps.Load()) }

// proof is a Changes call that reached the end of the log, all of it applied.
type proof struct {
	begun step    // of the call: it proves only what was cached before
	at    instant // just before the call
	gap   step    // until which the log was not followed: it proves only loads that began after
}

func newCache(partitions int, maxStale time.Duration) *cache {
	c := &cache{maxStale: maxStale, parts: make([]partition, partitions)}
	for i := range c.shards {
		c.shards[i].entries = make(map[Key]*entry)
		c.shards[i].loads = make(map[Key]*inflight)
	}
	return c
}

func (c *cache) shard(k Key) *cacheShard {
	return &c.shards[binary.BigEndian.Uint64(k[8:])%cacheShards]
}

// get returns what is cached, usable or not.
func (c *cache) get(k Key) *entry {
	s := c.shard(k)
	s.mu.RLock()
	e := s.entries[k]
	s.mu.RUnlock()
	return e
}

func (c *cache) partition(k Key) *partition { return &c.parts[k.Partition(len(c.parts))] }

// freshAsOf returns the last moment at which an entry is known to have been what was
// stored.
func (c *cache) freshAsOf(e *entry) instant {
	p := e.part.proof.Load()
	if p != nil && p.gap <= e.begun && e.cached < p.begun {
		return p.at
	}
	return e.loaded
}

// usable reports whether e may say yes at now.
func (c *cache) usable(e *entry, now instant) bool {
	return e != nil && now.since(c.freshAsOf(e)) <= c.maxStale &&
		now.since(e.loaded) <= reloadAfter
}

// beginLoad registers a load of k, before it is sent, and returns the step before
// it. endLoad is called exactly once, when the load's result has been kept or
// thrown away.
func (c *cache) beginLoad(k Key) step {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.loads[k]
	if l == nil {
		l = &inflight{}
		s.loads[k] = l
	}
	l.loads++
	return c.partition(k).step()
}

func (c *cache) endLoad(k Key) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.loads[k]; l.loads > 1 {
		l.loads--
	} else {
		delete(s.loads, k)
	}
}

// keep caches what a registered load, or an update, brought, unless something
// newer is known. It returns what is cached of v, or nil if it could not be kept.
func (c *cache) keep(v View, loaded instant, begun step) *entry {
	s := c.shard(v.Key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if v.Roster == nil || v.Version < s.loads[v.Key].least {
		return nil
	}
	old := s.entries[v.Key]
	switch {
	case old != nil && old.Version > v.Version:
		return nil
	case old != nil:
		old.gone.Store(true)
	case len(s.entries) >= cachePerShard:
		for k := range s.entries { // any: the order of a map is random
			s.remove(k)
			break
		}
	}
	e := newEntry(v, c.partition(v.Key), loaded, begun)
	s.entries[v.Key] = e
	return e
}

// changed makes everything below a version useless: what is cached, and what a
// load under way will bring.
func (c *cache) changed(k Key, version uint64) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[k]; e != nil && e.Version < version {
		s.remove(k)
	}
	if l := s.loads[k]; l != nil {
		l.least = max(l.least, version)
	}
}

// drop forgets a key whose roster was erased, or whose update has an unknown
// outcome.
func (c *cache) drop(k Key) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(k)
}

// remove takes an entry out. A load under way that is older is not cached either: this
// node may have answered by the entry already. The caller holds the lock.
func (s *cacheShard) remove(k Key) {
	if e := s.entries[k]; e != nil {
		e.gone.Store(true)
		delete(s.entries, k)
		if l := s.loads[k]; l != nil {
			l.least = max(l.least, e.Version)
		}
	}
}

// trim drops what is too old to be used, from one shard.
func (c *cache) trim(shard int, now instant) {
	s := &c.shards[shard%cacheShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, e := range s.entries {
		if now.since(e.loaded) > reloadAfter {
			s.remove(k)
		}
	}
}

// step counts the beginning of a Changes call, before it is sent, or the end of
// a gap.
func (c *cache) step(partition int) step { return step(c.parts[partition].steps.Add(1)) }

// prove records that everything up to a Changes call has been applied.
func (c *cache) prove(partition int, p proof) { c.parts[partition].proof.Store(&p) }

// len counts the entries.
func (c *cache) len() int {
	n := 0
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.RLock()
		n += len(s.entries)
		s.mu.RUnlock()
	}
	return n
}
