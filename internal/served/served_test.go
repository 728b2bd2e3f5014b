package served

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
	"github.com/oneseat/oneseat/client"
	"github.com/oneseat/oneseat/internal/model"
	"github.com/oneseat/oneseat/internal/testservers"
	"github.com/oneseat/oneseat/server"
	"github.com/oneseat/oneseat/store/memstore"
	"github.com/oneseat/oneseat/store/pgstore"
	"github.com/oneseat/oneseat/store/redisstore"
	"github.com/oneseat/oneseat/store/sqlitestore"
)

var (
	histories = flag.Int("histories", 30, "so many on each store")
	seed      = flag.Uint64("seed", rand.Uint64(), "of the first history: it chooses the calls") // a test may choose at random
)

const (
	servers     = 3
	callers     = 8
	callsEach   = 6
	atOnce      = 4 // histories
	checkWithin = 20 * time.Second
)

var stores = map[string]func(t *testing.T) oneseat.Store{
	"memory": func(*testing.T) oneseat.Store { return memstore.New() },
	"SQLite": func(t *testing.T) oneseat.Store {
		s, err := sqlitestore.Open(filepath.Join(t.TempDir(), "oneseat.db"))
		return closed(t, s, err)
	},
	"PostgreSQL": func(t *testing.T) oneseat.Store {
		pool, err := pgxpool.New(t.Context(), testservers.StartPostgres(t, "fsync=off").URL)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		s, err := pgstore.Open(t.Context(), pool, pgstore.Options{})
		return closed(t, s, err)
	},
	"Redis": func(t *testing.T) oneseat.Store {
		s, err := redisstore.Open(t.Context(), testservers.StartRedis(t).URL, redisstore.Options{Prefix: "served:"})
		return closed(t, s, err)
	},
}

func closed[S interface {
	oneseat.Store
	Close() error
}](t *testing.T, s S, err error) oneseat.Store {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// setting is the configuration of the servers of some histories, and the calls in them.
type setting struct {
	limit  int
	policy oneseat.Policy
	calls  []string
}

var settings = []setting{
	{1, oneseat.PolicyDisplace, []string{"sign in", "sign in", "sign in", "check", "check", "check", "sign out", "rotate", "end"}},
	{2, oneseat.PolicyDisplace, []string{"sign in", "sign in", "sign in", "check", "check", "check", "rotate", "end", "end others"}},
	{2, oneseat.PolicyRefuse, []string{"sign in", "sign in", "check", "check", "sign out", "rotate", "end", "end others"}},
	{1, oneseat.PolicyAsk, []string{"sign in", "sign in", "redeem", "redeem", "check", "check", "sign out"}},
}

func TestWhatClientsOfThreeServersDoAtOnceHasAnOrder(t *testing.T) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			n, calls, lost, bad := hold(t, open(t), *histories)
			t.Logf("%d histories of %d calls in all, %d answers lost, seed %d", n, calls, lost, *seed)
			if bad != "" {
				t.Error(bad)
			}
			if lost < n/2 {
				t.Errorf("only %d answers were lost in %d histories", lost, n)
			}
		})
	}
}

// TestAPlantedBugOfAStoreIsSeenThroughTheServers shows that the histories can fail.
func TestAPlantedBugOfAStoreIsSeenThroughTheServers(t *testing.T) {
	for name, open := range stores {
		for bug, plant := range map[string]func(oneseat.Store) oneseat.Store{
			"reads are late":                       func(s oneseat.Store) oneseat.Store { return &late{Store: s} },
			"what is acknowledged is not in there": func(s oneseat.Store) oneseat.Store { return &forgets{Store: s} },
		} {
			t.Run(name+", "+bug, func(t *testing.T) {
				n, _, _, bad := hold(t, plant(open(t)), 500)
				if bad == "" {
					t.Fatalf("not caught in %d histories", n)
				}
				t.Logf("caught by history %d: %s", n, bad)
			})
		}
	}
}

// late is a store of which a read now and then is what the read before it was.
type late struct {
	oneseat.Store
	last  sync.Map // by key
	reads atomic.Int64
}

func (l *late) Load(ctx context.Context, keys ...oneseat.Key) ([]oneseat.View, error) {
	views, err := l.Store.Load(ctx, keys...)
	for i, v := range views {
		if was, there := l.last.Swap(v.Key, v); there && v.Roster != nil && v.Roster.Account != "" && l.reads.Add(1)%3 == 0 {
			views[i] = was.(oneseat.View)
		}
	}
	return views, err
}

// forgets is a store that now and then acknowledges an update which it has not made.
type forgets struct {
	oneseat.Store
	updates atomic.Int64
}

