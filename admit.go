package oneseat

import (
	"cmp"
	"slices"
	"time"
)

// newcomer is a session, or stream, that asks for a seat. Its ids and secrets are
// made before the update, so that a second try is the same newcomer.
type newcomer struct {
	seat       seat        // of a stream if it has a parent
	presented  digest      // of the token that the browser came with
	previous   SessionID   // the session that the browser had, by the application's word
	tried      time.Time   // when its attempt was first made; zero: it is not repeated
	ticket     digest      // under PolicyAsk: of the ticket that it gets if it has to be asked
	ticketUsed digest      // of the ticket that it brings, if any
	chosen     []SessionID // the seats that were chosen to end
	own        SessionID   // the session on its own device, see [draft.own]
	override   bool        // the application vouches for the owner: displace even under PolicyRefuse
	adopted    bool        // not a sign-in: the application's own session, older than oneseat
	issued     time.Time   // when that was issued; zero: not known, so before everything
}

// from completes a newcomer with the seat that it asks for. secret is the digest of
// the token that it gets.
func (c newcomer) from(client SignInRequest, key Key, secret digest) newcomer {
	c.override, c.tried = client.Override && !c.adopted, client.Attempt.Tried
	device := client.Device.clean()
	c.seat = seat{
		Session:  Session{ID: client.Attempt.session(key), Device: device, Lifetime: client.Lifetime.clean(), Program: client.Program, Data: client.Data},
		secret:   secret,
		deviceID: deviceDigest(key, client.DeviceID),
		unused:   !c.adopted && device.Class != ClassAPI && !client.Program, // a program may keep its token for later
	}
	if seen := client.Seen.clean(); c.seat.elsewhere(seen) {
		c.seat.Seen = seen
	}
	if !c.adopted { // no seat has the digest of another account's token, or of a text that is no token
		_, c.presented, _ = decodeToken(client.Token)
	}
	return c
}

// newcomer returns the newcomer that asks for a stream of the session s for the
// player.
func (p Player) newcomer(key Key, s Session) newcomer {
	return newcomer{chosen: p.Instead, seat: seat{
		Session:  Session{ID: newSessionID(), Device: s.Device.clean()},
		parent:   s.ID,
		deviceID: deviceDigest(key, "player "+p.ID),
		title:    sanitize(p.Title, maxTitle),
	}}
}

// id returns the ID of the session, or stream, that the newcomer wants to be.
func (c newcomer) id() SessionID { return c.seat.ID }

// admit is the one door: a session comes to exist here and nowhere else. It
// decides, and applies the decision.
func (d *draft) admit(c newcomer) (Change, Decision) {
	is := d.decide(c)
	is.newDevice = is.Renews == "" && !d.knows(c.seat.deviceID, c.id())
	is.seated = cmp.Or(is.keeps, c.id())
	switch {
	case is.admits():
		change := d.apply(c, is)
		is.repeats = d.repeats(&c.seat)
		return change, is
	case c.seat.parent != "": // the player of a stream chooses what stops, and tries again
	case c.adopted: // it is tried again with the next request
	case is.full():
		d.trim("")
		is.Outcome = d.turnAway(c, is)
		return d.commit(), is
	case is.Outcome == OutcomeBlocked:
		d.noteSeat(EventSignInRefused, &c.seat).Reason = ReasonAccountBlocked
		return d.commit(), is
	}
	return d.changed(), is // the decision may rest on a timeout, which has to be recorded
}

// decide returns the decision on a newcomer, and changes nothing.
func (d *draft) decide(c newcomer) Decision {
	if is, decided := d.standing(c); decided {
		return is
	}
	if c.adopted {
		return d.adopt(c)
	}
	return d.room(c)
}

