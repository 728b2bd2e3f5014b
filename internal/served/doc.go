// Package served has three servers over one store, and clients of package client that
// call them at once, over HTTP. What the clients are answered is held against the model:
// there has to be an order of the calls, true to time, in which all answers are right.
// Answers to sign-ins, redemptions and rotations are lost on the way; the client repeats
// the call with the same Idempotency-Key, mostly on another server.
//
// The package owns the calls and what is lost of them. Package model has the rules about
// which answers are allowed, and the stores' own tests hold registries against it.
//
//	make served HISTORIES=10000
package served
