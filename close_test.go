package oneseat_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/canaries"
	"github.com/oneseat/oneseat/store/memstore"
)

// ours counts the goroutines that run something of this package but the tests.
func ours() int {
	buf := make([]byte, 1<<22)
	n := 0
	for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, "oneseat.(*Registry)") || strings.Contains(g, "memstore.(*Store)") {
			n++
		}
	}
	return n
}

func TestCloseEndsEverythingThatNewStarted(t *testing.T) {
	until := func(what string, ok func(n int) bool) { // a goroutine may be on its way, in or out
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); !ok(ours()); runtime.Gosched() {
			if time.Now().After(deadline) {
				t.Fatalf("%d goroutines: %s", ours(), what)
			}
		}
	}
	none := func(n int) bool { return n == 0 }
	until("something of the tests before still runs", none)
	store := memstore.New()
	var all []*oneseat.Registry
	for range 5 {
		r, err := oneseat.New(store, oneseat.Config{})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		wantLive(t, r, g)
		r.Subscribe("")
		r.AfterEnd(t.Context(), g.Session, func(error) {})
	}
	until("nothing was started", func(n int) bool { return n >= 5*5 })
	for _, r := range all {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	until("something still runs", none)
	// The store is not closed.
	r := newRegistry(t, store, oneseat.Config{})
	wantLive(t, r, signIn(t, r, "ada", oneseat.SignInRequest{}))
}

// A bubble ends only when all of its goroutines have.
func TestCloseEndsEverythingInTheMiddleOfEverything(t *testing.T) {
	for name, broken := range map[string]func(node){
		"healthy": func(node) {}, "down": node.down, "deaf": node.deaf, "unwritable": node.unwritable,
		"hanging": func(r node) {
			hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
			r.set(func() {
				r.load = func(ctx context.Context, _ []oneseat.Key, _ loadFunc) ([]oneseat.View, error) { return nil, hang(ctx) }
				r.changes = func(ctx context.Context, _ int, _ oneseat.Cursor, _ tailFunc) (oneseat.Tail, error) {
					return oneseat.Tail{}, hang(ctx)
				}
				r.update = func(ctx context.Context, _ oneseat.Key, _ change, _ updateFunc) (oneseat.View, error) {
					return oneseat.View{}, hang(ctx)
				}
				r.due = func(ctx context.Context, _ string, _ int) ([]oneseat.Key, error) { return nil, hang(ctx) }
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b, _ := following(t, oneseat.Config{Idle: 100 * time.Second})
				g := signIn(t, a, "ada", oneseat.SignInRequest{})
				old := signIn(t, a, "grace", oneseat.SignInRequest{})
				signIn(t, a, "grace", oneseat.SignInRequest{})
				wantLive(t, b, g)
				q := hold(t, b, g)
				sub := b.Subscribe("")
				time.Sleep(91 * time.Second)
				broken(b)
				time.Sleep(100 * time.Millisecond)
				var wg sync.WaitGroup
				for _, token := range []string{string(g.Token), string(old.Token), forged("ada"), forged("nobody")} {
					wg.Go(func() { _, _ = b.Check(t.Context(), token) })
				}
				time.Sleep(100 * time.Millisecond)
				if err := b.Close(); err != nil {
					t.Error(err)
				}
				wg.Wait()
				if q.cause(t) == nil || sub.Err() == nil {
					t.Error("something was not closed")
				}
			})
		})
	}
}

// A request that comes while the registry is being closed may have been checked already.
// It is refused, because nobody would cut it any more.
func TestARequestBetweenItsCheckAndItsWatchIsRefusedByClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r node
		var armed atomic.Bool // the next look at the clock, which is the check's, closes the registry
		var said safeBuffer
		r = newNode(t, memstore.New(), oneseat.Config{
			Logger: slog.New(slog.NewTextHandler(&said, nil)),
			Clock: func() (time.Time, time.Duration) {
				if armed.Swap(false) {
					if err := r.Close(); err != nil {
						t.Error(err)
					}
				}
				return time.Now(), time.Duration(time.Now().UnixNano())
			},
		})
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		fromMemory(t, r, g)
		synctest.Wait()
		armed.Store(true)
		s, err := r.CheckAndWatch(t.Context(), string(g.Token), true, new(oneseat.Watch), oneseat.WatcherFunc(func(error) { t.Error("a watcher was called") }))
		if s != nil || !errors.Is(err, oneseat.ErrClosed) || armed.Load() {
			t.Errorf("got %+v, %v", s, err)
		}
		if n := r.Stats().Held; n != 0 {
			t.Errorf("%d sessions are watched", n)
		}
		if want := "account_key=" + oneseat.KeyOf(realm, "ada").String(); !strings.Contains(said.String(), "after it was closed") || !strings.Contains(said.String(), want) {
			t.Errorf("the log says %q, want %s", said.String(), want)
		}
	})
}

