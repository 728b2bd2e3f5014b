package scsapp

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	scsstore "github.com/alexedwards/scs/v2/memstore"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/accounts"
	"github.com/oneseat/oneseat/examples/internal/webtest"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/store/memstore"
)

// world is the application, and the application as it was before oneseat, on the same
// scs sessions.
type world struct {
	*webtest.Site
	app      *App
	before   *webtest.Site
	sessions *scs.SessionManager
}

var names = []string{"ada", "grace", "42", "7d9f3c5e-2b1a-4e8f-9c6d-0a1b2c3d4e5f", "ada@example.org", "org:7/üser 9"}

// overBoth runs a test with each of the two carriers.
func overBoth(t *testing.T, installed time.Time, c oneseat.Config, f func(t *testing.T, w *world)) {
	for name, carrier := range map[string]func(*scs.SessionManager) oneseathttp.Carrier{
		"a cookie of its own": func(*scs.SessionManager) oneseathttp.Carrier { return oneseathttp.Carrier{} },
		"in the scs session":  InSession,
	} {
		t.Run(name, func(t *testing.T) { f(t, open(t, installed, c, carrier)) })
	}
}

func open(t *testing.T, installed time.Time, c oneseat.Config, carrier func(*scs.SessionManager) oneseathttp.Carrier) *world {
	t.Helper()
	sessions := scs.New()
	sessions.Store = scsstore.NewWithCleanupInterval(0)
	sessions.IdleTimeout = 20 * time.Minute // so scs writes after every request
	w := &world{sessions: sessions}

	ours := Config(sessions, installed)
	ours.Limit, ours.WhenFull = c.Limit, c.WhenFull
	w.Site = webtest.Open(t, memstore.New(), ours, func(seats *oneseat.Registry) (_ http.Handler, err error) {
		if w.app, err = New(seats, sessions, installed, accounts.New(names...), carrier(sessions)); err != nil {
			return nil, err
		}
		return w.app.Handler(), nil
	})
	w.before = webtest.Open(t, memstore.New(), oneseat.Config{}, func(*oneseat.Registry) (http.Handler, error) {
		return sessions.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := sessions.RenewToken(r.Context()); err != nil {
				t.Error(err)
			}
			sessions.Put(r.Context(), "account", r.PostFormValue("account"))
			http.Redirect(w, r, "/", http.StatusSeeOther)
		})), nil
	})
	return w
}

