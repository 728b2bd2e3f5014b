package main

import (
	"context"
	"fmt"
	"runtime"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/testservers"
)

// manySignedIn is how many sessions are live while the metrics are read.
const manySignedIn = 100_000

// metricsRead compares a scrape of /metrics with a handler that writes as much, over a
// server that has few sessions and one that has many.
func metricsRead() {
	for _, n := range []int{fewAccounts, manySignedIn} {
		d := newDatabase(n)
		scrapes("SQLite", d.dir, n, 15, 200)
		d.close()
	}
	var s servers
	defer s.close()
	server := testservers.StartPostgres(&s, "shared_buffers=256MB")
	node := newPgNode(server.URL)
	must(node.seats.SignIn(context.Background(), account(0), oneseat.SignInRequest{}))
	node.fill(1, manySignedIn-1)
	node.close()
	scrapes("PostgreSQL", server.URL, manySignedIn, 15, 200)
}

// scrapes compares n scrapes in a row, and says what one a second takes of a processor.
func scrapes(store, stands string, live, rounds, n int) (ofAProcessor, toBare float64) {
	c := newChild(stands)
	defer c.close()
	k := c.dial()
	defer k.conn.Close()
	of := func(path string) float64 {
		get := c.get(path)
		before := c.number("/processor")
		for range n {
			k.call(get, "200")
		}
		return (c.number("/processor") - before) / float64(n)
	}
	var bare, ours []float64
	for range rounds {
		bare, ours = append(bare, of("/bare-metrics")), append(ours, of("/metrics"))
	}
	ofAProcessor, toBare = median(ours)/1e9, ratio(ours, bare)
	fmt.Printf("A scrape of /metrics, %s, %d live sessions\n", store, live)
	fmt.Printf("  a handler that writes as much          %7.0f µs of the server's processor\n", median(bare)/1000)
	fmt.Printf("  GET /metrics                           %7.0f µs  %5.1f times that; one a second takes %.2f %% of a processor\n", median(ours)/1000, toBare, 100*ofAProcessor)
	return ofAProcessor, toBare
}

// capacity says what an account weighs in the memory of a node, and what sign-ins leave in a store.
func capacity() {
	cachedAccounts(manySignedIn)
	sqliteSizes(manySignedIn, 20_000)
	var s servers
	defer s.close()
	postgresLog(testservers.StartPostgres(&s).URL, 20_000)
}

// cachedAccounts says how much memory of a node an account takes that was checked within
// the last minute. Its store is not in that memory.
func cachedAccounts(n int) (each int) {
	d := newDatabase(n)
	defer d.close()
	session := must(d.seats.Sessions(context.Background(), account(0)))[0].ID // all other accounts are copies of this one
	seats := must(oneseat.New(d.store, oneseat.Config{Logger: quiet}))
	defer seats.Close()
	empty := inUse()
	for i := range n {
		must(seats.CheckID(context.Background(), account(i), session))
	}
	kept := seats.Stats().Accounts
	each = (inUse() - empty) / kept
	runtime.KeepAlive(seats)
	fmt.Printf("An account with one session, in the memory of a node, %d accounts: %d bytes\n", kept, each)
	return each
}

// sqliteSizes says how many bytes of the file an account takes, an ending that is remembered, and
// a sign-in that displaces a session: that is what the log keeps for 30 days.
func sqliteSizes(accounts, signIns int) (account, ending, signIn float64) {
	d := newDatabase(accounts)
	defer d.close()
	db := d.raw()
	defer db.Close()
	number := func(query string, args ...any) (n float64) {
		must(0, db.QueryRow(query, args...).Scan(&n))
		return n
	}
	size := func(table string) float64 {
		return number("SELECT sum(pgsize) FROM dbstat WHERE name IN (SELECT name FROM sqlite_schema WHERE tbl_name = ?)", table)
	}
	roster := func() float64 {
		return number("SELECT avg(length(roster)) FROM (SELECT roster FROM oneseat_rosters WHERE account != '' ORDER BY account LIMIT ?)", fewAccounts)
	}
	account, ending, signIn = size("oneseat_rosters")/float64(accounts), roster(), size("oneseat_events")
	displaceAll(d.seats, signIns)
	ending, signIn = (roster()-ending)/min(float64(signIns)/fewAccounts, oneseat.MaxEndings), (size("oneseat_events")-signIn)/float64(signIns)
	fmt.Printf("SQLite: %.0f bytes for an account with one session, %d accounts; %.0f for an ending that is remembered; %.0f in the log for a sign-in that displaces a session\n", account, accounts, ending, signIn)
	return account, ending, signIn
}

// postgresLog says how many bytes a sign-in that displaces a session leaves in the log,
// indexes included.
func postgresLog(url string, n int) (each float64) {
	node := newPgNode(url)
	defer node.close()
	must(node.seats.SignIn(context.Background(), account(0), oneseat.SignInRequest{}))
	node.fill(1, fewAccounts-1)
	size := func() (bytes float64) {
		must(0, node.pool.QueryRow(context.Background(), "SELECT pg_total_relation_size('oneseat_events')").Scan(&bytes))
		return bytes
	}
	before := size()
	displaceAll(node.seats, n)
	each = (size() - before) / float64(n)
	fmt.Printf("PostgreSQL: %.0f bytes in the log for a sign-in that displaces a session, indexes included\n", each)
	return each
}

// displaceAll signs a few accounts in, n times in all. Each time displaces a session.
func displaceAll(seats *oneseat.Registry, n int) {
	device := oneseat.Device{Label: "Chrome on Windows", Class: oneseat.ClassDesktop, IP: "192.0.2.1"}
	each(64, n, func(i int) {
		must(seats.SignIn(context.Background(), account(i%fewAccounts), oneseat.SignInRequest{Device: device}))
	})
}
