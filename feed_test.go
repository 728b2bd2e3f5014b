package oneseat_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// received takes what a subscription has delivered so far.
func received(sub *oneseat.Subscription) (events []oneseat.Event, over bool) {
	for {
		select {
		case e, ok := <-sub.Events():
			if !ok {
				return events, true
			}
			events = append(events, e)
		default:
			return events, false
		}
	}
}

func types(events []oneseat.Event) (out []string) {
	for _, e := range events {
		out = append(out, fmt.Sprint(e.Account, " ", e.Type, " ", e.Reason))
	}
	return out
}

func wantTypes(t testing.TB, events []oneseat.Event, want ...string) {
	t.Helper()
	if got := types(events); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestASubscriptionDeliversWhatWasCommittedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{WhenFull: oneseat.PolicyRefuse})
		signIn(t, a, "before", oneseat.SignInRequest{})
		synctest.Wait()
		all, ada, both := b.Subscribe(""), b.Subscribe("ada"), b.Subscribe("ada")
		g := signIn(t, a, "ada", oneseat.SignInRequest{Device: laptop})
		signIn(t, a, "grace", oneseat.SignInRequest{})
		_, _ = a.SignIn(t.Context(), "ada", oneseat.SignInRequest{})
		rotate(t, b, g)
		if _, err := a.EndAll(t.Context(), "ada", oneseat.EndOptions{Actor: "support"}); err != nil {
			t.Fatal(err)
		}
		if err := b.EndRealm(t.Context(), "support"); err != nil {
			t.Fatal(err)
		}
		other := newRegistry(t, store, oneseat.Config{Realm: "another"})
		signIn(t, other, "ada", oneseat.SignInRequest{})
		synctest.Wait()
		mine := []string{"ada session_created ", "ada signin_refused ", "ada session_rotated ", "ada session_ended revoked"}
		for _, sub := range []*oneseat.Subscription{ada, both} {
			events, over := received(sub)
			wantTypes(t, events, mine...)
			if over {
				t.Error("it is over")
			}
		}
		events, _ := received(all)
		wantTypes(t, events, mine[0], "grace session_created ", mine[1], mine[2], mine[3], " realm_ended ")
		var want []oneseat.Event
		for _, e := range logged(t, store, "") {
			if e.Account != "before" {
				want = append(want, e)
			}
		}
		if !slices.Equal(events, want) {
			t.Errorf("got %+v, want %+v as committed", events, want)
		}
		if e := events[4]; e.Actor != "support" || e.Device != laptop || e.Session != g.Session.ID || e.At.IsZero() {
			t.Errorf("the event is %+v", e)
		}

		ada.Close()
		ada.Close()
		signIn(t, b, "ada", oneseat.SignInRequest{})
		synctest.Wait()
		if events, over := received(ada); len(events) != 0 || !over || ada.Err() != nil {
			t.Errorf("after Close: %v, %v, %v", events, over, ada.Err())
		}
		events, _ = received(both)
		wantTypes(t, events, "ada session_created ")
		if both.Err() != nil {
			t.Error(both.Err())
		}
	})
}

// From now on: what is committed after Subscribe returned is delivered, or the
// subscription says that it may have missed something.
func TestASubscriptionOnANewNodeMissesNothingSilently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		a := newNode(t, store, oneseat.Config{})
		f := &faulty{Store: store}
		f.deaf() // the log cannot be read yet
		b := node{newRegistry(t, f, oneseat.Config{}), f}
		sub := b.Subscribe("ada")
		signIn(t, a, "ada", oneseat.SignInRequest{})
		b.up()
		time.Sleep(5 * time.Second)
		events, over := received(sub)
		if len(events) == 0 && !over {
			t.Error("an event was missed, and nobody was told")
		}
	})
}

func TestASlowReaderIsDroppedAndHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{})
		slow, slowAll, quick := b.Subscribe("ada"), b.Subscribe(""), b.Subscribe("")
		fits := b.Subscribe("ada")
		n := 0
		var mu sync.Mutex
		go func() {
			for range quick.Events() {
				mu.Lock()
				n++
				mu.Unlock()
			}
		}()
		g := signIn(t, a, "ada", oneseat.SignInRequest{})
		for range 255 {
			g = rotate(t, a, g)
			time.Sleep(time.Millisecond)
		}
		synctest.Wait()
		if slow.Err() != nil || slowAll.Err() != nil {
			t.Fatalf("dropped too soon: %v, %v", slow.Err(), slowAll.Err())
		}
		if events, _ := received(fits); len(events) != 256 {
			t.Errorf("%d events fit", len(events))
		}
		rotate(t, a, g)
		synctest.Wait()
		for _, sub := range []*oneseat.Subscription{slow, slowAll} {
			events, over := received(sub)
			if len(events) != 256 || !over {
				t.Errorf("%d events, over %v", len(events), over)
			}
			wantError(t, sub.Err(), oneseat.ErrSlowSubscriber)
			sub.Close() // once more, which leaves the error as it is
			wantError(t, sub.Err(), oneseat.ErrSlowSubscriber)
		}
		mu.Lock()
		if n != 257 {
			t.Errorf("the other has %d events", n)
		}
		mu.Unlock()
		if events, over := received(fits); len(events) != 1 || over {
			t.Errorf("%d events, over %v", len(events), over)
		}
		again := b.Subscribe("ada")
		rotate(t, a, signIn(t, a, "ada", oneseat.SignInRequest{}))
		synctest.Wait()
		if events, _ := received(again); len(events) != 3 {
			t.Errorf("%d events for who subscribed again", len(events))
		}
		quick.Close()
	})
}

func TestAGapEndsSubscriptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := following(t, oneseat.Config{})
		subs := []*oneseat.Subscription{b.Subscribe(""), b.Subscribe("ada")}
		signIn(t, a, "ada", oneseat.SignInRequest{})
		synctest.Wait()
		b.set(func() {
			b.changes = func(ctx context.Context, p int, _ oneseat.Cursor, next tailFunc) (oneseat.Tail, error) {
				b.set(func() { b.changes = nil })
				return next(ctx, p, "another incarnation.0")
			}
		})
		time.Sleep(maxStale / 4)
		synctest.Wait()
		for _, sub := range subs {
			if events, over := received(sub); len(events) != 1 || !over {
				t.Errorf("%d events, over %v", len(events), over)
			}
			wantError(t, sub.Err(), oneseat.ErrFeedGap)
		}
		again := b.Subscribe("ada")
		signIn(t, a, "ada", oneseat.SignInRequest{})
		synctest.Wait()
		if events, over := received(again); len(events) != 2 || over {
			t.Errorf("%d events, over %v", len(events), over)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		wantError(t, again.Err(), oneseat.ErrClosed)
		late := b.Subscribe("")
		if _, over := received(late); !over {
			t.Error("a closed registry delivers")
		}
		wantError(t, late.Err(), oneseat.ErrClosed)
		late.Close()
	})
}

// A store may return an entry more than once: it is delivered once.
func TestWhatTheStoreRepeatsIsDeliveredOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, store := following(t, oneseat.Config{})
		var before []oneseat.Entry
		b.set(func() {
			b.changes = func(ctx context.Context, p int, after oneseat.Cursor, next tailFunc) (oneseat.Tail, error) {
				tail, err := next(ctx, p, after)
				all := slices.Concat(before, tail.Entries, tail.Entries) // of the last call, and twice
				if before = tail.Entries; len(before) == 0 {
					before = nil
				}
				tail.Entries = all
				return tail, err
			}
		})
		sub := b.Subscribe("")
		for i := range 100 {
			signIn(t, a, []string{"ada", "grace", "alan"}[i%3], oneseat.SignInRequest{})
			if i%7 == 0 {
				synctest.Wait()
			}
		}
		time.Sleep(time.Second)
		events, _ := received(sub)
		if want := logged(t, store, ""); !slices.Equal(events, want) {
			t.Errorf("%d events, want %d", len(events), len(want))
		}
	})
}

// Repeats are known over some thousands of other entries, and what is
// remembered of them is bounded.
func TestRepeatsAreKnownOverThousandsOfEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{})
		r.mute()
		synctest.Wait()
		const between = 4000
		entry := func(account string, version uint64) oneseat.Entry {
			return oneseat.Entry{Key: oneseat.KeyOf(realm, account), Version: version, Events: []oneseat.Event{
				{Type: oneseat.EventSessionCreated, Realm: realm, Account: account, Version: version},
			}}
		}
		var pages [][]oneseat.Entry
		pages = append(pages, []oneseat.Entry{entry("ada", 2)})
		for page := range 3 {
			var some []oneseat.Entry
			for i := range between {
				some = append(some, entry(fmt.Sprint(page, " ", i), 1))
			}
			pages = append(pages, some, []oneseat.Entry{entry("ada", 2), entry("ada", 1)})
		}
		pages = append(pages, []oneseat.Entry{entry("ada", 3)})
		r.set(func() {
			r.changes = func(ctx context.Context, p int, after oneseat.Cursor, next tailFunc) (oneseat.Tail, error) {
				tail, err := next(ctx, p, after)
				if len(pages) > 0 {
					tail.Entries, tail.End = pages[0], false
					pages = pages[1:]
				}
				return tail, err
			}
		})
		sub := r.Subscribe("ada")
		time.Sleep(time.Second)
		events, _ := received(sub)
		var versions []uint64
		for _, e := range events {
			versions = append(versions, e.Version)
		}
		if !slices.Equal(versions, []uint64{2, 3}) {
			t.Errorf("delivered versions %v, want 2 and 3", versions)
		}
	})
}

