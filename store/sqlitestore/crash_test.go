package sqlitestore_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/record"
	"github.com/oneseat/oneseat/store/sqlitestore"
)

var rounds = flag.Int("rounds", 120, "how often TestWhatWasAcknowledgedSurvivesKill9 kills a process")

// The worker makes steps in several accounts at once. In each account two sign-ins and
// the end of the live session follow each other, again and again. The number of an
// account's steps says what its roster has to be.

// stepOf returns the change that is step n of an account, from 1 on.
func stepOf(account string, n int) change {
	if n%3 == 0 {
		return leave(account)
	}
	return seat(account, idOf(n))
}

func idOf(n int) oneseat.SessionID { return oneseat.SessionID(strconv.Itoa(n)) }

// after returns what a roster holds after step n: the session that is signed in, and
// the session that ended last.
func after(n int) (live, ended oneseat.SessionID) {
	switch n % 3 {
	case 1:
		live, ended = idOf(n), idOf(n-2) // step n-1 ended that session
	case 2:
		live, ended = idOf(n), idOf(n-1)
	default:
		ended = idOf(n - 1)
	}
	if n <= 1 {
		ended = ""
	}
	return live, ended
}

// stepsIn returns the number of the last step that a roster shows.
func stepsIn(ro *oneseat.Roster) (int, error) {
	if ro == nil {
		return 0, nil
	}
	stored := record.Of(ro)
	if len(stored.Seats) > 0 {
		return strconv.Atoi(string(stored.Seats[0].ID))
	}
	n, err := strconv.Atoi(string(stored.Endings[len(stored.Endings)-1].Session))
	return n + 1, err
}

const workers = 4

func workerAccount(i int) string { return fmt.Sprint("account", i) }

// worker goes on until it is killed, and says what was acknowledged.
func worker(args []string, say func(string)) error {
	s, err := sqlitestore.Open(args[0])
	if err != nil {
		return err
	}
	ctx := context.Background()
	failed := make(chan error)
	for i := range workers {
		go func() {
			failed <- func() error {
				account := workerAccount(i)
				vs, err := s.Load(ctx, key(account))
				if err != nil {
					return err
				}
				n, err := stepsIn(vs[0].Roster)
				for err == nil {
					n++
					if _, err = s.Update(ctx, key(account), stepOf(account, n)); err == nil {
						say(fmt.Sprintf("%d %d", i, n))
					}
				}
				return err
			}()
		}()
	}
	return <-failed
}

func TestWhatWasAcknowledgedSurvivesKill9(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "oneseat.db")
	var acknowledged [workers]int
	note := func(line string) {
		i, n, _ := strings.Cut(line, " ")
		at, err := strconv.Atoi(i)
		if err == nil {
			acknowledged[at], err = strconv.Atoi(n)
		}
		if err != nil {
			t.Fatalf("the worker said %q", line)
		}
	}
	for round := range *rounds {
		p := start(t, self(t), "worker", nil, path)
		for range rand.IntN(24) {
			if !p.lines.Scan() {
				t.Fatalf("the worker ended: %s", p.errs.String())
			}
			note(p.lines.Text())
		}
		for _, line := range p.kill(t) {
			note(line)
		}
		if err := verify(t, path, &acknowledged); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
	t.Logf("%d rounds; steps acknowledged: %v", *rounds, acknowledged)
}

// verify opens the file that a killed process left, and looks for everything that the
// process had acknowledged. The next process begins with what is there.
func verify(t *testing.T, path string, acknowledged *[workers]int) error {
	s, err := sqlitestore.Open(path)
	if err != nil {
		return err
	}
	defer s.Close()
	var verdict string
	conn := shell(t, path)
	defer conn.Close()
	if err := conn.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		return fmt.Errorf("integrity_check: %s, %w", verdict, err)
	}
	for i := range acknowledged {
		vs, err := s.Load(t.Context(), key(workerAccount(i)))
		if err != nil {
			return err
		}
		n, err := stepsIn(vs[0].Roster)
		if err != nil {
			return err
		}
		// One step more may have been committed, if the process was killed before it
		// said so.
		if n != acknowledged[i] && n != acknowledged[i]+1 {
			return fmt.Errorf("account %d: step %d was acknowledged, and %d is stored", i, acknowledged[i], n)
		}
		acknowledged[i] = n
		if err := verifyAccount(t, s, vs[0], n); err != nil {
			return fmt.Errorf("account %d after step %d: %w", i, n, err)
		}
	}
	return nil
}

func verifyAccount(t *testing.T, s *sqlitestore.Store, v oneseat.View, n int) error {
	if n == 0 {
		return nil
	}
	wantLive, wantEnded := after(n)
	var live, ended oneseat.SessionID
	stored := record.Of(v.Roster)
	if len(stored.Seats) > 0 {
		live = stored.Seats[0].ID
	}
	if e := stored.Endings; len(e) > 0 {
		ended = e[len(e)-1].Session
	}
	if live != wantLive || ended != wantEnded {
		return fmt.Errorf("%q is signed in and %q the last to have ended, want %q and %q", live, ended, wantLive, wantEnded)
	}
	// The log has all events of the last steps, in their order.
	records, err := s.Events(t.Context(), oneseat.EventQuery{Realm: realm, Account: v.Roster.Account, Limit: 12})
	if err != nil {
		return err
	}
	slices.Reverse(records)
	var got, want []string
	for _, r := range records {
		got = append(got, fmt.Sprint(r.Type, " ", r.Session))
	}
	for step := max(1, n-11); step <= n; step++ {
		l, e := after(step)
		if step%3 != 1 {
			want = append(want, fmt.Sprint(oneseat.EventSessionEnded, " ", e))
		}
		if l != "" {
			want = append(want, fmt.Sprint(oneseat.EventSessionCreated, " ", l))
		}
	}
	if !slices.Equal(got, want[max(0, len(want)-12):]) {
		return errors.New("the log says " + strings.Join(got, ", "))
	}
	return nil
}
