package oneseat

import (
	"slices"
	"time"
)

// Policy says what happens when a sign-in meets a full account.
type Policy string

// The policies.
const (
	Displace Policy = "displace" // another session gives way, see [WhoGoes]
	Refuse   Policy = "refuse"   // the newcomer is refused
	Ask      Policy = "ask"      // the newcomer is refused, with a [Ticket] to choose who goes
)

// Rule is what decides, as a plain value: everything that needs I/O was looked
// up before.
type Rule struct {
	Limits      Limits // for everybody; Total and Streams are set
	WhenFull    Policy // of sessions; a stream is always asked about
	WhoGoes     WhoGoes
	SeatIdle    time.Duration // under Refuse and Ask, who is idle for longer gives way; 0: nobody does
	StreamIdle  time.Duration // how long a stream lives without a heartbeat
	ObserveOnly bool          // limits are counted and reported, and let everybody in
	Idle        time.Duration // 0: sessions do not time out by idleness
	Absolute    time.Duration // 0: sessions do not time out by age
	KeepEndings time.Duration
	AdoptUntil  time.Time // until then sessions older than oneseat are seated; zero: none is
}

// newcomer is who asks for a seat. Its ids and secrets were made outside, so
// that a second try is the same newcomer.
type newcomer struct {
	seat      Seat        // a stream if it has a Parent
	presented Digest      // of the token that the browser came with
	limits    Limits      // what the application's function said of the account
	ticket    Digest      // under Ask: of the ticket that it gets, if it has to be asked
	redeems   Digest      // the ticket that it brings, if any
	instead   []SessionID // who was chosen to go
	adopted   bool        // not a sign-in: the application's own session, older than oneseat
	issued    time.Time   // when that was issued; zero: not known, so before everything
	takeOver  bool        // the app vouches for the owner: displace even under Refuse
	tried     time.Time   // store time not after the first try, if this is another; else zero
}

// Decision is what a sign-in comes to, and why. It changes nothing: apply does.
type Decision struct {
	Outcome   Outcome
	Renews    SessionID   // the session that is replaced silently
	Displaces []SessionID // those that give way, in this order
	Full      string      // the limit that decided: "total", "streams" or a class of device; "" if there was room
	Limit     int         // that limit
	From      Source      // and where it was said
	Observed  bool        // [Config.ObserveOnly]: everybody is let in, and nobody has to go

	keeps   SessionID // the stream that the player has already
	problem error     // of outcome invalid
}

// Outcome is what becomes of a newcomer.
type Outcome string

// The outcomes.
const (
	Admitted Outcome = "admitted"
	Refused  Outcome = "refused" // the account is full
	Asked    Outcome = "asked"   // the account is full: a ticket lets the newcomer choose who goes
	Blocked  Outcome = "blocked" // the account is blocked

	already Outcome = "already" // an earlier try of this newcomer was committed
	unknown Outcome = "unknown" // it may have been, and have been forgotten since
	invalid Outcome = "invalid" // its ticket, or the session that it belongs to, is not good any more
)

// admits says whether the newcomer is let in.
func (d Decision) admits() bool {
	return d.Outcome == Admitted || d.Observed
}

// full says that the newcomer found no room.
func (d Decision) full() bool { return d.Outcome == Refused || d.Outcome == Asked }

// admit is the one door (LIM-07): a session comes to exist here and nowhere
// else. It settles what has timed out, decides, and applies the decision.
func admit(v View, realm, account string, c newcomer, rule Rule) (Change, Decision) {
	ro, events := v.settled(realm, account, c.seat.Epoch, rule)
	d := ro.decide(v, c, rule)
	switch {
	case d.admits():
		return ro.apply(v, c, d, events, rule), d
	case d.full() && c.seat.Parent != "", // its session is live, and chooses by trying again
		d.Outcome == invalid && v.Roster != nil: // what it is told of a timeout has to be recorded
		return v.changeIf(ro, events, rule), d
	case d.full() && !c.adopted: // an adoption is a request, not a sign-in: it will be back
		events = append(events, ro.trim(v, c.limits, "", rule)...)
		return ro.commit(v, append(events, ro.turnAway(v, c, d)), rule), d
	}
	return Change{}, d
}

