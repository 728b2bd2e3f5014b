package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/testservers"
	"github.com/oneseat/oneseat/store/pgstore"
	"github.com/oneseat/oneseat/store/redisstore"
	"github.com/oneseat/oneseat/store/sqlitestore"
)

// followed is a kind of store, and how nodes come to it.
type followed struct {
	name   string
	open   func() (node oneseat.Store, close func())
	hear   func() (close func()) // a connection that hears of commits, as each node has; nil: there is no server
	tell   func()                // tells them of one
	server func() float64        // seconds of processor that the server has used; nil: there is no server
	sent   func() float64        // bytes that the server has sent; nil: it does not say
}

// follow states how fast a node can follow the log, how often it reads it while others
// sign in, and what it costs while nothing happens.
func follow() {
	var s servers
	defer s.close()
	for _, f := range everyFollowed(&s) {
		f.ceiling(3, 10_000)
		f.live(5, 2*time.Second)
		f.idle(20, 20*time.Second)
		if f.hear != nil {
			f.push(5, 1, time.Second)
			f.push(5, 100, time.Second)
		}
	}
}

func everyFollowed(s *servers) []followed {
	ctx := context.Background()
	dir := must(os.MkdirTemp("", "oneseat-bench-"))
	s.Cleanup(func() { _ = os.RemoveAll(dir) })
	lite := followed{name: "SQLite", open: func() (oneseat.Store, func()) {
		store := must(sqlitestore.Open(filepath.Join(dir, "oneseat.db")))
		return store, func() { _ = store.Close() }
	}}
	server := testservers.StartPostgres(s, "shared_buffers=512MB", "max_connections=300").URL
	admin := must(pgx.Connect(ctx, server))
	s.Cleanup(func() { _ = admin.Close(ctx) })
	pg := followed{name: "PostgreSQL", open: func() (oneseat.Store, func()) {
		pool := must(pgxpool.New(ctx, server+"?pool_max_conns=8"))
		store := must(pgstore.Open(ctx, pool, pgstore.Options{Logger: quiet}))
		return store, func() { _ = store.Close(); pool.Close() }
	}, server: func() float64 { return backends(admin) }}
	told := must(pgxpool.New(ctx, server+"?pool_max_conns=16"))
	s.Cleanup(told.Close)
	pg.hear = func() func() {
		conn := must(pgx.Connect(ctx, server))
		must(conn.Exec(ctx, "LISTEN bench"))
		return whileHeard(func() error { _, err := conn.WaitForNotification(ctx); return err }, func() { _ = conn.PgConn().Conn().Close() })
	}
	pg.tell = func() {
		must(told.Exec(ctx, "SELECT set_config('synchronous_commit', 'off', true), pg_notify('bench', '')"))
	}
	url := testservers.AnyRedis(s)
	client := redisClient(url)
	s.Cleanup(client.Close)
	red := followed{name: "Redis", open: func() (oneseat.Store, func()) {
		store := must(redisstore.Open(ctx, url, redisstore.Options{Prefix: "follow:", Logger: quiet}))
		return store, func() { _ = store.Close() }
	}, server: func() float64 { return info(client, "used_cpu_user") + info(client, "used_cpu_sys") },
		sent: func() float64 { return info(client, "total_net_output_bytes") }}
	red.hear = func() func() {
		conn := must(net.Dial("tcp", strings.TrimPrefix(url, "redis://")))
		must(fmt.Fprint(conn, "SUBSCRIBE bench\r\n"))
		heard := make([]byte, 4096)
		must(conn.Read(heard)) // it is subscribed
		return whileHeard(func() error { _, err := conn.Read(heard); return err }, func() { _ = conn.Close() })
	}
	red.tell = func() {
		must(client.Do(ctx, client.B().Publish().Channel("bench").Message("ffff").Build()).AsInt64())
	}
	return []followed{lite, pg, red}
}

// whileHeard calls hear until it fails, because hangUp was called.
func whileHeard(hear func() error, hangUp func()) (end func()) {
	var listener sync.WaitGroup
	listener.Go(func() {
		for hear() == nil {
		}
	})
	return func() { hangUp(); listener.Wait() }
}

// push returns how many notifications a second a server takes from 16 callers while this
// many nodes listen.
func (f followed) push(rounds, listeners int, turn time.Duration) float64 {
	for range listeners {
		defer f.hear()()
	}
	var rates, there []float64
	for range rounds {
		was, n := f.server(), atomic.Int64{}
		rates = append(rates, perSecond(16, turn, func() { f.tell(); n.Add(1) }))
		there = append(there, (f.server()-was)/float64(n.Load())*1e6)
	}
	fmt.Printf("%s: %d listeners: the server takes %.0f notifications a second, with %.0f µs of its processor each\n", f.name, listeners, median(rates), median(there))
	return median(rates)
}

// backends returns how many seconds of the processor were used by the processes that
// serve the connections to a PostgreSQL server on this machine.
func backends(admin *pgx.Conn) (seconds float64) {
	rows := must(admin.Query(context.Background(), "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"))
	for _, pid := range must(pgx.CollectRows(rows, pgx.RowTo[int])) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		for _, ticks := range fields[11:13] { // utime and stime, in hundredths
			seconds += must(strconv.ParseFloat(ticks, 64)) / 100
		}
	}
	return seconds
}

