package oneseat_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
)

var (
	auditRow  = regexp.MustCompile("(?m)^\\| `(\\w+)` \\| [^|]* \\|([^|\n]*)\\|$")
	auditName = regexp.MustCompile("`(\\w+)`")
)

// inventory is what docs/audit.md says of events (the fields that an event of a type has,
// beside those that each event has) and of fields (what each is).
func inventory(t *testing.T) (events map[string][]string, fields []string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("docs", "audit.md"))
	if err != nil {
		t.Fatal(err)
	}
	page, _, _ := strings.Cut(string(b), "\n### Reasons\n")
	page, list, _ := strings.Cut(page, "\n| field |")
	events = map[string][]string{}
	for _, m := range auditRow.FindAllStringSubmatch(page, -1) {
		events[m[1]] = []string{}
		for _, f := range auditName.FindAllStringSubmatch(m[2], -1) {
			events[m[1]] = append(events[m[1]], f[1])
		}
		slices.Sort(events[m[1]])
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|").FindAllStringSubmatch(list, -1) {
		fields = append(fields, m[1])
	}
	slices.Sort(fields)
	return events, fields
}

// AUD-09: docs/audit.md has every event with the fields that the event may have, and no
// other one.
func TestEveryEventIsInTheInventoryWithItsFields(t *testing.T) {
	want, fields := inventory(t)
	var of []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[oneseat.Event]()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		of = append(of, name)
	}
	if slices.Sort(of); !slices.Equal(of, fields) {
		t.Errorf("docs/audit.md has the fields %q, an event %q", fields, of)
	}

	got := map[string]map[string]bool{}
	for _, e := range everyEvent(t) {
		has := got[string(e.Type)]
		if has == nil {
			has = map[string]bool{}
			got[string(e.Type)] = has
		}
		for f, v := range reflect.ValueOf(e).Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case slices.Contains([]string{"type", "realm", "account", "at", "version"}, name):
				if v.IsZero() && (name != "account" || e.Type != oneseat.EventRealmEnded) {
					t.Errorf("%s has no %s", e.Type, name)
				}
			case !v.IsZero():
				has[name] = true
			}
		}
	}
	for kind, has := range got {
		if got := slices.Sorted(maps.Keys(has)); !slices.Equal(got, want[kind]) {
			t.Errorf("%s has %q, docs/audit.md says %q", kind, got, want[kind])
		}
	}
	for kind := range want {
		if got[kind] == nil {
			t.Errorf("docs/audit.md has %s, and it did not happen", kind)
		}
	}
	source, err := os.ReadFile("event.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`EventType = "(\w+)"`).FindAllStringSubmatch(string(source), -1) {
		if want[m[1]] == nil {
			t.Errorf("docs/audit.md has no %s", m[1])
		}
	}
}

// everyEvent does something for each type of event, and returns the events.
func everyEvent(t *testing.T) (all []oneseat.Event) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		a, _, store := newSystem(t, oneseat.Config{WhenStreamsFull: oneseat.PolicyDisplace, Streams: 1})
		at := func(device string) oneseat.SignInRequest {
			return oneseat.SignInRequest{Device: oneseat.Device{Label: device, Class: "desktop", IP: "192.0.2.1"}, DeviceID: deviceID(device)}
		}
		try := func(errs ...error) {
			t.Helper()
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
		}
		ctx := t.Context()
		for _, device := range []string{"a", "b", "a", "b", "a"} { // one is thrown out by the other, in turn
			signIn(t, a, "ada", at(device))
		}
		ada := signIn(t, a, "ada", at("a")) // the browser lost its token
		newer, err := a.Rotate(ctx, string(ada.Token))
		try(err)
		time.Sleep(2 * time.Minute)
		_, err = a.Check(ctx, string(ada.Token)) // long after it was replaced
		wantError(t, err, oneseat.ErrNoSession)
		_, err = a.Confirm(ctx, newer.Session, oneseat.Lifetime{})
		try(err, a.SetData(ctx, newer.Session, "x"))
		try(a.SeenFrom(ctx, newer.Session, oneseat.Device{IP: "198.51.100.1"}))
		play(t, a, newer.Session, "p")
		play(t, a, newer.Session, "q")
		_, err = a.EndAll(ctx, "ada", oneseat.EndOptions{By: newer.Session.ID, Actor: "kim"})
		try(err)
		_, err = a.Check(ctx, string(newer.Token))
		wantEnding(t, err, newer.Session.ID, oneseat.ReasonRevoked)

		for policy, account := range map[oneseat.Policy]string{oneseat.PolicyRefuse: "grace", oneseat.PolicyAsk: "alan"} {
			n := newNode(t, store, oneseat.Config{WhenFull: policy})
			full := signIn(t, n, account, at("a"))
			wantLive(t, n, full)
			if _, err := n.SignIn(ctx, account, at("b")); err == nil {
				t.Fatalf("%s admits a second one", policy)
			}
		}
		observing := newNode(t, store, oneseat.Config{ObserveOnly: true, WhenStreamsFull: oneseat.PolicyDisplace})
		signIn(t, observing, "eve", at("a"))
		eve := signIn(t, observing, "eve", at("a"))
		play(t, observing, eve.Session, "p")
		play(t, observing, eve.Session, "q")
		refusing := newNode(t, store, oneseat.Config{ObserveOnly: true, WhenFull: oneseat.PolicyRefuse})
		wantLive(t, refusing, eve)
		time.Sleep(time.Minute)
		signIn(t, refusing, "eve", at("c"))

		try(
			a.SetLimit(ctx, "ada", oneseat.Limits{Total: 2}, "kim"),
			a.Block(ctx, "ada", time.Now().Add(time.Hour), "kim"),
		)
		if _, err := a.SignIn(ctx, "ada", at("a")); err == nil {
			t.Fatal("a blocked account is let in")
		}
		try(
			a.Unblock(ctx, "ada", "kim"),
			a.EndRealm(ctx, "kim"),
		)
		synctest.Wait()
		all = logged(t, store, "")
	})
	return all
}
