package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// The views in which every page is looked at.
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

// settled is two frames later, when what moves has come to rest, and drawn.
const settled = `(async () => {
	const drawn = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
	await drawn();
	await Promise.all(document.getAnimations().map((a) => a.finished));
	await drawn();
	return true;
})()`

// shoot writes a picture of the page as it is now, in each view. A picture of the
// whole page is as high as the page.
func (b *tab) shoot(name string) {
	b.t.Helper()
	for _, v := range views {
		if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: v.scheme}},
		}); err != nil {
			b.t.Fatal(err)
		}
		// As high as the page: a browser does not draw a frame that is out of sight.
		b.do("size", chromedp.EmulateViewport(v.width, v.height))
		var high int64
		if err := b.eval(`document.documentElement.scrollHeight`, &high); err != nil {
			b.t.Fatal(err)
		}
		high = max(high, v.height)
		b.do("size", chromedp.EmulateViewport(v.width, high))
		b.wait(settled)
		shot, err := chromedp.Call(b.ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{
			Format: page.CaptureScreenshotFormatPng, CaptureBeyondViewport: new(true),
			Clip: &page.Viewport{Width: float64(v.width), Height: float64(high), Scale: 1},
		})
		if err != nil {
			b.t.Fatal(err)
		}
		file := filepath.Join(*screenshots, name+"-"+v.name+".png")
		if err := os.WriteFile(file, shot.Data, 0o644); err != nil { //nolint:gosec // for everybody to look at
			b.t.Fatal(err)
		}
		if out, err := exec.Command("pngquant", "--force", "--ext", ".png", "--speed", "1", "--quality", "40-80", "96", file).CombinedOutput(); err != nil { //nolint:gosec // our own file
			b.t.Fatalf("pngquant (apt-get install pngquant): %v %s", err, out)
		}
	}
}

// TestScreenshots is make screenshots: with the flag, a picture of every page, in
// light and dark, phone and wide. Without, it goes the same way and writes none,
// so that the way does not grow over.
func TestScreenshots(t *testing.T) {
	shoot := func(b *tab, name string) {
		if *screenshots != "" {
			b.shoot(name)
		}
	}
	p := start(t)
	mine := newProfile(t).tab()
	shoot(mine.open(p.url+"/"), "welcome")
	shoot(mine.open(p.url+"/login"), "sign-in")
	shoot(mine.signIn(p.url, "ada"), "members")
	shoot(mine.open(p.url+"/password"), "password")
	mine.open(p.url + "/").watches("ada")
	mine.do("type", chromedp.SendKeys(chromedp.CSS("#new"), "half a"))
	newProfile(t).tab().as(iPhone).signIn(p.url, "ada")
	mine.wait(`document.querySelector("dialog.oneseat[open]")`)
	shoot(mine, "dialog")
	mine.click("dialog.oneseat button").told("displaced")
	shoot(mine, "sign-in-after")

	p = start(t) // on which nothing has happened
	stage, phone, laptop := newProfile(t).tab().stage(p.stage)
	phone.click("main form button")
	phone.watches("ada")
	stage.has("signed in on the phone")
	shoot(stage, "stage-before")
	laptop.click("main form button")
	laptop.watches("ada")
	phone.told("displaced")
	stage.has("the laptop took the seat")
	shoot(stage, "stage-after")

	p = start(t, "--limit", "2")
	newProfile(t).tab().as(iPhone).signIn(p.url, "ada")
	shoot(newProfile(t).tab().signIn(p.url, "ada").open(p.url+"/oneseat/devices"), "devices")

	p = start(t, "--policy", "refuse")
	newProfile(t).tab().as(iPhone).signIn(p.url, "ada")
	refused := newProfile(t).tab().open(p.url + "/login")
	refused.do("type", chromedp.SendKeys(chromedp.CSS("#username"), "ada"), chromedp.SendKeys(chromedp.CSS("#password"), "ada\r"))
	refused.has("seat of this account is taken", "Safari on iPhone")
	shoot(refused, "refused")

	p = start(t, "--policy", "ask", "--limit", "2", "--streams", "1")
	newProfile(t).tab().as(iPhone).signIn(p.url, "ada")
	watching := newProfile(t).tab().fillIn(p.url, "ada").wait(`document.querySelector(".oneseat-stream")`)
	shoot(watching, "watching-elsewhere")
	asked := newProfile(t).tab().fillIn(p.url, "ada").has("as many as it may be")
	shoot(asked, "asked")
}
