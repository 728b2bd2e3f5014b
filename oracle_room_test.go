package oneseat_test

import (
	"maps"
	"slices"
	"time"

	"github.com/oneseat/oneseat"
)

// This part of the oracle says which limits there are, and who goes when there is no room.

// limitOf is one limit that has to hold.
type limitOf struct {
	name    string
	most    int
	ceiling bool
}

func (l limitOf) counts(s *seatOf) bool {
	switch pool(s) {
	case l.name:
		return true
	case "total":
		return s.class == l.name
	case "streams":
		return "streams_"+s.class == l.name
	}
	return false
}

// pool is that in which a seat counts, and gives way to others.
func pool(s *seatOf) string {
	switch {
	case s.parent != "":
		return "streams"
	case s.program:
		return "programs"
	}
	return "total"
}

// inForce are the limits of people's sessions, of programs and of streams: what SetLimit
// stored, else what the application said, else the configuration; classes go with their
// total.
func (o *oracle) inForce(c oneseat.Config) (people, programs, streams []limitOf) {
	named := func(name string, n, ceiling int) limitOf {
		if n == oneseat.Unlimited {
			return limitOf{name, ceiling, true}
		}
		return limitOf{name, n, false}
	}
	everybody := oneseat.Limits{Total: c.Limit, Classes: c.ClassLimits, Programs: c.Programs.Limit, Streams: c.Streams, StreamClasses: c.StreamClassLimits}
	total, program, stream := everybody, everybody, everybody
	for _, l := range []oneseat.Limits{o.plan, o.own} {
		if l.Total != 0 {
			total = l
		}
		if l.Programs != 0 {
			program = l
		}
		if l.Streams != 0 {
			stream = l
		}
	}
	classes := func(prefix string, of map[oneseat.Class]int) (list []limitOf) {
		for _, class := range slices.Sorted(maps.Keys(of)) {
			if n := of[class]; n != oneseat.Unlimited {
				list = append(list, limitOf{prefix + string(class), n, false})
			}
		}
		return list
	}
	return append(classes("", total.Classes), named("total", total.Total, oneseat.MaxSeats)),
		[]limitOf{named("programs", program.Programs, oneseat.MaxPrograms)},
		append(classes("streams_", stream.StreamClasses), named("streams", stream.Streams, oneseat.MaxStreams))
}

// claim is how much of a claim a session has against a newcomer: 0 none, because it
// is the newcomer's own device, 1 none, because it was never used, 2 none, because it
// is idle; 3 all.
func claim(c oneseat.Config, newcomer, s *seatOf) int {
	switch {
	case newcomer == nil || newcomer.parent != "" || s.parent != "":
	case newcomer.own == s:
		return 0
	case s.program: // it may be idle
	case s.unused && !newcomer.adopted && newcomer.created.Sub(s.created) >= 10*time.Second:
		return 1
	case c.SeatIdle > 0 && newcomer.created.Sub(s.seen) >= c.SeatIdle:
		return 2
	}
	return 3
}

// ownOf is the session on the newcomer's own device, rather one of its class.
func ownOf(c oneseat.Config, newcomer *seatOf, there []*seatOf) *seatOf {
	on := func(sameClass bool) func(*seatOf) bool {
		return func(s *seatOf) bool {
			return pool(s) == pool(newcomer) && newcomer.device != "" && s.device == newcomer.device && (s.class == newcomer.class || !sameClass)
		}
	}
	if s := first(c, newcomer, there, on(true)); s != nil {
		return s
	}
	return first(c, newcomer, there, on(false))
}

// before says that a gives way before b to a newcomer (nil: to none).
func before(c oneseat.Config, newcomer, a, b *seatOf) bool {
	if x, y := claim(c, newcomer, a), claim(c, newcomer, b); x != y {
		return x < y
	}
	return inOrder(c, newcomer, a, b)
}

// inOrder is before, by the order that was chosen alone.
func inOrder(c oneseat.Config, newcomer, a, b *seatOf) bool {
	if newcomer != nil {
		if mine, its := a.class == newcomer.class, b.class == newcomer.class; c.DisplaceOrder == oneseat.DisplaceSameClass && mine != its {
			return mine
		}
	}
	if newcomer != nil && newcomer.parent != "" { // the heartbeats of players that play come by chance
		silent := func(s *seatOf) bool { return newcomer.created.Sub(s.seen) >= c.StreamIdle/2 }
		if x, y := silent(a), silent(b); x != y {
			return x
		}
		return a.created.Before(b.created)
	}
	if c.DisplaceOrder != oneseat.DisplaceOldest && !a.used.Equal(b.used) {
		return a.used.Before(b.used)
	}
	return a.created.Before(b.created)
}

// first is the one of some that gives way first, of those that may.
func first(c oneseat.Config, newcomer *seatOf, some []*seatOf, may func(*seatOf) bool) *seatOf {
	var goes *seatOf
	for _, s := range some {
		if may(s) && (goes == nil || before(c, newcomer, s, goes)) {
			goes = s
		}
	}
	return goes
}

func without(some []*seatOf, gone ...*seatOf) []*seatOf {
	return slices.DeleteFunc(slices.Clone(some), func(s *seatOf) bool { return slices.Contains(gone, s) })
}

// room names the sessions that have to end, one after the other, until all limits hold.
// full is the limit that was broken first, or the one that cannot be made to hold.
func room(c oneseat.Config, newcomer *seatOf, there []*seatOf, limits []limitOf, may func(*seatOf, limitOf) bool) (goes []*seatOf, full limitOf, ok bool) {
	for {
		broken := slices.IndexFunc(limits, func(l limitOf) bool {
			n := 0
			for _, s := range there {
				if l.counts(s) {
					n++
				}
			}
			if newcomer != nil && l.counts(newcomer) {
				n++
			}
			return n > l.most
		})
		if broken < 0 {
			return goes, full, true
		}
		l := limits[broken]
		if full.name == "" {
			full = l
		}
		s := first(c, newcomer, there, func(s *seatOf) bool { return l.counts(s) && may(s, l) })
		if s == nil {
			return nil, l, false
		}
		goes, there = append(goes, s), without(there, s)
	}
}
