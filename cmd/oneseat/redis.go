package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/oneseat/oneseat/internal/demo"
	"github.com/oneseat/oneseat/store/redisstore"
)

// parseRedis checks the URL of a server or of a cluster.
func parseRedis(s string) (storeSpec, error) {
	if err := redisstore.CheckURL(s); err != nil {
		return storeSpec{}, fmt.Errorf("--store: %w", err)
	}
	return storeSpec{redacted(s), func(ctx context.Context, l *slog.Logger) (opened, error) { return openRedis(ctx, s, l) }}, nil
}

// openRedis opens a store, and the demo's accounts on the same server, on one client.
func openRedis(ctx context.Context, url string, logger *slog.Logger) (opened, error) {
	client, err := redisstore.Connect(ctx, url, 0)
	if err != nil {
		return opened{}, err
	}
	store, err := redisstore.New(ctx, client, redisstore.Options{Logger: logger})
	if err != nil {
		client.Close()
		return opened{}, err
	}
	closing := func() error {
		err := store.Close()
		client.Close()
		return err
	}
	return opened{store, always(demo.RedisHashes(client)), closing}, nil
}
