package frameworks

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/store/memstore"
)

// routes are the handlers of the trials, by pattern. Only /waits looks at its context.
type routes map[string]http.Handler

func (r routes) mux() *http.ServeMux {
	mux := http.NewServeMux()
	for pattern, h := range r {
		mux.Handle(pattern, h)
	}
	return mux
}

// stack is what stands around the guard, inside it or beneath it.
type stack struct {
	name  string
	build func(t testing.TB, g *oneseathttp.Guard, all routes) http.Handler
	conn  func(net.Conn) net.Conn // makes the server's connections; nil: as they are
	limit
}

// limit is something that a stack cannot do.
type limit struct {
	whole   bool   // it sends answers as a whole
	no      string // a protocol over which nothing can be tried
	ends    string // a protocol over which an answer of unknown length looks complete after a cut
	hijacks bool   // it hands out connections
	far     bool   // the handlers are behind a proxy, and do not learn the cause
}

// trial is a stack that is being served over one protocol.
type trial struct {
	*testing.T
	stack  stack
	proto  string
	seats  *oneseat.Registry
	url    string
	client *http.Client
	hidden atomic.Bool // the guard has warned that it cannot reach the connection

	steps  chan bool // the handler at /writes writes once for each
	wrote  chan struct{}
	result chan error // of the handlers at /upload and /full, when they return
	begun  chan struct{}
	film   string
}

// noise is data that no compressor makes smaller.
var noise = func() []byte {
	r, b := rand.New(rand.NewPCG(1, 2)), make([]byte, 64<<10)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}()

var message = noise[:4096]

const filmSize = 32 << 20

// shoot makes the file of a film.
func shoot(t *testing.T) (name string) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "film.mp4")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	for range filmSize / len(noise) {
		if _, err := f.Write(noise); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

// writes is a handler that ignores its context and every error, and moves its
// deadline.
func (t *trial) writes(w http.ResponseWriter, _ *http.Request) {
	c := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	for more := range t.steps {
		_ = c.SetWriteDeadline(time.Now().Add(time.Hour))
		_, _ = w.Write(message)
		_ = c.Flush()
		t.wrote <- struct{}{}
		if !more {
			return
		}
	}
}

func (t *trial) full(w http.ResponseWriter, _ *http.Request) {
	for {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Hour))
		if _, err := w.Write(noise); err != nil {
			t.result <- err
			return
		}
	}
}

func (t *trial) upload(w http.ResponseWriter, r *http.Request) {
	part := make([]byte, 512)
	for n := 0; ; n++ {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Hour))
		if _, err := io.ReadFull(r.Body, part); err != nil {
			t.result <- err
			return
		}
		if n == 0 {
			t.begun <- struct{}{}
		}
	}
}

func (t *trial) waits(_ http.ResponseWriter, r *http.Request) {
	t.begun <- struct{}{}
	<-r.Context().Done()
}

func (t *trial) hijack(w http.ResponseWriter, _ *http.Request) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotImplemented)
		return
	}
	_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n")
	_ = rw.Flush()
	_, _ = io.Copy(conn, conn) // and looks at nothing else
}

// Handle notes the guard's warnings.
func (t *trial) Handle(_ context.Context, r slog.Record) error {
	if strings.Contains(r.Message, "hides the connection") {
		t.hidden.Store(true)
	}
	return nil
}

func (t *trial) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }
func (t *trial) WithAttrs([]slog.Attr) slog.Handler           { return t }
func (t *trial) WithGroup(string) slog.Handler                { return t }

// serve serves a stack over a protocol, for one trial.
func (s stack) serve(tt *testing.T, proto, film string) *trial {
	t := &trial{
		T: tt, stack: s, proto: proto,
		steps: make(chan bool), wrote: make(chan struct{}), result: make(chan error, 1), begun: make(chan struct{}, 1),
		film: film,
	}
	var err error
	if t.seats, err = oneseat.New(memstore.New(), oneseat.Config{Logger: slog.New(t)}); err != nil {
		t.Fatal(err)
	}
	guard, err := oneseathttp.New(t.seats, oneseathttp.Config{SignInPath: "/login", Carrier: oneseathttp.Bearer()})
	if err != nil {
		t.Fatal(err)
	}
	t.start(s.build(tt, guard, routes{
		"GET /writes":  http.HandlerFunc(t.writes),
		"GET /full":    http.HandlerFunc(t.full),
		"GET /film":    http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, t.film) }),
		"POST /upload": http.HandlerFunc(t.upload),
		"GET /waits":   http.HandlerFunc(t.waits),
		"GET /hijack":  http.HandlerFunc(t.hijack),
	}))
	return t
}

