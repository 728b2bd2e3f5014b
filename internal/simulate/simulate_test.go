package simulate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/oneseat/oneseat/internal/canaries"
)

// count is a flag: a whole number, 1 or more.
type count uint64

func (c *count) String() string { return strconv.FormatUint(uint64(*c), 10) }

func (c *count) Set(text string) error {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 {
		return errors.New("not a whole number from 1 on")
	}
	*c = count(n)
	return nil
}

var (
	histories = count(100)
	seed      = count(1)
	child     = flag.Bool("child", false, "run by itself, and tell of it in JSON")
	again     = flag.Bool("again", false, "with -child: run the same seed again and again")
	failures  = flag.Int("failures", 5, "how many failing seeds are enough")
)

// TestMain reads the flags.
func TestMain(m *testing.M) {
	flag.Var(&histories, "histories", "how many histories, of seeds one after the other")
	flag.Var(&seed, "seed", "the first seed")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: make simulate HISTORIES=n SEED=n   (whole numbers from 1 on; SEED is the first seed, 1 unless it is given)")
	}
	flag.Parse()
	os.Exit(canaries.Main(m))
}

// TestSimulate runs some histories, or with -histories that number. They run in
// processes of their own, each on one processor: that waits less, and more of a run is
// the same when it is repeated.
func TestSimulate(t *testing.T) {
	if *child {
		tell(t)
		return
	}
	bin, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	sum := spread(t, bin, uint64(seed), uint64(histories), *failures)
	for i, f := range sum.Failures {
		t.Errorf("%s\nreplay: make simulate SEED=%d HISTORIES=1   (it failed again %d times of %d)", f.Headline, f.Seed, replay(t, bin, f.Seed), replays)
		if i == 0 {
			t.Log("\n" + f.Report)
		}
	}
	if sum.Histories >= 100 {
		for _, trouble := range troubles {
			if sum.Met[trouble] == 0 {
				t.Errorf("no history met with this: %s", trouble)
			}
		}
	}
	if sum.Histories >= 1000 {
		for _, deed := range deeds {
			if sum.Done[deed] == 0 {
				t.Errorf("in no history did this happen: %s", deed)
			}
		}
	}
	took := time.Since(began)
	t.Logf("seeds %d to %d, %v, %.0f histories a second\n%v", seed, uint64(seed)+uint64(histories)-1, took.Round(time.Second/10), float64(sum.Histories)/took.Seconds(), &sum)
}

// troubles are all troubles that can happen. Each happens at least once in 100
// histories.
var troubles = []string{
	"backup restored", "gap in the log", "log not readable", "log renamed", "log trimmed", "node paused", "node's clock set",
	"process crashed", "read refused", "reply of a read lost", "reply of an update lost", "request of an update lost", "row deleted",
	"store clock set", "store out of reach", "update arrived late", "update in conflict", "update refused", "wake dropped, late or doubled",
}

// deeds are what clients do at the limit. Each is done at least once in 1000 histories.
var deeds = []string{
	"sign in: full", "sign in: blocked", "redeem: yes", "redeem: full", "redeem: bad ticket", "set limit: yes", "change plan: yes",
	"block: yes", "unblock: yes", "play: yes", "play: full", "play: ended", "beat: yes", "beat: ended", "beat: none",
	"check stream: yes", "check stream: ended", "check stream: none", "stop: yes", "hold stream: yes", "adopt: yes", "adopt: none",
	"own device freed", "own device freed where others are refused", "unused seat freed", "unused seat freed where others are refused",
	"order of use judged", "order of use told within ten seconds",
	"attempt admitted", "attempt repeated", "attempt after its session", "attempt after a rotation", "attempt with another body", "attempt expired",
	"attempt unknown, as the ending of its session was forgotten",
}

// replays is how often a failing seed is run again, because the order of goroutines is
// not part of it.
const replays = 20

func replay(t *testing.T, bin string, seed uint64) int {
	s, err := run(t.Context(), bin, seed, replays, "-again", "-failures="+strconv.Itoa(replays))
	if err != nil {
		t.Error(err)
	}
	return len(s.Failures)
}

const marker = "simulate: "

// tell runs a batch and writes its result.
func tell(t *testing.T) {
	step := uint64(1)
	if *again {
		step = 0
	}
	text, err := json.Marshal(Batch(t, uint64(seed), uint64(histories), step, *failures))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(marker + string(text))
}

// run runs a batch in a process of its own.
func run(ctx context.Context, bin string, seed, n uint64, flags ...string) (s Sum, err error) {
	args := append([]string{"-test.run=^TestSimulate$", "-test.timeout=30m", "-child", fmt.Sprint("-seed=", seed), fmt.Sprint("-histories=", n)}, flags...)
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=400")
	out, err := cmd.CombinedOutput()
	for line := range bytes.Lines(out) {
		if text, ok := bytes.CutPrefix(line, []byte(marker)); ok && err == nil {
			return s, json.Unmarshal(text, &s)
		}
	}
	return s, fmt.Errorf("the histories of seeds %d to %d did not come to an end: %w\n%s", seed, seed+n-1, err, out)
}

// spread runs the histories of n seeds on all processors, until this many have failed.
func spread(t *testing.T, bin string, seed, n uint64, failures int) (sum Sum) {
	workers := uint64(runtime.NumCPU())
	each := min(max(n/workers/4, 20), 1000)
	var mu sync.Mutex // guards everything below
	next, end, told := seed, seed+n, time.Now()
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			mu.Lock()
			defer mu.Unlock()
			for next < end && len(sum.Failures) < failures && !t.Failed() {
				first, some := next, min(each, end-next)
				next += some
				mu.Unlock()
				s, err := run(t.Context(), bin, first, some, "-failures="+strconv.Itoa(failures))
				mu.Lock()
				if err != nil {
					t.Error(err)
				}
				sum.Add(s)
				for _, f := range s.Failures {
					t.Log(f.Headline)
				}
				if time.Since(told) > time.Minute {
					told = time.Now()
					t.Logf("%d of %d histories, %d broke a promise", sum.Histories, n, len(sum.Failures))
				}
			}
		})
	}
	wg.Wait()
	return sum
}
