package pgstore

import (
	"strings"
	"testing"
)

// A snapshot that can be read is written, and what was written is read as the same
// snapshot.
func FuzzSnapshot(f *testing.F) {
	for _, s := range []string{"", "1:1:", "10:20:10,14,15", "10:20:15,14", "10:20:20", "x:20:10,", "1:18446744073709551615:", "1:2:3:4", ":5:", "10:20:10,10"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		read, ok := parseSnapshot(s)
		if !ok {
			return
		}
		if len(read.open) > strings.Count(s, ",")+1 {
			t.Errorf("%q has %d open transactions", s, len(read.open))
		}
		for i, x := range read.open {
			if x >= read.next || i > 0 && x < read.open[i-1] {
				t.Errorf("%q is read as %+v", s, read)
			}
		}
		again, ok := parseSnapshot(read.String())
		if !ok || again.String() != read.String() || again.next != read.next || len(again.open) != len(read.open) {
			t.Errorf("%q became %q and then %q, %v", s, read, again, ok)
		}
		// No transaction is open that is beyond the snapshot's end.
		if least := read.least(); least > read.next {
			t.Errorf("%q begins at %d, beyond its end", s, least)
		}
	})
}
