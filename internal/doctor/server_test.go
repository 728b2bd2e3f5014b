package doctor

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/testservers"
	"github.com/oneseat/oneseat/server"
	"github.com/oneseat/oneseat/store/memstore"
	"github.com/oneseat/oneseat/store/redisstore"
)

// ofServer are the checks of a server that has TLS or is on this machine.
var ofServer = []string{"answers", "ready", "tls", "key", "realm", "clock", "adoption", "dangerously"}

func TestAHealthyServerHasNoFinding(t *testing.T) {
	t.Parallel()
	a := serve(t, "127.0.0.1:0", memstore.New(), oneseat.Config{}, "one")
	b := serve(t, "127.0.0.1:0", memstore.New(), oneseat.Config{AdoptUntil: time.Now().Add(time.Hour)}, "one")
	wantFine(t, Subject{Servers: []string{a.url}, Key: a.key, Realm: "members"}, ofServer...)
	wantFine(t, Subject{Servers: []string{b.url + "/"}, Key: b.key}, ofServer...)
	c := serve(t, "127.0.0.1:0", memstore.New(), oneseat.Config{}, "one")
	c.takes(t, a.key)
	wantFine(t, Subject{Servers: []string{a.url, c.url}, Key: a.key}, append(slices.Clone(ofServer), "limits", "versions")...)
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	serveSocket(t, l, a.server)
	wantFine(t, Subject{Servers: []string{"unix:" + path}, Key: a.key}, ofServer...)
}

func serveSocket(t *testing.T, l net.Listener, h http.Handler) {
	t.Helper()
	s := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
}

func TestAServerThatDoesNotAnswerIsFound(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // nobody accepts
	other := serveHandler(t, listener(t, "127.0.0.1:0"), http.NotFoundHandler())
	gone := listener(t, "127.0.0.1:0")
	_ = gone.Close()
	for url, words := range map[string]string{
		"http://" + gone.Addr().String(): "refused",
		"http://" + l.Addr().String():    "no answer within 4s",
		other:                            "not as an oneseat server",
		"ftp://x":                        "write https://",
		"unix:/nonexistent/socket":       "no such file",
	} {
		r := wantFound(t, Subject{Servers: []string{url}, Key: "hunter2"}, "answers", Problem, words)
		if n := len(r.Results); n < 9 {
			t.Errorf("only %d checks say something: %s", n, text(t, r))
		}
	}
}

func listener(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestAServerWhoseStoreIsGoneIsFound(t *testing.T) {
	t.Parallel()
	r := testservers.StartRedis(t, "--appendonly", "yes")
	store, err := redisstore.Open(t.Context(), r.URL, redisstore.Options{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, "127.0.0.1:0", store, oneseat.Config{}, "one")
	t.Cleanup(func() { _ = store.Close() })
	wantFine(t, Subject{Servers: []string{s.url}}, "ready")
	r.Kill()
	wantFound(t, Subject{Servers: []string{s.url}}, "ready", Problem, "503")
	both := examine(t, Subject{Servers: []string{s.url}, Key: s.key, Store: r.URL})
	for _, check := range []string{"ready", "store", "key"} {
		if len(findings(both, check)) == 0 {
			t.Errorf("no finding of %s: %s", check, text(t, both))
		}
	}
	s.server.Drain()
}

func findings(r Report, check string) (all []Finding) {
	for _, one := range r.Results {
		if one.Check == check {
			all = append(all, one.Findings...)
		}
	}
	return all
}

func TestAnAPIBeyondThisMachineWithoutTLSIsFoundAndGetsNoKey(t *testing.T) {
	t.Parallel()
	s := serve(t, "0.0.0.0:0", memstore.New(), oneseat.Config{}, "one")
	here := []netip.Addr{netip.MustParseAddr("127.0.0.2")} // as if it were another address of this machine
	subject := Subject{Servers: []string{s.url}, Key: s.key, addresses: func() []netip.Addr { return here }}
	wantFound(t, subject, "tls", Problem, "127.0.0.2")
	narrow := serve(t, "127.0.0.1:0", memstore.New(), oneseat.Config{}, "one")
	subject.Servers, subject.Key = []string{narrow.url}, narrow.key
	wantFine(t, subject, ofServer...)

	if own := ownAddresses(); len(own) > 0 { // on a machine without a network there is none
		a := own[0]
		_, port, _ := net.SplitHostPort(s.url[len("http://"):])
		asked := make(chan string, 100)
		spy := serveHandler(t, listener(t, "0.0.0.0:0"), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked <- r.Header.Get("Authorization")
			w.Header().Set("X-Request-Id", "x")
		}))
		wantFound(t, Subject{Servers: []string{"http://" + net.JoinHostPort(a.String(), port)}, Key: s.key}, "tls", Problem, a.String())
		_, port, _ = net.SplitHostPort(spy[len("http://"):])
		examine(t, Subject{Servers: []string{"http://" + net.JoinHostPort(a.String(), port)}, Key: s.key})
		for range len(asked) {
			if got := <-asked; got != "" {
				t.Error("the key was sent by plain http")
			}
		}
	}
}

