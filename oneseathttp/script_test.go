package oneseathttp_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/store/memstore"
)

// served returns a file of the guard's handler.
func (b *browser) served(path string) string {
	b.t.Helper()
	resp := b.do("GET", path, nil)
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/javascript") {
		b.t.Fatal(err, resp.Status, resp.Header)
	}
	return string(body)
}

func TestTheScriptIsAtMost10KBAndNothingButOurs(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	b := s.browser(t, firefox)
	script, dialogs := b.served("/oneseat/oneseat.js"), b.served("/oneseat/dialog.js")
	for name, text := range map[string]string{"oneseat.js": script, "dialog.js": dialogs} {
		if len(text) > 10<<10 {
			t.Errorf("%s has %d bytes", name, len(text))
		}
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "//") || strings.HasPrefix(line, " ") || line == "\n" {
				t.Errorf("%s: %q is sent", name, line)
			}
		}
		if strings.Contains(text, "import ") || strings.Contains(text, "words = {}") {
			t.Errorf("%s imports something, or has no words:\n%s", name, text)
		}
	}
	if !strings.Contains(dialogs, `"script.stay_in":"Stay signed in"`) {
		t.Error(dialogs)
	}
}

// The race detector sees whether they share anything that one of them changes.
func TestHandlersAreMadeAtTheSameTime(t *testing.T) {
	s := newSite(t, oneseat.Config{}, oneseathttp.Config{})
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() { s.guard.Handler() })
	}
	all.Wait()
}

// said is what a page is told of its browser's session.
type said struct {
	Session, Account, SignIn string
	Deadlines                []struct {
		Reason, Title, Detail string
		Left                  int64 `json:"left_ms"`
		Notice                int64 `json:"notice_ms"`
	}
}

// say reads what a page is told. words are the deadlines: why, when, and how long
// before a person is told.
func (b *browser) say(method, path string) (words string) {
	b.t.Helper()
	resp := b.do(method, path, map[string]url.Values{"POST": {}}[method], "Accept", "application/json")
	var s said
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil || resp.StatusCode != http.StatusOK || s.Session == "" || s.Account != "ada" {
		b.t.Fatal(err, resp.Status, s)
	}
	return s.words(b.t)
}

func (s said) words(t *testing.T) string {
	t.Helper()
	var all []string
	for _, d := range s.Deadlines {
		if d.Title == "" || !strings.Contains(d.Detail, "{left}") {
			t.Errorf("no words: %+v", d)
		}
		ms := func(n int64) string { return (time.Duration(n) * time.Millisecond).Round(time.Second).String() }
		all = append(all, d.Reason+" "+ms(d.Left)+" "+ms(d.Notice))
	}
	return strings.Join(all, ", ")
}

// timed is a site whose store has a clock that the test moves. It is a store of another
// machine: the site's own clock is as it is.
func timed(t *testing.T, c oneseat.Config) (s *site, pass func(time.Duration)) {
	t.Helper()
	// To the application everything is background.
	all := oneseathttp.Config{Background: func(*http.Request) bool { return true }}
	var ahead atomic.Int64
	began := time.Now()
	s = unstartedOn(t, memstore.NewAt(func() time.Time { return began.Add(time.Duration(ahead.Load())) }), c, all)
	s.Start()
	return s, func(d time.Duration) { ahead.Add(int64(d)) }
}

func TestAPageIsToldInMillisecondsWhenItsSessionEndsByTheStoresClock(t *testing.T) {
	for name, c := range map[string]struct {
		config        oneseat.Config
		first, second string // at once, and after 20 minutes
	}{
		"the defaults": {oneseat.Config{},
			"idle_timeout 336h0m0s 2m0s, absolute_timeout 2160h0m0s 5m0s", "idle_timeout 335h40m0s 2m0s, absolute_timeout 2159h40m0s 5m0s"},
		"short": {oneseat.Config{Idle: 30 * time.Minute, Absolute: 10 * time.Hour},
			"idle_timeout 30m0s 2m0s, absolute_timeout 10h0m0s 5m0s", "idle_timeout 10m0s 2m0s, absolute_timeout 9h40m0s 5m0s"},
		"too old before it can idle out": {oneseat.Config{Idle: 30 * time.Minute, Absolute: 30 * time.Minute},
			"absolute_timeout 30m0s 3m0s", "absolute_timeout 10m0s 3m0s"},
		"twenty seconds at least": {oneseat.Config{Idle: time.Hour, Absolute: oneseat.NoTimeout},
			"idle_timeout 1h0m0s 2m0s", "idle_timeout 40m0s 2m0s"},
		"never": {oneseat.Config{Idle: oneseat.NoTimeout, Absolute: oneseat.NoTimeout}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.config.MaxStale = oneseat.FreshAlways
			s, pass := timed(t, c.config)
			b := s.browser(t, firefox)
			b.signIn("ada")
			if got := b.say("GET", "/oneseat/session"); got != c.first {
				t.Errorf("it was told %q, want %q", got, c.first)
			}
			pass(20 * time.Minute)
			for range 2 { // to ask is no activity
				if got := b.say("GET", "/oneseat/session"); got != c.second {
					t.Errorf("after 20 minutes: %q, want %q", got, c.second)
				}
			}
			name, data := b.events().next()
			var event said
			text, err := json.Marshal(data)
			if err == nil {
				err = json.Unmarshal(text, &event)
			}
			if got := event.words(t); err != nil || name != "session" || got != c.second {
				t.Errorf("the event %s: %v, %q, want %q", name, err, got, c.second)
			}
		})
	}
}

func TestWhatAPersonDoesInAPageIsActivity(t *testing.T) {
	s, pass := timed(t, oneseat.Config{Idle: 10 * time.Minute, MaxStale: oneseat.FreshAlways})
	b := s.browser(t, firefox)
	b.signIn("ada")
	for range 5 {
		pass(9*time.Minute + 30*time.Second) // within a minute of the deadline, so that it is written before the answer
		if got := b.say("POST", "/oneseat/active"); !strings.HasPrefix(got, "idle_timeout 10m0s 1m0s") {
			t.Fatal(got)
		}
	}
	pass(9*time.Minute + 30*time.Second)
	if got := b.say("GET", "/oneseat/session"); !strings.HasPrefix(got, "idle_timeout 30s 1m0s") {
		t.Error(got)
	}
	pass(time.Minute)
	if p := b.problem(b.do("POST", "/oneseat/active", url.Values{})); p.Reason != "idle_timeout" {
		t.Errorf("after the deadline: %+v", p)
	}
	stranger := s.browser(t, firefox)
	if p := stranger.problem(stranger.do("POST", "/oneseat/active", url.Values{})); p.Reason != "no_session" {
		t.Errorf("a stranger: %+v", p)
	}
}

// However often a page says that somebody is there, the session ends when it is too
// old, and each session is written once in TouchEvery.
func TestAPageThatLiesAboutActivityIsBounded(t *testing.T) {
	s, pass := timed(t, oneseat.Config{Idle: 10 * time.Minute, Absolute: 30 * time.Minute, MaxStale: oneseat.FreshAlways})
	b := s.browser(t, firefox)
	b.signIn("ada")
	for range 200 {
		b.say("POST", "/oneseat/active")
	}
	if n := s.seats.Stats().Touches; n > 1 {
		t.Errorf("%d writes", n)
	}
	for range 29 {
		pass(time.Minute)
		b.do("POST", "/oneseat/active", url.Values{})
	}
	pass(2 * time.Minute)
	if p := b.problem(b.do("GET", "/me", nil)); p.Reason != "absolute_timeout" {
		t.Errorf("%+v", p)
	}
}