// decide says what becomes of a newcomer. The roster has been settled.
func (ro *Roster) decide(v View, c newcomer, rule Rule) Decision {
	if r := ro.recall(c.seat.ID); r.seat != nil || r.ending != nil {
		return Decision{Outcome: already}
	}
	if !c.tried.IsZero() && v.forgot(ro, c.tried) {
		return Decision{Outcome: unknown}
	}
	if ro.Block != nil {
		return Decision{Outcome: Blocked}
	}
	if problem := ro.entitled(c); problem != nil {
		return Decision{Outcome: invalid, problem: problem}
	}
	if i := ro.playing(c.seat.Parent, c.seat.DeviceID); i >= 0 {
		return Decision{Outcome: Admitted, keeps: ro.Seats[i].ID}
	}
	issued := c.issuedAt(v.Now)
	if c.adopted && !ro.adoptable(v, issued, rule) {
		return Decision{Outcome: Refused}
	}
	d := Decision{Outcome: Admitted, Observed: rule.ObserveOnly, Renews: ro.sameBrowser(v.Now, c.presented)}
	seats := ro.givingWay(c.seat, d.Renews, rule)
	var chosen []SessionID // one that is not there frees nothing, whoever it was
	for _, s := range seats {
		if slices.Contains(c.instead, s.ID) && (s.Parent == "") == (c.seat.Parent == "") {
			chosen = append(chosen, s.ID)
		}
	}
	seats = slices.DeleteFunc(seats, func(s Seat) bool { return slices.Contains(chosen, s.ID) })
	bounds, streams := ro.bounds(c.limits, rule)
	policy := rule.WhenFull
	if c.seat.Parent != "" {
		bounds, policy = streams, Ask
	}
	renewed := ro.recall(d.Renews).seat
	goes, full, ok := overflow(seats, bounds, &c.seat, func(s *Seat, b bound) bool {
		return policy == Displace || c.takeOver || b.always || s.seatless(v.Now, rule) ||
			d.Renews != "" && b.counts(renewed) // it keeps the seat that it had (LIM-06): the limit was lowered
	})
	if full.name != "" {
		d.Full, d.Limit, d.From = full.name, full.most, full.from
	}
	switch {
	case ok:
		d.Displaces = append(chosen, goes...)
	case policy == Ask && !c.adopted:
		d.Outcome = Asked
	default:
		d.Outcome = Refused
	}
	if c.adopted && slices.ContainsFunc(d.Displaces, func(id SessionID) bool { return !ro.Seats[ro.seat(id)].Created.Before(issued) }) {
		d.Outcome, d.Displaces = Refused, nil // it never displaces a later sign-in
	}
	return d
}

// entitled says why a newcomer may not ask for a seat at all: its ticket is not
// good, or the session that would play the stream is not live.
func (ro *Roster) entitled(c newcomer) error {
	if !c.redeems.IsZero() {
		return ro.redeemable(c)
	}
	if p := c.seat.Parent; p != "" {
		switch r := ro.recall(p); {
		case r.ending != nil:
			return &EndedError{r.ending.Ending}
		case r.seat == nil || r.seat.Parent != "":
			return ErrNoSession
		}
	}
	return nil
}

// adoptable says whether an older session may still be seated: in time, not
// timed out itself, and if nothing of the account has ended since it was issued.
func (ro *Roster) adoptable(v View, issued time.Time, rule Rule) bool {
	since := func(t time.Time) bool { return !t.IsZero() && !t.Before(issued) }
	old := Seat{Session: Session{Created: issued, LastSeen: v.Now}}
	_, over := old.timeout(v.Now, rule)
	return v.Now.Before(rule.AdoptUntil) && !since(ro.Forgotten) &&
		!slices.ContainsFunc(ro.Endings, func(e Ended) bool { return since(e.At) }) &&
		(issued.IsZero() || !over)
}

