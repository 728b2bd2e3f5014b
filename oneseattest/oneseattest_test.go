package oneseattest_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/oneseattest"
	"github.com/oneseat/oneseat/store/memstore"
)

// members is an application as users write them: it makes a guard of its own.
func members(t *testing.T, seats *oneseat.Registry, c oneseathttp.Config) http.Handler {
	t.Helper()
	c.SignInPath = "/login"
	guard, err := oneseathttp.New(seats, c)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if _, err := guard.SignIn(w, r, r.PostFormValue("account")); err != nil {
			guard.RefuseSignIn(w, r, err, "/")
		}
	})
	mux.Handle("/{$}", guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, _ := oneseat.SessionFrom(r.Context())
		_, _ = io.WriteString(w, "Hello "+session.Account)
	})))
	mux.Handle(oneseathttp.Path, guard.Handler())
	return guard.Wrap(mux)
}

func guardOf(site *oneseattest.Site) *oneseathttp.Guard {
	return site.Guard(oneseathttp.Config{SignInPath: "/login"})
}

func body(t *testing.T, answer *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func want(t *testing.T, answer *http.Response, status int, reason oneseat.Reason) {
	t.Helper()
	if got := oneseattest.Reason(answer); answer.StatusCode != status || got != reason {
		t.Errorf("%s for %q, want %d for %q: %s", answer.Status, got, status, reason, body(t, answer))
	}
}

// N10
func TestTwoBrowsersAreTwoDevices(t *testing.T) {
	site := oneseattest.New(t, oneseat.Config{})
	app := members(t, site.Seats, oneseathttp.Config{})
	laptop, phone := oneseattest.NewBrowser(t, app), oneseattest.NewBrowser(t, app)
	want(t, laptop.Get("/"), 401, "no_session")
	want(t, laptop.Post("/login", url.Values{"account": {"ada"}}), 200, "")
	if got := body(t, laptop.Get("/")); got != "Hello ada" {
		t.Error(got)
	}
	phone.Post("/login", url.Values{"account": {"ada"}})
	want(t, laptop.Get("/"), 401, oneseat.ReasonDisplaced)
	want(t, phone.Get("/"), 200, "")

	laptop.Header.Set("Accept", "text/html")
	want(t, laptop.Get("/"), 303, oneseat.ReasonDisplaced) // as a person's browser is told
	want(t, laptop.Get("/nowhere"), 404, "")
}

// N10
func TestABrowserIsSignedInPastTheApplicationsPage(t *testing.T) {
	for name, c := range map[string]oneseathttp.Config{
		"cookie":         {},
		"another cookie": {CookieName: "seat"},
		"bearer":         {Carrier: oneseathttp.Bearer()},
		"in a frame":     {FrameAncestors: []string{"https://learn.example"}},
	} {
		t.Run(name, func(t *testing.T) {
			site := oneseattest.New(t, oneseat.Config{})
			app := members(t, site.Seats, c)
			c.SignInPath = "/login"
			guard := site.Guard(c)

			laptop := oneseattest.NewBrowser(t, app)
			first := laptop.SignIn(guard, "ada")
			want(t, laptop.Get("/"), 200, "")

			r := httptest.NewRequest(http.MethodGet, "/", nil)
			second := oneseattest.SignIn(t, guard, r, "ada")
			rec := httptest.NewRecorder()
			app.ServeHTTP(rec, r)
			if rec.Body.String() != "Hello ada" || second.ID == first.ID {
				t.Errorf("%d: %s", rec.Code, rec.Body)
			}
			want(t, laptop.Get("/"), 401, oneseat.ReasonDisplaced)
			if again := laptop.SignIn(guard, "ada"); again.ID == first.ID {
				t.Error("the same session")
			}
			want(t, laptop.Get("/"), 200, "")
		})
	}
}

func TestASessionThatIsEndedIsRefused(t *testing.T) {
	site := oneseattest.New(t, oneseat.Config{})
	laptop := oneseattest.NewBrowser(t, members(t, site.Seats, oneseathttp.Config{}))
	laptop.SignIn(guardOf(site), "ada")
	if _, err := site.Seats.EndAll(t.Context(), "ada", oneseat.EndOptions{Reason: oneseat.ReasonCredentialsChanged}); err != nil {
		t.Fatal(err)
	}
	answer := laptop.Get("/")
	want(t, answer, 401, oneseat.ReasonCredentialsChanged)
	if got := body(t, answer); !strings.Contains(got, "credentials_changed") {
		t.Errorf("after Reason the body reads %q", got)
	}
}

// N10
func TestTheClockMovesForTheStoreAndForMemory(t *testing.T) {
	site := oneseattest.New(t, oneseat.Config{Idle: time.Hour, Absolute: 2 * time.Hour})
	laptop := oneseattest.NewBrowser(t, members(t, site.Seats, oneseathttp.Config{}))
	laptop.SignIn(guardOf(site), "ada")
	for range 2 {
		site.Clock.Advance(50 * time.Minute)
		want(t, laptop.Get("/"), 200, "")
	}
	site.Clock.Advance(30 * time.Minute)
	want(t, laptop.Get("/"), 401, oneseat.ReasonAbsoluteTimeout)
	laptop.SignIn(guardOf(site), "ada")
	site.Clock.Advance(time.Hour)
	want(t, laptop.Get("/"), 401, oneseat.ReasonIdleTimeout)
	if ahead := time.Until(site.Clock.Now()); ahead < 189*time.Minute || ahead > 190*time.Minute {
		t.Errorf("the clock is %v ahead", ahead)
	}
	defer func() {
		if recover() == nil {
			t.Error("the clock went back")
		}
	}()
	site.Clock.Advance(-1)
}

func TestWhatIsInFlightGoesOnWhenTheClockMoves(t *testing.T) {
	site := oneseattest.New(t, oneseat.Config{MaxStale: 20 * time.Millisecond}) // the registry looks often
	grant, err := site.Seats.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
	if err != nil {
		t.Fatal(err)
	}
	held, release := site.Seats.Hold(t.Context(), grant.Session)
	defer release()
	for range 5 {
		site.Clock.Advance(24 * time.Hour)
		if _, err := site.Seats.Check(t.Context(), string(grant.Token)); err != nil {
			t.Fatal(err)
		}
	}
	if held.Err() != nil {
		t.Error(context.Cause(held))
	}
}

func TestTwoSitesOverOneStoreAreTwoNodes(t *testing.T) {
	one := oneseattest.New(t, oneseat.Config{})
	two := oneseattest.NewOver(t, one.Store, one.Clock, oneseat.Config{MaxStale: oneseat.FreshAlways})
	laptop := oneseattest.NewBrowser(t, members(t, two.Seats, oneseathttp.Config{}))
	laptop.SignIn(guardOf(one), "ada")
	want(t, laptop.Get("/"), 200, "")
	oneseattest.NewBrowser(t, nil).SignIn(guardOf(one), "ada")
	want(t, laptop.Get("/"), 401, oneseat.ReasonDisplaced)
	one.Clock.Advance(15 * 24 * time.Hour)
	laptop.SignIn(guardOf(two), "ada")
	want(t, laptop.Get("/"), 200, "")
}

// broken is a store that stops answering.
type broken struct {
	oneseat.Store
	down atomic.Bool
}

func (b *broken) Load(ctx context.Context, keys ...oneseat.Key) ([]oneseat.View, error) {
	if b.down.Load() {
		return nil, errors.New("on fire")
	}
	return b.Store.Load(ctx, keys...)
}

func TestAStoreOfTheTestsOwn(t *testing.T) {
	clock := oneseattest.NewClock()
	store := &broken{Store: memstore.NewAt(clock.Now)}
	site := oneseattest.NewOver(t, store, clock, oneseat.Config{})
	laptop := oneseattest.NewBrowser(t, members(t, site.Seats, oneseathttp.Config{}))
	laptop.SignIn(guardOf(site), "ada")
	store.down.Store(true)
	clock.Advance(time.Hour) // memory is too old to be believed
	want(t, laptop.Get("/"), 503, "store_unavailable")
	store.down.Store(false)
	want(t, laptop.Get("/"), 200, "")
}

func TestInABubbleTheSiteClosesItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		site := oneseattest.New(t, oneseat.Config{Idle: time.Hour})
		laptop := oneseattest.NewBrowser(t, members(t, site.Seats, oneseathttp.Config{}))
		laptop.SignIn(guardOf(site), "ada")
		time.Sleep(59 * time.Minute)
		want(t, laptop.Get("/"), 200, "")
		time.Sleep(time.Hour)
		want(t, laptop.Get("/"), 401, oneseat.ReasonIdleTimeout)
	})
}

