package sqlitestore_test

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/sqlitestore"
)

// A cursor is one that Changes has returned. From any other text on, the log has a gap, and
// says where its end is; it has no error, and no entry.
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