// issuedAt is when the application's session was issued, as far as that can be
// compared with the store's times; zero if it is not known, as when it is said
// to be in the future.
func (c newcomer) issuedAt(now time.Time) time.Time {
	if c.issued.After(now) {
		return time.Time{}
	}
	return c.issued.UTC().Truncate(time.Microsecond)
}

// apply carries a decision out: those who go are ended, the newcomer is seated.
func (ro *Roster) apply(v View, c newcomer, d Decision, events []Event, rule Rule) Change {
	if d.keeps != "" {
		ro.touch(d.keeps, v.Now, 0)
		return ro.commit(v, events, rule)
	}
	s := c.seat
	s.Account, s.Created, s.LastSeen = ro.Account, v.Now, v.Now
	if issued := c.issuedAt(v.Now); !issued.IsZero() {
		s.Created = issued
	}
	by := Ending{Reason: Renewed, At: v.Now, By: s.ID, ByDevice: s.Device}
	if d.Renews != "" {
		events = append(events, ro.end(v, d.Renews, by)...)
	}
	by.Reason = Displaced
	displaces := d.Displaces
	if d.Observed {
		for _, id := range displaces {
			events = append(events, ro.observe(v, id, by))
		}
		if s.Observed = d.full(); s.Observed {
			events = append(events, ro.event(v, SignInWouldBeRefused, s.Session))
		}
		displaces = ro.overCeiling(s, rule)
	}
	for _, id := range displaces {
		events = append(events, ro.end(v, id, by)...)
	}
	ro.spend(c.redeems)
	ro.Seats = append(slices.Clip(ro.Seats), s)
	events = append(events, ro.event(v, s.kind(SessionCreated, StreamStarted), s.Session))
	if s.Parent == "" { // sessions have given way: of a limit that was lowered, the streams are left
		events = append(events, ro.trim(v, c.limits, "", rule)...)
	}
	if e, ok := ro.noticeTakeover(v); ok {
		events = append(events, e)
	}
	return ro.commit(v, events, rule)
}

// turnAway notes that a newcomer found the account full, and, if it is to be
// asked, keeps the ticket that lets it choose.
func (ro *Roster) turnAway(v View, c newcomer, d Decision) Event {
	if d.Outcome == Asked {
		ro.issue(v, c)
		return ro.event(v, SignInAsked, c.seat.Session)
	}
	return ro.event(v, SignInRefused, c.seat.Session)
}

// observe marks a session that would have ended like this, were the limit not
// only observed: it does not count any more.
func (ro *Roster) observe(v View, id SessionID, how Ending) Event {
	ro.Seats = slices.Clone(ro.Seats)
	s := &ro.Seats[ro.seat(id)]
	s.Observed = true
	e := ro.event(v, SessionWouldEnd, s.Session)
	e.Reason, e.By, e.Actor, e.ByDevice = how.Reason, how.By, how.Actor, how.ByDevice
	return e
}

// overCeiling names who has to go although limits are only observed: a roster
// has a bound in any case.
func (ro *Roster) overCeiling(newcomer Seat, rule Rule) []SessionID {
	rule.ObserveOnly = false
	b := total(boundTotal, Unlimited, MaxSeats, "")
	if newcomer.Parent != "" {
		b = total(boundStreams, Unlimited, MaxStreams, "")
	}
	goes, _, _ := overflow(ro.givingWay(newcomer, "", rule), []bound{b}, &newcomer, func(*Seat, bound) bool { return true })
	return goes
}

