package pgstore_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/record"
	"github.com/oneseat/oneseat/store/pgstore"
)

func TestATransactionThatStaysOpenElsewhereCostsReadersNothing(t *testing.T) {
	t.Parallel()
	s, to := fresh(t)
	other := connect(t, to)
	run(t, other, "CREATE TABLE elsewhere (n int)", "BEGIN", "INSERT INTO elsewhere VALUES (1)") // it has its number from here on
	cursor := end(t, s)
	for i := range 50 {
		signIn(t, s, fmt.Sprint("account", i), "S")
		tail := changes(t, s, cursor)
		if len(tail.Entries) != 1 || !tail.End || tail.Gap || len(tail.Cursor) > 200 {
			t.Fatalf("after sign-in %d: %d entries, end %v, gap %v, cursor %q", i, len(tail.Entries), tail.End, tail.Gap, tail.Cursor)
		}
		cursor = tail.Cursor
	}
}

func TestWhatCommitsLateIsReadThoughItsNumberIsLower(t *testing.T) {
	t.Parallel()
	s, to := fresh(t)
	signIn(t, s, "ada", "A")
	other := connect(t, to)
	run(t, other, "BEGIN", `INSERT INTO oneseat_events (key, version, realm, account, events)
		SELECT key, version + 1, realm, 'late', events FROM oneseat_events`)
	cursor := end(t, s)
	signIn(t, s, "grace", "G")
	tail := changes(t, s, cursor)
	if len(tail.Entries) != 1 || tail.Entries[0].Key != key("grace") {
		t.Errorf("before it is committed: %+v", tail)
	}
	run(t, other, "COMMIT")
	tail = changes(t, s, tail.Cursor)
	if len(tail.Entries) != 1 || tail.Entries[0].Key != key("ada") || tail.Gap {
		t.Errorf("after it was committed: %+v", tail)
	}
	if tail = changes(t, s, tail.Cursor); len(tail.Entries) != 0 {
		t.Errorf("and again: %+v", tail)
	}
}

func TestALongLogComesInPagesWithNothingLostOrTwice(t *testing.T) {
	t.Parallel()
	s, to := fresh(t)
	signIn(t, s, "ada", "A")
	cursor := end(t, s)
	conn := connect(t, to)
	other := connect(t, to)
	run(t, other, "BEGIN", "SELECT pg_current_xact_id()") // it is in every snapshot
	const rows = `INSERT INTO oneseat_events (key, version, realm, account, events)
		SELECT key, version + %d, realm, account, '[]' FROM oneseat_events WHERE id = 1`
	want := 0
	for range 700 { // transactions with a row each
		want++
		run(t, conn, fmt.Sprintf(rows, want))
	}
	run(t, conn, `INSERT INTO oneseat_events (key, version, realm, account, events)
		SELECT key, version + 2000 + n, realm, account, '[]' FROM oneseat_events, generate_series(1, 2500) AS n WHERE id = 1`) // and one transaction with more than a page
	run(t, other, "ROLLBACK")
	want += 2500
	var got []uint64
	for calls := 0; ; calls++ {
		tail := changes(t, s, cursor)
		if tail.Gap || calls > 20 {
			t.Fatal(tail.Gap, calls)
		}
		for _, e := range tail.Entries {
			got = append(got, e.Version)
		}
		if cursor = tail.Cursor; tail.End {
			break
		}
	}
	if n := len(got); n != want || !slices.IsSorted(got) || len(slices.Compact(got)) != want {
		t.Errorf("%d entries, sorted %v; want %d different", n, slices.IsSorted(got), want)
	}
}

func TestOldEventsAreTrimmedAndThatIsAGap(t *testing.T) {
	t.Parallel()
	s, to := fresh(t)
	signIn(t, s, "ada", "A")
	old := end(t, s)
	for i := range 20 {
		signIn(t, s, fmt.Sprint("account", i), "S")
	}
	var trimmed oneseat.Cursor
	waitUntil(t, func() bool { // no transaction of another test was open: such a transaction counts as one that may have been trimmed
		trimmed = end(t, s)
		return strings.HasSuffix(string(trimmed), ":")
	}, func() string { return "somebody is always writing" })
	signIn(t, s, "grace", "G")
	run(t, connect(t, to), "UPDATE oneseat_events SET version = version - 31 * 24 * 3600 * 1000000::bigint WHERE account <> 'grace'")
	s = open(t, to) // opening looks for old events
	waitUntil(t, func() bool { return len(rowsOf(t, to, "SELECT 1 FROM oneseat_events")) == 1 }, func() string { return "the old events are still there" })
	if tail := changes(t, s, old); !tail.Gap || !tail.End {
		t.Errorf("from before what was trimmed: %+v", tail)
	}
	if tail := changes(t, s, trimmed); tail.Gap || len(tail.Entries) != 1 {
		t.Errorf("from after it: %+v", tail)
	}
	wantLive(t, s, "ada", "A")
}

func TestVersionsDoNotRestartWhenWhatIsLeftOfAnErasedRosterIsGone(t *testing.T) {
	t.Parallel()
	s, to := fresh(t)
	v := signIn(t, s, "ada", "A")
	gone, err := s.Update(t.Context(), key("ada"), func(oneseat.View) (oneseat.Change, error) { return oneseat.Change{Erase: true}, nil })
	if err != nil || gone.Roster != nil || gone.Version <= v.Version {
		t.Fatalf("erased: %+v, %v", gone, err)
	}
	if left := rowsOf(t, to, "SELECT account FROM oneseat_rosters"); len(left) != 1 {
		t.Errorf("left is %q", left)
	}
	// This is as if an hour had passed, and as if the clock had been set back since.
	run(t, connect(t, to), "UPDATE oneseat_rosters SET version = version - 2 * 3600 * 1000000::bigint")
	run(t, connect(t, to), fmt.Sprintf("UPDATE oneseat_meta SET floor = %d", gone.Version+1e9))
	s = open(t, to)
	waitUntil(t, func() bool { return len(rowsOf(t, to, "SELECT 1 FROM oneseat_rosters")) == 0 }, func() string { return "it stays" })
	if again := signIn(t, s, "ada", "B"); again.Version <= gone.Version+1e9 {
		t.Errorf("version %d after %d", again.Version, gone.Version+1e9)
	}
}

