//go:build !linux

package sqlitestore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Away from Linux no more is known of a file than what os.SameFile says: one
// that was removed or replaced is noticed, a second name and a mount are not.

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

// follow returns the path that SQLite finds behind symbolic links, which on
// Windows is the same.
func follow(path string) (string, error) {
	if runtime.GOOS == "windows" {
		return path, nil
	}
	target, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil // to be made
	}
	return target, err
}

// What is asked before a file is opened is not asked here.
func checkFileSystem(string) error { return nil }
func checkMounts(string) error     { return nil }

// locks is what the system shows of this process's locks on the files: nothing.
type locks struct{}

func locksOf(*places) (*locks, error) { return &locks{}, nil }

func (*locks) close()                {}
func (*locks) check() error          { return nil }
func (*locks) checkWAL() error       { return nil }
func (*locks) apart() bool           { return false }
func (*locks) still() (uint32, bool) { return 0, false }
