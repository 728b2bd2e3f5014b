package demo

import (
	"fmt"
	"net/http"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

const (
	frameEvery = 100 * time.Millisecond
	calmEvery  = 2 * time.Second // for browsers that ask for less motion: /live?calm

	boundary = "frame"
)

// live serves the picture: a multipart/x-mixed-replace answer without an end, which a
// browser shows in an <img> as it comes. The answer ends when the session does (the
// guard cuts it), when the viewer leaves, or when the site closes.
//
// Each request draws its own frames on its own goroutine, in about 10 ms each.
func (f *front) live(w http.ResponseWriter, r *http.Request) {
	session, _ := oneseat.SessionFrom(r.Context())
	every := frameEvery
	if r.URL.Query().Has("calm") {
		every = calmEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	to, ok := oneseathttp.NewEndless(w, r, "multipart/x-mixed-replace; boundary="+boundary, []byte("--"+boundary+"\r\n"))
	for ok {
		frame, err := encode(f.painter.frame(time.Now(), session.Account))
		if err != nil {
			f.c.Logger.ErrorContext(r.Context(), "live picture", "error", err)
			return
		}
		// The boundary at the end of a frame is sent with the frame, because a browser
		// shows a frame only when it has seen the boundary.
		if to.Send(fmt.Appendf(nil, "Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n--%s\r\n", len(frame), frame, boundary)) != nil {
			return // the viewer has gone, or the session has ended
		}
		select {
		case <-tick.C:
		case <-to.Beat(): // the site may be closing, which Send says
		case <-r.Context().Done():
			return
		}
	}
}
