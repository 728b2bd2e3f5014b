package e2e

import (
	"bufio"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// stage opens the stage. It returns the page, and the phone and the laptop on it once
// they show something.
func (b *tab) stage(url string) (page, phone, laptop *tab) {
	b.t.Helper()
	b.do("size", chromedp.EmulateViewport(1360, 1100))
	b.open(url)
	origins := b.origins()
	phone, laptop = b.in(origins[0]), b.in(origins[1])
	phone.wait(`document.querySelector("main")`)
	laptop.wait(`document.querySelector("main")`)
	return b, phone, laptop
}

func (b *tab) origins() (origins [2]string) {
	b.t.Helper()
	if err := b.eval(`[...document.querySelectorAll("iframe")].map((f) => new URL(f.dataset.src).origin)`, &origins); err != nil {
		b.t.Fatal(err)
	}
	return origins
}

func TestTheStageShowsAtOnceWhatOneSeatMeans(t *testing.T) {
	p := start(t)
	stage, phone, laptop := newProfile(t).tab().stage(p.stage)
	stage.has("Nobody", "signed out")

	phone.click("main form button") // one click is enough, because the form is filled in
	phone.watches("ada")
	stage.has("signed in as ada", "signed in on the phone", "Now sign in on the laptop")

	laptop.click("main form button")
	laptop.watches("ada")
	phone.told("displaced").has("signed in on another device", "It was the laptop", "a computer", "change your password", "Reference").hasJustHappened()
	stage.wait(`document.querySelectorAll("#roster .seat").length === 1 && document.querySelector("#roster .seat").textContent.includes("the laptop")`)
	stage.wait(`document.querySelector("#events li.session_ended[data-reason=displaced]").innerText.includes("the laptop took the seat")`)
	stage.wait(`document.querySelector("#spoken").textContent.includes("took the seat")`)
	stage.wait(`document.querySelector("#state-phone").textContent === "signed out" && document.querySelector("#state-laptop").textContent === "signed in as ada"`)

	stage.has("The laptop took the seat, and the phone was told at once")

	phone.click("main form button") // which takes the seat back
	phone.watches("ada")
	stage.has("The phone took the seat, and the laptop was told at once")
	laptop.told("displaced").has("It was the phone", "a phone")
	stage.wait(`document.querySelector("#fallback").hidden`)
}

func TestOnTheStage64SignInsAtOnceLeaveOneSurvivor(t *testing.T) {
	p := start(t)
	stage, phone, _ := newProfile(t).tab().stage(p.stage)
	phone.click("main form button")
	phone.watches("ada")
	for range 2 {
		stage.click("#rush:not(:disabled)")
		stage.wait(`!document.querySelector("#rush").disabled && document.querySelector("#result").innerText.startsWith("64 sign-ins at once") && document.querySelector("#result").innerText.includes("One seat, one survivor: program ")`)
		stage.wait(`document.querySelectorAll("#roster .seat").length === 1 && document.querySelector("#roster .seat").innerText.includes("of 64")`)
	}
	phone.told("displaced") // the device is not kept, because too many sign-ins followed
	stage.wait(`document.querySelectorAll("#events li").length <= 200`)
	stage.click("#clear").wait(`document.querySelectorAll("#roster .seat").length === 0`)
}

func TestOnTheStageUnderRefuseTheSeatStaysWithWhoHasIt(t *testing.T) {
	p := start(t, "--policy", "refuse")
	stage, phone, laptop := newProfile(t).tab().stage(p.stage)
	phone.click("main form button")
	phone.watches("ada")
	laptop.click("main form button")
	laptop.has("seat of this account is taken", "The phone")
	stage.click("#rush").has("64 were refused", "One seat, one survivor: the phone")
	stage.click("#clear")
	phone.told("revoked")
}

func TestAButtonOfTheStageSaysThatItDidNothing(t *testing.T) {
	p := start(t)
	b := newProfile(t).tab()
	if _, err := chromedp.Call(b.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{
		Source: `const real = fetch; fetch = (to, how) => to === "/stage/rush" ? Promise.resolve(new Response("", { status: 429 })) : real(to, how);`,
	}); err != nil {
		t.Fatal(err)
	}
	stage, phone, _ := b.stage(p.stage)
	phone.click("main form button")
	phone.watches("ada")
	stage.click("#rush").has("That did not work (429). Try again.").wait(`!document.querySelector("#rush").disabled`)
	p.stop()
	stage.click("#clear").has("The site did not answer. Is it still running?").wait(`!document.querySelector("#clear").disabled`)
}

func TestTheStageWorksByTheNameLocalhostToo(t *testing.T) {
	p := start(t)
	stage, phone, laptop := newProfile(t).tab().stage(strings.Replace(p.stage, "127.0.0.1", "localhost", 1))
	for _, origin := range stage.origins() {
		if !strings.HasPrefix(origin, "http://localhost:") {
			t.Errorf("a device is at %s", origin)
		}
	}
	phone.click("main form button")
	phone.watches("ada")
	laptop.click("main form button")
	laptop.watches("ada")
	phone.told("displaced")
}

func TestWhereTheDevicesCannotBeReachedTheStageSaysHowToSeeItInTwoBrowsers(t *testing.T) {
	p := start(t)
	b := newProfile(t).tab()
	port := p.address()[strings.LastIndex(p.address(), ":")+1:]
	if _, err := chromedp.Call(b.ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(b.ctx, network.SetBlockedURLs, network.SetBlockedURLsParams{URLPatterns: []*network.BlockPattern{
		{URLPattern: "http://127.0.0.1:" + port + "/*"}, // these are let through
		{URLPattern: "http://127.0.0.1:*/*", Block: true},
	}}); err != nil {
		t.Fatal(err)
	}
	b.open(p.stage)
	b.wait(`!document.querySelector("#fallback").hidden`).has("cannot be reached", "second browser", "private window")
	b.wait(`document.querySelector(".devices").getBoundingClientRect().height === 0`) // it stands in the place of two empty screens

	// And it works: the page shows what happens all the same.
	p.person().mustSignIn("ada")
	p.person().mustSignIn("ada")
	b.has("Firefox on Linux took the seat")
}

func TestOnlyTheStageMayFrameADeviceAndNobodyTheSite(t *testing.T) {
	t.Parallel()
	p := start(t)
	body := p.person().get("/stage").body
	devices := []string{}
	for rest := body; ; {
		var ok bool
		if _, rest, ok = strings.Cut(rest, `data-src="`); !ok {
			break
		}
		at, _, _ := strings.Cut(rest, `/"`)
		devices = append(devices, at)
	}
	if len(devices) != 2 {
		t.Fatalf("the devices are %q", devices)
	}
	for at, want := range map[string]string{p.url + "/login": "'none'", p.stage: "'none'", devices[0] + "/login": p.url, devices[1] + "/login": p.url, devices[0] + "/nothing": p.url} {
		req := p.person().request(http.MethodGet, "", nil)
		u, err := req.URL.Parse(at)
		if err != nil {
			t.Fatal(err)
		}
		req.URL, req.Host = u, u.Host
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if policy := res.Header.Get("Content-Security-Policy"); !strings.HasSuffix(policy, "frame-ancestors "+want) || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: %q", at, policy)
		}
	}
	// A host with characters that no host has goes into no header.
	req := p.person().request(http.MethodGet, "/stage", nil)
	req.Host = "evil.example; script-src *"
	res, err := http.DefaultClient.Do(req)
	if err == nil {
		_ = res.Body.Close()
		if policy := res.Header.Get("Content-Security-Policy"); strings.Contains(policy, "evil") {
			t.Errorf("a planted host: %q", policy)
		}
	}
}

func TestTheStagesButtonsDoNothingForAnotherSite(t *testing.T) {
	t.Parallel()
	p := start(t)
	h := p.person().mustSignIn("ada")
	for _, path := range []string{"/stage/rush", "/stage/clear"} {
		req := p.person().request(http.MethodPost, path, nil)
		req.Header.Set("Sec-Fetch-Site", "same-site") // another port of this host
		req.Header.Set("Origin", "http://127.0.0.1:1")
		if a := h.send(req); a.status != http.StatusForbidden {
			t.Errorf("POST %s: %d, want 403", path, a.status)
		}
	}
	h.expect("ada")
}

func TestTheStageTellsOfTheDemosAccountsOnlyAndNoSecrets(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.sql(`INSERT INTO demo_users (name, hash) SELECT 'somebody', hash FROM demo_users WHERE name = 'ada'`)
	events := bufio.NewReader(p.person().stream("/stage/events"))
	until := func(word string) (said string) {
		for !strings.Contains(said, word) {
			line, err := events.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			said += line
		}
		return said
	}
	until("event: roster")
	other := p.person()
	if code := other.signIn("somebody", "ada"); code != http.StatusSeeOther {
		t.Fatal(code)
	}
	h := p.person().mustSignIn("ada")
	said := until("signed in on Firefox on Linux") + until("event: roster")
	_, rest, _ := strings.Cut(h.get("/").body, `name="oneseat-session" content="`)
	id, _, _ := strings.Cut(rest, `"`)
	for _, secret := range []string{"somebody", h.token(), id, "127.0.0", "argon2"} {
		if strings.Contains(said, secret) {
			t.Errorf("it tells %q:\n%s", secret, said)
		}
	}
}

func TestTheStageBearsOnlySoManyWatchers(t *testing.T) {
	t.Parallel()
	p := start(t)
	h := p.person()
	for range 32 {
		h.stream("/stage/events")
	}
	req := h.request(http.MethodGet, "/stage/events", nil)
	res, err := h.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("one more: %d", res.StatusCode)
	}
}
