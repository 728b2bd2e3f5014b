package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/testservers"
	"github.com/oneseat/oneseat/store/internal/fixture"
	"github.com/oneseat/oneseat/store/redisstore"
)

func TestWhatWasAcknowledgedSurvivesKill9OfTheServer(t *testing.T) {
	t.Parallel()
	r := testservers.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	s := open(t, r.URL, redisstore.Options{RequireDurable: true})
	const accounts, rounds = 8, 4
	var acknowledged [accounts]int
	for round := range rounds {
		var wg sync.WaitGroup
		var total atomic.Int64
		for i := range accounts {
			wg.Go(func() {
				account := fmt.Sprint("account ", i)
				for n := acknowledged[i] + 1; ; n++ {
					if _, err := s.Update(t.Context(), key(account), seat(account, oneseat.SessionID(fmt.Sprint(n)))); err != nil {
						return
					}
					acknowledged[i] = n
					total.Add(1)
				}
			})
		}
		eventually(t, "some updates", func() error {
			if total.Load() < 100 {
				return errors.New("too few")
			}
			return nil
		})
		r.Kill()
		wg.Wait()
		r.Start()
		r.Await()
		for i := range accounts {
			account := fmt.Sprint("account ", i)
			var last int
			eventually(t, "reading again", func() error {
				vs, err := s.Load(t.Context(), key(account))
				if err == nil && vs[0].Roster != nil {
					_, err = fmt.Sscan(string(fixture.Live(vs[0].Roster)[0]), &last)
				}
				return err
			})
			// One more update may have been committed although its answer was lost.
			if last != acknowledged[i] && last != acknowledged[i]+1 {
				t.Fatalf("round %d: %s had step %d acknowledged, and has %d", round, account, acknowledged[i], last)
			}
			acknowledged[i] = last
		}
	}
	t.Logf("steps acknowledged: %v", acknowledged)
}

// TestAServerThatStandsStillIsRefusedWithinTheDeadlineAndAllRecovers also loses an
// answer: it stops the server between the two round trips of an update.
func TestAServerThatStandsStillIsRefusedWithinTheDeadlineAndAllRecovers(t *testing.T) {
	t.Parallel()
	r := testservers.StartRedis(t)
	const deadline = 300 * time.Millisecond
	patient := open(t, r.URL, redisstore.Options{})
	signIn(t, patient, "ada", "A")
	var s *redisstore.Store
	eventually(t, "opening", func() (err error) {
		s, err = redisstore.Open(t.Context(), r.URL, redisstore.Options{Timeout: deadline, Logger: quiet})
		return err
	})
	closing(t, s)
	paused := false
	var err error
	for !paused { // again, if the first round trip was too late
		_, err = s.Update(t.Context(), key("ada"), func(v oneseat.View) (oneseat.Change, error) {
			r.Pause()
			paused = true
			return seat("ada", "B")(v)
		})
	}
	if !errors.Is(err, oneseat.ErrUnknownOutcome) {
		t.Errorf("the answer to the commit never came: %v", err)
	}
	began := time.Now()
	_, err = s.Load(t.Context(), key("ada"))
	wantFailure(t, err, oneseat.FailureUnreachable)
	_, err = s.Update(t.Context(), key("ada"), seat("ada", "C"))
	wantFailure(t, err, oneseat.FailureUnreachable)
	_, err = s.Changes(t.Context(), 0, "")
	wantFailure(t, err, oneseat.FailureUnreachable)
	if took := time.Since(began); took > patience {
		t.Errorf("three calls took %v", took)
	}
	r.Continue()
	eventually(t, "writing again", func() error { _, err := s.Update(t.Context(), key("ada"), seat("ada", "D")); return err })
	wantLive(t, patient, "ada", "D")
}

