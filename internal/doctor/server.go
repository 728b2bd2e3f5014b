package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/oneseat/oneseat/api"
)

// serverFacts is what was seen of a server.
type serverFacts struct {
	url     string // without user and password
	bad     error  // it is no URL
	plain   bool   // http, and no Unix socket
	keyed   bool   // there is a key to ask with
	spelt   bool   // as a key is
	health  answer
	ready   answer
	beyond  []string // addresses of this machine, beyond loopback, at which it answers by plain http too
	about   *api.About
	asked   answer // for about
	now     time.Time
	realm   string   // that the key should be of; "": any
	keyFile *keyFact // where the key stands; nil: in no file that was given
}

// keyFact is a key that stands in a file.
type keyFact struct{ file, id, realm string }

// answer is what came of one question over HTTP.
type answer struct {
	err      error
	status   int
	header   http.Header
	body     []byte     // 64 KiB at most
	peer     netip.Addr // that answered; not valid over a Unix socket
	tls      *tls.ConnectionState
	sent, at time.Time // by this machine's clock
}

// oneseats reports whether an answer is one of an oneseat server.
func (a answer) oneseats() bool { return a.err == nil && a.header.Get("X-Request-Id") != "" }

// errNotLocal is why a key was not sent.
var errNotLocal = errors.New("a key is not sent beyond this machine by plain http")

// way is how a server is reached.
type way struct {
	base        string
	open, local *http.Client // any address; and only those of this machine
}

// newWay reads the URL of a server. The error does not repeat the URL.
func newWay(address string, trusted *x509.CertPool) (w way, shown string, err error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
		c := newClient(dial, nil)
		return way{"http://unix", c, c}, address, nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return way{}, "the URL", errors.New("write https://HOST:PORT, http://127.0.0.1:PORT, or unix:PATH")
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	u.Path = strings.TrimSuffix(u.Path, "/")
	w = way{base: u.String(), open: newClient(new(net.Dialer).DialContext, trusted)}
	w.local = w.open
	if u.Scheme == "http" {
		w.local = newClient(func(ctx context.Context, network, at string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, at)
			if err == nil && !addrOf(c.RemoteAddr()).IsLoopback() {
				return nil, errors.Join(errNotLocal, c.Close())
			}
			return c, err
		}, nil)
	}
	return w, w.base, nil
}

// newClient makes a client that asks by itself: through no proxy, and not where an answer
// sends it on. trusted are the authorities of certificates; nil: those of the system.
func newClient(dial func(context.Context, string, string) (net.Conn, error), trusted *x509.CertPool) *http.Client {
	return &http.Client{
		Transport:     &http.Transport{DialContext: dial, DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       patience,
	}
}

func addrOf(a net.Addr) netip.Addr {
	at, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap()
}

// ask makes one request.
func ask(ctx context.Context, c *http.Client, method, address string, body []byte, headers ...string) (a answer) {
	trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { a.peer = addrOf(i.Conn.RemoteAddr()) }}
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), method, address, bytes.NewReader(body))
	if err != nil {
		a.err = err
		return a
	}
	r.Header.Set("User-Agent", "oneseat-doctor")
	for i := 0; i < len(headers); i += 2 {
		r.Header[headers[i]] = []string{headers[i+1]} // in this spelling
	}
	a.sent = time.Now()
	resp, err := c.Do(r)
	a.at = time.Now()
	if err != nil {
		a.err = plainly(err)
		return a
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	a.status, a.header, a.tls = resp.StatusCode, resp.Header, resp.TLS
	a.body, a.err = io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return a
}

// plainly returns what is wrong, without the URL and the method.
func plainly(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		if u.Timeout() {
			return fmt.Errorf("there was no answer within %v", patience)
		}
		return u.Err
	}
	return err
}

// probeServer asks a server. It makes calls only that change nothing.
func (s Subject) probeServer(ctx context.Context, address string) (f serverFacts) {
	key := s.Key
	w, shown, err := newWay(address, s.Trusted)
	f = serverFacts{url: shown, bad: err, keyed: key != "", spelt: secretKey.MatchString(key), now: time.Now()}
	if err != nil {
		return f
	}
	f.plain = strings.HasPrefix(shown, "http:")
	f.health = ask(ctx, w.open, http.MethodGet, w.base+"/healthz", nil)
	if !f.health.oneseats() {
		return f
	}
	var all sync.WaitGroup
	all.Go(func() { f.ready = ask(ctx, w.open, http.MethodGet, w.base+"/readyz", nil) })
	if f.plain && f.health.peer.IsLoopback() {
		all.Go(func() { f.beyond = beyond(ctx, w, s.addresses()) })
	}
	if f.spelt {
		all.Go(func() {
			f.asked = ask(ctx, w.local, http.MethodPost, w.base+api.PathAbout, []byte("{}"), "Authorization", "Bearer "+key, "Content-Type", "application/json")
			var a api.About
			if f.asked.status == http.StatusOK && json.Unmarshal(f.asked.body, &a) == nil {
				f.about = &a
			}
		})
	}
	all.Wait()
	return f
}

// beyond returns at which of these addresses the same port answers as an oneseat server.
func beyond(ctx context.Context, w way, addresses []netip.Addr) (list []string) {
	u, err := url.Parse(w.base)
	if err != nil {
		return nil
	}
	for _, at := range answering(ctx, u, addresses, answer.oneseats, "/healthz") {
		list = append(list, at.String())
	}
	return list
}

// answering returns at which of these addresses the port of a URL answers by plain http
// to a GET of a path.
func answering(ctx context.Context, u *url.URL, addresses []netip.Addr, accept func(answer) bool, path string) (list []netip.Addr) {
	port := u.Port()
	if port == "" {
		port = "80"
	}
	yes := make([]bool, len(addresses))
	var all sync.WaitGroup
	for i, addr := range addresses {
		all.Go(func() {
			c := newClient(new(net.Dialer).DialContext, nil)
			yes[i] = accept(ask(ctx, c, http.MethodGet, "http://"+net.JoinHostPort(addr.String(), port)+path, nil))
		})
	}
	all.Wait()
	for i, addr := range addresses {
		if yes[i] {
			list = append(list, addr)
		}
	}
	return list
}
