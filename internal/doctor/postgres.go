package doctor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/pgstore"
)

// postgresFacts is what was seen of a PostgreSQL server. After err nothing else was
// asked.
type postgresFacts struct {
	of   string // host, port and database
	made bool
	err  error

	facts          error // of the facts below
	sent, at, now  time.Time
	durable, fsync string   // settings of the role in this database
	missing        []string // rights
	deaf           bool     // what was sent was not heard
	listening      error    // why it is not known
}

// probePostgres asks a server. It writes nothing but a notification on a channel of its
// own.
func probePostgres(ctx context.Context, address string) (f postgresFacts) {
	f.of = "PostgreSQL"
	c, err := pgxpool.ParseConfig(address)
	if err != nil { // it quotes the URL
		f.err = &oneseat.StoreError{Store: "pgstore", Failure: oneseat.FailureAddress, Problem: "write postgres://USER:PASSWORD@HOST:5432/DATABASE"}
		return f
	}
	f.of = fmt.Sprintf("PostgreSQL at %s:%d/%s", c.ConnConfig.Host, c.ConnConfig.Port, c.ConnConfig.Database)
	c.ConnConfig.ConnectTimeout, c.MaxConns, c.MinConns = patience, 3, 0
	c.ConnConfig.RuntimeParams["application_name"] = "oneseat-doctor"
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		f.err = err
		return f
	}
	defer closePool(pool)
	short, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if f.made, f.err = pgstore.Examine(short, pool); f.err != nil {
		return f
	}
	f.facts = f.look(ctx, pool)
	f.deaf, f.listening = hears(ctx, pool)
	return f
}

// closePool closes a pool. It does not wait for a server that hangs: then the pool's own
// goroutine ends some seconds later.
func closePool(pool *pgxpool.Pool) {
	closed := make(chan struct{})
	go func() { defer close(closed); pool.Close() }()
	select {
	case <-closed:
	case <-time.After(time.Second):
	}
}

// look reads the clock, the settings and the rights.
func (f *postgresFacts) look(ctx context.Context, pool *pgxpool.Pool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	const settings = "SELECT clock_timestamp(), current_setting('synchronous_commit'), current_setting('fsync')"
	for range 2 { // the first time prepares it, and connects perhaps
		f.sent = time.Now()
		err := pool.QueryRow(ctx, settings).Scan(&f.now, &f.durable, &f.fsync)
		if f.at = time.Now(); err != nil {
			return err
		}
	}
	rows, err := pool.Query(ctx, `SELECT p.right || ' on ' || c.relname
		FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace,
			(VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE')) AS p ("right")
		WHERE n.nspname = ANY (current_schemas(false)) AND c.relkind = 'r'
			AND (c.relname IN ('oneseat_meta', 'oneseat_rosters', 'oneseat_counts', 'oneseat_events') OR c.relname = 'oneseat_migrations' AND p.right = 'SELECT')
			AND NOT has_table_privilege(c.oid, p.right)
		ORDER BY c.relname, p.right`)
	if err != nil {
		return err
	}
	f.missing, err = pgx.CollectRows(rows, pgx.RowTo[string])
	return err
}

// hears finds out whether a notification arrives on a connection that listens. In
// transaction mode a pooler gives the connection of LISTEN to others.
func hears(ctx context.Context, pool *pgxpool.Pool) (deaf bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Release()
	channel := "oneseat_doctor_" + strings.ToLower(rand.Text())
	if _, err := conn.Exec(ctx, "LISTEN "+channel, pgx.QueryExecModeSimpleProtocol); err != nil {
		return false, err
	}
	if _, err := pool.Exec(ctx, "SELECT pg_notify('"+channel+"', '')", pgx.QueryExecModeSimpleProtocol); err != nil {
		return false, err
	}
	wait, done := context.WithTimeout(ctx, patience)
	defer done()
	_, err = conn.Conn().WaitForNotification(wait)
	if err == nil || !errors.Is(err, context.DeadlineExceeded) {
		return false, err
	}
	// The pooler keeps the connection that listens. Most likely it gives the same again.
	_, _ = conn.Exec(ctx, "UNLISTEN "+channel, pgx.QueryExecModeSimpleProtocol) // where it fails, a channel is left on which nothing comes
	return true, nil
}

func judgePostgres(f postgresFacts) []Result {
	all := []Result{judgeStore(f.of, f.made, f.err)}
	checks := []string{"clock", "rights", "durable", "listen"}
	if f.err != nil {
		for _, check := range checks {
			all = append(all, notChecked(check, f.of, "see store"))
		}
		return all
	}
	if f.facts != nil {
		for _, check := range checks[:3] {
			all = append(all, notChecked(check, f.of, f.facts.Error()))
		}
	} else {
		all = append(all, judgeClock(f.of, f.now, f.sent, f.at), judgeRights(f), judgeCommits(f))
	}
	switch {
	case f.deaf:
		return append(all, found("listen", f.of, Warning, "a notification that was sent by this URL was not heard by it"))
	case f.listening != nil:
		return append(all, notChecked("listen", f.of, f.listening.Error()))
	}
	return append(all, fine("listen", f.of, ""))
}

func judgeRights(f postgresFacts) Result {
	const check = "rights"
	switch {
	case len(f.missing) > 0:
		return found(check, f.of, Problem, "the role has no "+strings.Join(f.missing, ", no "))
	case !f.made:
		return notChecked(check, f.of, "there are no tables")
	}
	return fine(check, f.of, "")
}

// judgeCommits judges what a server promises of a commit.
func judgeCommits(f postgresFacts) Result {
	const check = "durable"
	if f.durable == "off" || f.fsync == "off" {
		r := found(check, f.of, Problem, fmt.Sprintf("synchronous_commit is %s, and fsync is %s", f.durable, f.fsync)).cured("Set both to on, for the role and the database too.")
		r.Findings[0].Means = "After a crash of PostgreSQL, a session that was ended may be live again."
		return r
	}
	return fine(check, f.of, "")
}
