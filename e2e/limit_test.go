package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// fillIn signs in by the form. The caller says where that leads.
func (b *tab) fillIn(url, name string) *tab {
	b.t.Helper()
	b.open(url + "/login")
	b.do("type", chromedp.SendKeys(chromedp.CSS("#username"), name), chromedp.SendKeys(chromedp.CSS("#password"), name+"\r"))
	return b
}

// asProgram makes a request say that no person would see the answer.
func asProgram(req *http.Request) *http.Request {
	req.Header.Set("Accept", "application/json")
	return req
}

func TestWhoIsAskedSignsTheOtherOutAndContinuesHere(t *testing.T) {
	p := start(t, "--policy", "ask")
	first := newProfile(t).tab().as(iPhone).signIn(p.url, "ada").watches("ada")
	second := newProfile(t).tab().fillIn(p.url, "ada")
	second.has("in use on another device", "Safari on iPhone", "Sign out there and continue here", "Cancel")
	first.watches("ada") // its session is not touched

	second.click("button[name=cancel]").has("Sign in")
	first.watches("ada")

	second.fillIn(p.url, "ada").has("Safari on iPhone")
	second.click("button.choose").watches("ada")
	first.told("displaced").has("signed in on another device")
}

func TestWhoIsAskedChoosesOneOfSeveral(t *testing.T) {
	p := start(t, "--policy", "ask", "--limit", "2")
	phone := newProfile(t).tab().as(iPhone).signIn(p.url, "ada").watches("ada")
	desk := newProfile(t).tab().signIn(p.url, "ada").watches("ada")
	third := newProfile(t).tab().fillIn(p.url, "ada").has("as many as it may be", "Safari on iPhone", "Chrome on Linux")
	third.click("li:has(form) button.choose").watches("ada") // the newest is the first in the list
	desk.told("displaced")
	phone.watches("ada")
}

func TestAskingWorksWithoutScriptsAndForPrograms(t *testing.T) {
	t.Parallel()
	p := start(t, "--policy", "ask")
	first := p.person().mustSignIn("ada")
	second := p.person()
	if code := second.signIn("ada", "ada"); code != http.StatusConflict {
		t.Fatalf("a sign-in at the limit got %d", code)
	}
	first.expect("ada")
	second.expect("")
	said := second.send(asProgram(second.request(http.MethodPost, "/login", url.Values{"username": {"ada"}, "password": {"ada"}})))
	var full struct {
		Reason, Ticket, Redeem string
		Sessions               []struct{ ID string }
	}
	if err := json.Unmarshal([]byte(said.body), &full); err != nil {
		t.Fatal(err, said.body)
	}
	if said.status != http.StatusConflict || full.Reason != "limit" || len(full.Sessions) != 1 || !strings.HasPrefix(full.Ticket, "oneseat_ticket_") {
		t.Fatalf("%d %+v", said.status, full)
	}
	chosen := url.Values{"ticket": {full.Ticket}, "end": {full.Sessions[0].ID}}
	if said := second.send(asProgram(second.request(http.MethodPost, full.Redeem, chosen))); said.status != http.StatusOK {
		t.Fatalf("%d %s", said.status, said.body)
	}
	second.expect("ada")
	first.expect("")
}

func TestOnlySoManyWatchAndTheOtherIsAskedAndTold(t *testing.T) {
	p := start(t, "--limit", "3", "--streams", "1")
	first := newProfile(t).tab().as(iPhone).signIn(p.url, "ada").watches("ada")
	second := newProfile(t).tab().fillIn(p.url, "ada")
	second.wait(`document.querySelector(".oneseat-stream")`).has("This account is playing elsewhere", "Stop it on Safari on iPhone and play here")
	first.watches("ada")

	second.click(".oneseat-stream button").watches("ada")
	first.wait(`document.querySelector(".oneseat-stream")`).has("Another device plays now", "Chrome on Linux", "Play here again")
	first.open(p.url + "/").wait(`document.querySelector(".oneseat-stream")`) // still signed in
	first.has("ada")

	second.open(p.url + "/").watches("ada") // a reload is no second stream
	second.open(p.url + "/password").has("Change the password")
	first.open(p.url + "/").watches("ada") // the stream was stopped, so one is free
}
