package contract

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/oneseat/oneseat/api"
)

// sources parses the files of a package, without its tests.
func sources(t *testing.T, way ...string) (all []*ast.File) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(append(way, "*.go")...))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	return all
}

func text(t *testing.T, e ast.Expr) string {
	t.Helper()
	lit, ok := e.(*ast.BasicLit)
	if !ok {
		t.Fatalf("%T is no text", e)
	}
	s, err := strconv.Unquote(lit.Value)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// entries are those of the maps in a package whose type is map[string] of a type: the
// keys as they are written, and the values.
func entries(t *testing.T, files []*ast.File, of string) map[string]ast.Expr {
	t.Helper()
	all := map[string]ast.Expr{}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			if m, ok := lit.Type.(*ast.MapType); !ok || nameOf(m.Value) != of {
				return true
			}
			for _, e := range lit.Elts {
				pair := e.(*ast.KeyValueExpr)
				key := nameOf(pair.Key)
				if key == "" {
					key = text(t, pair.Key)
				}
				all[key] = pair.Value
			}
			return true
		})
	}
	return all
}

func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return nameOf(e.X) + "." + e.Sel.Name
	}
	return ""
}

func TestTheFileHasThePathsOfTheServer(t *testing.T) { // API-13
	constants := map[string]string{}
	for _, f := range sources(t, "..") {
		ast.Inspect(f, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(v.Names[0].Name, "Path") {
				constants["api."+v.Names[0].Name] = text(t, v.Values[0])
			}
			return true
		})
	}
	want := []string{"/healthz", "/readyz", api.PathOpenAPI}
	for key := range entries(t, sources(t, "..", "..", "server"), "call") {
		path, ok := constants[key]
		if !ok {
			t.Errorf("the server has a call at %s, which is no constant of package api", key)
		}
		want = append(want, path)
	}
	slices.Sort(want)
	f := load(t, api.OpenAPI())
	if got := slices.Sorted(maps.Keys(at(t, f.object, "paths"))); !slices.Equal(got, want) || len(got) < 20 {
		t.Errorf("the file has %q\nthe server %q", got, want)
	}
}

func TestTheFileHasTheProblemsOfTheServer(t *testing.T) { // API-01
	f := load(t, api.OpenAPI())
	titles := map[string]string{}
	all, _ := at(t, f.object, "components", "schemas", "ProblemType")["oneOf"].([]any)
	for _, one := range all {
		p := one.(object)
		titles[strings.TrimPrefix(p["const"].(string), api.ProblemPrefix)] = p["title"].(string)
	}
	want := map[string]string{}
	for _, file := range sources(t, "..", "..", "server") {
		ast.Inspect(file, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok || v.Names[0].Name != "titles" {
				return true
			}
			for _, e := range v.Values[0].(*ast.CompositeLit).Elts {
				pair := e.(*ast.KeyValueExpr)
				want[text(t, pair.Key)] = text(t, pair.Value)
			}
			return false
		})
	}
	if !maps.Equal(titles, want) || len(want) < 20 {
		t.Errorf("the file has %q\nthe server %q", titles, want)
	}

	// That each of these is an answer of a call is what the exchanges are looked at for.
	answers := map[string]bool{}
	for what := range f.said(t) {
		answers[what[strings.LastIndex(what, " ")+1:]] = true
	}
	for name := range titles {
		if !answers[name] {
			t.Errorf("no call has the problem %s", name)
		}
	}
	for _, e := range f.examples(t) {
		if p, ok := e.value.(object); ok && p["type"] != nil && p["title"] != titles[strings.TrimPrefix(p["type"].(string), api.ProblemPrefix)] {
			t.Errorf("%s: the title %q", e, p["title"])
		}
	}
}
