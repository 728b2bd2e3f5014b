package redisstore_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/canaries"
	"github.com/oneseat/oneseat/internal/testservers"
	"github.com/oneseat/oneseat/store/redisstore"
	"github.com/redis/rueidis"
)

func TestAServerThatMayForgetIsWarnedOfAndRefusedWhereThatIsAsked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		settings []string
		says     string
	}{
		{"nothing on disk", nil, "keeps nothing on disk"},
		{"may evict", []string{"--appendonly", "yes", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"}, "evicts keys when its memory is full (maxmemory-policy allkeys-lru)"},
		{"evicts what has a time only", []string{"--appendonly", "yes", "--maxmemory", "100mb", "--maxmemory-policy", "volatile-lru"}, ""},
		{"snapshots", []string{"--save", "3600 1"}, ""},
		{"not to be looked at", []string{"--appendonly", "yes", "--user", "default", "on", "nopass", "~*", "&*", "+@all", "-config"}, "does not show its settings"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := testservers.StartRedis(t, c.settings...)
			var out bytes.Buffer
			s := open(t, r.URL, redisstore.Options{Logger: slog.New(slog.NewTextHandler(&out, nil))})
			signIn(t, s, "ada", "A")
			if text := out.String(); (c.says == "") != (text == "") || !strings.Contains(text, c.says) || c.says != "" && (!strings.Contains(text, "level=WARN") || !strings.Contains(text, r.Addr)) {
				t.Errorf("it says %q, want %q", text, c.says)
			}
			strict, err := redisstore.Open(t.Context(), r.URL, redisstore.Options{RequireDurable: true, Timeout: patience, Logger: quiet})
			if err == nil {
				closing(t, strict)
			}
			if c.says == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if wantFailure(t, err, oneseat.FailureNotDurable); !strings.Contains(fmt.Sprint(err), c.says) {
				t.Error(err)
			}
		})
	}
}

// leastRights returns the rights that docs/operations.md lists, and those that a
// cluster needs besides.
func leastRights(t *testing.T) (rights, inACluster []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if list, ok := strings.CutPrefix(line, "ACL SETUSER oneseat on >PASSWORD "); ok {
			rights = strings.Fields(list)
		}
		if list, ok := strings.CutPrefix(line, "In a cluster also `"); ok {
			list, _, _ = strings.Cut(list, "`")
			inACluster = strings.Fields(list)
		}
	}
	if rights == nil || inACluster == nil {
		t.Fatal("docs/operations.md lists no rights")
	}
	return rights, inACluster
}

// leastUser creates the user oneseat on a server, with these rights and the
// password hunter2-hunter2.
func leastUser(t *testing.T, r *testservers.Redis, rights ...string) {
	t.Helper()
	canaries.Mark("password", "hunter2-hunter2")
	run(t, shell(t, r.URL), append([]string{"ACL", "SETUSER", "oneseat", "on", ">hunter2-hunter2"}, rights...)...)
}

// leastUsers creates that user on every server of a cluster, with the rights that it
// needs there, and returns the URL with the user's name and password.
func leastUsers(t *testing.T, c *testservers.RedisCluster) (url string) {
	t.Helper()
	rights, inACluster := leastRights(t)
	for _, n := range c.Nodes {
		leastUser(t, n, slices.Concat(rights, inACluster)...)
	}
	return strings.Replace(c.URL, "://", "://oneseat:hunter2-hunter2@", 1)
}

