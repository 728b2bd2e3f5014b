package sqlitestore

import (
	"fmt"
	"os"
	"strconv"
)

// meets returns an error if a process has the database file open and another -wal or
// -shm than a newcomer would find, or has these two open and another file.
func meets(path, target string) error {
	file, shm := inUse(target, sharedFirst, sharedSize), inUse(target+"-shm", deadManSwitch, 1)
	switch {
	case !file && !shm:
		return nil
	case !file:
		return split(isReplaced, path, fmt.Errorf("no process has it open, and one has %s-shm", target))
	}
	for _, suffix := range suffixes[1:] {
		if _, err := os.Stat(target + suffix); err != nil {
			return split(isElsewhere, path, fmt.Errorf("%s is gone", target+suffix))
		}
	}
	if !shm {
		return split(isElsewhere, path, fmt.Errorf("no process has %s-shm open", target))
	}
	return compareWAL(path, target)
}

// compareWAL returns an error unless the -wal is as the -shm says.
func compareWAL(path, target string) error {
	shm, err := os.Open(target + "-shm")
	if err != nil {
		return err
	}
	defer func() { _ = shm.Close() }() // it was only read
	wal, err := os.Open(target + "-wal")
	if err != nil {
		return err
	}
	defer func() { _ = wal.Close() }() // it was only read
	l := locks{db: lock{path: path}, shm: lock{fd: strconv.Itoa(int(shm.Fd()))}, wal: wal, walPath: target + "-wal"}
	return l.checkWAL()
}

// inUse reports whether another process holds a lock on these bytes of a file.
func inUse(path string, first, size int64) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }() // it was only read
	k := lock{first: first, size: size, fd: strconv.Itoa(int(f.Fd()))}
	return k.others(true)
}
