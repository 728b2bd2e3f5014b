package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/oneseat/oneseat"
)

// Every page is looked at in these views.
var views = []struct {
	name          string
	width, height int64
	scheme        string
}{
	{"wide-light", 1280, 800, "light"},
	{"wide-dark", 1280, 800, "dark"},
	{"phone-light", 390, 844, "light"},
	{"phone-dark", 390, 844, "dark"},
}

// settled waits until everything that moves on a page has come to rest and is drawn.
// Colours may move too.
const settled = `(async () => {
	const drawn = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
	await drawn();
	while (document.getAnimations().some((a) => a.playState !== "finished")) await drawn();
	await drawn();
	return true;
})()`

// settle waits until the page and every frame on it have settled.
func (b *tab) settle() {
	b.t.Helper()
	b.wait(settled)
	var frames []string
	if err := b.eval(`[...document.querySelectorAll("iframe[src]")].map((f) => new URL(f.src).origin)`, &frames); err != nil {
		b.t.Fatal(err)
	}
	for _, origin := range frames {
		b.in(origin).wait(settled)
	}
}

// flaws returns, as a list in words, what keeps people from reading or using a page. It
// does not look behind a dialog, nor at the colours of words on a picture.
const flaws = `(() => {
	const all = [];
	const modal = document.querySelector("dialog:modal");
	const shown = (e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && e.getClientRects().length && (!modal || modal.contains(e)) && !e.closest(".unseen, .skip");
	const page = document.documentElement;
	if (page.scrollWidth > innerWidth) all.push("it scrolls sideways: " + page.scrollWidth);
	if (!page.lang || !document.title) all.push("it has no language, or no title");
	if (document.querySelectorAll("h1").length !== 1) all.push("it has not one h1");

	for (const e of document.querySelectorAll("a, button, input:not([type=hidden]), img, iframe, dialog, section, ol[tabindex]")) {
		if (!shown(e)) continue;
		const by = document.getElementById(e.getAttribute("aria-labelledby"));
		const name = by?.textContent || e.getAttribute("aria-label") || e.title || e.alt || e.labels?.[0]?.textContent || (e.matches("a, button") && e.textContent) || "";
		if (!name.trim() && !(e.alt === "" && e.closest("a")?.textContent.trim()) && !e.matches("section[role], section:not([class]), section.hero, .narrow > section")) all.push("it has no name: " + e.outerHTML.slice(0, 80));
		const { width, height } = e.getBoundingClientRect();
		if (e.matches("button, input, a.button") && (width < 44 || height < 40)) all.push("a finger misses it: " + name.trim() + " " + width + "x" + height);
	}

	const dot = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
	const rgba = (colour) => {
		dot.clearRect(0, 0, 1, 1);
		dot.fillStyle = colour;
		dot.fillRect(0, 0, 1, 1);
		return [...dot.getImageData(0, 0, 1, 1).data].map((v) => v / 255);
	};
	const over = ([r, g, b, a], under) => [r, g, b].map((v, i) => v * a + under[i] * (1 - a));
	const light = (colour) => colour.map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
	const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	for (let n; (n = texts.nextNode());) {
		const e = n.parentElement;
		if (!n.data.trim() || !shown(e) || e.closest("script, style, noscript, .screen, :disabled")) continue;
		const layers = []; // what is painted behind the words, the nearest first
		let ink = 1;
		for (let up = e; up; up = up.parentElement) {
			const style = getComputedStyle(up);
			const paper = rgba(style.backgroundColor);
			if (paper[3]) layers.push(paper);
			if (paper[3] === 1) break;
			ink *= style.opacity;
		}
		const paper = layers.reverse().reduce((under, layer) => over(layer, under), [1, 1, 1]);
		const style = getComputedStyle(e);
		const [r, g, b, a] = rgba(style.color);
		const [bright, dark] = [light(over([r, g, b, a * ink], paper)), light(paper)].sort((x, y) => y - x);
		const size = parseFloat(style.fontSize), large = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
		const contrast = (bright + .05) / (dark + .05);
		if (contrast < (large ? 3 : 4.5)) all.push("contrast " + contrast.toFixed(2) + ": " + n.data.trim());
	}
	return all;
})()`

// look looks for flaws on the page as it is now, in each view. With the flag it writes
// a picture of each view, as high as the page.
func (b *tab) look(name string) {
	b.t.Helper()
	for _, v := range views {
		if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: v.scheme}},
		}); err != nil {
			b.t.Fatal(err)
		}
		b.do("size", chromedp.EmulateViewport(v.width, v.height))
		b.settle()
		b.wait(`document.getAnimations().every((a) => a.playState !== "running" || a.effect.getComputedTiming().endTime === Infinity)`) // every animation that has an end has ended
		var found []string
		if err := b.eval(flaws, &found); err != nil {
			b.t.Fatal(err)
		}
		for _, flaw := range found {
			b.t.Errorf("%s, %s: %s", name, v.name, flaw)
		}
		if *screenshots != "" {
			b.shoot(name+"-"+v.name, v.width, v.height)
		}
	}
}

