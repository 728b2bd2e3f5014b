// Package simulate runs many registries over one simulated store and log, in
// virtual time, with everything going wrong that may, and holds every answer and
// every commit against what had really happened.
//
// One seed makes one history: a few seconds, some accounts, their clients, two
// to four nodes, and all troubles, down to the delay of each call. The store is
// the simulator's own, so it knows the truth: the ledger notes each commit, and
// the judge knows from it which answers the promises allow. Where checks are to
// be linearizable, porcupine looks for an order of each account's operations.
//
// Which of several goroutines runs first at one moment of virtual time is not
// part of the seed. A seed that has failed fails again often, not always.
//
//	make simulate HISTORIES=100000 SEED=1
package simulate
