// Package pgstore keeps rosters in PostgreSQL, 13 or newer, through the application's
// own pool. They are durable, readable with psql (select * from oneseat_signed_in), and
// shared by any number of nodes.
//
// It owns the tables, views and functions whose names begin with oneseat_, in the
// schema that the pool's connections create in. It holds no rule. The database may be
// an application's own.
//
// # What it promises
//
// What was acknowledged has been committed with the server's synchronous_commit. It
// survives a kill -9 of nodes and of the server, unless synchronous_commit is off. With
// asynchronous replication, a standby that takes over loses the commits that it has not
// received. If an ending that was undone in this way would matter, call EndRealm after
// such a failover. Every promotion of a standby is announced as a gap.
//
// An update takes two round trips. Each is a statement of its own, so no transaction
// stays open in between. Nodes learn of each other's commits by NOTIFY, which is sent
// after the commit and stands for several commits under load. Where NOTIFY does not
// arrive they read the log at intervals.
//
// Events are kept for 30 days. A reader of the log that is further behind gets a gap.
//
// # What it needs
//
// It needs the primary, and refuses a standby. The database's encoding is UTF8. The
// first Open, and the first one of a newer release, needs a role that may create
// tables. Later ones need only SELECT, INSERT, UPDATE and DELETE. The role must be
// allowed to call the functions pg_current_wal_lsn and pg_walfile_name. Every role is,
// unless that right was revoked.
//
// A pool through PgBouncer in transaction mode works if it uses no named prepared
// statements (default_query_exec_mode=exec in the URL). LISTEN does not pass such a
// pool. Set [Options.Listen], or the log is polled.
//
// When the database cannot be reached, every call returns a *[oneseat.StoreError] that
// says what to check. The store goes on by itself once the database can be reached
// again.
package pgstore

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/internal/turns"
)

// Options are settings of Open. The zero value will do.
type Options struct {
	// Listen connects to the server itself, where the pool goes through PgBouncer in
	// transaction mode. Nil: as the pool connects. The pool's BeforeConnect,
	// AfterConnect and BeforeClose are called in both cases.
	Listen *pgx.ConnConfig
	// Logger takes warnings. Nil: slog.Default().
	Logger *slog.Logger
}

// Store is a [oneseat.Store] and [oneseat.History] in PostgreSQL. Open makes one. Its
// methods are safe for concurrent use. Two stores on one database are two nodes of one
// system.
type Store struct {
	pool   *pgxpool.Pool   // the caller's
	listen *pgx.ConnConfig // nil: as the pool
	log    *slog.Logger
	addr   string // host:port/database, for people

	turns turns.Turns[struct{}]
	news  chan struct{} // something was committed; the notifier waits for it

	life    context.Context // ends with Close, and so does every goroutine below
	end     context.CancelFunc
	mu      sync.Mutex // guards closed, and keeps Wake from adding to running after Close
	closed  bool
	running sync.WaitGroup // the notifier, the trimmer, and calls of Wake
}

var (
	_ oneseat.Store   = (*Store)(nil)
	_ oneseat.History = (*Store)(nil)
)

// Open makes or upgrades the tables that it needs in the database, and returns a store
// on it. Any number of nodes may do so at once. The pool stays the caller's: close it
// after the store.
//
// An error is a *[oneseat.StoreError], or the context's. The store has goroutines:
// close it.
func Open(ctx context.Context, pool *pgxpool.Pool, o Options) (*Store, error) {
	s := on(pool, o)
	if err := s.prepare(ctx); err != nil {
		return nil, s.explain(err)
	}
	s.life, s.end = context.WithCancel(context.Background())
	s.running.Go(s.notify)
	s.running.Go(s.trim)
	return s, nil
}

// on returns a store that has not used the database yet.
func on(pool *pgxpool.Pool, o Options) *Store {
	c := pool.Config().ConnConfig
	return &Store{
		pool: pool, listen: o.Listen, log: cmp.Or(o.Logger, slog.Default()),
		addr: fmt.Sprintf("%s:%d/%s", c.Host, c.Port, c.Database),
		news: make(chan struct{}, 1),
	}
}

// Examine returns whether there is a store in the database, and the error that Open
// would return, as far as both show without a change: it makes and upgrades nothing.
func Examine(ctx context.Context, pool *pgxpool.Pool) (made bool, err error) {
	s := on(pool, Options{Logger: slog.New(slog.DiscardHandler)})
	n, err := 0, s.inspect(ctx)
	if err == nil {
		n, err = s.schemaOf(ctx)
	}
	return n > 0, s.explain(err)
}

// prepare looks at the server, and migrates the database.
func (s *Store) prepare(ctx context.Context) error {
	if err := s.inspect(ctx); err != nil {
		return err
	}
	return s.migrate(ctx)
}

// inspect refuses a server that cannot do what is needed, and warns of one that may
// forget what it has acknowledged.
func (s *Store) inspect(ctx context.Context) error {
	var version int
	var standby bool
	var encoding, durable, fsync string
	err := s.pool.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, pg_is_in_recovery(),
		current_setting('server_encoding'), current_setting('synchronous_commit'), current_setting('fsync')`).
		Scan(&version, &standby, &encoding, &durable, &fsync)
	switch {
	case err != nil:
		return err
	case version < 130000:
		return s.failed(oneseat.FailureUnsupported, fmt.Errorf("it is release %d of PostgreSQL", version/10000))
	case encoding != "UTF8":
		return s.failed(oneseat.FailureUnsupported, fmt.Errorf("the encoding of the database is %s", encoding))
	case standby:
		return s.failed(oneseat.FailureReadOnly, nil)
	}
	if durable == "off" || fsync == "off" {
		s.log.Warn("PostgreSQL acknowledges what a crash may lose: an ending may be undone; set synchronous_commit and fsync to on",
			"server", s.addr, "synchronous_commit", durable, "fsync", fsync)
	}
	return s.inspectTimeline(ctx)
}

// inspectTimeline refuses a server that does not say which timeline it is on, because
// its log could not be read. Aurora is such a server unless its wal_level is logical.
// The timeline of the last checkpoint (pg_control_checkpoint) would be late after a
// promotion, and Aurora does not say that one either.
func (s *Store) inspectTimeline(ctx context.Context) error {
	var timeline string
	err := s.pool.QueryRow(ctx, "SELECT "+timelineSQL).Scan(&timeline)
	if err == nil {
		return nil
	}
	failure := failureOf(err)
	switch failure {
	case oneseat.FailureDenied:
	case oneseat.FailureOther:
		failure = oneseat.FailureUnsupported
	default:
		return err
	}
	return s.failed(failure, fmt.Errorf(
		"the role must be able to call pg_current_wal_lsn() and pg_walfile_name(), which on Aurora needs rds.logical_replication=1: %w", err))
}

// Close ends the store. It makes every Wake return, and waits for them and for the
// store's goroutines. Calls that are under way go on; later calls return
// [oneseat.ErrStoreClosed]. The pool is not closed. A second call does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.end()
	s.running.Wait()
	return nil
}

// ready returns an error if the context is done or the store is closed. Every method
// calls it first.
func (s *Store) ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.life.Err() != nil {
		return oneseat.ErrStoreClosed
	}
	return nil
}
