package jwtapp

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/webtest"
	"github.com/oneseat/oneseat/oneseattest"
	"github.com/oneseat/oneseat/store/memstore"
)

const provider = "https://login.example"

// elsewhere is an API with an issuer whose key the test has.
type elsewhere struct {
	*world
	api   *API
	store oneseat.Store
	key   *rsa.PrivateKey
	at    time.Time // the beginning
}

func openAPI(t *testing.T, c oneseat.Config) *elsewhere {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	clock := oneseattest.NewClock()
	e := &elsewhere{world: &world{clock: clock}, store: memstore.NewAt(clock.Now), key: private, at: clock.Now()}
	e.api = e.node(t, c)
	return e
}

// node opens the API once more, over the same store.
func (e *elsewhere) node(t *testing.T, c oneseat.Config) (api *API) {
	t.Helper()
	c.AdoptUntil = e.at.AddDate(100, 0, 0)
	e.Site = webtest.OpenAt(t, e.store, e.clock, c, func(seats *oneseat.Registry) (http.Handler, error) {
		var err error
		api, err = NewAPI(seats, Issuer{URL: provider, Audience: "members", Keys: map[string]*rsa.PublicKey{"2030": &e.key.PublicKey}}, key)
		return api, err
	})
	return api
}

// says are the claims of a session at the provider, of somebody who signed in there
// after a while.
func (e *elsewhere) says(sid, subject string, after time.Duration) foreign {
	signedIn := e.at.Add(after)
	return foreign{jwt.RegisteredClaims{
		Issuer: provider, Subject: subject, Audience: jwt.ClaimStrings{"members"},
		IssuedAt: jwt.NewNumericDate(signedIn), ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Hour)),
	}, sid, jwt.NewNumericDate(signedIn)}
}

func (e *elsewhere) token(t *testing.T, c foreign) string {
	t.Helper()
	return signed(t, jwt.SigningMethodRS256, c, e.key, map[string]any{"kid": "2030"})
}

func TestTheNewestSessionOfTheProviderHasTheSeat(t *testing.T) {
	e := openAPI(t, oneseat.Config{})
	laptop, phone := e.token(t, e.says("s1", "ada", -time.Hour)), e.token(t, e.says("s2", "ada", -time.Minute))
	e.want(t, laptop, 200, "https://login.example ada")
	e.want(t, laptop, 200, "ada")
	e.want(t, phone, 200, "ada")
	e.want(t, laptop, 401, "displaced")
	e.want(t, e.token(t, e.says("s1", "ada", -time.Hour)), 401, "displaced") // the provider gives it another token
	e.want(t, phone, 200, "ada")
	e.want(t, e.token(t, e.says("s0", "ada", -2*time.Hour)), 401, "no_session") // it comes late
	e.want(t, e.token(t, e.says("s2", "grace", -time.Minute)), 200, "grace")    // a sid of somebody else
	e.want(t, phone, 200, "ada")
}

func TestAnotherNodeFindsTheSameSession(t *testing.T) {
	e := openAPI(t, oneseat.Config{})
	laptop, phone := e.token(t, e.says("s1", "ada", -time.Hour)), e.token(t, e.says("s2", "ada", -time.Minute))
	e.want(t, laptop, 200, "ada")
	one := e.Site
	e.node(t, oneseat.Config{MaxStale: oneseat.FreshAlways})
	e.want(t, laptop, 200, "ada")
	if live, err := e.Seats.Sessions(t.Context(), provider+" ada"); err != nil || len(live) != 1 {
		t.Fatal(live, err)
	}
	e.want(t, phone, 200, "ada")
	e.want(t, laptop, 401, "displaced")
	e.Site = one
	e.want(t, phone, 200, "ada")
}

func TestWhatHasEndedStaysEndedAlthoughTheProviderGoesOn(t *testing.T) {
	e := openAPI(t, oneseat.Config{})
	token := e.token(t, e.says("s1", "ada", -time.Minute))
	e.want(t, token, 200, "ada")
	if _, err := e.Seats.EndAll(t.Context(), provider+" ada", oneseat.EndOptions{}); err != nil {
		t.Fatal(err)
	}
	e.want(t, token, 401, "revoked")
	clear(e.api.sessions) // as on a node that knows nothing
	e.want(t, token, 401, "revoked")
	e.clock.Advance(40 * 24 * time.Hour)
	later := e.token(t, e.says("s2", "ada", 40*24*time.Hour-time.Second))
	e.want(t, later, 200, "ada")
	clear(e.api.sessions)
	e.want(t, token, 401, "no_session") // its ending was forgotten
	e.want(t, later, 200, "ada")
}

