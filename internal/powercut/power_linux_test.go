package powercut

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Roles that the test binary plays as another process.
const roleVariable = "ONESEAT_POWERCUT_ROLE"

var roles = map[string]func(args []string) error{"worker": worker, "judge": judge, "opener": opener, "inspect": inspect}

// absent is what this machine lacks; "": nothing.
var absent string

// TestMain runs the tests in a process with mounts of its own: whatever happens to it,
// nothing stays mounted.
func TestMain(m *testing.M) {
	role := os.Getenv(roleVariable)
	if play, is := roles[role]; is {
		if err := play(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if absent = lacks(); absent != "" {
		os.Exit(m.Run())
	}
	if role != "tests" {
		runtime.LockOSThread() // the child is killed when the thread ends that has started it
		cmd := exec.CommandContext(context.Background(), os.Args[0], os.Args[1:]...)
		cmd.Env = append(os.Environ(), roleVariable+"=tests")
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
		err := cmd.Run()
		if ended, is := errors.AsType[*exec.ExitError](err); is {
			os.Exit(ended.ExitCode())
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		fmt.Fprintln(os.Stderr, "mounts of one's own:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// lacks says what this machine lacks for a disk whose power can be cut.
func lacks() string {
	if os.Getuid() != 0 {
		return "this takes root"
	}
	for _, name := range []string{"/dev/fuse", "/dev/loop-control"} {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			return err.Error()
		}
		_ = f.Close()
	}
	for _, name := range []string{"mkfs.ext4", "mount", "umount"} {
		if _, err := exec.LookPath(name); err != nil {
			return err.Error()
		}
	}
	return ""
}

// machine is a computer with a disk, for as long as a test.
type machine struct {
	t      *testing.T
	disk   *Disk
	at     string // where the disk is mounted
	gone   <-chan struct{}
	random *rand.Rand
}

func newMachine(t *testing.T, size int64, lies bool, seed uint64) *machine {
	t.Helper()
	if absent != "" {
		t.Skipf("the power cannot be cut here: %s", absent)
	}
	folder, err := os.MkdirTemp("", "powercut") // below a folder that every user may enter
	if err == nil {
		err = os.Chmod(folder, 0o755) // PostgreSQL runs as another user
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	m := &machine{t: t, at: filepath.Join(folder, "mnt"), random: rand.New(rand.NewPCG(seed, 1))}
	if err := os.Mkdir(m.at, 0o755); err != nil {
		t.Fatal(err)
	}
	m.disk, err = NewDisk(folder, size, func(file string) error {
		return m.command("mkfs.ext4", "-q", "-F", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard", file)
	})
	if err != nil {
		t.Fatal(err)
	}
	m.disk.lies = lies
	t.Cleanup(func() {
		m.unmount()
		if err := m.disk.Close(); err != nil {
			t.Errorf("the disk: %v", err)
		}
	})
	return m
}

func (m *machine) command(name string, args ...string) error {
	out, err := exec.CommandContext(context.Background(), name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// start turns the power on and mounts the disk.
func (m *machine) start() {
	m.t.Helper()
	path, gone := m.disk.TurnOn()
	m.gone = gone
	if err := m.command("mount", "-t", "ext4", "-o", "loop", path, m.at); err != nil {
		m.t.Fatal(err)
	}
}

// startArmed is start, where the power may go while the disk is mounted. It reports whether
// that did not happen.
func (m *machine) startArmed(more int) bool {
	m.t.Helper()
	path, gone := m.disk.TurnOn()
	m.gone = gone
	m.disk.Arm(more)
	err := m.command("mount", "-t", "ext4", "-o", "loop", path, m.at)
	if err != nil && !m.isOff() {
		m.t.Fatal(err)
	}
	return err == nil
}

func (m *machine) isOff() bool {
	select {
	case <-m.gone:
		return true
	default:
		return false
	}
}

// cut cuts the power. Whoever used the disk has ended, or ends.
func (m *machine) cut() {
	m.t.Helper()
	if err := m.disk.Cut(m.random); err != nil {
		m.t.Fatal(err)
	}
	m.unmount()
}

// unmount takes the disk away, also from processes that have not quite ended. Without power
// nothing that the kernel still writes arrives.
func (m *machine) unmount() {
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		err := syscall.Unmount(m.at, 0)
		switch {
		case err == nil: // there may be another one below
		case errors.Is(err, syscall.EINVAL): // nothing is mounted
			return
		case time.Now().After(end):
			m.t.Errorf("umount: %v", err)
			_ = syscall.Unmount(m.at, syscall.MNT_DETACH)
			return
		}
	}
}
