package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/testservers"
)

// fewAccounts are counted beside the many.
const fewAccounts = 1_000

// counts compares Registry.Count over few accounts with that over many, on each
// store that others may share.
func counts() {
	few, many := newDatabase(fewAccounts), newDatabase(accounts)
	defer few.close()
	defer many.close()
	count("SQLite", few.seats, many.seats)

	var s servers
	defer s.close()
	pgFew, pgMany := filledPostgres(&s, fewAccounts), filledPostgres(&s, accounts)
	defer pgFew.close()
	defer pgMany.close()
	count("PostgreSQL", pgFew.seats, pgMany.seats)

	url := testservers.AnyRedis(&s)
	redisFew, redisMany := filledRedis(url, fewAccounts), filledRedis(url, accounts)
	defer redisFew.close()
	defer redisMany.close()
	count("Redis", redisFew.seats, redisMany.seats)
}

// filledPostgres is a node on a server of its own, with n accounts signed in.
func filledPostgres(s *servers, n int) *pgNode {
	node := newPgNode(testservers.StartPostgres(s, "shared_buffers=256MB").URL)
	must(node.seats.SignIn(context.Background(), account(0), oneseat.SignInRequest{}))
	node.fill(1, n-1)
	return node
}

// filledRedis is a node on keys of its own, with n accounts signed in.
func filledRedis(url string, n int) redisNode {
	node := newRedisNode(url, "counts-"+rand.Text()+":")
	each(64, n, func(i int) { node.signIn(i) })
	return node
}

// count compares two registries, after as much has been written to the sums of
// either: what that leaves behind is not of the accounts.
func count(store string, few, many *oneseat.Registry) {
	const more = 2_000
	ctx := context.Background()
	for r, n := range map[*oneseat.Registry]int{few: fewAccounts, many: accounts} {
		each(64, more, func(int) { must(r.SignIn(ctx, rand.Text(), oneseat.SignInRequest{})) })
		if c := must(r.Count(ctx)); c.Accounts != n+more || c.Sessions != n+more {
			fmt.Fprintf(os.Stderr, "bench: %s counts %+v of %d accounts\n", store, c, n+more)
			os.Exit(1)
		}
	}
	compare("What is signed in, counted on "+store,
		side{fmt.Sprint(fewAccounts, " accounts"), func() { must(few.Count(ctx)) }},
		side{fmt.Sprint(accounts, " accounts"), func() { must(many.Count(ctx)) }})
}
