package oneseat_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/canaries"
	"github.com/oneseat/oneseat/internal/record"
	"github.com/oneseat/oneseat/store/memstore"
)

// realm is the realm of every registry here that does not ask for another.
const realm = "default"

var errDown = errors.New("the store is down")

type (
	change     = func(oneseat.View) (oneseat.Change, error)
	loadFunc   = func(context.Context, ...oneseat.Key) ([]oneseat.View, error)
	updateFunc = func(context.Context, oneseat.Key, change) (oneseat.View, error)
	tailFunc   = func(context.Context, int, oneseat.Cursor) (oneseat.Tail, error)
	wakeFunc   = func(context.Context, func(int)) error
)

// faulty stands between a registry and its store, counts what passes, and lets
// a test put itself in the way of each call. A hook gets the call that it stands
// in for as next. When set has returned, no call reaches the store past the hooks
// that it set, not even one that had begun before. The store beneath must answer
// at once: set waits for the calls that are passing.
type faulty struct {
	oneseat.Store

	mu      sync.RWMutex // guards the hooks; a call without a hook holds it for reading while it passes
	waking  sync.Mutex   // guards wake too: a store wakes from within an update, which holds mu
	load    func(ctx context.Context, keys []oneseat.Key, next loadFunc) ([]oneseat.View, error)
	update  func(ctx context.Context, key oneseat.Key, c change, next updateFunc) (oneseat.View, error)
	changes func(ctx context.Context, p int, after oneseat.Cursor, next tailFunc) (oneseat.Tail, error)
	wake    func(ctx context.Context, wake func(int), next wakeFunc) error
	due     func(ctx context.Context, realm string, limit int) ([]oneseat.Key, error)

	loads   atomic.Int64 // reads
	keys    atomic.Int64 // keys in them
	updates atomic.Int64 // updates
	writes  atomic.Int64 // of these, which changed something
}

func (f *faulty) set(hooks func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waking.Lock()
	defer f.waking.Unlock()
	hooks()
}

func (f *faulty) Load(ctx context.Context, keys ...oneseat.Key) ([]oneseat.View, error) {
	f.loads.Add(1)
	f.keys.Add(int64(len(keys)))
	f.mu.RLock()
	h := f.load
	if h == nil {
		defer f.mu.RUnlock()
		return f.Store.Load(ctx, keys...)
	}
	f.mu.RUnlock()
	return h(ctx, keys, f.Store.Load)
}

func (f *faulty) Update(ctx context.Context, key oneseat.Key, c change) (oneseat.View, error) {
	f.updates.Add(1)
	wrote := false
	counted := func(v oneseat.View) (oneseat.Change, error) {
		did, err := c(v)
		wrote = did.Roster != nil || did.Erase
		canaries.Seen("event", did.Events)
		canaries.Stored(did.Roster, err)
		return did, err
	}
	var v oneseat.View
	var err error
	f.mu.RLock()
	if h := f.update; h != nil {
		f.mu.RUnlock()
		v, err = h(ctx, key, counted, f.Store.Update)
	} else {
		v, err = f.Store.Update(ctx, key, counted)
		f.mu.RUnlock()
	}
	if wrote && err == nil {
		f.writes.Add(1)
	}
	return v, err
}

func (f *faulty) Changes(ctx context.Context, p int, after oneseat.Cursor) (oneseat.Tail, error) {
	f.mu.RLock()
	h := f.changes
	if h == nil {
		defer f.mu.RUnlock()
		return f.Store.Changes(ctx, p, after)
	}
	f.mu.RUnlock()
	return h(ctx, p, after, f.Store.Changes)
}

func (f *faulty) Wake(ctx context.Context, wake func(int)) error {
	f.mu.RLock()
	h := f.wake
	f.mu.RUnlock()
	if h != nil {
		return h(ctx, wake, f.Store.Wake)
	}
	return f.Store.Wake(ctx, func(p int) { // for as long as no hook is set
		f.waking.Lock()
		defer f.waking.Unlock()
		if f.wake == nil {
			wake(p)
		}
	})
}

func (f *faulty) Due(ctx context.Context, realm string, limit int) ([]oneseat.Key, error) {
	f.mu.RLock()
	h := f.due
	if h == nil {
		defer f.mu.RUnlock()
		return f.Store.Due(ctx, realm, limit)
	}
	f.mu.RUnlock()
	return h(ctx, realm, limit)
}

