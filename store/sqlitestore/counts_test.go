package sqlitestore_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/record"
)

// under returns a change that gives an account this number of sessions, all of one
// epoch.
func under(account string, epoch uint64, sessions int) change {
	ro := &record.Record{Realm: realm, Account: account}
	for i := range sessions {
		ro.Seats = append(ro.Seats, record.Seat{ID: oneseat.SessionID(fmt.Sprint(i)), Epoch: epoch})
	}
	return func(oneseat.View) (oneseat.Change, error) { return oneseat.Change{Roster: ro.Roster()}, nil }
}

// wantSums fails the test unless these are all the sums, as "epoch|accounts|sessions".
func wantSums(t *testing.T, path string, want ...string) {
	t.Helper()
	if got := rowsOf(t, path, "SELECT epoch, accounts, sessions FROM oneseat_counts ORDER BY epoch"); !slices.Equal(got, want) {
		t.Errorf("the sums are %q, want %q", got, want)
	}
}

func TestASumThatIsZeroHasNoRow(t *testing.T) {
	t.Parallel()
	s, path := fresh(t)
	for i, step := range []struct {
		account  string
		epoch    uint64
		sessions int
		want     []string
	}{
		{"ada", 1, 2, []string{"1|1|2"}},
		{"grace", 1, 1, []string{"1|2|3"}},
		{"ada", 2, 1, []string{"1|1|1", "2|1|1"}},
		{"grace", 2, 0, []string{"2|1|1"}},
		{"ada", 2, 0, nil},
	} {
		if _, err := s.Update(t.Context(), key(step.account), under(step.account, step.epoch, step.sessions)); err != nil {
			t.Fatal(err)
		}
		if wantSums(t, path, step.want...); t.Failed() {
			t.Fatalf("after step %d", i)
		}
	}
}

// docs/operations.md says how, after rosters were deleted or damaged by hand.
func TestSumsCanBeCountedAnew(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, statement, ok := strings.Cut(string(text), "\nBEGIN IMMEDIATE; DELETE FROM oneseat_counts; ")
	statement, _, _ = strings.Cut(statement, "\n")
	if !ok {
		t.Fatal("docs/operations.md does not say how")
	}
	s, path := fresh(t)
	for account, epoch := range map[string]uint64{"ada": 1, "grace": 2, "alan": 2} {
		if _, err := s.Update(t.Context(), key(account), under(account, epoch, 2)); err != nil {
			t.Fatal(err)
		}
	}
	conn := shell(t, path)
	for i, damage := range []string{`{"seats":`, `[]`, `{"seats":"many"}`, `{"seats":["A"]}`, ``} {
		account := fmt.Sprint("damaged ", i)
		k := key(account)
		if _, err := conn.ExecContext(t.Context(), "INSERT INTO oneseat_rosters (key, version, realm, account, roster) VALUES (?, 1, ?, ?, ?)", k[:], realm, account, damage); err != nil {
			t.Fatal(err)
		}
	}
	run(t, conn, "DELETE FROM oneseat_rosters WHERE account = 'alan'")
	wantSums(t, path, "1|1|2", "2|2|4") // a roster that was deleted by hand is not subtracted
	run(t, conn, "BEGIN IMMEDIATE; DELETE FROM oneseat_counts; "+statement)
	wantSums(t, path, "1|1|2", "2|1|2")
	if _, err := s.Update(t.Context(), key("ada"), under("ada", 2, 1)); err != nil {
		t.Fatal(err)
	}
	wantSums(t, path, "2|2|3")
}
