package pgstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/testservers"
	"github.com/oneseat/oneseat/store/internal/fixture"
	"github.com/oneseat/oneseat/store/pgstore"
)

func TestWhatWasAcknowledgedIsThereAfterTheServerWasKilled(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t)
	to := with(t, server.URL, "connect_timeout=2")
	s := open(t, to)
	cursor := end(t, s)
	const callers = 8
	var acknowledged [callers]atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			account := fmt.Sprint("account", i)
			for n := int64(1); ctx.Err() == nil; n++ {
				_, err := s.Update(ctx, key(account), seat(account, oneseat.SessionID(fmt.Sprint(n))))
				if err != nil {
					return
				}
				acknowledged[i].Store(n)
			}
		})
	}
	waitUntil(t, func() bool { return acknowledged[0].Load() > 20 && acknowledged[callers-1].Load() > 20 }, func() string { return "no progress" })
	server.Kill()
	wg.Wait()
	stop()
	server.Start()
	server.Await()

	seen := make(map[string]int64)
	waitUntil(t, func() bool { // the store goes on by itself
		tail, err := s.Changes(t.Context(), 0, cursor)
		if err != nil {
			return false
		}
		if tail.Gap {
			t.Fatal("a crash of the server is no gap")
		}
		for _, e := range tail.Entries {
			for _, ev := range e.Events {
				var n int64
				if _, err := fmt.Sscan(string(ev.Session), &n); err == nil && ev.Type == oneseat.EventSessionCreated {
					seen[ev.Account] = max(seen[ev.Account], n)
				}
			}
		}
		cursor = tail.Cursor
		return tail.End
	}, func() string { return "it does not recover" })
	for i := range callers {
		account := fmt.Sprint("account", i)
		if at, is := acknowledged[i].Load(), seen[account]; is < at || is > at+1 {
			t.Errorf("%s: sign-in %d was acknowledged, %d is the last in the log", account, at, is)
		}
		var live []oneseat.SessionID // none if the caller had signed nobody in, as on a busy machine
		if n := seen[account]; n > 0 {
			live = append(live, oneseat.SessionID(fmt.Sprint(n)))
		}
		wantLive(t, s, account, live...)
	}
}

func TestWhileTheServerIsStoppedCallsEndInTimeAndAfterwardsAllGoesOn(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t, "fsync=off")
	s := open(t, server.URL)
	signIn(t, s, "ada", "A")
	server.Pause()
	const deadline = 300 * time.Millisecond
	for name, call := range map[string]func(context.Context) error{
		"Load":    func(ctx context.Context) error { _, err := s.Load(ctx, key("ada")); return err },
		"Update":  func(ctx context.Context) error { _, err := s.Update(ctx, key("ada"), seat("ada", "B")); return err },
		"Changes": func(ctx context.Context) error { _, err := s.Changes(ctx, 0, ""); return err },
		"Due":     func(ctx context.Context) error { _, err := s.Due(ctx, realm, 1); return err },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), deadline)
		began := time.Now()
		err := call(ctx)
		cancel()
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > patience {
			t.Errorf("%s: %v after %v", name, err, took)
		}
	}
	server.Continue()
	waitUntil(t, func() bool { _, err := s.Load(t.Context(), key("ada")); return err == nil }, func() string { return "it does not recover" })
	signIn(t, s, "ada", "C")
	wantLive(t, s, "ada", "C")
}

func TestAServerThatIsOutOfReachIsAnErrorWithItsAddressAndNoPassword(t *testing.T) {
	t.Parallel()
	silent, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0") // it takes connections and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, addr := range []string{fmt.Sprintf("127.0.0.1:%d", testservers.FreePort(t)), silent.Addr().String()} {
		p := pool(t, "postgres://somebody:hunter2secret@"+addr+"/shop?connect_timeout=1")
		_, err := pgstore.Open(t.Context(), p, pgstore.Options{Logger: quiet})
		wantFailure(t, err, oneseat.FailureUnreachable)
		if text := fmt.Sprint(err); !strings.Contains(text, addr+"/shop") || strings.Contains(text, "hunter2") || !strings.Contains(text, "check that it runs") {
			t.Errorf("it says %q", text)
		}
	}
}

func TestWhoeverTurnsOffDurabilityIsToldOnce(t *testing.T) {
	t.Parallel()
	to := database(t) // on a server with fsync off
	said := &lines{}
	log := slog.New(slog.NewTextHandler(said, nil))
	s := openWith(t, to, pgstore.Options{Logger: log})
	signIn(t, s, "ada", "A")
	wantLive(t, s, "ada", "A")
	if text := said.String(); strings.Count(text, "a crash may lose") != 1 || !strings.Contains(text, "fsync=off") || strings.Count(text, "\n") != 1 {
		t.Errorf("it says %q", text)
	}
}

