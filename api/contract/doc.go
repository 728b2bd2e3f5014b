// Package contract holds the server against the description of its API, api/openapi.json:
// every exchange of the server's own tests, every example of the file, and the Go types
// of package api. It has tests only, and is a module of its own, so that no user of
// oneseat gets the validator.
package contract