// sameBrowser finds the session that a browser's token stands for: the token's
// own, or its live successor if it was renewed within the last minute.
func (ro *Roster) sameBrowser(now time.Time, presented Digest) SessionID {
	if i := ro.bySecret(presented); i >= 0 {
		return ro.Seats[i].ID
	}
	e := ro.recognise(presented, now).ending
	for range ro.Endings { // each step leads to a later session
		if e == nil || e.Reason != Renewed || !now.Before(e.At.Add(renewWindow)) {
			break
		}
		r := ro.recall(e.By)
		if r.seat != nil {
			return r.seat.ID
		}
		e = r.ending
	}
	return ""
}

// forgot says whether an ending recorded at or after since may have been
// dropped: such a roster cannot tell whether a newcomer has been here.
func (v View) forgot(ro *Roster, since time.Time) bool {
	if v.Roster == nil { // Version is a floor under everything that was erased
		return v.Version >= uint64(since.UnixMicro())
	}
	return !ro.Forgotten.Before(since)
}

// settled returns a roster of its own to work on, in which all that had timed
// out at v.Now, or was issued under an earlier epoch, has ended, and what has
// been kept long enough is dropped.
func (v View) settled(realm, account string, epoch uint64, rule Rule) (*Roster, []Event) {
	ro := &Roster{Realm: realm, Account: account}
	if v.Roster != nil {
		c := *v.Roster
		ro = &c
	}
	var events []Event
	for _, s := range slices.Clone(ro.Seats) {
		reason, over := s.timeout(v.Now, rule)
		if s.Epoch < epoch {
			reason, over = RealmEnded, true
		}
		if over && ro.seat(s.ID) >= 0 { // else it ended with its parent
			events = append(events, ro.end(v, s.ID, Ending{Reason: reason, At: v.Now})...)
		}
	}
	ro.expireTickets(v.Now, epoch)
	ro.expireBlock(v.Now)
	for len(ro.Endings) > 0 && !v.Now.Before(ro.Endings[0].At.Add(rule.KeepEndings)) {
		ro.forget()
	}
	return ro, events
}

// end turns a seat into an ending, and those of its streams with it, and returns
// the events that say so. how has the reason, time and author. A stream's ending
// is remembered if its player has to be told: not one that stopped, or lapsed, or
// ended with its session.
func (ro *Roster) end(v View, id SessionID, how Ending) []Event {
	i := ro.seat(id)
	s := ro.Seats[i]
	how.Session, how.Parent, how.Device = s.ID, s.Parent, s.Device
	ro.Seats = slices.Concat(ro.Seats[:i], ro.Seats[i+1:])
	if s.Parent == "" || ro.seat(s.Parent) >= 0 && how.Reason != SignedOut && how.Reason != IdleTimeout {
		ro.Endings = append(slices.Clip(ro.Endings), Ended{Ending: how, Secret: s.Secret, Mark: s.idMark()})
	}
	if len(ro.Endings) > MaxEndings {
		ro.forget()
	}
	e := ro.event(v, s.kind(SessionEnded, StreamEnded), s.Session)
	e.Reason, e.By, e.Actor, e.ByDevice = how.Reason, how.By, how.Actor, how.ByDevice
	events := []Event{e}
	for _, child := range slices.Clone(ro.Seats) {
		if child.Parent == id {
			events = append(events, ro.end(v, child.ID, how)...)
		}
	}
	return events
}

// forget drops the oldest ending and remembers that there was one.
func (ro *Roster) forget() {
	ro.Forgotten = later(ro.Forgotten, ro.Endings[0].At)
	ro.Endings = ro.Endings[1:]
}

// touch moves a live session's last-seen forward, if that is due. It finds the
// session live or does nothing.
func (ro *Roster) touch(id SessionID, now time.Time, every time.Duration) bool {
	i := ro.seat(id)
	if i < 0 || now.Before(ro.Seats[i].LastSeen.Add(every)) {
		return false
	}
	ro.Seats = slices.Clone(ro.Seats)
	ro.Seats[i].LastSeen = now
	return true
}

