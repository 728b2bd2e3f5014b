package oneseat

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Unlimited, as a limit, admits up to [MaxSeats] sessions, or [MaxStreams]
// streams, and then lets the idlest give way, whatever the policy. As a limit of
// a class it leaves the class to the total.
const Unlimited = -1

// Limits say how many live sessions, and streams, an account may have. A zero
// field says nothing: what is said less specifically then counts.
//
// A total and its classes are said together: whoever sets Total decides for the
// classes too, so an account whose Total is Unlimited is bound by no class that
// was limited for everybody.
type Limits struct {
	Total   int            `json:"total,omitzero"`    // sessions: 1 to MaxSeats, or Unlimited
	Classes map[string]int `json:"classes,omitempty"` // of these, by class of device (see [Classes]); one that is not named has only the total
	Streams int            `json:"streams,omitzero"`  // streams: 1 to MaxStreams, or Unlimited
}

// Equal says that two Limits are the same.
func (l Limits) Equal(m Limits) bool {
	return l.Total == m.Total && l.Streams == m.Streams && maps.Equal(l.Classes, m.Classes)
}

// IsZero says that l says nothing.
func (l Limits) IsZero() bool { return l.Equal(Limits{}) }

// problems is what is impossible about l, by field.
func (l Limits) problems() (list []LimitsError) {
	possible := func(field string, n, most int) {
		if n != Unlimited && (n < 1 || n > most) {
			list = append(list, LimitsError{field, fmt.Sprintf("%d is not 1 to %d, nor Unlimited; to keep an account out, block it", n, most)})
		}
	}
	if l.Total != 0 {
		possible("Total", l.Total, MaxSeats)
	} else if len(l.Classes) > 0 {
		list = append(list, LimitsError{"Classes", "limits of classes stand under a Total: set it too"})
	}
	for _, class := range slices.Sorted(maps.Keys(l.Classes)) {
		if !slices.Contains(Classes(), class) {
			list = append(list, LimitsError{"Classes", fmt.Sprintf("%q is none of %v", class, Classes())})
			continue
		}
		possible("Classes["+class+"]", l.Classes[class], MaxSeats)
	}
	if l.Streams != 0 {
		possible("Streams", l.Streams, MaxStreams)
	}
	return list
}

// check returns the first of the problems as an error.
func (l Limits) check() error {
	if p := l.problems(); len(p) > 0 {
		return &p[0]
	}
	return nil
}

// Source says where the limit in force was said.
type Source string

// The sources, the most specific first.
const (
	FromSetLimit Source = "SetLimit" // stored with the account
	FromLimitFor Source = "LimitFor" // the application's function
	FromConfig   Source = "Config"   // for everybody
)

// WhoGoes says in which order sessions give way. One on the newcomer's own
// device goes first in any case; among equals the one that signed in first.
type WhoGoes string

// The orders.
const (
	Idlest    WhoGoes = "idlest"     // the one that was not used for longest
	Oldest    WhoGoes = "oldest"     // the one that signed in first
	SameClass WhoGoes = "same_class" // one of the newcomer's class of device, the idlest of these; then the idlest
)

// bound is one limit that has to hold: so many seats of a kind.
type bound struct {
	name   string // "total", "streams", or a class of device
	most   int
	from   Source
	always bool // a ceiling: who is over gives way, whatever the policy
}

// counts says whether a seat counts under b.
func (b bound) counts(s *Seat) bool {
	switch b.name {
	case boundTotal:
		return s.Parent == ""
	case boundStreams:
		return s.Parent != ""
	}
	return s.Parent == "" && s.Device.Class == b.name
}

// The bounds that are not classes.
const (
	boundTotal   = "total"
	boundStreams = "streams"
)

// bounds are those in force for an account: of its sessions, the classes first,
// and of its streams. asked is what the application's function said.
func (ro *Roster) bounds(asked Limits, rule Rule) (sessions, streams []bound) {
	said := []struct {
		Limits
		from Source
	}{{ro.Limits, FromSetLimit}, {asked, FromLimitFor}, {rule.Limits, FromConfig}}
	for _, l := range said {
		if l.Total == 0 {
			continue
		}
		for _, class := range slices.Sorted(maps.Keys(l.Classes)) {
			if n := l.Classes[class]; n != Unlimited {
				sessions = append(sessions, bound{name: class, most: n, from: l.from})
			}
		}
		sessions = append(sessions, total(boundTotal, l.Total, MaxSeats, l.from))
		break
	}
	for _, l := range said {
		if l.Streams != 0 {
			streams = append(streams, total(boundStreams, l.Streams, MaxStreams, l.from))
			break
		}
	}
	return sessions, streams
}

