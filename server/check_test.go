package server_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
)

func TestACheckSaysHowLongIsLeft(t *testing.T) {
	for _, c := range []struct {
		idle, absolute, left time.Duration
	}{
		{time.Hour, 90 * time.Minute, 20 * time.Minute},
		{time.Hour, oneseat.NoTimeout, 20 * time.Minute},
		{oneseat.NoTimeout, 90 * time.Minute, 50 * time.Minute},
		{oneseat.NoTimeout, oneseat.NoTimeout, -1},
	} {
		w := newWorld(t, oneseat.Config{Idle: c.idle, Absolute: c.absolute})
		g := w.signIn("ada")
		w.pass(40 * time.Minute)
		var a api.Checked
		w.want(200, api.PathCheck, `{"token":`+quoted(g.Token)+`,"use":false}`, &a)
		switch {
		case c.left < 0 && a.Left == nil:
		case c.left < 0 || a.Left == nil:
			t.Errorf("%+v: %+v", c, a)
		default:
			if left := time.Duration(*a.Left) * time.Millisecond; left > c.left || left < c.left-time.Minute {
				t.Errorf("%+v: %v", c, left)
			}
		}
	}
}

func TestACheckSaysThatATokenWasReplaced(t *testing.T) {
	w := newWorld(t, oneseat.Config{})
	g := w.signIn("ada")
	var newer api.Granted
	w.want(200, api.PathRotate, token(g), &newer)
	for _, c := range []struct {
		of      api.Granted
		rotated bool
	}{{g, true}, {newer, false}} {
		for _, more := range []string{"", `,"fresh":true`} {
			var a api.Checked
			if w.want(200, api.PathCheck, `{"token":`+quoted(c.of.Token)+more+`}`, &a); a.Rotated != c.rotated || a.ID != g.Session.ID {
				t.Errorf("%+v: %+v", c, a)
			}
		}
	}
}

// A session that was signed out meanwhile cannot sign others out.
func TestAnEndOnTheAuthorityOfASessionNeedsThatSession(t *testing.T) {
	w := newWorld(t, oneseat.Config{Limit: 3})
	a, b, c := w.signIn("ada"), w.signIn("ada"), w.signIn("ada")
	w.want(200, api.PathSignOut, token(a), &struct{}{})
	body := `{"account":"ada","sessions":[%q],"as":%q}`
	if status, answer := w.ask("all", api.PathEnd, fmt.Sprintf(body, b.Session.ID, a.Session.ID)); status != 410 || problem(answer) != "session-ended" {
		t.Errorf("%d %s", status, answer)
	}
	w.want(200, api.PathCheck, token(b), &struct{}{})
	var n api.Ended
	if w.want(200, api.PathEnd, fmt.Sprintf(body, b.Session.ID, c.Session.ID), &n); n.Ended != 1 {
		t.Errorf("%+v", n)
	}
}

func TestAnEndingSaysThatTheSameDeviceSignedInAgain(t *testing.T) {
	w := newWorld(t, oneseat.Config{})
	for device, same := range map[string]bool{"a device of its own": true, "a second device.": false} {
		var g api.Granted
		w.want(201, api.PathSignIn, `{"account":"ada","device":{"id":"a device of its own"}}`, &g)
		w.want(201, api.PathSignIn, fmt.Sprintf(`{"account":"ada","device":{"id":%q}}`, device), &struct{}{})
		var p api.Problem
		if w.want(410, api.PathCheck, token(g), &p); p.Ending == nil || p.Ending.SameDevice != same {
			t.Errorf("%s: %+v", device, p.Ending)
		}
	}
}
