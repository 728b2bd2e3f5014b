package redisstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/record"
	"github.com/oneseat/oneseat/internal/testservers"
	"github.com/oneseat/oneseat/store/internal/fixture"
	"github.com/oneseat/oneseat/store/redisstore"
)

// move begins to move the slot of a partition to another master.
func move(t testing.TB, c *testservers.RedisCluster, p int) *testservers.SlotMove {
	t.Helper()
	slot, err := c.SlotOf(fmt.Sprintf("oneseat:{%d}:log", p))
	must(t, err)
	m, err := c.BeginMove(slot, p)
	must(t, err)
	return m
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// pending are updates that cannot be committed before more of a slot has moved.
type pending struct {
	t    testing.TB
	all  sync.WaitGroup
	mu   sync.Mutex
	done int
}

// update begins an update. Until it can be committed, the store waits, and says that it
// is busy when it has waited long enough.
func (p *pending) update(s *redisstore.Store, account string, change fixture.Change) {
	p.all.Go(func() {
		for {
			_, err := s.Update(p.t.Context(), key(account), change)
			if e, ok := errors.AsType[*oneseat.StoreError](err); ok && e.Failure == oneseat.FailureBusy {
				continue
			}
			if err != nil {
				p.t.Errorf("%s: %v", account, err)
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			p.done++
			return
		}
	})
}

func (p *pending) wantNoneDone() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done > 0 {
		p.t.Errorf("%d updates were committed although a part of their keys was elsewhere", p.done)
	}
}

// accountOf returns the name of an account of a realm whose roster is in a partition.
func accountOf(realm string, p int) string {
	for i := 0; ; i++ {
		if a := fmt.Sprint("account ", i); oneseat.KeyOf(realm, a).Partition(16) == p {
			return a
		}
	}
}

// forEver signs an account of the realm "undue" in. No session of that realm times out.
func forEver(account string, id oneseat.SessionID) fixture.Change {
	return func(v oneseat.View) (oneseat.Change, error) {
		c, err := seat(account, id)(v)
		ro := record.Of(c.Roster)
		ro.Realm, ro.Due = "undue", record.Time{}
		c.Roster = ro.Roster()
		return c, err
	}
}

// TestS3SignInsAndReadsGoOnWhileASlotMoves stops in the middle of a move of a slot at
// each point that differs. Reads never fail, and never wait. A sign-in is committed at
// once if its keys are on one server, also if one of them does not exist. Otherwise it
// waits until they are.
func TestS3SignInsAndReadsGoOnWhileASlotMoves(t *testing.T) {
	t.Parallel()
	const p = 3
	c := testservers.StartRedisCluster(t, "--cluster-node-timeout", "60000")
	url := leastUsers(t, c)
	s, other := open(t, url, redisstore.Options{}), open(t, url, redisstore.Options{})
	accounts := inPartition(p, 34)
	stay, leave, late, newcomers := accounts[:10], accounts[10:20], accounts[20:30], accounts[30:]
	live := map[string]oneseat.SessionID{}
	in := func(s *redisstore.Store, id oneseat.SessionID, accounts ...string) {
		t.Helper()
		for _, a := range accounts {
			signIn(t, s, a, id)
			live[a] = id
		}
	}
	_, _, cursor := read(t, s, accounts[0], "")
	in(s, "before", slices.Concat(stay, leave, late)...)
	_, err := other.Update(t.Context(), key("grace"), seat("grace", "elsewhere")) // in another partition
	must(t, err)
	undue := accountOf("undue", p)
	stays := func(s *redisstore.Store, id oneseat.SessionID) {
		t.Helper()
		_, err := s.Update(t.Context(), oneseat.KeyOf("undue", undue), forEver(undue, id))
		must(t, err)
	}
	stays(s, "before")

	// wantReads fails the test unless everything can be read, and is as it should be.
	wantReads := func() {
		t.Helper()
		for _, s := range []*redisstore.Store{s, other} {
			keys := make([]oneseat.Key, len(accounts), len(accounts)+1)
			for i, a := range accounts {
				keys[i] = key(a)
			}
			views, err := s.Load(t.Context(), append(keys, key("grace"))...)
			must(t, err)
			for i, a := range accounts {
				if got, want := fixture.Live(views[i].Roster), live[a]; len(got) > 1 || (len(got) == 1) != (want != "") || want != "" && got[0] != want {
					t.Errorf("%s has %q, want %q", a, got, want)
				}
			}
			if entries, gap, _ := read(t, s, accounts[0], cursor); gap || len(entries) == 0 {
				t.Errorf("the log has %d entries, gap %v", len(entries), gap)
			}
			found, err := s.Rosters(t.Context(), oneseat.RosterQuery{Realm: realm, Limit: 100})
			if err != nil || len(found) != len(live)+1 {
				t.Errorf("%d rosters of %d, %v", len(found), len(live)+1, err)
			}
			_, events := s.Events(t.Context(), oneseat.EventQuery{Realm: realm, Account: accounts[0]})
			_, due := s.Due(t.Context(), realm, 100)
			_, sums := s.Count(t.Context(), realm, 0)
			if err := errors.Join(events, due, sums); err != nil {
				t.Error(err)
			}
		}
	}

	m := move(t, c, p)
	keys, err := m.Keys()
	must(t, err)
	shared := slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return strings.Contains(k, ":roster:") })
	of := func(accounts []string) (keys []string) {
		for _, a := range accounts {
			keys = append(keys, named(a, "roster:"+key(a).String()))
		}
		return keys
	}

	// Nothing has moved. Only an account without a roster has to wait.
	wantReads()
	in(s, "begun", stay...)
	in(other, "begun", leave...)
	stays(s, "begun") // there is no index of what is due in its realm
	first := &pending{t: t}
	first.update(s, newcomers[0], seat(newcomers[0], "new"))
	second := &pending{t: t}
	second.update(s, stay[2], erase) // nothing was erased before, so there is no floor

	// Some rosters are there, everything else is here.
	must(t, m.Move(of(leave)...))
	wantReads()
	in(s, "begun", late...)
	wantFailure(t, s.Forget(t.Context(), realm, late[0], math.MaxUint64), oneseat.FailureBusy)
	first.update(other, leave[0], seat(leave[0], "there"))
	first.wantNoneDone()

	// What the rosters share has moved: now the rosters that are there can be written.
	must(t, m.Move(shared...))
	first.all.Wait()
	live[newcomers[0]], live[leave[0]] = "new", "there"
	wantReads()
	in(s, "moved", leave...)
	in(other, "new", newcomers...)
	must(t, m.Move("oneseat:{3}:roster:"+oneseat.KeyOf("undue", undue).String()))
	stays(s, "moved")
	if _, err := s.Update(t.Context(), key(newcomers[1]), erase); err != nil {
		t.Error(err)
	}
	delete(live, newcomers[1])
	in(s, "moved", newcomers[2])
	in(s, "back", newcomers[1])
	second.update(s, stay[0], seat(stay[0], "waited"))
	second.update(open(t, url, redisstore.Options{}), stay[1], seat(stay[1], "waited"))
	wantReads()
	second.wantNoneDone()

	// All of it is there.
	must(t, m.Move(of(slices.Concat(stay, late))...))
	second.all.Wait()
	live[stay[0]], live[stay[1]] = "waited", "waited"
	delete(live, stay[2])
	wantReads()
	in(other, "all", accounts...)

	must(t, m.Whole())
	wantReads()
	in(s, "after", accounts...)
	in(other, "after all", accounts...)
	wantReads()
	wantSums(t, s)
	must(t, s.Forget(t.Context(), realm, late[0], math.MaxUint64))
	last := map[oneseat.Key]uint64{}
	entries, gap, _ := read(t, other, accounts[0], cursor)
	for _, e := range entries {
		if e.Version <= last[e.Key] {
			t.Errorf("version %d comes after %d", e.Version, last[e.Key])
		}
		last[e.Key] = e.Version
	}
	if want := len(accounts) + len([]string{undue}); gap || len(last) != want {
		t.Errorf("the log tells of %d accounts of %d, gap %v", len(last), want, gap)
	}
}