// A partition of its own for each reader: a store with many.
func TestEveryPartitionIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newPartitioned(8)
		a, b := newNode(t, store, oneseat.Config{}), newNode(t, store, oneseat.Config{})
		synctest.Wait()
		sub := b.Subscribe("")
		var all []oneseat.Grant
		for i := range 40 {
			g := signIn(t, a, fmt.Sprint("account ", i), oneseat.SignInRequest{})
			wantLive(t, b, g)
			all = append(all, g)
		}
		time.Sleep(30 * time.Second)
		for _, g := range all {
			fromMemory(t, b, g)
		}
		for i := range 40 {
			signIn(t, a, fmt.Sprint("account ", i), oneseat.SignInRequest{})
		}
		synctest.Wait()
		for _, g := range all {
			wantEnded(t, b, g, oneseat.ReasonDisplaced)
		}
		synctest.Wait()
		if events, _ := received(sub); count(events, oneseat.EventSessionCreated) != 80 {
			t.Errorf("%d created", count(events, oneseat.EventSessionCreated))
		}
		// One partition that cannot be read makes only its own accounts doubtful.
		var live []oneseat.Grant
		for i := range 40 {
			g := signIn(t, a, fmt.Sprint("account ", i), oneseat.SignInRequest{})
			wantLive(t, b, g)
			live = append(live, g)
		}
		broken := (oneseat.KeyOf(realm, "").Partition(8) + 1) % 8
		b.set(func() {
			b.changes = func(ctx context.Context, p int, after oneseat.Cursor, next tailFunc) (oneseat.Tail, error) {
				if p == broken {
					return oneseat.Tail{}, errDown
				}
				return next(ctx, p, after)
			}
		})
		time.Sleep(5 * time.Second)
		reads := 0
		for _, g := range live {
			if oneseat.KeyOf(realm, g.Session.Account).Partition(8) == broken {
				fromStore(t, b, g)
				reads++
			} else {
				fromMemory(t, b, g)
			}
		}
		if reads == 0 || reads == len(live) {
			t.Errorf("%d of %d accounts are in that partition", reads, len(live))
		}
	})
}

// partitioned is a memstore whose log is cut into partitions.
type partitioned struct {
	*memstore.Store
	n int
}

func newPartitioned(n int) partitioned { return partitioned{memstore.New(), n} }

func (p partitioned) Partitions() int { return p.n }

func (p partitioned) Changes(ctx context.Context, partition int, after oneseat.Cursor) (oneseat.Tail, error) {
	tail, err := p.Store.Changes(ctx, 0, after)
	tail.Entries = slices.DeleteFunc(slices.Clone(tail.Entries), func(e oneseat.Entry) bool { return e.Key.Partition(p.n) != partition })
	return tail, err
}

func (p partitioned) Wake(ctx context.Context, wake func(int)) error {
	return p.Store.Wake(ctx, func(int) {
		for i := range p.n {
			wake(i)
		}
	})
}

func TestTheOperatorHearsOfABrokenLogOnceAndOfItsReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard safeBuffer
		f := &faulty{Store: memstore.New()}
		r := node{newRegistry(t, f, oneseat.Config{Logger: slog.New(slog.NewTextHandler(&heard, nil))}), f}
		synctest.Wait()
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		var calls atomic.Int64
		r.set(func() {
			r.changes = func(context.Context, int, oneseat.Cursor, tailFunc) (oneseat.Tail, error) {
				calls.Add(1)
				return oneseat.Tail{}, errDown
			}
		})
		time.Sleep(time.Minute)
		if n := strings.Count(heard.String(), "the log cannot be read"); n != 1 || !strings.Contains(heard.String(), errDown.Error()) {
			t.Errorf("it was told %d times: %s", n, heard.String())
		}
		if n := calls.Load(); n < 59 || n > 80 {
			t.Errorf("%d tries in a minute", n)
		}
		if b := r.Stats().LogLag; b < 59*time.Second {
			t.Errorf("behind by %v", b)
		}
		wantLive(t, r, g)
		r.up()
		time.Sleep(time.Second)
		if !strings.Contains(heard.String(), "the log can be read again") {
			t.Errorf("the log says %s", heard.String())
		}
		if b := r.Stats().LogLag; b > maxStale/4 {
			t.Errorf("behind by %v", b)
		}
		time.Sleep(maxStale)
		wantLive(t, r, g)
		fromMemory(t, r, g)
	})
}

