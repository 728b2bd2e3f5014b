package server_test

import (
	"fmt"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
	"github.com/oneseat/oneseat/internal/canaries"
	"github.com/oneseat/oneseat/server"
	"github.com/oneseat/oneseat/store/memstore"
)

// direct asks a server in a bubble of synctest, without a network.
type direct struct {
	t      *testing.T
	server *server.Server
	seats  *oneseat.Registry
	keys   []string
}

func newDirect(t *testing.T, c server.Config) *direct {
	t.Helper()
	return newDirectOver(t, memstore.New(), c)
}

func newDirectOver(t *testing.T, store oneseat.Store, c server.Config) *direct {
	t.Helper()
	quiet := canaries.Logger(nil)
	seats, err := oneseat.New(store, oneseat.Config{Logger: quiet, MaxStale: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = seats.Close() })
	d := &direct{t: t, seats: seats}
	c.Realms, c.Logger = map[string]*oneseat.Registry{"default": seats}, quiet
	for range 2 {
		secret, key := server.NewKey("default", server.ScopeCheck, server.ScopeSessions, server.ScopeAdmin)
		d.keys, c.Keys = append(d.keys, secret), append(c.Keys, key)
	}
	if d.server, err = server.New(c); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *direct) ask(key int, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(d.t.Context(), "POST", path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+d.keys[key])
	r.Header.Set("Content-Type", "application/json")
	if path == api.PathIntrospect || path == api.PathRevoke {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	d.server.ServeHTTP(w, r)
	noteRecorded(d.t, r, body, w)
	return w
}

func (d *direct) get(path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	d.server.ServeHTTP(w, httptest.NewRequestWithContext(d.t.Context(), "GET", path, nil))
	return w
}

func (d *direct) signIn(account string) int {
	return d.ask(0, api.PathSignIn, `{"account":`+quoted(account)+`}`).Code
}

func TestAnAccountSignsInAsOftenAsItMayAndOthersAsBefore(t *testing.T) { // API-10
	synctest.Test(t, func(t *testing.T) {
		d := newDirect(t, server.Config{SignInRate: 120})
		for i := range 60 {
			if got := d.signIn("ada"); got != 201 {
				t.Fatalf("sign-in %d: %d", i+1, got)
			}
		}
		before := d.seats.Stats()
		w := d.ask(0, api.PathSignIn, `{"account":"ada"}`)
		if w.Code != 429 || problem(w.Body.String()) != "too-many" || w.Header().Get("Retry-After") != "1" {
			t.Errorf("%d %s, Retry-After %q", w.Code, w.Body, w.Header().Get("Retry-After"))
		}
		if after := d.seats.Stats(); after != before {
			t.Errorf("the account was looked at: %+v, before %+v", after, before)
		}
		if got := d.signIn("eve"); got != 201 {
			t.Errorf("another account: %d", got)
		}
		if w := d.ask(0, api.PathSessions, `{"account":"ada"}`); w.Code != 200 {
			t.Errorf("another call: %d", w.Code)
		}
		if w := d.ask(0, api.PathSignIn, `{"account":"ada","admin":true}`); w.Code != 400 {
			t.Errorf("a body that makes no sense: %d", w.Code)
		}
		time.Sleep(500 * time.Millisecond)
		for i, want := range []int{201, 429, 429} { // what is refused takes nothing
			if got := d.signIn("ada"); got != want {
				t.Errorf("half a second later, %d: %d, want %d", i+1, got, want)
			}
		}
		time.Sleep(time.Second)
		for i, want := range []int{201, 201, 429} {
			if got := d.signIn("ada"); got != want {
				t.Errorf("a second later, %d: %d, want %d", i+1, got, want)
			}
		}
		time.Sleep(time.Hour)
		for i := range 61 {
			if got := d.signIn("ada"); (got == 201) != (i < 60) {
				t.Errorf("an hour later, %d: %d", i+1, got)
			}
		}
	})
}

func TestAKeyAsksAsOftenAsItMayAndOthersAsBefore(t *testing.T) { // API-10
	synctest.Test(t, func(t *testing.T) {
		d := newDirect(t, server.Config{KeyRate: 0.5})
		for path, c := range paths {
			if path == api.PathEndRealm {
				continue // it is of another realm
			}
			for i, want := range []bool{true, false} {
				w := d.ask(0, path, c.body)
				if (w.Code != 429) != want || w.Code == 429 && w.Header().Get("Retry-After") != "2" {
					t.Errorf("%s, call %d: %d %s, Retry-After %q", path, i+1, w.Code, w.Body, w.Header().Get("Retry-After"))
				}
			}
			if w := d.ask(1, path, c.body); w.Code == 429 {
				t.Errorf("%s: another key: %s", path, w.Body)
			}
			time.Sleep(2 * time.Second)
		}
	})
}

func TestCallsAreNotCountedUnlessThatIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirect(t, server.Config{})
		for range 300 {
			if got := d.signIn("ada"); got != 201 {
				t.Fatal(got)
			}
		}
	})
	if _, err := server.New(server.Config{KeyRate: -1}); !strings.Contains(fmt.Sprint(err), "KeyRate") {
		t.Error(err)
	}
}

// However many accounts sign in, what is remembered of them is bounded.
func TestWhatIsRememberedOfManyAccountsIsBounded(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	b := server.NewBuckets(2, 60)
	now := time.Now()
	took := func(from, to int) {
		for i := from; i < to; i++ {
			if err := b.Take("account "+strconv.Itoa(i), now); err != nil {
				t.Fatal(err)
			}
		}
	}
	took(0, 100_000)
	before := heap()
	took(100_000, 500_000)
	if after := heap(); after > before*3/2 {
		t.Errorf("%d bytes, before %d", after, before)
	}
	runtime.KeepAlive(b)
}
