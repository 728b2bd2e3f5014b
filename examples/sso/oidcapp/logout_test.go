package oidcapp

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/webtest"
	"github.com/oneseat/oneseat/store/memstore"
)

// logout has the SSO tell the site, and wants that answer.
func (w *world) logout(status int, claims map[string]any) {
	w.t.Helper()
	if sid, ok := claims["sid"].(string); ok {
		w.sso.End(sid)
	}
	if got := w.sso.Logout(w.t, w.URL+"/backchannel-logout", w.sso.Sign(w.t, claims)); got != status {
		w.t.Fatalf("the logout is answered %d, want %d", got, status)
	}
}

// sid is the session that a browser has at the SSO.
func (v *visitor) sid() string { return v.Cookie("sid") }

func (v *visitor) in(page string) bool { return strings.Contains(page, "Hello") }

// N2
func TestWhoSignsOutAtTheSSOIsSignedOutHere(t *testing.T) {
	for name, claims := range map[string]func(w *world, v *visitor) map[string]any{
		"a session":             func(w *world, v *visitor) map[string]any { return w.sso.LogoutClaims(v.sid(), "") },
		"a session of a person": func(w *world, v *visitor) map[string]any { return w.sso.LogoutClaims(v.sid(), "id of ada") },
		"a person":              func(w *world, _ *visitor) map[string]any { return w.sso.LogoutClaims("", "id of ada") },
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, oneseat.Config{Limit: 2})
			laptop, phone, grace := w.visitor(webtest.Laptop), w.visitor(webtest.Phone), w.visitor(webtest.Laptop)
			laptop.signIn("ada")
			phone.signIn("ada")
			grace.signIn("grace")
			if laptop.sid() == phone.sid() || laptop.sid() == "" {
				t.Fatal("this shows nothing")
			}
			events := laptop.Do("GET", "/oneseat/events", nil) // an open page
			w.logout(200, claims(w, laptop))
			if _, told := laptop.read(events); !strings.Contains(told, "event: ended") || !strings.Contains(told, "signed_out") {
				t.Errorf("the open page is told %q", told)
			}
			before := w.signIns()
			for range 3 { // the SSO would sign this browser in at any time
				if at, page := laptop.show("/"); at.Path != "/login" || !strings.Contains(page, "<button>Sign in here</button>") {
					t.Fatalf("the laptop is at %s: %s", at, page)
				}
			}
			if n := w.signIns(); n != before {
				t.Errorf("%d sign-ins that nobody made", n-before)
			}
			if _, page := phone.show("/"); phone.in(page) != (name != "a person") {
				t.Errorf("the phone sees %s", page)
			}
			grace.Want("/", 200, "id of grace")
			if at, page := laptop.read(laptop.Do("POST", "/login", url.Values{"next": {"/"}})); !laptop.in(page) { // a person decides
				t.Errorf("the button led to %s: %s", at, page)
			}
		})
	}
}

func TestOnlyALogoutThatTheSSOHasJustSignedForUsCounts(t *testing.T) {
	w := open(t, oneseat.Config{})
	v := w.visitor(webtest.Laptop)
	v.signIn("ada")
	idToken := w.sso.Sign(t, map[string]any{"iss": w.sso.URL, "aud": w.sso.Client, "sub": "id of ada", "sid": v.sid(), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(), "nonce": "n"})
	const event = "http://schemas.openid.net/event/backchannel-logout"
	for name, change := range map[string]map[string]any{
		"another site":       {"aud": "another"},
		"no site":            {"aud": nil},
		"another SSO":        {"iss": "https://login.evil.example"},
		"expired":            {"exp": time.Now().Add(-time.Second).Unix()},
		"without expiry":     {"exp": nil},
		"of long ago":        {"iat": time.Now().Add(-time.Hour).Unix()},
		"of a time to come":  {"iat": time.Now().Add(time.Hour).Unix()},
		"of no time":         {"iat": nil},
		"a nonce":            {"nonce": "n"},
		"an empty nonce":     {"nonce": ""},
		"no event":           {"events": nil},
		"no events in it":    {"events": map[string]any{}},
		"another event":      {"events": map[string]any{event + "/2": struct{}{}}},
		"no id":              {"jti": nil},
		"nobody":             {"sub": nil, "sid": nil},
		"a sid of no text":   {"sid": 7},
		"events in its name": {"events": event},
	} {
		claims := w.sso.LogoutClaims(v.sid(), "id of ada")
		maps.Copy(claims, change)
		maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
		if got := w.sso.Logout(t, w.URL+"/backchannel-logout", w.sso.Sign(t, claims)); got != 400 {
			t.Errorf("%s: %d", name, got)
		}
	}
	claims := w.sso.LogoutClaims(v.sid(), "id of ada")
	good := w.sso.Sign(t, claims)
	for name, token := range map[string]string{
		"nothing":              "",
		"no token":             "a.b.c",
		"none":                 none(t, claims),
		"another key":          forged(t, claims, jose.RS256, ownKey(t), false),
		"a key in the token":   forged(t, claims, jose.RS256, ownKey(t), true),
		"HMAC by public key":   forged(t, claims, jose.HS256, w.public(t), false),
		"another's signature":  good[:strings.LastIndex(good, ".")] + w.sso.Sign(t, w.sso.LogoutClaims("another", ""))[strings.LastIndex(good, "."):],
		"the token of sign-in": idToken,
	} {
		if got := w.sso.Logout(t, w.URL+"/backchannel-logout", token); got != 400 {
			t.Errorf("%s: %d", name, got)
		}
	}
	if resp := v.Do("GET", "/backchannel-logout?logout_token="+url.QueryEscape(good), nil); resp.StatusCode != 404 && resp.StatusCode != 405 {
		t.Errorf("by a link: %s", resp.Status)
	}
	if resp := v.Do("POST", "/backchannel-logout?logout_token="+url.QueryEscape(good), url.Values{}); resp.StatusCode != 400 {
		t.Errorf("in the address: %s", resp.Status)
	}
	v.Want("/", 200, "id of ada") // none of them has ended anything
	w.logout(200, w.sso.LogoutClaims(v.sid(), "id of grace"))
	w.logout(200, w.sso.LogoutClaims("another", "id of ada"))
	v.Want("/", 200, "id of ada")
	if got := w.sso.Logout(t, w.URL+"/backchannel-logout", good); got != 200 {
		t.Error("the good one:", got)
	}
	if at, page := v.show("/"); at.Path != "/login" {
		t.Errorf("it is at %s: %s", at, page)
	}
}