func (f *forgets) Update(ctx context.Context, key oneseat.Key, change func(oneseat.View) (oneseat.Change, error)) (oneseat.View, error) {
	views, err := f.Load(ctx, key)
	if err != nil || views[0].Roster == nil || views[0].Roster.Account == "" || f.updates.Add(1)%10 != 0 {
		return f.Store.Update(ctx, key, change)
	}
	v := views[0]
	c, err := oneseat.RunChange(change, v)
	if err == nil && c.Roster != nil {
		v.Roster, v.Version = c.Roster, v.Next()
	}
	return v, err
}

// hold runs histories over a store, some at a time, until one has no order, and says
// which.
func hold(t *testing.T, store oneseat.Store, histories int) (n, calls, lost int, bad string) {
	t.Helper()
	var all []*site
	for i, set := range settings {
		all = append(all, newSite(t, store, fmt.Sprint("realm ", i), set))
	}
	var mu sync.Mutex // guards n and bad
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			mu.Lock()
			defer mu.Unlock()
			for n < histories && bad == "" && !t.Failed() {
				h := &history{site: all[n%len(all)], t: t, seed: *seed + uint64(n), began: time.Now()}
				n++
				mu.Unlock()
				h.run()
				h.answered.Add(int64(len(h.operations)))
				wrong := h.judge()
				mu.Lock()
				bad = cmp.Or(bad, wrong)
			}
		})
	}
	wg.Wait()
	for _, s := range all {
		lost += int(s.lost.Load())
		calls += int(s.answered.Load())
	}
	return n, calls, lost, bad
}

// judge says what is wrong with a history, or "".
func (h *history) judge() (bad string) {
	switch m := model.New(h.limit, h.policy); porcupine.CheckOperationsTimeout(m, h.operations, checkWithin) {
	case porcupine.Ok:
		return ""
	case porcupine.Unknown:
		bad = "undecided, which proves nothing"
	case porcupine.Illegal:
		bad = "there is no order in which all answers are right"
	}
	bad = fmt.Sprintf("seed %d, limit %d, %s: %s", h.seed, h.limit, h.policy, bad)
	slices.SortFunc(h.operations, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	for _, o := range h.operations {
		bad += fmt.Sprintf("\n  %d to %d, caller %d: %v: %+v", o.Call/1000, o.Return/1000, o.ClientId, o.Input, o.Output)
	}
	return bad
}

// site is three servers of a realm, and a client of each.
type site struct {
	setting
	urls     []string
	clients  []*client.Client
	lost     atomic.Int64 // answers
	answered atomic.Int64 // calls that are in histories
}

func newSite(t *testing.T, store oneseat.Store, realm string, set setting) *site {
	t.Helper()
	s := &site{setting: set}
	secret, key := server.NewKey(realm, server.ScopeCheck, server.ScopeSessions, server.ScopeAdmin)
	quiet := slog.New(slog.DiscardHandler)
	for range servers {
		r, err := oneseat.New(store, oneseat.Config{
			Realm: realm, Limit: set.limit, WhenFull: set.policy, DisplaceOrder: oneseat.DisplaceOldest, MaxStale: oneseat.FreshAlways, Logger: quiet,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Close() })
		h, err := server.New(server.Config{Realms: map[string]*oneseat.Registry{realm: r}, Keys: []server.Key{key}, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		at := httptest.NewServer(h)
		t.Cleanup(at.Close)
		s.urls = append(s.urls, at.URL)
	}
	for i := range servers {
		own := &http.Transport{MaxIdleConnsPerHost: 64}
		k, err := client.New(t.Context(), client.Config{URL: s.urls[i], Key: secret, Logger: quiet, Transport: &way{s, own}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = k.Close(); own.CloseIdleConnections() })
		s.clients = append(s.clients, k)
	}
	if _, err := s.clients[0].SignIn(t.Context(), "first", oneseat.SignInRequest{}); err != nil { // makes the realm's control record
		t.Fatal(err)
	}
	return s
}

// way leads a call with an Idempotency-Key to any of the servers, and loses answers to
// such calls.
type way struct {
	site *site
	real http.RoundTripper
}

func (w *way) RoundTrip(r *http.Request) (*http.Response, error) {
	if len(r.Header[api.IdempotencyKey]) == 0 {
		return w.real.RoundTrip(r)
	}
	to, _ := http.NewRequestWithContext(r.Context(), r.Method, w.site.urls[rand.IntN(servers)]+r.URL.Path, r.Body)
	to.Header = r.Header
	resp, err := w.real.RoundTrip(to)
	if lost, is := r.Context().Value(lossy{}).(*atomic.Bool); err == nil && is && rand.IntN(8) == 0 {
		_ = resp.Body.Close()
		w.site.lost.Add(1)
		lost.Store(true)
		return nil, io.ErrUnexpectedEOF
	}
	return resp, err
}

// lossy is the key of what a call's context has to note that an answer was lost.
type lossy struct{}

// history is what callers do at once, and are told.
type history struct {
	*site
	t     *testing.T
	seed  uint64
	began time.Time

	mu         sync.Mutex // guards everything below
	number     int
	operations []porcupine.Operation
	accounts   [2]known
	ids        map[int]oneseat.SessionID // by number
}

// known is what callers have learned of an account.
type known struct {
	name    string
	tokens  []token
	tickets []ticket
	signIns int
}

type token struct {
	text            string
	number, session int
}

type ticket struct {
	text           oneseat.Ticket
	number, device int
}

func (h *history) run() {
	h.ids = make(map[int]oneseat.SessionID)
	for i := range h.accounts {
		h.accounts[i].name = fmt.Sprintf("account %d of %d and %d", i, h.seed, h.began.UnixNano())
	}
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			d := rand.New(rand.NewPCG(h.seed, uint64(caller)))
			for range callsEach {
				h.call(caller, d)
			}
		})
	}
	all.Wait()
}

