package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
	"github.com/oneseat/oneseat/internal/canaries"
	"github.com/oneseat/oneseat/server"
	"github.com/oneseat/oneseat/store/memstore"
)

// argsVariable has the arguments of the test binary when it is to be oneseat. Only
// startProcess sets it.
const argsVariable = "ONESEAT_TEST_ARGS"

func TestMain(m *testing.M) {
	if args, ok := os.LookupEnv(argsVariable); ok {
		os.Args = append([]string{"oneseat"}, strings.Split(args, "\x1f")...)
		main()
	}
	// The first signal that anybody waits for starts a goroutine of os/signal that never
	// ends. It is started here, so that no test takes it for one that was left.
	signal.Stop(listening())
	os.Exit(canaries.Main(m))
}

func listening() chan os.Signal {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM)
	return c
}

// process is a process of "oneseat serve".
type process struct {
	cmd  *exec.Cmd
	url  string
	log  *syncBuffer
	wait func() error // for its end
}

// startProcess starts one in this folder, with the keys of keys.toml and the sessions of
// oneseat.db. It is killed at the end of the test.
func startProcess(t *testing.T, flags ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0]), log: new(syncBuffer)}
	p.cmd.Env = append(os.Environ(), argsVariable+"="+strings.Join(append([]string{"serve", "--listen", "127.0.0.1:0", "--keys", "keys.toml", "--sign-ins-per-minute", "0"}, flags...), "\x1f"))
	p.cmd.Stderr = p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.wait = sync.OnceValue(p.cmd.Wait)
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); _ = p.wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%v: %s", err, p.log)
	}
	p.url = strings.TrimSpace(line)
	return p
}

// post makes a call once.
func post(ctx context.Context, c *http.Client, url, key, body string, headers ...string) (status int, answer string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

func tokenIn(t *testing.T, answer string) string {
	t.Helper()
	var g api.Granted
	if err := json.Unmarshal([]byte(answer), &g); err != nil || g.Token == "" {
		t.Errorf("%v: %s", err, answer)
	}
	return g.Token
}

// API-09: a node is killed while it answers sign-ins. Each is repeated on another node,
// with the same bytes: one session, and the token that the first node may have given.
func TestASignInIsRepeatedOnAnotherNodeAfterKill9(t *testing.T) {
	t.Chdir(t.TempDir())
	key := createKey(t, "--file", "keys.toml")
	a, b := startProcess(t), startProcess(t)
	const accounts = 24
	attempt := func(i int) string {
		return fmt.Sprintf("%d-abcdefghijklmnopqrst%04d", time.Now().UnixMilli(), i)
	}
	body := func(i int) string { return fmt.Sprintf(`{"account":"member %d"}`, i) }
	var answered atomic.Int64
	keys, given := make([]string, accounts), make([]string, accounts)
	var wg sync.WaitGroup
	for i := range accounts {
		wg.Go(func() {
			c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			keys[i] = attempt(i)
			for { // until an answer, or the end of the node
				status, answer, err := post(t.Context(), c, a.url+api.PathSignIn, key, body(i), api.IdempotencyKey, keys[i])
				if err != nil {
					return
				}
				if status == http.StatusCreated {
					given[i] = tokenIn(t, answer)
					answered.Add(1)
					return
				}
			}
		})
	}
	waitFor(t, func() bool { return answered.Load() >= accounts/4 })
	if err := a.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = a.wait() // it was killed
	wg.Wait()
	t.Logf("%d of %d were answered", answered.Load(), accounts)
	c := newClient(t)
	for i := range accounts {
		var answer string
		waitFor(t, func() bool {
			status, said, err := post(t.Context(), c, b.url+api.PathSignIn, key, body(i), api.IdempotencyKey, keys[i])
			if err != nil || status != http.StatusCreated && status != http.StatusServiceUnavailable {
				t.Fatalf("%d %s %v", status, said, err)
			}
			answer = said
			return status == http.StatusCreated
		})
		token := tokenIn(t, answer)
		if given[i] != "" && given[i] != token {
			t.Errorf("%s: two tokens", body(i))
		}
		call(t, b.url, key, api.PathCheck, `{"token":"`+token+`"}`, &struct{}{})
		var list api.Sessions
		if call(t, b.url, key, api.PathSessions, body(i), &list); len(list.Sessions) != 1 {
			t.Errorf("%s: %d sessions", body(i), len(list.Sessions))
		}
	}
}

// SIGTERM while many sign in. Whatever was answered is there after a restart, or gave
// way to a sign-in after it. A call that the server took has an answer.
func TestSIGTERMUnderLoadLosesNothingThatWasAnswered(t *testing.T) {
	t.Chdir(t.TempDir())
	key := createKey(t, "--file", "keys.toml")
	p := startProcess(t)
	type caller struct {
		last, lastID string
		unanswered   string // the id of the request that failed
	}
	callers := make([]caller, 24)
	var answered atomic.Int64
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			transport := &http.Transport{DisableKeepAlives: i%2 == 0}
			defer transport.CloseIdleConnections()
			c := &http.Client{Transport: transport}
			me := &callers[i]
			for n := 0; ; n++ {
				id := fmt.Sprintf("c%d-%d.", i, n)
				status, answer, err := post(t.Context(), c, p.url+api.PathSignIn, key, fmt.Sprintf(`{"account":"member %d"}`, i), "X-Request-Id", id)
				switch {
				case err != nil:
					me.unanswered = id
					return
				case status == http.StatusCreated:
					var g api.Granted
					if err := json.Unmarshal([]byte(answer), &g); err != nil {
						t.Error(err)
					}
					me.last, me.lastID = g.Token, g.Session.ID
					answered.Add(1)
				case status != http.StatusServiceUnavailable:
					t.Errorf("%d %s", status, answer)
				}
			}
		})
	}
	waitFor(t, func() bool { return answered.Load() >= 200 })
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.wait(); err != nil {
		t.Errorf("it ended with %v: %s", err, p.log)
	}
	wg.Wait()
	log := p.log.String()
	again := startProcess(t)
	for i, c := range callers {
		if strings.Contains(log, "theirs="+c.unanswered+" ") {
			t.Errorf("caller %d: the server took a call, and gave no answer", i)
		}
		if c.last == "" {
			continue
		}
		status, answer := ask(t, again.url, key, api.PathCheck, `{"token":"`+c.last+`"}`)
		var p api.Problem
		if err := json.Unmarshal([]byte(answer), &p); err != nil {
			t.Error(err)
		}
		if displaced := status == http.StatusGone && p.Ending.Reason == "displaced" && p.Ending.By != c.lastID; status != http.StatusOK && !displaced {
			t.Errorf("caller %d: the last session that was answered: %d %s", i, status, answer)
		}
	}
}

