package examples

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const howto = "../docs/howto"

// lines returns the lines of a text without their indentation, and without blank lines
// at its ends.
func lines(text string) string {
	var out []string
	for line := range strings.Lines(text) {
		out = append(out, strings.TrimSpace(line))
	}
	return "\n" + strings.Trim(strings.Join(out, "\n"), "\n") + "\n"
}

// sources returns the files of the examples, with the tests that docs/howto/testing.md
// shows.
func sources(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" || path == "docs_test.go" {
			return err
		}
		b, err := os.ReadFile(path)
		all[path] = lines(string(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// pages returns the how-tos, by name.
func pages(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(howto, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(name)] = string(b)
	}
	if len(all) < 2 {
		t.Fatal("no pages were found")
	}
	return all
}

var fenced = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

func TestTheCodeInThePagesIsThatOfTheExamples(t *testing.T) {
	files, found := sources(t), 0
	all := pages(t)
	policies, err := os.ReadFile("../docs/policies.md")
	if err != nil {
		t.Fatal(err)
	}
	all["../policies.md"] = string(policies)
	for name, page := range all {
		for _, m := range fenced.FindAllStringSubmatch(page, -1) {
			switch m[1] {
			case "go", "html":
				found++
				in := func(text string) bool { return strings.Contains(text, lines(m[2])) }
				if !slices.ContainsFunc(slices.Collect(maps.Values(files)), in) {
					t.Errorf("%s: this is in no example:\n%s", name, m[2])
				}
			case "sh", "nginx", "js":
			default:
				t.Errorf("%s: a block of %q, which nothing checks", name, m[1])
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d blocks of code were found", found)
	}
}

var link = regexp.MustCompile(`\]\(([^)#:]+)\)`)

func TestThePagesAreShortListedAndLinkToWhatIsThere(t *testing.T) {
	all := pages(t)
	for name, page := range all {
		if n := strings.Count(page, "\n"); n > 120 {
			t.Errorf("%s has %d lines", name, n)
		}
		if name != "README.md" && !strings.Contains(all["README.md"], "("+name+")") {
			t.Errorf("README.md does not list %s", name)
		}
		for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(page, ""), -1) {
			if _, err := os.Stat(filepath.Join(howto, m[1])); err != nil {
				t.Errorf("%s: a link to %s, which is not there", name, m[1])
			}
		}
	}
}
