package testedapp

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// serve serves the application over a store until the test ends.
func serve(t *testing.T, store oneseat.Store, c oneseat.Config) (url string) {
	t.Helper()
	c.Logger = slog.New(slog.NewTextHandler(t.Output(), nil)) // shown if the test fails
	seats, err := oneseat.New(store, c)
	if err != nil {
		t.Fatal(err)
	}
	app, err := New(seats)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(app)
	t.Cleanup(func() {
		_ = seats.Close() // first, because it ends the requests that server.Close would wait for
		server.Close()
	})
	return server.URL
}

// newBrowser returns a client with cookies of its own.
func newBrowser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar}
}

// signIn signs a browser in as an account, and follows the redirect.
func signIn(t *testing.T, browser *http.Client, site, account string) {
	t.Helper()
	resp, err := browser.PostForm(site+"/login", url.Values{"account": {account}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
}

// get asks for the members' page as a program does, so a refusal is 401 and says why.
func get(t *testing.T, browser *http.Client, site string) (status int, body string) {
	t.Helper()
	resp, err := browser.Get(site + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestTheSecondSignInSignsTheFirstOut(t *testing.T) {
	site := serve(t, memstore.New(), oneseat.Config{})
	laptop, phone := newBrowser(t), newBrowser(t)
	signIn(t, laptop, site, "ada")
	signIn(t, phone, site, "ada")
	if status, body := get(t, laptop, site); status != 401 || !strings.Contains(body, string(oneseat.ReasonDisplaced)) {
		t.Errorf("the laptop got %d: %s", status, body)
	}
	if status, body := get(t, phone, site); status != 200 || body != "Hello ada" {
		t.Errorf("the phone got %d: %s", status, body)
	}
}

func TestAfterAnHourUnusedASessionHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seats, err := oneseat.New(memstore.New(), oneseat.Config{Idle: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		defer seats.Close() // inside the bubble, because a test there ends when its goroutines have ended
		grant, err := seats.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour) // takes no time here
		_, err = seats.Check(t.Context(), string(grant.Token))
		if over, ok := errors.AsType[*oneseat.EndedError](err); !ok || over.Ending.Reason != oneseat.ReasonIdleTimeout {
			t.Errorf("after an hour: %v", err)
		}
	})
}

var start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// clock stands at start until the test moves it.
type clock struct{ passed atomic.Int64 }

func (c *clock) move(by time.Duration) { c.passed.Add(int64(by)) }

// store is the clock of the store. It decides what has timed out.
func (c *clock) store() time.Time { return start.Add(time.Duration(c.passed.Load())) }

// node is the clock of the registry. It decides how long memory is believed.
func (c *clock) node() (wall time.Time, monotonic time.Duration) {
	return c.store(), time.Duration(c.passed.Load())
}

func TestADayAfterTheSignInOneSignsInAgain(t *testing.T) {
	var now clock
	site := serve(t, memstore.NewAt(now.store), oneseat.Config{Absolute: 24 * time.Hour, Clock: now.node})
	laptop := newBrowser(t)
	signIn(t, laptop, site, "ada")
	if status, body := get(t, laptop, site); status != 200 {
		t.Errorf("at once: %d: %s", status, body)
	}
	now.move(24 * time.Hour)
	if status, body := get(t, laptop, site); status != 401 || !strings.Contains(body, string(oneseat.ReasonAbsoluteTimeout)) {
		t.Errorf("a day later: %d: %s", status, body)
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
	store := &outage{Store: memstore.New()}
	site := serve(t, store, oneseat.Config{MaxStale: oneseat.FreshAlways}) // every check reads the store
	laptop := newBrowser(t)
	signIn(t, laptop, site, "ada")
	store.down.Store(true)
	if status, body := get(t, laptop, site); status != 503 {
		t.Errorf("while the store is down: %d: %s", status, body)
	}
	store.down.Store(false)
	if status, body := get(t, laptop, site); status != 200 {
		t.Errorf("after that: %d: %s", status, body)
	}
}
