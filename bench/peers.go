package main

import (
	"context"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/alexedwards/scs/sqlite3store"
	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"
	"github.com/boj/redistore"
	redigo "github.com/gomodule/redigo/redis"
	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/testservers"
)

// The peers know sessions by their tokens only. To end an account's last session, an
// application that uses one has to note each account's newest token itself. Below, each
// notes it where its sessions are, so that all its nodes see it. (scs could also look
// through all sessions, one by one.) None tells the other browser anything, or keeps a
// log.
//
// Each is written in two ways. The plain one uses what the peer's own pages show: look
// the last session up, load it, end it, make one, note its token. In this way two
// sign-ins at the same time may leave two sessions. The short one makes the session,
// exchanges the noted token for the new one in one step, and deletes the session of the
// old one by its name in the store. It leaves one session, like ours, in as few steps as
// that takes.

// peers compares sign-ins that end the account's last session with peers that are made
// to do the same: in memory, on Redis and on SQLite.
func peers() {
	peersInMemory(15, 2_000)
	var s servers
	defer s.close()
	url := testservers.AnyRedis(&s)
	for _, callers := range []int{1, 64} {
		peersOnRedis(url, callers, 20_000, 9, 500*time.Millisecond)
	}
	for _, callers := range []int{1, 64} {
		peersOnSQLite(callers, 1_000, 9, 500*time.Millisecond)
	}
}

// rated is a way to sign random accounts in. rate returns how many a second it signs in.
type rated struct {
	name string
	rate func(callers int, turn time.Duration) float64
}

// signing makes a rated of what signs one account in.
func signing(name string, n int, signIn func(account string)) rated {
	return rated{name, func(callers int, turn time.Duration) float64 {
		return perSecond(callers, turn, func() { signIn(account(mrand.IntN(n))) })
	}}
}

// race has all sides take turns. The first is bare, the last is ours. It returns the
// ratio of our rate to that of each other side.
func race(title string, callers, rounds int, turn time.Duration, sides ...rated) []float64 {
	rates := make([][]float64, len(sides))
	for range rounds {
		for i, s := range sides {
			rates[i] = append(rates[i], s.rate(callers, turn))
		}
	}
	fmt.Printf("%s, callers: %d\n", title, callers)
	ours := rates[len(rates)-1]
	var to []float64
	for i, s := range sides {
		fmt.Printf("  %-42s %7.0f /s  %5.2f of bare", s.name, median(rates[i]), ratio(rates[i], rates[0]))
		if i < len(sides)-1 {
			to = append(to, ratio(ours, rates[i]))
			fmt.Printf("; ours is %5.2f of it", to[i])
		}
		fmt.Println()
	}
	return to
}

// newSCSSession makes a session of scs, as a sign-in does after a password was
// verified.
func newSCSSession(manager *scs.SessionManager, account string) (token string) {
	ctx := must(manager.Load(context.Background(), ""))
	must(0, manager.RenewToken(ctx))
	manager.Put(ctx, "account", account)
	token, _, err := manager.Commit(ctx)
	return must(token, err)
}

// endSCSSession ends a session as scs does it: it has to load it first.
func endSCSSession(manager *scs.SessionManager, token string) {
	must(0, manager.Destroy(must(manager.Load(context.Background(), token))))
}

