package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// docLink is a link in a comment, as go doc reads it: [Name], [Name.Of] or, of
// another package, [pkg.Name] and [pkg.Name.Of].
var docLink = regexp.MustCompile(`\[\*?((?:[a-z]+\.)?[A-Z]\w*(?:\.[A-Z]\w*)?)\]`)

// exported adds what a file exports to names: types, their fields and methods,
// functions, constants and variables, each after the prefix.
func exported(f *ast.File, prefix string, names map[string]bool) {
	add := func(of string, ids ...*ast.Ident) {
		for _, id := range ids {
			names[prefix+of+id.Name] = true
		}
	}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			of := ""
			if d.Recv != nil {
				t := d.Recv.List[0].Type
				if star, ok := t.(*ast.StarExpr); ok {
					t = star.X
				}
				if id, ok := t.(*ast.Ident); ok {
					of = id.Name + "."
				}
			}
			add(of, d.Name)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.ValueSpec:
					add("", spec.Names...)
				case *ast.TypeSpec:
					add("", spec.Name)
					var fields *ast.FieldList
					switch t := spec.Type.(type) {
					case *ast.StructType:
						fields = t.Fields
					case *ast.InterfaceType:
						fields = t.Methods
					}
					if fields != nil {
						for _, field := range fields.List {
							add(spec.Name.Name+".", field.Names...)
						}
					}
				}
			}
		}
	}
}

// deadLinks are the links in a file's comments that lead to no name. Those to
// packages that are not ours are not looked at.
func deadLinks(f *ast.File, names map[string]bool, ours []string) (dead []string) {
	for _, c := range f.Comments {
		for _, m := range docLink.FindAllStringSubmatch(c.Text(), -1) {
			pkg, _, foreign := strings.Cut(m[1], ".")
			if foreign && pkg == strings.ToLower(pkg) && !slices.Contains(ours, pkg) {
				continue
			}
			if !names[m[1]] && !names[f.Name.Name+"."+m[1]] {
				dead = append(dead, m[1])
			}
		}
	}
	return dead
}

func TestWhatACommentLinksToExists(t *testing.T) {
	names := map[string]bool{}
	files := map[string]*ast.File{}
	var ours []string
	for _, p := range packages(t) {
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files[p.name()+"/"+name] = f
			exported(f, f.Name.Name+".", names)
			ours = append(ours, f.Name.Name)
		}
	}
	for name, f := range files {
		for _, link := range deadLinks(f, names, ours) {
			t.Errorf("%s: a comment links to %s, which is not there", name, link)
		}
	}
}

func TestADeadLinkIsFound(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "x.go", `package x

// T links to [T], [*T], [T.M], [T.F], [New] and [http.Server]; not to [Gone], [T.Gone] or [x.Gone].
type T struct{ F int }

// M is there.
func (*T) M() {}

// New is there, too.
func New() {}
`, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	exported(f, "x.", names)
	if dead := deadLinks(f, names, []string{"x"}); !slices.Equal(dead, []string{"Gone", "T.Gone", "x.Gone"}) {
		t.Errorf("found %q", dead)
	}
}
