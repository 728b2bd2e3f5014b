package storetest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/record"
)

// realm is the realm of every test that does not need another.
const realm = "storetest"

type changeFunc = func(oneseat.View) (oneseat.Change, error)

func key(account string) oneseat.Key { return oneseat.KeyOf(realm, account) }

// digest returns a digest of its own for each n. It is never zero.
func digest(n int) record.Digest {
	d := record.Digest{0: 0xd1}
	for i := range 8 {
		d[31-i] = byte(n >> (8 * i))
	}
	return d
}

// roster returns an account's roster with these sessions.
func roster(account string, ids ...oneseat.SessionID) *oneseat.Roster {
	ro := &record.Record{Realm: realm, Account: account}
	for i, id := range ids {
		ro.Seats = append(ro.Seats, seat(id, time.UnixMicro(1_700_000_000_000_000+int64(i))))
	}
	return ro.Roster()
}

func seat(id oneseat.SessionID, when time.Time) record.Seat {
	return record.Seat{ID: id, Created: record.At(when), LastSeen: record.At(when), Secret: digest(len(id))}
}

// mine returns what is stored in a view, to work on, or a new record.
func mine(v oneseat.View, account string) *record.Record {
	if v.Roster == nil {
		return &record.Record{Realm: realm, Account: account}
	}
	return record.Of(v.Roster)
}

// seating returns a change that adds a session, with its event.
func seating(account string, id oneseat.SessionID) changeFunc {
	return func(v oneseat.View) (oneseat.Change, error) {
		ro := mine(v, account)
		ro.Seats = append(ro.Seats, seat(id, v.Now))
		return oneseat.Change{Roster: ro.Roster(), Events: []oneseat.Event{event(v, account, oneseat.EventSessionCreated, id)}}, nil
	}
}

// ending returns a change that ends a session if it is live, with its event.
func ending(account string, id oneseat.SessionID) changeFunc {
	return func(v oneseat.View) (oneseat.Change, error) {
		ro := mine(v, account)
		i := slices.IndexFunc(ro.Seats, func(s record.Seat) bool { return s.ID == id })
		if i < 0 {
			return oneseat.Change{}, nil
		}
		ro.Seats = slices.Delete(ro.Seats, i, i+1)
		ro.Endings = append(ro.Endings, record.Ended{Session: id, Reason: oneseat.ReasonRevoked, At: record.At(v.Now), Secret: digest(1)})
		ro.Endings = ro.Endings[max(0, len(ro.Endings)-oneseat.MaxEndings):]
		return oneseat.Change{Roster: ro.Roster(), Events: []oneseat.Event{event(v, account, oneseat.EventSessionEnded, id)}}, nil
	}
}

// touching is a change that writes a roster again without an event, as a touch does.
// Without a roster it does nothing. It reads no record, because reading takes a while,
// in which a store with a lock would make others wait.
func touching(v oneseat.View) (oneseat.Change, error) {
	if v.Roster == nil {
		return oneseat.Change{}, nil
	}
	ro := *v.Roster
	ro.Due = v.Now.Add(time.Hour)
	return oneseat.Change{Roster: &ro}, nil
}

func event(v oneseat.View, account string, what oneseat.EventType, id oneseat.SessionID) oneseat.Event {
	return oneseat.Event{Type: what, Realm: realm, Account: account, Session: id, At: v.Now, Version: v.Next()}
}

// ids returns the live sessions of a view.
func ids(v oneseat.View) []oneseat.SessionID {
	if v.Roster == nil {
		return nil
	}
	var out []oneseat.SessionID
	for _, s := range record.Of(v.Roster).Seats {
		out = append(out, s.ID)
	}
	return out
}

