package redisstore

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"

	"github.com/oneseat/oneseat"
)

// whole returns the event of ../../testdata/e18747a, in which every field is set.
func whole(t testing.TB) (e oneseat.Event) {
	t.Helper()
	text, err := os.ReadFile("../../testdata/e18747a/event.json")
	if err == nil {
		err = json.Unmarshal(text, &e)
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// testdata/e18747a.entry is an entry that e18747a wrote: the event in which every
// field is set, and another one. Nodes of e18747a have to read the entries that we
// write.
func TestAnEntryIsThatOfE18747a(t *testing.T) {
	stored, err := os.ReadFile("testdata/e18747a.entry")
	if err != nil {
		t.Fatal(err)
	}
	all := whole(t)
	want := oneseat.Entry{Key: oneseat.KeyOf("default", "ada"), Version: 1<<63 + 1, Events: []oneseat.Event{all, {Type: oneseat.EventSessionCreated, At: all.At}}}
	if got := appendEntry(nil, want); string(got) != string(stored) {
		t.Errorf("written as\n%x\nand was\n%x", got, stored)
	}
	if got, err := readEntry(string(stored)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n got %+v\nwant %+v", err, got, want)
	}
	for n := range stored {
		got, err := readEntry(string(stored[:n]))
		if err == nil && reflect.DeepEqual(got, want) {
			t.Errorf("%d of %d bytes are read as the whole", n, len(stored))
		}
	}
}

// FuzzEntry tests that reading any bytes returns an entry or an error, and that an
// entry is written as it was read.
func FuzzEntry(f *testing.F) {
	f.Add(string(appendEntry(nil, oneseat.Entry{Version: 7, Events: []oneseat.Event{whole(f), {}}})))
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
