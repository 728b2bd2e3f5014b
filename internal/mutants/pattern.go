package mutants

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"maps"
	"reflect"
	"strings"
)

// A pattern is Go, an expression or some statements, in which $name stands for
// any expression, the same one everywhere, and $restName for any number of
// arguments, elements or statements. A name after a dot may be a $name as well.
// Spaces, line breaks and comments do not count.
type pattern struct {
	expr  ast.Expr
	stmts []ast.Stmt
}

// hole is how a $name is written, so that it is Go.
const hole = "HOLE_"

func holes(text string) string { return strings.ReplaceAll(text, "$", hole) }

// parsePattern reads a pattern. Its names are translated by words.
func parsePattern(text string, words map[string]string) (pattern, error) {
	text = translate(holes(text), words)
	if e, err := parser.ParseExpr(text); err == nil {
		return pattern{expr: e}, nil
	}
	f, err := parser.ParseFile(token.NewFileSet(), "", "package p; func _() {\n"+text+"\n}", parser.SkipObjectResolution)
	if err != nil {
		return pattern{}, fmt.Errorf("the pattern is no Go: %w", err)
	}
	return pattern{stmts: f.Decls[0].(*ast.FuncDecl).Body.List}, nil
}

// translate gives the names in a text of Go those that words says they have.
func translate(text string, words map[string]string) string {
	if len(words) == 0 {
		return text
	}
	var s scanner.Scanner
	fset := token.NewFileSet()
	f := fset.AddFile("", fset.Base(), len(text))
	s.Init(f, []byte(text), func(token.Position, string) {}, 0)
	var out strings.Builder
	at := 0
	for {
		pos, tok, literal := s.Scan()
		if tok == token.EOF {
			break
		}
		if name, ok := words[literal]; ok && tok == token.IDENT {
			from := f.Offset(pos)
			out.WriteString(text[at:from] + name)
			at = from + len(literal)
		}
	}
	return out.String() + text[at:]
}

// found is a place where a pattern is.
type found struct {
	file     *file
	function *ast.FuncDecl
	nodes    []ast.Node // one expression, or consecutive statements
	bound    map[string]string
}

func (f found) from() token.Pos { return f.nodes[0].Pos() }
func (f found) to() token.Pos   { return f.nodes[len(f.nodes)-1].End() }

// find returns all places of a pattern in a package, in which the holes that
// are bound stand for what they are bound to.
func (s *source) find(p pattern, bound map[string]string) (all []found) {
	for _, f := range s.files {
		for _, d := range f.syntax.Decls {
			function, _ := d.(*ast.FuncDecl)
			ast.Inspect(d, func(n ast.Node) bool {
				for _, nodes := range s.matching(f, n, p, bound) {
					nodes.function = function
					all = append(all, nodes)
				}
				// What is found as a statement is not found once more as its expression.
				return len(all) == 0 || all[len(all)-1].nodes[0] != n || p.expr == nil || isExpr(n)
			})
		}
	}
	return all
}

func isExpr(n ast.Node) bool { _, ok := n.(ast.Expr); return ok }

// matching are the places at a node itself: it, or some of the statements in it.
func (s *source) matching(f *file, n ast.Node, p pattern, bound map[string]string) (all []found) {
	match := func(p, n any, nodes ...ast.Node) {
		m := matcher{s, f, maps.Clone(bound)}
		if m.bound == nil {
			m.bound = map[string]string{}
		}
		if m.value(reflect.ValueOf(p), reflect.ValueOf(n)) {
			all = append(all, found{file: f, nodes: nodes, bound: m.bound})
		}
	}
	if p.expr != nil {
		switch n := n.(type) {
		case *ast.ExprStmt: // so that a call without a result is left out whole
			match(p.expr, n.X, n)
		case ast.Expr:
			match(p.expr, n, n)
		}
		return all
	}
	var list []ast.Stmt
	switch n := n.(type) {
	case *ast.BlockStmt:
		list = n.List
	case *ast.CaseClause:
		list = n.Body
	case *ast.CommClause:
		list = n.Body
	}
	for i := range list {
		if i+len(p.stmts) <= len(list) {
			some := list[i : i+len(p.stmts)]
			var nodes []ast.Node
			for _, n := range some {
				nodes = append(nodes, n)
			}
			match(p.stmts, some, nodes...)
		}
	}
	return all
}

