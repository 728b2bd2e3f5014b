package main

import (
	"context"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/pgstore"
	"github.com/oneseat/oneseat/store/sqlitestore"
)

const (
	loggedOf  = 4    // the sign-in of one in this many accounts is in the log
	idleOnes  = 1000 // accounts beside the crowd, whose session has timed out
	crowdSpan = 7 * 24 * time.Hour
	idleFor   = 15 * 24 * time.Hour // more than a session may idle
)

// crowd is n accounts that have signed in once each during the last week, one after the
// other, and some that did so too long ago. They are written as the store writes them,
// but not by the store: that would take hours.
type crowd struct {
	n             int
	now           time.Time
	epoch         uint64
	roster, event string // of one that has signed in by itself, as formats
}

// member is a row of each table.
type member struct {
	account, session string
	key              oneseat.Key
	version, due     int64
	roster, event    string
}

var sessionID = base32.StdEncoding.WithPadding(base32.NoPadding)

// newCrowd makes the others of account 0, which has signed in.
func newCrowd(n int, v oneseat.View, event string) crowd {
	percent := strings.NewReplacer("%", "%%")
	c := crowd{n: n, now: time.Now(), roster: percent.Replace(string(must(json.Marshal(v.Roster)))), event: percent.Replace(event)}
	var roster struct {
		Due   int64
		Seats []struct {
			ID      string
			Created int64
			Epoch   uint64
		}
	}
	must(0, json.Unmarshal(must(json.Marshal(v.Roster)), &roster))
	seat := roster.Seats[0]
	c.epoch = seat.Epoch
	for old, format := range map[string]string{
		account(0): "%[1]s", seat.ID: "%[2]s", fmt.Sprint(seat.Created): "%[3]d", fmt.Sprint(roster.Due): "%[4]d",
		time.UnixMicro(seat.Created).UTC().Format(time.RFC3339Nano): "%[5]s",
	} {
		c.roster, c.event = strings.ReplaceAll(c.roster, old, format), strings.ReplaceAll(c.event, old, format)
	}
	return c
}

// member returns account i, from 1 on. Those beyond the crowd are the idle ones.
func (c *crowd) member(i int) (m member) {
	at := c.now.Add(-time.Duration(float64(crowdSpan) * float64(c.n-i) / float64(c.n)))
	m.account = account(i)
	if i >= c.n {
		m.account, at = fmt.Sprintf("idle %07d", i-c.n), c.now.Add(-idleFor)
	}
	m.key = oneseat.KeyOf("default", m.account)
	m.session = sessionID.EncodeToString(m.key[:])
	m.version, m.due = at.UnixMicro(), at.Add(14*24*time.Hour).UnixMicro()
	args := []any{m.account, m.session, m.version, m.due, at.UTC().Format("2006-01-02T15:04:05.000000Z")}
	m.roster, m.event = fmt.Sprintf(c.roster, args...), fmt.Sprintf(c.event, args...)
	return m
}

// stand is a registry over a store with a crowd in it.
type stand struct {
	seats  *oneseat.Registry
	store  keeper
	swept  *sweepTimer
	n      int
	settle func() string // waits for what the filling has left to do, and returns what is on the disk
	close  func()
}

// verify ends the run unless the store counts and shows the crowd as if it had signed
// in.
func (s *stand) verify() {
	ctx, last := context.Background(), account((s.n-1)/loggedOf*loggedOf)
	c := must(s.seats.Count(ctx))
	sessions, events := must(s.seats.Sessions(ctx, last)), must(s.seats.Events(ctx, oneseat.EventQuery{Account: last}))
	if c.Sessions != s.n+idleOnes || len(sessions) != 1 || len(events) != 1 || events[0].Session != sessions[0].ID {
		must(0, fmt.Errorf("a crowd of %d counts %+v; %s has %+v and did %+v", s.n, c, last, sessions, events))
	}
}

// keeper is a store with a history.
type keeper interface {
	oneseat.Store
	oneseat.History
}

