package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// Examine returns whether there is a store in the file at path, and the error that Open
// would return, or that the processes which have the file open are about to return. It
// changes nothing: it makes no file, and moves nothing from the -wal. It waits some
// seconds for a lock.
//
// It is for a process of its own. In a process that has the store open it would drop the
// store's locks.
func Examine(ctx context.Context, path string) (made bool, err error) {
	path, err = checkPath(path)
	if err != nil {
		return false, err
	}
	if err := survey(path); err != nil {
		return false, explain(path, err)
	}
	target, err := follow(path)
	if err != nil {
		return false, explain(path, err)
	}
	made, err = examine(ctx, path, target)
	return made, explain(path, err)
}

// examine looks at the file at path. target is the file to which the symbolic links at path
// lead.
func examine(ctx context.Context, path, target string) (made bool, err error) {
	found, err := os.Stat(target)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	// For a moment, a process that opens or closes the database does not have all three
	// files.
	for began := time.Now(); ; time.Sleep(lockPoll) {
		if err = meets(path, target); err == nil || time.Since(began) > logPatience {
			break
		}
	}
	if err != nil {
		return false, err
	}
	// SQLite makes a -wal or a -shm that is missing, and removes the -wal of an empty file.
	// With "immutable" it is told that nobody uses the file, and it does neither. In both
	// cases below that is true.
	how := "readonly_shm"
	if found.Size() == 0 {
		how = "immutable"
	}
	for _, suffix := range suffixes[1:] {
		if _, err := os.Stat(target + suffix); errors.Is(err, fs.ErrNotExist) {
			how = "immutable"
		}
	}
	f := file{path: path}
	if f.last, err = readOnly(ctx, path, how); err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, f.close(err)) }()
	files, err := migrations()
	if err != nil {
		return false, err
	}
	if err := checkOwner(ctx, f.last.conn, path, len(files)); err != nil {
		return false, err
	}
	n, err := lastApplied(ctx, f.last.conn)
	if err == nil && how != "immutable" {
		err = f.compare(ctx)
	}
	return n > 0, err
}

// compare returns an error unless the three files of f belong together.
func (f *file) compare(ctx context.Context) error {
	if err := f.join(ctx); err != nil {
		return err
	}
	if f.places.files[1].size() == 0 {
		return nil
	}
	_, err := f.checkLog(ctx)
	return err
}

// readOnly connects to a file. how is a parameter of SQLite that keeps the connection from
// changing files: "readonly_shm" or "immutable".
func readOnly(ctx context.Context, path, how string) (link, error) {
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), OmitHost: true}
	u.RawQuery = url.Values{"mode": {"ro"}, how: {"1"}, "_pragma": {fmt.Sprintf("busy_timeout(%d)", time.Second.Milliseconds())}}.Encode()
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		panic(err) // the driver is not registered: impossible, because it is imported above
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return link{}, errors.Join(err, db.Close())
	}
	return link{db, conn}, nil
}
