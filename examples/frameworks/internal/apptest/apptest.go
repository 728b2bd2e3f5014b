// Package apptest visits the applications of the frameworks. Each of them has to do the
// same.
package apptest

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/webtest"
	"github.com/oneseat/oneseat/store/memstore"
)

// SecondSignIn has an account sign in on a laptop, watch there, and sign in on a
// phone.
func SecondSignIn(t *testing.T, app func(*oneseat.Registry) (http.Handler, error)) {
	t.Helper()
	s := webtest.Open(t, memstore.New(), oneseat.Config{}, app)
	laptop, phone := s.Browser(webtest.Laptop), s.Browser(webtest.Phone)
	laptop.Post("/login", http.StatusUnauthorized, "account", "ada", "password", "wrong")
	laptop.SignIn("ada")
	laptop.Want("/", http.StatusOK, "Hello ada")
	laptop.Want("/oneseat/devices", http.StatusOK, "Firefox on Linux")
	if status := laptop.HeadEnds("/live"); status >= http.StatusInternalServerError { // some routers know no HEAD
		t.Errorf("HEAD: %d", status)
	}
	resp := laptop.Do(http.MethodGet, "/live", nil)
	live := bufio.NewReader(resp.Body)
	for _, want := range []string{"picture 1\n", "picture 2\n"} {
		if line, err := live.ReadString('\n'); err != nil || line != want {
			t.Fatalf("%s: %q, %v", resp.Status, line, err)
		}
	}
	phone.SignIn("ada")
	if rest, err := io.ReadAll(live); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("the stream ended with %v, after %q", err, rest)
	}
	to := laptop.Do(http.MethodGet, "/", nil, "Accept", "text/html").Header.Get("Location")
	if to != "/login?reason=displaced" {
		t.Errorf("the laptop is sent to %q", to)
	}
	laptop.Want(to, http.StatusOK, "This account signed in on another device")
	phone.Want("/", http.StatusOK, "Hello ada")
	if resp := phone.Do(http.MethodPost, "/login", nil, "Sec-Fetch-Site", "cross-site"); resp.StatusCode != http.StatusForbidden {
		t.Errorf("another site's form: %s", resp.Status)
	}
}
