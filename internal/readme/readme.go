// Package readme runs the program that README.md shows, so that tests can use it
// as a reader would. It owns that process; what is tested belongs to the tests.
package readme

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var fenced = regexp.MustCompile("(?s)```go\n(package main\n.*?)```")

// Program returns the program in the README.md of a folder.
func Program(t testing.TB, folder string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	m := fenced.FindSubmatch(text)
	if m == nil {
		t.Fatal("README.md shows no program")
	}
	return string(m[1])
}

const (
	listen  = "server.ListenAndServe()" // in the program
	instead = "serve(server)"
)

// serve is the other half of the program under test: it takes a free port and
// says which, and ends with the test's process, whichever way that dies.
const serve = `package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

func serve(s *http.Server) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Println(l.Addr())
	return s.Serve(l)
}
`

// Start builds the program in the README.md of a folder, which is a module's,
// runs it on a free port until the test ends, and returns its address.
func Start(t testing.TB, folder string) (url string) {
	t.Helper()
	program := Program(t, folder)
	if strings.Count(program, listen) != 1 {
		t.Fatalf("the program in README.md does not end with %s", listen)
	}
	dir := t.TempDir()
	binary := filepath.Join(dir, "readme")
	files := map[string]string{"main.go": strings.Replace(program, listen, instead, 1), "serve.go": serve}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary)
	build.Dir = folder
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		build.Args = append(build.Args, file)
	}
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("the program in README.md does not compile: %v\n%s", err, out)
	}

	run := exec.CommandContext(t.Context(), binary)
	run.Stderr = t.Output()
	stdin, err := run.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := run.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close() // it ends by that, if not by the test's context
		_ = run.Wait()
	})
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the program in README.md did not say where it listens: %v", err)
	}
	return "http://" + strings.TrimSpace(address)
}
