// Package examples holds small whole applications on oneseat, one in each
// directory, for docs/howto: every line of Go that is shown there is found here,
// and is run by a test. The module is never released; it brings libraries that
// oneseat itself does not need.
package examples
