package main

import (
	"context"
	"log/slog"

	"github.com/oneseat/oneseat/internal/demo"
	"github.com/oneseat/oneseat/store/redisstore"
)

// redisSchemes are those of a --store that is a Redis.
var redisSchemes = []string{"redis", "rediss", "redis-cluster", "rediss-cluster"}

// openRedis opens a store, and the demo's accounts beside it, on one client.
func openRedis(ctx context.Context, url string, logger *slog.Logger) (demoData, error) {
	client, err := redisstore.Connect(ctx, url, 0)
	if err != nil {
		return demoData{}, err
	}
	store, err := redisstore.New(ctx, client, redisstore.Options{Logger: logger})
	if err != nil {
		client.Close()
		return demoData{}, err
	}
	closing := func() error {
		err := store.Close()
		client.Close()
		return err
	}
	return demoData{store, demo.RedisHashes(client), closing}, nil
}
