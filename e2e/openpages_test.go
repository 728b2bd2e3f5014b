package e2e

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

// runs runs a script in every page of this tab, before the page's own.
func (b *tab) runs(script string) *tab {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script}); err != nil {
		b.t.Fatal(err)
	}
	return b
}

// atOnce has everything in a page happen in one moment, however slow this machine is.
func (b *tab) atOnce() *tab {
	b.t.Helper()
	return b.runs(`Date.now = () => 1790000000000`)
}

// minutes lets minutes pass for a page, as fast as it can. The network is as slow as
// ever, so nothing of the page may give up waiting.
func (b *tab) minutes(n float64) {
	b.t.Helper()
	over := make(chan struct{}, 1)
	if err := chromedp.Listen(b.ctx, func(event any) {
		if _, ok := event.(*emulation.EventVirtualTimeBudgetExpired); ok {
			over <- struct{}{}
		}
	}); err != nil {
		b.t.Fatal(err)
	}
	if _, err := chromedp.Call(b.ctx, emulation.SetVirtualTimePolicy, emulation.SetVirtualTimePolicyParams{Policy: emulation.VirtualTimePolicyAdvance, Budget: new(n * 60000)}); err != nil {
		b.t.Fatal(err)
	}
	select {
	case <-over:
	case <-b.ctx.Done():
	}
}

func TestAnIdlePageAsksTheServerOnceBeforeEachDeadlineAndNotOftener(t *testing.T) {
	n := newNotes(t, oneseat.Config{Idle: 10 * time.Minute})
	b := newProfile(t).tab().runs(`AbortSignal.timeout = () => undefined`).enters(n)
	var requests atomic.Int32
	if err := chromedp.Listen(b.ctx, func(event any) {
		if e, ok := event.(*network.EventRequestWillBeSent); ok && !strings.HasSuffix(e.Request.URL, "/oneseat/events") {
			requests.Add(1)
		}
	}); err != nil {
		t.Fatal(err)
	}
	b.minutes(60) // each time the server says that ten minutes are left, and a person is asked in the last one
	if n := requests.Load(); n < 1 || n > 60/9 {
		t.Errorf("%d requests in an hour", n)
	}
}

// What a person does is reported once a minute, whichever tab it is done in.
func TestWhatAPersonDoesIsReportedOnceAMinuteFromAllTabs(t *testing.T) {
	n := newNotes(t, keeping)
	home := newProfile(t)
	first := home.tab().atOnce().enters(n)
	first.leaders("1", "0")
	second := home.tab().atOnce().again(n)
	arrived := func(want int) { // whatever was sent before
		t.Helper()
		for _, b := range []*tab{first, second} {
			b.wait(`fetch("/fails").then(() => true)`)
		}
		if got := n.reports(); got != want {
			t.Errorf("%d reports, want %d", got, want)
		}
	}
	for _, event := range []string{`new KeyboardEvent("keydown", { key: "a" })`, `new PointerEvent("pointerdown")`, `new Event("input")`, `new WheelEvent("wheel")`} {
		second.dispatch(event) // what a script does is nobody's doing
	}
	second.wait(`new Promise((done) => setTimeout(done)).then(() => true)`)
	arrived(0)
	for range 3 {
		for _, b := range []*tab{first, second} {
			b.wait(`(document.querySelector("#loose").focus(), true)`)
			b.do("type", chromedp.KeyEvent(written))
		}
		until(t, "the first is reported", func() bool { return n.reports() >= 1 })
	}
	arrived(1)
	second.runsOut()
	until(t, "the rest is reported when the minute is over", func() bool { return n.reports() == 2 })
}

// runsOut lets the minute pass that a page waits before it reports again.
func (b *tab) runsOut() {
	b.t.Helper()
	b.wait(`(Object.keys(localStorage).forEach((key) => key.endsWith("active") && localStorage.setItem(key, "0")), true)`)
	b.minutes(1)
}