// deaf breaks the log and the push: the node hears of nothing any more.
func (f *faulty) deaf() {
	f.set(func() {
		f.changes = func(context.Context, int, oneseat.Cursor, tailFunc) (oneseat.Tail, error) {
			return oneseat.Tail{}, errDown
		}
		f.wake = func(context.Context, func(int), wakeFunc) error { return errDown }
	})
}

// mute breaks the push: the node has to read the log on time. What had woken it
// before has been read when mute returns. It is for a bubble.
func (f *faulty) mute() {
	f.set(func() {
		f.wake = func(ctx context.Context, _ func(int), _ wakeFunc) error { <-ctx.Done(); return ctx.Err() }
	})
	synctest.Wait()
}

// unreadable breaks reads only.
func (f *faulty) unreadable() {
	f.set(func() {
		f.load = func(context.Context, []oneseat.Key, loadFunc) ([]oneseat.View, error) { return nil, errDown }
	})
}

// unwritable breaks updates only, as a disk that is full does.
func (f *faulty) unwritable() {
	f.set(func() {
		f.update = func(context.Context, oneseat.Key, change, updateFunc) (oneseat.View, error) {
			return oneseat.View{}, errDown
		}
	})
}

// holdUpdates keeps updates waiting until they are let go, at the test's end at the latest.
func (f *faulty) holdUpdates(t testing.TB) (letGo func()) {
	held, letGo := gate(t)
	f.set(func() {
		f.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
			<-held
			return next(ctx, k, c)
		}
	})
	return letGo
}

// down breaks everything; up repairs everything.
func (f *faulty) down() {
	f.deaf()
	f.unreadable()
	f.unwritable()
	f.set(func() {
		f.due = func(context.Context, string, int) ([]oneseat.Key, error) { return nil, errDown }
	})
}

func (f *faulty) up() {
	f.set(func() { f.load, f.update, f.changes, f.wake, f.due = nil, nil, nil, nil, nil })
}

// loseReplies commits the next n updates of a key and loses their replies; each
// time, after is called in between (it may be nil).
func (f *faulty) loseReplies(key oneseat.Key, n int, after func()) {
	f.set(func() {
		f.update = func(ctx context.Context, k oneseat.Key, c change, next updateFunc) (oneseat.View, error) {
			v, err := next(ctx, k, c)
			f.mu.Lock()
			lose := k == key && n > 0 && err == nil
			if lose {
				n--
			}
			f.mu.Unlock()
			if !lose {
				return v, err
			}
			if after != nil {
				after()
			}
			return oneseat.View{}, errors.Join(errors.New("connection reset"), oneseat.ErrUnknownOutcome)
		}
	})
}

// gate makes calls wait until it is opened, at the test's end at the latest: a
// test that fails before must not leave its node waiting.
func gate(t testing.TB) (wait <-chan struct{}, open func()) {
	c := make(chan struct{})
	open = sync.OnceFunc(func() { close(c) })
	t.Cleanup(open)
	return c, open
}

// await waits for what should come to pass soon, by a bubble's time.
func await(t testing.TB, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(time.Minute):
		t.Fatal("it never came")
	}
}

// node is one process of a system: a registry, and its way to the store.
type node struct {
	*oneseat.Registry
	*faulty
}

// newNode starts a node over a store; the test's end closes it.
func newNode(t testing.TB, store oneseat.Store, c oneseat.Config) node {
	t.Helper()
	f := &faulty{Store: store}
	return node{newRegistry(t, f, c), f}
}

