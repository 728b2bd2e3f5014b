package pgstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/oneseat/oneseat"
)

// ErrClosed: the store was closed. An update that got it was not made.
var ErrClosed = errors.New("pgstore: the store is closed: open it again")

// Kind says what is wrong with a database.
type Kind int

// What can be wrong. Whatever it is, a store that is open goes on by itself once
// it has been mended; Foreign, Newer and Unsupported need another call of Open.
const (
	Other       Kind = iota // PostgreSQL says what
	Unreachable             // no answer, or the connection was lost
	Denied                  // wrong password, no such role or database, not allowed
	Standby                 // it cannot be written: a standby, or read-only
	Busy                    // no connection left, or a lock
	Full                    // no space left, or no memory
	Prepared                // named prepared statements do not pass the pooler
	Foreign                 // our names are taken
	Newer                   // a newer release was here
	Unsupported             // too old, another encoding, or a function is missing
)

var meaning = map[Kind]string{
	Other:       "PostgreSQL failed",
	Unreachable: "PostgreSQL cannot be reached: see that it runs, that host, port and TLS settings are right, and that no firewall is in between; until then nothing is allowed",
	Denied:      "PostgreSQL does not let us in: see that the role, its password and the database are right, and that the role may create tables (for the first start) and use those whose names begin with oneseat_",
	Standby:     "PostgreSQL cannot be written: connect to the primary (target_session_attrs=read-write with all hosts in the URL finds it), and see that default_transaction_read_only is off",
	Busy:        "PostgreSQL is busy: see who holds locks or connections (pg_stat_activity), and that max_connections is more than the pools of all nodes together; nothing was written",
	Full:        "PostgreSQL has run out of space or memory: see its log; nothing was written",
	Prepared:    "a named prepared statement did not pass the pooler: add default_query_exec_mode=exec to the URL (PgBouncer in transaction mode needs that)",
	Foreign:     "the database has tables of another program under our names, or ours are incomplete: choose another database or schema",
	Newer:       "the database was upgraded by a newer release of oneseat: upgrade this one",
	Unsupported: "PostgreSQL 13 or newer is needed, with all its functions, and a database whose encoding is UTF8",
}

// Error is what came instead of a result: nothing is to be allowed on account
// of it. The update that it answers was not made, unless it also wraps
// [oneseat.ErrUnknownOutcome].
type Error struct {
	Kind Kind
	Addr string // host:port/database
	Err  error  // what PostgreSQL or the network said; may be nil
}

// Error says what happened, and what to do.
func (e *Error) Error() string {
	s := fmt.Sprintf("pgstore: %s: %s", e.Addr, meaning[e.Kind])
	if e.Err != nil {
		s += fmt.Sprintf(" (%v)", e.Err)
	}
	return s
}

// Unwrap is what PostgreSQL or the network said.
func (e *Error) Unwrap() error { return e.Err }

// explain makes an *Error of what a call returned. What is not about the
// database stays as it is: a context's error, one unreadable roster. A failed
// attempt to connect is about it, though what ended the attempt may be a deadline
// (connect_timeout). No driver's error has the password in it.
func (s *Store) explain(err error) error {
	_, done := errors.AsType[*Error](err)
	_, format := errors.AsType[*oneseat.FormatError](err)
	_, connecting := errors.AsType[*pgconn.ConnectError](err)
	over := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	if err == nil || done || format || errors.Is(err, ErrClosed) || over && !connecting {
		return err
	}
	return &Error{Kind: kindOf(err), Addr: s.addr, Err: err}
}

func kindOf(err error) Kind {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		if errors.Is(err, pgx.ErrNoRows) {
			return Foreign // oneseat_meta is empty
		}
		return Unreachable
	}
	for prefix, kind := range map[string]Kind{
		"08": Unreachable, "57P": Unreachable, "28": Denied, "3D000": Denied, "42501": Denied, "25006": Standby,
		"53300": Busy, "55P03": Busy, "40": Busy, "25P03": Busy, "531": Full, "532": Full, "26": Prepared, "42P05": Prepared, "42P01": Foreign, "42703": Foreign,
	} {
		if strings.HasPrefix(pg.Code, prefix) {
			return kind
		}
	}
	return Other
}

// conflict says that another transaction was in the way of a statement, which
// therefore did nothing.
func conflict(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pg.Code == "40001" || pg.Code == "40P01" || pg.Code == late)
}

// late is what oneseat_late raises.
const late = "ON001"

// unmade says that a statement which was to commit certainly did not: it was not
// sent, or the server has undone it. Where the connection was ended from the
// other side the server may have committed first.
func unmade(err error) bool {
	if pgconn.SafeToRetry(err) {
		return true
	}
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Severity == "ERROR" && !strings.HasPrefix(pg.Code, "57") && !strings.HasPrefix(pg.Code, "08")
}
