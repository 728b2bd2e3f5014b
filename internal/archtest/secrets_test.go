package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/printer"
	"go/token"
	"go/types"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// guarded are the packages that compare secrets.
var guarded = []string{module, module + "/server", module + "/oneseathttp", module + "/client"}

// accepted are comparisons of a digest with that of a token that was accepted already.
// The client that presented the token knows the token.
var accepted = []string{
	"watch.go: d.secret != id.secret: ",
}

// checked is a package with its types.
type checked struct {
	files *token.FileSet
	trees []*ast.File
	info  types.Info
}

// typed returns packages with their types. Imports are read as the compiler wrote them.
func typed(t *testing.T, paths ...string) map[string]checked {
	t.Helper()
	type built struct {
		ImportPath, Dir, Export string
		GoFiles                 []string
	}
	dec := json.NewDecoder(bytes.NewReader(goList(t, append([]string{"-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles"}, paths...)...)))
	exports, found := map[string]string{}, map[string]checked{}
	var ours []built
	for {
		var p built
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		exports[p.ImportPath] = p.Export
		if slices.Contains(paths, p.ImportPath) {
			ours = append(ours, p)
		}
	}
	for _, p := range ours {
		sources := map[string]any{}
		for _, name := range p.GoFiles {
			sources[filepath.Join(p.Dir, name)] = nil // nil: the file is read
		}
		c, err := typeCheck(p.ImportPath, sources, exports)
		if err != nil {
			t.Fatal(err)
		}
		found[p.ImportPath] = c
	}
	return found
}

// typeCheck reads a package. exports are the files with what it imports.
func typeCheck(path string, sources map[string]any, exports map[string]string) (checked, error) {
	c := checked{files: token.NewFileSet(), info: types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}}
	for name, text := range sources {
		f, err := parser.ParseFile(c.files, name, text, parser.SkipObjectResolution)
		if err != nil {
			return c, err
		}
		c.trees = append(c.trees, f)
	}
	conf := types.Config{Importer: importer.ForCompiler(c.files, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })}
	_, err := conf.Check(path, c.files, c.trees, &c.info)
	return c, err
}

// secret reports whether a value of the type is, or has in it, a secret that was given
// out or the digest of one: 32 bytes, as a token's secret and a key's hash have.
func secret(t types.Type) bool {
	if n, ok := types.Unalias(t).(*types.Named); ok {
		if name := n.Obj().Name(); n.Obj().Pkg() != nil && n.Obj().Pkg().Path() == module && (name == "Token" || name == "Ticket") {
			return true
		}
	}
	switch u := t.Underlying().(type) {
	case *types.Array:
		b, basic := u.Elem().Underlying().(*types.Basic)
		return basic && b.Kind() == types.Byte && u.Len() == 32 || secret(u.Elem())
	case *types.Struct:
		for f := range u.Fields() {
			if secret(f.Type()) {
				return true
			}
		}
	}
	return false
}

// comparisons returns the places at which a package compares a secret in another way
// than in constant time. A comparison with the zero value, which means that there is
// no secret, may be of any kind.
func (c checked) comparisons() (found []string) {
	object := func(at ast.Node, what string) {
		var text strings.Builder
		_ = printer.Fprint(&text, c.files, at) // a builder takes all
		found = append(found, fmt.Sprintf("%s: %s: %s", filepath.Base(c.files.Position(at.Pos()).Filename), text.String(), what))
	}
	zero := func(e ast.Expr) bool {
		l, ok := ast.Unparen(e).(*ast.CompositeLit)
		return ok && len(l.Elts) == 0 || c.info.Types[e].Value != nil // or a constant
	}
	// A slice of a digest, or of a token as bytes, is still a secret.
	var of func(e ast.Expr) bool
	of = func(e ast.Expr) bool {
		switch e := ast.Unparen(e).(type) {
		case *ast.SliceExpr:
			return secret(c.info.Types[e.X].Type)
		case *ast.CallExpr:
			if len(e.Args) == 1 && c.info.Types[e.Fun].IsType() && of(e.Args[0]) {
				return true
			}
		}
		t := c.info.Types[e].Type
		s, slice := t.Underlying().(*types.Slice)
		return secret(t) || slice && secret(s.Elem())
	}
	for _, tree := range c.trees {
		ast.Inspect(tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BinaryExpr:
				if (n.Op == token.EQL || n.Op == token.NEQ) && (of(n.X) || of(n.Y)) && !zero(n.X) && !zero(n.Y) {
					object(n, n.Op.String()+" stops at the first byte that differs: use Equal, or subtle.ConstantTimeCompare")
				}
			case *ast.SwitchStmt:
				if n.Tag != nil && of(n.Tag) {
					object(n, "a switch over a secret")
				}
			case *ast.CallExpr:
				fun := ast.Unparen(n.Fun)
				if i, ok := fun.(*ast.IndexExpr); ok {
					fun = i.X
				}
				s, ok := fun.(*ast.SelectorExpr)
				if !ok {
					break
				}
				f, ok := c.info.Uses[s.Sel].(*types.Func)
				if ok && f.Pkg() != nil && slices.Contains([]string{"bytes", "cmp", "maps", "reflect", "slices", "strings"}, f.Pkg().Path()) && compares(f.Name()) && slices.ContainsFunc(n.Args, of) {
					object(n, f.FullName()+" stops at the first byte that differs")
				}
			}
			return true
		})
	}
	return found
}

