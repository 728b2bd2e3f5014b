package oneseat

import (
	"context"
	"errors"
)

// StartStream gives a player of a live session a stream: a seat under the session's,
// which lasts as long as the session and the player's heartbeats. A player that has
// a stream gets that one again.
//
// s is the session as [Registry.Check] returned it. If the account plays as many
// streams as it may, the error is a *[LimitError] that names them, unless
// [Config.WhenStreamsFull] lets the newest play. Ask the viewer, and try again with
// Instead: if that makes room, those streams end and this one starts, in one step.
// StartStream returns an *[EndedError] if the session has
// ended, [ErrNoSession] if it is not known, and otherwise errors as
// [Registry.SignIn] does.
func (r *Registry) StartStream(ctx context.Context, s Session, p Player) (Stream, error) {
	if err := r.checkAccount(s.Account); err != nil {
		return Stream{}, err
	}
	switch {
	case p.ID == "":
		return Stream{}, errors.New("oneseat: a player needs an ID: make a random one, and keep it in the player")
	case s.ID == "": // a seat without a parent would be a session
		return Stream{}, ErrNoSession
	}
	c := p.newcomer(KeyOf(r.config.Realm, s.Account), s)
	v, is, err := r.admit(ctx, s.Account, c)
	if err != nil {
		return Stream{}, err
	}
	if is.Outcome == OutcomeAsked && !is.admits() {
		return Stream{}, v.limitError(is, "")
	}
	started, err := v.admitted(is)
	if err != nil {
		return Stream{}, err
	}
	return started.stream(), nil
}

// Heartbeat keeps a stream of the session s. It does not keep the session from
// idling. Send one every third of [Config.StreamIdle].
//
// It returns an *[EndedError] if another stream took the place of this one,
// somebody ended it, or the session has ended. It returns [ErrNoSession] if the
// stream has lapsed or was stopped: start it again.
func (r *Registry) Heartbeat(ctx context.Context, s Session, stream SessionID) error {
	return r.change(ctx, s.Account, func(d *draft) (Change, error) { return d.heartbeat(s.ID, stream) })
}

// CheckStream returns a stream of the session s if it is live, from memory where it
// may, as [Registry.Check] does. It is no heartbeat. s is the session as Check
// returned it. Errors are those of Heartbeat.
func (r *Registry) CheckStream(ctx context.Context, s Session, stream SessionID) (Stream, error) {
	return r.checkStream(ctx, s, stream, usePeek)
}

// PlayStream is CheckStream for a request that plays the stream, such as one for a
// piece of a film. It keeps the stream as Heartbeat does, but for the most part memory
// answers: a heartbeat is written when one is due. A player without heartbeats of its
// own needs such a request within two thirds of [Config.StreamIdle].
func (r *Registry) PlayStream(ctx context.Context, s Session, stream SessionID) (Stream, error) {
	return r.checkStream(ctx, s, stream, useActive)
}

func (r *Registry) checkStream(ctx context.Context, s Session, stream SessionID, how use) (Stream, error) {
	if s.ID == "" {
		return Stream{}, ErrNoSession
	}
	f, err := r.checkID(ctx, s.Account, claim{id: stream, parent: s.ID}, how, false)
	if err != nil {
		return Stream{}, err
	}
	return f.seat.stream(), nil
}

// StopStream ends a stream of the session s. Call it when the player is closed. It
// returns nil also if the stream has ended before.
func (r *Registry) StopStream(ctx context.Context, s Session, stream SessionID) error {
	return r.change(ctx, s.Account, func(d *draft) (Change, error) { return d.stopStream(s.ID, stream), nil })
}
