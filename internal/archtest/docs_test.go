package archtest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat/internal/readme"
)

func readTop(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTheProgramInTheReadmeCompiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(readme.Program(t, filepath.Join("..", ".."))), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "vet", file)
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// reader is somebody who tries the program of the README in a browser of their own.
type reader struct {
	t     *testing.T
	url   string
	agent string
	http  *http.Client
}

func newReader(t *testing.T, url, agent string) reader {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return reader{t, url, agent, &http.Client{Jar: jar, Transport: transport, Timeout: time.Minute}}
}

// do asks for a path, posts a form if there is one, and follows where it is led.
func (r reader) do(path string, form url.Values) *http.Response {
	r.t.Helper()
	method, body := http.MethodGet, io.Reader(nil)
	if form != nil {
		method, body = http.MethodPost, strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, body)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("User-Agent", r.agent)
	req.Header.Set("Accept", "text/html")
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := r.http.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// sees has the answer come from a path of the site, with these words in its page.
func (r reader) sees(resp *http.Response, path string, words ...string) {
	r.t.Helper()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	if got := resp.Request.URL.Path; got != path || resp.StatusCode != http.StatusOK {
		r.t.Fatalf("%d at %s, want a page at %s: %s", resp.StatusCode, got, path, page)
	}
	for _, w := range words {
		if !strings.Contains(string(page), w) {
			r.t.Fatalf("nothing of %q in the page at %s: %s", w, path, page)
		}
	}
}

func TestTheProgramInTheReadmeSignsTheFirstDeviceOutAndSaysWhy(t *testing.T) {
	site := readme.Start(t, filepath.Join("..", ".."))
	laptop := newReader(t, site, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	phone := newReader(t, site, "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1")
	ada := url.Values{"account": {"ada"}}

	laptop.sees(laptop.do("/", nil), "/login", `<form method="post">`, `name="account"`)
	laptop.sees(laptop.do("/login", ada), "/", "Hello ada", "Firefox on Linux")
	events := laptop.do(oneseatPath+"events", nil) // which the script in the page listens to

	phone.sees(phone.do("/login", ada), "/", "Hello ada", "Safari on iPhone")
	laptop.sees(laptop.do("/", nil), "/login", "This account signed in on another device", "Safari on iPhone", `<form method="post">`)
	if told, err := io.ReadAll(events.Body); err != nil || !strings.Contains(string(told), "event: ended") || !strings.Contains(string(told), "Safari on iPhone") {
		t.Errorf("the open page was told %q, %v", told, err)
	}
	phone.sees(phone.do("/", nil), "/", "Hello ada", oneseatPath+"oneseat.js", oneseatPath+"devices")
	phone.sees(phone.do(oneseatPath+"devices", nil), oneseatPath+"devices", "Safari on iPhone")
	laptop.sees(laptop.do("/login", ada), "/", "Hello ada") // and it can go on
}

const oneseatPath = "/oneseat/"

var (
	target  = regexp.MustCompile(`(?m)^([a-z0-9-]+):`)
	command = regexp.MustCompile("(?m)(?:^|`)make ([a-z0-9-]+)")
	block   = regexp.MustCompile("(?s)```.*?```")
	link    = regexp.MustCompile(`\]\(([^)#:]+)\)`)
)

func TestThePagesNameTargetsAndFilesThatExist(t *testing.T) {
	targets := map[string]bool{}
	for _, m := range target.FindAllStringSubmatch(readTop(t, "Makefile"), -1) {
		targets[m[1]] = true
	}
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		some, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(pattern)))
		if err != nil || len(some) == 0 {
			t.Fatalf("no pages are found at %s: %v", pattern, err)
		}
		pages = append(pages, some...)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range command.FindAllStringSubmatch(string(text), -1) {
			if !targets[m[1]] {
				t.Errorf("%s: there is no make %s", filepath.Base(page), m[1])
			}
		}
		for _, m := range link.FindAllStringSubmatch(block.ReplaceAllString(string(text), ""), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s: a link to %s, which is not there", filepath.Base(page), m[1])
			}
		}
	}
	if !strings.Contains(readTop(t, ".ci/run"), "make test") {
		t.Error(".ci/run does not run the tests")
	}
}

// What an application that imports the root and the guard gets, besides: see
// docs/dependencies.md.
func TestDependenciesSaysWhatAnApplicationGets(t *testing.T) {
	dir := t.TempDir()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"go.mod":  fmt.Sprintf("module example.com/app\n\ngo 1.26\n\nrequire %[1]s v0.0.0\n\nreplace %[1]s => %[2]s\n", module, root),
		"go.sum":  readTop(t, "go.sum"),
		"main.go": "package main\n\nimport (\n\t_ \"" + module + "\"\n\t_ \"" + module + "/oneseathttp\"\n\t_ \"" + module + "/store/memstore\"\n)\n\nfunc main() {}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list := func(args ...string) []string {
		cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-mod=mod"}, args...)...)
		cmd.Dir = dir
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list: %v\n%s", err, stderr.String())
		}
		return strings.Fields(string(out))
	}
	for _, compiled := range list("-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", ".") {
		if !slices.Contains([]string{module, "example.com/app", "github.com/rs/cors", "golang.org/x/net"}, compiled) {
			t.Errorf("%s is compiled into the application", compiled)
		}
	}
	page := readTop(t, "docs/dependencies.md")
	more := len(list("-m", "-f", "{{.Path}}", "all")) - 1
	pgx := list("-m", "-f", "{{.Version}}", "github.com/jackc/pgx/v5")[0]
	for _, words := range []string{fmt.Sprintf("names %d modules more: oneseat and the %d modules", more, more-1), "is raised to " + pgx} {
		if !strings.Contains(page, words) {
			t.Errorf("docs/dependencies.md does not say %q", words)
		}
	}
}
