package oneseat

import (
	"cmp"
	"context"
	"errors"
	"time"
)

// SignIn gives the account a new session, after the application has verified
// who is asking. What has to give way ends in the same step.
//
// The account is compared byte by byte: "Alice" and "alice" are two, with a limit
// each. Give the id of the application's own record of the account, not what
// was typed.
//
// It returns an *[AccountError] for what cannot name an account, a *[ConfigError] for
// a request with a bad DeviceID, a *[LimitError] when the account is full under
// [PolicyRefuse] or [PolicyAsk], a *[BlockedError] when it is blocked, an *[EndedError] when the session was admitted and ended again before
// the store's reply came, [ErrUnknownOutcome] when no reply came at all, and
// [ErrStoreUnavailable] when the store did not answer and nothing was done. The
// session is accepted on every node from the moment SignIn returns.
func (r *Registry) SignIn(ctx context.Context, account string, from SignInRequest) (Grant, error) {
	if err := from.check(); err != nil {
		return Grant{}, err
	}
	return r.signIn(ctx, account, from, newcomer{}, "")
}

// Redeem signs in with the ticket of a [LimitError]. The sessions named by ids
// end and the newcomer is admitted, in one step, if that makes room. Else it
// returns another *[LimitError], no session ends, and the ticket stays good. Ids
// of sessions that are not the account's, or not live any more, are ignored. from
// is the browser that got the ticket.
//
// It returns a *[TicketError] for a ticket that was altered or used, has
// expired, or was given to another browser; the user then has to sign in again.
// Other errors are those of [Registry.SignIn].
func (r *Registry) Redeem(ctx context.Context, ticket Ticket, from SignInRequest, ids ...SessionID) (Grant, error) {
	key, used, ok := decodeSecret(TicketPrefix, string(ticket))
	if !ok || !intact(string(ticket)) {
		return Grant{}, &TicketError{"it was altered"}
	}
	if err := from.check(); err != nil {
		return Grant{}, err
	}
	v, _, err := r.readFresh(ctx, key)
	if err != nil {
		return Grant{}, err
	}
	if !v.holdsTicket(used) { // a forged one costs a read and changes nothing
		return Grant{}, errTicketUsed()
	}
	return r.signIn(ctx, v.Roster.Account, from, newcomer{ticketUsed: used, chosen: ids}, ticket)
}

// signIn brings a newcomer in, by password or by the ticket that it was given
// before.
func (r *Registry) signIn(ctx context.Context, account string, from SignInRequest, c newcomer, ticket Ticket) (Grant, error) {
	key := KeyOf(r.config.Realm, account)
	token, secret := newToken(key)
	c = c.from(from, key, secret)
	if r.rule.whenFull == PolicyAsk && ticket == "" {
		ticket, c.ticket = newTicket(key)
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
	if k, _, ok := parseToken(from.Token); ok && k != key {
		// The browser is another account's now. Should this fail, nobody holds
		// that session's token any more: it times out.
		if err := r.SignOut(ctx, from.Token); err != nil && !isOver(err) {
			r.log.Warn("the session of another account in the same browser was not ended", "error", err)
		}
	}
	return Grant{*s.session(), token}, nil
}

// Adopt gives a seat to a session of the application's own that is older than
// oneseat, through the same door as a sign-in and until [Config.AdoptUntil]. It
// is seated as of when it was issued (the zero time: not known, so before
// everything), so it never displaces a later sign-in, and only if nothing of the
// account has ended since.
//
// It returns [ErrNoSession] for one that gets no seat: the user has to sign in.
// Other errors are those of SignIn.
func (r *Registry) Adopt(ctx context.Context, account string, issued time.Time, from SignInRequest) (Grant, error) {
	if err := cmp.Or(checkAccount(account), from.check()); err != nil {
		return Grant{}, err
	}
	if r.config.AdoptUntil.IsZero() {
		return Grant{}, ErrNoSession
	}
	key := KeyOf(r.config.Realm, account)
	token, secret := newToken(key)
	c := newcomer{adopted: true, issued: issued}.from(from, key, secret)
	v, is, err := r.admit(ctx, account, c)
	if _, blocked := errors.AsType[*BlockedError](err); blocked {
		return Grant{}, ErrNoSession
	}
	if err != nil {
		return Grant{}, err
	}
	r.stats.decided(is)
	s, err := v.admitted(is) // one that was refused has no seat
	if err != nil {
		return Grant{}, err
	}
	return Grant{*s.session(), token}, nil
}

// admit brings a newcomer to the one door.
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

// Rotate gives a session a new token and leaves its id, as after a change of
// password. For ten seconds the old token still checks, for requests that were
// on their way, and signs out; nothing else. Rotate returns [ErrRotated] for such a
// token: of several requests that rotate at once one succeeds. Other errors are
// those of Check; [ErrUnknownOutcome] leaves either token in force.
func (r *Registry) Rotate(ctx context.Context, token string) (Grant, error) {
	key, old, ok := parseToken(token)
	if !ok {
		return Grant{}, ErrNoSession
	}
	next, secret := newToken(key)
	v, err := r.changeNow(ctx, key, "", func(d *draft) (Change, error) { return d.rotate(old, secret) })
	if err != nil {
		return Grant{}, err
	}
	return Grant{*v.holder(secret), next}, nil
}

// SignOut ends the session of a token. A token that was rotated away within the
// last ten seconds, or renewed within the last minute, stands for the session that
// the browser has now.
//
// It returns an *[EndedError] if the session had ended before, [ErrNoSession] for
// a token of no session, and [ErrStoreUnavailable] when nothing was done.
func (r *Registry) SignOut(ctx context.Context, token string) error {
	key, secret, ok := parseToken(token)
	if !ok {
		return ErrNoSession
	}
	_, err := r.changeNow(ctx, key, "", func(d *draft) (Change, error) { return d.signOut(secret) })
	return err
}

// isOver says that an error means that there is no live session.
func isOver(err error) bool {
	_, ended := errors.AsType[*EndedError](err)
	return ended || errors.Is(err, ErrNoSession)
}
