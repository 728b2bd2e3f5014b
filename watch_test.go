package oneseat

import (
	"testing"
	"time"
)

// watching is a registry that knows a control record of version 1, over no store.
func watching(t *testing.T) *Registry {
	t.Helper()
	r := &Registry{
		life: t.Context(), cache: newCache(4, time.Second), control: KeyOf("r", ""), rule: plain,
		config: Config{MaxStale: 8 * time.Second, Clock: func() (time.Time, time.Duration) { return noon, 0 }},
	}
	r.watches.init()
	r.keep(View{Key: r.control, Roster: &Roster{Realm: "r", realmEpoch: 1}, Version: 1, Now: noon}, instant{})
	return r
}

func (r *Registry) keep(v View, loaded instant) *entry {
	begun := r.cache.beginLoad(v.Key)
	defer r.cache.endLoad(v.Key)
	return r.cache.keep(v, loaded, begun)
}

// at is a moment so long after the first.
func after(d time.Duration) instant { return instant{d, d} }

// A watched session is verified again before it counts as old, a minute after it was
// read, and when it times out, if it ever does.
func TestWhenAWatchedSessionIsDoubtful(t *testing.T) {
	const half, tick = 4 * time.Second, time.Microsecond
	k := KeyOf("r", "ada")
	for _, tt := range []struct {
		name    string
		now     time.Duration
		proof   time.Duration // when the log was last read to its end
		control time.Duration // when the control record was read; below 0: with the roster
		ends    time.Time     // when the session times out
		doubt   bool
		unseen  bool
		want    bool
		ago     time.Duration
	}{
		{name: "as it was read", control: -1},
		{name: "for half of MaxStale", now: half, control: -1, ago: half},
		{name: "after that", now: half + tick, control: -1, ago: half + tick, want: true},
		{name: "proven since", now: half + tick, proof: half, control: -1, ago: tick},
		{name: "proven, for a minute", now: time.Minute, proof: time.Minute, control: -1},
		{name: "proven, after a minute", now: time.Minute + tick, proof: time.Minute + tick, control: -1, want: true},
		{name: "the control record of then", now: half + tick, control: tick, ago: half + tick, want: true},
		{name: "a control record of before", now: half, control: -2, ago: half + time.Second, want: true},
		{name: "a control record of a minute before", now: time.Minute - time.Second, proof: time.Minute - time.Second, control: -2},
		{name: "a control record of more than a minute before", now: time.Minute - time.Second + tick, proof: time.Minute - time.Second + tick, control: -2, want: true},
		{name: "before it times out", now: time.Second, control: -1, ends: at(time.Second + tick), ago: time.Second},
		{name: "when it times out", now: time.Second, control: -1, ends: at(time.Second), ago: time.Second, want: true},
		{name: "long after it timed out, though the log goes on", now: 10 * time.Second, proof: 10 * time.Second, control: -1, ends: at(time.Second), ago: 9 * time.Second, want: true},
		{name: "with something newer", control: -1, doubt: true, want: true},
		{name: "not seen live yet", control: -1, unseen: true, want: true, ago: forever},
	} {
		r := watching(t)
		d := &watched{doubt: tt.doubt, term: term{deadline: tt.ends}}
		begin := after(time.Hour) // of what is cached
		if !tt.unseen {
			d.entry = &entry{View: View{Key: k, Now: noon}, part: new(partition), loaded: begin}
			d.entry.part.proof.Store(&proof{begun: 1, at: after(time.Hour + tt.proof)})
		}
		switch {
		case tt.control >= 0:
			d.control = &entry{part: new(partition), loaded: after(time.Hour + tt.control)}
			d.control.part.proof.Store(&proof{begun: 1, at: after(time.Hour)})
		case tt.control == -2:
			d.control = &entry{part: new(partition), loaded: after(time.Hour - time.Second)}
			if tt.proof > 0 {
				d.control.part.proof.Store(&proof{begun: 1, at: after(time.Hour + tt.proof)})
			}
		}
		now := after(time.Hour + tt.now)
		same(t, tt.name, r.doubtful(d, now), tt.want)
		same(t, tt.name+": proven ago", r.provenAgo(d, now), tt.ago)
	}
}

