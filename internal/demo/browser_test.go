package demo_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/demo"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/store/memstore"
)

// fixture is a site on a real server. Its sessions are in memory unless a test says
// otherwise.
type fixture struct {
	t      *testing.T
	site   *demo.Site
	server *httptest.Server
	store  oneseat.Store
	hashes demo.Hashes
	hosts  []string // of the stage
	around func(http.Handler) http.Handler
}

func newSite(t *testing.T, c oneseat.Config, with ...any) *fixture {
	t.Helper()
	f, c := made(t, c, with)
	seats, err := oneseat.New(f.store, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := seats.Close(); err != nil {
			t.Error(err)
		}
	})
	guard, err := oneseathttp.New(seats, oneseathttp.Config{SignInPath: demo.SignInPath})
	if err != nil {
		t.Fatal(err)
	}
	users, err := demo.NewUsers(t.Context(), f.hashes)
	if err != nil {
		t.Fatal(err)
	}
	f.site, err = demo.New(demo.Config{
		Registry: seats, Guard: guard, Users: users,
		Limit: max(c.Limit, 1), WhenFull: c.WhenFull, Logger: c.Logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	f.server = httptest.NewServer(f.around(f.site))
	t.Cleanup(func() { // the server's Close waits for every answer to end
		f.site.Close()
		f.server.Close()
	})
	return f
}

// made returns a fixture without a site, made of what a test brings, and the
// configuration that goes with it.
func made(t *testing.T, c oneseat.Config, with []any) (*fixture, oneseat.Config) {
	t.Helper()
	f := &fixture{t: t, store: memstore.New(), hashes: demo.MemoryHashes(), around: func(h http.Handler) http.Handler { return h }}
	c.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	for _, w := range with {
		switch w := w.(type) {
		case oneseat.Store:
			f.store = w
		case demo.Hashes:
			f.hashes = w
		case *slog.Logger:
			c.Logger = w
		case func(http.Handler) http.Handler:
			f.around = w
		case []string:
			f.hosts = w
		}
	}
	for name, hash := range firstHashes() {
		if _, err := f.hashes.Replace(t.Context(), name, "", hash); err != nil {
			t.Fatal(err)
		}
	}
	return f, c
}

// firstHashes are the hashes of a new demo. All tests share them, because computing one
// takes a while by design.
var firstHashes = sync.OnceValue(func() map[string]string {
	ctx, h := context.Background(), demo.MemoryHashes()
	if _, err := demo.NewUsers(ctx, h); err != nil {
		panic(err)
	}
	m := map[string]string{}
	for _, name := range demo.Names() {
		m[name], _ = h.Get(ctx, name) // it never fails
	}
	return m
})

// browser is a client with cookies of its own that follows no redirect by itself.
type browser struct {
	f      *fixture
	client *http.Client
	agent  string
}

const (
	firefox = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
	safari  = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1"
)

func (f *fixture) browser(agent string) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		f.t.Fatal(err)
	}
	transport := &http.Transport{}
	f.t.Cleanup(transport.CloseIdleConnections)
	return &browser{f: f, agent: agent, client: &http.Client{
		Jar: jar, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// answer is what came back, read to its end.
type answer struct {
	status   int
	header   http.Header
	location string
	body     string
}

func (a answer) has(words ...string) bool {
	for _, w := range words {
		if !strings.Contains(a.body, w) {
			return false
		}
	}
	return true
}

// patience is how long something may take before a test calls it hanging. A busy
// machine may be slow.
const patience = 2 * time.Minute

func (b *browser) request(method, path string, form url.Values) *http.Request {
	b.f.t.Helper()
	ctx, cancel := context.WithTimeout(b.f.t.Context(), patience)
	b.f.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, method, b.f.server.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.f.t.Fatal(err)
	}
	req.Header.Set("User-Agent", b.agent)
	req.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return req
}

func (b *browser) do(req *http.Request) answer {
	b.f.t.Helper()
	a, err := b.try(req)
	if err != nil {
		b.f.t.Fatal(err)
	}
	return a
}

func (b *browser) try(req *http.Request) (answer, error) {
	res, err := b.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, res.Header.Get("Location"), string(body)}, err
}

func (b *browser) get(path string) answer {
	b.f.t.Helper()
	return b.do(b.request(http.MethodGet, path, nil))
}

func (b *browser) post(path string, pairs ...string) answer {
	b.f.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return b.do(b.request(http.MethodPost, path, form))
}

func (b *browser) signIn(name, password string) answer {
	b.f.t.Helper()
	return b.post("/login", "username", name, "password", password)
}

// mustSignIn signs in with the password that a new demo has.
func (b *browser) mustSignIn(name string) *browser {
	b.f.t.Helper()
	if a := b.signIn(name, name); a.status != http.StatusSeeOther || a.location != "/" {
		b.f.t.Fatalf("sign-in of %s: %d to %q, want 303 to /", name, a.status, a.location)
	}
	return b
}

// account returns the account whose members' page the browser sees, or "".
func (b *browser) account() string {
	b.f.t.Helper()
	a := b.get("/")
	_, rest, ok := strings.Cut(a.body, `<meta name="account" content="`)
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, `"`)
	return name
}

// token returns the value of the session cookie, or "".
func (b *browser) token() string {
	at, err := url.Parse(b.f.server.URL)
	if err != nil {
		b.f.t.Fatal(err)
	}
	for _, c := range b.client.Jar.Cookies(at) {
		if c.Name == "oneseat" {
			return c.Value
		}
	}
	return ""
}

// picture is a live picture that is being watched.
type picture struct {
	t     *testing.T
	body  io.ReadCloser
	parts *multipart.Reader
}

// watch opens the live picture and reads its first frame.
func (b *browser) watch() *picture {
	b.f.t.Helper()
	res, err := b.client.Do(b.request(http.MethodGet, "/live", nil))
	if err != nil {
		b.f.t.Fatal(err)
	}
	b.f.t.Cleanup(func() { _ = res.Body.Close() })
	kind, params, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil || res.StatusCode != http.StatusOK || kind != "multipart/x-mixed-replace" {
		b.f.t.Fatalf("GET /live: %d, %q, %v", res.StatusCode, kind, err)
	}
	p := &picture{b.f.t, res.Body, multipart.NewReader(res.Body, params["boundary"])}
	p.frame()
	return p
}

// frame returns the next frame.
func (p *picture) frame() []byte {
	p.t.Helper()
	part, err := p.parts.NextPart()
	if err != nil {
		p.t.Fatalf("the picture has stopped: %v", err)
	}
	frame, err := io.ReadAll(part)
	if err != nil {
		p.t.Fatalf("the picture has stopped: %v", err)
	}
	if kind := part.Header.Get("Content-Type"); kind != "image/jpeg" {
		p.t.Fatalf("a frame is %q", kind)
	}
	return frame
}

// stops reads until the picture ends, and returns how. nil is a proper end.
func (p *picture) stops() error {
	p.t.Helper()
	_, err := io.Copy(io.Discard, p.body)
	if errors.Is(err, context.DeadlineExceeded) {
		p.t.Fatal("the picture goes on")
	}
	return err
}
