package archtest

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	dependabotFolder = regexp.MustCompile(`(?m)^ +- (/\S*)$`)
	usedAction       = regexp.MustCompile(`(?m)^.*\buses:.*$`)
	pinnedAction     = regexp.MustCompile(`uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
)

func TestDependabotLooksAfterEveryModule(t *testing.T) {
	root := os.DirFS(filepath.Join("..", ".."))
	var modules, listed []string
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if d != nil && d.Name() == "go.mod" {
			modules = append(modules, path.Join("/", path.Dir(name)))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := fs.ReadFile(root, ".github/dependabot.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range dependabotFolder.FindAllSubmatch(text, -1) {
		listed = append(listed, string(found[1]))
	}
	slices.Sort(modules)
	slices.Sort(listed)
	if !slices.Equal(listed, modules) {
		t.Errorf("dependabot.yml names %s; the modules are %s", strings.Join(listed, " "), strings.Join(modules, " "))
	}
}

// A tag can be moved to other code; a commit cannot.
func TestWorkflowsRunActionsByTheirCommitOnly(t *testing.T) {
	workflows, err := filepath.Glob(filepath.Join("..", "..", ".github", "workflows", "*"))
	if err != nil || len(workflows) == 0 {
		t.Fatal("no workflows: ", err)
	}
	for _, name := range workflows {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range usedAction.FindAll(text, -1) {
			if !pinnedAction.Match(bytes.TrimRight(line, " \r")) {
				t.Errorf("%s: %q: name a commit, and its version in a comment", filepath.Base(name), line)
			}
		}
	}
}
