package sqlitestore_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/sqlitestore"
)

// replace puts a copy of a file, or an empty file, in its place.
func replace(t *testing.T, path string, copied bool) {
	t.Helper()
	var b []byte
	var err error
	if copied {
		b, err = os.ReadFile(path)
	}
	if err = errors.Join(err, os.WriteFile(path+".new", b, 0o600), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhenTheCompanionsAreTakenFromRunningNodesNobodyIsLetInAndNothingIsLost(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]func(t *testing.T, wal, shm string){
		"both are removed":               func(t *testing.T, wal, shm string) { remove(t, wal, shm) },
		"the -wal is removed":            func(t *testing.T, wal, _ string) { remove(t, wal) },
		"the -shm is removed":            func(t *testing.T, _, shm string) { remove(t, shm) },
		"both are replaced by empty":     func(t *testing.T, wal, shm string) { replace(t, wal, false); replace(t, shm, false) },
		"both are replaced by copies":    func(t *testing.T, wal, shm string) { replace(t, wal, true); replace(t, shm, true) },
		"the -wal is replaced by a copy": func(t *testing.T, wal, _ string) { replace(t, wal, true) },
		"they are moved away": func(t *testing.T, wal, shm string) {
			if err := errors.Join(os.Rename(wal, wal+".away"), os.Rename(shm, shm+".away")); err != nil {
				t.Fatal(err)
			}
		},
	} {
		for _, end := range []string{"killed", "closed"} {
			t.Run(name+" and the nodes are "+end, func(t *testing.T) {
				t.Parallel()
				path := filepath.Join(t.TempDir(), "oneseat.db")
				a, b := running(t, path), running(t, path)
				old, current := displaced(t, a, b)
				take(t, path+"-wal", path+"-shm")
				wantNo(t, "removed, replaced, emptied or put back", []*process{a, b}, old, current)
				// A process that is started now does not share all files with these. It
				// is refused, or nothing is wrong.
				if end == "closed" {
					wantSays(t, a, "closed: <nil>", "close")
					wantSays(t, b, "closed: <nil>", "close")
				} else if late := start(t, self(t), "node", nil, path); late.says(t) == "ready" {
					wantSays(t, late, "ended: displaced", "check", old)
					wantSays(t, late, "live", "check", current)
					late.kill(t)
				}
				killAll(t, a, b)

				c := running(t, path)
				wantSays(t, c, "ended: displaced", "check", old)
				wantSays(t, c, "live", "check", current)
				displaced(t, c, c)
				killAll(t, c)
			})
		}
	}
}

// What was written over a -wal cannot be restored.
func TestWhenTheLogIsEmptiedOrWrittenOverUnderRunningNodesNobodyIsLetIn(t *testing.T) {
	t.Parallel()
	type files struct{ wal, early, late string } // copies of the -wal, of its present round and of an earlier one
	for name, spoil := range map[string]func(f files) error{
		"it is emptied":                       func(f files) error { return os.Truncate(f.wal, 0) },
		"it is cut":                           func(f files) error { return os.Truncate(f.wal, 10000) },
		"an older copy is written over it":    func(f files) error { return overwrite(f.late, f.wal) },
		"one of another round, which is long": func(f files) error { return overwrite(f.early, f.wal) },
		"it begins with zeros":                func(f files) error { return zeros(f.wal) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "oneseat.db")
			f := files{path + "-wal", path + ".early", path + ".late"}
			a, b := running(t, path), running(t, path)
			wantSays(t, a, "all in: <nil>", "crowd before")
			err := overwrite(f.wal, f.early)
			checkpoint(t, path)
			wantSays(t, b, "live", "check", a.ask(t, "signin grace"))
			err = errors.Join(err, overwrite(f.wal, f.late))
			old, current := displaced(t, a, b)
			if err = errors.Join(err, spoil(f)); err != nil {
				t.Fatal(err)
			}
			wantNo(t, "removed, replaced, emptied or put back", []*process{a, b}, old, current)
			killAll(t, a, b)

			remove(t, path+"-wal", path+"-shm") // what the operator is asked to do
			c := running(t, path)
			displaced(t, c, c)
			killAll(t, c)
		})
	}
}

// zeros writes zeros over the beginning of a file.
func zeros(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(make([]byte, 100), 0)
	return errors.Join(err, f.Close())
}

