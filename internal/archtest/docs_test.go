package archtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func readTop(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var fenced = regexp.MustCompile("(?s)```go\n(package main\n.*?)```")

func TestTheProgramInTheReadmeCompiles(t *testing.T) {
	m := fenced.FindStringSubmatch(readTop(t, "README.md"))
	if m == nil {
		t.Fatal("README.md shows no program")
	}
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(m[1]), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "vet", file)
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

var (
	target  = regexp.MustCompile(`(?m)^([a-z0-9-]+):`)
	command = regexp.MustCompile("(?m)(?:^|`)make ([a-z0-9-]+)")
	block   = regexp.MustCompile("(?s)```.*?```")
	link    = regexp.MustCompile(`\]\(([^)#:]+)\)`)
)

func TestThePagesNameTargetsAndFilesThatExist(t *testing.T) {
	targets := map[string]bool{}
	for _, m := range target.FindAllStringSubmatch(readTop(t, "Makefile"), -1) {
		targets[m[1]] = true
	}
	pages, err := filepath.Glob(filepath.Join("..", "..", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, more...) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range command.FindAllStringSubmatch(string(text), -1) {
			if !targets[m[1]] {
				t.Errorf("%s: there is no make %s", filepath.Base(page), m[1])
			}
		}
		for _, m := range link.FindAllStringSubmatch(block.ReplaceAllString(string(text), ""), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s: a link to %s, which is not there", filepath.Base(page), m[1])
			}
		}
	}
	if !strings.Contains(readTop(t, ".ci/run"), "make test") {
		t.Error(".ci/run does not run the tests")
	}
}
