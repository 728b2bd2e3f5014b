package sqlitestore_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/oneseat/oneseat/store/sqlitestore"
)

// mountAll mounts pairs of what and where. The process has mounts of its own.
func mountAll(pairs []string) error {
	if len(pairs) == 0 {
		return nil
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return err
	}
	for ; len(pairs) > 0; pairs = pairs[2:] {
		if err := syscall.Mount(pairs[0], pairs[1], "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("%s on %s: %w", pairs[0], pairs[1], err)
		}
	}
	return nil
}

// container starts a process with mounts of its own, given as pairs of what and where,
// and returns the process's first answer. For a database file, a container differs
// from other processes only in its mounts.
func container(t *testing.T, role, path string, mounts ...string) (p *process, said string) {
	t.Helper()
	how := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		how.Cloneflags |= syscall.CLONE_NEWUSER
		how.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	}
	p, err := launch(t, self(t), role, how, append([]string{path}, mounts...)...)
	if errors.Is(err, syscall.EPERM) {
		return nil, ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return p, p.says(t)
}

// outside makes a database that was closed properly, and a folder for each container,
// with an empty file to mount the database on.
func outside(t *testing.T, containers int) (path string, inside []string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "oneseat.db")
	s, err := sqlitestore.Open(path)
	if err == nil {
		signIn(t, s, "ada", "A")
		err = s.Close()
	}
	for range containers {
		at := filepath.Join(t.TempDir(), "oneseat.db")
		inside = append(inside, at)
		err = errors.Join(err, os.WriteFile(at, nil, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	return path, inside
}

func TestAContainerThatHasOnlyTheFileMountedIsRefused(t *testing.T) {
	t.Parallel()
	path, inside := outside(t, 3)
	right := running(t, path)
	token := right.ask(t, "signin ada")
	const why = "mount the folder"
	for name, mounts := range map[string][]string{
		"the file":              {path, inside[0]},
		"all three, one by one": {path, inside[1], path + "-wal", inside[1] + "-wal", path + "-shm", inside[1] + "-shm"},
		"the companions alone":  {path + "-wal", inside[2] + "-wal", path + "-shm", inside[2] + "-shm"},
	} {
		for i := 1; i < len(mounts); i += 2 {
			if err := os.WriteFile(mounts[i], nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		p, said := container(t, "node", filepath.Join(filepath.Dir(mounts[1]), "oneseat.db"), mounts...)
		if p == nil {
			continue // not permitted here: TestWhatIsMountedByItselfIsFound remains
		}
		if !strings.HasPrefix(said, "refused: ") || !strings.Contains(said, why) {
			t.Fatalf("%s: %s", name, said)
		}
		p.wait(t)
	}
	for _, at := range inside {
		if info, err := os.Stat(at); err != nil || info.Size() != 0 {
			t.Errorf("what was beneath the mount: %v, %v", info, err)
		}
	}
	wantSays(t, right, "live", "check", token) // a node that is mounted correctly goes on
	right.ask(t, "signin ada")
	killAll(t, right)
}

func TestAContainerThatHasTheFolderMountedIsANodeLikeAnyOther(t *testing.T) {
	t.Parallel()
	path, _ := outside(t, 0)
	folders := []string{t.TempDir(), t.TempDir()}
	nodes := []*process{running(t, path)}
	for _, folder := range folders {
		p, said := container(t, "node", filepath.Join(folder, "oneseat.db"), filepath.Dir(path), folder)
		if p == nil {
			p, said = running(t, path), "ready" // not permitted here
		}
		if said != "ready" {
			t.Fatal(said)
		}
		nodes = append(nodes, p)
	}
	for i, p := range nodes {
		displaced(t, p, nodes[(i+1)%len(nodes)])
	}
	killAll(t, nodes...)
}

func TestWhereAnotherProgramHasTheDatabaseByAMountOfTheFileNobodyIsLetIn(t *testing.T) {
	t.Parallel()
	path, inside := outside(t, 1)
	stranger, said := container(t, "alone", inside[0], path, inside[0])
	if stranger == nil {
		// If it is not permitted here, the process has a copy of the folder's names
		// instead.
		if err := os.Remove(inside[0]); err != nil {
			t.Fatal(err)
		}
		if err := os.Link(path, inside[0]); err != nil {
			t.Fatal(err)
		}
		stranger = start(t, self(t), "alone", nil, inside[0])
		said = stranger.says(t)
		if err := os.Remove(inside[0]); err != nil {
			t.Fatal(err)
		}
	}
	if said != "open: <nil>" {
		t.Fatal(said)
	}
	wantRefused(t, path, "another process has the database file open with another -wal and -shm")
	if err := stranger.in.Close(); err != nil {
		t.Fatal(err)
	}
	stranger.wait(t)
	p := running(t, path)
	p.ask(t, "signin ada")
	killAll(t, p)
}
