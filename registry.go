package oneseat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Registry is what an application holds: the accounts of one realm, over a store.
// Other registries, here or on other nodes, may use the same store. All methods are
// safe for concurrent use.
//
// A method whose context ends returns the context's error. What the method has
// committed by then stays committed.
type Registry struct {
	// The registry does the input and output. It looks up what an operation rests on,
	// loads, runs the operation's rule on a draft, commits, and tries again. It decides
	// nothing, and reads a roster only through a view.

	store         Store
	config        Config
	rule          rule
	log           *slog.Logger
	control       Key // of the realm's control record
	cache         *cache
	controlCached atomic.Pointer[entry] // the cached control record, without a look-up
	loader        loader                // of rosters
	controls      loader                // of the control record
	watches       watches
	subs          subscriptions
	background    background
	stats         counters
	foreign       sync.Once // logs that a token of another realm was presented
	faults        faults

	life    context.Context // ends with Close; every goroutine below ends with it
	end     context.CancelFunc
	running sync.WaitGroup // readers of the log, the recheck of watches, sweep, background work, reads
}

// New returns a registry over a store. New starts goroutines, which [Registry.Close]
// ends. The store stays the caller's. New does not wait for the store: see
// [Registry.Ping]. For an impossible configuration it returns every *[ConfigError],
// joined.
func New(store Store, c Config) (*Registry, error) {
	c, err := c.withDefaults()
	if store == nil {
		err = errors.Join(err, errors.New("oneseat: New needs a store: see the packages under oneseat/store"))
	}
	if err != nil {
		return nil, err
	}
	life, end := context.WithCancel(context.Background())
	r := &Registry{
		store: store, config: c, rule: c.rule(), log: c.Logger.With("realm", c.Realm),
		control: KeyOf(c.Realm, ""),
		cache:   newCache(store.Partitions(), c.MaxStale),
		life:    life, end: end,
	}
	r.watches.init()
	r.subs.init()
	r.background.init()
	r.follow()
	r.running.Go(r.recheckWatches)
	r.running.Go(r.sweep)
	for range backgroundWorkers {
		r.running.Go(r.work)
	}
	return r, nil
}

// Close ends what New started and waits for that. Contexts of [Registry.Hold] are
// cancelled, and subscriptions end, with [ErrClosed]. The store is not closed. Close
// returns nil.
//
// Close it when nothing uses it any more: after the server was shut down, and before
// the store is closed. Requests that are still in flight are cut, because an end of
// their session would no longer be noticed: see oneseathttp's Guard.Drain for the order.
func (r *Registry) Close() error {
	r.end()
	r.loader.close()
	r.controls.close()
	r.running.Wait()
	r.watches.close()
	r.subs.close(ErrClosed)
	return nil
}

// Config returns the configuration in force, defaults filled in.
func (r *Registry) Config() Config { return r.config }

// Ping reads from the store. It returns nil if the store answers, else why it does
// not.
func (r *Registry) Ping(ctx context.Context) error {
	_, err := r.Now(ctx)
	return err
}

// Now reads what the store's clock shows. That clock decides when a session times out,
// when a block ends, and whether an [Attempt] is too old.
func (r *Registry) Now(ctx context.Context) (time.Time, error) {
	_, at, err := r.currentEpoch(ctx, Key{})
	return at, err
}

// readFresh reads one roster and the control record, from the store.
func (r *Registry) readFresh(ctx context.Context, k Key) (v, control View, err error) {
	return r.readFor(ctx, k, k)
}

// readFor is readFresh on behalf of an account, the zero key for none.
func (r *Registry) readFor(ctx context.Context, whose, k Key) (v, control View, err error) {
	r.cache.beginLoad(k)
	defer r.cache.endLoad(k)
	v, control, _, err = r.loadFor(ctx, whose, k)
	return v, control, err
}

// currentEpoch reads the realm's epoch, so that nothing is done for or to a session
// that EndRealm has ended. 0: no session was ever issued. asOf is a store time that
// is not after the call's return. whose is the account on whose behalf that is, the
// zero key for none.
func (r *Registry) currentEpoch(ctx context.Context, whose Key) (epoch uint64, asOf time.Time, err error) {
	v, _, err := r.readFor(ctx, whose, r.control)
	return v.epoch(), v.Now, err
}

