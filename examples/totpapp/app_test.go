package totpapp

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/accounts"
	"github.com/oneseat/oneseat/examples/internal/webtest"
	"github.com/oneseat/oneseat/store/memstore"
)

const secret = "JBSWY3DPEHPK3PXP"

func open(t *testing.T, c oneseat.Config) *webtest.Site {
	t.Helper()
	return webtest.Open(t, memstore.New(), c, func(seats *oneseat.Registry) (http.Handler, error) {
		return New(seats, accounts.New("ada", "grace"), NewCodes(map[string]string{"ada": secret, "grace": secret}), false)
	})
}

// code is the one that an authenticator app shows, some steps from now.
func code(t *testing.T, steps int) string {
	t.Helper()
	c, err := totp.GenerateCode(secret, time.Now().Add(time.Duration(steps)*step))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// signIn takes both steps. Each code counts once, so a second sign-in needs the next.
func signIn(t *testing.T, b *webtest.Browser, account string, steps int) {
	t.Helper()
	b.Post("/login", http.StatusSeeOther, "account", account, "password", account)
	b.Post("/login/code", http.StatusSeeOther, "code", code(t, steps))
	b.Want("/", http.StatusOK, "Hello "+account)
}

func TestWhoKnowsThePasswordOnlyThrowsNobodyOut(t *testing.T) {
	for _, policy := range []oneseat.Policy{oneseat.PolicyDisplace, oneseat.PolicyRefuse, oneseat.PolicyAsk} {
		s := open(t, oneseat.Config{WhenFull: policy})
		owner, thief := s.Browser(webtest.Laptop), s.Browser(webtest.Phone)
		signIn(t, owner, "ada", 0)
		for range 3 {
			thief.Post("/login", http.StatusSeeOther, "account", "ada", "password", "ada")
			thief.Post("/login/code", http.StatusUnauthorized, "code", "none")
		}
		owner.Want("/", http.StatusOK, "Hello ada")
		thief.Want("/", http.StatusUnauthorized, "no_session")
		if thief.Cookie("oneseat") != "" {
			t.Errorf("%s: the password alone gives a session", policy)
		}
	}
}

func TestASeatIsTakenWithTheCode(t *testing.T) {
	s := open(t, oneseat.Config{})
	laptop, phone := s.Browser(webtest.Laptop), s.Browser(webtest.Phone)
	signIn(t, laptop, "ada", 0)
	signIn(t, phone, "ada", 1)
	laptop.Want("/", http.StatusUnauthorized, "displaced")
}

// ASVS 7.4.3: after a change of the second factor, everybody that signed in with the
// old one is signed out.
func TestAChangeOfTheFactorEndsTheOtherSessionsAndNeedsAFreshProof(t *testing.T) {
	const other = "KRSXG5CTMVRXEZLU"
	s := open(t, oneseat.Config{Limit: 2})
	laptop, phone := s.Browser(webtest.Laptop), s.Browser(webtest.Phone)
	signIn(t, laptop, "ada", 0)
	signIn(t, phone, "ada", 1)
	laptop.Post("/factor", http.StatusUnprocessableEntity, "secret", other, "code", code(t, 0)) // of the old one
	phone.Want("/", http.StatusOK, "Hello ada")
	shown, err := totp.GenerateCode(other, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // an impatient second click does no harm
		laptop.Post("/factor", http.StatusSeeOther, "secret", other, "code", shown)
	}
	laptop.Want("/", http.StatusOK, "Hello ada")
	phone.Want("/", http.StatusUnauthorized, "credentials_changed")
	stranger := s.Browser(webtest.Phone)
	stranger.Post("/login", http.StatusSeeOther, "account", "ada", "password", "ada")
	stranger.Post("/login/code", http.StatusUnauthorized, "code", code(t, 0))
}

func TestTheSecondStepNeedsTheFirst(t *testing.T) {
	s := open(t, oneseat.Config{})
	b := s.Browser(webtest.Laptop)
	b.Post("/login", http.StatusUnauthorized, "account", "ada", "password", "guess")
	for _, half := range []string{"", "guess"} {
		b.Plant("half", half)
		if resp := b.Do("POST", "/login/code", map[string][]string{"code": {code(t, 0)}}); resp.Header.Get("Location") != "/login" {
			t.Errorf("with %q: %s to %q", half, resp.Status, resp.Header.Get("Location"))
		}
	}
	b.Want("/", http.StatusUnauthorized, "no_session")
	// Between the steps there is nothing but the second step.
	b.Post("/login", http.StatusSeeOther, "account", "ada", "password", "ada")
	b.Want("/", http.StatusUnauthorized, "no_session")
}

func TestASecondStepIsTakenOnce(t *testing.T) {
	s := open(t, oneseat.Config{})
	b := s.Browser(webtest.Laptop)
	b.Post("/login", http.StatusSeeOther, "account", "ada", "password", "ada")
	half := b.Cookie("half")
	b.Post("/login/code", http.StatusSeeOther, "code", code(t, 0))
	if b.Cookie("half") != "" {
		t.Error("the browser keeps what it needs no more")
	}
	other := s.Browser(webtest.Phone)
	other.Plant("half", half)
	if resp := other.Do("POST", "/login/code", map[string][]string{"code": {code(t, 1)}}); resp.Header.Get("Location") != "/login" {
		t.Errorf("%s to %q", resp.Status, resp.Header.Get("Location"))
	}
}

func TestSignInGoesBackToThePageAndNowhereElse(t *testing.T) {
	s := open(t, oneseat.Config{})
	for i, next := range []string{"/?x=1", "https://evil.example"} {
		b := s.Browser(webtest.Laptop)
		b.Post("/login", http.StatusSeeOther, "account", []string{"ada", "grace"}[i], "password", []string{"ada", "grace"}[i], "next", next)
		resp := b.Do("POST", "/login/code", map[string][]string{"code": {code(t, 0)}})
		if to := resp.Header.Get("Location"); to != []string{"/?x=1", "/"}[i] {
			t.Errorf("%q led to %q", next, to)
		}
	}
}

func TestACodeCountsOnceAndFewAreTried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCodes(map[string]string{"ada": secret})
		now := code(t, 0)
		if c.Use("grace", now) || c.Use("ada", "") || !c.Use("ada", now) || c.Use("ada", now) || c.Use("ada", code(t, -1)) {
			t.Error("a code counts for nobody, or twice")
		}
		if c.Use("ada", code(t, 2)) || !c.Use("ada", code(t, 1)) {
			t.Error("a clock may be wrong by one step")
		}
		time.Sleep(10 * step)
		for i := range mostWrong {
			c.Use("ada", fmt.Sprint("no ", i))
		}
		if c.Use("ada", code(t, 0)) {
			t.Error("codes can be tried for ever")
		}
		time.Sleep(forget + time.Second)
		if !c.Use("ada", code(t, 0)) {
			t.Error("the owner is locked out for ever")
		}
	})
}

func TestThePasswordCountsForMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h halfway
		first := h.begin(visitor{account: "ada", until: time.Now().Add(halfFor)})
		h.begin(visitor{account: "ada", until: time.Now().Add(halfFor)}) // of a thief, which takes nothing away
		if v, ok := h.find(first); !ok || v.account != "ada" {
			t.Error("it does not count")
		}
		time.Sleep(halfFor)
		if _, ok := h.find(first); ok {
			t.Error("it counts for longer")
		}
		time.Sleep(time.Second)
		h.begin(visitor{account: "ada", until: time.Now().Add(halfFor)})
		if n := len(h.of); n != 1 {
			t.Errorf("%d are kept", n)
		}
	})
}
