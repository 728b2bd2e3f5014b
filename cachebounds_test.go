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

// The steps of a load are those of its partition.
func TestALoadBeginsAtTheStepOfItsPartition(t *testing.T) {
	c := newCache(16, time.Second)
	for i := range 100 {
		k := KeyOf("r", fmt.Sprint(i))
		want := c.step(k.Partition(16))
		same(t, "the step", c.beginLoad(k), want)
		c.endLoad(k)
	}
}

// A reader of the log counts the steps of its own partition.
func TestAReaderStepsInItsPartition(t *testing.T) {
	r := &Registry{life: t.Context(), store: quiet{}, cache: newCache(4, time.Second), config: Config{Clock: func() (time.Time, time.Duration) { return noon, 0 }}}
	r.subs.init()
	if err := r.catchUp(&feed{partition: 2}); err != nil {
		t.Fatal(err)
	}
	for p := range r.cache.parts {
		same(t, fmt.Sprint("steps in partition ", p), r.cache.parts[p].step() > 0, p == 2)
	}
}

// Without an account's name nothing makes a roster.
func TestWithoutTheAccountsNameThereIsNoRoster(t *testing.T) {
	r := &Registry{life: t.Context(), store: quiet{}, cache: newCache(1, time.Second), config: Config{Clock: func() (time.Time, time.Duration) { return noon, 0 }}}
	r.watches.init()
	_, err := r.edit(t.Context(), KeyOf("r", "ada"), premises{}, func(d *draft) (Change, error) {
		t.Error("the operation was run")
		return d.commit(), nil
	})
	same(t, "the error", err, ErrNoSession)
}

func (quiet) Update(_ context.Context, key Key, change func(View) (Change, error)) (View, error) {
	_, err := RunChange(change, View{Key: key, Now: noon})
	return View{Key: key, Now: noon}, err
}

// A view that is older than a session ends no watch of that session: a session that was
// not seen live yet is verified first.
func TestAnOlderViewEndsNothing(t *testing.T) {
	r := &Registry{}
	r.watches.init()
	k := KeyOf("r", "ada")
	var w Watch
	r.watches.shard(k).add(claim{key: k, id: "new"}, &w, WatcherFunc(func(cause error) { t.Errorf("ended: %v", cause) }))
	r.endWatchesOver(View{Key: k, Roster: aRoster(aSeat("a"))})
}

// quiet is a store with a log in which nothing happens.
type quiet struct{ Store }

func (quiet) Changes(context.Context, int, Cursor) (Tail, error) {
	return Tail{Cursor: "1", End: true}, nil
}

// Repeats are known among the last entries of the log, in bounded memory.
func TestRepeatsAreKnownForTwoGenerations(t *testing.T) {
	s := repeats{recent: map[Key]uint64{}}
	k := func(i int) Key { return KeyOf("r", fmt.Sprint(i)) }
	for i := range 2 * repeatMemory {
		same(t, "a new entry is known", s.known(k(i), 1), false)
		if len(s.recent) > repeatMemory || len(s.older) > repeatMemory {
			t.Fatalf("after %d entries %d and %d are remembered", i+1, len(s.recent), len(s.older))
		}
	}
	same(t, "the first entry is known", s.known(k(0), 1), true) // and begins the third generation
	same(t, "the second is known", s.known(k(1), 1), false)
	same(t, "the last is known", s.known(k(2*repeatMemory-1), 1), true)
	same(t, "a later version of it is known", s.known(k(2*repeatMemory-1), 2), false)
}

// An entry is dropped when it is too old to be used, and not at the last moment at
// which it may be used.
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

// Accounts whose order of use was written ten seconds ago are forgotten: not each
// time, because that looks at all of them, but whenever there are twice as many as
// were left, and a thousand more.
func TestAccountsThatAreQuietAreForgotten(t *testing.T) {
	var b background
	b.init()
	second := 1000
	order := func(accounts int) {
		for range accounts {
			second++
			at := time.Duration(second) * time.Second
			if !b.order(KeyOf("r", fmt.Sprint(second)), instant{at, at}) {
				t.Fatal("the first use of an account is not written")
			}
		}
	}
	const kept = int(orderEvery / time.Second)
	order(backgroundQueue)
	same(t, "before there are too many", len(b.ordered), backgroundQueue)
	order(1)
	same(t, "then", len(b.ordered), kept)
	order(backgroundQueue + kept)
	same(t, "before there are too many again", len(b.ordered), backgroundQueue+2*kept)
	order(1)
	same(t, "and then", len(b.ordered), kept)
}

// An error of a record, of a change or of the caller's context is no failure of the
// store.
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