func TestAServerClosesAlthoughAPageListens(t *testing.T) {
	var told chan struct{}
	t.Run("site", func(t *testing.T) {
		site := oneseattest.New(t, oneseat.Config{})
		server := site.Serve(members(t, site.Seats, oneseathttp.Config{}))
		r, err := http.NewRequest(http.MethodGet, server.URL+"/oneseat/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		oneseattest.SignIn(t, guardOf(site), r, "ada") // for this address: httptest.NewRequest would be for another
		answer, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(answer.Body)
		if _, err := lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		told = make(chan struct{})
		go func() {
			defer close(told)
			defer answer.Body.Close()
			_, _ = io.Copy(io.Discard, lines)
		}()
	})
	<-told // the test has ended, and did not wait for the page
}

func TestAPageOfSomebodyElsesIsNoRefusal(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"text":      func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusUnauthorized) },
		"redirect":  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/there", http.StatusSeeOther) },
		"no place":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(303) },
		"not a url": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Location", "::"); w.WriteHeader(303) },
		"fine":      func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"reason": "displaced"}`) },
	} {
		if got := oneseattest.Reason(oneseattest.NewBrowser(t, h).Get("/")); got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestARequestOfOnesOwnGetsTheBrowsersCookies(t *testing.T) {
	site := oneseattest.New(t, oneseat.Config{})
	laptop := oneseattest.NewBrowser(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := r.Cookie("__Host-oneseat")
		b, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, strings.Join([]string{r.Method, r.Host, r.URL.RequestURI(), r.Header.Get("X-One"), r.Header.Get("X-Two"), string(b)}, " "))
		if err != nil || r.TLS == nil {
			t.Errorf("TLS %v, %v", r.TLS != nil, err)
		}
	}))
	laptop.SignIn(guardOf(site), "ada")
	laptop.Header.Set("X-One", "browser")
	laptop.Header.Set("X-Two", "browser")
	r := httptest.NewRequest(http.MethodPut, "/a/b?c=d", strings.NewReader("body"))
	r.Header.Set("X-Two", "request")
	if got := body(t, laptop.Do(r)); got != "PUT site.test /a/b?c=d browser request body" {
		t.Error(got)
	}
}
