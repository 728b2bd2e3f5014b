package oneseat

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// bound is a limit that a decision has to keep.
type bound struct {
	Bound
	ceiling bool // the limit is Unlimited: what is above the ceiling gives way under every policy
}

// newBound returns the bound that a limit sets.
func newBound(name string, limit int, from Source) bound {
	if limit != Unlimited {
		return bound{Bound: Bound{name, limit, from}}
	}
	ceiling := map[string]int{boundStreams: MaxStreams, boundPrograms: MaxPrograms}[name]
	return bound{Bound{name, cmp.Or(ceiling, MaxSeats), from}, true}
}

// counts reports whether a seat counts under b.
func (b bound) counts(s *seat) bool {
	switch pool := s.pool(); pool {
	case b.Name:
		return true
	case boundTotal:
		return string(s.Device.Class) == b.Name
	case boundStreams:
		class, ok := strings.CutPrefix(b.Name, boundStreamsOf)
		return ok && string(s.Device.Class) == class
	}
	return false
}

// said returns the limits that were set for the account, the most specific first.
func (d *draft) said() [3]struct {
	Limits
	from Source
} {
	return [...]struct {
		Limits
		from Source
	}{{d.limits, SourceSetLimit}, {d.given.limits, SourceLimitFor}, {d.rule.limits, SourceConfig}}
}

// bounds returns the limits in force for a pool of the account's seats, the classes
// first.
func (d *draft) bounds(pool string) (bounds []bound) {
	prefix := ""
	if pool == boundStreams {
		prefix = boundStreamsOf
	}
	for _, l := range d.said() {
		most, classes := l.of(pool)
		if most == 0 {
			continue
		}
		var limited []Class
		for class, n := range classes {
			if n != Unlimited {
				limited = append(limited, class)
			}
		}
		slices.Sort(limited)
		for _, class := range limited {
			bounds = append(bounds, newBound(prefix+string(class), classes[class], l.from))
		}
		return append(bounds, newBound(pool, most, l.from))
	}
	return nil
}

// overflow returns the seats that have to end for all bounds to hold with the
// newcomer (nil: without one). seats come in the order in which they give way. may
// reports whether a seat may be ended for a bound. full is the first bound that did
// not hold; its name is empty if all did. ok is false if a bound cannot be made to
// hold.
func overflow(seats []*seat, bounds []bound, newcomer *seat, may func(*seat, bound) bool) (goes []SessionID, full bound, ok bool) {
	for _, b := range bounds {
		over := -b.Limit
		if newcomer != nil && b.counts(newcomer) {
			over++
		}
		stays := func(s *seat) bool { return b.counts(s) && !slices.Contains(goes, s.ID) }
		for _, s := range seats {
			if stays(s) {
				over++
			}
		}
		if over > 0 && full.Name == "" {
			full = b
		}
		for _, s := range seats {
			if over > 0 && stays(s) && may(s, b) {
				goes = append(goes, s.ID)
				over--
			}
		}
		if over > 0 {
			return nil, b, false
		}
	}
	return goes, full, true
}

// yielding is why a session gives way to a newcomer. What is lower goes first.
type yielding int

const (
	yieldsOwnDevice yielding = iota // the newcomer comes from the session's own device
	yieldsUnused                    // nobody is known to have its token
	yieldsIdle                      // it is idle for [Config.SeatIdle]
	yieldsInOrder                   // none of these: it gives way under [PolicyDisplace] only
)

// unusedFor is how long a session may go without its first use before it gives way. A
// sign-in whose answer was lost, or whose browser kept no cookie, leaves a session
// behind that is never used.
const unusedFor = 10 * time.Second

// yields returns why a session gives way to a newcomer. Only the order counts for a
// stream, and for a seat that ends without a newcomer.
func (d *draft) yields(s *seat, c *newcomer) yielding {
	switch {
	case s.parent != "" || c.id() == "":
	case s.ID == c.own:
		return yieldsOwnDevice
	case s.Program: // it may be used once a month
	case s.unused && !c.adopted && !d.now().Before(s.Created.Add(unusedFor)):
		return yieldsUnused
	case d.rule.seatIdle > 0 && !d.now().Before(s.LastSeen.Add(d.rule.seatIdle)):
		return yieldsIdle
	}
	return yieldsInOrder
}

