package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// profile is a Chromium profile with cookies, connections, storage and locks of its
// own. Its first tab is blank and keeps the profile open.
type profile struct {
	t   *testing.T
	ctx context.Context
}

func newProfile(t *testing.T) *profile {
	t.Helper()
	browser, err := the.chromium()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return &profile{t, ctx}
}

// tab is a page in a profile, or a frame in such a page.
type tab struct {
	t     *testing.T
	ctx   context.Context
	close context.CancelFunc
	frame string // origin of the frame, "" for the page itself
}

// tab opens a blank tab.
func (p *profile) tab() *tab {
	p.t.Helper()
	ctx, cancel := chromedp.NewContext(p.ctx)
	p.t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		p.t.Fatal(err)
	}
	return &tab{p.t, ctx, cancel, ""}
}

// behind opens a blank tab behind the others of a profile: it has no focus.
func (p *profile) behind() *tab {
	p.t.Helper()
	all := chromedp.FromContext(p.ctx)
	made, err := chromedp.Call(p.ctx, target.CreateTarget, target.CreateTargetParams{URL: "about:blank", BrowserContextID: all.BrowserContextID, Background: new(true)})
	if err != nil {
		p.t.Fatal(err)
	}
	return (&tab{t: p.t, ctx: p.ctx}).attached(made.TargetID)
}

// inFront brings a tab to the front.
func (b *tab) inFront() {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, page.BringToFront, struct{}{}); err != nil {
		b.t.Fatal(err)
	}
}

// in returns the frame of an origin in this tab's page.
func (b *tab) in(origin string) *tab { return &tab{b.t, b.ctx, b.close, origin} }

// foreign returns the frame of another site in this tab's page, which Chromium keeps
// apart, once it is there.
func (b *tab) foreign(origin string) *tab {
	b.t.Helper()
	var id target.ID
	tick(b, "a frame of "+origin, func() bool {
		frame := b.frameTarget()
		if frame == nil || !strings.HasPrefix(frame.URL, origin+"/") {
			return false
		}
		id = frame.TargetID
		return true
	})
	return b.attached(id)
}

// attached is the frame of a target.
func (b *tab) attached(id target.ID) *tab {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithTargetID(id))
	b.t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		b.t.Fatal(err)
	}
	return &tab{b.t, ctx, cancel, ""}
}

// framed returns what the frame of another site in this tab's page says now, if there
// is one.
func (b *tab) framed() string {
	b.t.Helper()
	if frame := b.frameTarget(); frame != nil {
		return b.attached(frame.TargetID).text()
	}
	return ""
}

// frameTarget returns the frame of another site in this profile, or nil.
func (b *tab) frameTarget() *target.Info {
	all, err := chromedp.Targets(b.ctx)
	if err != nil {
		return nil
	}
	mine := chromedp.FromContext(b.ctx).Target.TargetID
	own := slices.IndexFunc(all, func(i *target.Info) bool { return i.TargetID == mine })
	if own < 0 {
		return nil
	}
	at := slices.IndexFunc(all, func(i *target.Info) bool {
		return i.Type == "iframe" && i.BrowserContextID == all[own].BrowserContextID
	})
	if at < 0 {
		return nil
	}
	return all[at]
}

// do runs steps, within patience.
func (b *tab) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("%s: %v\n%s", what, err, b.text())
	}
}

// open goes to a page and waits until it has loaded.
func (b *tab) open(url string) *tab {
	b.t.Helper()
	b.do("open "+url, chromedp.Navigate(url))
	return b
}

// eval evaluates an expression and decodes its value. It runs in a world of its own,
// where the scripts of the page do not interfere.
func (b *tab) eval(expression string, to any) error {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	params := runtime.EvaluateParams{Expression: expression, ReturnByValue: new(true), UserGesture: new(true), AwaitPromise: new(true)}
	tree, err := chromedp.Call(ctx, page.GetFrameTree, struct{}{})
	if err != nil {
		return err
	}
	id := tree.FrameTree.Frame.ID
	if b.frame != "" {
		id = ""
		for _, f := range tree.FrameTree.ChildFrames {
			if strings.HasPrefix(f.Frame.URL, b.frame+"/") {
				id = f.Frame.ID
			}
		}
		if id == "" {
			return fmt.Errorf("there is no frame of %s", b.frame)
		}
	}
	world, err := chromedp.Call(ctx, page.CreateIsolatedWorld, page.CreateIsolatedWorldParams{FrameID: id})
	if err != nil {
		return err
	}
	params.ContextID = world.ExecutionContextID
	res, err := chromedp.Call(ctx, runtime.Evaluate, params)
	switch {
	case err != nil:
		return err
	case res.ExceptionDetails != nil:
		return fmt.Errorf("%s", res.ExceptionDetails.Text)
	}
	return json.Unmarshal(res.Result.Value, to)
}

// wait waits until a condition holds. While the page changes to another one, none
// holds.
func (b *tab) wait(condition string) *tab {
	b.t.Helper()
	ok := false
	tick(b, condition, func() bool { return b.eval("Boolean("+condition+")", &ok) == nil && ok })
	return b
}

func tick(b *tab, condition string, ok func() bool) {
	b.t.Helper()
	in := false
	defer func() {
		if !in {
			b.t.Logf("the page at that time:\n%s", b.text())
		}
	}()
	until(b.t, condition, ok)
	in = true
}

// has waits until the page says all of these words.
func (b *tab) has(words ...string) *tab {
	b.t.Helper()
	for _, w := range words {
		quoted, _ := json.Marshal(w) // a string can always be encoded
		b.wait(`document.body.innerText.includes(` + string(quoted) + `)`)
	}
	return b
}

// hasJustHappened waits until the page says that something happened since the
// test began.
func (b *tab) hasJustHappened() *tab {
	b.t.Helper()
	return b.wait(`/just now|[0-9]+ (seconds|minutes) ago/.test(document.body.innerText)`)
}

// at waits until the page is the one at a path.
func (b *tab) at(path string) *tab {
	b.t.Helper()
	return b.wait(`location.pathname === "` + path + `" && document.readyState !== "loading"`)
}

// text returns what the page says now.
func (b *tab) text() string {
	var s string
	if err := b.eval(`location.href + "\n" + document.body.innerText`, &s); err != nil {
		return err.Error()
	}
	return s
}

// click clicks on an element, once it is there.
func (b *tab) click(selector string) *tab {
	b.t.Helper()
	quoted, _ := json.Marshal(selector) // a string can always be encoded
	return b.wait(`(() => { const e = document.querySelector(` + string(quoted) + `); e?.click(); return e })()`)
}

// signIn signs in through the form.
func (b *tab) signIn(site, name string) *tab {
	b.t.Helper()
	b.open(site + "/login")
	b.do("type", chromedp.SendKeys(chromedp.CSS("#username"), name), chromedp.SendKeys(chromedp.CSS("#password"), name+"\r"))
	return b.watches(name)
}

// watches waits until the page is the members' page of an account, with its picture.
func (b *tab) watches(name string) *tab {
	b.t.Helper()
	return b.wait(`document.querySelector("meta[name=account]")?.content === "` + name + `" && document.querySelector(".screen img").naturalWidth > 0`)
}

// told waits until the tab has been sent to the sign-in page, which says why.
func (b *tab) told(reason string) *tab {
	b.t.Helper()
	return b.at("/login").wait(`document.querySelector("[data-reason=` + reason + `]")`)
}

// as makes the tab send the User-Agent of another browser.
func (b *tab) as(userAgent string) *tab {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: userAgent}); err != nil {
		b.t.Fatal(err)
	}
	return b
}

const iPhone = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1"