// matcher compares a pattern with a tree, and notes what its holes stand for.
type matcher struct {
	source *source
	file   *file
	bound  map[string]string
}

var (
	posType      = reflect.TypeFor[token.Pos]()
	commentsType = reflect.TypeFor[*ast.CommentGroup]()
)

func (m *matcher) value(p, n reflect.Value) bool {
	if p.Kind() == reflect.Interface {
		p = p.Elem()
	}
	if n.Kind() == reflect.Interface {
		n = n.Elem()
	}
	if !p.IsValid() || !n.IsValid() {
		return p.IsValid() == n.IsValid()
	}
	if name, ok := holeName(p); ok {
		return m.bind(name, n)
	}
	if p.Type() != n.Type() {
		return false
	}
	switch p.Kind() {
	case reflect.Pointer:
		if p.IsNil() || n.IsNil() {
			return p.IsNil() == n.IsNil()
		}
		return m.fields(p.Elem(), n.Elem())
	case reflect.Slice:
		return m.list(p, n)
	case reflect.String, reflect.Int, reflect.Bool:
		return p.Interface() == n.Interface()
	}
	return false
}

func (m *matcher) fields(p, n reflect.Value) bool {
	for i := range p.NumField() {
		switch field := p.Type().Field(i); {
		case field.Type == posType && field.Name != "Ellipsis", field.Type == commentsType, field.Name == "Obj":
			continue
		case field.Type == posType:
			if p.Field(i).Interface().(token.Pos).IsValid() != n.Field(i).Interface().(token.Pos).IsValid() {
				return false
			}
			continue
		}
		if !m.value(p.Field(i), n.Field(i)) {
			return false
		}
	}
	return true
}

// list compares lists, in which one element of the pattern may stand for any
// number.
func (m *matcher) list(p, n reflect.Value) bool {
	for i := range p.Len() {
		name, ok := holeName(p.Index(i))
		if !ok || !strings.HasPrefix(name, "rest") {
			if i >= n.Len() || !m.value(p.Index(i), n.Index(i)) {
				return false
			}
			continue
		}
		after := p.Len() - i - 1
		if n.Len()-i < after {
			return false
		}
		some := n.Slice(i, n.Len()-after)
		m.bound[name] = ""
		if some.Len() > 0 {
			from, to := some.Index(0).Interface().(ast.Node).Pos(), some.Index(some.Len()-1).Interface().(ast.Node).End()
			m.bound[name] = m.source.text(m.file, from, to)
		}
		return m.list(p.Slice(i+1, p.Len()), n.Slice(n.Len()-after, n.Len()))
	}
	return p.Len() == n.Len()
}

// bind makes a hole stand for a node, and reports whether it can: a hole that is
// there twice stands for the same text both times.
func (m *matcher) bind(name string, n reflect.Value) bool {
	node, ok := n.Interface().(ast.Node)
	if !ok {
		return false
	}
	if _, ok := node.(ast.Expr); !ok {
		return false
	}
	text := m.source.text(m.file, node.Pos(), node.End())
	if before, ok := m.bound[name]; ok && before != text {
		return false
	}
	if name != "_" {
		m.bound[name] = text
	}
	return true
}

// holeName returns the name of what is a hole: an identifier, or one as a
// statement.
func holeName(v reflect.Value) (string, bool) {
	if v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if !v.IsValid() || v.Kind() != reflect.Pointer || v.IsNil() {
		return "", false
	}
	n := v.Interface()
	if s, ok := n.(*ast.ExprStmt); ok {
		n = s.X
		id, ok := n.(*ast.Ident)
		if !ok || !strings.HasPrefix(id.Name, hole+"rest") {
			return "", false
		}
	}
	if id, ok := n.(*ast.Ident); ok && strings.HasPrefix(id.Name, hole) {
		return strings.TrimPrefix(id.Name, hole), true
	}
	return "", false
}

// fill is a text of Go with what its holes stand for.
func fill(text string, words, bound map[string]string) string {
	all := map[string]string{}
	for name, v := range bound {
		all[hole+name] = v
	}
	return translate(translate(holes(text), words), all)
}
