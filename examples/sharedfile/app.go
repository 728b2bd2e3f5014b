// Package sharedfile is an application that keeps tables of its own in the database
// file of its sessions. There is one file to back up. One process has it open, by one
// SQLite library: the one that the store uses.
package sharedfile

import (
	"database/sql"
	"errors"
	"net/url"

	"github.com/oneseat/oneseat/store/sqlitestore"
	_ "modernc.org/sqlite" // the driver of the store, and so of the application's own connections
)

// App is an application: its sessions, and its own tables.
type App struct {
	Sessions *sqlitestore.Store
	Tables   *sql.DB
}

// Open opens the file at an absolute path, or makes it. Close the App after the last
// use.
func Open(path string) (*App, error) {
	sessions, err := sqlitestore.Open(path) // first, because it makes sure that the file can be shared
	if err != nil {
		return nil, err
	}
	own := url.URL{Scheme: "file", Path: path, RawQuery: "_pragma=busy_timeout(10000)&_pragma=synchronous(FULL)"}
	tables, err := sql.Open("sqlite", own.String()) // not "sqlite3", which is another library
	if err == nil {
		_, err = tables.Exec("CREATE TABLE IF NOT EXISTS notes (account TEXT, note TEXT) STRICT")
	}
	if err != nil {
		return nil, errors.Join(err, sessions.Close())
	}
	return &App{sessions, tables}, nil
}

// Close closes the application's connections, and then the store.
func (a *App) Close() error { return errors.Join(a.Tables.Close(), a.Sessions.Close()) }
