package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/demo"
	"github.com/oneseat/oneseat/store/memstore"
	"github.com/oneseat/oneseat/store/redisstore"
	"github.com/oneseat/oneseat/store/sqlitestore"
	_ "modernc.org/sqlite" // the demo's accounts are read through database/sql
)

// storeSpec is a --store flag, understood.
type storeSpec struct {
	file  string // of SQLite
	redis string // URL of a Redis
} // neither: memory

func parseStore(s string) (storeSpec, error) {
	if s == "memory:" {
		return storeSpec{}, nil
	}
	if scheme, _, ok := strings.Cut(s, "://"); ok && slices.Contains(redisSchemes, scheme) {
		if err := redisstore.CheckURL(s); err != nil {
			return storeSpec{}, fmt.Errorf("--store: %w", err)
		}
		return storeSpec{redis: s}, nil
	}
	file, ok := strings.CutPrefix(s, "sqlite:")
	if !ok || file == "" || strings.ContainsRune(file, 0) {
		return storeSpec{}, fmt.Errorf("--store: %q is not sqlite:FILE, redis://HOST or memory: as it has to be", redacted(s))
	}
	return storeSpec{file: file}, nil
}

// String is what people are told.
func (s storeSpec) String() string {
	switch {
	case s.redis != "":
		return redacted(s.redis)
	case s.file != "":
		return s.file
	}
	return "memory"
}

// redacted is a URL without its user and password. What is none stays as it is.
func redacted(s string) string {
	scheme, rest, ok := strings.Cut(s, "://")
	if at := strings.LastIndex(rest, "@"); ok && at >= 0 {
		return scheme + "://" + rest[at+1:]
	}
	return s
}

// demoData is where a demo keeps its sessions and its accounts.
type demoData struct {
	store  oneseat.Store
	hashes demo.Hashes
	close  func() error
}

// open opens what the flag names; an SQLite file is made if it is missing.
func (s storeSpec) open(ctx context.Context, logger *slog.Logger) (demoData, error) {
	if s.redis != "" {
		return openRedis(ctx, s.redis, logger)
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
	hashes, err := demo.SQLHashes(ctx, db)
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
