// Package sqlitestore keeps rosters in a SQLite file: durable, readable with
// the sqlite3 shell (select * from signed_in), shared by any number of
// processes of one machine. It is pure Go.
//
// It owns the tables whose names begin with oneseat_ and the views signed_in and
// history, and no rule. The file may hold an application's own tables too; the
// application reaches them through connections of its own.
//
// # What it promises
//
// What was acknowledged has been synced to the disk (write-ahead logging,
// synchronous = FULL): it survives a kill -9 and, as far as the disk keeps what
// it says it has, a loss of power. Updates that wait at the same time are
// committed together. All processes that have the file open are nodes of one
// system and hear of each other's changes within some 15 ms.
//
// Events are kept for 30 days. A reader of the log that is further behind is
// told of a gap.
//
// # What it needs
//
// A local file system: on a network file system locks and shared memory do not
// work as SQLite needs them. The file's two companions, whose names end in -wal
// and -shm, are part of it: never move, copy or delete one without the others.
// Copy a database that is in use with "VACUUM INTO" or ".backup"; stop every
// process before you restore one, and call EndRealm after.
//
// Do not open the file in any other way from inside a process that uses it
// (os.Open, say, to copy it): when such a descriptor is closed, the system drops
// the locks of the whole process.
//
// When the file is locked, full, read-only, damaged or gone, every call returns
// a *[oneseat.StoreError] that says what to do, and the store goes on by itself once that
// has been done.
package sqlitestore

import (
	"os"
	"sync"

	"github.com/oneseat/oneseat"
)

// Store is a [oneseat.Store] and [oneseat.History] in a SQLite file. Use Open.
// Its methods are safe for concurrent use. Two stores on one file, in one
// process or several, are two nodes of one system.
type Store struct {
	path string // absolute

	queue   chan *update  // from Update to the writer
	closing chan struct{} // closed by Close
	stopped chan struct{} // closed when the writer has ended
	writer  *writer       // its own goroutine's, from Open to Close

	// mu is read-locked while a query runs on file, or Wake begins; it is
	// write-locked to replace the file that was found at the path, and to close.
	mu      sync.RWMutex
	file    *file
	closed  bool
	waiting sync.WaitGroup // calls of Wake, which Close waits for

	wakesMu sync.Mutex // guards wakes, never held together with another lock
	wakes   map[chan struct{}]struct{}
}

var (
	_ oneseat.Store   = (*Store)(nil)
	_ oneseat.History = (*Store)(nil)
)

// Open opens the database file at path and makes it if there is none. Its
// directory has to exist. path is the plain path of a file, no URI.
//
// An error is a *[oneseat.StoreError]. The store holds files open and has a goroutine: close
// it.
func Open(path string) (*Store, error) {
	path, err := checkPath(path)
	if err != nil {
		return nil, err
	}
	f, err := openFile(path, true)
	if err != nil {
		return nil, explain(path, err)
	}
	s := &Store{
		path:    path,
		queue:   make(chan *update, maxBatch),
		closing: make(chan struct{}),
		stopped: make(chan struct{}),
		file:    f,
		wakes:   make(map[chan struct{}]struct{}),
	}
	s.writer = &writer{s: s}
	go s.writer.run()
	return s, nil
}

// Close ends the store: updates in the running transaction are finished, those
// still waiting get [oneseat.ErrStoreClosed], reads are waited for, and so is every Wake,
// which returns. A second call does nothing.
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
	return explain(s.path, s.file.close())
}

// open returns the file that is at the path now, read-locked: the caller calls
// s.mu.RUnlock when it has done with it. A file that was deleted underneath goes
// on working for SQLite, which would keep what nobody will find again; so it is
// looked for every time, and one that took its place is opened instead.
func (s *Store) open() (*file, error) {
	for {
		info, err := os.Stat(s.path)
		s.mu.RLock()
		switch {
		case s.closed:
			s.mu.RUnlock()
			return nil, oneseat.ErrStoreClosed
		case err != nil:
			s.mu.RUnlock()
			return nil, explain(s.path, err)
		case os.SameFile(info, s.file.info):
			return s.file, nil
		}
		s.mu.RUnlock()
		if err := s.reopen(info); err != nil {
			return nil, explain(s.path, err)
		}
	}
}

// reopen turns to the file that took the place of the one that was open.
func (s *Store) reopen(found os.FileInfo) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || os.SameFile(found, s.file.info) {
		return nil
	}
	f, err := openFile(s.path, false)
	if err != nil {
		return err
	}
	old := s.file
	s.file = f
	return old.close()
}
