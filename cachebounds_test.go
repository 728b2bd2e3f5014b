package oneseat

import (
	"testing"
	"time"
)

// A load is registered for as long as it lasts: two of a key are two.
func TestLoadsAreRegisteredUntilTheyEnd(t *testing.T) {
	c := newCache(1, time.Second)
	k := KeyOf("r", "ada")
	under := func() int { return len(c.shard(k).loads) }
	c.beginLoad(k)
	c.beginLoad(k)
	same(t, "two loads", []int{under(), c.shard(k).loads[k].loads}, []int{1, 2})
	c.endLoad(k)
	same(t, "one load", []int{under(), c.shard(k).loads[k].loads}, []int{1, 1})
	c.endLoad(k)
	same(t, "no load", under(), 0)
}

// An entry is dropped when it is too old to be used, and not at the last moment at
// which it may be.
func TestTheCacheKeepsWhatMayStillBeUsed(t *testing.T) {
	c := newCache(1, 2*reloadAfter)
	ro := aRoster(aSeat("a"))
	k := KeyOf(ro.Realm, ro.Account)
	began := instant{time.Hour, time.Hour}
	begun := c.beginLoad(k)
	e := c.keep(View{Key: k, Roster: ro, Version: 1}, began, begun)
	c.endLoad(k)
	last, late := instant{time.Hour + reloadAfter, time.Hour + reloadAfter}, instant{time.Hour + reloadAfter + 1, time.Hour + reloadAfter + 1}
	trim := func(now instant) *entry {
		for i := range cacheShards {
			c.trim(i, now)
		}
		return c.get(k)
	}
	same(t, "usable at the last moment", c.usable(e, last), true)
	same(t, "kept at the last moment", trim(last) == e, true)
	same(t, "usable afterwards", c.usable(e, late), false)
	same(t, "kept afterwards", trim(late) == nil, true)
}
