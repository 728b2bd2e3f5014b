// Package simulate runs many registries over one simulated store and log, in virtual
// time, while everything goes wrong that may. It compares every answer and every
// commit with what has really happened.
//
// One seed makes one history: a few seconds, some accounts, their clients, two to
// four nodes, and all troubles, down to the delay of each call. The store is the
// simulator's own, so the simulator knows the truth: the ledger notes each commit, and
// from it the judge knows which answers the promises allow. Where checks have to be
// linearizable, porcupine looks for an order of each account's operations.
//
// Which of several goroutines runs first at one moment of virtual time is not part of
// the seed. A seed that has failed fails again often, but not always.
//
//	make simulate HISTORIES=100000 SEED=1
package simulate