// own returns the session on the newcomer's own device; "": there is none. Of several
// it returns one of the newcomer's class if there is one, and of these the one that
// gives way first. The newcomer's device id frees only this seat, and only in the
// newcomer's pool. It frees none if the newcomer renews a session, because it has that
// seat, or if the newcomer is adopted, because then nobody gave a password.
func (d *draft) own(c *newcomer, renews SessionID) SessionID {
	if c.adopted || renews != "" {
		return ""
	}
	var own *seat
	for i := range d.seats {
		s := &d.seats[i]
		if s.parent != "" || s.Program != c.seat.Program || !s.deviceID.Equal(c.seat.deviceID) || d.rule.observeOnly && s.observed {
			continue
		}
		if own == nil || cmp.Or(first(s.Device.Class == c.seat.Device.Class, own.Device.Class == c.seat.Device.Class), d.compare(s, own, c)) < 0 {
			own = s
		}
	}
	if own == nil {
		return ""
	}
	return own.ID
}

// compare orders two seats as they give way to a newcomer.
func (d *draft) compare(a, b *seat, c *newcomer) int {
	order := cmp.Compare(d.yields(a, c), d.yields(b, c))
	if d.rule.displaceOrder == DisplaceSameClass {
		class := c.seat.Device.Class
		order = cmp.Or(order, first(a.Device.Class == class, b.Device.Class == class))
	}
	switch {
	case c.seat.parent != "": // all players that play send heartbeats, so the last ones would order them by chance
		return cmp.Or(order, first(d.silent(a), d.silent(b)))
	case d.rule.displaceOrder == DisplaceOldest:
		return cmp.Or(order, a.Created.Compare(b.Created))
	}
	return cmp.Or(order, a.usedAt().Compare(b.usedAt()), a.Created.Compare(b.Created))
}

// displaceOrder returns the seats in the order in which they give way to a newcomer
// (the zero newcomer: to none). Of equal ones, the one that was admitted first goes. It
// leaves out the session that the newcomer renews, and those that the limits would have
// ended under ObserveOnly.
func (d *draft) displaceOrder(c *newcomer, renews SessionID) (seats []*seat) {
	for i := range d.seats {
		s := &d.seats[i]
		if s.ID == renews || d.rule.observeOnly && s.observed {
			continue
		}
		seats = append(seats, s)
	}
	slices.SortStableFunc(seats, func(a, b *seat) int { return d.compare(a, b, c) })
	return seats
}

// first compares so that what is true comes first.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// trim ends what is over the bounds without any newcomer, for example after a limit
// was lowered. Under ObserveOnly it marks that instead.
func (d *draft) trim(actor string) {
	how := Ending{Reason: ReasonLimitLowered, Actor: actor}
	for _, pool := range pools {
		goes, _, _ := overflow(d.displaceOrder(&newcomer{}, ""), d.bounds(pool), nil, func(*seat, bound) bool { return true })
		for _, id := range goes {
			if d.rule.observeOnly {
				d.observe(id, how)
			} else {
				d.end(id, how)
			}
		}
	}
}

// revisionKept is how long a roster is kept for this alone: a sign-in that asked for
// the account's limits before they changed has to find out that they did.
const revisionKept = time.Minute

// setLimit stores limits with the account and ends what is over them now. Nothing
// is written if nothing changes.
func (d *draft) setLimit(limits Limits, actor string) Change {
	if !limits.Equal(d.limits) {
		d.limits, d.limitsRev = limits, d.was.Next()
		told := limits.clone() // its readers may change it
		e := d.note(EventLimitChanged)
		e.Actor, e.Limits = actor, &told
	}
	d.trim(actor)
	return d.changed()
}

// refreshLimits ends what is over the limits that the application has just returned.
// Sign-ins that had asked before ask again.
func (d *draft) refreshLimits() Change {
	d.limitsRev = d.was.Next()
	d.trim("")
	return d.commit()
}

// limitError returns the error of a newcomer that found no room. It names the
// sessions, or streams, that take the room.
func (v View) limitError(is Decision, ticket Ticket) *LimitError {
	e := &LimitError{Limit: is.Limit, Bound: is.Bound, Ticket: ticket}
	b := bound{Bound: Bound{Name: is.Bound}}
	for _, s := range slices.Backward(v.Roster.seats) {
		switch {
		case !b.counts(&s):
		case s.parent != "":
			e.Streams = append(e.Streams, s.stream())
		default:
			e.Live = append(e.Live, s.Session)
		}
	}
	return e
}
