package testedapp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/oneseattest"
	"github.com/oneseat/oneseat/store/memstore"
)

// open returns the application over a site.
func open(t *testing.T, site *oneseattest.Site) http.Handler {
	t.Helper()
	app, err := New(site.Seats)
	if err != nil {
		t.Fatal(err)
	}
	return app
}

func TestTheSecondSignInSignsTheFirstOut(t *testing.T) {
	site := oneseattest.New(t, oneseat.Config{})
	app, err := New(site.Seats)
	if err != nil {
		t.Fatal(err)
	}
	laptop, phone := oneseattest.NewBrowser(t, app), oneseattest.NewBrowser(t, app)
	laptop.Post("/login", url.Values{"account": {"ada"}})
	phone.Post("/login", url.Values{"account": {"ada"}})
	if why := oneseattest.Reason(laptop.Get("/")); why != oneseat.ReasonDisplaced {
		t.Errorf("the laptop is refused for %q", why)
	}
	if answer := phone.Get("/"); answer.StatusCode != http.StatusOK {
		t.Error("the phone got", answer.Status)
	}
}

func TestASessionThatSupportEndsIsRefused(t *testing.T) {
	site := oneseattest.New(t, oneseat.Config{})
	laptop := oneseattest.NewBrowser(t, open(t, site))
	session := laptop.SignIn(site.Guard(oneseathttp.Config{SignInPath: "/login"}), "ada")
	if _, err := site.Seats.End(t.Context(), "ada", oneseat.EndOptions{Actor: "support"}, session.ID); err != nil {
		t.Fatal(err)
	}
	if why := oneseattest.Reason(laptop.Get("/")); why != oneseat.ReasonRevoked {
		t.Errorf("refused for %q", why)
	}
}

func TestTheMembersPageGreetsWhoeverIsSignedIn(t *testing.T) {
	site := oneseattest.New(t, oneseat.Config{})
	app := open(t, site)
	guard := site.Guard(oneseathttp.Config{SignInPath: "/login"}) // as the application's own
	r := httptest.NewRequest("GET", "/", nil)
	oneseattest.SignIn(t, guard, r, "ada")
	w := httptest.NewRecorder()
	app.ServeHTTP(w, r)
	if w.Body.String() != "Hello ada" {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
}

func TestADayAfterTheSignInOneSignsInAgain(t *testing.T) {
	site := oneseattest.New(t, oneseat.Config{Absolute: 24 * time.Hour})
	laptop := oneseattest.NewBrowser(t, open(t, site))
	laptop.Post("/login", url.Values{"account": {"ada"}})
	site.Clock.Advance(23 * time.Hour)
	if answer := laptop.Get("/"); answer.StatusCode != http.StatusOK {
		t.Error("after 23 hours:", answer.Status)
	}
	site.Clock.Advance(time.Hour)
	if why := oneseattest.Reason(laptop.Get("/")); why != oneseat.ReasonAbsoluteTimeout {
		t.Errorf("after 24 hours: refused for %q", why)
	}
}

func TestAfterAnHourUnusedASessionHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		site := oneseattest.New(t, oneseat.Config{Idle: time.Hour})
		laptop := oneseattest.NewBrowser(t, open(t, site))
		laptop.Post("/login", url.Values{"account": {"ada"}})
		time.Sleep(time.Hour) // takes no time here
		if why := oneseattest.Reason(laptop.Get("/")); why != oneseat.ReasonIdleTimeout {
			t.Errorf("refused for %q", why)
		}
	})
}

func TestAPageThatListensIsTold(t *testing.T) {
	site := oneseattest.New(t, oneseat.Config{})
	server := site.Serve(open(t, site))
	guard := site.Guard(oneseathttp.Config{SignInPath: "/login"})
	r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/oneseat/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	session := oneseattest.SignIn(t, guard, r, "ada")
	events, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer events.Body.Close()
	if _, err := site.Seats.End(t.Context(), "ada", oneseat.EndOptions{}, session.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(events.Body); err != nil { // it ends, with the reason as its last event
		t.Error(err)
	}
}

// outage is a store that gives no answer while it is down.
type outage struct {
	oneseat.Store
	down atomic.Bool
}

func (o *outage) Load(ctx context.Context, keys ...oneseat.Key) ([]oneseat.View, error) {
	if o.down.Load() {
		return nil, errors.New("the store is down")
	}
	return o.Store.Load(ctx, keys...)
}

func TestWithoutAnAnswerFromTheStoreNobodyIsLetIn(t *testing.T) {
	clock := oneseattest.NewClock()
	store := &outage{Store: memstore.NewAt(clock.Now)}
	site := oneseattest.NewOver(t, store, clock, oneseat.Config{MaxStale: oneseat.FreshAlways}) // every check reads the store
	laptop := oneseattest.NewBrowser(t, open(t, site))
	laptop.Post("/login", url.Values{"account": {"ada"}})
	store.down.Store(true)
	if answer := laptop.Get("/"); answer.StatusCode != http.StatusServiceUnavailable {
		t.Error("while the store is down:", answer.Status)
	}
	store.down.Store(false)
	if answer := laptop.Get("/"); answer.StatusCode != http.StatusOK {
		t.Error("after that:", answer.Status)
	}
}

func TestWhatOneNodeEndsTheOtherRefuses(t *testing.T) {
	one := oneseattest.New(t, oneseat.Config{})
	two := oneseattest.NewOver(t, one.Store, one.Clock, oneseat.Config{MaxStale: oneseat.FreshAlways})
	laptop, phone := oneseattest.NewBrowser(t, open(t, one)), oneseattest.NewBrowser(t, open(t, two))
	phone.Post("/login", url.Values{"account": {"ada"}})
	laptop.Post("/login", url.Values{"account": {"ada"}})
	if why := oneseattest.Reason(phone.Get("/")); why != oneseat.ReasonDisplaced {
		t.Errorf("refused for %q", why)
	}
}
