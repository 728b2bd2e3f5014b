package client

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/oneseat/oneseat"
)

// watch ties a watcher to a session. known.mu guards what may change.
type watch struct {
	account string
	session oneseat.SessionID
	token   string // of a session that was rotated a moment ago: the watch ends with it; else ""
	by      oneseat.Watcher

	verified time.Time // when its session was asked for, and live; at first: when the watch began
	expires  time.Time // not later than by the server's clock; zero: it does not
	doubt    bool      // something was told since, or may have been
}

// errScope says why a client cannot watch.
var errScope = errors.New(`client: a guard, and whatever else watches sessions, needs a key with the scope "sessions"`)

// CheckAndWatch is [oneseat.Registry.CheckAndWatch]. A watch is no use of its session.
func (k *Client) CheckAndWatch(ctx context.Context, token string, active bool, w *oneseat.Watch, by oneseat.Watcher) (*oneseat.Session, error) {
	if !k.watches {
		return nil, errScope
	}
	k.want()
	mine := &watch{by: by}
	stop := func() { k.known.take(mine) }
	if k.config.MaxStale > 0 {
		if answer := k.known.recall(sha256.Sum256([]byte(token)), time.Now(), active, mine); answer != nil {
			w.Bind(false, false, stop)
			return &answer.found.Session, nil
		}
	}
	answer, question, err := k.ask(ctx, oneseat.CheckRequest{Token: token, Background: !active, Fresh: k.config.MaxStale > 0})
	if err != nil {
		return nil, err
	}
	if answer.found.Rotated {
		mine.token = token
	}
	mine.verified, mine.expires = answer.asked, answer.expires
	w.Bind(answer.found.Rotated, active && !k.now().Before(answer.found.Session.LastSeen.Add(k.about.TouchEvery)), stop)
	switch certain, open := k.known.watch(mine, &answer.found.Session, question); {
	case !open:
		return nil, oneseat.ErrClosed
	case !certain:
		k.verify(ctx, nil, mine)
	}
	return &answer.found.Session, nil
}

// AfterEnd is [oneseat.Registry.AfterEnd].
func (k *Client) AfterEnd(ctx context.Context, s oneseat.Session, f func(cause error)) (stop func()) {
	mine := &watch{by: oneseat.WatcherFunc(f)}
	if !k.watches {
		f(errScope)
		return func() {}
	}
	k.want()
	switch certain, open := k.known.watchKnown(mine, &s, time.Now()); {
	case !open:
		f(oneseat.ErrClosed)
	case !certain:
		k.verify(ctx, nil, mine)
	}
	return func() { k.known.take(mine) }
}

// verify asks whether the session of some watches is live, and ends the watches if it is
// not. Without an answer the watches end with ending. If ending is nil, they go on for a
// while: see recheck.
func (k *Client) verify(ctx context.Context, ending *oneseat.Ending, some ...*watch) {
	one := some[0]
	answer, question, err := k.ask(ctx, oneseat.CheckRequest{Token: one.token, Account: one.account, Session: one.session, Background: true, Fresh: true})
	k.mute.Store(err != nil && !isRefusal(err))
	for _, w := range some {
		switch {
		case err == nil:
			k.known.verified(w, question, answer.expires)
		case isRefusal(err), errors.Is(err, oneseat.ErrClosed):
			k.tell(w, err)
		case ending != nil:
			k.tell(w, &oneseat.EndedError{Ending: *ending})
		}
	}
}

// tell ends a watch with a cause, unless it has ended.
func (k *Client) tell(w *watch, cause error) {
	if k.known.take(w) {
		w.by.SessionEnded(cause)
	}
}

// sessions groups watches: each list has those of one session that are verified in the
// same way.
func sessions(some []*watch) (lists [][]*watch) {
	type same struct {
		account string
		session oneseat.SessionID
		token   string
	}
	at := make(map[same]int)
	for _, w := range some {
		s := same{w.account, w.session, w.token}
		i, ok := at[s]
		if !ok {
			i = len(lists)
			at[s], lists = i, append(lists, nil)
		}
		lists[i] = append(lists[i], w)
	}
	return lists
}

// add adds a watch of a session. The caller holds the lock.
func (n *known) add(w *watch, s *oneseat.Session) {
	w.account, w.session = s.Account, s.ID
	if n.watches[w.account] == nil {
		n.watches[w.account] = make(map[*watch]struct{})
	}
	n.watches[w.account][w] = struct{}{}
}

// watch adds a watch of a session for which a question was answered with yes. certain:
// nothing was told of the account meanwhile. open: not closed, else nothing is watched.
func (n *known) watch(w *watch, s *oneseat.Session, q asking) (certain, open bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return false, false
	}
	w.doubt = n.since(q, s.Account)
	n.add(w, s)
	return !w.doubt, true
}

// watchKnown adds a watch of a session. certain: an answer that is kept says that the
// session is live. open: not closed, else nothing is watched.
func (n *known) watchKnown(w *watch, s *oneseat.Session, now time.Time) (certain, open bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return false, false
	}
	w.verified, w.doubt = now, true
	for k := range n.accounts[s.Account] {
		if k.found.Session.ID == s.ID && n.usable(k, now, false) {
			w.verified, w.expires, w.doubt = k.asked, k.expires, false
		}
	}
	n.add(w, s)
	return !w.doubt, true
}

// take takes a watch off the list. It returns whether it was on it.
func (n *known) take(w *watch) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := n.watches[w.account]
	if _, on := all[w]; !on {
		return false
	}
	if delete(all, w); len(all) == 0 {
		delete(n.watches, w.account)
	}
	return true
}

// verified notes that the answer to a question was that a watched session is live.
func (n *known) verified(w *watch, q asking, expires time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.since(q, w.account) {
		w.doubt = false
	}
	if q.at.After(w.verified) {
		w.verified, w.expires = q.at, expires
	}
}

// certain returns until when a watched session is known to be live. The caller holds the
// lock.
func (n *known) certain(w *watch) time.Time {
	at := w.verified
	if !w.doubt && n.proof.After(at) {
		at = n.proof
	}
	if !w.expires.IsZero() && at.After(w.expires) {
		at = w.expires
	}
	return at
}

// unverified returns the watches whose sessions have not been known to be live for longer
// than holdGrace.
func (n *known) unverified(now time.Time) (up []*watch) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	for _, all := range n.watches {
		for w := range all {
			if now.Sub(n.certain(w)) > holdGrace {
				up = append(up, w)
			}
		}
	}
	return up
}

// doubtful returns the watches whose sessions have to be verified: there was news about
// them, or they were last known to be live too long ago.
func (n *known) doubtful(now time.Time, stale time.Duration) (some []*watch) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	for _, all := range n.watches {
		for w := range all {
			if w.doubt || now.Sub(n.certain(w)) > stale || now.Sub(w.verified) > believed || w.token != "" && now.Sub(w.verified) > time.Second {
				some = append(some, w)
			}
		}
	}
	return some
}

// close forgets everything, and returns what was watched. Nothing is kept or watched after
// it.
func (n *known) close() (watched []*watch) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	for _, all := range n.watches {
		for w := range all {
			watched = append(watched, w)
		}
	}
	clear(n.watches)
	clear(n.answers)
	clear(n.accounts)
	return watched
}
