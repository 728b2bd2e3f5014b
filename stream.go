package oneseat

import (
	"slices"
	"time"
)

// playing finds the stream that a session's player has; -1: it has none.
func (ro *Roster) playing(parent SessionID, player digest) int {
	return slices.IndexFunc(ro.seats, func(s seat) bool {
		return parent != "" && s.parent == parent && s.deviceID.Equal(player)
	})
}

// streaming returns nil if a session has such a stream, and else why it has not.
func (ro *Roster) streaming(parent, stream SessionID) error {
	switch m := ro.matchID(stream); {
	case parent == "":
	case m.seat != nil && m.seat.parent == parent:
		return nil
	case m.ending != nil && m.ending.Parent == parent:
		return &EndedError{m.ending.Ending}
	}
	if m := ro.matchID(parent); m.ending != nil {
		return &EndedError{m.ending.Ending}
	}
	return ErrNoSession
}

// heartbeat moves a stream's last-seen forward, if that is worth a write: a tenth
// of its life is.
func (d *draft) heartbeat(parent, stream SessionID) (Change, error) {
	err := d.streaming(parent, stream)
	if err == nil && d.matchID(stream).seat.epoch > d.given.epoch { // the realm's record was lost: checks do not know the stream either
		err = ErrNoSession
	}
	if err == nil && d.beat(stream, d.rule.streamIdle/10) {
		return d.commit(), nil
	}
	return d.changed(), err
}

// beat moves a live stream's last heartbeat forward, if that is so long ago, and says
// whether it did. Its session has been used by that, but does not idle the less.
func (d *draft) beat(stream SessionID, every time.Duration) bool {
	i := d.seat(stream)
	if i < 0 || d.now().Before(d.seats[i].LastSeen.Add(every)) {
		return false
	}
	d.used(d.seats[i].parent)
	d.alter(i).LastSeen = d.now()
	return true
}

// stopStream ends a session's stream, if it has that.
func (d *draft) stopStream(parent, stream SessionID) Change {
	if d.streaming(parent, stream) == nil {
		d.end(stream, Ending{Reason: ReasonSignedOut, By: parent})
	}
	return d.changed()
}
