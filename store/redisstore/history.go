package redisstore

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"

	"github.com/oneseat/oneseat"
)

// Rosters implements [oneseat.History].
func (s *Store) Rosters(ctx context.Context, q oneseat.RosterQuery) ([]oneseat.View, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	limit := oneseat.PageLimit(q.Limit)
	from, to := "-", "+"
	if first := max(q.After+"\x00", q.Prefix); first != "\x00" { // the first text after After
		from = "[" + first
	}
	if last, ok := beyond(q.Prefix); ok {
		to = "(" + last
	}
	var lists [partitions][]string
	err := each(everywhere(), func(p int) (err error) {
		short, cancel := s.trip(ctx)
		defer cancel()
		lists[p], err = s.client.Do(short, s.client.B().Zrange().Key(s.names.accounts(p, q.Realm)).Min(from).Max(to).
			Bylex().Limit(0, int64(limit)).Build()).AsStrSlice()
		return err
	})
	if err != nil {
		return nil, s.explain(ctx, err)
	}
	accounts := slices.Concat(lists[:]...)
	slices.Sort(accounts)
	accounts = accounts[:min(limit, len(accounts))]
	keys := make([]oneseat.Key, len(accounts))
	for i, a := range accounts {
		keys[i] = oneseat.KeyOf(q.Realm, a)
	}
	views, err := s.Load(ctx, keys...)
	// One may have been erased meanwhile.
	return slices.DeleteFunc(views, func(v oneseat.View) bool { return v.Roster == nil }), err
}

// beyond is the first text that comes after all that begin with prefix, if there
// is one.
func beyond(prefix string) (string, bool) {
	b := []byte(prefix)
	for n := len(b); n > 0; n-- {
		if b[n-1] < 0xff {
			b[n-1]++
			return string(b[:n]), true
		}
	}
	return "", false
}

// Events implements [oneseat.History]. It knows what the log still has. With an
// account it reads one partition of it at most, otherwise all.
func (s *Store) Events(ctx context.Context, q oneseat.EventQuery) ([]oneseat.Record, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	where := everywhere()
	if q.Account != "" {
		where = []int{oneseat.KeyOf(q.Realm, q.Account).Partition(partitions)}
	}
	var lists [partitions][]oneseat.Record
	err := each(where, func(p int) (err error) {
		lists[p], err = s.eventsOf(ctx, p, q)
		return err
	})
	if err != nil {
		return nil, s.explain(ctx, err)
	}
	all := slices.Concat(lists[:]...)
	slices.SortFunc(all, func(a, b oneseat.Record) int { return cmp.Compare(b.Seq, a.Seq) })
	return all[:min(oneseat.PageLimit(q.Limit), len(all))], nil
}

// eventsOf reads the newest events that a query asks for from one partition.
func (s *Store) eventsOf(ctx context.Context, p int, q oneseat.EventQuery) (found []oneseat.Record, err error) {
	var key oneseat.Key
	if q.Account != "" {
		key = oneseat.KeyOf(q.Realm, q.Account)
	}
	limit := oneseat.PageLimit(q.Limit)
	entries, upTo, err := s.newest(ctx, p, q.Before)
	for err == nil && len(found) < limit {
		for _, l := range entries {
			if k, _, ok := readHead(l.entry); !ok || q.Account != "" && k != key {
				continue
			}
			e, err := readEntry(l.entry)
			if err != nil {
				continue // Changes announces it
			}
			for i, ev := range slices.Backward(e.Events) {
				// Unlike in every other partition, and rising in this one.
				seq := (l.at-uint64(len(e.Events)-1-i))*partitions + uint64(p)
				if ev.Realm == q.Realm && (q.Account == "" || ev.Account == q.Account) &&
					(q.Session == "" || ev.Session == q.Session) && (q.Before == 0 || seq < q.Before) {
					found = append(found, oneseat.Record{Seq: seq, Event: ev})
				}
			}
		}
		if upTo == "" {
			break
		}
		entries, upTo, err = s.before(ctx, p, upTo)
	}
	return found[:min(limit, len(found))], err
}

// newest reads where the events before a Seq begin: with the entry that may
// have events on both sides of it.
func (s *Store) newest(ctx context.Context, p int, before uint64) (entries []logged, upTo string, err error) {
	if before == 0 {
		return s.before(ctx, p, "+")
	}
	at := min(before/partitions, math.MaxInt64)
	b := s.client.B()
	short, cancel := s.trip(ctx)
	defer cancel()
	from := strconv.FormatUint(at, 10)
	entries, err = s.readList(p, s.client.Do(short, b.Xrange().Key(s.names.log(p)).Start("("+from+"-0").End("+").Count(1).Build()))
	return entries, from + "-0", err
}

// before reads a page of entries, the newest first, up to an id, and the id up
// to which the next page is; "" when there is none.
func (s *Store) before(ctx context.Context, p int, upTo string) (entries []logged, next string, err error) {
	b := s.client.B()
	short, cancel := s.trip(ctx)
	defer cancel()
	entries, err = s.readList(p, s.client.Do(short, b.Xrevrange().Key(s.names.log(p)).End(upTo).Start("-").Count(page).Build()))
	if err == nil && len(entries) == page {
		next = "(" + strconv.FormatUint(entries[page-1].at, 10) + "-0"
	}
	return entries, next, err
}
