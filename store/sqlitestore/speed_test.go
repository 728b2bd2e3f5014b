package sqlitestore_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/internal/fixture"
)

// accounts is how many accounts BenchmarkSignIn and BenchmarkBareRows use in turn.
const accounts = 10000

// BenchmarkSignIn makes one sign-in, each of which displaces another: a roster and two
// events. Run it with -benchtime 50000x or so.
func BenchmarkSignIn(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s, _ := fresh(b)
			changes := signIns(b)
			var n atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range callers {
				wg.Go(func() {
					for i := n.Add(1); i <= int64(b.N); i = n.Add(1) {
						a := fmt.Sprint("user", i%accounts)
						if _, err := s.Update(b.Context(), key(a), changes[i%accounts]); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "signins/s")
		})
	}
}

// signIns returns the changes of BenchmarkSignIn, by account. They are made in advance,
// because the store has no part in the cost of a decision.
func signIns(b *testing.B) []fixture.Change {
	changes := make([]fixture.Change, accounts)
	for i := range changes {
		a := fmt.Sprint("user", i)
		v := oneseat.View{Key: key(a)}.At(time.Now())
		var last oneseat.Change
		for range 2 {
			c, err := seat(a, oneseat.SessionID(rand.Text()))(v)
			if err != nil {
				b.Fatal(err)
			}
			last, v.Roster = c, c.Roster
		}
		changes[i] = func(oneseat.View) (oneseat.Change, error) { return last, nil }
	}
	return changes
}

// BenchmarkBareRows writes the rows of BenchmarkSignIn with nothing around them, for
// comparison: it reads nothing, decides nothing, and makes no JSON.
func BenchmarkBareRows(b *testing.B) {
	for _, batch := range []int{1, 64} {
		b.Run(fmt.Sprintf("transactions_of=%d", batch), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "oneseat.db")
			roster, events := example(b, open(b, path))
			conn := shell(b, path)
			run(b, conn, "PRAGMA synchronous = FULL", "PRAGMA cache_size = -16384")
			prepare := func(query string) *sql.Stmt {
				s, err := conn.PrepareContext(b.Context(), query)
				if err != nil {
					b.Fatal(err)
				}
				return s
			}
			do := func(s *sql.Stmt, args ...any) {
				if _, err := s.Exec(args...); err != nil {
					b.Fatal(err)
				}
			}
			begin, commit := prepare("BEGIN IMMEDIATE"), prepare("COMMIT")
			insert := prepare("INSERT INTO oneseat_rosters (version, due, roster, key, realm, account) VALUES (?, ?, ?, ?, ?, ?)")
			update := prepare("UPDATE oneseat_rosters SET version = ?, due = ?, roster = ? WHERE key = ?")
			log := prepare("INSERT INTO oneseat_events (key, version, realm, account, session, event) VALUES (?, ?, ?, ?, ?, ?)")
			b.ResetTimer()
			for i := range b.N {
				if i%batch == 0 {
					do(begin)
				}
				a := fmt.Sprint("user", i%accounts)
				k := key(a)
				now := time.Now().UnixMicro()
				if i < accounts {
					do(insert, now, now, roster, k[:], realm, a)
				} else {
					do(update, now, now, roster, k[:])
				}
				for _, e := range events {
					do(log, k[:], now, realm, a, rand.Text(), e)
				}
				if i%batch == batch-1 || i == b.N-1 {
					do(commit)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "signins/s")
		})
	}
}

// example returns a roster, and the events of one sign-in, as they are stored.
func example(b *testing.B, s oneseat.Store) (roster string, events []string) {
	var last oneseat.Change
	for range 3 {
		_, err := s.Update(context.WithoutCancel(b.Context()), key("example"), func(v oneseat.View) (c oneseat.Change, err error) {
			last, err = seat("example", oneseat.SessionID(rand.Text()))(v)
			return last, err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	text, err := json.Marshal(last.Roster)
	if err != nil {
		b.Fatal(err)
	}
	for _, e := range last.Events {
		j, err := json.Marshal(e)
		if err != nil {
			b.Fatal(err)
		}
		events = append(events, string(j))
	}
	return string(text), events
}

// BenchmarkLoad reads one roster, as a check does that is not answered from memory, and
// fifty at once.
func BenchmarkLoad(b *testing.B) {
	s, _ := fresh(b)
	keys := make([]oneseat.Key, 50)
	for i := range keys {
		a := fmt.Sprint("user", i)
		keys[i] = key(a)
		signIn(b, s, a, "S")
	}
	for _, n := range []int{1, len(keys)} {
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Load(b.Context(), keys[:n]...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
