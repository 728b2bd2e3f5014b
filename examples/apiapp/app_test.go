package apiapp

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/accounts"
	"github.com/oneseat/oneseat/examples/internal/webtest"
	"github.com/oneseat/oneseat/store/memstore"
)

func open(t *testing.T, c oneseat.Config) *webtest.Site {
	t.Helper()
	c.Programs.Limit = 1
	return webtest.Open(t, memstore.New(), c, func(seats *oneseat.Registry) (http.Handler, error) {
		return New(seats, accounts.New("ada"))
	})
}

const id = "the id of an installation"

// token signs a program in.
func token(t *testing.T, p *webtest.Browser) string {
	t.Helper()
	resp := p.Do("POST", "/token", url.Values{"account": {"ada"}, "password": {"ada"}, "device_id": {id}, "name": {"backup"}})
	var said struct{ Token string }
	if err := json.NewDecoder(resp.Body).Decode(&said); err != nil || !strings.HasPrefix(said.Token, oneseat.TokenPrefix) {
		t.Fatal(resp.Status, said, err)
	}
	if len(resp.Cookies()) > 0 {
		t.Errorf("a program gets cookies: %v", resp.Cookies())
	}
	return said.Token
}

func me(p *webtest.Browser, token string) (int, string) {
	return p.Get("/me", "Authorization", "Bearer "+token)
}

func TestABrowserAndAProgramUseTheSameRoutes(t *testing.T) {
	s := open(t, oneseat.Config{})
	browser, program := s.Browser(webtest.Laptop), s.Browser("backup/1.0")
	browser.SignIn("ada")
	browser.Want("/me", http.StatusOK, "ada")
	mine := token(t, program)
	live, err := s.Seats.Sessions(t.Context(), "ada")
	if err != nil || live[0].Device.Label != "backup" || live[0].Device.Class != oneseat.ClassAPI {
		t.Errorf("%+v, %v", live, err)
	}
	if status, body := me(program, mine); status != http.StatusOK || !strings.Contains(body, "ada") {
		t.Errorf("the program: %d %s", status, body)
	}
	if status, _ := program.Get("/me"); status != http.StatusUnauthorized {
		t.Errorf("without its token: %d", status)
	}
	// The program signs out. The browser is not touched.
	if resp := program.Do("POST", "/logout", nil, "Authorization", "Bearer "+mine); resp.StatusCode != http.StatusNoContent {
		t.Error(resp.Status)
	}
	if status, body := me(program, mine); status != http.StatusUnauthorized || !strings.Contains(body, "signed_out") {
		t.Errorf("afterwards: %d %s", status, body)
	}
	browser.Want("/me", http.StatusOK, "ada")
}

// A request with both is the program's: a page cannot send the header to another site.
func TestTheHeaderComesBeforeTheCookie(t *testing.T) {
	s := open(t, oneseat.Config{})
	b := s.Browser(webtest.Laptop)
	b.SignIn("ada")
	if status, _ := me(b, "oneseat_nonsense"); status != http.StatusUnauthorized {
		t.Errorf("%d", status)
	}
	b.Want("/me", http.StatusOK, "ada")
}

func TestAProgramThatSignsInAgainTakesItsOwnSeat(t *testing.T) {
	s := open(t, oneseat.Config{WhenFull: oneseat.PolicyRefuse})
	p := s.Browser("backup/1.0")
	first := token(t, p)
	second := token(t, s.Browser("backup/1.0")) // it was started anew, and has lost the token
	if status, _ := me(p, first); status != http.StatusUnauthorized {
		t.Errorf("the first token: %d", status)
	}
	if status, _ := me(p, second); status != http.StatusOK {
		t.Errorf("the second: %d", status)
	}
}

func TestAFormOfAnotherSiteDoesNothing(t *testing.T) {
	s := open(t, oneseat.Config{})
	b := s.Browser(webtest.Laptop)
	b.SignIn("ada")
	if resp := b.Do("POST", "/logout", url.Values{}, "Sec-Fetch-Site", "cross-site"); resp.StatusCode != http.StatusForbidden {
		t.Error(resp.Status)
	}
	b.Want("/me", http.StatusOK, "ada")
}
