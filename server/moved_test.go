package server_test

import (
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
)

// N8
func TestACheckMayTellFromWhereASessionIsUsed(t *testing.T) {
	w := newWorld(t, oneseat.Config{})
	var g api.Granted
	w.want(201, api.PathSignIn, `{"account":"ada","device":{"user_agent":"curl/8.5.0","ip":"192.0.2.7","label":"Ada's script"}}`, &g)
	var c api.Checked
	for _, at := range []string{"192.0.2.9", "198.51.100.9", "198.51.100.9"} {
		w.want(200, api.PathCheck, `{"token":"`+g.Token+`","use":false,"device":{"user_agent":"curl/8.5.0","ip":"`+at+`"}}`, &c)
	}
	w.want(200, api.PathCheck, `{"token":"`+g.Token+`","device":{"user_agent":"curl/8.5.0","ip":"203.0.113.1"}}`, &c) // a moment after the sign-in no use is written
	if w.want(200, api.PathCheck, `{"token":"`+g.Token+`"}`, &c); c.Seen.IP != "198.51.100.0" || c.Device.IP != "192.0.2.0" || c.Device.Label != "Ada's script" {
		t.Errorf("%+v", c)
	}
	var events api.Events
	w.want(200, api.PathEvents, `{"account":"ada"}`, &events)
	if e := events.Events; len(e) != 2 || e[0].Type != "session_moved" || e[0].Session != g.Session.ID || e[0].Device.IP != "192.0.2.0" || e[0].ByDevice.IP != "198.51.100.0" {
		t.Errorf("%+v", e)
	}
}
