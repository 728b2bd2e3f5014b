package pgstore_test

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/canaries"
	"github.com/oneseat/oneseat/internal/testservers"
	"github.com/oneseat/oneseat/store/internal/fixture"
	"github.com/oneseat/oneseat/store/pgstore"
)

const realm = fixture.Realm

// patience is how long a test waits for something that should come soon. Only a test
// that fails waits as long as that, because a busy machine may be slow.
const patience = 2 * time.Minute

// shared are the server for all tests that do it no harm, and its PgBouncer. Durability
// is tested on servers of their own.
var shared struct {
	testservers.Shared
	mu      sync.Mutex
	url     string
	bouncer string
}

func TestMain(m *testing.M) {
	if how := os.Getenv(migratingVariable); how != "" {
		if err := migrating(how, os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := canaries.Main(m)
	shared.Close()
	os.Exit(code)
}

// serverURL returns the URL of the shared server. The first test that asks starts the
// server, unless the environment names one.
func serverURL(t testing.TB) string {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.url == "" {
		shared.url = os.Getenv("ONESEAT_POSTGRES_URL")
	}
	if shared.url == "" {
		shared.url = testservers.StartPostgres(shared.For(t), "fsync=off", "max_connections=500", "autovacuum=off").URL
	}
	return shared.url
}

// bouncerAddr returns the address of a PgBouncer in front of the shared server.
func bouncerAddr(t testing.TB) string {
	t.Helper()
	server := parse(t, serverURL(t)).Host
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.bouncer == "" {
		shared.bouncer = testservers.StartPgBouncer(shared.For(t), server).Addr
	}
	return shared.bouncer
}

func parse(t testing.TB, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// database makes an empty database on the shared server and returns its URL.
func database(t testing.TB) string {
	t.Helper()
	return databaseOn(t, serverURL(t))
}

func databaseOn(t testing.TB, server string) string {
	t.Helper()
	name := "t" + strings.ToLower(rand.Text())
	admin := connect(t, server)
	run(t, admin, "CREATE DATABASE "+name+" TEMPLATE template0")
	t.Cleanup(func() {
		// A connection that is closed in the background may still be open.
		_, _ = admin.Exec(context.WithoutCancel(t.Context()), "DROP DATABASE "+name+" WITH (FORCE)")
	})
	u := parse(t, server)
	u.Path = "/" + name
	return u.String()
}

// connect makes a connection as psql does.
func connect(t testing.TB, to string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func run(t testing.TB, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := conn.Exec(context.WithoutCancel(t.Context()), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// with adds settings to a URL.
func with(t testing.TB, to string, settings ...string) string {
	t.Helper()
	u := parse(t, to)
	q := u.Query()
	for _, s := range settings {
		name, value, _ := strings.Cut(s, "=")
		q.Set(name, value)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// pool makes a pool that is closed when the test ends.
func pool(t testing.TB, to string) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(to)
	if err != nil {
		t.Fatal(err)
	}
	dial := config.ConnConfig.DialFunc
	config.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		shared.mu.Lock()
		defer shared.mu.Unlock()
		if err != nil || addr != shared.bouncer {
			return conn, err
		}
		return uncancelled{conn}, nil
	}
	p, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// uncancelled is a connection to a PgBouncer that never passes on the cancelling of a
// query. Debian's PgBouncer 1.18 crashes on it now and then (its issues 801 and 822).
// The query ends by itself.
type uncancelled struct{ net.Conn }

func (c uncancelled) Write(b []byte) (int, error) {
	if len(b) == 16 && binary.BigEndian.Uint32(b[4:]) == 80877102 {
		return 0, errors.New("cancel requests are not sent")
	}
	return c.Conn.Write(b)
}

// quiet is for stores whose warnings a test expects, most often that fsync is off. See
// TestWhoeverTurnsOffDurabilityIsToldOnce.
var quiet = canaries.Logger(nil)

// open opens a store with a pool of its own, which is closed when the test ends.
func open(t testing.TB, to string) *pgstore.Store {
	t.Helper()
	return openWith(t, to, pgstore.Options{})
}

func openWith(t testing.TB, to string, o pgstore.Options) *pgstore.Store {
	t.Helper()
	return openOn(t, pool(t, to), o)
}

func openOn(t testing.TB, p *pgxpool.Pool, o pgstore.Options) *pgstore.Store {
	t.Helper()
	o.Logger = canaries.Logger(o.Logger)
	s, err := pgstore.Open(t.Context(), p, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// fresh opens a store on a new database.
func fresh(t testing.TB) (*pgstore.Store, string) {
	t.Helper()
	to := database(t)
	return open(t, to), to
}

// through returns the URL with another address.
func through(t testing.TB, to, addr string) string {
	t.Helper()
	if _, _, err := net.SplitHostPort(addr); err != nil {
		t.Fatal(err)
	}
	u := parse(t, to)
	u.Host = addr
	return u.String()
}

// These rosters are made by hand.
var (
	key, seat, leave = fixture.Key, fixture.Seat, fixture.Leave
	signIn, wantLive = fixture.SignIn, fixture.WantLive
)

var wantFailure = fixture.WantFailure("pgstore")

// end returns a cursor at the end of the log.
func end(t testing.TB, s *pgstore.Store) oneseat.Cursor {
	t.Helper()
	return changes(t, s, "").Cursor
}

func changes(t testing.TB, s *pgstore.Store, after oneseat.Cursor) oneseat.Tail {
	t.Helper()
	tail, err := s.Changes(t.Context(), 0, after)
	if err != nil {
		t.Fatal(err)
	}
	return tail
}

// waitUntil waits for a condition that other goroutines bring about.
func waitUntil(t testing.TB, holds func() bool, otherwise func() string) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(otherwise())
		}
	}
}

// rowsOf returns what a person sees as the answer to a query, a row in a line.
func rowsOf(t testing.TB, to, query string) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }() // at once, because a test that waits asks a thousand times
	rows, err := conn.Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (string, error) {
		values, err := r.Values()
		var cells []string
		for _, v := range values {
			if at, ok := v.(time.Time); ok {
				v = at.UTC().Format(time.DateTime)
			}
			cells = append(cells, fmt.Sprint(v))
		}
		return strings.Join(cells, "|"), err
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}
