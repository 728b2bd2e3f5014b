package main

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/accounts"
	"github.com/oneseat/oneseat/examples/internal/webtest"
	"github.com/oneseat/oneseat/store/memstore"
	"github.com/oneseat/oneseat/store/sqlitestore"
)

func open(t *testing.T, c oneseat.Config) *webtest.Site {
	t.Helper()
	return webtest.Open(t, memstore.New(), c, func(seats *oneseat.Registry) (http.Handler, error) {
		return newSite(seats, accounts.New("ada", "grace"))
	})
}

func TestTheSecondSignInStopsTheFirstOnesStreamAndItIsToldWhy(t *testing.T) {
	s := open(t, oneseat.Config{})
	laptop, phone := s.Browser(webtest.Laptop), s.Browser(webtest.Phone)
	laptop.SignIn("ada")
	laptop.Want("/", 200, "Hello ada", "/oneseat/oneseat.js")
	if status := laptop.HeadEnds("/live"); status != http.StatusOK {
		t.Errorf("HEAD: %d", status)
	}
	live := bufio.NewReader(laptop.Do("GET", "/live", nil).Body)
	for _, want := range []string{"picture 1\n", "picture 2\n"} {
		if line, err := live.ReadString('\n'); err != nil || line != want {
			t.Fatalf("%q, %v", line, err)
		}
	}
	phone.SignIn("ada")
	if rest, err := io.ReadAll(live); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("the stream ended with %v, after %q", err, rest)
	}
	resp := laptop.Do("GET", "/", nil, "Accept", "text/html")
	if to := resp.Header.Get("Location"); resp.StatusCode != 303 || to != "/login?reason=displaced" {
		t.Fatalf("%d to %q", resp.StatusCode, to)
	}
	laptop.Want("/login", 200, "This account signed in on another device", "Safari on iPhone", "Reference ")
	phone.Want("/", 200, "Hello ada")
}

func TestAWrongPasswordSignsNobodyIn(t *testing.T) {
	s := open(t, oneseat.Config{})
	b := s.Browser(webtest.Laptop)
	b.Post("/login", 401, "account", "ada", "password", "guess")
	b.Post("/login", 401, "account", "nobody", "password", "")
	b.Want("/", 401, "no_session")
}

func TestSignInGoesBackToThePageAndNowhereElse(t *testing.T) {
	s := open(t, oneseat.Config{})
	for next, want := range map[string]string{"/live?x=1": "/live?x=1", "https://evil.example": "/", "//evil.example": "/", "": "/"} {
		resp := s.Browser(webtest.Laptop).Do("POST", "/login", map[string][]string{"account": {"ada"}, "password": {"ada"}, "next": {next}})
		if to := resp.Header.Get("Location"); to != want {
			t.Errorf("%q led to %q", next, to)
		}
	}
}

func TestSignOutFreesTheSeat(t *testing.T) {
	s := open(t, oneseat.Config{WhenFull: oneseat.PolicyRefuse})
	laptop, phone := s.Browser(webtest.Laptop), s.Browser(webtest.Phone)
	laptop.SignIn("ada")
	phone.Post("/login", 409, "account", "ada", "password", "ada")
	laptop.Post("/logout", 303)
	laptop.Want("/", 401, "no_session")
	phone.SignIn("ada")
}

func TestAFormOfAnotherSiteDoesNothing(t *testing.T) {
	s := open(t, oneseat.Config{})
	b := s.Browser(webtest.Laptop)
	b.SignIn("ada")
	if resp := b.Do("POST", "/logout", map[string][]string{}, "Sec-Fetch-Site", "cross-site"); resp.StatusCode != 403 {
		t.Fatal(resp.Status)
	}
	b.Want("/", 200, "Hello ada")
}

func TestAChangeOfPasswordKeepsThisBrowserAndEndsTheOthers(t *testing.T) {
	s := open(t, oneseat.Config{Limit: 3})
	mine, other, third := s.Browser(webtest.Laptop), s.Browser(webtest.Phone), s.Browser(webtest.Phone)
	mine.SignIn("ada")
	other.SignIn("ada")
	before := mine.Cookie("oneseat")

	mine.Post("/password", 422, "current", "guess", "new", "lovelace")
	other.Want("/", 200)

	mine.Post("/password", 303, "current", "ada", "new", "lovelace")
	if now := mine.Cookie("oneseat"); now == "" || now == before {
		t.Fatal("the browser has the secret that it had")
	}
	mine.Want("/", 200, "Hello ada")
	other.Want("/", 401, "credentials_changed")

	third.Post("/login", 401, "account", "ada", "password", "ada")
	third.Post("/login", 303, "account", "ada", "password", "lovelace")
	third.Want("/", 200, "Hello ada")
	mine.Want("/", 200, "Hello ada") // the limit is three
}

func TestAfterAChangeOfPasswordTheOwnerIsInAndNobodyWithTheOldOne(t *testing.T) {
	webtest.PasswordChange(t, oneseat.Config{}, func(seats *oneseat.Registry) (http.Handler, error) {
		return newSite(seats, accounts.New("ada"))
	})
}

func TestSessionsOutliveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "firstapp.db")
	var token string
	for run := range 2 {
		t.Run("", func(t *testing.T) {
			store, err := sqlitestore.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = store.Close() })
			b := webtest.Open(t, store, oneseat.Config{}, func(seats *oneseat.Registry) (http.Handler, error) {
				return newSite(seats, accounts.New("ada"))
			}).Browser(webtest.Laptop)
			if run == 0 {
				b.SignIn("ada")
				token = b.Cookie("oneseat")
			}
			b.Plant("oneseat", token)
			b.Want("/", 200, "Hello ada")
		})
	}
	if !strings.HasPrefix(token, oneseat.TokenPrefix) {
		t.Fatal("no token was handed out")
	}
}