// A caller that sends its body a byte at a time is cut, and others are answered.
func TestABodyThatTricklesIsCut(t *testing.T) { // API-08
	seats, err := oneseat.New(memstore.New(), oneseat.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer seats.Close()
	secret, key := server.NewKey("default", server.ScopeSessions)
	quiet := canaries.Logger(nil)
	h, err := server.New(server.Config{Realms: map[string]*oneseat.Registry{"default": seats}, Keys: []server.Key{key}, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	s := httpServer(h, quiet)
	if s.ReadTimeout <= 0 || s.ReadHeaderTimeout <= 0 || s.WriteTimeout <= 0 || s.IdleTimeout <= 0 || s.MaxHeaderBytes != 32<<10 {
		t.Errorf("something is not bounded: %+v", s)
	}
	s.ReadTimeout, s.ReadHeaderTimeout = 200*time.Millisecond, 200*time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	defer func() {
		if err := s.Close(); err != nil || !errors.Is(<-ended, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	head := "POST /v1/signin HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer " + secret + "\r\nContent-Length: 1000\r\n"
	for name, c := range map[string]struct{ at, drip, want string }{
		"a body": {head + "\r\n", " ", "HTTP/1.1 408 "}, "a head": {head + "X-Slow: ", "x", ""},
	} {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, c.at); err != nil {
			t.Fatal(err)
		}
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-stop:
					return
				case <-tick.C:
				}
				if _, err := io.WriteString(conn, c.drip); err != nil {
					return
				}
			}
		})
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(conn)
		if errors.Is(err, os.ErrDeadlineExceeded) || !strings.HasPrefix(string(b), c.want) || strings.Contains(string(b), "HTTP/1.1 20") {
			t.Errorf("%s: %q, %v", name, b, err)
		}
		close(stop)
		wg.Wait()
		_ = conn.Close()
	}
	if got, answer := ask(t, "http://"+l.Addr().String(), secret, api.PathSignIn, `{"account":"ada"}`); got != http.StatusCreated {
		t.Errorf("%d %s", got, answer)
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}
