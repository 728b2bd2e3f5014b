package oneseat

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// check fills in the defaults of c, and returns an error for a reason that a caller
// cannot give.
func (c *EndOptions) check() error {
	setDefault(&c.Reason, ReasonRevoked)
	if !slices.Contains([]Reason{ReasonRevoked, ReasonCredentialsChanged, ReasonSignedOut}, c.Reason) {
		return fmt.Errorf("oneseat: %q is not a reason to give: use ReasonRevoked, ReasonCredentialsChanged or ReasonSignedOut", string(c.Reason))
	}
	setDefault(&c.By, c.As)
	c.Actor = sanitize(c.Actor, maxActor)
	return nil
}

// End ends some of an account's sessions, or streams, and returns how many of them
// were live. Ids that are not the account's are ignored.
//
// With cause.As, End rests on that session: if it is not live in the same step,
// nothing ends, and End returns an *[EndedError] or [ErrNoSession]. So a session
// that was signed out cannot sign others out. Without As the caller vouches for the
// request.
func (r *Registry) End(ctx context.Context, account string, cause EndOptions, ids ...SessionID) (int, error) {
	return r.endWhere(ctx, account, endRequest{how: cause, ids: ids})
}

// EndWhere is End of the sessions for which where returns true, such as those of a class
// of device. where is called in the same step in which the sessions end, perhaps several
// times for each session. It may only read the session, and must call no method of the
// registry.
func (r *Registry) EndWhere(ctx context.Context, account string, cause EndOptions, where func(Session) bool) (int, error) {
	return r.endWhere(ctx, account, endRequest{how: cause, where: where})
}

// EndOthers ends all of an account's sessions but one, and returns how many. Tickets
// that newcomers got are void then.
//
// It rests on the session that it keeps: if that is not live in the same step,
// nothing ends, and EndOthers returns an *[EndedError] or [ErrNoSession]. To end all
// sessions whichever is live, for example after a change of password, call
// [Registry.EndAll].
func (r *Registry) EndOthers(ctx context.Context, account string, keep SessionID, cause EndOptions) (int, error) {
	return r.endWhere(ctx, account, endRequest{how: cause, others: true, keep: keep})
}

// EndAll ends all of an account's sessions and returns how many. Tickets that
// newcomers got are void then.
//
// It rests on no session. After a change of password call EndAll, and then sign the
// owner's browser in, with [SignInRequest.Override]: a session that signed in between
// the two gives way.
func (r *Registry) EndAll(ctx context.Context, account string, cause EndOptions) (int, error) {
	return r.endWhere(ctx, account, endRequest{how: cause, others: true})
}

func (r *Registry) endWhere(ctx context.Context, account string, e endRequest) (int, error) {
	if err := e.how.check(); err != nil {
		return 0, err
	}
	err := r.change(ctx, account, func(d *draft) (Change, error) { return d.endWhere(&e) })
	if err != nil {
		return 0, err
	}
	return len(e.ended), nil
}

// EndRealm ends every session of every account of the realm at once. It is for
// emergencies, and for after a restore from a backup. actor, the person who does it,
// is for the record.
func (r *Registry) EndRealm(ctx context.Context, actor string) error {
	v, _, err := r.readFresh(ctx, r.control)
	if err != nil {
		return err
	}
	before := v.epoch()
	_, err = r.update(ctx, r.control, func(v View, try int) Change {
		if try > 0 && v.epoch() > before { // an earlier try was committed
			return Change{}
		}
		return v.reopen(r.rule).newEpoch(sanitize(actor, maxActor))
	})
	return err
}

// Block ends all of an account's sessions and keeps the account out: sign-ins return
// a *[BlockedError]. The block ends at until, by the store's clock, or, if until is
// zero, with [Registry.Unblock]. Blocking a blocked account sets the time anew.
// actor is for the record. If until is neither zero nor in the future, Block returns a
// *[TimeError] and changes nothing.
func (r *Registry) Block(ctx context.Context, account string, until time.Time, actor string) error {
	until = until.UTC().Truncate(time.Microsecond)
	return r.change(ctx, account, func(d *draft) (Change, error) { return d.block(until, sanitize(actor, maxActor)) })
}

