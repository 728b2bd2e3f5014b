// Package examples holds small whole applications on oneseat, one in each directory,
// for docs/howto. Every line of Go that the how-tos show is in one of them, and a test
// runs it. The module is never released. It needs libraries that oneseat itself does
// not need.
package examples
