package oneseat_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/oneseat/oneseat"
)

// No field of an event is lost: every one that there is, whatever is in it.
func TestEveryFieldOfAnEventSurvivesItsStoredForms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var e, fromJSON, fromCompact oneseat.Event
		fill(t, reflect.ValueOf(&e).Elem())
		if e.Limits != nil { // nil and empty have the same stored forms
			for _, classes := range []*map[oneseat.Class]int{&e.Limits.Classes, &e.Limits.StreamClasses} {
				if len(*classes) == 0 {
					*classes = nil
				}
			}
		}
		text, err := json.Marshal(e)
		if err == nil {
			err = json.Unmarshal(text, &fromJSON)
		}
		if err != nil || !reflect.DeepEqual(fromJSON, e) {
			t.Errorf("from JSON, %v:\n got %+v\nwant %+v", err, fromJSON, e)
		}
		if err := fromCompact.ParseCompact(string(e.AppendCompact(nil))); err != nil || !reflect.DeepEqual(fromCompact, e) {
			t.Errorf("from the compact form, %v:\n got %+v\nwant %+v", err, fromCompact, e)
		}
	})
}

// An event says that an account's limits were taken away, on every store.
func TestLimitsThatWereTakenAwaySurviveTheirStoredForms(t *testing.T) {
	want := oneseat.Event{Type: oneseat.EventLimitChanged, Limits: &oneseat.Limits{}}
	var fromJSON, fromCompact oneseat.Event
	text, err := json.Marshal(want)
	if err == nil {
		err = json.Unmarshal(text, &fromJSON)
	}
	if err != nil || !reflect.DeepEqual(fromJSON, want) {
		t.Errorf("from %s: %+v, %v", text, fromJSON, err)
	}
	if err := fromCompact.ParseCompact(string(want.AppendCompact(nil))); err != nil || !reflect.DeepEqual(fromCompact, want) {
		t.Errorf("from the compact form: %+v, %v", fromCompact, err)
	}
}

func TestAFieldOfANewerReleaseIsSkipped(t *testing.T) {
	want := oneseat.Event{Type: oneseat.EventSessionCreated, Account: "ada"}
	b := append([]byte{200, 3}, "new"...)
	b = (&oneseat.Event{Account: "ada"}).AppendCompact(b)
	b = append(b, 100, 0, 255, 1, 'x')
	b = (&oneseat.Event{Type: oneseat.EventSessionCreated}).AppendCompact(b)
	var got oneseat.Event
	if err := got.ParseCompact(string(b)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestWhatIsNoEventIsAnError(t *testing.T) {
	for _, b := range []string{
		"\x01", "\x01\x05abcd", "\x01\xff\xff\xff\xff\xff\x01a", "\x01\x80", "\x06\x01a", "\x07\x01a", "\x11\x01{", "\x12\x0babcdefghijk", "\x02\x01a\x03",
	} {
		if err := new(oneseat.Event).ParseCompact(b); err == nil {
			t.Errorf("%q is an event", b)
		}
	}
}

// FuzzEvent: reading is an event or an error, and an event is written as it was
// read.
func FuzzEvent(f *testing.F) {
	f.Add(string((&oneseat.Event{Type: oneseat.EventSessionCreated, Version: 7, Limits: &oneseat.Limits{Total: 3}}).AppendCompact(nil)))
	f.Fuzz(func(t *testing.T, b string) {
		var e, again oneseat.Event
		if e.ParseCompact(b) != nil {
			return
		}
		if err := again.ParseCompact(string(e.AppendCompact(nil))); err != nil || again.Type != e.Type || again.Version != e.Version || !again.At.Equal(e.At) {
			t.Errorf("%+v, %v, want %+v", again, err, e)
		}
	})
}
