package e2e

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

func TestPromise10TheFirstDeviceIsSentToTheSignInPageByItselfAndToldWhenAndByWhatKindOfDevice(t *testing.T) {
	p := start(t)
	first := newProfile(t).tab().signIn(p.url, "ada")
	newProfile(t).tab().as(iPhone).signIn(p.url, "ada")
	first.told("displaced").has("signed in on another device", "Safari on iPhone", "a phone", "Reference", "change your password").hasJustHappened()
	first.wait(`document.querySelector("time[datetime]") && document.querySelector("#username")`)
}

func TestPromise09ALivePictureStopsInTheBrowserWithNoRequestFromIt(t *testing.T) {
	p := start(t)
	first := newProfile(t).tab()
	// The browser shows the picture and runs no script, so it makes no request after
	// the first.
	if _, err := chromedp.Call(first.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	first.signIn(p.url, "ada")
	var requests atomic.Int32
	broken := make(chan struct{}, 16)
	if err := chromedp.Listen(first.ctx, func(event any) {
		switch event := event.(type) {
		case *network.EventRequestWillBeSent:
			if !strings.HasSuffix(event.Request.URL, "/icon.svg") { // the tab's icon may come at any time
				requests.Add(1)
			}
		case *network.EventLoadingFailed:
			select {
			case broken <- struct{}{}:
			default:
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	p.person().mustSignIn("ada")
	select {
	case <-broken:
	case <-first.ctx.Done():
	}
	if n := requests.Load(); n != 0 {
		t.Errorf("the viewer's browser sent %d requests", n)
	}
}

func TestPromise07AllTabsOfOneBrowserShareItsSessionAndHearOfItsEnd(t *testing.T) {
	p := start(t)
	home := newProfile(t)
	tabs := []*tab{home.tab().signIn(p.url, "ada")}
	for _, path := range []string{"/", "/password", "/oneseat/devices"} {
		b := home.tab().open(p.url + path)
		if path == "/" {
			b.watches("ada")
		}
		tabs = append(tabs, b)
	}
	p.person().mustSignIn("ada")
	for _, b := range tabs {
		b.told("displaced")
	}
}

// counted counts the event streams that a tab opens.
func (b *tab) counted(streams *atomic.Int32) *tab {
	b.t.Helper()
	if err := chromedp.Listen(b.ctx, func(event any) {
		if e, ok := event.(*network.EventRequestWillBeSent); ok && strings.HasSuffix(e.Request.URL, "/oneseat/events") {
			streams.Add(1)
		}
	}); err != nil {
		b.t.Fatal(err)
	}
	return b
}

// leaders waits until these numbers of tabs hold the leader's lock and wait for it.
func (b *tab) leaders(held, pending string) {
	b.t.Helper()
	b.wait(`navigator.locks.query().then((q) => q.held.length === ` + held + ` && q.pending.length === ` + pending + `)`)
}

func TestSevenTabsOverHTTP1HaveOneStreamAndAllHear(t *testing.T) {
	p := start(t)
	home := newProfile(t)
	var streams atomic.Int32
	var tabs []*tab
	signedIn := home.tab().signIn(p.url, "ada").open("about:blank")
	for range 7 {
		// A browser has six connections to a site. With an event stream for each tab
		// the seventh page would not load, and this one would not either.
		b := home.tab().counted(&streams).open(p.url + "/password")
		tabs = append(tabs, b.wait(`document.querySelector("#current")`))
	}
	tabs[0].leaders("1", "6")
	if n := streams.Load(); n != 1 {
		t.Errorf("seven tabs have opened %d streams", n)
	}
	signedIn.open(p.url + "/oneseat/devices").has("this device")
	signedIn.open("about:blank")
	p.person().mustSignIn("ada")
	for _, b := range tabs {
		b.told("displaced")
	}
}

func TestWhenTheLeadingTabIsClosedAnotherLeads(t *testing.T) {
	p := start(t)
	home := newProfile(t)
	home.tab().signIn(p.url, "ada").open("about:blank")
	var streams atomic.Int32
	var tabs []*tab
	for range 3 {
		tabs = append(tabs, home.tab().counted(&streams).open(p.url+"/password"))
		if len(tabs) == 1 {
			tabs[0].leaders("1", "0")
		}
	}
	tabs[1].leaders("1", "2")
	tabs[0].close()
	tabs[1].leaders("1", "1")
	until(t, "another stream", func() bool { return streams.Load() == 2 })
	p.person().mustSignIn("ada")
	tabs[1].told("displaced")
	tabs[2].told("displaced")
}

func TestWhatWasBeingWrittenStaysOnTheScreen(t *testing.T) {
	p := start(t)
	b := newProfile(t).tab().signIn(p.url, "ada")
	b.do("type", chromedp.SendKeys(chromedp.CSS("#new"), "half a"))
	p.person().mustSignIn("ada")
	b.wait(`document.querySelector("dialog.oneseat[open]")`).has("signed in on another device", "has not been sent", "Reference")
	b.wait(`location.pathname === "/" && document.querySelector("#new").value === "half a"`)
	b.click("dialog.oneseat button").told("displaced")
}

func TestTheDialogCanBeLeftByKeyboardAndThePageIsStillThere(t *testing.T) {
	p := start(t)
	b := newProfile(t).tab().signIn(p.url, "ada")
	b.do("type", chromedp.SendKeys(chromedp.CSS("#new"), "half a"))
	p.person().mustSignIn("ada")
	b.wait(`document.activeElement.closest("dialog.oneseat")`)
	b.do("escape", chromedp.KeyEvent("\x1b"))
	b.wait(`!document.querySelector("dialog") && document.querySelector("#new").value === "half a"`)
}

func TestAPageMayTakeTheEndIntoItsOwnHands(t *testing.T) {
	p := start(t)
	b := newProfile(t).tab().signIn(p.url, "ada")
	b.do("listen", chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`addEventListener("oneseat:ended", (e) => { e.preventDefault(); document.title = e.detail.reason }), true`))
		return err
	}))
	p.person().mustSignIn("ada")
	b.wait(`document.title === "displaced" && location.pathname === "/"`)
}

func TestWithScriptsOffTheNextRequestSaysTheSameWords(t *testing.T) {
	p := start(t)
	b := newProfile(t).tab()
	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	b.signIn(p.url, "ada")
	newProfile(t).tab().as(iPhone).signIn(p.url, "ada")
	b.open(p.url+"/").told("displaced").has("signed in on another device", "Safari on iPhone", "Reference", "change your password")
}

func TestGoingBackShowsNoPageOfASessionThatHasEnded(t *testing.T) {
	p := start(t)
	b := newProfile(t).tab().signIn(p.url, "ada").open(p.url + "/password").open("about:blank")
	p.person().mustSignIn("ada")
	b.do("back", chromedp.NavigateBack())
	b.told("displaced")
}

func TestWithScriptsOffGoingBackAfterTheRefusalShowsNoPageOfTheSessionThatHasEnded(t *testing.T) {
	p := start(t)
	b := newProfile(t).tab()
	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	b.signIn(p.url, "ada").open(p.url + "/").has("Signed in as")
	p.person().mustSignIn("ada")
	b.open(p.url + "/password").told("displaced")
	b.do("back", chromedp.NavigateBack()) // a page from the browser's memory would not load
	b.told("displaced")
}

func TestPromise15InABrowserSigningInAsAnotherEndsTheFirstAccountsPages(t *testing.T) {
	p := start(t)
	home := newProfile(t)
	ada := home.tab().signIn(p.url, "ada")
	grace := home.tab().signIn(p.url, "grace")
	ada.watches("grace")
	own := newProfile(t).tab().signIn(p.url, "ada")
	grace.open(p.url + "/").watches("grace")
	own.open(p.url + "/").watches("ada")
}

func TestSigningInAgainInTheSameBrowserTellsNobodyOff(t *testing.T) {
	p := start(t)
	home := newProfile(t)
	first := home.tab().signIn(p.url, "ada")
	id := ""
	if err := first.eval(`document.querySelector("meta[name=oneseat-session]").content`, &id); err != nil {
		t.Fatal(err)
	}
	home.tab().signIn(p.url, "ada")
	first.wait(`document.querySelector("meta[name=oneseat-session]")?.content !== "` + id + `"`).watches("ada")
}

func TestAChangeOfPasswordInOneTabLeavesTheOtherTabsSignedIn(t *testing.T) {
	p := start(t, "--limit", "2")
	home := newProfile(t)
	first, second := home.tab().signIn(p.url, "ada"), home.tab().open(p.url+"/").watches("ada")
	writing := home.tab().open(p.url + "/password")
	writing.do("type", chromedp.SendKeys(chromedp.CSS("#new"), "half a"))
	there := newProfile(t).tab().signIn(p.url, "ada")
	id := ""
	if err := second.eval(`document.querySelector("meta[name=oneseat-session]").content`, &id); err != nil {
		t.Fatal(err)
	}
	first.open(p.url + "/password")
	first.do("type", chromedp.SendKeys(chromedp.CSS("#current"), "ada"), chromedp.SendKeys(chromedp.CSS("#new"), "lovelace\r"))
	first.watches("ada").has("The password was changed")
	second.wait(`document.querySelector("meta[name=oneseat-session]")?.content !== "` + id + `"`).watches("ada")
	there.told("credentials_changed")
	writing.wait(`location.pathname === "/password" && document.querySelector("#new").value === "half a" && !document.querySelector("dialog")`)

	// What happens to the new session is told to all of them.
	for range 2 { // the limit is two
		if code := p.person().signIn("ada", "lovelace"); code != http.StatusSeeOther {
			t.Fatal(code)
		}
	}
	first.told("displaced")
	second.told("displaced")
	writing.wait(`document.querySelector("dialog.oneseat[open]") && document.querySelector("#new").value === "half a"`)
}

func TestAPageWhoseFormWasSentWaitsForTheAnswer(t *testing.T) {
	p := start(t)
	home := newProfile(t)
	sends := home.tab().signIn(p.url, "ada").open(p.url + "/password")
	second := home.tab().open(p.url + "/").watches("ada")
	paused := make(chan fetch.RequestID, 1)
	if err := chromedp.Listen(sends.ctx, func(event any) {
		if e, ok := event.(*fetch.EventRequestPaused); ok {
			paused <- e.RequestID
		}
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(sends.ctx, fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{{URLPattern: p.url + "/password"}}}); err != nil {
		t.Fatal(err)
	}
	sends.do("type", chromedp.SendKeys(chromedp.CSS("#current"), "ada"), chromedp.SendKeys(chromedp.CSS("#new"), "lovelace\r"))
	form := <-paused // on its way, and held up
	p.person().mustSignIn("ada")
	second.told("displaced") // by then the first tab has heard of it, too
	if _, err := chromedp.Call(sends.ctx, fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: form}); err != nil {
		t.Fatal(err)
	}
	// The answer to the form has no "next", which a page that leaves by itself adds.
	sends.told("displaced").wait(`!location.search.includes("next")`)
}

func TestOneIsSignedOutFromTheDevicesPageAndTold(t *testing.T) {
	p := start(t, "--limit", "2")
	here, there := newProfile(t).tab().signIn(p.url, "ada"), newProfile(t).tab().as(iPhone).signIn(p.url, "ada")
	here.open(p.url+"/").click(`a[href="/oneseat/devices"]`).at("/oneseat/devices").has("Safari on iPhone", "this device")
	here.click(`button[aria-label="Sign out Safari on iPhone"]`)
	there.told("revoked").has("signed out from elsewhere")
	here.at("/oneseat/devices").wait(`!document.body.innerText.includes("iPhone")`)
}

func TestWhenTheProgramIsRestartedStreamsComeBackAndNothingIsLost(t *testing.T) {
	p := start(t)
	b := newProfile(t).tab().signIn(p.url, "ada").open(p.url + "/password")
	b.leaders("1", "0")
	h := p.person().mustSignIn("grace")
	p.stop() // it ends in time: no endless answer holds it up
	p = restart(t, p.file, p.address())
	h.at = p
	h.expect("grace")
	b.wait(`fetch("/oneseat/session").then((a) => a.ok)`).at("/password")
	p.person().mustSignIn("ada")
	b.told("displaced")
}

func TestSIGTERMEndsStreamsWholeAndNothingAcknowledgedIsLost(t *testing.T) {
	t.Parallel()
	p := start(t)
	h, watcher := p.person().mustSignIn("ada"), p.person()
	ended := make(chan string, 3)
	for _, s := range []struct {
		who  *person
		path string
	}{{h, "/oneseat/events"}, {watcher, "/stage/events"}, {h, "/live"}} {
		body := s.who.stream(s.path)
		go func() { ended <- whole(body) }()
	}
	last := p.person()
	last.mustSignIn("grace")
	p.stop()
	for range 3 {
		if why := <-ended; why != "" {
			t.Errorf("a stream: %s", why)
		}
	}
	p = restart(t, p.file, p.address())
	h.at, last.at = p, p
	h.expect("ada")
	last.expect("grace")
	if a := h.get("/oneseat/devices"); a.status != http.StatusOK {
		t.Errorf("its devices: %d", a.status)
	}
}
