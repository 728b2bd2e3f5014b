package main

import (
	"context"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/testservers"
)

const (
	// crowdEnv names, in a child, the folder in which all of it stands.
	crowdEnv = "ONESEAT_BENCH_CROWD"
	// bytesOfMember is more than an account takes in either store, with its part of
	// the log, and of what the store writes besides.
	bytesOfMember = 1200
)

// tenMillion compares what is done among 10,000,000 accounts with the same among 1,000,
// on SQLite and then on PostgreSQL. It runs as a child of itself, whose temporary folder
// is deleted however the child ends.
func tenMillion() {
	if os.Getenv(crowdEnv) != "" {
		crowds(crowded)
		return
	}
	dir := must(os.MkdirTemp("", "oneseat-bench-"))
	must(0, os.Chmod(dir, 0o755)) // PostgreSQL is another user here, with a folder of its own in it
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	child := exec.CommandContext(ctx, must(os.Executable()), "tenmillion", fmt.Sprint(crowded))
	child.Env = append(os.Environ(), crowdEnv+"="+dir, "TMPDIR="+dir)
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	err := child.Run()
	must(0, errors.Join(err, os.RemoveAll(dir)))
}

func crowds(n int) {
	e := effort{n: fitting(n), turns: 15, signIns: fewAccounts, reads: 20, sweeps: true}
	flat("SQLite", e, crowdedSQLite)
	var s servers
	defer s.close()
	flat("PostgreSQL", e, crowdsOn(testservers.StartPostgres(&s, "shared_buffers=1GB", "max_connections=300").URL))
}

// crowdsOn makes databases on a server of PostgreSQL.
func crowdsOn(server string) func(n int) *stand {
	made := 0
	return func(n int) *stand {
		made++
		return crowdedPostgres(server, fmt.Sprint("crowd", made), n)
	}
}

// fitting is n, or as many as the disk has room for beside a reserve.
func fitting(n int) int {
	var fs syscall.Statfs_t
	must(0, syscall.Statfs(os.TempDir(), &fs))
	room := max(0, int(fs.Bavail)*int(fs.Bsize)-2<<30) / bytesOfMember
	if room < n {
		fmt.Printf("The disk has room for %d accounts, not for %d.\n", room, n)
	}
	return min(n, room)
}

// effort is how much flat does.
type effort struct {
	n                     int // accounts
	turns, signIns, reads int // and how many of each there are in a turn
	sweeps                bool
}

// flat compares a store with many accounts with one that has a thousand. It returns how
// many times as long a sign-in takes in the store with many accounts.
func flat(name string, e effort, stands func(n int) *stand) (signIn float64) {
	began, n := time.Now(), e.n
	many := stands(n)
	defer many.close()
	fmt.Printf("%s, %s; written in %v\n", name, many.settle(), time.Since(began).Round(time.Second))
	few := stands(fewAccounts)
	defer few.close()
	last := make(map[*stand]uint64) // event of the crowd
	for _, s := range []*stand{few, many} {
		s.verify()
		last[s] = must(s.seats.Events(context.Background(), oneseat.EventQuery{Limit: 1}))[0].Seq
	}

	if e.sweeps {
		a, b := <-few.swept.took, <-many.swept.took // both begin within a minute and a half
		fmt.Printf("A sweep that ends %d sessions that have timed out\n  %d accounts %v\n  %d accounts %v  %5.2f times\n",
			idleOnes, few.n, a.Round(time.Millisecond), n, b.Round(time.Millisecond), float64(b)/float64(a))
	}

	// An account's second ending costs more than its first one. So each account signs in
	// once, and the few are new in each turn.
	for _, callers := range []int{1, 64} {
		each := min(e.signIns*callers/5, e.signIns)
		var there, here []float64
		for range e.turns {
			fresh := stands(fewAccounts)
			there = append(there, fresh.signIn(callers, some(fewAccounts, each)))
			fresh.close()
			here = append(here, many.signIn(callers, some(n, each)))
		}
		signIn = ratio(here, there)
		fmt.Printf("A sign-in that ends a session, callers: %d\n  %d accounts %7.0f /s\n  %d accounts %7.0f /s  %5.2f times as long\n",
			callers, few.n, 1e9/median(there), n, 1e9/median(here), signIn)
	}

	few.signIn(64, some(few.n, e.signIns)) // then the newest events of both are of the same kind
	ctx := context.Background()
	fmt.Printf("Reads, of %d accounts and of %d\n", few.n, n)
	reads := func(title string, read func(s *stand)) {
		var there, here []float64
		for range e.turns {
			there = append(there, timeOf(e.reads, func() { read(few) }))
			here = append(here, timeOf(e.reads, func() { read(many) }))
		}
		fmt.Printf("  %-40s %7.0f µs %7.0f µs  %5.2f times\n", title, median(there)/1e3, median(here)/1e3, ratio(here, there))
	}
	reads("the sessions of an account", func(s *stand) { must(s.seats.Sessions(ctx, account(mrand.IntN(s.n)))) })
	reads("a page of 100 accounts, from anywhere", func(s *stand) {
		must(s.seats.Accounts(ctx, oneseat.AccountQuery{After: account(mrand.IntN(s.n - 100))}))
	})
	reads("how much is signed in", func(s *stand) { must(s.seats.Count(ctx)) })
	reads("what is due, when nothing is", func(s *stand) { must(s.store.Due(ctx, "default", 100)) })
	reads("history: the newest 50 events", func(s *stand) { must(s.seats.Events(ctx, oneseat.EventQuery{Limit: 50})) })
	reads("history: 50 events before any one", func(s *stand) { // in the newest half, so that there are 50
		must(s.seats.Events(ctx, oneseat.EventQuery{Before: last[s] - mrand.Uint64N(last[s]/2), Limit: 50}))
	})
	reads("history: what an account did", func(s *stand) {
		must(s.seats.Events(ctx, oneseat.EventQuery{Account: account(loggedOf * mrand.IntN(s.n/loggedOf))}))
	})
	return signIn
}

// timeOf returns what one of several calls took on average, in ns.
func timeOf(calls int, f func()) float64 {
	began := time.Now()
	for range calls {
		f()
	}
	return float64(time.Since(began)) / float64(calls)
}

// some returns k different numbers below n.
func some(n, k int) []int {
	seen, list := make(map[int]bool, k), make([]int, 0, k)
	for len(list) < k {
		if i := mrand.IntN(n); !seen[i] {
			seen[i], list = true, append(list, i)
		}
	}
	return list
}
