package archtest

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"
)

// longest is how many lines a source file may have.
const longest = 600

// tooLong names the source files in a tree that have too many lines.
func tooLong(tree fs.FS) (names []string, err error) {
	err = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules"):
			return fs.SkipDir
		case d.IsDir() || !slices.Contains([]string{".go", ".js", ".css", ".html"}, filepath.Ext(name)):
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if bytes.Count(text, []byte("\n")) > longest {
			names = append(names, name)
		}
		return err
	})
	return names, err
}

func TestNoFileIsTooLongToRead(t *testing.T) {
	names, err := tooLong(os.DirFS(filepath.Join("..", "..")))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		t.Errorf("%s has over %d lines: divide it where one thing ends and another begins", name, longest)
	}
}

func TestALongFileIsFound(t *testing.T) {
	lines := func(n int) *fstest.MapFile { return &fstest.MapFile{Data: bytes.Repeat([]byte("x\n"), n)} }
	names, err := tooLong(fstest.MapFS{
		"long.go": lines(601), "deep/er/long.css": lines(601), "fine.go": lines(600), "long.md": lines(601), ".git/long.go": lines(601),
	})
	if want := []string{"deep/er/long.css", "long.go"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("found %q (%v), want %q", names, err, want)
	}
}
