package oneseat

import (
	"cmp"
	"context"
	"errors"
	"time"
)

// SignIn gives the account a new session, after the application has verified the
// user. The sessions that give way end in the same step. The new session is accepted
// on every node from the moment SignIn returns.
//
// The account is compared byte by byte: "Alice" and "alice" are two accounts, with a
// limit each. Pass the id of the application's own record of the account, not what
// was typed.
//
// SignIn returns
//
//   - an *[AccountError] for a text that cannot name an account, and a
//     *[ConfigError] for a bad DeviceID, bad Data, a lifetime longer than the
//     Config's, or a program where [Config.Programs] has none;
//   - a *[DataError] when the account's sessions have too much data;
//   - a *[LimitError] when the account is full under [PolicyRefuse] or [PolicyAsk];
//   - a *[BlockedError] when the account is blocked;
//   - [ErrLimitUnknown], wrapped with what [Config.LimitFor] said;
//   - an *[EndedError] when the session was admitted, and ended before the store's
//     reply came;
//   - [ErrUnknownOutcome] when no reply came: the session may have been admitted;
//   - [ErrStoreUnavailable] when the store did not answer and nothing was done;
//   - a *[FormatError] when a stored record cannot be read.
func (r *Registry) SignIn(ctx context.Context, account string, from SignInRequest) (Grant, error) {
	if err := r.rule.checkSignIn(from); err != nil {
		return Grant{}, err
	}
	return r.signIn(ctx, account, from, newcomer{}, "")
}

// Redeem signs in with the ticket of a [LimitError]. If that makes room, the
// sessions named by ids end and the newcomer is admitted, in one step. Otherwise no
// session ends, the ticket stays good, and Redeem returns another *[LimitError]. Ids
// that name no live session of the account are ignored. from describes the browser
// that got the ticket.
//
// Redeem returns a *[TicketError] for a ticket that was altered or used, has
// expired, or was given to another browser: the user then has to sign in again.
// Other errors are those of [Registry.SignIn].
func (r *Registry) Redeem(ctx context.Context, ticket Ticket, from SignInRequest, ids ...SessionID) (Grant, error) {
	key, used, ok := decodeSecret(TicketPrefix, string(ticket))
	if !ok || !intact(string(ticket)) {
		return Grant{}, &TicketError{"it was altered"}
	}
	if err := from.check(); err != nil {
		return Grant{}, err
	}
	if from.Program {
		return Grant{}, &ConfigError{"SignInRequest", "Program", "a program is never asked, so it has no ticket"}
	}
	v, _, err := r.readFresh(ctx, key)
	if err != nil {
		return Grant{}, err
	}
	if !v.holdsTicket(used) && v.matchID(from.Attempt.session(key)) == (match{}) { // a forged one costs a read and changes nothing
		return Grant{}, errTicketUsed()
	}
	return r.signIn(ctx, v.Roster.Account, from, newcomer{ticketUsed: used, chosen: ids}, ticket)
}

// signIn admits a newcomer, by password or by the ticket that it got before.
func (r *Registry) signIn(ctx context.Context, account string, from SignInRequest, c newcomer, ticket Ticket) (Grant, error) {
	key := KeyOf(r.config.Realm, account)
	token, secret := from.Attempt.token(key)
	c = c.from(from, key, secret)
	if from.Previous.Account == account {
		c.previous = from.Previous.Session
	}
	if ticket == "" && r.rule.policy(c.seat.pool()) == PolicyAsk {
		ticket, c.ticket = from.Attempt.ticket(key)
	}
	v, is, err := r.admit(ctx, account, c)
	switch {
	case err != nil:
		return Grant{}, err
	case is.Outcome == OutcomeAsked && !is.admits():
		r.stats.asked.Add(1)
		return Grant{}, v.limitError(is, ticket)
	case is.Outcome == OutcomeRefused && !is.admits():
		r.stats.refused.Add(1)
		return Grant{}, v.limitError(is, "")
	}
	s, err := v.admitted(is)
	if err != nil {
		return Grant{}, err
	}
	r.stats.signIns.Add(1)
	r.stats.decided(is)
	if is.repeats {
		r.log.Warn("a device has displaced its own session three times within an hour. "+
			"Do several devices share its id? Each installation has to make its own (SignInRequest.DeviceID), and no image of a machine may hold one", "session", s.session().ID)
	}
	r.leave(ctx, key, from)
	return Grant{*s.session(), token, v.displacedBy(s.ID), is.newDevice}, nil
}