func TestARequestOfTheProvidersCostsOneCheckFromMemory(t *testing.T) {
	e := openAPI(t, oneseat.Config{})
	token := e.token(t, e.says("s1", "ada", -time.Minute))
	e.want(t, token, 200, "ada")
	before := e.Seats.Stats()
	for range 20 {
		e.want(t, token, 200, "ada")
	}
	now := e.Seats.Stats()
	if checks, cached, updates := now.Checks-before.Checks, now.Cached-before.Cached, now.Updates-before.Updates; checks != 20 || cached != 20 || updates != 0 {
		t.Errorf("%d checks, %d from memory, %d updates", checks, cached, updates)
	}
}

func TestOnlyWhatTheIssuerSignedForUsCounts(t *testing.T) {
	e := openAPI(t, oneseat.Config{})
	right := e.says("s1", "ada", -time.Minute)
	good := e.token(t, right)
	e.want(t, good, 200, "ada")
	change := func(f func(*foreign)) foreign {
		c := e.says("s2", "ada", -time.Second) // it would take the seat
		f(&c)
		return c
	}
	unchanged := change(func(*foreign) {})
	der, err := x509.MarshalPKIXPublicKey(&e.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	own, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	jwk := map[string]string{"kty": "RSA", "kid": "2030", "n": base64.RawURLEncoding.EncodeToString(own.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(own.E)).Bytes())}
	asked := false
	keys := webtestKeys(t, &asked)
	kid := map[string]any{"kid": "2030"}
	for name, token := range map[string]string{
		"none":                       signed(t, jwt.SigningMethodNone, unchanged, jwt.UnsafeAllowNoneSignatureType, kid),
		"HMAC by the public key":     signed(t, jwt.SigningMethodHS256, unchanged, public, kid),
		"HMAC by its bytes":          signed(t, jwt.SigningMethodHS256, unchanged, der, kid),
		"HMAC by the modulus":        signed(t, jwt.SigningMethodHS256, unchanged, e.key.N.Bytes(), kid),
		"another method of the key":  signed(t, jwt.SigningMethodPS256, unchanged, e.key, kid),
		"another key":                signed(t, jwt.SigningMethodRS256, unchanged, own, kid),
		"a key in the token":         signed(t, jwt.SigningMethodRS256, unchanged, own, map[string]any{"kid": "2030", "jwk": jwk}),
		"a key at an address":        signed(t, jwt.SigningMethodRS256, unchanged, own, map[string]any{"kid": "2030", "jku": keys, "x5u": keys}),
		"a certificate in the token": signed(t, jwt.SigningMethodRS256, unchanged, own, map[string]any{"kid": "2030", "x5c": []string{base64.StdEncoding.EncodeToString(der)}}),
		"a key that is not known":    signed(t, jwt.SigningMethodRS256, unchanged, own, map[string]any{"kid": "../../2030"}),
		"no key's name":              signed(t, jwt.SigningMethodRS256, unchanged, e.key, nil),
		"another audience":           e.token(t, change(func(c *foreign) { c.Audience = jwt.ClaimStrings{"another API"} })),
		"no audience":                e.token(t, change(func(c *foreign) { c.Audience = nil })),
		"another issuer":             e.token(t, change(func(c *foreign) { c.Issuer = "https://login.example.evil" })),
		"expired":                    e.token(t, change(func(c *foreign) { c.ExpiresAt = jwt.NewNumericDate(time.Now().Add(-time.Second)) })),
		"without expiry":             e.token(t, change(func(c *foreign) { c.ExpiresAt = nil })),
		"not yet":                    e.token(t, change(func(c *foreign) { c.NotBefore = jwt.NewNumericDate(time.Now().Add(time.Hour)) })),
		"no subject":                 e.token(t, change(func(c *foreign) { c.Subject = "" })),
		"no sid":                     e.token(t, change(func(c *foreign) { c.Session = "" })),
		"no time":                    e.token(t, change(func(c *foreign) { c.SignedIn = nil })),
		"a time to come":             e.token(t, change(func(c *foreign) { c.SignedIn = jwt.NewNumericDate(time.Now().Add(time.Hour)) })),
		"an account that is none":    e.token(t, change(func(c *foreign) { c.Subject = "ada\x00" })),
		"cut":                        strings.TrimRight(good, good[len(good)-1:]),
		"our own kind":               signed(t, jwt.SigningMethodHS256, unchanged, key, kid),
	} {
		t.Run(name, func(t *testing.T) { e.want(t, token, 401, "no_session") })
	}
	if asked {
		t.Error("a key was fetched from an address that the token names")
	}
	e.want(t, good, 200, "ada")
	e.want(t, e.token(t, unchanged), 200, "ada") // so each of the above failed for its own reason
}

// webtestKeys is an attacker's server for keys.
func webtestKeys(t *testing.T, asked *bool) string {
	t.Helper()
	return oneseattest.New(t, oneseat.Config{}).Serve(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { *asked = true })).URL
}

func TestWithoutAdoptionTheAPISaysWhatToSet(t *testing.T) {
	if _, err := NewAPI(oneseattest.New(t, oneseat.Config{}).Seats, Issuer{}, key); err == nil || !strings.Contains(err.Error(), "AdoptUntil") {
		t.Error(err)
	}
}