func TestTheRightsInTheDocsAreEnoughAndTLSWorks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pool := certificate(t, dir)
	port := testservers.FreePort(t)
	r := testservers.StartRedis(t, "--tls-port", fmt.Sprint(port), "--tls-cert-file", filepath.Join(dir, "cert.pem"), "--tls-key-file", filepath.Join(dir, "key.pem"),
		"--tls-ca-cert-file", filepath.Join(dir, "cert.pem"), "--tls-auth-clients", "no", "--appendonly", "yes")
	rights, _ := leastRights(t)
	leastUser(t, r, rights...)

	addr := fmt.Sprint("127.0.0.1:", port)
	_, err := redisstore.Open(t.Context(), "rediss://oneseat:hunter2-hunter2@"+addr, redisstore.Options{Timeout: patience})
	wantFailure(t, err, oneseat.FailureUnreachable)
	if text := fmt.Sprint(err); !strings.Contains(text, "certificate") || strings.Contains(text, "hunter2-hunter2") {
		t.Errorf("a certificate that nobody trusts: %s", text)
	}
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{addr}, Username: "oneseat", Password: "hunter2-hunter2", TLSConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		DisableCache: true, DisableRetry: true, ForceSingleClient: true, ClientSetInfo: rueidis.DisableClientSetInfo,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	s, err := redisstore.New(t.Context(), client, redisstore.Options{RequireDurable: true, Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	closing(t, s)
	everything(t, s)
	signIn(t, s, "ada", "A")
	dropSums(t, shell(t, r.URL))
	wantSums(t, s)
	everything(t, open(t, "redis://oneseat:hunter2-hunter2@"+r.Addr, redisstore.Options{}))
}

// everything makes a store use every command that it knows.
func everything(t *testing.T, s *redisstore.Store) {
	t.Helper()
	_, _, cursor := read(t, s, "ada", "")
	woken, ended := make(chan struct{}, 64), make(chan error, 1)
	go func() {
		ended <- s.Wake(t.Context(), func(int) {
			select {
			case woken <- struct{}{}:
			default: // the test does not wait any more
			}
		})
	}()
	for range s.Partitions() { // at first each partition wakes once
		<-woken
	}
	signIn(t, s, "ada", "A")
	select {
	case <-woken:
	case err := <-ended:
		t.Fatal(err)
	case <-time.After(patience):
		t.Fatal("nobody was woken")
	}
	signIn(t, s, "ada", "B")
	if es, gap, _ := read(t, s, "ada", cursor); gap || len(es) != 2 {
		t.Errorf("%d entries, gap %v", len(es), gap)
	}
	_, due := s.Due(t.Context(), realm, 10)
	vs, rosters := s.Rosters(t.Context(), oneseat.RosterQuery{Realm: realm})
	rs, events := s.Events(t.Context(), oneseat.EventQuery{Realm: realm, Before: 1 << 62})
	_, sums := s.Count(t.Context(), realm, 0)
	if err := errors.Join(due, rosters, events, sums); err != nil || len(vs) != 1 || len(rs) < 3 {
		t.Errorf("%d rosters, %d events, %v", len(vs), len(rs), err)
	}
	must(t, s.Forget(t.Context(), realm, "ada", math.MaxUint64))
	interfered := false
	_, err := s.Update(t.Context(), key("ada"), func(v oneseat.View) (oneseat.Change, error) {
		if !interfered {
			interfered = true
			done := make(chan struct{})
			go func() { // it writes to another partition, which is no conflict here
				defer close(done)
				_, err := s.Update(t.Context(), key("grace"), seat("grace", "G"))
				if err != nil {
					t.Error(err)
				}
			}()
			<-done
		}
		return erase(v)
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := s.Update(t.Context(), key("grace"), erase); err != nil {
		t.Error(err)
	}
	wantLive(t, s, "ada")
}

// certificate writes a key and a self-signed certificate for 127.0.0.1.
func certificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	cert, err := x509.CreateCertificate(rand.Reader, about, about, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	for name, b := range map[string][]byte{"cert.pem": certPEM, "key.pem": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return pool
}

func TestAURLIsReadAndNeverRepeated(t *testing.T) {
	t.Parallel()
	for _, good := range []string{
		"redis://localhost", "redis://:p%40ss@localhost:6380/3", "rediss://user:pass@redis.example", "redis-cluster://a:1,b:2,c",
		"rediss-cluster://user:pass@a,b", "redis://[::1]:6379", "redis-cluster://a/0",
	} {
		if err := redisstore.CheckURL(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "localhost:6379", "hunter2-hunter2", "http://hunter2-hunter2@localhost", "redis://", "redis://user:hunter2-hunter2@", "redis://user:hunter2-hunter2@a,b", "redis-cluster://user:hunter2-hunter2@a/3",
		"redis://user:hunter2-hunter2@a/hunter2-hunter2", "redis://user:hunter2-hunter2%zz@a", "redis://user:hunter2-hunter2@a?hunter2-hunter2=1", "redis://user:hunter2-hunter2@a#hunter2-hunter2", "redis://user:hunter2-hunter2@a:port",
		"unix://hunter2-hunter2", "redis://a/1/2",
	} {
		err := redisstore.CheckURL(bad)
		if wantFailure(t, err, oneseat.FailureAddress); strings.Contains(fmt.Sprint(err), "hunter2-hunter2") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