// The contexts of calls of the store end with the calls: nothing is left behind that
// waits for a timeout.
func TestTheContextOfACallOfTheStoreEndsWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newNode(t, memstore.New(), oneseat.Config{})
		var mu sync.Mutex // of calls
		calls := map[string][]context.Context{}
		note := func(what string, ctx context.Context) {
			mu.Lock()
			defer mu.Unlock()
			calls[what] = append(calls[what], ctx)
		}
		r.set(func() {
			r.changes = func(ctx context.Context, p int, after oneseat.Cursor, next tailFunc) (oneseat.Tail, error) {
				note("Changes", ctx)
				return next(ctx, p, after)
			}
			r.load = func(ctx context.Context, keys []oneseat.Key, next loadFunc) ([]oneseat.View, error) {
				note("Load", ctx)
				return next(ctx, keys...)
			}
			r.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
				note("Update", ctx)
				return next(ctx, k, c)
			}
		})
		signIn(t, r, "ada", oneseat.SignInRequest{})
		time.Sleep(time.Second)
		synctest.Wait()
		for _, what := range []string{"Changes", "Load", "Update"} {
			if len(calls[what]) == 0 {
				t.Errorf("%s was not called", what)
			}
			for _, ctx := range calls[what] {
				if ctx.Err() == nil {
					t.Errorf("the context of %s goes on", what)
				}
			}
		}
	})
}

// The log is read four times in MaxStale although nothing wakes its reader, and four
// times a second under FreshAlways.
func TestTheLogIsReadFourTimesInMaxStale(t *testing.T) {
	for stale, pulse := range map[time.Duration]time.Duration{8 * time.Second: 2 * time.Second, oneseat.FreshAlways: time.Second / 4} {
		synctest.Test(t, func(t *testing.T) {
			r := newNode(t, memstore.New(), oneseat.Config{MaxStale: stale})
			synctest.Wait()
			var calls atomic.Int64
			r.set(func() {
				r.changes = func(ctx context.Context, p int, after oneseat.Cursor, next tailFunc) (oneseat.Tail, error) {
					calls.Add(1)
					return next(ctx, p, after)
				}
			})
			time.Sleep(100*pulse + pulse/2)
			if n := calls.Load(); n != 100 {
				t.Errorf("MaxStale %v: it was read %d times in %v", stale, n, 100*pulse)
			}
		})
	}
}

// A log that cannot be read is tried again after 20 ms, and then after twice as
// long each time, up to a second. The next outage begins with 20 ms again.
func TestABrokenLogIsTriedLessAndLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard safeBuffer
		f := &faulty{Store: memstore.New()}
		r := node{newRegistry(t, f, oneseat.Config{MaxStale: time.Minute, Logger: slog.New(slog.NewTextHandler(&heard, nil))}), f}
		synctest.Wait()
		for range 2 {
			var mu sync.Mutex // guards both
			var tries []time.Duration
			var began time.Time
			r.set(func() {
				r.changes = func(context.Context, int, oneseat.Cursor, tailFunc) (oneseat.Tail, error) {
					mu.Lock()
					defer mu.Unlock()
					if began.IsZero() {
						began = time.Now()
					}
					tries = append(tries, time.Since(began))
					return oneseat.Tail{}, errDown
				}
			})
			time.Sleep(2 * time.Minute)
			r.up()
			mu.Lock()
			const ms = time.Millisecond
			want := []time.Duration{0, 20 * ms, 60 * ms, 140 * ms, 300 * ms, 620 * ms, 1260 * ms, 2260 * ms, 3260 * ms}
			if len(tries) < len(want) || !slices.Equal(tries[:len(want)], want) {
				t.Errorf("it was tried after %v", tries[:min(len(tries), len(want))])
			}
			mu.Unlock()
			time.Sleep(2 * time.Minute)
		}
		if broken, again := strings.Count(heard.String(), "cannot be read"), strings.Count(heard.String(), "can be read again"); broken != 2 || again != 2 {
			t.Errorf("it was told of %d outages and %d ends of one: %s", broken, again, heard.String())
		}
	})
}

// A registry that is closed has nothing to say about that.
func TestCloseWarnsOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard safeBuffer
		r, err := oneseat.New(memstore.New(), oneseat.Config{Logger: slog.New(slog.NewTextHandler(&heard, nil))})
		if err != nil {
			t.Fatal(err)
		}
		signIn(t, r, "ada", oneseat.SignInRequest{})
		synctest.Wait()
		if err := r.Close(); err != nil || heard.String() != "" {
			t.Errorf("%v; it said %s", err, heard.String())
		}
	})
}
