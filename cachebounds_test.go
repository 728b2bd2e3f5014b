package oneseat

import (
	"context"
	"errors"
	"fmt"
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

// What is wrong with a record or a change, and what the caller's context says, is
// no failure of the store.
func TestWhatTheStoreSaysStaysWhatItIs(t *testing.T) {
	r := &Registry{life: context.Background()}
	for _, err := range []error{&FormatError{"x"}, &PanicError{Value: 1}, ErrNoSession, context.Canceled} {
		if got := r.noAnswer(fmt.Errorf("in a store: %w", err)); errors.Is(got, ErrStoreUnavailable) {
			t.Errorf("got %v", got)
		}
	}
	down := errors.New("down")
	if got := r.noAnswer(down); !errors.Is(got, ErrStoreUnavailable) || !errors.Is(got, down) {
		t.Errorf("got %v", got)
	}
}

// Nothing is kept of an account whose last subscription has ended.
func TestSubscriptionsThatEndedLeaveNothing(t *testing.T) {
	var all subscriptions
	all.init()
	var two [2]*Subscription
	all.by["ada"] = map[*Subscription]struct{}{}
	for i := range two {
		two[i] = &Subscription{all: &all, account: "ada", events: make(chan Event)}
		all.by["ada"][two[i]] = struct{}{}
	}
	two[0].Close()
	same(t, "one is left", len(all.by["ada"]), 1)
	two[1].Close()
	same(t, "accounts with subscriptions", len(all.by), 0)
}
