package oneseat_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/record"
	"github.com/oneseat/oneseat/store/memstore"
)

// The stored forms of limits, tickets, blocks and streams stay: databases keep them for
// years.
func TestTheStoredFormOfLimitsStaysTheSame(t *testing.T) {
	at := func(s int) record.Time { return record.At(time.Date(2026, 3, 1, 12, 0, s, 123_456_000, time.UTC)) }
	d1, d2, d3, d4, d5, d6 := record.Digest{1}, record.Digest{2}, record.Digest{3}, record.Digest{4}, record.Digest{5}, record.Digest{6}
	ro := &record.Record{
		Realm: "default", Account: "ada@example.org", Due: at(9), Takeover: at(8), Revision: 1_700_000_000_000_000,
		Limits:  oneseat.Limits{Total: 3, Classes: map[oneseat.Class]int{"tv": 1, "mobile": oneseat.Unlimited}, Streams: oneseat.Unlimited},
		Block:   &record.Block{Since: at(1), Until: at(2), Actor: "support"},
		Pending: []record.Pending{{Secret: d1, DeviceID: d2, Epoch: 7, Expires: at(3)}, {Secret: d3, Expires: at(4)}},
		Seats: []record.Seat{
			{ID: "S1", Device: phone, Created: at(2), LastSeen: at(3), Secret: d4, Observed: true},
			{ID: "S2", Parent: "S1", Device: phone, Created: at(3), LastSeen: at(4), DeviceID: d5, Epoch: 7},
		},
		Endings: []record.Ended{
			{Session: "S3", Reason: oneseat.ReasonDisplaced, At: at(2), By: "S1", Device: laptop, ByDevice: phone, Secret: d6, Mark: "ab0001"},
			{Session: "S4", Parent: "S1", Reason: oneseat.ReasonRevoked, At: at(3), Actor: "support", Device: phone, Mark: "010000"},
		},
	}
	wantStored(t, "testdata/limits.json", ro)
	wantStored(t, "testdata/blocked.json", &record.Record{Realm: "default", Account: "ada", Block: &record.Block{Since: at(1)}, Limits: oneseat.Limits{Streams: 2}})
}

// No field is lost, whatever is in it, and whatever fields a newer release has put
// beside it.
func TestEveryFieldSurvivesItsStoredForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		is := new(record.Record)
		fill(t, reflect.ValueOf(is).Elem())
		is.Format = 1 + is.Format&1
		for i := range is.Endings {
			if mark := rapid.Uint32Range(0, 1<<24-1).Draw(t, "mark"); mark > 0 {
				is.Endings[i].Mark = fmt.Sprintf("%06x", mark)
			} else {
				is.Endings[i].Mark = ""
			}
		}
		ro := is.Roster()
		if back := record.Of(ro); fmt.Sprintf("%+v", shown(back)) != fmt.Sprintf("%+v", shown(is)) {
			t.Fatalf("stored was\n%+v\nand is\n%+v", is, back)
		}
		b := encode(t, ro)

		// With fields of a newer release at every level, none of either is lost.
		var all map[string]any
		dec := json.NewDecoder(strings.NewReader(string(b)))
		dec.UseNumber()
		if err := dec.Decode(&all); err != nil {
			t.Fatal(err)
		}
		later(all)
		newer, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		kept := encode(t, decode(t, newer))
		if string(sorted(t, kept)) != string(newer) {
			t.Fatalf("of\n%s\nthis is kept:\n%s", newer, sorted(t, kept))
		}
	})
}

// shown is a record to be printed, without pointers.
func shown(r *record.Record) []any {
	plain := *r
	if plain.Block = nil; r.Block == nil {
		return []any{plain}
	}
	return []any{plain, *r.Block}
}

