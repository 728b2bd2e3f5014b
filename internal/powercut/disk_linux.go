package powercut

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// sector is what the disk writes as a whole, or not at all. Disks of today have sectors of
// 4096 bytes; ext4 does not survive half a superblock.
const sector = 4096

// Disk is a disk whose power can be cut. Its methods are safe for concurrent use. It serves
// the kernel on goroutines that end with Close.
type Disk struct {
	lies   bool     // it says that it has flushed, and has not
	lower  *os.File // what is on the disk whatever happens
	size   int64    // whole sectors
	folder string
	server *fuse.Server
	root   *fs.Inode

	mu     sync.Mutex // guards what follows, and power
	power  *power     // nil: it is off
	number int        // of times that it was turned on
	counts Counts
}

// Counts are what the disk has done while its power was cut, again and again.
type Counts struct {
	Cuts            int
	Writes, Flushes int
	Lost, Kept      int // sectors that were not flushed when the power was cut
}

// NewDisk makes a disk of a size in a folder that is there. mkfs writes an empty file system
// to the disk, which is a file then. The disk is off.
func NewDisk(folder string, size int64, mkfs func(file string) error) (_ *Disk, err error) {
	name := filepath.Join(folder, "lower")
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	d := &Disk{lower: f, size: size, folder: filepath.Join(folder, "disk"), root: &fs.Inode{}}
	if err := f.Truncate(size); err != nil {
		return nil, err
	}
	if err := mkfs(name); err != nil {
		return nil, err
	}
	if err := os.Mkdir(d.folder, 0o700); err != nil {
		return nil, err
	}
	d.server, err = fs.Mount(d.folder, d.root, &fs.Options{MountOptions: fuse.MountOptions{DirectMountStrict: true, FsName: "powercut", Name: "powercut", DisableXAttrs: true}})
	return d, err
}

// Close ends the file system. No loop device may use the disk any more.
func (d *Disk) Close() error { return errors.Join(d.server.Unmount(), d.lower.Close()) }

// Counts returns what the disk has done so far.
func (d *Disk) Counts() Counts {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.counts
}

// TurnOn returns the path of the disk, which is another one each time: what is written by an
// older one never arrives. gone is closed when the power goes: see Arm and Cut.
func (d *Disk) TurnOn() (path string, gone <-chan struct{}) {
	d.mu.Lock()
	d.number++
	name := fmt.Sprint("disk", d.number)
	p := &power{disk: d, latest: map[int64][]byte{}, gone: make(chan struct{})}
	d.power = p
	d.mu.Unlock()
	// The kernel may ask for the file at once, so the lock is not held.
	d.root.AddChild(name, d.root.NewPersistentInode(context.Background(), p, fs.StableAttr{Mode: fuse.S_IFREG}), true)
	return filepath.Join(d.folder, name), p.gone
}

// Arm makes the power go at a later write or flush: the next one if more is 1.
func (d *Disk) Arm(more int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.power.at = d.power.done + more
}

// Cut cuts the power, if it has not gone by itself. Then it draws which of the writes that
// were not flushed are lost.
func (d *Disk) Cut(random *rand.Rand) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.power
	p.end()
	d.counts.Cuts++
	for _, w := range d.survivors(p.pending, random) {
		if _, err := d.lower.WriteAt(w.data, w.at); err != nil {
			return err
		}
	}
	return nil
}

// write is one that has not been flushed.
type write struct {
	at   int64
	data []byte
}

// survivors draws what is on the disk of the writes that were not flushed. That is nothing;
// or all writes up to one of them; or, for each sector, the newest version with a chance that
// is drawn too, and otherwise an older one, which may be that of the last flush. The caller
// holds the lock.
func (d *Disk) survivors(pending []write, random *rand.Rand) (kept []write) {
	var order []int64
	versions := map[int64][][]byte{}
	all, upTo := 0, len(pending)
	how := random.IntN(4)
	if d.lies { // else the file system itself would be ruined
		how = 0
	}
	if how == 1 {
		upTo = random.IntN(len(pending) + 1)
	}
	for i, w := range pending {
		for n := 0; n < len(w.data); n += sector {
			all++
			if at := w.at + int64(n); i < upTo {
				if versions[at] == nil {
					order = append(order, at)
				}
				versions[at] = append(versions[at], w.data[n:n+sector])
			}
		}
	}
	chance := 16
	switch how {
	case 0:
		order = nil
	case 2, 3:
		chance = random.IntN(17)
	}
	for _, at := range order {
		n := len(versions[at])
		if random.IntN(16) >= chance {
			n = random.IntN(n)
		}
		if n > 0 {
			kept = append(kept, write{at, versions[at][n-1]})
		}
	}
	d.counts.Kept += len(kept)
	d.counts.Lost += all - len(kept)
	return kept
}

