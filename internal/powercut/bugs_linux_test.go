package powercut

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var bugs = flag.Bool("bugs", false, "plant each mistake, and not only those that are caught within seconds")

// caught fails the test unless the loss is found within some cuts.
func caught(t *testing.T, s *system) {
	t.Helper()
	const most = 40
	err := s.run(most)
	if err == nil {
		t.Fatalf("it was not caught in %d rounds", most)
	}
	t.Logf("caught: %v", err)
}

// The disk says that it has flushed, and has not: so each store has to be seen to lose
// something.
func TestADiskThatLiesIsCaught(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { caught(t, sqliteSystem(t, true)) })
	t.Run("PostgreSQL", func(t *testing.T) {
		if !*bugs {
			t.Skip("only with -bugs: make powercut-bugs")
		}
		caught(t, postgresSystem(t, true))
	})
}

func TestPostgreSQLThatDoesNotSyncIsCaught(t *testing.T) {
	if !*bugs {
		t.Skip("only with -bugs: make powercut-bugs")
	}
	for _, setting := range []string{"synchronous_commit=off", "fsync=off"} {
		t.Run(setting, func(t *testing.T) {
			caught(t, postgresSystem(t, false, setting))
		})
	}
}

func TestSQLiteThatDoesNotSyncIsCaught(t *testing.T) {
	if !*bugs {
		t.Skip("only with -bugs, because the store is compiled anew: make powercut-bugs")
	}
	for _, level := range []string{"NORMAL", "OFF"} {
		t.Run(level, func(t *testing.T) {
			s := sqliteSystem(t, false)
			s.binary = planted(t, filepath.Join("..", "..", "store", "sqlitestore", "file.go"), `"synchronous(FULL)"`, `"synchronous(`+level+`)"`)
			caught(t, s)
		})
	}
}

// planted returns these tests with a mistake in the store.
func planted(t *testing.T, file, right, wrong string) string {
	t.Helper()
	file, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil || strings.Count(string(text), right) != 1 {
		t.Fatalf("%s has %q %d times, %v", file, right, strings.Count(string(text), right), err)
	}
	folder := t.TempDir()
	changed, overlay, binary := filepath.Join(folder, "changed.go"), filepath.Join(folder, "overlay.json"), filepath.Join(folder, "powercut.test")
	list, err := json.Marshal(map[string]map[string]string{"Replace": {file: changed}})
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{changed: []byte(strings.Replace(string(text), right, wrong, 1)), overlay: list} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-overlay", overlay, "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return binary
}
