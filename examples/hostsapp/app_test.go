package hostsapp

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/accounts"
	"github.com/oneseat/oneseat/store/memstore"
)

// browser is one on both hosts, with one jar.
type browser struct {
	*http.Client
	t *testing.T
}

func open(t *testing.T) (newBrowser func() *browser) {
	t.Helper()
	seats, err := oneseat.New(memstore.New(), oneseat.Config{Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	app, err := New(seats, accounts.New("ada"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(app)
	t.Cleanup(func() {
		_ = seats.Close() // first, because it ends what is in flight
		server.Close()
	})
	return func() *browser {
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		transport := &http.Transport{
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
			},
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the server's certificate is for another host
		}
		t.Cleanup(transport.CloseIdleConnections)
		return &browser{&http.Client{Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, t}
	}
}

func (b *browser) do(method, at string, form url.Values, header ...string) (*http.Response, string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, at, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := b.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp, string(body)
}

func (b *browser) signIn() {
	b.t.Helper()
	if resp, body := b.do("POST", "https://"+www+"/login", url.Values{"account": {"ada"}, "password": {"ada"}}); resp.StatusCode != http.StatusSeeOther {
		b.t.Fatal(resp.Status, body)
	}
}

func TestASessionIsOneOnBothHosts(t *testing.T) {
	newBrowser := open(t)
	laptop, phone := newBrowser(), newBrowser()
	laptop.signIn()
	if resp, body := laptop.do("GET", "https://"+www+"/", nil); resp.StatusCode != http.StatusOK || !strings.Contains(body, "Hello ada") || !strings.Contains(body, "https://"+api+"/orders") {
		t.Errorf("%s %s", resp.Status, body)
	}
	ask := []string{"Origin", "https://" + www, "Sec-Fetch-Site", "same-site", "Accept", "application/json"}
	resp, body := laptop.do("GET", "https://"+api+"/orders", nil, ask...)
	if resp.StatusCode != http.StatusOK || !strings.Contains(body, "ada") || resp.Header.Get("Access-Control-Allow-Origin") != "https://"+www || resp.Header.Get("Access-Control-Allow-Credentials") != "true" {
		t.Errorf("%s %v %s", resp.Status, resp.Header, body)
	}
	if resp, body := laptop.do("POST", "https://"+api+"/orders", nil, ask...); resp.StatusCode != http.StatusOK {
		t.Errorf("%s %s", resp.Status, body)
	}
	phone.signIn()
	if resp, body := laptop.do("GET", "https://"+api+"/orders", nil, ask...); resp.StatusCode != http.StatusUnauthorized || !strings.Contains(body, "displaced") || resp.Header.Get("Access-Control-Allow-Origin") != "https://"+www {
		t.Errorf("a page is told nothing: %s %v %s", resp.Status, resp.Header, body)
	}
}

func TestOtherOriginsAskAndOrderNothing(t *testing.T) {
	b := open(t)()
	b.signIn()
	for origin, site := range map[string]string{"https://evil.example": "cross-site", "https://blog." + domain: "same-site"} {
		resp, _ := b.do("GET", "https://"+api+"/orders", nil, "Origin", origin, "Sec-Fetch-Site", site)
		if got := resp.Header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("%s may read: %s", origin, got)
		}
		if resp, body := b.do("POST", "https://"+api+"/orders", nil, "Origin", origin, "Sec-Fetch-Site", site); resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s orders: %s %s", origin, resp.Status, body)
		}
	}
}

func TestABrowserThatAsksBeforehandIsAnsweredWithoutASession(t *testing.T) {
	resp, _ := open(t)().do("OPTIONS", "https://"+api+"/orders", nil, "Origin", "https://"+www, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type")
	if resp.StatusCode >= 300 || resp.Header.Get("Access-Control-Allow-Methods") != "POST" {
		t.Errorf("%s %v", resp.Status, resp.Header)
	}
}
