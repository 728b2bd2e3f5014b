package redisstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/rueidis"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/testservers"
	"github.com/oneseat/oneseat/store/internal/fixture"
	"github.com/oneseat/oneseat/store/redisstore"
)

// inPartition returns names of accounts that are all in one partition.
func inPartition(p, n int) (accounts []string) {
	for i := 0; len(accounts) < n; i++ {
		if a := fmt.Sprint("account ", i); key(a).Partition(16) == p {
			accounts = append(accounts, a)
		}
	}
	return accounts
}

// dropSums deletes all sums, as e18747a would have left the store.
func dropSums(t *testing.T, sh rueidis.Client) {
	t.Helper()
	for p := range 16 {
		run(t, sh, "DEL", fmt.Sprintf("oneseat:{%d}:counts:%s", p, realm))
	}
}

// wantSums fails the test unless Count agrees with the rosters.
func wantSums(t *testing.T, s *redisstore.Store) {
	t.Helper()
	var want oneseat.Count
	for after := ""; ; {
		vs, err := s.Rosters(t.Context(), oneseat.RosterQuery{Realm: realm, After: after, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		if len(vs) == 0 {
			break
		}
		for _, v := range vs {
			_, c := v.Roster.Count()
			want, after = want.Plus(c), v.Roster.Account
		}
	}
	if got, err := s.Count(t.Context(), realm, 0); err != nil || got != want {
		t.Errorf("Count says %+v, %v; the rosters %+v", got, err, want)
	}
}

// TestRostersWithoutSumsAreCountedWhileTheyAreUsed writes rosters while they are
// counted. Each is counted once, whether the write or the counting comes first.
func TestRostersWithoutSumsAreCountedWhileTheyAreUsed(t *testing.T) {
	t.Parallel()
	r := testservers.StartRedis(t)
	sh := shell(t, r.URL)
	a, b := open(t, r.URL, redisstore.Options{}), open(t, r.URL, redisstore.Options{})
	accounts := append(inPartition(3, 900), inPartition(5, 10)...)
	for i, name := range accounts {
		if i%3 > 0 { // the others sign in later
			signIn(t, a, name, "A")
		}
	}
	for round := range 3 {
		dropSums(t, sh)
		ctx, stop := context.WithCancel(t.Context())
		var written atomic.Int64
		var wg sync.WaitGroup
		for i, s := range []*redisstore.Store{a, b, a, b} {
			wg.Go(func() {
				for ctx.Err() == nil {
					name := accounts[rand.IntN(len(accounts))]
					change := []fixture.Change{seat(name, oneseat.SessionID(fmt.Sprint(i))), fixture.Leave(name), erase}[rand.IntN(3)]
					if _, err := s.Update(t.Context(), key(name), change); err != nil {
						t.Error(err)
						return
					}
					written.Add(1)
				}
			})
		}
		for written.Load() < 50 && !t.Failed() { // until the writers are under way
		}
		for range 5 {
			for _, s := range []*redisstore.Store{a, b} {
				if _, err := s.Count(t.Context(), realm, 0); err != nil {
					t.Error(err)
				}
			}
		}
		stop()
		wg.Wait()
		if wantSums(t, b); t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
}

func TestASumThatIsNoNumberIsReportedAndNothingIsWritten(t *testing.T) {
	t.Parallel()
	r := testservers.StartRedis(t)
	sh := shell(t, r.URL)
	s := open(t, r.URL, redisstore.Options{})
	signIn(t, s, "ada", "A")
	_, _, cursor := read(t, s, "ada", "")
	counts := named("ada", "counts:"+realm)
	for _, words := range [][]string{
		{"HSET", counts, "0 sessions", "many"},
		{"HSET", counts, "0 sessions", "1e300"},
		{"SET", counts, "theirs"},
	} {
		run(t, sh, words...)
		_, err := s.Update(t.Context(), key("ada"), fixture.Leave("ada"))
		wantFailure(t, err, oneseat.FailureForeign)
		wantLive(t, s, "ada", "A")
		if es, gap, _ := read(t, s, "ada", cursor); gap || len(es) != 0 {
			t.Errorf("%q: the log has %v, gap %v", words, es, gap)
		}
	}
	run(t, sh, "DEL", counts)
	wantSums(t, s)
}