// selfSigned is a certificate for 127.0.0.1, and the authorities that accept it.
func selfSigned(t *testing.T, until time.Time) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: until, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestACertificateThatIsNotAcceptedIsFound(t *testing.T) {
	t.Parallel()
	pair, _ := selfSigned(t, time.Now().Add(time.Hour))
	l := tls.NewListener(listener(t, "127.0.0.1:0"), &tls.Config{Certificates: []tls.Certificate{pair}})
	s := serveOn(t, l, memstore.New(), oneseat.Config{}, "one")
	wantFound(t, Subject{Servers: []string{"https" + s.url[len("http"):]}, Key: s.key}, "certificate", Problem, "unknown authority")
}

func TestACertificateThatEndsSoonIsFound(t *testing.T) {
	t.Parallel()
	for left, want := range map[time.Duration]bool{13 * 24 * time.Hour: true, 15 * 24 * time.Hour: false} {
		pair, trusted := selfSigned(t, time.Now().Add(left))
		l := tls.NewListener(listener(t, "127.0.0.1:0"), &tls.Config{Certificates: []tls.Certificate{pair}})
		s := serveOn(t, l, memstore.New(), oneseat.Config{}, "one")
		subject := Subject{Servers: []string{"https" + s.url[len("http"):]}, Key: s.key, Trusted: trusted}
		if want {
			wantFound(t, subject, "certificate", Warning, "in 12 days")
		} else {
			wantFine(t, subject, append(slices.Clone(ofServer), "certificate")...)
		}
	}
}

func TestAKeyThatTheServerRefusesIsFound(t *testing.T) {
	t.Parallel()
	s := serve(t, "127.0.0.1:0", memstore.New(), oneseat.Config{}, "one")
	foreign, key := server.NewKey("members", server.ScopeCheck)
	wantFound(t, Subject{Servers: []string{s.url}, Key: foreign}, "key", Problem, "401")
	wantFound(t, Subject{Servers: []string{s.url}, Key: "hunter2"}, "key", Problem, "not a key of the API")

	// Its file has it, so it is the server that has not the file's realm.
	file := File{Path: keyFile(t, 0o600, "sha256 = 1"), Keys: []Key{{ID: key.ID, Realm: "staff", Hash: key.Hash}}}
	wantFound(t, Subject{Servers: []string{s.url}, Key: foreign, Files: []File{file}}, "realm", Problem, `"staff"`, key.ID, file.Path)
}

func TestARealmThatIsAnotherThanExpectedIsFound(t *testing.T) {
	t.Parallel()
	s := serve(t, "127.0.0.1:0", memstore.New(), oneseat.Config{}, "one")
	wantFound(t, Subject{Servers: []string{s.url}, Key: s.key, Realm: "staff"}, "realm", Problem, `"members"`, `"staff"`)
	file := File{Path: keyFile(t, 0o600, "x"), Keys: []Key{{ID: "id", Realm: "staff", Hash: sha256.Sum256([]byte(s.key))}}}
	wantFound(t, Subject{Servers: []string{s.url}, Key: s.key, Files: []File{file}}, "realm", Problem, `"members"`, `"staff"`)
}

