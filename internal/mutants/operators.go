package mutants

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// visit notes what may become of a node, and returns whether to go on below it.
func (g *generator) visit(n ast.Node, above []ast.Node) bool {
	if len(above) > 0 && g.skips(above[len(above)-1], n, above) {
		return false
	}
	if statement, ok := n.(ast.Stmt); ok && inList(n, above) {
		g.mark(statement)
		g.statement(statement)
	}
	switch n := n.(type) {
	case *ast.GenDecl: // of constants and types within a function
		return n.Tok == token.VAR
	case *ast.ArrayType, *ast.FuncType, *ast.InterfaceType, *ast.MapType, *ast.StructType:
		return false
	case *ast.IfStmt:
		if onlyWords := g.onlyWords(n); !onlyWords {
			g.decide(n.Cond, "condition never", "false")
			g.decide(n.Cond, "condition always", "true")
		}
	case *ast.ForStmt:
		if n.Cond != nil {
			g.decide(n.Cond, "condition never", "false")
		}
	case *ast.SwitchStmt:
		for _, c := range n.Body.List {
			c := c.(*ast.CaseClause)
			for _, e := range c.List {
				if n.Tag == nil {
					g.decide(e, "condition never", "false")
					g.decide(e, "condition always", "true")
				}
			}
			if n.Tag != nil && len(c.Body) > 0 {
				from, to := c.Body[0].Pos(), c.Body[len(c.Body)-1].End()
				g.add(g.wrapRange(from, to, lists), "drop case", from, g.text(g.file, from, to), "")
			}
		}
	case *ast.ReturnStmt:
		g.returned(n, above)
	case *ast.CompositeLit:
		g.fields(n)
	case *ast.AssignStmt:
		if n.Tok == token.DEFINE && len(n.Lhs) == len(n.Rhs) && !received(n, above) {
			for _, e := range n.Rhs {
				g.zero(e, g.info.TypeOf(e), "zero value")
			}
		}
	case *ast.BinaryExpr:
		if g.constant(n, above) {
			return false
		}
		g.binary(n)
	case *ast.CallExpr:
		if g.words(n) {
			return false
		}
		g.call(n)
	case *ast.BasicLit, *ast.Ident, *ast.SelectorExpr, *ast.UnaryExpr, *ast.ParenExpr:
		if g.constant(n.(ast.Expr), above) {
			return false
		}
	}
	if e, ok := n.(ast.Expr); ok {
		g.negate(e, above)
	}
	return true
}

// skips reports whether n, which stands below up, is to stay as it is.
func (g *generator) skips(up, n ast.Node, above []ast.Node) bool {
	switch up := up.(type) {
	case *ast.IfStmt:
		return up.Cond == n && g.onlyWords(up)
	case *ast.ReturnStmt: // nobody looks at what comes with an error
		results := g.resultsOf(above)
		last := len(up.Results) - 1
		return last > 0 && n != up.Results[last] && results.Len() == len(up.Results) &&
			isError(results.At(last).Type()) && !g.info.Types[up.Results[last]].IsNil()
	case *ast.CallExpr: // room that is reserved
		id, ok := up.Fun.(*ast.Ident)
		return ok && id.Name == "make"
	}
	return false
}

// inList reports whether a statement stands in a list of statements, where another
// statement may stand around it.
func inList(n ast.Node, above []ast.Node) bool {
	if len(above) == 0 {
		return false
	}
	switch up := above[len(above)-1].(type) {
	case *ast.BlockStmt:
		_, isCase := n.(*ast.CaseClause)
		_, isComm := n.(*ast.CommClause)
		return !isCase && !isComm
	case *ast.CaseClause:
		return slices.Contains(up.Body, n.(ast.Stmt))
	case *ast.CommClause:
		return slices.Contains(up.Body, n.(ast.Stmt))
	}
	return false
}

// received reports whether a statement is what a select waits for.
func received(n ast.Node, above []ast.Node) bool {
	if len(above) == 0 {
		return false
	}
	c, ok := above[len(above)-1].(*ast.CommClause)
	return ok && c.Comm == n
}

// statement notes that a statement may be left out.
func (g *generator) statement(n ast.Stmt) {
	operator := "drop statement"
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok == token.DEFINE || isBlank(n) {
			return
		}
	case *ast.ExprStmt:
		if call, ok := n.X.(*ast.CallExpr); !ok || g.words(call) || g.locks(call) {
			return
		}
	case *ast.DeferStmt:
		if g.locks(n.Call) {
			return
		}
	case *ast.RangeStmt:
		operator = "drop loop"
	case *ast.IncDecStmt, *ast.GoStmt, *ast.SendStmt:
	default:
		return
	}
	w := g.wrap(n, lists, "")
	g.add(w, operator, n.Pos(), g.text(g.file, n.Pos(), n.End()), "")
}

