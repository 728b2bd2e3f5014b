package oneseat_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

func encode(t interface{ Fatal(...any) }, ro *oneseat.Roster) []byte {
	b, err := json.Marshal(ro)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decode(t interface{ Fatal(...any) }, b []byte) *oneseat.Roster {
	ro := new(oneseat.Roster)
	if err := json.Unmarshal(b, ro); err != nil {
		t.Fatal(err)
	}
	return ro
}

// The stored form is kept by databases for years: what it was is what it is.
func TestTheStoredFormStaysTheSame(t *testing.T) {
	at := func(s int) time.Time { return time.Date(2026, 3, 1, 12, 0, s, 123_456_000, time.UTC) }
	ro := &oneseat.Roster{
		Realm: "default", Account: "ada@example.org", Forgotten: at(1), Due: at(9),
		Seats: []oneseat.Seat{
			{
				Session: oneseat.Session{ID: "S1", Account: "ada@example.org", Device: laptop, Created: at(2), LastSeen: at(3)},
				Secret:  oneseat.Digest{1}, Previous: oneseat.Digest{2}, Rotated: at(4), DeviceID: oneseat.Digest{3}, Epoch: 7, Replayed: at(5),
			},
			{Session: oneseat.Session{ID: "S2", Account: "ada@example.org", Created: at(2), LastSeen: at(2)}, Secret: oneseat.Digest{4}},
		},
		Endings: []oneseat.Ended{
			{
				Ending: oneseat.Ending{Session: "S0", Reason: oneseat.Displaced, At: at(2), By: "S1", Actor: "support", Device: phone, ByDevice: laptop},
				Secret: oneseat.Digest{5}, Used: at(8),
			},
			{Ending: oneseat.Ending{Session: "S9", Reason: oneseat.SignedOut, At: at(3)}, Secret: oneseat.Digest{6}},
		},
	}
	control := &oneseat.Roster{Realm: "default", Epoch: 1_700_000_000_000_000}
	for name, ro := range map[string]*oneseat.Roster{"testdata/roster.json": ro, "testdata/control.json": control} {
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var indented strings.Builder
		enc := json.NewEncoder(&indented)
		enc.SetIndent("", "\t")
		if err := enc.Encode(ro); err != nil {
			t.Fatal(err)
		}
		if got := indented.String(); got != string(want) {
			t.Errorf("%s is now\n%s", name, got)
		}
		if back := encode(t, decode(t, want)); string(back) != string(encode(t, ro)) {
			t.Errorf("%s was read as\n%s", name, back)
		}
	}
}

func TestARosterSurvivesItsStoredForm(t *testing.T) {
	text := rapid.String()
	when := rapid.Custom(func(t *rapid.T) time.Time {
		us := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(1, 1<<52)).Draw(t, "µs")
		if us == 0 {
			return time.Time{}
		}
		return time.UnixMicro(us).UTC()
	})
	digest := rapid.Custom(func(t *rapid.T) (d oneseat.Digest) {
		copy(d[:], rapid.SliceOfN(rapid.Byte(), 0, 32).Draw(t, "digest"))
		return d
	})
	device := rapid.Custom(func(t *rapid.T) oneseat.Device {
		return oneseat.Device{Label: text.Draw(t, "label"), Class: text.Draw(t, "class"), IP: text.Draw(t, "ip")}
	})
	rapid.Check(t, func(t *rapid.T) {
		account := text.Draw(t, "account")
		ro := &oneseat.Roster{
			Realm: text.Draw(t, "realm"), Account: account, Forgotten: when.Draw(t, "forgotten"),
			Epoch: rapid.Uint64().Draw(t, "epoch"), Due: when.Draw(t, "due"), Seats: []oneseat.Seat{}, Endings: []oneseat.Ended{},
		}
		for range rapid.IntRange(0, 4).Draw(t, "seats") {
			ro.Seats = append(ro.Seats, oneseat.Seat{
				Session: oneseat.Session{
					ID: oneseat.SessionID(text.Draw(t, "id")), Account: account, Device: device.Draw(t, "device"),
					Created: when.Draw(t, "created"), LastSeen: when.Draw(t, "last seen"),
				},
				Secret: digest.Draw(t, "secret"), Previous: digest.Draw(t, "previous"), Rotated: when.Draw(t, "rotated"),
				DeviceID: digest.Draw(t, "device id"), Epoch: rapid.Uint64().Draw(t, "epoch"), Replayed: when.Draw(t, "replayed"),
			})
		}
		for range rapid.IntRange(0, 4).Draw(t, "endings") {
			ro.Endings = append(ro.Endings, oneseat.Ended{
				Ending: oneseat.Ending{
					Session: oneseat.SessionID(text.Draw(t, "session")), Reason: oneseat.Reason(text.Draw(t, "reason")), At: when.Draw(t, "at"),
					By: oneseat.SessionID(text.Draw(t, "by")), Actor: text.Draw(t, "actor"), Device: device.Draw(t, "device"), ByDevice: device.Draw(t, "by device"),
				},
				Secret: digest.Draw(t, "secret"), Used: when.Draw(t, "used"),
			})
		}
		b := encode(t, ro)
		back := decode(t, b)
		if again := encode(t, back); string(again) != string(b) {
			t.Fatalf("stored as\n%s\nthen as\n%s", b, again)
		}
		// Format and unknown fields are of the stored form only: compare the rest.
		a, z := reflect.ValueOf(*ro), reflect.ValueOf(*back)
		for i := range a.NumField() {
			if f := a.Type().Field(i); f.IsExported() && fmt.Sprintf("%+v", a.Field(i)) != fmt.Sprintf("%+v", z.Field(i)) {
				t.Fatalf("%s was %+v and is %+v", f.Name, a.Field(i), z.Field(i))
			}
		}
	})
}

