package e2e

import (
	"html/template"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/store/memstore"
)

// notes is a site on whose page somebody writes, in every way that there is.
type notes struct {
	*httptest.Server
	t     *testing.T
	seats *oneseat.Registry
	ahead atomic.Int64 // of the store's clock
	sso   atomic.Bool  // the sign-in page signs in by itself, once every page listens

	mu   sync.Mutex
	seen map[string]int // how often a path was asked for
	done map[string]int // and answered
}

func newNotes(t *testing.T, c oneseat.Config) *notes {
	t.Helper()
	n := &notes{t: t, seen: map[string]int{}, done: map[string]int{}}
	c.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	c.MaxStale = oneseat.FreshAlways // the store's clock may jump
	seats, err := oneseat.New(memstore.NewAt(n.now), c)
	if err != nil {
		t.Fatal(err)
	}
	guard, err := oneseathttp.New(seats, oneseathttp.Config{SignInPath: "/login"})
	if err != nil {
		t.Fatal(err)
	}
	n.seats = seats
	show := func(w http.ResponseWriter, name string, data any) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if err := notesPages.ExecuteTemplate(w, name, data); err != nil {
			t.Log(err) // the browser has gone
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/{$}", guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mine, _ := oneseat.SessionFrom(r.Context())
		show(w, "notes", map[string]any{"Session": mine, "Plain": r.URL.Query().Has("plain")})
	})))
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !n.sso.Load():
			show(w, "login", r.URL.Query().Get("reason"))
		case n.count("GET /oneseat/events") < n.count("GET /enter"): // a page that is not there yet would miss that it is displaced
			show(w, "wait", nil)
		default:
			http.Redirect(w, r, "/enter?account=ada", http.StatusSeeOther)
		}
	})
	mux.HandleFunc("/enter", func(w http.ResponseWriter, r *http.Request) {
		if _, err := guard.SignIn(w, r, r.URL.Query().Get("account")); err != nil {
			t.Error(err)
		}
		if r.URL.Query().Has("late") { // the pages hear of the end, and ask, before the browser has the new cookie
			for before := n.answered("GET /oneseat/session"); n.answered("GET /oneseat/session") == before && r.Context().Err() == nil; {
				time.Sleep(10 * time.Millisecond)
			}
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("/save", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("/fails", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "it was not saved", http.StatusTeapot) })
	mux.Handle(oneseathttp.Path, guard.Handler())
	wrapped := guard.Wrap(mux)
	n.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		count := func(of map[string]int, what string) {
			n.mu.Lock()
			defer n.mu.Unlock()
			of[what]++
		}
		what := r.Method + " " + r.URL.Path
		count(n.seen, what)
		defer count(n.done, what)
		if r.URL.Query().Has("afresh") { // as a browser without cookies
			r.Header.Del("Cookie")
		}
		wrapped.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		_ = seats.Close() // it ends the event streams, and returns nil
		n.Server.CloseClientConnections()
		n.Server.Close()
	})
	return n
}

// now returns the time by the store's clock.
func (n *notes) now() time.Time { return time.Now().Add(time.Duration(n.ahead.Load())) }

// count returns how often a path was asked for.
func (n *notes) count(path string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.seen[path]
}

// answered returns how often a path was answered.
func (n *notes) answered(path string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.done[path]
}

// reports returns how often a page has reported use, and was answered.
func (n *notes) reports() int { return n.answered("POST /oneseat/active") }

// idle lets enough time pass for every page to ask whether somebody is there. A page in
// which something was done in the minute before reports that first. Then the time has to
// pass once more. A use from before it passed does not count: if the time passed again for
// that, the session would be over, and no page would ask.
func (n *notes) idle(pages []*tab) {
	n.t.Helper()
	asked := func(b *tab) bool {
		yes := false
		return b.eval(`document.querySelector("dialog.oneseat[open]") !== null`, &yes) == nil && yes
	}
	for used := true; used; {
		d := n.seats.Config().Idle - 40*time.Second
		passed := n.now().Add(d)
		n.pass(d)
		until(n.t, "every page asks, or reports", func() bool {
			used = !n.lastSeen().Before(passed)
			return used || !slices.ContainsFunc(pages, func(b *tab) bool { return !asked(b) })
		})
	}
}

