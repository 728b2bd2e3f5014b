package oneseathttp_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

// keysOf are the keys of a JSON object, sorted.
func keysOf(t *testing.T, body []byte) (keys string, object map[string]any) {
	t.Helper()
	if err := json.Unmarshal(body, &object); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return strings.Join(slices.Sorted(maps.Keys(object)), " "), object
}

// wantProblem reads a refusal to a program and compares its status, its reason,
// its keys and the headers that all of them have.
func wantProblem(t *testing.T, what string, resp *http.Response, status int, reason, keys string) {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	got, said := keysOf(t, body)
	if resp.StatusCode != status || said["reason"] != reason || got != keys || said["type"] != "about:blank" || said["status"] != float64(status) {
		t.Errorf("%s: %d with %s, want %d %q with %s\n%s", what, resp.StatusCode, got, status, reason, keys, body)
	}
	h := resp.Header
	if h.Get("Content-Type") != "application/problem+json" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("%s: headers %v", what, h)
	}
}

const (
	refused    = "detail reason status title type"
	refusedOut = "detail reason sign_in status title type"
	told       = "at class detail device not_you reason reference session sign_in"
)

func TestEveryRefusalToAProgramHasTheKeysThatProgramsKnow(t *testing.T) {
	s := newAskingSite(t, oneseat.Config{})
	first, second := s.browser(t, firefox), s.browser(t, iphone)
	asJSON := []string{"Accept", program}
	wantProblem(t, "nobody signed in", first.do("GET", "/me", nil, asJSON...), 401, "no_session", refusedOut)
	first.signIn("ada")
	ada := url.Values{"account": {"ada"}}
	wantProblem(t, "asked", second.do("POST", "/enter", ada, asJSON...), 409, "limit", "detail full limit reason redeem sessions status ticket title type")
	wantProblem(t, "a ticket that is none", second.do("POST", "/oneseat/redeem", url.Values{"ticket": {"x"}}, asJSON...), 401, "bad_ticket", refusedOut)
	broken, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/oneseat/redeem", strings.NewReader("end=%zz"))
	if err != nil {
		t.Fatal(err)
	}
	broken.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := second.Do(broken)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	wantProblem(t, "a form that is none", resp, 400, "bad_form", refused)
	if _, err := s.staff.SignIn(t.Context(), "ada", oneseat.SignInRequest{Override: true, Device: oneseat.Device{Label: "a box", Class: oneseat.ClassTV}}); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, "displaced", first.do("GET", "/me", nil, asJSON...), 401, "displaced", told+" status title type")
	if _, data := first.events().next(); strings.Join(slices.Sorted(maps.Keys(data)), " ") != told+" title" {
		t.Errorf("the event: %v", data)
	}
	if err := s.staff.Block(t.Context(), "ada", time.Now().Add(time.Hour), "support"); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, "blocked", second.do("POST", "/enter", ada, asJSON...), 403, "account_blocked", refused)
	third := s.browser(t, iphone)
	third.signIn("grace")
	s.guard.Drain()
	wantProblem(t, "events of a guard that was drained", third.do("GET", "/oneseat/events", nil), 503, "closing", refused)
	if err := s.seats.Close(); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, "no registry any more", third.do("GET", "/me", nil, asJSON...), 503, "closing", refused)
}

