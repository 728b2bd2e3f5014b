// Package oneseattest is for the tests of an application: a registry over memory that
// closes itself, browsers without a network, requests that are signed in, and a clock
// that the test moves.
//
//	site := oneseattest.New(t, oneseat.Config{})
//	app := NewApp(site.Seats) // yours
//	laptop, phone := oneseattest.NewBrowser(t, app), oneseattest.NewBrowser(t, app)
//
// It owns nothing that an application needs outside of tests, and holds no rule: what
// a test sees is what the registry and the guard do in production.
package oneseattest