// peersInMemory compares a sign-in that leaves an account with its first ending, and one
// where 32 are kept, with scs. It notes the newest tokens in a map.
func peersInMemory(rounds, n int) (toOne, toFull float64) {
	names := []string{"scs, plain", "scs, short", "scs, which lets sessions add up", "Registry.SignIn, the first ending", "Registry.SignIn, 32 endings"}
	times := make([][]float64, len(names))
	pass := func(signIn func(account string)) float64 {
		runtime.GC()
		began := time.Now()
		for i := range n {
			signIn(account(i))
		}
		return float64(time.Since(began)) / float64(n)
	}
	for range rounds {
		manager := scs.New()
		manager.Store = memstore.NewWithCleanupInterval(0)
		var mu sync.Mutex
		newest := make(map[string]string)
		note := func(account, token string) (last string) {
			mu.Lock()
			defer mu.Unlock()
			last = newest[account]
			newest[account] = token
			return last
		}
		plain := func(account string) {
			endSCSSession(manager, note(account, ""))
			note(account, newSCSSession(manager, account))
		}
		short := func(account string) {
			must(0, manager.Store.Delete(note(account, newSCSSession(manager, account))))
		}
		addUp := func(account string) { newSCSSession(manager, account) }
		seats := newRegistry(oneseat.Config{MaxStale: time.Minute})
		ours := func(account string) {
			must(seats.SignIn(context.Background(), account, oneseat.SignInRequest{}))
		}
		pass(short)
		pass(ours)
		took := []float64{pass(plain), pass(short), pass(addUp), pass(ours)}
		for range oneseat.MaxEndings {
			pass(ours)
		}
		for i, t := range append(took, pass(ours)) {
			times[i] = append(times[i], t)
		}
		_ = seats.Close()
	}
	fmt.Printf("Sign-ins that end the account's last session, in memory, %d accounts, callers: 1\n", n)
	for i, t := range times {
		fmt.Printf("  %-36s %7.0f ns  %5.2f and %5.2f of the rate of scs, plain and short\n", names[i], median(t), ratio(times[0], t), ratio(times[1], t))
	}
	return ratio(times[0], times[3]), ratio(times[0], times[4])
}

// peersOnRedis compares sign-ins on one Redis. Plain, scs makes five round trips: two
// for the noted token, and three for the sessions. gorilla makes four, and asks for a
// sign of life before each, as its README has it. Short, both make three.
func peersOnRedis(url string, callers, n, rounds int, turn time.Duration) []float64 {
	client := redisClient(url)
	defer client.Close()
	ours := newRedisNode(url, "bench:")
	defer ours.close()
	addr := strings.TrimPrefix(url, "redis://")

	theirs := goredis.NewClient(&goredis.Options{Addr: addr, PoolSize: 64})
	defer theirs.Close()
	manager := scs.New()
	manager.Store = goredisstore.New(theirs)
	ctx := context.Background()
	found := func(last string, err error) string {
		if errors.Is(err, goredis.Nil) || errors.Is(err, redigo.ErrNil) {
			return ""
		}
		return must(last, err)
	}
	scsPlain := func(account string) {
		endSCSSession(manager, found(theirs.Get(ctx, "newest:scs:"+account).Result()))
		must(0, theirs.Set(ctx, "newest:scs:"+account, newSCSSession(manager, account), 0).Err())
	}
	scsShort := func(account string) {
		token := newSCSSession(manager, account)
		last := found(theirs.SetArgs(ctx, "newest:scs:"+account, token, goredis.SetArgs{Get: true}).Result())
		must(0, manager.Store.(scs.CtxStore).DeleteCtx(ctx, last))
	}

	asking := must(redistore.NewRediStore(64, "tcp", addr, "", "", make([]byte, 32)))
	defer asking.Close()
	trusting := must(redistore.NewRediStoreWithPool(&redigo.Pool{MaxIdle: 64, Dial: func() (redigo.Conn, error) { return redigo.Dial("tcp", addr) }}, make([]byte, 32)))
	defer trusting.Close()
	command := func(store *redistore.RediStore, words ...any) string {
		conn := store.Pool.Get()
		defer conn.Close()
		return found(redigo.String(conn.Do(words[0].(string), words[1:]...)))
	}
	enter := func(store *redistore.RediStore, account string) (id string) {
		r := must(http.NewRequest(http.MethodPost, "/login", nil))
		session := must(store.New(r, "session"))
		session.Values["account"] = account
		must(0, store.Save(r, httptest.NewRecorder(), session))
		return session.ID
	}
	gorillaPlain := func(account string) {
		r := must(http.NewRequest(http.MethodPost, "/login", nil))
		last := must(asking.New(r, "session"))
		last.ID = command(asking, "GET", "newest:gorilla:"+account)
		last.Options.MaxAge = -1
		must(0, asking.Save(r, httptest.NewRecorder(), last)) // deletes it
		command(asking, "SET", "newest:gorilla:"+account, enter(asking, account))
	}
	gorillaShort := func(account string) {
		last := command(trusting, "SET", "newest:gorilla:"+account, enter(trusting, account), "GET")
		conn := trusting.Pool.Get()
		defer conn.Close()
		must(conn.Do("DEL", "session_"+last))
	}

	bare := &bareRedis{client: client, script: rueidis.NewLuaScript(bareScript), n: n}
	for range 2 { // the second ends a session
		each(64, n, func(i int) { ours.signIn(i); scsShort(account(i)); gorillaShort(account(i)) })
	}
	bare.size("bench:")
	each(64, n, bare.write)
	return race(fmt.Sprintf("Sign-ins that end the account's last session, on Redis, %d accounts", n), callers, rounds, turn,
		rated{"bare HMGET, then EVALSHA of our size", func(callers int, turn time.Duration) float64 {
			return perSecond(callers, turn, func() { bare.write(mrand.IntN(n)) })
		}},
		signing("scs with goredisstore, plain", n, scsPlain),
		signing("scs with goredisstore, short", n, scsShort),
		signing("gorilla with redistore, plain", n, gorillaPlain),
		signing("gorilla with redistore, short", n, gorillaShort),
		rated{"Registry.SignIn", func(callers int, turn time.Duration) float64 {
			return perSecond(callers, turn, func() { ours.signIn(mrand.IntN(n)) })
		}})
}

