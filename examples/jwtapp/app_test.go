package jwtapp

import (
	"context"
	"encoding/json"
	"errors"
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
	"github.com/oneseat/oneseat/store/memstore"
)

var key = []byte("0123456789abcdef0123456789abcdef")

type world struct {
	*webtest.Site
	app *App
}

func open(t *testing.T) *world {
	t.Helper()
	w := &world{}
	w.Site = webtest.Open(t, memstore.New(), oneseat.Config{}, func(seats *oneseat.Registry) (http.Handler, error) {
		w.app = New(seats, key, accounts.New("ada", "42", "ada@example.org"))
		return w.app, nil
	})
	return w
}

func (w *world) token(t *testing.T, account string) string {
	t.Helper()
	resp := w.Browser("").Do("POST", "/token", url.Values{"account": {account}, "password": {account}, "device": {"ada's build server"}})
	var said struct{ Token string }
	if err := json.NewDecoder(resp.Body).Decode(&said); err != nil || resp.StatusCode != 200 || said.Token == "" {
		t.Fatal(resp.Status, err)
	}
	return said.Token
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

func TestOnlyWhatTheApplicationSignedCounts(t *testing.T) {
	w := open(t)
	w.token(t, "42")
	good := w.token(t, "ada")
	live, err := w.Seats.Sessions(t.Context(), "ada")
	if err != nil || len(live) != 1 {
		t.Fatal(live, err)
	}
	says := func(account string, id oneseat.SessionID, expires time.Time) claims {
		return claims{jwt.RegisteredClaims{Issuer: issuer, Subject: account, ExpiresAt: jwt.NewNumericDate(expires)}, id}
	}
	later, id := time.Now().Add(time.Hour), live[0].ID
	signed := func(m jwt.SigningMethod, c claims, key any) string {
		s, err := jwt.NewWithClaims(m, c).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	parts := strings.Split(good, ".")
	for name, token := range map[string]string{
		"none":                   signed(jwt.SigningMethodNone, says("ada", id, later), jwt.UnsafeAllowNoneSignatureType),
		"another key":            signed(jwt.SigningMethodHS256, says("ada", id, later), []byte("a key of somebody's own, 32 bytes")),
		"another method":         signed(jwt.SigningMethodHS512, says("ada", id, later), key),
		"no signature":           parts[0] + "." + parts[1] + ".",
		"the id alone":           string(id),
		"expired":                signed(jwt.SigningMethodHS256, says("ada", id, time.Now().Add(-time.Hour)), key),
		"without expiry":         signed(jwt.SigningMethodHS256, claims{jwt.RegisteredClaims{Issuer: issuer, Subject: "ada"}, id}, key),
		"another issuer":         signed(jwt.SigningMethodHS256, claims{jwt.RegisteredClaims{Subject: "ada", ExpiresAt: jwt.NewNumericDate(later)}, id}, key),
		"another account's id":   signed(jwt.SigningMethodHS256, says("42", id, later), key),
		"no account":             signed(jwt.SigningMethodHS256, says("", id, later), key),
		"no session":             signed(jwt.SigningMethodHS256, says("ada", "", later), key),
		"a session never issued": signed(jwt.SigningMethodHS256, says("ada", "AAAAAAAAAAAAAAAAAAAAAAAAAA", later), key),
	} {
		t.Run(name, func(t *testing.T) { w.want(t, token, 401, "no_session") })
	}
	w.want(t, good, 200, "ada")
	w.want(t, signed(jwt.SigningMethodHS256, says("ada", id, later), key), 200, "ada") // so each of the above failed for its own reason
}
