package oneseathttp_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

// What takes its time is tested on net/http's own server, over connections in
// memory, so that no time has to pass.

// wires is a listener whose connections are in memory.
type wires struct {
	made   chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *wires) Accept() (net.Conn, error) {
	select {
	case c := <-l.made:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *wires) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *wires) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// wired is a guard's handler behind such a listener.
type wired struct {
	t     *testing.T
	seats *oneseat.Registry
	guard *oneseathttp.Guard
	l     *wires
	left  chan time.Time // when an answer was over
}

// newWired is called within a bubble, which it leaves empty.
func newWired(t *testing.T, c oneseat.Config) *wired {
	t.Helper()
	return newWiredWithin(t, c, plain)
}

func newWiredWithin(t *testing.T, c oneseat.Config, outside middleware) *wired {
	t.Helper()
	w := &wired{t: t, l: &wires{made: make(chan net.Conn), closed: make(chan struct{})}, left: make(chan time.Time, 64)}
	w.seats = newRegistry(t, c)
	guard, err := oneseathttp.New(w.seats, oneseathttp.Config{SignInPath: "/login"})
	if err != nil {
		t.Fatal(err)
	}
	w.guard = guard
	h := outside(guard.Handler())
	server := &http.Server{ReadHeaderTimeout: time.Minute, Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		defer func() { w.left <- time.Now() }()
		h.ServeHTTP(rw, r)
	})}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	go func() { _ = server.Serve(w.l) }() // ends with Close
	t.Cleanup(func() {
		_ = w.seats.Close()
		_ = server.Close()
	})
	return w
}

func (w *wired) signIn(account string) string {
	w.t.Helper()
	grant, err := w.seats.SignIn(context.Background(), account, oneseat.SignInRequest{})
	if err != nil {
		w.t.Fatal(err)
	}
	return string(grant.Token)
}

// ask opens the events of a token, and reads nothing.
func (w *wired) ask(token string) net.Conn {
	w.t.Helper()
	return w.get("/oneseat/events", token)
}

func (w *wired) get(path, token string) net.Conn {
	w.t.Helper()
	conn := w.dial()
	w.send(conn, http.MethodGet, path, token)
	return conn
}

func (w *wired) dial() net.Conn {
	client, server := net.Pipe()
	w.t.Cleanup(func() { _ = client.Close() })
	w.l.made <- server
	return client
}

func (w *wired) send(conn net.Conn, method, path, token string) {
	w.t.Helper()
	if _, err := io.WriteString(conn, method+" "+path+" HTTP/1.1\r\nHost: members.example\r\nCookie: __Host-oneseat="+token+"\r\n\r\n"); err != nil {
		w.t.Fatal(err)
	}
}

// open is ask, and reads the header.
func (w *wired) open(token string) (*http.Response, net.Conn) {
	w.t.Helper()
	conn := w.ask(token)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp, conn
}

func TestAReaderThatIsStuckIsDroppedInSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWired(t, oneseat.Config{})
		began := time.Now()
		for i := range 8 {
			w.ask(w.signIn(fmt.Sprint("account ", i))) // and reads nothing
		}
		for range 8 {
			if took := (<-w.left).Sub(began); took > 10*time.Second {
				t.Errorf("a stream to nobody was held for %v", took)
			}
		}
	})
}

func TestEventsAreNeverSilentForLongAndKeepNoSessionFromIdling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const idle = time.Hour
		w := newWired(t, oneseat.Config{Idle: idle})
		began := time.Now()
		resp, _ := w.open(w.signIn("ada"))
		if h := resp.Header; h.Get("X-Accel-Buffering") != "no" || h.Get("Cache-Control") != "no-store" {
			t.Error(h)
		}
		lines, last, ended := bufio.NewScanner(resp.Body), began, ""
		for lines.Scan() {
			if silent := time.Since(last); silent > 30*time.Second { // proxies give up after a minute
				t.Fatalf("silent for %v", silent)
			}
			last = time.Now()
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				ended = data
			}
		}
		if !strings.Contains(ended, `"reason":"idle_timeout"`) || time.Since(began) < idle || time.Since(began) > idle+time.Minute {
			t.Errorf("after %v: %s", time.Since(began), ended)
		}
	})
}