// standing decides on a newcomer as far as that does not depend on room.
func (d *draft) standing(c newcomer) (is Decision, decided bool) {
	if problem := d.repeatable(c); problem != nil {
		return Decision{Outcome: outcomeInvalid, problem: problem}, true
	}
	if d.matchID(c.seat.ID) != (match{}) {
		return Decision{Outcome: outcomeAlready}, true
	}
	since := earliest(d.given.firstTryAt, c.tried)
	if !since.IsZero() && d.forgot(since) || !c.tried.IsZero() && !d.tried.Before(c.tried) {
		return Decision{Outcome: outcomeUnknown}, true
	}
	if d.blocked != nil {
		return Decision{Outcome: OutcomeBlocked}, true
	}
	if problem := d.entitled(c); problem != nil {
		return Decision{Outcome: outcomeInvalid, problem: problem}, true
	}
	if id := d.playing(c.seat.parent, c.seat.deviceID); id != "" {
		return Decision{Outcome: OutcomeAdmitted, keeps: id}, true
	}
	return Decision{}, false
}

// repeatable returns why an attempt may not be made, or made again: nil if it may, or
// if there is no attempt. A session that an earlier try made is the newcomer's only if
// the session has the newcomer's secret.
func (d *draft) repeatable(c newcomer) error {
	if c.tried.IsZero() {
		return nil
	}
	if err := attemptExpired(c.tried, d.now()); err != nil {
		return err
	}
	switch m := d.matchID(c.seat.ID); {
	case m.seat != nil && m.seat.previous.Equal(c.seat.secret):
		return ErrRotated
	case m.seat != nil && !m.seat.secret.Equal(c.seat.secret),
		m.ending != nil && !m.ending.secret.Equal(c.seat.secret) && !m.ending.previous.Equal(c.seat.secret):
		return ErrAttemptReused
	}
	return nil
}

// forgot reports whether an ending that was recorded at or after since may have been
// dropped. Such a roster cannot tell whether it admitted a newcomer before.
func (d *draft) forgot(since time.Time) bool {
	if d.was.Roster == nil { // the version is a floor under everything that was erased
		return d.was.Version >= uint64(since.UnixMicro())
	}
	return !d.forgotten.Before(since)
}

// entitled returns why a newcomer may not ask for a seat at all: its ticket is
// not good, the session that would play the stream is not live, or the account's
// sessions have too much data.
func (d *draft) entitled(c newcomer) error {
	if !c.ticketUsed.IsZero() {
		return d.redeemable(c)
	}
	if p := c.seat.parent; p != "" {
		return d.over(p)
	}
	return d.dataFits(c.seat.Data, d.sameBrowser(&c))
}

// room decides on a newcomer by the seats that are taken.
func (d *draft) room(c newcomer) Decision {
	is := Decision{Outcome: OutcomeAdmitted, Observed: d.rule.observeOnly, Renews: d.sameBrowser(&c)}
	bounds, policy := d.bounds(c.seat.pool()), d.rule.policy(c.seat.pool())
	c.own = d.own(&c, is.Renews)
	seats := d.displaceOrder(&c, is.Renews)
	var chosen []SessionID
	seats = slices.DeleteFunc(seats, func(s *seat) bool {
		goes := c.chose(s) || d.rule.oneSeatPerDevice && c.replaces(s)
		if goes {
			chosen = append(chosen, s.ID)
		}
		return goes
	})
	renewed := d.matchID(is.Renews).seat
	goes, full, ok := overflow(seats, bounds, &c.seat, func(s *seat, b bound) bool {
		return policy == PolicyDisplace || c.override || b.ceiling || d.yields(s, &c) < yieldsInOrder ||
			renewed != nil && b.counts(renewed) // the newcomer keeps the seat that it renews (LIM-06), though the limit was lowered
	})
	is.Bound, is.Limit, is.Source = full.Name, full.Limit, full.Source
	switch {
	case ok:
		is.Displaces = append(chosen, goes...)
	case policy == PolicyAsk:
		is.Outcome = OutcomeAsked
	default:
		is.Outcome = OutcomeRefused
	}
	return is
}

