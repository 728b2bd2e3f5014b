package oneseat

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Policy says what happens to a sign-in when its account is full.
type Policy string

// The policies. Under PolicyRefuse and PolicyAsk, too, some sessions give way before a
// newcomer is refused: see [DisplaceOrder].
const (
	PolicyDisplace Policy = "displace" // another session gives way, see [DisplaceOrder]
	PolicyRefuse   Policy = "refuse"   // the newcomer is refused
	PolicyAsk      Policy = "ask"      // the newcomer is refused, with a [Ticket] to choose which session ends
)

// DisplaceOrder says in which order sessions give way. Before that order come, under
// every policy: the session on the newcomer's own device, sessions that were never
// used, from 10 seconds after their sign-in, and those that were idle for
// [Config.SeatIdle]. Among equals the session that signed in first gives way.
//
// The last use of a session is known to 10 seconds, on every node. Requests that go
// on count, and so do a player's heartbeats. Background requests do not count.
//
// Of streams, those whose player has missed its heartbeats come first, and then the
// one that started first. Under DisplaceSameClass those of the newcomer's class of
// device come before the others.
type DisplaceOrder string

// The orders.
const (
	DisplaceIdlest    DisplaceOrder = "idlest"     // the one whose last use is the longest ago
	DisplaceOldest    DisplaceOrder = "oldest"     // the one that signed in first
	DisplaceSameClass DisplaceOrder = "same_class" // the idlest of the newcomer's class of device; then the idlest
)

// Unlimited, as a limit, admits up to [MaxSeats] sessions, [MaxPrograms] programs, or
// [MaxStreams] streams. Beyond that one of them gives way, whatever the policy: see
// [DisplaceOrder]. For a class of device Unlimited means that only the total counts.
const Unlimited = -1

// Bounds of a roster. They bound what one account can cost.
const (
	MaxSeats    = 256 // live sessions of people, also of an [Unlimited] account
	MaxStreams  = 64  // streams, likewise
	MaxPrograms = 64  // live sessions of programs, likewise
	MaxEndings  = 32  // the oldest is forgotten first; 32 of the longest are under 16 KiB
)

// Limits say how many live sessions, and streams, an account may have. A zero field
// sets nothing: the next [Source] counts then.
//
// A total and its classes belong together: the source that sets Total decides for
// the classes too. So an account whose Total is Unlimited has no class limit that
// was set for everybody. Streams and StreamClasses belong together in the same way.
type Limits struct {
	Total         int           `json:"total,omitzero"`           // sessions of people: 1 to MaxSeats, or Unlimited
	Classes       map[Class]int `json:"classes,omitempty"`        // of these, by class of device (see [Classes]); one that is not named has only the total
	Streams       int           `json:"streams,omitzero"`         // streams: 1 to MaxStreams, or Unlimited
	StreamClasses map[Class]int `json:"stream_classes,omitempty"` // of these, likewise
	Programs      int           `json:"programs,omitzero"`        // sessions of programs: 1 to MaxPrograms, or Unlimited; see [Config.Programs]
}

// of returns the limits for the seats of a pool.
func (l Limits) of(pool string) (most int, classes map[Class]int) {
	switch pool {
	case boundStreams:
		return l.Streams, l.StreamClasses
	case boundPrograms:
		return l.Programs, nil
	}
	return l.Total, l.Classes
}

// Equal reports whether l and m are the same.
func (l Limits) Equal(m Limits) bool {
	return l.Total == m.Total && l.Streams == m.Streams && l.Programs == m.Programs &&
		maps.Equal(l.Classes, m.Classes) && maps.Equal(l.StreamClasses, m.StreamClasses)
}

// clone returns a copy of l that shares no map with it.
func (l Limits) clone() Limits {
	l.Classes, l.StreamClasses = maps.Clone(l.Classes), maps.Clone(l.StreamClasses)
	return l
}

// IsZero reports whether l sets nothing.
func (l Limits) IsZero() bool { return l.Equal(Limits{}) }

