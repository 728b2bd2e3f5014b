package pgstore

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/oneseat/oneseat"
)

// problems say what can be wrong with a database, and what to do about it.
var problems = map[oneseat.StoreFailure]string{
	oneseat.FailureOther:       "PostgreSQL failed",
	oneseat.FailureUnreachable: "PostgreSQL cannot be reached: check that it runs, that host, port and TLS settings are right, and that no firewall is in between; until it answers, nothing is allowed",
	oneseat.FailureDenied:      "PostgreSQL refuses the login or the statement: check the role, its password and the database, and that the role may create tables (for the first start) and use those whose names begin with oneseat_",
	oneseat.FailureReadOnly:    "PostgreSQL is read-only here: connect to the primary (target_session_attrs=read-write with all hosts in the URL finds it), and check that default_transaction_read_only is off",
	oneseat.FailureBusy:        "PostgreSQL is busy: look in pg_stat_activity for sessions that hold locks or connections, and check that max_connections is more than the pools of all nodes together; nothing was written",
	oneseat.FailureFull:        "PostgreSQL has run out of space or memory: read its log; nothing was written",
	oneseat.FailureSettings:    "a named prepared statement did not pass the pooler: add default_query_exec_mode=exec to the URL (PgBouncer in transaction mode needs that)",
	oneseat.FailureForeign:     "another program has tables with our names in the database, or ours are incomplete: choose another database or schema",
	oneseat.FailureNewer:       "the database was upgraded by a newer release of oneseat: upgrade this node",
	oneseat.FailureUnsupported: "the store needs PostgreSQL 13 or newer, with all its functions, and a database whose encoding is UTF8",
}

// failed returns an error of this store.
func (s *Store) failed(f oneseat.StoreFailure, err error) error {
	return &oneseat.StoreError{Store: "pgstore", Where: s.addr, Failure: f, Problem: problems[f], Err: err}
}

// explain makes a *[oneseat.StoreError] of the error of a call. An error that is not
// about the database stays as it is: a context's error, or one unreadable roster. A
// failed attempt to connect is about the database, even when a deadline
// (connect_timeout) ended the attempt. No driver's error contains the password.
func (s *Store) explain(err error) error {
	_, done := errors.AsType[*oneseat.StoreError](err)
	_, format := errors.AsType[*oneseat.FormatError](err)
	_, connecting := errors.AsType[*pgconn.ConnectError](err)
	over := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	if err == nil || done || format || errors.Is(err, oneseat.ErrStoreClosed) || over && !connecting {
		return err
	}
	return s.failed(failureOf(err), err)
}

// codes are the SQLSTATE of failures, or their first characters. No SQLSTATE is in two
// of the lists.
var codes = map[oneseat.StoreFailure][]string{
	oneseat.FailureUnreachable: {"08", "57P"},
	oneseat.FailureDenied:      {"28", "3D000", "42501"},
	oneseat.FailureReadOnly:    {"25006"},
	oneseat.FailureBusy:        {"40", "25P03", "53300", "55P03"},
	oneseat.FailureFull:        {"531", "532"},
	oneseat.FailureSettings:    {"26", "42P05"},
	oneseat.FailureForeign:     {"42P01", "42703"},
}

func failureOf(err error) oneseat.StoreFailure {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		if errors.Is(err, pgx.ErrNoRows) {
			return oneseat.FailureForeign // oneseat_meta is empty
		}
		return oneseat.FailureUnreachable
	}
	for failure, codes := range codes {
		if slices.ContainsFunc(codes, func(c string) bool { return strings.HasPrefix(pg.Code, c) }) {
			return failure
		}
	}
	return oneseat.FailureOther
}

// conflict reports whether another transaction was in the way of a statement. Such a
// statement did nothing.
func conflict(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pg.Code == "40001" || pg.Code == "40P01" || pg.Code == late)
}

// late is the SQLSTATE that oneseat_late raises.
const late = "ON001"

// died reports whether the other side has given up a connection that was made before:
// the server was restarted, an administrator or idle_session_timeout ended the session,
// or something in between forgot it.
func died(err error) bool {
	if _, connecting := errors.AsType[*pgconn.ConnectError](err); connecting {
		return false
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return strings.HasPrefix(pg.Code, "08") || strings.HasPrefix(pg.Code, "57P")
	}
	network, ok := errors.AsType[*net.OpError](err)
	return ok && !network.Timeout() || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// unmade reports whether a statement certainly did not commit: it was not sent, or the
// server has undone it. It returns false where the other side ended the connection,
// because the server may have committed first.
func unmade(err error) bool {
	if pgconn.SafeToRetry(err) {
		return true
	}
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Severity == "ERROR" && !strings.HasPrefix(pg.Code, "57") && !strings.HasPrefix(pg.Code, "08")
}
