package oneseat_test

import (
	"slices"
	"strings"
	"time"

	"github.com/oneseat/oneseat"
)

// oracle is what one account's sessions and streams come to, in as few words as
// possible. It was written from the documentation and not from admit.go, and
// shares nothing with it.
type oracle struct {
	now       time.Time
	seats     []*seatOf // in the order of admission
	ends      []endingOf
	tickets   []ticketOf
	own       oneseat.Limits // by SetLimit
	plan      oneseat.Limits // by the application
	blocked   *time.Time     // until then; zero: until it is lifted
	forgotten time.Time      // the end of the newest ending that is not kept
	told      []string       // which sessions ended, or would have, and why, in order
}

// seatOf is a session, or, with a parent, a stream.
type seatOf struct {
	id, parent            oneseat.SessionID
	token, device, class  string
	created, seen         time.Time
	used                  time.Time     // for the order of use
	unused                bool          // not used yet
	program               bool          // a program's session, not a person's
	idle, absolute        time.Duration // its own, where they are shorter; 0: the configuration's
	previous              string        // its token before the last rotation
	rotated               time.Time
	observed, realmIsOver bool

	own     *seatOf   // of a newcomer: the one session that its device id frees
	adopted bool      // of a newcomer: it is older than oneseat
	issued  time.Time // then, when it was issued; zero: nobody knows
}

type endingOf struct {
	seatOf
	reason oneseat.Reason
	at     time.Time
	by     oneseat.SessionID
}

type ticketOf struct {
	text           oneseat.Ticket
	device         string
	idle, absolute time.Duration // of the session that it gives
	expires        time.Time
}

// use is that a session is used by something that is written anyway.
func (o *oracle) use(c oneseat.Config, s *seatOf) {
	n := map[string]int{}
	for _, other := range o.seats {
		n[pool(other)]++
	}
	s.unused = false
	if max(n["total"], n["programs"]) > 1 && c.DisplaceOrder != oneseat.DisplaceOldest {
		s.used = o.now
	}
}

func (o *oracle) live(id oneseat.SessionID) *seatOf {
	if i := slices.IndexFunc(o.seats, func(s *seatOf) bool { return s.id == id }); i >= 0 {
		return o.seats[i]
	}
	return nil
}

func (o *oracle) ended(id oneseat.SessionID) *endingOf {
	if i := slices.IndexFunc(o.ends, func(e endingOf) bool { return e.id == id }); i >= 0 {
		return &o.ends[i]
	}
	return nil
}

func (o *oracle) end(s *seatOf, why oneseat.Reason, by oneseat.SessionID) {
	o.seats = without(o.seats, s)
	o.told = append(o.told, strings.Join([]string{"ended", string(s.id), string(why)}, " "))
	byItself := why == oneseat.ReasonSignedOut || why == oneseat.ReasonIdleTimeout
	if s.parent == "" || o.live(s.parent) != nil && !byItself {
		o.ends = append(o.ends, endingOf{*s, why, o.now, by})
		if len(o.ends) > oneseat.MaxEndings {
			o.forget(o.tooMany(o.ends[len(o.ends)-1]))
		}
	}
	for _, child := range slices.Clone(o.seats) {
		if child.parent == s.id {
			o.end(child, why, by)
		}
	}
}

func (o *oracle) forget(ending int) {
	if at := o.ends[ending].at; at.After(o.forgotten) {
		o.forgotten = at
	}
	o.ends = slices.Delete(slices.Clone(o.ends), ending, ending+1)
}

// tooMany is the ending that goes: the oldest, or of what a browser does to itself
// the oldest of these.
func (o *oracle) tooMany(newest endingOf) int {
	var alike []int
	for i, e := range o.ends {
		renewal := e.reason == oneseat.ReasonRenewed && newest.reason == oneseat.ReasonRenewed && e.parent == "" && newest.parent == ""
		if renewal || e.parent != "" && newest.parent != "" {
			alike = append(alike, i)
		}
	}
	if len(alike) > 0 && (len(alike) > oneseat.MaxEndings/2 || !o.now.Before(o.ends[alike[0]].at.Add(time.Minute))) {
		return alike[0]
	}
	return 0
}

