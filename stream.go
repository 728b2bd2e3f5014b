package oneseat

import "time"

// playing returns the stream that a session's player has; "": it has none.
func (ro *Roster) playing(parent SessionID, player digest) SessionID {
	for _, s := range ro.seats {
		if parent != "" && s.parent == parent && s.deviceID.Equal(player) {
			return s.ID
		}
	}
	return ""
}

// streaming returns nil if the session parent has this stream, an *[EndedError] if
// the stream or the session has ended, and else [ErrNoSession].
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

// heartbeat moves a stream's last-seen forward, at most once in a tenth of its life,
// because each time is a write.
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

// silent reports whether a stream's player has missed a heartbeat, and may have gone
// without stopping the stream.
func (d *draft) silent(s *seat) bool {
	return !d.now().Before(s.LastSeen.Add(d.rule.streamIdle / 2))
}

// beat moves a live stream's last heartbeat forward if that is at least every ago,
// and reports whether it did. That is also a use of the stream's session, for the order
// of use. It does not keep the session from idling.
func (d *draft) beat(stream SessionID, every time.Duration) bool {
	i := d.seat(stream)
	if d.now().Before(d.seats[i].LastSeen.Add(every)) {
		return false
	}
	d.used(d.seats[i].parent)
	d.alter(i).LastSeen = d.now()
	return true
}

// stopStream ends a stream if it is live and the session's.
func (d *draft) stopStream(parent, stream SessionID) Change {
	if d.streaming(parent, stream) == nil {
		d.end(stream, Ending{Reason: ReasonSignedOut, By: parent})
	}
	return d.changed()
}