// What only a removed -wal holds is written into the file even where a reader that
// still sees an older state is in the way.
func TestWhatARemovedLogHeldIsSavedWhenThoseWhoReadHaveDone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "oneseat.db")
	a := running(t, path)
	a.ask(t, "signin ada")
	reader := start(t, self(t), "alone", nil, path) // in a transaction, until it is told to end
	if said := reader.says(t); said != "open: <nil>" {
		t.Fatal(said)
	}
	old, current := displaced(t, a, a)
	remove(t, path+"-wal", path+"-shm")
	var said string
	waitUntil(t, func() bool { said = a.ask(t, "check", current); return isNo(said, "") }, func() string { return said }) // it does not wait before it says so
	if err := reader.in.Close(); err != nil {
		t.Fatal(err)
	}
	reader.wait(t)
	waitUntil(t, func() bool {
		said = a.ask(t, "check", current)
		return strings.Contains(said, "is in the database file now")
	}, func() string { return said })
	killAll(t, a)
	c := running(t, path)
	wantSays(t, c, "ended: displaced", "check", old)
	wantSays(t, c, "live", "check", current)
	killAll(t, c)
}

func TestWhenTheFileIsTakenFromRunningNodesNobodyIsLetInUntilTheyAreStartedAgain(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]func(t *testing.T, path string){
		"it is removed":      func(t *testing.T, path string) { remove(t, path) },
		"all are removed":    func(t *testing.T, path string) { remove(t, path, path+"-wal", path+"-shm") },
		"a copy is moved in": func(t *testing.T, path string) { replace(t, path, true) },
		"it is moved away and back": func(t *testing.T, path string) {
			if err := os.Rename(path, path+".away"); err != nil {
				t.Fatal(err)
			}
			<-time.After(maxStale) // until all nodes have seen that
			if err := os.Rename(path+".away", path); err != nil {
				t.Fatal(err)
			}
		},
		"its folder is moved": func(t *testing.T, path string) {
			if err := os.Rename(filepath.Dir(path), filepath.Dir(path)+".away"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := filepath.Join(t.TempDir(), "data")
			if err := os.Mkdir(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(folder, "oneseat.db")
			a, b := running(t, path), running(t, path)
			old, current := displaced(t, a, b)
			take(t, path)
			wantNo(t, "removed, replaced, emptied or put back", []*process{a, b}, old, current)
			killAll(t, a, b)

			if err := os.MkdirAll(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			for _, companion := range []string{"-wal", "-shm"} {
				if err := os.Remove(path + companion); err != nil && !errors.Is(err, os.ErrNotExist) && name != "it is moved away and back" {
					t.Fatal(err)
				}
			}
			c := running(t, path)
			displaced(t, c, c)
			killAll(t, c)
		})
	}
}

func TestAFileWithASecondNameIsRefused(t *testing.T) {
	t.Parallel()
	path, _ := outside(t, 0)
	other := filepath.Join(t.TempDir(), "oneseat.db")
	link := func() {
		t.Helper()
		if err := os.Link(path, other); err != nil {
			t.Fatal(err)
		}
	}
	link()
	wantRefused(t, path, "a hard link")
	wantRefused(t, other, "a hard link")
	remove(t, other)

	a, b := running(t, path), running(t, path)
	old, current := displaced(t, a, b)
	link()
	wantNo(t, "a hard link", []*process{a, b}, old, current)
	remove(t, other)
	wantNo(t, "a hard link", []*process{a, b}, old, current) // a process that came by that name may still be there
	killAll(t, a, b)
	c := running(t, path)
	wantSays(t, c, "ended: displaced", "check", old)
	wantSays(t, c, "live", "check", current)
	killAll(t, c)
}

func TestASymbolicLinkIsAnotherNameOfTheSameStore(t *testing.T) {
	t.Parallel()
	path, _ := outside(t, 0)
	folder := filepath.Join(t.TempDir(), "folder")
	other := filepath.Join(t.TempDir(), "other.db")
	if err := errors.Join(os.Symlink(filepath.Dir(path), folder), os.Symlink(filepath.Join(folder, "oneseat.db"), other)); err != nil {
		t.Fatal(err)
	}
	a, b, c := running(t, path), running(t, other), running(t, filepath.Join(folder, "oneseat.db"))
	displaced(t, a, b)
	displaced(t, b, c)
	old, current := displaced(t, c, a)

	elsewhere, _ := outside(t, 0)
	if err := errors.Join(os.Symlink(elsewhere, other+".new"), os.Rename(other+".new", other)); err != nil {
		t.Fatal(err)
	}
	wantNo(t, "is another file now", []*process{b}, old, current)
	wantSays(t, a, "live", "check", current)
	killAll(t, a, b, c)
}

func TestALinkToWhereNothingIsYetMakesTheDatabaseThere(t *testing.T) {
	t.Parallel()
	target, link := filepath.Join(t.TempDir(), "oneseat.db"), filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	a, b := open(t, link), open(t, target)
	signIn(t, a, "ada", "A")
	wantLive(t, b, "ada", "A")
}

// When any descriptor of a file is closed, the locks of the whole process are dropped.
func TestAFileThatIsOpenedAndClosedInAProcessThatUsesItIsNoticed(t *testing.T) {
	t.Parallel()
	for _, suffix := range []string{"", "-shm"} {
		t.Run("the database"+suffix, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "oneseat.db")
			a, b := running(t, path), running(t, path)
			old, current := displaced(t, a, b)
			wantSays(t, a, "closed: <nil>", "touch "+path+"-wal") // nothing is locked there
			wantSays(t, a, "live", "check", current)
			wantSays(t, a, "closed: <nil>", "touch "+path+suffix)
			wantNo(t, "undoes its locks", []*process{a}, old, current)
			wantSays(t, b, "live", "check", current) // another process
			killAll(t, a)
			displaced(t, running(t, path), b)
		})
	}
}

