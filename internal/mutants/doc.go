// Package mutants proves that the tests of the root package can fail: it breaks
// one rule of the source at a time, and expects them to notice. It changes no
// file, and reads the source as it is. The simulator plants its mistakes with it
// too.
//
// The ordinary go test runs a sample. For every mutant, or for some by name:
//
//	make mutants
//	go test ./internal/mutants -mutants="a retry admits twice,upsert on touch"
package mutants
