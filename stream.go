package oneseat

import (
	"cmp"
	"context"
	"errors"
	"slices"
)

// Player is what plays a stream: one of a session's, of which there may be
// several.
type Player struct {
	// ID is random and the player's own. It keeps it over reconnects, seeks and
	// changes of quality, which take no second stream. Only its hash is stored.
	ID string

	// Instead names streams to end, to make room for this one.
	Instead []SessionID
}

// StartStream gives a player of a live session a stream: a seat under the
// session's, which lasts as long as the session and the player's heartbeats. A
// player that has a stream gets that, and no second one.
//
// s is the session as [Registry.Check] returned it. If the account plays as many
// streams as it may, the error is a *[LimitError] that names them: ask the viewer
// and try again with Instead, which ends those and starts this in one step, if
// that makes room. It returns an *[EndedError] if the session has ended,
// [ErrNoSession] if it is not known, and otherwise errors as [Registry.SignIn]
// does.
func (r *Registry) StartStream(ctx context.Context, s Session, p Player) (Session, error) {
	if err := checkAccount(s.Account); err != nil {
		return Session{}, err
	}
	switch {
	case p.ID == "":
		return Session{}, errors.New("oneseat: a player needs an ID: make a random one, and keep it in the player")
	case s.ID == "": // a seat without a parent would be a session
		return Session{}, ErrNoSession
	}
	key := KeyOf(r.config.Realm, s.Account)
	c := newcomer{instead: p.Instead, seat: Seat{
		Session:  Session{ID: newSessionID(), Parent: s.ID, Device: s.Device.clean()},
		DeviceID: deviceDigest("player " + p.ID),
	}}
	v, d, err := r.admit(ctx, key, s.Account, c)
	if err != nil {
		return Session{}, err
	}
	if d.Outcome == Asked && !d.admits() {
		return Session{}, r.full(v, c, d, "")
	}
	id := c.seat.ID
	if d.keeps != "" {
		id = d.keeps
	}
	found := v.Roster.recall(id)
	if found.seat == nil {
		return Session{}, &EndedError{found.ending.Ending}
	}
	return found.seat.Session, nil
}

// Heartbeat keeps a stream of the session s; it is not activity of the session.
// Send one every third of [Config.StreamIdle].
//
// It returns an *[EndedError] if another stream took its place, somebody ended it,
// or the session has ended, and [ErrNoSession] if the stream has lapsed or was
// stopped: start it again.
func (r *Registry) Heartbeat(ctx context.Context, s Session, stream SessionID) error {
	var refusal error
	err := r.changeAccount(ctx, s.Account, func(v View, epoch uint64) (c Change) {
		c, refusal = v.beat(s, stream, epoch, r.rule)
		return c
	})
	return cmp.Or(err, refusal)
}

// CheckStream says whether a stream of the session s is live, from memory where
// it may, as [Registry.Check] does; it is no heartbeat. s is the session as Check
// returned it. Errors are those of Heartbeat.
func (r *Registry) CheckStream(ctx context.Context, s Session, stream SessionID) (Session, error) {
	got, err := r.checkID(ctx, s.Account, claim{id: stream, parent: s.ID})
	of := got.Parent
	over, ended := errors.AsType[*EndedError](err)
	if ended {
		of = over.Ending.Parent
	}
	if (err == nil || ended) && (of == "" || of != s.ID) {
		return Session{}, ErrNoSession
	}
	return got, err
}

// StopStream ends a stream of the session s, as its player does when it is
// closed. It returns nil also if that had ended before.
func (r *Registry) StopStream(ctx context.Context, s Session, stream SessionID) error {
	return r.changeAccount(ctx, s.Account, func(v View, epoch uint64) Change {
		return v.stop(s, stream, epoch, r.rule)
	})
}

// Streams returns what the account plays, the newest first, from the store.
func (r *Registry) Streams(ctx context.Context, account string) ([]Session, error) {
	all, err := r.live(ctx, account)
	return slices.DeleteFunc(all, func(s Session) bool { return s.Parent == "" }), err
}

// playing finds the stream that a session's player has.
func (ro *Roster) playing(parent SessionID, player Digest) int {
	return slices.IndexFunc(ro.Seats, func(s Seat) bool {
		return parent != "" && s.Parent == parent && s.DeviceID.Equal(player)
	})
}

// streaming says why a session has no such stream; nil: it has.
func (ro *Roster) streaming(parent, stream SessionID) error {
	switch r := ro.recall(stream); {
	case parent == "":
	case r.seat != nil && r.seat.Parent == parent:
		return nil
	case r.ending != nil && r.ending.Parent == parent:
		return &EndedError{r.ending.Ending}
	}
	if r := ro.recall(parent); r.ending != nil {
		return &EndedError{r.ending.Ending}
	}
	return ErrNoSession
}

// beat moves a stream's last-seen forward, if that is worth a write: a tenth of
// its life is.
func (v View) beat(s Session, stream SessionID, epoch uint64, rule Rule) (Change, error) {
	if v.Roster == nil {
		return Change{}, ErrNoSession
	}
	ro, events := v.settled(v.Roster.Realm, s.Account, epoch, rule)
	err := ro.streaming(s.ID, stream)
	if err == nil && ro.recall(stream).seat.Epoch > epoch { // the realm's record was lost: checks do not know it either
		err = ErrNoSession
	}
	if err == nil && ro.touch(stream, v.Now, rule.StreamIdle/10) {
		return ro.commit(v, events, rule), nil
	}
	return v.changeIf(ro, events, rule), err
}

func (v View) stop(s Session, stream SessionID, epoch uint64, rule Rule) Change {
	if v.Roster == nil {
		return Change{}
	}
	ro, events := v.settled(v.Roster.Realm, s.Account, epoch, rule)
	if ro.streaming(s.ID, stream) == nil {
		events = append(events, ro.end(v, stream, Ending{Reason: SignedOut, At: v.Now, By: s.ID})...)
	}
	return v.changeIf(ro, events, rule)
}