func TestWhoMayNotCreateTablesIsToldSo(t *testing.T) {
	t.Parallel()
	to := database(t)
	admin := connect(t, to)
	role := strings.TrimPrefix(parse(t, to).Path, "/") + "_guest"
	run(t, admin, "CREATE ROLE "+role+" LOGIN", "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
	t.Cleanup(func() { run(t, admin, "DROP ROLE "+role) })
	u := parse(t, to)
	u.User = nil
	_, err := pgstore.Open(t.Context(), pool(t, with(t, u.String(), "user="+role)), pgstore.Options{Logger: quiet})
	wantFailure(t, err, oneseat.FailureDenied)
}

func TestAServerThatDoesNotSayItsTimelineIsRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	to := database(t)
	admin := connect(t, to)
	role := strings.TrimPrefix(parse(t, to).Path, "/") + "_plain"
	run(t, admin, "CREATE ROLE "+role+" LOGIN", "GRANT CREATE ON SCHEMA public TO PUBLIC", "REVOKE EXECUTE ON FUNCTION pg_walfile_name(pg_lsn) FROM PUBLIC")
	t.Cleanup(func() { run(t, admin, "DROP OWNED BY "+role, "DROP ROLE "+role) })
	u := parse(t, to)
	u.User = nil
	plain := with(t, u.String(), "user="+role)
	_, err := pgstore.Open(t.Context(), pool(t, plain), pgstore.Options{Logger: quiet})
	wantFailure(t, err, oneseat.FailureDenied)
	if text := fmt.Sprint(err); !strings.Contains(text, "permission denied for function pg_walfile_name") {
		t.Errorf("it says %q", text)
	}
	run(t, admin, "GRANT EXECUTE ON FUNCTION pg_walfile_name(pg_lsn) TO "+role)
	end(t, open(t, plain))

	// Aurora says this as it is delivered.
	run(t, admin, `CREATE FUNCTION public.pg_current_wal_lsn() RETURNS pg_lsn LANGUAGE plpgsql AS $$
		BEGIN RAISE EXCEPTION 'wal_level must be set to ''logical''' USING ERRCODE = '55000'; END $$`)
	_, err = pgstore.Open(t.Context(), pool(t, with(t, to, "search_path=public,pg_catalog")), pgstore.Options{Logger: quiet})
	wantFailure(t, err, oneseat.FailureUnsupported)
	if text := fmt.Sprint(err); !strings.Contains(text, "rds.logical_replication") {
		t.Errorf("it says %q", text)
	}
}

// proxy passes connections on to a server, until a test changes that.
type proxy struct {
	addr    string
	swallow atomic.Bool // drop what the server says, and close the connection
	mu      sync.Mutex
	conns   []net.Conn
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{addr: l.Addr().String()}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := (&net.Dialer{}).DialContext(context.WithoutCancel(t.Context()), "tcp", to)
			if err != nil {
				_ = client.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, client, server)
			p.mu.Unlock()
			wg.Go(func() { _, _ = io.Copy(server, client); _ = server.Close() })
			wg.Go(func() { p.back(client, server) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); p.cut(); wg.Wait() })
	return p
}

// back passes on what the server says.
func (p *proxy) back(client, server net.Conn) {
	defer client.Close()
	b := make([]byte, 1<<16)
	for {
		n, err := server.Read(b)
		if err != nil || p.swallow.Load() {
			return
		}
		if _, err := client.Write(b[:n]); err != nil {
			return
		}
	}
}

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
}

func TestACommitWhoseReplyWasLostIsUnknownAndARetryFindsIt(t *testing.T) {
	t.Parallel()
	to := database(t)
	p := newProxy(t, parse(t, to).Host)
	// In this mode a statement is sent in one piece, so a statement that was sent is
	// carried out.
	s, direct := open(t, with(t, through(t, to, p.addr), "default_query_exec_mode=exec")), open(t, to)
	var err error
	for range 20 {
		signIn(t, direct, "ada", "A")
		_, err = s.Update(t.Context(), key("ada"), func(v oneseat.View) (oneseat.Change, error) {
			p.swallow.Store(true) // from now on no reply comes through
			return seat("ada", "B")(v)
		})
		if errors.Is(err, oneseat.ErrUnknownOutcome) {
			break
		}
		// The pool looked at its connection before it gave it out, and made no new one.
		p.swallow.Store(false)
		wantLive(t, direct, "ada", "A")
		waitUntil(t, func() bool { _, err := s.Load(t.Context(), key("ada")); return err == nil }, func() string { return "it does not recover" })
	}
	if !errors.Is(err, oneseat.ErrUnknownOutcome) {
		t.Errorf("the reply was lost: %v", err)
	}
	wantFailure(t, err, oneseat.FailureUnreachable)
	p.swallow.Store(false)
	waitUntil(t, func() bool { // it was sent, so it will be committed
		vs, err := direct.Load(t.Context(), key("ada"))
		return err == nil && fixture.Live(vs[0].Roster)[0] == "B"
	}, func() string { return "it was not committed" })
	wantLive(t, s, "ada", "B")
}