// problems returns what is impossible about l, by field.
func (l Limits) problems() (list []*ConfigError) {
	possible := func(field string, n, most int) {
		if n != Unlimited && (n < 1 || n > most) {
			list = append(list, &ConfigError{"Limits", field, fmt.Sprintf("%d is not 1 to %d, nor Unlimited; to keep an account out, block it", n, most)})
		}
	}
	pool := func(field, classField string, n, most int, classes map[Class]int) {
		if n != 0 {
			possible(field, n, most)
		} else if len(classes) > 0 {
			list = append(list, &ConfigError{"Limits", classField, "limits of classes stand under " + field + ": set it too"})
		}
		for _, class := range slices.Sorted(maps.Keys(classes)) {
			if !slices.Contains(Classes(), class) {
				list = append(list, &ConfigError{"Limits", classField, fmt.Sprintf("%q is none of %v", class, Classes())})
				continue
			}
			possible(classField+"["+string(class)+"]", classes[class], most)
		}
	}
	pool("Total", "Classes", l.Total, MaxSeats, l.Classes)
	pool("Streams", "StreamClasses", l.Streams, MaxStreams, l.StreamClasses)
	pool("Programs", "", l.Programs, MaxPrograms, nil)
	return list
}

// Check returns a *[ConfigError] for limits that are impossible.
func (l Limits) Check() error {
	if p := l.problems(); len(p) > 0 {
		return p[0]
	}
	return nil
}

// Programs say what the sessions of an account's programs may do, beside those of its
// people: see [SignInRequest.Program]. They have a limit of their own, take no seat of
// people, and give way to none. Everything else reaches both: [Registry.Block],
// [Registry.EndAll], [Registry.EndOthers], [Registry.EndRealm] and [Registry.Forget]. To
// leave programs alone, end with [Registry.EndWhere]. In every field but Limit zero means
// the default.
type Programs struct {
	// Limit is how many an account may have: 1 to [MaxPrograms], or [Unlimited]. 0: none,
	// and SignIn returns a *[ConfigError] for a program.
	Limit int

	// WhenFull is [PolicyRefuse], the default, or [PolicyDisplace].
	WhenFull Policy

	// Idle and Absolute are as those of [Config], and may be longer. Default of Idle: 365
	// days, or Absolute if that is shorter. Default of Absolute: [NoTimeout].
	Idle, Absolute time.Duration
}

// Source says where a limit was set.
type Source string

// The sources, the most specific first.
const (
	SourceSetLimit Source = "SetLimit" // stored with the account
	SourceLimitFor Source = "LimitFor" // the application's function
	SourceConfig   Source = "Config"   // for everybody
)

// Bound is one limit in force.
type Bound struct {
	Name   string `json:"name"`  // "total", "programs", "streams", a class of device, or "streams_" and a class
	Limit  int    `json:"limit"` // how many there may be
	Source Source `json:"from"`  // where it was set
}

// The pools. A seat is of one of them, and counts under the bound of that name.
const (
	boundTotal    = "total"    // sessions of people
	boundPrograms = "programs" // sessions of programs
	boundStreams  = "streams"
)

// boundStreamsOf and a class is the bound of the streams on that class of device. A class
// alone is the bound of the sessions of people there.
const boundStreamsOf = boundStreams + "_"

// pools are in the order in which what is over ends: streams come last, because some have
// ended with their session.
var pools = []string{boundTotal, boundPrograms, boundStreams}

// Decision is what a sign-in leads to, and why: see [Registry.Explain].
type Decision struct {
	Outcome   Outcome
	Renews    SessionID   // the session that is replaced silently
	Displaces []SessionID // the sessions that give way, in this order
	Bound     string      // the name of the limit that decided, as [Bound] has it; "" if there was room
	Limit     int         // that limit
	Source    Source      // where that was set
	Observed  bool        // [Config.ObserveOnly]: everybody is let in, and no session has to go

	keeps   SessionID // the stream that the player has already
	seated  SessionID // the seat that the newcomer has, if it is admitted
	problem error     // why the outcome is invalid
	repeats bool      // the newcomer's device has displaced itself again and again

	newDevice bool // nothing that is kept of the account has the newcomer's device
}

// Outcome is the answer to a newcomer.
type Outcome string

