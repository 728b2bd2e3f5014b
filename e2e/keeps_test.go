package e2e

import (
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/oneseat/oneseat"
)

// ways are how a page may have to go away, or be about to. Each has what is to hold of a
// page on which somebody has written, and of one on which nobody has.
var ways = []struct {
	name   string
	happen func(n *notes, home *profile, all []*tab)
	work   func(b *tab)             // the page is kept in any case
	none   func(b *tab, was string) // was is the session of the page before

	follows bool // after that, a page with work follows the new session
}{
	{
		"ended",
		func(n *notes, _ *profile, _ []*tab) { n.displace() },
		func(b *tab) { b.asked("signed in on another device", "It was Safari on iPhone", "has not been sent") },
		func(b *tab, _ string) { b.told("displaced") },
		false,
	}, {
		"renewed",
		func(n *notes, home *profile, _ []*tab) { home.tab().enters(n) },
		goesOn,
		func(b *tab, was string) { b.of("!==", was) },
		true,
	}, {
		"reload because another session is there",
		func(n *notes, home *profile, _ []*tab) {
			home.tab().open(n.URL + "/enter?account=ada&afresh").follows()
			n.CloseClientConnections() // a page that listens connects again, and is told whose the browser is
		},
		goesOn,
		func(b *tab, was string) { b.of("!==", was) },
		true,
	}, {
		"another account",
		func(n *notes, home *profile, _ []*tab) { home.tab().open(n.URL + "/enter?account=grace").follows() },
		func(b *tab) { b.asked("signed in to another account now", "has not been sent") },
		func(b *tab, was string) { b.of("!==", was).has("Notes of grace") },
		false,
	}, {
		"another account, whose cookie comes late",
		func(n *notes, home *profile, _ []*tab) {
			home.tab().open(n.URL + "/enter?account=grace&late").follows()
		},
		func(b *tab) { b.asked("signed in to another account now", "has not been sent") },
		func(b *tab, was string) { b.of("!==", was).has("Notes of grace") },
		false,
	}, {
		"pageshow",
		func(_ *notes, _ *profile, all []*tab) {
			for _, b := range all {
				b.dispatch(`Object.assign(window, { oneseatBefore: true }) && new PageTransitionEvent("pageshow", { persisted: true })`)
			}
		},
		func(b *tab) { b.wait(`!document.querySelector("dialog")`) },
		func(b *tab, was string) { b.of("===", was) },
		false,
	}, {
		"timeout near",
		func(n *notes, _ *profile, all []*tab) { n.idle(all) },
		func(b *tab) { b.asked("Are you still there?", "signed out in") },
		func(b *tab, _ string) { b.asked("Are you still there?", "signed out in") },
		false,
	},
}

// goesOn waits until the page has heard, and nobody is asked.
func goesOn(b *tab) { b.wait(`document.title === "renewed" && !document.querySelector("dialog")`) }

// of waits until the page is of a session, or of another one.
func (b *tab) of(is, session string) *tab {
	b.t.Helper()
	return b.wait(`(document.querySelector("meta[name=oneseat-session]")?.content ?? "` + session + `") ` + is + ` "` + session + `"`).follows()
}

// hears has the title of the page say why its session has ended, and the page count
// how often somebody was asked.
const hears = `addEventListener("oneseat:ended", (e) => { document.title = e.detail.reason; }),
	new MutationObserver((all) => { for (const m of all) for (const e of m.addedNodes) if (e.localName === "dialog") document.body.dataset.asked = (document.body.dataset.asked ?? "") + "?"; }).observe(document.body, { childList: true })`

var keeping = oneseat.Config{Limit: 2, Idle: 10 * time.Minute}

func TestWhateverMakesAPageGoAwayAsksFirstWhateverHoldsTheWork(t *testing.T) {
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			n := newNotes(t, keeping)
			home := newProfile(t)
			none := home.tab().enters(n)
			was := none.id()
			all := []*tab{none}
			for kind := range kinds {
				b := home.tab().again(n).writes(kind)
				b.wait(`(` + hears + `, true)`)
				all = append(all, b)
			}
			way.happen(n, home, all)
			for kind := range kinds {
				way.work(all[kind+1])
				all[kind+1].keeps(kind)
			}
			way.none(none, was)
			if way.follows {
				n.displace()
				for kind := range kinds {
					all[kind+1].asked("signed in on another device").keeps(kind)
					all[kind+1].wait(`document.body.dataset.asked === "?"`) // now, and not before
				}
			}
		})
	}
}

// An editor may get the focus while the page has none. Then the page is not told that it
// has lost the focus.
func TestAnEditorInAFrameThatHadTheFocusBeforeItsPageIsHeard(t *testing.T) {
	const frame = `const f = document.querySelector("iframe")`
	for _, editor := range []struct{ name, begins string }{
		{"there from the beginning", frame},
		{"added later", `const f = document.querySelector("iframe").cloneNode(); f.onload = () => f.contentDocument.body.focus(); document.querySelector("iframe").replaceWith(f)`},
		{"written anew", frame + `; f.contentDocument.open(); f.contentDocument.write("<body contenteditable>"); f.contentDocument.close()`},
		{"in another frame", frame + `; const g = f.contentDocument.createElement("iframe"); g.onload = () => g.contentDocument.body.focus(); g.srcdoc = "<body contenteditable>"; f.contentDocument.body.append(g)`},
	} {
		t.Run(editor.name, func(t *testing.T) {
			t.Parallel()
			n := newNotes(t, keeping)
			home := newProfile(t)
			home.tab().enters(n)
			b := home.behind().again(n)
			b.wait(`(() => { ` + editor.begins + `; f.contentDocument.body.focus(); return true })()`)
			b.wait(`document.activeElement.localName === "iframe" && !document.hasFocus()`)
			b.inFront()
			b.do("type", chromedp.KeyEvent(written))
			b.wait(`(() => { const at = (d) => d.activeElement?.contentDocument ? at(d.activeElement.contentDocument) : d.body; return at(document).textContent === "` + written + `" })()`)
			n.displace()
			b.asked("signed in on another device", "has not been sent")
		})
	}
}

// The first of two tabs leads, and the browser freezes it.
func TestWhenTheLeaderIsFrozenTheTabInFrontHearsAndKeepsWhatIsWritten(t *testing.T) {
	for _, way := range ways {
		if way.name == "pageshow" { // it comes from the tab itself
			continue
		}
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			n := newNotes(t, keeping)
			home := newProfile(t)
			leader := home.tab().enters(n)
			leader.leaders("1", "0")
			was := leader.id()
			front := home.tab().again(n).writes(1)
			front.wait(`(` + hears + `, true)`)
			leader.lifecycle(page.SetWebLifecycleStateStateFrozen)
			before := n.count("GET /oneseat/events")
			front.comesBack()
			until(t, "a stream of the tab in front", func() bool { return n.count("GET /oneseat/events") > before })
			way.happen(n, home, []*tab{front})
			way.work(front)
			front.keeps(1)
			leader.lifecycle(page.SetWebLifecycleStateStateActive)
			way.none(leader, was)
		})
	}
}
