package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/testservers"
	"github.com/oneseat/oneseat/store/redisstore"
)

func TestAHealthyPostgresHasNoFindingAndIsNotChanged(t *testing.T) {
	t.Parallel()
	url := database(t)
	state := func() []string {
		return sql(t, url, `SELECT 'roster ' || key::text || version || xmin FROM oneseat_rosters UNION ALL SELECT 'event ' || id || xmin FROM oneseat_events
			UNION ALL SELECT 'meta ' || xmin FROM oneseat_meta UNION ALL SELECT 'table ' || relname || xmin FROM pg_class WHERE relname LIKE 'oneseat%' ORDER BY 1`)
	}
	before := state()
	wantFine(t, Subject{Store: url}, "store", "clock", "rights", "durable", "listen")
	if after := state(); !slices.Equal(after, before) {
		t.Errorf("it was changed: %q, %q", before, after)
	}
}

func TestFaultsOfPostgresAreFound(t *testing.T) {
	t.Parallel()
	server := postgresAddr(t)
	lossy := with(t, database(t), "synchronous_commit", "off")
	role := database(t)
	sql(t, role, "CREATE ROLE weak LOGIN", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO weak", "GRANT INSERT, UPDATE, DELETE ON oneseat_rosters, oneseat_counts TO weak")
	newer := database(t)
	sql(t, newer, "INSERT INTO oneseat_migrations VALUES (1000, 'of the future')")
	latin := emptyDatabase(t) + "l"
	sql(t, "postgres://postgres@"+server+"/postgres", "CREATE DATABASE "+latin[strings.LastIndex(latin, "/")+1:]+" TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
	for name, c := range map[string]struct {
		url, check string
		severity   Severity
		words      []string
	}{
		"nobody there":    {"postgres://ada:hunter2@127.0.0.1:1/shop", "store", Problem, []string{"127.0.0.1:1/shop", "cannot be reached"}},
		"no such role":    {"postgres://nobody:hunter2@" + server + "/postgres", "store", Problem, []string{"refuses the login"}},
		"no URL":          {"postgres://ada:hunter2@[::1/shop", "store", Problem, []string{"no address"}},
		"another charset": {latin, "store", Problem, []string{"LATIN1"}},
		"newer":           {newer, "store", Problem, []string{"newer release", "upgrade this node"}},
		"empty":           {emptyDatabase(t), "store", Warning, []string{"no store"}},
		"lossy":           {lossy, "durable", Problem, []string{"synchronous_commit is off"}},
		"no rights":       {strings.Replace(role, "postgres@", "weak@", 1), "rights", Problem, []string{"DELETE on oneseat_events", "INSERT on oneseat_meta"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantFound(t, Subject{Store: c.url}, c.check, c.severity, c.words...)
		})
	}
}

func with(t *testing.T, to, name, value string) string {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// LISTEN does not pass PgBouncer in transaction mode, and nothing reports an error.
func TestAPgBouncerWithoutAConnectionToListenOnIsFound(t *testing.T) {
	t.Parallel()
	direct := database(t)
	u, err := url.Parse(direct)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = testservers.StartPgBouncer(t, u.Host).Addr
	wantFound(t, Subject{Store: with(t, u.String(), "default_query_exec_mode", "exec")}, "listen", Warning, "not heard", "session mode")
	for range 4 { // the pooler has at most as many connections, and a transaction keeps one
		conn, err := pgx.Connect(t.Context(), with(t, u.String(), "default_query_exec_mode", "simple_protocol"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.WithoutCancel(t.Context()))
		tx, err := conn.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		rows, err := tx.Query(t.Context(), "SELECT pg_listening_channels()")
		if err != nil {
			t.Fatal(err)
		}
		if left, err := pgx.CollectRows(rows, pgx.RowTo[string]); err != nil || len(left) > 0 {
			t.Errorf("a connection of the pooler still listens: %q, %v", left, err)
		}
	}
}

// A server that hangs, or follows another one, is on its own.
func TestAPostgresThatHangsOrIsAStandbyIsFound(t *testing.T) {
	t.Parallel()
	p := testservers.StartPostgres(t, "fsync=off")
	standby := p.Standby("fsync=off")
	wantFound(t, Subject{Store: standby.URL}, "store", Problem, "cannot be written", "primary")
	p.Pause()
	wantFound(t, Subject{Store: p.URL}, "store", Problem, p.Addr)
	p.Continue()
}

func TestAHealthyRedisHasNoFindingAndIsNotChanged(t *testing.T) {
	t.Parallel()
	r := redis(t, "--appendonly", "yes", "--enable-debug-command", "yes")
	before := r.Ask("DEBUG DIGEST")
	wantFine(t, Subject{Store: r.URL}, "store", "clock", "durable", "evicts")
	if after := r.Ask("DEBUG DIGEST"); after != before || len(after) != 40 {
		t.Errorf("it was changed: %s, %s", before, after)
	}
}

func TestFaultsOfRedisAreFound(t *testing.T) {
	t.Parallel()
	disk := []string{"--appendonly", "yes"}
	for name, c := range map[string]struct {
		settings []string
		plant    func(*testing.T, *testservers.Redis)
		check    string
		severity Severity
		words    []string
	}{
		"evicts":        {append(slices.Clone(disk), "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"), nil, "evicts", Problem, []string{"allkeys-lru", "noeviction"}},
		"keeps nothing": {nil, nil, "durable", Problem, []string{"keeps nothing on disk", "appendonly"}},
		"gone":          {disk, func(_ *testing.T, r *testservers.Redis) { r.Kill() }, "store", Problem, []string{"cannot be reached"}},
		"hangs":         {disk, func(_ *testing.T, r *testservers.Redis) { r.Pause() }, "store", Problem, []string{"cannot be reached"}},
		"a password":    {disk, func(_ *testing.T, r *testservers.Redis) { r.Ask("CONFIG SET requirepass hunter2") }, "store", Problem, []string{"refuses the login"}},
		"another's":     {disk, func(_ *testing.T, r *testservers.Redis) { r.Ask("SET oneseat:store x") }, "store", Problem, []string{"another program"}},
		"emptied":       {disk, func(_ *testing.T, r *testservers.Redis) { r.Ask("FLUSHALL") }, "store", Warning, []string{"no store"}},
		"a replica": {disk, func(_ *testing.T, r *testservers.Redis) {
			r.Ask("CONFIG SET replica-serve-stale-data yes")
			r.Ask("REPLICAOF 127.0.0.1 1")
		}, "store", Problem, []string{"is a replica", "primary"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := redis(t, c.settings...)
			if c.plant != nil {
				c.plant(t, r)
			}
			wantFound(t, Subject{Store: strings.Replace(r.URL, "://", "://:wrongpass@", 1)}, c.check, c.severity, c.words...)
			if name == "hangs" {
				r.Continue()
			}
		})
	}
}

func TestAClusterIsExaminedServerByServer(t *testing.T) {
	t.Parallel()
	c := testservers.StartRedisCluster(t, "--appendonly", "yes")
	fill(t, c.URL)
	wantFine(t, Subject{Store: c.URL}, "store", "clock", "durable", "evicts")
	c.Nodes[1].Ask("CONFIG SET appendonly no")
	wantFound(t, Subject{Store: c.URL}, "durable", Problem, c.Nodes[1].Addr)
}

// The store and the doctor find the same servers wanting.
func TestTheDoctorAndTheStoreJudgeARedisAlike(t *testing.T) {
	t.Parallel()
	for _, settings := range [][]string{
		{"--appendonly", "yes"}, {"--save", "3600 1"}, nil, {"--appendonly", "yes", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lfu"},
		{"--appendonly", "yes", "--maxmemory", "100mb", "--maxmemory-policy", "volatile-lru"}, {"--appendonly", "yes", "--maxmemory", "0", "--maxmemory-policy", "allkeys-lru"},
	} {
		r := redis(t, settings...)
		s, err := redisstore.Open(t.Context(), r.URL, redisstore.Options{RequireDurable: true, Logger: quiet, Timeout: time.Minute})
		if err == nil {
			err = s.Close()
		}
		if _, wanting := errors.AsType[*oneseat.StoreError](err); wanting {
			wanted(t, Subject{Store: r.URL}, func(r Report) []string {
				if len(findings(r, "durable"))+len(findings(r, "evicts")) > 0 {
					return nil
				}
				return []string{fmt.Sprintf("%q: the store says %v", settings, err)}
			})
		} else {
			wantFine(t, Subject{Store: r.URL}, "durable", "evicts")
		}
		r.Kill()
	}
}

// A user with only the rights that docs/operations.md lists may be told less, and is told
// what was not looked at.
func TestWhatAUserOfRedisMayNotAskIsSaid(t *testing.T) {
	t.Parallel()
	r := redis(t, "--appendonly", "yes")
	r.Ask("ACL SETUSER weak on >hunter2 ~oneseat:* +get +ping +time")
	report := wantFine(t, Subject{Store: strings.Replace(r.URL, "://", "://weak:hunter2@", 1)}, "store", "clock")
	for _, one := range report.Results {
		if (one.Check == "durable" || one.Check == "evicts") && !strings.Contains(one.NotChecked, "does not show its settings") {
			t.Errorf("%+v", one)
		}
	}
}

func TestStoresThatAreNoneAreSaid(t *testing.T) {
	t.Parallel()
	wantFound(t, Subject{Store: "mysql://ada:hunter2@x/y"}, "store", Problem, "sqlite:FILE")
	wantFound(t, Subject{Store: "redis://ada:hunter2@x:port/y"}, "store", Problem)
	wantFound(t, Subject{Store: "sqlite:" + filepath.Join(t.TempDir(), "none.db")}, "store", Warning, "no store")
	wantFine(t, Subject{Store: "memory:"})
	foreign := filepath.Join(t.TempDir(), "foreign.db")
	if err := os.WriteFile(foreign, []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	wantFound(t, Subject{Store: "sqlite:" + foreign}, "store", Problem, "another program")
	if err := os.Link(foreign, foreign+".other"); err != nil {
		t.Fatal(err)
	}
	wantFound(t, Subject{Store: "sqlite:" + foreign}, "one-file", Problem, "2 names", "hard link")
}