// The outcomes.
const (
	OutcomeAdmitted Outcome = "admitted"
	OutcomeRefused  Outcome = "refused" // the account is full
	OutcomeAsked    Outcome = "asked"   // the account is full: a ticket lets the newcomer choose which session ends
	OutcomeBlocked  Outcome = "blocked" // the account is blocked

	outcomeAlready Outcome = "already" // an earlier try of this newcomer was committed
	outcomeUnknown Outcome = "unknown" // an earlier try may have been committed, and forgotten since
	outcomeInvalid Outcome = "invalid" // its ticket, or the session that it belongs to, is not good any more
)

// admits reports whether the newcomer is let in.
func (d Decision) admits() bool { return d.Outcome == OutcomeAdmitted || d.Observed }

// full reports whether the newcomer found no room.
func (d Decision) full() bool { return d.Outcome == OutcomeRefused || d.Outcome == OutcomeAsked }

// bound returns the limit that decided.
func (d Decision) bound() *Bound { return &Bound{d.Bound, d.Limit, d.Source} }

// rule is the part of the configuration that decides: a plain value. Everything that
// needs I/O was looked up before.
type rule struct {
	realm            string
	limits           Limits   // for everybody; Total and Streams are set
	whenFull         Policy   // of sessions
	streamsFull      Policy   // of streams: PolicyAsk or PolicyDisplace
	programs         Programs // Limit 0: there are none
	displaceOrder    DisplaceOrder
	seatIdle         time.Duration // a session that is idle for this long gives way first, under every policy; 0: none does
	streamIdle       time.Duration // how long a stream lives without a heartbeat
	oneSeatPerDevice bool          // a newcomer displaces what its own device has, also where there is room
	observeOnly      bool          // limits are counted and reported, and let everybody in
	idle             time.Duration // 0: sessions do not time out by idleness
	absolute         time.Duration // 0: sessions do not time out by age
	touchEvery       time.Duration // how exactly last-seen is kept
	keepEndings      time.Duration
	adoptUntil       time.Time // until then sessions older than oneseat are seated; zero: none is
}

// policy returns what happens to a newcomer to a pool that is full.
func (r *rule) policy(pool string) Policy {
	switch pool {
	case boundStreams:
		return r.streamsFull
	case boundPrograms:
		return r.programs.WhenFull
	}
	return r.whenFull
}

// lifetimes returns how long a session may last, and how long it may last unused; 0: for
// ever.
func (r *rule) lifetimes(program bool) (absolute, idle time.Duration) {
	if program && r.programs.Limit != 0 { // else they are left over, and last as people's do
		return max(r.programs.Absolute, 0), max(r.programs.Idle, 0)
	}
	return r.absolute, r.idle
}

// checkSignIn returns an error of [SignInRequest.check], or a *[ConfigError] for what this
// configuration does not allow.
func (r *rule) checkSignIn(q SignInRequest) error {
	if err := q.check(); err != nil {
		return err
	}
	if q.Program && r.programs.Limit == 0 {
		return &ConfigError{"SignInRequest", "Program", "this system has no programs: Config.Programs says how many an account may have"}
	}
	return r.checkLifetime("SignInRequest", q.Lifetime, q.Program)
}

// checkLifetime returns a *[ConfigError] for a lifetime of a session that is impossible,
// or longer than the Config's.
func (r *rule) checkLifetime(of string, l Lifetime, program bool) error {
	absolute, idle := r.lifetimes(program)
	for _, t := range []struct {
		name string
		is   time.Duration
		most time.Duration // 0: any
	}{{"Idle", l.Idle, idle}, {"Absolute", l.Absolute, absolute}} {
		switch {
		case t.is == 0:
		case t.is < time.Second:
			return &ConfigError{of, "Lifetime." + t.name, fmt.Sprintf("%v is less than a second", t.is)}
		case t.most > 0 && t.is > t.most:
			return &ConfigError{of, "Lifetime." + t.name, fmt.Sprintf("%v is longer than the Config's, %v: a session's own can only be shorter", t.is, t.most)}
		}
	}
	return nil
}

// clean returns l as it may be stored, in whole microseconds.
func (l Lifetime) clean() Lifetime {
	l.Idle, l.Absolute = l.Idle.Truncate(time.Microsecond), l.Absolute.Truncate(time.Microsecond)
	return l
}
