package proxyapp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/webtest"
	"github.com/oneseat/oneseat/store/memstore"
)

// upstream is an application that knows nothing of oneseat. stopped is closed
// when its stream has been stopped.
func upstream(t *testing.T) (at *url.URL, stopped chan struct{}) {
	t.Helper()
	stopped = make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "account %s, cookies %s", r.Header["X-Account"], r.Header["Cookie"])
	})
	mux.HandleFunc("GET /live", func(w http.ResponseWriter, r *http.Request) {
		defer close(stopped)
		_, _ = io.WriteString(w, "picture 1\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	server := httptest.NewServer(mux)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return at, stopped
}

func open(t *testing.T, proxies ...netip.Prefix) (*webtest.Site, chan struct{}) {
	t.Helper()
	at, stopped := upstream(t)
	return webtest.Open(t, memstore.New(), oneseat.Config{}, func(seats *oneseat.Registry) (http.Handler, error) {
		return New(seats, at, proxies...)
	}), stopped
}

// wantCut reads a stream of which one picture has to arrive, ends its session by
// a sign-in elsewhere, and wants it broken off.
func wantCut(t *testing.T, first, second *webtest.Browser) {
	t.Helper()
	first.SignIn("ada")
	live := bufio.NewReader(first.Do("GET", "/live", nil).Body)
	if line, err := live.ReadString('\n'); err != nil || line != "picture 1\n" {
		t.Fatalf("%q, %v", line, err)
	}
	second.SignIn("ada")
	if rest, err := io.ReadAll(live); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("%q, then %v", rest, err)
	}
}

func TestTheUpstreamIsStoppedWhenTheSessionEnds(t *testing.T) {
	s, stopped := open(t)
	wantCut(t, s.Browser(webtest.Laptop), s.Browser(webtest.Phone))
	<-stopped
}

func TestTheUpstreamLearnsTheAccountAndNeverTheToken(t *testing.T) {
	s, _ := open(t)
	b := s.Browser(webtest.Laptop)
	if status, body := b.Get("/", "X-Account", "ada"); status != 401 {
		t.Fatalf("a stranger: %d %s", status, body)
	}
	b.SignIn("ada")
	b.Plant("theme", "dark")
	if status, body := b.Get("/", "X-Account", "grace"); status != 200 || body != "account [ada], cookies [theme=dark]" {
		t.Fatalf("%d %s", status, body)
	}
}

func TestBehindAProxyThatEndsTLS(t *testing.T) {
	app, stopped := open(t, netip.MustParsePrefix("127.0.0.0/8"))
	s := app.Behind(func(to *url.URL) http.Handler {
		return &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(to)
			p.Out.Host = p.In.Host
			p.Out.Header.Set("X-Forwarded-For", "203.0.113.77") // as if the browser came from there
			p.Out.Header.Set("X-Forwarded-Proto", "https")
		}}
	})
	first := s.Browser(webtest.Laptop)
	wantCut(t, first, s.Browser(webtest.Phone))
	<-stopped
	if first.Cookie("__Host-oneseat") == "" || first.Cookie("oneseat") != "" {
		t.Error("the cookie is not the one for a site on https")
	}
	live, err := s.Seats.Sessions(t.Context(), "ada")
	if err != nil || len(live) != 1 || live[0].Device.IP != "203.0.113.0" {
		t.Fatalf("%+v, %v", live, err)
	}
	resp := first.Do("POST", "/login", url.Values{"account": {"ada"}}, "Origin", s.URL)
	if resp.StatusCode != 303 {
		t.Errorf("a form of the site's own: %s", resp.Status)
	}
	for _, c := range resp.Cookies() {
		if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure {
			t.Errorf("cookie %s", c.Raw)
		}
	}
	resp = first.Do("POST", "/login", url.Values{"account": {"ada"}}, "Origin", "https://evil.example")
	if resp.StatusCode != 403 {
		t.Errorf("a form of another site's: %s", resp.Status)
	}
}
