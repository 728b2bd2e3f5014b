package oneseathttp_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/oneseattest"
	"github.com/oneseat/oneseat/store/memstore"
)

// sudo is a site with a page that needs a fresh proof, one that confirms, and a clock
// that moves.
func sudo(t *testing.T, hc oneseathttp.Config) (*site, *oneseattest.Clock) {
	t.Helper()
	clock := oneseattest.NewClock()
	c := oneseat.Config{Limit: 3, Clock: clock.Read, Idle: 30 * 24 * time.Hour}
	s := unstartedOn(t, memstore.NewAt(clock.Now), c, hc)
	s.mux.Handle("/danger", s.guard.RequireFresh(10*time.Minute, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "done")
	})))
	s.mux.HandleFunc("POST /confirm", func(w http.ResponseWriter, r *http.Request) {
		mine, _ := oneseat.SessionFrom(r.Context())
		now, err := s.guard.Confirm(w, r, mine.Lifetime)
		if err != nil {
			s.guard.Refuse(w, r)
			return
		}
		if seen, _ := oneseat.SessionFrom(r.Context()); seen.Proved != now.Proved || seen.ID != mine.ID {
			t.Errorf("the request goes on with %+v", seen)
		}
		_, _ = io.WriteString(w, "confirmed")
	})
	s.Start()
	return s, clock
}

// N3: RequireFresh asks for a proof that is not too old; a confirmation and a sign-in
// are proofs.
func TestAPageMayAskForAFreshProof(t *testing.T) {
	s, clock := sudo(t, oneseathttp.Config{ConfirmPath: "/confirm?why=1"})
	b := s.browser(t, firefox)
	b.signIn("ada")
	if status, body := b.get("/danger"); status != 200 || body != "done" {
		t.Fatal(status, body)
	}
	clock.Advance(9 * time.Minute)
	if status, body := b.get("/danger"); status != 200 {
		t.Error(status, body)
	}
	clock.Advance(2 * time.Minute)
	if status, body := b.get("/me"); status != 200 {
		t.Error("a page that asks for no proof:", status, body)
	}
	resp := b.do("GET", "/danger?x=1", nil, "Accept", "text/html")
	if to := resp.Header.Get("Location"); resp.StatusCode != http.StatusSeeOther || to != "/confirm?why=1&next=%2Fdanger%3Fx%3D1" {
		t.Error(resp.Status, to)
	}
	resp = b.do("POST", "/danger", form("ada"), "Accept", "text/html")
	if to := resp.Header.Get("Location"); resp.StatusCode != http.StatusSeeOther || to != "/confirm?why=1" {
		t.Error("a form cannot be sent again:", resp.Status, to)
	}
	resp = b.do("GET", "/danger", nil)
	if said := b.problem(resp); resp.StatusCode != 401 || said.Reason != "proof_too_old" || said.Title == "" ||
		resp.Header.Get("Cache-Control") != "no-store" || !strings.Contains(resp.Header.Get("WWW-Authenticate"), `error="insufficient_user_authentication", max_age="600"`) {
		t.Errorf("%s %v %+v", resp.Status, resp.Header, said)
	}
	before := b.token()
	if resp := b.do("POST", "/confirm", form("")); resp.StatusCode != 200 {
		t.Fatal(resp.Status)
	}
	if b.token() == before {
		t.Error("the token from before the proof is still good")
	}
	if status, body := b.get("/danger"); status != 200 {
		t.Error("after the confirmation:", status, body)
	}
	clock.Advance(11 * time.Minute)
	b.signIn("ada")
	if status, body := b.get("/danger"); status != 200 {
		t.Error("after a sign-in:", status, body)
	}
}

func TestWithoutAPageToConfirmTheSignInPageIsOne(t *testing.T) {
	s, clock := sudo(t, oneseathttp.Config{})
	b := s.browser(t, firefox)
	b.signIn("ada")
	clock.Advance(time.Hour)
	resp := b.do("GET", "/danger", nil, "Accept", "text/html")
	if to := resp.Header.Get("Location"); to != "/login?reason=proof_too_old&next=%2Fdanger" {
		t.Error(resp.Status, to)
	}
	if resp := s.browser(t, firefox).do("GET", "/danger", nil); resp.StatusCode != 401 || b.problem(resp).Reason != "no_session" {
		t.Error("without a session:", resp.Status)
	}
}

