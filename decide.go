package oneseat

import (
	"cmp"
	"slices"
	"time"
)

// Policy says what happens when a sign-in meets a full account.
type Policy string

// The policies.
const (
	Displace Policy = "displace" // the idlest session gives way
	Refuse   Policy = "refuse"   // the newcomer is refused
)

// Unlimited, as [Config.Limit], admits up to [MaxSeats] sessions and then lets
// the idlest give way, whatever the policy.
const Unlimited = -1

// Rule is what decides, as a plain value: everything that needs I/O was looked
// up before.
type Rule struct {
	Limit       int // seats, or Unlimited
	WhenFull    Policy
	Idle        time.Duration // 0: sessions do not time out by idleness
	Absolute    time.Duration // 0: sessions do not time out by age
	KeepEndings time.Duration
	AdoptUntil  time.Time // until then sessions older than oneseat are seated; zero: none is
}

// newcomer is who asks for a seat. Its ids and secrets were made outside, so
// that a second try is the same newcomer.
type newcomer struct {
	seat      Seat
	presented Digest    // of the token that the browser came with
	adopted   bool      // not a sign-in: the application's own session, older than oneseat
	issued    time.Time // when that was issued; zero: not known, so before everything
	takeOver  bool      // the app vouches for the owner: displace even under Refuse
	tried     time.Time // store time not after the first try, if this is another; else zero
}

// decision is what a sign-in comes to. It changes nothing: apply does.
type decision struct {
	outcome  outcome
	renews   SessionID   // this one is replaced silently
	displace []SessionID // these give way, in this order
}

type outcome int

const (
	admitted outcome = iota
	refused          // the account is full
	already          // an earlier try of this newcomer was committed
	unknown          // it may have been, and have been forgotten since
)

// admit is the one door (LIM-07): a session comes to exist here and nowhere
// else. It settles what has timed out, decides, and applies the decision.
func admit(v View, realm, account string, c newcomer, rule Rule) (Change, decision) {
	ro, events := v.settled(realm, account, c.seat.Epoch, rule)
	d := ro.decide(v, c, rule)
	switch d.outcome {
	case admitted:
		return ro.apply(v, c, d, events, rule), d
	case refused:
		if c.adopted {
			return Change{}, d // a request, not a sign-in: it will be back
		}
		return ro.commit(v, append(events, ro.refusal(v, c)), rule), d
	}
	return Change{}, d
}

