package proxyapp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/webtest"
	"github.com/oneseat/oneseat/store/memstore"
)

// upstream is an application that knows nothing of oneseat. stopped is closed when its
// endless answer has been stopped.
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
	return serve(t, mux), stopped
}

func serve(t *testing.T, app http.Handler) *url.URL {
	t.Helper()
	server := httptest.NewServer(app)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func open(t *testing.T, proxies ...netip.Prefix) (*webtest.Site, chan struct{}) {
	t.Helper()
	at, stopped := upstream(t)
	return before(t, at, proxies...), stopped
}

// before puts the proxy in front of an application.
func before(t *testing.T, app *url.URL, proxies ...netip.Prefix) *webtest.Site {
	t.Helper()
	return webtest.Open(t, memstore.New(), oneseat.Config{}, func(seats *oneseat.Registry) (http.Handler, error) {
		return New(seats, app, proxies...)
	})
}

// wantCut reads an endless answer until one picture has arrived, ends its session by a
// sign-in elsewhere, and wants the answer broken off.
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

// folding is an application that reads headers as a WSGI application or PHP does. In
// their names everything except letters and digits is "_", and several lines are
// joined. It answers with the account, and with the address that the request comes
// from.
func folding(w http.ResponseWriter, r *http.Request) {
	env := map[string][]string{}
	for name, values := range r.Header {
		folded := strings.Map(func(c rune) rune {
			if unicode.IsLetter(c) || unicode.IsDigit(c) {
				return unicode.ToUpper(c)
			}
			return '_'
		}, name)
		env[folded] = append(env[folded], values...)
	}
	fmt.Fprintf(w, "%s from %s", strings.Join(env["X_ACCOUNT"], ","), strings.Join(env["X_FORWARDED_FOR"], ","))
}

// script is an application that a web server runs by CGI.
const script = `#!/bin/sh
printf 'Content-Type: text/plain\n\n%s from %s' "$HTTP_X_ACCOUNT" "$HTTP_X_FORWARDED_FOR"
`

func TestAnApplicationThatFoldsNamesReadsTheAccountFromTheProxyOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.cgi")
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil { // it is to be run
		t.Fatal(err)
	}
	for name, app := range map[string]http.Handler{
		"folding": http.HandlerFunc(folding),
		"CGI":     &cgi.Handler{Path: path, Root: "/"},
	} {
		t.Run(name, func(t *testing.T) {
			b := before(t, serve(t, app)).Browser(webtest.Laptop)
			b.SignIn("ada")
			for what, header := range map[string][]string{
				"nothing":          nil,
				"the name":         {"X-Account", "admin"},
				"lower case":       {"x-account", "admin"},
				"twice":            {"X-Account", "admin", "X-Account", "root"},
				"underscore":       {"X_Account", "admin"},
				"upper case":       {"X_ACCOUNT", "admin"},
				"dot":              {"X.Account", "admin"},
				"other marks":      {"X~Account", "admin", "X!Account", "root", "X|Account", "toor"},
				"doubled":          {"X--Account", "admin", "X__Account", "root", "X_-Account", "toor"},
				"at the ends":      {"_X_Account_", "admin"},
				"all at once":      {"X-Account", "a", "X_Account", "b", "X.Account", "c", "x_account", "d"},
				"as a hop's":       {"Connection", "X-Account", "X-Account", "admin"},
				"as a hop's, all":  {"Connection", "close, x-account, X-Forwarded-For, X_Account, Cookie"},
				"another address":  {"X_Forwarded_For", "6.6.6.6", "X.Forwarded.For", "7.7.7.7"},
				"another protocol": {"X_Forwarded_Proto", "https", "X.Forwarded.Host", "evil.example"},
			} {
				for range 5 { // a walk over a map has another order each time
					if status, body := b.Get("/", header...); status != 200 || body != "ada from 127.0.0.1" {
						t.Fatalf("%s: %d %q", what, status, body)
					}
				}
			}
		})
	}
}

func TestBehindAProxyThatEndsTLS(t *testing.T) {
	app, stopped := open(t, netip.MustParsePrefix("127.0.0.0/8"))
	s := app.Behind(func(to *url.URL) http.Handler {
		return &httputil.ReverseProxy{
			Rewrite: func(p *httputil.ProxyRequest) {
				p.SetURL(to)
				p.Out.Host = p.In.Host
				p.Out.Header.Set("X-Forwarded-For", "203.0.113.77") // as if the browser came from there
				p.Out.Header.Set("X-Forwarded-Proto", "https")
			},
			ErrorLog: log.New(t.Output(), "", 0),
		}
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
