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

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/record"
	"github.com/oneseat/oneseat/store/memstore"
)

// encode is the stored form of a roster, or of a record.
func encode(t interface{ Fatal(...any) }, ro any) []byte {
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

// Databases keep the stored form for years, so it stays what it is.
func TestTheStoredFormStaysTheSame(t *testing.T) {
	at := func(s int) record.Time { return record.At(time.Date(2026, 3, 1, 12, 0, s, 123_456_000, time.UTC)) }
	d1, d2, d3, d4, d5, d6 := record.Digest{1}, record.Digest{2}, record.Digest{3}, record.Digest{4}, record.Digest{5}, record.Digest{6}
	ro := &record.Record{
		Realm: "default", Account: "ada@example.org", Forgotten: at(1), Due: at(9),
		Seats: []record.Seat{
			{ID: "S1", Device: laptop, Created: at(2), LastSeen: at(3), Secret: d1, Previous: d2, Rotated: at(4), DeviceID: d3, Epoch: 7, Replayed: at(5)},
			{ID: "S2", Created: at(2), LastSeen: at(2), Secret: d4},
		},
		Endings: []record.Ended{
			{Session: "S0", Reason: oneseat.ReasonDisplaced, At: at(2), By: "S1", Actor: "support", Device: phone, ByDevice: laptop, Secret: d5, Used: at(8)},
			{Session: "S9", Reason: oneseat.ReasonSignedOut, At: at(3), Secret: d6},
		},
	}
	control := &record.Record{Realm: "default", Epoch: 1_700_000_000_000_000}
	wantStored(t, "testdata/roster.json", ro)
	wantStored(t, "testdata/control.json", control)
}

// wantStored fails the test unless a roster is stored, byte by byte, as a file
// has it, and is read back from that.
func wantStored(t *testing.T, file string, is *record.Record) {
	t.Helper()
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var indented strings.Builder
	enc := json.NewEncoder(&indented)
	enc.SetIndent("", "\t")
	if err := enc.Encode(is.Roster()); err != nil {
		t.Fatal(err)
	}
	if got := indented.String(); got != string(want) {
		t.Errorf("%s is now\n%s", file, got)
	}
	if back := record.Of(decode(t, want)); !reflect.DeepEqual(back, record.Of(is.Roster())) {
		t.Errorf("%s was read as\n%+v", file, back)
	}
}

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
		signIn(t, r, "grace", oneseat.SignInRequest{})
		epoch := stored(t, store, "").Roster.Epoch
		text := fmt.Sprintf(newer, 4, epoch, 1, epoch, 2, epoch, time.Now().UnixMicro(), 3)
		_, err := store.Update(t.Context(), oneseat.KeyOf(realm, "ada"), func(oneseat.View) (oneseat.Change, error) {
			return oneseat.Change{Roster: decode(t, []byte(text))}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		signIn(t, r, "ada", oneseat.SignInRequest{})
		if n, err := r.End(t.Context(), "ada", oneseat.EndOptions{}, "S2"); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if s, err := r.CheckID(t.Context(), "ada", "S1"); err != nil || s.Device.Label != "x" {
			t.Fatal(s, err)
		}
		synctest.Wait()
		got := string(encode(t, stored(t, store, "ada").View.Roster))
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
			by := signIn(t, r, name, oneseat.SignInRequest{Device: device})
			var ended []oneseat.Grant
			for range oneseat.MaxEndings {
				ended = append(ended, signIn(t, r, name, oneseat.SignInRequest{Device: device}))
			}
			if n, err := r.EndOthers(t.Context(), name, by.Session.ID, oneseat.EndOptions{Reason: oneseat.ReasonCredentialsChanged, By: by.Session.ID, Actor: actor}); n != oneseat.MaxEndings || err != nil {
				t.Fatal(n, err)
			}
			for _, g := range ended {
				wantEnded(t, r, g, oneseat.ReasonCredentialsChanged)
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
		old := signIn(t, r, "ada", oneseat.SignInRequest{Device: laptop, DeviceID: deviceID("d")})
		one := signIn(t, r, "ada", oneseat.SignInRequest{})
		two := signIn(t, r, "ada", oneseat.SignInRequest{DeviceID: deviceID("d"), Device: phone})
		wantEnded(t, r, old, oneseat.ReasonDisplaced)
		for range 40 {
			time.Sleep(time.Duration(rng.IntN(50)) * time.Minute)
			wantLive(t, r, one)
			synctest.Wait()
			wantLive(t, r, two)
			synctest.Wait()
			one = rotate(t, r, one)
		}
		time.Sleep(5*time.Minute + tick) // a rotation is stored a microsecond after the check before it
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
		time.Sleep(time.Hour + tick)
		wantEnded(t, r, one, oneseat.ReasonIdleTimeout)
		wantEnded(t, r, two, oneseat.ReasonIdleTimeout)
	})
}
