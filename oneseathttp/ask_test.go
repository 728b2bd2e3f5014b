package oneseathttp_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

// newAskingSite is newSite under ask, where /enter answers with what the guard
// has for a refused sign-in.
func newAskingSite(t *testing.T, c oneseat.Config) *site {
	t.Helper()
	c.WhenFull = oneseat.PolicyAsk
	s := newSite(t, c, oneseathttp.Config{})
	s.mux.HandleFunc("POST /enter", func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.guard.SignIn(w, r, r.FormValue("account")); err != nil {
			s.guard.RefuseSignIn(w, r, err, r.FormValue("next"))
			return
		}
		http.Redirect(w, r, "/me", http.StatusSeeOther)
	})
	return s
}

const page, program = "text/html", "application/json"

// enter signs in as ada and returns the answer, whole.
func (b *browser) enter(accept string, pairs ...string) (int, string) {
	b.t.Helper()
	form := url.Values{"account": {"ada"}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return b.answer(http.MethodPost, "/enter", form, accept)
}

func (b *browser) answer(method, path string, form url.Values, accept string) (int, string) {
	b.t.Helper()
	resp := b.do(method, path, form, "Accept", accept)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if cache := resp.Header.Get("Cache-Control"); cache != "no-store" {
		b.t.Errorf("%s %s may be kept: %q", method, path, cache)
	}
	return resp.StatusCode, string(body)
}

// asked is what a program is told.
type asked struct {
	Reason, Title, Full, Ticket, Redeem string
	Limit                               int
	Sessions                            []struct {
		ID     oneseat.SessionID
		Device oneseat.Device
	}
}

func (b *browser) asked() (a asked) {
	b.t.Helper()
	status, body := b.enter(program)
	if err := json.Unmarshal([]byte(body), &a); err != nil || status != http.StatusConflict {
		b.t.Fatal(status, body, err)
	}
	return a
}

func TestWhoIsAskedGetsAPageThatShowsNoSecretAndChooses(t *testing.T) {
	s := newAskingSite(t, oneseat.Config{})
	first, second := s.browser(t, iphone), s.browser(t, firefox)
	first.signIn("ada")
	status, body := second.enter(page, "next", "/me?x=1")
	if status != http.StatusConflict || !strings.Contains(body, "Safari on iPhone") || strings.Contains(body, oneseat.TicketPrefix) {
		t.Fatalf("%d %s", status, body)
	}
	first.want("/me", http.StatusOK, "ada")
	second.want("/", http.StatusOK, "hello ")

	_, id, _ := strings.Cut(body, `name="end" value="`)
	id, _, _ = strings.Cut(id, `"`)
	resp := second.do(http.MethodPost, "/oneseat/redeem", url.Values{"end": {id}, "next": {"/me?x=1"}}, "Accept", page)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/me?x=1" {
		t.Fatalf("%d to %q", resp.StatusCode, resp.Header.Get("Location"))
	}
	second.want("/me", http.StatusOK, "ada")
	first.want("/", http.StatusOK, "hello ")
	for _, c := range second.Jar.Cookies(resp.Request.URL) {
		if strings.HasSuffix(c.Name, "-ticket") {
			t.Error("the browser has kept its ticket")
		}
	}
	if live, err := s.seats.Sessions(t.Context(), "ada"); err != nil || len(live) != 1 {
		t.Errorf("%+v, %v", live, err)
	}
}

func TestANextBeyondTheSiteIsNotOnThePage(t *testing.T) {
	s := newAskingSite(t, oneseat.Config{})
	s.browser(t, iphone).signIn("ada")
	if _, body := s.browser(t, firefox).enter(page, "next", "//evil.example/"); strings.Contains(body, "evil") {
		t.Error(body)
	}
}