func TestAConnectionThatIsLostBeforeTheCommitLosesNothing(t *testing.T) {
	t.Parallel()
	to := database(t)
	p := newProxy(t, parse(t, to).Host)
	s := open(t, through(t, to, p.addr))
	signIn(t, s, "ada", "A")
	for range 20 {
		_, err := s.Update(t.Context(), key("ada"), func(v oneseat.View) (oneseat.Change, error) {
			p.cut()
			return seat("ada", "B")(v)
		})
		if err == nil {
			wantLive(t, s, "ada", "B")
			signIn(t, s, "ada", "A")
			continue
		}
		waitUntil(t, func() bool { _, err := s.Load(t.Context(), key("ada")); return err == nil }, func() string { return "it does not recover" })
		if !errors.Is(err, oneseat.ErrUnknownOutcome) {
			wantLive(t, s, "ada", "A")
		}
	}
}

func TestARowThatStaysLockedHoldsUpOneAccountOnlyAndTheDecisionIsMadeAgain(t *testing.T) {
	t.Parallel()
	s, to := fresh(t)
	signIn(t, s, "ada", "A")
	other := connect(t, to)
	run(t, other, "BEGIN", "SELECT FROM oneseat_rosters WHERE account = 'ada' FOR UPDATE")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	_, err := s.Update(ctx, key("ada"), seat("ada", "given up"))
	cancel()
	if err == nil {
		t.Error("it was written over a lock")
	}
	signIn(t, s, "grace", "G")

	var nows []time.Time
	began, done := make(chan struct{}, 8), make(chan error)
	go func() {
		_, err := s.Update(t.Context(), key("ada"), func(v oneseat.View) (oneseat.Change, error) {
			nows = append(nows, v.Now)
			began <- struct{}{}
			return seat("ada", "B")(v)
		})
		done <- err
	}()
	<-began
	time.Sleep(oneseat.MaxUpdateAge + 100*time.Millisecond) // the age is what is tested
	run(t, other, "ROLLBACK")
	if err := <-done; err != nil || len(nows) < 2 || nows[len(nows)-1].Sub(nows[0]) < oneseat.MaxUpdateAge {
		t.Errorf("%v; decided at %v", err, nows)
	}
	wantLive(t, s, "ada", "B")
}

func TestThroughPgBouncerThePushSaysWhatItNeedsAndTheLogIsPolled(t *testing.T) {
	t.Parallel()
	direct := database(t)
	pooled := through(t, direct, bouncerAddr(t))
	said := &lines{}
	deaf := openWith(t, with(t, pooled, "default_query_exec_mode=simple_protocol"), pgstore.Options{Logger: slog.New(slog.NewTextHandler(said, nil))})
	p := pool(t, direct)
	listens := openWith(t, with(t, pooled, "default_query_exec_mode=exec"), pgstore.Options{Listen: p.Config().ConnConfig, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	for name, s := range map[string]*pgstore.Store{"polling": deaf, "listening": listens} {
		ctx, cancel := context.WithCancel(t.Context())
		woken := make(chan struct{}, 1)
		over := make(chan error)
		go func() {
			over <- s.Wake(ctx, func(int) {
				select {
				case woken <- struct{}{}:
				default:
				}
			})
		}()
		<-woken
		cursor := end(t, s)
		signIn(t, listens, "ada", oneseat.SessionID(name))
		waitUntil(t, func() bool { <-woken; return len(changes(t, s, cursor).Entries) == 1 }, func() string { return name + ": not woken" })
		cancel()
		if err := <-over; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: Wake returned %v", name, err)
		}
	}
	if text := said.String(); strings.Count(text, "Options.Listen") != 1 {
		t.Errorf("of the push was said %q", text)
	}
}

// lines collects what a logger writes.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
