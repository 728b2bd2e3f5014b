package pgstore_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/internal/released"
	"github.com/oneseat/oneseat/store/pgstore"
)

// migratingVariable makes the test binary a process that opens a store, and is killed before
// its statement of that number.
const migratingVariable = "ONESEAT_PGSTORE_TEST_MIGRATING"

// killer kills its process (kill -9) before a statement.
type killer struct{ at, n int }

func (k *killer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	if k.n++; k.n == k.at {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // it goes no further
	}
	return ctx
}

func (*killer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// migrating is that process.
func migrating(before, to string) error {
	at, err := strconv.Atoi(before)
	if err != nil {
		return err
	}
	c, err := pgxpool.ParseConfig(to)
	if err != nil {
		return err
	}
	c.MaxConns, c.ConnConfig.Tracer = 1, &killer{at: at}
	ctx := context.Background()
	p, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return err
	}
	defer p.Close()
	s, err := pgstore.Open(ctx, p, pgstore.Options{Logger: quiet})
	if err != nil {
		return err
	}
	return s.Close()
}

// olderDatabases are databases of each schema that there was.
var olderDatabases = map[string]func(t *testing.T, to string){
	"none": func(*testing.T, string) {},
	"1": func(t *testing.T, to string) {
		writeReleased(t, to)
		run(t, connect(t, to), "DROP FUNCTION oneseat_json, oneseat_time CASCADE", "DELETE FROM oneseat_migrations WHERE number = 2")
	},
	"2": writeReleased,
}

func writeReleased(t *testing.T, to string) {
	dump := regexp.MustCompile(`(?m)^\\.*$`).ReplaceAllString(string(released.File(t, "postgres.sql")), "") // commands that only psql knows
	if _, err := connect(t, to).PgConn().Exec(t.Context(), dump).ReadAll(); err != nil {
		t.Fatal(err)
	}
}

// A process may be killed before any statement of opening a database. The database, of any
// schema, is then either as it was or wholly migrated, and has all its rows. So the next
// process completes what was begun.
func TestAMigrationThatIsKilledIsCompletedByTheNextOne(t *testing.T) {
	t.Parallel()
	_, whole := fresh(t)
	want := names(t, whole)
	for schema, write := range olderDatabases {
		t.Run("schema "+schema, func(t *testing.T) {
			to := database(t)
			write(t, to)
			old := names(t, to)
			kept := func() []string {
				if len(old) == 0 {
					return nil
				}
				return append(rowsOf(t, to, "SELECT key, version, due, realm, account, roster FROM oneseat_rosters ORDER BY key"),
					rowsOf(t, to, "SELECT id, key, version, realm, account, events FROM oneseat_events ORDER BY id")...)
			}
			rows, kills := kept(), 0
			for ; killed(t, to, kills+1); kills++ {
				if now := names(t, to); !maps.Equal(now, old) && !maps.Equal(now, want) {
					t.Fatalf("killed before statement %d it has half a schema: %v", kills+1, now)
				}
				if now := kept(); !slices.Equal(now, rows) {
					t.Fatalf("killed before statement %d it has\n%s\nand had\n%s", kills+1, strings.Join(now, "\n"), strings.Join(rows, "\n"))
				}
			}
			if now := names(t, to); kills < 8 || !maps.Equal(now, want) {
				t.Errorf("after %d kills it has %v", kills, now)
			}
			if schema != "none" {
				released.Check(t, open(t, to), "postgres.json")
			}
			t.Logf("it was killed before each of %d statements", kills)
		})
	}
}

// killed opens a database in a process that is killed before a statement, and reports whether
// there was one of that number.
func killed(t *testing.T, to string, before int) bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], to)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", migratingVariable, before))
	out, err := cmd.CombinedOutput()
	if exit, is := errors.AsType[*exec.ExitError](err); err != nil && (!is || exit.ExitCode() != -1) {
		t.Fatalf("it was not killed: %v: %s", err, out)
	}
	return err != nil
}

// After a step back to an older release, that release finds a schema that it does not know.
func TestADatabaseOfANewerReleaseIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	s, to := fresh(t)
	signIn(t, s, "ada", "A")
	run(t, connect(t, to), "INSERT INTO oneseat_migrations VALUES (99, '0099_future.sql')", "CREATE TABLE oneseat_future (x int)")
	all := func() (rows []string) {
		for _, table := range rowsOf(t, to, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY 1") {
			rows = append(rows, table)
			rows = append(rows, rowsOf(t, to, "SELECT x::text FROM "+table+" AS x ORDER BY 1")...)
		}
		return rows
	}
	was, columns := all(), names(t, to)
	for range 2 {
		_, err := pgstore.Open(t.Context(), pool(t, to), pgstore.Options{Logger: quiet})
		wantFailure(t, err, oneseat.FailureNewer)
		if !strings.Contains(err.Error(), "upgrade this node (its schema is 99, this release knows ") {
			t.Errorf("it says %v", err)
		}
	}
	if now := all(); !slices.Equal(now, was) || !maps.Equal(names(t, to), columns) {
		t.Errorf("there is\n%s\nand was\n%s", strings.Join(now, "\n"), strings.Join(was, "\n"))
	}
}