// isBlank reports whether a statement assigns to the blank identifier only.
func isBlank(n *ast.AssignStmt) bool {
	return !slices.ContainsFunc(n.Lhs, func(e ast.Expr) bool {
		id, ok := e.(*ast.Ident)
		return !ok || id.Name != "_"
	})
}

// words reports whether a call makes words for people, or ends the program with
// words. The words are not mutated.
func (g *generator) words(call *ast.CallExpr) bool {
	if signature, ok := g.info.TypeOf(call.Fun).Underlying().(*types.Signature); ok && signature.Variadic() {
		last := signature.Params().At(signature.Params().Len() - 1).Type()
		if types.Identical(last, types.NewSlice(types.NewInterfaceType(nil, nil))) {
			return true // as fmt.Sprintf
		}
	}
	switch f := ast.Unparen(call.Fun).(type) {
	case *ast.Ident:
		return g.info.Uses[f] == types.Universe.Lookup("panic")
	case *ast.SelectorExpr:
		if o := g.info.Uses[f.Sel]; o != nil && o.Pkg() != nil {
			switch o.Pkg().Path() {
			case "log/slog":
				return true
			case "errors":
				return o.Name() == "New"
			}
		}
	}
	return false
}

// onlyWords reports whether a condition decides only whether words are made.
func (g *generator) onlyWords(n *ast.IfStmt) bool {
	return n.Else == nil && len(n.Body.List) > 0 && !slices.ContainsFunc(n.Body.List, func(s ast.Stmt) bool {
		e, ok := s.(*ast.ExprStmt)
		if !ok {
			return true
		}
		call, ok := e.X.(*ast.CallExpr)
		return !ok || !g.words(call)
	})
}

// locks reports whether a call is one of a mutex. Without the call there is a
// race, which the race detector finds, or a deadlock.
func (g *generator) locks(call *ast.CallExpr) bool {
	f, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
	if !ok {
		return false
	}
	switch f.Sel.Name {
	case "Lock", "Unlock", "RLock", "RUnlock":
		o := g.info.Uses[f.Sel]
		return o != nil && o.Pkg() != nil && o.Pkg().Path() == "sync"
	}
	return false
}

// decide notes that a condition may always have the same value.
func (g *generator) decide(e ast.Expr, operator, always string) {
	if g.info.Types[e].Value == nil {
		g.add(g.wrap(e, conditions, ""), operator, e.Pos(), g.of(e), always)
	}
}

// of is the text of an expression.
func (g *generator) of(e ast.Node) string { return g.text(g.file, e.Pos(), e.End()) }

var shifted = map[token.Token]string{token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">"}

var swapped = map[token.Token]string{token.ADD: "-", token.SUB: "+", token.MUL: "/", token.QUO: "*", token.REM: "*"}

func (g *generator) binary(n *ast.BinaryExpr) {
	x, y := g.of(n.X), g.of(n.Y)
	switch n.Op {
	case token.LAND, token.LOR:
		w := g.wrap(n, conditions, "")
		g.add(w, "drop operand", n.X.Pos(), g.of(n), y)
		g.add(w, "drop operand", n.Y.Pos(), g.of(n), x)
	case token.LSS, token.LEQ, token.GTR, token.GEQ:
		g.add(g.wrap(n, conditions, ""), "shift comparison", n.OpPos, g.of(n), x+" "+shifted[n.Op]+" "+y)
	case token.ADD, token.SUB, token.MUL, token.QUO, token.REM:
		if b, ok := g.info.TypeOf(n).Underlying().(*types.Basic); ok && b.Info()&types.IsNumeric != 0 {
			g.value(n, g.info.TypeOf(n), "swap operator", x+" "+swapped[n.Op]+" "+y)
		}
	}
}

func (g *generator) call(n *ast.CallExpr) {
	if tv := g.info.Types[n.Fun]; tv.IsType() { // a conversion
		return
	}
	f := ast.Unparen(n.Fun)
	if id, ok := f.(*ast.Ident); ok {
		if _, builtin := g.info.Uses[id].(*types.Builtin); builtin {
			if other := map[string]string{"min": "max", "max": "min"}[id.Name]; other != "" {
				g.value(n, g.info.TypeOf(n), "swap operator", other+strings.TrimPrefix(g.of(n), id.Name))
			}
			return
		}
	}
	if s, ok := f.(*ast.SelectorExpr); ok {
		g.known(n, s)
	}
	signature, ok := g.info.TypeOf(n.Fun).Underlying().(*types.Signature)
	if !ok {
		return
	}
	for i, arg := range n.Args {
		if n.Ellipsis.IsValid() && i == len(n.Args)-1 {
			continue
		}
		if t := parameter(signature, i); t != nil && len(n.Args) >= signature.Params().Len()-1 {
			g.zero(arg, t, "zero argument")
		}
	}
}

