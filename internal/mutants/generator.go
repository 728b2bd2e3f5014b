package mutants

import (
	"crypto/sha256"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"slices"
	"strings"
)

// Mutant is one mistake in a package.
type Mutant struct {
	// Name has the function, the operator, and the mutant's number among those of
	// its kind in the function. A change elsewhere, a move of the function to
	// another file, or another format leaves it as it is.
	Name     string
	Function string // "" if it was made by hand
	Where    token.Position
	Was, Is  string // for people

	number int // by which it is switched on
}

// generator goes through a package and notes at each place what may become of it.
type generator struct {
	*source
	mutants []*Mutant
	wraps   []*wrap
	last    int // number that was given
	marks   []mark
	by      map[ast.Node]*wrap
	nodes   int            // seen so far
	count   map[string]int // mutants of an operator in a function
	fixed   map[types.Object][]change

	file     *file
	function string
	results  *types.Tuple // of the function
}

// mark is a statement, and the number by which the tests that run it are known.
type mark struct {
	number int
	where  token.Position
}

// change is what becomes of a constant wherever it is used.
type change struct {
	mutant *Mutant
	of     func(string) string
}

// generate finds what may be broken in a package whose types are known, adds what
// was made by hand, and marks every statement.
func (s *source) generate(byHand []Mistake) (mutants []*Mutant, wraps []*wrap, marks []mark, err error) {
	g := s.generator()
	for _, f := range s.files { // first, because they are used anywhere
		if g.file = f; slices.Contains(s.whole, f.name) {
			continue
		}
		for _, d := range f.syntax.Decls {
			if d, ok := d.(*ast.GenDecl); ok && d.Tok == token.CONST {
				g.constants(d)
			}
		}
	}
	for _, f := range s.files {
		if g.file = f; slices.Contains(s.whole, f.name) {
			continue
		}
		for _, d := range f.syntax.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Body != nil {
					g.enter(functionName(d), d)
					signature := s.info.Defs[d.Name].Type().(*types.Signature)
					g.results = signature.Results()
					g.walk(d.Body)
				}
			case *ast.GenDecl:
				if d.Tok == token.VAR {
					for _, spec := range d.Specs {
						spec := spec.(*ast.ValueSpec)
						g.enter("var "+spec.Names[0].Name, spec)
						for _, v := range spec.Values {
							g.walk(v)
						}
					}
				}
			}
		}
	}
	for _, m := range byHand {
		if err := g.plant(m); err != nil {
			return nil, nil, nil, err
		}
	}
	return g.used(), g.wraps, g.marks, nil
}

// generator has made no mutant yet.
func (s *source) generator() *generator {
	s.names, s.sums = names{map[string]string{}, map[string]string{}}, map[string]string{}
	return &generator{source: s, by: map[ast.Node]*wrap{}, count: map[string]int{}, fixed: map[types.Object][]change{}}
}

// enter begins with a function, or what counts as one.
func (g *generator) enter(function string, n ast.Node) {
	g.function = function
	g.sums[function] = fmt.Sprintf("%x", sha256.Sum256([]byte(g.of(n))))[:8]
}

// used returns the mutants that have a place. A mutant of a constant has none if
// the constant is used only where nothing else can stand.
func (g *generator) used() []*Mutant {
	used := map[int]bool{}
	for _, w := range g.wraps {
		for _, a := range w.alternatives {
			used[a.number] = true
		}
	}
	return slices.DeleteFunc(g.mutants, func(m *Mutant) bool { return !used[m.number] })
}

// constants notes what becomes of the numbers that are named.
func (g *generator) constants(d *ast.GenDecl) {
	for _, spec := range d.Specs {
		spec := spec.(*ast.ValueSpec)
		for _, name := range spec.Names {
			c, ok := g.info.Defs[name].(*types.Const)
			if !ok || len(spec.Values) != len(spec.Names) {
				continue
			}
			g.enter("const "+name.Name, spec)
			for _, o := range numbers(c.Type(), c.Val()) {
				m := g.mutant(o.operator, name.Pos(), name.Name, o.of(name.Name))
				g.fixed[c] = append(g.fixed[c], change{m, o.of})
			}
		}
	}
}

