package demo

import (
	"database/sql"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/rueidis"
	_ "modernc.org/sqlite"

	"github.com/oneseat/oneseat/internal/testservers"
)

// eachHashes runs a test on each kind of Hashes. again opens the same hashes a second
// time, as after a restart.
func eachHashes(t *testing.T, test func(t *testing.T, h Hashes, again func() Hashes)) {
	t.Run("memory", func(t *testing.T) {
		h := MemoryHashes()
		test(t, h, func() Hashes { return h })
	})
	t.Run("sqlite", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "demo.db")
		open := func() Hashes {
			db, err := sql.Open("sqlite", file+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			})
			h, err := SQLHashes(t.Context(), db)
			if err != nil {
				t.Fatal(err)
			}
			return h
		}
		test(t, open(), open)
	})
	t.Run("redis", func(t *testing.T) {
		client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{testservers.StartRedis(t).Addr}, DisableCache: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		test(t, RedisHashes(client), func() Hashes { return RedisHashes(client) })
	})
}

func newUsers(t *testing.T, h Hashes) *Users {
	t.Helper()
	u, err := NewUsers(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestEachAccountBeginsWithItsNameAsPassword(t *testing.T) {
	eachHashes(t, func(t *testing.T, h Hashes, _ func() Hashes) {
		u := newUsers(t, h)
		for _, name := range Names() {
			if p, err := u.verify(t.Context(), name, name); p == nil || err != nil {
				t.Errorf("%s: %v, %v", name, p, err)
			}
			hash, err := h.Get(t.Context(), name)
			if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
				t.Errorf("%s is kept as %q, %v", name, hash, err)
			}
		}
		for _, c := range [][2]string{{"ada", "grace"}, {"nobody", ""}, {"nobody", "nobody"}, {"", ""}} {
			if p, err := u.verify(t.Context(), c[0], c[1]); p != nil || err != nil {
				t.Errorf("%q with %q: %v, %v", c[0], c[1], p, err)
			}
		}
	})
}

func TestAChangedPasswordOutlivesARestart(t *testing.T) {
	eachHashes(t, func(t *testing.T, h Hashes, again func() Hashes) {
		u := newUsers(t, h)
		p, err := u.verify(t.Context(), "ada", "ada")
		if p == nil || err != nil {
			t.Fatal(p, err)
		}
		if ok, err := u.change(t.Context(), p, "lovelace"); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if still, err := u.holds(t.Context(), p); still || err != nil {
			t.Errorf("the old proof holds: %t, %v", still, err)
		}
		u = newUsers(t, again())
		if p, err := u.verify(t.Context(), "ada", "ada"); p != nil || err != nil {
			t.Errorf("the old password: %v, %v", p, err)
		}
		if p, err := u.verify(t.Context(), "ada", "lovelace"); p == nil || err != nil {
			t.Errorf("the new password: %v, %v", p, err)
		}
	})
}

func TestOfManyChangesAtOnceOneIsMade(t *testing.T) {
	eachHashes(t, func(t *testing.T, h Hashes, _ func() Hashes) {
		u := newUsers(t, h)
		p, err := u.verify(t.Context(), "ada", "ada")
		if p == nil || err != nil {
			t.Fatal(p, err)
		}
		var made atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if ok, err := u.change(t.Context(), p, "new"); err != nil {
					t.Error(err)
				} else if ok {
					made.Add(1)
				}
			})
		}
		wg.Wait()
		if made.Load() != 1 {
			t.Errorf("%d changes were made", made.Load())
		}
	})
}

func TestNoTwoHashesOfOnePasswordAreAlike(t *testing.T) {
	if one, two := hashPassword("ada"), hashPassword("ada"); one == two {
		t.Error("the salt is the same")
	}
}

func TestAHashThatIsNotOursIsAnErrorAndCostsNothing(t *testing.T) {
	good := hashPassword("ada")
	for _, bad := range []string{
		"", "ada", "$argon2id$", good + "$", good[:len(good)-1], good[1:],
		strings.Replace(good, "argon2id", "argon2i", 1),
		strings.Replace(good, "m=19456", "m=4294967295", 1),
		strings.Replace(good, "t=2", "t=4294967295", 1),
		strings.Replace(good, "v=19", "v=16", 1),
		strings.Replace(good, "$argon2id", "\x00$argon2id", 1),
	} {
		if ok, err := matchPassword(bad, "ada"); ok || err == nil {
			t.Errorf("%q: %t, %v", bad, ok, err)
		}
	}
}