func TestABrowserThatEndedItsOwnSessionToGetAnotherIsToldSo(t *testing.T) {
	s := newSite(t, oneseat.Config{Limit: 2}, oneseathttp.Config{})
	mine, other := s.browser(t, firefox), s.browser(t, iphone)
	mine.signIn("ada")
	other.signIn("ada")
	var me struct{ Session oneseat.SessionID }
	resp := mine.do("GET", "/oneseat/session", nil)
	if err := json.NewDecoder(resp.Body).Decode(&me); err != nil {
		t.Fatal(err)
	}
	if _, err := s.staff.EndAll(t.Context(), "ada", oneseat.EndOptions{Reason: oneseat.ReasonCredentialsChanged, By: me.Session}); err != nil {
		t.Fatal(err)
	}
	for who, b := range map[string]*browser{"mine": mine, "other": other} {
		_, data := b.events().next()
		if here := data["here"]; data["reason"] != "credentials_changed" || (here == true) != (who == "mine") {
			t.Errorf("%s: %v", who, data)
		}
	}
	// A sign-in of the same browser, whose answer may not have arrived yet.
	mine.signIn("ada")
	old, err := http.NewRequest("GET", s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	cookies := mine.Jar.Cookies(old.URL)
	mine.signIn("ada")
	mine.Jar.SetCookies(old.URL, cookies)
	if _, data := mine.events().next(); data["reason"] != "renewed" || data["here"] != true {
		t.Error(data)
	}
}

// It is known by the id of its device, and the new cookie may be on its way.
func TestABrowserThatLostItsTokenAndSignsInAgainIsToldSo(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	b := s.browser(t, firefox)
	b.signIn("ada")
	at, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	before := b.Jar.Cookies(at)
	b.Jar.SetCookies(at, []*http.Cookie{{Name: "oneseat", Path: "/", MaxAge: -1}})
	b.signIn("ada")
	b.Jar.SetCookies(at, before)
	if _, data := b.events().next(); data["reason"] != "displaced" || data["here"] != true {
		t.Error(data)
	}
}

func TestARefusedSignInHasTheKeysThatProgramsKnow(t *testing.T) {
	s := newSite(t, oneseat.Config{WhenFull: oneseat.PolicyRefuse}, oneseathttp.Config{})
	s.mux.HandleFunc("POST /enter", func(w http.ResponseWriter, r *http.Request) {
		_, err := s.guard.SignIn(w, r, r.FormValue("account"))
		s.guard.RefuseSignIn(w, r, err, "")
	})
	s.browser(t, firefox).signIn("ada")
	resp := s.browser(t, iphone).do("POST", "/enter", url.Values{"account": {"ada"}}, "Accept", program)
	wantProblem(t, "full", resp, 409, "limit", "detail full limit reason sessions status title type")
}

// What is wrong with the request is not the store's failure: nobody should try again
// by itself.
func TestASignInThatCannotBeMadeIsTheRequestsFault(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	s.mux.HandleFunc("POST /enter", func(w http.ResponseWriter, r *http.Request) {
		_, err := s.guard.SignInWith(w, r, oneseathttp.SignInOptions{Account: r.FormValue("account"), DeviceID: r.FormValue("device")})
		s.guard.RefuseSignIn(w, r, err, "")
	})
	for name, form := range map[string]url.Values{
		"no account": {}, "a long account": {"account": {strings.Repeat("a", 257)}}, "a control character": {"account": {"ada\n"}},
		"a short device id": {"account": {"ada"}, "device": {"x"}},
	} {
		reason := "bad_account"
		if form.Has("device") {
			reason = "bad_sign_in"
		}
		resp := s.browser(t, iphone).do("POST", "/enter", form, "Accept", program)
		if resp.Header.Get("Retry-After") != "" {
			t.Errorf("%s: it says to try again", name)
		}
		wantProblem(t, name, resp, 400, reason, "detail reason status title type")
		if resp := s.browser(t, iphone).do("POST", "/enter", form, "Accept", page); resp.StatusCode != 400 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
			t.Errorf("%s, for a person: %s", name, resp.Status)
		}
	}
}

func TestTheGuardsJSONIsTakenForNothingElseAndKeptByNoCache(t *testing.T) {
	s := newSite(t, oneseat.Config{Limit: 2}, oneseathttp.Config{})
	b := s.browser(t, firefox)
	b.signIn("ada")
	s.elsewhere(t)
	for path, keys := range map[string]string{
		"GET /oneseat/session": "account deadlines session sign_in", "POST /oneseat/active": "account deadlines session sign_in", "GET /oneseat/sessions": "account sessions", "POST /oneseat/sessions/end-others": "ended",
	} {
		method, at, _ := strings.Cut(path, " ")
		resp := b.do(method, at, nil, "Accept", program)
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := keysOf(t, body); resp.StatusCode != 200 || got != keys {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
		if h := resp.Header; h.Get("Content-Type") != "application/json" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", path, h)
		}
	}
}

// L5
func TestThePersonWhoEndedASessionIsNamedWhereTheSiteWantsThat(t *testing.T) {
	for _, shown := range []bool{true, false} {
		s := newSite(t, oneseat.Config{}, oneseathttp.Config{ShowActor: shown})
		b := s.browser(t, firefox)
		for by, names := range map[string]bool{"Prof. Hopper <b>": shown, "": false} {
			b.signIn("ada")
			if _, err := s.staff.EndAll(t.Context(), "ada", oneseat.EndOptions{Actor: by}); err != nil {
				t.Fatal(err)
			}
			p := b.problem(b.do("GET", "/me", nil))
			if named := p.Title == "This device was signed out by Prof. Hopper b"; named != names || !named && p.Title != "This device was signed out from elsewhere" {
				t.Errorf("by %q, shown %v: %q", by, shown, p.Title)
			}
		}
	}
}