func TestAServerThatIsAwayIsNamedAndThePasswordIsNot(t *testing.T) {
	t.Parallel()
	addr := fmt.Sprint("127.0.0.1:", testservers.FreePort(t))
	for _, scheme := range []string{"redis", "rediss", "redis-cluster"} {
		_, err := redisstore.Open(t.Context(), scheme+"://user:hunter2@"+addr, redisstore.Options{})
		wantFailure(t, err, oneseat.FailureUnreachable)
		if text := fmt.Sprint(err); !strings.Contains(text, addr) || strings.Contains(text, "hunter2") || !strings.Contains(text, "check that it runs") {
			t.Errorf("%s: %s", scheme, text)
		}
	}
	r := testservers.StartRedis(t, "--requirepass", "other")
	_, err := redisstore.Open(t.Context(), "redis://:hunter2@"+r.Addr, redisstore.Options{Timeout: patience})
	wantFailure(t, err, oneseat.FailureDenied)
	if text := fmt.Sprint(err); !strings.Contains(text, r.Addr) || strings.Contains(text, "hunter2") {
		t.Error(text)
	}
	_, err = redisstore.Open(t.Context(), r.URL, redisstore.Options{Timeout: patience})
	wantFailure(t, err, oneseat.FailureDenied)
}

func TestWhatTheServerRefusesIsNotUnknown(t *testing.T) {
	t.Parallel()
	r := testservers.StartRedis(t)
	s := open(t, r.URL, redisstore.Options{})
	signIn(t, s, "ada", "A")
	sh := shell(t, r.URL)
	for _, c := range []struct {
		set, back []string
		want      oneseat.StoreFailure
	}{
		{[]string{"CONFIG", "SET", "maxmemory", "1"}, []string{"CONFIG", "SET", "maxmemory", "0"}, oneseat.FailureFull},
		{[]string{"REPLICAOF", "127.0.0.1", "1"}, []string{"REPLICAOF", "NO", "ONE"}, oneseat.FailureReadOnly},
		{[]string{"CONFIG", "SET", "min-replicas-to-write", "1"}, []string{"CONFIG", "SET", "min-replicas-to-write", "0"}, oneseat.FailureBusy},
		{[]string{"ACL", "SETUSER", "default", "-xadd"}, []string{"ACL", "SETUSER", "default", "+xadd"}, oneseat.FailureDenied},
	} {
		run(t, sh, c.set...)
		_, err := s.Update(t.Context(), key("ada"), seat("ada", "B"))
		wantFailure(t, err, c.want)
		run(t, sh, c.back...)
		wantLive(t, s, "ada", "A")
	}
	run(t, sh, "SCRIPT", "FLUSH")
	signIn(t, s, "ada", "C") // the script has to be loaded again
	wantLive(t, s, "ada", "C")
}

// TestAMasterThatIsGoneIsReplacedAndAllRecovers uses a user with exactly the rights
// of docs/operations.md.
func TestAMasterThatIsGoneIsReplacedAndAllRecovers(t *testing.T) {
	t.Parallel()
	c := testservers.StartRedisCluster(t, "--appendonly", "yes")
	var moved error
	for _, n := range c.Nodes { // a plain URL names one server, and a cluster needs all
		one, err := redisstore.Open(t.Context(), n.URL, redisstore.Options{Timeout: patience, Logger: quiet})
		if err == nil {
			_, err = one.Load(t.Context(), key("0"), key("1"), key("2"), key("3"), key("4"), key("5"), key("6"), key("7"))
			closing(t, one)
		}
		moved = err
	}
	wantFailure(t, moved, oneseat.FailureSettings)
	url := leastUsers(t, c)
	s, other := open(t, url, redisstore.Options{RequireDurable: true}), open(t, url, redisstore.Options{})
	everything(t, s)
	account := func(i int) string { return fmt.Sprint("account ", i) }
	const accounts = 48
	for i := range accounts {
		signIn(t, s, account(i), "before")
	}
	ctx, stop := context.WithCancel(t.Context())
	woken := make(chan struct{}, 1)
	var wg sync.WaitGroup
	wg.Go(func() { // as a registry does it
		for ctx.Err() == nil {
			_ = other.Wake(ctx, func(int) {
				select {
				case woken <- struct{}{}:
				default:
				}
			})
			time.Sleep(10 * time.Millisecond)
		}
	})
	c.Nodes[0].Kill()
	refused := 0
	for i := range accounts {
		eventually(t, "signing in again", func() error {
			_, err := s.Update(t.Context(), key(account(i)), seat(account(i), "after"))
			if err != nil {
				refused++
			}
			return err
		})
	}
	if refused == 0 {
		t.Error("nothing was refused while a third of the cluster was gone")
	}
	for i := range accounts {
		eventually(t, "reading again", func() error { _, err := other.Load(t.Context(), key(account(i))); return err })
		wantLive(t, other, account(i), "after")
	}
	select {
	case <-woken:
	default:
	}
	eventually(t, "the push", func() error {
		signIn(t, s, account(0), "again")
		select {
		case <-woken:
			return nil
		default:
			return errors.New("nobody was woken")
		}
	})
	stop()
	wg.Wait()
}