func TestTheLogOfARestoredDumpBeginsAnew(t *testing.T) {
	t.Parallel()
	s, to := fresh(t)
	signIn(t, s, "ada", "A")
	cursor := end(t, s)
	run(t, connect(t, to), "UPDATE oneseat_events SET xid = '999999999999'") // as if the cluster had been further
	s = open(t, to)
	if tail := changes(t, s, cursor); !tail.Gap {
		t.Errorf("%+v", tail)
	}
	if rs, err := s.Events(t.Context(), oneseat.EventQuery{Realm: realm}); err != nil || len(rs) != 1 {
		t.Errorf("the history: %+v, %v", rs, err)
	}
}

func TestManyNodesMayMakeTheDatabaseAtOnceAndKeepNoLock(t *testing.T) {
	t.Parallel()
	to := database(t)
	var wg sync.WaitGroup
	for i := range 6 {
		p := pool(t, with(t, to, "pool_max_conns=2"))
		wg.Go(func() {
			s, err := pgstore.Open(t.Context(), p, pgstore.Options{Logger: quiet})
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := s.Update(t.Context(), key(fmt.Sprint(i)), seat(fmt.Sprint(i), "S")); err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := rowsOf(t, to, "SELECT number FROM oneseat_migrations ORDER BY number"); !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("applied: %q", got)
	}
	if got := rowsOf(t, to, "SELECT * FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"); len(got) != 0 {
		t.Errorf("locks: %q", got)
	}
}

func TestADatabaseOfANewerReleaseOrOfAnotherProgramIsRefused(t *testing.T) {
	t.Parallel()
	_, to := fresh(t)
	run(t, connect(t, to), "INSERT INTO oneseat_migrations VALUES (99, '0099_future.sql')")
	_, err := pgstore.Open(t.Context(), pool(t, to), pgstore.Options{Logger: quiet})
	wantFailure(t, err, oneseat.FailureNewer)

	to = database(t)
	run(t, connect(t, to), "CREATE TABLE oneseat_rosters (theirs int)")
	_, err = pgstore.Open(t.Context(), pool(t, to), pgstore.Options{Logger: quiet})
	wantFailure(t, err, oneseat.FailureForeign)
	if got := rowsOf(t, to, "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"); got[0] != "1" {
		t.Errorf("%s tables", got[0])
	}
}

func TestARosterOfANewerFormatAndGarbageAreRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	s, to := fresh(t)
	conn := connect(t, to)
	for account, text := range map[string]string{
		"future":  `{"format":9,"realm":"default","account":"future","seats":[]}`,
		"garbage": `{"format":`, "other": `[1, 2]`,
	} {
		signIn(t, s, account, "S")
		run(t, conn, fmt.Sprintf("UPDATE oneseat_rosters SET roster = '%s' WHERE account = '%s'", text, account))
		_, err := s.Update(t.Context(), key(account), seat(account, "new"))
		if _, err2 := s.Load(t.Context(), key(account)); err == nil || err2 == nil || !strings.Contains(err.Error(), "stored roster") {
			t.Errorf("%s: %v, %v", account, err, err2)
		} else if account == "future" && !strings.Contains(err.Error(), "upgrade this node") {
			t.Errorf("of what is newer: %v", err)
		}
		if got := rowsOf(t, to, "SELECT roster FROM oneseat_rosters WHERE account = '"+account+"'"); !slices.Equal(got, []string{text}) {
			t.Errorf("%s became %q", account, got)
		}
	}
	signIn(t, s, "ada", "A")
	vs, err := s.Rosters(t.Context(), oneseat.RosterQuery{Realm: realm})
	if err != nil || len(vs) != 1 || vs[0].Roster.Account != "ada" {
		t.Errorf("the list: %+v, %v", vs, err)
	}
	if got := rowsOf(t, to, "SELECT account FROM oneseat_signed_in"); !slices.Equal(got, []string{"ada"}) {
		t.Errorf("signed in: %q", got)
	}
}

func TestAPersonCanReadWhoIsSignedInWhereAndWhatHappened(t *testing.T) {
	t.Parallel()
	s, to := fresh(t)
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
	if got := rowsOf(t, to, "SELECT * FROM oneseat_signed_in ORDER BY account"); !slices.Equal(got, want) {
		t.Errorf("signed in:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	want = []string{
		"ada|session_created|<nil>|A|<nil>", "ada|session_ended|displaced|A|B", "ada|session_created|<nil>|B|<nil>",
		"grace|session_created|<nil>|G|<nil>", "alan|session_created|<nil>|L|<nil>", "alan|session_ended|signed_out|L|<nil>",
	}
	if got := rowsOf(t, to, "SELECT account, event, reason, session, by_session FROM oneseat_history ORDER BY id"); !slices.Equal(got, want) {
		t.Errorf("history:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	_, err := s.Update(t.Context(), key(""), func(v oneseat.View) (oneseat.Change, error) {
		return oneseat.Change{Roster: (&record.Record{Realm: realm, Epoch: v.Next()}).Roster()}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := rowsOf(t, to, "SELECT * FROM oneseat_signed_in"); len(got) != 0 {
		t.Errorf("signed in after the realm was ended: %q", got)
	}
}
