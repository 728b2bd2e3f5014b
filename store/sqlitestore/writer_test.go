package sqlitestore_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/sqlitestore"
)

// hold occupies a store's writer with a change, in an open transaction, until release
// is called. Updates that are started in between come into the same transaction.
func hold(t *testing.T, s *sqlitestore.Store) (release func()) {
	t.Helper()
	held, free := make(chan struct{}), make(chan struct{})
	holds := sync.OnceFunc(func() { close(held) }) // the change runs again if it has held the store for too long
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := s.Update(context.WithoutCancel(t.Context()), key("holder"), func(v oneseat.View) (oneseat.Change, error) {
			holds()
			<-free
			return seat("holder", "H")(v)
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-held
	release = sync.OnceFunc(func() { close(free); wg.Wait() })
	t.Cleanup(release)
	return release
}

// waits is a context that tells when an update waits in the queue. Update has then
// called Done twice, to get in and to wait.
type waits struct {
	context.Context
	asked   atomic.Int32
	waiting chan struct{}
}

func newWaits(ctx context.Context) *waits {
	return &waits{Context: ctx, waiting: make(chan struct{})}
}

func (w *waits) Done() <-chan struct{} {
	if w.asked.Add(1) == 2 {
		close(w.waiting)
	}
	return w.Context.Done()
}

func TestUpdatesOfOneBatchDoNotHarmEachOther(t *testing.T) {
	t.Parallel()
	s, _ := fresh(t)
	release := hold(t, s)
	refusal := errors.New("refused")
	cancelled, cancel := context.WithCancel(t.Context())
	cases := []struct {
		name   string
		ctx    context.Context
		change change
		check  func(error) bool
	}{
		{"first", t.Context(), seat("first", "1"), isNil},
		{"panicking", t.Context(), func(oneseat.View) (oneseat.Change, error) { panic("on purpose") }, isPanic},
		{"second", t.Context(), seat("second", "2"), isNil},
		{"refused", t.Context(), func(oneseat.View) (oneseat.Change, error) { return oneseat.Change{}, refusal },
			func(err error) bool { return errors.Is(err, refusal) }},
		{"third", t.Context(), seat("third", "3"), isNil},
		{"cancelled within", cancelled, func(v oneseat.View) (oneseat.Change, error) {
			cancel()
			return seat("cancelled within", "X")(v)
		}, func(err error) bool { return errors.Is(err, context.Canceled) }},
		{"last", t.Context(), seat("last", "4"), isNil},
	}
	var wg sync.WaitGroup
	for _, c := range cases {
		ctx := newWaits(c.ctx)
		wg.Go(func() {
			if _, err := s.Update(ctx, key(c.name), c.change); !c.check(err) {
				t.Errorf("%s: %v", c.name, err)
			}
		})
		<-ctx.waiting
	}
	release()
	wg.Wait()
	for name, id := range map[string]oneseat.SessionID{"holder": "H", "first": "1", "second": "2", "third": "3", "last": "4"} {
		wantLive(t, s, name, id)
	}
	for _, name := range []string{"panicking", "refused", "cancelled within"} {
		wantLive(t, s, name)
	}
}

func isNil(err error) bool { return err == nil }

func isPanic(err error) bool {
	_, ok := errors.AsType[*oneseat.PanicError](err)
	return ok
}

func TestUpdatesOfOneAccountInOneBatchSeeEachOther(t *testing.T) {
	t.Parallel()
	s, _ := fresh(t)
	before := end(t, s)
	release := hold(t, s)
	const n = 64
	var wg sync.WaitGroup
	for i := range n {
		ctx := newWaits(t.Context())
		wg.Go(func() {
			if _, err := s.Update(ctx, key("ada"), seat("ada", oneseat.SessionID(fmt.Sprint(i)))); err != nil {
				t.Error(err)
			}
		})
		<-ctx.waiting
	}
	release()
	wg.Wait()
	tail, err := s.Changes(t.Context(), 0, before)
	if err != nil {
		t.Fatal(err)
	}
	var seated oneseat.SessionID
	var version uint64
	for _, e := range tail.Entries {
		if e.Key != key("ada") {
			continue
		}
		if e.Version <= version {
			t.Fatalf("version %d after %d", e.Version, version)
		}
		version = e.Version
		for _, ev := range e.Events {
			switch {
			case ev.Type == oneseat.EventSessionEnded && ev.Session == seated:
				seated = ""
			case ev.Type == oneseat.EventSessionCreated && seated == "":
				seated = ev.Session
			default:
				t.Fatalf("%s of %s while %q was signed in", ev.Type, ev.Session, seated)
			}
		}
	}
	wantLive(t, s, "ada", seated)
}

func TestAnUpdateThatIsCancelledWhileItWaitsNeverRuns(t *testing.T) {
	t.Parallel()
	s, _ := fresh(t)
	release := hold(t, s)
	parent, cancel := context.WithCancel(t.Context())
	ctx := newWaits(parent)
	result := make(chan error)
	go func() {
		_, err := s.Update(ctx, key("ada"), func(oneseat.View) (oneseat.Change, error) {
			t.Error("the change ran")
			return oneseat.Change{}, nil
		})
		result <- err
	}()
	<-ctx.waiting
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) { // while the writer is still held
		t.Error(err)
	}
	release()
	signIn(t, s, "grace", "G") // after it in the queue
}

func TestAnUpdateWhoseContextEndsAfterItRanReturnsWhatBecameOfIt(t *testing.T) {
	t.Parallel()
	s, _ := fresh(t)
	release := hold(t, s)
	parent, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	ctx := newWaits(parent)
	go func() {
		_, err := s.Update(ctx, key("ada"), seat("ada", "A"))
		result <- err
	}()
	<-ctx.waiting
	ran, free := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	next := newWaits(t.Context())
	wg.Go(func() { // in the same transaction, after ada's
		_, _ = s.Update(next, key("grace"), func(oneseat.View) (oneseat.Change, error) {
			close(ran)
			<-free
			return oneseat.Change{}, nil
		})
	})
	<-next.waiting
	release2 := make(chan struct{})
	go func() { release(); close(release2) }()
	<-ran
	cancel()
	select {
	case err := <-result:
		t.Errorf("before the outcome was known: %v", err)
	default:
	}
	close(free)
	if err := <-result; err != nil {
		t.Error(err)
	}
	<-release2
	wg.Wait()
	wantLive(t, s, "ada", "A")
}

func TestAChangeThatEndsItsGoroutineDoesNotEndTheWriter(t *testing.T) {
	t.Parallel()
	s, _ := fresh(t)
	_, err := s.Update(t.Context(), key("ada"), func(oneseat.View) (oneseat.Change, error) {
		runtime.Goexit()
		return oneseat.Change{}, nil
	})
	if err == nil {
		t.Error("no error")
	}
	signIn(t, s, "ada", "A")
	wantLive(t, s, "ada", "A")
}

func TestADecisionThatIsTooOldIsMadeAgain(t *testing.T) {
	t.Parallel()
	s, _ := fresh(t)
	var nows []time.Time
	_, err := s.Update(t.Context(), key("ada"), func(v oneseat.View) (oneseat.Change, error) {
		nows = append(nows, v.Now)
		if len(nows) == 1 { // as a process looks that was stopped in between
			<-time.After(oneseat.MaxUpdateAge + 50*time.Millisecond)
		}
		return seat("ada", "A")(v)
	})
	if err != nil || len(nows) < 2 || nows[1].Sub(nows[0]) < oneseat.MaxUpdateAge {
		t.Errorf("%v; decided at %v", err, nows)
	}
	wantLive(t, s, "ada", "A")
	if n := countRows(t, s, "ada"); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

func countRows(t *testing.T, s *sqlitestore.Store, account string) int {
	t.Helper()
	records, err := s.Events(t.Context(), oneseat.EventQuery{Realm: realm, Account: account})
	if err != nil {
		t.Fatal(err)
	}
	return len(records)
}

func TestCloseFinishesWhatRunsAndTellsWhatWaits(t *testing.T) {
	before := runtime.NumGoroutine()
	path := filepath.Join(t.TempDir(), "oneseat.db")
	s, err := sqlitestore.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	woken := make(chan error)
	began := make(chan struct{}, 1)
	go func() {
		woken <- s.Wake(context.Background(), func(int) {
			select {
			case began <- struct{}{}:
			default:
			}
		})
	}()
	<-began
	release := hold(t, s)
	result := make(chan error)
	for i := range 10 {
		ctx := newWaits(t.Context())
		go func() {
			_, err := s.Update(ctx, key("late"), seat("late", oneseat.SessionID(fmt.Sprint(i))))
			result <- err
		}()
		<-ctx.waiting
	}
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	if err := <-woken; !errors.Is(err, oneseat.ErrStoreClosed) { // Close has begun
		t.Errorf("Wake: %v", err)
	}
	release()
	for range 10 {
		if err := <-result; !errors.Is(err, oneseat.ErrStoreClosed) {
			t.Errorf("an update that waited: %v", err)
		}
	}
	if err := errors.Join(<-closed, s.Close()); err != nil {
		t.Error(err)
	}

	_, err = s.Load(t.Context(), key("ada"))
	_, err2 := s.Update(t.Context(), key("ada"), seat("ada", "A"))
	_, err3 := s.Changes(t.Context(), 0, "")
	_, err4 := s.Due(t.Context(), realm, 1)
	_, err5 := s.Events(t.Context(), oneseat.EventQuery{Realm: realm})
	_, err6 := s.Rosters(t.Context(), oneseat.RosterQuery{Realm: realm})
	for _, err := range []error{err, err2, err3, err4, err5, err6, s.Wake(t.Context(), func(int) {})} {
		if !errors.Is(err, oneseat.ErrStoreClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
	waitUntil(t, func() bool { return runtime.NumGoroutine() <= before }, func() string {
		b := make([]byte, 1<<20)
		return "goroutines are left:\n" + string(b[:runtime.Stack(b, true)])
	})
	s = open(t, path)
	wantLive(t, s, "holder", "H")
	wantLive(t, s, "late")
}

// waitUntil waits for a condition that other goroutines bring about.
func waitUntil(t *testing.T, holds func() bool, otherwise func() string) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal(otherwise())
		}
	}
}

func TestADamagedRosterHarmsNoOther(t *testing.T) {
	t.Parallel()
	s, path := fresh(t)
	signIn(t, s, "ada", "A")
	signIn(t, s, "grace", "G")
	run(t, shell(t, path), `UPDATE oneseat_rosters SET roster = '{"format":', version = version + 1 WHERE account = 'ada'`)

	release := hold(t, s)
	result := make(chan error)
	for _, a := range []string{"ada", "grace"} {
		ctx := newWaits(t.Context())
		go func() {
			_, err := s.Update(ctx, key(a), seat(a, "new"))
			if _, ok := errors.AsType[*oneseat.FormatError](err); ok != (a == "ada") {
				t.Errorf("%s: %v", a, err)
			}
			result <- err
		}()
		<-ctx.waiting
	}
	release()
	<-result //nolint:errcheck // looked at where it was sent
	<-result //nolint:errcheck // likewise
	wantLive(t, s, "grace", "new")
	if _, err := s.Load(t.Context(), key("ada")); err == nil || !strings.Contains(err.Error(), "delete it") {
		t.Errorf("Load of what is damaged: %v", err)
	}
}
