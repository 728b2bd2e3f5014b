// Package redisstore keeps rosters in Redis or Valkey, a single server or a
// cluster: for sites that one machine does not hold. Any number of processes on
// one server, or one cluster, are nodes of one system.
//
// It owns the keys that begin with its prefix ("oneseat:"), and no rule. Keys of
// others are never touched; what somebody else has put under a name of ours is
// reported and left as it is.
//
// # What it promises
//
// One script commits a roster, its events and its place in the indexes, all in
// one hash slot; it runs only if nobody else has written that roster meanwhile.
// The time is the server's. Reads go to the primary.
//
// What was acknowledged is kept as well as the server keeps it: with
// appendfsync always it survives a kill -9 of the server, with everysec all but
// the last second does, and a failover to a replica loses what that had not
// received yet, so that a session that had ended may be live again. EndRealm is
// the remedy; docs/operations.md says more. [Open] warns of a server that may
// evict keys or keeps nothing on disk, and refuses it if told to.
//
// The log keeps the last 16,384 updates of each of its 16 partitions at least. A
// reader that is further behind is told of a gap; History knows no more than
// what is there.
//
// # What it needs
//
// Redis 7 or Valkey 7.2, or newer. As an ACL user it needs what docs/operations.md
// lists.
//
// When the server is away, full, a replica, or does not let us in, every call
// returns a *[oneseat.StoreError] that says what to do within [Options].Timeout, and the
// store goes on by itself once that has been done.
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

// Options are what can be chosen. The zero value is good.
type Options struct {
	// Prefix is what all keys begin with; "" means "oneseat:". Two systems on one
	// server need two. It holds no brace.
	Prefix string

	// Timeout bounds every round trip; 0 means 1 s.
	Timeout time.Duration

	// RequireDurable refuses a server that may evict keys, keeps nothing on disk,
	// or does not let us look whether it does. Without it these are warnings.
	RequireDurable bool

	// Logger gets those warnings; nil means slog.Default().
	Logger *slog.Logger
}

// Store is a [oneseat.Store] and [oneseat.History] in Redis. Use Open or New.
// Its methods are safe for concurrent use.
type Store struct {
	client  rueidis.Client
	own     bool // the client is ours to close
	names   names
	timeout time.Duration
	log     *slog.Logger
	known   *decoded.Rosters
	turns   turns.Turns

	life    context.Context // until Close
	end     context.CancelFunc
	mu      sync.Mutex // so that nothing is added to running after Close has begun to wait
	closed  atomic.Bool
	running sync.WaitGroup // the announcer, and calls of Wake, which Close waits for

	fresh   atomic.Uint64 // partitions that others have to be told of, a bit each
	commits atomic.Int64  // that put them there
	unsaid  chan struct{} // there are some; read by the announcer
}

var (
	_ oneseat.Store   = (*Store)(nil)
	_ oneseat.History = (*Store)(nil)
)

// Open makes a store on the server that a URL names, see [Connect]. An error is an
// *[oneseat.StoreError]. The store holds connections and a goroutine: close it.
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

// New makes a store on a client of the application's own, for what a URL cannot
// say: Sentinel, certificates, credentials that change. The client is neither
// to retry (DisableRetry) nor to read from replicas (SendToReplicas); Close
// leaves it open. [Connect] makes one that is as it has to be.
func New(ctx context.Context, client rueidis.Client, o Options) (*Store, error) {
	n, err := newNames(cmp.Or(o.Prefix, "oneseat:"))
	if err != nil {
		return nil, err
	}
	s := &Store{
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

// defaultTimeout is how long an answer is waited for. A sign-in takes two.
const defaultTimeout = time.Second

// Close ends the store: calls of Wake return, and what is called from now on
// gets [oneseat.ErrStoreClosed]. Calls that are under way finish, unless the client is the
// store's own: then their connection goes, and they say what became of them. A
// second call does nothing.
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

// begin says whether a call may begin.
func (s *Store) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.closed.Load() {
		return oneseat.ErrStoreClosed
	}
	return nil
}

// trip bounds one round trip.
func (s *Store) trip(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.timeout)
}
