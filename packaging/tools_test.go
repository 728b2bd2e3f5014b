// Package packaging has the ways in which the program is installed, as files, and tests
// that make each of them and run it. Nothing imports it.
package packaging

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// need skips a test on a machine without a program that it runs. With
// ONESEAT_REQUIRE_SERVERS it fails the test: then scripts/prepare has installed
// what the test needs.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("ONESEAT_REQUIRE_SERVERS") == "1" {
				t.Fatal(err)
			}
			t.Skipf("%v: scripts/prepare packages installs it", err)
		}
	}
}

// needRoot skips a test that makes users, or changes its root.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("it needs root")
	}
}

// run runs a program in the root of the project, and returns what it says on stdout.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = ".."
	return output(t, cmd)
}

// output runs a command that has to succeed.
func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", cmd, err, out, &stderr)
	}
	return string(out)
}

// fails runs a command that has to fail, and returns all that it says.
func fails(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatalf("%s: it did not fail\n%s", cmd, out)
	}
	return string(out)
}

// write writes a file below a folder.
func write(t *testing.T, mode os.FileMode, text string, path ...string) string {
	t.Helper()
	file := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return file
}

// read reads a file.
func read(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// builds is the folder for what is built once for all tests. Only TestMain sets it.
var builds string

// program is the program as it is released.
var program = sync.OnceValues(func() (string, error) {
	file := filepath.Join(builds, "oneseat")
	cmd := exec.Command("scripts/build", testVersion, file)
	cmd.Dir = ".."
	cmd.Stderr = os.Stderr
	return file, cmd.Run()
})

// testVersion is the version of what the tests make.
const testVersion = "1.2.3-rc.1"

func built(t *testing.T) string {
	t.Helper()
	file, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "oneseat-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	builds = folder
	code := m.Run()
	if err := os.RemoveAll(folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// server is a process of "oneseat serve", or one that runs it.
type server struct {
	cmd  *exec.Cmd
	url  string
	log  bytes.Buffer // to be read after its end
	wait func() error
}

// serve starts a command that is, or runs, "oneseat serve", and waits until it says where it
// listens. It is ended at the end of the test.
func serve(t *testing.T, cmd *exec.Cmd) *server {
	t.Helper()
	s := &server{cmd: cmd}
	cmd.Stderr = &s.log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.wait = sync.OnceValue(cmd.Wait)
	t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = s.wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = s.wait()
		t.Fatalf("%s: %v\n%s", cmd, err, &s.log)
	}
	s.url = strings.TrimSpace(line)
	return s
}

// stop sends SIGTERM to the server, and waits for its end, which has to be a good one.
func (s *server) stop(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := s.wait(); err != nil {
		t.Errorf("at SIGTERM it ended with %v\n%s", err, &s.log)
	}
}

// get asks for a path without a key, and returns the answer's status.
func (s *server) get(t *testing.T, path string) int {
	t.Helper()
	status, _ := s.ask(t, http.MethodGet, path, "", "")
	return status
}

// ask makes a call of the API.
func (s *server) ask(t *testing.T, method, path, key, body string) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// below returns the process of a name that a process has started, or one that it has
// started.
func below(t *testing.T, pid int, name string) int {
	t.Helper()
	parent := map[int]int{}
	var named []int
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		b, err := os.ReadFile(folder + "/stat")
		if err != nil {
			continue // it has ended
		}
		var id, of int
		var state string
		comm, rest := "", string(b)
		if from, to := strings.IndexByte(rest, '('), strings.LastIndexByte(rest, ')'); from >= 0 && to > from {
			comm, rest = rest[from+1:to], rest[:from]+rest[to+1:]
		}
		if _, err := fmt.Sscan(rest, &id, &state, &of); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		parent[id] = of
		if comm == name {
			named = append(named, id)
		}
	}
	for _, id := range named {
		for of := id; of > 1; of = parent[of] {
			if of == pid {
				return id
			}
		}
	}
	t.Fatalf("process %d has started no %s", pid, name)
	return 0
}

// until waits until something holds.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came to this: %s", what)
		}
	}
}
