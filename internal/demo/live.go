package demo

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/oneseat/oneseat"
)

const (
	frameEvery = 100 * time.Millisecond
	calmEvery  = 2 * time.Second // for those who ask for less motion: /live?calm

	// stuck is how long one frame may take to be read before its viewer is
	// given up.
	stuck = 10 * time.Second

	boundary = "frame"
)

// live is the picture: an endless multipart/x-mixed-replace answer, which a
// browser shows in an <img> as it comes. It ends when the session does (the
// guard sees to that), when the viewer goes, or when the site closes.
//
// One request draws its own frames in its own goroutine, some 10 ms each.
func (f *front) live(w http.ResponseWriter, r *http.Request) {
	session, _ := oneseat.SessionFrom(r.Context())
	w.Header().Set("Content-Type", "multipart/x-mixed-replace; boundary="+boundary)
	w.Header().Set("X-Accel-Buffering", "no") // for a proxy that would collect frames
	if r.Method == http.MethodHead {
		return
	}
	every := frameEvery
	if r.URL.Query().Has("calm") {
		every = calmEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	conn := http.NewResponseController(w)
	for opening := "--" + boundary + "\r\n"; ; opening = "" {
		frame, err := encode(f.painter.frame(time.Now(), session.Account))
		if err != nil {
			f.c.Logger.ErrorContext(r.Context(), "live picture", "error", err)
			return
		}
		// The deadline comes before the look at the context: the guard cancels
		// the context and then sets a deadline of its own, which must stand.
		_ = conn.SetWriteDeadline(time.Now().Add(stuck)) // not every connection has one
		if r.Context().Err() != nil {
			return
		}
		// The boundary that ends a frame goes with it: a browser shows a frame
		// when it knows that it is whole.
		_, err = fmt.Fprintf(w, "%sContent-Type: image/jpeg\r\nContent-Length: %s\r\n\r\n%s\r\n--%s\r\n",
			opening, strconv.Itoa(len(frame)), frame, boundary)
		if err != nil || conn.Flush() != nil {
			return // the viewer has gone
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		case <-f.life.Done():
			return
		}
	}
}