func total(name string, n, ceiling int, from Source) bound {
	if n == Unlimited {
		return bound{name, ceiling, from, true}
	}
	return bound{name, n, from, false}
}

// overflow names who has to go for all bounds to hold with the newcomer (nil:
// without one), of seats in the order in which they give way. may says whether
// one may be made to go under a bound. full is the first bound that did not hold
// as it was, its name empty if all did; ok is false if it cannot be made to.
func overflow(seats []Seat, bounds []bound, newcomer *Seat, may func(*Seat, bound) bool) (goes []SessionID, full bound, ok bool) {
	for _, b := range bounds {
		over := -b.most
		if newcomer != nil && b.counts(newcomer) {
			over++
		}
		stays := func(s *Seat) bool { return b.counts(s) && !slices.Contains(goes, s.ID) }
		for i := range seats {
			if stays(&seats[i]) {
				over++
			}
		}
		if over > 0 && full.name == "" {
			full = b
		}
		for i := range seats {
			if over > 0 && stays(&seats[i]) && may(&seats[i], b) {
				goes = append(goes, seats[i].ID)
				over--
			}
		}
		if over > 0 {
			return nil, b, false
		}
	}
	return goes, full, true
}

// givingWay is a copy of seats in the order in which they give way to a newcomer
// (the zero Seat: to none), without the session that it renews, and without those
// that the limit would have ended, were it not only observed.
func (ro *Roster) givingWay(newcomer Seat, renews SessionID, rule Rule) []Seat {
	seats := slices.DeleteFunc(slices.Clone(ro.Seats), func(s Seat) bool {
		return s.ID == renews || rule.ObserveOnly && s.Observed
	})
	last := func(there bool) int {
		if there {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(seats, func(a, b Seat) int {
		order := cmp.Compare(last(a.DeviceID.Equal(newcomer.DeviceID)), last(b.DeviceID.Equal(newcomer.DeviceID)))
		switch rule.WhoGoes {
		case Oldest:
			return cmp.Or(order, a.Created.Compare(b.Created))
		case SameClass:
			order = cmp.Or(order, cmp.Compare(last(a.Device.Class == newcomer.Device.Class), last(b.Device.Class == newcomer.Device.Class)))
		}
		return cmp.Or(order, a.LastSeen.Compare(b.LastSeen), a.Created.Compare(b.Created))
	})
	return seats
}

// trim ends what is over the bounds without any newcomer, as after a limit was
// lowered, or marks it where limits are only observed. Streams come second: some
// have ended with their session.
func (ro *Roster) trim(v View, asked Limits, actor string, rule Rule) (events []Event) {
	how := Ending{Reason: Revoked, At: v.Now, Actor: actor}
	sessions, streams := ro.bounds(asked, rule)
	for _, bounds := range [][]bound{sessions, streams} {
		goes, _, _ := overflow(ro.givingWay(Seat{}, "", rule), bounds, nil, func(*Seat, bound) bool { return true })
		for _, id := range goes {
			if rule.ObserveOnly {
				events = append(events, ro.observe(v, id, how))
			} else {
				events = append(events, ro.end(v, id, how)...)
			}
		}
	}
	return events
}

// revisionKept is how long a roster is kept only to tell a sign-in, whose limit
// was asked for before, that it has changed since.
const revisionKept = time.Minute

// setLimit stores limits with the account, or refreshes them, and trims what is
// over. Nothing is written if nothing changes.
func (v View) setLimit(realm, account string, epoch uint64, limits, asked Limits, actor string, rule Rule) Change {
	ro, events := v.settled(realm, account, epoch, rule)
	changed := !limits.Equal(ro.Limits)
	if changed {
		ro.Limits, ro.Revision = limits, v.Next()
		e := ro.event(v, LimitChanged, Session{})
		e.Actor, e.Limits = actor, &limits
		events = append(events, e)
	}
	events = append(events, ro.trim(v, asked, actor, rule)...)
	if v.Roster == nil && !changed {
		return Change{}
	}
	return v.changeIf(ro, events, rule)
}

// refresh trims the account to the limits that were just asked for. Sign-ins
// that had asked before ask again.
func (v View) refresh(realm, account string, epoch uint64, asked Limits, rule Rule) Change {
	ro, events := v.settled(realm, account, epoch, rule)
	ro.Revision = v.Next()
	events = append(events, ro.trim(v, asked, "", rule)...)
	return ro.commit(v, events, rule)
}

// SetLimit stores limits of the account's own, which count before all others,
// and ends in the same step what is over them now; the zero Limits take them
// away. actor is for the record. It returns a *[LimitsError] for what cannot be.
func (r *Registry) SetLimit(ctx context.Context, account string, limits Limits, actor string) error {
	if err := limits.check(); err != nil {
		return err
	}
	limits.Classes = maps.Clone(limits.Classes)
	return r.changeLimits(ctx, account, func(v View, epoch uint64, asked Limits) Change {
		return v.setLimit(r.config.Realm, account, epoch, limits, asked, inert(actor, maxActor), r.rule)
	})
}

// Refresh asks [Config.LimitFor] for the account's limits again, as after a
// change of plan, and ends in one step what is over those in force now. Sign-ins
// under way that had asked before ask again.
func (r *Registry) Refresh(ctx context.Context, account string) error {
	return r.changeLimits(ctx, account, func(v View, epoch uint64, asked Limits) Change {
		return v.refresh(r.config.Realm, account, epoch, asked, r.rule)
	})
}

// errLimitsChange is for who asked the application for limits in vain: each time
// they had changed since.
var errLimitsChange = fmt.Errorf("%w: the account's limits keep changing", ErrStoreUnavailable)

// changeLimits is changeAccount with what the application says of the account's
// limits, asked for again if they changed meanwhile.
func (r *Registry) changeLimits(ctx context.Context, account string, change func(v View, epoch uint64, asked Limits) Change) (err error) {
	if err := checkAccount(account); err != nil {
		return err
	}
	key := KeyOf(r.config.Realm, account)
	tried := false // and the reply was lost
	defer func() {
		if tried {
			err = unclear(err)
		}
	}()
	for range 3 {
		asked, revision, err := r.limitsOf(ctx, key, account)
		if err != nil {
			return err
		}
		epoch, err := r.epochNow(ctx)
		if err != nil {
			return err
		}
		late := false
		_, err = r.update(ctx, key, func(v View, try int) (Change, error) {
			tried = tried || try > 0
			if late = r.config.LimitFor != nil && v.Roster.revision() != revision; late {
				return Change{}, nil
			}
			return change(v, epoch, asked), nil
		})
		if err != nil || !late {
			return err
		}
	}
	return errLimitsChange
}

// Explain says what a sign-in would come to now, and why. Nothing is changed.
func (r *Registry) Explain(ctx context.Context, account string, from Client) (Decision, error) {
	if err := checkAccount(account); err != nil {
		return Decision{}, err
	}
	key := KeyOf(r.config.Realm, account)
	asked, _, err := r.limitsOf(ctx, key, account)
	if err != nil {
		return Decision{}, err
	}
	v, control, err := r.look(ctx, key)
	if err != nil {
		return Decision{}, err
	}
	c := r.newcomer(key, from, newcomer{limits: asked, takeOver: from.TakeOver})
	ro, _ := v.settled(r.config.Realm, account, control.Roster.epoch(), r.rule)
	return ro.decide(v, c, r.rule), nil
}

// limitsOf asks the application for an account's limits, if it has a function for
// that, and returns the revision under which they count.
func (r *Registry) limitsOf(ctx context.Context, key Key, account string) (Limits, uint64, error) {
	if r.config.LimitFor == nil {
		return Limits{}, 0, nil
	}
	v, _, err := r.look(ctx, key)
	if err != nil {
		return Limits{}, 0, err
	}
	limits, err := r.config.LimitFor(ctx, account)
	if err == nil {
		err = limits.check()
	}
	if err != nil {
		return Limits{}, 0, fmt.Errorf("oneseat: nothing was done, because Config.LimitFor gave no limit: %w", err)
	}
	limits.Classes = maps.Clone(limits.Classes)
	return limits, v.Roster.revision(), nil
}
