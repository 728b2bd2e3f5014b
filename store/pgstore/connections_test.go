package pgstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/testservers"
	"github.com/oneseat/oneseat/store/pgstore"
)

// hooked makes a pool with hooks of its own, which the test closes.
func hooked(t *testing.T, to string, hooks func(*pgxpool.Config)) *pgxpool.Pool {
	t.Helper()
	c, err := pgxpool.ParseConfig(to)
	if err != nil {
		t.Fatal(err)
	}
	hooks(c)
	p, err := pgxpool.NewWithConfig(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// listening calls Wake, as a registry does, until stop is called. woken waits until
// Wake has called its function once more.
func listening(t *testing.T, s *pgstore.Store) (woken, stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	news, over := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(over)
		for ctx.Err() == nil {
			_ = s.Wake(ctx, func(int) { // after an error it is called again
				select {
				case news <- struct{}{}:
				default:
				}
			})
		}
	}()
	stop = func() { cancel(); <-over }
	t.Cleanup(stop)
	return func() {
		t.Helper()
		select {
		case <-news:
		case <-time.After(patience):
			t.Fatal("it is not woken")
		}
	}, stop
}

// As with IAM on RDS, or with Vault.
func TestTheConnectionThatListensFollowsAPasswordThatChanges(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t, "fsync=off")
	admin := connect(t, server.URL)
	run(t, admin, "COPY (VALUES ('host all shop all scram-sha-256'), ('host all all all trust')) TO '"+rowsOf(t, server.URL, "SHOW hba_file")[0]+"'", "SELECT pg_reload_conf()")
	run(t, admin, "CREATE ROLE shop LOGIN", "GRANT ALL ON SCHEMA public TO shop")
	var password atomic.Pointer[string]
	change := func(to string) {
		run(t, admin, fmt.Sprintf("ALTER ROLE shop PASSWORD '%s'", to))
		password.Store(&to)
		run(t, admin, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'shop'")
	}
	change("the first")
	s := openOn(t, hooked(t, strings.Replace(server.URL, "postgres@", "shop@", 1), func(c *pgxpool.Config) {
		c.BeforeConnect = func(_ context.Context, to *pgx.ConnConfig) error {
			to.Password = *password.Load()
			return nil
		}
	}), pgstore.Options{})
	woken, _ := listening(t, s)
	heard := func() bool {
		return len(rowsOf(t, server.URL, "SELECT pid::text FROM pg_stat_activity WHERE usename = 'shop' AND query = 'LISTEN oneseat'")) == 1
	}
	for i, next := range []string{"the second", "the third"} {
		woken()
		waitUntil(t, heard, func() string { return "nobody listens" })
		change(next)
		waitUntil(t, heard, func() string { return "nobody listens after " + next })
		woken() // it listens again
		cursor := end(t, s)
		waitUntil(t, func() bool { return signsIn(t, s, fmt.Sprint(i)) == nil }, func() string { return "the pool does not recover" })
		waitUntil(t, func() bool { woken(); return len(changes(t, s, cursor).Entries) > 0 }, func() string { return "not woken" })
	}
}

// signsIn is a sign-in that may fail.
func signsIn(t *testing.T, s *pgstore.Store, account string) error {
	_, err := s.Update(t.Context(), key(account), seat(account, "A"))
	return err
}

func TestTheConnectionThatListensIsMadeAndClosedWithThePoolsHooks(t *testing.T) {
	t.Parallel()
	to := database(t)
	own, err := pgx.ParseConfig(to)
	if err != nil {
		t.Fatal(err)
	}
	for name, listen := range map[string]*pgx.ConnConfig{"as the pool": nil, "by Listen": own} {
		t.Run(name, func(t *testing.T) {
			var before, after, closed atomic.Int64
			p := hooked(t, to, func(c *pgxpool.Config) {
				c.BeforeConnect = func(_ context.Context, to *pgx.ConnConfig) error {
					before.Add(1)
					to.RuntimeParams["application_name"] = "shop"
					return nil
				}
				c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
					after.Add(1)
					_, err := conn.Exec(ctx, "SET statement_timeout = '77s'")
					return err
				}
				c.BeforeClose = func(*pgx.Conn) { closed.Add(1) }
			})
			s := openOn(t, p, pgstore.Options{Listen: listen})
			woken, stop := listening(t, s)
			woken()
			if n := len(rowsOf(t, to, "SELECT pid::text FROM pg_stat_activity WHERE application_name = 'shop' AND query = 'LISTEN oneseat'")); n != 1 {
				t.Errorf("%d listen", n)
			}
			stop()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			p.Close()
			if b, a, c := before.Load(), after.Load(), closed.Load(); b < 2 || a != b || c != b {
				t.Errorf("%d connections were begun, %d made, %d closed", b, a, c)
			}
			if _, set := own.RuntimeParams["application_name"]; set {
				t.Error("the caller's settings were changed")
			}
		})
	}
}

