package redisstore_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"testing"

	"github.com/oneseat/oneseat/internal/testservers"
	"github.com/oneseat/oneseat/store/internal/released"
	"github.com/oneseat/oneseat/store/redisstore"
	"github.com/redis/rueidis"
)

func TestValuesOfE18747aAreKnown(t *testing.T) {
	t.Parallel()
	r := testservers.StartRedis(t)
	sh := shell(t, r.URL)
	restore(t, sh, released.File(t, "redis.jsonl"))
	old := names(t, sh)
	s := open(t, r.URL, redisstore.Options{})
	released.Check(t, s, "redis.json")
	now := names(t, sh)
	released.Names(t, old, now)
	if now["oneseat:{N}:counts:REALM"] != "hash" { // e18747a had no sums
		t.Errorf("there are %v", now)
	}
	delete(now, "oneseat:{N}:counts:REALM")
	released.Names(t, now, old) // no other name is new

	r = testservers.StartRedis(t)
	sh = shell(t, r.URL)
	s = open(t, r.URL, redisstore.Options{})
	signIn(t, s, "ada", "A")
	if _, err := s.Update(t.Context(), key("ada"), erase); err != nil {
		t.Fatal(err)
	}
	signIn(t, s, "ada", "A")
	now = names(t, sh)
	delete(now, "oneseat:{N}:counts:REALM")
	released.Names(t, now, old)
}

// restore writes the keys that a dump describes, one a line.
func restore(t *testing.T, sh rueidis.Client, dump []byte) {
	for line := range bytes.Lines(dump) {
		var l struct {
			Key    string
			Value  []byte
			Stream []struct {
				ID     string
				Fields [][]byte
			}
			Sorted []struct {
				Score  float64
				Member []byte
			}
		}
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatal(err)
		}
		if l.Value != nil {
			run(t, sh, "SET", l.Key, string(l.Value))
		}
		for _, e := range l.Stream {
			words := []string{"XADD", l.Key, e.ID}
			for _, f := range e.Fields {
				words = append(words, string(f))
			}
			run(t, sh, words...)
		}
		for _, m := range l.Sorted {
			run(t, sh, "ZADD", l.Key, strconv.FormatFloat(m.Score, 'f', -1, 64), string(m.Member))
		}
	}
}

var (
	partition  = regexp.MustCompile(`\{\d+\}`)
	rosterName = regexp.MustCompile(`:[0-9a-f]{32}$`)
	realmName  = regexp.MustCompile(`:(default|observed|over)$`)
)

// names returns the kinds of all keys of a server, with their types and, of a
// stream, its fields.
func names(t *testing.T, sh rueidis.Client) map[string]string {
	t.Helper()
	keys, err := run(t, sh, "KEYS", "*").AsStrSlice()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, k := range keys {
		what, err := run(t, sh, "TYPE", k).ToString()
		if err != nil {
			t.Fatal(err)
		}
		if what == "stream" {
			entries, err := run(t, sh, "XRANGE", k, "-", "+", "COUNT", "1").AsXRange()
			if err != nil {
				t.Fatal(err)
			}
			for field := range entries[0].FieldValues {
				what += " " + field
			}
		}
		k = partition.ReplaceAllString(k, "{N}")
		k = rosterName.ReplaceAllString(k, ":KEY")
		k = realmName.ReplaceAllString(k, ":REALM")
		all[k] = what
	}
	return all
}
