package redisstore_test

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/canaries"
	"github.com/oneseat/oneseat/store/internal/fixture"
	"github.com/oneseat/oneseat/store/redisstore"
	"github.com/redis/rueidis"
)

const (
	realm = fixture.Realm

	// patience is the longest that a test waits for a condition. Only a condition
	// that never comes true takes that long: a busy machine is slow.
	patience = 2 * time.Minute
)

var quiet = canaries.Logger(nil)

// open opens a store that is closed when the test ends.
func open(t testing.TB, url string, o redisstore.Options) *redisstore.Store {
	t.Helper()
	o.Logger = canaries.Logger(o.Logger)
	o.Timeout = cmp.Or(o.Timeout, patience)
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

// shell returns a client such as any user may have.
func shell(t testing.TB, url string) rueidis.Client {
	t.Helper()
	o, err := rueidis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	o.DisableCache, o.ForceSingleClient = true, true
	o.Dialer.Timeout, o.ConnWriteTimeout = patience, patience
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

// remove deletes the keys of a store that is not needed any more, from a server
// that other tests may still use.
func remove(t testing.TB, url, prefix string) {
	t.Helper()
	if strings.Contains(url, "-cluster") {
		return // the cluster ends with its test
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

// Rosters are made by hand.
var (
	key, seat        = fixture.Key, fixture.Seat
	signIn, wantLive = fixture.SignIn, fixture.WantLive
)

func erase(oneseat.View) (oneseat.Change, error) { return oneseat.Change{Erase: true}, nil }

// wantFailure fails the test unless err is this failure of the store, with a known
// outcome.
func wantFailure(t testing.TB, err error, want oneseat.StoreFailure) {
	t.Helper()
	fixture.WantFailure("redisstore")(t, err, want)
	if errors.Is(err, oneseat.ErrUnknownOutcome) {
		t.Errorf("the outcome is unknown: %v", err)
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

// eventually waits until so returns no error.
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
