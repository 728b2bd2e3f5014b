package server

import (
	"context"
	"io"
	"net/http"
	"sync"

	"github.com/oneseat/oneseat/api"
)

// health answers a question about the server itself, which needs no key, and reports
// whether it was one. /healthz is 200 for as long as the process answers. /readyz is 200
// if the store of every realm answers, and the server is not about to end; else 503.
func (s *Server) health(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	status := http.StatusOK
	switch r.URL.Path {
	case "/healthz":
	case "/readyz":
		if s.ending() || s.storesFail(r.Context()) {
			status = http.StatusServiceUnavailable
		}
	default:
		return false
	}
	w.WriteHeader(status)
	return true
}

// describes answers with the description of the API, which needs no key, and reports
// whether that was asked for.
func (s *Server) describes(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.Path != api.PathOpenAPI || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = io.WriteString(w, api.OpenAPI()) // an error is the client's connection
	return true
}

// storesFail reports whether the store of a realm does not answer. Those who ask at once
// share a read. The registries log why.
func (s *Server) storesFail(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	failed := make(chan struct{}, len(s.config.Realms))
	var all sync.WaitGroup
	for _, seats := range s.config.Realms {
		all.Go(func() {
			if seats.Ping(ctx) != nil {
				failed <- struct{}{}
			}
		})
	}
	all.Wait()
	return len(failed) > 0
}

// ending reports whether the server is drained.
func (s *Server) ending() bool {
	select {
	case <-s.draining:
		return true
	default:
		return false
	}
}
