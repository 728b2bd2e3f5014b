package gorillaapp

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/sessions"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/accounts"
	"github.com/oneseat/oneseat/examples/internal/webtest"
	"github.com/oneseat/oneseat/store/memstore"
)

// world is the application, and the application as it was before oneseat, with the same
// key.
type world struct {
	*webtest.Site
	app    *App
	before *webtest.Site
}

var names = []string{"ada", "grace", "42", "7d9f3c5e-2b1a-4e8f-9c6d-0a1b2c3d4e5f", "ada@example.org"}

func open(t *testing.T, installed time.Time) *world {
	t.Helper()
	store := sessions.NewCookieStore([]byte("0123456789abcdef0123456789abcdef"))
	store.Options.Secure = false // the tests speak plain http
	w := &world{}
	w.Site = webtest.Open(t, memstore.New(), Config(installed, time.Hour), func(seats *oneseat.Registry) (_ http.Handler, err error) {
		if w.app, err = New(seats, store, accounts.New(names...)); err != nil {
			return nil, err
		}
		return w.app.Handler(), nil
	})
	w.before = webtest.Open(t, memstore.New(), oneseat.Config{}, func(*oneseat.Registry) (http.Handler, error) {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			session, _ := store.Get(r, cookieName)
			session.Values["account"] = r.PostFormValue("account")
			if err := session.Save(r, w); err != nil {
				t.Error(err)
			}
			http.Redirect(w, r, "/", http.StatusSeeOther)
		}), nil
	})
	return w
}

func (w *world) live(t *testing.T, account string) []oneseat.Session {
	t.Helper()
	all, err := w.Seats.Sessions(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// copyOf returns another browser with copies of some of a browser's cookies.
func (w *world) copyOf(b *webtest.Browser, cookies ...string) *webtest.Browser {
	c := w.Browser(b.Device)
	for _, name := range cookies {
		c.Plant(name, b.Cookie(name))
	}
	return c
}

func TestASecondSignInEndsTheFirstAndItIsToldWhy(t *testing.T) {
	w := open(t, time.Now())
	for _, name := range names {
		laptop, phone := w.Browser(webtest.Laptop), w.Browser(webtest.Phone)
		laptop.SignIn(name)
		laptop.Want("/", 200, "Hello "+name)
		phone.SignIn(name)
		laptop.Want("/", 401, "displaced")
		laptop.Want("/login", 200, "signed in on another device", "Safari on iPhone")
		phone.Want("/", 200, "Hello "+name)
	}
}

func TestPromise06AnOlderSessionIsSeatedOnItsFirstRequest(t *testing.T) {
	w := open(t, time.Now())
	laptop, phone := w.Browser(webtest.Laptop), w.Browser(webtest.Phone)
	laptop.Visit(w.before)
	laptop.SignIn("ada")
	copied := w.copyOf(laptop, cookieName)
	laptop.Visit(w.Site)
	laptop.Want("/", 200, "Hello ada")
	laptop.Want("/", 200, "Hello ada")
	copied.Want("/", 401, "no_session") // one cookie in two browsers is one session
	laptop.Want("/", 200, "Hello ada")
	phone.SignIn("ada")
	laptop.Want("/", 401, "displaced")
	copied.Want("/", 401, "no_session")
	phone.Want("/", 200, "Hello ada")
}

func TestAfterItsDayNoOlderSessionIsSeated(t *testing.T) {
	w := open(t, time.Now().Add(-2*time.Hour))
	b := w.Browser(webtest.Laptop)
	b.Visit(w.before)
	b.SignIn("ada")
	b.Visit(w.Site)
	b.Want("/", 401, "no_session")
	b.SignIn("ada")
	b.Want("/", 200, "Hello ada")
}

func TestAReplayedCookieIsRefused(t *testing.T) {
	for name, end := range map[string]func(*world, *webtest.Browser){
		"after a sign-out":          func(_ *world, b *webtest.Browser) { b.Post("/logout", 303) },
		"after a sign-in elsewhere": func(w *world, _ *webtest.Browser) { w.Browser(webtest.Phone).SignIn("ada") },
		"after a change of password": func(_ *world, b *webtest.Browser) {
			b.Post("/password", 303, "current", "ada", "new", "lovelace")
			b.Post("/logout", 303)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, time.Now())
			b := w.Browser(webtest.Laptop)
			b.SignIn("ada")
			b.Post("/note", 303, "note", "kept in the browser")
			both, app, own := w.copyOf(b, cookieName, "oneseat"), w.copyOf(b, cookieName), w.copyOf(b, "oneseat")
			both.Want("/", 200, "kept in the browser")
			end(w, b)
			live := len(w.live(t, "ada"))
			both.Want("/", 401)
			app.Want("/", 401)
			own.Want("/", 401)
			if n := len(w.live(t, "ada")); n != live {
				t.Errorf("%d live sessions became %d", live, n)
			}
		})
	}
}

