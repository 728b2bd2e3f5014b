package oneseat_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// listing is a store with a history of which parts can fail, and a log of two
// partitions as a test wants it. Readers that begin at its end hear nothing.
type listing struct {
	*memstore.Store
	load, rosters, events error
	tails                 map[oneseat.Cursor]oneseat.Tail
}

func (l *listing) Partitions() int { return 2 }

func (l *listing) Changes(_ context.Context, _ int, after oneseat.Cursor) (oneseat.Tail, error) {
	if after == "" || after == "end" {
		return oneseat.Tail{Cursor: "end", End: true}, nil
	}
	tail, ok := l.tails[after]
	if !ok {
		return oneseat.Tail{}, errDown
	}
	return tail, nil
}

func (l *listing) Load(ctx context.Context, keys ...oneseat.Key) ([]oneseat.View, error) {
	if l.load != nil {
		return nil, l.load
	}
	return l.Store.Load(ctx, keys...)
}

func (l *listing) Rosters(ctx context.Context, q oneseat.RosterQuery) ([]oneseat.View, error) {
	if l.rosters != nil {
		return nil, l.rosters
	}
	return l.Store.Rosters(ctx, q)
}

func (l *listing) Events(ctx context.Context, q oneseat.EventQuery) ([]oneseat.Record, error) {
	if l.events != nil {
		return nil, l.events
	}
	return l.Store.Events(ctx, q)
}

// No answer means no list, rather than a shorter one.
func TestAListThatCannotBeReadIsNone(t *testing.T) {
	for name, broken := range map[string]listing{
		"the control record": {load: errDown}, "the rosters": {rosters: errDown},
	} {
		broken.Store = memstore.New()
		r := newRegistry(t, &broken, oneseat.Config{})
		accounts, err := r.Accounts(t.Context(), oneseat.AccountQuery{})
		if accounts != nil || !errors.Is(err, oneseat.ErrStoreUnavailable) || !errors.Is(err, errDown) {
			t.Errorf("without %s: %v, %v", name, accounts, err)
		}
	}
	r := newRegistry(t, &listing{Store: memstore.New(), events: errDown}, oneseat.Config{})
	events, err := r.Events(t.Context(), oneseat.EventQuery{})
	if events != nil || !errors.Is(err, oneseat.ErrStoreUnavailable) || !errors.Is(err, errDown) {
		t.Errorf("events: %v, %v", events, err)
	}
}

// A list of accounts has no limits where the application would have to be asked for them.
func TestAPageHasAtMostItsAccountsAndNoLimitsThatItDidNotAskFor(t *testing.T) {
	store := memstore.New()
	r := newRegistry(t, store, oneseat.Config{})
	asking := newRegistry(t, store, oneseat.Config{LimitFor: func(context.Context, string) (oneseat.Limits, error) { return oneseat.Limits{Total: 9}, nil }})
	for i := range 5 {
		signIn(t, r, fmt.Sprint("account ", i), oneseat.SignInRequest{})
	}
	page, err := r.Accounts(t.Context(), oneseat.AccountQuery{Limit: 3})
	if len(page) != 3 || err != nil || len(page[0].InForce) != 2 {
		t.Errorf("%d accounts, %v", len(page), err)
	}
	page, err = asking.Accounts(t.Context(), oneseat.AccountQuery{Limit: 3})
	if len(page) != 3 || err != nil || page[0].InForce != nil {
		t.Errorf("%d accounts, %v: %+v", len(page), err, page)
	}
}

// The events of several partitions of the log are merged by time. A page is at the end,
// or without a gap, only if each partition is.
func TestPartitionsOfTheLogAreReadAsOne(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	entry := func(events ...oneseat.Event) oneseat.Entry { return oneseat.Entry{Events: events} }
	event := func(session oneseat.SessionID, second int, version uint64) oneseat.Event {
		return oneseat.Event{Realm: realm, Session: session, At: noon.Add(time.Duration(second) * time.Second), Version: version}
	}
	theirs := event("x", 1, 1)
	theirs.Realm = "another"
	first := oneseat.Tail{Entries: []oneseat.Entry{entry(event("c", 2, 5)), entry(event("d", 3, 6), event("e", 3, 6))}, Cursor: "first"}
	second := oneseat.Tail{Entries: []oneseat.Entry{entry(event("a", 1, 9), theirs), entry(event("b", 2, 4))}, Cursor: "second"}
	after := oneseat.Place(base64.RawURLEncoding.EncodeToString([]byte(`["one","two"]`)))
	for i := range 16 {
		first.End, first.Gap, second.End, second.Gap = i&1 == 0, i&2 == 0, i&4 == 0, i&8 == 0
		store := &listing{Store: memstore.New(), tails: map[oneseat.Cursor]oneseat.Tail{"one": first, "two": second}}
		r := newRegistry(t, store, oneseat.Config{})
		page, err := r.EventsSince(t.Context(), after)
		var sessions []oneseat.SessionID
		for _, e := range page.Events {
			sessions = append(sessions, e.Session)
		}
		if err != nil || !slices.Equal(sessions, []oneseat.SessionID{"a", "b", "c", "d", "e"}) {
			t.Errorf("got %q, %v", sessions, err)
		}
		if page.End != (first.End && second.End) || page.Gap != (first.Gap || second.Gap) {
			t.Errorf("of %+v and %+v: end %v, gap %v", first, second, page.End, page.Gap)
		}
		if next, _ := base64.RawURLEncoding.DecodeString(string(page.Next)); string(next) != `["first","second"]` {
			t.Errorf("next %s", next)
		}
		delete(store.tails, "two")
		page, err = r.EventsSince(t.Context(), after)
		if !errors.Is(err, oneseat.ErrStoreUnavailable) || !errors.Is(err, errDown) || page.Events != nil {
			t.Errorf("one partition fails: %+v, %v", page, err)
		}
	}
}