// parameter is the type of an argument.
func parameter(s *types.Signature, i int) types.Type {
	last := s.Params().Len() - 1
	switch {
	case last < 0:
		return nil
	case s.Variadic() && i >= last:
		return s.Params().At(last).Type().(*types.Slice).Elem()
	case i > last: // f(g()) of many
		return nil
	}
	return s.Params().At(i).Type()
}

// known notes what may become of the calls of some functions of the library.
func (g *generator) known(n *ast.CallExpr, f *ast.SelectorExpr) {
	o, ok := g.info.Uses[f.Sel].(*types.Func)
	if !ok || o.Pkg() == nil {
		return
	}
	switch o.FullName() {
	case "(time.Time).Before", "(time.Time).After":
		other := map[string]string{"Before": "After", "After": "Before"}[o.Name()]
		g.add(g.wrap(n, conditions, ""), "shift comparison", f.Sel.Pos(), g.of(n),
			"!"+g.of(f.X)+"."+other+g.text(g.file, n.Lparen, n.End()))
	case "(time.Time).Compare", "cmp.Compare", "strings.Compare", "bytes.Compare":
		g.value(n, g.info.TypeOf(n), "reverse order", "-"+g.of(n))
	case "slices.Clone", "slices.Clip", "maps.Clone", "bytes.Clone":
		g.value(n, g.info.TypeOf(n), "drop copy", g.of(n.Args[0]))
	}
}

// returned notes what a function may return instead.
func (g *generator) returned(n *ast.ReturnStmt, above []ast.Node) {
	results := g.resultsOf(above)
	if results.Len() != len(n.Results) {
		return
	}
	for i, e := range n.Results {
		t := results.At(i).Type()
		if g.skips(n, e, above) {
			continue
		}
		if isBool(t) {
			if !isConstant(g.info.Types[e], false) {
				g.result(e, "false")
			}
			if !isConstant(g.info.Types[e], true) {
				g.result(e, "true")
			}
			continue
		}
		if !passesOn(e, above) {
			g.zero(e, t, "zero result")
		}
	}
}

// resultsOf are those of the function literal around a node, or of the function.
func (g *generator) resultsOf(above []ast.Node) *types.Tuple {
	for _, up := range slices.Backward(above) {
		if literal, ok := up.(*ast.FuncLit); ok {
			return g.info.TypeOf(literal).(*types.Signature).Results()
		}
	}
	return g.results
}

// passesOn reports whether a function returns the error that a condition has just
// found. To return no error is then the same mistake as a condition that never
// holds.
func passesOn(e ast.Expr, above []ast.Node) bool {
	id, ok := e.(*ast.Ident)
	if !ok || len(above) < 2 {
		return false
	}
	up, ok := above[len(above)-2].(*ast.IfStmt)
	if !ok {
		return false
	}
	n, ok := up.Cond.(*ast.BinaryExpr)
	if !ok || n.Op != token.NEQ {
		return false
	}
	x, ok := n.X.(*ast.Ident)
	y, isNil := n.Y.(*ast.Ident)
	return ok && isNil && x.Name == id.Name && y.Name == "nil"
}

func (g *generator) result(e ast.Expr, instead string) {
	g.add(g.wrap(e, conditions, ""), instead+" result", e.Pos(), g.of(e), instead)
}

func isError(t types.Type) bool { return types.Identical(t, types.Universe.Lookup("error").Type()) }

func isBool(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsBoolean != 0
}

func isConstant(tv types.TypeAndValue, b bool) bool {
	return tv.Value != nil && tv.Value.Kind() == constant.Bool && constant.BoolVal(tv.Value) == b
}

// fields notes that a field of a struct may be left out.
func (g *generator) fields(n *ast.CompositeLit) {
	t := g.info.TypeOf(n)
	if p, ok := t.Underlying().(*types.Pointer); ok {
		t = p.Elem()
	}
	s, ok := t.Underlying().(*types.Struct)
	if !ok {
		return
	}
	for i, e := range n.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			g.zero(kv.Value, g.info.ObjectOf(kv.Key.(*ast.Ident)).Type(), "zero field")
		} else {
			g.zero(e, s.Field(i).Type(), "zero field")
		}
	}
}

