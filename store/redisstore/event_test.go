package redisstore

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
)

// fill sets every field of a value, at every depth, to something.
func fill(v reflect.Value, n int) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("text " + string(rune('a'+n)))
	case reflect.Uint64:
		v.SetUint(1<<63 + uint64(n))
	case reflect.Int:
		v.SetInt(int64(n))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]int{"tv": n}))
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(int64(n), 123456789).UTC()))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), n+i+1)
		}
	default:
		panic("a kind of field that is new: say here how it is filled, and in appendEvent how it is kept: " + v.Type().String())
	}
}

func TestEveryFieldOfAnEventIsKept(t *testing.T) {
	var all oneseat.Event
	fill(reflect.ValueOf(&all).Elem(), 0)
	want := oneseat.Entry{Key: oneseat.KeyOf("a", "b"), Version: 1<<64 - 1, Events: []oneseat.Event{all, {}, {At: time.Unix(-62135596801, 0).UTC()}, all}}
	got, err := readEntry(string(appendEntry(nil, want)))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n got %+v\nwant %+v", err, got, want)
	}
}

// testdata/e18747a.entry is what e18747a wrote of the event in which every field
// is set, and of another. Nodes of that release read what is written now.
func TestAnEntryIsThatOfE18747a(t *testing.T) {
	text, err := os.ReadFile("../../testdata/e18747a/event.json")
	if err != nil {
		t.Fatal(err)
	}
	var all oneseat.Event
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	stored, err := os.ReadFile("testdata/e18747a.entry")
	if err != nil {
		t.Fatal(err)
	}
	want := oneseat.Entry{Key: oneseat.KeyOf("default", "ada"), Version: 1<<63 + 1, Events: []oneseat.Event{all, {Type: oneseat.SessionCreated, At: all.At}}}
	if got := appendEntry(nil, want); string(got) != string(stored) {
		t.Errorf("written as\n%x\nand was\n%x", got, stored)
	}
	if got, err := readEntry(string(stored)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n got %+v\nwant %+v", err, got, want)
	}
}

func TestAFieldOfANewerReleaseIsSkipped(t *testing.T) {
	event := appendEvent(nil, &oneseat.Event{Type: oneseat.SessionCreated})
	event = appendField(event, 200, "something new")
	event = appendField(event, fieldAccount, "ada")
	b := appendEntry(nil, oneseat.Entry{Version: 7})
	b = appendField(b, byte(len(event)), "")
	b = append(append(b, byte(len(event))), event...)
	got, err := readEntry(string(b))
	if err != nil || len(got.Events) != 1 || got.Events[0].Account != "ada" || got.Events[0].Type != oneseat.SessionCreated {
		t.Errorf("%+v, %v", got, err)
	}
}

// FuzzEntry: whatever is in the log, reading it is an entry or an error, and an
// entry is written as it was read.
func FuzzEntry(f *testing.F) {
	var all oneseat.Event
	fill(reflect.ValueOf(&all).Elem(), 0)
	f.Add(string(appendEntry(nil, oneseat.Entry{Version: 7, Events: []oneseat.Event{all, {}}})))
	f.Add("")
	f.Add("\x01")
	f.Fuzz(func(t *testing.T, b string) {
		e, err := readEntry(b)
		if err != nil {
			return
		}
		again, err := readEntry(string(appendEntry(nil, e)))
		if err != nil || again.Key != e.Key || again.Version != e.Version || len(again.Events) != len(e.Events) {
			t.Errorf("%+v, %v, want %+v", again, err, e)
		}
	})
}