func TestAClockThatIsOffIsFoundAtTheServerAndAtTheStore(t *testing.T) {
	t.Parallel()
	r, set := testservers.StartRedisWithAClock(t)
	r.Ask("CONFIG SET appendonly yes")
	set(-10 * time.Minute) // before anything is written: no time of a store is before that
	fill(t, r.URL)
	store, err := redisstore.Open(t.Context(), r.URL, redisstore.Options{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, "127.0.0.1:0", store, oneseat.Config{}, "one")
	t.Cleanup(func() { _ = store.Close() })
	subject := Subject{Servers: []string{s.url}, Key: s.key, Store: r.URL}
	off := func(words string) {
		t.Helper()
		got := wantFound(t, subject, "clock", Problem, words)
		if n := len(findings(got, "clock")); n != 2 {
			t.Errorf("%d findings: %s", n, text(t, got))
		}
	}
	off("behind this machine's")
	set(0)
	wantFine(t, subject, append(slices.Clone(ofServer), "store")...)
	set(10 * time.Minute)
	off("ahead of this machine's")
}

func TestAdoptionThatIsOverIsNoted(t *testing.T) {
	t.Parallel()
	s := serve(t, "127.0.0.1:0", memstore.New(), oneseat.Config{AdoptUntil: time.Now().Add(-time.Hour)}, "one")
	r := wantFound(t, Subject{Servers: []string{s.url}, Key: s.key}, "adoption", Note, `"members"`, "adopt_until")
	if r.Wrong(true) {
		t.Error("a note is no fault")
	}
}

func TestTheSwitchNamedDangerouslyIsFound(t *testing.T) {
	t.Parallel()
	s := serve(t, "127.0.0.1:0", memstore.New(), oneseat.Config{DangerouslyAllowWhenStoreIsDown: true}, "one")
	wantFound(t, Subject{Servers: []string{s.url}, Key: s.key}, "dangerously", Warning, "DangerouslyAllowWhenStoreIsDown", `"members"`)
}

func TestServersThatDifferAreFound(t *testing.T) {
	t.Parallel()
	a := serve(t, "127.0.0.1:0", memstore.New(), oneseat.Config{}, "one")
	b := serve(t, "127.0.0.1:0", memstore.New(), oneseat.Config{Limit: 3, WhenFull: oneseat.PolicyRefuse}, "one")
	b.takes(t, a.key)
	wantFound(t, Subject{Servers: []string{a.url, b.url}, Key: a.key}, "limits", Problem, "limit is 1 at "+a.url+", and 3 at "+b.url, "policy is displace")
	c := serve(t, "127.0.0.1:0", memstore.New(), oneseat.Config{}, "two")
	c.takes(t, a.key)
	wantFound(t, Subject{Servers: []string{a.url, c.url}, Key: a.key}, "versions", Warning, "is one", "is two")
}

// Facts that no server of a test can show.
func TestJudgementsOfClocks(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, c := range []struct {
		store, took time.Duration // after the question
		found       bool
	}{{0, 0, false}, {2 * time.Second, 0, false}, {-2 * time.Second, 0, false}, {2001 * time.Millisecond, 0, true}, {-2001 * time.Millisecond, 0, true}, {3 * time.Second, 3 * time.Second, false}, {6 * time.Second, 3 * time.Second, true}} {
		if r := judgeClock("x", now.Add(c.store), now, now.Add(c.took)); (len(r.Findings) > 0) != c.found {
			t.Errorf("%+v: %+v", c, r)
		}
	}
}

func TestAnExaminationThatIsCalledOffEnds(t *testing.T) {
	t.Parallel()
	l := listener(t, "127.0.0.1:0")
	defer l.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	r := Examine(ctx, Subject{Servers: []string{"http://" + l.Addr().String()}})
	if len(findings(r, "answers")) != 1 {
		t.Error(text(t, r))
	}
}