// settle is what time alone does.
func (o *oracle) settle(c oneseat.Config, now time.Time) {
	o.now = now
	over := func(from time.Time, d time.Duration) bool { return !now.Before(from.Add(d)) }
	for _, s := range slices.Clone(o.seats) {
		switch {
		case !slices.Contains(o.seats, s):
		case s.realmIsOver:
			o.end(s, oneseat.ReasonRealmEnded, "")
		case s.parent == "" && over(s.created, absolute(c, s)):
			o.end(s, oneseat.ReasonAbsoluteTimeout, "")
		case over(s.seen, idle(c, s)):
			o.end(s, oneseat.ReasonIdleTimeout, "")
		}
	}
	o.tickets = slices.DeleteFunc(o.tickets, func(t ticketOf) bool { return over(t.expires, 0) })
	if o.blocked != nil && !o.blocked.IsZero() && over(*o.blocked, 0) {
		o.blocked = nil
	}
	for len(o.ends) > 0 && over(o.ends[0].at, c.KeepEndings) {
		o.forget(0)
	}
}

// absolute is how long a session lives, and idle how long a seat lives unused.
func absolute(c oneseat.Config, s *seatOf) time.Duration {
	if s.program {
		return shorterOf(c.Programs.Absolute, s.absolute)
	}
	return shorterOf(c.Absolute, s.absolute)
}

func idle(c oneseat.Config, s *seatOf) time.Duration {
	switch pool(s) {
	case "programs":
		return shorterOf(c.Programs.Idle, s.idle)
	case "streams":
		return c.StreamIdle
	}
	return shorterOf(c.Idle, s.idle)
}

func shorterOf(all, its time.Duration) time.Duration {
	if its == 0 {
		return all
	}
	return min(all, its)
}

// would ends a seat, or, where limits are only observed, notes that it would have.
func (o *oracle) would(c oneseat.Config, s *seatOf, why oneseat.Reason, by oneseat.SessionID) {
	if !c.ObserveOnly {
		o.end(s, why, by)
		return
	}
	s.observed = true
	o.told = append(o.told, strings.Join([]string{"would end", string(s.id), string(why)}, " "))
}

// counted are the seats that count: all, or those that would be there.
func (o *oracle) counted(c oneseat.Config) []*seatOf {
	return slices.DeleteFunc(slices.Clone(o.seats), func(s *seatOf) bool { return c.ObserveOnly && s.observed })
}

// trim ends what is over the limits: of people's sessions, programs and streams in turn.
func (o *oracle) trim(c oneseat.Config) {
	people, programs, streams := o.inForce(c)
	for _, limits := range [][]limitOf{people, programs, streams} {
		goes, _, _ := room(c, nil, o.counted(c), limits, func(*seatOf, limitOf) bool { return true })
		for _, s := range goes {
			o.would(c, s, oneseat.ReasonLimitLowered, "")
		}
	}
}

// had is what a browser brings: its token, and the session that it had by the
// application's word.
type had struct {
	token   string
	session oneseat.SessionID
}

// sameBrowser is the live session of the browser that brings something.
func (o *oracle) sameBrowser(h had) *seatOf {
	if s := o.byToken(h.token); s != nil && pool(s) == "total" {
		return s
	}
	s := o.live(h.session)
	if e := o.ended(h.session); e != nil {
		s = o.successor(e)
	}
	if s != nil && pool(s) == "total" {
		return s
	}
	return nil
}

// byToken is the live session for which a token stands.
func (o *oracle) byToken(token string) *seatOf {
	if token == "" {
		return nil
	}
	for _, s := range o.seats {
		if s.parent == "" && s.token == token {
			return s
		}
	}
	for _, e := range o.ends {
		if e.parent == "" && e.token == token {
			return o.successor(&e)
		}
	}
	return nil
}

// successor is the live session that has renewed one that ended, if each renewal on the
// way to it was within the last minute.
func (o *oracle) successor(e *endingOf) *seatOf {
	if e.reason != oneseat.ReasonRenewed || !o.now.Before(e.at.Add(time.Minute)) {
		return nil
	}
	if next := o.ended(e.by); next != nil {
		return o.successor(next)
	}
	return o.live(e.by)
}

