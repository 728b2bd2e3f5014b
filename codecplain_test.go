package oneseat_test

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/oneseat/oneseat"
)

// sameBothWays fails the test unless the shorter way, which plain rosters take, reads
// a text as encoding/json does, and writes what it read as encoding/json does.
func sameBothWays(t interface{ Fatalf(string, ...any) }, b []byte) {
	short, long := new(oneseat.Roster), new(oneseat.Roster)
	err, want := short.UnmarshalJSON(b), long.UnmarshalAny(b)
	if fmt.Sprint(err) != fmt.Sprint(want) {
		t.Fatalf("%q\nis read with error %v, by encoding/json with %v", b, err, want)
	}
	if err != nil {
		return
	}
	if !reflect.DeepEqual(short, long) {
		t.Fatalf("%q\nis read as\n%+v\nand by encoding/json as\n%+v", b, short, long)
	}
	sameWritten(t, short)
}

// sameWritten fails the test unless MarshalJSON writes what encoding/json writes.
func sameWritten(t interface{ Fatalf(string, ...any) }, ro *oneseat.Roster) []byte {
	b, err := ro.MarshalJSON()
	want, wrong := ro.MarshalAny()
	if err != nil || wrong != nil || string(b) != string(want) {
		t.Fatalf("it is written as\n%s, %v\nand by encoding/json as\n%s, %v", b, err, want, wrong)
	}
	return b
}

// plainField says which fields a plain roster has something in.
func plainField(name string) bool {
	return !slices.Contains([]string{"Limits", "Block", "Pending"}, name)
}

// filled draws a roster with something in every field of its stored form: only in
// those of a plain roster, or in all.
func filled(t *rapid.T, plain bool) *oneseat.Roster {
	return oneseat.FilledRoster(func(stored reflect.Value) {
		for i := range stored.NumField() {
			if f := stored.Type().Field(i); f.IsExported() && (!plain || plainField(f.Name)) {
				fill(t, stored.Field(i))
			}
		}
		stored.FieldByName("Format").SetInt(rapid.Int64Range(1, 2).Draw(t, "format"))
	})
}

func TestPlainRostersAreWrittenAsEncodingJSONWritesThem(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.Bool().Draw(t, "plain")
		ro := filled(t, plain)
		if plain && !ro.Plain() {
			t.Fatalf("%+v is not plain", ro)
		}
		sameBothWays(t, sameWritten(t, ro))
	})
}

