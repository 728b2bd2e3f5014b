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

// entry is a cached roster. It is never modified, only replaced.
type entry struct {
	View
	loaded instant // when the load that brought it began
	begun  uint64  // the partition's count of Changes calls when it was cached
}

// mark stands for the loads of a key that are under way.
type mark struct {
	loads int
	least uint64 // the lowest version that may be cached
}

// partition is what is known of one partition of the log.
type partition struct {
	begun atomic.Uint64 // Changes calls that were begun
	proof atomic.Pointer[proof]
}

// proof is a Changes call that reached the end of the log, all of it applied.
type proof struct {
	number uint64  // of the call
	at     instant // just before it began
	from   uint64  // it proves only what was cached at this count or later: there was a gap before
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

// provenAt is the moment as of which something counts that was loaded and
// cached as told.
func (c *cache) provenAt(k Key, loaded instant, begun uint64) instant {
	p := c.parts[k.Partition(len(c.parts))].proof.Load()
	if p != nil && p.from <= begun && begun < p.number {
		return p.at
	}
	return loaded
}

// believable says whether e may say yes at now.
func (c *cache) believable(e *entry, now instant) bool {
	return e != nil && now.since(c.provenAt(e.Key, e.loaded, e.begun)) <= c.maxStale &&
		now.since(e.loaded) <= reloadAfter
}

// expect marks a load of k, before it is sent. done is called exactly once when
// the load's result has been kept or thrown away.
func (c *cache) expect(k Key) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.marks[k]
	if m == nil {
		m = &mark{}
		s.marks[k] = m
	}
	m.loads++
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
func (c *cache) keep(v View, loaded instant) *entry {
	s := c.shard(v.Key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if v.Roster == nil || v.Version < s.marks[v.Key].least {
		return nil
	}
	if old := s.entries[v.Key]; old == nil {
		if len(s.entries) >= cachePerShard {
			for k := range s.entries { // any: the order of a map is random
				delete(s.entries, k)
				break
			}
		}
	} else if old.Version > v.Version {
		return nil
	}
	e := &entry{View: v, loaded: loaded, begun: c.parts[v.Key.Partition(len(c.parts))].begun.Load()}
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
		delete(s.entries, k)
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
	delete(s.entries, k)
}

// trim drops what is too old to be believed, from one shard.
func (c *cache) trim(shard int, now instant) {
	s := &c.shards[shard%cacheShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, e := range s.entries {
		if now.since(e.loaded) > reloadAfter {
			delete(s.entries, k)
		}
	}
}

// begin counts a Changes call of a partition, before it is sent.
func (c *cache) begin(partition int) uint64 { return c.parts[partition].begun.Add(1) }

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
