// Package mutants proves that the tests of the root package can fail. It breaks
// the package in some thousands of ways, one at a time, and expects the tests to
// notice each.
//
// Most mutants are generated. Operators go through the syntax tree: a condition
// always or never holds, a comparison is shifted by one, an operand, a statement
// or a copy is left out, an argument, a field or a result is zero, a number is
// another (operators.go). A mutant is named after its function, so that a change
// elsewhere leaves its name alone. Some mistakes are made by hand, because they
// tell a story (stories.go). These are patterns of the syntax tree.
//
// All are compiled into one test binary, in which an environment variable
// switches one on (schemata.go). So a mutant costs one run of the tests that come
// across it, the quick ones first. No file of the source is changed.
//
// The ordinary go test tries a sample, of functions of which all mutants were tried
// before (testdata/tried.txt). For all, for those of the other functions, or for some by
// file, function or name:
//
//	make mutants
//	go test ./internal/mutants -mutants=untried -record -v -timeout=3h
//	go test ./internal/mutants -mutants="limit.go;(*draft).end;upsert on touch" -record
//
// With -record, what was tried without an open survivor is written down.
//
// The simulator and the rounds of faults plant some of the mistakes too. This
// package knows nothing of what the code it breaks means.
package mutants
