package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"fmt"
	mrand "math/rand/v2"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/sqlitestore"
)

// database is a SQLite file with a registry over it, and n accounts that are
// signed in.
type database struct {
	dir, file string
	store     *sqlitestore.Store
	seats     *oneseat.Registry
	n         int
}

func newDatabase(n int) *database {
	dir := must(os.MkdirTemp("", "oneseat-bench-"))
	d := &database{dir: dir, file: filepath.Join(dir, "oneseat.db"), n: n}
	d.store = must(sqlitestore.Open(d.file))
	d.seats = must(oneseat.New(d.store, oneseat.Config{Logger: quiet}))
	must(d.seats.SignIn(context.Background(), account(0), oneseat.SignInRequest{}))
	d.fill()
	return d
}

func (d *database) close() {
	_ = d.seats.Close()
	_ = d.store.Close()
	_ = os.RemoveAll(d.dir)
}

func account(i int) string { return fmt.Sprintf("account %07d", i) }

// raw is the same file without oneseat.
func (d *database) raw() *sql.DB { return openSQLite(d.file) }

// openSQLite opens a file with one connection, as durable as ours.
func openSQLite(file string) *sql.DB {
	db := must(sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(10000)&_pragma=cache_size(-16384)"))
	db.SetMaxOpenConns(1)
	return db
}

// fill copies the roster of account 0, which has signed in, to all others.
func (d *database) fill() {
	db := d.raw()
	defer db.Close()
	var roster string
	err := db.QueryRow("SELECT roster FROM oneseat_rosters WHERE account = ?", account(0)).Scan(&roster)
	tx := must(db.Begin())
	insert := must(tx.Prepare("INSERT INTO oneseat_rosters (version, due, roster, key, realm, account) VALUES (?, ?, replace(?, ?, ?), ?, 'default', ?)")) //nolint:sqlclosecheck // Commit does
	now := time.Now().UnixMicro()
	for i := 1; i < d.n && err == nil; i++ {
		k := oneseat.KeyOf("default", account(i))
		_, err = insert.Exec(now, now+int64(24*time.Hour/time.Microsecond), roster, account(0), account(i), k[:], account(i))
	}
	for _, statement := range []string{"DELETE FROM oneseat_counts", "INSERT INTO oneseat_counts SELECT realm, epoch, accounts, sessions, streams FROM oneseat_recount"} {
		if err == nil {
			_, err = tx.Exec(statement)
		}
	}
	if err == nil {
		err = tx.Commit()
	}
	must(0, err)
}

// signIns returns how many random accounts are signed in a second.
func (d *database) signIns(callers int, turn time.Duration) float64 {
	return perSecond(callers, turn, func() {
		must(d.seats.SignIn(context.Background(), account(mrand.IntN(d.n)), oneseat.SignInRequest{}))
	})
}

// bareRows writes, for a while, the rows that a sign-in writes, of several sign-ins
// in one transaction. It reads nothing, decides nothing and makes no JSON.
type bareRows struct {
	*database
	db     *sql.DB
	roster string
	events []string
}

func newBareRows(n int) *bareRows {
	d := newDatabase(n)
	b := &bareRows{database: d}
	g := must(d.seats.SignIn(context.Background(), account(0), oneseat.SignInRequest{})) // displaces: a roster, two events
	records := must(d.store.Events(context.Background(), oneseat.EventQuery{Realm: "default", Account: account(0), Limit: 2}))
	for _, r := range records {
		b.events = append(b.events, string(must(json.Marshal(r.Event))))
	}
	views := must(d.store.Load(context.Background(), oneseat.KeyOf("default", g.Session.Account)))
	b.roster = string(must(json.Marshal(views[0].Roster)))
	b.db = d.raw()
	return b
}

func (b *bareRows) write(batch int, turn time.Duration) float64 {
	update := must(b.db.Prepare("UPDATE oneseat_rosters SET version = ?, due = ?, roster = ? WHERE key = ?"))
	log := must(b.db.Prepare("INSERT INTO oneseat_events (key, version, realm, account, session, event) VALUES (?, ?, 'default', ?, ?, ?)"))
	defer update.Close()
	defer log.Close()
	began, n := time.Now(), 0
	for time.Since(began) < turn {
		tx := must(b.db.Begin())
		u, l := tx.Stmt(update), tx.Stmt(log) //nolint:sqlclosecheck // Commit does
		for range batch {
			a := account(mrand.IntN(b.n))
			k, now := oneseat.KeyOf("default", a), time.Now().UnixMicro()
			must(u.Exec(now, now, b.roster, k[:]))
			for _, e := range b.events {
				must(l.Exec(k[:], now, a, rand.Text(), e))
			}
			n++
		}
		must(0, tx.Commit())
	}
	return float64(n) / time.Since(began).Seconds()
}

const (
	sqliteRounds = 9
	sqliteTurn   = 500 * time.Millisecond
)

// sqlite compares durable sign-ins, 64 callers on different accounts, with the same
// rows written barely. The section tenmillion has few accounts beside many.
func sqlite() {
	bare, seats := newBareRows(1_000), newDatabase(1_000)
	defer bare.close()
	defer seats.close()
	var of64, ofOne, ours []float64
	for range sqliteRounds {
		of64 = append(of64, bare.write(64, sqliteTurn))
		ours = append(ours, seats.signIns(64, sqliteTurn))
		ofOne = append(ofOne, bare.write(1, sqliteTurn))
	}
	fmt.Println("Durable sign-ins in SQLite, synchronous FULL, 64 callers, 1,000 accounts")
	fmt.Printf("  the same rows, 64 to a transaction     %7.0f /s\n", median(of64))
	fmt.Printf("  sign-ins                               %7.0f /s  %5.2f of that, %5.2f times one transaction each\n",
		median(ours), ratio(ours, of64), ratio(ours, ofOne))
}
