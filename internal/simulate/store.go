package simulate

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/canaries"
	"github.com/oneseat/oneseat/internal/record"
)

// store is the simulated store: what is committed, and its log. The world's lock guards
// it, and its methods take no time. The link decides how long a call takes and what
// becomes of it.
type store struct {
	clock  func() time.Time
	rows   map[oneseat.Key]row
	floor  uint64 // the highest version that was erased
	name   int    // the log's incarnation
	logs   []tail
	backup *backup
}

type row struct {
	roster  *oneseat.Roster
	record  *record.Record // what the ledger sees of it
	version uint64
}

// tail is one partition of the log.
type tail struct {
	entries []oneseat.Entry
	dropped int // entries that were cut from the front
}

type backup struct {
	rows  map[oneseat.Key]row
	floor uint64
	logs  []tail
}

func newStore(partitions int, clock func() time.Time) *store {
	return &store{clock: clock, rows: make(map[oneseat.Key]row), logs: make([]tail, partitions), name: 1}
}

func (s *store) view(k oneseat.Key) oneseat.View {
	v := oneseat.View{Key: k, Version: s.floor}
	if r, ok := s.rows[k]; ok {
		v.Roster, v.Version = r.roster, r.version
	}
	return v.At(s.clock())
}

// write commits a change that was made for a view, unless another came in between, or
// too much time has passed.
func (s *store) write(v oneseat.View, c oneseat.Change) (after oneseat.View, ok bool) {
	canaries.Seen("event", c.Events)
	canaries.Stored(c.Roster)
	now := s.view(v.Key)
	if (now.Roster == nil) != (v.Roster == nil) || now.Version != v.Version || s.clock().Sub(v.Now) > oneseat.MaxUpdateAge {
		return oneseat.View{}, false
	}
	switch {
	case c.Erase:
		s.floor = max(s.floor, v.Version)
		delete(s.rows, v.Key)
		v.Roster, v.Version = nil, s.floor
	case c.Roster != nil:
		v.Roster, v.Version = c.Roster, v.Next()
		s.rows[v.Key] = row{v.Roster, record.Of(v.Roster), v.Version}
		if len(c.Events) > 0 {
			l := &s.logs[v.Key.Partition(len(s.logs))]
			l.entries = append(l.entries, oneseat.Entry{Key: v.Key, Version: v.Version, Events: c.Events})
		}
	}
	return v, true
}

// changes reads at most "most" entries after a cursor. It returns a cursor from which
// the last ones, "again" in number, come again.
func (s *store) changes(partition int, after oneseat.Cursor, most, again int) oneseat.Tail {
	l := &s.logs[partition]
	end := l.dropped + len(l.entries)
	if after == "" {
		return oneseat.Tail{Cursor: s.cursor(end), End: true}
	}
	name, place, _ := strings.Cut(string(after), ".")
	at, err := strconv.Atoi(place)
	if err != nil || name != strconv.Itoa(s.name) || at < l.dropped || at > end {
		return oneseat.Tail{Cursor: s.cursor(end), End: true, Gap: true}
	}
	to := min(end, at+most)
	return oneseat.Tail{
		Entries: slices.Clone(l.entries[at-l.dropped : to-l.dropped]),
		Cursor:  s.cursor(max(to-again, min(at, to), l.dropped)), End: to == end,
	}
}

func (s *store) cursor(at int) oneseat.Cursor {
	return oneseat.Cursor(strconv.Itoa(s.name) + "." + strconv.Itoa(at))
}

func (s *store) due(realm string, limit int) []oneseat.Key {
	now := s.clock()
	var keys []oneseat.Key
	for k, r := range s.rows {
		if due := r.roster.Due; r.roster.Realm == realm && !due.IsZero() && !due.After(now) {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b oneseat.Key) int {
		return s.rows[a].roster.Due.Compare(s.rows[b].roster.Due)
	})
	return keys[:min(limit, len(keys))]
}

// trim drops all but the newest entries of the log.
func (s *store) trim(keep int) {
	for i := range s.logs {
		l := &s.logs[i]
		if cut := len(l.entries) - keep; cut > 0 {
			l.entries = slices.Clone(l.entries[cut:])
			l.dropped += cut
		}
	}
}

// rename begins another log.
func (s *store) rename() {
	s.name++
	s.logs = make([]tail, len(s.logs))
}

func (s *store) save() {
	b := &backup{rows: maps.Clone(s.rows), floor: s.floor, logs: slices.Clone(s.logs)}
	for i := range b.logs {
		b.logs[i].entries = slices.Clone(b.logs[i].entries)
	}
	s.backup = b
}

// restore brings the backup back. With sameLog the log keeps its name, which is right
// only when nobody reads it.
func (s *store) restore(sameLog bool) {
	s.rows, s.floor, s.logs = s.backup.rows, s.backup.floor, s.backup.logs
	if !sameLog {
		s.name++
	}
}