// A newer release's fields outlive what this one does with the roster.
func TestUnknownFieldsAreKept(t *testing.T) {
	const newer = `{
		"format": 2, "realm": "default", "account": "ada", "quota": {"until": 5},
		"block": {"since": 1, "until": 2, "note": "x"}, "limits": {"total": 3, "seasonal": true},
		"pending": [{"secret": "%064x", "expires": 9000000000000000, "epoch": %d, "channel": "mail"}],
		"seats": [
			{"id": "S1", "created": 1, "last_seen": 1, "secret": "%064x", "epoch": %d, "origin": "S0",
			 "device": {"label": "x", "class": "tv", "model": "7"}},
			{"id": "S2", "created": 1, "last_seen": 1, "secret": "%064x", "epoch": %d}
		],
		"endings": [{"session": "S9", "reason": "a new reason", "at": %d, "secret": "%064x", "told": true, "device": {"model": "8"}}]
	}`
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		r := newNode(t, store, oneseat.Config{Limit: 3, Idle: oneseat.NoTimeout, Absolute: oneseat.NoTimeout, MaxStale: time.Minute})
		signIn(t, r, "grace", oneseat.Client{})
		epoch := stored(t, store, "").Roster.Epoch
		text := fmt.Sprintf(newer, 4, epoch, 1, epoch, 2, epoch, time.Now().UnixMicro(), 3)
		_, err := store.Update(t.Context(), oneseat.KeyOf(realm, "ada"), func(oneseat.View) (oneseat.Change, error) {
			return oneseat.Change{Roster: decode(t, []byte(text))}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		signIn(t, r, "ada", oneseat.Client{})
		if n, err := r.End(t.Context(), "ada", oneseat.Cause{}, "S2"); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if s, err := r.CheckID(t.Context(), "ada", "S1"); err != nil || s.Device.Label != "x" {
			t.Fatal(s, err)
		}
		synctest.Wait()
		got := string(encode(t, stored(t, store, "ada").Roster))
		for _, want := range []string{
			`"format":2`, `"quota":{"until":5}`, `"seasonal":true`, `"channel":"mail"`, `"origin":"S0"`, `"told":true`, `"a new reason"`, `"model":"7"`, `"model":"8"`,
			fmt.Sprintf(`"last_seen":%d`, time.Now().UnixMicro()),
		} {
			if !strings.Contains(got, want) {
				t.Errorf("%s is missing in\n%s", want, got)
			}
		}
		if again := string(encode(t, decode(t, []byte(got)))); again != got {
			t.Errorf("read again it is\n%s", again)
		}
	})
}

func TestAnEmptyFormatIsWrittenAsTheFirst(t *testing.T) {
	if got := string(encode(t, &oneseat.Roster{Realm: "r", Account: "a"})); got != `{"format":1,"realm":"r","account":"a"}` {
		t.Errorf("got %s", got)
	}
	if got := string(encode(t, decode(t, []byte(`{"format":1,"realm":"r","account":"a"}`)))); got != `{"format":1,"realm":"r","account":"a"}` {
		t.Errorf("got %s", got)
	}
}

