// Command lint finds errors that are not looked at, errors that are compared or
// asserted although they may be wrapped, and bodies and rows that are not closed.
// The analyzers themselves come from other projects. This program says where they
// do not apply, and holds one check of its own: an exception from them has a
// reason and is needed.
//
// "go vet" runs it, and remembers what it has found in each package:
//
//	go -C tools build -o ../bin/lint ./lint
//	go vet -vettool=bin/lint ./...
//
// A comment at the end of a line excepts that line:
//
//	return err == ErrClosed //nolint:errorlint // nobody wraps it
package main

import (
	"codeberg.org/polyfloyd/go-errorlint/errorlint"
	"github.com/kisielk/errcheck/errcheck"
	sqlclosecheck "github.com/ryanrolds/sqlclosecheck/pkg/analyzer"
	"github.com/timakin/bodyclose/passes/bodyclose"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/unitchecker"
)

func main() { unitchecker.Main(analyzers()...) }

// analyzers returns the analyzers that the project's code has to pass.
func analyzers() []*analysis.Analyzer {
	errcheck.DefaultExcludedSymbols = append(errcheck.DefaultExcludedSymbols, looked...)
	return withExceptions(
		leaveOut(errcheck.Analyzer, lookedAt),
		errorlint.NewAnalyzer(),
		leaveOut(bodyclose.Analyzer, ofTests),
		sqlclosecheck.NewDeferOnlyAnalyzer(),
	)
}
