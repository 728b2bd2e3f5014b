package requirements

import (
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var root = filepath.Join("..", "..")

// sampled is how many breaks the ordinary go test tries.
const sampled = 30

// quick are the directories whose tests are compiled soon, and run without servers.
var quick = []string{".", "oneseathttp", "server", "store/memstore"}

// TestASampleOfTheRequirementsIsHeld breaks other rows each day. All are walked by
// make requirements.
func TestASampleOfTheRequirementsIsHeld(t *testing.T) {
	readAll(t)
	day := time.Now().UTC().Format(time.DateOnly)
	if err := Walk(t.Context(), root, t.TempDir(), sample(day), func(r Result) {
		if r.Err != nil {
			t.Errorf("%s, broken by %s:\n%v", r.Row.ID, r.Break.How, r.Err)
		}
	}); err != nil {
		t.Error(err)
	}
	if t.Failed() {
		t.Logf("the sample is that of %s", day)
	}
}

// sample are some breaks of those that are quick to try, other ones on each day.
func sample(day string) (rows []Row) {
	for _, r := range Rows {
		for _, b := range r.Breaks {
			if b.How.file == "" && !b.Hangs && slices.Contains(quick, b.Test.Dir) {
				rows = append(rows, Row{ID: r.ID, Breaks: []Break{b}})
			}
		}
	}
	var seed [32]byte
	copy(seed[:], day)
	rand.New(rand.NewChaCha8(seed)).Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	return rows[:min(len(rows), sampled)]
}

// readAll has go test know that the outcome depends on the whole tree.
func readAll(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == "bin" || d.Name() == "docs" || strings.HasPrefix(d.Name(), ".") && name != root) {
			return filepath.SkipDir
		}
		if err == nil && strings.HasSuffix(name, ".go") {
			_, err = os.Stat(name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
