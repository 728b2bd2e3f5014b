package client

import (
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
)

const (
	slowest   = time.Second // between two calls while there is no answer
	verifiers = 8           // questions about watched sessions at a time
)

// listen waits for news, from the first time that somebody wants them until the client
// is closed.
func (k *Client) listen() {
	if !k.wanted() {
		return
	}
	cursor, broken := "", time.Duration(0)
	for k.life.Err() == nil {
		sent := time.Now()
		a, err := k.changes(cursor)
		if err != nil {
			broken = min(max(2*broken, 20*time.Millisecond), slowest)
			k.pause(broken)
			continue
		}
		broken = 0
		if cursor == "" { // nobody knows what was before
			a.Gap = true
		}
		cursor = a.Cursor
		k.take(a, sent)
		if len(a.Events) == 0 && !a.Gap && time.Since(sent) < k.wait/2 {
			k.pause(k.wait / 2) // a server that is being shut down answers at once
		}
	}
}

// changes asks for what came after a cursor.
func (k *Client) changes(cursor string) (a api.Changes, err error) {
	err = k.call(k.life, api.PathChanges, api.ChangesQuery{After: cursor, Wait: k.wait.Milliseconds()}, &a)
	return a, err
}

// take takes an answer to a call that was sent at a time. What is told reaches memory
// first, and only then counts as known.
func (k *Client) take(a api.Changes, sent time.Time) {
	if a.Gap {
		k.doubt(k.known.gap(), nil)
	}
	for _, e := range a.Events {
		switch oneseat.EventType(e.Type) {
		case oneseat.EventRealmEnded:
			k.doubt(k.known.gap(), nil)
		case oneseat.EventSessionRotated, oneseat.EventSessionConfirmed, oneseat.EventSessionDataChanged, oneseat.EventSessionMoved:
			k.known.heard(e.Account)
		case oneseat.EventSessionEnded:
			var of []*watch
			for _, w := range k.known.heard(e.Account) {
				if string(w.session) == e.Session {
					of = append(of, w)
				}
			}
			k.doubt(of, &oneseat.Ending{Session: oneseat.SessionID(e.Session), Reason: oneseat.Reason(e.Reason), At: e.At})
		}
	}
	if a.Age != nil {
		k.known.prove(sent.Add(-time.Duration(*a.Age) * time.Millisecond))
	}
}

// doubt has watched sessions verified, each on a goroutine of its own, some at a time.
// It is called by goroutines of the client only.
func (k *Client) doubt(some []*watch, ending *oneseat.Ending) {
	for _, of := range sessions(some) {
		k.running.Go(func() {
			k.slots <- struct{}{}
			defer func() { <-k.slots }()
			k.verify(k.life, ending, of...)
		})
	}
}

// recheck verifies what is watched and not proven to be live, until the client is
// closed.
func (k *Client) recheck() {
	if !k.wanted() {
		return
	}
	tick := time.Tick(k.stale / 4)
	for {
		select {
		case <-k.life.Done():
			return
		case <-tick:
		}
		if k.mute.Load() { // questions get no answer and take long: no watch waits until its own has failed
			for _, w := range k.known.unverified(time.Now()) {
				k.tell(w, oneseat.ErrStoreUnavailable)
			}
		}
		if len(k.slots) < cap(k.slots) { // else there is enough to verify
			k.doubt(k.known.doubtful(time.Now(), k.stale), nil)
		}
	}
}

// wanted waits until news are wanted. It returns false if the client was closed.
func (k *Client) wanted() bool {
	select {
	case <-k.wants:
		return true
	case <-k.life.Done():
		return false
	}
}

// pause waits, or returns at once when the client is closed.
func (k *Client) pause(d time.Duration) {
	select {
	case <-k.life.Done():
	case <-time.After(d):
	}
}
