package sqlitestore_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/sqlitestore"
)

// tree is what a folder holds: names, contents, and when each file was changed.
func tree(t *testing.T, folder string) string {
	t.Helper()
	var s strings.Builder
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		b, err := os.ReadFile(path)
		s.WriteString(path + " " + info.ModTime().String() + " " + string(b) + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s.String()
}

// wantExamined examines a file, and sees that this changed nothing beside it. want is
// part of the error; "": there is none.
func wantExamined(t *testing.T, path string, made bool, failure oneseat.StoreFailure, want string) {
	t.Helper()
	before := tree(t, filepath.Dir(path))
	got, err := sqlitestore.Examine(t.Context(), path)
	if tree(t, filepath.Dir(path)) != before {
		t.Error("something was changed")
	}
	e, _ := errors.AsType[*oneseat.StoreError](err)
	switch {
	case want == "" && (err != nil || got != made):
		t.Errorf("%v, %v", got, err)
	case want != "" && (e == nil || e.Failure != failure || !strings.Contains(e.Error(), want)):
		t.Errorf("%v, want %s: %s", err, failure, want)
	}
}

func TestExamineFindsWhatOpenWouldRefuseAndChangesNothing(t *testing.T) {
	t.Parallel()
	gone := func(suffix string) func(*testing.T, string) {
		return func(t *testing.T, path string) { remove(t, path+suffix) }
	}
	for name, c := range map[string]struct {
		plant   func(*testing.T, string)
		failure oneseat.StoreFailure
		want    string
	}{
		"nothing":              {func(*testing.T, string) {}, "", ""},
		"a symbolic link":      {func(t *testing.T, path string) { orFail(t, os.Symlink(path, path+".link")) }, "", ""},
		"a hard link":          {func(t *testing.T, path string) { orFail(t, os.Link(path, path+".other")) }, oneseat.FailureSplit, "it has 2 names"},
		"the -wal removed":     {gone("-wal"), oneseat.FailureSplit, "-wal is gone"},
		"the -shm removed":     {gone("-shm"), oneseat.FailureSplit, "-shm is gone"},
		"the -wal emptied":     {func(t *testing.T, path string) { orFail(t, os.Truncate(path+"-wal", 0)) }, oneseat.FailureSplit, "-wal"},
		"another -shm":         {func(t *testing.T, path string) { orFail(t, moveOver(path+"-shm", path+"-shm")) }, oneseat.FailureSplit, "another -wal and -shm"},
		"another file":         {func(t *testing.T, path string) { orFail(t, moveOver(os.DevNull, path)) }, oneseat.FailureSplit, "no process has it open"},
		"another file of ours": {func(t *testing.T, path string) { orFail(t, moveOver(path, path)) }, oneseat.FailureSplit, "no process has it open"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "oneseat.db")
			a := running(t, path)
			displaced(t, a, a)
			pause(t, a) // so that it is not the node that changes something
			c.plant(t, path)
			wantExamined(t, path, true, c.failure, c.want)
			killAll(t, a)
		})
	}
}

func TestExamineOfAFileThatNobodyUses(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "oneseat.db")
	wantExamined(t, path, false, "", "") // there is none
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantExamined(t, path, false, "", "")
	a := running(t, path)
	displaced(t, a, a)
	copies["VACUUM INTO"](t, path, path+".copy")
	a.ask(t, "signin", "later")
	killAll(t, a)
	wantExamined(t, path, true, "", "") // with what a process left that was killed
	orFail(t, overwrite(path+".copy", path))
	wantExamined(t, path, true, oneseat.FailureSplit, "-wal and -shm")
	remove(t, path+"-wal", path+"-shm")
	wantExamined(t, path, true, "", "")
	orFail(t, os.WriteFile(path, []byte(strings.Repeat("no database ", 100)), 0o600))
	wantExamined(t, path, false, oneseat.FailureForeign, "another program")
}

// pause stops a process where it is.
func pause(t *testing.T, p *process) {
	t.Helper()
	orFail(t, p.cmd.Process.Signal(syscall.SIGSTOP))
	stat := fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid)
	waitUntil(t, func() bool {
		b, err := os.ReadFile(stat)
		return err != nil || strings.Contains(string(b), ") T ")
	}, func() string { return "it goes on" })
}

func orFail(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
