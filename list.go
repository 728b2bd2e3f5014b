package oneseat

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Sessions returns the account's live sessions, the newest first, from the
// store. An account of which nothing is known has none. Sessions returns an
// *[AccountError] for a text that cannot name an account.
func (r *Registry) Sessions(ctx context.Context, account string) ([]Session, error) {
	a, err := r.listSeats(ctx, account)
	return a.Sessions, err
}

// Streams returns the account's live streams, the newest first, from the store. Its
// errors are those of Sessions.
func (r *Registry) Streams(ctx context.Context, account string) ([]Stream, error) {
	a, err := r.listSeats(ctx, account)
	return a.Streams, err
}

// listSeats reads the live sessions and streams of an account.
func (r *Registry) listSeats(ctx context.Context, account string) (a Account, err error) {
	if err := r.checkAccount(account); err != nil {
		return Account{}, err
	}
	v, control, err := r.readFresh(ctx, KeyOf(r.config.Realm, account))
	a.Sessions, a.Streams = v.live(control.epoch(), r.rule) // none, unless both were read
	return a, err
}

// Account returns all that is known about an account, from the store. An account
// that never signed in has only its name and the limits in force.
//
// It returns an *[AccountError] for a text that cannot name an account. It asks
// [Config.LimitFor], and returns [ErrLimitUnknown], wrapped with that function's error,
// if that fails.
func (r *Registry) Account(ctx context.Context, account string) (Account, error) {
	v, p, err := r.judged(ctx, account)
	if err != nil {
		return Account{}, err
	}
	return v.account(p, r.rule), nil
}

// judged reads an account's roster, and what the roster is judged by, from the store.
func (r *Registry) judged(ctx context.Context, account string) (View, premises, error) {
	if err := r.checkAccount(account); err != nil {
		return View{}, premises{}, err
	}
	key := KeyOf(r.config.Realm, account)
	limits, _, err := r.limitsOf(ctx, key, account)
	if err != nil {
		return View{}, premises{}, err
	}
	v, control, err := r.readFresh(ctx, key)
	return v, premises{account: account, epoch: control.epoch(), limits: limits}, err
}

// errNoHistory is returned if the store cannot list anything.
var errNoHistory = fmt.Errorf("oneseat: the store keeps no history (see oneseat.History): %w", errors.ErrUnsupported)

// AccountQuery selects accounts. A zero field does not restrict.
type AccountQuery struct {
	Prefix string // the beginning of their names
	After  string // the name of the last one seen
	Limit  int    // how many at most; 0 means 100; at most 1000
}

// Accounts returns a page of the accounts of which anything is known, in the order
// of their names, from the store. For the next page set After to the last name of
// this one; an empty page is the last. Accounts does not ask [Config.LimitFor]: if
// there is one, InForce is empty.
//
// It returns an error that wraps [errors.ErrUnsupported] if the store is no
// [History].
func (r *Registry) Accounts(ctx context.Context, q AccountQuery) ([]Account, error) {
	h, ok := r.store.(History)
	if !ok {
		return nil, errNoHistory
	}
	epoch, _, err := r.currentEpoch(ctx, Key{})
	if err != nil {
		return nil, err
	}
	views, err := h.Rosters(ctx, RosterQuery{Realm: r.config.Realm, Prefix: q.Prefix, After: q.After, Limit: q.Limit})
	if err != nil {
		return nil, r.failed(ctx, Key{}, r.noAnswer(err))
	}
	accounts := make([]Account, len(views))
	for i, v := range views {
		accounts[i] = v.account(premises{epoch: epoch}, r.rule)
		if r.config.LimitFor != nil {
			accounts[i].InForce = nil
		}
	}
	return accounts, nil
}

// Events returns what happened in the realm, the newest first, as far as the store
// still has it. The realm of the query is the registry's.
//
// It returns an error that wraps [errors.ErrUnsupported] if the store is no
// [History]. A program that follows events reads on with [Registry.EventsSince],
// or subscribes.
func (r *Registry) Events(ctx context.Context, q EventQuery) ([]Record, error) {
	h, ok := r.store.(History)
	if !ok {
		return nil, errNoHistory
	}
	q.Realm = r.config.Realm
	records, err := h.Events(ctx, q)
	if err != nil {
		return nil, r.failed(ctx, Key{}, r.noAnswer(err))
	}
	return records, nil
}

// Count returns how many accounts, sessions and streams are live. The figures are
// exact, as of the last sweep, which comes about once a minute: what has timed out
// since is still counted. The cost does not grow with the number of accounts.
//
// It returns an error that wraps [errors.ErrUnsupported] if the store is no
// [History].
func (r *Registry) Count(ctx context.Context) (Count, error) {
	h, ok := r.store.(History)
	if !ok {
		return Count{}, errNoHistory
	}
	epoch, _, err := r.currentEpoch(ctx, Key{})
	if err != nil {
		return Count{}, err
	}
	c, err := h.Count(ctx, r.config.Realm, epoch)
	if err != nil {
		return Count{}, r.failed(ctx, Key{}, r.noAnswer(err))
	}
	return c, nil
}

// Place is a place in the log, between two events. It holds no secret. It means
// nothing to another store.
type Place string

// EventPage is what [Registry.EventsSince] returns.
type EventPage struct {
	Events []Event
	Next   Place // where to go on
	End    bool  // everything up to the end of the log has been returned
	Gap    bool  // events may be missing before these, or among them: read the present state anew
}

// EventsSince returns what was committed in the realm after a place in the log, the
// oldest first: every event at least once, and those of one account in the order of
// commits. "" is the end of the log: EventsSince then returns no event, but the
// place from which to go on. Keep Next only when the events have been dealt with.
//
// It returns an error for a text that is no Place. If the log no longer has the place,
// is another log, or has an entry whose account was forgotten, Gap is set.
func (r *Registry) EventsSince(ctx context.Context, after Place) (EventPage, error) {
	cursors, err := after.cursors(r.store.Partitions())
	if err != nil {
		return EventPage{}, err
	}
	page := EventPage{End: true}
	for p := range cursors {
		tail, err := r.store.Changes(ctx, p, cursors[p])
		if err != nil {
			return EventPage{}, r.failed(ctx, Key{}, r.noAnswer(err))
		}
		for _, entry := range tail.Entries {
			page.Gap = page.Gap || len(entry.Events) == 0
			for _, e := range entry.Events {
				if e.Realm == r.config.Realm {
					page.Events = append(page.Events, e)
				}
			}
		}
		cursors[p] = tail.Cursor
		page.End, page.Gap = page.End && tail.End, page.Gap || tail.Gap
	}
	// Partitions are merged by time; one account's events are in one partition.
	slices.SortStableFunc(page.Events, func(a, b Event) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Version, b.Version))
	})
	b, _ := json.Marshal(cursors) // texts, which always succeeds
	page.Next = Place(base64.RawURLEncoding.EncodeToString(b))
	return page, nil
}

// cursors returns a place's cursors, one for each partition.
func (p Place) cursors(partitions int) ([]Cursor, error) {
	cursors := make([]Cursor, partitions)
	if p == "" {
		return cursors, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(string(p))
	_ = json.Unmarshal(b, &cursors) // what cannot be read stays empty
	if err != nil || len(cursors) != partitions || slices.Contains(cursors, "") {
		return nil, errors.New("oneseat: this is no place in the log of this store: use what EventsSince returned")
	}
	return cursors, nil
}
