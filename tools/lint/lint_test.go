package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// code is a module with what lint has to find and to leave. A line that it has to
// find something in ends with "WANT" and the words of the finding.
var code = map[string]string{
	"released/go.mod": "module github.com/oneseat/oneseat\n\ngo 1.26\n",
	"released/a.go": `package oneseat

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"os"
)

func look(f *os.File, w http.ResponseWriter, in io.Closer) error {
	f.Sync() // WANT unchecked error
	defer in.Close() // WANT unchecked error
	fmt.Fprintln(w, "this")
	fmt.Fprint(os.NewFile(7, "x"), "that") // WANT unchecked error
	_ = f.Close()
	_, err := f.Read(nil)
	if err == io.ErrUnexpectedEOF { // WANT errors.Is
		return nil
	}
	if _, ok := err.(*os.PathError); ok { // WANT errors.As
		return nil
	}
	return err
}

func body() (int, error) {
	resp, err := http.Get("http://127.0.0.1") // WANT response body must be closed
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, nil
}

func rows(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, "SELECT 1") // WANT was not closed
	if err != nil {
		return err
	}
	for rows.Next() {
	}
	return rows.Err()
}

func excepted(f *os.File) {
	f.Sync() //nolint:errcheck // it was only read
	f.Sync() //nolint:errcheck,errorlint // it was only read WANT not needed: errorlint
	f.Sync() //nolint:errorlint // another analyzer WANT unchecked error WANT not needed: errorlint
	f.Sync() //nolint:errcheck WANT names its analyzer and its reason WANT unchecked error
	f.Sync() //nolint // all of them WANT names its analyzer and its reason WANT unchecked error
	_ = f.Sync() //nolint:errcheck // there is nothing WANT not needed: errcheck
	_ = f.Sync() //nolint:gosec // another linter WANT gosec, which is not run
}
`,
	"released/a_test.go": `package oneseat

import (
	"errors"
	"net/http"
	"os"
	"testing"
)

func refused(t *testing.T) error { t.Helper(); return errors.New("refused") }

func TestA(t *testing.T) {
	f, err := os.Open(".")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	refused(t)
	f.Sync() // WANT unchecked error
	defer func() {
		f.Sync() // WANT unchecked error
	}()
	resp, err := http.Get("http://127.0.0.1")
	t.Log(resp.StatusCode, err)
}
`,
	"other/go.mod": "module github.com/oneseat/oneseat/examples\n\ngo 1.26\n",
	"other/main.go": `package main

import "os"

func main() {
	defer os.Remove("x")
	os.Remove("y") // WANT unchecked error
}
`,
}

// asLint is a variable of the environment. With it this program is lint.
const asLint = "ONESEAT_TEST_AS_LINT"

func TestMain(m *testing.M) {
	if os.Getenv(asLint) != "" {
		main()
	}
	os.Exit(m.Run())
}

func TestWhatIsFoundAndWhatIsLeft(t *testing.T) {
	lint, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range code {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	finding := regexp.MustCompile(`(?m)^(?:\./)?(\w+\.go):(\d+):\d+: (.*)$`)
	for _, module := range []string{"released", "other"} {
		vet := exec.CommandContext(t.Context(), "go", "vet", "-vettool="+lint, "./...")
		vet.Dir, vet.Env = filepath.Join(dir, module), append(os.Environ(), asLint+"=1", "GOWORK=off")
		out, err := vet.CombinedOutput()
		if err == nil {
			t.Errorf("%s: go vet finds nothing", module)
		}
		found := map[string][]string{} // by line, "a.go:7"
		for _, m := range finding.FindAllStringSubmatch(string(out), -1) {
			if at := m[1] + ":" + m[2]; !slices.Contains(found[at], m[3]) { // a package is looked at with its tests too
				found[at] = append(found[at], m[3])
			}
		}
		for name, text := range code {
			if filepath.Dir(name) != module {
				continue
			}
			for i, line := range strings.Split(text, "\n") {
				wants := strings.Split(line, " WANT ")[1:]
				got := found[filepath.Base(name)+":"+strconv.Itoa(i+1)]
				for _, want := range wants {
					if !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, want) }) {
						t.Errorf("%s: not found: %s\n%s", name, want, line)
					}
				}
				if len(got) > len(wants) {
					t.Errorf("%s: found %q\n%s", name, got, line)
				}
			}
		}
		if t.Failed() {
			t.Logf("%s", out)
		}
	}
}
