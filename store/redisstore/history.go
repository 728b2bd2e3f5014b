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
	// A roster may have been erased since its account was listed.
	return slices.DeleteFunc(views, func(v oneseat.View) bool { return v.Roster == nil }), err
}

// beyond returns the first text after all texts that begin with prefix. It returns
// false if there is none.
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

// Events implements [oneseat.History]. It finds what the log still holds. A query
// for one account reads one partition, any other query reads all.
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

// eventsOf returns the newest events of one partition that match a query.
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
				continue // Changes reports it as a gap
			}
			for i, ev := range slices.Backward(e.Events) {
				// It is unique over all partitions and rises within this one.
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

// newest reads the first page of the events before a Seq. It begins with the entry
// that may have events before and after that Seq.
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

// before returns a page of entries up to an id, the newest first, and the id up to
// which the next page goes. That id is "" when there is no next page.
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
