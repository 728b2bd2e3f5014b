package main

import (
	"fmt"
	"net/http"
	"time"
)

// live sends a line now and then for as long as somebody reads.
func (s *site) live(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff") // or browsers wait for more before they show any
	next := time.NewTicker(100 * time.Millisecond)
	defer next.Stop()
	for n := 1; ; n++ {
		if _, err := fmt.Fprintf(w, "picture %d\n", n); err != nil {
			return
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			return
		}
		select {
		case <-r.Context().Done(): // the browser has gone, or its session has ended
			return
		case <-next.C:
		}
	}
}
