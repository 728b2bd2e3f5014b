package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/demo"
	"github.com/oneseat/oneseat/store/memstore"
	"github.com/oneseat/oneseat/store/pgstore"
	"github.com/oneseat/oneseat/store/sqlitestore"
	_ "modernc.org/sqlite" // the demo's accounts are read through database/sql
)

// storeSpec is a --store flag, understood.
type storeSpec struct {
	file     string          // of SQLite
	postgres *pgxpool.Config // neither: memory
}

func parseStore(s string) (storeSpec, error) {
	if s == "memory:" {
		return storeSpec{}, nil
	}
	if strings.HasPrefix(s, "postgres://") || strings.HasPrefix(s, "postgresql://") {
		return parsePostgres(s)
	}
	file, ok := strings.CutPrefix(s, "sqlite:")
	if !ok || file == "" || strings.ContainsRune(file, 0) {
		return storeSpec{}, fmt.Errorf("--store: %q is not sqlite:FILE, postgres://USER@HOST/DATABASE or memory: as it has to be", withoutPassword(s))
	}
	return storeSpec{file: file}, nil
}

// parsePostgres reads a URL as libpq would. A server that does not answer is
// waited for 5 seconds, unless the URL says otherwise: what waits holds a
// connection of the pool.
func parsePostgres(s string) (storeSpec, error) {
	c, err := pgxpool.ParseConfig(s)
	if err != nil {
		// The error quotes the URL, perhaps with its password.
		return storeSpec{}, errors.New("--store: this is no URL of PostgreSQL, such as postgres://USER:PASSWORD@HOST:5432/DATABASE?sslmode=verify-full")
	}
	if u, err := url.Parse(s); err == nil && !u.Query().Has("connect_timeout") {
		c.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	return storeSpec{postgres: c}, nil
}

// withoutPassword is what may be shown of a flag that could be a URL.
func withoutPassword(s string) string {
	if scheme, _, ok := strings.Cut(s, "://"); ok {
		return scheme + "://..."
	}
	return s
}

// String is what people are told.
func (s storeSpec) String() string {
	switch {
	case s.postgres != nil:
		c := s.postgres.ConnConfig
		return fmt.Sprintf("PostgreSQL at %s:%d, database %s", c.Host, c.Port, c.Database)
	case s.file == "":
		return "memory"
	}
	return s.file
}

// demoData is where a demo keeps its sessions and its accounts.
type demoData struct {
	store  oneseat.Store
	hashes demo.Hashes
	close  func() error
}

// open opens what the flag names; an SQLite file is made if it is missing.
func (s storeSpec) open(ctx context.Context, logger *slog.Logger) (demoData, error) {
	if s.postgres != nil {
		return openPostgres(ctx, s.postgres, logger)
	}
	if s.file == "" {
		return demoData{memstore.New(), demo.MemoryHashes(), func() error { return nil }}, nil
	}
	store, err := sqlitestore.Open(s.file)
	if err != nil {
		return demoData{}, err
	}
	db, err := openAccounts(s.file)
	if err != nil {
		return demoData{}, errors.Join(err, store.Close())
	}
	hashes, err := demo.SQLHashes(ctx, db, demo.SQLite)
	if err != nil {
		return demoData{}, errors.Join(err, db.Close(), store.Close())
	}
	return demoData{store, hashes, func() error { return errors.Join(db.Close(), store.Close()) }}, nil
}

// openAccounts opens connections of the demo's own to a file that the store
// writes to as well: each writer waits for the other.
func openAccounts(file string) (*sql.DB, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), OmitHost: true} // a name may hold any character
	u.RawQuery = url.Values{"mode": {"rw"}, "_pragma": {"busy_timeout(10000)", "synchronous(FULL)"}}.Encode()
	return sql.Open("sqlite", u.String())
}

// openPostgres opens a store, and the demo's accounts beside it in the same
// database, on one pool.
func openPostgres(ctx context.Context, c *pgxpool.Config, logger *slog.Logger) (demoData, error) {
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return demoData{}, err
	}
	store, err := pgstore.Open(ctx, pool, pgstore.Options{Logger: logger})
	if err != nil {
		pool.Close()
		return demoData{}, err
	}
	db := stdlib.OpenDBFromPool(pool)
	closeAll := func() error {
		err := errors.Join(db.Close(), store.Close())
		pool.Close()
		return err
	}
	hashes, err := demo.SQLHashes(ctx, db, demo.PostgreSQL)
	if err != nil {
		return demoData{}, errors.Join(err, closeAll())
	}
	return demoData{store, hashes, closeAll}, nil
}
