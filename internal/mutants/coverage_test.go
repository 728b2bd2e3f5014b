package mutants

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// covered are the files of the root package of which its tests run every
// statement: what none runs, no mutant of it could be caught.
var covered = []string{
	"admit.go", "block.go", "cache.go", "draft.go", "end.go", "judge.go", "limit.go", "roster.go", "stream.go", "takeover.go", "ticket.go", "use.go",
}

func TestEveryStatementOfTheRulesAndTheCacheIsRun(t *testing.T) {
	t.Parallel()
	profile := filepath.Join(t.TempDir(), "cover.out")
	cmd := exec.CommandContext(t.Context(), "go", "test", "-vet=off", "-coverprofile="+profile, ".", "-rapid.nofailfile")
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(profile)
	if err != nil {
		t.Fatal(err)
	}
	seen, missed := statements(string(text))
	for _, file := range covered {
		if !slices.Contains(seen, file) {
			t.Errorf("%s has no statement", file)
		}
	}
	for _, at := range missed {
		if file, _, _ := strings.Cut(at, ":"); slices.Contains(covered, file) {
			t.Errorf("no test runs %s", at)
		}
	}
}

// statements reads a coverage profile: the files in it, and where in them is
// what was not run, as "file:from.column,to.column".
func statements(profile string) (files, missed []string) {
	for line := range strings.Lines(profile) {
		at, counts, _ := strings.Cut(path.Base(strings.TrimSpace(line)), " ")
		file, _, ok := strings.Cut(at, ".go:")
		if !ok { // the first line
			continue
		}
		files = append(files, file+".go")
		if strings.HasSuffix(counts, " 0") {
			missed = append(missed, at)
		}
	}
	return files, missed
}

func TestWhatIsNotRunIsFound(t *testing.T) {
	files, missed := statements("mode: atomic\nx.org/y/a.go:1.2,3.4 5 10\nx.org/y/b.go:1.2,3.4 5 0\n")
	if !slices.Equal(files, []string{"a.go", "b.go"}) || !slices.Equal(missed, []string{"b.go:1.2,3.4"}) {
		t.Errorf("files %q, missed %q", files, missed)
	}
}