// makeEpoch is currentEpoch for an admission. It makes the control record if there
// is none.
func (r *Registry) makeEpoch(ctx context.Context, whose Key) (epoch uint64, asOf time.Time, err error) {
	v, _, err := r.readFor(ctx, whose, r.control)
	if err == nil && v.Roster == nil {
		v, err = r.updateFor(ctx, whose, r.control, func(v View, _ int) Change {
			if v.Roster != nil {
				return Change{}
			}
			c := v.reopen(r.rule).newEpoch("")
			c.Events = nil // nothing has ended
			return c
		})
	}
	return v.epoch(), v.Now, err
}

// limitsOf asks the application for an account's limits, if it has a function for
// that. It returns them with the revision under which they count.
func (r *Registry) limitsOf(ctx context.Context, key Key, account string) (limits Limits, revision uint64, err error) {
	if r.config.LimitFor == nil {
		return
	}
	v, _, err := r.readFresh(ctx, key)
	if err != nil {
		return Limits{}, 0, err
	}
	limits, err = r.config.LimitFor(ctx, account)
	if err == nil {
		err = limits.Check()
	}
	if err != nil {
		return Limits{}, 0, r.noLimit(ctx, key, account, err)
	}
	return limits.clone(), v.revision(), nil
}

// premises looks up what an operation on an account rests on. newcomer is the
// session that it admits, or "".
func (r *Registry) premises(ctx context.Context, account string, newcomer SessionID) (p premises, err error) {
	p.account, p.newcomer, p.limitFor = account, newcomer, r.config.LimitFor != nil
	key := KeyOf(r.config.Realm, account)
	if newcomer != "" {
		p.epoch, p.asOf, err = r.makeEpoch(ctx, key)
	} else {
		p.epoch, p.asOf, err = r.currentEpoch(ctx, key)
	}
	if err == nil {
		p.limits, p.revision, err = r.limitsOf(ctx, key, account)
	}
	return p, err
}

// changeLimited runs an operation that depends on an account's limits, or admits a
// newcomer ("": nobody). If its premises have become stale meanwhile, they are
// looked up again: limits up to three times, the realm's epoch as often as it
// changes.
func (r *Registry) changeLimited(ctx context.Context, account string, newcomer SessionID, op func(*draft) Change) (_ View, err error) {
	if err := r.checkAccount(account); err != nil {
		return View{}, err
	}
	var firstTryAt time.Time
	tried := false // whether an earlier try had no reply
	defer func() {
		if tried {
			err = unclear(err)
		}
	}()
	var stale error
	var last premises
	for tries := 0; tries < 3; {
		p, err := r.premises(ctx, account, newcomer)
		if err != nil {
			return View{}, err
		}
		if errors.Is(stale, errBehind) && p.epoch == last.epoch { // the realm has not ended since
			return View{}, errBehind
		}
		v, err := r.update(ctx, KeyOf(r.config.Realm, account), func(v View, try int) Change {
			if try > 0 && !tried {
				tried, firstTryAt = true, p.asOf
			}
			if stale = p.stale(v); stale != nil {
				return Change{}
			}
			p.try, p.firstTryAt = try, firstTryAt
			return op(v.draft(p, r.rule))
		})
		if err != nil || stale == nil {
			return v, err
		}
		if last = p; !errors.Is(stale, errBehind) {
			tries++
		}
	}
	return View{}, stale
}

// change runs an operation on an account's roster, under the realm's present epoch.
// An error of the operation is returned after its change was committed.
func (r *Registry) change(ctx context.Context, account string, op func(*draft) (Change, error)) error {
	if err := r.checkAccount(account); err != nil {
		return err
	}
	_, err := r.changeNow(ctx, KeyOf(r.config.Realm, account), account, op)
	return err
}

// changeNow is change for a caller that knows the roster's key. Without the
// account's name it makes no roster: if there is none, it returns [ErrNoSession].
func (r *Registry) changeNow(ctx context.Context, key Key, account string, op func(*draft) (Change, error)) (View, error) {
	epoch, _, err := r.currentEpoch(ctx, key)
	if err != nil {
		return View{}, err
	}
	return r.edit(ctx, key, premises{account: account, epoch: epoch}, op)
}

