package main

import (
	"fmt"
	"net/http"
	"time"

	"github.com/oneseat/oneseat/oneseathttp"
)

// live sends a line now and then, until the client has gone.
func (s *site) live(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff") // without it browsers wait for more before they show any
	picture, ok := oneseathttp.NewEndless(w, r, "text/plain; charset=utf-8", nil)
	next := time.NewTicker(100 * time.Millisecond)
	defer next.Stop()
	for n := 1; ok; n++ {
		ok = picture.Send(fmt.Appendf(nil, "picture %d\n", n)) == nil
		select {
		case <-r.Context().Done(): // the browser has gone, or its session has ended
			return
		case <-next.C:
		}
	}
}