// recipe returns the script in docs/operations.md that moves a partition.
func recipe(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	must(t, err)
	_, script, ok := strings.Cut(string(text), "```sh\n# usage: sh move.sh")
	script, _, end := strings.Cut(script, "```")
	if !ok || !end {
		t.Fatal("docs/operations.md has no script that moves a partition")
	}
	return "#" + script
}

// wantWarning fails the test unless a store warns of a user that may not follow keys.
func wantWarning(t *testing.T, c *testservers.RedisCluster) {
	t.Helper()
	url := leastUsers(t, c)
	warned := func() string {
		var out bytes.Buffer
		open(t, url, redisstore.Options{Logger: slog.New(slog.NewTextHandler(&out, nil))})
		return out.String()
	}
	if said := warned(); strings.Contains(said, "asking") {
		t.Errorf("with all rights it says %s", said)
	}
	leastUser(t, c.Nodes[1], "-asking")
	if said := warned(); strings.Count(said, "+asking") != 1 || !strings.Contains(said, "servers="+c.Nodes[1].Addr) {
		t.Errorf("without +asking it says %s", said)
	}
}

// TestS3NothingFailsAndNothingIsLostWhileEverySlotMovesUnderLoad moves the keys of a
// slot one by one, in any order, while workers sign in, erase and read on two nodes. At
// last the script of docs/operations.md moves a slot.
func TestS3NothingFailsAndNothingIsLostWhileEverySlotMovesUnderLoad(t *testing.T) {
	t.Parallel()
	const workers, rounds = 6, 3
	c := testservers.StartRedisCluster(t, "--cluster-node-timeout", "60000")
	stores := []*redisstore.Store{open(t, c.URL, redisstore.Options{}), open(t, c.URL, redisstore.Options{})}
	wantWarning(t, c)
	var begins [16]oneseat.Cursor
	for p := range begins {
		tail, err := stores[0].Changes(t.Context(), p, "")
		must(t, err)
		begins[p] = tail.Cursor
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var steps, logged atomic.Int64
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for n := 0; ctx.Err() == nil && !t.Failed(); n++ {
				account := fmt.Sprintf("%d of worker %d", rand.IntN(12), w)
				s, other := stores[n%2], stores[1-n%2]
				change, want := seat(account, oneseat.SessionID(fmt.Sprint(n))), []oneseat.SessionID{oneseat.SessionID(fmt.Sprint(n))}
				if rand.IntN(8) == 0 {
					change, want = erase, nil
				}
				if _, err := s.Update(t.Context(), key(account), change); err != nil {
					t.Errorf("%s, step %d: %v", account, n, err)
					return
				}
				if want != nil {
					logged.Add(1)
				}
				views, err := other.Load(t.Context(), key(account), key("nobody"))
				if err != nil {
					t.Errorf("%s, step %d: %v", account, n, err)
					return
				}
				if got := fixture.Live(views[0].Roster); !slices.Equal(got, want) {
					t.Errorf("%s, step %d: %q are live, want %q", account, n, got, want)
				}
				steps.Add(1)
			}
		})
	}
	for range rounds {
		before := steps.Load()
		for p := range 16 {
			m := move(t, c, p)
			keys, err := m.Keys()
			must(t, err)
			rand.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
			for some := range slices.Chunk(keys, 1+rand.IntN(3)) {
				must(t, m.Move(some...))
			}
			must(t, m.Whole())
		}
		eventually(t, "work between two rounds", func() error {
			if steps.Load() < before+10 && !t.Failed() {
				return errors.New("too little")
			}
			return nil
		})
	}
	slot, err := c.SlotOf("oneseat:{5}:")
	must(t, err)
	owner, others, err := c.MasterOf(slot)
	must(t, err)
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", recipe(t), "sh", "5", owner.Addr, others[0].Addr).CombinedOutput(); err != nil {
		t.Errorf("the script of docs/operations.md: %v\n%s", err, out)
	}
	if now, _, err := c.MasterOf(slot); err != nil || now != others[0] {
		t.Errorf("the script of docs/operations.md has not moved the slot, %v", err)
	}
	stop()
	all.Wait()
	wantSums(t, stores[0])
	found := int64(0)
	last := map[oneseat.Key]uint64{}
	for p := range begins {
		for cursor, end := begins[p], false; !end; {
			tail, err := stores[1].Changes(t.Context(), p, cursor)
			must(t, err)
			for _, e := range tail.Entries {
				if found++; e.Version <= last[e.Key] {
					t.Errorf("version %d comes after %d", e.Version, last[e.Key])
				}
				last[e.Key] = e.Version
			}
			if tail.Gap {
				t.Errorf("the log of partition %d has a gap", p)
			}
			cursor, end = tail.Cursor, tail.End
		}
	}
	if found != logged.Load() {
		t.Errorf("the log has %d entries of %d", found, logged.Load())
	}
	t.Logf("%d steps while every slot moved %d times", steps.Load(), rounds)
}
