package oneseathttp_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/oneseattest"
	"github.com/oneseat/oneseat/store/memstore"
)

// N8, PRV-06: a session that goes on from another browser is an event, and goes on.
func TestASessionThatGoesOnInAnotherBrowserIsAnEvent(t *testing.T) {
	s, clock := sudo(t, oneseathttp.Config{})
	b, thief := s.browser(t, firefox), s.browser(t, iphone)
	b.signIn("ada")
	moved := func() (all []oneseat.Record) {
		t.Helper()
		records, err := s.seats.Events(t.Context(), oneseat.EventQuery{Account: "ada"})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range records {
			if e.Type == oneseat.EventSessionMoved {
				all = append(all, e)
			}
		}
		return all
	}
	cookie := []string{"Cookie", "oneseat=" + b.token()}
	for range 3 {
		clock.Advance(6 * time.Minute)
		b.want("/me", 200, "ada")
	}
	if all := moved(); len(all) > 0 {
		t.Fatalf("a browser that stays where it is: %+v", all)
	}
	clock.Advance(6 * time.Minute)
	if status, body := thief.get("/me", cookie...); status != 200 {
		t.Fatal(status, body)
	}
	all := moved()
	if len(all) != 1 || all[0].Device.Label != "Firefox on Linux" || all[0].ByDevice.Label != "Safari on iPhone" || all[0].Session == "" {
		t.Fatalf("in another browser: %+v", all)
	}
	b.want("/me", 200, "ada")
}

// The own devices page tells programs apart, and says from which network a session was
// used of late.
func TestOwnDevicesSayWhatIsAProgramAndWhereASessionWasSeen(t *testing.T) {
	s := newSite(t, oneseat.Config{Limit: 2, Programs: oneseat.Programs{Limit: 1}}, oneseathttp.Config{})
	b := s.browser(t, firefox)
	b.signIn("ada")
	if _, err := s.staff.SignIn(t.Context(), "ada", oneseat.SignInRequest{Program: true, Device: oneseat.Device{Label: "Backup <b>"}}); err != nil {
		t.Fatal(err)
	}
	phone, err := s.staff.SignIn(t.Context(), "ada", oneseat.SignInRequest{Device: oneseat.Device{Label: "Safari on iPhone", IP: "192.0.2.1"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.seats.SeenFrom(t.Context(), phone.Session, oneseat.Device{IP: "198.51.100.7"}); err != nil {
		t.Fatal(err)
	}
	_, page := b.get("/oneseat/devices", "Accept", "text/html")
	for _, part := range []string{`Backup b <span class="here program">program</span>`, `Safari on iPhone</p>`, "192.0.2.0", "198.51.100.0", `<span class="here">this device</span>`} {
		if strings.Count(page, part) != 1 {
			t.Errorf("the page has %q %d times", part, strings.Count(page, part))
		}
	}
}

// A site that names devices itself has said nothing of the browser, so its words are not
// compared with what the browser says.
func TestADeviceThatTheSiteNamesIsNoOtherBrowser(t *testing.T) {
	clock := oneseattest.NewClock()
	s := unstartedOn(t, memstore.NewAt(clock.Now), oneseat.Config{Clock: clock.Read}, oneseathttp.Config{})
	s.mux.HandleFunc("POST /named", func(w http.ResponseWriter, r *http.Request) {
		_, err := s.guard.SignInWith(w, r, oneseathttp.SignInOptions{Account: "ada", Device: oneseat.Device{Label: "The desk in room 7"}})
		if err != nil {
			t.Error(err)
		}
	})
	s.Start()
	b := s.browser(t, firefox)
	b.do("POST", "/named", url.Values{})
	clock.Advance(6 * time.Minute)
	b.want("/me", 200, "ada")
	records, err := s.seats.Events(t.Context(), oneseat.EventQuery{Account: "ada"})
	if err != nil || len(records) != 1 || records[0].Device.Label != "The desk in room 7" {
		t.Errorf("%+v, %v", records, err)
	}
}
