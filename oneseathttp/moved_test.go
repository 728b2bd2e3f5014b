package oneseathttp_test

import (
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
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
