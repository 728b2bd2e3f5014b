package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oneseat/oneseat/internal/canaries"
)

// patience is how long a test waits for something that should come soon. Only a test
// that fails waits as long as that, because a busy machine may be slow.
const patience = 2 * time.Minute

// program is a run of oneseat on a goroutine, with its output.
type program struct {
	t      *testing.T
	url    string
	cancel context.CancelFunc
	code   chan int

	mu  sync.Mutex // guards the buffers
	out bytes.Buffer
	err bytes.Buffer
}

// lines is a writer that sends its first line on a channel, and keeps everything.
type lines struct {
	p     *program
	first chan<- string
	buf   *bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	had := bytes.ContainsRune(l.buf.Bytes(), '\n')
	l.buf.Write(b)
	if line, _, ok := strings.Cut(l.buf.String(), "\n"); ok && !had && l.first != nil {
		l.first <- line
	}
	return len(b), nil
}

// start runs "oneseat demo" and waits for its first line.
func start(t *testing.T, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &program{t: t, cancel: cancel, code: make(chan int, 1)}
	first := make(chan string, 1)
	go func() {
		p.code <- run(ctx, append([]string{"demo", "--listen", "127.0.0.1:0"}, args...), &lines{p, first, &p.out}, &lines{p, nil, &p.err})
	}()
	t.Cleanup(cancel)
	select {
	case line := <-first:
		p.url = urlIn(t, line)
	case code := <-p.code:
		t.Fatalf("it ended with %d: %s", code, p.err.String())
	}
	return p
}

// urlIn returns the URL that a script finds in the first line.
func urlIn(t *testing.T, line string) string {
	t.Helper()
	for word := range strings.FieldsSeq(line) {
		if u, err := url.Parse(word); err == nil && u.Scheme == "http" {
			if u.Path != "" || u.Port() == "" || u.Port() == "0" {
				t.Fatalf("the first line's URL is %q", word)
			}
			return word
		}
	}
	t.Fatalf("no URL in the first line, %q", line)
	return ""
}

// stop does what an interrupt does, and expects the program to end without an error.
func (p *program) stop() {
	p.t.Helper()
	p.cancel()
	if code := <-p.code; code != exitOK {
		p.t.Errorf("it ended with %d", code)
	}
	canaries.Seen("output", p.out.Bytes(), p.err.Bytes())
	if text := p.err.String(); strings.Contains(text, "level=WARN") || strings.Contains(text, "level=ERROR") {
		p.t.Errorf("it complained: %s", text)
	}
}

func newClient(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func do(t *testing.T, c *http.Client, method, target string, form url.Values) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

func signIn(t *testing.T, c *http.Client, p *program, name, password string) int {
	t.Helper()
	return do(t, c, http.MethodPost, p.url+"/login", url.Values{"username": {name}, "password": {password}}).StatusCode
}

func member(t *testing.T, c *http.Client, at string) bool {
	t.Helper()
	body, err := io.ReadAll(do(t, c, http.MethodGet, at+"/", nil).Body)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(body, []byte(`<meta name="account" content="ada">`))
}

func TestTheDemoServesAndEndsCleanlyWithAPictureBeingWatched(t *testing.T) {
	for _, store := range []string{"memory:", "sqlite:" + filepath.Join(t.TempDir(), "demo.db")} {
		t.Run(store[:6], func(t *testing.T) {
			before := runtime.NumGoroutine()
			p := start(t, "--store", store)
			c := newClient(t)
			if code := signIn(t, c, p, "ada", "ada"); code != http.StatusSeeOther {
				t.Fatalf("sign-in: %d", code)
			}
			if !member(t, c, p.url) {
				t.Error("no members' page")
			}
			live := do(t, c, http.MethodGet, p.url+"/live", nil)
			if _, err := bufio.NewReader(live.Body).ReadString('\n'); err != nil {
				t.Fatal(err)
			}
			p.stop()
			if _, err := io.Copy(io.Discard, live.Body); err != nil {
				t.Errorf("the picture broke: %v", err)
			}
			c.CloseIdleConnections()
			nothingLeft(t, before)
		})
	}
}

// nothingLeft waits until no more goroutines run than before.
func nothingLeft(t *testing.T, before int) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for runtime.NumGoroutine() > before {
		select {
		case <-tick.C:
		case <-deadline:
			stacks := make([]byte, 1<<16)
			t.Fatalf("goroutines are left:\n%s", stacks[:runtime.Stack(stacks, true)])
		}
	}
}

func TestASecondStartOnTheSameFileKeepsSessionsAndAChangedPassword(t *testing.T) {
	store := "sqlite:" + filepath.Join(t.TempDir(), "a file? with #100% odd name.db")
	p := start(t, "--store", store)
	c := newClient(t)
	signIn(t, c, p, "ada", "ada")
	res := do(t, c, http.MethodPost, p.url+"/password", url.Values{"current": {"ada"}, "new": {canaries.Mark("password", "lady lovelace")}})
	if res.StatusCode != http.StatusSeeOther {
		t.Fatalf("change of password: %d", res.StatusCode)
	}
	p.stop()

	first, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	p = start(t, "--store", store)
	second, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	c.Jar.SetCookies(second, c.Jar.Cookies(first)) // cookies do not depend on the port, and this jar does not either
	if !member(t, c, p.url) {
		t.Error("the session is lost")
	}
	if code := signIn(t, newClient(t), p, "ada", "ada"); code != http.StatusUnauthorized {
		t.Errorf("the old password: %d", code)
	}
	if code := signIn(t, newClient(t), p, "ada", "lady lovelace"); code != http.StatusSeeOther {
		t.Errorf("the new password: %d", code)
	}
	if member(t, c, p.url) {
		t.Error("a sign-in after the restart left the older session in")
	}
	p.stop()
}

