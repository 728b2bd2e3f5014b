package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/oneseat/oneseat/internal/canaries"
)

// served runs "oneseat serve" with flags until the test ends, or stop is called, and
// returns the lines that it printed.
func served(t *testing.T, lines int, flags ...string) (printed []string, stderr *syncBuffer, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	code := make(chan int, 1)
	stderr = new(syncBuffer)
	go func() {
		code <- run(ctx, append([]string{"serve", "--listen", "127.0.0.1:0", "--drain", "0s"}, flags...), w, stderr)
		_ = w.Close()
	}()
	out := bufio.NewReader(r)
	for range lines {
		line, err := out.ReadString('\n')
		if err != nil {
			t.Fatalf("it ended: %q %s", printed, stderr)
		}
		printed = append(printed, strings.TrimSuffix(line, "\n"))
	}
	rest := make(chan string, 1)
	go func() { b, _ := io.ReadAll(out); rest <- string(b) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if c := <-code; c != exitOK {
			t.Errorf("it ended with %d: %s", c, stderr)
		}
		if more := <-rest; more != "" {
			t.Errorf("more on stdout: %q", more)
		}
	})
	t.Cleanup(stop)
	return printed, stderr, stop
}

// syncBuffer is a log that a test reads while it is written.
type syncBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	canaries.Seen("log", p)
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// dev runs a developer's server in a folder.
func dev(t *testing.T, folder string) (url, key string, stop func()) {
	t.Helper()
	t.Chdir(folder)
	printed, _, stop := served(t, 2, "--dev")
	if !regexp.MustCompile(`^http://127\.0\.0\.1:\d+$`).MatchString(printed[0]) || !strings.HasPrefix(printed[1], "oneseat_key_") {
		t.Fatalf("it printed %q", printed)
	}
	return printed[0], printed[1], stop
}

// scripts returns what a page has its reader type.
func scripts(t *testing.T, page ...string) (blocks []string) {
	t.Helper()
	for _, program := range []string{"sh", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("this test needs %s", program)
		}
	}
	text, err := os.ReadFile(filepath.Join(append([]string{"..", ".."}, page...)...))
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, block[1])
	}
	return blocks
}

// The script of docs/server.md is run as it stands there.
func TestTheScriptOfTheServersPageWorksWithCurl(t *testing.T) {
	blocks := scripts(t, "docs", "server.md")
	url, key, _ := dev(t, t.TempDir())
	script := exec.CommandContext(t.Context(), "sh", "-e", "-c", blocks[1])
	script.Env = append(os.Environ(), "URL="+url, "KEY="+key)
	out, err := script.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := "201\n200\n201\n410\n"
	if string(out) != want {
		t.Errorf("it printed %q, want %q", out, want)
	}
}

// The script of README.md, but for the port.
func TestTheServerOfTheReadmeEndsTheFirstSession(t *testing.T) {
	blocks := scripts(t, "README.md")
	at := slices.IndexFunc(blocks, func(b string) bool { return strings.Contains(b, "oneseat serve --dev") })
	if at < 0 || at+1 == len(blocks) || !strings.Contains(blocks[at+1], "http://127.0.0.1:7300") {
		t.Fatal("README.md has no server")
	}
	url, _, _ := dev(t, t.TempDir())
	for range 20 { // a call has two seconds, which is little on a machine that is busy
		out, err := exec.CommandContext(t.Context(), "sh", "-e", "-c", strings.ReplaceAll(blocks[at+1], "http://127.0.0.1:7300", url)).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		answers := strings.Split(string(out), "\n")
		if strings.Contains(string(out), "no-answer") {
			continue
		}
		if len(answers) != 4 || !strings.Contains(answers[0], `"account":"ada"`) || !strings.Contains(answers[1], `"token":`) || !strings.Contains(answers[2], `"reason":"displaced"`) {
			t.Errorf("it printed %s", out)
		}
		return
	}
	t.Error("the server never answered in time")
}

