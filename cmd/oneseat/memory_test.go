package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// STO-07: an operator who chose memory is told what that means, in the log, in the help, and by the
// comment of the package.
func TestWhoeverKeepsSessionsInMemoryIsToldThatTheyAreLost(t *testing.T) {
	t.Chdir(t.TempDir())
	for flag, want := range map[string]bool{"memory:": true, "sqlite:oneseat.db": false} {
		_, log, stop := served(t, 2, "--dev", "--store", flag)
		stop()
		if said := strings.Contains(log.String(), "all sessions are lost when it ends"); said != want {
			t.Errorf("%s: said %t: %s", flag, said, log)
		}
	}
	if !strings.Contains(storesText, "memory:, lost at the end") {
		t.Errorf("the help says %q", storesText)
	}
}

func TestTheCommentOfTheMemoryStoreSaysThatItIsLost(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "store", "memstore", "memstore.go"))
	if err != nil {
		t.Fatal(err)
	}
	comment, _, _ := strings.Cut(string(b), "\npackage memstore")
	if words := strings.Join(strings.Fields(strings.ReplaceAll(comment, "//", "")), " "); !strings.Contains(words, "in the memory of one process. They are lost when the process ends.") {
		t.Error(words)
	}
}