// What somebody has edited, or a disk has damaged, is read as encoding/json reads it.
func TestOddSpellingsAreReadAsEncodingJSONReadsThem(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := sameWritten(t, filled(t, rapid.IntRange(0, 3).Draw(t, "plain") > 0))
		pieces := []string{
			"", " ", ",", ":", "{", "}", "[", "]", `"`, `\`, `\u0041`, `\n`, "null", "true", "false", "0", "-", "-0", "00", "1.0", "1e2", "9999999999999999999", "\x00", "\xff", "é",
			"\u2028", `"id":`, `"at":1,`, `"format":2,`, `"later":1,`, `"ID":"x",`, `"seats":[],`, `"seats":null,`, `"device":{},`, `{}`, `{},`, `"unused":false,`,
		}
		for range rapid.IntRange(1, 3).Draw(t, "edits") {
			from := rapid.IntRange(0, len(b)).Draw(t, "from")
			if quotes := indexes(b, '"'); len(quotes) > 0 && rapid.Bool().Draw(t, "at a quote") { // then it is JSON more often
				from = rapid.SampledFrom(quotes).Draw(t, "quote")
			}
			to := min(len(b), from+rapid.IntRange(0, 3).Draw(t, "cut"))
			b = slices.Concat(b[:from], []byte(rapid.SampledFrom(pieces).Draw(t, "put")), b[to:])
		}
		sameBothWays(t, b)
	})
}

// indexes are the places of a byte.
func indexes(b []byte, of byte) (all []int) {
	for i, one := range b {
		if one == of {
			all = append(all, i)
		}
	}
	return all
}

func TestOddSpellingsOfEveryKind(t *testing.T) {
	for _, odd := range []string{
		`{"realm":"r","account":"a"}`,
		`{"format":0,"realm":"r","account":"a"}`,
		`{"format":-1,"realm":"r","account":"a"}`,
		`{"format":3,"realm":"r","account":"a"}`,
		`{"format":1.0,"realm":"r","account":"a"}`,
		`{"format":01,"realm":"r","account":"a"}`,
		`{"format":99999999999999999999,"realm":"r","account":"a"}`,
		`{ "format":1,"realm":"r","account":"a"}`,
		`{"format":1,"realm":"r","account":"a"} `,
		`{"format":1,"realm":"r","account":"a"}x`,
		`{"format":1,"realm":"r","account":"a",}`,
		`{"format":1,"realm":"r","account":"a"`,
		`{"format":1,"realm":"r","account":"a`,
		`{"format":1,"realm":"r","account"`,
		`{"format":1,"realm":null,"account":"a"}`,
		`{"account":"a","realm":"r","format":1}`,
		`{"format":1,"format":2,"realm":"r","account":"a"}`,
		`{"format":1,"realm":"r","account":"a","account":"b"}`,
		`{"Format":1,"REALM":"r","account":"a"}`,
		`{"format":1,"realm":"\u0072","account":"a\"b"}`,
		`{"format":1,"realm":"` + "\xff" + `","account":"a"}`,
		`{"format":1,"realm":"r","account":"` + "\x01" + `"}`,
		`{"format":1,"realm":"r","account":"\u0061"}`,
		`{"format":1,"realmx:"r","account":"a"}`,
		`{"format":1,"realm":"r","account":"a","later":1}`,
		`{"format":1,"realm":"r","account":"a","epoch":-0}`,
		`{"format":1,"realm":"r","account":"a","epoch":-1}`,
		`{"format":1,"realm":"r","account":"a","epoch":18446744073709551615}`,
		`{"format":1,"realm":"r","account":"a","due":-0}`,
		`{"format":1,"realm":"r","account":"a","due":9223372036854775808}`,
		`{"format":1,"realm":"r","account":"a","seats":[],"endings":[]}`,
		`{"format":1,"realm":"r","account":"a","seats":null}`,
		`{"format":1,"realm":"r","account":"a","seats":[null]}`,
		`{"format":1,"realm":"r","account":"a","seats":[,]}`,
		`{"format":1,"realm":"r","account":"a","seats":[{},{}]}`,
		`{"format":1,"realm":"r","account":"a","seats":[{},]}`,
		`{"format":1,"realm":"r","account":"a","seats":[{}{}]}`,
		`{"format":1,"realm":"r","account":"a","seats":[{"id":"x","unused":false,"observed":true}]}`,
		`{"format":1,"realm":"r","account":"a","seats":[{"id":"x","unused":truely}]}`,
		`{"format":1,"realm":"r","account":"a","seats":[{"id":"x","device":null}]}`,
		`{"format":1,"realm":"r","account":"a","seats":[{"id":"x","device":{"label":"l","later":1}}]}`,
		`{"format":1,"realm":"r","account":"a","seats":[{"id":"x","secret":"` + strings.Repeat("Aa", 32) + `"}]}`,
		`{"format":1,"realm":"r","account":"a","seats":[{"id":"x","secret":"` + strings.Repeat("zz", 32) + `"}]}`,
		`{"format":1,"realm":"r","account":"a","seats":[{"id":"x","secret":"aa"}]}`,
		`{"format":1,"realm":"r","account":"a","limits":{"total":1,"later":2}}`,
		`{"format":1,"realm":"r","account":"a","block":{"since":1}}`,
		`{"format":1,"realm":"r","account":"a","pending":[{"secret":"` + strings.Repeat("00", 32) + `","expires":1}]}`,
	} {
		sameBothWays(t, []byte(odd))
	}
}

// The rosters of every day take the shorter way; without it they would be right, and
// slow.
func TestRostersOfEveryDayArePlain(t *testing.T) {
	for name, plain := range map[string]bool{"roster": true, "control": true, "limits": false, "blocked": false} {
		b, err := os.ReadFile("testdata/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		ro := decode(t, b)
		if ro.Plain() != plain {
			t.Errorf("%s.json is plain: %v", name, !plain)
		}
		if written := encode(t, ro); oneseat.ParsesPlain(written) != plain {
			t.Errorf("%s is plain: %v", written, !plain)
		}
	}
}

func FuzzPlain(f *testing.F) {
	for _, name := range []string{"roster", "control", "limits", "blocked"} {
		b, err := os.ReadFile("testdata/" + name + ".json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(encode(f, decode(f, b)))
	}
	f.Fuzz(func(t *testing.T, b []byte) { sameBothWays(t, b) })
}

func BenchmarkRosterJSON(b *testing.B) {
	text, err := os.ReadFile("testdata/roster.json")
	if err != nil {
		b.Fatal(err)
	}
	ro := decode(b, text)
	text = encode(b, ro)
	for name, f := range map[string]func() error{
		"write":             func() error { _, err := ro.MarshalJSON(); return err },
		"write, by package": func() error { _, err := ro.MarshalAny(); return err },
		"read":              func() error { return new(oneseat.Roster).UnmarshalJSON(text) },
		"read, by package":  func() error { return new(oneseat.Roster).UnmarshalAny(text) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
