package storetest

import (
	"reflect"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
)

// everyEventField tests that the log and the history keep events whole: one with every
// field set, one with only the fields that a store looks for, and several in one
// update.
func everyEventField(t *testing.T, fresh Factory) {
	ns := nodes(t, fresh, 2)
	f := follow(t, ns[1])
	var whole oneseat.Event
	n := 0
	set(t, reflect.ValueOf(&whole).Elem(), &n)
	whole.Realm, whole.Account, whole.Session = realm, "ada", sessionID("S", 1)
	bare := oneseat.Event{Realm: realm, Account: "ada"}
	var want []oneseat.Entry
	for _, events := range [][]oneseat.Event{{whole}, {bare}, {whole, bare, whole}} {
		v := ns[0].put(t, roster("ada", whole.Session), events...)
		want = append(want, oneseat.Entry{Key: key("ada"), Version: v.Version, Events: events})
	}
	if d := sameLog(f.read(t), want); d != "" {
		t.Errorf("the log: %s", d)
	}
	all := []oneseat.Event{whole, bare, whole, bare, whole}
	if got := eventsOf(listEvents(t, ns[1], oneseat.EventQuery{Realm: realm, Account: "ada"})); !sameEvents(got, all) {
		t.Errorf("the history:\n got %+v\nwant %+v", got, all)
	}
}

// set sets every field of a value, at every depth, each to a value of its own.
func set(t *testing.T, v reflect.Value, n *int) {
	*n++
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.UnixMicro(1_700_000_000_000_000 + int64(*n)).UTC()))
	case v.Kind() == reflect.String:
		v.SetString("text " + string(rune('a'+*n)))
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		v.SetInt(int64(*n))
	case v.CanUint():
		v.SetUint(1<<53 + uint64(*n))
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		set(t, v.Elem(), n)
	case v.Type() == reflect.TypeFor[map[oneseat.Class]int]():
		v.Set(reflect.ValueOf(map[oneseat.Class]int{"tv": *n, "mobile": -*n}))
	case v.Kind() == reflect.Struct:
		for _, field := range v.Fields() {
			set(t, field, n)
		}
	default:
		t.Fatalf("an event has a %s: say here how one is set", v.Type())
	}
}
