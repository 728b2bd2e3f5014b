package main

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// released is the module that users import.
const released = "github.com/oneseat/oneseat"

// looked are calls whose error nobody could act on: those that print for a reader,
// who may have gone, and those whose writer keeps the error until Flush.
var looked = []string{
	"fmt.Fprint(io.Writer)", "fmt.Fprintf(io.Writer)", "fmt.Fprintln(io.Writer)",
	"fmt.Fprint(net/http.ResponseWriter)", "fmt.Fprintf(net/http.ResponseWriter)", "fmt.Fprintln(net/http.ResponseWriter)",
	"fmt.Fprint(*bufio.Writer)", "fmt.Fprintf(*bufio.Writer)", "fmt.Fprintln(*bufio.Writer)",
	"fmt.Fprint(*text/tabwriter.Writer)", "fmt.Fprintf(*text/tabwriter.Writer)", "fmt.Fprintln(*text/tabwriter.Writer)",
}

// leaveOut returns an analyzer without the findings that out returns true for.
func leaveOut(a *analysis.Analyzer, out func(*analysis.Pass, *ast.File, token.Pos) bool) *analysis.Analyzer {
	return filtered(a, func(pass *analysis.Pass) (func(analysis.Diagnostic) bool, func()) {
		return func(d analysis.Diagnostic) bool {
			i := slices.IndexFunc(pass.Files, func(f *ast.File) bool { return f.FileStart <= d.Pos && d.Pos < f.FileEnd })
			return i < 0 || !out(pass, pass.Files[i], d.Pos)
		}, func() {}
	})
}

// filtered returns an analyzer that reports what keep returns true for. done is called
// at the end.
func filtered(a *analysis.Analyzer, begin func(*analysis.Pass) (keep func(analysis.Diagnostic) bool, done func())) *analysis.Analyzer {
	b := *a
	b.Run = func(pass *analysis.Pass) (any, error) {
		keep, done := begin(pass)
		inner := *pass
		inner.Report = func(d analysis.Diagnostic) {
			if keep(d) {
				pass.Report(d)
			}
		}
		result, err := a.Run(&inner)
		done()
		return result, err
	}
	return &b
}

// ofTests reports whether a file belongs to a test: it is one, or has helpers for
// tests. There a helper closes each body when the test ends, which bodyclose does not
// see.
func ofTests(pass *analysis.Pass, f *ast.File, _ token.Pos) bool {
	return strings.HasSuffix(pass.Fset.Position(f.FileStart).Filename, "_test.go") ||
		slices.ContainsFunc(f.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"testing"` })
}

// lookedAt reports whether the error of a call has been looked at, or need not be. A
// helper that gets the test looks at the error itself. And outside of the released
// code a deferred call only cleans up: what has to be kept is closed without defer.
func lookedAt(pass *analysis.Pass, f *ast.File, at token.Pos) (yes bool) {
	cleans := ofTests(pass, f, at) || pass.Module == nil || pass.Module.Path != released
	ast.Inspect(f, func(n ast.Node) bool {
		if n == nil || at < n.Pos() || n.End() <= at {
			return false
		}
		switch n := n.(type) {
		case *ast.DeferStmt:
			_, closure := n.Call.Fun.(*ast.FuncLit)
			yes = yes || cleans && !closure
		case *ast.ExprStmt:
			call, ok := n.X.(*ast.CallExpr)
			yes = yes || ok && len(call.Args) > 0 && isTest(pass.TypesInfo.TypeOf(call.Args[0]))
		}
		return true
	})
	return yes
}

// isTest reports whether a type is *testing.T, or another that a test has.
func isTest(t types.Type) bool {
	name := types.TypeString(t, nil)
	return name == "*testing.T" || name == "testing.TB"
}
