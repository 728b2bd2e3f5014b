package oneseat

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"
)

// Client is the browser, or program, that signs in.
type Client struct {
	// Token is what it presented, or "". The live token of the same account is
	// renewed: its session is replaced silently. That of another account ends
	// that account's session here.
	Token string

	// DeviceID is the random id that the device keeps, or "". Only its hash is
	// stored. A session of the same device gives way first.
	DeviceID string

	// Device is what is known of the device.
	Device Device

	// TakeOver lets the newcomer in under Refuse too: the application has proof,
	// fresher than a password that may be shared, that this is the owner
	// (LIM-12).
	TakeOver bool
}

// Grant is a session and the token that proves it. The token cannot be had a
// second time.
type Grant struct {
	Session Session
	Token   Token
}

// SignIn gives the account a new session, after the application has verified
// who is asking. What has to give way ends in the same step.
//
// The account is compared byte by byte: "Alice" and "alice" are two, with a limit
// each. Give the id of the application's own record of the account, not what
// was typed (LIM-16).
//
// It returns an *[AccountError] for what cannot name an account, a *[LimitError]
// when the account is full under [Refuse] or [Ask], a *[BlockedError] when it is
// blocked, an *[EndedError] when the session was admitted and ended again before
// the store's reply came, [ErrUnknownOutcome] when no reply came at all, and
// [ErrStoreUnavailable] when the store did not answer and nothing was done. The
// session is accepted on every node from the moment SignIn returns.
func (r *Registry) SignIn(ctx context.Context, account string, from Client) (Grant, error) {
	if err := checkAccount(account); err != nil {
		return Grant{}, err
	}
	return r.signIn(ctx, KeyOf(r.config.Realm, account), account, from, newcomer{takeOver: from.TakeOver}, "")
}

// signIn brings a newcomer in, by password or by the ticket that it was given
// before.
func (r *Registry) signIn(ctx context.Context, key Key, account string, from Client, c newcomer, ticket Ticket) (Grant, error) {
	token, secret := newToken(key)
	c = r.newcomer(key, from, c)
	c.seat.Secret = secret
	if r.rule.WhenFull == Ask && ticket == "" {
		var s string
		s, c.ticket = newSecret(TicketPrefix, key)
		ticket = Ticket(s)
	}
	v, d, err := r.admit(ctx, key, account, c)
	switch {
	case err != nil:
		return Grant{}, err
	case d.Outcome == Asked && !d.admits():
		r.stats.asked.Add(1)
		return Grant{}, r.full(v, c, d, ticket)
	case d.Outcome == Refused && !d.Observed:
		r.stats.refused.Add(1)
		return Grant{}, r.full(v, c, d, "")
	}
	who := v.Roster.recall(c.seat.ID)
	if who.seat == nil {
		return Grant{}, &EndedError{who.ending.Ending}
	}
	r.stats.signIns.Add(1)
	r.stats.decided(d)
	if k, _, ok := parseToken(from.Token); ok && k != key {
		// The browser is another account's now. Should this fail, nobody holds
		// that session's token any more: it times out.
		if err := r.SignOut(ctx, from.Token); err != nil && !errors.Is(err, ErrNoSession) {
			r.log.Warn("the session of another account in the same browser was not ended", "error", err)
		}
	}
	return Grant{who.seat.Session, token}, nil
}

// full is the error of a newcomer that found no room: it names whose seats would
// be room.
func (r *Registry) full(v View, c newcomer, d Decision, ticket Ticket) *LimitError {
	b := bound{name: d.Full}
	seats := slices.DeleteFunc(slices.Clone(v.Roster.Seats), func(s Seat) bool { return !b.counts(&s) })
	return &LimitError{Limit: d.Limit, Full: d.Full, Live: sessions(seats), Ticket: ticket}
}

// newcomer is c with a seat of its own, as the client would sit on it.
func (r *Registry) newcomer(key Key, from Client, c newcomer) newcomer {
	c.seat = Seat{
		Session:  Session{ID: newSessionID(), Device: from.Device.clean()},
		DeviceID: deviceDigest(from.DeviceID),
	}
	if k, presented, ok := parseToken(from.Token); ok && k == key {
		c.presented = presented
	}
	return c
}

