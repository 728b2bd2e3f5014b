package oneseathttp_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/store/memstore"
)

// mounted is a site whose pages a browser finds beneath a prefix.
type mounted struct {
	*site
	prefix string
	cal    *calendar
}

// mountings are the ways in which an application comes to be beneath a prefix. root is
// where the application registers its routes, and serve is what stands around it.
var mountings = map[string]struct {
	prefix, root string
	handler      func(g *oneseathttp.Guard) http.Handler
	serve        func(t *testing.T, app http.Handler) http.Handler
}{
	"routes with the prefix": {prefix: "/app/", root: "/app/"},
	"StripPrefix around all": {prefix: "/app/", root: "/", serve: func(_ *testing.T, app http.Handler) http.Handler {
		return http.StripPrefix("/app", app)
	}},
	"StripPrefix around the handler": {prefix: "/app/", root: "/app/", handler: func(g *oneseathttp.Guard) http.Handler {
		return http.StripPrefix("/app", g.Handler())
	}},
	"StripPrefix of the handler's own path": {prefix: "/app/", root: "/app/", handler: func(g *oneseathttp.Guard) http.Handler {
		return http.StripPrefix("/app/oneseat", g.Handler())
	}},
	"a proxy that removes it":            {prefix: "/app/", root: "/", serve: removes("/app")},
	"a proxy that removes several parts": {prefix: "/de/members/", root: "/", serve: removes("/de/members")},
	"a proxy that keeps it":              {prefix: "/de/members/", root: "/de/members/", serve: removes("")},
	"a prefix that looks like ours":      {prefix: "/oneseat/", root: "/oneseat/"},
	"no prefix":                          {prefix: "/", root: "/"},
}

// removes is a proxy that removes a prefix before it asks the application.
func removes(prefix string) func(*testing.T, http.Handler) http.Handler {
	return func(t *testing.T, app http.Handler) http.Handler {
		t.Helper()
		behind := httptest.NewServer(app)
		t.Cleanup(behind.Close)
		to, err := url.Parse(behind.URL)
		if err != nil {
			t.Fatal(err)
		}
		return http.StripPrefix(prefix, &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }})
	}
}

// eachMounting runs a test with a site under ask, mounted in each way.
func eachMounting(t *testing.T, f func(t *testing.T, s mounted)) {
	t.Helper()
	for name, m := range mountings {
		t.Run(name, func(t *testing.T) {
			cal := &calendar{began: time.Now()}
			s := unstartedOn(t, memstore.NewAt(cal.now), oneseat.Config{
				WhenFull: oneseat.PolicyAsk,
				Clock:    func() (time.Time, time.Duration) { now := cal.now(); return now, now.Sub(cal.began) },
			}, oneseathttp.Config{SignInPath: m.prefix + "login", Prefix: m.prefix})
			app := http.NewServeMux()
			app.HandleFunc("GET "+m.root+"login", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "sign in") })
			app.HandleFunc("POST "+m.root+"login", func(w http.ResponseWriter, r *http.Request) {
				if _, err := s.guard.SignIn(w, r, "ada"); err != nil {
					s.guard.RefuseSignIn(w, r, err, r.FormValue("next"))
				}
			})
			app.Handle("GET "+m.root+"watch", s.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "film") })))
			handler := s.guard.Handler()
			if m.handler != nil {
				handler = m.handler(s.guard)
			}
			app.Handle(m.root+"oneseat/", handler)
			s.Config.Handler = s.guard.Wrap(app)
			if m.serve != nil {
				s.Config.Handler = m.serve(t, s.Config.Handler)
			}
			s.Start()
			f(t, mounted{s, m.prefix, cal})
		})
	}
}

func TestMountedAnywhereABrowserIsSentToTheSignInPageAndBackToItsPage(t *testing.T) {
	eachMounting(t, func(t *testing.T, s mounted) {
		b := s.browser(t, firefox)
		resp := b.do("GET", s.prefix+"watch?v=1", nil, "Accept", page)
		to, err := resp.Location()
		if err != nil {
			t.Fatal(resp.Status, err)
		}
		if to.Path != s.prefix+"login" || to.Query().Get("next") != s.prefix+"watch?v=1" || to.Query().Get("reason") != "no_session" {
			t.Errorf("sent to %s", to)
		}
		if resp := b.do("GET", to.RequestURI(), nil, "Accept", page); resp.StatusCode != 200 || len(resp.Cookies()) != 1 {
			t.Errorf("the sign-in page: %s, cookies %v", resp.Status, resp.Cookies())
		}
	})
}

var links = regexp.MustCompile(`(?:href|src|action)="([^"]*)"`)