// kept returns what the scs store holds for a token now.
func (w *world) kept(t *testing.T, token, key string) string {
	t.Helper()
	ctx, err := w.sessions.Load(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	return w.sessions.GetString(ctx, key)
}

// live returns the sessions of the account.
func (w *world) live(t *testing.T, account string) []oneseat.Session {
	t.Helper()
	all, err := w.Seats.Sessions(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestASecondSignInEndsTheFirstAndItIsToldWhy(t *testing.T) {
	overBoth(t, time.Now(), oneseat.Config{}, func(t *testing.T, w *world) {
		laptop, phone := w.Browser(webtest.Laptop), w.Browser(webtest.Phone)
		laptop.SignIn("ada")
		laptop.Want("/", 200, "Hello ada")
		phone.SignIn("ada")
		laptop.Want("/", 401, "displaced")
		laptop.Want("/login", 200, "signed in on another device", "Safari on iPhone")
		phone.Want("/", 200, "Hello ada")
		laptop.SignIn("ada")
		laptop.Want("/", 200, "Hello ada")
		phone.Want("/", 401, "displaced")
	})
}

func TestPromise06AnOlderSessionIsSeatedOnItsFirstRequest(t *testing.T) {
	overBoth(t, time.Now().Add(time.Hour), oneseat.Config{}, func(t *testing.T, w *world) {
		laptop, phone, copied := w.Browser(webtest.Laptop), w.Browser(webtest.Phone), w.Browser(webtest.Phone)
		laptop.Visit(w.before)
		laptop.SignIn("ada")
		copied.Plant("session", laptop.Cookie("session")) // as it was before the installation

		laptop.Visit(w.Site)
		laptop.Want("/", 200, "Hello ada")
		laptop.Want("/", 200, "Hello ada")
		if n := len(w.live(t, "ada")); n != 1 {
			t.Fatalf("%d sessions", n)
		}
		phone.SignIn("ada")
		laptop.Want("/", 401, "displaced")
		copied.Get("/") // whatever the answer is, it gets no seat
		if all := w.live(t, "ada"); len(all) != 1 || all[0].Device.Label != "Safari on iPhone" {
			t.Fatalf("live: %+v", all)
		}
		phone.Want("/", 200, "Hello ada")
	})
}

func TestAnOlderSessionNeverEndsALaterSignIn(t *testing.T) {
	overBoth(t, time.Now().Add(time.Hour), oneseat.Config{}, func(t *testing.T, w *world) {
		laptop, phone := w.Browser(webtest.Laptop), w.Browser(webtest.Phone)
		laptop.Visit(w.before)
		laptop.SignIn("ada")
		phone.SignIn("ada")
		laptop.Visit(w.Site)
		laptop.Want("/", 401, "no_session")
		phone.Want("/", 200, "Hello ada")
		phone.Post("/logout", 303)
		laptop.Want("/", 401, "no_session") // and it does not come in now that the seat is free
	})
}

func TestTheNewerOfTwoOlderSessionsHasTheSeat(t *testing.T) {
	overBoth(t, time.Now().Add(time.Hour), oneseat.Config{}, func(t *testing.T, w *world) {
		laptop, phone := w.Browser(webtest.Laptop), w.Browser(webtest.Phone)
		for _, b := range []*webtest.Browser{laptop, phone} {
			b.Visit(w.before)
			b.SignIn("ada")
			b.Visit(w.Site)
		}
		laptop.Want("/", 200)
		phone.Want("/", 200)
		laptop.Want("/", 401, "displaced")
	})
}

func TestAfterItsDayNoOlderSessionIsSeated(t *testing.T) {
	overBoth(t, time.Now().Add(-48*time.Hour), oneseat.Config{}, func(t *testing.T, w *world) {
		b := w.Browser(webtest.Laptop)
		b.Visit(w.before)
		b.SignIn("ada")
		b.Visit(w.Site)
		b.Want("/", 401, "no_session")
		b.SignIn("ada")
		b.Want("/", 200, "Hello ada")
	})
}

// A request of the first browser is under way when the account signs in elsewhere. The
// handler ignores that, and scs writes its session afterwards: once by the handler, and
// once more with the answer.
func TestPromise14ALateWriteOfAnEndedSessionNeverBringsItBack(t *testing.T) {
	overBoth(t, time.Now().Add(time.Hour), oneseat.Config{}, func(t *testing.T, w *world) {
		begun, goOn := make(chan struct{}), make(chan struct{})
		w.app.mux.HandleFunc("GET /slow", func(rw http.ResponseWriter, r *http.Request) {
			close(begun)
			<-goOn
			w.sessions.Put(r.Context(), "note", "late")
			if _, _, err := w.sessions.Commit(r.Context()); err != nil {
				t.Error(err)
			}
			_, _ = io.WriteString(rw, "as if nothing had happened")
		})
		laptop, phone := w.Browser(webtest.Laptop), w.Browser(webtest.Phone)
		laptop.SignIn("ada")
		laptop.Want("/", 200)
		answered := make(chan string)
		go func() {
			_, body := laptop.Get("/slow")
			answered <- body
		}()
		<-begun
		phone.SignIn("ada")
		close(goOn)
		if body := <-answered; !strings.Contains(body, "displaced") {
			t.Errorf("the request was answered %q", body)
		}
		if w.kept(t, laptop.Cookie("session"), "note") != "late" || w.kept(t, laptop.Cookie("session"), "account") != "ada" {
			t.Fatal("scs has written nothing: this test shows nothing")
		}
		laptop.Want("/", 401, "displaced")
		phone.Want("/", 200, "Hello ada")

		// It does not help to drop oneseat's cookie, as if the session were older.
		bare := w.Browser(webtest.Laptop)
		bare.Plant("session", laptop.Cookie("session"))
		bare.Want("/", 401)
		phone.Want("/", 200, "Hello ada")
	})
}

func TestALateWriteDoesNotUndoASignOut(t *testing.T) {
	overBoth(t, time.Now().Add(time.Hour), oneseat.Config{}, func(t *testing.T, w *world) {
		b := w.Browser(webtest.Laptop)
		b.SignIn("ada")
		old := b.Cookie("session")
		late, err := w.sessions.Load(t.Context(), old) // a request that has begun
		if err != nil {
			t.Fatal(err)
		}
		b.Post("/logout", 303)
		if _, _, err := w.sessions.Commit(late); err != nil { // and ends
			t.Fatal(err)
		}
		b.Plant("session", old)
		if w.kept(t, old, "account") != "ada" {
			t.Fatal("scs has written nothing: this test shows nothing")
		}
		b.Want("/", 401)
		b.SignIn("ada")
		b.Want("/", 200, "Hello ada")
	})
}

// ownCookie opens the application with the carrier that it recommends, for promises
// that the other carrier cannot keep.
func ownCookie(t *testing.T, installed time.Time) *world {
	t.Helper()
	return open(t, installed, oneseat.Config{}, func(*scs.SessionManager) oneseathttp.Carrier { return oneseathttp.Carrier{} })
}

func TestALateWriteOfTheSameBrowserCostsItNothing(t *testing.T) {
	for name, act := range map[string]func(*webtest.Browser){
		"change of password": func(b *webtest.Browser) { b.Post("/password", 303, "current", "ada", "new", "lovelace") },
		"sign-in":            func(b *webtest.Browser) { b.SignIn("ada") },
	} {
		t.Run(name, func(t *testing.T) {
			w := ownCookie(t, time.Now())
			b := w.Browser(webtest.Laptop)
			b.SignIn("ada")
			old := b.Cookie("session")
			late, err := w.sessions.Load(t.Context(), old) // a request that has begun
			if err != nil {
				t.Fatal(err)
			}
			act(b)
			if _, _, err := w.sessions.Commit(late); err != nil { // and ends,
				t.Fatal(err)
			}
			b.Plant("session", old) // its cookie arrives last
			b.Want("/", 200, "Hello ada")
		})
	}
}

func TestTabsThatComeAtOnceWithAnOlderSessionShareItsSeat(t *testing.T) {
	w := ownCookie(t, time.Now().Add(time.Hour))
	b := w.Browser(webtest.Laptop)
	b.Visit(w.before)
	b.SignIn("ada")
	b.Visit(w.Site)
	var tabs sync.WaitGroup
	var in atomic.Int32
	for range 6 {
		tabs.Go(func() {
			if resp := b.Do("GET", "/", nil); resp.StatusCode == 200 {
				in.Add(1)
			}
		})
	}
	tabs.Wait()
	if in.Load() == 0 {
		t.Error("no tab got in")
	}
	b.Want("/", 200, "Hello ada") // each page, when it is loaded again
	if n := len(w.live(t, "ada")); n != 1 {
		t.Errorf("%d sessions", n)
	}
}

func TestPromise14TheSurvivorsPublicIDPlantedAnywhereIsRefused(t *testing.T) {
	overBoth(t, time.Now().Add(time.Hour), oneseat.Config{}, func(t *testing.T, w *world) {
		w.app.mux.HandleFunc("POST /keep", func(rw http.ResponseWriter, r *http.Request) { // an application that keeps something
			w.sessions.Put(r.Context(), r.PostFormValue("key"), r.PostFormValue("value"))
		})
		laptop, phone := w.Browser(webtest.Laptop), w.Browser(webtest.Phone)
		laptop.SignIn("ada")
		phone.SignIn("ada")
		id := string(w.live(t, "ada")[0].ID)
		for _, value := range []string{id, oneseat.TokenPrefix + id, "Bearer " + id} {
			for _, name := range []string{"oneseat", "__Host-oneseat", "oneseat-device", "sid", "session_id"} {
				if status, body := laptop.Get("/?"+url.Values{name: {value}}.Encode(), "Cookie", name+"="+value, name, value, "Authorization", "Bearer "+value, "X-Session", value); status != 401 {
					t.Errorf("%s=%s in cookie, query and header: %d %s", name, value, status, body)
				}
				laptop.Post("/note", 401, "note", value, name, value)
				laptop.Post("/keep", 200, "key", name, "value", value)
				if status, body := laptop.Get("/"); status != 401 {
					t.Errorf("%s=%s in the scs session: %d %s", name, value, status, body)
				}
			}
		}
		own := laptop.Cookie("oneseat")
		laptop.Plant("oneseat", id)
		laptop.Want("/", 401)
		laptop.Plant("oneseat", own)
		laptop.Want("/", 401)
		phone.Want("/", 200, "Hello ada")
		if all := w.live(t, "ada"); len(all) != 1 || string(all[0].ID) != id {
			t.Errorf("live: %+v", all)
		}
	})
}

func TestSignOutEndsBothAndFreesTheSeat(t *testing.T) {
	overBoth(t, time.Now(), oneseat.Config{WhenFull: oneseat.PolicyRefuse}, func(t *testing.T, w *world) {
		laptop, phone := w.Browser(webtest.Laptop), w.Browser(webtest.Phone)
		laptop.SignIn("ada")
		phone.Post("/login", 409, "account", "ada", "password", "ada")
		phone.Want("/", 401)
		laptop.Post("/logout", 303)
		laptop.Want("/", 401, "no_session")
		phone.SignIn("ada")
		laptop.Post("/logout", 303)
		phone.Want("/", 200, "Hello ada")
	})
}

func TestAChangeOfPasswordKeepsThisBrowserAndEndsTheOthers(t *testing.T) {
	overBoth(t, time.Now(), oneseat.Config{Limit: 2}, func(t *testing.T, w *world) {
		mine, other := w.Browser(webtest.Laptop), w.Browser(webtest.Phone)
		mine.SignIn("ada")
		other.SignIn("ada")
		mine.Post("/password", 422, "current", "guess", "new", "x")
		mine.Post("/password", 303, "current", "ada", "new", "lovelace")
		mine.Want("/", 200, "Hello ada")
		other.Want("/", 401, "credentials_changed")
		other.Post("/login", 401, "account", "ada", "password", "ada")
		other.Post("/login", 303, "account", "ada", "password", "lovelace")
		other.Want("/", 200, "Hello ada")
		mine.Want("/", 200, "Hello ada")
	})
}

func TestAfterAChangeOfPasswordTheOwnerIsInAndNobodyWithTheOldOne(t *testing.T) {
	sessions, installed := scs.New(), time.Now()
	sessions.Store = scsstore.NewWithCleanupInterval(0)
	webtest.PasswordChange(t, Config(sessions, installed), func(seats *oneseat.Registry) (http.Handler, error) {
		a, err := New(seats, sessions, installed, accounts.New("ada"), oneseathttp.Carrier{})
		if err != nil {
			return nil, err
		}
		return a.Handler(), nil
	})
}

func TestAnotherAccountInTheSameBrowserSeesNothingOfTheFirst(t *testing.T) {
	overBoth(t, time.Now(), oneseat.Config{}, func(t *testing.T, w *world) {
		shared, phone := w.Browser(webtest.Laptop), w.Browser(webtest.Phone)
		shared.SignIn("ada")
		shared.Post("/note", 303, "note", "of ada's")
		shared.Want("/", 200, "of ada's")
		shared.SignIn("grace")
		if status, body := shared.Get("/"); status != 200 || !strings.Contains(body, "Hello grace") || strings.Contains(body, "of ada's") {
			t.Fatalf("%d %s", status, body)
		}
		if all := w.live(t, "ada"); len(all) != 0 {
			t.Errorf("ada still has %v", all)
		}
		phone.SignIn("ada")
		shared.Want("/", 200, "Hello grace")
		phone.Want("/", 200, "Hello ada")
	})
}

func TestAccountsOfAnyKindWork(t *testing.T) {
	overBoth(t, time.Now(), oneseat.Config{}, func(t *testing.T, w *world) {
		for _, name := range names {
			laptop, phone := w.Browser(webtest.Laptop), w.Browser(webtest.Phone)
			laptop.SignIn(name)
			laptop.Want("/", 200, fmt.Sprintf("Hello %s.", name))
			phone.SignIn(name)
			phone.Want("/", 200, fmt.Sprintf("Hello %s.", name))
			laptop.Want("/", 401, "displaced")
		}
	})
}
