package powercut

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite"
)

// opener opens a store, which brings its tables to today's schema, and closes it.
func opener(args []string) error {
	store, _, err := open(context.Background(), args[0])
	if err != nil {
		return err
	}
	closer, is := store.(interface{ Close() error })
	if !is {
		return fmt.Errorf("%T cannot be closed", store)
	}
	return closer.Close()
}

// inspect says what a SQLite file has: its schema, and a hash of the rows of each table.
func inspect(args []string) error {
	db, err := sql.Open("sqlite", args[0])
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	var verdict string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		return fmt.Errorf("integrity_check: %s, %w", verdict, err)
	}
	all, err := texts(db, "SELECT name || ': ' || coalesce(sql, '') FROM sqlite_schema WHERE name LIKE 'oneseat%' OR type = 'view'")
	if err != nil {
		return err
	}
	said := map[string]string{}
	for _, line := range all {
		name, text, _ := strings.Cut(line, ": ")
		said[name] = text
	}
	for _, table := range []string{"oneseat_rosters", "oneseat_events", "oneseat_counts"} {
		if said[table] == "" {
			continue
		}
		rows, err := texts(db, map[string]string{
			"oneseat_rosters": "SELECT hex(key) || version || realm || account || roster FROM oneseat_rosters ORDER BY key",
			"oneseat_events":  "SELECT id || hex(key) || version || event FROM oneseat_events ORDER BY id",
			"oneseat_counts":  "SELECT realm || epoch || '/' || accounts || '/' || sessions || '/' || streams FROM oneseat_counts ORDER BY 1",
		}[table])
		if err != nil {
			return err
		}
		said["rows of "+table] = fmt.Sprintf("%d, %x", len(rows), sha256.Sum256([]byte(strings.Join(rows, "\n"))))
	}
	return json.NewEncoder(os.Stdout).Encode(said)
}

func texts(db *sql.DB, query string) (all []string, err error) {
	rows, err := db.Query(query)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close(), rows.Err()) }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	return all, nil
}

// play has another process play a role, which ends with the power. It returns what that said.
func (s *system) play(role string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer context.AfterFunc(ended(ctx, s.gone), cancel)()
	cmd := exec.CommandContext(ctx, s.binary, args...)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	var failed strings.Builder
	cmd.Stderr = &failed
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", role, err, &failed)
	}
	return out, err
}

// ended is a context that ends with a channel, or with its parent.
func ended(parent context.Context, gone <-chan struct{}) context.Context {
	ctx, cancel := context.WithCancel(parent)
	go func() { // ends with the parent
		defer cancel()
		select {
		case <-gone:
		case <-parent.Done():
		}
	}()
	return ctx
}

// The power goes at each write and each flush of the first opening of a file of e18747a. The
// next opening completes it, and all rows are there.
func TestWhatWasStoredSurvivesAPowerCutDuringAMigrationOfSQLite(t *testing.T) {
	s := sqliteSystem(t, false)
	old, err := filepath.Abs("../../store/internal/released/testdata/e18747a/sqlite.file")
	if err != nil {
		t.Fatal(err)
	}
	file := strings.TrimPrefix(s.url, "sqlite:")
	place := func() {
		if err := errors.Join(s.command("sh", "-c", "rm -f '"+file+"'*"), s.command("cp", old, file), s.command("sync", "-f", s.at)); err != nil {
			t.Fatal(err)
		}
	}
	look := func() (said map[string]string) {
		t.Helper()
		_, err := s.play("opener", s.url)
		var out []byte
		if err == nil {
			out, err = s.play("inspect", file)
		}
		if err == nil {
			err = json.Unmarshal(out, &said)
		}
		if err != nil {
			t.Fatal(err)
		}
		return said
	}
	s.start()
	place()
	want := look()
	s.cut()
	if want["rows of oneseat_rosters"] == "" || want["rows of oneseat_counts"] == "" {
		t.Fatalf("there is %v", want)
	}
	step := 5 // with -rounds each operation is the last one once
	if *rounds > 0 {
		step = 1
	}
	cuts := 0
	for at := 1 + s.random.IntN(step); ; at += step {
		s.start()
		place()
		s.disk.Arm(at)
		_, err := s.play("opener", s.url)
		off := s.isOff()
		if !off && err != nil {
			t.Fatal(err)
		}
		s.cut()
		if !off { // it was open before
			break
		}
		cuts++
		s.start()
		if now := look(); !maps.Equal(now, want) {
			t.Fatalf("cut at operation %d, seed %d: there is\n%v\nwant\n%v", at, *seed, now, want)
		}
		s.cut()
	}
	if cuts == 0 {
		t.Error("the power never went")
	}
	t.Logf("cut at %d operations; seed %d", cuts, *seed)
}

