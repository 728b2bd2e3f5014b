package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

// A table of words is a file with a map from keys to sentences; and where its
// keys are used, in Go, in templates and in scripts.
var wordTables = []struct {
	table string
	users []string
}{
	{"internal/words/english.go", []string{"oneseathttp"}},
	{"internal/demo/english.go", []string{"internal/demo"}}, // beside the former
}

// In templates and in scripts a key is used like this.
var (
	inTemplate = regexp.MustCompile(`(?:\.Say|\.Rich|\bsay|\brich) "([^"]+)"`)
	inScript   = regexp.MustCompile(`\bsay\("([^"]+)"`)
)

// keysIn are the keys of the table in a file.
func keysIn(tree fs.FS, file string) (map[string]bool, error) {
	text, err := fs.ReadFile(tree, file)
	if err != nil {
		return nil, err
	}
	f, err := parser.ParseFile(token.NewFileSet(), file, text, 0)
	keys := map[string]bool{}
	if err == nil {
		ast.Inspect(f, func(n ast.Node) bool {
			if kv, ok := n.(*ast.KeyValueExpr); ok {
				if key, ok := literal(kv.Key); ok {
					keys[key] = true
				}
			}
			return true
		})
	}
	return keys, err
}

func literal(e ast.Expr) (string, bool) {
	l, ok := e.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(l.Value)
	return s, err == nil
}

// usesIn finds the keys that are used beneath a directory, and the calls whose
// key is none that can be read.
func usesIn(tree fs.FS, dir string) (used map[string]bool, unread []string, err error) {
	used = map[string]bool{}
	err = fs.WalkDir(tree, dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, "_test.go") {
			return err
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		switch filepath.Ext(name) {
		case ".go":
			found, bad := usesInGo(name, text)
			maps.Copy(used, found)
			unread = append(unread, bad...)
		case ".html":
			for _, m := range inTemplate.FindAllSubmatch(text, -1) {
				used[string(m[1])] = true
			}
		case ".js":
			for _, m := range inScript.FindAllSubmatch(text, -1) {
				used[string(m[1])] = true
			}
		}
		return nil
	})
	return used, unread, err
}

// usesInGo finds them in a file of Go. A function that hands on a key of its
// caller's is called problem, as the guard's and the streams' are.
func usesInGo(name string, text []byte) (used map[string]bool, unread []string) {
	used = map[string]bool{}
	f, err := parser.ParseFile(token.NewFileSet(), name, text, 0)
	if err != nil {
		return nil, []string{err.Error()}
	}
	for _, d := range f.Decls {
		within := ""
		if fn, ok := d.(*ast.FuncDecl); ok {
			within = fn.Name.Name
		}
		ast.Inspect(d, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			fn, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			at, pair := 0, false
			switch fn.Sel.Name {
			case "Say", "Rich":
			case "Pair":
				pair = true
			case "problem":
				at, pair = 1, true
			default:
				return true
			}
			if len(call.Args) <= at || within == "problem" {
				return true
			}
			key, ok := literal(call.Args[at])
			switch {
			case !ok:
				unread = append(unread, name+": "+within)
			case pair:
				used[key+".title"], used[key+".detail"] = true, true
			default:
				used[key] = true
			}
			return true
		})
	}
	return used, unread
}

// wordFaults compares a table with what is used.
func wordFaults(tree fs.FS, table string, users []string) (faults []string, err error) {
	keys, err := keysIn(tree, table)
	if err != nil {
		return nil, err
	}
	all := map[string]bool{}
	for _, dir := range users {
		used, unread, err := usesIn(tree, dir)
		if err != nil {
			return nil, err
		}
		for _, where := range unread {
			faults = append(faults, where+": a key has to be written where it is used")
		}
		maps.Copy(all, used)
	}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if !keys[key] {
			faults = append(faults, key+" is used and not in "+table)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if !all[key] {
			faults = append(faults, key+" is in "+table+" and not used")
		}
	}
	return faults, nil
}

func TestEveryKeyOfWordsExistsAndIsUsed(t *testing.T) {
	tree := os.DirFS(filepath.Join("..", ".."))
	tables := map[string]string{} // by key
	for _, w := range wordTables {
		keys, err := keysIn(tree, w.table)
		if err != nil || len(keys) < 50 {
			t.Fatalf("%s: %d keys, %v", w.table, len(keys), err)
		}
		for key := range keys {
			if other := tables[key]; other != "" {
				t.Errorf("%s is in %s and in %s", key, other, w.table)
			}
			tables[key] = w.table
		}
		faults, err := wordFaults(tree, w.table, w.users)
		if err != nil {
			t.Fatal(err)
		}
		for _, fault := range faults {
			t.Error(fault)
		}
	}
}

func TestAWordThatIsMissingAndOneThatNobodyUsesAreFound(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	faults, err := wordFaults(fstest.MapFS{
		"table.go":       file(`package p; var english = map[string]string{"a.title": "A", "a.detail": "B", "b": "C", "c": "D", "d": "E", "idle": "F"}`),
		"site/a.go":      file(`package p; func f() { l.Pair("a"); l.Say("b", "x", "y"); g.problem("why", "gone"); l.Say(key) }`),
		"site/page.html": file(`<p>{{$.Rich "c" "x" .Y}}{{.Say "missing.html"}}</p>`),
		"site/script.js": file(`say("d", { x: 1 }); say("missing.js")`),
		"site/a_test.go": file(`package p; func f() { l.Say("idle") }`),
	}, "table.go", []string{"site"})
	want := []string{
		"site/a.go: f: a key has to be written where it is used",
		"gone.detail is used and not in table.go", "gone.title is used and not in table.go",
		"missing.html is used and not in table.go", "missing.js is used and not in table.go",
		"idle is in table.go and not used",
	}
	if err != nil || !slices.Equal(faults, want) {
		t.Errorf("%v\n%q, want\n%q", err, faults, want)
	}
}
