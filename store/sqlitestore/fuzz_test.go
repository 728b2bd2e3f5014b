package sqlitestore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/sqlitestore"
)

// A cursor is a text that Changes has returned. For any other text Changes returns a gap and
// the end of the log. It returns no error then, and no entry.
func FuzzCursor(f *testing.F) {
	s, err := sqlitestore.Open(filepath.Join(f.TempDir(), "oneseat.db"))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close() })
	begin, err := s.Changes(f.Context(), 0, "")
	if err == nil {
		_, err = s.Update(f.Context(), key("ada"), seat("ada", "S"))
	}
	if err != nil {
		f.Fatal(err)
	}
	log, _, _ := strings.Cut(string(begin.Cursor), ".")
	for _, c := range []string{"", "LOG.0", "LOG.1", "LOG.2", "LOG.-1", "LOG.9223372036854775807", "LOG.9223372036854775808", "LOG.+1", "LOG.01", "LOG", "LOG.0.0", "x.0", ".", "LOG.1e0", "log.0"} {
		f.Add(c)
	}
	all, err := s.Changes(f.Context(), 0, begin.Cursor)
	if err != nil || len(all.Entries) != 1 {
		f.Fatal(all, err)
	}
	f.Fuzz(func(t *testing.T, c string) {
		c = strings.ReplaceAll(c, "LOG", log)
		got, err := s.Changes(t.Context(), 0, oneseat.Cursor(c))
		if err != nil || got.Cursor != all.Cursor || !got.End {
			t.Fatalf("%q: %+v, %v", c, got, err)
		}
		switch {
		case len(got.Entries) > 0 && (got.Gap || !strings.HasPrefix(c, log+".") || !reflect.DeepEqual(got.Entries, all.Entries)):
			t.Errorf("%q: %+v", c, got)
		case len(got.Entries) == 0 && !got.Gap && c != "" && !strings.HasPrefix(c, log+"."):
			t.Errorf("%q: %+v, without a gap", c, got)
		}
	})
}

// A row may hold any text. A roster is read as encoding/json reads it, or is a *FormatError.
// An event that cannot be read is a gap in the log, which still returns all other events.
func FuzzRow(f *testing.F) {
	path := filepath.Join(f.TempDir(), "oneseat.db")
	s, err := sqlitestore.Open(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close() })
	begin, err := s.Changes(f.Context(), 0, "")
	for _, account := range []string{"ada", "grace"} {
		if err == nil {
			_, err = s.Update(f.Context(), key(account), seat(account, "S"))
		}
	}
	if err != nil {
		f.Fatal(err)
	}
	conn := shell(f, path)
	run(f, conn, "PRAGMA synchronous = OFF", fmt.Sprintf("PRAGMA busy_timeout = %d", patience.Milliseconds()))
	for _, name := range []string{"roster", "control", "limits", "blocked", "e18747a/event"} {
		b, err := os.ReadFile("../../testdata/" + name + ".json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	for _, text := range []string{"", "{}", "null", "[]", "\x00", `{"type":1}`, `{"format":3}`, "\xff"} {
		f.Add(text)
	}
	k := key("ada")
	f.Fuzz(func(t *testing.T, text string) {
		for _, statement := range []string{"UPDATE oneseat_rosters SET roster = ?, version = version + 1 WHERE key = ?", "UPDATE oneseat_events SET event = ? WHERE key = ?"} {
			if _, err := conn.ExecContext(context.Background(), statement, text, k[:]); err != nil {
				t.Fatal(err)
			}
		}
		want := new(oneseat.Roster)
		bad := want.UnmarshalJSON([]byte(text))
		vs, err := s.Load(t.Context(), k)
		if _, typed := errors.AsType[*oneseat.FormatError](err); typed != (bad != nil) || err != nil && !typed {
			t.Fatalf("%q: %v, and encoding/json says %v", text, err, bad)
		}
		if err == nil && !reflect.DeepEqual(vs[0].Roster, want) {
			t.Errorf("%q is %+v, want %+v", text, vs[0].Roster, want)
		}
		gap := json.Unmarshal([]byte(text), new(oneseat.Event)) != nil
		tail, err := s.Changes(t.Context(), 0, begin.Cursor)
		if err != nil || tail.Gap != gap || !slices.ContainsFunc(tail.Entries, func(e oneseat.Entry) bool { return e.Key == key("grace") && len(e.Events) == 1 }) {
			t.Errorf("%q: %+v, %v; want a gap: %v", text, tail, err, gap)
		}
	})
}
