package redisstore

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/redis/rueidis"
)

//go:embed commit.lua
var commitLua string

var commitScript = rueidis.NewLuaScript(commitLua)

// keepEntries is the least number of updates that a partition's log keeps.
const keepEntries = "16384"

// held is a roster as it was read, and the server's time then.
type held struct {
	oneseat.View
	clock int64 // the server's time in microseconds
}

// Update implements [oneseat.Store]. It takes two round trips, and one more each
// time another node has written the roster in between.
//
// If ctx ends after the commit was sent, the outcome is unknown.
func (s *Store) Update(ctx context.Context, key oneseat.Key, change func(oneseat.View) (oneseat.Change, error)) (oneseat.View, error) {
	if err := s.begin(ctx); err != nil {
		return oneseat.View{}, err
	}
	give, err := s.turns.Take(ctx, key)
	if err != nil {
		return oneseat.View{}, err
	}
	defer give()
	h, err := s.loadOne(ctx, key)
	for {
		if err != nil {
			return oneseat.View{}, s.explain(ctx, err)
		}
		c, err := oneseat.RunChange(change, h.View)
		if err == nil {
			err = s.begin(ctx)
		}
		if err != nil {
			return oneseat.View{}, err
		}
		if c.Roster == nil && (!c.Erase || h.Roster == nil) {
			return h.View, nil
		}
		v, found, err := s.commit(ctx, h, c)
		if err != nil || found == nil {
			return v, err
		}
		h = *found
	}
}

// commit writes the change c of what was read. It writes nothing if another node
// has written the roster since, or if the read is too old; then it returns what is
// stored now.
func (s *Store) commit(ctx context.Context, h held, c oneseat.Change) (v oneseat.View, found *held, err error) {
	v = h.View
	ro, read, value, due, entry := c.Roster, "", "", "", ""
	if h.Roster != nil {
		read = spell(h.Version)
	}
	v.Roster = ro
	if c.Erase {
		ro = h.Roster
	} else {
		v.Version = h.Next()
		text, err := ro.MarshalJSON()
		if err != nil {
			return oneseat.View{}, nil, err
		}
		value = spell(v.Version) + rueidis.BinaryString(text)
		switch {
		case h.Roster != nil && h.Roster.Due.Equal(ro.Due):
			due = "="
		case !ro.Due.IsZero():
			due = strconv.FormatInt(min(ro.Due.UnixMicro(), 1<<53), 10) // the most that a score can hold exactly
		}
	}
	if len(c.Events) > 0 {
		entry = rueidis.BinaryString(appendEntry(nil, oneseat.Entry{Key: h.Key, Version: v.Version, Events: c.Events}))
	}
	p := h.Key.Partition(partitions)
	keys := []string{s.names.roster(h.Key), s.names.log(p), s.names.due(p, ro.Realm), s.names.floor(p)}
	args := []string{
		read, strconv.FormatInt(h.clock+oneseat.MaxUpdateAge.Microseconds(), 10), value, due,
		rueidis.BinaryString(h.Key[:]), strconv.Itoa(len(c.Events)), entry, keepEntries,
	}
	sums := countFields(h.CountChanges(c))
	if (read == "" || c.Erase || sums != nil) && ro.Account != "" {
		keys = append(keys, s.names.accounts(p, ro.Realm), s.names.counts(p, ro.Realm))
		args = append(append(args, ro.Account), sums...)
	}
	answer, err := s.runCommit(ctx, keys, args)
	if err != nil {
		return oneseat.View{}, nil, s.explain(ctx, err)
	}
	if err := answer.Error(); err != nil {
		return oneseat.View{}, nil, s.unsure(ctx, err)
	}
	if now, err := answer.ToArray(); err == nil {
		h, err := s.conflict(h.Key, now)
		if err != nil {
			return oneseat.View{}, nil, s.explain(ctx, err)
		}
		return oneseat.View{}, &h, nil
	}
	if v.Roster != nil {
		s.known.Add(h.Key, v.Roster, v.Version, len(value))
	}
	if len(c.Events) > 0 {
		s.tell(p)
	}
	return v.At(v.Now), nil, nil
}

// unsure returns the error of a commit. If Redis refused the commit, nothing was
// done. If no answer came, the outcome is unknown.
func (s *Store) unsure(ctx context.Context, err error) error {
	if _, refused := rueidis.IsRedisErr(err); refused || neverSent(err) {
		return s.explain(ctx, err)
	}
	return fmt.Errorf("%w: %w", oneseat.ErrUnknownOutcome, s.explain(ctx, err))
}

// conflict reads the answer of commit.lua when it has done nothing.
func (s *Store) conflict(k oneseat.Key, now []rueidis.RedisMessage) (held, error) {
	if len(now) != 4 {
		return held{}, errors.New("the answer of the commit script has another form")
	}
	clock, err := readClock(now[2:])
	if err != nil {
		return held{}, err
	}
	return s.view(k, now[0], now[1], clock)
}

// spell returns a version as 20 digits.
func spell(version uint64) string {
	const digits = 20
	b := make([]byte, 0, digits)
	n := strconv.AppendUint(b, version, 10)
	if len(n) == digits {
		return string(n)
	}
	padded := [digits]byte{}
	for i := range padded {
		padded[i] = '0'
	}
	copy(padded[digits-len(n):], n)
	return string(padded[:])
}

// readClock reads the answer to TIME.
func readClock(t []rueidis.RedisMessage) (micros int64, err error) {
	if len(t) != 2 {
		return 0, errors.New("the answer to TIME has another form")
	}
	seconds, err := t[0].AsInt64()
	if err == nil {
		micros, err = t[1].AsInt64()
	}
	return seconds*1_000_000 + micros, err
}

func clockTime(micros int64) time.Time { return time.UnixMicro(micros) }
