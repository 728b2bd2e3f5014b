package main

import (
	"go/token"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// exception is a comment that excepts its line from some analyzers.
type exception struct {
	file string
	line int
	at   token.Pos
	from []string // analyzers, by name; none: the comment is not in the form
}

// form is an exception as it is written: the analyzers and the reason.
var form = regexp.MustCompile(`^//nolint:([a-z0-9,]+) // \S`)

// exceptions returns the exceptions of a package.
func exceptions(pass *analysis.Pass) (all []exception) {
	for _, f := range pass.Files {
		for _, group := range f.Comments {
			for _, c := range group.List {
				if !strings.HasPrefix(c.Text, "//nolint") {
					continue
				}
				at := pass.Fset.Position(c.Pos())
				e := exception{file: at.Filename, line: at.Line, at: c.Pos()}
				if m := form.FindStringSubmatch(c.Text); m != nil {
					e.from = strings.Split(m[1], ",")
				}
				all = append(all, e)
			}
		}
	}
	return all
}

// withExceptions returns the analyzers, each without its findings in lines that are
// excepted from it. They report an exception that was not needed. One more analyzer
// reports exceptions without a reason, and those from an analyzer that is not run.
func withExceptions(of ...*analysis.Analyzer) []*analysis.Analyzer {
	var names []string
	var all []*analysis.Analyzer
	for _, a := range of {
		names, all = append(names, a.Name), append(all, excepting(a))
	}
	return append(all, &analysis.Analyzer{
		Name: "nolint",
		Doc:  "reports exceptions without a reason, and from analyzers that are not run",
		Run: func(pass *analysis.Pass) (any, error) {
			for _, e := range exceptions(pass) {
				if e.from == nil {
					pass.Reportf(e.at, "an exception names its analyzer and its reason: //nolint:errcheck // reason")
				}
				for _, name := range e.from {
					if !slices.Contains(names, name) {
						pass.Reportf(e.at, "an exception from %s, which is not run", name)
					}
				}
			}
			return nil, nil
		},
	})
}

func excepting(a *analysis.Analyzer) *analysis.Analyzer {
	return filtered(a, func(pass *analysis.Pass) (func(analysis.Diagnostic) bool, func()) {
		all := slices.DeleteFunc(exceptions(pass), func(e exception) bool { return !slices.Contains(e.from, a.Name) })
		needed := make([]bool, len(all))
		keep := func(d analysis.Diagnostic) bool {
			at := pass.Fset.Position(d.Pos)
			i := slices.IndexFunc(all, func(e exception) bool { return e.file == at.Filename && e.line == at.Line })
			if i >= 0 {
				needed[i] = true
			}
			return i < 0
		}
		return keep, func() {
			for i, e := range all {
				if !needed[i] {
					pass.Reportf(e.at, "an exception that is not needed: %s finds nothing here", a.Name)
				}
			}
		}
	})
}
