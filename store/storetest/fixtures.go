package storetest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/oneseat/oneseat"
)

// realm is the realm of everything in the suite that does not need another.
const realm = "storetest"

type changeFunc = func(oneseat.View) (oneseat.Change, error)

func key(account string) oneseat.Key { return oneseat.KeyOf(realm, account) }

// at is a time that every store can keep: whole microseconds, UTC.
func at(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// digest is a digest that n makes its own; never zero.
func digest(n int) oneseat.Digest {
	d := oneseat.Digest{0: 0xd1}
	for i := range 8 {
		d[31-i] = byte(n >> (8 * i))
	}
	return d
}

// roster is an account's roster with these sessions.
func roster(account string, ids ...oneseat.SessionID) *oneseat.Roster {
	ro := &oneseat.Roster{Realm: realm, Account: account}
	for i, id := range ids {
		ro.Seats = append(ro.Seats, seat(account, id, time.UnixMicro(1_700_000_000_000_000+int64(i))))
	}
	return ro
}

func seat(account string, id oneseat.SessionID, when time.Time) oneseat.Seat {
	when = at(when)
	return oneseat.Seat{
		Session: oneseat.Session{ID: id, Account: account, Created: when, LastSeen: when},
		Secret:  digest(len(id)),
	}
}

// mine is the roster of a view to work on, or a new one.
func mine(v oneseat.View, account string) *oneseat.Roster {
	if v.Roster == nil {
		return roster(account)
	}
	ro := *v.Roster
	ro.Seats, ro.Endings = slices.Clone(ro.Seats), slices.Clone(ro.Endings)
	return &ro
}

// seating is a change that adds a session, with its event.
func seating(account string, id oneseat.SessionID) changeFunc {
	return func(v oneseat.View) (oneseat.Change, error) {
		ro := mine(v, account)
		ro.Seats = append(ro.Seats, seat(account, id, v.Now))
		return oneseat.Change{Roster: ro, Events: []oneseat.Event{event(v, account, oneseat.SessionCreated, id)}}, nil
	}
}

// ending is a change that ends a session, with its event, if it is live.
func ending(account string, id oneseat.SessionID) changeFunc {
	return func(v oneseat.View) (oneseat.Change, error) {
		ro := mine(v, account)
		i := slices.IndexFunc(ro.Seats, func(s oneseat.Seat) bool { return s.ID == id })
		if i < 0 {
			return oneseat.Change{}, nil
		}
		ro.Seats = slices.Delete(ro.Seats, i, i+1)
		ro.Endings = append(ro.Endings, oneseat.Ended{Ending: oneseat.Ending{Session: id, Reason: oneseat.Revoked, At: v.Now}, Secret: digest(1)})
		ro.Endings = ro.Endings[max(0, len(ro.Endings)-oneseat.MaxEndings):]
		return oneseat.Change{Roster: ro, Events: []oneseat.Event{event(v, account, oneseat.SessionEnded, id)}}, nil
	}
}

// touching is a change that moves the last-seen of every live session, without
// an event. Where there is no roster it does nothing.
func touching(v oneseat.View) (oneseat.Change, error) {
	if v.Roster == nil {
		return oneseat.Change{}, nil
	}
	ro := mine(v, v.Roster.Account)
	for i := range ro.Seats {
		ro.Seats[i].LastSeen = v.Now
	}
	return oneseat.Change{Roster: ro}, nil
}

func event(v oneseat.View, account string, what oneseat.EventType, id oneseat.SessionID) oneseat.Event {
	return oneseat.Event{Type: what, Realm: realm, Account: account, Session: id, At: v.Now, Version: v.Next()}
}

// ids lists the live sessions of a view.
func ids(v oneseat.View) []oneseat.SessionID {
	if v.Roster == nil {
		return nil
	}
	out := make([]oneseat.SessionID, len(v.Roster.Seats))
	for i, s := range v.Roster.Seats {
		out[i] = s.ID
	}
	return out
}

// full is the largest roster there can be: the most seats, streams, endings and
// tickets, every field set, every text as long as it may be.
func full(account string) *oneseat.Roster {
	ro := &oneseat.Roster{
		Realm: realm, Account: account,
		Forgotten: at(time.UnixMicro(1_699_999_999_999_999)), Epoch: 1<<63 - 1, Due: at(time.UnixMicro(4_102_444_800_000_001)),
		Limits:   oneseat.Limits{Total: oneseat.Unlimited, Classes: map[string]int{"desktop": 256, "mobile": 1, "tv": oneseat.Unlimited}, Streams: 64},
		Revision: 1<<62 + 1, Takeover: at(time.UnixMicro(1_700_000_000_000_007)),
		Block: &oneseat.Block{Since: at(time.UnixMicro(1_700_000_000_000_001)), Until: at(time.UnixMicro(4_102_444_800_000_003)), Actor: strings.Repeat("€", 16)},
	}
	for i := range 8 {
		ro.Pending = append(ro.Pending, oneseat.Pending{
			Secret: digest(4000 + i), DeviceID: digest(5000 + i), Epoch: 1<<62 + uint64(i), Expires: at(time.UnixMicro(1_700_000_000_000_011 + int64(i))),
		})
	}
	device := oneseat.Device{Label: strings.Repeat("ü", 32), Class: "desktop", IP: "ffff:ffff:ffff::"}
	for i := range oneseat.MaxSeats + oneseat.MaxStreams {
		when := at(time.UnixMicro(1_700_000_000_000_000 + int64(i)*1_000_003))
		ro.Seats = append(ro.Seats, oneseat.Seat{
			Session: oneseat.Session{ID: sessionID("SEAT", i), Account: account, Device: device, Created: when, LastSeen: when.Add(time.Microsecond)},
			Secret:  digest(i), Previous: digest(1000 + i), Rotated: when.Add(2 * time.Microsecond),
			DeviceID: digest(2000 + i), Epoch: 1<<62 + uint64(i), Replayed: when.Add(3 * time.Microsecond), Observed: i%2 == 1,
		})
		if i >= oneseat.MaxSeats {
			ro.Seats[i].Parent = sessionID("SEAT", i-oneseat.MaxSeats)
		}
	}
	for i := range oneseat.MaxEndings {
		when := at(time.UnixMicro(1_700_000_000_000_000 + int64(i)*999_999_999_937))
		ro.Endings = append(ro.Endings, oneseat.Ended{
			Ending: oneseat.Ending{
				Session: sessionID("GONE", i), Parent: sessionID("SEAT", i), Reason: oneseat.CredentialsChanged, At: when, By: sessionID("SEAT", i),
				Actor: strings.Repeat("€", 42) + "..", Device: device, ByDevice: device,
			},
			Secret: digest(3000 + i), Mark: oneseat.Mark{1, 2, byte(i)}, Used: when.Add(time.Microsecond),
		})
	}
	return ro
}

// sessionID is an id of the length of a real one.
func sessionID(prefix string, n int) oneseat.SessionID {
	return oneseat.SessionID(fmt.Sprintf("%s%0*d", prefix, 26-len(prefix), n))
}

// plain is what of a roster is in its exported fields, comparable with
// reflect.DeepEqual.
func plain(ro *oneseat.Roster) *oneseat.Roster {
	if ro == nil {
		return nil
	}
	p := &oneseat.Roster{
		Realm: ro.Realm, Account: ro.Account, Forgotten: ro.Forgotten, Epoch: ro.Epoch, Due: ro.Due,
		Limits: ro.Limits, Revision: ro.Revision, Takeover: ro.Takeover,
		Seats: []oneseat.Seat{}, Endings: []oneseat.Ended{}, Pending: []oneseat.Pending{},
	}
	if b := ro.Block; b != nil {
		p.Block = &oneseat.Block{Since: b.Since, Until: b.Until, Actor: b.Actor}
	}
	for _, t := range ro.Pending {
		p.Pending = append(p.Pending, oneseat.Pending{Secret: t.Secret, DeviceID: t.DeviceID, Epoch: t.Epoch, Expires: t.Expires})
	}
	for _, s := range ro.Seats {
		p.Seats = append(p.Seats, oneseat.Seat{
			Session: s.Session, Secret: s.Secret, Previous: s.Previous, Rotated: s.Rotated,
			DeviceID: s.DeviceID, Epoch: s.Epoch, Replayed: s.Replayed, Observed: s.Observed,
		})
	}
	for _, e := range ro.Endings {
		p.Endings = append(p.Endings, oneseat.Ended{Ending: e.Ending, Secret: e.Secret, Mark: e.Mark, Used: e.Used})
	}
	return p
}

// difference says in what two rosters differ, or "".
func difference(got, want *oneseat.Roster) string {
	g, w := plain(got), plain(want)
	switch {
	case reflect.DeepEqual(g, w):
		return ""
	case g == nil || w == nil:
		return fmt.Sprintf("got a roster: %v, want one: %v", g != nil, w != nil)
	case len(g.Seats) != len(w.Seats) || len(g.Endings) != len(w.Endings):
		return fmt.Sprintf("got %d seats and %d endings, want %d and %d", len(g.Seats), len(g.Endings), len(w.Seats), len(w.Endings))
	}
	for i := range g.Seats {
		if g, w := g.Seats[i], w.Seats[i]; !reflect.DeepEqual(g, w) {
			return fmt.Sprintf("seat %d:\n got %+v\nwant %+v", i, g, w)
		}
	}
	for i := range g.Endings {
		if g, w := g.Endings[i], w.Endings[i]; !reflect.DeepEqual(g, w) {
			return fmt.Sprintf("ending %d:\n got %+v\nwant %+v", i, g, w)
		}
	}
	g.Seats, g.Endings, w.Seats, w.Endings = nil, nil, nil, nil
	return fmt.Sprintf("\n got %+v\nwant %+v", *g, *w)
}

// sameEvents says whether two lists of events are equal, times compared as
// times.
func sameEvents(a, b []oneseat.Event) bool {
	return slices.EqualFunc(a, b, func(a, b oneseat.Event) bool {
		same := a.At.Equal(b.At)
		a.At, b.At = time.Time{}, time.Time{}
		return same && reflect.DeepEqual(a, b)
	})
}