// power is a disk from one turning on to the next: the file that the kernel sees.
type power struct {
	fs.Inode
	disk    *Disk
	pending []write          // since the last flush, in their order
	latest  map[int64][]byte // the same by sectors, to read
	at      int              // the number of the operation at which the power goes; 0: it stays
	done    int              // operations: writes and flushes
	off     bool
	gone    chan struct{} // closed when it is off
}

var (
	_ fs.NodeGetattrer = (*power)(nil)
	_ fs.NodeOpener    = (*power)(nil)
	_ fs.NodeReader    = (*power)(nil)
	_ fs.NodeWriter    = (*power)(nil)
	_ fs.NodeFsyncer   = (*power)(nil)
)

// end is called with the lock held.
func (p *power) end() {
	if !p.off {
		p.off = true
		close(p.gone)
	}
}

// operate counts an operation. It returns true if the power goes with this one. It is called
// with the lock held, while there is power.
func (p *power) operate() (last bool) {
	p.done++
	if last = p.done == p.at; last {
		p.end()
	}
	return last
}

// Getattr says how large the disk is.
func (p *power) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size = fuse.S_IFREG|0o600, uint64(p.disk.size)
	return 0
}

// Open has the kernel keep nothing of the file.
func (p *power) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

// Read reads what was written last, flushed or not.
func (p *power) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	if p.off {
		return nil, syscall.EIO
	}
	n, err := p.read(dest, off)
	return fuse.ReadResultData(dest[:n]), fs.ToErrno(err)
}

// read is called with the lock held.
func (p *power) read(dest []byte, off int64) (int, error) {
	dest = dest[:max(min(int64(len(dest)), p.disk.size-off), 0)]
	n, err := p.disk.lower.ReadAt(dest, off)
	if n < len(dest) {
		return 0, err
	}
	for at := off - off%sector; at < off+int64(n); at += sector {
		if b := p.latest[at]; b != nil && at < off {
			copy(dest, b[off-at:])
		} else if b != nil {
			copy(dest[at-off:], b)
		}
	}
	return n, nil
}

// whole returns the whole sectors of a write, and where they begin. It is called with the
// lock held.
func (p *power) whole(data []byte, off int64) (int64, []byte, error) {
	begin, end := off-off%sector, off+int64(len(data))
	all := make([]byte, end-begin+(sector-end%sector)%sector)
	if _, err := p.read(all, begin); err != nil {
		return 0, nil, err
	}
	copy(all[off-begin:], data)
	return begin, all, nil
}

// Write keeps what is written in memory.
func (p *power) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	if p.off {
		return 0, syscall.EIO
	}
	off, held, err := p.whole(data, off)
	if err != nil {
		return 0, fs.ToErrno(err)
	}
	p.pending = append(p.pending, write{off, held})
	p.disk.counts.Writes++
	if p.operate() { // it may have arrived all the same, or a part of it
		return 0, syscall.EIO
	}
	for n := 0; n < len(held); n += sector {
		p.latest[off+int64(n)] = held[n : n+sector]
	}
	return uint32(len(data)), 0
}

// Fsync is a flush: what was written before is on the disk, whatever happens.
func (p *power) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	switch {
	case p.off:
		return syscall.EIO
	case len(p.pending) == 0: // it loses nothing, so it does not count
		return 0
	case p.operate():
		return syscall.EIO
	}
	p.disk.counts.Flushes++
	if p.disk.lies {
		return 0
	}
	for at, b := range p.latest {
		if _, err := p.disk.lower.WriteAt(b, at); err != nil {
			return fs.ToErrno(err)
		}
	}
	p.pending, p.latest = nil, map[int64][]byte{}
	return 0
}