func TestAProgramIsAskedWithTheSameContent(t *testing.T) {
	s := newAskingSite(t, oneseat.Config{Limit: 2})
	first, second, third := s.browser(t, iphone), s.browser(t, firefox), s.browser(t, "curl/8")
	first.signIn("ada")
	second.signIn("ada")
	full := third.asked()
	if full.Reason != "limit" || full.Full != "total" || full.Limit != 2 || len(full.Sessions) != 2 ||
		full.Sessions[0].Device.Label != "Firefox on Linux" || full.Redeem != "/oneseat/redeem" {
		t.Fatalf("%+v", full)
	}
	status, body := third.answer(http.MethodPost, full.Redeem, url.Values{"ticket": {full.Ticket}, "end": {"NOBODY"}}, program)
	if status != http.StatusConflict || !strings.Contains(body, `"reason":"limit"`) {
		t.Fatalf("a foreign id: %d %s", status, body)
	}
	status, body = third.answer(http.MethodPost, full.Redeem, url.Values{"ticket": {full.Ticket}, "end": {string(full.Sessions[1].ID)}}, program)
	if status != http.StatusOK || !strings.Contains(body, `"account":"ada"`) {
		t.Fatalf("%d %s", status, body)
	}
	first.want("/", http.StatusOK, "hello ")
	second.want("/me", http.StatusOK, "ada")
	third.want("/me", http.StatusOK, "ada")
}

func TestATicketIsOfNoUseTwiceNorInAnotherBrowserNorAltered(t *testing.T) {
	s := newAskingSite(t, oneseat.Config{})
	s.browser(t, iphone).signIn("ada")
	thief, mine := s.browser(t, firefox), s.browser(t, firefox)
	full := mine.asked()
	thief.asked() // has a device id too
	chosen := url.Values{"ticket": {full.Ticket}, "end": {string(full.Sessions[0].ID)}}
	refused := func(b *browser, form url.Values) {
		t.Helper()
		if status, body := b.answer(http.MethodPost, full.Redeem, form, program); status != http.StatusUnauthorized || !strings.Contains(body, `"bad_ticket"`) {
			t.Errorf("%d %s", status, body)
		}
	}
	refused(thief, chosen)
	refused(mine, url.Values{"ticket": {full.Ticket[:len(full.Ticket)-1] + "-"}, "end": chosen["end"]})
	refused(mine, url.Values{"end": chosen["end"]})
	if status, body := mine.answer(http.MethodPost, full.Redeem, chosen, program); status != http.StatusOK {
		t.Fatal(status, body)
	}
	refused(mine, chosen)
	resp := mine.do(http.MethodPost, full.Redeem, chosen, "Accept", page)
	_ = resp.Body.Close()
	if to := resp.Header.Get("Location"); resp.StatusCode != http.StatusSeeOther || to != "/login?reason=bad_ticket" {
		t.Errorf("%d to %q", resp.StatusCode, to)
	}
	mine.want("/me", http.StatusOK, "ada")
}

func TestWhoCancelsForgetsTheTicketAndEndsNobody(t *testing.T) {
	s := newAskingSite(t, oneseat.Config{})
	first, second := s.browser(t, iphone), s.browser(t, firefox)
	first.signIn("ada")
	second.enter(page)
	resp := second.do(http.MethodPost, "/oneseat/redeem", url.Values{"cancel": {"1"}}, "Accept", page)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/login" {
		t.Errorf("%d to %q", resp.StatusCode, resp.Header.Get("Location"))
	}
	first.want("/me", http.StatusOK, "ada")
	if status, _ := second.answer(http.MethodPost, "/oneseat/redeem", url.Values{"end": {"X"}}, program); status != http.StatusUnauthorized {
		t.Errorf("the ticket was kept: %d", status)
	}
}

func TestChoicesOfOtherSitesAreRefused(t *testing.T) {
	s := newAskingSite(t, oneseat.Config{})
	s.browser(t, iphone).signIn("ada")
	second := s.browser(t, firefox)
	second.enter(page)
	resp := second.do(http.MethodPost, "/oneseat/redeem", url.Values{"end": {"X"}}, "Sec-Fetch-Site", "cross-site")
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Error(resp.StatusCode)
	}
}

func TestABlockedAccountIsToldSoAndUntilWhen(t *testing.T) {
	s := newAskingSite(t, oneseat.Config{})
	until := time.Now().Add(24 * time.Hour)
	if err := s.staff.Block(t.Context(), "ada", until, "support"); err != nil {
		t.Fatal(err)
	}
	b := s.browser(t, firefox)
	status, body := b.enter(page)
	if status != http.StatusForbidden || !strings.Contains(body, "This account is blocked") || !strings.Contains(body, until.UTC().Format("2 January 2006")) || strings.Contains(body, "support") {
		t.Errorf("%d %s", status, body)
	}
	if status, body := b.enter(program); status != http.StatusForbidden || !strings.Contains(body, `"reason":"account_blocked"`) {
		t.Errorf("%d %s", status, body)
	}
}
