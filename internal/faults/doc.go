// Package faults runs three nodes, each a process of its own, on one real store.
// Clients call them at random. Meanwhile nodes, their ways to the store, and the
// store itself are killed, stopped, cut off and slowed down. What the clients were
// answered is held against the model and against the store's log.
//
// One seed chooses the calls and the faults of a round. The order in which the
// machine runs them is not part of the seed, so a round that failed may pass the
// next time.
//
// The package owns the nodes, the proxies between them and the store, and the
// judgement. The servers belong to testservers. Package model has the rules about
// which answers are allowed.
//
//	make faults ROUNDS=100 STORE=postgres
package faults
