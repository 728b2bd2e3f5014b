package pgstore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/oneseat/oneseat"
)

// page is how many updates Changes reads at a time.
const page = 1000

// timelineSQL returns the timeline that a primary is on.
const timelineSQL = "left(pg_walfile_name(pg_current_wal_lsn()), 8)"

// changesSQL reads what has become visible since a snapshot: the transactions after it,
// and those that were open when it was taken. After the promotion of a standby the log
// is another log, because numbers of transactions may be used again; so the log's name
// has the timeline in it. After pg_restore the log is another log too, because the rows
// have the transactions of another cluster. LIMIT 1 tells the planner that oneseat_meta
// has one row: for its default guess of a thousand rows it would compile the plan
// (JIT), for up to a quarter of a second.
const changesSQL = `WITH now AS MATERIALIZED (
		SELECT incarnation || '-' || CASE WHEN NOT pg_is_in_recovery() THEN ` + timelineSQL + ` END AS log,
			trimmed, pg_current_snapshot() AS snapshot
		FROM oneseat_meta LIMIT 1
	)
	SELECT now.log, now.trimmed::text, now.snapshot::text, e.xid::text, e.key, e.version, e.events
	FROM now LEFT JOIN LATERAL (
		SELECT id, xid, key, version, events FROM oneseat_events WHERE xid = ANY ($2::text[]::xid8[])
		UNION ALL
		SELECT id, xid, key, version, events FROM oneseat_events WHERE xid >= $1::text::xid8 AND xid < pg_snapshot_xmax(now.snapshot)
		ORDER BY xid, id LIMIT $3
	) AS e ON true`

// snapshot says which transactions had ended at a moment: those below next, except
// those in open. It is PostgreSQL's pg_snapshot.
type snapshot struct {
	next uint64   // its xmax
	open []uint64 // its xip, rising
}

// parseSnapshot reads PostgreSQL's text form, xmin:xmax:xip,xip.
func parseSnapshot(text string) (s snapshot, ok bool) {
	_, rest, _ := strings.Cut(text, ":")
	next, open, ok := strings.Cut(rest, ":")
	var err error
	if s.next, err = strconv.ParseUint(next, 10, 64); err != nil || !ok {
		return s, false
	}
	for part := range strings.SplitSeq(open, ",") {
		if open == "" {
			break
		}
		x, err := strconv.ParseUint(part, 10, 64)
		if err != nil {
			return s, false
		}
		s.open = append(s.open, x)
	}
	return s, slices.IsSorted(s.open) && (len(s.open) == 0 || s.open[len(s.open)-1] < s.next)
}

// least returns the earliest transaction that may still be open.
func (s snapshot) least() uint64 {
	if len(s.open) > 0 {
		return s.open[0]
	}
	return s.next
}

func (s snapshot) String() string {
	return strconv.FormatUint(s.least(), 10) + ":" + strconv.FormatUint(s.next, 10) + ":" + strings.Join(s.texts(), ",")
}

// texts returns the open transactions as decimal texts.
func (s snapshot) texts() []string {
	list := make([]string, len(s.open))
	for i, x := range s.open {
		list[i] = strconv.FormatUint(x, 10)
	}
	return list
}

// upTo returns the snapshot of a reader that was at s and has read everything that is
// visible in now, up to and including transaction x.
func (s snapshot) upTo(x uint64, now snapshot) snapshot {
	read := snapshot{next: max(s.next, x+1)}
	for _, o := range now.open {
		if o <= x {
			read.open = append(read.open, o)
		}
	}
	for _, o := range s.open {
		if o > x {
			read.open = append(read.open, o)
		}
	}
	return read
}

// Partitions implements [oneseat.Store]. There is one.
func (*Store) Partitions() int { return 1 }

// Changes implements [oneseat.Store]. A cursor is the snapshot up to which the reader
// has read. So no event comes twice, and a transaction that stays open elsewhere in the
// cluster costs a reader nothing. Events that were made unreadable by hand are left
// out, and reported as a gap.
func (s *Store) Changes(ctx context.Context, _ int, after oneseat.Cursor) (oneseat.Tail, error) {
	if err := s.ready(ctx); err != nil {
		return oneseat.Tail{}, err
	}
	for limit := page; ; limit *= 2 {
		t, err := again(ctx, s, func() (oneseat.Tail, error) { return s.tail(ctx, after, limit) })
		if err != nil || t.End || t.Cursor != after {
			return t, s.explain(err)
		}
		// One transaction has more than limit rows. They were put there by hand.
	}
}

// tail reads up to limit updates after a cursor. It is one statement, so all of it
// comes from one snapshot.
func (s *Store) tail(ctx context.Context, after oneseat.Cursor, limit int) (t oneseat.Tail, err error) {
	log, place, _ := strings.Cut(string(after), "/")
	since, ok := parseSnapshot(place)
	ok = ok && since.String() == place // nothing was cut off or added
	if !ok {
		since, limit = snapshot{next: 1<<64 - 1}, 0
	}
	rows, err := s.pool.Query(ctx, changesSQL, strconv.FormatUint(since.next, 10), since.texts(), limit)
	if err != nil {
		return t, err
	}
	defer rows.Close()
	var (
		current      string
		trimmed, end string
		read, whole  int    // all updates, and those of the transactions before the last one
		last, before uint64 // the last two transactions
	)
	for rows.Next() {
		var name, xid, list *string
		var key []byte
		var version *int64
		if err := rows.Scan(&name, &trimmed, &end, &xid, &key, &version, &list); err != nil {
			return t, err
		}
		if name == nil {
			return oneseat.Tail{}, s.failed(oneseat.FailureReadOnly, nil)
		}
		current = *name
		if xid == nil {
			continue // this row has no event
		}
		x, err := strconv.ParseUint(*xid, 10, 64)
		if err != nil {
			return t, err
		}
		if x != last {
			before, last, whole = last, x, read
		}
		read++
		e := oneseat.Entry{Version: uint64(*version)}
		copy(e.Key[:], key)
		if json.Unmarshal([]byte(*list), &e.Events) != nil {
			e.Events, t.Gap = nil, true
		}
		t.Entries = append(t.Entries, e)
	}
	if err := rows.Err(); err != nil {
		return oneseat.Tail{}, err
	}
	now, understood := parseSnapshot(end)
	cut, err := strconv.ParseUint(trimmed, 10, 64)
	if current == "" || !understood || err != nil {
		return oneseat.Tail{}, s.failed(oneseat.FailureForeign, errors.New("oneseat_meta is empty or damaged"))
	}
	switch {
	case !ok || log != current || since.next > now.next || since.least() <= cut:
		return oneseat.Tail{Cursor: cursor(current, now), End: true, Gap: after != ""}, nil
	case read < limit:
		t.End, t.Cursor = true, cursor(current, now)
	case whole == 0:
		return oneseat.Tail{Cursor: after}, nil
	default:
		t.Entries, t.Cursor = t.Entries[:whole], cursor(current, since.upTo(before, now))
	}
	// The versions of one account rise in the order of its commits, whatever the order
	// of its transactions is.
	slices.SortStableFunc(t.Entries, func(a, b oneseat.Entry) int { return cmp.Compare(a.Version, b.Version) })
	return t, nil
}

func cursor(log string, s snapshot) oneseat.Cursor {
	return oneseat.Cursor(log + "/" + s.String())
}
