// Package testservers runs the real servers that tests and benchmarks need, as child
// processes on free loopback ports, with their files in temporary folders.
//
// It owns the processes only. What is tested on them, and the clients, belong to the
// tests. A server runs until the test ends that asked for it, and is killed when the
// test's process ends in any way.
package testservers

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Required is an environment variable. "make test", which installs the servers, sets
// it: then a test fails when a server is missing, and is not skipped.
const Required = "ONESEAT_REQUIRE_SERVERS"

// Process is a server process. Only one goroutine at a time may use its methods.
type Process struct {
	t       testing.TB
	path    string
	args    []string
	env     []string            // besides ours
	account *syscall.Credential // the user that it runs as; nil: ours
	cmd     *exec.Cmd           // nil while it does not run
	ended   chan struct{}       // closed when it has ended
	said    *output             // by all its runs
}

// binary finds a server's program on PATH or in one of the folders (patterns of
// filepath.Glob; the last match counts). Where the program is missing, binary skips the
// test, or fails it where servers are [Required].
func binary(t testing.TB, name string, folders ...string) string {
	t.Helper()
	for _, folder := range folders {
		if found, _ := filepath.Glob(filepath.Join(folder, name)); len(found) > 0 {
			return found[len(found)-1]
		}
	}
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv(Required) != "" {
		t.Fatalf("%s is not on this machine; make test installs it (scripts/prepare)", name)
	}
	t.Skipf("%s is not on this machine: make test installs it (scripts/prepare), and then runs this too", name)
	return ""
}

// nobody returns the user for a server that refuses to run as root, or nil where we are
// not root.
func nobody(t testing.TB) *syscall.Credential {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32)
	gid, _ := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// folder makes a temporary folder that belongs to account. A test's own TempDir would
// be below folders that only their owner may enter.
func folder(t testing.TB, account *syscall.Credential) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "oneseat")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if account != nil {
		if err := os.Chown(dir, int(account.Uid), int(account.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// start runs a program until the test ends.
func start(t testing.TB, account *syscall.Credential, path string, args ...string) *Process {
	t.Helper()
	p := prepare(t, account, path, args...)
	p.Start()
	return p
}

// prepare returns a program that Start runs, until the test ends.
func prepare(t testing.TB, account *syscall.Credential, path string, args ...string) *Process {
	p := &Process{t: t, account: account, path: path, args: args, said: &output{}}
	t.Cleanup(p.Kill)
	return p
}

// StartProgram runs any program until the test ends, with variables in its environment
// besides ours. It does not wait for the program.
func StartProgram(t testing.TB, path string, env ...string) *Process {
	t.Helper()
	p := &Process{t: t, path: path, env: env, said: &output{}}
	t.Cleanup(p.Kill)
	p.Start()
	return p
}

// Start runs the program, again if it was killed or has ended.
func (p *Process) Start() {
	p.t.Helper()
	if p.cmd != nil {
		return
	}
	cmd := exec.CommandContext(context.Background(), p.path, p.args...) // a path that we have found
	cmd.Dir = os.TempDir()
	cmd.Env = append(os.Environ(), p.env...)
	cmd.Stdout, cmd.Stderr = p.said, p.said
	cmd.SysProcAttr = child(p.account)
	began, ended := make(chan error), make(chan struct{})
	go func() { // until Kill: the system kills a child when the thread ends that has started it
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		began <- cmd.Start()
		<-ended
	}()
	if err := <-began; err != nil {
		close(ended)
		p.t.Fatalf("%s: %v", p.path, err)
	}
	p.cmd, p.ended = cmd, ended
}

// Kill ends the process and everything that it has started at once (kill -9), and waits
// for that. It does nothing if the process does not run.
func (p *Process) Kill() {
	if p.cmd == nil {
		return
	}
	p.Pause() // otherwise its children would lose their parent before they are listed
	p.signal(syscall.SIGKILL)
	_ = p.cmd.Wait()
	close(p.ended)
	p.cmd = nil
}

// Terminate asks the process to end (SIGTERM), and waits for nothing.
func (p *Process) Terminate() { _ = p.cmd.Process.Signal(syscall.SIGTERM) }

// Wait waits until a process that was asked to end has ended, and returns nil if it
// ended as it should. One that goes on for minutes is killed.
func (p *Process) Wait() error {
	late := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	err := p.cmd.Wait()
	late.Stop()
	close(p.ended)
	p.cmd = nil
	return err
}

// Said returns the last of what the program has written, in all its runs.
func (p *Process) Said() string { return p.said.String() }

// Pause stops the process where it is, with everything that it has started (SIGSTOP).
// Continue lets it go on.
func (p *Process) Pause() {
	p.signal(syscall.SIGSTOP)
	for !still(p.cmd.Process.Pid) {
		time.Sleep(time.Millisecond)
	}
	p.signal(syscall.SIGSTOP) // for children that the first signal missed, because they were started before the process stood still
}

// Continue lets a paused process go on.
func (p *Process) Continue() { p.signal(syscall.SIGCONT) }

// signal sends a signal to the process and to everything that it has started. The
// process is the first: once it is stopped or dead it starts nothing more.
func (p *Process) signal(s syscall.Signal) {
	for _, pid := range family(p.cmd.Process.Pid) {
		_ = syscall.Kill(pid, s)
	}
}

// patience is how long a test waits for what a server should do soon. Only a test that
// fails waits as long as that, because a busy machine may be slow.
const patience = 2 * time.Minute

// await waits until ready returns nil. If it never does, await fails the test with
// everything that the process has said.
func (p *Process) await(ready func(context.Context) error) {
	p.t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		err = ready(ctx)
		cancel()
		if err == nil {
			return
		}
	}
	p.t.Fatalf("%s is not ready after %v: %v\n%s", p.path, patience, err, p.said)
}

// run runs a program to its end.
func run(t testing.TB, account *syscall.Credential, path string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), path, args...) // a path that we have found
	cmd.Dir = os.TempDir()
	cmd.SysProcAttr = child(account)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", path, err, out)
	}
}

// output keeps the last 64 KiB of what a process has said.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.b.Write(p)
	if over := o.b.Len() - 64<<10; over > 0 {
		o.b.Next(over)
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// loopback returns the address of a port of this machine.
func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