func TestTwoDemosOnOneFileAreOneSystem(t *testing.T) {
	here, there, _ := oneSystem(t, "sqlite:"+filepath.Join(t.TempDir(), "demo.db"))
	here.stop()
	there.stop()
}

// oneSystem runs two demos on one store. It checks that a sign-in at one cuts the
// picture that the other serves. browser is the client that signed in last, at the
// second demo.
func oneSystem(t *testing.T, store string) (here, there *program, browser *http.Client) {
	t.Helper()
	here, there = start(t, "--store", store), start(t, "--store", store)
	first, second := newClient(t), newClient(t)
	signIn(t, first, here, "ada", "ada")
	live := do(t, first, http.MethodGet, here.url+"/live", nil)
	if code := signIn(t, second, there, "ada", "ada"); code != http.StatusSeeOther {
		t.Fatalf("sign-in at the other: %d", code)
	}
	switch _, err := io.Copy(io.Discard, live.Body); {
	case err == nil:
		t.Error("the picture ended as if it were complete")
	case errors.Is(err, context.DeadlineExceeded):
		t.Error("the picture goes on")
	}
	return here, there, second
}

func TestLimitAndPolicyAreTakenFromTheFlags(t *testing.T) {
	p := start(t, "--store", "memory:", "--limit=2", "--policy", "refuse")
	defer p.stop()
	for i, want := range []int{http.StatusSeeOther, http.StatusSeeOther, http.StatusConflict} {
		if code := signIn(t, newClient(t), p, "ada", "ada"); code != want {
			t.Errorf("sign-in %d: %d, want %d", i+1, code, want)
		}
	}
}

func TestEverythingWrongWithTheFlagsIsSaidAtOnce(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"demo", "--listen", "8080", "--store", "postgres:x", "--limit", "none", "--policy", "maybe", "--streams", "-1", "and", "more"}, &stdout, &stderr)
	if code != exitUsage || stdout.Len() != 0 {
		t.Errorf("it ended with %d and printed %q", code, stdout.String())
	}
	for _, want := range []string{"--listen", "--store", "--limit", "--policy", "--streams", `"and"`, `"more"`, "oneseat demo -h"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("nothing of %s in:\n%s", want, stderr.String())
		}
	}
}

func TestEachWrongFlagIsUsage(t *testing.T) {
	for _, args := range [][]string{
		{"--listen", ""}, {"--listen", "localhost"}, {"--listen", "127.0.0.1:99999"}, {"--listen", "127.0.0.1:http"}, {"--listen", "127.0.0.1:-1"},
		{"--store", ""}, {"--store", "sqlite:"}, {"--store", "memory"}, {"--store", "demo.db"},
		{"--limit", "0"}, {"--limit", "-1"}, {"--limit", "257"}, {"--limit", "1.5"}, {"--limit", ""},
		{"--policy", ""}, {"--policy", "Displace"}, {"--unknown"}, {"--limit"}, {"--hosts", "http://demo.example"}, {"--hosts", "demo.example:8080"},
	} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), append([]string{"demo"}, args...), &stdout, &stderr); code != exitUsage || stderr.Len() == 0 || stdout.Len() != 0 {
			t.Errorf("%q: %d, %q, %q", args, code, stdout.String(), stderr.String())
		}
	}
}

func TestWhatCannotBeOpenedIsAnErrorThatSaysWhatToDo(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"port in use":  {[]string{"--store", "memory:", "--listen", taken.Addr().String()}, "--listen 127.0.0.1:0"},
		"no directory": {[]string{"--listen", "127.0.0.1:0", "--store", "sqlite:" + filepath.Join(t.TempDir(), "none", "x.db")}, "none"},
		"a directory":  {[]string{"--listen", "127.0.0.1:0", "--store", "sqlite:" + t.TempDir()}, ""},
	} {
		before := runtime.NumGoroutine()
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), append([]string{"demo"}, c.args...), &stdout, &stderr); code != exitFailed || !strings.Contains(stderr.String(), c.want) || stdout.Len() != 0 {
			t.Errorf("%s: %d, %q, %q", name, code, stdout.String(), stderr.String())
		}
		nothingLeft(t, before)
	}
}

func TestHelpAndVersionGoToStandardOutput(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"help"}, "\n  demo "}, {[]string{"-h"}, "\n  demo "}, {[]string{"--help"}, "\n  demo "}, {[]string{"help", "demo"}, "--store"}, {[]string{"--version"}, "go1."},
		{[]string{"demo", "-h"}, "--store"}, {[]string{"demo", "--help"}, "--policy"}, {[]string{"serve", "-h"}, "--listen"}, {[]string{"version"}, "go1."},
	} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), c.args, &stdout, &stderr); code != exitOK || !strings.Contains(stdout.String(), c.want) || stderr.Len() != 0 {
			t.Errorf("%q: %d, %q, %q", c.args, code, stdout.String(), stderr.String())
		}
	}
	for _, args := range [][]string{nil, {"nothing"}, {""}, {"version", "now"}} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), args, &stdout, &stderr); code != exitUsage || stdout.Len() != 0 || !strings.Contains(stderr.String(), "Usage") {
			t.Errorf("%q: %d, %q, %q", args, code, stdout.String(), stderr.String())
		}
	}
}