func compares(name string) bool {
	return !strings.HasSuffix(name, "Func") && slices.ContainsFunc([]string{"Equal", "Compare", "Contains", "Index", "DeepEqual", "HasPrefix"}, func(p string) bool { return strings.HasPrefix(name, p) })
}

// TOK-10.
func TestSecretsAreComparedInConstantTimeOnly(t *testing.T) {
	found, seen := typed(t, guarded...), make([]bool, len(accepted))
	for _, path := range guarded {
		if len(found[path].trees) == 0 {
			t.Errorf("%s was not read", path)
		}
		for _, at := range found[path].comparisons() {
			if i := slices.IndexFunc(accepted, func(a string) bool { return strings.Contains(at, a) }); i >= 0 {
				seen[i] = true
				continue
			}
			t.Error(at)
		}
	}
	for i, a := range accepted {
		if !seen[i] {
			t.Errorf("there is no %q any more", a)
		}
	}
	for _, c := range []struct{ path, method, want string }{
		{module, "Equal", "{\n\treturn subtle.ConstantTimeCompare(d[:], e[:]) == 1 && d != digest{}\n}"},
		{module + "/server", "find", "subtle.ConstantTimeCompare(keys[i].Hash[:], sum[:]) == 1"},
	} {
		if body := found[c.path].body(t, c.method); !strings.Contains(body, c.want) {
			t.Errorf("%s of %s is %s", c.method, c.path, body)
		}
	}
}

// body returns the body of a function, or of the method of digest, as it is written.
func (c checked) body(t *testing.T, name string) string {
	t.Helper()
	for _, tree := range c.trees {
		for _, d := range tree.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Name.Name != name {
				continue
			}
			if f.Recv != nil {
				if r, ok := f.Recv.List[0].Type.(*ast.Ident); !ok || r.Name != "digest" {
					continue
				}
			}
			var b strings.Builder
			if err := printer.Fprint(&b, c.files, f.Body); err != nil {
				t.Fatal(err)
			}
			return b.String()
		}
	}
	return ""
}

func TestAComparisonOfSecretsThatTellsTheTimeIsFound(t *testing.T) {
	const head = `package oneseat
import ("bytes"; "slices")
type digest [32]byte
type seat struct { secret digest }
type Token string
var a, b digest
var s, r seat
var t, u Token
var all []digest
var _ = bytes.Equal
var _ = slices.Contains[[]int]
`
	exports := map[string]string{}
	dec := json.NewDecoder(bytes.NewReader(goList(t, "-export", "-deps", "-json=ImportPath,Export", "bytes", "slices")))
	for {
		var p struct{ ImportPath, Export string }
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		exports[p.ImportPath] = p.Export
	}
	for text, want := range map[string]int{
		"a == b": 1, "a != b": 1, "s == r": 1, "t == u": 1, "[32]byte(a) == [32]byte(b)": 1, "string(t) == string(u)": 1, "string(a[:]) == string(b[:])": 1,
		"bytes.Equal(a[:], b[:])": 1, "bytes.HasPrefix(a[:], b[:4])": 1, "slices.Contains(all, a)": 1, "slices.Index(all, a) > 0": 1, "slices.Equal[[]digest](all, all)": 1,
		"a == digest{}": 0, "s != (seat{})": 0, `t == ""`: 0, "len(a) == len(b)": 0, "slices.ContainsFunc(all, func(d digest) bool { return d == a })": 1,
	} {
		c, err := typeCheck(module, map[string]any{"x.go": head + "var _ = " + text + "\n"}, exports)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.comparisons(); len(got) != want {
			t.Errorf("%s: %q", text, got)
		}
	}
	c, err := typeCheck(module, map[string]any{"x.go": head + "func _() { switch a { case b: } }\n"}, exports)
	if got := c.comparisons(); err != nil || len(got) != 1 {
		t.Error("switch: ", err, got)
	}
}
