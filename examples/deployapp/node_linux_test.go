package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat/internal/testservers"
)

// asNode is the environment variable that makes this program a node.
const asNode = "ONESEAT_DEPLOYAPP_NODE"

func TestMain(m *testing.M) {
	if os.Getenv(asNode) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// node is one process of the site.
type node struct {
	*testservers.Process
	addr string
}

func newNode(t *testing.T, data string) *node {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	n := &node{addr: fmt.Sprint("127.0.0.1:", testservers.FreePort(t))}
	n.Process = testservers.StartProgram(t, self, asNode+"=yes", "GORACE=atexit_sleep_ms=0", "LISTEN="+n.addr, "DATA="+data)
	return n
}

// patient is how long the test waits for what should take no time. Only a test that
// fails waits as long as that.
const patient = 2 * time.Minute

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patient); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited for %v: %s", patient, what)
		}
	}
}

// awaitReady returns when the node says that it wants requests.
func (n *node) awaitReady(t *testing.T) {
	t.Helper()
	until(t, "the node is ready", func() bool {
		resp, err := http.Get("http://" + n.addr + "/ready")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// listens reports whether the node takes connections.
func (n *node) listens() bool {
	conn, err := net.DialTimeout("tcp", n.addr, patient)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

// balancer is nginx in front of two nodes.
type balancer struct {
	*testservers.Nginx
	url   string
	trust *x509.CertPool

	site  string       // its configuration
	edits [2][2]string // what the page does to it to take the first node out, and to put it back: old and new text
}

var (
	nginxBlock = regexp.MustCompile("(?ms)^```nginx\n(.*?)^```$")
	sedCommand = regexp.MustCompile(`(?m)^sed -i 's/([^/]+)/([^/]+)/' /etc/nginx/.* && nginx -s reload`)
)

// newBalancer runs nginx with the configuration of docs/howto/deploy.md. Other in it
// are only the addresses, the certificate, and a header that tells which node answered.
func newBalancer(t *testing.T, nodes []*node) *balancer {
	t.Helper()
	page, err := os.ReadFile("../../docs/howto/deploy.md")
	if err != nil {
		t.Fatal(err)
	}
	m := nginxBlock.FindSubmatch(page)
	if m == nil {
		t.Fatal("the page has no configuration of nginx")
	}
	seds := sedCommand.FindAllSubmatch(page, -1)
	if len(seds) != 2 {
		t.Fatalf("the page has %d commands that edit the configuration", len(seds))
	}
	certificate, key, trust := selfSigned(t)
	b := &balancer{trust: trust}
	for i, sed := range seds {
		b.edits[i] = [2]string{string(sed[1]), string(sed[2])}
	}
	addr := fmt.Sprint("127.0.0.1:", testservers.FreePort(t))
	b.url, b.site = "https://"+addr, string(m[1])
	for _, in := range [][2]string{
		{"127.0.0.1:8081 ", nodes[0].addr + " "}, {"127.0.0.1:8082 ", nodes[1].addr + " "},
		{"listen 443 ssl;", "listen " + addr + " ssl;\nadd_header X-Node $upstream_addr always;"},
		{"/etc/ssl/site.pem", certificate}, {"/etc/ssl/site.key", key},
	} {
		if strings.Count(b.site, in[0]) != 1 {
			t.Fatalf("the configuration in the page has no %q", in[0])
		}
		b.site = strings.Replace(b.site, in[0], in[1], 1)
	}
	b.Nginx = testservers.StartNginx(t, addr, b.site)
	return b
}

// takeOut has nginx send nothing new to a node, as the page says.
func (b *balancer) takeOut(n *node) { b.edit(b.edits[0], n) }

// putBack has nginx use the node again.
func (b *balancer) putBack(n *node) { b.edit(b.edits[1], n) }

func (b *balancer) edit(change [2]string, n *node) {
	_, port, _ := net.SplitHostPort(n.addr) // it is one of ours
	for i := range change {
		change[i] = strings.ReplaceAll(change[i], "8081", port)
	}
	b.site = strings.Replace(b.site, change[0], change[1], 1)
	b.Reload(b.site)
}

// selfSigned writes the certificate and the key of a site on 127.0.0.1.
func selfSigned(t *testing.T) (certificate, key string, trust *x509.CertPool) {
	t.Helper()
	s := httptest.NewTLSServer(nil) // which has both
	defer s.Close()
	private, err := x509.MarshalPKCS8PrivateKey(s.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	trust = x509.NewCertPool()
	trust.AddCert(s.Certificate())
	return write("site.pem", "CERTIFICATE", s.Certificate().Raw), write("site.key", "PRIVATE KEY", private), trust
}

// transport is that of one browser. Each POST makes a connection of its own, because a
// reload of nginx closes idle ones, and no client sends a POST again by itself.
func (b *balancer) transport(t *testing.T, reuse bool) *http.Transport {
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: b.trust}, DisableKeepAlives: !reuse}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

const reportSize = 32 << 20 // more than all buffers on the way hold

// writeReport writes the file that is downloaded, and returns its digest.
func writeReport(t *testing.T, data string) [32]byte {
	t.Helper()
	const block = 1 << 20
	var b bytes.Buffer
	for n := 0; b.Len() < block; n++ {
		fmt.Fprintln(&b, n)
	}
	all := bytes.Repeat(b.Bytes()[:block], reportSize/block)
	if err := os.WriteFile(filepath.Join(data, "report.csv"), all, 0o600); err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(all)
}
