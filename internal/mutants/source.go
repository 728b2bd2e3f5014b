package mutants

import (
	"crypto/sha256"
	"fmt"
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"strings"
)

// source is a package as it was read: its text, syntax and types, without its
// tests.
type source struct {
	fset  *token.FileSet
	files []*file           // by name
	whole []string          // files that no operator breaks
	sum   []byte            // of all that is in the directory, tests included
	sums  map[string]string // of the text of each function, once its mutants are generated
	pkg   *types.Package
	info  *types.Info
	names names

	imports types.Importer
}

// file is one file of a package.
type file struct {
	name   string
	text   []byte
	syntax *ast.File
}

// read parses the package in dir as it is built on this machine.
func read(dir string) (*source, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	texts, sum := map[string][]byte{}, sha256.New()
	for _, name := range names {
		text, err := os.ReadFile(name) // our own source
		if err != nil {
			return nil, err
		}
		_, _ = sum.Write(text)
		built, err := build.Default.MatchFile(filepath.Split(name))
		if err != nil {
			return nil, err
		}
		if built && !strings.HasSuffix(name, "_test.go") {
			texts[filepath.Base(name)] = text
		}
	}
	s, err := parse(texts)
	if err != nil {
		return nil, err
	}
	s.sum = sum.Sum(nil)
	return s, nil
}

// parse is read with the texts of the files. The package imports nothing but the
// standard library, unless imports is set.
func parse(texts map[string][]byte) (*source, error) {
	s := &source{fset: token.NewFileSet(), imports: importer.Default()}
	for _, name := range sortedKeys(texts) {
		syntax, err := parser.ParseFile(s.fset, name, texts[name], parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		s.files = append(s.files, &file{name, texts[name], syntax})
	}
	return s, nil
}

// check finds the types of what was parsed.
func (s *source) check() error {
	s.info = &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{},
		Selections: map[*ast.SelectorExpr]*types.Selection{}, Implicits: map[ast.Node]types.Object{},
	}
	var syntax []*ast.File
	for _, f := range s.files {
		syntax = append(syntax, f.syntax)
	}
	pkg, err := (&types.Config{Importer: s.imports}).Check("mutated", s.fset, syntax, s.info)
	if err != nil {
		return fmt.Errorf("the package has to compile before it is broken: %w", err)
	}
	s.pkg = pkg
	return nil
}

// offset is where pos is in the text of its file.
func (s *source) offset(pos token.Pos) int { return s.fset.Position(pos).Offset }

// text is what the file says from one position to another.
func (s *source) text(f *file, from, to token.Pos) string {
	return string(f.text[s.offset(from):s.offset(to)])
}

// functionName is how a function is named in the names of its mutants:
// "f", "T.m" or "(*T).m".
func functionName(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return d.Name.Name
	}
	receiver, pointer := d.Recv.List[0].Type, false
	if star, ok := receiver.(*ast.StarExpr); ok {
		receiver, pointer = star.X, true
	}
	switch x := receiver.(type) { // of a generic type: without its parameters
	case *ast.IndexExpr:
		receiver = x.X
	case *ast.IndexListExpr:
		receiver = x.X
	}
	name := types.ExprString(receiver)
	if pointer {
		name = "(*" + name + ")"
	}
	return name + "." + d.Name.Name
}