// decide says what becomes of a newcomer. The roster has been settled.
func (ro *Roster) decide(v View, c newcomer, rule Rule) decision {
	if r := ro.recall(c.seat.ID); r.seat != nil || r.ending != nil {
		return decision{outcome: already}
	}
	if !c.tried.IsZero() && v.forgot(ro, c.tried) {
		return decision{outcome: unknown}
	}
	issued := c.issuedAt(v.Now)
	if c.adopted && !ro.adoptable(v, issued, rule) {
		return decision{outcome: refused}
	}
	d := decision{renews: ro.sameBrowser(v.Now, c.presented)}
	limit, policy := rule.Limit, rule.WhenFull
	if limit == Unlimited {
		limit, policy = MaxSeats, Displace
	}
	seated := len(ro.Seats)
	if d.renews != "" {
		seated--
	}
	over := seated + 1 - limit
	if over <= 0 {
		return d
	}
	if policy == Refuse && !c.takeOver {
		return decision{outcome: refused}
	}
	d.displace = ro.givingWay(over, d.renews, c.seat.DeviceID)
	if c.adopted && slices.ContainsFunc(d.displace, func(id SessionID) bool { return !ro.Seats[ro.seat(id)].Created.Before(issued) }) {
		return decision{outcome: refused} // it never displaces a later sign-in
	}
	return d
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
func (ro *Roster) apply(v View, c newcomer, d decision, events []Event, rule Rule) Change {
	by := Ending{At: v.Now, By: c.seat.ID, ByDevice: c.seat.Device}
	if d.renews != "" {
		by.Reason = Renewed
		events = append(events, ro.end(v, d.renews, by))
	}
	by.Reason = Displaced
	for _, id := range d.displace {
		events = append(events, ro.end(v, id, by))
	}
	s := c.seat
	s.Account, s.Created, s.LastSeen = ro.Account, v.Now, v.Now
	if issued := c.issuedAt(v.Now); !issued.IsZero() {
		s.Created = issued
	}
	ro.Seats = append(slices.Clip(ro.Seats), s)
	events = append(events, ro.event(v, SessionCreated, s.Session))
	return ro.commit(v, events, rule)
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

// givingWay picks n sessions to displace: one on the newcomer's own device
// first, then the idlest, the one that signed in first among equals.
func (ro *Roster) givingWay(n int, but SessionID, device Digest) []SessionID {
	at := make([]int, 0, len(ro.Seats))
	for i := range ro.Seats {
		if ro.Seats[i].ID != but {
			at = append(at, i)
		}
	}
	elsewhere := func(i int) int {
		if ro.Seats[i].DeviceID.Equal(device) {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(at, func(a, b int) int {
		return cmp.Or(
			cmp.Compare(elsewhere(a), elsewhere(b)),
			ro.Seats[a].LastSeen.Compare(ro.Seats[b].LastSeen),
			ro.Seats[a].Created.Compare(ro.Seats[b].Created))
	})
	ids := make([]SessionID, n)
	for i := range ids {
		ids[i] = ro.Seats[at[i]].ID
	}
	return ids
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
		if over {
			events = append(events, ro.end(v, s.ID, Ending{Reason: reason, At: v.Now}))
		}
	}
	for len(ro.Endings) > 0 && !v.Now.Before(ro.Endings[0].At.Add(rule.KeepEndings)) {
		ro.forget()
	}
	return ro, events
}

// end turns a seat into an ending, and returns the event that says so. how has
// the reason, time and author.
func (ro *Roster) end(v View, id SessionID, how Ending) Event {
	i := ro.seat(id)
	s := ro.Seats[i]
	how.Session, how.Device = s.ID, s.Device
	ro.Seats = slices.Concat(ro.Seats[:i], ro.Seats[i+1:])
	ro.Endings = append(slices.Clip(ro.Endings), Ended{Ending: how, Secret: s.Secret})
	if len(ro.Endings) > MaxEndings {
		ro.forget()
	}
	e := ro.event(v, SessionEnded, s.Session)
	e.Reason, e.By, e.Actor, e.ByDevice = how.Reason, how.By, how.Actor, how.ByDevice
	return e
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

// refusal is the event of a sign-in that found the account full.
func (ro *Roster) refusal(v View, c newcomer) Event {
	return ro.event(v, SignInRefused, c.seat.Session)
}

func (ro *Roster) event(v View, t EventType, about Session) Event {
	return Event{
		Type: t, Realm: ro.Realm, Account: ro.Account, Session: about.ID,
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
	if len(events) == 0 && len(ro.Endings) == len(v.Roster.Endings) && ro.due(rule).Equal(v.Roster.Due) && !ro.spent(v.Now, rule) {
		return Change{}
	}
	return ro.commit(v, events, rule)
}

// spent says that nothing is left to know in a roster, nor would its absence let
// an older session be adopted. The control record is never spent.
func (ro *Roster) spent(now time.Time, rule Rule) bool {
	return ro.Account != "" && len(ro.Seats) == 0 && len(ro.Endings) == 0 && !now.Before(rule.AdoptUntil)
}

// commit makes a Change of a roster that was worked on. A spent one is erased.
func (ro *Roster) commit(v View, events []Event, rule Rule) Change {
	ro.Due = ro.due(rule)
	if len(events) == 0 && ro.spent(v.Now, rule) {
		return Change{Erase: true}
	}
	return Change{Roster: ro, Events: events}
}
