package faults

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/oneseat/oneseat/internal/canaries"
	"github.com/oneseat/oneseat/internal/model"
	"github.com/oneseat/oneseat/internal/testservers"
)

var (
	rounds = flag.Uint64("rounds", 2, "how many rounds on each store, 1 or more")
	seed   = flag.Uint64("seed", 1, "the seed of the first round")
	first  = flag.Bool("first", false, "end after one round with a violation")
	only   = flag.String("store", "all", "which store: all, "+strings.Join(slices.Sorted(maps.Keys(servers)), ", "))
)

func TestMain(m *testing.M) {
	nodeIfAsked()
	os.Exit(canaries.Main(m))
}

// servers start what a store runs on.
var servers = map[string]func(t *testing.T) *server{
	"sqlite": func(t *testing.T) *server {
		return &server{url: "sqlite:" + filepath.Join(t.TempDir(), "oneseat.db")}
	},
	"postgres": func(t *testing.T) *server {
		p := testservers.StartPostgres(t)
		return &server{url: p.URL, faults: ofServers, part: func(int) part { return p }, await: p.Await}
	},
	"redis": func(t *testing.T) *server {
		r := testservers.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
		return &server{url: r.URL, faults: ofServers, part: func(int) part { return r }, await: r.Await}
	},
	"redis-cluster": func(t *testing.T) *server {
		c := testservers.StartRedisCluster(t, "--appendonly", "yes", "--appendfsync", "always")
		return &server{
			url: c.URL, faults: []string{failover}, part: func(i int) part { return c.Master(i) }, await: c.Await,
			move: func(lasts time.Duration) error { return reshard(c, lasts) },
		}
	},
}

// reshard moves every slot that has keys of the store to another master, all of them at
// the same time, one key after the other, in any order.
func reshard(c *testservers.RedisCluster, lasts time.Duration) error {
	type step struct {
		move *testservers.SlotMove
		key  string
	}
	var moves []*testservers.SlotMove
	var steps []step
	for p := range 16 {
		slot, err := c.SlotOf(fmt.Sprintf("oneseat:{%d}:", p))
		if err != nil {
			return err
		}
		m, err := c.BeginMove(slot, rand.IntN(2)) // a test may choose at random
		if err != nil {
			return err
		}
		keys, err := m.Keys()
		if err != nil {
			return err
		}
		moves = append(moves, m)
		for _, k := range keys {
			steps = append(steps, step{m, k})
		}
	}
	rand.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
	began := time.Now()
	for i, s := range steps {
		if err := s.move.Move(s.key); err != nil {
			return err
		}
		time.Sleep(lasts*time.Duration(i+1)/time.Duration(len(steps)) - time.Since(began))
	}
	for _, m := range moves {
		if err := m.Whole(); err != nil {
			return err
		}
	}
	return nil
}

// TestFaults runs a few rounds, or with -rounds that number of rounds.
func TestFaults(t *testing.T) {
	if *rounds == 0 {
		t.Fatal("-rounds: no round proves nothing")
	}
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		if *only != "all" && *only != name {
			continue
		}
		t.Run(name, func(t *testing.T) {
			s := servers[name](t)
			began, calls, met := time.Now(), 0, map[string]int{}
			var undecided, failed int
			for i := range *rounds {
				p := newPlan(*seed+i, s)
				r, err := run(p, s)
				if err != nil {
					t.Fatalf("seed %d: the harness could not do its work: %v\n%s", p.seed, err, strings.Join(r.Faults, "\n"))
				}
				calls += r.Calls
				undecided += len(r.Undecided)
				for _, f := range p.faults {
					met[f.what]++
				}
				if len(r.Violations) > 0 {
					failed++
					report(t, p, r, name)
					if *first {
						return
					}
				}
				if *rounds > 20 && (i+1)%20 == 0 {
					fmt.Printf("%s: %d rounds, %d operations, %d with violations\n", name, i+1, calls, failed)
				}
			}
			var all []string
			for _, what := range slices.Sorted(maps.Keys(met)) {
				all = append(all, fmt.Sprintf("%s %d", what, met[what]))
			}
			t.Logf("%s, seeds %d to %d: %d rounds in %v, %d operations, %d histories undecided, %d rounds with violations\nfaults: %s",
				name, *seed, *seed+*rounds-1, *rounds, time.Since(began).Round(time.Second), calls, undecided, failed, strings.Join(all, ", "))
		})
	}
}

// report tells of a round that broke a promise, and leaves a picture of it.
func report(t *testing.T, p plan, r Result, name string) {
	t.Errorf("seed %d: %s\nagain: make faults STORE=%s SEED=%d ROUNDS=1\nlimit %d, %s, MaxStale %v\n%s", r.Seed, strings.Join(r.Violations, "\n\t"),
		name, r.Seed, p.limit, p.policy, p.stale, strings.Join(r.Faults, "\n"))
	_, info := porcupine.CheckOperationsVerbose(model.New(p.limit, p.policy), r.history.operations, time.Second)
	path := filepath.Join(t.ArtifactDir(), fmt.Sprintf("round-%d.html", r.Seed))
	if err := porcupine.VisualizePath(model.New(p.limit, p.policy), info, path); err == nil {
		t.Log("a picture of it, which go test -artifacts keeps: " + path)
	}
}
