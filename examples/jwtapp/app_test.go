package jwtapp

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/accounts"
	"github.com/oneseat/oneseat/examples/internal/webtest"
	"github.com/oneseat/oneseat/oneseattest"
	"github.com/oneseat/oneseat/store/memstore"
)

var key = []byte("0123456789abcdef0123456789abcdef")

type world struct {
	*webtest.Site
	app   *App
	clock *oneseattest.Clock
}

func open(t *testing.T) *world {
	t.Helper()
	w := &world{clock: oneseattest.NewClock()}
	w.Site = webtest.OpenAt(t, memstore.NewAt(w.clock.Now), w.clock, oneseat.Config{}, func(seats *oneseat.Registry) (http.Handler, error) {
		w.app = New(seats, key, accounts.New("ada", "42", "ada@example.org"))
		return w.app, nil
	})
	return w
}

// pair is what a sign-in and a refresh give.
type pair struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

func (w *world) tokens(t *testing.T, account string) (p pair) {
	t.Helper()
	resp := w.Browser("").Do("POST", "/token", url.Values{"account": {account}, "password": {account}, "device": {"ada's build server"}})
	if err := json.NewDecoder(resp.Body).Decode(&p); err != nil || resp.StatusCode != 200 || p.Access == "" || p.Refresh == "" {
		t.Fatal(resp.Status, err)
	}
	return p
}

func (w *world) token(t *testing.T, account string) string { return w.tokens(t, account).Access }

// refresh sends a refresh token, and an attempt if there is one.
func (w *world) refresh(t *testing.T, token, attempt string) (p pair, status int, reason string) {
	t.Helper()
	resp := w.Browser("").Do("POST", "/refresh", url.Values{"refresh_token": {token}, "attempt": {attempt}})
	var said struct {
		pair
		Reason string
	}
	if err := json.NewDecoder(resp.Body).Decode(&said); err != nil {
		t.Fatal(resp.Status, err)
	}
	return said.pair, resp.StatusCode, said.Reason
}

func (w *world) want(t *testing.T, token string, status int, word string) {
	t.Helper()
	if got, body := w.Browser("").Get("/me", "Authorization", "Bearer "+token); got != status || !strings.Contains(body, word) {
		t.Fatalf("%d %s, want %d and %q", got, body, status, word)
	}
}

func TestATokenWhoseSessionWasDisplacedIsRefusedAtOnce(t *testing.T) {
	w := open(t)
	for _, account := range []string{"ada", "42", "ada@example.org"} {
		first := w.token(t, account)
		w.want(t, first, 200, account)
		second := w.token(t, account)
		w.want(t, first, 401, "displaced")
		w.want(t, second, 200, account)
	}
}

func TestWhatIsBeingAnsweredToADisplacedTokenIsCancelled(t *testing.T) {
	w := open(t)
	begun, cause := make(chan struct{}), make(chan error, 1)
	w.app.mux.Handle("GET /slow", w.app.require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
		cause <- context.Cause(r.Context())
	})))
	first := w.token(t, "ada")
	var asking sync.WaitGroup
	defer asking.Wait()
	asking.Go(func() { w.Browser("").Get("/slow", "Authorization", "Bearer "+first) })
	<-begun
	w.token(t, "ada")
	if over, ok := errors.AsType[*oneseat.EndedError](<-cause); !ok || over.Ending.Reason != oneseat.ReasonDisplaced || over.Ending.ByDevice.Class != "api" {
		t.Fatalf("%+v", over)
	}
}

func TestSignOutEndsTheToken(t *testing.T) {
	w := open(t)
	token := w.token(t, "ada")
	resp := w.Browser("").Do("POST", "/logout", url.Values{}, "Authorization", "Bearer "+token)
	if resp.StatusCode != 204 {
		t.Fatal(resp.Status)
	}
	w.want(t, token, 401, "signed_out")
}

func TestARefreshGivesNewTokensOfTheSameSession(t *testing.T) {
	w := open(t)
	now := w.tokens(t, "ada")
	for range 5 {
		next, status, reason := w.refresh(t, now.Refresh, "")
		if status != 200 || next.Refresh == now.Refresh {
			t.Fatal(status, reason)
		}
		w.want(t, now.Access, 200, "ada") // it expires by itself, and its session is live
		w.want(t, next.Access, 200, "ada")
		now = next
	}
	if live, err := w.Seats.Sessions(t.Context(), "ada"); err != nil || len(live) != 1 {
		t.Fatal(live, err)
	}
	w.token(t, "ada")
	if _, status, reason := w.refresh(t, now.Refresh, ""); status != 401 || reason != "displaced" {
		t.Errorf("a refresh token of a displaced session: %d %s", status, reason)
	}
}