func TestACommitIsNotAcknowledgedWhenTheFilesWereSpoiltMeanwhile(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(path string) error{
		"-wal and -shm are removed": func(path string) error { return errors.Join(os.Remove(path+"-wal"), os.Remove(path+"-shm")) },
		"the -wal is emptied":       func(path string) error { return os.Truncate(path+"-wal", 0) },
		"the locks are dropped":     openAndClose,
		"a hard link is made":       func(path string) error { return os.Link(path, path+".link") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, path := fresh(t)
			signIn(t, s, "ada", "A")
			_, err := s.Update(t.Context(), key("ada"), func(v oneseat.View) (oneseat.Change, error) {
				c, err := seat("ada", "B")(v)
				return c, errors.Join(err, spoil(path))
			})
			wantFailure(t, err, oneseat.FailureSplit)
			if !errors.Is(err, oneseat.ErrUnknownOutcome) {
				t.Errorf("%v: the outcome is unknown", err)
			}
			_, err = s.Update(t.Context(), key("ada"), seat("ada", "C"))
			wantFailure(t, err, oneseat.FailureSplit)
			if errors.Is(err, oneseat.ErrUnknownOutcome) {
				t.Errorf("%v: it was not made", err)
			}
		})
	}
}

// What is written behind a gap is lost when the log is read again.
func TestNothingIsWrittenBehindAGapInTheLog(t *testing.T) {
	t.Parallel()
	s, path := fresh(t)
	signIn(t, s, "ada", "A")
	if err := os.Truncate(path+"-wal", 10000); err != nil {
		t.Fatal(err)
	}
	_, err := s.Update(t.Context(), key("grace"), func(v oneseat.View) (oneseat.Change, error) {
		t.Error("the change ran")
		return seat("grace", "G")(v)
	})
	wantFailure(t, err, oneseat.FailureSplit)
	if errors.Is(err, oneseat.ErrUnknownOutcome) {
		t.Errorf("%v: it was not made", err)
	}
}

func TestAnUpdateThatWaitedForTheLockWhileTheFilesWereRemovedWritesNothing(t *testing.T) {
	t.Parallel()
	s, path := fresh(t)
	signIn(t, s, "ada", "A")
	other := shell(t, path)
	run(t, other, "BEGIN IMMEDIATE", "CREATE TABLE demo_users (name TEXT)")
	result := make(chan error)
	waiting := newWaits(context.WithoutCancel(t.Context()))
	go func() {
		_, err := s.Update(waiting, key("ada"), func(v oneseat.View) (oneseat.Change, error) {
			t.Error("the change ran")
			return seat("ada", "B")(v)
		})
		result <- err
	}()
	<-waiting.waiting
	remove(t, path+"-wal", path+"-shm")
	run(t, other, "COMMIT")
	err := <-result
	wantFailure(t, err, oneseat.FailureSplit)
	if errors.Is(err, oneseat.ErrUnknownOutcome) {
		t.Errorf("%v: it was not made", err)
	}
}

func TestAStoreThatHasLostItsFilesLeavesThoseAtThePathAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "oneseat.db")
	s, err := sqlitestore.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	signIn(t, s, "ada", "A")
	for _, suffix := range []string{"-wal", "-shm"} {
		replace(t, path+suffix, true)
	}
	read := func() string {
		var all strings.Builder
		for _, suffix := range []string{"", "-wal", "-shm"} {
			b, err := os.ReadFile(path + suffix)
			if err != nil {
				t.Error(err)
			}
			all.Write(b)
		}
		return all.String()
	}
	before := read()
	_, err = s.Load(t.Context(), key("ada"))
	wantFailure(t, err, oneseat.FailureSplit)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if read() != before {
		t.Error("they were changed")
	}
}
