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
	name, store string
	plant       func(root, dir string) (overlay string, err error)
}

// within is the number of rounds in which a planted bug has to show.
const within = "200"

// sample is the bug that the ordinary go test plants.
const sample = "Redis: a commit does not compare versions"

var bugs = []bug{
	{sample, "redis", text("store/redisstore/commit.lua",
		"local stale = held ~= ARGV[1] or now > tonumber(ARGV[2])",
		"local stale = false")},
	{"Redis: a reply that never came is called a refusal", "redis", mistake("store/redisstore",
		`return fmt.Errorf("%w: %w", oneseat.ErrUnknownOutcome, $explained)`,
		`return fmt.Errorf("%w", $explained)`)},
	{"PostgreSQL: a commit does not compare versions", "postgres", text("store/pgstore/update.go",
		"WHERE key = $1 AND version = $5 AND",
		"WHERE key = $1 AND $5::bigint >= 0 AND")},
	{"PostgreSQL: a reply that never came is called a refusal", "postgres", mistake("store/pgstore",
		`return $view, $done, fmt.Errorf("%w: %w", oneseat.ErrUnknownOutcome, $explained)`,
		`return $view, $done, fmt.Errorf("%w", $explained)`)},
	{"Redis: what has ended is not counted down", "redis", text("store/redisstore/commit.lua",
		"tonumber(was) + tonumber(ARGV[i + 1])",
		"tonumber(was) + math.max(0, tonumber(ARGV[i + 1]))")},
	{"Redis Cluster: a commit asks where the roster is and not where the log is", "redis-cluster", text("store/redisstore/moving.go",
		"if exist[i] {",
		"if i == 0 {")},
	{"a retry admits twice", "redis", named("a retry admits twice")},
	{"memory is believed ten times as long", "redis", named("memory is believed ten times as long")},
	{"whoever has ended ends others", "redis", named("whoever has ended ends others")},
	{"a device id frees no seat", "redis", named("a device id frees no seat")},
	{"what the log says cuts nothing", "redis", named("what the log says cuts nothing")},
}

// text returns a mistake in a script or a query.
func text(file, old, instead string) func(root, dir string) (string, error) {
	return func(root, dir string) (string, error) { return mutants.PlantText(root, dir, file, old, instead) }
}

// mistake returns a mistake in the Go code of a store.
func mistake(dir, find, with string) func(root, dir string) (string, error) {
	return mutants.Mistake{Name: find, Dir: dir, Edits: []mutants.Edit{{Find: find, With: with}}}.Plant
}

// named returns one of the mistakes in the root package.
func named(name string) func(root, dir string) (string, error) {
	return func(root, dir string) (string, error) {
		m, err := mutants.Named(name)
		if err != nil {
			return "", err
		}
		return m.Plant(root, dir)
	}
}

// TestPlantedBugsAreCaught shows that the harness can fail.
func TestPlantedBugsAreCaught(t *testing.T) {
	first := regexp.MustCompile(`seed \d+: .*`)
	for _, b := range chosen(t) {
		t.Run(b.name, func(t *testing.T) {
			dir := t.TempDir()
			overlay, err := b.plant(filepath.Join("..", ".."), dir)
			if err != nil {
				t.Fatal(err)
			}
			bin := filepath.Join(dir, "faults.test")
			if out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-overlay="+overlay, "-o", bin, ".").CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			cmd := exec.CommandContext(t.Context(), bin, "-test.run=^TestFaults$", "-test.timeout=0", "-store="+b.store, "-rounds="+within, "-first") // our own program
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