func newStand(n int, store keeper) *stand {
	timer := &sweepTimer{keeper: store, took: make(chan time.Duration, 1)}
	return &stand{n: n, store: store, swept: timer, seats: must(oneseat.New(timer, oneseat.Config{Logger: quiet}))}
}

// sweepTimer measures a registry's first sweep that finds something. Only the
// registry's sweep uses it.
type sweepTimer struct {
	keeper
	began time.Time
	took  chan time.Duration // gets one
}

func (t *sweepTimer) Due(ctx context.Context, realm string, limit int) ([]oneseat.Key, error) {
	now := time.Now()
	keys, err := t.keeper.Due(ctx, realm, limit)
	if t.began.IsZero() && len(keys) > 0 {
		t.began = now
	}
	if !t.began.IsZero() && len(keys) < limit {
		select {
		case t.took <- time.Since(t.began):
		default: // took already has its value
		}
	}
	return keys, err
}

// signIn signs some accounts in, and returns the time of all divided by their number, in
// nanoseconds. Other accounts sign in first, so that what is done only once has been
// done.
func (s *stand) signIn(callers int, accounts []int) float64 {
	each(callers, 4*callers, func(i int) {
		must(s.seats.SignIn(context.Background(), fmt.Sprint("early ", i), oneseat.SignInRequest{}))
	})
	began := time.Now()
	each(callers, len(accounts), func(i int) {
		must(s.seats.SignIn(context.Background(), account(accounts[i]), oneseat.SignInRequest{}))
	})
	return float64(time.Since(began)) / float64(len(accounts))
}

// crowdedSQLite makes a file with a crowd.
func crowdedSQLite(n int) *stand {
	ctx := context.Background()
	d := newDatabase(1)
	view := must(d.store.Load(ctx, oneseat.KeyOf("default", account(0))))[0]
	record := must(d.store.Events(ctx, oneseat.EventQuery{Realm: "default", Account: account(0)}))[0]
	must(0, d.seats.Close())
	must(0, d.store.Close())
	fillSQLite(d.file, newCrowd(n, view, string(must(json.Marshal(record.Event)))))
	f := must(os.Open(d.file)) // what is measured later waits for the disk, but not for this
	must(0, f.Sync())
	must(0, f.Close())
	d.store = must(sqlitestore.Open(d.file))
	s := newStand(n, d.store)
	d.seats, s.close = s.seats, d.close
	s.settle = func() string {
		db := d.raw()
		defer db.Close()
		of := func(table string) (bytes int64) {
			must(0, db.QueryRow("SELECT sum(pgsize) FROM dbstat WHERE aggregate = TRUE AND name IN (SELECT name FROM sqlite_schema WHERE tbl_name = ?)", table).Scan(&bytes))
			return bytes
		}
		return sizes(n, of("oneseat_rosters"), of("oneseat_events"))
	}
	return s
}

// fillSQLite writes a crowd into a file that nobody has open. It waits for no disk
// until the end, and keeps the pages that it goes back to in memory.
func fillSQLite(file string, c crowd) {
	db := openSQLite(file)
	defer db.Close()
	must(db.Exec("PRAGMA synchronous = OFF; PRAGMA cache_size = -1500000"))
	const batch = 200_000 // rows to a transaction: the -wal holds one
	for from, end := 1, c.n+idleOnes; from < end; from += batch {
		tx := must(db.Begin())
		roster := must(tx.Prepare("INSERT INTO oneseat_rosters (version, due, roster, key, realm, account) VALUES (?, ?, ?, ?, 'default', ?)"))  //nolint:sqlclosecheck // Commit does
		event := must(tx.Prepare("INSERT INTO oneseat_events (key, version, realm, account, session, event) VALUES (?, ?, 'default', ?, ?, ?)")) //nolint:sqlclosecheck // Commit does
		for i := from; i < min(from+batch, end); i++ {
			m := c.member(i)
			must(roster.Exec(m.version, m.due, m.roster, m.key[:], m.account))
			if i%loggedOf == 0 && i < c.n {
				must(event.Exec(m.key[:], m.version, m.account, m.session, m.event))
			}
		}
		must(0, tx.Commit())
	}
	must(db.Exec("UPDATE oneseat_counts SET accounts = ?1, sessions = ?1", c.n+idleOnes))
	must(db.Exec("PRAGMA wal_checkpoint(TRUNCATE)"))
}

