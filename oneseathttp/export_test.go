package oneseathttp

import "net/http"

// TokenOf is the token that a guard reads from a request.
func TokenOf(g *Guard, r *http.Request) string { return g.carrier.Get(r) }

// ClientIP is the address that a guard takes a request to come from.
func ClientIP(g *Guard, r *http.Request) string { return g.clientIP(r) }
