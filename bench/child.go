package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
	"github.com/oneseat/oneseat/server"
	"github.com/oneseat/oneseat/store/memstore"
	"github.com/oneseat/oneseat/store/pgstore"
	"github.com/oneseat/oneseat/store/sqlitestore"
)

// childEnv says, in a child, which store its server has: "memory", a folder, or the
// address of a PostgreSQL server.
const childEnv = "ONESEAT_BENCH_CHILD"

// child is a server in a process of its own.
type child struct {
	cmd   *exec.Cmd
	stdin io.Closer // its end ends the child
	hello
}

// hello is what a child says first.
type hello struct {
	URL, Key string
	Tokens   []string
}

func newChild(stands string, env ...string) *child {
	c := &child{cmd: exec.CommandContext(context.Background(), must(os.Executable()))}
	c.cmd.Env, c.cmd.Stderr = append(append(os.Environ(), childEnv+"="+stands), env...), os.Stderr
	c.stdin = must(c.cmd.StdinPipe())
	out := must(c.cmd.StdoutPipe())
	must(0, c.cmd.Start())
	must(0, json.NewDecoder(out).Decode(&c.hello))
	return c
}

func (c *child) close() {
	_ = c.stdin.Close()
	_ = c.cmd.Wait()
}

// serve is the life of a child. Beside the API it serves /bare, which is the same
// handler without oneseat; /processor, the time of the processor that the process has
// used; /memory; and /sign-ins, how many sign-ins the registry does by itself.
func serve(stands string) {
	measured := server.Measure(standing(stands)) // as the program has it
	seats := must(oneseat.New(measured.Store(), oneseat.Config{Logger: quiet}))
	secret, key := server.NewKey("default", server.ScopeCheck, server.ScopeSessions)
	level := slog.LevelInfo // a line for each call, as the program writes
	if os.Getenv(childEnv+"_LOG") == "warn" {
		level = slog.LevelWarn
	}
	log := slog.New(slog.NewTextHandler(must(os.OpenFile(os.DevNull, os.O_WRONLY, 0)), &slog.HandlerOptions{Level: level}))
	handler := must(server.New(server.Config{Realms: map[string]*oneseat.Registry{"default": seats}, Keys: []server.Key{key}, Store: measured, Logger: log}))
	says := hello{Key: secret}
	for i := range connections {
		says.Tokens = append(says.Tokens, string(must(seats.SignIn(context.Background(), account(i), oneseat.SignInRequest{})).Token))
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, ask(api.PathCheck, secret, checkOf(says.Tokens[0])))
	same := w.Body.Bytes()
	operations := handler.Operations()
	w = httptest.NewRecorder()
	operations.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/metrics", nil))
	metrics := w.Body.Bytes()
	held := make(chan struct{}) // never closed
	routes := map[string]http.HandlerFunc{
		"/bare": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			_, _ = w.Write(same)
		},
		"/held": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			select {
			case <-held:
			case <-r.Context().Done():
			}
		},
		"/metrics": operations.ServeHTTP,
		"/bare-metrics": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.Header().Set("Content-Length", strconv.Itoa(len(metrics)))
			_, _ = w.Write(metrics)
		},
		"/processor": func(w http.ResponseWriter, _ *http.Request) {
			var u syscall.Rusage
			must(0, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
			_, _ = fmt.Fprint(w, u.Utime.Nano()+u.Stime.Nano())
		},
		"/goroutines": func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, runtime.NumGoroutine()) },
		"/memory": func(w http.ResponseWriter, _ *http.Request) {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			_, _ = fmt.Fprint(w, m.HeapInuse+m.StackInuse)
		},
		"/sign-ins": func(w http.ResponseWriter, r *http.Request) {
			turn := must(time.ParseDuration(r.URL.Query().Get("turn")))
			_, _ = fmt.Fprint(w, perSecond(signers, turn, func() {
				must(seats.SignIn(context.Background(), account(mrand.IntN(signedIn)), oneseat.SignInRequest{}))
			}))
		},
	}
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	go func() {
		must(0, http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if f := routes[r.URL.Path]; f != nil {
				f(w, r)
				return
			}
			handler.ServeHTTP(w, r)
		})))
	}()
	says.URL = "http://" + listener.Addr().String()
	must(0, json.NewEncoder(os.Stdout).Encode(says))
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func standing(on string) oneseat.Store {
	switch {
	case on == "memory":
		return memstore.New()
	case strings.HasPrefix(on, "postgres"):
		pool := must(pgxpool.New(context.Background(), on+"?pool_max_conns=16"))
		return must(pgstore.Open(context.Background(), pool, pgstore.Options{Logger: quiet}))
	}
	return must(sqlitestore.Open(filepath.Join(on, "oneseat.db")))
}

// number asks the child for a figure.
func (c *child) number(path string) float64 {
	resp := must(http.Get(c.URL + path)) //nolint:bodyclose // the next line does
	defer resp.Body.Close()
	return must(strconv.ParseFloat(string(must(io.ReadAll(resp.Body))), 64))
}

func checkOf(token string) string { return `{"token":"` + token + `"}` }

func ask(path, key, body string) *http.Request {
	r := must(http.NewRequest(http.MethodPost, path, strings.NewReader(body)))
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	return r
}

// caller is a connection that is kept alive, of a client that does the least it can.
type caller struct {
	conn net.Conn
	in   *bufio.Reader
}

func (c *child) dial() *caller {
	conn := must(net.Dial("tcp", must(url.Parse(c.URL)).Host))
	return &caller{conn, bufio.NewReaderSize(conn, 4096)}
}

// post is the bytes of a call.
func (c *child) post(path, body string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		path, must(url.Parse(c.URL)).Host, c.Key, len(body), body)
}

// get is the bytes of a request without a body.
func (c *child) get(path string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, must(url.Parse(c.URL)).Host)
}

// call makes a call and reads the whole answer.
func (c *caller) call(post []byte, want string) {
	must(c.conn.Write(post))
	length := 0
	for first := true; ; first = false {
		line := string(must(c.in.ReadSlice('\n')))
		switch {
		case first && !strings.HasPrefix(line, "HTTP/1.1 "+want):
			must(0, fmt.Errorf("the server says %s", line))
		case strings.HasPrefix(line, "Content-Length: "):
			length = must(strconv.Atoi(strings.TrimSpace(line[len("Content-Length: "):])))
		case line == "\r\n":
			must(c.in.Discard(length))
			return
		}
	}
}