func TestAHookThatFailsIsAnErrorOfThePush(t *testing.T) {
	t.Parallel()
	to := database(t)
	for _, name := range []string{"BeforeConnect", "AfterConnect"} {
		t.Run(name, func(t *testing.T) {
			no := errors.New("the vault is sealed")
			var sealed atomic.Bool
			fails := func() error {
				if sealed.Load() {
					return no
				}
				return nil
			}
			s := openOn(t, hooked(t, to, func(c *pgxpool.Config) {
				if name == "BeforeConnect" {
					c.BeforeConnect = func(context.Context, *pgx.ConnConfig) error { return fails() }
				} else {
					c.AfterConnect = func(context.Context, *pgx.Conn) error { return fails() }
				}
			}), pgstore.Options{})
			sealed.Store(true)
			if err := s.Wake(t.Context(), func(int) {}); !errors.Is(err, no) {
				t.Error(err)
			}
		})
	}
}

// The pool tests only connections that have rested for a second.
func TestConnectionsThatTheServerHasGivenUpCostNoAnswer(t *testing.T) {
	t.Parallel()
	to := database(t)
	admin := connect(t, to)
	p := hooked(t, to, func(c *pgxpool.Config) { c.MaxConns = 8 })
	s := openOn(t, p, pgstore.Options{})
	signIn(t, s, "ada", "A")
	cursor := end(t, s)
	for name, call := range map[string]func(context.Context) error{
		"Load":         func(ctx context.Context) error { _, err := s.Load(ctx, key("ada")); return err },
		"Load of many": func(ctx context.Context) error { _, err := s.Load(ctx, key("ada"), key("grace")); return err },
		"Update":       func(ctx context.Context) error { _, err := s.Update(ctx, key("ada"), seat("ada", "B")); return err },
		"Changes":      func(ctx context.Context) error { _, err := s.Changes(ctx, 0, cursor); return err },
		"Due":          func(ctx context.Context) error { _, err := s.Due(ctx, realm, 1); return err },
		"Rosters": func(ctx context.Context) error {
			_, err := s.Rosters(ctx, oneseat.RosterQuery{Realm: realm})
			return err
		},
		"Events": func(ctx context.Context) error { _, err := s.Events(ctx, oneseat.EventQuery{Realm: realm}); return err },
		"Count":  func(ctx context.Context) error { _, err := s.Count(ctx, realm, 0); return err },
	} {
		fill(t, p)
		run(t, admin, "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
		if err := call(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// fill gives the pool as many new connections as it may have.
func fill(t *testing.T, p *pgxpool.Pool) {
	t.Helper()
	p.Reset()
	for range p.Config().MaxConns {
		c, err := p.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Release()
	}
}

// What may have been committed is not sent again.
func TestACommitWhoseConnectionEndsIsNotRepeated(t *testing.T) {
	t.Parallel()
	s, to := fresh(t)
	admin := connect(t, to)
	runs := 0
	_, err := s.Update(t.Context(), key("ada"), func(v oneseat.View) (oneseat.Change, error) {
		runs++
		run(t, admin, "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
		return seat("ada", "A")(v)
	})
	if !errors.Is(err, oneseat.ErrUnknownOutcome) || runs != 1 {
		t.Errorf("%v, after %d runs", err, runs)
	}
}