func TestTheAnswerOfOneTabIsOneForAllAndKeepsTheSession(t *testing.T) {
	n := newNotes(t, oneseat.Config{Idle: 10 * time.Minute})
	home := newProfile(t)
	first := home.tab().enters(n)
	first.leaders("1", "0")
	second := home.tab().again(n)
	for _, how := range []struct {
		name   string
		answer func(b *tab)
	}{
		{"a button", func(b *tab) { b.choose("Stay signed in") }},
		{"Enter, where the focus is", func(b *tab) { b.do("enter", chromedp.KeyEvent("\r")) }},
		{"Escape", func(b *tab) { b.do("escape", chromedp.KeyEvent("\x1b")) }},
	} {
		n.idle([]*tab{first, second})
		second.wait(`document.activeElement.textContent === "Stay signed in" && document.activeElement.closest("[role=alertdialog]").querySelector("p").ariaLive`)
		how.answer(second)
		for _, b := range []*tab{first, second} {
			b.wait(`!document.querySelector("dialog.oneseat")`)
		}
		b := ""
		if err := first.eval(`fetch("/oneseat/session").then((a) => a.json()).then((is) => is.deadlines[0].reason + (is.deadlines[0].left_ms > 500000))`, &b); err != nil || b != "idle_timeout"+fmt.Sprint(true) {
			t.Errorf("%s: %s, %v", how.name, b, err)
		}
	}
	n.idle([]*tab{first, second})
	second.choose("Sign out")
	first.at("/login")
	second.at("/login")
	if live, err := n.seats.Sessions(t.Context(), "ada"); err != nil || len(live) != 0 {
		t.Errorf("after the sign-out: %v, %v", live, err)
	}
}

func TestAPersonIsToldOnceThatASessionGetsTooOldAndCanSignInElsewhere(t *testing.T) {
	n := newNotes(t, oneseat.Config{Idle: oneseat.NoTimeout, Absolute: time.Hour})
	home := newProfile(t)
	b := home.tab().enters(n).writes(1)
	n.pass(56 * time.Minute)
	b.asked("This sign-in ends soon", "this one in 4 minutes", "Save what you are writing")
	b.wait(`document.activeElement.localName === "h2"`) // somebody may be typing: Enter does nothing
	b.own(`open = (to) => { document.title = to; }`)    // the sign-in page, in a tab of its own
	b.choose("Sign in").wait(`!document.querySelector("dialog") && document.title.endsWith("/login?reason=absolute_timeout&next=%2F")`).keeps(1)
	n.pass(2 * time.Minute)
	n.pass(3 * time.Minute)
	b.asked("It is time to sign in again", "has not been sent").keeps(1)

	// Signing in in another tab lets this page go on.
	home.tab().enters(n)
	b.wait(`!document.querySelector("dialog")`).keeps(1)
	n.displace()
	b.asked("signed in on another device").keeps(1)
}

// A page may take the question into its own hands.
func TestAPageMayAskByItselfBeforeATimeout(t *testing.T) {
	n := newNotes(t, oneseat.Config{Idle: 10 * time.Minute})
	b := newProfile(t).tab().enters(n)
	b.wait(`(addEventListener("oneseat:expiring", (e) => { e.preventDefault(); document.title = e.detail.reason + (e.detail.left_ms > 30000); }), true)`)
	n.pass(9*time.Minute + 20*time.Second)
	b.wait(`document.title === "idle_timeouttrue" && !document.querySelector("dialog")`)
}

// Two browsers whose sign-in page signs in by itself, and nobody touches anything.
func TestTwoBrowsersWithAnSSODoNotThrowEachOtherOutForEver(t *testing.T) {
	n := newNotes(t, oneseat.Config{})
	n.sso.Store(true)
	first := newProfile(t).tab().atOnce().enters(n)
	second := newProfile(t).tab().atOnce().enters(n)
	first.asked("signed in on another device", "Another session of this browser has ended a moment ago")
	second.follows()
	if got := n.count("GET /enter"); got != 4 { // two by hand, and one of each browser
		t.Errorf("%d sign-ins", got)
	}
	second.wait(`!document.querySelector("dialog")`)
	first.choose("Sign in") // somebody is there
	second.asked("signed in on another device")
	first.follows()
	if got := n.count("GET /enter"); got != 5 {
		t.Errorf("%d sign-ins", got)
	}
}

// The event says "displaced", and the browser is signed in again by then.
func TestABrowserThatIsSignedInAgainStaysWhateverItIsTold(t *testing.T) {
	n := newNotes(t, oneseat.Config{})
	home := newProfile(t)
	b := home.tab().enters(n)
	was := b.id()
	b.lifecycle(page.SetWebLifecycleStateStateFrozen) // it hears later than the cookie comes
	home.tab().open(n.URL + "/enter?account=ada&afresh").follows()
	b.lifecycle(page.SetWebLifecycleStateStateActive)
	b.of("!==", was)
	if got := n.count("GET /login"); got != 0 {
		t.Errorf("it went to the sign-in page %d times", got)
	}
}

