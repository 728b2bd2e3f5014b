package oneseat_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/memstore"
)

// An account is read as it is judged: what has timed out, or was ended with the
// realm, is not live, whether or not anybody has recorded that.
func TestAnAccountIsReadAsItIsJudged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		r := newNode(t, store, oneseat.Config{Limit: 3, Streams: 2, Idle: time.Hour, MaxStale: time.Minute})
		gone := signIn(t, r, "ada", oneseat.SignInRequest{Device: laptop})
		one := signIn(t, r, "ada", oneseat.SignInRequest{Device: phone})
		if err := signOut(t, r, gone); err != nil {
			t.Fatal(err)
		}
		stream := play(t, r, one.Session, "p")
		a, err := r.Account(t.Context(), "ada")
		if err != nil || a.Name != "ada" || !slices.Equal(a.Sessions, []oneseat.Session{one.Session}) || !slices.Equal(a.Streams, []oneseat.Stream{stream}) ||
			len(a.Endings) != 1 || a.Endings[0].Session != gone.Session.ID || a.Endings[0].Reason != oneseat.ReasonSignedOut || a.Block != nil || !a.Takeover.IsZero() || !a.Limits.IsZero() {
			t.Errorf("got %+v, %v", a, err)
		}
		time.Sleep(time.Hour) // it is due; no sweep has been
		before := stored(t, store, "ada").Version
		if a, err = r.Account(t.Context(), "ada"); err != nil || len(a.Sessions) != 0 || len(a.Streams) != 0 || len(a.Endings) != 1 {
			t.Errorf("after the timeout: %+v, %v", a, err)
		}
		if v := stored(t, store, "ada").Version; v != before {
			t.Error("reading an account has written to it")
		}
		two := signIn(t, r, "ada", oneseat.SignInRequest{})
		endRealm(t, r, "")
		if a, err = r.Account(t.Context(), "ada"); err != nil || len(a.Sessions) != 0 {
			t.Errorf("after the realm's end: %+v, %v", a, err)
		}
		wantEnded(t, r, two, oneseat.ReasonRealmEnded)
	})
}

// The limits in force are shown with the source of each, and a block with its actor.
func TestAnAccountShowsItsLimitsAndItsBlock(t *testing.T) {
	c := oneseat.Config{Limit: 2, ClassLimits: map[oneseat.Class]int{"tv": 1}, Streams: 3}
	r := newNode(t, memstore.New(), c)
	a, err := r.Account(t.Context(), "nobody yet")
	want := []oneseat.Bound{{Name: "tv", Limit: 1, Source: oneseat.SourceConfig}, {Name: "total", Limit: 2, Source: oneseat.SourceConfig}, {Name: "streams", Limit: 3, Source: oneseat.SourceConfig}}
	if err != nil || a.Name != "nobody yet" || !slices.Equal(a.InForce, want) || a.Sessions != nil {
		t.Errorf("an account of which nothing is known: %+v, %v", a, err)
	}
	if err := r.SetLimit(t.Context(), "ada", oneseat.Limits{Total: oneseat.Unlimited}, "sales"); err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
	if err := r.Block(t.Context(), "ada", until, "support"); err != nil {
		t.Fatal(err)
	}
	a, err = r.Account(t.Context(), "ada")
	want = []oneseat.Bound{{Name: "total", Limit: oneseat.MaxSeats, Source: oneseat.SourceSetLimit}, {Name: "streams", Limit: 3, Source: oneseat.SourceConfig}}
	if err != nil || a.Limits.Total != oneseat.Unlimited || !slices.Equal(a.InForce, want) {
		t.Errorf("with a limit of its own: %+v, %v", a, err)
	}
	if b := a.Block; b == nil || !b.Until.Equal(until) || b.Actor != "support" || b.Since.IsZero() {
		t.Errorf("the block is %+v", b)
	}

	var p plans
	p.say(oneseat.Limits{Total: 7})
	c.LimitFor = p.limitFor
	r = newNode(t, memstore.New(), c)
	a, err = r.Account(t.Context(), "ada")
	if err != nil || a.InForce[0] != (oneseat.Bound{Name: "total", Limit: 7, Source: oneseat.SourceLimitFor}) {
		t.Errorf("with a plan: %+v, %v", a, err)
	}
	p.fail(errDown)
	_, err = r.Account(t.Context(), "ada")
	wantError(t, err, errDown)
	if _, err := r.Account(t.Context(), ""); !isAccountError(err) {
		t.Errorf("no name: %v", err)
	}
}

