package redisstore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/testservers"
	"github.com/oneseat/oneseat/store/redisstore"
)

// named returns the name of a key in an account's partition.
func named(account, what string) string {
	return fmt.Sprintf("oneseat:{%d}:%s", key(account).Partition(16), what)
}

func TestWhatIsNotOursIsReportedAndLeftAlone(t *testing.T) {
	t.Parallel()
	r := testservers.StartRedis(t)
	sh := shell(t, r.URL)
	s := open(t, r.URL, redisstore.Options{})
	signIn(t, s, "ada", "A")
	run(t, sh, "SET", "oneseat:something else", "theirs")

	roster := named("grace", "roster:"+key("grace").String())
	for _, c := range []struct {
		name  string
		words []string
	}{
		{"a text", []string{"SET", roster, "hello"}},
		{"a long text", []string{"SET", roster, strings.Repeat("hello ", 10)}},
		{"a roster that is damaged", []string{"SET", roster, "00000000001700000000{\"format\":"}},
		{"a roster of a release that is far ahead", []string{"SET", roster, `00001700000000000000{"format":9,"realm":"default","account":"grace"}`}},
	} {
		run(t, sh, c.words...)
		_, err := s.Load(t.Context(), key("grace"))
		_, err2 := s.Update(t.Context(), key("grace"), seat("grace", "G"))
		for _, err := range []error{err, err2} {
			if _, ok := errors.AsType[*oneseat.FormatError](err); !ok || errors.Is(err, oneseat.ErrUnknownOutcome) {
				t.Errorf("%s: %v, want a *oneseat.FormatError", c.name, err)
			}
		}
		if got, _ := run(t, sh, "GET", roster).ToString(); got != c.words[2] {
			t.Errorf("%s is now %q", c.name, got)
		}
	}
	run(t, sh, "DEL", roster)
	for _, name := range []string{roster, named("grace", "due:default"), named("grace", "log"), named("grace", "floor"), named("grace", "accounts:default")} {
		run(t, sh, "RENAME", named("ada", "log"), "kept") // fails the test if there is no log
		run(t, sh, "RENAME", "kept", named("ada", "log"))
		run(t, sh, "DEL", name)
		run(t, sh, "RPUSH", name, "theirs")
		_, err := s.Update(t.Context(), key("grace"), seat("grace", "G"))
		if name == named("grace", "floor") && err == nil {
			t.Errorf("%s: no error", name)
		}
		wantFailure(t, err, oneseat.FailureForeign)
		if got, _ := run(t, sh, "LRANGE", name, "0", "-1").AsStrSlice(); len(got) != 1 || got[0] != "theirs" {
			t.Errorf("%s is now %q", name, got)
		}
		run(t, sh, "DEL", name)
		wantLive(t, s, "grace")
	}
	signIn(t, s, "grace", "G")
	wantLive(t, s, "ada", "A")
	if got, _ := run(t, sh, "GET", "oneseat:something else").ToString(); got != "theirs" {
		t.Errorf("a key that is not ours is now %q", got)
	}
}

func TestAStoreOfAnotherProgramOrANewerReleaseIsRefused(t *testing.T) {
	t.Parallel()
	r := testservers.StartRedis(t)
	sh := shell(t, r.URL)
	for value, want := range map[string]oneseat.StoreFailure{
		"theirs": oneseat.FailureForeign, "oneseat 1 partitions 64": oneseat.FailureNewer, "oneseat 2": oneseat.FailureNewer,
	} {
		run(t, sh, "SET", "oneseat:store", value)
		_, err := redisstore.Open(t.Context(), r.URL, redisstore.Options{Timeout: patience})
		wantFailure(t, err, want)
		if got, _ := run(t, sh, "GET", "oneseat:store").ToString(); got != value {
			t.Errorf("%q is now %q", value, got)
		}
	}
	_, err := redisstore.Open(t.Context(), r.URL, redisstore.Options{Prefix: "a{b}"})
	wantFailure(t, err, oneseat.FailureAddress)
}

