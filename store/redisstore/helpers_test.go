package redisstore_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/redisstore"
	"github.com/redis/rueidis"
)

const (
	realm    = "default"
	patience = 30 * time.Second
)

var quiet = slog.New(slog.DiscardHandler)

func key(account string) oneseat.Key { return oneseat.KeyOf(realm, account) }

// open opens a store that is closed when the test ends.
func open(t testing.TB, url string, o redisstore.Options) *redisstore.Store {
	t.Helper()
	if o.Logger == nil {
		o.Logger = quiet
	}
	o.Timeout = cmp.Or(o.Timeout, patience) // a loaded machine is no fault
	s, err := redisstore.Open(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	closing(t, s)
	return s
}

func closing(t testing.TB, s *redisstore.Store) {
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// shell is a client as anybody may have one.
func shell(t testing.TB, url string) rueidis.Client {
	t.Helper()
	o, err := rueidis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	o.DisableCache, o.ForceSingleClient = true, true
	c, err := rueidis.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// run runs a command and returns its answer.
func run(t testing.TB, c rueidis.Client, words ...string) rueidis.RedisResult {
	t.Helper()
	r := c.Do(context.WithoutCancel(t.Context()), c.B().Arbitrary(words...).Build())
	if err := r.Error(); err != nil && !rueidis.IsRedisNil(err) {
		t.Fatalf("%q: %v", words, err)
	}
	return r
}

// remove removes the keys of a store that is not needed any more, from a server
// that may go on.
func remove(t testing.TB, url, prefix string) {
	t.Helper()
	if strings.Contains(url, "-cluster") {
		return // it is about to end
	}
	c := shell(t, url)
	for cursor := uint64(0); ; {
		page, err := c.Do(context.WithoutCancel(t.Context()), c.B().Scan().Cursor(cursor).Match(prefix+"*").Count(10_000).Build()).AsScanEntry()
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Elements) > 0 {
			run(t, c, append([]string{"UNLINK"}, page.Elements...)...)
		}
		if cursor = page.Cursor; cursor == 0 {
			return
		}
	}
}

type change = func(oneseat.View) (oneseat.Change, error)

// seat signs account in as session id; who was signed in is displaced.
func seat(account string, id oneseat.SessionID) change {
	return func(v oneseat.View) (oneseat.Change, error) {
		ro := oneseat.Roster{Realm: realm, Account: account}
		if v.Roster != nil {
			ro = *v.Roster
		}
		var events []oneseat.Event
		for _, s := range ro.Seats {
			ro.Endings = append(slices.Clip(ro.Endings), oneseat.Ended{
				Ending: oneseat.Ending{Session: s.ID, Reason: oneseat.Displaced, At: v.Now, By: id}, Secret: s.Secret,
			})
			events = append(events, oneseat.Event{
				Type: oneseat.SessionEnded, Realm: realm, Account: account, Session: s.ID, At: v.Now, Version: v.Next(), Reason: oneseat.Displaced, By: id,
			})
		}
		s := oneseat.Session{ID: id, Account: account, Created: v.Now, LastSeen: v.Now}
		ro.Seats = []oneseat.Seat{{Session: s, Secret: sha256.Sum256([]byte(id))}}
		ro.Endings = ro.Endings[max(0, len(ro.Endings)-oneseat.MaxEndings):]
		ro.Due = v.Now.Add(time.Hour)
		events = append(events, oneseat.Event{Type: oneseat.SessionCreated, Realm: realm, Account: account, Session: id, At: v.Now, Version: v.Next()})
		return oneseat.Change{Roster: &ro, Events: events}, nil
	}
}

func erase(oneseat.View) (oneseat.Change, error) { return oneseat.Change{Erase: true}, nil }

// signIn makes an update and fails the test if it fails.
func signIn(t testing.TB, s *redisstore.Store, account string, id oneseat.SessionID) oneseat.View {
	t.Helper()
	v, err := s.Update(t.Context(), key(account), seat(account, id))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// wantLive fails the test unless these, and no others, are signed in.
func wantLive(t testing.TB, s *redisstore.Store, account string, want ...oneseat.SessionID) {
	t.Helper()
	vs, err := s.Load(t.Context(), key(account))
	if err != nil {
		t.Fatal(err)
	}
	var got []oneseat.SessionID
	if vs[0].Roster != nil {
		for _, s := range vs[0].Roster.Seats {
			got = append(got, s.ID)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("signed in to %s: %q, want %q", account, got, want)
	}
}

// wantKind fails the test unless err is an *Error of a kind, and its outcome is
// known.
func wantKind(t testing.TB, err error, want redisstore.Kind) {
	t.Helper()
	e, ok := errors.AsType[*redisstore.Error](err)
	if !ok || e.Kind != want || errors.Is(err, oneseat.ErrUnknownOutcome) {
		t.Errorf("error %v, want one of kind %d", err, want)
	}
}

// read reads a partition from a cursor to its end.
func read(t testing.TB, s *redisstore.Store, account string, from oneseat.Cursor) (entries []oneseat.Entry, gap bool, next oneseat.Cursor) {
	t.Helper()
	for {
		tail, err := s.Changes(t.Context(), key(account).Partition(s.Partitions()), from)
		if err != nil {
			t.Fatal(err)
		}
		entries, gap, from = append(entries, tail.Entries...), gap || tail.Gap, tail.Cursor
		if tail.End {
			return entries, gap, from
		}
	}
}

// eventually waits until something is so.
func eventually(t testing.TB, what string, so func() error) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		err := so()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: %v after %v", what, err, patience)
		}
	}
}
