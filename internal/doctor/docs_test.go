package doctor

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat/api"
)

// page is the part of the page about operations that is about the doctor.
func page(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(b), "\n## Doctor\n")
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

func TestThePageHasEveryCheckAndNoOther(t *testing.T) {
	t.Parallel()
	var want strings.Builder
	for _, c := range Checks() {
		fmt.Fprintf(&want, "| `%s` | %s | %s | %s |\n", c.Name, c.Finds, c.Means, c.Cure)
	}
	if !strings.Contains(page(t), "|---|---|---|---|\n"+want.String()+"\n") {
		t.Errorf("docs/operations.md should have\n%s", want.String())
	}
}

func TestTheExampleOfThePageIsWhatTheDoctorWrites(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	about := func(limit api.Max) *api.About {
		return &api.About{Version: "oneseat v0.1.0, go1.26", Realm: "members", Scopes: []string{"check", "sessions"}, Limit: limit, WhenFull: "displace", Now: at}
	}
	one := func(url string, limit api.Max) serverFacts {
		ok := answer{status: 200, header: http.Header{"X-Request-Id": {"x"}}, peer: netip.MustParseAddr("192.0.2.1"), sent: at, at: at}
		ok.tls = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{NotAfter: at.AddDate(0, 2, 0)}}}
		return serverFacts{url: url, keyed: true, spelt: true, health: ok, ready: ok, asked: ok, about: about(limit), now: at}
	}
	servers := []serverFacts{one("https://a.internal:7300", 1), one("https://b.internal:7300", 3)}
	results := append(judgeServer(servers[0]), judgeServer(servers[1])...)
	results = append(results, judgeServers(servers)...)
	results = append(results, judgePostgres(postgresFacts{of: "PostgreSQL at pgbouncer.internal:6432/oneseat", made: true, sent: at, at: at, now: at, durable: "on", fsync: "on", deaf: true})...)
	results = append(results, judgeFile(fileFacts{path: "/etc/oneseat/keys.toml", mode: 0o640, folder: 0o755}))
	var b strings.Builder
	if err := report(results).Write(&b, Style{Width: 100, UTF8: true}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(page(t), "```\n"+b.String()+"```\n") {
		t.Errorf("docs/operations.md should have\n%s", b.String())
	}
}