// leave ends the sessions that a browser had of other accounts than key's. If that
// fails, nobody holds their tokens any more, and they time out.
func (r *Registry) leave(ctx context.Context, key Key, from SignInRequest) {
	leave := func(k Key, which func(*draft) match) {
		if k == key {
			return
		}
		_, err := r.changeNow(ctx, k, "", func(d *draft) (Change, error) { return d.leave(which(d)), nil })
		if err != nil && !errors.Is(err, ErrNoSession) { // which is said of an unknown account
			r.report(faultLeft, k, err)
		}
	}
	if k, secret, ok := parseToken(from.Token); ok {
		leave(k, func(d *draft) match { return d.standsFor(secret) })
	}
	if was := from.Previous; was.Session != "" {
		leave(KeyOf(r.config.Realm, was.Account), func(d *draft) match { return d.successor(d.matchID(was.Session)) })
	}
}

// Adopt gives a seat to a session that the application issued before it used
// oneseat, by the rules of a sign-in, until [Config.AdoptUntil]. issued is when the
// session was issued; the zero time means that this is not known, and counts as
// before everything. An adopted session never displaces a later sign-in. It gets a
// seat only if nothing of the account has ended since it was issued.
//
// Adopt returns [ErrNoSession] for a session that gets no seat: the user has to sign
// in. Other errors are those of SignIn.
func (r *Registry) Adopt(ctx context.Context, account string, issued time.Time, from SignInRequest) (Grant, error) {
	if err := cmp.Or(r.checkAccount(account), r.rule.checkSignIn(from)); err != nil {
		return Grant{}, err
	}
	if r.config.AdoptUntil.IsZero() {
		return Grant{}, ErrNoSession
	}
	key := KeyOf(r.config.Realm, account)
	token, secret := from.Attempt.token(key)
	c := newcomer{adopted: true, issued: issued}.from(from, key, secret)
	v, is, err := r.admit(ctx, account, c)
	if _, blocked := errors.AsType[*BlockedError](err); blocked && !errors.Is(err, ErrLimitUnknown) {
		return Grant{}, ErrNoSession
	}
	if err != nil {
		return Grant{}, err
	}
	r.stats.decided(is)
	s, err := v.admitted(is) // a newcomer that was refused has no seat
	if err != nil {
		return Grant{}, err
	}
	return Grant{Session: *s.session(), Token: token, Displaced: v.displacedBy(s.ID)}, nil
}

// admit runs the rule of admission, and returns its errors but a *[LimitError].
func (r *Registry) admit(ctx context.Context, account string, c newcomer) (View, Decision, error) {
	var is Decision
	v, err := r.changeLimited(ctx, account, c.id(), func(d *draft) (change Change) {
		change, is = d.admit(c)
		return change
	})
	if err == nil {
		err = v.refusal(is)
	}
	return v, is, err
}

// Confirm records that the user of a session has just proved again who they are, by a
// password or a second factor that the application has verified: [Session.Proved] is
// then now. It also gives the session a lifetime: pass s.Lifetime to leave that as it is,
// and the zero Lifetime for that of the Config. So only a fresh proof makes a session
// live longer. Its age still counts from the sign-in. Confirm counts as activity.
//
// Confirm rests on the session: it returns an *[EndedError] if that has ended,
// [ErrNoSession] if it is not known, and a *[ConfigError] for a lifetime longer than the
// Config's. Then nothing is recorded. s is the session as Check returned it.
func (r *Registry) Confirm(ctx context.Context, s Session, lifetime Lifetime) (Session, error) {
	if err := cmp.Or(r.checkAccount(s.Account), r.rule.checkLifetime("Confirm", lifetime, s.Program)); err != nil {
		return Session{}, err
	}
	v, err := r.changeNow(ctx, KeyOf(r.config.Realm, s.Account), "", func(d *draft) (Change, error) { return d.confirm(s.ID, lifetime.clean()) })
	if err != nil {
		return Session{}, err
	}
	return *v.matchID(s.ID).seat.session(), nil
}