func isAccountError(err error) bool {
	_, ok := errors.AsType[*oneseat.AccountError](err)
	return ok
}

// A page after a page shows each account once, in the order of their names.
func TestAccountsComeInPages(t *testing.T) {
	r := newRegistry(t, memstore.New(), oneseat.Config{})
	var want, got []string
	for i := range 25 {
		name := fmt.Sprintf("user-%02d", i)
		signIn(t, r, name, oneseat.SignInRequest{})
		want = append(want, name)
	}
	signIn(t, r, "ada", oneseat.SignInRequest{})
	for after := ""; ; {
		page, err := r.Accounts(t.Context(), oneseat.AccountQuery{Prefix: "user-", After: after, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, a := range page {
			if len(a.Sessions) != 1 || len(a.InForce) != 2 {
				t.Errorf("%+v", a)
			}
			got = append(got, a.Name)
		}
		after = page[len(page)-1].Name
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// A program that reads on from a place in the log misses nothing, or is told of a gap.
func TestReadingOnFromAPlaceMissesNothing(t *testing.T) {
	a, b, store := newSystem(t, oneseat.Config{})
	start, err := a.EventsSince(t.Context(), "")
	if err != nil || len(start.Events) != 0 || !start.End || start.Gap || start.Next == "" {
		t.Fatalf("the end: %+v, %v", start, err)
	}
	first := signIn(t, a, "ada", oneseat.SignInRequest{})
	second := signIn(t, b, "ada", oneseat.SignInRequest{})
	page, err := b.EventsSince(t.Context(), start.Next)
	var told []string
	for _, e := range page.Events {
		told = append(told, fmt.Sprint(e.Type, " ", e.Session))
	}
	want := []string{"session_created " + string(first.Session.ID), "session_ended " + string(first.Session.ID), "session_created " + string(second.Session.ID)}
	if err != nil || !slices.Equal(told, want) || !page.End || page.Gap {
		t.Errorf("after it: %q, %+v, %v", told, page, err)
	}
	if page, err = a.EventsSince(t.Context(), page.Next); err != nil || len(page.Events) != 0 {
		t.Errorf("after all: %+v, %v", page, err)
	}
	other := newNode(t, store, oneseat.Config{Realm: "staff"})
	if page, err = other.EventsSince(t.Context(), start.Next); err != nil || len(page.Events) != 0 {
		t.Errorf("another realm was told: %+v, %v", page, err)
	}
	for _, bad := range []oneseat.Place{"x", "W10", "WyIiXQ", "bnVsbA", start.Next + "!", "WyJhYmMiXSAg!"} {
		if _, err := a.EventsSince(t.Context(), bad); err == nil {
			t.Errorf("%q is no place, and was taken for one", bad)
		}
	}
	a.set(func() {
		a.changes = func(context.Context, int, oneseat.Cursor, tailFunc) (oneseat.Tail, error) {
			return oneseat.Tail{}, errDown
		}
	})
	if _, err := a.EventsSince(t.Context(), start.Next); !errors.Is(err, oneseat.ErrStoreUnavailable) || !errors.Is(err, errDown) {
		t.Errorf("a log that cannot be read: %v", err)
	}
	elsewhere := newNode(t, memstore.New(), oneseat.Config{})
	if page, err := elsewhere.EventsSince(t.Context(), start.Next); err != nil || !page.Gap {
		t.Errorf("a place of another log: %+v, %v", page, err)
	}
}

// Reading on goes over all partitions.
func TestReadingOnFromAPlaceReadsEveryPartition(t *testing.T) {
	r := newNode(t, newPartitioned(8), oneseat.Config{})
	start, err := r.EventsSince(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for i := range 20 {
		account := fmt.Sprint("account ", i)
		signIn(t, r, account, oneseat.SignInRequest{})
		want[account] = true
	}
	page, err := r.EventsSince(t.Context(), start.Next)
	for _, e := range page.Events {
		delete(want, e.Account)
	}
	if err != nil || len(page.Events) != 20 || len(want) != 0 {
		t.Errorf("%d events, and none of %v: %v", len(page.Events), want, err)
	}
}

// Account and Explain each read that account and the control record, and nothing else.
func TestOnlyTheAccountThatIsAskedForIsRead(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{LimitFor: func(context.Context, string) (oneseat.Limits, error) { return oneseat.Limits{Total: 1}, nil }})
	signIn(t, r, "ada", oneseat.SignInRequest{})
	r.set(func() {
		r.load = func(ctx context.Context, keys []oneseat.Key, next loadFunc) ([]oneseat.View, error) {
			for _, k := range keys {
				if k != oneseat.KeyOf(realm, "ada") && k != oneseat.KeyOf(realm, "") {
					t.Errorf("%v was read", k)
				}
			}
			return next(ctx, keys...)
		}
	})
	_, listed := r.Account(t.Context(), "ada")
	_, explained := r.Explain(t.Context(), "ada", oneseat.SignInRequest{})
	if listed != nil || explained != nil {
		t.Error(listed, explained)
	}
}

// storeOnly is a store that keeps no history.
type storeOnly struct{ oneseat.Store }

func TestAStoreWithoutHistorySaysSo(t *testing.T) {
	r := newRegistry(t, storeOnly{memstore.New()}, oneseat.Config{})
	signIn(t, r, "ada", oneseat.SignInRequest{})
	_, err := r.Accounts(t.Context(), oneseat.AccountQuery{})
	wantError(t, err, errors.ErrUnsupported)
	_, err = r.Events(t.Context(), oneseat.EventQuery{})
	wantError(t, err, errors.ErrUnsupported)
	_, err = r.Count(t.Context())
	wantError(t, err, errors.ErrUnsupported)
	if a, err := r.Account(t.Context(), "ada"); err != nil || len(a.Sessions) != 1 {
		t.Errorf("one account needs no history: %+v, %v", a, err)
	}
}

// What has timed out is counted until the sweep, and what the realm's end has ended
// not even until then.
func TestTheCountIsExactAsOfTheLastSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		r := newRegistry(t, store, oneseat.Config{Limit: 3, Streams: 2, Idle: time.Hour, StreamIdle: 24 * time.Hour})
		want := func(when string, want oneseat.Count) {
			t.Helper()
			if got, err := r.Count(t.Context()); err != nil || got != want {
				t.Errorf("%s: %+v, %v; want %+v", when, got, err, want)
			}
		}
		want("at first", oneseat.Count{})
		g := signIn(t, r, "ada", oneseat.SignInRequest{})
		signIn(t, r, "ada", oneseat.SignInRequest{})
		if _, err := r.StartStream(t.Context(), g.Session, oneseat.Player{ID: "p"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Minute)
		signIn(t, r, "grace", oneseat.SignInRequest{})
		want("two accounts", oneseat.Count{Accounts: 2, Sessions: 3, Streams: 1})
		time.Sleep(30 * time.Minute)
		want("timed out just now", oneseat.Count{Accounts: 2, Sessions: 3, Streams: 1})
		time.Sleep(2 * time.Minute)
		want("after a sweep", oneseat.Count{Accounts: 1, Sessions: 1})
		if err := r.EndRealm(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		want("after the realm's end", oneseat.Count{})
		b, err := json.Marshal(oneseat.Count{Accounts: 1, Sessions: 2, Streams: 3})
		if err != nil || string(b) != `{"accounts":1,"sessions":2,"streams":3}` {
			t.Errorf("in JSON: %s, %v", b, err)
		}
	})
}

// unableToCount is a store that fails to read, or to count.
type unableToCount struct {
	*memstore.Store
	load, count error
}

func (s *unableToCount) Load(ctx context.Context, keys ...oneseat.Key) ([]oneseat.View, error) {
	if s.load != nil {
		return nil, s.load
	}
	return s.Store.Load(ctx, keys...)
}

func (s *unableToCount) Count(ctx context.Context, realm string, epoch uint64) (oneseat.Count, error) {
	if s.count != nil {
		return oneseat.Count{Accounts: 7}, s.count
	}
	return s.Store.Count(ctx, realm, epoch)
}

// Without an answer from the store there is no count.
func TestACountThatFailsIsNoCount(t *testing.T) {
	s := &unableToCount{Store: memstore.New()}
	r := newRegistry(t, s, oneseat.Config{})
	signIn(t, r, "ada", oneseat.SignInRequest{})
	if c, err := r.Count(t.Context()); err != nil || c.Accounts != 1 {
		t.Errorf("got %+v, %v", c, err)
	}
	for _, fail := range []*error{&s.load, &s.count} {
		*fail = errDown
		c, err := r.Count(t.Context())
		if wantError(t, err, oneseat.ErrStoreUnavailable); c != (oneseat.Count{}) || !errors.Is(err, errDown) {
			t.Errorf("got %+v, %v", c, err)
		}
		*fail = nil
	}
}

// The types that are shown to people have JSON names, and hold no secret.
func TestAnAccountInJSON(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{})
	g := signIn(t, r, "ada", oneseat.SignInRequest{Device: phone})
	a, err := r.Account(t.Context(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	s := all["sessions"].([]any)[0].(map[string]any)
	if all["name"] != "ada" || s["id"] != string(g.Session.ID) || s["device"].(map[string]any)["label"] != phone.Label || s["created"] == nil || s["last_seen"] == nil {
		t.Errorf("%s", b)
	}
}

// The caller owns what Account returns, and may change it.
func TestTheLimitsOfAnAccountAreTheReaders(t *testing.T) {
	r := newNode(t, memstore.New(), oneseat.Config{})
	limits := func() oneseat.Limits {
		return oneseat.Limits{Total: 3, Classes: map[oneseat.Class]int{"tv": 1}, Streams: 2, StreamClasses: map[oneseat.Class]int{"tv": 1}}
	}
	if err := r.SetLimit(t.Context(), "ada", limits(), ""); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		a, err := r.Account(t.Context(), "ada")
		if err != nil || !a.Limits.Equal(limits()) {
			t.Fatalf("got %+v, %v", a.Limits, err)
		}
		a.Limits.Classes["tv"], a.Limits.StreamClasses["tv"] = 2, 2
	}
}

func TestAnAccountShowsWhenItsDevicesAlternated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		r := newNode(t, store, oneseat.Config{MaxStale: time.Minute})
		for i := range 8 {
			signIn(t, r, "ada", oneseat.SignInRequest{DeviceID: fmt.Sprintf("a device with the number %d", i%2)})
			time.Sleep(time.Second)
		}
		var noticed time.Time
		for _, e := range logged(t, store, "ada") {
			if e.Type == oneseat.EventTakeoverNoticed {
				noticed = e.At
			}
		}
		a, err := r.Account(t.Context(), "ada")
		if err != nil || noticed.IsZero() || !a.Takeover.Equal(noticed) {
			t.Errorf("got %v, %v, want %v", a.Takeover, err, noticed)
		}
	})
}
