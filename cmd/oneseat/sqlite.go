package main

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"net/url"
	"path/filepath"

	"github.com/oneseat/oneseat/internal/demo"
	"github.com/oneseat/oneseat/store/sqlitestore"
	_ "modernc.org/sqlite" // through database/sql the demo reads its accounts
)

// openSQLite opens a file, which is made if it is missing, and the demo's accounts in
// the same file.
func openSQLite(file string) func(context.Context, *slog.Logger) (opened, error) {
	return func(context.Context, *slog.Logger) (opened, error) {
		store, err := sqlitestore.Open(file)
		if err != nil {
			return opened{}, err
		}
		db, err := openAccounts(file)
		if err != nil {
			return opened{}, errors.Join(err, store.Close())
		}
		hashes := func(ctx context.Context) (demo.Hashes, error) { return demo.SQLHashes(ctx, db) }
		return opened{store, hashes, func() error { return errors.Join(db.Close(), store.Close()) }}, nil
	}
}

// openAccounts opens connections of the demo's own to a file that the store writes to
// as well. Each of the two waits while the other writes.
func openAccounts(file string) (*sql.DB, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), OmitHost: true} // a name may hold any character
	u.RawQuery = url.Values{"mode": {"rw"}, "_pragma": {"busy_timeout(10000)", "synchronous(FULL)"}}.Encode()
	return sql.Open("sqlite", u.String())
}
