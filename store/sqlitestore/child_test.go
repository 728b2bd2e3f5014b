package sqlitestore_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/oneseat/oneseat/internal/canaries"
)

// roleVariable makes the test binary another process. Only start sets it.
const roleVariable = "ONESEAT_SQLITESTORE_TEST_ROLE"

// roles are what another process can be. args are those of start. say sends the parent
// one line.
var roles = map[string]func(args []string, say func(string)) error{
	"worker":    worker,
	"crowd":     crowd,
	"victim":    victim,
	"migrating": migrating,
	"node":      node,
	"alone":     alone,
}

func TestMain(m *testing.M) {
	role, ok := roles[os.Getenv(roleVariable)]
	if !ok {
		os.Exit(canaries.Main(m))
	}
	var mu sync.Mutex
	say := func(line string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(line)
	}
	if err := role(strings.Split(os.Args[1], "\x1f"), say); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// process is another process of the test binary.
type process struct {
	cmd   *exec.Cmd
	in    io.WriteCloser // its standard input
	lines *bufio.Scanner // its standard output
	errs  strings.Builder
}

// start starts another process. as, if it is not nil, is the user that it runs as.
func start(t *testing.T, binary, role string, as *syscall.Credential, args ...string) *process {
	t.Helper()
	p, err := launch(t, binary, role, &syscall.SysProcAttr{Credential: as}, args...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// launch is start for a process of any kind.
func launch(t *testing.T, binary, role string, how *syscall.SysProcAttr, args ...string) (*process, error) {
	t.Helper()
	p := &process{cmd: exec.Command(binary, strings.Join(args, "\x1f"))}
	p.cmd.Env = append(os.Environ(), roleVariable+"="+role)
	p.cmd.Stderr = &p.errs
	p.cmd.SysProcAttr = how
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.in, p.lines = in, bufio.NewScanner(out)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() }) // if the test has not waited for it
	return p, nil
}

// ask sends the process a line and returns the line that it answers.
func (p *process) ask(t *testing.T, words ...string) string {
	t.Helper()
	if _, err := fmt.Fprintln(p.in, strings.Join(words, " ")); err != nil {
		t.Fatalf("%v: %s", err, p.errs.String())
	}
	return p.says(t)
}

// says returns the next line of the process.
func (p *process) says(t *testing.T) string {
	t.Helper()
	if !p.lines.Scan() {
		t.Fatalf("it ended: %s", p.errs.String())
	}
	return p.lines.Text()
}

// wait waits for the process to end by itself.
func (p *process) wait(t *testing.T) {
	t.Helper()
	if err := p.cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, p.errs.String())
	}
}

// kill ends the process at once (kill -9), and returns the lines that it had still
// sent.
func (p *process) kill(t *testing.T) (said []string) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatalf("it ended by itself: %v: %s", err, p.errs.String())
	}
	for p.lines.Scan() {
		said = append(said, p.lines.Text())
	}
	err := p.cmd.Wait()
	if e, ok := errors.AsType[*exec.ExitError](err); !ok || e.ExitCode() != -1 {
		t.Fatalf("it ended by itself: %v: %s", err, p.errs.String())
	}
	return said
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