// lastSeen returns when the newest use of the account's sessions was.
func (n *notes) lastSeen() (newest time.Time) {
	live, err := n.seats.Sessions(n.t.Context(), "ada")
	if err != nil {
		n.t.Error(err)
	}
	for _, s := range live {
		if s.LastSeen.After(newest) {
			newest = s.LastSeen
		}
	}
	return newest
}

// displace signs the account in on another device.
func (n *notes) displace() {
	n.t.Helper()
	for range n.seats.Config().Limit {
		if _, err := n.seats.SignIn(n.t.Context(), "ada", oneseat.SignInRequest{Device: oneseat.Device{Label: "Safari on iPhone", Class: oneseat.ClassMobile}}); err != nil {
			n.t.Fatal(err)
		}
	}
}

// pass moves the store's clock, and breaks every connection. So pages hear soon how
// late it is.
func (n *notes) pass(d time.Duration) {
	n.ahead.Add(int64(d))
	n.CloseClientConnections()
}

// enters signs the browser in and shows its page.
func (b *tab) enters(n *notes) *tab {
	b.t.Helper()
	return b.open(n.URL + "/enter?account=ada").follows()
}

// again opens the page of a browser that is signed in.
func (b *tab) again(n *notes) *tab {
	b.t.Helper()
	return b.open(n.URL + "/").follows()
}

// follows waits until the script of a page has begun.
func (b *tab) follows() *tab {
	b.t.Helper()
	return b.at("/").wait(`navigator.locks.query().then((q) => q.held.length + q.pending.length > 0) && document.querySelector("#form")`)
}

// id returns the session that the page says it is of.
func (b *tab) id() (id string) {
	b.t.Helper()
	if err := b.eval(`document.querySelector("meta[name=oneseat-session]").content`, &id); err != nil {
		b.t.Fatal(err)
	}
	return id
}

// asked waits until the page has a dialog with these words.
func (b *tab) asked(words ...string) *tab {
	b.t.Helper()
	return b.wait(`document.querySelector("dialog.oneseat[open]")`).has(words...)
}

// choose clicks on a button of the dialog.
func (b *tab) choose(label string) *tab {
	b.t.Helper()
	return b.wait(`(() => { const e = [...document.querySelectorAll("dialog.oneseat[open] button")].find((e) => e.textContent === "` + label + `"); e?.click(); return e })()`)
}

// lifecycle freezes a page, as a browser does with a tab that nobody looks at, or lets
// it go on.
func (b *tab) lifecycle(state page.SetWebLifecycleStateState) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, page.SetWebLifecycleState, page.SetWebLifecycleStateParams{State: state}); err != nil {
		b.t.Fatal(err)
	}
}

// dispatch dispatches an event on the window, as the page's own code does.
func (b *tab) dispatch(event string) *tab {
	b.t.Helper()
	done := false
	if err := b.eval(`dispatchEvent(`+event+`), true`, &done); err != nil {
		b.t.Fatal(err)
	}
	return b
}

const written = "half a sentence"

