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
			if err := os.WriteFile(filepath.Join(bin, "go"), []byte(fake), 0o700); err != nil { //nolint:gosec // it is to be run
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), filepath.Join("..", "..", "scripts", "vulncheck"))
			cmd.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			out, err := cmd.CombinedOutput()
			code := 0
			if exit, ok := errors.AsType[*exec.ExitError](err); ok {
				code = exit.ExitCode()
			} else if err != nil {
				t.Fatal(err)
			}
			said := strings.TrimSpace(string(out))
			if code != c.want || !strings.Contains(said, c.line) || c.want == 0 && strings.Contains(said, "\n") || c.line == "" && said != "" {
				t.Errorf("%d, %q", code, said)
			}
		})
	}
}
