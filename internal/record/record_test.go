package record_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/record"
)

// full is a record without a field that is zero.
func full() *record.Record {
	n := 0
	next := func() int { n++; return n }
	at := func() record.Time { return record.At(time.UnixMicro(1_700_000_000_000_000 + int64(next()))) }
	digest := func() record.Digest { return record.Digest{31: byte(next())} }
	device := oneseat.Device{Label: "Firefox on Linux", Class: "desktop", IP: "192.0.2.0"}
	return &record.Record{
		Format: 2, Realm: "realm", Account: "ada",
		Seats: []record.Seat{
			{
				ID: "STREAM", Parent: "SEAT", Created: at(), LastSeen: at(), Device: device, Secret: digest(), Previous: digest(), Rotated: at(),
				DeviceID: digest(), Epoch: 1<<63 + 1, Replayed: at(), Observed: true, Unused: true, LastUsed: at(), Tried: at(),
				Title: "a film", Proved: at(), Idle: 6, Absolute: 7, Closed: true, Data: "data", Program: true, Seen: device,
			},
			{ID: "SEAT", Created: at(), LastSeen: at()},
		},
		Endings: []record.Ended{
			{
				Session: "GONE", Parent: "SEAT", Reason: oneseat.ReasonDisplaced, At: at(), By: "STREAM", Actor: "staff", Device: device, ByDevice: device,
				Secret: digest(), Previous: digest(), Mark: "0102ff", Used: at(), Tried: at(), SameDevice: true,
			},
			{Session: "OTHER", Reason: oneseat.ReasonSignedOut, At: at()},
		},
		Forgotten: at(), Tried: at(),
		Pending:  []record.Pending{{Secret: digest(), DeviceID: digest(), Epoch: 3, Expires: at(), Idle: 8, Absolute: 9, Closed: true, Data: "data"}, {Secret: digest(), Expires: at()}},
		Limits:   oneseat.Limits{Total: 2, Classes: map[oneseat.Class]int{"tv": 1}, Streams: oneseat.Unlimited},
		Revision: 4, Block: &record.Block{Since: at(), Until: at(), Actor: "staff"}, Takeover: at(), Epoch: 5, Due: at(),
	}
}

func TestEveryKeyOfARosterIsReadAndWritten(t *testing.T) {
	for name, want := range map[string]*record.Record{
		"full": full(), "the least": {Realm: "realm", Account: "ada"}, "control": {Realm: "realm", Epoch: 1<<64 - 1},
		"a block": {Realm: "realm", Account: "ada", Block: &record.Block{Since: record.At(time.UnixMicro(1))}},
	} {
		if name == "full" {
			notZero(t, "record", reflect.ValueOf(*want))
			notZero(t, "seat", reflect.ValueOf(want.Seats[0]))
			notZero(t, "ending", reflect.ValueOf(want.Endings[0]))
			notZero(t, "ticket", reflect.ValueOf(want.Pending[0]))
			notZero(t, "block", reflect.ValueOf(*want.Block))
		}
		ro := want.Roster()
		got := record.Of(ro)
		if want.Format == 0 {
			want.Format = got.Format
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got\n%+v\nwant\n%+v", name, got, want)
		}
		theirs, err := ro.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		ours, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if string(theirs) != string(ours) {
			t.Errorf("%s: the roster is stored as\n%s\nand its record as\n%s", name, theirs, ours)
		}
	}
	if record.Of(nil) != nil || (*record.Record)(nil).Roster() != nil {
		t.Error("there is something of nothing")
	}
}

// notZero fails for a field that a test would not see come back.
func notZero(t *testing.T, what string, v reflect.Value) {
	t.Helper()
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("%s: %s is zero: nothing would show if it were lost", what, v.Type().Field(i).Name)
		}
	}
}

// TestARecordHasTheKeysThatTheCodecHas reads the source: a key that was added to
// the stored form would come back without the record knowing it.
func TestARecordHasTheKeysThatTheCodecHas(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", "codec.go"), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	of := map[string]reflect.Type{
		"rosterJSON": reflect.TypeFor[record.Record](), "seatJSON": reflect.TypeFor[record.Seat](), "endingJSON": reflect.TypeFor[record.Ended](),
		"pendingJSON": reflect.TypeFor[record.Pending](), "blockJSON": reflect.TypeFor[record.Block](),
	}
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		stored, isStruct := spec.Type.(*ast.StructType)
		if !isStruct || !strings.HasSuffix(spec.Name.Name, "JSON") {
			return false
		}
		ours, ok := of[spec.Name.Name]
		if !ok {
			t.Errorf("a record does not know what is stored as %s", spec.Name.Name)
			return false
		}
		delete(of, spec.Name.Name)
		var want, got []string
		for _, field := range stored.Fields.List {
			if field.Tag != nil {
				want = append(want, strings.Trim(field.Tag.Value, "`"))
			}
		}
		for field := range ours.Fields() {
			got = append(got, string(field.Tag))
		}
		if len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("%s has the keys\n%q\nand %v has\n%q", spec.Name.Name, want, ours, got)
		}
		return false
	})
	for name := range of {
		t.Errorf("codec.go has no %s", name)
	}
}

func TestARecordThatIsNoRostersIsRefused(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a roster was made of it")
		}
	}()
	(&record.Record{Format: 99, Realm: "realm", Account: "ada"}).Roster()
}
