package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/testservers"
	"github.com/oneseat/oneseat/store/memstore"
	"github.com/oneseat/oneseat/store/pgstore"
	"github.com/oneseat/oneseat/store/redisstore"
	"github.com/oneseat/oneseat/store/sqlitestore"
)

// uses states, for each store, what it costs to remember that a session is used, and
// when.
func uses() {
	var s servers
	defer s.close()
	stores := everyStore(&s)
	fmt.Println("A sign-in of a new account and its first check, under refuse beside displace")
	for _, st := range stores {
		firstUse(st)
	}
	const lasts = 40 * time.Second
	fmt.Printf("Writes of the order of use, one account with all its sessions busy on one node, %v\n", lasts)
	lines := make([]string, len(stores))
	each(len(stores), len(stores), func(i int) { lines[i] = orderOfUse(stores[i], lasts) })
	for _, line := range lines {
		fmt.Print(line)
	}
}

// named is a store that is empty.
type named struct {
	name string
	oneseat.Store
}

// everyStore opens one of each kind.
func everyStore(s *servers) []named {
	ctx := context.Background()
	dir := must(os.MkdirTemp("", "oneseat-bench-"))
	s.Cleanup(func() { _ = os.RemoveAll(dir) })
	lite := must(sqlitestore.Open(filepath.Join(dir, "oneseat.db")))
	s.Cleanup(func() { _ = lite.Close() })
	pool := must(pgxpool.New(ctx, testservers.StartPostgres(s).URL+"?pool_max_conns=16"))
	s.Cleanup(pool.Close)
	pg := must(pgstore.Open(ctx, pool, pgstore.Options{Logger: quiet}))
	s.Cleanup(func() { _ = pg.Close() })
	redis := must(redisstore.Open(ctx, testservers.AnyRedis(s), redisstore.Options{Prefix: "uses:", Logger: quiet}))
	s.Cleanup(func() { _ = redis.Close() })
	return []named{{"memory", memstore.New()}, {"SQLite", lite}, {"PostgreSQL", pg}, {"Redis", redis}}
}

// firstUse compares a sign-in and the session's first check under both policies. Under
// refuse the first use is written before it is answered. The accounts are new, so
// that there is room.
func firstUse(st named) {
	const rounds, turn = 9, 500 * time.Millisecond
	var last atomic.Int64
	enter := func(seats *oneseat.Registry) func() {
		return func() {
			g := must(seats.SignIn(context.Background(), account(int(last.Add(1))), oneseat.SignInRequest{}))
			must(seats.Check(context.Background(), string(g.Token)))
		}
	}
	displace := must(oneseat.New(st, oneseat.Config{Realm: "displace", Logger: quiet}))
	defer displace.Close()
	refuse := must(oneseat.New(st, oneseat.Config{Realm: "refuse", WhenFull: oneseat.PolicyRefuse, Logger: quiet}))
	defer refuse.Close()
	fmt.Printf("  %-10s", st.name)
	for _, callers := range []int{1, 64} {
		var there, here []float64
		for range rounds {
			there = append(there, perSecond(callers, turn, enter(displace)))
			here = append(here, perSecond(callers, turn, enter(refuse)))
		}
		fmt.Printf("  callers: %2d  %7.0f and %7.0f /s, %4.2f times as long", callers, median(there), median(here), ratio(there, here))
	}
	fmt.Println()
}

// orderOfUse keeps 2 sessions of an account busy, and 256 of another, and says how
// often that is written.
func orderOfUse(st named, lasts time.Duration) (line string) {
	const every = 100 * time.Millisecond // how often each session is checked
	written := make(map[int]float64)
	for _, sessions := range []int{2, oneseat.MaxSeats} {
		seats := must(oneseat.New(st, oneseat.Config{Realm: fmt.Sprint(sessions), Limit: oneseat.Unlimited, Logger: quiet}))
		tokens := make([]string, sessions)
		for i := range tokens {
			tokens[i] = string(must(seats.SignIn(context.Background(), "ada", oneseat.SignInRequest{})).Token)
		}
		busy := func(lasts time.Duration) {
			var all sync.WaitGroup
			end := time.Now().Add(lasts)
			for _, token := range tokens {
				all.Go(func() {
					for time.Now().Before(end) {
						must(seats.Check(context.Background(), token))
						time.Sleep(every)
					}
				})
			}
			all.Wait()
		}
		busy(15 * time.Second) // the first uses, and what is due at once
		before := seats.Stats()
		busy(lasts)
		after := seats.Stats()
		writes, checks := after.Touches-before.Touches, after.Checks-before.Checks
		written[sessions] = float64(writes) / lasts.Seconds()
		line += fmt.Sprintf("  %-10s  sessions: %3d  %.2f /s: one for %.0f checks, and %.3f of these wanted one and were counted instead\n",
			st.name, sessions, written[sessions], float64(checks)/float64(writes), float64(after.UsesDropped-before.UsesDropped)/float64(checks))
		_ = seats.Close()
	}
	return line + fmt.Sprintf("  %-10s  %d sessions are written %.2f times as often as 2\n", st.name, oneseat.MaxSeats, written[oneseat.MaxSeats]/written[2])
}
