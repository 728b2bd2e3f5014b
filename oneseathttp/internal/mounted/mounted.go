// Package mounted lets a handler be mounted anywhere. It owns how the path of the
// handler is found in the path of a request, and nothing else.
package mounted

import (
	"net/http"
	"net/url"
	"strings"
)

// At serves next, which serves paths beneath path, wherever it is mounted: beneath a
// prefix ("/app/oneseat/events"), with [http.StripPrefix] around it, and where that
// has removed a part of path too ("/events").
func At(path string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to := path + strings.TrimPrefix(r.URL.Path, "/")
		if at := strings.LastIndex(r.URL.Path, path); at >= 0 {
			to = r.URL.Path[at:]
		}
		if to != r.URL.Path {
			moved := *r
			moved.URL = new(url.URL)
			*moved.URL = *r.URL
			moved.URL.Path, moved.URL.RawPath = to, ""
			r = &moved
		}
		next.ServeHTTP(w, r)
	})
}