func (t *trial) start(h http.Handler) {
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	if t.stack.conn != nil {
		srv.Listener = listener{srv.Listener, t.stack.conn}
	}
	switch t.proto {
	case "HTTP/1.1":
		srv.Start()
	case "HTTP/2":
		srv.EnableHTTP2 = true
		srv.StartTLS()
	case "HTTP/3":
		srv.StartTLS() // for its certificate
		t.start3(srv, h)
		return
	}
	tr := srv.Client().Transport.(*http.Transport)
	tr.DisableCompression = true
	t.url, t.client = srv.URL, &http.Client{Transport: tr}
	t.Cleanup(func() {
		_ = t.seats.Close()
		srv.CloseClientConnections()
		srv.Close()
	})
}

func (t *trial) start3(srv *httptest.Server, h http.Handler) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http3.Server{Handler: h, TLSConfig: http3.ConfigureTLSConfig(&tls.Config{Certificates: srv.TLS.Certificates}), Logger: slog.New(slog.DiscardHandler)}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(conn) }() // ends with Close
	tr := &http3.Transport{TLSClientConfig: srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone(), DisableCompression: true}
	t.url, t.client = "https://"+conn.LocalAddr().String(), &http.Client{Transport: tr}
	t.Cleanup(func() {
		_ = t.seats.Close()
		_ = tr.Close()
		_ = server.Close()
		_ = conn.Close()
		<-served
		srv.Close()
	})
}

type listener struct {
	net.Listener
	as func(net.Conn) net.Conn
}

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		c = l.as(c)
	}
	return c, err
}

