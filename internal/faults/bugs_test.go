package faults

import (
	"flag"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/oneseat/oneseat/internal/mutants"
)

var planted = flag.String("bugs", "sample", `planted bugs that have to be caught: "sample", "all", or names with commas between`)

// bug is a mistake that breaks a promise on a store.
type bug struct {
	name, store, file, old, new string
}

// within is in how many rounds a planted bug has to show.
const within = "60"

// sample is what the ordinary go test tries.
const sample = "Redis: a commit does not compare versions"

var bugs = []bug{
	{sample, "redis", "store/redisstore/commit.lua",
		"local stale = held ~= ARGV[1] or now > tonumber(ARGV[2])",
		"local stale = false"},
	{"Redis: a reply that never came is called a refusal", "redis", "store/redisstore/update.go",
		`return fmt.Errorf("%w: %w", oneseat.ErrUnknownOutcome, s.explain(ctx, err))`,
		`return fmt.Errorf("%w", s.explain(ctx, err))`},
	{"PostgreSQL: a commit does not compare versions", "postgres", "store/pgstore/update.go",
		"WHERE key = $1 AND version = $5 AND",
		"WHERE key = $1 AND $5::bigint >= 0 AND"},
	{"PostgreSQL: a reply that never came is called a refusal", "postgres", "store/pgstore/update.go",
		`fmt.Errorf("%w: %w", oneseat.ErrUnknownOutcome, s.explain(err))`,
		`fmt.Errorf("%w", s.explain(err))`},
	{"a retry admits twice", "redis", "admit.go",
		"	if d.matchID(c.seat.ID) != (match{}) {\n",
		"	if false {\n"},
	{"memory is believed ten times as long", "redis", "cache.go",
		"return e != nil && now.since(c.freshAsOf(e)) <= c.maxStale &&",
		"return e != nil && now.since(c.freshAsOf(e)) <= 10*c.maxStale &&"},
	{"what the log says cuts nothing", "redis", "watch.go",
		"			r.endWatches(watchKey{key, e.Session}, e.Version, &EndedError{e.Ending()})\n",
		""},
}

// TestPlantedBugsAreCaught is that the harness can fail.
func TestPlantedBugsAreCaught(t *testing.T) {
	first := regexp.MustCompile(`seed \d+: .*`)
	for _, b := range chosen(t) {
		t.Run(b.name, func(t *testing.T) {
			dir := t.TempDir()
			overlay, err := mutants.Plant(filepath.Join("..", ".."), dir, b.file, b.old, b.new)
			if err != nil {
				t.Fatal(err)
			}
			bin := filepath.Join(dir, "faults.test")
			if out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-overlay="+overlay, "-o", bin, ".").CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			cmd := exec.CommandContext(t.Context(), bin, "-test.run=^TestFaults$", "-test.timeout=0", "-store="+b.store, "-rounds="+within, "-first") //nolint:gosec // ours
			out, err := cmd.CombinedOutput()
			said := first.FindString(string(out))
			if err == nil || said == "" {
				t.Fatalf("not caught in %s rounds\n%s", within, out)
			}
			t.Logf("%s: caught by the round of %s", b.name, said)
		})
	}
}

func chosen(t *testing.T) (some []bug) {
	if *planted == "all" {
		return bugs
	}
	names := strings.Split(*planted, ",")
	if *planted == "sample" {
		names = []string{sample}
	}
	for _, name := range names {
		i := slices.IndexFunc(bugs, func(b bug) bool { return b.name == name })
		if i < 0 {
			t.Fatalf("there is no planted bug %q", name)
		}
		some = append(some, bugs[i])
	}
	return some
}
