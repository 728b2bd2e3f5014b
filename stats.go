package oneseat

import (
	"errors"
	"sync/atomic"
	"time"
)

// Stats are the figures of a registry since [New]. They name no account.
type Stats struct {
	Checks      uint64 // checks asked for
	Cached      uint64 // of these, answered yes from memory
	Ended       uint64 // of these, refused because the session has ended
	Unknown     uint64 // of these, refused because there is no such session: the token is forged, mistyped, or of a session that was forgotten
	Loads       uint64 // reads of the store, each of up to 256 rosters
	Updates     uint64 // updates sent to the store
	Touches     uint64 // of these, updates that record a use of a session
	UsesDropped uint64 // uses that were not written, because an account's order of use is written at most twice in 10 seconds
	SignIns     uint64 // sessions admitted
	Displaced   uint64 // sessions that ended to make room for them
	Refused     uint64 // sign-ins refused because the account was full
	Asked       uint64 // sign-ins refused with a ticket, to choose which session ends

	WouldDisplace uint64 // under [Config.ObserveOnly]: sessions that would have been displaced
	WouldRefuse   uint64 // likewise: sign-ins that would have been refused or asked

	Cut uint64 // watches that ended with their session, such as requests in flight

	Pending  int           // writes that nobody waits for and that are not done yet, such as uses of sessions
	Accounts int           // rosters in memory
	Held     int           // sessions that are watched, such as those with requests in flight
	LogLag   time.Duration // since the log was last known to be read to its end; below 0: not yet
}

// counters are the running figures, each written with atomic operations. A check that
// memory answers yes writes only cached. All other checks are counted in others.
type counters struct {
	cached, others, ended, unknown, loads, updates, touches, usesDropped, signIns, displaced, refused, asked, wouldDisplace, wouldRefuse, cut atomic.Uint64
}

// no counts a check that was refused, as ended or unknown, and returns its error. It does
// not count a check that got no answer from the store, nor one without an error.
func (c *counters) no(err error) error {
	if _, over := errors.AsType[*EndedError](err); over {
		c.ended.Add(1)
	} else if errors.Is(err, ErrNoSession) {
		c.unknown.Add(1)
	}
	return err
}

// noToken counts a check of a text that is no token, and returns its error.
func (c *counters) noToken() error {
	c.others.Add(1)
	return c.no(ErrNoSession)
}

// decided counts the sessions that an admission displaced, or would have displaced.
func (c *counters) decided(d Decision) {
	switch n := uint64(len(d.Displaces)); {
	case !d.Observed:
		c.displaced.Add(n)
	case d.full():
		c.wouldRefuse.Add(1)
	default:
		c.wouldDisplace.Add(n)
	}
}

// Stats returns the figures as they are now.
func (r *Registry) Stats() Stats {
	cached := r.stats.cached.Load()
	s := Stats{
		Checks: cached + r.stats.others.Load(), Cached: cached, Ended: r.stats.ended.Load(), Unknown: r.stats.unknown.Load(), Loads: r.stats.loads.Load(),
		Updates: r.stats.updates.Load(), Touches: r.stats.touches.Load(), UsesDropped: r.stats.usesDropped.Load(), SignIns: r.stats.signIns.Load(),
		Displaced: r.stats.displaced.Load(), Refused: r.stats.refused.Load(),
		Asked: r.stats.asked.Load(), WouldDisplace: r.stats.wouldDisplace.Load(), WouldRefuse: r.stats.wouldRefuse.Load(), Cut: r.stats.cut.Load(),
		Pending: r.background.len(), Accounts: r.cache.len(), Held: r.watches.count(), LogLag: r.LogLag(),
	}
	return s
}

// LogLag returns how long ago the store's log was last known to be read to its end, or
// less than 0 if it was not read yet. All that was committed before then has been put
// into the channels of subscriptions: a reader that calls LogLag first, and then reads
// its channel empty, has seen the state of that time.
func (r *Registry) LogLag() (lag time.Duration) {
	now := r.now()
	for i := range r.cache.parts {
		p := r.cache.parts[i].proof.Load()
		if p == nil {
			return -1
		}
		lag = max(lag, now.since(p.at))
	}
	return lag
}
