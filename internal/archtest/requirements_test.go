package archtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	row      = regexp.MustCompile(`(?m)^\| ((?:LIM|TOK|TMO|REV|STO|API|AUD|WEB|SSE|USR|PRV|ADM|OPS)-\d\d)\b(.*)$`)
	quoted   = regexp.MustCompile("`((?:Test|Fuzz|Example|test_)\\w*|[A-Z]\\w+/[^`]+)`")
	testFunc = regexp.MustCompile(`(?m)^(?:func|    def) ((?:Test|Fuzz|Example|test_)\w*)\(`)
	promise  = regexp.MustCompile(`(?m)^\s+\{"([^"]+)", \w+`)
	group    = regexp.MustCompile(`\{"([A-Z]\w+)", (\w+)\}`)
)

// proofs are all test functions of the tree, in Go and in Python, and the promises of storetest as
// "Group/promise".
func proofs(t *testing.T) map[string]bool {
	t.Helper()
	root := filepath.Join("..", "..")
	found := map[string]bool{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, "_test.go") && !(strings.HasSuffix(name, ".py") && strings.HasPrefix(d.Name(), "test_")) {
			return err
		}
		text, err := os.ReadFile(name)
		for _, m := range testFunc.FindAllSubmatch(text, -1) {
			found[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(root, "store", "storetest", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var suite strings.Builder
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(name, "_test.go") {
			suite.WriteString(string(text))
		}
	}
	for _, g := range group.FindAllStringSubmatch(suite.String(), -1) {
		_, list, ok := strings.Cut(suite.String(), "\nvar "+g[2]+" = ")
		if !ok {
			continue
		}
		list, _, _ = strings.Cut(list, "\n}\n")
		for _, p := range promise.FindAllStringSubmatch(list, -1) {
			found[g[1]+"/"+p[1]] = true
		}
	}
	return found
}

func TestEveryProofOfARequirementExists(t *testing.T) {
	text, there := readTop(t, "docs/requirements.md"), proofs(t)
	built, later, ok := strings.Cut(text, "\n## Not built yet\n")
	if !ok {
		t.Fatal("docs/requirements.md does not say what is not built yet")
	}
	var seen []string
	for _, m := range row.FindAllStringSubmatch(built, -1) {
		seen = append(seen, m[1])
		named := quoted.FindAllStringSubmatch(m[2], -1)
		if len(named) == 0 && !link.MatchString(m[2]) { // that there is such a page is tested elsewhere
			t.Errorf("%s: it has no proof", m[1])
		}
		for _, n := range named {
			if !there[n[1]] {
				t.Errorf("%s: there is no %s", m[1], n[1])
			}
		}
	}
	for _, m := range row.FindAllStringSubmatch(later, -1) {
		seen = append(seen, m[1])
	}
	slices.Sort(seen)
	if unique := slices.Compact(slices.Clone(seen)); len(unique) != len(seen) || len(seen) < 50 {
		t.Errorf("%d rows, of which %d are different", len(seen), len(unique))
	}
}
