// Package oneseat keeps an account to one live session, or to as many as its
// owner allows, and does it exactly: on any number of nodes, under any race.
//
// When an account signs in, its earlier session ends in the same atomic step;
// every node stops accepting it, requests in flight are cancelled, and whoever
// held it is told why, when, and by what kind of device.
//
// # The idea
//
// The record of one account is a [Roster]: its live seats and its recent
// endings. A roster is a value, every rule is a pure method of it, and a
// [Store] only has to replace one roster atomically together with the events
// that say what changed. A session comes to exist in one place only (admit,
// in decide.go), whichever way it came in.
//
// A [Registry] is what an application holds. It makes secrets, asks the store,
// answers checks from memory for at most [Config.MaxStale], and cancels what
// an ended session still had in flight.
//
// # What this package owns
//
// Accounts, sessions, tokens, rosters, the rules, events, the cache and its
// proofs, holds. It imports the standard library only, speaks no HTTP, opens no
// file, and reads no environment variable: see oneseathttp for net/http and the
// packages under store for databases.
package oneseat
