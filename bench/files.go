package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

// file compares a file that http.ServeFile sends with the same file through a
// guard, which hands it to the kernel in pieces. It does so for a large Write, too.
func file() {
	const size = 1 << 20
	f := must(os.CreateTemp("", "bench-*.mp4"))
	defer os.Remove(f.Name())
	must(f.Write(make([]byte, size)))
	must(0, f.Close())
	seats := newRegistry(oneseat.Config{})
	defer seats.Close()
	guard := must(oneseathttp.New(seats, oneseathttp.Config{SignInPath: "/login"}))
	token := string(must(seats.SignIn(context.Background(), "ada", oneseat.SignInRequest{})).Token)

	block := make([]byte, size)
	for _, c := range []struct {
		title string
		h     http.HandlerFunc
	}{
		{"A file of 1 MiB, by sendfile", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, f.Name()) }},
		{"1 MiB in one Write", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(size))
			_, _ = w.Write(block) // an error ends the answer, and get sees that
		}},
	} {
		bare, closeBare := get(c.h, token, size)
		guarded, closeGuarded := get(guard.Require(c.h), token, size)
		compare(c.title, side{"net/http", bare}, side{"Guard.Require", guarded})
		closeBare()
		closeGuarded()
	}
}

// get serves h. ask gets the answer over one connection and reads all of it.
func get(h http.Handler, token string, size int64) (ask, stop func()) {
	s := httptest.NewServer(h)
	conn := must(net.Dial("tcp", s.Listener.Addr().String()))
	from := bufio.NewReaderSize(conn, 64<<10)
	ask = func() {
		must(fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nCookie: oneseat=%s\r\n\r\n", s.Listener.Addr(), token))
		resp := must(http.ReadResponse(from, nil)) //nolint:bodyclose // the connection is used again, and closed by stop
		if n := must(io.Copy(io.Discard, resp.Body)); n != size {
			must(0, fmt.Errorf("%s: %d bytes", resp.Status, n))
		}
	}
	return ask, func() {
		_ = conn.Close()
		s.Close()
	}
}
