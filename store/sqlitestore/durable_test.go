package sqlitestore_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/sqlitestore"
)

// STO-04: a kill -9 cannot show this, because the kernel keeps what the process wrote.
// What an acknowledgement is worth after a loss of power is decided by these settings of
// every connection: in a new file, in one that was there, and after an error, when the
// writer connects again. synchronous=2 is FULL.
func TestEveryConnectionSyncsWhatItAcknowledges(t *testing.T) {
	const want = "journal_mode=wal synchronous=2 secure_delete=1"
	path := filepath.Join(t.TempDir(), "oneseat.db")
	check := func(when string, s *sqlitestore.Store) {
		t.Helper()
		found, err := s.Durability(t.Context())
		if err != nil || len(found) != 4 {
			t.Fatalf("%s: %v %v", when, found, err)
		}
		for name, is := range found {
			if is != want {
				t.Errorf("%s, %s: %s, want %s", when, name, is, want)
			}
		}
	}
	s := open(t, path)
	check("new", s)
	check("in the file of another node", open(t, path))
	if err := s.Fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	var err error
	for i := 0; err == nil && i < 10000; i++ { // until the writer fails: then it connects again
		a := fmt.Sprint("account", i)
		_, err = s.Update(t.Context(), key(a), seat(a, "S"))
	}
	wantFailure(t, err, oneseat.FailureFull)
	check("after an error", s)
}
