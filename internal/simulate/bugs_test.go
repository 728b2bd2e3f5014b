package simulate

import (
	"flag"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/oneseat/oneseat/internal/mutants"
)

var planted = flag.String("bugs", "sample", `planted bugs that have to be caught: "sample", "all", or names with commas between`)

// sample are the bugs that the ordinary go test plants.
var sample = []string{"a cached no is believed", "a retry admits twice", "a session that was answered yes gives way as unused", "an attempt that is repeated late is admitted again"}

// bugs are those of the mistakes that [mutants] makes in the root package that break a
// promise which the histories can show.
var bugs = []string{
	"a cached no is believed",
	"a proof extends what was cached after it began",
	"a lease counts from the end of a read",
	"a load overwrites a newer version",
	"an idle end ignores a touch",
	"a retry admits twice",
	"an expiry is answered and then undone",
	"a gap in the log is taken for silence",
	"a ticket is redeemed twice",
	"whoever has ended ends others",
	"a ticket is anybody's",
	"whoever is chosen is believed to free a seat",
	"a limit counts that was asked for under an old revision",
	"a refresh trims to a limit that was asked for before",
	"a lowered limit trims nobody",
	"a block leaves a live session",
	"a blocked account signs in",
	"heartbeats keep a stream after its session",
	"a player reconnecting has a second stream",
	"a heartbeat is not written in time",
	"a stream that stopped elsewhere is played on",
	"a lost reply is forgotten where limits changed",
	"a device id frees every seat of the device",
	"an own device frees two seats",
	"an adoption frees its own device's seat",
	"an own device frees its seat in silence",
	"an unused session gives way at once",
	"an unused seat never gives way",
	"an unused seat gives way to an adoption",
	"a session that was answered yes gives way as unused",
	"a first use is not written where sessions displace",
	"a glance is no first use",
	"a rotation is no first use",
	"a stream's start is no first use",
	"ending others is no first use",
	"a use that nothing else goes with is not written",
	"the newest of an old view counts as the newest",
	"the newest is whoever was newest in any view",
	"the order of use goes by last-seen",
	"a use is in order for a minute",
	"a heartbeat does not use its session",
	"the same class comes second",
	"a held session is not in use",
	"a hold's end is no use",
	"authority is looked up before the atomic step",
	"a rotated token rotates",
	"a device id frees no seat",
	"a program's session gives way as unused",
	"a request that goes on counts for nothing",
	"whoever ends nobody has not used its session",
	"a retry after its end admits again",
	"an attempt that is repeated late is admitted again",
	"an attempt of a clock that is ahead is admitted again",
	"an attempt is admitted again in a new roster",
	"an attempt says yes to a session that has timed out",
	"an attempt with other bytes gets the token of nobody",
}

// within is the number of histories in which a planted bug has to show.
const within = 200000

// TestPlantedBugsAreCaught shows that the simulator can fail.
func TestPlantedBugsAreCaught(t *testing.T) {
	if *child {
		return
	}
	for _, name := range chosen(t) {
		t.Run(name, func(t *testing.T) {
			bug, err := mutants.Named(name)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			overlay, err := bug.Plant(filepath.Join("..", ".."), dir)
			if err != nil {
				t.Fatal(err)
			}
			bin := filepath.Join(dir, "simulate.test")
			if out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-overlay="+overlay, "-o", bin, ".").CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			sum := spread(t, bin, 1, within, 1)
			if len(sum.Failures) == 0 {
				t.Errorf("%s: not caught in %d histories", name, sum.Histories)
				return
			}
			first := slices.MinFunc(sum.Failures, func(a, b Failure) int { return int(a.Seed) - int(b.Seed) })
			t.Logf("%s: caught by the history of seed %d, %s", name, first.Seed, first.Headline)
		})
	}
}

func chosen(t *testing.T) []string {
	switch *planted {
	case "all":
		return bugs
	case "sample":
		return sample
	}
	names := strings.Split(*planted, ",")
	for _, name := range names {
		if !slices.Contains(bugs, name) {
			t.Fatalf("there is no planted bug %q", name)
		}
	}
	return names
}