// standsFor is byToken, or the session that rotated a token away just now.
func (o *oracle) standsFor(token string) *seatOf {
	for _, s := range o.seats {
		if s.parent == "" && s.previous != "" && s.previous == token && o.now.Before(s.rotated.Add(10*time.Second)) {
			return s
		}
	}
	for _, e := range o.ends {
		if e.previous != "" && e.previous == token && e.at.Before(e.rotated.Add(10*time.Second)) {
			return o.byToken(e.token)
		}
	}
	return o.byToken(token)
}

// verdict is what a newcomer comes to: "", or why not.
type verdict struct {
	why   string // "full", "blocked", "no ticket", "no session"; or "ended"
	limit limitOf
	live  []oneseat.SessionID // who fills it, the newest first
	ended *endingOf
}

// admit decides on a newcomer, and carries that out. ids are the sessions that it chose.
func (o *oracle) admit(c oneseat.Config, n *seatOf, h had, takeOver bool, ids []oneseat.SessionID) verdict {
	n.created, n.seen, n.used = o.now, o.now, o.now
	n.unused = pool(n) == "total" && n.class != "api" && !n.adopted
	renewed := o.sameBrowser(h)
	there := without(o.counted(c), renewed)
	if renewed == nil && n.parent == "" && !n.adopted {
		n.own = ownOf(c, n, there)
	}
	var chosen []*seatOf
	for {
		s := first(c, n, without(there, chosen...), func(s *seatOf) bool {
			own := c.OneSeatPerDevice && n.parent == "" && !n.adopted && n.device != "" && s.device == n.device
			return pool(s) == pool(n) && (slices.Contains(ids, s.id) || own)
		})
		if s == nil {
			break
		}
		chosen = append(chosen, s)
	}
	limits, programs, streams := o.inForce(c)
	policy := c.WhenFull
	switch {
	case n.program:
		limits, policy = programs, c.Programs.WhenFull
	case n.parent != "":
		limits, policy = streams, c.WhenStreamsFull
	}
	goes, full, ok := room(c, n, without(there, chosen...), limits, func(s *seatOf, l limitOf) bool {
		return policy == oneseat.PolicyDisplace || takeOver || l.ceiling || claim(c, n, s) < 3 || renewed != nil && l.counts(renewed)
	})
	ok = ok && !(n.adopted && slices.ContainsFunc(append(chosen, goes...), func(s *seatOf) bool { return !s.created.Before(n.issued) }))
	switch {
	case ok || c.ObserveOnly:
	case n.adopted:
		return verdict{why: "no session"}
	default:
		if n.parent == "" {
			o.trim(c)
		}
		v := verdict{why: "full", limit: full}
		for _, s := range slices.Backward(o.seats) {
			if full.counts(s) {
				v.live = append(v.live, s.id)
			}
		}
		return v
	}
	if renewed != nil {
		o.end(renewed, oneseat.ReasonRenewed, n.id)
	}
	if ok {
		for _, s := range append(chosen, goes...) {
			o.would(c, s, oneseat.ReasonDisplaced, n.id)
		}
	}
	if n.parent != "" {
		o.use(c, o.live(n.parent))
	}
	if n.observed = !ok; !n.issued.IsZero() {
		n.created = n.issued
	}
	o.seats = append(o.seats, n)
	if n.parent == "" {
		o.trim(c)
	}
	return verdict{}
}

func (o *oracle) signIn(c oneseat.Config, n *seatOf, h had, takeOver bool) verdict {
	if o.blocked != nil {
		return verdict{why: "blocked"}
	}
	return o.admit(c, n, h, takeOver, nil)
}