func TestADevelopersServerKeepsItsKeyAndItsSessionsInItsFolder(t *testing.T) {
	folder := t.TempDir()
	_, key, stop := dev(t, folder)
	stop()
	if info, err := os.Stat(filepath.Join(folder, devKeyFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", info, err)
	}
	if _, err := os.Stat(filepath.Join(folder, "oneseat.db")); err != nil {
		t.Error(err)
	}
	if _, again, _ := dev(t, folder); again != key {
		t.Errorf("another key at the second start")
	}
}

func TestServeRefusesWhatMakesNoSense(t *testing.T) {
	for args, want := range map[string]string{
		"":                            "--keys: name the file of keys",
		"--dev --keys keys.toml":      "--dev, --keys: name one of them",
		"--keys k --listen 0.0.0.0:1": "need TLS: set --tls-cert and --tls-key",
		"--keys k --listen :1":        "need TLS",
		"--keys k --tls-cert x":       "they belong together",
		"--dev --without-tls --tls-cert x --tls-key y":   "--without-tls: there is TLS",
		"--dev --store nowhere":                          "--store",
		"--dev --listen 0.0.0.0:7300":                    "not an address of this machine alone",
		"--dev --listen :7300":                           "not an address of this machine alone",
		"--dev --listen 192.0.2.1:1":                     "not an address of this machine alone",
		"--dev --listen 7300":                            "not an address with a port",
		"--dev --listen unix:":                           "has no path",
		"--dev --listen unix:s --tls-cert x --tls-key y": "needs no TLS",
		"--dev --admin-listen 0.0.0.0:7301":              "write --admin-open",
		"--dev --admin-listen :7301":                     "write --admin-open",
		"--dev --admin-listen 7301":                      `--admin-listen: "7301" is not an address with a port`,
		"--dev --admin-listen unix:":                     `--admin-listen: "unix:" has no path`,
		"--dev --admin-listen 127.0.0.1:7300":            "where the API listens",
		"--dev --admin-open":                             "there is no --admin-listen",
		"--dev --limit 0":                                `--limit: "0"`,
		"--dev --policy kick":                            `--policy: "kick"`,
		"--dev --drain -1s":                              "--drain: -1s",
		"--dev --cookie-name a;b":                        "--cookie-name",
		"--dev --cookie-name __Host-seat":                "--cookie-name",
		"--keys k --plain-cookie":                        "--plain-cookie: it is for --dev",
		"--dev --sign-ins-per-minute -1":                 "--sign-ins-per-minute, --calls-per-second: they are 0 to 1000000",
		"--dev --calls-per-second Inf":                   "--sign-ins-per-minute, --calls-per-second: they are 0 to 1000000",
		"--dev --calls-per-second NaN":                   "--sign-ins-per-minute, --calls-per-second: they are 0 to 1000000",
		"--dev --log xml":                                `--log: "xml"`,
		"--dev --log-level loud":                         "log-level",
		"--dev more":                                     `"more" is not a flag`,
		"--dev --nothing":                                "there is no flag --nothing",
		"--dev --limit 257 --policy x":                   `--policy: "x"`,
	} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), append([]string{"serve"}, strings.Fields(args)...), &stdout, &stderr); code != exitUsage || !strings.Contains(stderr.String(), want) || stdout.Len() != 0 {
			t.Errorf("serve %s: %d %s", args, code, &stderr)
		}
	}
	t.Chdir(t.TempDir())
	if err := os.WriteFile(devKeyFile, []byte("no key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"serve", "--dev", "--listen", "127.0.0.1:0"}, &stdout, &stderr); code != exitFailed || !strings.Contains(stderr.String(), "remove the file") || stdout.Len() != 0 {
		t.Errorf("a key's file that has no key: %d %s", code, &stderr)
	}
}

// createKey makes a key in a file, and returns it.
func createKey(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), append([]string{"keys", "create"}, args...), &stdout, &stderr); code != exitOK || stderr.Len() != 0 {
		t.Fatalf("%d %s", code, &stderr)
	}
	return strings.TrimSpace(stdout.String())
}

// status is that of a call of /v1/about with a key.
func status(t *testing.T, c *http.Client, url, key string) (status int) {
	t.Helper()
	for range 20 { // a call has two seconds
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/about", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+key)
		r.Header.Set("Content-Type", "application/json")
		resp, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if status = resp.StatusCode; status != http.StatusServiceUnavailable {
			break
		}
	}
	return status
}

// ask makes a call with a key, and again if there was no answer: a call has a second or
// two, which is little on a machine that is busy. It returns the status, and the answer.
func ask(t *testing.T, url, key, path, body string) (status int, answer string) {
	t.Helper()
	for range 20 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+key)
		r.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		if _ = resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if status, answer = resp.StatusCode, string(b); status != http.StatusServiceUnavailable {
			break
		}
	}
	return status, answer
}

// call makes a call that has to succeed, and reads its answer.
func call(t *testing.T, url, key, path, body string, to any) {
	t.Helper()
	status, answer := ask(t, url, key, path, body)
	if status/100 != 2 {
		t.Fatalf("%s %s: %d %s", path, body, status, answer)
	}
	if err := json.Unmarshal([]byte(answer), to); err != nil {
		t.Fatalf("%s: %v in %s", path, err, answer)
	}
}

// hangUp sends this process, and so the server in it, SIGHUP, and waits until its log says
// something once more.
func hangUp(t *testing.T, log *syncBuffer, says string) {
	t.Helper()
	before := strings.Count(log.String(), says)
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := self.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return strings.Count(log.String(), says) > before })
}

// waitFor waits until something holds that comes soon.
func waitFor(t *testing.T, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("in vain")
		}
	}
}

func parseServe(args []string) (serveConfig, error) {
	set := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	read := serveFlags(set)
	if err := set.Parse(args); err != nil {
		return serveConfig{}, err
	}
	return read(set.Args())
}

func TestSignInsAreCountedUnlessOneDevelops(t *testing.T) { // API-10
	for args, want := range map[string]float64{"--keys k": 120, "--keys k --sign-ins-per-minute 0": 0, "--dev": 0, "--dev --sign-ins-per-minute 30": 30} {
		c, err := parseServe(strings.Fields(args))
		if err != nil || c.signIns != want || c.calls != 0 {
			t.Errorf("%s: %v sign-ins, %v calls, %v", args, c.signIns, c.calls, err)
		}
	}
	t.Chdir(t.TempDir())
	printed, _, _ := served(t, 2, "--dev", "--store", "memory:", "--sign-ins-per-minute", "2")
	if got, _ := ask(t, printed[0], printed[1], "/v1/signin", `{"account":"ada"}`); got != http.StatusCreated {
		t.Errorf("%d", got)
	}
	if got, answer := ask(t, printed[0], printed[1], "/v1/signin", `{"account":"ada"}`); got != http.StatusTooManyRequests {
		t.Errorf("%d %s", got, answer)
	}
}

func TestTheLogSaysWhenAServerBeginsAndEndsAndWithWhat(t *testing.T) {
	printed, stderr, stop := served(t, 2, "--dev", "--store", "memory:")
	stop()
	for _, want := range []string{`msg=serving version="oneseat `, " at=" + printed[0] + " store=memory realms=[default]", `msg="ending, after the calls that have begun" drain=0s`} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("it does not say %q: %s", want, stderr)
		}
	}
	if strings.Contains(stderr.String(), printed[1]) {
		t.Error("the key is in the log")
	}
}
