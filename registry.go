package oneseat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Registry is what an application holds: the accounts of one realm, over a
// store that other registries, here or on other nodes, use as well. All methods
// are safe for concurrent use.
//
// A context that ends makes a method return the context's error; what a method
// had already committed stays committed.
type Registry struct {
	store    Store
	config   Config
	rule     Rule
	log      *slog.Logger
	control  Key // of the realm's control record
	cache    *cache
	atHand   atomic.Pointer[entry] // the control record's
	loader   loader                // of rosters
	controls loader                // of the control record
	holds    holds
	subs     subscriptions
	chores   chores
	stats    counters

	life    context.Context // ends with Close; every goroutine below ends with it
	end     context.CancelFunc
	running sync.WaitGroup // followers of the log, the watch over holds, sweep, chores, reads
}

// New returns a registry over a store. What it starts, [Registry.Close] ends;
// the store stays the caller's. It does not talk to the store: see
// [Registry.Ping]. All that is wrong with the configuration comes back as
// joined *[ConfigError]s.
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
	r.holds.init()
	r.subs.init()
	r.chores.init()
	r.follow()
	r.running.Go(r.watchHolds)
	r.running.Go(r.sweep)
	for range choreWorkers {
		r.running.Go(r.work)
	}
	return r, nil
}

// Close ends what New started and waits for it. Contexts of [Registry.Hold] are
// cancelled with [ErrClosed], subscriptions closed. The store is not closed.
func (r *Registry) Close() error {
	r.end()
	r.loader.close()
	r.controls.close()
	r.running.Wait()
	r.holds.close()
	r.subs.close(ErrClosed)
	return nil
}

// Config returns the configuration in force, defaults filled in.
func (r *Registry) Config() Config { return r.config }

// Ping asks the store for an answer.
func (r *Registry) Ping(ctx context.Context) error {
	_, _, err := r.look(ctx, r.control)
	return err
}

// Sessions returns the account's live sessions, the newest first, from the
// store.
func (r *Registry) Sessions(ctx context.Context, account string) ([]Session, error) {
	all, err := r.live(ctx, account)
	return slices.DeleteFunc(all, func(s Session) bool { return s.Parent != "" }), err
}

// live reads what the account has, sessions and streams.
func (r *Registry) live(ctx context.Context, account string) ([]Session, error) {
	if err := checkAccount(account); err != nil {
		return nil, err
	}
	v, control, err := r.look(ctx, KeyOf(r.config.Realm, account))
	if err != nil || v.Roster == nil {
		return nil, err
	}
	return sessions(slices.DeleteFunc(slices.Clone(v.Roster.Seats), func(s Seat) bool {
		return v.Roster.judge(recognition{seat: &s}, v.Now, control.Roster.epoch(), r.rule).verdict != live
	})), nil
}

// epoch returns the realm's epoch, fresh, with a store time that is not after
// the call's return. The first one to ask makes the control record.
func (r *Registry) epoch(ctx context.Context) (uint64, time.Time, error) {
	v, _, err := r.look(ctx, r.control)
	if err == nil && v.Roster == nil {
		v, err = r.update(ctx, r.control, func(v View, _ int) (Change, error) {
			if v.Roster != nil {
				return Change{}, nil
			}
			c := v.newEpoch(r.config.Realm, "")
			c.Events = nil // nothing has ended
			return c, nil
		})
	}
	return v.Roster.epoch(), v.Now, err
}

// epochNow returns the realm's epoch, fresh, so that nothing is done for or to a
// session that the realm's end has ended. 0: no session was ever issued.
func (r *Registry) epochNow(ctx context.Context) (uint64, error) {
	v, _, err := r.look(ctx, r.control)
	return v.Roster.epoch(), err
}

// look reads one roster and the control record, fresh.
func (r *Registry) look(ctx context.Context, k Key) (v, control View, err error) {
	r.cache.expect(k)
	defer r.cache.done(k)
	v, control, _, err = r.load(ctx, k)
	return v, control, err
}

// changeAccount runs a pure change on an account's roster, under the realm's
// epoch of now.
func (r *Registry) changeAccount(ctx context.Context, account string, change func(v View, epoch uint64) Change) error {
	if err := checkAccount(account); err != nil {
		return err
	}
	epoch, err := r.epochNow(ctx)
	if err != nil {
		return err
	}
	_, err = r.update(ctx, KeyOf(r.config.Realm, account), func(v View, _ int) (Change, error) {
		return change(v, epoch), nil
	})
	return err
}

// update runs a change on one roster, again after a lost reply (try counts
// those), and lets this node know what was committed before it returns.
func (r *Registry) update(ctx context.Context, key Key, change func(v View, try int) (Change, error)) (View, error) {
	if r.life.Err() != nil {
		return View{}, ErrClosed
	}
	ctx, cancel := context.WithTimeout(ctx, updateTimeout)
	defer cancel()
	since := r.cache.expect(key)
	defer r.cache.done(key)
	var lost error // a reply was: whatever comes after, the update may have been committed
	for try := 0; ; try++ {
		began := r.now()
		var last Change
		v, err := r.store.Update(ctx, key, func(v View) (Change, error) {
			last = Change{}
			if err := r.own(key, v.Roster); err != nil {
				return Change{}, err
			}
			c, err := change(v, try)
			last = c
			return c, err
		})
		r.stats.updates.Add(1)
		if err == nil {
			r.committed(v, began, since, last)
			r.cutGone(v) // what an earlier try, or another node, ended is in no event of this one
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

// committed applies an update's result to this node. One that changed nothing may
// have been anybody's: what it read is not kept, but nothing older is believed.
func (r *Registry) committed(v View, began instant, since uint64, c Change) {
	switch {
	case c.Erase:
		r.cache.drop(v.Key)
		return
	case v.Roster == nil:
		return
	}
	r.cache.changed(v.Key, v.Version)
	if c.Roster == nil {
		return
	}
	r.cache.keep(v, began, since)
	r.cutEnded(v.Key, c.Events)
}

// noAnswer is the error of a store that failed. What the caller's context says,
// and what is wrong with a record or a change, stays what it is.
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

// unclear is the error of what came to nothing after a reply had been lost: that
// nothing was done would be too much to say.
func unclear(err error) error {
	if errors.Is(err, ErrStoreUnavailable) {
		return fmt.Errorf("%w: %v", ErrUnknownOutcome, err)
	}
	return err
}

// sessions lists seats for people, the newest first.
func sessions(seats []Seat) []Session {
	out := make([]Session, len(seats))
	for i, s := range seats {
		out[len(seats)-1-i] = s.Session
	}
	return out
}