func TestWhatAPageAsksByItselfKeepsNoSessionFromIdling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const idle = time.Hour
		w := newWired(t, oneseat.Config{Idle: idle})
		began := time.Now()
		token := w.signIn("ada")
		for ended := false; !ended; time.Sleep(5 * time.Minute) { // a laptop that sleeps and wakes, or a poor network
			for _, path := range []string{"/oneseat/events", "/oneseat/session"} {
				conn := w.get(path, token)
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Fatal(err)
				}
				ended = resp.StatusCode == http.StatusUnauthorized
				_ = conn.Close()
			}
			if time.Since(began) > 2*idle {
				t.Fatal("it never ends")
			}
		}
	})
}

func TestASessionHasOnlySoManyStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWired(t, oneseat.Config{})
		ada, grace := w.signIn("ada"), w.signIn("grace")
		var conns []net.Conn
		for range 32 {
			resp, conn := w.open(ada)
			if resp.StatusCode != http.StatusOK {
				t.Fatal(resp.Status)
			}
			go func() { _, _ = io.Copy(io.Discard, resp.Body) }() // ends with the connection
			conns = append(conns, conn)
		}
		if resp, _ := w.open(ada); resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" {
			t.Errorf("one more: %s", resp.Status)
		}
		if resp, _ := w.open(grace); resp.StatusCode != http.StatusOK {
			t.Errorf("somebody else: %s", resp.Status)
		}
		_ = conns[7].Close()
		synctest.Wait()
		if resp, _ := w.open(ada); resp.StatusCode != http.StatusOK {
			t.Errorf("when one has gone: %s", resp.Status)
		}
	})
}

// A5: the memory of a node bounds how many pages may listen at once. The oldest goes,
// and is told nothing of its session: its browser comes back.
func TestAGuardHasOnlySoManyEventStreamsAndTheOldestGoes(t *testing.T) {
	var log bytes.Buffer
	s := newSite(t, oneseat.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, oneseathttp.Config{EventStreams: 3})
	listen := func(account string) *bufio.Reader {
		t.Helper()
		b := s.browser(t, firefox)
		b.signIn(account)
		resp := b.do("GET", "/oneseat/events", nil)
		events := bufio.NewReader(resp.Body)
		for line := ""; resp.StatusCode != http.StatusOK || !strings.HasPrefix(line, "data: "); {
			var err error
			if line, err = events.ReadString('\n'); err != nil {
				t.Fatalf("%s: %s, %v", account, resp.Status, err)
			}
		}
		return events
	}
	var open []*bufio.Reader
	for n := range 5 {
		open = append(open, listen(fmt.Sprint("account ", n)))
	}
	for n, events := range open[:2] {
		if rest, err := io.ReadAll(events); err != nil || strings.Contains(string(rest), "ended") {
			t.Errorf("stream %d: %q, %v", n, rest, err)
		}
	}
	for n := 2; n < 5; n++ { // the others go on
		account := fmt.Sprint("account ", n)
		s.browser(t, iphone).signIn(account)
		if rest, err := io.ReadAll(open[n]); err != nil || !strings.Contains(string(rest), "event: ended") {
			t.Errorf("stream %d: %q, %v", n, rest, err)
		}
	}
	listen("account 0") // there is room again
	if said := strings.Count(log.String(), "EventStreams"); said != 1 {
		t.Errorf("it was said %d times:\n%s", said, log.String())
	}
	if _, err := oneseathttp.New(seatsOver(t, registry(t)), oneseathttp.Config{SignInPath: "/login", EventStreams: -1}); err == nil || !strings.Contains(err.Error(), "EventStreams") {
		t.Errorf("a negative limit: %v", err)
	}
}

func TestAnotherSitesPageHoldsNoStreamOpen(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	b := s.browser(t, firefox)
	b.signIn("ada")
	for _, c := range []struct {
		name, value string
		want        int
	}{
		{"Sec-Fetch-Site", "same-origin", 200},
		{"Sec-Fetch-Site", "none", 200},
		{"Sec-Fetch-Site", "same-site", 403},
		{"Sec-Fetch-Site", "cross-site", 403},
		{"Origin", s.URL, 200},
		{"Origin", "https://evil.example", 403},
		{"Origin", "null", 403},
		{"Origin", "::", 403},
	} {
		if resp := b.do("GET", "/oneseat/events", nil, c.name, c.value); resp.StatusCode != c.want || resp.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s %s: %s", c.name, c.value, resp.Status)
		}
	}
}