// chose reports whether the newcomer chose to end a seat. A seat makes room only for a
// newcomer of its own pool: people's sessions, programs or streams.
func (c *newcomer) chose(s *seat) bool {
	return slices.Contains(c.chosen, s.ID) && s.pool() == c.seat.pool()
}

// replaces reports whether a seat is that of the newcomer's own device. An adopted
// session, and a stream, replace none.
func (c *newcomer) replaces(s *seat) bool {
	return !c.adopted && c.seat.parent == "" && s.pool() == c.seat.pool() && s.deviceID.Equal(c.seat.deviceID)
}

// adopt decides on a session that is older than oneseat. It decides as on a sign-in,
// but gives no ticket, and displaces nothing that signed in after the session was
// issued.
func (d *draft) adopt(c newcomer) Decision {
	issued := c.issuedAt(d.now())
	if !d.adoptable(c, issued) {
		return Decision{Outcome: OutcomeRefused}
	}
	is := d.room(c)
	newer := func(id SessionID) bool { return !d.matchID(id).seat.Created.Before(issued) }
	if is.Outcome == OutcomeAsked || slices.ContainsFunc(is.Displaces, newer) {
		is.Outcome, is.Displaces = OutcomeRefused, nil
	}
	return is
}

// adoptable reports whether an older session may still be seated: before AdoptUntil,
// not timed out itself, and only if nothing of the account has ended since it was
// issued.
func (d *draft) adoptable(c newcomer, issued time.Time) bool {
	since := func(t time.Time) bool { return !t.IsZero() && !t.Before(issued) }
	old := c.seat
	old.Created, old.LastSeen = issued, d.now()
	_, over := old.timeout(d.now(), &d.rule)
	return d.now().Before(d.rule.adoptUntil) && !since(d.forgotten) &&
		!slices.ContainsFunc(d.endings, func(e ended) bool { return since(e.At) }) &&
		(issued.IsZero() || !over)
}

// issuedAt returns when the application's session was issued, as far as that can be
// compared with the store's times. It is zero if that is not known, or is said to be
// in the future.
func (c newcomer) issuedAt(now time.Time) time.Time {
	if c.issued.After(now) {
		return time.Time{}
	}
	return c.issued.UTC().Truncate(time.Microsecond)
}

// apply carries a decision out: the sessions that give way are ended, and the
// newcomer is seated.
func (d *draft) apply(c newcomer, is Decision) Change {
	if is.keeps != "" {
		d.beat(is.keeps, 0)
		d.alter(d.seat(is.keeps)).title = c.seat.title // the player may play another title now
		return d.commit()
	}
	d.used(c.seat.parent)
	s := c.seat
	s.Account, s.epoch, s.Created, s.LastSeen = d.Account, d.given.epoch, d.now(), d.now()
	d.prove(&s, c)
	if issued := c.issuedAt(d.now()); !issued.IsZero() {
		s.Created = issued
	}
	if c.tried.After(d.now()) {
		s.tried = c.tried.UTC().Truncate(time.Microsecond).Add(time.Microsecond) // not before c.tried, as it is stored
	}
	d.end(is.Renews, Ending{Reason: ReasonRenewed, By: s.ID, ByDevice: s.Device})
	how := Ending{Reason: ReasonDisplaced, By: s.ID, ByDevice: s.Device}
	displaces := is.Displaces
	if is.Observed {
		for _, id := range displaces {
			how.SameDevice = d.sameDevice(id, s)
			d.observe(id, how)
		}
		if s.observed = is.full(); s.observed {
			d.noteSeat(EventSignInWouldBeRefused, &s).Bound = is.bound()
		}
		displaces = d.overCeiling(&s)
	}
	for _, id := range displaces {
		how.SameDevice = d.sameDevice(id, s)
		d.end(id, how)
	}
	d.spendTicket(c.ticketUsed)
	d.seats = append(slices.Clip(d.seats), s)
	d.noteSeat(EventSessionCreated, &s)
	if s.parent == "" { // a lowered limit on sessions has been applied above; the one on streams has not
		d.trim("")
	}
	d.noticeTakeover()
	return d.commit()
}