func TestALogThatLostSomethingIsAGap(t *testing.T) {
	t.Parallel()
	r := testservers.StartRedis(t)
	sh := shell(t, r.URL)
	s := open(t, r.URL, redisstore.Options{})
	for name, lose := range map[string]func(){
		"the end":    func() { run(t, sh, "XTRIM", named("ada", "log"), "MAXLEN", "0") },
		"the stream": func() { run(t, sh, "DEL", named("ada", "log")) },
		"everything": func() { run(t, sh, "FLUSHALL") },
	} {
		signIn(t, s, "ada", "A")
		_, _, cursor := read(t, s, "ada", "")
		signIn(t, s, "ada", "B")
		if es, gap, _ := read(t, s, "ada", cursor); gap || len(es) != 1 {
			t.Errorf("%s: before: %d entries, gap %v", name, len(es), gap)
		}
		lose()
		_, gap, next := read(t, s, "ada", cursor)
		if !gap {
			t.Errorf("%s is lost, and that is no gap", name)
		}
		signIn(t, s, "ada", "C")
		if es, gap, _ := read(t, s, "ada", next); gap || len(es) != 1 {
			t.Errorf("%s: after: %d entries, gap %v", name, len(es), gap)
		}
		if _, gap, _ := read(t, s, "ada", cursor); !gap {
			t.Errorf("%s is lost, somebody has signed in since, and that is no gap", name)
		}
	}
}

func TestAnUnreadableEntryIsAGapAndNotTheEndOfTheLog(t *testing.T) {
	t.Parallel()
	r := testservers.StartRedis(t)
	s := open(t, r.URL, redisstore.Options{})
	_, _, cursor := read(t, s, "ada", "")
	signIn(t, s, "ada", "A")
	run(t, shell(t, r.URL), "XADD", named("ada", "log"), "1999999999999999-0", "e", "theirs") // its position is in the future
	signIn(t, s, "ada", "B")                                                                  // and the next entry comes after it
	es, gap, next := read(t, s, "ada", cursor)
	if !gap || len(es) != 2 {
		t.Errorf("%d entries, gap %v", len(es), gap)
	}
	if es, gap, _ := read(t, s, "ada", next); gap || len(es) != 0 {
		t.Errorf("afterwards: %d entries, gap %v", len(es), gap)
	}
	if records, err := s.Events(t.Context(), oneseat.EventQuery{Realm: realm, Account: "ada"}); err != nil || len(records) != 3 {
		t.Errorf("%d events, %v", len(records), err)
	}
}

// TestVersionsAreExactWhereAFloatIsNot tests versions that a number of Lua cannot
// hold.
func TestVersionsAreExactWhereAFloatIsNot(t *testing.T) {
	t.Parallel()
	r := testservers.StartRedis(t)
	sh := shell(t, r.URL)
	s := open(t, r.URL, redisstore.Options{})
	for _, floor := range []uint64{9007199254740993, 12345678901234567890 / 2, 1<<63 - 9} {
		run(t, sh, "SET", named("ada", "floor"), fmt.Sprintf("%020d", floor))
		last := floor
		for i := range 4 {
			v := signIn(t, s, "ada", oneseat.SessionID(fmt.Sprint(i)))
			if v.Version != last+1 {
				t.Fatalf("version %d after %d", v.Version, last)
			}
			if vs, err := s.Load(t.Context(), key("ada")); err != nil || vs[0].Version != v.Version {
				t.Fatalf("loaded %+v, %v, want version %d", vs, err, v.Version)
			}
			last = v.Version
		}
		if v, err := s.Update(t.Context(), key("ada"), erase); err != nil || v.Version != last {
			t.Fatalf("erased: %+v, %v", v, err)
		}
		if got, _ := run(t, sh, "GET", named("ada", "floor")).ToString(); got != fmt.Sprintf("%020d", last) {
			t.Errorf("the floor is %s, want %d", got, last)
		}
	}
}
