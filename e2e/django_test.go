package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/oneseat/oneseat/internal/testservers"
)

// djangoSite serves examples/djangosite until the test ends.
func djangoSite(t *testing.T, args ...string) (url string) {
	t.Helper()
	port := fmt.Sprint(testservers.FreePort(t))
	cmd := exec.Command("../examples/djangosite/run", append([]string{"--port", port}, args...)...) // our own script
	cmd.Env = append(os.Environ(), "ONESEAT_BINARY="+the.program, "TMPDIR="+the.scratch)            // a short path: its socket is beneath it
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }() // ends with the script
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := <-ended; err != nil || strings.Contains(said.String(), "Traceback") {
			t.Errorf("it ended with %v\n%s", err, said.String())
		}
	})
	url = "http://127.0.0.1:" + port
	until(t, "the site is served", func() bool {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("it ended at once: %v\n%s", err, said.String())
		default:
		}
		return exec.Command("curl", "-sf", "-o", os.DevNull, url+"/accounts/login/").Run() == nil
	})
	return url
}

// entersDjango signs in by Django's own form.
func (b *tab) entersDjango(site, name string) *tab {
	b.t.Helper()
	b.open(site + "/accounts/login/?next=/")
	b.do("type", chromedp.SendKeys(chromedp.CSS("#id_username"), name), chromedp.SendKeys(chromedp.CSS("#id_password"), name+"\r"))
	return b
}

// isMember waits until the page is the members' page of an account.
func (b *tab) isMember(name string) *tab {
	b.t.Helper()
	return b.wait(`document.querySelector("meta[name=account]")?.content === "` + name + `"`)
}

// The tutorial's scenario, in two browsers. With the flag of make screenshots it draws
// the pages.
func TestEveryPageOfADjangoSiteInTheTutorialsScenario(t *testing.T) {
	site := djangoSite(t)
	laptop, phone := newProfile(t), newProfile(t)
	first := laptop.tab()
	first.open(site + "/").at("/accounts/login/")
	first.look("django-sign-in")
	first.entersDjango(site, "ada").isMember("ada")
	first.look("django-members")
	live := laptop.tab()
	live.wait(`(open("` + site + `/live", "_self"), true)`).wait(`location.pathname === "/live" && document.body?.innerText.length > 0`)
	second := phone.tab().as(iPhone).entersDjango(site, "ada").isMember("ada")

	first.open(site+"/").at("/accounts/login/").has("signed in on another device", "Safari on iPhone")
	first.look("django-sign-in-after")
	second.open(site + "/").isMember("ada")                                                                                                     // it stays in
	live.wait(`new Promise((done) => { const was = document.body.innerText; setTimeout(() => done(document.body.innerText === was), 2000); })`) // it was broken off

	first.entersDjango(site, "ada").isMember("ada") // and back, through the form and its CSRF token
	second.open(site + "/").at("/accounts/login/").has("signed in on another device")

	asks := djangoSite(t, "--policy", "ask")
	newProfile(t).tab().as(iPhone).entersDjango(asks, "grace").isMember("grace")
	newcomer := newProfile(t).tab().entersDjango(asks, "grace").has("Safari on iPhone")
	newcomer.look("django-asked")
	newcomer.click("input[type=checkbox]").click("button")
	newcomer.isMember("grace")
}
