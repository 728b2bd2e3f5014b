package server_test

import (
	"maps"
	"net/http"
	"slices"
	"testing"
)

// contentTypes are those of all answers.
var contentTypes = []string{
	"", "application/json; charset=utf-8", "application/problem+json; charset=utf-8", "text/plain; version=0.0.4; charset=utf-8", "text/plain; charset=utf-8",
}

// wantHeaders fails unless an answer has the headers of all answers, and of others only
// those that its status explains (WEB-07 to WEB-09). No page has these answers for its
// document, and no browser has a key, so there is no policy for either, and no CORS.
func wantHeaders(t testing.TB, what string, status int, h http.Header) {
	t.Helper()
	left := maps.Clone(h)
	take := func(name string, values ...string) {
		if got := left[name]; len(got) > 1 || len(got) == 1 && len(values) > 0 && !slices.Contains(values, got[0]) {
			t.Errorf("%s: %d with %s: %q, want %q", what, status, name, got, values)
		}
		delete(left, name)
	}
	if h.Get("Cache-Control") == "" || h.Get("X-Content-Type-Options") == "" {
		t.Errorf("%s: %d with %v", what, status, h)
	}
	take("Cache-Control", "no-store")
	take("X-Content-Type-Options", "nosniff")
	take("Content-Type", contentTypes...)
	for _, name := range []string{"X-Request-Id", "Date", "Content-Length"} {
		take(name)
	}
	take("Connection", "close")
	switch status {
	case http.StatusUnauthorized:
		take("Www-Authenticate", "Bearer")
	case http.StatusMethodNotAllowed:
		take("Allow", "POST", "GET, HEAD")
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusConflict:
		take("Retry-After")
	}
	if len(left) > 0 {
		t.Errorf("%s: %d with %v too", what, status, left)
	}
}
