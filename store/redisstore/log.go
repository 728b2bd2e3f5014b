package redisstore

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"

	"github.com/oneseat/oneseat"
	"github.com/redis/rueidis"
)

// page is how many entries Changes reads at a time.
const page = 512

// point is a place in a log: its incarnation, and the position of an entry.
type point struct {
	incarnation string
	at          uint64
}

func readPoint(text string) (p point, ok bool) {
	incarnation, at, ok := cutLast(text, ".")
	if !ok {
		return p, false
	}
	p.incarnation = incarnation
	var err error
	p.at, err = strconv.ParseUint(at, 10, 64)
	return p, err == nil && p.String() == text // spelt in one way only
}

func cutLast(s, sep string) (before, after string, ok bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func (p point) String() string { return p.incarnation + "." + strconv.FormatUint(p.at, 10) }

// logged is an entry of a stream as it was read.
type logged struct {
	at, after uint64 // its position, and that of the entry before it
	entry     string
}

// Changes implements [oneseat.Store]. An entry that somebody has made unreadable
// is left out, and a gap.
func (s *Store) Changes(ctx context.Context, partition int, after oneseat.Cursor) (oneseat.Tail, error) {
	if err := s.begin(ctx); err != nil {
		return oneseat.Tail{}, err
	}
	t, err := s.tail(ctx, partition, after)
	return t, s.explain(ctx, err)
}

func (s *Store) tail(ctx context.Context, p int, after oneseat.Cursor) (oneseat.Tail, error) {
	from, ok := readPoint(string(after))
	b := s.client.B()
	short, cancel := s.trip(ctx)
	defer cancel()
	// The head first: what it knew of is in what is read next, or is lost.
	answers := s.client.DoMulti(short, b.Get().Key(s.names.head(p)).Build(),
		b.Xrange().Key(s.names.log(p)).Start("("+strconv.FormatUint(from.at, 10)+"-0").End("+").Count(page).Build())
	head, begun, err := s.readHead(p, answers[0])
	if err == nil && !begun {
		head, err = s.beginLog(short, p)
	}
	if err != nil {
		return oneseat.Tail{}, err
	}
	elsewhere := oneseat.Tail{Cursor: oneseat.Cursor(head.String()), End: true, Gap: after != ""}
	if !ok || from.incarnation != head.incarnation || from.at > head.at {
		return elsewhere, nil
	}
	entries, err := answers[1].ToArray()
	if err != nil {
		return oneseat.Tail{}, err
	}
	t := oneseat.Tail{Entries: make([]oneseat.Entry, 0, len(entries)), End: len(entries) < page}
	last := from
	for _, m := range entries {
		l, err := readLogged(m)
		if err != nil {
			return oneseat.Tail{}, s.failed(Foreign, fmt.Errorf("%s: %w", s.names.log(p), err))
		}
		e, err := readEntry(l.entry)
		if l.after != last.at || err != nil {
			t.Gap = true
		}
		if err == nil {
			t.Entries = append(t.Entries, e)
		}
		last.at = l.at
	}
	if t.End && last.at < head.at {
		last, t.Gap = head, true
	}
	t.Cursor = oneseat.Cursor(last.String())
	return t, nil
}

// readHead reads the head of a log; begun is false if there is none.
func (s *Store) readHead(p int, answer rueidis.RedisResult) (head point, begun bool, err error) {
	text, err := answer.ToString()
	if rueidis.IsRedisNil(err) {
		return head, false, nil
	}
	if err != nil {
		return head, false, err
	}
	head, ok := readPoint(text)
	if !ok {
		return head, false, s.failed(Foreign, fmt.Errorf("%s holds %.64q", s.names.head(p), text))
	}
	return head, true, nil
}

// beginLog makes the head of a log that has none, so that there is a cursor from
// which nothing will be missed. The first commit would do it too.
func (s *Store) beginLog(ctx context.Context, p int) (point, error) {
	b := s.client.B()
	left, err := s.client.Do(ctx, b.Xrevrange().Key(s.names.log(p)).End("+").Start("-").Count(1).Build()).ToArray()
	if err != nil {
		return point{}, err
	}
	first := point{incarnation: rand.Text()}
	for _, m := range left {
		l, err := readLogged(m)
		if err != nil {
			return point{}, s.failed(Foreign, fmt.Errorf("%s: %w", s.names.log(p), err))
		}
		first.at = l.at
	}
	err = s.client.Do(ctx, b.Set().Key(s.names.head(p)).Value(first.String()).Nx().Build()).Error()
	if err == nil {
		return first, nil
	}
	if !rueidis.IsRedisNil(err) {
		return point{}, err
	}
	head, begun, err := s.readHead(p, s.client.Do(ctx, b.Get().Key(s.names.head(p)).Build()))
	if err == nil && !begun {
		err = fmt.Errorf("%s comes and goes", s.names.head(p))
	}
	return head, err
}

// readLogged reads an entry of a stream, as commit.lua writes it.
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
	if err != nil || len(fields) != 4 {
		return l, errEntry
	}
	at, _ := strings.CutSuffix(id, "-0")
	if l.at, err = strconv.ParseUint(at, 10, 64); err != nil {
		return l, errEntry
	}
	after, err := fields[1].ToString()
	if err != nil {
		return l, errEntry
	}
	if l.after, err = strconv.ParseUint(after, 10, 64); err != nil {
		return l, errEntry
	}
	l.entry, err = fields[3].ToString()
	return l, err
}
