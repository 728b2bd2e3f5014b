// Package faults runs three nodes, each a process of its own, on one real store,
// has clients call them at random while nodes, the ways to the store, and the
// store itself are killed, stopped, cut off and slowed down, and holds what the
// clients were told against the model and against the store's log.
//
// One seed chooses the calls and the faults of a round. What the machine makes of
// them is not part of the seed: a round that fails need not fail again.
//
// It owns the nodes, the proxies between them and the store, and the judgement.
// The servers are those of testservers; the rules of what may be answered are
// those of package model.
//
//	make faults ROUNDS=100 STORE=postgres
package faults
