package archtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var bare = regexp.MustCompile(`http\.(ListenAndServe|ListenAndServeTLS|Serve|ServeTLS)\(`)

// literals are the literals of a type in a text, each to its closing brace.
func literals(text, of string) (all []string) {
	for {
		_, rest, found := strings.Cut(text, of+"{")
		if !found {
			return all
		}
		depth := 1
		end := strings.IndexFunc(rest, func(c rune) bool {
			switch c {
			case '{':
				depth++
			case '}':
				depth--
			}
			return depth == 0
		})
		if end < 0 {
			return append(all, rest)
		}
		all, text = append(all, rest[:end]), rest[end:]
	}
}

// OPS-02: a client that begins a request and goes silent must not keep a connection for
// ever. That is so of each server of the programs, of the examples, and of what the docs
// show, for people copy them.
func TestEveryServerBoundsHowLongAClientMaySendItsHeader(t *testing.T) {
	seen := map[string]bool{}
	err := filepath.WalkDir(filepath.Join("..", ".."), func(name string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && (d.Name() == ".git" || d.Name() == "dist" || d.Name() == "bench") {
			return filepath.SkipDir
		}
		ext := filepath.Ext(name)
		if err != nil || d.IsDir() || ext != ".go" && ext != ".md" || strings.HasSuffix(name, "_test.go") || d.Name() == "CHANGELOG.md" {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if m := bare.Find(text); m != nil {
			t.Errorf("%s: %s) is a server without timeouts", name, m)
		}
		for _, m := range literals(string(text), "http.Server") {
			seen[filepath.Base(name)] = true
			if !strings.Contains(m, "ReadHeaderTimeout:") && !strings.Contains(m, "ReadTimeout:") {
				t.Errorf("%s: a server with neither ReadHeaderTimeout nor ReadTimeout: %s", name, m)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"README.md", "first-app.md", "main.go", "serve.go", "demo.go"} {
		if !seen[name] {
			t.Errorf("%s has no server, so nothing was looked at", name)
		}
	}
}
