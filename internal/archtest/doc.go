// Package archtest keeps the shape of the house: which package may import
// which, and what every package owes its reader. It has tests only, and reads
// the source as the go command lists it.
package archtest
