package oneseat_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// N8: a network or browser that is not known counts as the same. The application's own
// words for a device are not compared with what a request says.
func TestWhatIsAnotherPlace(t *testing.T) {
	firefox := oneseat.Device{Label: "Firefox on Linux", Class: oneseat.ClassDesktop, IP: "192.0.2.1"}
	for name, tt := range map[string]struct {
		signIn oneseat.SignInRequest
		from   oneseat.Device
		moved  bool
	}{
		"the same":                    {oneseat.SignInRequest{Device: firefox}, firefox, false},
		"another address of it":       {oneseat.SignInRequest{Device: firefox}, oneseat.Device{Label: firefox.Label, IP: "192.0.2.200"}, false},
		"another network":             {oneseat.SignInRequest{Device: firefox}, oneseat.Device{Label: firefox.Label, IP: "192.0.3.1"}, true},
		"another browser":             {oneseat.SignInRequest{Device: firefox}, oneseat.Device{Label: "Chrome on Linux", IP: firefox.IP}, true},
		"another class only":          {oneseat.SignInRequest{Device: firefox}, oneseat.Device{Label: firefox.Label, Class: oneseat.ClassMobile, IP: firefox.IP}, false},
		"the same, said twice":        {oneseat.SignInRequest{Device: firefox, Seen: firefox}, firefox, false},
		"nothing is known":            {oneseat.SignInRequest{}, firefox, false},
		"nothing is said":             {oneseat.SignInRequest{Device: firefox}, oneseat.Device{}, false},
		"no address":                  {oneseat.SignInRequest{Device: firefox}, oneseat.Device{Label: firefox.Label, IP: "nowhere"}, false},
		"the application's own words": {oneseat.SignInRequest{Device: oneseat.Device{Label: "Ada's laptop"}, Seen: firefox}, firefox, false},
		"and then another browser":    {oneseat.SignInRequest{Device: oneseat.Device{Label: "Ada's laptop"}, Seen: firefox}, oneseat.Device{Label: "Chrome on Linux"}, true},
	} {
		r := newNode(t, memstore.New(), oneseat.Config{})
		g := signIn(t, r, "ada", tt.signIn)
		if named := tt.signIn.Device.Label == "Ada's laptop"; (g.Session.Seen != oneseat.Device{}) != named {
			t.Errorf("%s: from the sign-in on it is seen from %+v", name, g.Session.Seen)
		}
		before := r.Stats().Updates
		if err := r.SeenFrom(t.Context(), g.Session, tt.from); err != nil {
			t.Fatal(name, err)
		}
		n := 0
		for _, e := range logged(t, r.Store.(oneseat.History), "ada") {
			if e.Type == oneseat.EventSessionMoved {
				n++
			}
		}
		if (n == 1) != tt.moved || !tt.moved && r.Stats().Updates != before {
			t.Errorf("%s: %d events, %d updates", name, n, r.Stats().Updates-before)
		}
		if s := wantLive(t, r, g); s.Device != g.Session.Device {
			t.Errorf("%s: the device is %+v", name, s.Device)
		}
	}
}

// A guard looks from where a session is used when a use is written, and at no other time.
func TestAWatchSaysWhenAUseIsWrittenAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{})
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		touched := func(active bool) bool {
			var w oneseat.Watch
			if _, err := r.CheckAndWatch(t.Context(), string(g.Token), active, &w, oneseat.WatcherFunc(func(error) {})); err != nil {
				t.Fatal(err)
			}
			defer w.Stop()
			return w.Touched()
		}
		touched(true)
		synctest.Wait()
		var got []bool
		for _, wait := range []time.Duration{0, time.Minute, 5 * time.Minute, time.Second, 10 * time.Minute} {
			time.Sleep(wait)
			got = append(got, touched(false), touched(true))
			synctest.Wait()
		}
		for i, want := range []bool{false, false, false, false, false, true, false, false, false, true} {
			if got[i] != want {
				t.Fatalf("touched at %v", got)
			}
		}
	})
}

// A caller that does not know of the last move reports the same one again, which is not
// recorded twice. For a session that is over nothing is recorded.
func TestAMoveIsRecordedOnceAndOnlyOfALiveSession(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{})
	g := signIn(t, r, "ada", oneseat.SignInRequest{Device: oneseat.Device{IP: "192.0.2.1"}})
	for range 2 {
		if err := r.SeenFrom(t.Context(), g.Session, oneseat.Device{IP: "198.51.100.1"}); err != nil {
			t.Fatal(err)
		}
	}
	next := signIn(t, r, "ada", oneseat.SignInRequest{})
	wantEnding(t, r.SeenFrom(t.Context(), g.Session, oneseat.Device{IP: "203.0.113.1"}), g.Session.ID, oneseat.ReasonDisplaced)
	wantError(t, r.SeenFrom(t.Context(), oneseat.Session{ID: "another", Account: "ada", Device: g.Session.Device}, oneseat.Device{IP: "203.0.113.1"}), oneseat.ErrNoSession)
	wantLive(t, r, next)
	n := 0
	for _, e := range logged(t, r.Store.(oneseat.History), "ada") {
		if e.Type == oneseat.EventSessionMoved {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d events", n)
	}
}

// A check by itself says so too, whether memory answers or the store.
func TestACheckSaysWhenAUseIsWrittenAnew(t *testing.T) {
	for _, stale := range []time.Duration{time.Second, oneseat.FreshAlways} {
		synctest.Test(t, func(t *testing.T) {
			r := newNode(t, memstore.New(), oneseat.Config{MaxStale: stale})
			g := signIn(t, r, "ada", oneseat.SignInRequest{})
			byToken, byID := oneseat.CheckRequest{Token: string(g.Token)}, oneseat.CheckRequest{Account: "ada", Session: g.Session.ID}
			background := byToken
			background.Background = true
			for i, tt := range []struct {
				wait time.Duration
				q    oneseat.CheckRequest
				want bool
			}{{0, byToken, false}, {5 * time.Minute, background, false}, {0, byToken, true}, {0, byToken, false}, {5 * time.Minute, byID, true}, {time.Minute, byID, false}} {
				time.Sleep(tt.wait)
				f, err := r.CheckWith(t.Context(), tt.q)
				if err != nil || f.Touched != tt.want {
					t.Errorf("MaxStale %v, check %d: %+v, %v", stale, i, f, err)
				}
				synctest.Wait()
			}
		})
	}
}

func TestACheckSaysThatItsTokenWasReplaced(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{})
	old := signIn(t, r, "ada", oneseat.SignInRequest{})
	for _, g := range []oneseat.Grant{rotate(t, r, old), old} {
		if f, err := r.CheckWith(t.Context(), oneseat.CheckRequest{Token: string(g.Token)}); err != nil || f.Rotated != (g.Token == old.Token) {
			t.Errorf("%+v, %v", f, err)
		}
	}
}
