package oneseat

import "slices"

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
// of its life is. It is no use of the session that plays it.
func (d *draft) heartbeat(parent, stream SessionID) (Change, error) {
	err := d.streaming(parent, stream)
	if err == nil && d.matchID(stream).seat.epoch > d.given.epoch { // the realm's record was lost: checks do not know the stream either
		err = ErrNoSession
	}
	if err == nil && d.touch(stream, d.rule.streamIdle/10) {
		return d.commit(), nil
	}
	return d.changed(), err
}

// stopStream ends a session's stream, if it has that.
func (d *draft) stopStream(parent, stream SessionID) Change {
	if d.streaming(parent, stream) == nil {
		d.end(stream, Ending{Reason: ReasonSignedOut, By: parent})
	}
	return d.changed()
}