// mostSignIns of an account in a history: the model forgets no ending, and no ticket.
func (h *history) mostSignIns() int {
	if h.policy == oneseat.PolicyAsk {
		return 8
	}
	return oneseat.MaxEndings
}

func (h *history) call(caller int, d *rand.Rand) {
	k := h.clients[caller%servers]
	h.mu.Lock()
	h.number++
	a := &h.accounts[d.IntN(len(h.accounts))]
	c := model.Call{Number: h.number, Account: a.name, What: h.calls[d.IntN(len(h.calls))]}
	if c.What == "sign in" {
		if a.signIns++; a.signIns >= h.mostSignIns() {
			c.What = "check"
		}
	}
	var on, chosen token
	if n := len(a.tokens); n > 0 && (c.What != "sign in" || d.IntN(2) == 0) {
		on, chosen = a.tokens[n-1-min(d.IntN(n), d.IntN(n))], a.tokens[d.IntN(n)]
	}
	var redeems ticket
	if n := len(a.tickets); n > 0 {
		redeems = a.tickets[n-1-min(d.IntN(n), d.IntN(n))]
	}
	switch c.On = on.number; c.What {
	case "sign in":
		c.Device = max(0, d.IntN(4)-1)
	case "end", "end others":
		c.On = on.session
	case "redeem":
		c.On, c.With, c.Instead, c.Device = 0, redeems.number, chosen.session, redeems.device
	}
	id, instead := h.ids[c.On], h.ids[c.Instead]
	h.mu.Unlock()
	if c.On == 0 && slices.Contains([]string{"check", "sign out", "rotate", "end", "end others"}, c.What) || c.What == "redeem" && (c.With == 0 || c.Instead == 0) {
		return // there is nothing yet
	}

	var lost atomic.Bool
	ctx := context.WithValue(h.t.Context(), lossy{}, &lost)
	from := oneseat.SignInRequest{Token: on.text, Device: oneseat.Device{Class: oneseat.ClassAPI}}
	if c.Device != 0 {
		from.DeviceID = fmt.Sprint("a device's own id, ", c.Device)
	}
	var g oneseat.Grant
	var n int
	var err error
	call := time.Since(h.began)
	switch c.What {
	case "sign in":
		g, err = k.SignIn(ctx, a.name, from)
	case "redeem":
		from.Token = ""
		g, err = k.Redeem(ctx, redeems.text, from, instead)
	case "check":
		_, err = k.Check(ctx, on.text)
	case "sign out":
		err = k.SignOut(ctx, on.text)
	case "rotate":
		g, err = k.Rotate(ctx, on.text)
	case "end":
		n, err = k.End(ctx, a.name, oneseat.EndOptions{}, id)
	case "end others":
		n, err = k.EndOthers(ctx, a.name, id, oneseat.EndOptions{})
	}
	back := time.Since(h.began)
	if c.What == "sign out" && errors.Is(err, oneseat.ErrNoSession) {
		return // the server does not say why there was none to end
	}
	c.Unsure = lost.Load()
	said, ok := model.ReplyOf(err)
	if errors.Is(err, oneseat.ErrStoreUnavailable) { // the machine was busy
		if c.What == "check" {
			return
		}
		said, ok = model.Reply{Said: "unknown"}, true
	}
	if !ok {
		h.t.Errorf("%v returned %v", c, err)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	o := porcupine.Operation{ClientId: caller, Input: c, Call: int64(call), Return: int64(back)}
	switch {
	case said.Said == "yes":
		said.Count = n
	case said.Said == "unknown":
		o.Return = math.MaxInt64 // it may have happened at any time since, or never
	case said.Said == "full" && c.What == "sign in":
		if full, _ := errors.AsType[*oneseat.LimitError](err); full.Ticket != "" {
			a.tickets = append(a.tickets, ticket{full.Ticket, c.Number, c.Device})
		}
	}
	o.Output = said
	h.operations = append(h.operations, o)
	if g.Token == "" {
		return
	}
	t := token{string(g.Token), c.Number, c.Number}
	if c.What == "rotate" {
		t.session = on.session
	}
	a.tokens = append(a.tokens, t)
	h.ids[t.session] = g.Session.ID
}