func TestWhatCannotBeReadIsAFormatError(t *testing.T) {
	for _, bad := range []string{
		`{}`, `[]`, `"x"`, `1`,
		`{"format":0,"realm":"r","account":"a"}`,
		`{"format":-1,"realm":"r","account":"a"}`,
		`{"format":3,"realm":"r","account":"a"}`,
		`{"format":"1","realm":"r","account":"a"}`,
		`{"format":1,"realm":7,"account":"a"}`,
		`{"format":1,"realm":"r","account":"a","seats":{}}`,
		`{"format":1,"realm":"r","account":"a","seats":[{"id":"x","secret":"00"}]}`,
		`{"format":1,"realm":"r","account":"a","seats":[{"id":"x","created":"yesterday"}]}`,
		`{"format":1,"realm":"r","account":"a","seats":[{"id":"x","unknown":1,"created":"yesterday"}]}`,
		`{"format":1,"realm":"r","account":"a","endings":[{"session":1}]}`,
		`{"format":1,"realm":"r","account":"a","endings":[{"secret":"` + strings.Repeat("zz", 32) + `"}]}`,
		`{"format":1,"realm":"r","account":"a","due":1e99}`,
	} {
		err := json.Unmarshal([]byte(bad), new(oneseat.Roster))
		if format, ok := errors.AsType[*oneseat.FormatError](err); !ok || format.Problem == "" {
			t.Errorf("%s: %v", bad, err)
		}
	}
	err := new(oneseat.Roster).UnmarshalJSON([]byte(`{"format":1,`))
	if _, ok := errors.AsType[*oneseat.FormatError](err); !ok {
		t.Errorf("truncated: %v", err)
	}
	if err := new(oneseat.Roster).UnmarshalJSON([]byte(`{"format":3}`)); !strings.Contains(err.Error(), "format 3") || !strings.Contains(err.Error(), "upgrade this node") {
		t.Errorf("it says %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, name := range []string{"testdata/roster.json", "testdata/control.json"} {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"format":2,"":1,"seats":[null,{"":0}],"endings":[null]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		ro := new(oneseat.Roster)
		if err := json.Unmarshal(b, ro); err != nil {
			return
		}
		once := encode(t, ro)
		if again := encode(t, decode(t, once)); string(again) != string(once) {
			t.Errorf("%q became\n%s\nand then\n%s", b, once, again)
		}
	})
}

// What one account can cost, by everything that anybody can put into an ending.
func TestTheLongestEndingsAreUnder16KiB(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		r := newNode(t, store, oneseat.Config{Limit: oneseat.MaxEndings + 1, MaxStale: time.Minute})
		for name, character := range map[string]string{"plain": "a", "escaped": "<a", "quoted": `"a`, "slashed": `\a`, "apostrophe": "'", "wide": "é", "wider": "名", "widest": "😀"} {
			device := oneseat.Device{Label: strings.Repeat(character, 64), Class: "desktop", IP: "2001:db8:ffff::"}
			actor := strings.Repeat(character, 128)
			by := signIn(t, r, name, oneseat.Client{Device: device})
			var ended []oneseat.Grant
			for range oneseat.MaxEndings {
				ended = append(ended, signIn(t, r, name, oneseat.Client{Device: device}))
			}
			if n, err := r.EndOthers(t.Context(), name, by.Session.ID, oneseat.Cause{Reason: oneseat.CredentialsChanged, By: by.Session.ID, Actor: actor}); n != oneseat.MaxEndings || err != nil {
				t.Fatal(n, err)
			}
			for _, g := range ended {
				wantEnded(t, r, g, oneseat.CredentialsChanged)
				synctest.Wait() // its use is noted
			}
			ro := *stored(t, store, name).Roster
			ro.Seats = nil
			if n := len(encode(t, &ro)); n >= 16<<10 {
				t.Errorf("%s: %d bytes", name, n)
			}
		}
	})
}

// A store that returns its rosters through the stored form, as databases do,
// changes no answer.
func TestRulesHoldThroughTheStoredForm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		through := func(views []oneseat.View) []oneseat.View {
			for i := range views {
				if views[i].Roster != nil {
					views[i].Roster = decode(t, encode(t, views[i].Roster))
				}
			}
			return views
		}
		r := newNode(t, memstore.New(), oneseat.Config{Limit: 2, Idle: time.Hour, KeepEndings: time.Hour, MaxStale: time.Minute})
		r.set(func() {
			r.load = func(ctx context.Context, keys []oneseat.Key, next loadFunc) ([]oneseat.View, error) {
				views, err := next(ctx, keys...)
				return through(views), err
			}
			r.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
				v, err := next(ctx, k, func(v oneseat.View) (oneseat.Change, error) {
					did, err := c(through([]oneseat.View{v})[0])
					if did.Roster != nil {
						did.Roster = decode(t, encode(t, did.Roster))
					}
					return did, err
				})
				return through([]oneseat.View{v})[0], err
			}
		})
		rng := rand.New(rand.NewPCG(1, 2))
		old := signIn(t, r, "ada", oneseat.Client{Device: laptop, DeviceID: "d"})
		one := signIn(t, r, "ada", oneseat.Client{})
		two := signIn(t, r, "ada", oneseat.Client{DeviceID: "d", Device: phone})
		wantEnded(t, r, old, oneseat.Displaced)
		for range 40 {
			time.Sleep(time.Duration(rng.IntN(50)) * time.Minute)
			wantLive(t, r, one)
			synctest.Wait()
			wantLive(t, r, two)
			synctest.Wait()
			one = rotate(t, r, one)
		}
		time.Sleep(5 * time.Minute)
		_, err := r.Check(t.Context(), string(old.Token))
		wantError(t, err, oneseat.ErrNoSession)
		writes := r.writes.Load()
		for range 100 {
			wantLive(t, r, one)
			wantLive(t, r, two)
		}
		synctest.Wait()
		if n := r.writes.Load() - writes; n > 2 {
			t.Errorf("%d writes", n)
		}
		time.Sleep(time.Hour)
		wantEnded(t, r, one, oneseat.IdleTimeout)
		wantEnded(t, r, two, oneseat.IdleTimeout)
	})
}
