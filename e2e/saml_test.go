package e2e

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/sso/provider"
	"github.com/oneseat/oneseat/examples/sso/samlapp"
	"github.com/oneseat/oneseat/store/memstore"
)

// samlSite is the example for SAML. Its SSO is another site to browsers.
type samlSite struct {
	*httptest.Server
	t     *testing.T
	store *memstore.Store

	mu   sync.Mutex
	came map[string][]bool // by path: whether the requests came with the session's cookie
}

func newSAMLSite(t *testing.T, c oneseat.Config) *samlSite {
	t.Helper()
	s := &samlSite{t: t, store: memstore.New(), came: map[string][]bool{}}
	c.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	seats, err := oneseat.New(s.store, c)
	if err != nil {
		t.Fatal(err)
	}
	sso := provider.NewSAML(t, "sso.members.test", "ada")
	var app *samlapp.App
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := r.Cookie("oneseat")
		s.mu.Lock()
		s.came[r.URL.Path] = append(s.came[r.URL.Path], err == nil)
		s.mu.Unlock()
		app.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		_ = seats.Close() // first: it ends what is in flight
		s.CloseClientConnections()
		s.Close()
	})
	if app, err = samlapp.New(seats, samlapp.Config{Site: s.URL, IDP: sso.Metadata(), Key: []byte("32 random bytes, kept secret: no")}); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(s.URL + "/saml/metadata")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	metadata, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	sso.Register(t, metadata)
	return s
}

// last is whether the last request for a path came with the session's cookie.
func (s *samlSite) last(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.came[path]
	if len(all) == 0 {
		s.t.Fatalf("nobody came to %s", path)
	}
	return all[len(all)-1]
}

// ended are the reasons for which sessions have ended, the newest first, and how many
// were made.
func (s *samlSite) ended() (reasons []oneseat.Reason, made int) {
	s.t.Helper()
	records, err := s.store.Events(s.t.Context(), oneseat.EventQuery{Realm: "default", Limit: 1000})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, r := range records {
		switch r.Type {
		case oneseat.EventSessionCreated:
			made++
		case oneseat.EventSessionEnded:
			reasons = append(reasons, r.Reason)
		}
	}
	return reasons, made
}

// atSSO types a name and a password at the SSO, which then sends the tab back.
func (b *tab) atSSO(name string) *tab {
	b.t.Helper()
	b.wait(`document.querySelector("input[name=user]")`)
	b.do("type", chromedp.SendKeys(chromedp.CSS("input[name=user]"), name), chromedp.SendKeys(chromedp.CSS("input[name=password]"), name+"\r"))
	return b.at("/").has("Hello ")
}

// session is the one whose page the tab shows.
func (b *tab) session() (id string) {
	b.t.Helper()
	b.wait(`document.querySelector("meta[name=oneseat-session]")`)
	if err := b.eval(`document.querySelector("meta[name=oneseat-session]").content`, &id); err != nil {
		b.t.Fatal(err)
	}
	return id
}

// The SSO has the browser post a form from another site, without the cookies of this
// one. In the end it is the same browser all the same.
func TestInChromiumASignInBySAMLThrowsOutNoOtherTabOfThisBrowser(t *testing.T) {
	for _, policy := range []oneseat.Policy{oneseat.PolicyDisplace, oneseat.PolicyRefuse} {
		t.Run(string(policy), func(t *testing.T) {
			s := newSAMLSite(t, oneseat.Config{WhenFull: policy})
			home := newProfile(t)
			first := home.tab().open(s.URL + "/").atSSO("ada")
			before := first.session()
			second := home.tab().open(s.URL + "/login?reason=signed_out")
			second.click("button").at("/").has("Hello ")
			after := second.session()
			if s.last("/saml/acs") {
				t.Error("the form of another site came with the cookie, so this shows nothing")
			}
			if !s.last("/saml/finish") {
				t.Error("the request that signs in came without the cookie")
			}
			if reasons, made := s.ended(); made != 2 || len(reasons) != 1 || reasons[0] != oneseat.ReasonRenewed || before == after {
				t.Errorf("%d sessions were made, and ended with %v", made, reasons)
			}
			first.wait(`document.querySelector("meta[name=oneseat-session]")?.content === "` + after + `"`) // it goes on, with the new session
		})
	}
}

// Nobody touches anything, and the SSO would sign each of them in at any time.
func TestInChromiumTwoBrowsersThatTheSSOKnowsDoNotThrowEachOtherOut(t *testing.T) {
	s := newSAMLSite(t, oneseat.Config{})
	laptop, phone := newProfile(t).tab().open(s.URL+"/").atSSO("ada"), newProfile(t).tab().open(s.URL+"/").atSSO("ada")
	laptop.at("/login").has("This account signed in on another device", "Sign in here")
	for range 5 {
		laptop.open(s.URL + "/").at("/login").has("This account signed in on another device")
		laptop.open(s.URL + "/login").has("This account signed in on another device")
		phone.open(s.URL + "/").has("Hello ")
	}
	if reasons, made := s.ended(); made != 2 || len(reasons) != 1 {
		t.Errorf("%d sessions were made, of which persons made 2; they ended with %v", made, reasons)
	}
	laptop.click("button").at("/").has("Hello ") // a person decides
	phone.at("/login").wait(`location.search.includes("` + string(oneseat.ReasonDisplaced) + `")`)
	if !strings.HasPrefix(s.URL, "http://127.0.0.1:") {
		t.Errorf("the site is %s, which may be of one site with the SSO", s.URL)
	}
}
