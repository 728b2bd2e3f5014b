// Package mutants proves that the tests of the root package can fail: it breaks
// one rule of the source at a time, and expects them to notice. It changes no
// file, and reads the source as it is. The simulator plants its mistakes with it
// too.
//
// The ordinary go test runs a sample (some 20 seconds). For every mutant, which
// takes some minutes, or for some by name:
//
//	go test ./internal/mutants -mutants=all -timeout 30m
//	go test ./internal/mutants -mutants="a retry admits twice,upsert on touch"
package mutants