// What was saved does not count as work any more.
func TestAPageSaysWhatIsSaved(t *testing.T) {
	n := newNotes(t, keeping)
	home := newProfile(t)
	home.tab().enters(n)
	cases := []struct {
		name  string
		kind  int
		saved string
		asks  bool
	}{
		{"the whole page", 1, `dispatchEvent(new Event("oneseat:saved"))`, false},
		{"its field", 1, `document.querySelector("#loose").dispatchEvent(new Event("oneseat:saved"))`, false},
		{"its form", 0, `document.querySelector("#form").form.dispatchEvent(new Event("oneseat:saved"))`, false},
		{"its form, reset", 0, `document.querySelector("#form").form.reset()`, false},
		{"its custom element", 3, `document.querySelector("x-field").dispatchEvent(new Event("oneseat:saved"))`, false},
		{"a form beside it", 0, `document.querySelector("#save").dispatchEvent(new Event("oneseat:saved"))`, true},
		{"its form, whose reset is prevented", 0, `addEventListener("reset", (e) => e.preventDefault(), true), document.querySelector("#form").form.reset()`, true},
		{"a form beside it, reset", 1, `document.querySelector("#save").reset()`, true},
	}
	var tabs []*tab
	for _, c := range cases {
		tabs = append(tabs, home.tab().again(n).writes(c.kind).wait(`(`+c.saved+`, true)`))
	}
	n.displace()
	for i, c := range cases {
		if t.Log(c.name); c.asks {
			tabs[i].asked("has not been sent").keeps(c.kind)
		} else {
			tabs[i].told("displaced")
		}
	}
}

// A page that does not say whose it is.
func TestAPageWithoutItsSessionInTheHeadIsTold(t *testing.T) {
	n := newNotes(t, keeping)
	b := newProfile(t).tab().enters(n).open(n.URL + "/?plain").follows()
	b.wait(`!document.querySelector("meta[name=oneseat-session]")`).leaders("1", "0")
	until(t, "it has asked", func() bool { return n.count("GET /oneseat/session") >= 2 })
	b.writes(1)
	n.displace()
	b.asked("signed in on another device").keeps(1)
}

// Messages of pages of other origins, and of another guard's pages, are not heard.
func TestOtherOriginsAndOtherGuardsAreNotHeard(t *testing.T) {
	n, other := newNotes(t, keeping), newNotes(t, keeping)
	home := newProfile(t)
	b := home.tab().enters(n)
	said := `{ end: { session: "` + b.id() + `", reason: "revoked", sign_in: "/login" } }`
	ended := 0
	heard := func(by *tab, channel string) {
		by.wait(`(new BroadcastChannel("` + channel + `").postMessage(` + said + `), true)`)
	}
	b.wait(`(document.body.dataset.ended = 0, addEventListener("oneseat:ended", (e) => { e.preventDefault(); document.body.dataset.ended++; document.title = e.detail.reason; }), true)`)
	here := "oneseat " + n.URL + "/oneseat/"
	elsewhere := home.tab().open(strings.Replace(other.URL, "127.0.0.1", "localhost", 1) + "/enter?account=ada").follows()
	heard(elsewhere, here)                                       // another origin
	mine := home.tab().again(n)                                  //
	heard(mine, "oneseat "+n.URL+"/staff/oneseat/")              // another guard of this origin
	heard(mine, "oneseat "+strings.TrimPrefix(n.URL, "http://")) // what a channel was called once
	mine.wait(`fetch("/fails").then(() => true)`)
	if err := b.eval(`Number(document.body.dataset.ended)`, &ended); err != nil || ended != 0 {
		t.Errorf("%d messages were heard, %v", ended, err)
	}
	n.displace()
	b.wait(`document.title === "displaced" && document.body.dataset.ended === "1"`)
}