// peersOnSQLite compares sign-ins on SQLite files, all with synchronous FULL. Plain, scs
// makes three transactions. Short, it makes two: its store takes a database, so the
// session is written in one of its own, and the last one is deleted together with
// noting the new token.
func peersOnSQLite(callers, n, rounds int, turn time.Duration) []float64 {
	bare, ours := newBareRows(n), newDatabase(n)
	defer bare.close()
	defer ours.close()
	dir := must(os.MkdirTemp("", "oneseat-bench-"))
	defer os.RemoveAll(dir)
	db := openSQLite(filepath.Join(dir, "scs.db")) // one connection: with more, writers sleep while they wait for the lock
	defer db.Close()
	must(db.Exec(`CREATE TABLE sessions (token TEXT PRIMARY KEY, data BLOB NOT NULL, expiry REAL NOT NULL);
		CREATE INDEX sessions_expiry_idx ON sessions (expiry);
		CREATE TABLE newest (account TEXT PRIMARY KEY, token TEXT NOT NULL) WITHOUT ROWID`))
	manager := scs.New()
	manager.Store = sqlite3store.NewWithCleanupInterval(db, 0)
	plain := func(account string) {
		var last string
		must(0, db.QueryRow("SELECT token FROM newest WHERE account = ?", account).Scan(&last))
		endSCSSession(manager, last)
		must(db.Exec("REPLACE INTO newest (account, token) VALUES (?, ?)", account, newSCSSession(manager, account)))
	}
	short := func(account string) {
		token := newSCSSession(manager, account)
		tx := must(db.Begin())
		must(tx.Exec("DELETE FROM sessions WHERE token = (SELECT token FROM newest WHERE account = ?)", account))
		must(tx.Exec("REPLACE INTO newest (account, token) VALUES (?, ?)", account, token))
		must(0, tx.Commit())
	}
	each(64, n, func(i int) { short(account(i)) })
	return race(fmt.Sprintf("Sign-ins that end the account's last session, on SQLite, %d accounts", n), callers, rounds, turn,
		rated{"our rows, those of all callers at once", bare.write},
		signing("scs with sqlite3store, plain", n, plain),
		signing("scs with sqlite3store, short", n, short),
		rated{"Registry.SignIn", ours.signIns})
}