// signIn signs ada in again, which displaces the session that she had.
func (t *trial) signIn() string {
	t.Helper()
	grant, err := t.seats.SignIn(context.Background(), "ada", oneseat.SignInRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return string(grant.Token)
}

// ask sends a request of a session.
func (t *trial) ask(token, method, path string, body io.Reader) (*http.Response, error) {
	r, err := http.NewRequestWithContext(t.Context(), method, t.url+path, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Accept-Encoding", "gzip")
	resp, err := t.client.Do(r)
	if err == nil {
		t.Cleanup(func() { _ = resp.Body.Close() })
	}
	return resp, err
}

// counted counts what is read.
type counted struct {
	io.Reader
	n int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n += int64(n)
	return n, err
}

// footer is what a compressor writes when it is closed. No guard can prevent that.
const footer = 64

// judgeWrites checks that a handler that ignores everything sends nothing more, and
// that what was cut does not look complete.
func (t *trial) judgeWrites() {
	token := t.signIn()
	if t.stack.whole {
		t.judgeWhole(token)
		return
	}
	go func() {
		for range 3 {
			t.steps <- true
			<-t.wrote
		}
	}()
	resp, err := t.ask(token, http.MethodGet, "/writes", nil)
	if err != nil {
		t.Fatal(err)
	}
	raw := &counted{Reader: resp.Body}
	var body io.Reader = raw
	if resp.Header.Get("Content-Encoding") == "gzip" {
		if body, err = gzip.NewReader(raw); err != nil {
			t.Fatal(err)
		}
	}
	got := make([]byte, 3*len(message))
	if _, err := io.ReadFull(body, got); err != nil || !bytes.Equal(got, bytes.Repeat(message, 3)) {
		t.Fatalf("before the cut: %v", err)
	}
	t.signIn()
	before := raw.n
	for n := range 8 { // far more than any buffer holds back
		t.steps <- n < 7
		<-t.wrote
	}
	rest, err := io.ReadAll(body)
	if after := raw.n - before; len(rest) != 0 || after > footer {
		t.Errorf("after the cut came %d bytes, %d of them of the answer", after, len(rest))
	}
	t.judgeEnd(err)
}

// judgeEnd checks that what was cut does not look complete.
func (t *trial) judgeEnd(err error) {
	t.Helper()
	if complete := t.stack.ends == t.proto; complete != (err == nil) {
		t.Errorf("it looks complete: %v, want %v: %v", err == nil, complete, err)
	}
}

// judgeWhole checks that nothing comes of an answer that is sent as a whole.
func (t *trial) judgeWhole(token string) {
	go func() {
		t.steps <- true
		<-t.wrote
		t.signIn()
		t.steps <- false
		<-t.wrote
	}()
	resp, err := t.ask(token, http.MethodGet, "/writes", nil)
	if err != nil {
		return
	}
	if body, err := io.ReadAll(resp.Body); bytes.Contains(body, message) || err == nil && resp.StatusCode == http.StatusOK {
		t.Errorf("%s, %d bytes, %v", resp.Status, len(body), err)
	}
}

// judgeFilm checks that no more of a file comes than the buffers of both ends hold.
func (t *trial) judgeFilm() {
	resp, err := t.ask(t.signIn(), http.MethodGet, "/film", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, resp.Body, 256<<10); err != nil {
		t.Fatal(err)
	}
	t.signIn()
	if n, err := io.Copy(io.Discard, resp.Body); n > filmSize/2 || err == nil {
		t.Errorf("%d bytes of %d after the cut, %v", n, filmSize, err)
	}
}

// judgeFull checks that a handler that waits in a write is stopped, at once where the
// guard reaches the connection.
func (t *trial) judgeFull() {
	resp, err := t.ask(t.signIn(), http.MethodGet, "/full", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, resp.Body, 256<<10); err != nil {
		t.Fatal(err)
	}
	t.signIn()
	if t.hidden.Load() {
		_, err = io.Copy(io.Discard, resp.Body)
		<-t.result //nolint:errcheck // that it has come is enough
	} else {
		<-t.result //nolint:errcheck // that it has come is enough
		_, err = io.Copy(io.Discard, resp.Body)
	}
	t.judgeEnd(err)
}

// judgeUpload checks that an upload ends with an error in its handler, at once where
// the guard reaches the connection.
func (t *trial) judgeUpload() {
	from, to := io.Pipe()
	defer from.Close()
	go func() {
		if resp, err := t.ask(t.signIn(), http.MethodPost, "/upload", from); err == nil {
			_ = resp.Body.Close()
		}
	}()
	_, _ = to.Write(make([]byte, 512))
	<-t.begun
	t.signIn()
	hidden := t.hidden.Load()
	go func() {
		for hidden {
			if _, err := to.Write(make([]byte, 512)); err != nil {
				return
			}
		}
	}()
	if err := <-t.result; !isEnded(err) && !t.stack.far {
		t.Errorf("the handler got %v", err)
	}
}

// judgeWaits checks that the refusal is sent, with its reason, where nothing else was.
func (t *trial) judgeWaits() {
	token := t.signIn()
	go func() { <-t.begun; t.signIn() }()
	resp, err := t.ask(token, http.MethodGet, "/waits", nil)
	if err != nil {
		t.Fatal(err)
	}
	var from io.Reader = resp.Body
	if resp.Header.Get("Content-Encoding") == "gzip" {
		if from, err = gzip.NewReader(resp.Body); err != nil {
			t.Fatal(err)
		}
	}
	body, err := io.ReadAll(from)
	if resp.StatusCode != http.StatusUnauthorized || !bytes.Contains(body, []byte(`"reason":"displaced"`)) || err != nil {
		t.Errorf("%s %q, %v", resp.Status, body, err)
	}
}

// judgeHijack checks that a connection that was handed out is closed.
func (t *trial) judgeHijack() {
	conn, err := net.Dial("tcp", strings.TrimPrefix(t.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "GET /hijack HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: test\r\nAuthorization: Bearer %s\r\n\r\n", t.signIn()); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, len("HTTP/1.1 101"))
	if _, err := io.ReadFull(conn, head); err != nil || string(head) != "HTTP/1.1 101" {
		t.Fatalf("%q, %v", head, err)
	}
	t.signIn()
	_, _ = io.Copy(io.Discard, conn) // ends when it is closed
}

func isEnded(err error) bool {
	_, ok := errors.AsType[*oneseat.EndedError](err)
	return ok
}
