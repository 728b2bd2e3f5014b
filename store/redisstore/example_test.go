package redisstore_test

import (
	"context"
	"log"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/redisstore"
)

// The store refuses a server that may lose what it acknowledged. At the end close
// the registry first, then the store.
func ExampleOpen() {
	ctx := context.Background()
	store, err := redisstore.Open(ctx, "redis://redis.example:6379", redisstore.Options{RequireDurable: true})
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