// The thief may have an old token or the newest, and come before the owner or after.
func TestARefreshTokenThatComesTwiceEndsTheSession(t *testing.T) {
	for name, older := range map[string]int{"the last": 1, "one of long ago": 3} {
		for _, wait := range []time.Duration{11 * time.Second, 24 * time.Hour} {
			t.Run(name, func(t *testing.T) {
				w := open(t)
				used := []pair{w.tokens(t, "ada")}
				for range 3 {
					next, status, reason := w.refresh(t, used[len(used)-1].Refresh, "")
					if status != 200 {
						t.Fatal(status, reason)
					}
					used = append(used, next)
				}
				w.clock.Advance(wait)
				newest := used[len(used)-1]
				if _, status, reason := w.refresh(t, used[len(used)-1-older].Refresh, ""); status != 401 || reason != "revoked" {
					t.Fatalf("the replay: %d %s", status, reason)
				}
				w.want(t, newest.Access, 401, "revoked")
				if _, status, reason := w.refresh(t, newest.Refresh, ""); status != 401 || reason != "revoked" {
					t.Errorf("the newest refresh token: %d %s", status, reason)
				}
				w.want(t, w.token(t, "ada"), 200, "ada")
			})
		}
	}
}

func TestTheOwnerMayChooseToKeepASessionWhoseRefreshTokenComesTwice(t *testing.T) {
	w := open(t)
	w.app.KeepReplayed = true
	first := w.tokens(t, "ada")
	next, _, _ := w.refresh(t, first.Refresh, "")
	w.clock.Advance(time.Minute)
	if _, status, reason := w.refresh(t, first.Refresh, ""); status != 401 || reason != "no_session" {
		t.Errorf("the replay: %d %s", status, reason)
	}
	w.want(t, next.Access, 200, "ada")
	if _, status, _ := w.refresh(t, next.Refresh, ""); status != 200 {
		t.Errorf("the newest refresh token: %d", status)
	}
}

// Two tabs refresh at once, or a client sends its request again.
func TestWithinTenSecondsASecondRefreshEndsNothing(t *testing.T) {
	w := open(t)
	first := w.tokens(t, "ada")
	word := rand.Text()
	next, status, reason := w.refresh(t, first.Refresh, word)
	if status != 200 {
		t.Fatal(status, reason)
	}
	if _, status, reason = w.refresh(t, first.Refresh, ""); status != 409 || reason != "rotated" {
		t.Errorf("another tab: %d %s", status, reason)
	}
	if _, status, reason = w.refresh(t, first.Refresh, rand.Text()); status != 409 || reason != "rotated" {
		t.Errorf("with another word: %d %s", status, reason)
	}
	for _, wait := range []time.Duration{0, time.Minute, time.Hour} { // its answer was lost
		w.clock.Advance(wait)
		again, status, reason := w.refresh(t, first.Refresh, word)
		if status != 200 {
			t.Fatal(status, reason)
		}
		w.want(t, again.Access, 200, "ada")
	}
	if _, status, reason := w.refresh(t, next.Refresh, ""); status != 200 {
		t.Fatal(status, reason)
	}
	w.clock.Advance(time.Minute)
	if _, status, reason := w.refresh(t, first.Refresh, word); status != 401 || reason != "revoked" {
		t.Errorf("the word does not revive it: %d %s", status, reason)
	}
}

// The signature is checked without asking anybody, and memory answers for the session.
func TestARequestCostsOneCheckFromMemory(t *testing.T) {
	w := open(t)
	token := w.token(t, "ada")
	w.want(t, token, 200, "ada")
	before := w.Seats.Stats()
	for range 20 {
		w.want(t, token, 200, "ada")
	}
	now := w.Seats.Stats()
	if checks, cached := now.Checks-before.Checks, now.Cached-before.Cached; checks != 20 || cached != 20 {
		t.Errorf("%d checks, %d from memory", checks, cached)
	}
}