// kinds are where somebody may write.
var kinds = []struct {
	name  string
	focus string // what has to be done before it is typed
	after string // what is done after it
	value string // where it is then
}{
	{"form", `document.querySelector("#form").focus()`, ``, `document.querySelector("#form").value`},
	{"loose field", `document.querySelector("#loose").focus()`, ``, `document.querySelector("#loose").value`},
	{"contenteditable", `document.querySelector("#editable").focus()`, ``, `document.querySelector("#editable").textContent`},
	{"field in a shadow tree", `document.querySelector("x-field").shadowRoot.querySelector("input").focus()`, ``, `document.querySelector("x-field").shadowRoot.querySelector("input").value`},
	{"element without a field", `document.querySelector("x-keys").focus()`, ``, `document.querySelector("x-keys").textContent`},
	{"editor in a frame", `document.querySelector("iframe").contentDocument.body.focus()`, ``, `document.querySelector("iframe").contentDocument.body.textContent`},
	{"editor in a second frame", `document.querySelector("iframe:last-of-type").contentDocument.body.focus()`, ``, `document.querySelector("iframe:last-of-type").contentDocument.body.textContent`},
	{"failed save", `document.querySelector("#saved").focus()`, `document.querySelector("#save button").click()`, `document.querySelector("#saved").value`},
}

// writes types into a page, in one of the ways.
func (b *tab) writes(kind int) *tab {
	b.t.Helper()
	k := kinds[kind]
	if strings.Contains(k.name, "second") { // the focus comes from the first
		b.wait(`(` + kinds[kind-1].focus + `, true)`)
	}
	b.wait(`(` + k.focus + `, true)`)
	b.do("type", chromedp.KeyEvent(written))
	if k.after != "" {
		b.wait(`(` + k.after + `, true)`).has("it was not saved")
	}
	return b.keeps(kind)
}

// keeps waits until the page has what was written.
func (b *tab) keeps(kind int) *tab {
	b.t.Helper()
	return b.at("/").wait(kinds[kind].value + ` === "` + written + `"`)
}

// comesBack tells the page that somebody looks at this tab again. The browser without a
// screen has every tab visible, so the event is the test's.
func (b *tab) comesBack() *tab {
	b.t.Helper()
	return b.wait(`!document.hidden && document.dispatchEvent(new Event("visibilitychange"))`)
}

var notesPages = template.Must(template.New("").Parse(strings.ReplaceAll(`
{{define "notes"}}<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"><title>Notes</title><link rel="icon" href="data:,">
{{if not .Plain}}<meta name="oneseat-session" content="{{.Session.ID}}">
{{end}}<script type="module" src="/oneseat/oneseat.js"></script>
<body style="font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 2rem auto; padding: 0 1rem">
<h1>Notes of {{.Session.Account}}</h1>
<form><p><label>A form <textarea id="form"></textarea></label></form>
<p><label>A field of no form <textarea id="loose"></textarea></label>
<p>Text: <span id="editable" contenteditable role="textbox" aria-label="Text"></span>
<p><x-field></x-field> <x-keys tabindex="0"></x-keys> <iframe title="An editor" srcdoc="<body contenteditable>" height="40"></iframe> <iframe title="Another editor" srcdoc="<body contenteditable>" height="40"></iframe>
<form id="save"><p><label>Saved by a script <input id="saved" style="min-height: 44px"></label> <button style="min-height: 44px">Save</button> <output></output></form>
<script>
customElements.define("x-field", class extends HTMLElement {
  static formAssociated = true;
  connectedCallback() { this.attachShadow({ mode: "open" }).innerHTML = "<input aria-label='A field inside'>"; }
});
customElements.define("x-keys", class extends HTMLElement {
  static formAssociated = true;
  connectedCallback() { this.onkeydown = (e) => { if (e.key.length === 1) this.textContent += e.key; }; }
});
document.querySelector("#save").onsubmit = async (e) => {
  e.preventDefault();
  document.querySelector("output").textContent = await (await fetch("/fails")).text();
};
</script></html>{{end}}

{{define "login"}}<!doctype html>
<html lang="en"><title>Sign in</title><link rel="icon" href="data:,"><h1>Sign in</h1><p data-reason="{{.}}">{{.}}</p>{{end}}

{{define "wait"}}<!doctype html>
<html lang="en"><title>Sign in</title><link rel="icon" href="data:,"><meta http-equiv="refresh" content="0">{{end}}
`, "\t", "")))
