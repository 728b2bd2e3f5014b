package oneseathttp_test

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/store/memstore"
)

// calendar is a clock, for the store and the guard, that a test moves on by days.
type calendar struct {
	began time.Time
	ahead atomic.Int64
}

func (c *calendar) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *calendar) pass(d time.Duration) { c.ahead.Add(int64(d)) }

// onCalendar is a site whose days pass as the test says.
func onCalendar(t *testing.T, c oneseat.Config) (*site, *calendar) {
	t.Helper()
	cal := &calendar{began: time.Now()}
	c.Clock = func() (time.Time, time.Duration) { now := cal.now(); return now, now.Sub(cal.began) }
	s := unstartedOn(t, memstore.NewAt(cal.now), c, oneseathttp.Config{})
	s.Start()
	return s, cal
}

const day = 24 * time.Hour

// kept returns for how long the browser was told to keep its token by an answer,
// or 0.
func kept(resp *http.Response) time.Duration {
	for _, c := range resp.Cookies() {
		if c.Name == "oneseat" || c.Name == hostName {
			return time.Duration(c.MaxAge) * time.Second
		}
	}
	return 0
}

func TestTheCookieOutlivesTheDeadlineSoThatTheBrowserIsToldWhy(t *testing.T) {
	s, cal := onCalendar(t, oneseat.Config{Idle: 30 * day, Absolute: 30 * day, KeepEndings: 10 * day})
	b := s.browser(t, firefox)
	resp := b.do("POST", "/login", form("ada"))
	if got := kept(resp); got != 40*day {
		t.Errorf("the cookie is kept for %v", got)
	}
	cal.pass(30*day + time.Minute)
	if p := b.problem(b.do("GET", "/me", nil, "Accept", program)); p.Reason != "absolute_timeout" && p.Reason != "idle_timeout" {
		t.Errorf("told %+v", p)
	}
}

func TestWhereSessionsNeverEndACookieInDailyUseIsSetAnewAndNeverRunsOut(t *testing.T) {
	s, cal := onCalendar(t, oneseat.Config{Idle: oneseat.NoTimeout, Absolute: oneseat.NoTimeout})
	b := s.browser(t, firefox)
	left := kept(b.do("POST", "/login", form("ada")))
	for range 3 {
		if resp := b.do("GET", "/me", nil); kept(resp) != 0 {
			t.Error("it is set anew within a visit")
		}
	}
	for range 500 {
		cal.pass(day)
		left -= day
		if left <= 0 {
			t.Fatal("the browser has dropped the cookie")
		}
		resp := b.do("GET", "/me", nil)
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%+v, kept for %v", b.problem(resp), left)
		}
		left = max(left, kept(resp))
		_, _ = io.Copy(io.Discard, resp.Body)
	}
	if left < 390*day {
		t.Errorf("after 500 days it is kept for %v more", left)
	}
}

func TestACookieIsSetAnewByNoAnswerThatACacheMayKeepOrThatChangesWhoseItIs(t *testing.T) {
	s, cal := onCalendar(t, oneseat.Config{Idle: oneseat.NoTimeout, Absolute: oneseat.NoTimeout, Limit: 2})
	s.mux.Handle("GET /public", s.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=60")
		_, _ = io.WriteString(w, "for everybody")
	})))
	s.mux.Handle("GET /again", s.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.guard.Rotate(w, r); err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, "another secret")
	})))
	s.mux.Handle("GET /displaced", s.guard.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		who, _ := oneseat.SessionFrom(r.Context())
		if _, err := s.seats.End(t.Context(), "ada", oneseat.EndOptions{}, who.ID); err != nil {
			t.Error(err)
		}
	})))
	b := s.browser(t, firefox)
	b.signIn("ada")
	for path, cookies := range map[string]int{"/public": 0, "/again": 1, "/oneseat/session": 0} {
		cal.pass(2 * day)
		if resp := b.do("GET", path, nil); resp.StatusCode != 200 || len(resp.Cookies()) != cookies {
			t.Errorf("GET %s: %s, %v", path, resp.Status, resp.Cookies())
		}
		b.want("/me", 200, "ada")
	}
	cal.pass(2 * day)
	if resp := b.do("POST", "/oneseat/sessions/end-others", form("")); len(resp.Cookies()) != 0 {
		t.Errorf("a POST: %v", resp.Cookies())
	}
	if resp := b.do("GET", "/displaced", nil); resp.StatusCode != 401 || len(resp.Cookies()) != 0 {
		t.Errorf("a refusal: %s, %v", resp.Status, resp.Cookies())
	}
}