// own returns how many seconds of the processor this process has used.
func own() float64 {
	var u syscall.Rusage
	must(0, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// counting is a store that counts what a node asks of it. While it is shut, the log seems
// to have nothing new.
type counting struct {
	oneseat.Store
	shut                  atomic.Bool
	loads, reads, entries atomic.Int64
}

func (c *counting) Load(ctx context.Context, keys ...oneseat.Key) ([]oneseat.View, error) {
	c.loads.Add(1)
	return c.Store.Load(ctx, keys...)
}

func (c *counting) Changes(ctx context.Context, partition int, after oneseat.Cursor) (oneseat.Tail, error) {
	if after != "" && c.shut.Load() {
		return oneseat.Tail{Cursor: after, End: true}, nil
	}
	tail, err := c.Store.Changes(ctx, partition, after)
	if err == nil {
		c.reads.Add(1)
		c.entries.Add(int64(len(tail.Entries)))
	}
	return tail, err
}

// node is a registry over a store of its own that counts.
func (f followed) node() (c *counting, seats *oneseat.Registry, end func()) {
	store, shut := f.open()
	c = &counting{Store: store}
	seats = must(oneseat.New(c, oneseat.Config{Logger: quiet}))
	must(seats.SignIn(context.Background(), "first", oneseat.SignInRequest{}))
	return c, seats, func() {
		_ = seats.Close()
		shut()
	}
}

var chrome = oneseat.SignInRequest{Device: oneseat.Device{Label: "Chrome on Windows", Class: oneseat.ClassDesktop, IP: "192.0.2.1"}}

// ceiling lets a node follow what others have written before, as fast as it can. Nobody
// else asks the store for anything then.
func (f followed) ceiling(rounds, signIns int) float64 {
	var rates, here, there, sent, reads []float64
	for range rounds {
		c, _, end := f.node()
		for c.reads.Load() < int64(c.Partitions()) { // then the node has its place in each partition
			time.Sleep(time.Millisecond)
		}
		c.shut.Store(true)
		_, writer, gone := f.node()
		each(64, signIns, func(i int) {
			must(writer.SignIn(context.Background(), account(i%fewAccounts), chrome))
		})
		gone()
		time.Sleep(100 * time.Millisecond)
		was, served, bytes := own(), f.of(f.server), f.of(f.sent)
		from, before, began := c.entries.Load(), c.reads.Load(), time.Now()
		c.shut.Store(false)
		for c.entries.Load()-from < int64(signIns) {
			time.Sleep(time.Millisecond)
		}
		n := float64(c.entries.Load() - from)
		rates, here = append(rates, n/time.Since(began).Seconds()), append(here, (own()-was)/n*1e6)
		there, sent = append(there, (f.of(f.server)-served)/n*1e6), append(sent, (f.of(f.sent)-bytes)/n)
		reads = append(reads, n/float64(c.reads.Load()-before))
		end()
	}
	fmt.Printf("%s: a node that is behind follows %.0f entries a second (%.0f in a read), with %.1f µs of processor each", f.name, median(rates), median(reads), median(here))
	if f.server != nil {
		fmt.Printf(", and %.1f in the server", median(there))
	}
	if f.sent != nil {
		fmt.Printf(", which sends %.0f bytes", median(sent))
	}
	fmt.Println()
	return median(rates)
}

func (f followed) of(counter func() float64) float64 {
	if counter == nil {
		return 0
	}
	return counter()
}

// live says how often a node reads the log while another one signs accounts in.
func (f followed) live(rounds int, turn time.Duration) float64 {
	c, _, end := f.node()
	defer end()
	_, writer, gone := f.node()
	defer gone()
	var reads, entries, rates, there []float64
	for range rounds {
		r, e, served := c.reads.Load(), c.entries.Load(), f.of(f.server)
		rates = append(rates, perSecond(64, turn, func() {
			must(writer.SignIn(context.Background(), account(int(time.Now().UnixNano()%fewAccounts)), chrome))
		}))
		there = append(there, (f.of(f.server)-served)/(rates[len(rates)-1]*turn.Seconds())*1e6)
		reads = append(reads, float64(c.reads.Load()-r)/turn.Seconds())
		entries = append(entries, float64(c.entries.Load()-e)/float64(c.reads.Load()-r))
	}
	fmt.Printf("%s: while another node signs %.0f accounts in a second, a node reads the log %.0f times a second, %.1f entries each time", f.name, median(rates), median(reads), median(entries))
	if f.server != nil {
		fmt.Printf("; a sign-in takes %.0f µs of processor in the server, with what both nodes read", median(there))
	}
	fmt.Println()
	return median(reads)
}

// idle says what nodes cost while nothing happens.
func (f followed) idle(nodes int, lasts time.Duration) float64 {
	var all []*counting
	for range nodes {
		c, _, end := f.node()
		defer end()
		all = append(all, c)
	}
	of := func() (loads, reads float64) {
		for _, c := range all {
			loads, reads = loads+float64(c.loads.Load()), reads+float64(c.reads.Load())
		}
		return loads, reads
	}
	time.Sleep(lasts / 10)
	loads, reads := of()
	was, served := own(), f.of(f.server)
	time.Sleep(lasts)
	span := float64(nodes) * lasts.Seconds()
	here, there := (own()-was)/span, (f.of(f.server)-served)/span
	l, r := of()
	fmt.Printf("%s: an idle node reads the log %.1f times a second and %.2f rosters, with %.2f %% of a processor", f.name, (r-reads)/span, (l-loads)/span, 100*here)
	if f.server != nil {
		fmt.Printf(", and %.2f %% in the server", 100*there)
	}
	fmt.Println()
	return r - reads
}
