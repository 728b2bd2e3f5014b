package pgstore_test

import (
	"context"
	"log"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/pgstore"
)

// The pool is the application's own. Close the registry, then the store, then the pool.
func ExampleOpen() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, "postgres://app@db.example/app")
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	store, err := pgstore.Open(ctx, pool, pgstore.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	seats, err := oneseat.New(store, oneseat.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer seats.Close()
}
