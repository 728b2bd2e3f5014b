package sqlitestore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/oneseat/oneseat"
	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
)

// place is a file at a path.
type place struct {
	major, minor, names uint32
	inode               uint64
	bytes               int64
	at                  unix.StatxTimestamp // zero where nobody asked for it
}

// look is os.Stat without its allocations, because it runs several times in each call
// of the store. It needs Linux 4.11.
//
// timed asks when the file was last written to. That has a price. Since Linux 6.13 a
// file whose time was asked for gets another, finer time with the next write, and fsync
// has to write that time to the disk too. A commit to the -wal took a third longer.
func look(path string, timed bool) (place, error) { return lookAt(unix.AT_FDCWD, path, 0, timed) }

func lookAt(folder int, path string, flags int, timed bool) (place, error) {
	mask := unix.STATX_INO | unix.STATX_NLINK | unix.STATX_SIZE
	if timed {
		mask |= unix.STATX_MTIME
	}
	var x unix.Statx_t
	for {
		err := unix.Statx(folder, path, flags, mask, &x)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return place{}, &fs.PathError{Op: "stat", Path: path, Err: err}
		}
		if err == nil {
			break
		}
	}
	p := place{major: x.Dev_major, minor: x.Dev_minor, names: x.Nlink, inode: x.Ino, bytes: int64(x.Size)}
	if timed {
		p.at = x.Mtime
	}
	return p, nil
}

// lookInto is look for a file that is open.
func lookInto(f *os.File) (place, error) { return lookAt(int(f.Fd()), "", unix.AT_EMPTY_PATH, false) }

func (p *place) same(q *place) bool {
	return p.inode == q.inode && p.major == q.major && p.minor == q.minor
}
func (p *place) size() int64    { return p.bytes }
func (p *place) links() uint32  { return p.names }
func (p *place) written() stamp { return stamp{p.at, p.bytes} }

// stamp changes when a file is written to.
type stamp struct {
	at   unix.StatxTimestamp
	size int64
}

// follow returns the path that SQLite finds behind symbolic links. SQLite puts the
// other two files beside it.
func follow(path string) (string, error) {
	target, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil // the file is not there yet
	}
	return target, err
}

// remote are the numbers that Linux has for file systems which another machine may
// share. SQLite's locks, and the memory that its processes share, do not reach that
// machine. Behind FUSE may be anything, for example virtiofs or sshfs.
var remote = map[uint32]string{
	0x6969: "NFS", 0x517b: "SMB", 0xff534d42: "SMB", 0xfe534d42: "SMB", 0x5346414f: "AFS", 0x6b414653: "AFS",
	0x73757245: "Coda", 0x00c36400: "Ceph", 0x01021997: "9p", 0x65735546: "FUSE", 0x786f4256: "vboxsf",
	0x0bd00bd0: "Lustre", 0x47504653: "GPFS", 0x7461636f: "OCFS2", 0x01161970: "GFS2", 0x19830326: "BeeGFS",
}

// checkFileSystem returns an error if a database cannot be shared where it is.
func checkFileSystem(target string) error {
	var s unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(target), &s); err != nil {
		return nil // whatever is wrong there also prevents opening the file
	}
	if name, ok := remote[uint32(s.Type)]; ok {
		return failed(oneseat.FailureUnsupported, target, fmt.Errorf("it is on %s", name))
	}
	return nil
}

// checkMounts returns an error if one of the three files is mounted by itself.
// Processes outside then have the other two in another folder.
func checkMounts(target string) error {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil // without /proc this cannot be known
	}
	if at := mounted(string(mounts), target); at != "" {
		return split(isMounted, target, fmt.Errorf("%s is a mount", at))
	}
	return nil
}

// mounted returns which of the three files is among the mounts. mounts is text as in
// /proc/self/mountinfo.
func mounted(mounts, target string) string {
	for line := range strings.Lines(mounts) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		for _, suffix := range suffixes {
			if at := unescape(fields[4]); at == target+suffix {
				return at
			}
		}
	}
	return ""
}

// unescape undoes what the kernel does to spaces and the like: \040.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// SQLite locks these bytes. It holds the locks, shared, from its first read of a
// database in this mode until the last connection of the process is closed.
const (
	sharedFirst, sharedSize = 0x40000000 + 2, 510 // in the database file
	deadManSwitch           = 128                 // in the -shm
)

// locks is what Linux shows of this process's locks on the files. POSIX locks belong to
// a process, not to a library. So a second SQLite library in the process does not
// respect the locks of the first one, and when any descriptor of a file is closed, all
// locks on it are dropped. Both are looked for here.
type locks struct {
	shm lock // it never changes, because a library has one descriptor of a -shm

	wal     *os.File // a descriptor of our own: SQLite locks nothing there
	walPath string

	mu     sync.Mutex // guards db and looked
	db     lock
	looked time.Time // at the mappings
}

// lookEvery is how often at most the mappings of the process are read, which takes a
// tenth of a millisecond, or more if there are many.
const lookEvery = 100 * time.Millisecond

// lock is a lock that this process holds on a file as long as the file is open.
type lock struct {
	file  place
	path  string // of file, for errors
	first int64  // of the bytes that are locked
	size  int64

	fd   string   // the descriptor that has the lock
	info *os.File // what the kernel says of the descriptor; nil: the system shows no locks
	key  string   // device and inode of file as the kernel writes them, which may differ from stat's
}