// newRegistry starts a registry; the test's end closes it.
func newRegistry(t testing.TB, store oneseat.Store, c oneseat.Config) *oneseat.Registry {
	t.Helper()
	c.Logger = canaries.Logger(c.Logger)
	r, err := oneseat.New(store, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// newSystem starts two nodes over one store.
func newSystem(t testing.TB, c oneseat.Config) (a, b node, store *memstore.Store) {
	t.Helper()
	store = memstore.New()
	return newNode(t, store, c), newNode(t, store, c), store
}

// following is newSystem for a bubble, where both nodes have found the end of
// the log already.
func following(t testing.TB, c oneseat.Config) (a, b node, store *memstore.Store) {
	t.Helper()
	a, b, store = newSystem(t, c)
	synctest.Wait()
	return a, b, store
}

// deviceID is the id of a device with a short name.
func deviceID(name string) string {
	canaries.Mark("device id", "a device's id: ")
	return "a device's id: " + name
}

func signIn(t testing.TB, r interface {
	SignIn(context.Context, string, oneseat.SignInRequest) (oneseat.Grant, error)
}, account string, from oneseat.SignInRequest) oneseat.Grant {
	t.Helper()
	g, err := r.SignIn(t.Context(), account, from)
	if err != nil {
		t.Fatalf("sign-in of %s: %v", account, err)
	}
	return g
}

type checker interface {
	Check(context.Context, string) (oneseat.Session, error)
}

// wantLive fails the test unless the token checks.
func wantLive(t testing.TB, r checker, g oneseat.Grant) oneseat.Session {
	t.Helper()
	s, err := r.Check(t.Context(), string(g.Token))
	if err != nil {
		t.Fatalf("check of a live session: %v", err)
	}
	if s.ID != g.Session.ID || s.Account != g.Session.Account {
		t.Fatalf("the check found %+v, want %+v", s, g.Session)
	}
	return s
}

// wantEnded fails the test unless the token's session has ended so.
func wantEnded(t testing.TB, r checker, g oneseat.Grant, why oneseat.Reason) oneseat.Ending {
	t.Helper()
	_, err := r.Check(t.Context(), string(g.Token))
	return wantEnding(t, err, g.Session.ID, why)
}

func wantEnding(t testing.TB, err error, id oneseat.SessionID, why oneseat.Reason) oneseat.Ending {
	t.Helper()
	canaries.Seen("error", err)
	over, ok := errors.AsType[*oneseat.EndedError](err)
	if !ok {
		t.Fatalf("got %v, want that the session has ended: %s", err, why)
	}
	if over.Ending.Session != id || over.Ending.Reason != why || over.Ending.At.IsZero() {
		t.Fatalf("got %+v, want session %s, %s", over.Ending, id, why)
	}
	return over.Ending
}

func wantError(t testing.TB, err, want error) {
	t.Helper()
	canaries.Seen("error", err)
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

// logged returns the events of an account ("" for all), the oldest first.
func logged(t testing.TB, h oneseat.History, account string) []oneseat.Event {
	t.Helper()
	records, err := h.Events(t.Context(), oneseat.EventQuery{Realm: realm, Account: account, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	var events []oneseat.Event
	for _, r := range slices.Backward(records) {
		events = append(events, r.Event)
	}
	return events
}

// count counts the events of a type.
func count(events []oneseat.Event, of oneseat.EventType) int {
	n := 0
	for _, e := range events {
		if e.Type == of {
			n++
		}
	}
	return n
}

// stored is what the store has of an account ("" for the control record).
func stored(t testing.TB, s oneseat.Store, account string) storedView {
	t.Helper()
	views, err := s.Load(t.Context(), oneseat.KeyOf(realm, account))
	if err != nil {
		t.Fatal(err)
	}
	return storedView{views[0], record.Of(views[0].Roster)}
}

// storedView is a view whose roster is shown as it is stored.
type storedView struct {
	oneseat.View
	Roster *record.Record
}

// deleteRow removes an account's row without an entry in the log, as a person with a
// database shell does.
func deleteRow(t testing.TB, s oneseat.Store, account string) {
	t.Helper()
	_, err := s.Update(t.Context(), oneseat.KeyOf(realm, account), func(oneseat.View) (oneseat.Change, error) {
		return oneseat.Change{Erase: true}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// clocks are the two clocks of a machine that a test can put wrong. Otherwise
// they run with the bubble's time.
type clocks struct {
	start      time.Time
	wall, mono atomic.Int64 // offsets
}

func newClocks() *clocks { return &clocks{start: time.Now()} }

func (c *clocks) read() (time.Time, time.Duration) {
	now := time.Now()
	return now.Round(0).Add(time.Duration(c.wall.Load())), now.Sub(c.start) + time.Duration(c.mono.Load())
}

// skewed is a store's clock that a test can move.
type skewed struct{ offset atomic.Int64 }

func (s *skewed) now() time.Time { return time.Now().Add(time.Duration(s.offset.Load())) }

func (s *skewed) move(d time.Duration) { s.offset.Add(int64(d)) }
