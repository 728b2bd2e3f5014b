package e2e

import (
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/store/memstore"
)

// club is a small application behind a guard, for what the demo's own site is not:
// on several hosts, in a frame, beneath a prefix.
type club struct {
	*httptest.Server
	seats *oneseat.Registry
	guard *oneseathttp.Guard
	log   *strings.Builder
}

// newClub is an application that has not started yet. Around it stands what around
// says.
func newClub(t *testing.T, c oneseat.Config, config func(k *club) oneseathttp.Config, around func(http.Handler) http.Handler) *club {
	t.Helper()
	k := &club{Server: httptest.NewUnstartedServer(nil), log: new(strings.Builder)}
	hc := config(k)
	c.Logger = slog.New(slog.NewTextHandler(io.MultiWriter(k.log, t.Output()), nil))
	var err error
	if k.seats, err = oneseat.New(memstore.New(), c); err != nil {
		t.Fatal(err)
	}
	if k.guard, err = oneseathttp.New(k.seats, hc); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		who, _ := oneseat.SessionFrom(r.Context())
		show(w, "<h1>hello "+who.Account+"</h1>")
	})
	mux.Handle("GET /watch", k.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, _ := oneseat.SessionFrom(r.Context())
		show(w, "<h1>film of "+who.Account+`</h1><script type="module" src="`+r.FormValue("script")+`"></script>`)
	})))
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		show(w, `<form method="post"><input name="account"><input type="hidden" name="next" value="`+r.FormValue("next")+`"><button>sign in</button></form><p>`+r.FormValue("reason")+`</p>`)
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		next := r.FormValue("next")
		if !oneseathttp.LocalPath(next) {
			next = hc.Prefix
		}
		if _, err := k.guard.SignIn(w, r, r.FormValue("account")); err != nil {
			k.guard.RefuseSignIn(w, r, err, next)
			return
		}
		http.Redirect(w, r, next, http.StatusSeeOther)
	})
	mux.Handle(oneseathttp.Path, k.guard.Handler())
	app := http.Handler(k.guard.Wrap(mux))
	if around != nil {
		app = around(app)
	}
	k.Config.Handler = app
	k.Config.ErrorLog = log.New(t.Output(), "", 0) // Chromium tries a certificate that it does not know once more
	t.Cleanup(func() {
		_ = k.seats.Close()
		k.CloseClientConnections()
		k.Close()
	})
	return k
}

func show(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = fmt.Fprint(w, "<!doctype html><title>club</title><body>", body)
}

// at is a URL of the application, at a host of the tests.
func (k *club) at(host, path string) string {
	scheme := "https"
	if strings.HasPrefix(k.URL, "http:") {
		scheme = "http"
	}
	return fmt.Sprintf("%s://%s:%d%s", scheme, host, k.Listener.Addr().(*net.TCPAddr).Port, path)
}

// enter signs in by the form of the page that the tab, or the frame, shows.
func (b *tab) enter(account string) *tab {
	b.t.Helper()
	b.wait(`document.querySelector("input[name=account]")`)
	return b.wait(`(() => { document.querySelector("input[name=account]").value = "` + account + `"; setTimeout(() => document.forms[0].requestSubmit()); return true })()`)
}

func TestOneBrowserOnTwoHostsHasOneSessionAndAPageHearsOfItsEndByTheOther(t *testing.T) {
	const www, api = "www.members.test", "api.members.test"
	k := newClub(t, oneseat.Config{}, func(k *club) oneseathttp.Config {
		return oneseathttp.Config{SignInPath: "/login", Prefix: "/", Domain: "members.test", Origins: []string{k.at(www, "")}}
	}, nil)
	k.StartTLS()

	page := k.at(www, "/watch?script="+k.at(api, "/oneseat/oneseat.js"))
	home := newProfile(t)
	b := home.tab().open(page).enter("ada").has("film of ada")
	home.tab().open(k.at(api, "/watch")).has("film of ada")
	b.has("film of ada") // nobody was displaced

	b.wait(`performance.getEntriesByName("` + k.at(api, "/oneseat/session") + `").length`) // its script has asked
	newProfile(t).tab().open(k.at(www, "/login")).enter("ada").has("hello ada")
	b.at("/login").has("displaced")
}

