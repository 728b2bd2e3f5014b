package doctor

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/canaries"
	"github.com/oneseat/oneseat/internal/testservers"
	"github.com/oneseat/oneseat/server"
	"github.com/oneseat/oneseat/store/pgstore"
	"github.com/oneseat/oneseat/store/redisstore"
)

var quiet = canaries.Logger(nil)

var servers = new(testservers.Shared)

func TestMain(m *testing.M) {
	code := canaries.Main(m)
	servers.Close()
	os.Exit(code)
}

// running is a server of oneseat that runs.
type running struct {
	url, key string
	server   *server.Server
	seats    *oneseat.Registry
}

// serve runs a server at an address such as 127.0.0.1:0 until the test ends.
func serve(t *testing.T, address string, store oneseat.Store, c oneseat.Config, version string) running {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, l, store, c, version)
}

func serveOn(t *testing.T, l net.Listener, store oneseat.Store, c oneseat.Config, version string) (r running) {
	t.Helper()
	if c.Realm == "" {
		c.Realm = "members"
	}
	c.Logger = quiet
	var err error
	if r.seats, err = oneseat.New(store, c); err != nil {
		t.Fatal(err)
	}
	var key server.Key
	r.key, key = server.NewKey(c.Realm, server.ScopeCheck, server.ScopeSessions)
	if r.server, err = server.New(server.Config{Realms: map[string]*oneseat.Registry{c.Realm: r.seats}, Keys: []server.Key{key}, Version: version, Logger: quiet}); err != nil {
		t.Fatal(err)
	}
	r.url = serveHandler(t, l, r.server)
	t.Cleanup(func() { _ = r.seats.Close() }) // after the server
	return r
}

// serveHandler serves on a listener until the test ends, and returns the URL.
func serveHandler(t *testing.T, l net.Listener, h http.Handler) string {
	t.Helper()
	s := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(quiet.Handler(), slog.LevelError)}
	var ended sync.WaitGroup
	ended.Go(func() { _ = s.Serve(l) })
	t.Cleanup(func() { _ = s.Close(); ended.Wait() })
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return "http://127.0.0.1:" + port
}

// takes gives the server a key of another one, instead of its own.
func (r running) takes(t *testing.T, secret string) {
	t.Helper()
	key, err := server.KeyOf(secret, "members", server.ScopeCheck)
	if err == nil {
		err = r.server.SetKeys([]server.Key{key})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// postgres is the server of all tests that do it no harm.
var postgres struct {
	mu sync.Mutex
	at string // host:port; "": it does not run yet
}

// database makes a database with a store, and returns its URL.
func database(t *testing.T) string {
	t.Helper()
	url := emptyDatabase(t)
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	s, err := pgstore.Open(t.Context(), pool, pgstore.Options{Logger: quiet})
	if err == nil {
		_, err = signInOne(t.Context(), s)
	}
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return url
}

func emptyDatabase(t *testing.T) string {
	t.Helper()
	server := postgresAddr(t)
	name := "t" + strings.ToLower(rand.Text())
	sql(t, "postgres://postgres@"+server+"/postgres", "CREATE DATABASE "+name)
	return "postgres://postgres@" + server + "/" + name
}

func postgresAddr(t *testing.T) string {
	t.Helper()
	postgres.mu.Lock()
	defer postgres.mu.Unlock()
	if postgres.at == "" {
		postgres.at = testservers.StartPostgres(servers.For(t)).Addr
	}
	return postgres.at
}

// sql runs statements, and returns the first column of what the last of them returns.
func sql(t *testing.T, url string, statements ...string) (values []string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	for _, s := range statements {
		rows, err := conn.Query(t.Context(), s)
		if err == nil {
			values, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return values
}

// signInOne signs an account in, so that there is something in a store.
func signInOne(ctx context.Context, s oneseat.Store) (oneseat.Token, error) {
	seats, err := oneseat.New(s, oneseat.Config{Realm: "members", Logger: quiet})
	if err != nil {
		return "", err
	}
	g, err := seats.SignIn(ctx, "ada", oneseat.SignInRequest{})
	if err != nil {
		return "", err
	}
	return g.Token, seats.Close()
}

// redis runs a Redis with a store.
func redis(t *testing.T, settings ...string) *testservers.Redis {
	t.Helper()
	r := testservers.StartRedis(t, settings...)
	fill(t, r.URL)
	return r
}

func fill(t *testing.T, url string) {
	t.Helper()
	s, err := redisstore.Open(t.Context(), url, redisstore.Options{Logger: quiet, Timeout: time.Minute})
	if err == nil {
		_, err = signInOne(t.Context(), s)
	}
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// secrets are what subjects of tests have besides their keys.
var secrets = []string{"hunter2", "wrongpass"}

// examine examines, and sees that no secret of the subject is in the report.
func examine(t *testing.T, s Subject) Report {
	t.Helper()
	r := Examine(t.Context(), s)
	var b bytes.Buffer
	for _, err := range []error{r.Write(&b, Style{Width: 200}), r.WriteJSON(&b)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, secret := range append(slices.Clone(secrets), s.Key) {
		if secret != "" && strings.Contains(b.String(), secret) {
			t.Errorf("%q is in the report: %s", secret, b.String())
		}
	}
	return r
}

// wanted examines until nothing is missing from the report. A question has some seconds,
// which is little on a machine that is busy, so it is asked again. A report that stays
// wrong fails the test.
func wanted(t *testing.T, s Subject, missing func(Report) []string) (r Report) {
	t.Helper()
	var why []string
	for range 10 {
		r = examine(t, s)
		if why = missing(r); len(why) == 0 {
			return r
		}
	}
	t.Errorf("%s\n%s", strings.Join(why, "\n"), text(t, r))
	return r
}

// wantFound wants findings of one check, which say some words, and none of another check.
func wantFound(t *testing.T, s Subject, check string, severity Severity, words ...string) Report {
	t.Helper()
	return wanted(t, s, func(r Report) (why []string) {
		n := 0
		for _, one := range r.Results {
			for _, f := range one.Findings {
				n++
				if one.Check != check || f.Severity != severity || f.Means == "" || f.Cure == "" {
					why = append(why, fmt.Sprintf("found %s: %+v", one.Check, f))
				}
				for _, w := range words {
					if !strings.Contains(f.What+" "+f.Means+" "+f.Cure, w) {
						why = append(why, fmt.Sprintf("nothing of %q in %+v", w, f))
					}
				}
			}
		}
		if n == 0 {
			why = append(why, check+" is not found")
		}
		return why
	})
}

// wantFine wants no finding, and that these checks were made.
func wantFine(t *testing.T, s Subject, checks ...string) Report {
	t.Helper()
	return wanted(t, s, func(r Report) (why []string) {
		made := map[string]bool{}
		for _, one := range r.Results {
			made[one.Check] = made[one.Check] || one.NotChecked == ""
			for _, f := range one.Findings {
				why = append(why, fmt.Sprintf("found %s %s: %+v", one.Check, one.Of, f))
			}
		}
		for _, check := range checks {
			if !made[check] {
				why = append(why, check+" is not checked")
			}
		}
		return why
	})
}

func text(t *testing.T, r Report) string {
	t.Helper()
	var b strings.Builder
	if err := r.Write(&b, Style{Width: 160}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
