package oneseat

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"
)

// reloadAfter is how old a cached roster may get however well proven it is:
// somebody may have deleted rows behind the log's back.
const reloadAfter = time.Minute

const (
	cacheShards   = 64
	cachePerShard = 1 << 14 // about a million accounts in all
)

// cache keeps rosters by key, and knows how long each may be believed.
//
// Two rules make it exact. What arrives late is never kept: a load is marked
// before it is sent, a change that arrives meanwhile raises the mark, and what
// was loaded below the mark is not cached. And nothing is believed unproven: an
// entry counts as of the start of its own load, or as of the start of the last
// Changes call that began after it was cached and reached the end of the log.
type cache struct {
	maxStale time.Duration // below 0: nothing is ever believed
	shards   [cacheShards]cacheShard
	parts    []partition
}

type cacheShard struct {
	mu      sync.RWMutex // guards both maps; never held over I/O
	entries map[Key]*entry
	marks   map[Key]*mark
}

// entry is a cached roster. It is never modified, only replaced; gone is set when
// that has happened.
type entry struct {
	View

	// Where View points to, and where its seat is if it has only one: a check
	// finds all that it reads in one place of the memory, in the order in which it
	// reads it, which is most of its cost among many accounts.
	roster Roster
	seat   [1]Seat

	part   *partition // of the log, where its changes are
	loaded instant    // when the load that brought it began
	since  uint64     // the partition's step before that
	cached uint64     // the partition's step when it was cached
	gone   atomic.Bool
}

func newEntry(v View, part *partition, loaded instant, since uint64) *entry {
	e := &entry{View: v, part: part, loaded: loaded, since: since, cached: part.steps.Load(), roster: *v.Roster}
	if len(v.Roster.Seats) == 1 {
		e.seat[0] = v.Roster.Seats[0]
		e.roster.Seats = e.seat[:]
	}
	e.Roster = &e.roster
	return e
}

// mark stands for the loads of a key that are under way.
type mark struct {
	loads int
	least uint64 // the lowest version that may be cached
}

// partition is what is known of one partition of the log.
type partition struct {
	steps atomic.Uint64 // beginnings of Changes calls, and ends of gaps
	proof atomic.Pointer[proof]
}

// proof is a Changes call that reached the end of the log, all of it applied.
type proof struct {
	begun uint64  // the step of the call's beginning: it proves only what was cached before
	at    instant // just before that
	gap   uint64  // the step until which the log was not followed: it proves only what began to load after
}

func newCache(partitions int, maxStale time.Duration) *cache {
	c := &cache{maxStale: maxStale, parts: make([]partition, partitions)}
	for i := range c.shards {
		c.shards[i].entries = make(map[Key]*entry)
		c.shards[i].marks = make(map[Key]*mark)
	}
	return c
}

func (c *cache) shard(k Key) *cacheShard {
	return &c.shards[binary.BigEndian.Uint64(k[8:])%cacheShards]
}

// get returns what is cached, believable or not.
func (c *cache) get(k Key) *entry {
	s := c.shard(k)
	s.mu.RLock()
	e := s.entries[k]
	s.mu.RUnlock()
	return e
}

func (c *cache) partition(k Key) *partition { return &c.parts[k.Partition(len(c.parts))] }

// provenAt is the moment as of which an entry counts.
func (c *cache) provenAt(e *entry) instant {
	p := e.part.proof.Load()
	if p != nil && p.gap <= e.since && e.cached < p.begun {
		return p.at
	}
	return e.loaded
}

// believable says whether e may say yes at now.
func (c *cache) believable(e *entry, now instant) bool {
	return e != nil && now.since(c.provenAt(e)) <= c.maxStale &&
		now.since(e.loaded) <= reloadAfter
}

// expect marks a load of k, before it is sent, and returns the step at which it
// can have begun. done is called exactly once when the load's result has been
// kept or thrown away.
func (c *cache) expect(k Key) (since uint64) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.marks[k]
	if m == nil {
		m = &mark{}
		s.marks[k] = m
	}
	m.loads++
	return c.partition(k).steps.Load()
}

func (c *cache) done(k Key) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.marks[k]; m.loads > 1 {
		m.loads--
	} else {
		delete(s.marks, k)
	}
}

// keep caches what a marked load, or an update, brought, unless something newer
// is known. It returns what is cached of v, or nil if it could not be kept.
func (c *cache) keep(v View, loaded instant, since uint64) *entry {
	s := c.shard(v.Key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if v.Roster == nil || v.Version < s.marks[v.Key].least {
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
	e := newEntry(v, c.partition(v.Key), loaded, since)
	s.entries[v.Key] = e
	return e
}

// changed makes everything below version unbelievable: what is cached, and what
// is on its way.
func (c *cache) changed(k Key, version uint64) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[k]; e != nil && e.Version < version {
		s.remove(k)
	}
	if m := s.marks[k]; m != nil {
		m.least = max(m.least, version)
	}
}

// drop forgets a key, because nobody knows what became of it.
func (c *cache) drop(k Key) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(k)
}

// remove takes an entry out. The caller holds the lock.
func (s *cacheShard) remove(k Key) {
	if e := s.entries[k]; e != nil {
		e.gone.Store(true)
		delete(s.entries, k)
	}
}

// trim drops what is too old to be believed, from one shard.
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
func (c *cache) step(partition int) uint64 { return c.parts[partition].steps.Add(1) }

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
