package provider

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/crewjam/saml"
	"github.com/crewjam/saml/samlidp"
	"golang.org/x/crypto/bcrypt"
)

// SAML is an identity provider that speaks SAML. The password of each person is the
// name.
type SAML struct {
	*httptest.Server
	URL string // by the name that browsers use

	idp *samlidp.Server
}

// NewSAML starts a provider with the people. host is the name by which browsers find
// it, "" for the server's address.
func NewSAML(t *testing.T, host string, names ...string) *SAML {
	t.Helper()
	signer, err := signer()
	if err != nil {
		t.Fatal(err)
	}
	p := &SAML{Server: httptest.NewUnstartedServer(nil)}
	at := url.URL{Scheme: "http", Host: p.Listener.Addr().String()}
	if host != "" {
		at.Host = host + ":" + at.Port()
	}
	p.URL = at.String()
	store := &samlidp.MemoryStore{}
	p.idp, err = samlidp.New(samlidp.Options{URL: at, Key: signer.key, Certificate: signer.certificate, Store: store, Logger: log.New(io.Discard, "", 0)})
	if err != nil {
		t.Fatal(err)
	}
	p.idp.IDP.SessionProvider = persistent{p.idp}
	p.idp.IDP.NameIDFormats = []saml.NameIDFormat{saml.PersistentNameIDFormat}
	for _, name := range names {
		hash, err := bcrypt.GenerateFromPassword([]byte(name), bcrypt.MinCost) // tests have no time
		if err == nil {
			err = store.Put("/users/"+name, samlidp.User{Name: name, HashedPassword: hash, Email: "shared@example.com"})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	p.Config.Handler = p.idp
	p.Start()
	t.Cleanup(p.Close)
	return p
}

// persistent gives people names that stay the same and are no addresses.
type persistent struct{ *samlidp.Server }

func (p persistent) GetSession(w http.ResponseWriter, r *http.Request, req *saml.IdpAuthnRequest) *saml.Session {
	s := p.Server.GetSession(w, r, req)
	if s != nil {
		s.NameID, s.NameIDFormat = "id of "+s.UserName, string(saml.PersistentNameIDFormat)
	}
	return s
}

// Metadata is what the provider says of itself.
func (p *SAML) Metadata() *saml.EntityDescriptor { return p.idp.IDP.Metadata() }

// Register lets the provider know a site, by what the site says of itself.
func (p *SAML) Register(t *testing.T, metadata []byte) {
	t.Helper()
	w := httptest.NewRecorder()
	p.idp.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/services/site", bytes.NewReader(metadata)))
	if w.Code >= 300 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
}

// signing is what the providers of a process sign with.
type signing struct {
	key         *rsa.PrivateKey
	certificate *x509.Certificate
}

var signer = sync.OnceValues(func() (s signing, err error) {
	if s.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return s, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, s.key.Public(), s.key)
	if err != nil {
		return s, err
	}
	s.certificate, err = x509.ParseCertificate(der)
	return s, err
})
