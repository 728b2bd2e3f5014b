package e2e

import (
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/oneseat/oneseat/internal/readme"
)

// With the flag of make screenshots it draws the pictures in the README.
func TestEveryPageOfTheProgramInTheReadmeWorksInABrowser(t *testing.T) {
	site := readme.Start(t, "..")
	signIn := func(b *tab) *tab {
		b.open(site + "/").at("/login")
		b.do("type", chromedp.SendKeys(chromedp.CSS("[name=account]"), "ada\r"))
		return b.at("/").has("Hello ada")
	}
	first, second := newProfile(t).tab(), newProfile(t).tab().as(iPhone)
	signIn(first)
	signIn(second).has("Safari on iPhone")
	first.at("/login").has("This account signed in on another device", "It was Safari on iPhone")
	second.at("/").has("Hello ada")
	if *screenshots != "" {
		for name, b := range map[string]*tab{"readme-first": first, "readme-second": second} {
			b.do("size", chromedp.EmulateViewport(560, 230))
			b.shoot(name, 560, 230)
		}
	}
}