// Unblock lets a blocked account sign in again. It does nothing for an account that
// is not blocked.
func (r *Registry) Unblock(ctx context.Context, account, actor string) error {
	return r.change(ctx, account, func(d *draft) (Change, error) { return d.unblock(sanitize(actor, maxActor)), nil })
}

// Forget erases what is known of an account, for example when the account is
// deleted. Its sessions end, with [ReasonRevoked]; then its record goes, and with it
// endings, tickets, limits and a block; then its events go. A sign-in that comes at the
// same time is wholly before, and is forgotten too, or wholly after, and is that of a
// new account. So keep people out first: delete the account in the application, and
// then call Forget.
//
// When Forget has returned nil, the store has nothing that names the account, with two
// exceptions. Until [Config.AdoptUntil] an empty record stays, so that no old session
// of the application is adopted. And if limits of the account had been stored, or were
// asked for anew, within the last minute, an empty record stays until the next sweep
// after that. What the log keeps of each update is its place, the account's key (a hash
// of realm and account) and a version, because other nodes prove by the log what they
// may say from memory.
//
// If sessions end, Forget takes half of [Config.MaxStale] longer (half a second under
// [FreshAlways]), so that every node can tell their owners why. After an error some of
// the work may have been done: call Forget again.
// It returns an *[AccountError] for a text that cannot name an account, and an
// error that wraps [errors.ErrUnsupported], with nothing done, if the store is no
// [History]. An account of which nothing is known is no error.
func (r *Registry) Forget(ctx context.Context, account string) error {
	h, ok := r.store.(History)
	if !ok {
		return errNoHistory
	}
	// Before anything is erased, the endings stay in the log for long enough that every node
	// which has not fallen behind reads them. So these nodes learn why the sessions are over.
	// A node that is behind learns only that something has changed.
	switch n, err := r.EndAll(ctx, account, EndOptions{}); {
	case err != nil:
		return err
	case n > 0:
		select {
		case <-time.After(2 * r.pulse()):
		case <-ctx.Done():
			return ctx.Err()
		case <-r.life.Done():
			return ErrClosed
		}
	}
	key := KeyOf(r.config.Realm, account)
	v, err := r.edit(ctx, key, premises{account: account}, func(d *draft) (Change, error) { return d.wipe(), nil })
	if err != nil {
		return err
	}
	// If a session had come meanwhile, its end was an event. An erasure has none, so it is
	// a step of its own.
	if _, err := r.edit(ctx, key, premises{account: account}, func(d *draft) (Change, error) { return d.changed(), nil }); err != nil {
		return err
	}
	if err := h.Forget(ctx, r.config.Realm, account, v.Version); err != nil {
		return r.failed(ctx, key, r.noAnswer(err))
	}
	return nil
}

// SetLimit stores limits with the account, which come before all others. Sessions
// and streams above them end in the same step. The zero Limits remove what was
// stored. actor is for the record. SetLimit returns a *[ConfigError] for impossible
// limits.
func (r *Registry) SetLimit(ctx context.Context, account string, limits Limits, actor string) error {
	if err := limits.Check(); err != nil {
		return err
	}
	limits = limits.clone()
	_, err := r.changeLimited(ctx, account, "", func(d *draft) Change { return d.setLimit(limits, sanitize(actor, maxActor)) })
	return err
}

// RefreshLimits asks [Config.LimitFor] for the account's limits again, for example
// after a change of plan. Sessions and streams above the limits in force now end in
// one step. Sign-ins under way that had asked before ask again.
func (r *Registry) RefreshLimits(ctx context.Context, account string) error {
	_, err := r.changeLimited(ctx, account, "", (*draft).refreshLimits)
	return err
}

// Explain returns what a sign-in would lead to now, and why. It changes nothing. Its
// errors are an *[AccountError], a *[ConfigError], a *[FormatError], [ErrStoreUnavailable],
// and [ErrLimitUnknown], wrapped with what [Config.LimitFor] said.
func (r *Registry) Explain(ctx context.Context, account string, from SignInRequest) (Decision, error) {
	if err := r.rule.checkSignIn(from); err != nil {
		return Decision{}, err
	}
	v, p, err := r.judged(ctx, account)
	if err != nil {
		return Decision{}, err
	}
	return v.draft(p, r.rule).decide(newcomer{}.from(from, v.Key, digest{})), nil
}