// rotate gives the session that d is the secret of another one. It returns
// false if there is none.
func (ro *Roster) rotate(v View, d, secret Digest) (Event, bool) {
	i := ro.bySecret(d)
	if i < 0 {
		return Event{}, false
	}
	ro.Seats = slices.Clone(ro.Seats)
	s := &ro.Seats[i]
	s.Previous, s.Secret, s.Rotated, s.Replayed = s.Secret, secret, v.Now, time.Time{}
	s.LastSeen = v.Now
	return ro.event(v, SessionRotated, s.Session), true
}

// used notes that an ended token, or one rotated away, was presented again. It
// returns false if that has been reported within usedWindow.
func (ro *Roster) used(v View, d Digest) (Event, bool) {
	r := ro.recognise(d, v.Now)
	switch {
	case r.ending != nil && !r.ending.Used.After(v.Now.Add(-usedWindow)):
		ro.Endings = slices.Clone(ro.Endings)
		i := ro.ending(r.ending.Session)
		ro.Endings[i].Used = v.Now
		e := ro.event(v, SessionUsedAfterEnd, Session{ID: r.ending.Session, Device: r.ending.Device})
		e.Reason = r.ending.Reason
		return e, true
	case r.replayed != nil && !r.replayed.Replayed.After(v.Now.Add(-usedWindow)):
		ro.Seats = slices.Clone(ro.Seats)
		i := ro.seat(r.replayed.ID)
		ro.Seats[i].Replayed = v.Now
		return ro.event(v, SessionUsedAfterEnd, r.replayed.Session), true
	}
	return Event{}, false
}

func (ro *Roster) event(v View, t EventType, about Session) Event {
	return Event{
		Type: t, Realm: ro.Realm, Account: ro.Account, Session: about.ID, Parent: about.Parent,
		At: v.Now, Version: v.Next(), Device: about.Device,
	}
}

// newEpoch ends every session that was issued under the realm's control record
// so far. Its first version is made the same way, so that losing the record
// ends everything issued before.
func (v View) newEpoch(realm, actor string) Change {
	ro := &Roster{Realm: realm}
	if v.Roster != nil {
		c := *v.Roster
		ro = &c
	}
	ro.Epoch = v.Next()
	e := ro.event(v, RealmWasEnded, Session{})
	e.Actor = actor
	return Change{Roster: ro, Events: []Event{e}}
}

// changeIf is what settling v came to: nothing, if there was nothing to settle.
func (v View) changeIf(ro *Roster, events []Event, rule Rule) Change {
	was := v.Roster
	if len(events) == 0 && len(ro.Endings) == len(was.Endings) && len(ro.Pending) == len(was.Pending) &&
		ro.due(rule).Equal(was.Due) && !ro.spent(v.Now, rule) {
		return Change{}
	}
	return ro.commit(v, events, rule)
}

// spent says that nothing is left to know in a roster, nor would its absence let
// an older session be adopted, or a limit count that was asked for before it
// changed. The control record is never spent.
func (ro *Roster) spent(now time.Time, rule Rule) bool {
	return ro.Account != "" && len(ro.Seats)+len(ro.Endings)+len(ro.Pending) == 0 && ro.Block == nil && ro.Limits.IsZero() &&
		!now.Before(rule.AdoptUntil) && !now.Before(ro.revised().Add(revisionKept))
}

// commit makes a Change of a roster that was worked on. A spent one is erased, or,
// since an erasure has no events, left to the next sweep.
func (ro *Roster) commit(v View, events []Event, rule Rule) Change {
	ro.Due = ro.due(rule)
	if ro.spent(v.Now, rule) {
		if len(events) == 0 {
			return Change{Erase: true}
		}
		ro.Due = v.Now
	}
	return Change{Roster: ro, Events: events}
}
