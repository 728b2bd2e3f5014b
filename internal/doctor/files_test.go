package doctor

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oneseat/oneseat/server"
)

// keyFile makes a file of a mode.
func keyFile(t *testing.T, mode fs.FileMode, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // the umask does not narrow that
		t.Fatal(err)
	}
	return path
}

func TestAFileWithKeysThatOthersMayReadOrChangeIsFound(t *testing.T) {
	t.Parallel()
	secret, _ := server.NewKey("members", server.ScopeCheck)
	const private = "-----BEGIN PRIVATE KEY-----"
	for _, c := range []struct {
		mode     fs.FileMode
		text     string
		severity Severity
		words    string
	}{
		{0o600, secret, "", ""}, {0o640, secret, "", ""}, {0o640, "[[key]]", "", ""}, {0o644, "[[key]]", Warning, "hashes"},
		{0o644, secret + "\n", Problem, "a key of the API"}, {0o604, private, Problem, "a private key"}, {0o602, "[[key]]", Problem, "may change"}, {0o646, secret, Problem, "may change"},
	} {
		var r Report
		if s := (Subject{Files: []File{{Path: keyFile(t, c.mode, c.text)}}}); c.severity == "" {
			r = wantFine(t, s, "key-file")
		} else {
			r = wantFound(t, s, "key-file", c.severity, c.words)
		}
		if strings.Contains(text(t, r), secret) {
			t.Error("the key is in the report")
		}
	}
	wantFound(t, Subject{Files: []File{{Path: filepath.Join(t.TempDir(), "none")}}}, "key-file", Problem, "no such file")
	folder := filepath.Join(t.TempDir(), "open")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "keys.toml")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantFound(t, Subject{Files: []File{{Path: path}}}, "key-file", Problem, "replace")
}
