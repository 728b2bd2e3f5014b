package redisstore_test

import (
	"context"
	"log"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/redisstore"
)

// A server that may lose what it acknowledged is refused. Close the registry, then
// the store.
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
