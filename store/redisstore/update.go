package redisstore

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"sync"
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
// time another node has written the roster in between. An update that waited while
// another one of this process was committed begins with the roster that the other one
// left, and takes one round trip. change runs on the caller's goroutine.
//
// If ctx ends after the commit was sent, the outcome is unknown.
func (s *Store) Update(ctx context.Context, key oneseat.Key, change func(oneseat.View) (oneseat.Change, error)) (oneseat.View, error) {
	if err := s.begin(ctx); err != nil {
		return oneseat.View{}, err
	}
	turn, err := s.turns.Take(ctx, key)
	if err != nil {
		return oneseat.View{}, err
	}
	defer turn.Give()
	h, read := turn.Left()
	if !read {
		turn.Begin()
		h, err = s.loadOne(ctx, key)
	}
	for {
		if err != nil {
			return oneseat.View{}, s.explain(ctx, err)
		}
		if !read {
			turn.Leave(h)
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
		turn.Begin()
		v, found, made, err := s.commit(ctx, h, c)
		if err != nil {
			return oneseat.View{}, err
		}
		if made {
			if v.Roster != nil {
				turn.Leave(found)
			}
			return v, nil
		}
		h, read = found, false
	}
}

// commit writes the change c of what was read, and returns what is stored then. It
// writes nothing if another node has written the roster since, or if the read is too
// old; then it returns only what it found.
func (s *Store) commit(ctx context.Context, h held, c oneseat.Change) (v oneseat.View, found held, made bool, err error) {
	v = h.View
	ro := c.Roster
	v.Roster = ro
	if c.Erase {
		ro = h.Roster
	} else {
		v.Version = h.Next()
	}
	w := writers.Get().(*writer)
	w.clear()
	var read, value, due, entry string
	if h.Roster != nil {
		w.b = appendVersion(w.b, h.Version)
		read = w.text()
	}
	if !c.Erase {
		w.b = appendVersion(w.b, v.Version)
		if w.b, err = ro.AppendJSON(w.b); err != nil {
			return oneseat.View{}, held{}, false, err
		}
		value = w.text()
		switch {
		case h.Roster != nil && h.Roster.Due.Equal(ro.Due):
			due = "="
		case !ro.Due.IsZero():
			due = w.number(min(ro.Due.UnixMicro(), 1<<53)) // the most that a score can hold exactly
		}
	}
	if len(c.Events) > 0 {
		w.b = appendEntry(w.b, oneseat.Entry{Key: h.Key, Version: v.Version, Events: c.Events})
		entry = w.text()
	}
	w.b = append(w.b, h.Key[:]...)
	key := w.text()
	p := h.Key.Partition(partitions)
	w.keys = append(w.keys, s.names.roster(h.Key), s.names.log(p), s.names.due(p, ro.Realm), s.names.floor(p))
	w.args = append(w.args, read, w.number(h.clock+oneseat.MaxUpdateAge.Microseconds()), value, due,
		key, strconv.Itoa(len(c.Events)), entry, keepEntries)
	sums := countFields(h.CountChanges(c))
	if (read == "" || c.Erase || sums != nil) && ro.Account != "" {
		w.keys = append(w.keys, s.names.accounts(p, ro.Realm), s.names.counts(p, ro.Realm))
		w.args = append(append(w.args, ro.Account), sums...)
	}
	answer, err := s.runCommit(ctx, w.keys, w.args)
	if err != nil {
		return oneseat.View{}, held{}, false, s.unsure(ctx, err)
	}
	size := len(value)
	writers.Put(w) // the client has sent all of it, because there is an answer
	if !answer.IsInt64() {
		found, err := s.conflict(h.Key, answer)
		return oneseat.View{}, found, false, s.explain(ctx, err)
	}
	clock, err := answer.ToInt64()
	if err != nil {
		return oneseat.View{}, held{}, false, s.unsure(ctx, err)
	}
	if v.Roster != nil {
		s.known.Add(h.Key, v.Roster, v.Version, size)
	}
	if len(c.Events) > 0 {
		s.tell(p)
	}
	return v.At(v.Now), held{v.At(clockTime(clock)), clock}, true, nil
}

// unsure returns the error of a commit. If it was not sent, or Redis refused it,
// nothing was done. If no answer came, the outcome is unknown.
func (s *Store) unsure(ctx context.Context, err error) error {
	_, unsent := errors.AsType[notSent](err)
	if _, refused := rueidis.IsRedisErr(err); refused || unsent || neverSent(err) {
		return s.explain(ctx, err)
	}
	return fmt.Errorf("%w: %w", oneseat.ErrUnknownOutcome, s.explain(ctx, err))
}

// notSent is an error of a commit that was not sent.
type notSent struct{ error }

func (e notSent) Unwrap() error { return e.error }

// conflict reads the answer of commit.lua when it has done nothing.
func (s *Store) conflict(k oneseat.Key, answer rueidis.RedisMessage) (held, error) {
	now, err := answer.ToArray()
	if err != nil {
		return held{}, err
	}
	if len(now) != 4 {
		return held{}, errors.New("the answer of the commit script has another form")
	}
	clock, err := readClock(now[2:])
	if err != nil {
		return held{}, err
	}
	return s.view(k, now[0], now[1], clock)
}

// writer has the memory of a commit. Its texts are parts of b, so nobody may use them
// when another commit uses the writer.
type writer struct {
	b          []byte
	from       int // where the next text begins
	keys, args []string
}

var writers = sync.Pool{New: func() any { return new(writer) }}

// mostKept is the size of a writer that is kept: a full roster is larger than that.
const mostKept = 32 << 10

func (w *writer) clear() {
	if cap(w.b) > mostKept {
		w.b = nil
	}
	clear(w.keys)
	clear(w.args)
	w.b, w.from, w.keys, w.args = w.b[:0], 0, w.keys[:0], w.args[:0]
}

// text returns what was appended since the last text.
func (w *writer) text() string {
	text := w.b[w.from:len(w.b):len(w.b)]
	w.from = len(w.b)
	return rueidis.BinaryString(text)
}

func (w *writer) number(n int64) string {
	w.b = strconv.AppendInt(w.b, n, 10)
	return w.text()
}

// appendVersion appends a version as 20 digits.
func appendVersion(b []byte, version uint64) []byte {
	const zeros = "00000000000000000000"
	var digits [len(zeros)]byte
	n := strconv.AppendUint(digits[:0], version, 10)
	return append(append(b, zeros[len(n):]...), n...)
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