// edit is changeNow for a caller that knows the realm's epoch too.
func (r *Registry) edit(ctx context.Context, key Key, p premises, op func(*draft) (Change, error)) (View, error) {
	var refusal error
	v, err := r.update(ctx, key, func(v View, try int) (c Change) {
		refusal = ErrNoSession
		if v.Roster != nil || p.account != "" {
			p.try = try
			c, refusal = op(v.draft(p, r.rule))
		}
		return c
	})
	return v, cmp.Or(err, refusal)
}

// update runs a change on one roster, and again after a lost reply. try counts the
// lost replies. Before update returns, this node knows what was committed.
func (r *Registry) update(ctx context.Context, key Key, change func(v View, try int) Change) (View, error) {
	return r.updateFor(ctx, key, key, change)
}

// updateFor is update on behalf of an account.
func (r *Registry) updateFor(ctx context.Context, whose, key Key, change func(v View, try int) Change) (View, error) {
	v, err := r.tryUpdate(ctx, key, change)
	return v, r.failed(ctx, whose, err)
}

// tryUpdate is update without a report of what failed.
func (r *Registry) tryUpdate(ctx context.Context, key Key, change func(v View, try int) Change) (View, error) {
	if r.life.Err() != nil {
		return View{}, ErrClosed
	}
	ctx, cancel := context.WithTimeout(ctx, updateTimeout)
	defer cancel()
	begun := r.cache.beginLoad(key)
	defer r.cache.endLoad(key)
	var lost error // set when a reply was lost: from then on the update may have been committed
	for try := 0; ; try++ {
		began := r.now()
		var last Change
		v, err := r.store.Update(ctx, key, func(v View) (Change, error) {
			if err := r.checkOwner(key, v.Roster); err != nil {
				return Change{}, err
			}
			last = change(v, try)
			return last, nil
		})
		r.stats.updates.Add(1)
		if err == nil {
			r.seeClock(v)
			r.noteCommitted(v, began, begun, last)
			r.endWatchesOver(v) // no event of this update says what an earlier try, or another node, ended
			return v, nil
		}
		if errors.Is(err, ErrUnknownOutcome) {
			lost = err
			r.cache.drop(key)
		}
		if lost == nil {
			return View{}, r.noAnswer(err)
		}
		select {
		case <-time.After(time.Duration(try+1) * 20 * time.Millisecond):
		case <-ctx.Done():
		}
		if try == 4 || ctx.Err() != nil {
			return View{}, lost
		}
	}
}

// noteCommitted applies an update's result to this node. Anybody can cause an update
// that changes nothing, so what such an update read is not cached. But nothing older
// is used any more.
func (r *Registry) noteCommitted(v View, began instant, begun step, c Change) {
	if c.Erase {
		r.cache.drop(v.Key)
		return
	}
	r.cache.changed(v.Key, v.Version)
	if c.Roster == nil {
		return
	}
	r.cache.keep(v, began, begun)
	r.endWatchesOf(v.Key, c.Events)
}

// noAnswer returns the error of an operation whose store failed with err:
// [ErrClosed] if the registry is closed, else one that wraps [ErrStoreUnavailable].
// A cancelled context, ErrNoSession, and what is wrong with a record or a change
// stay what they are.
func (r *Registry) noAnswer(err error) error {
	if r.life.Err() != nil {
		return ErrClosed
	}
	_, format := errors.AsType[*FormatError](err)
	_, panicked := errors.AsType[*PanicError](err)
	if format || panicked || errors.Is(err, ErrNoSession) || errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrStoreUnavailable, err)
}

// unclear returns the error of an operation that failed after a reply had been lost.
// The operation may have been done, so ErrStoreUnavailable becomes
// ErrUnknownOutcome.
func unclear(err error) error {
	if errors.Is(err, ErrStoreUnavailable) {
		return fmt.Errorf("%w: %v", ErrUnknownOutcome, err)
	}
	return err
}
