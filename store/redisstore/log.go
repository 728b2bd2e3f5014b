package redisstore

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/oneseat/oneseat"
	"github.com/redis/rueidis"
)

// page is how many entries Changes reads at a time.
const page = 512

// place is where a reader stands in a log: at an entry that it has read. If that
// entry is not there any more, something may be missing. Another log has no such
// entry, and nor has a log that lost its end.
type place struct {
	at, version uint64 // of that entry
}

func readPlace(c oneseat.Cursor) (p place, ok bool) {
	at, version, _ := strings.Cut(string(c), ".")
	var errs [2]error
	p.at, errs[0] = strconv.ParseUint(at, 10, 64)
	p.version, errs[1] = strconv.ParseUint(version, 10, 64)
	return p, errors.Join(errs[:]...) == nil
}

func (p place) cursor() oneseat.Cursor {
	return oneseat.Cursor(strconv.FormatUint(p.at, 10) + "." + strconv.FormatUint(p.version, 10))
}

// logged is an entry of the stream with its position.
type logged struct {
	at    uint64 // its position
	entry string
}

// Changes implements [oneseat.Store]. An entry that was made unreadable is left out
// and reported as a gap.
func (s *Store) Changes(ctx context.Context, partition int, after oneseat.Cursor) (oneseat.Tail, error) {
	if err := s.begin(ctx); err != nil {
		return oneseat.Tail{}, err
	}
	t, err := s.tail(ctx, partition, after)
	return t, s.explain(ctx, err)
}

func (s *Store) tail(ctx context.Context, p int, after oneseat.Cursor) (oneseat.Tail, error) {
	from, ok := readPlace(after)
	if !ok {
		return s.logEnd(ctx, p, after != "")
	}
	short, cancel := s.trip(ctx)
	defer cancel()
	answer := s.client.Do(short, s.client.B().Xrange().Key(s.names.log(p)).
		Start(strconv.FormatUint(from.at, 10)+"-0").End("+").Count(page+1).Build())
	list, err := s.readList(p, answer)
	if err != nil {
		return oneseat.Tail{}, err
	}
	if len(list) == 0 || list[0].place() != from {
		return s.logEnd(ctx, p, true)
	}
	list = list[1:]
	t := oneseat.Tail{Entries: make([]oneseat.Entry, 0, len(list)), End: len(list) < page}
	for _, l := range list {
		e, err := readEntry(l.entry)
		switch {
		case err != nil:
			t.Gap = true
		case e.Key != oneseat.Key{}: // else it only begins the log
			t.Entries = append(t.Entries, e)
		}
		from = l.place()
	}
	t.Cursor = from.cursor()
	return t, nil
}

// logEnd returns the end of a log. It begins the log if there is none.
func (s *Store) logEnd(ctx context.Context, p int, gap bool) (oneseat.Tail, error) {
	short, cancel := s.trip(ctx)
	defer cancel()
	b := s.client.B()
	for first := "1-0"; ; {
		last, err := s.readList(p, s.client.Do(short, b.Xrevrange().Key(s.names.log(p)).End("+").Start("-").Count(1).Build()))
		if err != nil {
			return oneseat.Tail{}, err
		}
		if len(last) > 0 {
			return oneseat.Tail{Cursor: last[0].place().cursor(), End: true, Gap: gap}, nil
		}
		var random [8]byte
		_, _ = rand.Read(random[:]) // it never fails
		nothing := appendEntry(nil, oneseat.Entry{Version: binary.BigEndian.Uint64(random[:])})
		err = s.client.Do(short, b.Xadd().Key(s.names.log(p)).Id(first).FieldValue().FieldValue("e", rueidis.BinaryString(nothing)).Build()).Error()
		if _, refused := rueidis.IsRedisErr(err); err != nil && !refused {
			return oneseat.Tail{}, err
		}
		if err == nil {
			continue
		}
		// Another node began the log first, or the stream was emptied.
		about, err := s.client.Do(short, b.XinfoStream().Key(s.names.log(p)).Build()).AsMap()
		if err != nil {
			return oneseat.Tail{}, err
		}
		id := about["last-generated-id"]
		newest, err := id.ToString()
		if err != nil {
			return oneseat.Tail{}, err
		}
		at, _, _ := strings.Cut(newest, "-")
		n, err := strconv.ParseUint(at, 10, 64)
		if err != nil {
			return oneseat.Tail{}, err
		}
		first = strconv.FormatUint(n+1, 10) + "-0"
	}
}

// readList returns the entries of an answer to XRANGE.
func (s *Store) readList(p int, answer rueidis.RedisResult) ([]logged, error) {
	messages, err := answer.ToArray()
	if err != nil {
		return nil, err
	}
	list := make([]logged, len(messages))
	for i, m := range messages {
		if list[i], err = readLogged(m); err != nil {
			return nil, s.failed(oneseat.FailureForeign, fmt.Errorf("%s: %w", s.names.log(p), err))
		}
	}
	return list, nil
}

// readLogged returns one entry of a stream, as commit.lua writes it.
func readLogged(m rueidis.RedisMessage) (l logged, err error) {
	pair, err := m.ToArray()
	if err != nil || len(pair) != 2 {
		return l, errEntry
	}
	id, err := pair[0].ToString()
	if err != nil {
		return l, errEntry
	}
	fields, err := pair[1].ToArray()
	if err != nil || len(fields) != 2 {
		return l, fmt.Errorf("%s has %d fields: %w", id, len(fields)/2, errEntry)
	}
	at, _ := strings.CutSuffix(id, "-0")
	if l.at, err = strconv.ParseUint(at, 10, 64); err != nil {
		return l, fmt.Errorf("%s: %w", id, errEntry)
	}
	l.entry, err = fields[1].ToString()
	return l, err
}

// id returns the entry's id in the stream.
func (l logged) id() string { return strconv.FormatUint(l.at, 10) + "-0" }

// place returns the place of an entry. For a foreign entry that is a place that no
// entry has.
func (l logged) place() place {
	_, version, _ := readHead(l.entry)
	return place{l.at, version}
}