// A session that is not watched any more is forgotten, and no other.
func TestWhatIsNotWatchedIsForgotten(t *testing.T) {
	var w watches
	w.init()
	k := KeyOf("r", "ada")
	s := w.shard(k)
	all := map[SessionID]*Watch{"a": {}, "b": {}, "c": {}}
	for _, id := range []SessionID{"a", "b", "c"} {
		s.add(claim{key: k, id: id}, all[id], WatcherFunc(func(error) {}))
	}
	left := func() (out []SessionID) {
		s.each(k, func(*watched) {})
		for d := s.accounts[k]; d != nil; d = d.other {
			out = append(out, d.id)
		}
		return out
	}
	same(t, "at first", left(), []SessionID{"c", "b", "a"})
	s.take(all["c"])
	same(t, "without the newest", left(), []SessionID{"b", "a"})
	s.take(all["a"])
	same(t, "without the oldest", left(), []SessionID{"b"})
	s.take(all["b"])
	same(t, "without any", left(), []SessionID(nil))
	same(t, "accounts", len(s.accounts), 0)
}

// A session that was seen live in a view that is older than what is known counts as of
// that view, and is verified again. If it has ended, checks know that too.
func TestWhatAFreshViewShowsOfAWatchedSession(t *testing.T) {
	r := watching(t)
	k := KeyOf("r", "bob")
	if k.Partition(4) == 0 {
		t.Fatal("take another account: partition 0 is also that of no key")
	}
	ro := aRoster(aSeat("a"), anEnding("b", ReasonRevoked, 0, ""))
	var w Watch
	d := r.watches.shard(k).add(claim{key: k, id: "a"}, &w, WatcherFunc(func(cause error) { t.Error(cause) }))
	r.keep(View{Key: k, Roster: ro, Version: 5, Now: noon}, after(time.Hour))
	brought := func(version uint64, began instant) fresh {
		return fresh{View{Key: k, Roster: ro, Version: version, Now: noon}, View{Roster: &Roster{realmEpoch: 1}, Version: 1}, began, r.cache.beginLoad(k)}
	}
	verify := func(id SessionID, f fresh) error {
		defer r.cache.endLoad(k)
		return r.verifyBy(t.Context(), claim{key: k, id: id}, usePeek, f)
	}
	same(t, "live, by an older view", verify("a", brought(3, after(time.Minute))), error(nil))
	same(t, "it counts", []any{d.entry.Version, d.entry.loaded, d.entry.part == r.cache.partition(k), d.doubt}, []any{uint64(3), after(time.Minute), true, true})
	same(t, "live, by a newer view", verify("a", brought(6, after(2*time.Hour))), error(nil))
	same(t, "it counts", []any{d.entry == r.cache.get(k), d.control == r.cache.get(r.control), d.doubt}, []any{true, true, false})
	r.cache.step(k.Partition(4))
	f := brought(7, after(3*time.Hour))
	same(t, "ended", isOver(verify("b", f)), true)
	same(t, "what checks know", []any{r.cache.get(k).Version, r.cache.get(k).loaded, r.cache.get(k).begun}, []any{uint64(7), after(3 * time.Hour), f.begun})
}

// A session was seen live under a control record that may have changed since: then
// it is verified again. Each token's watch is its own.
func TestUnderWhichControlRecordASessionWasSeenLive(t *testing.T) {
	r := watching(t)
	k := KeyOf("r", "ada")
	e := r.keep(View{Key: k, Roster: aRoster(aSeat("a")), Version: 5, Now: noon}, instant{})
	var plainly, byToken Watch
	id := r.watches.shard(k).add(claim{key: k, id: "a"}, &plainly, WatcherFunc(func(error) {}))
	token := r.watches.shard(k).add(claim{key: k, id: "a", secret: dig("old a")}, &byToken, WatcherFunc(func(error) {}))
	r.noteLive(claim{key: k, id: "a", secret: dig("old a")}, e, term{}, 1)
	same(t, "the same record", []any{id.entry == nil, token.entry == e, token.control == r.cache.get(r.control), token.doubt}, []any{true, true, true, false})
	r.noteLive(claim{key: k, id: "a"}, e, term{}, 0)
	same(t, "another record", []any{id.entry == e, id.control == nil, id.doubt}, []any{true, true, true})
}
