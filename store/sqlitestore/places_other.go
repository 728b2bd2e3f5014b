//go:build !linux

package sqlitestore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// On other systems than Linux only os.SameFile is known of a file. A file that was
// removed or replaced is noticed. A second name and a mount are not.

// place is a file at a path.
type place struct{ info os.FileInfo }

func look(path string, _ bool) (place, error) {
	info, err := os.Stat(path)
	return place{info}, err
}

func (p *place) same(q *place) bool { return os.SameFile(p.info, q.info) }
func (p *place) size() int64        { return p.info.Size() }
func (*place) links() uint32        { return 1 }

func (p *place) written() stamp { return stamp{p.info.ModTime().UnixNano(), p.info.Size()} }

// stamp changes when a file is written to.
type stamp struct{ at, size int64 }

// follow returns the path that SQLite finds behind symbolic links. On Windows that is
// the same path.
func follow(path string) (string, error) {
	if runtime.GOOS == "windows" {
		return path, nil
	}
	target, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil // the file is not there yet
	}
	return target, err
}

// What is looked at before a file is opened on Linux is not looked at here.
func checkFileSystem(string) error { return nil }
func checkMounts(string) error     { return nil }

// locks is what the system shows of this process's locks on the files: nothing.
type locks struct{}

func locksOf(*places) (*locks, error) { return &locks{}, nil }

func meets(_, _ string) error { return nil }

func (*locks) close()                {}
func (*locks) check() error          { return nil }
func (*locks) checkWAL() error       { return nil }
func (*locks) apart() bool           { return false }
func (*locks) still() (uint32, bool) { return 0, false }