// Adopt gives a seat to a session of the application's own that is older than
// oneseat, through the same door as a sign-in and until [Config.AdoptUntil]. It
// is seated as of when it was issued (the zero time: not known, so before
// everything), so it never displaces a later sign-in, and only if nothing of the
// account has ended since.
//
// It returns [ErrNoSession] for one that gets no seat: the user has to sign in.
// Other errors are those of SignIn.
func (r *Registry) Adopt(ctx context.Context, account string, issued time.Time, from Client) (Grant, error) {
	if err := checkAccount(account); err != nil {
		return Grant{}, err
	}
	if r.config.AdoptUntil.IsZero() {
		return Grant{}, ErrNoSession
	}
	key := KeyOf(r.config.Realm, account)
	token, secret := newToken(key)
	from.Token = ""
	c := r.newcomer(key, from, newcomer{adopted: true, issued: issued})
	c.seat.Secret = secret
	v, d, err := r.admit(ctx, key, account, c)
	if _, blocked := errors.AsType[*BlockedError](err); blocked {
		return Grant{}, ErrNoSession
	}
	if err != nil {
		return Grant{}, err
	}
	if d.Outcome == Refused && !d.Observed {
		return Grant{}, ErrNoSession
	}
	r.stats.decided(d)
	who := v.Roster.recall(c.seat.ID)
	if who.seat == nil {
		return Grant{}, &EndedError{who.ending.Ending}
	}
	return Grant{who.seat.Session, token}, nil
}

// errBehind is for a record that stays older than what was issued under it.
var errBehind error = &FormatError{"sessions are newer than the realm's control record, as after a partial restore: call EndRealm"}

// admit brings a newcomer to the one door, under the realm's epoch and the
// application's limit of now, as often as it takes. That the realm ends meanwhile
// is no failed try.
func (r *Registry) admit(ctx context.Context, key Key, account string, c newcomer) (_ View, _ Decision, err error) {
	var late error // what changed since it was asked for
	defer func() {
		if !c.tried.IsZero() {
			err = unclear(err)
		}
	}()
	var behind uint64 // the epoch that sessions were newer than
	for tries := 0; tries < 3; {
		epoch, asOf, err := r.epoch(ctx)
		if err == nil && epoch == behind { // still: the realm has not ended since it was read first
			err = errBehind
		}
		if err != nil {
			return View{}, Decision{}, err
		}
		c.seat.Epoch = epoch
		var revision uint64
		if c.limits, revision, err = r.limitsOf(ctx, key, account); err != nil {
			return View{}, Decision{}, err
		}
		var d Decision
		v, err := r.update(ctx, key, func(v View, try int) (Change, error) {
			late = nil
			if try > 0 && c.tried.IsZero() {
				c.tried = asOf
			}
			switch {
			case v.Roster != nil && v.Roster.recall(c.seat.ID) != recognition{}: // an earlier try was committed
			case v.Roster != nil && slices.ContainsFunc(v.Roster.Seats, func(s Seat) bool { return s.Epoch > epoch }):
				late = errBehind
				return Change{}, nil
			case r.config.LimitFor != nil && v.Roster.revision() != revision:
				late = errLimitsChange
				return Change{}, nil
			}
			var change Change
			change, d = admit(v, r.config.Realm, account, c, r.rule)
			return change, nil
		})
		switch {
		case err != nil:
			return View{}, Decision{}, err
		case errors.Is(late, errBehind):
			behind = epoch
			continue
		case late != nil:
			tries++
			continue
		}
		switch d.Outcome {
		case unknown:
			return View{}, Decision{}, ErrUnknownOutcome
		case invalid:
			return View{}, Decision{}, d.problem
		case Blocked:
			return View{}, Decision{}, &BlockedError{v.Roster.Block.Until}
		}
		return v, d, nil
	}
	return View{}, Decision{}, late
}

// Rotate gives a session a new token and leaves its id, as after a change of
// password. For ten seconds the old token still checks, for requests that were
// on their way, but it may not rotate, end or list. Errors are those of Check;
// [ErrUnknownOutcome] leaves either token in force.
func (r *Registry) Rotate(ctx context.Context, token string) (Grant, error) {
	key, old, ok := parseToken(token)
	if !ok {
		return Grant{}, ErrNoSession
	}
	next, secret := newToken(key)
	epoch, err := r.epochNow(ctx)
	if err != nil {
		return Grant{}, err
	}
	var refusal error
	v, err := r.update(ctx, key, func(v View, _ int) (Change, error) {
		refusal = ErrNoSession
		if v.Roster == nil {
			return Change{}, nil
		}
		ro, events := v.settled(v.Roster.Realm, v.Roster.Account, epoch, r.rule)
		if ro.bySecret(secret) >= 0 { // an earlier try was committed
			refusal = nil
			return Change{}, nil
		}
		if e, ok := ro.rotate(v, old, secret); ok {
			refusal = nil
			return ro.commit(v, append(events, e), r.rule), nil
		}
		if e := ro.recognise(old, v.Now).ending; e != nil {
			refusal = &EndedError{e.Ending}
		}
		return v.changeIf(ro, events, r.rule), nil
	})
	if err = cmp.Or(err, refusal); err != nil {
		return Grant{}, err
	}
	return Grant{v.Roster.Seats[v.Roster.bySecret(secret)].Session, next}, nil
}