func TestInAFrameOfASiteThatIsNamedOneStaysSignedInAndIsAsked(t *testing.T) {
	var lms *httptest.Server
	frame := ""
	lms = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		show(w, `<h1>course</h1><iframe width="800" height="500" onload="this.dataset.loads = 1 + Number(this.dataset.loads ?? 0)" src="`+frame+`"></iframe>`)
	}))
	lms.Config.ErrorLog = log.New(t.Output(), "", 0)
	lms.StartTLS()
	defer lms.Close()
	course := strings.Replace(lms.URL, "127.0.0.1", "lms.school.test", 1)

	k := newClub(t, oneseat.Config{WhenFull: oneseat.PolicyAsk}, func(*club) oneseathttp.Config {
		return oneseathttp.Config{SignInPath: "/login", Prefix: "/", FrameAncestors: []string{course}}
	}, nil)
	k.StartTLS()
	frame = k.at("app.members.test", "/watch")
	here := k.at("app.members.test", "")

	b := newProfile(t).tab().open(course)
	b.foreign(here).enter("ada")
	b.foreign(here).has("film of ada")
	b.open(course).foreign(here).has("film of ada") // the cookie came again

	other := newProfile(t).tab().open(course)
	other.foreign(here).enter("ada")
	other.foreign(here).has("in use on another device").click("button.choose")
	other.foreign(here).has("film of ada")

	// Another site's frame has other cookies, and shows no page of the guard's own: the
	// frame's second page, the question, is refused by the browser.
	alien := newProfile(t).tab().open(strings.Replace(course, "lms.school", "www.evil", 1))
	alien.foreign(here).enter("ada")
	alien.wait(`document.querySelector("iframe").dataset.loads == 2`)
	if said := alien.framed(); strings.Contains(said, "in use on another device") {
		t.Errorf("another site shows the question: %s", said)
	}
}

func TestByPlainHTTPInALANOneStaysSignedInWithTheSwitchAndWithoutItTheLogSaysWhyNot(t *testing.T) {
	for _, switched := range []bool{true, false} {
		k := newClub(t, oneseat.Config{}, func(*club) oneseathttp.Config {
			return oneseathttp.Config{SignInPath: "/login", Prefix: "/", DangerouslyPlainHTTP: switched}
		}, nil)
		k.Start()
		b := newProfile(t).tab().open(k.at("nas.members.test", "/watch")).enter("ada")
		if switched {
			b.has("film of ada")
			b.open(k.at("nas.members.test", "/watch")).has("film of ada")
			continue
		}
		b.at("/login").has("no_session") // the loop that was reported
		if said := k.log.String(); !strings.Contains(said, "signed in over plain http") || !strings.Contains(said, "nas.members.test") {
			t.Errorf("the log: %s", said)
		}
	}
}

func TestBeneathAPrefixThatAProxyRemovesThePagesWorkInABrowser(t *testing.T) {
	k := newClub(t, oneseat.Config{Limit: 2}, func(*club) oneseathttp.Config {
		return oneseathttp.Config{SignInPath: "/de/club/login", Prefix: "/de/club/"}
	}, func(app http.Handler) http.Handler {
		behind := httptest.NewServer(app)
		t.Cleanup(behind.Close)
		to, _ := url.Parse(behind.URL) // httptest's own
		return http.StripPrefix("/de/club", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		}, ErrorLog: log.New(t.Output(), "", 0)})
	})
	k.StartTLS()
	site := k.at("app.members.test", "/de/club")
	b := newProfile(t).tab().open(site + "/watch").enter("ada").at("/de/club/watch").has("film of ada")
	other := newProfile(t).tab().open(site + "/watch?script=/de/club/oneseat/oneseat.js").enter("ada").has("film of ada")

	b.open(site + "/oneseat/devices").has("this device")
	styled := ""
	if err := b.eval(`getComputedStyle(document.querySelector("main")).maxWidth`, &styled); err != nil || styled == "none" {
		t.Errorf("the page has no style: %q, %v", styled, err)
	}
	b.click(".all").at("/de/club/oneseat/devices").wait(`document.querySelectorAll("li").length === 1`)
	other.at("/de/club/login").has("revoked") // by the events and the script beneath the prefix
	b.click(".back a").at("/de/club/").has("hello ada")
}
