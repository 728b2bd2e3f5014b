// Package sqlitestore keeps rosters in a SQLite file. They are durable, readable with
// the sqlite3 shell (select * from signed_in), and shared by any number of processes of
// one machine. It is pure Go.
//
// It owns the tables whose names begin with oneseat_ and the views signed_in, playing
// and history. It holds no rule. The file may hold an application's own tables too. The
// application reaches them through connections of its own, made by the same library:
// examples/sharedfile shows that.
//
// # What it promises
//
// What was acknowledged has been synced to the disk (write-ahead logging, synchronous =
// FULL). It survives a kill -9 and, as far as the disk keeps what it has confirmed, a
// loss of power. Updates that wait at the same time are committed together. All
// processes that have the file open are nodes of one system, and learn of each other's
// changes within some 15 ms.
//
// Events are kept for 30 days. A reader of the log that is further behind gets a gap.
//
// When the file is locked, full, read-only, damaged or out of reach, every call returns
// a *[oneseat.StoreError] that says what to do. The store goes on by itself once that
// has been done.
//
// # One file is one store
//
// A database is three files. What was committed last is in the file whose name ends in
// -wal, and the processes meet in the file that ends in -shm. A process that opens the
// database file with another -wal and -shm has a store of its own, and goes on letting
// in a session that was displaced here. So:
//
//   - The file system is a local one: not NFS, SMB, 9p, nor anything mounted by FUSE,
//     which cannot be told from those.
//   - A container has the folder mounted, not the file.
//   - The file has one name. A symbolic link is no second name, a hard link is.
//   - None of the three is removed, moved or replaced while a process has them open,
//     and only SQLite writes to them. A database that is in use is copied by
//     "VACUUM INTO" or by ".backup" of the sqlite3 shell, never by cp. Before a copy is
//     put in its place, end every process, and remove the -wal and the -shm. After that
//     call EndRealm.
//   - In a process that has the store, every connection to the file is made by
//     modernc.org/sqlite. Another SQLite library does not respect its locks. When any
//     descriptor of the file is closed, of os.Open for example, the locks of the whole
//     process are dropped.
//
// [Open] refuses a file that is used in another way. In each call, before it answers, a
// store that is open checks whether its files are still those that others find. In each
// reading of the log, and before it acknowledges a commit, it also checks the -wal
// itself, and what else the process does to the files. That costs a call some
// microseconds. From the first time that something is wrong, every call returns a
// *[oneseat.StoreError] with [oneseat.FailureSplit], until the process is started again.
// The error says what happened and what to do. If the -wal was removed, what only that
// one held is written into the database file.
//
// All of this holds on Linux with /proc. There the store needs Linux 4.11 or newer. On
// other systems only files that were removed or replaced are noticed.
package sqlitestore

import (
	"sync"
	"sync/atomic"

	"github.com/oneseat/oneseat"
)

// Store is a [oneseat.Store] and [oneseat.History] in a SQLite file. Open makes one.
// Its methods are safe for concurrent use. Two stores on one file, in one process or
// several, are two nodes of one system.
type Store struct {
	path string // absolute

	queue   chan *update     // from Update to the writer
	forgets chan *forgetting // from Forget to the writer
	closing chan struct{}    // closed by Close
	stopped chan struct{}    // closed when the writer has ended
	writer  *writer          // used by its own goroutine, from Open to Close

	file    *file
	mu      sync.RWMutex // read-locked while a query runs on file, or Wake begins; write-locked to close
	closed  bool
	waiting sync.WaitGroup // calls of Wake, which Close waits for

	fault atomic.Pointer[oneseat.StoreError] // why there are no answers any more; nil: there are

	wakesMu sync.Mutex // guards wakes, never held together with another lock
	wakes   map[chan struct{}]struct{}
}

var (
	_ oneseat.Store   = (*Store)(nil)
	_ oneseat.History = (*Store)(nil)
)

// Open opens the database file at path, and makes it if there is none. Its directory
// has to exist. path is the plain path of a file, no URI.
//
// An error is a *[oneseat.StoreError]. Open waits some seconds for a lock, and for a
// process with another -wal and -shm to end. The store has files open and a goroutine:
// close it.
func Open(path string) (*Store, error) {
	path, err := checkPath(path)
	if err != nil {
		return nil, err
	}
	f, err := openFile(path)
	if err != nil {
		return nil, explain(path, err)
	}
	s := &Store{
		path:    path,
		queue:   make(chan *update, maxBatch),
		forgets: make(chan *forgetting),
		closing: make(chan struct{}),
		stopped: make(chan struct{}),
		file:    f,
		wakes:   make(map[chan struct{}]struct{}),
	}
	s.writer = &writer{s: s, fresh: make(map[oneseat.Key]entry), sums: make(map[sumKey]oneseat.Count)}
	go s.writer.run()
	return s, nil
}

// Close ends the store. It finishes the updates in the running transaction. Updates
// that still wait get [oneseat.ErrStoreClosed]. It makes every Wake return, and waits
// for that and for reads that are under way. The last process to close a database
// removes its -wal and -shm. A process that has lost these two leaves those that are
// there alone. A second call does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()

	close(s.closing)
	<-s.stopped
	s.waiting.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return explain(s.path, s.file.close(s.prove()))
}

// open returns the file, read-locked: the caller calls s.mu.RUnlock when it has
// finished with it. A file that was removed or replaced goes on working for SQLite,
// which would keep what nobody will find again. So the paths are looked at every time.
func (s *Store) open() (*file, error) {
	s.mu.RLock()
	err := oneseat.ErrStoreClosed
	if !s.closed {
		err = s.check()
	}
	if err != nil {
		s.mu.RUnlock()
		return nil, err
	}
	return s.file, nil
}

// check returns an error unless this store has the files that others find. The caller
// keeps the store from being closed in between.
func (s *Store) check() error {
	if e := s.fault.Load(); e != nil {
		return e
	}
	return s.verdict(s.file.check())
}

// prove does what check does, and looks closer.
func (s *Store) prove() error {
	if e := s.fault.Load(); e != nil {
		return e
	}
	return s.verdict(s.file.prove())
}

// verdict returns an error of a call on the file, explained. After the first error that
// lasts, it returns that error to every call. The call that meets that error first
// rescues what can be rescued. The other calls get the error at once.
func (s *Store) verdict(err error) error {
	if e, ok := lasting(err); ok && s.fault.CompareAndSwap(nil, e) {
		s.fault.Store(s.file.rescue(e))
	}
	if e := s.fault.Load(); e != nil {
		return e
	}
	return explain(s.path, err)
}