func TestOnlyWhatTheApplicationSignedCounts(t *testing.T) {
	w := open(t)
	w.token(t, "42")
	good := w.tokens(t, "ada")
	live, err := w.Seats.Sessions(t.Context(), "ada")
	if err != nil || len(live) != 1 {
		t.Fatal(live, err)
	}
	id := live[0].ID
	says := func(change func(*claims)) claims {
		c := claims{registered("ada", accessFor, time.Hour), id}
		change(&c)
		return c
	}
	right := says(func(*claims) {})
	own := []byte("a key of somebody's own, 32 bytes")
	parts := strings.Split(good.Access, ".")
	for name, token := range map[string]string{
		"none":                   signed(t, jwt.SigningMethodNone, right, jwt.UnsafeAllowNoneSignatureType, nil),
		"another key":            signed(t, jwt.SigningMethodHS256, right, own, nil),
		"a key in the token":     signed(t, jwt.SigningMethodHS256, right, own, map[string]any{"jwk": map[string]string{"kty": "oct", "k": base64.RawURLEncoding.EncodeToString(own)}}),
		"a key's name":           signed(t, jwt.SigningMethodHS256, right, []byte{}, map[string]any{"kid": "/dev/null"}),
		"another method":         signed(t, jwt.SigningMethodHS512, right, key, nil),
		"no signature":           parts[0] + "." + parts[1] + ".",
		"another's signature":    parts[0] + "." + strings.Split(w.token(t, "42"), ".")[1] + "." + parts[2],
		"the id alone":           string(id),
		"expired":                signed(t, jwt.SigningMethodHS256, says(func(c *claims) { c.ExpiresAt = jwt.NewNumericDate(time.Now().Add(-time.Second)) }), key, nil),
		"without expiry":         signed(t, jwt.SigningMethodHS256, says(func(c *claims) { c.ExpiresAt = nil }), key, nil),
		"not yet":                signed(t, jwt.SigningMethodHS256, says(func(c *claims) { c.NotBefore = jwt.NewNumericDate(time.Now().Add(time.Hour)) }), key, nil),
		"another issuer":         signed(t, jwt.SigningMethodHS256, says(func(c *claims) { c.Issuer = "somebody" }), key, nil),
		"another audience":       signed(t, jwt.SigningMethodHS256, says(func(c *claims) { c.Audience = jwt.ClaimStrings{"another API"} }), key, nil),
		"no audience":            signed(t, jwt.SigningMethodHS256, says(func(c *claims) { c.Audience = nil }), key, nil),
		"a refresh token":        good.Refresh,
		"another account's id":   signed(t, jwt.SigningMethodHS256, says(func(c *claims) { c.Subject = "42" }), key, nil),
		"no account":             signed(t, jwt.SigningMethodHS256, says(func(c *claims) { c.Subject = "" }), key, nil),
		"no session":             signed(t, jwt.SigningMethodHS256, says(func(c *claims) { c.Session = "" }), key, nil),
		"a session never issued": signed(t, jwt.SigningMethodHS256, says(func(c *claims) { c.Session = "AAAAAAAAAAAAAAAAAAAAAAAAAA" }), key, nil),
	} {
		t.Run(name, func(t *testing.T) { w.want(t, token, 401, "no_session") })
	}
	w.want(t, good.Access, 200, "ada")
	w.want(t, signed(t, jwt.SigningMethodHS256, right, key, nil), 200, "ada") // so each of the above failed for its own reason
}

// signed is what an attacker can make: any claims, any method, any key, any header.
func signed(t *testing.T, m jwt.SigningMethod, c jwt.Claims, key any, header map[string]any) string {
	t.Helper()
	token := jwt.NewWithClaims(m, c)
	maps.Copy(token.Header, header)
	s, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWhatIsNoRefreshTokenRefreshesNothing(t *testing.T) {
	w := open(t)
	other := w.tokens(t, "42")
	good := w.tokens(t, "ada")
	var said, others refreshClaims
	for token, into := range map[string]*refreshClaims{good.Refresh: &said, other.Refresh: &others} {
		if _, _, err := jwt.NewParser().ParseUnverified(token, into); err != nil {
			t.Fatal(err)
		}
	}
	mixed, expired := said, said
	mixed.Secret = others.Secret
	expired.ExpiresAt = jwt.NewNumericDate(time.Now().Add(-time.Second))
	for name, token := range map[string]string{
		"an access token": good.Access,
		"oneseat's own":   said.Secret,
		"none":            signed(t, jwt.SigningMethodNone, said, jwt.UnsafeAllowNoneSignatureType, nil),
		"another key":     signed(t, jwt.SigningMethodHS256, mixed, []byte("a key of somebody's own, 32 bytes"), nil),
		"expired":         signed(t, jwt.SigningMethodHS256, expired, key, nil),
		"nothing":         "",
	} {
		if _, status, reason := w.refresh(t, token, ""); status != 401 || reason != "no_session" {
			t.Errorf("%s: %d %s", name, status, reason)
		}
	}
	w.want(t, good.Access, 200, "ada") // none of them has ended anything
	w.want(t, other.Access, 200, "42")
	if _, status, _ := w.refresh(t, good.Refresh, ""); status != 200 {
		t.Error(status)
	}
}
