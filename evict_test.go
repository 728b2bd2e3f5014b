package oneseat

import (
	"encoding/binary"
	"testing"
	"time"
)

// Memory is bounded: a shard that is full gives one entry up for each that is
// new, and none for one that is replaced.
func TestTheCacheIsBounded(t *testing.T) {
	c := newCache(1, time.Second)
	key := func(n int) (k Key) { // all of one shard
		binary.BigEndian.PutUint64(k[:8], uint64(n))
		return k
	}
	keep := func(n int, version uint64) *entry {
		since := c.beginLoad(key(n))
		defer c.endLoad(key(n))
		return c.keep(View{Key: key(n), Roster: &Roster{}, Version: version}, instant{}, since)
	}
	for n := range cachePerShard {
		keep(n, 1)
	}
	same(t, "entries", c.len(), cachePerShard)
	for n := range 10 {
		keep(n, 2)
		same(t, "entries after one was replaced", c.len(), cachePerShard)
	}
	for n := range 10 {
		if keep(cachePerShard+n, 1) == nil || c.get(key(cachePerShard+n)) == nil {
			t.Error("the new entry is not there")
		}
		same(t, "entries after one was added", c.len(), cachePerShard)
	}
	same(t, "marks that are left", len(c.shard(key(0)).loads), 0)
}

// Two reads may be under way at once. The one that saw a lower version does not count,
// whichever comes back last. If both saw the same version, the later one counts.
func TestTheCacheKeepsTheHighestVersion(t *testing.T) {
	c := newCache(1, time.Second)
	var key Key
	c.beginLoad(key)
	defer c.endLoad(key)
	keep := func(version uint64, at time.Duration) *entry {
		return c.keep(View{Key: key, Roster: &Roster{}, Version: version}, instant{at, at}, 0)
	}
	newest := keep(2, 1)
	if newest == nil || keep(1, 2) != nil || c.get(key) != newest || newest.gone.Load() {
		t.Error("a lower version replaced a higher one")
	}
	again := keep(2, 3)
	if again == nil || c.get(key) != again || !newest.gone.Load() {
		t.Error("the same version was not renewed")
	}
}

// A reply that is lost drops the entry. The node may have said what the entry knew, so
// an older read, or the late reply of an older update, is not kept after it.
func TestWhatWasDroppedIsNotFollowedByWhatIsOlder(t *testing.T) {
	for what, forget := range map[string]func(*cache, Key){
		"dropped": (*cache).drop,
		"trimmed": func(c *cache, k Key) {
			for shard := range cacheShards {
				c.trim(shard, instant{2 * reloadAfter, 2 * reloadAfter})
			}
		},
	} {
		c := newCache(1, time.Second)
		var key Key
		c.beginLoad(key)
		keep := func(version uint64) *entry {
			return c.keep(View{Key: key, Roster: &Roster{}, Version: version}, instant{}, 0)
		}
		keep(2)
		forget(c, key)
		if c.get(key) != nil || keep(1) != nil {
			t.Errorf("%s: an older version is cached after it", what)
		}
		if keep(2) == nil {
			t.Errorf("%s: what is as new is not cached after it", what)
		}
		c.endLoad(key)
		if c.beginLoad(key); keep(1) != nil {
			t.Errorf("%s: an entry was replaced by an older one", what)
		}
	}
}
