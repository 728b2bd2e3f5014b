package pgstore_test

import (
	"context"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/pgstore"
	"github.com/oneseat/oneseat/store/storetest"
)

func TestStoreContract(t *testing.T) {
	t.Parallel()
	contract(t, func(to string) string { return to })
}

// Some poolers support this protocol only. It puts the arguments into the text of the
// statement.
func TestStoreContractInTheSimpleProtocol(t *testing.T) {
	t.Parallel()
	contract(t, func(to string) string { return with(t, to, "default_query_exec_mode=simple_protocol") })
}

// This is the mode that docs/operations.md asks for.
func TestStoreContractThroughPgBouncer(t *testing.T) {
	t.Parallel()
	contract(t, func(to string) string {
		return with(t, through(t, to, bouncerAddr(t)), "default_query_exec_mode=exec")
	})
}

// contract runs the suite on databases that are reached through the URL that way
// returns. Making a database takes longer than most tests, so a database that a test
// has left is emptied for the next test.
func contract(t *testing.T, way func(to string) string) {
	var mu sync.Mutex
	var idle []*pgxpool.Pool
	storetest.Run(t, func(test *testing.T) func() oneseat.Store {
		mu.Lock()
		defer mu.Unlock()
		var p *pgxpool.Pool
		if n := len(idle); n > 0 {
			p, idle = idle[n-1], idle[:n-1]
		} else {
			p = pool(t, with(t, way(database(t)), "pool_max_conns=8"))
		}
		test.Cleanup(func() {
			empty(test, p)
			mu.Lock()
			defer mu.Unlock()
			idle = append(idle, p)
		})
		return func() oneseat.Store { return openOn(test, p, pgstore.Options{}) }
	})
}

// empty makes a database as good as new. Its log is another one.
func empty(t *testing.T, p *pgxpool.Pool) {
	_, err := p.Exec(context.WithoutCancel(t.Context()), `DELETE FROM oneseat_rosters; DELETE FROM oneseat_counts; DELETE FROM oneseat_events;
		UPDATE oneseat_meta SET incarnation = gen_random_uuid()::text, floor = 0, trimmed = '0'`)
	if err != nil {
		t.Error(err)
	}
}
