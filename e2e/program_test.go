package e2e

import (
	"bufio"
	"bytes"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite" // for what operators do to the demo's file

	"github.com/oneseat/oneseat/internal/testservers"
)

// program is a running "oneseat demo".
type program struct {
	t      *testing.T
	file   string // its database
	url    string // of the site
	stage  string // of the stage
	cmd    *exec.Cmd
	said   sync.WaitGroup // the goroutines that read its output
	errors bytes.Buffer   // its standard error; read it after said.Wait
	over   sync.Once
}

// start runs the program on a new database and a free port, until the test ends.
// The port is still free when it is started again.
func start(t *testing.T, args ...string) *program {
	t.Helper()
	return restart(t, filepath.Join(t.TempDir(), "demo.db"), fmt.Sprint("127.0.0.1:", testservers.FreePort(t)), args...)
}

// restart runs the program on a database and at an address.
func restart(t *testing.T, file, address string, args ...string) *program {
	t.Helper()
	p := &program{t: t, file: file}
	p.cmd = exec.Command(the.program, append([]string{"demo", "--listen", address, "--store", "sqlite:" + file}, args...)...) // our own program
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	p.said.Go(func() { _, _ = io.Copy(&p.errors, stderr) }) // ends with the program
	lines := bufio.NewReader(stdout)
	first, _ := lines.ReadString('\n')
	second, _ := lines.ReadString('\n')
	p.said.Go(func() { _, _ = io.Copy(io.Discard, lines) })
	p.url, p.stage = urlIn(first), strings.TrimSuffix(urlIn(second), ",")
	if p.url == "" || p.stage != p.url+"/stage" || !strings.Contains(second, "Open this") {
		t.Fatalf("it began with %q, %q", first, second)
	}
	return p
}

func urlIn(line string) string {
	for word := range strings.FieldsSeq(line) {
		if strings.HasPrefix(word, "http://") {
			return word
		}
	}
	return ""
}

// stop ends the program as an operator does, and expects that it has logged no error.
func (p *program) stop() {
	p.over.Do(func() {
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			p.t.Errorf("it had ended before: %v", err)
		}
		p.said.Wait()
		if err := p.cmd.Wait(); err != nil {
			p.t.Errorf("it ended with %v", err)
		}
		if said := p.errors.String(); strings.Contains(said, "level=ERROR") || strings.Contains(said, "panic") {
			p.t.Errorf("it complained:\n%s", said)
		}
	})
}

// address returns where the program listens.
func (p *program) address() string { return strings.TrimPrefix(p.url, "http://") }

// sql changes the database without the program's knowledge.
func (p *program) sql(statements ...string) {
	p.t.Helper()
	db := p.open()
	for _, s := range statements {
		if _, err := db.ExecContext(p.t.Context(), s); err != nil {
			p.t.Fatalf("%s: %v", s, err)
		}
	}
	if err := db.Close(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *program) open() *sql.DB {
	p.t.Helper()
	db, err := sql.Open("sqlite", p.file+"?_pragma=busy_timeout(120000)")
	if err != nil {
		p.t.Fatal(err)
	}
	return db
}

// person is a client with cookies and connections of its own that follows no redirect:
// a browser without the browser.
type person struct {
	t      *testing.T
	at     *program
	client *http.Client
}

func (p *program) person() *person {
	jar, err := cookiejar.New(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 8}
	p.t.Cleanup(transport.CloseIdleConnections)
	return &person{p.t, p, &http.Client{
		Jar: jar, Transport: transport, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// answer is what came back, read to its end.
type answer struct {
	status   int
	location string
	body     string
}

func (h *person) request(method, path string, form url.Values) *http.Request {
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.at.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		h.t.Error(err)
		return nil
	}
	req.Header.Set("Accept", "text/html,*/*;q=0.8")
	req.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return req
}

// send sends a request. No answer of this site may be an internal error.
func (h *person) send(req *http.Request) answer {
	res, err := h.client.Do(req)
	if err != nil {
		h.t.Errorf("%s %s: %v", req.Method, req.URL.Path, err)
		return answer{}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 500 {
		h.t.Errorf("%s %s: %d, %v", req.Method, req.URL.Path, res.StatusCode, err)
	}
	return answer{res.StatusCode, res.Header.Get("Location"), string(body)}
}

func (h *person) get(path string) answer { return h.send(h.request(http.MethodGet, path, nil)) }

func (h *person) post(path string, pairs ...string) answer {
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return h.send(h.request(http.MethodPost, path, form))
}

// signIn signs in and returns the status. 303 means signed in.
func (h *person) signIn(name, password string) int {
	return h.post("/login", "username", name, "password", password).status
}

// mustSignIn signs in with the password that a new demo has.
func (h *person) mustSignIn(name string) *person {
	h.t.Helper()
	if a := h.post("/login", "username", name, "password", name); a.status != http.StatusSeeOther {
		h.t.Fatalf("sign-in of %s: %d to %q, %q", name, a.status, a.location, a.body)
	}
	return h
}

// account returns the account whose members' page the person sees, or "".
func (h *person) account() string {
	_, rest, ok := strings.Cut(h.get("/").body, `<meta name="account" content="`)
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, `"`)
	return name
}

// expect fails the test unless the person sees the page of this account.
func (h *person) expect(want string) {
	h.t.Helper()
	if got := h.account(); got != want {
		h.t.Errorf("the page of %q is shown, want that of %q", got, want)
	}
}

// token returns the value of the session cookie.
func (h *person) token() string {
	at, err := url.Parse(h.at.url)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, c := range h.client.Jar.Cookies(at) {
		if c.Name == "oneseat" {
			return c.Value
		}
	}
	return ""
}

// stream opens an answer without an end.
func (h *person) stream(path string) io.Reader {
	h.t.Helper()
	endless := *h.client
	endless.Timeout = 0
	req := h.request(http.MethodGet, path, nil)
	res, err := endless.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode != http.StatusOK {
		h.t.Fatalf("GET %s: %d", path, res.StatusCode)
	}
	return res.Body
}

// until looks at a condition again and again until it is true.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(40 * time.Millisecond)
	defer tick.Stop()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("in vain: %s", what)
		case <-t.Context().Done():
			t.Fatalf("the test is over: %s", what)
		}
	}
}

// whole reads an endless answer to its end. It returns the error in words, or "".
func whole(body io.Reader) string {
	if _, err := io.Copy(io.Discard, body); err != nil {
		return err.Error()
	}
	return ""
}
