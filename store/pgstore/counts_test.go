package pgstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/record"
	"github.com/oneseat/oneseat/store/pgstore"
)

// under returns a change that gives an account this number of sessions, all of one
// epoch.
func under(account string, epoch uint64, sessions int) func(oneseat.View) (oneseat.Change, error) {
	ro := &record.Record{Realm: realm, Account: account}
	for i := range sessions {
		ro.Seats = append(ro.Seats, record.Seat{ID: oneseat.SessionID(fmt.Sprint(i)), Epoch: epoch})
	}
	return func(oneseat.View) (oneseat.Change, error) { return oneseat.Change{Roster: ro.Roster()}, nil }
}

func update(t testing.TB, s *pgstore.Store, account string, change func(oneseat.View) (oneseat.Change, error)) {
	t.Helper()
	if _, err := s.Update(t.Context(), key(account), change); err != nil {
		t.Fatal(err)
	}
}

// wantSums fails the test unless Count equals what the rosters hold, under each epoch.
func wantSums(t testing.TB, s *pgstore.Store, epochs ...uint64) {
	t.Helper()
	vs, err := s.Rosters(t.Context(), oneseat.RosterQuery{Realm: realm, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[uint64]oneseat.Count)
	for _, v := range vs {
		epoch, c := v.Roster.Count()
		want[epoch] = want[epoch].Plus(c)
	}
	for _, epoch := range epochs {
		if got, err := s.Count(t.Context(), realm, epoch); err != nil || got != want[epoch] {
			t.Errorf("epoch %d: Count says %+v, %v; the rosters %+v", epoch, got, err, want[epoch])
		}
	}
}

// The store deletes the sums of an epoch together, never some of them. Every store
// looks for them when it is opened.
func TestSumsOfAnEarlierEpochAreDroppedOnceTheyAreZero(t *testing.T) {
	t.Parallel()
	s, to := fresh(t)
	rows := func(epoch uint64) string {
		return rowsOf(t, to, fmt.Sprint("SELECT count(*) FROM oneseat_counts WHERE epoch = ", epoch))[0]
	}
	update(t, s, "ada", under("ada", 1, 2))
	update(t, s, "grace", under("grace", 2, 1))
	update(t, s, "alan", under("alan", 3, 1))
	update(t, s, "ada", under("ada", 3, 1)) // its session has come over from epoch 1
	open(t, to)
	waitUntil(t, func() bool { return rows(1) == "0" }, func() string { return rows(1) + " rows of epoch 1 are kept" })
	if rows(2) == "0" || rows(3) == "0" {
		t.Error("sums were dropped that are not zero")
	}
	update(t, s, "alan", under("alan", 3, 0))
	update(t, s, "ada", under("ada", 3, 0))
	wantSums(t, s, 1, 2, 3)

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	for i := range 4 { // over and back, so that sums become zero again and again
		wg.Go(func() {
			account := fmt.Sprint("account ", i)
			for ctx.Err() == nil {
				if _, err := s.Update(t.Context(), key(account), under(account, uint64(1+rand.IntN(3)), rand.IntN(2))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 10 {
		other := open(t, to)
		wantNoNegative(t, other)
	}
	stop()
	wg.Wait()
	wantSums(t, s, 1, 2, 3)
}

// wantNoNegative fails the test if a sum is below zero.
func wantNoNegative(t testing.TB, s *pgstore.Store) {
	t.Helper()
	for epoch := range uint64(4) {
		if c, err := s.Count(t.Context(), realm, epoch); err != nil || c.Accounts < 0 || c.Sessions < c.Accounts {
			t.Errorf("epoch %d: Count says %+v, %v", epoch, c, err)
		}
	}
}

// A decision also becomes too old while its update waits for a slot.
func TestSlotsThatStayLockedHoldUpWhatAltersASumAndTheDecisionIsMadeAgain(t *testing.T) {
	t.Parallel()
	s, to := fresh(t)
	signIn(t, s, "ada", "A")
	other := connect(t, to)
	run(t, other, "INSERT INTO oneseat_counts SELECT 'default', 0, n, 0, 0, 0 FROM generate_series(0, 255) AS n ON CONFLICT DO NOTHING",
		"BEGIN", "SELECT FROM oneseat_counts FOR UPDATE")
	signIn(t, s, "ada", "B") // takes the place of another session

	var nows []time.Time
	began, done := make(chan struct{}, 8), make(chan error)
	go func() {
		_, err := s.Update(t.Context(), key("grace"), func(v oneseat.View) (oneseat.Change, error) {
			nows = append(nows, v.Now)
			began <- struct{}{}
			return seat("grace", "G")(v)
		})
		done <- err
	}()
	<-began
	time.Sleep(oneseat.MaxUpdateAge + 100*time.Millisecond) // the age is what is tested
	run(t, other, "ROLLBACK")
	if err := <-done; err != nil || len(nows) < 2 || nows[len(nows)-1].Sub(nows[0]) < oneseat.MaxUpdateAge {
		t.Errorf("%v; decided at %v", err, nows)
	}
	wantLive(t, s, "grace", "G")
	wantSums(t, s, 0)
}

// docs/operations.md says how, after rosters were deleted or damaged by hand.
func TestSumsCanBeCountedAnew(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, statement, ok := strings.Cut(string(text), "\nBEGIN; LOCK TABLE oneseat_rosters ")
	statement, _, _ = strings.Cut(statement, "\n")
	if !ok {
		t.Fatal("docs/operations.md does not say how")
	}
	s, to := fresh(t)
	conn := connect(t, to)
	update(t, s, "ada", under("ada", 1, 2))
	update(t, s, "grace", under("grace", 2, 3))
	update(t, s, "alan", under("alan", 2, 1))
	for i, damage := range []string{`{"seats":`, `[]`, `{"seats":"many"}`, `{"seats":["A"]}`, `{"seats":[{"epoch":"x"}]}`, `{"seats":[{"epoch":1e300}]}`, ``} {
		account := fmt.Sprint("damaged ", i)
		k := key(account)
		if _, err := conn.Exec(t.Context(), "INSERT INTO oneseat_rosters (key, version, realm, account, roster) VALUES ($1, 1, 'damaged', $2, $3)", k[:], account, damage); err != nil {
			t.Fatal(err)
		}
	}
	run(t, conn, "DELETE FROM oneseat_rosters WHERE account = 'alan'")
	if c, err := s.Count(t.Context(), realm, 2); err != nil || c.Accounts != 2 {
		t.Errorf("Count says %+v, %v: a roster that was deleted by hand is counted down", c, err)
	}
	run(t, conn, "BEGIN; LOCK TABLE oneseat_rosters "+statement)
	wantSums(t, s, 1, 2)
	update(t, s, "ada", under("ada", 2, 1))
	wantSums(t, s, 1, 2)
}
