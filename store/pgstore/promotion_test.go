package pgstore_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/testservers"
	"github.com/oneseat/oneseat/store/pgstore"
)

// TestWhatAPromotionRevivesEndRealmEnds kills a primary whose standby has not received
// the last acknowledged commits, and promotes the standby.
func TestWhatAPromotionRevivesEndRealmEnds(t *testing.T) {
	t.Parallel()
	primary := testservers.StartPostgres(t, "fsync=off")
	standby := primary.Standby("fsync=off")
	either := func(first, second *testservers.Postgres) string {
		return fmt.Sprintf("postgres://postgres@%s,%s/postgres?connect_timeout=2", first.Addr, second.Addr)
	}
	const writable = "&target_session_attrs=read-write"
	here, there := node(t, either(standby, primary)+writable), node(t, either(primary, standby)+writable)
	s := open(t, either(primary, standby)) // a pool that takes whichever server answers
	check := func(on *oneseat.Registry, token oneseat.Token) error {
		_, err := on.Check(t.Context(), string(token))
		return err
	}
	enter := func(account string) oneseat.Token {
		t.Helper()
		g, err := here.SignIn(t.Context(), account, oneseat.SignInRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return g.Token
	}

	ada, grace := enter("ada"), enter("grace")
	caughtUp(t, primary, standby)
	if got := rowsOf(t, standby.URL, "SELECT account FROM oneseat_signed_in ORDER BY account"); !slices.Equal(got, []string{"ada", "grace"}) {
		t.Fatalf("the standby has %q", got)
	}
	_, err := pgstore.Open(t.Context(), pool(t, standby.URL), pgstore.Options{Logger: quiet})
	wantFailure(t, err, oneseat.FailureReadOnly)
	if text := fmt.Sprint(err); !strings.Contains(text, standby.Addr) || !strings.Contains(text, "connect to the primary") {
		t.Errorf("of a standby it says %q", text)
	}

	follower := connect(t, standby.URL)
	run(t, follower, "ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()")
	waitUntil(t, func() bool { return len(rowsOf(t, standby.URL, "SELECT FROM pg_stat_wal_receiver")) == 0 }, func() string { return "it still follows" })
	if err := here.SignOut(t.Context(), string(ada)); err != nil {
		t.Fatal(err)
	}
	late := enter("late")
	if check(here, ada) == nil || check(here, late) != nil {
		t.Fatal("what was acknowledged does not hold")
	}
	cursor := end(t, s)
	primary.Kill()

	for name, call := range map[string]func() error{
		"Load":    func() error { _, err := s.Load(t.Context(), key("ada")); return err },
		"Update":  func() error { _, err := s.Update(t.Context(), key("ada"), seat("ada", "B")); return err },
		"Changes": func() error { _, err := s.Changes(t.Context(), 0, cursor); return err },
	} {
		var err error
		waitUntil(t, func() bool { // its connections to the primary are lost first
			err = call()
			e, ok := errors.AsType[*oneseat.StoreError](err)
			return ok && e.Failure == oneseat.FailureReadOnly
		}, func() string { return fmt.Sprintf("%s on a standby: %v", name, err) })
	}
	run(t, follower, "SELECT pg_promote()")
	for range 100 { // so that the numbers of the lost transactions are used again
		run(t, follower, "SELECT pg_current_xact_id()")
	}

	var tail oneseat.Tail
	waitUntil(t, func() bool { // the store goes on by itself
		tail, err = s.Changes(t.Context(), 0, cursor)
		return err == nil
	}, func() string { return fmt.Sprint("it does not recover: ", err) })
	if !tail.Gap || !tail.End {
		t.Errorf("the first look at the log after a promotion is no gap: %+v", tail)
	}
	if again := changes(t, s, tail.Cursor); again.Gap {
		t.Errorf("and the next is: %+v", again)
	}
	// This node remembers the ending, and repeats it. On the other node nobody has
	// asked before.
	for name, holds := range map[string]func() bool{
		"what was replicated is lost":                func() bool { return check(here, grace) == nil && check(there, grace) == nil },
		"nothing has come undone, nothing is tested": func() bool { return check(there, ada) == nil },
		"who was not replicated still counts":        func() bool { return errors.Is(check(here, late), oneseat.ErrNoSession) },
	} {
		waitUntil(t, holds, func() string { return name })
	}

	if err := there.EndRealm(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	if check(there, ada) == nil || check(there, grace) == nil {
		t.Error("EndRealm leaves alive what was issued before")
	}
	waitUntil(t, func() bool {
		_, ended := errors.AsType[*oneseat.EndedError](check(here, grace))
		return ended
	}, func() string { return "on the other node it is never heard of" })
	if err := check(here, enter("ada")); err != nil {
		t.Error(err)
	}
}

// caughtUp waits until a standby has everything that its primary has now. Before, it
// may not even have the tables.
func caughtUp(t *testing.T, primary, standby *testservers.Postgres) {
	t.Helper()
	written := rowsOf(t, primary.URL, "SELECT pg_current_wal_lsn()::text")[0]
	has := "SELECT coalesce(pg_last_wal_replay_lsn() >= '" + written + "', false)"
	waitUntil(t, func() bool { return rowsOf(t, standby.URL, has)[0] == "true" }, func() string { return "the standby is behind" })
}

// node is a registry with default settings.
func node(t *testing.T, to string) *oneseat.Registry {
	t.Helper()
	seats, err := oneseat.New(open(t, to), oneseat.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = seats.Close() })
	return seats
}