// full returns the largest roster there can be. It has the most seats, streams, endings
// and tickets, every field set, and every text as long as it may be.
func full(account string) *record.Record {
	micro := func(n int64) record.Time { return record.At(time.UnixMicro(n)) }
	ro := &record.Record{
		Realm: realm, Account: account,
		Forgotten: micro(1_699_999_999_999_999), Epoch: 1<<63 - 1, Due: micro(4_102_444_800_000_001),
		Limits:   oneseat.Limits{Total: oneseat.Unlimited, Classes: map[oneseat.Class]int{"desktop": 256, "mobile": 1, "tv": oneseat.Unlimited}, Streams: 64},
		Revision: 1<<62 + 1, Takeover: micro(1_700_000_000_000_007),
		Block: &record.Block{Since: micro(1_700_000_000_000_001), Until: micro(4_102_444_800_000_003), Actor: strings.Repeat("€", 16)},
	}
	for i := range 8 {
		ro.Pending = append(ro.Pending, record.Pending{
			Secret: digest(4000 + i), DeviceID: digest(5000 + i), Epoch: 1<<62 + uint64(i), Expires: micro(1_700_000_000_000_011 + int64(i)),
		})
	}
	device := oneseat.Device{Label: strings.Repeat("ü", 32), Class: "desktop", IP: "ffff:ffff:ffff::"}
	for i := range oneseat.MaxSeats + oneseat.MaxStreams {
		when := 1_700_000_000_000_000 + int64(i)*1_000_003
		ro.Seats = append(ro.Seats, record.Seat{
			ID: sessionID("SEAT", i), Device: device, Created: micro(when), LastSeen: micro(when + 1),
			Secret: digest(i), Previous: digest(1000 + i), Rotated: micro(when + 2),
			DeviceID: digest(2000 + i), Epoch: 1<<62 + uint64(i), Replayed: micro(when + 3), Observed: i%2 == 1,
		})
		if i >= oneseat.MaxSeats {
			ro.Seats[i].Parent = sessionID("SEAT", i-oneseat.MaxSeats)
		}
	}
	for i := range oneseat.MaxEndings {
		when := 1_700_000_000_000_000 + int64(i)*999_999_999_937
		ro.Endings = append(ro.Endings, record.Ended{
			Session: sessionID("GONE", i), Parent: sessionID("SEAT", i), Reason: oneseat.ReasonCredentialsChanged, At: micro(when), By: sessionID("SEAT", i),
			Actor: strings.Repeat("€", 42) + "..", Device: device, ByDevice: device,
			Secret: digest(3000 + i), Mark: fmt.Sprintf("0102%02x", i), Used: micro(when + 1),
		})
	}
	return ro
}

// sessionID returns an id of the length of a real one.
func sessionID(prefix string, n int) oneseat.SessionID {
	return oneseat.SessionID(fmt.Sprintf("%s%0*d", prefix, 26-len(prefix), n))
}

// difference says how two rosters differ, or "".
func difference(got, want *oneseat.Roster) string {
	if got != nil && want != nil && got.Due != want.Due { // the only time that a store may read
		return fmt.Sprintf("due at %v, want %v", got.Due, want.Due)
	}
	return differs(got, record.Of(want))
}

// differs says how a roster differs from what is to be stored, or "".
func differs(got *oneseat.Roster, w *record.Record) string {
	g := record.Of(got)
	switch {
	case g == nil || w == nil:
		if g == nil && w == nil {
			return ""
		}
		return fmt.Sprintf("got a roster: %v, want one: %v", g != nil, w != nil)
	case len(g.Seats) != len(w.Seats) || len(g.Endings) != len(w.Endings):
		return fmt.Sprintf("got %d seats and %d endings, want %d and %d", len(g.Seats), len(g.Endings), len(w.Seats), len(w.Endings))
	}
	for i := range g.Seats {
		if g, w := g.Seats[i], w.Seats[i]; g != w {
			return fmt.Sprintf("seat %d:\n got %+v\nwant %+v", i, g, w)
		}
	}
	for i := range g.Endings {
		if g, w := g.Endings[i], w.Endings[i]; g != w {
			return fmt.Sprintf("ending %d:\n got %+v\nwant %+v", i, g, w)
		}
	}
	top := func(ro record.Record) record.Record {
		ro.Format, ro.Seats, ro.Endings = 0, nil, nil
		return ro
	}
	if g, w := top(*g), top(*w); !reflect.DeepEqual(g, w) {
		return fmt.Sprintf("\n got %+v\nwant %+v", g, w)
	}
	return ""
}

// sameEvents reports whether two lists of events are equal. It compares times as times.
func sameEvents(a, b []oneseat.Event) bool {
	return slices.EqualFunc(a, b, func(a, b oneseat.Event) bool {
		same := a.At.Equal(b.At)
		a.At, b.At = time.Time{}, time.Time{}
		return same && reflect.DeepEqual(a, b)
	})
}