func TestPromise14ALateWriteOfAnEndedSessionNeverBringsItBack(t *testing.T) {
	w := open(t, time.Now())
	begun, goOn, saved := make(chan struct{}), make(chan struct{}), make(chan string, 1)
	w.app.mux.HandleFunc("GET /slow", func(rw http.ResponseWriter, r *http.Request) {
		close(begun)
		<-goOn
		session, _ := w.app.store.Get(r, cookieName)
		session.Values["note"] = "late"
		if err := session.Save(r, rw); err != nil {
			t.Error(err)
		}
		c, err := http.ParseSetCookie(rw.Header().Get("Set-Cookie"))
		if err != nil {
			t.Error(err)
		}
		saved <- c.Value
		_, _ = io.WriteString(rw, "as if nothing had happened")
	})
	laptop, phone := w.Browser(webtest.Laptop), w.Browser(webtest.Phone)
	laptop.SignIn("ada")
	answered := make(chan *http.Response)
	go func() { answered <- laptop.Do("GET", "/slow", nil) }()
	<-begun
	phone.SignIn("ada")
	close(goOn)
	resp := <-answered
	if resp.StatusCode != 401 || len(resp.Cookies()) != 0 {
		t.Errorf("%s, cookies %v", resp.Status, resp.Cookies())
	}
	laptop.Plant(cookieName, <-saved) // as if it had been sent all the same
	laptop.Want("/", 401, "displaced")
	w.copyOf(laptop, cookieName).Want("/", 401)
	phone.Want("/", 200, "Hello ada")
}

func TestPromise14TheSurvivorsPublicIDPlantedAnywhereIsRefused(t *testing.T) {
	w := open(t, time.Now())
	laptop, phone := w.Browser(webtest.Laptop), w.Browser(webtest.Phone)
	laptop.SignIn("ada")
	phone.SignIn("ada")
	id := string(w.live(t, "ada")[0].ID)
	for _, value := range []string{id, oneseat.TokenPrefix + id} {
		for _, name := range []string{"oneseat", "__Host-oneseat", "sid", cookieName} {
			if status, body := laptop.Get("/?"+url.Values{name: {value}}.Encode(), "Cookie", name+"="+value, name, value, "Authorization", "Bearer "+value); status != 401 {
				t.Errorf("%s=%s: %d %s", name, value, status, body)
			}
			laptop.Post("/note", 401, "note", value, name, value)
		}
	}
	laptop.Plant("oneseat", id)
	laptop.Want("/", 401)
	phone.Want("/", 200, "Hello ada")
}

func TestAChangeOfPasswordKeepsThisBrowserAndTheNextSignInWorks(t *testing.T) {
	w := open(t, time.Now())
	mine := w.Browser(webtest.Laptop)
	mine.SignIn("ada")
	mine.Post("/password", 422, "current", "guess", "new", "x")
	mine.Post("/password", 303, "current", "ada", "new", "lovelace")
	mine.Want("/", 200, "Hello ada")
	mine.Post("/logout", 303)
	mine.Post("/login", 401, "account", "ada", "password", "ada")
	mine.Post("/login", 303, "account", "ada", "password", "lovelace")
	mine.Want("/", 200, "Hello ada")
}

func TestAfterAChangeOfPasswordTheOwnerIsInAndNobodyWithTheOldOne(t *testing.T) {
	store := sessions.NewCookieStore([]byte("0123456789abcdef0123456789abcdef"))
	store.Options.Secure = false // the tests speak plain http
	webtest.PasswordChange(t, Config(time.Now(), time.Hour), func(seats *oneseat.Registry) (http.Handler, error) {
		a, err := New(seats, store, accounts.New("ada"))
		if err != nil {
			return nil, err
		}
		return a.Handler(), nil
	})
}

func TestAnotherAccountInTheSameBrowserSeesNothingOfTheFirst(t *testing.T) {
	w := open(t, time.Now())
	b := w.Browser(webtest.Laptop)
	b.SignIn("ada")
	b.Post("/note", 303, "note", "of ada's")
	b.SignIn("grace")
	if status, body := b.Get("/"); status != 200 || !strings.Contains(body, "Hello grace") || strings.Contains(body, "of ada's") {
		t.Fatalf("%d %s", status, body)
	}
	if all := w.live(t, "ada"); len(all) != 0 {
		t.Errorf("ada still has %v", all)
	}
}
