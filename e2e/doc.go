// Package e2e proves what oneseat promises with the program itself: "oneseat demo", run
// as its users run it, with Chromium in front of it.
//
// It has tests only. It knows the program by its command line, its pages and the layout
// of its database, and imports nothing of it. Where a how-to depends on what browsers do,
// its example is served here too.
package e2e