// adopt is a sign-in of a session that is older than oneseat.
func (o *oracle) adopt(c oneseat.Config, n *seatOf) verdict {
	if n.issued.After(o.now) {
		n.issued = time.Time{}
	}
	since := func(t time.Time) bool { return !t.IsZero() && !t.Before(n.issued) }
	over := !n.issued.IsZero() && !o.now.Before(n.issued.Add(absolute(c, n)))
	if o.blocked != nil || over || since(o.forgotten) || slices.ContainsFunc(o.ends, func(e endingOf) bool { return since(e.at) }) || !o.now.Before(c.AdoptUntil) {
		return verdict{why: "no session"}
	}
	n.adopted = true
	return o.admit(c, n, had{}, false, nil)
}

// mayAsk says whether a newcomer to a full account gets a ticket, and makes room for
// that.
func (o *oracle) mayAsk(device string) bool {
	if len(o.tickets) < 8 {
		return true
	}
	goes := slices.IndexFunc(o.tickets, func(t ticketOf) bool { return device != "" && t.device == device })
	if goes < 0 {
		goes = slices.IndexFunc(o.tickets, func(t ticketOf) bool { return !o.knows(t.device) })
	}
	if goes >= 0 {
		o.tickets = slices.Delete(slices.Clone(o.tickets), goes, goes+1)
	}
	return goes >= 0
}

// knows says whether a device has, or had, a session.
func (o *oracle) knows(device string) bool {
	on := func(s seatOf) bool { return device != "" && s.parent == "" && s.device == device }
	return slices.ContainsFunc(o.seats, func(s *seatOf) bool { return on(*s) }) || slices.ContainsFunc(o.ends, func(e endingOf) bool { return on(e.seatOf) })
}

// asked gives a ticket to a newcomer to a full account.
func (o *oracle) asked(text oneseat.Ticket, n *seatOf) {
	o.tickets = append(o.tickets, ticketOf{text, n.device, n.idle, n.absolute, o.now.Add(5 * time.Minute)})
}

func (o *oracle) redeem(c oneseat.Config, n *seatOf, h had, text oneseat.Ticket, ids []oneseat.SessionID) verdict {
	i := slices.IndexFunc(o.tickets, func(t ticketOf) bool { return t.text == text && t.device == n.device })
	if i < 0 {
		return verdict{why: "no ticket"}
	}
	n.idle, n.absolute = o.tickets[i].idle, o.tickets[i].absolute
	v := o.admit(c, n, h, false, ids)
	if v.why == "" {
		o.tickets = slices.Delete(slices.Clone(o.tickets), i, i+1)
	}
	return v
}

// session is a live session, or why there is none.
func (o *oracle) session(id oneseat.SessionID) (*seatOf, verdict) {
	if e := o.ended(id); e != nil {
		return nil, verdict{why: "ended", ended: e}
	}
	if s := o.live(id); s != nil && s.parent == "" {
		return s, verdict{}
	}
	return nil, verdict{why: "no session"}
}

// play starts a stream, or finds the one that the player has: it returns that.
func (o *oracle) play(c oneseat.Config, n *seatOf, ids []oneseat.SessionID) (*seatOf, verdict) {
	if o.blocked != nil {
		return nil, verdict{why: "blocked"}
	}
	if _, v := o.session(n.parent); v.why != "" {
		return nil, v
	}
	for _, s := range o.seats {
		if s.parent == n.parent && s.device == n.device {
			s.seen, s.used = o.now, o.now
			o.use(c, o.live(n.parent))
			return s, verdict{}
		}
	}
	return n, o.admit(c, n, had{}, false, ids)
}

// stream is the live stream of a session, or why there is none.
func (o *oracle) stream(parent, id oneseat.SessionID) (*seatOf, verdict) {
	if s := o.live(id); s != nil && s.parent == parent && parent != "" {
		return s, verdict{}
	}
	if e := o.ended(id); e != nil && e.parent == parent && parent != "" {
		return nil, verdict{why: "ended", ended: e}
	}
	if e := o.ended(parent); e != nil {
		return nil, verdict{why: "ended", ended: e}
	}
	return nil, verdict{why: "no session"}
}

func (o *oracle) block(until time.Time) {
	o.tickets = nil
	for len(o.seats) > 0 {
		o.end(o.seats[0], oneseat.ReasonAccountBlocked, "")
	}
	o.blocked = &until
}
