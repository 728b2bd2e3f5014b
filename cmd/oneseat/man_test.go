package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestEveryCommandHasAPageInTheManual(t *testing.T) {
	folder := t.TempDir()
	if code, stdout, stderr := ran(t, "man", folder); code != exitOK || stdout+stderr != "" {
		t.Fatalf("%d %s", code, stderr)
	}
	everyCommand(newRoot(), func(cmd *cobra.Command) {
		if cmd.Hidden {
			return
		}
		page := filepath.Join(folder, strings.ReplaceAll(cmd.CommandPath(), " ", "-")+".1")
		text, err := os.ReadFile(page)
		if err != nil {
			t.Error(err)
			return
		}
		if said, err := exec.CommandContext(t.Context(), "groff", "-man", "-ww", "-z", page).CombinedOutput(); err != nil || len(said) > 0 {
			t.Errorf("%s: %v %s", page, err, said)
		}
		for _, part := range []string{".SH NAME\n", ".SH SYNOPSIS\n", ".SH DESCRIPTION\n"} {
			if !strings.Contains(string(text), part) {
				t.Errorf("%s has no %s", page, part)
			}
		}
		shown, err := exec.CommandContext(t.Context(), "groff", "-man", "-Tascii", "-P-cbou", "-rLL=200n", page).Output()
		if err != nil {
			t.Errorf("%s: %v", page, err)
		}
		for line := range strings.SplitSeq(cmd.Example, "\n") {
			if !strings.Contains(string(shown), line) {
				t.Errorf("%s does not show %q:\n%s", page, line, shown)
			}
		}
	})
	if code, _, stderr := ran(t, "man", filepath.Join(folder, "nothing")); code != exitFailed || stderr == "" {
		t.Errorf("%d %s", code, stderr)
	}
}

// What roff might take for a request or an escape is text.
func TestNothingInAHelpTextIsARequestOfRoff(t *testing.T) {
	cmd := &cobra.Command{Use: "odd", Short: `a\b`, Long: ".SH no\n'br\n\\fBno", Example: ".so /etc/passwd\n'x"}
	page := manPage(cmd)
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, ".so") || strings.HasPrefix(line, "'") || strings.HasPrefix(line, ".SH no") || strings.Contains(line, `\fB`) {
			t.Errorf("%s", line)
		}
	}
}