// locksOf finds the descriptors by which the process has the three files open.
func locksOf(p *places) (*locks, error) {
	l := &locks{
		db:  lock{file: p.files[0], path: p.paths[0], first: sharedFirst, size: sharedSize},
		shm: lock{file: p.files[2], path: p.paths[2], first: deadManSwitch, size: 1},
	}
	for i := range p.files {
		open, err := descriptors(&p.files[i])
		switch {
		case err != nil:
			return l, nil // no /proc
		case len(open) == 0:
			return nil, split(isReplaced, p.paths[0], fmt.Errorf("%s was replaced while it was opened", p.paths[i]))
		case suffixes[i] == "-shm" && len(open) > 1:
			return nil, split(isUnlocked, p.paths[0], fmt.Errorf("%d libraries have %s open", len(open), p.paths[i]))
		}
	}
	l.db.find()
	l.shm.find()
	return l, l.openWAL(p)
}

var errDropped = errors.New("this process's locks on it are gone: a file of the three was closed here")

// check returns an error when this process's locks are gone, or another library uses
// the files. On a system that shows no locks it returns nil.
func (l *locks) check() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	db := l.db.held() || l.db.find() // the lock moves to another descriptor when its own is closed
	if !db || !l.shm.held() || (l.db.info == nil) != (l.shm.info == nil) {
		return split(isUnlocked, l.db.path, errDropped)
	}
	if l.shm.info == nil || time.Since(l.looked) < lookEvery {
		return nil
	}
	if n := mappings(l.shm.key); n > 1 {
		return split(isUnlocked, l.db.path, fmt.Errorf("%d libraries have %s in memory", n, l.shm.path))
	}
	l.looked = time.Now()
	return nil
}

// close closes the descriptors that locks has for looking at the files.
func (l *locks) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.db.close()
	l.shm.close()
	if l.wal != nil {
		_ = l.wal.Close() // it was only read
	}
}

// apart reports whether another process has the database file open, and no other
// process has the -shm of this process. So the other process has another -shm. While a
// process opens or closes a database, that is true for a moment.
func (l *locks) apart() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.shm.info != nil && l.db.others(sqlite.OFDLockingEnabled()) && !l.shm.others(false)
}

// others reports whether another process holds this lock too. own: the lock belongs to
// a descriptor of this process, and not to the process.
func (k *lock) others(own bool) bool {
	fd, err := strconv.Atoi(k.fd)
	if err != nil {
		return false // the system does not show it
	}
	command := unix.F_GETLK
	if own {
		command = unix.F_OFD_GETLK
	}
	f := unix.Flock_t{Type: unix.F_WRLCK, Start: k.first, Len: k.size}
	return unix.FcntlFlock(uintptr(fd), command, &f) == nil && f.Type != unix.F_UNLCK
}

// held reports whether the lock is still there, on the same descriptor. Where the
// system shows no locks it returns true.
func (k *lock) held() bool {
	if k.info == nil {
		return true
	}
	key, err := k.shown(k.info)
	return err == nil && key == k.key
}

// find looks for the descriptor that has the lock. It returns false only if there is
// none. If it cannot look, for example because there are no free descriptors, it
// returns true.
func (k *lock) find() bool {
	open, err := descriptors(&k.file)
	for _, fd := range open {
		info, unread := os.Open("/proc/self/fdinfo/" + fd)
		if unread == nil {
			var key string
			if key, unread = k.shown(info); key != "" {
				k.close()
				k.fd, k.info, k.key = fd, info, key
				return true
			}
			unread = errors.Join(unread, info.Close())
		}
		err = errors.Join(err, unread)
	}
	return err != nil
}

func (k *lock) close() {
	if k.info != nil {
		_ = k.info.Close() // it was only read
		k.info = nil
	}
}

// shown returns the key of the file that is locked at the place of the lock, if it is
// locked. Otherwise it returns "". It reads what the kernel says of a descriptor, where
// each lock is a line such as
//
//	lock:	1: POSIX  ADVISORY  READ 17243 fe:00:10001324 1073741826 1073742335
func (k *lock) shown(info *os.File) (key string, err error) {
	var b [2048]byte // there are a dozen lines at most
	n, err := info.ReadAt(b[:], 0)
	if err != nil && err != io.EOF {
		return "", err
	}
	for line := range strings.Lines(string(b[:n])) {
		if !strings.HasPrefix(line, "lock:") {
			continue
		}
		f := strings.Fields(line)
		if len(f) != 9 {
			continue
		}
		first, err := strconv.ParseInt(f[7], 10, 64)
		last, unbounded := strconv.ParseInt(f[8], 10, 64) // otherwise "EOF"
		if err == nil && first <= k.first && (unbounded != nil || k.first <= last) {
			return f[6], nil
		}
	}
	return "", nil
}

// descriptors returns this process's descriptors that are open on a file.
func descriptors(p *place) (names []string, err error) {
	const folder = "/proc/self/fd/"
	entries, err := os.ReadDir(folder)
	for _, e := range entries {
		if found, err := look(folder+e.Name(), false); err == nil && found.same(p) {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// mappings returns how often the first page of a file is mapped into this process's
// memory. Each SQLite library maps a -shm once, whatever its connections.
func mappings(key string) int {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return 0 // this cannot be known
	}
	i := strings.LastIndexByte(key, ':')
	return bytes.Count(maps, []byte(" 00000000 "+key[:i]+" "+key[i+1:]+" "))
}