// SetData gives a session other data of the application's, at most [MaxData] bytes, for
// what changes now and then: each change is an update, and every node hears of it.
//
// SetData rests on the session: it returns an *[EndedError] if that has ended,
// [ErrNoSession] if it is not known, a *[ConfigError] for data that is too long or no
// UTF-8, and a *[DataError] if the account's sessions would have too much together. Then
// nothing is changed. s is the session as Check returned it.
func (r *Registry) SetData(ctx context.Context, s Session, data string) error {
	if err := checkData("SetData", data); err != nil {
		return err
	}
	return r.change(ctx, s.Account, func(d *draft) (Change, error) { return d.setData(s.ID, data) })
}

// SeenFrom says from where a session is used. If from is another network, or another
// browser, than the one before, SeenFrom records that: as [Session.Seen], and as the
// event session_moved. Phones change their network many times a day, and browsers their
// name, so nothing ends by that, and no seat is taken or given. SeenFrom is no activity.
//
// s is the session as Check returned it. SeenFrom compares from with s first: where
// nothing has changed it does nothing, and asks no store. Otherwise its errors are those
// of SetData for a session that is not live.
func (r *Registry) SeenFrom(ctx context.Context, s Session, from Device) error {
	if from = from.clean(); !s.elsewhere(from) {
		return nil
	}
	return r.change(ctx, s.Account, func(d *draft) (Change, error) { return d.seenFrom(s.ID, from) })
}

// Rotate gives a session a new token and leaves its ID. For ten seconds the old
// token still checks, for requests that were on their way, and signs out. It does
// nothing else: Rotate returns [ErrRotated] for it, so of several requests that
// rotate at once one succeeds. After [ErrUnknownOutcome] either token may be in
// force. Other errors are those of Check.
func (r *Registry) Rotate(ctx context.Context, token string) (Grant, error) {
	return r.RotateOnce(ctx, token, Attempt{})
}

// RotateOnce is Rotate that may be repeated with the same attempt: it gives the same
// new token for as long as that is the one in force. It returns [ErrAttemptExpired] for
// an attempt that is too old, and a *[ConfigError] for an attempt that lacks a part.
func (r *Registry) RotateOnce(ctx context.Context, token string, attempt Attempt) (Grant, error) {
	key, old, ok := parseToken(token)
	if !ok {
		return Grant{}, ErrNoSession
	}
	if err := attempt.check(); err != nil {
		return Grant{}, err
	}
	next, secret := attempt.on(old).token(key)
	v, err := r.changeNow(ctx, key, "", func(d *draft) (Change, error) {
		if err := attemptExpired(attempt.Tried, d.now()); err != nil {
			return d.changed(), err
		}
		return d.rotate(old, secret)
	})
	if err != nil {
		return Grant{}, err
	}
	return Grant{Session: *v.holder(secret), Token: next}, nil
}

// SignOut ends the session of a token. A token that was rotated away within the last
// ten seconds, or renewed within the last minute, stands for the session that the
// browser has now.
//
// It returns an *[EndedError] if the session had ended before, [ErrNoSession] for a
// token of no session, [ErrUnknownOutcome] when the reply was lost, and
// [ErrStoreUnavailable] when nothing was done.
func (r *Registry) SignOut(ctx context.Context, token string) error {
	key, secret, ok := parseToken(token)
	if !ok {
		return ErrNoSession
	}
	_, err := r.changeNow(ctx, key, "", func(d *draft) (Change, error) { return d.signOut(secret) })
	return err
}

// isOver reports whether an error means that there is no live session.
func isOver(err error) bool {
	_, ended := errors.AsType[*EndedError](err)
	return ended || errors.Is(err, ErrNoSession)
}
