package main

import (
	"context"
	"encoding/json"
	"fmt"
	mrand "math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/testservers"
	"github.com/oneseat/oneseat/store/pgstore"
)

// pgNode is a node of oneseat on a PostgreSQL server.
type pgNode struct {
	pool  *pgxpool.Pool
	store *pgstore.Store
	seats *oneseat.Registry
}

func newPgNode(url string) *pgNode {
	n := &pgNode{}
	n.pool = must(pgxpool.New(context.Background(), url+"?pool_max_conns=16"))
	n.store = must(pgstore.Open(context.Background(), n.pool, pgstore.Options{Logger: quiet}))
	n.seats = must(oneseat.New(n.store, oneseat.Config{Logger: quiet}))
	return n
}

func (n *pgNode) close() {
	_ = n.seats.Close()
	_ = n.store.Close()
	n.pool.Close()
}

// fill gives accounts first to last one session each: the roster of account 0.
func (n *pgNode) fill(first, last int) {
	ctx := context.Background()
	var roster string
	must(0, n.pool.QueryRow(ctx, "SELECT roster FROM oneseat_rosters WHERE account = $1", account(0)).Scan(&roster))
	now := time.Now()
	i := first - 1
	must(n.pool.CopyFrom(ctx, pgx.Identifier{"oneseat_rosters"}, []string{"key", "version", "due", "roster", "realm", "account"},
		pgx.CopyFromFunc(func() ([]any, error) {
			if i++; i > last {
				return nil, nil
			}
			a := account(i)
			k := oneseat.KeyOf("default", a)
			return []any{k[:], now.UnixMicro(), now.Add(24 * time.Hour), strings.ReplaceAll(roster, account(0), a), "default", a}, nil
		})))
	must(n.pool.Exec(ctx, "DELETE FROM oneseat_counts"))
	must(n.pool.Exec(ctx, "INSERT INTO oneseat_counts SELECT realm, epoch, 0, accounts, sessions, streams FROM oneseat_recount"))
	must(n.pool.Exec(ctx, "VACUUM ANALYZE oneseat_rosters"))
}

// bareTransaction writes the rows that a sign-in writes.
type bareTransaction struct{ roster, events string }

func newBareTransaction(n *pgNode) bareTransaction {
	ctx := context.Background()
	must(n.seats.SignIn(ctx, account(0), oneseat.SignInRequest{}))
	must(n.seats.SignIn(ctx, account(0), oneseat.SignInRequest{})) // displaces: a roster, two events
	v := must(n.store.Load(ctx, oneseat.KeyOf("default", account(0))))[0]
	var b bareTransaction
	b.roster = string(must(json.Marshal(v.Roster)))
	must(0, n.pool.QueryRow(ctx, "SELECT events FROM oneseat_events ORDER BY id DESC LIMIT 1").Scan(&b.events))
	return b
}

func (b bareTransaction) write(n *pgNode, a string) {
	k, now := oneseat.KeyOf("default", a), time.Now()
	must(0, pgx.BeginFunc(context.Background(), n.pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(context.Background(), "UPDATE oneseat_rosters SET version = $2, due = $3, roster = $4 WHERE key = $1", k[:], now.UnixMicro(), now, strings.ReplaceAll(b.roster, account(0), a))
		if err == nil {
			_, err = tx.Exec(context.Background(), "INSERT INTO oneseat_events (key, version, realm, account, events) VALUES ($1, $2, 'default', $3, $4)", k[:], now.UnixMicro(), a, b.events)
		}
		return err
	}))
}

const (
	pgRounds   = 9
	pgTurn     = time.Second
	pgAccounts = 50_000
)

// postgres compares durable sign-ins with a bare transaction of the same rows,
// and how soon another node knows with a bare notification.
func postgres() {
	var s servers
	defer s.close()
	server := testservers.StartPostgres(&s, "shared_buffers=512MB", "max_connections=200")
	a, b := newPgNode(server.URL), newPgNode(server.URL)
	defer a.close()
	defer b.close()
	bare := newBareTransaction(a)
	a.fill(1, pgAccounts)

	var alone, ours []float64
	for range pgRounds {
		alone = append(alone, perSecond(64, pgTurn, func() { bare.write(a, account(1+mrand.IntN(pgAccounts))) }))
		ours = append(ours, perSecond(64, pgTurn, func() {
			must(a.seats.SignIn(context.Background(), account(1+mrand.IntN(pgAccounts)), oneseat.SignInRequest{}))
		}))
	}
	fmt.Println("Durable sign-ins on PostgreSQL, 64 callers, a pool of 16, two nodes that follow the log")
	fmt.Printf("  a transaction of UPDATE and INSERT     %7.0f /s\n", median(alone))
	fmt.Printf("  sign-ins                               %7.0f /s  %5.2f of that\n", median(ours), ratio(ours, alone))

	listener := must(pgx.Connect(context.Background(), server.URL))
	defer listener.Close(context.Background())
	must(listener.Exec(context.Background(), "LISTEN bench"))
	push("NOTIFY", func() {
		must(a.pool.Exec(context.Background(), "SELECT pg_notify('bench', '')"))
		must(listener.WaitForNotification(context.Background()))
	}, a.seats, b.seats)
	c := newPgNode(server.URL)
	defer c.close()
	contest(a.seats, b.seats, c.seats)

	if accounts > pgAccounts {
		a.fill(pgAccounts+1, accounts)
	}
	must(a.pool.Exec(context.Background(), "VACUUM FULL oneseat_rosters"))
	var size, rows int64
	must(0, a.pool.QueryRow(context.Background(), "SELECT pg_total_relation_size('oneseat_rosters'), count(*) FROM oneseat_rosters").Scan(&size, &rows))
	fmt.Printf("%d accounts with one session: %d bytes each, indexes included\n", rows, size/rows)
}