// sameDevice reports whether a live session and a newcomer's seat have the same
// device id.
func (d *draft) sameDevice(id SessionID, s seat) bool {
	gone := d.seats[d.seat(id)]
	return gone.parent == "" && gone.deviceID.Equal(s.deviceID)
}

// A device that displaces itself repeatsMany times within repeatsWindow is probably
// several devices that share an id.
const (
	repeatsWindow = time.Hour
	repeatsMany   = 3
)

// repeats reports whether the device of a seat that was just taken has now displaced
// itself repeatsMany times. It reports that once.
func (d *draft) repeats(s *seat) bool {
	n, now := 0, false
	for _, e := range d.endings {
		if e.SameDevice && e.tag == s.tag() && d.now().Before(e.At.Add(repeatsWindow)) {
			n++
			now = e.By == s.ID // what s displaced is the newest
		}
	}
	return now && n == repeatsMany
}

// turnAway records that a newcomer found the account full. A newcomer that is to be
// asked gets its ticket, or is refused if it cannot have one.
func (d *draft) turnAway(c newcomer, is Decision) Outcome {
	event, outcome := EventSignInRefused, OutcomeRefused
	if is.Outcome == OutcomeAsked && d.issueTicket(c) {
		event, outcome = EventSignInAsked, OutcomeAsked
	}
	d.noteSeat(event, &c.seat).Bound = is.bound()
	return outcome
}

// observe marks a session that the limits would have ended like this, under
// ObserveOnly. A marked session does not count any more.
func (d *draft) observe(id SessionID, how Ending) {
	s := d.alter(d.seat(id))
	s.observed = true
	d.noteSeat(EventSessionWouldEnd, s).tell(how)
}

// overCeiling returns the sessions to end even under ObserveOnly, because a
// roster never exceeds MaxSeats, MaxStreams and MaxPrograms.
func (d *draft) overCeiling(s *seat) []SessionID {
	all := *d // marked sessions count here too
	all.rule.observeOnly = false
	c := newcomer{seat: *s}
	c.own = all.own(&c, "")
	goes, _, _ := overflow(all.displaceOrder(&c, ""), []bound{newBound(s.pool(), Unlimited, "")}, s, func(*seat, bound) bool { return true })
	return goes
}

// sameBrowser finds the session that a newcomer's browser has: the one that its token
// stands for, or else the one that the application says.
func (d *draft) sameBrowser(c *newcomer) SessionID {
	if m := d.standsFor(c.presented); m.ofBrowser() && !m.previous {
		return m.seat.ID
	}
	if m := d.successor(d.matchID(c.previous)); m.ofBrowser() {
		return m.seat.ID
	}
	return ""
}

// standsFor is matchSecret for a browser that may not have heard of a renewal: a
// token that was renewed within the last minute stands for its successor.
func (d *draft) standsFor(secret digest) match { return d.successor(d.matchSecret(secret, d.now())) }

// successor follows m to the session that the browser has now, over renewals of the
// last minute. It returns m itself if m was not renewed within that time.
func (d *draft) successor(m match) match {
	for range d.endings { // each step leads to a later session
		if m.ending == nil || m.ending.Reason != ReasonRenewed || !d.now().Before(m.ending.At.Add(renewWindow)) {
			break
		}
		next := d.matchID(m.ending.By) // nothing, if it was forgotten
		next.previous = m.previous
		m = next
	}
	return m
}

// refusal returns the error of a newcomer that may not ask for a seat, or nil.
func (v View) refusal(is Decision) error {
	switch is.Outcome {
	case outcomeUnknown:
		return ErrUnknownOutcome
	case outcomeInvalid:
		return is.problem
	case OutcomeBlocked:
		return &BlockedError{v.Roster.blocked.until}
	}
	return nil
}