// Likewise with PostgreSQL, whose server goes with the power too.
func TestWhatWasStoredSurvivesAPowerCutDuringAMigrationOfPostgreSQL(t *testing.T) {
	s := postgresSystem(t, false)
	text, err := os.ReadFile("../../store/internal/released/testdata/e18747a/postgres.sql")
	if err != nil {
		t.Fatal(err)
	}
	dump := regexp.MustCompile(`(?m)^\\.*$`).ReplaceAllString(string(text), "") // commands that only psql knows
	on := func(do func(conn *pgx.Conn) error) {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), s.url)
		if err == nil {
			err = errors.Join(do(conn), conn.Close(t.Context()))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	look := func() (said []string) {
		t.Helper()
		on(func(conn *pgx.Conn) error {
			return conn.QueryRow(t.Context(), `SELECT ARRAY[
				(SELECT md5(string_agg(r::text, ',' ORDER BY key)) FROM oneseat_rosters AS r), (SELECT md5(string_agg(e::text, ',' ORDER BY id)) FROM oneseat_events AS e),
				(SELECT string_agg(relname || relkind::text, ',' ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') AND relname <> 'oneseat_counts' AND relname <> 'oneseat_recount'),
				(SELECT max(number)::text FROM oneseat_migrations)]`).Scan(&said)
		})
		return said
	}
	s.start()
	s.server.Start()
	s.server.Await()
	on(func(conn *pgx.Conn) error {
		_, err := conn.PgConn().Exec(t.Context(), dump).ReadAll()
		return err
	})
	was := look()
	cuts := 0
	// With -rounds at most of the operations, and else at one of them.
	for at := 1 + s.random.IntN(18); ; at += 1 + s.random.IntN(2) {
		if cuts == 0 && *rounds > 0 {
			at = 1
		}
		s.disk.Arm(at)
		_, err := s.play("opener", s.url)
		off := s.isOff()
		if !off && err != nil {
			t.Fatal(err)
		}
		s.stop()
		s.cut()
		s.start()
		s.server.Start()
		s.server.Await()
		now := look()
		done := now[3] != was[3]
		if now[0] != was[0] || now[1] != was[1] || now[2] != was[2] || !off && !done {
			t.Fatalf("cut at operation %d, seed %d: there is\n%q\nand was\n%q", at, *seed, now, was)
		}
		if cuts++; done || *rounds == 0 {
			break
		}
	}
	_, err = s.play("opener", s.url)
	on(func(conn *pgx.Conn) error {
		var sums, again string
		const query = `SELECT coalesce((SELECT string_agg(c, ',') FROM (SELECT concat_ws('/', realm, epoch, sum(accounts), sum(sessions), sum(streams)) AS c FROM %s GROUP BY realm, epoch ORDER BY realm, epoch) AS x), '')`
		failed := errors.Join(conn.QueryRow(t.Context(), fmt.Sprintf(query, "oneseat_counts")).Scan(&sums), conn.QueryRow(t.Context(), fmt.Sprintf(query, "oneseat_recount")).Scan(&again))
		if sums != again || sums == "" {
			t.Errorf("the sums are %s, and by the rosters %s", sums, again)
		}
		return errors.Join(failed, err)
	})
	s.stop()
	t.Logf("cut %d times; seed %d", cuts, *seed)
}
