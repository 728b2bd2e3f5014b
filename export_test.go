package oneseat

import (
	"context"
	"reflect"
)

// CheckAndWatchLate is [Registry.CheckAndWatch] with something in between: after
// memory has said yes, and before the session is watched. It says whether memory
// did.
func (r *Registry) CheckAndWatchLate(ctx context.Context, token string, w *Watch, by Watcher, between func()) bool {
	key, secret, _ := decodeToken(token)
	var m memory
	answered, err := r.checkMemory(&claim{key: key, secret: secret}, useActive, &m)
	if !answered || err != nil {
		return false
	}
	between()
	r.watch(ctx, claim{key: key, id: m.session().ID}, w, by, m)
	return true
}

// LoadsUnderWay counts the loads that are registered in the cache.
func (r *Registry) LoadsUnderWay() (n int) {
	for i := range r.cache.shards {
		for _, l := range r.cache.shards[i].loads {
			n += l.loads
		}
	}
	return n
}

// FilledRoster is a roster that was stored with whatever fill puts into the fields
// of its stored form.
func FilledRoster(fill func(stored reflect.Value)) *Roster {
	var j rosterJSON
	fill(reflect.ValueOf(&j).Elem())
	ro := j.roster()
	return &ro
}

// MarshalAny is [Roster.MarshalJSON] without the shorter way of plain rosters.
func (ro *Roster) MarshalAny() ([]byte, error) { return ro.marshalAny() }

// UnmarshalAny is [Roster.UnmarshalJSON] without the shorter way of plain rosters.
func (ro *Roster) UnmarshalAny(b []byte) error { return ro.unmarshalAny(b) }

// Plain reports whether the shorter way writes a roster.
func (ro *Roster) Plain() bool { return ro.plain() }

// ParsesPlain reports whether the shorter way reads a roster.
func ParsesPlain(b []byte) bool {
	_, ok := parsePlain(b)
	return ok
}
