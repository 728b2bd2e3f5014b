package oneseat

import (
	"context"
	"fmt"
	"slices"
)

// Cause is why sessions are ended from outside, for the record and for their
// owner.
type Cause struct {
	Reason Reason    // Revoked (the default), CredentialsChanged or SignedOut
	By     SessionID // the session from which it was done, if one
	Actor  string    // who did it, for example a member of staff; at most 48 bytes are kept
}

// SignOut ends the session of a token. It returns nil also if that had ended
// before, [ErrNoSession] for a token that is none or was rotated away, and
// [ErrStoreUnavailable] when nothing was done.
func (r *Registry) SignOut(ctx context.Context, token string) error {
	key, secret, ok := parseToken(token)
	if !ok {
		return ErrNoSession
	}
	epoch, err := r.epochNow(ctx)
	if err != nil {
		return err
	}
	var found recognition
	_, err = r.update(ctx, key, func(v View, _ int) (Change, error) {
		found = recognition{}
		if v.Roster == nil {
			return Change{}, nil
		}
		ro, events := v.settled(v.Roster.Realm, v.Roster.Account, epoch, r.rule)
		found = ro.recognise(secret, v.Now)
		if found.seat == nil || found.previous {
			return v.changeIf(ro, events, r.rule), nil // that it has timed out is recorded before it is said
		}
		events = append(events, ro.end(v, found.seat.ID, Ending{Reason: SignedOut, At: v.Now, By: found.seat.ID})...)
		return ro.commit(v, events, r.rule), nil
	})
	switch {
	case err != nil:
		return err
	case found.ending == nil && (found.seat == nil || found.previous):
		return ErrNoSession
	}
	return nil
}

// End ends some of an account's sessions, or streams, and returns how many of
// them were live. Ids that are not the account's are ignored.
func (r *Registry) End(ctx context.Context, account string, cause Cause, ids ...SessionID) (int, error) {
	return r.endIf(ctx, account, cause, false, func(s Seat) bool { return slices.Contains(ids, s.ID) })
}

// EndOthers ends all of an account's sessions but one, and returns how many.
// Tickets that were given to newcomers are good no more.
func (r *Registry) EndOthers(ctx context.Context, account string, keep SessionID, cause Cause) (int, error) {
	return r.endIf(ctx, account, cause, true, func(s Seat) bool { return s.Parent == "" && s.ID != keep })
}

// EndAll ends all of an account's sessions and returns how many. Tickets that
// were given to newcomers are good no more.
func (r *Registry) EndAll(ctx context.Context, account string, cause Cause) (int, error) {
	return r.endIf(ctx, account, cause, true, func(s Seat) bool { return s.Parent == "" })
}

func (r *Registry) endIf(ctx context.Context, account string, cause Cause, tickets bool, which func(Seat) bool) (int, error) {
	if err := checkAccount(account); err != nil {
		return 0, err
	}
	def(&cause.Reason, Revoked)
	if !slices.Contains([]Reason{Revoked, CredentialsChanged, SignedOut}, cause.Reason) {
		return 0, fmt.Errorf("oneseat: %q is not a reason to give: use Revoked, CredentialsChanged or SignedOut", string(cause.Reason))
	}
	epoch, err := r.epochNow(ctx)
	if err != nil {
		return 0, err
	}
	var tried []SessionID // what earlier tries, whose replies were lost, would have ended
	var ended []SessionID // what this try ends, and what earlier ones turn out to have ended
	last := 0
	_, err = r.update(ctx, KeyOf(r.config.Realm, account), func(v View, try int) (Change, error) {
		if try > last {
			tried, last = append(tried, ended...), try
		}
		ended = nil
		if v.Roster == nil {
			return Change{}, nil
		}
		ro, events := v.settled(v.Roster.Realm, account, epoch, r.rule)
		how := Ending{Reason: cause.Reason, At: v.Now, By: cause.By, Actor: inert(cause.Actor, maxActor)}
		if i := ro.seat(cause.By); i >= 0 {
			how.ByDevice = ro.Seats[i].Device
		}
		for _, e := range ro.Endings {
			if slices.Contains(tried, e.Session) && e.Reason == how.Reason && e.By == how.By && e.Actor == how.Actor {
				ended = append(ended, e.Session)
			}
		}
		if tickets {
			ro.Pending = nil
		}
		for _, s := range slices.Clone(ro.Seats) {
			if which(s) && ro.seat(s.ID) >= 0 { // else it ended with its parent
				events = append(events, ro.end(v, s.ID, how)...)
				ended = append(ended, s.ID)
			}
		}
		return v.changeIf(ro, events, r.rule), nil
	})
	if err != nil {
		return 0, err
	}
	return len(ended), nil
}

// EndRealm ends every session of every account of the realm at once: the kill
// switch, and the remedy after a restore from a backup. actor is for the record.
func (r *Registry) EndRealm(ctx context.Context, actor string) error {
	v, _, err := r.look(ctx, r.control)
	if err != nil {
		return err
	}
	before := v.Roster.epoch()
	_, err = r.update(ctx, r.control, func(v View, try int) (Change, error) {
		if try > 0 && v.Roster.epoch() > before { // an earlier try was committed
			return Change{}, nil
		}
		return v.newEpoch(r.config.Realm, inert(actor, maxActor)), nil
	})
	return err
}