func (b *tab) shoot(name string, width, height int64) {
	b.t.Helper()
	// The view is as high as the page, because a browser does not draw a frame that is
	// out of sight.
	var high int64
	if err := b.eval(`document.documentElement.scrollHeight`, &high); err != nil {
		b.t.Fatal(err)
	}
	high = max(high, height)
	b.do("size", chromedp.EmulateViewport(width, high))
	b.settle()
	shot, err := chromedp.Call(b.ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{
		Format: page.CaptureScreenshotFormatPng, CaptureBeyondViewport: new(true),
		Clip: &page.Viewport{Width: float64(width), Height: float64(high), Scale: 1},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	file := filepath.Join(*screenshots, name+".png")
	if err := os.WriteFile(file, shot.Data, 0o644); err != nil { // everybody may look at it
		b.t.Fatal(err)
	}
	if out, err := exec.Command("pngquant", "--force", "--ext", ".png", "--speed", "1", "--quality", "40-80", "96", file).CombinedOutput(); err != nil { // a file of ours
		b.t.Fatalf("pngquant (apt-get install pngquant): %v %s", err, out)
	}
}

// With its flag it draws the screenshots: make screenshots.
func TestEveryPageCanBeReadAndUsedInLightAndDarkOnAPhoneAndWide(t *testing.T) {
	p := start(t)
	mine := newProfile(t).tab()
	mine.open(p.url + "/").look("welcome")
	mine.open(p.url + "/login").look("sign-in")
	mine.signIn(p.url, "ada").look("members")
	mine.open(p.url + "/password").look("password")
	mine.open(p.url + "/").watches("ada")
	mine.do("type", chromedp.SendKeys(chromedp.CSS("#new"), "half a"))
	newProfile(t).tab().as(iPhone).signIn(p.url, "ada")
	mine.wait(`document.querySelector("dialog.oneseat[open]")`)
	mine.look("dialog")
	mine.click("dialog.oneseat button").told("displaced")
	mine.look("sign-in-after")

	p = start(t) // a new site, on which nothing has happened
	stage, phone, laptop := newProfile(t).tab().stage(p.stage)
	phone.click("main form button")
	phone.watches("ada")
	stage.has("signed in on the phone")
	stage.look("stage-before")
	laptop.click("main form button")
	laptop.watches("ada")
	phone.told("displaced")
	stage.has("the laptop took the seat")
	stage.look("stage-after")

	p = start(t, "--limit", "2")
	newProfile(t).tab().as(iPhone).signIn(p.url, "ada")
	newProfile(t).tab().signIn(p.url, "ada").open(p.url + "/oneseat/devices").look("devices")

	p = start(t, "--policy", "refuse")
	newProfile(t).tab().as(iPhone).signIn(p.url, "ada")
	refused := newProfile(t).tab().open(p.url + "/login")
	refused.do("type", chromedp.SendKeys(chromedp.CSS("#username"), "ada"), chromedp.SendKeys(chromedp.CSS("#password"), "ada\r"))
	refused.has("seat of this account is taken", "Safari on iPhone")
	refused.look("refused")

	p = start(t, "--policy", "ask", "--limit", "2", "--streams", "1")
	newProfile(t).tab().as(iPhone).signIn(p.url, "ada")
	watching := newProfile(t).tab().fillIn(p.url, "ada").wait(`document.querySelector(".oneseat-stream")`)
	watching.look("watching-elsewhere")
	asked := newProfile(t).tab().fillIn(p.url, "ada").has("as many as it may be")
	asked.look("asked")
}

// The dialogs of oneseat.js, each over a page on which somebody may be writing.
func TestEveryPageThatAsksCanBeReadAndUsedInLightAndDarkOnAPhoneAndWide(t *testing.T) {
	n := newNotes(t, oneseat.Config{Idle: 10 * time.Minute})
	b := newProfile(t).tab().enters(n)
	n.idle([]*tab{b})
	b.look("dialog-idle")

	n = newNotes(t, oneseat.Config{Idle: oneseat.NoTimeout, Absolute: time.Hour})
	b = newProfile(t).tab().enters(n)
	n.pass(56 * time.Minute)
	b.asked("This sign-in ends soon").look("dialog-too-old")

	n = newNotes(t, keeping)
	home := newProfile(t)
	b = home.tab().enters(n).writes(1)
	home.tab().open(n.URL + "/enter?account=grace").follows()
	b.asked("another account").look("dialog-other")

	n = newNotes(t, oneseat.Config{})
	n.sso.Store(true)
	b = newProfile(t).tab().atOnce().enters(n)
	newProfile(t).tab().enters(n)
	b.asked("Another session of this browser").look("dialog-again")
}
