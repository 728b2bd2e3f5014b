package sqlitestore

import (
	"errors"
	"fmt"
	"io/fs"
)

// A database is three files. What was committed last is in the -wal, and the processes
// that use the database meet in the -shm. A process with the same database file, but
// another -wal and -shm, is alone: the others do not see what it commits, and it is
// lost when one of them writes over it. SQLite does not notice that. This file does,
// together with places_linux.go.

// suffixes are the ends of the names of the three files, after the database's name.
var suffixes = [3]string{"", "-wal", "-shm"}

// places are the paths of a database, where other processes look for it, and the three
// files that this process has opened there.
type places struct {
	paths [3]string // as suffixes; the last two are beside the file that a symbolic link leads to
	files [3]place
}

// survey looks at the path of a database before it is opened. It returns an error that
// says why a database there cannot be shared. It changes nothing. There may be no file
// yet.
func survey(path string) error {
	target, err := follow(path)
	if err != nil {
		return err
	}
	if err := checkFileSystem(target); err != nil {
		return err
	}
	if err := checkMounts(target); err != nil {
		return err
	}
	found, err := look(target, false)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	return checkLinks(path, &found)
}

// placesOf notes the three files of a database that is open.
func placesOf(path string) (places, error) {
	var p places
	target, err := follow(path)
	if err != nil {
		return p, err
	}
	for i, suffix := range suffixes {
		p.paths[i] = target + suffix
		if p.files[i], err = look(p.paths[i], false); err != nil {
			return p, err
		}
	}
	p.paths[0] = path // a link that leads elsewhere later is another file
	return p, nil
}

// check returns an error unless all three paths still name the files that this process
// has open, and the database has no second name. It returns when the database was last
// written to.
func (p *places) check() (written stamp, err error) {
	for i, path := range p.paths {
		now, err := look(path, i == 0)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return written, split(isReplaced, p.paths[0], fmt.Errorf("%s is gone", path))
		case err != nil:
			return written, err
		case !now.same(&p.files[i]):
			return written, split(isReplaced, p.paths[0], fmt.Errorf("%s is another file now", path))
		case i == 0:
			if err := checkLinks(path, &now); err != nil {
				return written, err
			}
			written = now.written()
		}
	}
	return written, nil
}

// unlogged reports whether the -wal which this process has open is gone from its path,
// and nobody has committed to another -wal. What is in it can then still be written
// into the database file.
func (p *places) unlogged() bool {
	db, err := look(p.paths[0], false)
	if err != nil || !db.same(&p.files[0]) || db.links() > 1 {
		return false
	}
	wal, err := look(p.paths[1], false)
	return errors.Is(err, fs.ErrNotExist) || err == nil && !wal.same(&p.files[1]) && wal.size() == 0
}

func checkLinks(path string, p *place) error {
	if n := p.links(); n > 1 {
		return split(isLinked, path, fmt.Errorf("it has %d names", n))
	}
	return nil
}
