package archtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What govulncheck says and how it exits was seen of the real one: with a database
// of one planted finding, and where no database can be reached.
func TestAFindingOfGovulncheckFailsAndADatabaseThatIsOutOfReachIsOneLine(t *testing.T) {
	for name, c := range map[string]struct {
		code int
		says string
		want int
		line string // is said
	}{
		"nothing found":          {0, "No vulnerabilities found.", 0, ""},
		"a finding":              {3, "Vulnerability #1: GO-2026-9999\nYour code is affected by 1 vulnerability.", 3, "Vulnerability #1: GO-2026-9999"},
		"no network":             {1, `govulncheck: fetching vulnerabilities: Get "https://vuln.go.dev/index/modules.json.gz": no such host`, 0, "cannot be reached from here; not checked"},
		"code that is no code":   {1, "govulncheck: loading packages: a.go:1:1: expected 'package'", 1, "loading packages"},
		"the tool does not come": {1, "go: golang.org/x/vuln@v1.9.0: no such host", 1, "golang.org/x/vuln"},
	} {
		t.Run(name, func(t *testing.T) {
			bin := t.TempDir()
			fake := fmt.Sprintf("#!/bin/sh\ncat <<'TEXT'\n%s\nTEXT\nexit %d\n", c.says, c.code)
			if err := os.WriteFile(filepath.Join(bin, "go"), []byte(fake), 0o700); err != nil { // it is to be run
				t.Fatal(err)
			}
			for _, args := range [][]string{nil, {"--release"}} { // for a release, not to know is to fail
				cmd := exec.CommandContext(t.Context(), filepath.Join("..", "..", "scripts", "vulncheck"), args...)
				cmd.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
				out, err := cmd.CombinedOutput()
				code, want := 0, c.want
				if exit, ok := errors.AsType[*exec.ExitError](err); ok {
					code = exit.ExitCode()
				} else if err != nil {
					t.Fatal(err)
				}
				if args != nil {
					want = c.code
				}
				said := strings.TrimSpace(string(out))
				if code != want || !strings.Contains(said, c.line) || c.want == 0 && strings.Contains(said, "\n") || c.line == "" && said != "" {
					t.Errorf("%q: %d, %q", args, code, said)
				}
			}
		})
	}
}

// OPS-05: scripts/release stops before it has made anything. --unchecked is for its own test.
func TestNothingIsReleasedWhoseVulnerabilitiesNobodyCouldLookUp(t *testing.T) {
	bin := t.TempDir()
	for name, text := range map[string]string{
		"git": "exit 0", // all is committed
		"go":  "echo 'govulncheck: fetching vulnerabilities: no such host'; exit 1",
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil { // it is to be run
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join("..", "..", "scripts", "release"), "0.1.0", "none/none")
	cmd.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "SOURCE_DATE_EPOCH=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "not checked") || !strings.Contains(string(out), "the database of them cannot be reached") {
		t.Errorf("%v, %s", err, out)
	}
}

func TestADirectDependencyThatIsBehindFailsAndNoAnswerIsNotUpToDate(t *testing.T) {
	for name, c := range map[string]struct {
		newer string // what go list says of updates in each module
		code  int    // and how it exits
		want  string // is said; "" means success
	}{
		"nothing newer":               {"", 0, ""},
		"a newer release":             {"tools: golang.org/x/image v0.47.0, newest v0.48.0", 0, "golang.org/x/image v0.47.0, newest v0.48.0"},
		"a newer release of a commit": {"tools: example.com/a v0.0.0-20260723120731-857993a2939c, newest v0.0.0-20260823120731-857993a2939d", 0, ""},
		"no network":                  {"no such host", 1, "no such host"},
	} {
		t.Run(name, func(t *testing.T) {
			bin := t.TempDir()
			fake := fmt.Sprintf("#!/bin/sh\ncase \"$*\" in\n*' -u '*) echo '%[1]s' >&%[3]d; exit %[2]d ;;\n*) echo example.com/a ;;\nesac\n", c.newer, c.code, 1+c.code)
			if err := os.WriteFile(filepath.Join(bin, "go"), []byte(fake), 0o700); err != nil { // it is to be run
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), filepath.Join("..", "..", "scripts", "outdated"))
			cmd.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			out, err := cmd.CombinedOutput()
			if (err == nil) != (c.want == "") || !strings.Contains(string(out), c.want) || c.want == "" && len(out) != 0 {
				t.Errorf("%v, %q", err, out)
			}
		})
	}
}

func TestAnIncompatibleChangeOfTheAPIFailsFromVersion1On(t *testing.T) {
	dir := t.TempDir()
	do := func(name string, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	must := func(name string, args ...string) {
		if out, err := do(name, args...); err != nil {
			t.Fatalf("%s %q: %v\n%s", name, args, err, out)
		}
	}
	write := func(name, text string, mode os.FileMode) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"scripts/apidiff", "tools/go.mod", "tools/go.sum"} {
		write(name, readTop(t, name), 0o700)
	}
	write("go.mod", "module example.com/a\n\ngo 1.26\n", 0o600)
	write("a.go", "package a\n\nfunc A() {}\n\nfunc B() {}\n", 0o600)
	must("git", "init", "-q")
	must("git", "add", ".")
	must("git", "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "-m", "a")
	if out, err := do("scripts/apidiff"); err != nil || !strings.Contains(out, "no release") {
		t.Errorf("before any release: %v, %q", err, out)
	}
	for _, c := range []struct {
		tag, now string
		ok       bool
		says     string
	}{
		{"v0.1.0", "func A() {}\n", true, "B: removed"},
		{"v1.0.0", "func A() {}\n", false, "B: removed"},
		{"v1.0.0", "func A() {}\n\nfunc B() {}\n\nfunc C() {}\n", true, "C: added"},
	} {
		must("git", "tag", "-f", c.tag)
		write("a.go", "package a\n\n"+c.now, 0o600)
		if out, err := do("scripts/apidiff", c.tag); (err == nil) != c.ok || !strings.Contains(out, c.says) {
			t.Errorf("since %s, now %q: %v, %q", c.tag, c.now, err, out)
		}
	}
}
