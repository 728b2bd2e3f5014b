package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/oneseat/oneseat/internal/demo"
	"github.com/oneseat/oneseat/store/pgstore"
)

// parsePostgres reads a URL as libpq does. Unless the URL says otherwise, connecting
// takes 5 seconds at most, because a call that waits keeps a connection of the pool.
func parsePostgres(s string) (storeSpec, error) {
	c, err := pgxpool.ParseConfig(s)
	if err != nil {
		// The error of pgx quotes the URL, perhaps with its password.
		return storeSpec{}, errors.New("--store: this is no URL of PostgreSQL, such as postgres://USER:PASSWORD@HOST:5432/DATABASE?sslmode=verify-full")
	}
	if u, err := url.Parse(s); err == nil && !u.Query().Has("connect_timeout") {
		c.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	name := fmt.Sprintf("PostgreSQL at %s:%d, database %s", c.ConnConfig.Host, c.ConnConfig.Port, c.ConnConfig.Database)
	return storeSpec{name, func(ctx context.Context, l *slog.Logger) (opened, error) { return openPostgres(ctx, c, l) }}, nil
}

// openPostgres opens a store, and the demo's accounts in the same database, on one
// pool.
func openPostgres(ctx context.Context, c *pgxpool.Config, logger *slog.Logger) (opened, error) {
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return opened{}, err
	}
	store, err := pgstore.Open(ctx, pool, pgstore.Options{Logger: logger})
	if err != nil {
		pool.Close()
		return opened{}, err
	}
	db := stdlib.OpenDBFromPool(pool)
	closeAll := func() error {
		err := errors.Join(db.Close(), store.Close())
		pool.Close()
		return err
	}
	hashes := func(ctx context.Context) (demo.Hashes, error) { return demo.SQLHashes(ctx, db) }
	return opened{store, hashes, closeAll}, nil
}
