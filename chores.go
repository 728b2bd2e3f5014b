package oneseat

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	choreWorkers = 2
	choreQueue   = 1024
	sweepEvery   = time.Minute
	sweepPage    = 100
)

// chore is a small write that nobody waits for: a touch, or the note that an
// ended session is still being used, which is made at most once an hour (REV-08).
type chore struct {
	claim
	used bool
}

// chores queues chores, each at most once. When the queue is full a chore is
// dropped: the next check asks for it again.
type chores struct {
	queue chan chore // closed by nobody; its readers end with the registry

	mu      sync.Mutex
	pending map[chore]struct{}
}

func (c *chores) init() {
	c.queue = make(chan chore, choreQueue)
	c.pending = make(map[chore]struct{})
}

func (c *chores) add(x chore) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.pending[x]; ok {
		return
	}
	select {
	case c.queue <- x:
		c.pending[x] = struct{}{}
	default:
	}
}

func (c *chores) finished(x chore) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pending, x)
}

// work does chores until the registry is closed.
func (r *Registry) work() {
	for {
		select {
		case <-r.life.Done():
			return
		case x := <-r.chores.queue:
			err := r.do(r.life, x)
			if err != nil && !errors.Is(err, ErrNoSession) && r.life.Err() == nil {
				r.log.Warn("a background update failed; the next check asks for it again", "error", err)
			}
			r.chores.finished(x)
		}
	}
}

// do does a chore, and nothing else. It settles nothing: that takes the realm's
// epoch, and the one in memory may be one that the store has lost.
func (r *Registry) do(ctx context.Context, x chore) error {
	if !x.used {
		r.stats.touches.Add(1)
	}
	_, err := r.update(ctx, x.key, func(v View, _ int) (Change, error) {
		if v.Roster == nil {
			return Change{}, nil
		}
		ro := *v.Roster
		if x.used {
			if e, ok := ro.used(v, x.secret); ok {
				return ro.commit(v, []Event{e}, r.rule), nil
			}
			return Change{}, nil
		}
		if i := ro.seat(x.id); i >= 0 {
			if _, over := ro.Seats[i].timeout(v.Now, r.rule); !over && ro.touch(x.id, v.Now, r.config.TouchEvery) {
				return ro.commit(v, nil, r.rule), nil
			}
		}
		return Change{}, nil
	})
	return err
}

// seen notes the use of a live session: a touch in the background, if one is
// due. It returns false when the idle deadline is so near that the touch has to
// come before the answer.
func (r *Registry) seen(key Key, s *Seat, at time.Time) bool {
	every := r.config.TouchEvery
	if s.Parent != "" { // a stream is kept by its heartbeats
		return true
	}
	if at.Before(s.LastSeen.Add(every)) {
		return true
	}
	if r.rule.Idle > 0 && !at.Before(s.LastSeen.Add(r.rule.Idle-every)) {
		return false
	}
	r.chores.add(chore{claim: claim{key: key, id: s.ID}})
	return true
}

// touch moves a session's last-seen forward before the check of it is answered.
// If the session has ended, or times out at this moment, that is recorded and
// returned instead.
func (r *Registry) touch(ctx context.Context, key Key, id SessionID, epoch uint64) (Session, error) {
	r.stats.touches.Add(1)
	v, err := r.update(ctx, key, func(v View, _ int) (Change, error) {
		if v.Roster == nil {
			return Change{}, nil
		}
		ro, events := v.settled(v.Roster.Realm, v.Roster.Account, epoch, r.rule)
		if ro.touch(id, v.Now, r.config.TouchEvery) {
			return ro.commit(v, events, r.rule), nil
		}
		return v.changeIf(ro, events, r.rule), nil
	})
	if err != nil {
		return Session{}, err
	}
	switch found := (claim{id: id}).in(v.Roster, v.Now); {
	case found.seat != nil:
		return found.seat.Session, nil
	case found.ending != nil:
		return Session{}, &EndedError{found.ending.Ending}
	}
	return Session{}, ErrNoSession
}

// settle records what has timed out in a roster and drops what was kept long
// enough.
func (r *Registry) settle(ctx context.Context, key Key, epoch uint64) (View, error) {
	return r.update(ctx, key, func(v View, _ int) (Change, error) {
		if v.Roster == nil {
			return Change{}, nil
		}
		ro, events := v.settled(v.Roster.Realm, v.Roster.Account, epoch, r.rule)
		return v.changeIf(ro, events, r.rule), nil
	})
}

// sweep settles what is due, once a minute or so, until the registry is closed.
// Nothing waits for it: what has timed out counts as gone before.
func (r *Registry) sweep() {
	for {
		wait := time.NewTimer(sweepEvery/2 + rand.N(sweepEvery))
		select {
		case <-r.life.Done():
			wait.Stop()
			return
		case <-wait.C:
		}
		if err := r.sweepOnce(r.life); err != nil && r.life.Err() == nil {
			r.log.Warn("sweeping stopped; it begins again in a minute", "error", err)
		}
	}
}

func (r *Registry) sweepOnce(ctx context.Context) error {
	_, control, err := r.look(ctx, r.control)
	if err != nil {
		return err
	}
	var bad []error // rosters that cannot be read; the others are no worse for it
	seen := make(map[Key]struct{})
	stuck := 0 // of the keys, those that are still called due
	for {
		limit := sweepPage + stuck
		keys, err := r.store.Due(ctx, r.config.Realm, limit)
		if err != nil {
			return r.noAnswer(err)
		}
		fresh := 0
		for _, k := range keys {
			if _, ok := seen[k]; ok {
				continue
			}
			seen[k] = struct{}{}
			fresh++
			_, err := r.settle(ctx, k, control.Roster.epoch())
			if _, format := errors.AsType[*FormatError](err); format {
				bad = append(bad, err)
			} else if err != nil && !errors.Is(err, ErrNoSession) {
				return err
			}
		}
		if stuck = len(keys) - fresh; fresh == 0 || len(keys) < limit {
			return errors.Join(bad...)
		}
	}
}