// A tab asks again while it waits for the answer to the question before.
func TestALeaderThatAnswersGoesOnLeading(t *testing.T) {
	n := newNotes(t, keeping)
	home := newProfile(t)
	leader := home.tab().enters(n)
	leader.leaders("1", "0")
	// The timers of this tab are the test's: "asks" is the time to ask, and "late" is when
	// an answer to the first question that is open would be too late.
	b := home.tab().runs(`
		const late = [], real = setTimeout;
		setTimeout = (f, ms, ...more) => ms === 10000 ? late.push(f) : real(f, ms, ...more);
		setInterval = (f, ms, ...more) => addEventListener("asks", () => f(...more));
		addEventListener("late", () => late.shift()());`).again(n)
	b.leaders("1", "1")
	holder := func() (id string) {
		t.Helper()
		if err := b.eval(`navigator.locks.query().then((q) => q.held[0].clientId)`, &id); err != nil {
			t.Fatal(err)
		}
		return id
	}
	before := holder()
	b.wait(`(document.body.dataset.answers = 0, window.heard = new BroadcastChannel("oneseat ` + n.URL + `/oneseat/"), heard.onmessage = ({ data }) => { if (data.leads) document.body.dataset.answers++; }, true)`)
	for i := range 3 {
		b.dispatch(`new Event("asks")`)
		b.dispatch(`new Event("asks")`).wait(fmt.Sprintf(`document.body.dataset.answers === "%d"`, 3*i+2))
		b.wait(`dispatchEvent(new Event("asks")) && dispatchEvent(new Event("late")) && dispatchEvent(new Event("late"))`) // no answer comes between
		b.wait(fmt.Sprintf(`document.body.dataset.answers === "%d"`, 3*i+3)).dispatch(`new Event("late")`)
	}
	if holder() != before || n.count("GET /oneseat/events") != 1 {
		t.Errorf("another tab leads, with %d streams", n.count("GET /oneseat/events"))
	}
}

// own runs code as the page's own.
func (b *tab) own(code string) *tab {
	b.t.Helper()
	b.do("run "+code, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Run(ctx, chromedp.Evaluate[bool](code+"; true"))
		return err
	}))
	return b
}

var script = regexp.MustCompile("(?ms)^```js\n(.*?)^```$")

// The code on the page about open pages, word for word.
func TestTheCodeOnThePageAboutOpenPagesWorks(t *testing.T) {
	text, err := os.ReadFile("../docs/howto/open-pages.md")
	if err != nil {
		t.Fatal(err)
	}
	code := script.FindAllSubmatch(text, -1)
	if len(code) != 2 {
		t.Fatalf("%d blocks of code", len(code))
	}
	n := newNotes(t, keeping)
	saves := newProfile(t).tab().enters(n).own(`const form = document.querySelector("#form").form; ` + string(code[0][1]))
	saves.writes(0).own(`form.requestSubmit()`)
	until(t, "it is saved", func() bool { n.mu.Lock(); defer n.mu.Unlock(); return n.done["POST /save"] == 1 })
	saves.wait(`fetch("/fails").then(() => true)`)
	n.displace()
	saves.told("displaced")

	n = newNotes(t, keeping)
	shows := newProfile(t).tab().enters(n).own(`function show(...what) { document.title = what.join(" ") } ` + string(code[1][1]))
	n.pass(9*time.Minute + 20*time.Second)
	shows.wait(`/^idle_timeout Are you still there\? \d+$/.test(document.title)`)
	n.displace()
	shows.wait(`document.title.startsWith("displaced This account signed in on another device It was")`).at("/")
}

// The dialogs, and what a person does, go by the host of the script.
func TestAPageWhoseScriptComesFromAnotherHostAsksAndReports(t *testing.T) {
	const www, api = "www.members.test", "api.members.test"
	k := newClub(t, oneseat.Config{}, func(k *club) oneseathttp.Config {
		return oneseathttp.Config{SignInPath: "/login", Prefix: "/", Domain: "members.test", Origins: []string{k.at(www, "")}}
	}, nil)
	k.StartTLS()
	b := newProfile(t).tab().open(k.at(www, "/watch?script="+k.at(api, "/oneseat/oneseat.js"))).enter("ada").has("film of ada")
	asked := func(path string) string { return `performance.getEntriesByName("` + k.at(api, path) + `").length` }
	b.wait(asked("/oneseat/session") + ` && document.body.append(document.createElement("textarea")) === undefined`)
	b.wait(`(document.querySelector("textarea").focus(), true)`)
	b.do("type", chromedp.KeyEvent(written))
	b.wait(asked("/oneseat/active"))
	newProfile(t).tab().open(k.at(www, "/login")).enter("ada").has("hello ada")
	b.asked("signed in on another device").wait(`document.querySelector("textarea").value === "` + written + `" && ` + asked("/oneseat/dialog.js"))
}
