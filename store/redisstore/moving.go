package redisstore

import (
	"context"
	_ "embed"
	"slices"
	"strconv"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/redis/rueidis"
)

// While a cluster moves a slot, the server that had it answers for the keys that it
// still has, and the client asks the other server for all other keys. So a command
// with one key always works. A command with several keys gets TRYAGAIN if they are
// not on one server, and also if one of them does not exist: of an account that is
// new there is no roster, and of a realm without deadlines there is no index of what
// is due. What got TRYAGAIN has done nothing.

//go:embed moving.lua
var movingLua string

// movingScript is commitScript for the keys of a slot that moves.
var movingScript = rueidis.NewLuaScript(movingLua + commitLua)

const (
	// moveTrips is how long a commit waits for its keys to be on one server, as a
	// multiple of Options.Timeout.
	moveTrips = 5

	longestPause = 100 * time.Millisecond // between two tries
)

// moving reports whether Redis refused a command because the slot of its keys is
// moving.
func moving(err error) bool {
	e, answered := rueidis.IsRedisErr(err)
	return answered && e.IsTryAgain()
}

// runCommit runs commit.lua. If the slot of the keys is moving, it waits until they are
// on one server. If that takes too long, the answer is TRYAGAIN.
func (s *Store) runCommit(ctx context.Context, keys, args []string) (rueidis.RedisMessage, error) {
	short, cancel := s.trip(ctx)
	answer, err := commitScript.Exec(short, s.client, keys, args).ToMessage()
	cancel()
	if !moving(err) {
		return answer, err
	}
	within, cancel := context.WithTimeout(ctx, moveTrips*s.timeout)
	defer cancel()
	var declared, rest []string
	for try, pause := 0, time.Millisecond; ; try, pause = try+1, min(2*pause, longestPause) {
		// Many may wait, so they do not ask each time. But what did not exist a while
		// ago may exist now, and on another server.
		if try%4 == 0 || len(declared) < len(keys) {
			exist, failed := s.whichExist(within, keys)
			switch {
			case within.Err() != nil:
				return answer, err
			case failed != nil:
				return answer, notSent{failed}
			}
			declared, rest = declare(keys, args, exist)
		}
		short, cancel := s.trip(within)
		answer, err = movingScript.Exec(short, s.client, declared, rest).ToMessage()
		cancel()
		if !moving(err) {
			return answer, err
		}
		select {
		case <-time.After(pause):
		case <-within.Done():
			return answer, err
		case <-s.life.Done():
			return answer, err
		}
	}
}

// whichExist returns for each key whether it exists, on either server. A key that
// does not exist is not made on the server that the slot leaves.
func (s *Store) whichExist(ctx context.Context, keys []string) ([]bool, error) {
	short, cancel := s.trip(ctx)
	defer cancel()
	ask := make(rueidis.Commands, len(keys))
	for i, k := range keys {
		ask[i] = s.client.B().Exists().Key(k).Build()
	}
	exist := make([]bool, len(keys))
	for i, answer := range s.client.DoMulti(short, ask...) {
		n, err := answer.AsInt64()
		if err != nil {
			return nil, err
		}
		exist[i] = n > 0
	}
	return exist, nil
}

// declare returns the keys and arguments of moving.lua: keys and args are those of
// commit.lua.
func declare(keys, args []string, exist []bool) (declared, rest []string) {
	names := slices.Clone(keys)
	for i, k := range keys {
		if exist[i] {
			declared = append(declared, k)
		}
	}
	if declared == nil {
		declared = keys[:1] // of one key Redis does not ask that it exists
	}
	read, value, due := args[0], args[2], args[3]
	if (due == "" || due == "=") && !exist[2] {
		names[2] = "" // nothing has to be removed from it, or changed
	}
	if read != "" && value != "" && !exist[3] {
		names[3] = "" // only a roster that is new or is erased needs the floor
	}
	return declared, append(append(slices.Clone(args), names...), strconv.Itoa(len(names)))
}

// readEach reads what MGET would read of a partition that is moving: the floor, the
// rosters, and the time of the server that the slot leaves. It reads the floor last:
// an erased roster that is not seen any more has raised it.
func (s *Store) readEach(ctx context.Context, p int, keys []oneseat.Key) (values []rueidis.RedisMessage, t rueidis.RedisResult, err error) {
	b := s.client.B()
	ask := make(rueidis.Commands, 0, len(keys)+1)
	for _, k := range keys {
		ask = append(ask, b.Get().Key(s.names.roster(k)).Build())
	}
	rosters := s.client.DoMulti(ctx, append(ask, b.Time().Build())...)
	floor := s.client.Do(ctx, b.Get().Key(s.names.floor(p)).Build())
	values = make([]rueidis.RedisMessage, 0, len(keys)+1)
	for _, answer := range append([]rueidis.RedisResult{floor}, rosters[:len(keys)]...) {
		m, err := answer.ToMessage()
		if err != nil && !rueidis.IsRedisNil(err) {
			return nil, t, err
		}
		values = append(values, m)
	}
	return values, rosters[len(keys)], nil
}
