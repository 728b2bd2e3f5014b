package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// modules are two modules, one below the other, with a mistake that fuzzing finds at once.
var modules = map[string]string{
	"go.mod":     "module example.com/a\n\ngo 1.26\n",
	"a_test.go":  "package a\n\nimport \"testing\"\n\nfunc FuzzGood(f *testing.F) {\n\tf.Fuzz(func(t *testing.T, b []byte) {})\n}\n",
	"sub/go.mod": "module example.com/a/sub\n\ngo 1.26\n",
	"sub/b_test.go": "package sub\n\nimport \"testing\"\n\nfunc FuzzBad(f *testing.F) {\n\tf.Add(\"a\")\n\tf.Fuzz(func(t *testing.T, s string) {\n\t\tif s != \"a\" {\n\t\t\tt.Error(\"planted\")\n\t\t}\n\t})\n}\n\n" +
		"func FuzzAfter(f *testing.F) {\n\tf.Fuzz(func(t *testing.T, n int) {})\n}\n",
	"testdata/c_test.go": "package c\n\nfunc FuzzNot(f *testing.F) {}\n",
}

func TestEachFunctionOfEachModuleIsFuzzedAndWhatIsFoundIsKeptAndFails(t *testing.T) {
	root := t.TempDir()
	for name, text := range modules {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	f := fuzzing{root: root, all: 12 * time.Second, least: 500 * time.Millisecond, processes: 1, only: regexp.MustCompile(""), out: &out}
	if err := f.run(t.Context()); !errors.Is(err, errFound) {
		t.Errorf("%v", err)
	}
	for _, want := range []string{"3 functions, 4s each", "FuzzGood", "FuzzBad", "FAILED", "planted", "FuzzAfter"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "FuzzNot") {
		t.Errorf("%s", &out)
	}
	if kept, err := filepath.Glob(filepath.Join(root, "sub", "testdata", "fuzz", "FuzzBad", "*")); err != nil || len(kept) != 1 {
		t.Errorf("kept are %q, %v", kept, err)
	}
	f.all, f.only = 600*time.Millisecond, regexp.MustCompile("Good|After")
	if err := f.run(t.Context()); err != nil {
		t.Errorf("%v:\n%s", err, &out)
	}
	if !strings.Contains(out.String(), "1 of 2 functions were drawn with -seed 0") {
		t.Errorf("the time was enough for one:\n%s", &out)
	}
}

func TestEachFunctionIsDrawnSoonerOrLater(t *testing.T) {
	found := map[string][]string{"a": {"FuzzA", "FuzzB"}, "b": {"FuzzC"}}
	seen := map[string]int{}
	for seed := range uint64(100) {
		f := fuzzing{seed: seed}
		drawn := f.draw(found, 2)
		if number(drawn) != 2 {
			t.Fatalf("%v", drawn)
		}
		for folder, names := range drawn {
			for _, name := range names {
				seen[folder+" "+name]++
			}
		}
	}
	if len(seen) != 3 || seen["a FuzzA"] < 40 || seen["a FuzzB"] < 40 || seen["b FuzzC"] < 40 {
		t.Errorf("they were drawn %v", seen)
	}
}

// What is found in this repository is what "make fuzz" fuzzes: none is below a folder that
// is not looked into.
func TestTheFunctionsOfAllModulesAreFound(t *testing.T) {
	found, err := targets(filepath.Join("..", ".."), regexp.MustCompile(""))
	if err != nil {
		t.Fatal(err)
	}
	for folder, name := range map[string]string{".": "FuzzParseToken", "server": "FuzzMembers", "oneseathttp": "FuzzNextNeverLeadsOffTheSite", "store/redisstore": "FuzzEntry"} {
		if !slices.Contains(found[filepath.Join("..", "..", folder)], name) {
			t.Errorf("%s: %s is not among %q", folder, name, found)
		}
	}
}
