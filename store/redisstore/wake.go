package redisstore

import (
	"context"
	"errors"
	"math/bits"
	"strconv"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/redis/rueidis"
)

// tell makes the announcer tell other nodes that a partition has something new.
func (s *Store) tell(p int) {
	s.fresh.Or(1 << p)
	s.commits.Add(1)
	select {
	case s.unsaid <- struct{}{}:
	default: // full: the announcer will look in any case
	}
}

// announce is the goroutine that publishes which partitions have something new. One
// message names the partitions of all commits since the last message. After many
// commits it waits a little, because every message makes every node read the log.
// So on an idle node a commit is announced at once, and a busy node does not flood
// the others. It runs from New to Close. If a message is lost, nodes read the log a
// little later.
func (s *Store) announce() {
	broken := false
	for {
		select {
		case <-s.unsaid:
		case <-s.life.Done():
			return
		}
		told := s.commits.Swap(0)
		b := s.client.B()
		ctx, cancel := s.trip(s.life)
		err := s.client.Do(ctx, b.Publish().Channel(s.names.wake()).Message(strconv.FormatUint(s.fresh.Swap(0), 16)).Build()).Error()
		cancel()
		if err != nil && !broken && s.life.Err() == nil {
			s.log.Warn("redisstore: commits of this node cannot be announced; other nodes find them when they next read the log", "error", s.explain(s.life, err))
		}
		if broken = err != nil; broken {
			s.pause(100 * time.Millisecond) // after a failure the next try may wait
		} else if told > 4 {
			s.pause(min(time.Duration(told)*100*time.Microsecond, 5*time.Millisecond))
		}
	}
}

// pause waits. It returns at once when the store is closed.
func (s *Store) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.life.Done():
	}
}

// Wake implements [oneseat.Store]. It calls wake for every partition when it begins
// to listen, and then shortly after each commit. wake must not block.
func (s *Store) Wake(ctx context.Context, wake func(partition int)) error {
	s.mu.Lock()
	err := s.begin(ctx)
	if err == nil {
		s.running.Add(1)
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	defer s.running.Done()
	listening, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(s.life, stop)()

	const all = 1<<partitions - 1
	tell := func(fresh uint64) {
		for ; fresh != 0; fresh &= fresh - 1 {
			if p := bits.TrailingZeros64(fresh); p < partitions {
				wake(p)
			}
		}
	}
	hooked := rueidis.WithOnSubscriptionHook(listening, func(rueidis.PubSubSubscription) { tell(all) })
	err = s.client.Receive(hooked, s.client.B().Subscribe().Channel(s.names.wake()).Build(), func(m rueidis.PubSubMessage) {
		fresh, err := strconv.ParseUint(m.Message, 16, 64)
		if err != nil {
			fresh = all // a message of unknown form: something is new somewhere
		}
		tell(fresh)
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case s.life.Err() != nil:
		return oneseat.ErrStoreClosed
	case err == nil:
		err = errors.New("the server ended the subscription")
	}
	return s.explain(ctx, err)
}
