package sqlitestore_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/record"
	"github.com/oneseat/oneseat/store/internal/fixture"
	"github.com/oneseat/oneseat/store/sqlitestore"
)

// rowsOf returns what a person sees as the answer to a query, a row in a line.
func rowsOf(t *testing.T, path, query string) []string {
	t.Helper()
	rows, err := shell(t, path).QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for rows.Next() {
		cells := make([]any, len(columns))
		for i := range cells {
			cells[i] = new(any)
		}
		if err := rows.Scan(cells...); err != nil {
			t.Fatal(err)
		}
		var line []string
		for _, c := range cells {
			line = append(line, fmt.Sprint(*c.(*any)))
		}
		lines = append(lines, strings.Join(line, "|"))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestAPersonCanReadWhoIsSignedInWhereAndWhatHappened(t *testing.T) {
	t.Parallel()
	s, path := fresh(t)
	signIn(t, s, "ada", "A")
	ada := signIn(t, s, "ada", "B")
	grace := signIn(t, s, "grace", "G")
	signIn(t, s, "alan", "L")
	if _, err := s.Update(t.Context(), key("alan"), leave("alan")); err != nil {
		t.Fatal(err)
	}
	utc := func(at time.Time) string { return at.UTC().Format(time.DateTime) }
	want := []string{
		"default|ada|B|Firefox on Linux|desktop|192.0.2.0|" + utc(ada.Now) + "|" + utc(ada.Now),
		"default|grace|G|Firefox on Linux|desktop|192.0.2.0|" + utc(grace.Now) + "|" + utc(grace.Now),
	}
	if got := rowsOf(t, path, "SELECT * FROM signed_in ORDER BY account"); !slices.Equal(got, want) {
		t.Errorf("signed in:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	want = []string{
		"1|ada|session_created|<nil>|A|Firefox on Linux|<nil>|",
		"2|ada|session_ended|displaced|A|Firefox on Linux|B|" + utc(ada.Now),
		"3|ada|session_created|<nil>|B|Firefox on Linux|<nil>|" + utc(ada.Now),
		"4|grace|session_created|<nil>|G|Firefox on Linux|<nil>|" + utc(grace.Now),
		"5|alan|session_created|<nil>|L|Firefox on Linux|<nil>|",
		"6|alan|session_ended|signed_out|L|Firefox on Linux|<nil>|",
	}
	got := rowsOf(t, path, "SELECT id, account, event, reason, session, device, by_session, at FROM history ORDER BY id")
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("history:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	// The control record is in neither view. What it ended is not signed in.
	_, err := s.Update(t.Context(), key(""), func(v oneseat.View) (oneseat.Change, error) {
		return oneseat.Change{
			Roster: (&record.Record{Realm: realm, Epoch: v.Next()}).Roster(),
			Events: []oneseat.Event{fixture.Event(v, oneseat.EventRealmEnded, oneseat.Session{})},
		}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := rowsOf(t, path, "SELECT * FROM signed_in"); len(got) != 0 {
		t.Errorf("signed in after the realm was ended: %q", got)
	}
	if got := rowsOf(t, path, "SELECT * FROM history"); len(got) != 6 {
		t.Errorf("history after the realm was ended: %q", got)
	}
}

// A plan says whether a query's cost grows with what it does not return. m has one row;
// j has the rows that were asked for.
func TestNoQueryReadsAWholeTable(t *testing.T) {
	t.Parallel()
	_, path := fresh(t)
	for name, query := range sqlitestore.Queries {
		for _, line := range rowsOf(t, path, "EXPLAIN QUERY PLAN "+strings.ReplaceAll(query, "?", "1")) {
			scans := strings.Contains(line, "SCAN") && !strings.Contains(line, "SCAN m") && !strings.Contains(line, "SCAN j")
			if scans || strings.Contains(line, "TEMP B-TREE") {
				t.Errorf("%s: %s", name, line)
			}
		}
	}
}