// Otherwise somebody with a copy of the token could sign a person out again and again.
func TestALogoutThatComesAgainSignsNobodyOut(t *testing.T) {
	w := open(t, oneseat.Config{})
	v := w.visitor(webtest.Laptop)
	v.signIn("ada")
	claims := w.sso.LogoutClaims("", "id of ada")
	w.logout(200, claims)
	if _, page := v.read(v.Do("POST", "/login", url.Values{})); !v.in(page) {
		t.Fatal(page)
	}
	w.logout(400, claims)
	v.Want("/", 200, "Hello")
}

// The browser is on its way from the SSO, which has ended its session there meanwhile.
func TestALogoutThatOvertakesTheSignInIsNotLost(t *testing.T) {
	w := open(t, oneseat.Config{})
	v := w.visitor(webtest.Laptop)
	v.signIn("ada")
	v.Plant("oneseat", "")
	back := v.callbackOf()
	w.logout(200, w.sso.LogoutClaims(v.sid(), ""))
	if at, page := v.show(back); at.Path != "/login" || v.in(page) {
		t.Errorf("it is at %s: %s", at, page)
	}
	if live, err := w.Seats.Sessions(t.Context(), w.sso.URL+" id of ada"); err != nil || len(live) != 0 {
		t.Errorf("%v live, %v", live, err)
	}
}

// failing is a store that stops writing.
type failing struct {
	oneseat.Store
	down atomic.Bool
}

func (f *failing) Update(ctx context.Context, key oneseat.Key, change func(oneseat.View) (oneseat.Change, error)) (oneseat.View, error) {
	if f.down.Load() {
		return oneseat.View{}, errors.New("on fire")
	}
	return f.Store.Update(ctx, key, change)
}

func TestALogoutThatCouldNotBeDoneCountsWhenItComesAgain(t *testing.T) {
	store := &failing{Store: memstore.New()}
	w := openOver(t, store, oneseat.Config{})
	v := w.visitor(webtest.Laptop)
	v.signIn("ada")
	claims := w.sso.LogoutClaims(v.sid(), "")
	store.down.Store(true)
	w.logout(503, claims)
	store.down.Store(false)
	w.logout(200, claims)
	if at, page := v.show("/"); at.Path != "/login" {
		t.Errorf("it is at %s: %s", at, page)
	}
}

func TestWhatIsRememberedOfLogoutsIsForgotten(t *testing.T) {
	w := open(t, oneseat.Config{})
	v := w.visitor(webtest.Laptop)
	v.signIn("ada")
	w.logout(200, w.sso.LogoutClaims(v.sid(), ""))
	l := w.app.logouts
	for id := range l.used {
		l.used[id] = time.Now().Add(-time.Hour)
	}
	for sid := range l.ended {
		l.ended[sid] = time.Now().Add(-time.Hour)
	}
	w.logout(200, w.sso.LogoutClaims("another", ""))
	if len(l.used) != 1 || len(l.ended) != 1 || len(l.of) != 0 {
		t.Errorf("%d tokens, %d ended, %d sessions", len(l.used), len(l.ended), len(l.of))
	}
}

// What an attacker can make.

func ownKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func none(t *testing.T, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode(payload) + "."
}

func forged(t *testing.T, claims map[string]any, method jose.SignatureAlgorithm, key any, embed bool) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: method, Key: key}, &jose.SignerOptions{EmbedJWK: embed})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// public is the SSO's public key, as anybody can fetch it.
func (w *world) public(t *testing.T) []byte {
	t.Helper()
	resp, err := w.Client().Get(w.sso.URL + "/keys")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var set jose.JSONWebKeySet
	if err := json.NewDecoder(resp.Body).Decode(&set); err != nil || len(set.Keys) == 0 {
		t.Fatal(resp.Status, err)
	}
	der, err := x509.MarshalPKIXPublicKey(set.Keys[0].Key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// What the application has in memory is gone; what the session keeps is not.
func TestALogoutEndsASessionOfBeforeARestart(t *testing.T) {
	w := open(t, oneseat.Config{Limit: 2})
	laptop, phone := w.visitor(webtest.Laptop), w.visitor(webtest.Phone)
	laptop.signIn("ada")
	phone.signIn("ada")
	again, err := New(t.Context(), w.Seats, Config{Site: w.URL, Issuer: w.sso.URL, Client: w.sso.Client, Secret: w.sso.Secret})
	if err != nil {
		t.Fatal(err)
	}
	w.app = again
	w.logout(200, w.sso.LogoutClaims(laptop.sid(), "id of ada"))
	if at, page := laptop.show("/"); at.Path != "/login" {
		t.Errorf("the laptop is at %s: %s", at, page)
	}
	phone.Want("/", 200, "id of ada")
}
