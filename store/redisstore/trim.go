package redisstore

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"strconv"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/redis/rueidis"
)

const (
	// keepEvents is how long events are kept. Where a log has more entries than
	// keepEntries, the oldest ones may go earlier.
	keepEvents = 30 * 24 * time.Hour
	// trimBite is how much older than keepEvents the oldest events become before a node
	// deletes them. So about once a day one node writes.
	trimBite = 24 * time.Hour
	// trimEvery is how often a store looks for old events.
	trimEvery = time.Hour
	// readWithin is the time that readers get to reach an entry that says nothing.
	readWithin = 10 * time.Minute
)

// trimNow reports whether it is time to look for old events.
func (s *Store) trimNow() bool {
	last, now := s.trimmed.Load(), time.Since(s.began)
	return (last == 0 || now-time.Duration(last) >= trimEvery) && s.trimmed.CompareAndSwap(last, int64(max(now, 1)))
}

// trim deletes what is too old from the log of a partition. now is the server's time in
// microseconds, as the ids of entries are. A node that reads the log stands at the newest
// entry, which may be too old itself. If so, trim only adds an entry that says nothing.
// It deletes the old entries the next time, when the readers stand at the added entry and
// notice no gap.
//
// It reports no error. What could not be deleted waits for the next time, and the next
// call reports what is wrong with the server.
func (s *Store) trim(ctx context.Context, p int, now int64) {
	short, cancel := s.trip(ctx)
	defer cancel()
	b, log := s.client.B(), s.names.log(p)
	id := func(at int64) string { return strconv.FormatInt(at, 10) + "-0" }
	old := now - keepEvents.Microseconds()
	answers := s.client.DoMulti(short,
		b.Xrange().Key(log).Start("-").End(id(old-trimBite.Microseconds())).Count(3).Build(), // two may say nothing
		b.Xrevrange().Key(log).End("+").Start("-").Count(1).Build())
	oldest, err := s.readList(p, answers[0])
	if err != nil || !anyEvents(oldest) {
		return
	}
	newest, err := s.readList(p, answers[1])
	if err != nil || len(newest) == 0 || !anyEvents(newest) && newest[0].at > uint64(now-readWithin.Microseconds()) {
		return
	}
	var random [8]byte
	_, _ = rand.Read(random[:]) // it never fails
	nothing := rueidis.BinaryString(appendEntry(nil, oneseat.Entry{Version: binary.BigEndian.Uint64(random[:])}))
	add := b.Xadd().Key(log).Id(id(now)).FieldValue().FieldValue("e", nothing).Build()
	if newest[0].at >= uint64(old) {
		add = b.Xadd().Key(log).Minid().Exact().Threshold(id(old)).Id(id(now)).FieldValue().FieldValue("e", nothing).Build()
	}
	_ = s.client.Do(short, add).Error() // refused if there is a newer entry, as when the clock was set back
}

// anyEvents reports whether one of some entries is about an account.
func anyEvents(entries []logged) bool {
	for _, l := range entries {
		if k, _, ok := readHead(l.entry); !ok || k != (oneseat.Key{}) {
			return true
		}
	}
	return false
}