// fill puts something into every exported field below v.
func fill(t *rapid.T, v reflect.Value) {
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		if us := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(1, 1<<52)).Draw(t, "µs"); us != 0 {
			v.Set(reflect.ValueOf(time.UnixMicro(us).UTC()))
		}
	case v.Type() == reflect.TypeFor[record.Span]():
		v.SetUint(rapid.Uint64Range(0, 1<<52).Draw(t, "µs")) // as much as a Duration holds
	case v.Kind() == reflect.String:
		v.SetString(rapid.String().Draw(t, "text"))
	case v.Kind() == reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case v.CanInt():
		v.SetInt(rapid.Int64().Draw(t, "int"))
	case v.CanUint():
		v.SetUint(rapid.Uint64Range(0, 1<<(8*v.Type().Size()-1)).Draw(t, "uint") & (1<<(8*v.Type().Size()) - 1))
	case v.Kind() == reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), rapid.IntRange(0, 3).Draw(t, "how many"), 3))
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case v.Kind() == reflect.Map:
		v.Set(reflect.ValueOf(rapid.MapOfN(rapid.Custom(func(t *rapid.T) oneseat.Class { return oneseat.Class(rapid.String().Draw(t, "class")) }), rapid.Int(), 0, 2).Draw(t, "map")))
	case v.Kind() == reflect.Pointer:
		if rapid.Bool().Draw(t, "there") {
			v.Set(reflect.New(v.Type().Elem()))
			fill(t, v.Elem())
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(t, v.Field(i))
			}
		}
	default:
		t.Fatalf("a %s: fill knows none", v.Type())
	}
}

// later adds a field that this release does not know to every object but the
// limits of classes, whose names are open.
func later(all map[string]any) {
	for name, value := range all {
		switch value := value.(type) {
		case map[string]any:
			if name != "classes" && name != "stream_classes" {
				later(value)
			}
		case []any:
			for _, v := range value {
				later(v.(map[string]any))
			}
		}
	}
	all["later"] = map[string]any{"a": json.Number("12345678901234567890")}
}