// TestWhatAFailoverRevivesEndRealmEnds promotes a replica that had not received an
// ending which was acknowledged.
func TestWhatAFailoverRevivesEndRealmEnds(t *testing.T) {
	t.Parallel()
	primary := testservers.StartRedis(t)
	host, port, _ := net.SplitHostPort(primary.Addr)
	replica := testservers.StartRedis(t, "--replicaof", host+" "+port)
	node := func(r *testservers.Redis) *oneseat.Registry {
		seats, err := oneseat.New(open(t, r.URL, redisstore.Options{}), oneseat.Config{MaxStale: oneseat.FreshAlways, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = seats.Close() })
		return seats
	}
	before := node(primary)
	g, err := before.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the replica", func() error {
		if strings.Contains(replica.Ask("DBSIZE"), primary.Ask("DBSIZE")) && strings.Contains(replica.Ask("INFO replication"), "master_link_status:up") &&
			offset(primary, "master_repl_offset") == offset(replica, "slave_repl_offset") {
			return nil
		}
		return errors.New("it is behind")
	})
	replica.Ask("REPLICAOF 127.0.0.1 1") // the replica loses its link and keeps its data
	if err := before.SignOut(t.Context(), string(g.Token)); err != nil {
		t.Fatal(err)
	}
	if _, err := before.Check(t.Context(), string(g.Token)); err == nil {
		t.Fatal("it has ended and is good")
	}
	primary.Kill()
	replica.Ask("REPLICAOF NO ONE")

	after := node(replica)
	if _, err := after.Check(t.Context(), string(g.Token)); err != nil {
		t.Fatalf("nothing was lost, so nothing is tested: %v", err)
	}
	if err := after.EndRealm(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	if _, err := after.Check(t.Context(), string(g.Token)); err == nil {
		t.Error("EndRealm leaves alive what the failover had revived")
	}
	if _, err := after.SignIn(t.Context(), "ada", oneseat.SignInRequest{}); err != nil {
		t.Error(err)
	}
}

// offset returns a number from a server's INFO replication.
func offset(r *testservers.Redis, name string) string {
	for line := range strings.Lines(r.Ask("INFO replication")) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return v
		}
	}
	return name + "?"
}

func TestCloseEndsEverything(t *testing.T) {
	t.Parallel()
	r := testservers.StartRedis(t)
	s := open(t, r.URL, redisstore.Options{})
	signIn(t, s, "ada", "A")
	woken, ended := make(chan struct{}, 64), make(chan error, 1)
	go func() { ended <- s.Wake(t.Context(), func(int) { woken <- struct{}{} }) }()
	<-woken
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, oneseat.ErrStoreClosed) {
		t.Errorf("Wake returned %v", err)
	}
	_, load := s.Load(t.Context(), key("ada"))
	_, update := s.Update(t.Context(), key("ada"), seat("ada", "B"))
	_, changes := s.Changes(t.Context(), 0, "")
	_, due := s.Due(t.Context(), realm, 1)
	for _, err := range []error{load, update, changes, due, s.Wake(t.Context(), func(int) {})} {
		if !errors.Is(err, oneseat.ErrStoreClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
	eventually(t, "the connections to end", func() error {
		if n := strings.Count(r.Ask("CLIENT LIST"), "name=oneseat"); n > 0 {
			return fmt.Errorf("%d are left", n)
		}
		return nil
	})
}

func TestABrokenPushIsAnErrorOfWake(t *testing.T) {
	t.Parallel()
	r := testservers.StartRedis(t)
	s := open(t, r.URL, redisstore.Options{})
	woken, ended := make(chan int, 64), make(chan error, 1)
	go func() { ended <- s.Wake(t.Context(), func(p int) { woken <- p }) }()
	all := make([]int, s.Partitions())
	for i := range all { // it begins with all of them
		all[i] = <-woken
	}
	slices.Sort(all)
	if all[0] != 0 || all[len(all)-1] != s.Partitions()-1 {
		t.Errorf("woken for %v", all)
	}
	r.Ask("CLIENT KILL TYPE pubsub")
	wantFailure(t, <-ended, oneseat.FailureUnreachable)
}