func TestMountedAnywhereTheDevicesPageLeadsToWhereItsLinksAre(t *testing.T) {
	eachMounting(t, func(t *testing.T, s mounted) {
		b := s.browser(t, firefox)
		b.do("POST", s.prefix+"login", url.Values{})
		at, err := url.Parse(s.prefix + "oneseat/devices")
		if err != nil {
			t.Fatal(err)
		}
		status, body := b.get(at.Path, "Accept", page)
		if status != 200 {
			t.Fatal(status, body)
		}
		home := false
		for _, link := range links.FindAllStringSubmatch(body, -1) {
			to, err := at.Parse(link[1])
			if err != nil {
				t.Fatal(err)
			}
			home = home || to.Path == s.prefix
			switch {
			case to.Path == s.prefix, strings.HasSuffix(to.Path, "/end"):
			default:
				if status, _ := b.get(to.Path); status != 200 {
					t.Errorf("%s is at %s: %d", link[1], to, status)
				}
			}
		}
		if !home {
			t.Errorf("no link back to %s:\n%s", s.prefix, body)
		}
		resp := b.do("POST", s.prefix+"oneseat/sessions/end-others", url.Values{}, "Accept", page)
		if to, err := resp.Location(); err != nil || to.Path != at.Path {
			t.Errorf("end-others: %s to %v, %v", resp.Status, to, err)
		}
		resp = b.do("POST", s.prefix+"oneseat/sessions/NOBODY/end", url.Values{}, "Accept", page)
		if to, err := resp.Location(); err != nil || to.Path != at.Path {
			t.Errorf("end: %s to %v, %v", resp.Status, to, err)
		}
	})
}

func TestMountedAnywhereWhoIsAskedGetsTheSeat(t *testing.T) {
	eachMounting(t, func(t *testing.T, s mounted) {
		s.browser(t, iphone).do("POST", s.prefix+"login", url.Values{})
		holds, err := s.seats.Sessions(t.Context(), "ada")
		if err != nil || len(holds) != 1 {
			t.Fatal(holds, err)
		}
		for _, next := range []string{"", s.prefix + "watch"} {
			b := s.browser(t, firefox)
			status, body := b.answer("POST", s.prefix+"login", url.Values{"next": {next}}, page)
			form := regexp.MustCompile(`action="([^"]*redeem)"`).FindStringSubmatch(body)
			if status != http.StatusConflict || form == nil || form[1] != s.prefix+"oneseat/redeem" {
				t.Fatalf("%d %s", status, body)
			}
			now, err := s.seats.Sessions(t.Context(), "ada")
			if err != nil {
				t.Fatal(err)
			}
			resp := b.do("POST", form[1], url.Values{"end": {string(now[0].ID)}, "next": {next}}, "Accept", page)
			want := next
			if want == "" {
				want = s.prefix
			}
			if to, err := resp.Location(); err != nil || to.Path != want {
				t.Errorf("after the choice: %s to %v, %v", resp.Status, to, err)
			}
			if status, _ := b.get(s.prefix + "watch"); status != 200 {
				t.Errorf("the page: %d", status)
			}
		}
	})
}

func TestMountedAnywhereTheGuardsOwnQuestionsAreNoActivity(t *testing.T) {
	eachMounting(t, func(t *testing.T, s mounted) {
		b := s.browser(t, firefox)
		b.do("POST", s.prefix+"login", url.Values{})
		seen := func() time.Time {
			t.Helper()
			live, err := s.seats.Sessions(t.Context(), "ada")
			if err != nil || len(live) != 1 {
				t.Fatal(live, err)
			}
			return live[0].LastSeen
		}
		first := seen()
		s.cal.pass(s.seats.Config().Idle - time.Minute) // a use is written before the answer
		if status, body := b.get(s.prefix + "oneseat/session"); status != 200 {
			t.Fatal(status, body)
		}
		if now := seen(); !now.Equal(first) {
			t.Errorf("a question of the script moved last-seen by %v", now.Sub(first))
		}
		b.get(s.prefix + "watch")
		if now := seen(); !now.After(first) {
			t.Error("a page of the application did not")
		}
	})
}

func TestAnApplicationSaysWhichOfItsRequestsAreNoActivity(t *testing.T) {
	for name, c := range map[string]struct {
		method, path, accept string
		active               bool
	}{
		"a page":                            {"GET", "/me", "", true},
		"a poll":                            {"GET", "/me?poll", "", false},
		"an event stream":                   {"GET", "/me", "text/event-stream", false},
		"a question to a model, by stream":  {"POST", "/ask", "text/event-stream", true},
		"a poll by POST":                    {"POST", "/ask?poll", "", false},
		"a path that ends nearly like ours": {"GET", "/xoneseat/session", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			cal := &calendar{began: time.Now()}
			s := unstartedOn(t, memstore.NewAt(cal.now), oneseat.Config{
				Clock: func() (time.Time, time.Duration) { now := cal.now(); return now, now.Sub(cal.began) },
			}, oneseathttp.Config{Background: func(r *http.Request) bool { return r.URL.Query().Has("poll") }})
			s.mux.Handle("POST /ask", s.guard.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
			s.mux.Handle("GET /xoneseat/session", s.guard.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
			s.Start()
			b := s.browser(t, firefox)
			b.signIn("ada")
			cal.pass(s.seats.Config().Idle - time.Minute)
			if resp := b.do(c.method, c.path, nil, "Accept", c.accept); resp.StatusCode != 200 {
				t.Fatal(resp.Status)
			}
			cal.pass(2 * time.Minute)
			if status, _ := b.get("/me"); (status == 200) != c.active {
				t.Errorf("two minutes after, past the idle deadline: %d", status)
			}
		})
	}
}