// ASVS 7.5.2: a user who ends other sessions has proved lately who they are.
func TestOwnDevicesAskForAProofThatIsNotADayOld(t *testing.T) {
	for name, c := range map[string]struct {
		age   time.Duration
		after time.Duration
		want  int
	}{
		"by default, on the same day": {0, 23 * time.Hour, 200},
		"by default, later":           {0, 25 * time.Hour, 401},
		"an hour":                     {time.Hour, 2 * time.Hour, 401},
		"any":                         {oneseathttp.AnyProof, 10 * 24 * time.Hour, 200},
	} {
		t.Run(name, func(t *testing.T) {
			s, clock := sudo(t, oneseathttp.Config{OwnDevicesProof: c.age})
			b, other := s.browser(t, firefox), s.browser(t, iphone)
			other.signIn("ada")
			b.signIn("ada")
			clock.Advance(c.after)
			live, err := s.seats.Sessions(t.Context(), "ada")
			if err != nil || len(live) != 2 {
				t.Fatal(live, err)
			}
			if status, body := b.get("/oneseat/sessions"); status != 200 {
				t.Error("looking needs no proof:", status, body)
			}
			end := "/oneseat/sessions/" + string(live[1].ID) + "/end"
			if resp := b.do("POST", end, nil); resp.StatusCode != c.want {
				t.Errorf("one: %s, want %d", resp.Status, c.want)
			}
			if resp := b.do("POST", "/oneseat/sessions/end-others", nil); resp.StatusCode != c.want {
				t.Errorf("all others: %s, want %d", resp.Status, c.want)
			}
			if c.want == 200 {
				return
			}
			if resp := b.do("POST", end, nil, "Accept", "text/html"); resp.Header.Get("Location") != "/login?reason=proof_too_old&next=%2Foneseat%2Fdevices" {
				t.Error(resp.Header.Get("Location"))
			}
			if left, _ := s.seats.Sessions(t.Context(), "ada"); len(left) != 2 {
				t.Errorf("%d sessions are left", len(left))
			}
			if resp := b.do("POST", "/oneseat/sessions/"+string(live[0].ID)+"/end", nil); resp.StatusCode != 200 {
				t.Error("to sign out needs no proof:", resp.Status)
			}
		})
	}
}

// N1: without "remember me" the browser forgets the cookie when it is closed, also after
// a rotation, and the session dies at its own lifetime.
func TestWithoutRememberMeTheCookieEndsWithTheBrowser(t *testing.T) {
	s := unstarted(t, oneseat.Config{Idle: 14 * 24 * time.Hour}, oneseathttp.Config{})
	s.mux.HandleFunc("POST /short", func(w http.ResponseWriter, r *http.Request) {
		life := oneseat.Lifetime{Idle: time.Hour, UntilClosed: true}
		grant, err := s.guard.SignInWith(w, r, oneseathttp.SignInOptions{Account: "ada", Lifetime: life})
		if err != nil || grant.Session.Lifetime != life || !grant.NewDevice {
			t.Errorf("%+v, %v", grant, err)
		}
	})
	s.mux.HandleFunc("POST /longer", func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.guard.Confirm(w, r, oneseat.Lifetime{}); err != nil {
			t.Error(err)
		}
	})
	s.Start()
	b := s.browser(t, firefox)
	life := func(resp *http.Response) int {
		t.Helper()
		for _, c := range resp.Cookies() {
			if c.Name == "oneseat" {
				return c.MaxAge
			}
		}
		t.Fatalf("no cookie in %v", resp.Header)
		return 0
	}
	if age := life(b.do("POST", "/short", nil)); age != 0 {
		t.Errorf("the cookie is kept for %d s", age)
	}
	if age := life(b.do("POST", "/rotate", nil)); age != 0 {
		t.Errorf("after a rotation the cookie is kept for %d s", age)
	}
	if age := life(b.do("POST", "/longer", nil)); age != int((90+30)*24*time.Hour/time.Second) {
		t.Errorf("once it is to be remembered the cookie is kept for %d s", age)
	}
}

func TestAFreshnessThatRefusesAllIsAMistake(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	defer func() {
		err, _ := recover().(error)
		if _, ok := errors.AsType[*oneseat.ConfigError](err); !ok {
			t.Errorf("it panicked with %v", err)
		}
	}()
	s.guard.RequireFresh(0, http.NotFoundHandler())
}

func TestBadProofSettingsAreRefused(t *testing.T) {
	_, err := oneseathttp.New(registry(t), oneseathttp.Config{SignInPath: "/login", ConfirmPath: "https://elsewhere.example/", OwnDevicesProof: -time.Hour})
	if err == nil || !strings.Contains(err.Error(), "ConfirmPath") || !strings.Contains(err.Error(), "OwnDevicesProof") {
		t.Errorf("%v", err)
	}
}
