package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

// site is a members' site with an endless answer that sends a byte now and
// then.
type site struct {
	*httptest.Server
	seats *oneseat.Registry
}

func newSite(seats *oneseat.Registry) *site {
	guard := must(oneseathttp.New(seats, oneseathttp.Config{SignInPath: "/login"}))
	mux := http.NewServeMux()
	mux.Handle("GET /live", guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, "."); err != nil || http.NewResponseController(w).Flush() != nil {
				return
			}
			select {
			case <-r.Context().Done():
			case <-time.After(time.Second):
			}
		}
	})))
	mux.HandleFunc("GET /ping", func(http.ResponseWriter, *http.Request) {})
	mux.Handle(oneseathttp.Path, guard.Handler())
	return &site{httptest.NewServer(guard.Wrap(mux)), seats}
}

// close ends the site and its registry.
func (s *site) close() {
	_ = s.seats.Close()
	s.CloseClientConnections()
	s.Close()
}

// open asks for a path with a token, over a connection of its own, and returns
// the body's reader once its first byte has come.
func (s *site) open(path, token string) (*bufio.Reader, net.Conn) {
	conn := must(net.Dial("tcp", s.Listener.Addr().String()))
	must(fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nCookie: oneseat=%s\r\n\r\n", path, s.Listener.Addr(), token))
	r := bufio.NewReaderSize(conn, 512)
	resp := must(http.ReadResponse(r, nil)) //nolint:bodyclose // the caller closes the connection
	if resp.StatusCode != http.StatusOK {
		must(0, fmt.Errorf("%s: %s", path, resp.Status))
	}
	body := bufio.NewReaderSize(resp.Body, 512)
	must(body.Peek(1))
	return body, conn
}

func (s *site) signIn(account string) string {
	return string(must(s.seats.SignIn(context.Background(), account, oneseat.SignInRequest{})).Token)
}

// ended returns when a browser's event stream tells that its session has ended.
func ended(events *bufio.Reader) {
	for {
		line, err := events.ReadString('\n')
		if err != nil || strings.HasPrefix(line, "event: ended") {
			return
		}
	}
}

// takeover measures sign-ins that displace a session: from SignIn's return to
// the last byte of the first device's endless answer, and to the event in that
// device's browser, among a thousand other endless answers.
func takeover() {
	const others, takeovers = 1000, 1000
	s := newSite(newRegistry(oneseat.Config{}))
	defer s.close()
	for i := range others {
		body, conn := s.open("/live", s.signIn(fmt.Sprint("other ", i)))
		defer conn.Close()
		go func() { _, _ = io.Copy(io.Discard, body) }() // ends with the connection
	}
	var toByte, toEvent, ping []time.Duration
	for i := range takeovers {
		account := fmt.Sprint("account ", i)
		token := s.signIn(account)
		body, conn := s.open("/live", token)
		events, conn2 := s.open("/oneseat/events", token)
		var lastByte, event time.Time
		var both sync.WaitGroup
		both.Go(func() { _, _ = io.Copy(io.Discard, body); lastByte = time.Now() })
		both.Go(func() {
			ended(events)
			event = time.Now()
		})
		s.signIn(account)
		after := time.Now()
		both.Wait()
		toByte, toEvent = append(toByte, max(0, lastByte.Sub(after))), append(toEvent, max(0, event.Sub(after)))
		_ = conn.Close()
		_ = conn2.Close()
		begin := time.Now()
		_ = must(s.Client().Get(s.URL + "/ping")).Body.Close() //nolint:bodyclose // this does
		ping = append(ping, time.Since(begin))
	}
	fmt.Printf("From SignIn's return, %d sign-ins that displace a session, %d other endless answers open\n", takeovers, others)
	for _, row := range []struct {
		name string
		x    []time.Duration
	}{{"a bare HTTP request, for comparison", ping}, {"to the answer's last byte", toByte}, {"to the event in the browser", toEvent}} {
		fmt.Printf("  %-36s p50 %8v  p99 %8v  %5.2f times a request's p99\n", row.name, quantile(row.x, .5).Round(time.Microsecond),
			quantile(row.x, .99).Round(time.Microsecond), float64(quantile(row.x, .99))/float64(quantile(ping, .99)))
	}
}

// streams holds many event streams, states what one costs beside a bare held
// request, and how soon one of them is told. The connections are in memory: two
// ends of ten thousand are more files than a process may have.
func streams() {
	const n = 10_000
	s := newSite(newRegistry(oneseat.Config{}))
	defer s.close()
	tokens := make([]string, n)
	for i := range tokens {
		tokens[i] = s.signIn(fmt.Sprint("viewer ", i))
	}
	ours, end := hold(n, s.Config.Handler, func(i int) string {
		return "GET /oneseat/events HTTP/1.1\r\nHost: localhost\r\nCookie: __Host-oneseat=" + tokens[i] + "\r\n\r\n"
	}, func(conns []net.Conn) {
		var told []time.Duration
		for i := range 1000 {
			line := make(chan time.Time)
			go func() { // ends with the event
				r := bufio.NewReader(conns[i])
				for l := ""; !strings.HasPrefix(l, "event: ended"); {
					l = must(r.ReadString('\n'))
				}
				line <- time.Now()
				_, _ = io.Copy(io.Discard, r)
			}()
			s.signIn(fmt.Sprint("viewer ", i))
			after := time.Now()
			told = append(told, max(0, (<-line).Sub(after)))
		}
		fmt.Printf("%d event streams held\n", n)
		fmt.Printf("  %-36s p50 %8v  p99 %8v\n", "one is told, of 1000 that end", quantile(told, .5).Round(time.Microsecond), quantile(told, .99).Round(time.Microsecond))
	})
	end()
	bare, end := hold(n, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "x")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}), func(int) string { return "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" }, func([]net.Conn) {})
	end()
	fmt.Printf("  %-36s %d bytes, %.2f times the %d of a bare held request\n", "memory of one, both ends", ours, float64(ours)/float64(bare), bare)
}

// hold opens n requests over connections in memory, returns the bytes that each
// costs, and calls use while they are held.
func hold(n int, h http.Handler, request func(i int) string, use func([]net.Conn)) (bytes int, end func()) {
	l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	go func() { _ = srv.Serve(l) }() // ends with Close
	before := inUse()
	conns := make([]net.Conn, n)
	for i := range conns {
		conns[i] = l.dial()
		must(io.WriteString(conns[i], request(i)))
		r := make([]byte, 1)
		must(conns[i].Read(r))
		go func() { // the rest of what came first, so that the server's write returns
			buf := make([]byte, 256)
			_, _ = conns[i].Read(buf)
		}()
	}
	bytes = (inUse() - before) / n
	use(conns)
	return bytes, func() { _ = srv.Close() }
}

// pipeListener accepts connections in memory.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) dial() net.Conn {
	client, server := net.Pipe()
	l.conns <- server
	return client
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func inUse() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapInuse + m.StackInuse)
}