func TestAfterCloseEverythingSaysSo(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{MaxStale: 20 * time.Millisecond})
	g := signIn(t, r, "ada", oneseat.SignInRequest{})
	if err := errors.Join(r.Close(), r.Close()); err != nil {
		t.Fatal(err)
	}
	loads, updates := r.loads.Load(), r.updates.Load()
	for _, err := r.Check(t.Context(), string(g.Token)); err == nil; _, err = r.Check(t.Context(), string(g.Token)) {
		runtime.Gosched() // memory may say yes for another MaxStale
	}
	_, check := r.Check(t.Context(), string(g.Token))
	_, signIn := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
	_, rotate := r.Rotate(t.Context(), string(g.Token))
	_, unknown := r.Check(t.Context(), forged("nobody"))
	_, checkID := r.CheckID(t.Context(), "nobody", "x")
	_, sessions := r.Sessions(t.Context(), "ada")
	_, end := r.EndAll(t.Context(), "ada", oneseat.EndOptions{})
	_, enter := r.CheckAndWatch(t.Context(), forged("nobody"), true, new(oneseat.Watch), oneseat.WatcherFunc(func(error) {}))
	for name, err := range map[string]error{
		"SignIn": signIn, "Check of a session": check, "Rotate": rotate, "Check": unknown, "CheckID": checkID, "Sessions": sessions, "EndAll": end, "Enter": enter,
		"SignOut": r.SignOut(t.Context(), string(g.Token)), "EndRealm": r.EndRealm(t.Context(), ""), "Ping": r.Ping(t.Context()),
	} {
		if !errors.Is(err, oneseat.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if r.loads.Load() != loads || r.updates.Load() != updates {
		t.Error("the store was asked")
	}
	if s := r.Stats(); s.SignIns != 1 {
		t.Errorf("stats: %+v", s)
	}
}

// More checks than fit into one read wait when Close comes: each has its answer.
func TestCloseLeavesNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{})
		synctest.Wait()
		held, release := gate(t)
		r.set(func() {
			r.load = func(context.Context, []oneseat.Key, loadFunc) ([]oneseat.View, error) { // a driver that ignores its context
				<-held
				return nil, errDown
			}
		})
		var wg sync.WaitGroup
		var waited atomic.Int64
		ask := func(n int) {
			for i := range n {
				wg.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					_, err := r.CheckID(ctx, fmt.Sprint("account ", i), "x")
					if errors.Is(err, context.DeadlineExceeded) {
						waited.Add(1)
					} else if !errors.Is(err, oneseat.ErrClosed) {
						t.Errorf("got %v", err)
					}
				})
			}
		}
		ask(1)
		synctest.Wait()
		ask(700) // waits for the next reads, of 256 each
		synctest.Wait()
		closed := make(chan struct{})
		go func() { _ = r.Close(); close(closed) }()
		synctest.Wait()
		ask(701)
		synctest.Wait()
		release()
		wg.Wait()
		<-closed
		if n := waited.Load(); n > 0 {
			t.Errorf("%d never had an answer", n)
		}
	})
}

func TestCloseAndEverythingElseAtOnce(t *testing.T) {
	for range 20 {
		store := memstore.New()
		r, err := oneseat.New(store, oneseat.Config{Limit: 5, Logger: canaries.Logger(nil)})
		if err != nil {
			t.Fatal(err)
		}
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		allowed := func(err error) {
			if err != nil && !errors.Is(err, oneseat.ErrClosed) {
				t.Error(err)
			}
		}
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i := range 8 {
			wg.Go(func() {
				<-start
				for range 20 {
					_, err := r.Check(t.Context(), string(g.Token))
					allowed(err)
					_, err = r.CheckID(t.Context(), fmt.Sprint("account ", i), "x")
					if !errors.Is(err, oneseat.ErrNoSession) {
						allowed(err)
					}
					_, err = r.SignIn(t.Context(), fmt.Sprint("account ", i), oneseat.SignInRequest{})
					allowed(err)
					ctx, stop := r.Hold(t.Context(), g.Session)
					allowed(context.Cause(ctx))
					stop()
					r.Subscribe("ada").Close()
					r.Stats()
				}
			})
		}
		for range 2 {
			wg.Go(func() {
				<-start
				runtime.Gosched()
				allowed(r.Close())
			})
		}
		close(start)
		wg.Wait()
		if n := r.Stats().Held; n != 0 {
			t.Errorf("%d are held", n)
		}
	}
}

// A call that was on its way to the store when the registry was closed returns
// ErrClosed, and writes nothing any more.
func TestAfterCloseNothingIsWritten(t *testing.T) {
	store := memstore.New()
	var r node
	r = newNode(t, store, oneseat.Config{LimitFor: func(context.Context, string) (oneseat.Limits, error) {
		return oneseat.Limits{}, r.Close() // between the epoch and the update
	}})
	_, err := r.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
	wantError(t, err, oneseat.ErrClosed)
	if v := stored(t, store, "ada"); v.Roster != nil {
		t.Errorf("it was written: %+v", v.Roster)
	}
}
