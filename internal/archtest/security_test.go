package archtest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	standardRow = regexp.MustCompile(`(?m)^\| ((?:AC-|\d+\.)[^|]*) \| ([^|]*) \| ([^|]*) \| ([^|]*) \|$`)
	pythonTest  = regexp.MustCompile("`(test_\\w+)`")
	pythonDef   = regexp.MustCompile(`(?m)^\s*(?:async )?def (test_\w+)\(`)
)

// pythonTests are the tests of the Django app.
func pythonTests(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, pattern := range []string{"*.py", "*/*.py"} {
		names, err := filepath.Glob(filepath.Join("..", "..", "clients", "django", "tests", filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range pythonDef.FindAllStringSubmatch(string(b), -1) {
				found[m[1]] = true
			}
		}
	}
	return found
}

// OPS-06: what docs/security.md says holds is held by a test that exists.
func TestEveryProofOfTheSecurityPageExists(t *testing.T) {
	page, there, django := readTop(t, "docs/security.md"), proofs(t), pythonTests(t)
	named, python := quoted.FindAllStringSubmatch(page, -1), pythonTest.FindAllStringSubmatch(page, -1)
	if len(named) < 100 || len(python) < 5 {
		t.Errorf("the page names %d tests in Go and %d in Python", len(named), len(python))
	}
	for _, n := range named {
		if n[1] != "Group/promise" && !there[n[1]] {
			t.Errorf("there is no %s", n[1])
		}
	}
	for _, n := range python {
		if !django[n[1]] {
			t.Errorf("there is no %s", n[1])
		}
	}
	attackers, _, _ := strings.Cut(page, "\n## What does not hold\n")
	for line := range strings.Lines(attackers) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if strings.HasPrefix(line, "| ") && !strings.HasSuffix(line, "| test |\n") && len(cells) == 3 && !quoted.MatchString(line) && !pythonTest.MatchString(line) {
			t.Errorf("no test holds %s", line)
		}
	}
}

// Each row of a standard has an answer, and what proves it: by default a test, by
// configuration a setting too, yours a page.
func TestEveryRowOfAStandardIsAnswered(t *testing.T) {
	page := readTop(t, "docs/security.md")
	var seen []string
	for _, m := range standardRow.FindAllStringSubmatch(page, -1) {
		row, answer, proof := m[1], m[3], m[4]
		seen = append(seen, row)
		tested, linked := quoted.MatchString(proof), strings.Contains(proof, "](")
		ok := false
		switch {
		case strings.HasPrefix(answer, "By default"):
			ok = tested
		case strings.HasPrefix(answer, "By configuration: `"):
			ok = tested
		case strings.HasPrefix(answer, "Yours"):
			ok = linked
		}
		if !ok {
			t.Errorf("%s: the answer %q has not its proof in %q", row, answer, proof)
		}
	}
	for _, row := range []string{
		"7.1.1", "7.1.2", "7.1.3", "7.2.1", "7.2.2", "7.2.3", "7.2.4", "7.3.1", "7.3.2", "7.4.1", "7.4.2", "7.4.3", "7.4.4", "7.4.5",
		"7.5.1", "7.5.2", "7.5.3", "7.6.1", "7.6.2", "AC-10", "AC-12", "AC-12(1)", "AC-12(2)", "AC-12(3)", "8.2.8",
	} {
		if !slices.Contains(seen, row) {
			t.Errorf("%s is not answered", row)
		}
	}
	if len(seen) < 40 {
		t.Errorf("only %d rows are answered", len(seen))
	}
}