// zero notes that a value may be the zero value of its type t.
func (g *generator) zero(e ast.Expr, t types.Type, operator string) {
	tv := g.info.Types[e]
	if tv.Value != nil && types.Identical(t, types.Typ[types.String]) {
		return // words for people
	}
	if tv.IsNil() || tv.Value != nil && (isZero(tv.Value) || operator == "zero value" || operator == "zero argument") {
		return // there is nothing to lose, or numbers takes care of it
	}
	switch e := ast.Unparen(e).(type) {
	case *ast.FuncLit:
		return
	case *ast.CompositeLit:
		if len(e.Elts) == 0 {
			return
		}
	case *ast.CallExpr:
		if _, many := tv.Type.(*types.Tuple); many || g.words(e) && operator != "zero result" {
			return
		}
	}
	if isBool(t) {
		if operator == "zero field" { // elsewhere negate takes care of it
			g.add(g.wrap(e, conditions, ""), operator, e.Pos(), g.of(e), "false")
		}
		return
	}
	if named, ok := t.(*types.Named); ok && named.Obj().Pkg() != nil && named.Obj().Pkg().Path() == "context" {
		return
	}
	name, ok := g.typeName(t)
	if !ok {
		return
	}
	w := g.wrap(e, values, name)
	g.add(w, operator, e.Pos(), g.of(e), "")
}

func isZero(v constant.Value) bool {
	switch v.Kind() {
	case constant.Bool:
		return !constant.BoolVal(v)
	case constant.String:
		return constant.StringVal(v) == ""
	case constant.Int, constant.Float:
		return constant.Sign(v) == 0
	}
	return false
}

// value notes that an expression of type t may have another value.
func (g *generator) value(e ast.Expr, t types.Type, operator, instead string) {
	if name, ok := g.typeName(t); ok {
		g.add(g.wrap(e, values, name), operator, e.Pos(), g.of(e), instead)
	}
}

// number is what may become of a number.
type number struct {
	operator string
	of       func(string) string
}

// numbers are what may become of a constant of type t.
func numbers(t types.Type, v constant.Value) []number {
	b, ok := t.Underlying().(*types.Basic)
	if !ok || b.Info()&types.IsInteger == 0 && b.Kind() != types.UntypedInt || v.Kind() != constant.Int || b.Kind() == types.UntypedRune {
		return nil
	}
	if named, ok := t.(*types.Named); ok && named.Obj().Name() == "Duration" {
		if isZero(v) {
			return nil
		}
		return []number{
			{"half", func(s string) string { return "(" + s + ") / 2" }},
			{"double", func(s string) string { return "2 * (" + s + ")" }},
		}
	}
	some := []number{{"raise", func(s string) string { return "(" + s + ") + 1" }}}
	if !isZero(v) {
		some = append(some, number{"lower", func(s string) string { return "(" + s + ") - 1" }})
	}
	return some
}

// constant notes what may become of a constant that is no part of another, and
// returns whether n is one.
func (g *generator) constant(n ast.Expr, above []ast.Node) bool {
	tv := g.info.Types[n]
	if tv.Value == nil {
		return false
	}
	if len(above) > 0 {
		if up, ok := above[len(above)-1].(*ast.KeyValueExpr); ok && up.Key == n {
			return true
		}
	}
	name, ok := g.typeName(tv.Type)
	if !ok {
		return true
	}
	named := false
	ast.Inspect(n, func(below ast.Node) bool {
		id, ok := below.(*ast.Ident)
		if !ok {
			return true
		}
		for _, c := range g.fixed[g.info.Uses[id]] {
			text, from, to := g.of(n), g.offset(id.Pos())-g.offset(n.Pos()), g.offset(id.End())-g.offset(n.Pos())
			w := g.wrap(n, values, name)
			w.alternatives = append(w.alternatives, alternative{c.mutant.number, text[:from] + "(" + c.of(text[from:to]) + ")" + text[to:]})
			named = true
		}
		return true
	})
	if _, alone := n.(*ast.Ident); alone && named {
		return true
	}
	for _, o := range numbers(tv.Type, tv.Value) {
		if o.operator == "half" || o.operator == "lower" {
			continue // of a number without a name, the other direction is enough
		}
		g.add(g.wrap(n, values, name), o.operator+" number", n.Pos(), g.of(n), o.of(g.of(n)))
	}
	return true
}

// negate notes that a boolean value which decides nothing here may be the
// opposite.
func (g *generator) negate(e ast.Expr, above []ast.Node) {
	tv := g.info.Types[e]
	if tv.Type == nil || !tv.IsValue() || tv.Value != nil || !isBool(tv.Type) || len(above) == 0 {
		return
	}
	switch up := above[len(above)-1].(type) {
	case *ast.CallExpr:
		if !slices.Contains(up.Args, e) {
			return
		}
	case *ast.AssignStmt:
		if !slices.Contains(up.Rhs, e) {
			return
		}
	case *ast.ValueSpec:
	default:
		return
	}
	g.add(g.wrap(e, conditions, ""), "negate", e.Pos(), g.of(e), "!("+g.of(e)+")")
}