// What Chromium needs, so that Back does not show a page of a session that has
// ended: see the test in e2e.
func TestTheSignInPageSetsTheDevicesCookieAnewInABrowserWhoseSessionHasEnded(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	cache := ""
	s.mux.HandleFunc("GET /login", func(w http.ResponseWriter, _ *http.Request) {
		if cache != "" {
			w.Header().Set("Cache-Control", cache)
		}
		_, _ = io.WriteString(w, "sign in")
	})
	b := s.browser(t, firefox)
	b.signIn("ada")
	if resp := b.do("GET", "/login", nil); len(resp.Cookies()) != 0 {
		t.Errorf("with a live session: %v", resp.Cookies())
	}
	s.elsewhere(t)
	device := func(resp *http.Response) string {
		for _, c := range resp.Cookies() {
			if c.Name == "oneseat-device" && c.HttpOnly {
				return c.Value
			}
		}
		return ""
	}
	if id := device(b.do("GET", "/login", nil)); len(id) != 26 {
		t.Errorf("the device's id: %q", id)
	}
	if cookies := b.do("GET", "/me", nil).Cookies(); len(cookies) != 0 {
		t.Errorf("the refusal itself: %v", cookies)
	}
	cache = "public, max-age=60"
	if resp := b.do("GET", "/login", nil); len(resp.Cookies()) != 0 {
		t.Errorf("in a page that caches may keep: %v", resp.Cookies())
	}
}

// W6: a sign-in whose token cannot reach the browser any more is an error and takes
// no seat.
func TestASignInAfterTheHeaderTakesNoSeat(t *testing.T) {
	s := unstarted(t, oneseat.Config{}, oneseathttp.Config{})
	got := make(chan error, 1)
	s.mux.HandleFunc("POST /late", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "welcome")
		_, err := s.guard.SignIn(w, r, "ada")
		got <- err
	})
	s.Start()
	resp, err := http.Post(s.URL+"/late", "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if err := <-got; !errors.Is(err, oneseathttp.ErrHeaderSent) {
		t.Errorf("it returned %v", err)
	}
	if live, err := s.seats.Sessions(t.Context(), "ada"); err != nil || len(live) != 0 {
		t.Errorf("seated are %v, %v", live, err)
	}
}

// A new token that cannot reach the browser is an error too: the token that the browser has
// stays in force.
func TestARotationAfterTheHeaderLeavesTheToken(t *testing.T) {
	s := unstarted(t, oneseat.Config{}, oneseathttp.Config{})
	late := map[string]func(w http.ResponseWriter, r *http.Request) error{
		"/rotate-late": func(w http.ResponseWriter, r *http.Request) error {
			_, err := s.guard.Rotate(w, r)
			return err
		},
		"/confirm-late": func(w http.ResponseWriter, r *http.Request) error {
			_, err := s.guard.Confirm(w, r, oneseat.Lifetime{})
			return err
		},
	}
	got := make(chan error, 1)
	for path, f := range late {
		s.mux.Handle("POST "+path, s.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "welcome")
			got <- f(w, r)
		})))
	}
	s.Start()
	b := s.browser(t, firefox)
	b.signIn("ada")
	for path := range late {
		b.do("POST", path, nil)
		if err := <-got; !errors.Is(err, oneseathttp.ErrHeaderSent) {
			t.Errorf("%s: it returned %v", path, err)
		}
		if f, err := s.seats.CheckWith(t.Context(), oneseat.CheckRequest{Token: b.token()}); err != nil || f.Rotated {
			t.Errorf("%s: the browser's token: rotated %t, %v", path, f.Rotated, err)
		}
	}
}
