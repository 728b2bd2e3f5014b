// Package mutants is for the proof that tests can fail. It plants one mistake in
// the source at a time, without changing a file: the simulator and the harness of
// faults expect to catch theirs. And it sees that the tests of the root package run
// every statement of the rules, since nobody could catch a mistake in one that they
// do not run.
package mutants
