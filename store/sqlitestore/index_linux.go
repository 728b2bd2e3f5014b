package sqlitestore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// index is the beginning of a -shm: what all processes know of the -wal, see
// https://www.sqlite.org/walformat.html#the_wal_index_file_format. Its numbers have the
// byte order of the machine.
type index [132]byte

// These are the places of the parts of an index.
const (
	indexPage       = 14 // the size of a page, 16 bits
	indexFrames     = 16 // how many frames of the -wal are committed
	indexSalt       = 32 // 8 bytes that are also in the header of the -wal, after its first 16
	indexCopy       = 48 // the same again: while the two differ somebody writes
	indexBackfilled = 96 // how many frames are in the database
	indexAttempted  = 128

	walHeader, walSalt, frameHeader = 32, 16, 24 // in a -wal
)

func (x *index) number(at int) uint32 { return binary.NativeEndian.Uint32(x[at:]) }

func (x *index) salt() []byte { return x[indexSalt : indexSalt+8] }

// walSize returns the length that the -wal has at least.
func (x *index) walSize() int64 {
	page := int64(binary.NativeEndian.Uint16(x[indexPage:]))
	if page == 1 {
		page = 1 << 16
	}
	return walHeader + int64(x.number(indexFrames))*(frameHeader+page)
}

// index reads the -shm.
func (l *locks) index() (x index, ok bool) {
	fd, err := strconv.Atoi(l.shm.fd)
	if err != nil {
		return x, false // the system does not show it
	}
	n, err := unix.Pread(fd, x[:], 0)
	return x, err == nil && n == len(x)
}

// still reports whether no checkpoint writes to the database file, and returns how many
// frames of the -wal the last one has written there.
func (l *locks) still() (frames uint32, still bool) {
	x, ok := l.index()
	frames = x.number(indexBackfilled)
	return frames, ok && frames == x.number(indexAttempted)
}

// openWAL opens the -wal that others write to.
func (l *locks) openWAL(p *places) (err error) {
	l.walPath = p.paths[1]
	if l.wal, err = os.Open(l.walPath); err != nil {
		return err
	}
	now, err := lookInto(l.wal)
	if err != nil {
		return err
	}
	if !now.same(&p.files[1]) {
		return split(isReplaced, p.paths[0], fmt.Errorf("%s was replaced while it was opened", l.walPath))
	}
	return nil
}

// checkWAL returns an error unless the -wal begins as the -shm says, and is as long as
// what was committed. Only SQLite shortens it, and says so in the -shm first.
func (l *locks) checkWAL() error {
	for {
		before, ok := l.index()
		if !ok || l.wal == nil || before.number(indexFrames) == 0 || !bytes.Equal(before[:indexCopy], before[indexCopy:2*indexCopy]) {
			return nil // it is empty, or at this moment nothing can be seen
		}
		var head [walHeader]byte
		if _, err := l.wal.ReadAt(head[:], 0); err != nil && err != io.EOF {
			return err
		}
		now, err := lookInto(l.wal)
		if err != nil {
			return err
		}
		same := bytes.Equal(head[walSalt:walSalt+8], before.salt())
		if same && now.size() >= before.walSize() {
			return nil
		}
		if after, _ := l.index(); bytes.Equal(after[:indexCopy], before[:indexCopy]) {
			why := fmt.Errorf("%s has other content than was written to it", l.walPath)
			if same {
				why = fmt.Errorf("%s has %d bytes, and %d were committed", l.walPath, now.size(), before.walSize())
			}
			return split(isReplaced, l.db.path, why)
		}
	}
}