// sorted is JSON with the fields of every object in order.
func sorted(t interface{ Fatal(...any) }, b []byte) []byte {
	var all map[string]any
	dec := json.NewDecoder(strings.NewReader(string(b)))
	dec.UseNumber()
	if err := dec.Decode(&all); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestDamagedLimitsAreFormatErrors(t *testing.T) {
	for _, bad := range []string{
		`"limits":7`, `"limits":{"total":"3"}`, `"limits":{"classes":{"tv":"x"}}`, `"limits":{"later":1,"streams":1.5}`, `"block":7`, `"block":{"later":1,"until":"x"}`,
		`"pending":{}`, `"pending":[{"secret":"00"}]`, `"pending":[{"later":1,"expires":"x"}]`, `"revision":-1`, `"takeover":"x"`, `"endings":[{"mark":"00"}]`,
		`"endings":[{"later":1,"mark":"zzzzzz"}]`, `"seats":[{"observed":1}]`,
	} {
		err := json.Unmarshal([]byte(`{"format":1,"realm":"r","account":"a",`+bad+`}`), new(oneseat.Roster))
		if _, ok := err.(*oneseat.FormatError); !ok { //nolint:errorlint // as it is returned
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// A row that somebody has damaged, or that a later release filled beyond the bounds of
// this one, can be worked on, and does no harm.
func TestARosterBeyondItsBoundsIsWorkedOn(t *testing.T) {
	for _, text := range []string{
		`"limits":{"total":-9,"streams":-9}`, `"limits":{"total":9999,"classes":{"toaster":1,"other":-3}}`, `"limits":{"classes":{"other":1}}`, `"block":{}`, `"block":{"until":1}`,
	} {
		for _, c := range []oneseat.Config{{WhenFull: oneseat.PolicyAsk}, {ObserveOnly: true}, {Limit: oneseat.Unlimited, Streams: oneseat.Unlimited}} {
			r := newNode(t, memstore.New(), c)
			signIn(t, r, "grace", oneseat.SignInRequest{})
			epoch := stored(t, r.Store, "").Roster.Epoch
			var seats strings.Builder
			for i := range 300 { // 270 sessions, and 30 streams of the last, and one of nobody
				parent := ""
				if i >= 270 {
					parent = `,"parent":"S269"`
				}
				now := time.Now().UnixMicro()
				fmt.Fprintf(&seats, `{"id":"S%d"%s,"created":%d,"last_seen":%d,"epoch":%d},`, i, parent, now, now, epoch)
			}
			row := fmt.Sprintf(`{"format":1,"realm":%q,"account":"ada",%s,"seats":[%s{"id":"","parent":"gone"}]}`, realm, text, seats.String())
			_, err := r.Store.Update(t.Context(), oneseat.KeyOf(realm, "ada"), func(oneseat.View) (oneseat.Change, error) {
				return oneseat.Change{Roster: decode(t, []byte(row))}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			for what, err := range map[string]error{
				"sign-in": second(r.SignIn(t.Context(), "ada", oneseat.SignInRequest{})), "explain": second(r.Explain(t.Context(), "ada", oneseat.SignInRequest{})),
				"stream":  second(r.StartStream(t.Context(), oneseat.Session{Account: "ada", ID: "S269"}, oneseat.Player{ID: "p"})),
				"refresh": r.RefreshLimits(t.Context(), "ada"), "limit": r.SetLimit(t.Context(), "ada", oneseat.Limits{Total: 1, Streams: 1}, ""),
				"end": second(r.EndAll(t.Context(), "ada", oneseat.EndOptions{})), "block": r.Block(t.Context(), "ada", time.Time{}, ""),
			} {
				if err != nil && strings.Contains(err.Error(), "panic") {
					t.Errorf("%s, %+v: %s: %v", text, c, what, err)
				}
			}
			wantIDs(t, r.Store, "ada")
		}
	}
}

// What one account can cost, by everything that anybody can put into an ending, of
// a device with an id, or of a stream.
func TestTheLongestEndingsOfDevicesAndStreamsAreUnder16KiB(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		r := newNode(t, store, oneseat.Config{Limit: oneseat.MaxEndings + 2, Streams: oneseat.MaxEndings, WhenFull: oneseat.PolicyAsk, MaxStale: time.Minute})
		for name, character := range map[string]string{"plain": "a", "escaped": "<a", "apostrophe": "'", "wide": "é", "widest": "😀"} {
			device := oneseat.Device{Label: strings.Repeat(character, 64), Class: "desktop", IP: "2001:db8:ffff::"}
			actor := strings.Repeat(character, 128)
			by := signIn(t, r, name, oneseat.SignInRequest{Device: device})
			size := func() int {
				ro := *stored(t, store, name).Roster
				ro.Seats, ro.Pending = nil, nil
				if len(ro.Endings) != oneseat.MaxEndings {
					t.Errorf("%d endings", len(ro.Endings))
				}
				all := len(encode(t, &ro))
				ro.Endings = nil
				return all - len(encode(t, &ro))
			}
			var ended []oneseat.Grant
			var streams []oneseat.SessionID
			for i := range oneseat.MaxEndings {
				ended = append(ended, signIn(t, r, name, oneseat.SignInRequest{Device: device, DeviceID: deviceID(fmt.Sprint(i))}))
				streams = append(streams, play(t, r, by.Session, fmt.Sprint(i)).ID)
			}
			if n, err := r.End(t.Context(), name, oneseat.EndOptions{Reason: oneseat.ReasonCredentialsChanged, By: by.Session.ID, Actor: actor}, streams...); n != oneseat.MaxEndings || err != nil {
				t.Fatal(n, err)
			}
			if n := size(); n >= 16<<10 {
				t.Errorf("streams, %s: %d bytes", name, n)
			}
			if n, err := r.EndOthers(t.Context(), name, by.Session.ID, oneseat.EndOptions{Reason: oneseat.ReasonCredentialsChanged, By: by.Session.ID, Actor: actor}); n != oneseat.MaxEndings || err != nil {
				t.Fatal(n, err)
			}
			for _, g := range ended {
				wantEnded(t, r, g, oneseat.ReasonCredentialsChanged)
				synctest.Wait() // its use is noted
			}
			if n := size(); n >= 16<<10 {
				t.Errorf("devices, %s: %d bytes", name, n)
			}
		}
	})
}
