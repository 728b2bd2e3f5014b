// Package redisstore keeps rosters in Redis or Valkey, on one server or a cluster.
// It is for sites that one machine cannot hold. All processes that use one server
// or one cluster are nodes of one system.
//
// It owns the keys that begin with its prefix ("oneseat:"). It holds no rule. It
// never touches other keys. If another program has used one of our names, the store
// reports it and leaves the value as it is.
//
// # What it promises
//
// One script commits a roster, its events, its index entries and the sums, all in
// one hash slot. The script does nothing if another node has written the roster
// since it was read. The time is the server's. Reads go to the primary.
//
// The store keeps what it acknowledged as well as the server does. With appendfsync
// always that survives a kill -9 of the server. With everysec the last second may
// be lost. A failover to a replica loses what the replica had not received, so a
// session that had ended may be live again. EndRealm is the remedy;
// docs/operations.md says more. [Open] warns if a server may evict keys or keeps
// nothing on disk. With RequireDurable it refuses such a server.
//
// The log keeps events for 30 days, as long as there are not more than some 16,384
// updates in one of its 16 partitions. A reader that is further behind gets a gap.
// History finds what the log still holds. What is too old is deleted within a day or two
// while a node runs.
//
// # What it needs
//
// Redis 7 or Valkey 7.2, or newer. docs/operations.md lists the rights that an ACL
// user needs.
//
// When the server is down, full, a replica, or refuses the login, every call
// returns a *[oneseat.StoreError] within [Options].Timeout. The error says what to
// do. After that has been done the store works again by itself.
package redisstore

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/internal/decoded"
	"github.com/oneseat/oneseat/store/internal/turns"
	"github.com/redis/rueidis"
)

// Options are the settings of a store. The zero value is good for most.
type Options struct {
	// Prefix is the beginning of all keys; "" means "oneseat:". Two systems on one
	// server need two prefixes. A prefix must not contain a brace.
	Prefix string

	// Timeout bounds every round trip; 0 means 1 s.
	Timeout time.Duration

	// RequireDurable makes Open and New refuse a server that may evict keys, keeps
	// nothing on disk, or does not show its settings. Without it they log a
	// warning.
	RequireDurable bool

	// Logger receives those warnings; nil means slog.Default().
	Logger *slog.Logger
}

// Store is a [oneseat.Store] and [oneseat.History] in Redis. Use Open or New.
// Its methods are safe for concurrent use.
type Store struct {
	client  rueidis.Client
	own     bool // Close closes the client
	names   names
	timeout time.Duration
	log     *slog.Logger
	known   *decoded.Rosters
	turns   turns.Turns[held]

	life    context.Context // ends with Close
	end     context.CancelFunc
	mu      sync.Mutex // guards running: nothing is added after Close has begun to wait
	closed  atomic.Bool
	running sync.WaitGroup // the announcer and calls of Wake; Close waits for them

	fresh   atomic.Uint64 // a bit for each partition that has something to announce
	commits atomic.Int64  // how many commits there are to announce
	unsaid  chan struct{} // full when there is something to announce; the announcer reads it

	began   time.Time    // when the store was opened
	trimmed atomic.Int64 // how long after that it last looked for old events; 0: never
}

var (
	_ oneseat.Store   = (*Store)(nil)
	_ oneseat.History = (*Store)(nil)
)

// Open opens a store on the server at a URL, see [Connect]. Its error is a
// *[oneseat.StoreError]. The store holds connections and a goroutine until Close.
func Open(ctx context.Context, url string, o Options) (*Store, error) {
	client, err := Connect(ctx, url, o.Timeout)
	if err != nil {
		return nil, err
	}
	s, err := New(ctx, client, o)
	if err != nil {
		client.Close()
		return nil, err
	}
	s.own = true
	return s, nil
}

// New opens a store on the application's own client. Use it for what a URL cannot
// say: Sentinel, certificates, passwords that change. The client must not retry
// (DisableRetry) and must not read from replicas (SendToReplicas). Close leaves the
// client open. [Connect] makes a client with the right settings.
func New(ctx context.Context, client rueidis.Client, o Options) (*Store, error) {
	s, err := on(client, o)
	if err != nil {
		return nil, err
	}
	if err := s.claim(ctx); err != nil {
		return nil, err
	}
	if err := s.inspect(ctx, o.RequireDurable); err != nil {
		return nil, err
	}
	s.life, s.end = context.WithCancel(context.WithoutCancel(ctx))
	s.running.Go(s.announce)
	return s, nil
}

// on returns a store that has not used the server yet.
func on(client rueidis.Client, o Options) (*Store, error) {
	n, err := newNames(cmp.Or(o.Prefix, "oneseat:"))
	if err != nil {
		return nil, err
	}
	s := &Store{
		began:   time.Now(),
		client:  client,
		names:   n,
		timeout: cmp.Or(o.Timeout, defaultTimeout),
		log:     o.Logger,
		known:   decoded.New(),
		unsaid:  make(chan struct{}, 1),
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	return s, nil
}

// Examine returns whether there is a store on the servers of a client, and the error
// that New would return about it, as far as both show without a change. It does not look
// at settings, and does not write, so it does not notice a server that refuses writes.
func Examine(ctx context.Context, client rueidis.Client, o Options) (made bool, err error) {
	s, err := on(client, o)
	if err != nil {
		return false, err
	}
	return s.recognise(ctx)
}

// defaultTimeout is how long the store waits for one answer. A sign-in takes two
// round trips.
const defaultTimeout = time.Second

// Close ends the store. Calls of Wake return, and later calls return
// [oneseat.ErrStoreClosed]. Calls under way finish. But if the store made the client
// itself, Close ends the connections of these calls, and each call returns an error
// that says what became of it. A second call does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	again := s.closed.Swap(true)
	s.mu.Unlock()
	if again {
		return nil
	}
	s.end()
	s.running.Wait()
	if s.own {
		s.client.Close()
	}
	return nil
}

// begin returns an error if no call may begin: ctx has ended, or the store is
// closed.
func (s *Store) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.closed.Load() {
		return oneseat.ErrStoreClosed
	}
	return nil
}

// trip returns a context that bounds one round trip.
func (s *Store) trip(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.timeout)
}