// walk visits a node and all below it.
func (g *generator) walk(root ast.Node) {
	ast.PreorderStack(root, nil, func(n ast.Node, above []ast.Node) bool {
		g.nodes++
		return g.visit(n, above)
	})
}

// typeName is how a type is written in the file. One of a package that the file
// does not import gets a name in the file of switches.
func (g *generator) typeName(t types.Type) (name string, ok bool) {
	imported := true
	name = types.TypeString(t, func(p *types.Package) string {
		if p == g.pkg {
			return ""
		}
		for _, spec := range g.file.syntax.Imports {
			if strings.Trim(spec.Path.Value, `"`) == p.Path() {
				if spec.Name != nil {
					return spec.Name.Name
				}
				return p.Name()
			}
		}
		imported = false
		return "?"
	})
	if strings.Contains(name, "untyped") {
		return "", false
	}
	if !imported {
		name = g.names.of(t, g.pkg)
	}
	return name, true
}

// names are those that the file of switches gives to types.
type names struct {
	imports map[string]string // by path
	types   map[string]string // by how they are written there
}

func (n *names) of(t types.Type, home *types.Package) string {
	written := types.TypeString(t, func(p *types.Package) string {
		if p == home {
			return ""
		}
		name := "mutants_" + strings.NewReplacer("/", "_", ".", "_", "-", "_").Replace(p.Path())
		n.imports[p.Path()] = name
		return name
	})
	if n.types[written] == "" {
		n.types[written] = fmt.Sprintf("mutantsType%d", len(n.types))
	}
	return n.types[written]
}

// declared are the declarations of these names.
func (n *names) declared() (imports, types string) {
	for _, path := range sortedKeys(n.imports) {
		imports += fmt.Sprintf("import %s %q\n", n.imports[path], path)
	}
	for _, written := range sortedKeys(n.types) {
		types += fmt.Sprintf("type %s = %s\n", n.types[written], written)
	}
	return imports, types
}

// wrap is the place of an expression or a statement, made if need be.
func (g *generator) wrap(n ast.Node, k kind, typeName string) *wrap {
	if w := g.by[n]; w != nil {
		return w
	}
	w := &wrap{file: g.file, from: g.offset(n.Pos()), to: g.offset(n.End()), depth: g.nodes, kind: k, typeName: typeName, simple: simple(n)}
	g.by[n] = w
	g.wraps = append(g.wraps, w)
	return w
}

func (g *generator) wrapRange(from, to token.Pos, k kind) *wrap {
	w := &wrap{file: g.file, from: g.offset(from), to: g.offset(to), depth: g.nodes, kind: k}
	g.wraps = append(g.wraps, w)
	return w
}

// simple reports whether an expression has no effect but its value, and always
// has a value.
func simple(n ast.Node) bool {
	ok := true
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr, *ast.IndexExpr, *ast.SliceExpr, *ast.StarExpr, *ast.TypeAssertExpr, *ast.FuncLit:
			ok = false
		case *ast.UnaryExpr:
			ok = ok && n.Op != token.ARROW
		case *ast.BinaryExpr:
			ok = ok && n.Op != token.QUO && n.Op != token.REM && n.Op != token.MUL
		}
		return ok
	})
	return ok
}

// mutant makes a mutant, and gives it its name.
func (g *generator) mutant(operator string, at token.Pos, was, is string) *Mutant {
	kind := g.function + ": " + operator
	g.count[kind]++
	m := &Mutant{
		Name: fmt.Sprintf("%s %d", kind, g.count[kind]), Function: g.function, Where: g.fset.Position(at),
		Was: was, Is: is, number: g.next(),
	}
	if strings.HasPrefix(g.function, "const ") {
		m.Name = kind // there is one
	}
	g.mutants = append(g.mutants, m)
	return m
}

func (g *generator) next() int {
	g.last++
	return g.last
}

// mark notes a statement of a list.
func (g *generator) mark(n ast.Stmt) {
	m := mark{g.next(), g.fset.Position(n.Pos())}
	w := g.wrapRange(n.Pos(), n.End(), marks)
	w.alternatives = []alternative{{number: m.number}}
	g.marks = append(g.marks, m)
}

// add notes a mutant at a place.
func (g *generator) add(w *wrap, operator string, at token.Pos, was, is string) {
	m := g.mutant(operator, at, was, is)
	w.alternatives = append(w.alternatives, alternative{m.number, is})
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
