package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// writeCertificate makes a certificate that signs itself, of a name, in cert.pem and
// key.pem.
func writeCertificate(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	return cert
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTheAPIIsServedByHTTPSWithTheCertificateOfNow(t *testing.T) {
	t.Chdir(t.TempDir())
	first := writeCertificate(t, "first")
	key := createKey(t, "--file", "keys.toml")
	printed, stderr, stop := served(t, 1, "--keys", "keys.toml", "--store", "memory:", "--tls-cert", "cert.pem", "--tls-key", "key.pem")
	address, ok := strings.CutPrefix(printed[0], "https://")
	if !ok {
		t.Fatalf("it printed %q", printed)
	}
	roots := x509.NewCertPool()
	roots.AddCert(first)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	if got := status(t, &http.Client{Transport: transport}, printed[0], key); got != http.StatusOK {
		t.Errorf("%d", got)
	}
	transport.CloseIdleConnections()
	presented := func() string {
		t.Helper()
		c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true}) // the certificate is what is asked for
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].Subject.CommonName
	}

	// Half of a new pair changes nothing.
	was, err := os.ReadFile("key.pem")
	if err != nil {
		t.Fatal(err)
	}
	writeCertificate(t, "second")
	second, err := os.ReadFile("key.pem")
	if err != nil {
		t.Fatal(err)
	}
	const no, yes = "the certificate could not be read again", "the certificate was read again"
	write(t, "key.pem", string(was))
	if name := presented(); name != "first" && name != "second" { // the pair was whole for a moment
		t.Errorf("%q", name)
	}
	hangUp(t, stderr, no)
	if name := presented(); name != "first" && name != "second" {
		t.Errorf("%q", name)
	}

	// The other half is noticed without a signal.
	write(t, "key.pem", string(second))
	waitFor(t, func() bool { return presented() == "second" })

	// SIGHUP reads both whatever their times are.
	writeCertificate(t, "third")
	for _, file := range []string{"cert.pem", "key.pem"} {
		if err := os.Chtimes(file, time.Time{}, time.Now().Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	hangUp(t, stderr, yes)
	if name := presented(); name != "third" {
		t.Errorf("%q", name)
	}
	write(t, "cert.pem", "none")
	hangUp(t, stderr, no)
	if name := presented(); name != "third" {
		t.Errorf("%q", name)
	}
	stop()
}

// A pair that makes no sense is told of once, not at every connection.
func TestFilesOfACertificateAreReadOnceForEachChange(t *testing.T) {
	t.Chdir(t.TempDir())
	writeCertificate(t, "first")
	log := new(syncBuffer)
	c, err := readCertificate("cert.pem", "key.pem", slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	was := c.good
	write(t, "cert.pem", "none")
	for range 5 {
		c.looked = time.Time{} // long ago
		if got, err := c.now(nil); got != was || err != nil {
			t.Errorf("%v, %v", got, err)
		}
	}
	if n := strings.Count(log.String(), "could not be read again"); n != 1 {
		t.Errorf("told %d times: %s", n, log)
	}
	if err := os.Remove("key.pem"); err != nil {
		t.Fatal(err)
	}
	c.looked = time.Time{}
	if got, err := c.now(nil); got != was || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}
