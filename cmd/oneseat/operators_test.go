package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/oneseat/oneseat/api"
)

// read reads a page without a key. 0: nobody listens.
func read(t *testing.T, c *http.Client, url string) (status int, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(b)
}

func TestOperatorsReadMetricsWhereTheAPIDoesNotListen(t *testing.T) { // ADM-03
	t.Chdir(t.TempDir())
	printed, _, _ := served(t, 3, "--dev", "--admin-listen", "127.0.0.1:0")
	admin, ok := strings.CutPrefix(printed[2], "admin ")
	if !ok {
		t.Fatalf("it printed %q", printed)
	}
	call(t, printed[0], printed[1], api.PathSignIn, `{"account":"ada"}`, new(any))
	c := newClient(t)
	defer c.CloseIdleConnections()
	for _, line := range []string{
		`oneseat_signins_total\{realm="default",outcome="admitted"\} [1-9]`, `oneseat_live_sessions\{realm="default"\} 1`, `oneseat_store_up\{realm="default"\} 1`,
		`oneseat_events_total\{realm="default",type="session_created"\} [1-9]`, `oneseat_build_info\{version="` + regexp.QuoteMeta(version()), `oneseat_store_seconds_count\{op="update"\} [1-9]`,
	} {
		is := regexp.MustCompile("(?m)^" + line)
		waitFor(t, func() bool { // the store has a second for its part, which is little on a machine that is busy
			status, text := read(t, c, admin+"/metrics")
			return status == http.StatusOK && is.MatchString(text)
		})
	}
	for url, want := range map[string]int{
		admin + "/healthz": 200, admin + "/readyz": 200, admin + api.PathOpenAPI: 200, admin + api.PathCheck: 404, admin + "/debug/pprof/": 404, admin + "/": 404,
		printed[0] + "/healthz": 200, printed[0] + "/readyz": 200, printed[0] + "/metrics": 404, printed[0] + "/debug/pprof/": 404,
	} {
		var got int
		waitFor(t, func() bool { got, _ = read(t, c, url); return got != http.StatusServiceUnavailable })
		if got != want {
			t.Errorf("%s: %d, want %d", url, got, want)
		}
	}
}

func TestMetricsAreOffUnlessTheyAreAskedFor(t *testing.T) { // ADM-03
	t.Chdir(t.TempDir())
	printed, _, _ := served(t, 2, "--dev")
	if got, _ := read(t, newClient(t), printed[0]+"/metrics"); got != http.StatusNotFound {
		t.Errorf("%d", got)
	}
}

// While the last calls are answered, what watches the server has to see that it is alive,
// and not ready: else it kills it.
func TestOperatorsReadUntilTheLastCallIsAnswered(t *testing.T) { // OPS-03, OPS-04
	t.Chdir(t.TempDir())
	before := runtime.NumGoroutine()
	socket := filepath.Join(t.TempDir(), "admin")
	printed, _, stop := served(t, 3, "--dev", "--store", "memory:", "--admin-listen", "unix:"+socket)
	c := overSocket(t, socket)
	const body = `{"account":"ada"}`
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(printed[0], "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = fmt.Fprintf(conn, "POST /v1/signin HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", printed[1], len(body))
	answers := bufio.NewReader(conn)
	if line, err := answers.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") { // it reads the call
		t.Fatalf("%q %v", line, err)
	}
	ended := make(chan struct{})
	go func() { stop(); close(ended) }()
	waitFor(t, func() bool {
		got, text := read(t, c, "http://admin/readyz")
		if got == 0 {
			t.Fatalf("it answers no more, before the last call: %s", text)
		}
		return got == http.StatusServiceUnavailable
	})
	if got, _ := read(t, c, "http://admin/healthz"); got != http.StatusOK {
		t.Errorf("alive: %d", got)
	}
	if got, text := read(t, c, "http://admin/metrics"); got != http.StatusOK || !strings.Contains(text, "oneseat_store_up{") {
		t.Errorf("%d %s", got, text)
	}
	_, _ = fmt.Fprint(conn, body) // the answer shows whether it arrived
	answer, err := io.ReadAll(answers)
	if err != nil || !strings.Contains(string(answer), "HTTP/1.1 201 ") {
		t.Errorf("%s %v", answer, err)
	}
	<-ended
	if got, _ := read(t, c, "http://admin/healthz"); got != 0 {
		t.Errorf("it still answers: %d", got)
	}
	c.CloseIdleConnections()
	nothingLeft(t, before)
}

func TestAnAddressForOperatorsThatIsTakenEndsTheStart(t *testing.T) {
	t.Chdir(t.TempDir())
	before := runtime.NumGoroutine()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	code := run(ctx, []string{"serve", "--dev", "--store", "memory:", "--listen", "127.0.0.1:0", "--admin-listen", l.Addr().String()}, &stdout, &stderr)
	if code != exitFailed || !strings.Contains(stderr.String(), "--admin-listen 127.0.0.1:0 takes any free port") || stdout.Len() != 0 {
		t.Errorf("%d %s%s", code, &stdout, &stderr)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	nothingLeft(t, before)
}