// crowdedPostgres makes a database with a crowd on a server.
func crowdedPostgres(server, name string, n int) *stand {
	ctx := context.Background()
	admin := must(pgx.Connect(ctx, server))
	must(admin.Exec(ctx, "CREATE DATABASE "+name))
	must(0, admin.Close(ctx))
	node := newPgNode(strings.TrimSuffix(server, "/postgres") + "/" + name)
	must(node.seats.SignIn(ctx, account(0), oneseat.SignInRequest{}))
	view := must(node.store.Load(ctx, oneseat.KeyOf("default", account(0))))[0]
	var events string
	must(0, node.pool.QueryRow(ctx, "SELECT events FROM oneseat_events ORDER BY id LIMIT 1").Scan(&events))
	must(0, node.seats.Close())
	must(0, node.store.Close())
	fillPostgres(node.pool, newCrowd(n, view, events))
	node.store = must(pgstore.Open(ctx, node.pool, pgstore.Options{Logger: quiet}))
	s := newStand(n, node.store)
	node.seats = s.seats
	s.close = func() {
		node.close()
		admin := must(pgx.Connect(ctx, server))
		must(admin.Exec(ctx, "DROP DATABASE "+name))
		must(0, admin.Close(ctx))
	}
	s.settle = func() string {
		must(node.pool.Exec(ctx, "CHECKPOINT"))
		of := func(table string) (bytes int64) {
			must(0, node.pool.QueryRow(ctx, "SELECT pg_total_relation_size($1::text::regclass)", table).Scan(&bytes))
			return bytes
		}
		return sizes(n, of("oneseat_rosters"), of("oneseat_events"))
	}
	return s
}

// fillPostgres writes a crowd into a database that no store has open.
func fillPostgres(pool *pgxpool.Pool, c crowd) {
	ctx := context.Background()
	rows := func(step, end int, row func(m member) []any) pgx.CopyFromSource {
		i := 0
		return pgx.CopyFromFunc(func() ([]any, error) {
			if i += step; i >= end {
				return nil, nil
			}
			return row(c.member(i)), nil
		})
	}
	must(pool.CopyFrom(ctx, pgx.Identifier{"oneseat_rosters"}, []string{"key", "version", "due", "roster", "realm", "account"}, rows(1, c.n+idleOnes, func(m member) []any {
		return []any{m.key[:], m.version, time.UnixMicro(m.due), m.roster, "default", m.account}
	})))
	must(pool.CopyFrom(ctx, pgx.Identifier{"oneseat_events"}, []string{"key", "version", "realm", "account", "events"}, rows(loggedOf, c.n, func(m member) []any {
		return []any{m.key[:], m.version, "default", m.account, m.event}
	})))
	must(pool.Exec(ctx, "DELETE FROM oneseat_counts"))
	must(pool.Exec(ctx, "INSERT INTO oneseat_counts VALUES ('default', $1, 0, $2, $2, 0)", int64(c.epoch), c.n+idleOnes))
	must(pool.Exec(ctx, "VACUUM (ANALYZE) oneseat_rosters"))
	must(pool.Exec(ctx, "VACUUM (ANALYZE) oneseat_events"))
}

// sizes says what a crowd takes, with its indexes.
func sizes(n int, rosters, events int64) string {
	all := int64(n + idleOnes)
	return fmt.Sprintf("%d accounts: %.2f GB, %d bytes each; the log of the sign-ins of %d of them: %.2f GB, %d bytes each",
		n, float64(rosters)/1e9, rosters/all, n/loggedOf, float64(events)/1e9, events/max(1, int64(n/loggedOf)))
}
